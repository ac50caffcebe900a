//! The command line of bundles, and of audits that need no log.

use crate::block_range::{BLOCK_RANGE_HELP, BlockRange};
use crate::shared_args::{LogArg, PolicyArg, ThreadsArg};
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
    #[command(flatten)]
    pub(crate) policy: PolicyArg,
    /// The file to write
    #[arg(long, env = "TALLY_BUNDLE_OUT", value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The blocks to fold, from the log's first on: the log's L2 goes in up to the chunk of the last [default:
    /// all]
    #[arg(long, env = "TALLY_BLOCK_RANGE", value_name = "RANGE", long_help = BLOCK_RANGE_HELP)]
    pub(crate) blocks: Option<BlockRange>,
    #[command(flatten)]
    pub(crate) threads: ThreadsArg,
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
