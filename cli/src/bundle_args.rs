//! The command line of bundles, and of audits that need no log.

use crate::args::{LogArg, PlainFormat};
use crate::block_range::{BLOCK_RANGE_HELP, BlockRange};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Put a log, a policy and what it gives into one file, for others to audit offline
    Create(BundleCreateArgs),
    /// Show what is in a bundle
    Show(BundleShowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BundleCreateArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// A built-in policy (guide, stake-weighted, locking-pool, operators, fixed-reward) or a policy file
    #[arg(long, env = "TALLY_POLICY", value_name = "NAME|FILE", default_value = "guide")]
    pub(crate) policy: String,
    /// The file to write
    #[arg(long, env = "TALLY_BUNDLE_OUT", value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The blocks to fold, from the log's first on: the log's L2 goes in up to the chunk of the last [default:
    /// all]
    #[arg(long, env = "TALLY_BLOCK_RANGE", value_name = "RANGE", long_help = BLOCK_RANGE_HELP)]
    pub(crate) blocks: Option<BlockRange>,
    /// How many threads count [default: one a core]
    #[arg(long, env = "TALLY_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct BundleShowArgs {
    /// The bundle to read
    #[arg(value_name = "FILE")]
    pub(crate) bundle: PathBuf,
    /// Print the receipt, as it is in the bundle
    #[arg(long, conflicts_with = "policy")]
    pub(crate) receipt: bool,
    /// Print the policy, as it is in the bundle
    #[arg(long)]
    pub(crate) policy: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditBundleArgs {
    /// The bundle to read
    #[arg(value_name = "FILE")]
    pub(crate) bundle: PathBuf,
    /// How many threads count [default: one a core]
    #[arg(long, env = "TALLY_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// How to print the result
    #[arg(long, env = "TALLY_AUDIT_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

#[derive(Debug, Args)]
pub(crate) struct AuditCompareArgs {
    /// A receipt or a bundle
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,
    /// The other receipt or bundle
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,
    /// How to print the result
    #[arg(long, env = "TALLY_AUDIT_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}
