//! The arguments of `tally ingest`, and of live chains for every command that follows them.

use crate::shared_args::{L1Endpoints, L2Endpoints, LogArg, RpcArgs, listen_address, secs};
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tally_ingest::Finality;

#[derive(Debug, Args)]
pub(crate) struct IngestArgs {
    /// Ingest the recording in this directory
    #[arg(long, env = "TALLY_RECORDING", value_name = "DIR", conflicts_with = "network")]
    pub(crate) recording: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The last L1 block to ingest [default: the last there is]
    #[arg(long, env = "TALLY_L1_TO", value_name = "BLOCK")]
    pub(crate) l1_to: Option<u64>,
    /// The last L2 block to ingest [default: the last there is]
    #[arg(long, env = "TALLY_L2_TO", value_name = "BLOCK")]
    pub(crate) l2_to: Option<u64>,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
}

/// How to ingest from live chains.
#[derive(Debug, Args)]
#[command(next_help_heading = "Live chains")]
pub(crate) struct LiveArgs {
    /// Ingest this network, live: a built-in one (mainnet, sepolia) or a network file
    #[arg(long, env = "TALLY_NETWORK", value_name = "NAME|FILE")]
    pub(crate) network: Option<String>,
    #[command(flatten)]
    pub(crate) l1: L1Endpoints,
    #[command(flatten)]
    pub(crate) l2: L2Endpoints,
    /// Up to where to ingest L1: the chain's finalized or safe block, or so many blocks below its head
    #[arg(long, env = "TALLY_L1_FINALITY", value_name = "finalized|safe|BLOCKS", default_value = "finalized", value_parser = finality)]
    pub(crate) l1_finality: Finality,
    /// How many blocks below its head to ingest L2
    #[arg(long, env = "TALLY_L2_CONFIRMATIONS", value_name = "BLOCKS", default_value_t = 10)]
    pub(crate) l2_confirmations: u64,
    /// Go on with new blocks as they come, until a signal ends it
    #[arg(long, env = "TALLY_FOLLOW", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) follow: bool,
    /// How long to wait before looking for new blocks
    #[arg(long, env = "TALLY_POLL_SECS", value_name = "SECS", default_value = "5", value_parser = secs)]
    pub(crate) poll_secs: Duration,
    /// How often to compare the log with the contracts' own state while following, besides once at the end of L1; 0:
    /// never
    #[arg(long, env = "TALLY_STATE_CHECK_HOURS", value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(..=8_760))]
    pub(crate) state_check_hours: u32,
    #[command(flatten)]
    pub(crate) rpc: RpcArgs,
    /// Serve Prometheus metrics at this address, under /metrics
    #[arg(long, env = "TALLY_METRICS_LISTEN", value_name = "[HOST:]PORT", value_parser = listen_address)]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// How to tell what happens: bars on a terminal, else lines
    #[arg(long, env = "TALLY_PROGRESS", value_enum, default_value_t = ProgressArg::Auto)]
    pub(crate) progress: ProgressArg,
    /// From which level on to tell what happens
    #[arg(long, env = "TALLY_LEVEL", value_enum, default_value_t = LevelArg::Info)]
    pub(crate) level: LevelArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressArg {
    /// Bars if the standard error is a terminal, else lines
    Auto,
    /// A bar for each chain
    Bars,
    /// A line now and then
    Lines,
    /// Each line is one JSON object
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LevelArg {
    /// Only what ends the command
    Error,
    /// What somebody should look at, too
    Warn,
    /// How it goes, too
    Info,
    /// Each failed request, too
    Debug,
}

fn finality(text: &str) -> Result<Finality, String> {
    match text {
        "finalized" => Ok(Finality::Finalized),
        "safe" => Ok(Finality::Safe),
        blocks => match blocks.parse() {
            Ok(blocks) => Ok(Finality::Confirmations(blocks)),
            Err(error) => Err(format!("neither finalized, nor safe, nor a number of blocks: {error}")),
        },
    }
}
