//! The command line of audits of the chain.

use crate::args::{LogArg, PlainFormat, RpcArgs};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use tally_audit::SAMPLE_BLOCKS_MAX;

#[derive(Debug, Args)]
pub(crate) struct AuditChainArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// How the blocks of a batch are counted
    #[arg(long, env = "TALLY_COUNT_RULE", value_enum, default_value_t = RuleArg::Scheduled)]
    pub(crate) count_rule: RuleArg,
    /// Report from this batch on, with what happened since the batch before it [default: from the beginning]
    #[arg(long, env = "TALLY_FROM_BATCH", value_name = "BATCH")]
    pub(crate) from_batch: Option<u64>,
    /// Report up to this batch [default: up to the end of the log]
    #[arg(long, env = "TALLY_TO_BATCH", value_name = "BATCH")]
    pub(crate) to_batch: Option<u64>,
    /// Write the report to this file, and print the verdict only
    #[arg(long, env = "TALLY_REPORT", value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// The format of the report
    #[arg(long, env = "TALLY_REPORT_FORMAT", value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) report_format: ReportFormat,
}

#[derive(Debug, Args)]
pub(crate) struct AuditLiveArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// An L1 endpoint; may be repeated, and the first that works is used
    #[arg(
        long,
        env = "TALLY_L1_RPC",
        value_name = "URL",
        value_delimiter = ',',
        hide_env_values = true,
        hide_default_value = true,
        required = true
    )]
    pub(crate) l1_rpc: Vec<String>,
    /// The state after this L1 block [default: the log's last]
    #[arg(long, env = "TALLY_AT_L1_BLOCK", value_name = "BLOCK")]
    pub(crate) at_l1_block: Option<u64>,
    /// Also compare so many blocks of each chain with those of the endpoints, drawn at random
    #[arg(long, env = "TALLY_CHECK_BLOCKS", value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=SAMPLE_BLOCKS_MAX))]
    pub(crate) check_blocks: u64,
    /// Draw the blocks that this seed gives, as one was told before [default: a new one]
    #[arg(long, env = "TALLY_CHECK_SEED", value_name = "SEED")]
    pub(crate) check_seed: Option<u64>,
    /// An L2 endpoint, which --check-blocks needs; may be repeated, and the first that works is used
    #[arg(
        long,
        env = "TALLY_L2_RPC",
        value_name = "URL",
        value_delimiter = ',',
        hide_env_values = true,
        hide_default_value = true
    )]
    pub(crate) l2_rpc: Vec<String>,
    #[command(flatten)]
    pub(crate) rpc: RpcArgs,
    /// How to print the result
    #[arg(long, env = "TALLY_AUDIT_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

/// How the blocks of a batch are counted.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RuleArg {
    /// By the spans, whoever signed: what Themis checks before a batch is signed
    Scheduled,
    /// By who signed; blocks that nobody signed by the spans
    Signed,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Plain text for people
    Text,
    /// One JSON document for programs
    Json,
}
