//! The command line of what is done with a log as a whole.

use crate::args::{LogArg, PlainFormat, RpcArgs};
use alloy_primitives::B256;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// What a log is of, how far it reaches, and its digest
    Info(InfoArgs),
    /// Check every byte of a log
    Verify(VerifyArgs),
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
    #[arg(long, env = "TALLY_INFO_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

#[derive(Debug, Args)]
pub(crate) struct OwnersArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The owners after this L1 block [default: the log's last]
    #[arg(long, env = "TALLY_AT_L1_BLOCK", value_name = "BLOCK")]
    pub(crate) at_l1_block: Option<u64>,
    /// How to print them
    #[arg(long, env = "TALLY_OWNERS_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
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
pub(crate) struct UpgradeArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The directory that the new log is to be; there may be nothing yet
    #[arg(long, env = "TALLY_UPGRADE_TO", value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// Take what the log lacks from this recording, and ask no endpoint
    #[arg(long, env = "TALLY_RECORDING", value_name = "DIR")]
    pub(crate) recording: Option<PathBuf>,
    /// Ask this L1 endpoint for what the log lacks; may be repeated, and the first that works is used [default: the
    /// next ingest asks]
    #[arg(
        long,
        env = "TALLY_L1_RPC",
        value_name = "URL",
        value_delimiter = ',',
        hide_env_values = true,
        hide_default_value = true
    )]
    pub(crate) l1_rpc: Vec<String>,
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
    /// How many threads count [default: one a core]
    #[arg(long, env = "TALLY_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}
