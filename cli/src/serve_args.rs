//! The arguments of `tally serve` and `tally token`.

use crate::ingest_args::LiveArgs;
use crate::shared_args::{LogArg, PoliciesArg, listen_address};
use clap::Args;
use clap::builder::BoolishValueParser;
use std::net::SocketAddr;
use std::path::PathBuf;
use tally_feed::Origin;
use tally_pages::ExplorerUrl;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(mut_arg("policy", |arg| arg.help(
    "A built-in policy (guide, stake-weighted, locking-pool, operators, fixed-reward) or a policy \
     file; may be repeated. The first is the one that is meant where a request names none"
)))]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) policies: PoliciesArg,
    /// The address and port to listen on, or a port of this machine
    #[arg(long, env = "TALLY_LISTEN", value_name = "[HOST:]PORT", default_value = "127.0.0.1:8700", value_parser = listen_address)]
    pub(crate) listen: SocketAddr,
    /// Let everybody ask who can connect: without this or --token-file it listens on this machine only
    #[arg(long, env = "TALLY_PUBLIC", value_parser = BoolishValueParser::new(), conflicts_with = "token_file")]
    pub(crate) public: bool,
    /// Who may ask: a file with lines as `tally token` prints them, read at the start
    #[arg(long, env = "TALLY_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Serve with TLS: the certificate and those that it is signed by, as PEM
    #[arg(long, env = "TALLY_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's key, as PEM
    #[arg(long, env = "TALLY_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Speak HTTP/2 without TLS, too, to clients that begin with it; over TLS it is always spoken
    #[arg(long, env = "TALLY_H2C", value_parser = BoolishValueParser::new(), conflicts_with = "tls_cert")]
    pub(crate) h2c: bool,
    /// An origin whose pages may ask, from browsers, such as `https://pool.example`; may be repeated; * for all
    #[arg(long, env = "TALLY_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub(crate) cors_origin: Vec<Origin>,
    /// Let everybody ask for /readyz, as for /healthz, without a token
    #[arg(long, env = "TALLY_PUBLIC_READYZ", value_parser = BoolishValueParser::new())]
    pub(crate) public_readyz: bool,
    /// How many requests a client may make in a second (twice as many at once); 0 for any number
    #[arg(long, env = "TALLY_REQUESTS_PER_SEC", value_name = "N", default_value_t = 100)]
    pub(crate) requests_per_sec: u32,
    /// How many connections may be open; more are closed at once
    #[arg(long, env = "TALLY_CONNECTIONS_MAX", value_name = "N", default_value_t = 16_384, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections_max: u32,
    /// How many readers may follow the feed
    #[arg(long, env = "TALLY_STREAMS_MAX", value_name = "N", default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..1_000_000))]
    pub(crate) streams_max: u32,
    /// How many seconds the log may be behind the chains, and these unheard of, while /readyz says yes
    #[arg(long, env = "TALLY_READY_LAG_SECS", value_name = "SECS", default_value_t = 1_800)]
    pub(crate) ready_lag_secs: u64,
    /// Where the feed's sequence numbers are kept [default: feed, in the log's directory]
    #[arg(long, env = "TALLY_FEED_DIR", value_name = "DIR")]
    pub(crate) feed_dir: Option<PathBuf>,
    /// Serve the API alone, without the pages for people
    #[arg(long, env = "TALLY_NO_PAGES", value_parser = BoolishValueParser::new())]
    pub(crate) no_pages: bool,
    /// The explorer of L1 that pages link to, such as `https://etherscan.io` [default: that of a known chain]
    #[arg(long, env = "TALLY_L1_EXPLORER", value_name = "URL")]
    pub(crate) l1_explorer: Option<ExplorerUrl>,
    /// The explorer of L2 that pages link to [default: that of a known chain]
    #[arg(long, env = "TALLY_L2_EXPLORER", value_name = "URL")]
    pub(crate) l2_explorer: Option<ExplorerUrl>,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// What the token is called in the file: letters, digits, dots, - and _
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}
