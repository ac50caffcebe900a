//! The command line of ledgers and explanations: what blocks earned, and why.

use crate::block_range::{BLOCK_RANGE_HELP, BlockRange};
use crate::shared_args::{Format, LogArg, PolicyArg};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use tally_text::{GivenTime, given_time};

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Show what each block earned, for whom, and why not
    Show(LedgerShowArgs),
    /// Write all of it into files, one for each epoch
    Export(LedgerExportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LedgerShowArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) policy: PolicyArg,
    /// These blocks only [default: all up to the horizon]
    #[arg(long, env = "TALLY_BLOCK_RANGE", value_name = "RANGE", long_help = BLOCK_RANGE_HELP)]
    pub(crate) blocks: Option<BlockRange>,
    /// The blocks of this epoch only
    #[arg(long, env = "TALLY_EPOCH", value_name = "N")]
    pub(crate) epoch: Option<u64>,
    /// Only the blocks from this second on: 2024-07-01, 2024-07-01T12:00:00Z, Unix seconds, or -14d
    #[arg(long, env = "TALLY_LEDGER_FROM", value_name = "TIME", value_parser = given_time, allow_hyphen_values = true)]
    pub(crate) from: Option<GivenTime>,
    /// Only the blocks before this second, so that 2024-08-01 is up to the end of July
    #[arg(long, env = "TALLY_LEDGER_TO", value_name = "TIME", value_parser = given_time, allow_hyphen_values = true)]
    pub(crate) to: Option<GivenTime>,
    /// The blocks of this sequencer only: its id, its name by the registry, or any address of it
    #[arg(long, env = "TALLY_SEQUENCER", value_name = "N|NAME|ADDRESS")]
    pub(crate) sequencer: Option<String>,
    /// How to print them
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct LedgerExportArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) policy: PolicyArg,
    /// Only the file of this epoch
    #[arg(long, env = "TALLY_EPOCH", value_name = "N")]
    pub(crate) epoch: Option<u64>,
    /// The directory to write into: a new one, or that of the same export, interrupted
    #[arg(long, env = "TALLY_EXPORT_OUT", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The format of the exported files
    #[arg(long, env = "TALLY_EXPORT_FORMAT", value_enum, default_value_t = ExportFormatArg::Parquet)]
    pub(crate) format: ExportFormatArg,
    /// Print what it took to the standard error
    #[arg(long, env = "TALLY_EXPORT_TIMING")]
    pub(crate) timing: bool,
}

/// The format of exported files.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExportFormatArg {
    /// Apache Parquet, amounts as exact decimals
    Parquet,
    /// Comma-separated values with a header
    Csv,
}
