//! The command line. Every flag is also an environment variable.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Reward accounting for the Metis sequencer pool: exact to the wei, from an append-only log.
#[derive(Debug, Parser)]
#[command(name = "tally", version, propagate_version = true)]
#[command(after_help = "Exit status: 0 done, or verified and equal; 1 it could not be done; 2 wrong usage; \
                        3 verified and different.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Append what a recording of the chains holds to a log
    Ingest(IngestArgs),
    /// Fold a log into reward ledgers
    Replay(ReplayArgs),
    /// Show the contracts' state, rebuilt from the log alone
    State(StateArgs),
    /// Look at a log, or check it
    #[command(subcommand)]
    Log(LogCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// What a log is of, how far it reaches, and its digest
    Info(InfoArgs),
    /// Check every byte of a log
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LogArg {
    /// The directory of the log
    #[arg(long, env = "TALLY_LOG", value_name = "DIR")]
    pub(crate) log: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct IngestArgs {
    /// The directory of the recording
    #[arg(long, env = "TALLY_RECORDING", value_name = "DIR")]
    pub(crate) recording: PathBuf,
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The last L1 block to ingest [default: the recording's last]
    #[arg(long, env = "TALLY_L1_TO", value_name = "BLOCK")]
    pub(crate) l1_to: Option<u64>,
    /// The last L2 block to ingest [default: the recording's last]
    #[arg(long, env = "TALLY_L2_TO", value_name = "BLOCK")]
    pub(crate) l2_to: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// A built-in policy (guide, stake-weighted, locking-pool) or a policy file; may be repeated
    #[arg(
        long,
        env = "TALLY_POLICY",
        value_name = "NAME|FILE",
        value_delimiter = ',',
        default_value = "guide"
    )]
    pub(crate) policy: Vec<String>,
    /// The last L2 block to fold [default: as far as the log allows]
    #[arg(long, env = "TALLY_TO", value_name = "BLOCK")]
    pub(crate) to: Option<u64>,
    /// How many threads count [default: one a core]
    #[arg(long, env = "TALLY_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// How to print the result
    #[arg(long, env = "TALLY_REPLAY_FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The state after this L1 block [default: the log's last]
    #[arg(long, env = "TALLY_AT_L1_BLOCK", value_name = "BLOCK")]
    pub(crate) at_l1_block: Option<u64>,
    /// Compare with the recorded states of this file (up to that block) instead of printing; 3 if any differs
    #[arg(long, env = "TALLY_EXPECT", value_name = "FILE")]
    pub(crate) expect: Option<PathBuf>,
    /// How to print the state
    #[arg(long, env = "TALLY_STATE_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// How to print it
    #[arg(long, env = "TALLY_INFO_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs: amounts as decimal strings
    Json,
    /// One row for each policy, epoch and sequencer
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    /// For people
    Table,
    /// For programs: amounts as decimal strings
    Json,
}
