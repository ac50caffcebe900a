//! `tally sink`: the claim feed in a database.

use crate::ingest_args::{LevelArg, ProgressArg};
use crate::live::{runtime, stopped_by_signals};
use crate::shared_args::{LogArg, PoliciesArg};
use crate::watch::tell;
use crate::{DIFFERENT, DONE, Output, WrongUsage, policies};
use anyhow::{Context, Result};
use clap::builder::BoolishValueParser;
use clap::{ArgGroup, Args, Subcommand};
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;
use tally_sink::{Applied, Checked, Database, Schema, ServerFeed, SinkError, SinkOptions, Source};

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
    /// Compare the tables with what a log says; 3 if any row differs
    Check(SinkCheckArgs),
}

/// Which database.
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
    /// A file with the password [default: that of PGPASSWORD, or of the URL]
    #[arg(long, env = "TALLY_DATABASE_PASSWORD_FILE", value_name = "FILE")]
    database_password_file: Option<PathBuf>,
    /// The certificates to trust, as PEM [default: the system's]
    #[arg(long, env = "TALLY_DATABASE_CA", value_name = "FILE")]
    database_ca: Option<PathBuf>,
    #[command(flatten)]
    schema: SchemaArg,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArg {
    /// The schema of the tables
    #[arg(long, env = "TALLY_DATABASE_SCHEMA", value_name = "NAME", default_value = "tally")]
    schema: String,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).args(["log", "from"]))]
pub(crate) struct SinkPostgresArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The directory of a log whose feed no server keeps
    #[arg(long, env = "TALLY_LOG", value_name = "DIR")]
    log: Option<PathBuf>,
    /// Where the feed's sequence numbers are kept [default: feed, in the log's directory]
    #[arg(long, env = "TALLY_FEED_DIR", value_name = "DIR", conflicts_with = "from")]
    feed_dir: Option<PathBuf>,
    /// The URL of a server of the claim feed
    #[arg(
        long,
        env = "TALLY_SINK_FROM",
        value_name = "URL",
        hide_env_values = true,
        hide_default_value = true
    )]
    from: Option<String>,
    /// A file with the token to ask the server with
    #[arg(long, env = "TALLY_SINK_TOKEN_FILE", value_name = "FILE", requires = "from")]
    from_token_file: Option<PathBuf>,
    /// A built-in policy (guide, stake-weighted, locking-pool, operators, fixed-reward) or a policy file, or with --from the name of one
    /// that the server has; may be repeated
    #[arg(
        long,
        env = "TALLY_POLICY",
        value_name = "NAME|FILE",
        value_delimiter = ',',
        default_value = "guide"
    )]
    policy: Vec<String>,
    /// Go on with new facts as they come, and after outages, until a signal ends it
    #[arg(long, env = "TALLY_FOLLOW", value_parser = BoolishValueParser::new())]
    follow: bool,
    /// How long to wait before looking at the log again, in milliseconds; a server says by itself when there is more
    #[arg(long, env = "TALLY_SINK_POLL_MILLIS", value_name = "MILLIS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    poll_millis: u64,
    /// From which level on to tell what happens
    #[arg(long, env = "TALLY_LEVEL", value_enum, default_value_t = LevelArg::Info)]
    level: LevelArg,
}

#[derive(Debug, Args)]
pub(crate) struct SinkMigrateArgs {
    /// Print the migrations as a script, and touch no database
    #[arg(long, env = "TALLY_SINK_PRINT", value_parser = BoolishValueParser::new())]
    print: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SinkRolesArgs {
    #[command(flatten)]
    schema: SchemaArg,
}

#[derive(Debug, Args)]
pub(crate) struct SinkCheckArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    log: LogArg,
    #[command(flatten)]
    policies: PoliciesArg,
}

impl SchemaArg {
    fn get(&self) -> Result<Schema> {
        usage(Schema::new(&self.schema))
    }
}

impl DatabaseArgs {
    /// The database, with the password of a file or of the variable that other programs take it from.
    fn get(&self) -> Result<Database> {
        let Some(url) = &self.database else {
            return Err(WrongUsage("--database URL is needed".into()).into());
        };
        let password = match &self.database_password_file {
            Some(path) => {
                let place = || format!("--database-password-file {}", path.display());
                let mut text = String::new();
                let file = std::fs::File::open(path).with_context(place)?;
                file.take(PASSWORD_BYTES_MAX).read_to_string(&mut text).with_context(place)?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => std::env::var("PGPASSWORD").ok(),
        };
        usage(Database::new(url, password.as_deref(), self.database_ca.as_deref()))
    }
}

/// What is wrong with the arguments has a status of its own.
fn usage<T>(result: Result<T, SinkError>) -> Result<T> {
    result.map_err(
        |error| {
            if let SinkError::Usage(what) = error { WrongUsage(what).into() } else { error.into() }
        },
    )
}

pub(crate) fn run(command: &SinkCommand, output: &mut Output<'_>) -> Result<u8> {
    match command {
        SinkCommand::Postgres(args) => postgres(args, output),
        SinkCommand::Migrate(args) => migrate(args, output),
        SinkCommand::Roles(args) => {
            write!(output.out, "{}", tally_sink::roles_sql(&args.schema.get()?))?;
            Ok(DONE)
        }
        SinkCommand::Check(args) => check(args, output),
    }
}

fn postgres(args: &SinkPostgresArgs, output: &mut Output<'_>) -> Result<u8> {
    let source = if let Some(url) = &args.from {
        let server = ServerFeed::new(url, args.policy.clone(), args.from_token_file.clone());
        Source::server(usage(server)?)
    } else {
        let log = args.log.clone().context("a log or a server is needed")?;
        let poll = Duration::from_millis(args.poll_millis);
        Source::log(log, args.feed_dir.clone(), policies::load(&args.policy)?, poll)
    };
    let options = SinkOptions {
        database: args.database.get()?,
        schema: args.database.schema.get()?,
        source,
        follow: args.follow,
    };
    let _bars = tell(ProgressArg::Lines, args.level);
    let runtime = runtime()?;
    let applied = runtime.block_on(async {
        let stop = stopped_by_signals()?;
        Ok::<_, anyhow::Error>(tally_sink::run(&options, stop).await?)
    });
    // What is just being folded is nobody's any more.
    runtime.shutdown_timeout(Duration::from_secs(2));
    let Applied { facts, rollbacks, retries } = applied?;
    writeln!(output.out, "{facts} facts and {rollbacks} rollbacks written, after {retries} retries")?;
    Ok(DONE)
}

fn migrate(args: &SinkMigrateArgs, output: &mut Output<'_>) -> Result<u8> {
    let schema = args.database.schema.get()?;
    if args.print {
        write!(output.out, "{}", tally_sink::migrations_sql(&schema))?;
        return Ok(DONE);
    }
    let database = args.database.get()?;
    let (before, now) = runtime()?.block_on(tally_sink::migrate(&database, &schema))?;
    if before == now {
        writeln!(output.out, "schema {schema} is of version {now} already")?;
    } else {
        writeln!(output.out, "schema {schema} is of version {now} now, and was of {before}")?;
    }
    Ok(DONE)
}

fn check(args: &SinkCheckArgs, output: &mut Output<'_>) -> Result<u8> {
    let (database, schema) = (args.database.get()?, args.database.schema.get()?);
    let policies = args.policies.load()?;
    let all = tally_sink::check(&database, &schema, &args.log.log, &policies);
    let mut is_equal = true;
    for Checked { policy, facts, void, missing, rows, difference } in runtime()?.block_on(all)? {
        if let Some(difference) = difference {
            is_equal = false;
            writeln!(output.out, "DIFFERENT: policy {policy}: {difference}")?;
            continue;
        }
        let rows: Vec<String> = rows.iter().map(|(table, rows)| format!("{table} {rows}")).collect();
        writeln!(
            output.out,
            "equal: policy {policy}: {facts} facts hold, {void} are void; rows: {}",
            rows.join(", ")
        )?;
        if missing > 0 {
            writeln!(output.out, "policy {policy}: {missing} facts more follow from the log")?;
        }
    }
    Ok(if is_equal { DONE } else { DIFFERENT })
}
