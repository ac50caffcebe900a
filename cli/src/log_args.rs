//! The command line of what is done with a log as a whole.

use crate::shared_args::{L1Endpoints, LogArg, PlainFormat, RpcArgs, ThreadsArg};
use alloy_primitives::B256;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// What a log is of, how far it reaches, and its digest
    Info(InfoArgs),
    /// Check every byte of a log
    Verify(LogArg),
    /// Copy a log, also while it is being written, and check every byte of the copy
    Backup(BackupArgs),
    /// Make a log of the newest format of one of format 4 or later, which stays as it is; what it lacks is fetched
    Upgrade(UpgradeArgs),
    /// Make a log of a bundle whose receipt verifies, for an ingest to go on from; 3 if the receipt does not
    Restore(RestoreArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// How to print it
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The directory that the copy is to be; there may be nothing yet
    #[arg(long, env = "TALLY_BACKUP_TO", value_name = "DIR")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Args)]
#[command(mut_arg("l1_rpc", |arg| arg.help(
    "Ask this L1 endpoint for what the log lacks; may be repeated, and the first that works is used \
     [default: the next ingest asks]"
)))]
pub(crate) struct UpgradeArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The directory that the new log is to be; there may be nothing yet
    #[arg(long, env = "TALLY_UPGRADE_TO", value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// Take what the log lacks from this recording, and ask no endpoint
    #[arg(long, env = "TALLY_RECORDING", value_name = "DIR")]
    pub(crate) recording: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) l1: L1Endpoints,
    #[command(flatten)]
    pub(crate) rpc: RpcArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The bundle whose log it is to be
    #[arg(long, env = "TALLY_BUNDLE", value_name = "FILE")]
    pub(crate) bundle: PathBuf,
    /// The directory that the log is to be; there may be nothing yet
    #[arg(long, env = "TALLY_LOG", value_name = "DIR")]
    pub(crate) log: PathBuf,
    /// Make it only if the log's head digest is this one, which somebody who can be trusted told
    #[arg(long, env = "TALLY_HEAD_DIGEST", value_name = "DIGEST")]
    pub(crate) head_digest: Option<B256>,
    #[command(flatten)]
    pub(crate) threads: ThreadsArg,
}
