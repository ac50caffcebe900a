//! The arguments of `tally sink`.

use crate::WrongUsage;
use crate::ingest_args::LevelArg;
use crate::shared_args::{LogArg, PoliciesArg, listen_address};
use crate::sink::usage;
use anyhow::{Context, Result};
use clap::builder::BoolishValueParser;
use clap::{ArgGroup, Args, Subcommand};
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tally_sink::{Database, Password, STATEMENT_TIMEOUT, Schema};

/// The longest password that is read.
const PASSWORD_BYTES_MAX: u64 = 4_096;

#[derive(Debug, Subcommand)]
pub(crate) enum SinkCommand {
    /// Write the facts of the claim feed into tables of PostgreSQL, each once
    Postgres(Box<SinkPostgresArgs>),
    /// Bring the tables to the version that this command knows
    Migrate(SinkMigrateArgs),
    /// Print the script that makes the roles of the tables: owner, writer and reader
    Roles(SinkRolesArgs),
    /// Print the script that makes views of everything for readers in another schema
    Publish(SinkPublishArgs),
    /// Compare the tables with what a log says; 3 if any row differs
    Check(SinkCheckArgs),
}

/// Which database is written, and how it is connected to.
#[derive(Debug, Args)]
pub(crate) struct DatabaseArgs {
    /// The database: a URL of PostgreSQL, or words like host=... dbname=...; another machine is asked with TLS
    #[arg(
        long,
        env = "TALLY_DATABASE",
        value_name = "URL",
        hide_env_values = true,
        hide_default_value = true
    )]
    database: Option<String>,
    /// A file with the password [default: that of the URL, or of PGPASSWORD]
    #[arg(long, env = "TALLY_DATABASE_PASSWORD_FILE", value_name = "FILE")]
    database_password_file: Option<PathBuf>,
    /// The certificates to trust, as PEM [default: the system's]
    #[arg(long, env = "TALLY_DATABASE_CA", value_name = "FILE")]
    database_ca: Option<PathBuf>,
    /// How long the database may take for one statement before the connection counts as hanging
    #[arg(long, env = "TALLY_DATABASE_TIMEOUT_SECS", value_name = "SECS", default_value_t = STATEMENT_TIMEOUT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=86_400))]
    database_timeout_secs: u64,
    #[command(flatten)]
    pub(crate) schema: SchemaArg,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArg {
    /// The schema of the tables
    #[arg(long, env = "TALLY_DATABASE_SCHEMA", value_name = "NAME", default_value = "tally")]
    schema: String,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).args(["log", "from"]))]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line, and none follows from another"
)]
pub(crate) struct SinkPostgresArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// The directory of a log whose feed no server keeps
    #[arg(long, env = "TALLY_LOG", value_name = "DIR")]
    pub(crate) log: Option<PathBuf>,
    /// Where the feed's sequence numbers are kept [default: feed, in the log's directory]
    #[arg(long, env = "TALLY_FEED_DIR", value_name = "DIR", conflicts_with = "from")]
    pub(crate) feed_dir: Option<PathBuf>,
    /// The URL of a server of the claim feed
    #[arg(
        long,
        env = "TALLY_SINK_FROM",
        value_name = "URL",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub(crate) from: Option<String>,
    /// A file with the token to ask the server with
    #[arg(long, env = "TALLY_SINK_TOKEN_FILE", value_name = "FILE", requires = "from")]
    pub(crate) from_token_file: Option<PathBuf>,
    /// A built-in policy (guide, stake-weighted, locking-pool, operators, fixed-reward) or a policy file, or with --from the name of one
    /// that the server has; may be repeated
    #[arg(
        long,
        env = "TALLY_POLICY",
        value_name = "NAME|FILE",
        value_delimiter = ',',
        default_value = "guide"
    )]
    pub(crate) policy: Vec<String>,
    /// Go on with new facts as they come, and after outages, until a signal ends it
    #[arg(long, env = "TALLY_FOLLOW", value_parser = BoolishValueParser::new())]
    pub(crate) follow: bool,
    /// How long to wait before looking at the log again, in milliseconds; a server says by itself when there is more
    #[arg(long, env = "TALLY_SINK_POLL_MILLIS", value_name = "MILLIS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) poll_millis: u64,
    /// Keep the ledger by block of each epoch that is over, too; it comes from a log alone
    #[arg(long, env = "TALLY_SINK_BLOCKS", value_parser = BoolishValueParser::new(), conflicts_with = "from")]
    pub(crate) blocks: bool,
    /// Take up a policy under a name that the tables have with other rules, too: for readers who tell policies by their digest
    #[arg(long, env = "TALLY_SINK_ADD_VERSION", value_parser = BoolishValueParser::new())]
    pub(crate) add_version: bool,
    /// Send a NOTIFY with the sequence number in each transaction that brings facts, at the channel that has the schema's name
    #[arg(long, env = "TALLY_SINK_NOTIFY", value_parser = BoolishValueParser::new())]
    pub(crate) notify: bool,
    /// How often to compare all sums with those of the server, or of the log, and once at the end without --follow; 0: never
    #[arg(long, env = "TALLY_SINK_COMPARE_SECS", value_name = "SECS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(..=604_800))]
    pub(crate) compare_secs: u64,
    #[command(flatten)]
    pub(crate) metrics: SinkMetricsArgs,
    /// From which level on to tell what happens
    #[arg(long, env = "TALLY_LEVEL", value_enum, default_value_t = LevelArg::Info)]
    pub(crate) level: LevelArg,
}

/// Where metrics are served, and to whom.
#[derive(Debug, Args)]
pub(crate) struct SinkMetricsArgs {
    /// Serve Prometheus metrics at this address, under /metrics
    #[arg(
        id = "metrics_listen",
        long = "metrics-listen",
        env = "TALLY_METRICS_LISTEN",
        value_name = "[HOST:]PORT",
        value_parser = listen_address
    )]
    pub(crate) listen: Option<SocketAddr>,
    /// A file of tokens that may ask for metrics: see `tally token`
    #[arg(
        id = "metrics_token_file",
        long = "metrics-token-file",
        env = "TALLY_METRICS_TOKEN_FILE",
        value_name = "FILE",
        requires = "metrics_listen"
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// Let everybody who can connect ask for metrics
    #[arg(id = "metrics_public", long = "metrics-public", env = "TALLY_METRICS_PUBLIC", value_parser = BoolishValueParser::new(), conflicts_with = "metrics_token_file")]
    pub(crate) public: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SinkMigrateArgs {
    /// Print the migrations as a script, and touch no database
    #[arg(long, env = "TALLY_SINK_PRINT", value_parser = BoolishValueParser::new())]
    pub(crate) print: bool,
    /// With --print: the version of the tables that the script is for; 0: there are none yet
    #[arg(
        long,
        env = "TALLY_SINK_FROM_VERSION",
        value_name = "VERSION",
        default_value_t = 0,
        requires = "print"
    )]
    pub(crate) from_version: i64,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SinkRolesArgs {
    #[command(flatten)]
    pub(crate) schema: SchemaArg,
}

#[derive(Debug, Args)]
pub(crate) struct SinkPublishArgs {
    #[command(flatten)]
    pub(crate) schema: SchemaArg,
    /// The schema that readers know, whose views are made or replaced
    #[arg(long = "as", env = "TALLY_SINK_AS", value_name = "NAME")]
    pub(crate) shown: String,
    /// A schema whose payouts and payments are taken over in the same transaction; nothing may be paid by it any more
    #[arg(long, env = "TALLY_SINK_TAKE_OVER", value_name = "NAME")]
    pub(crate) take_over: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SinkCheckArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) policies: PoliciesArg,
}

impl SchemaArg {
    pub(crate) fn get(&self) -> Result<Schema> {
        usage(Schema::new(&self.schema))
    }
}

impl DatabaseArgs {
    /// The database, with the password of a file or of the variable that other programs take it from.
    pub(crate) fn get(&self) -> Result<Database> {
        let Some(url) = &self.database else {
            return Err(WrongUsage("--database URL is needed".into()).into());
        };
        let of_variable = std::env::var("PGPASSWORD").ok();
        let password = match &self.database_password_file {
            Some(path) => {
                let place = || format!("--database-password-file {}", path.display());
                let mut text = String::new();
                let file = std::fs::File::open(path).with_context(place)?;
                file.take(PASSWORD_BYTES_MAX).read_to_string(&mut text).with_context(place)?;
                Password::Given(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => of_variable.map_or(Password::OfUrl, Password::Usual),
        };
        let database = usage(Database::new(url, &password, self.database_ca.as_deref()))?;
        Ok(database.with_timeout(Duration::from_secs(self.database_timeout_secs)))
    }
}
