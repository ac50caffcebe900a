//! The command line of audits: of the chain by a log, and of bundles and receipts without one.

use crate::shared_args::{L1Endpoints, L2Endpoints, LogArg, PlainFormat, RpcArgs, ThreadsArg};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use tally_audit::{SAMPLE_BLOCKS_MAX, Severity};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check what the chain claims (batches, totals, nonces, payouts) against the log; 3 if any of it is wrong
    Chain(AuditChainArgs),
    /// Compare the contracts' state, asked of a node, with the log's; 3 if any field differs
    Live(AuditLiveArgs),
    /// Replay a bundle's log, offline, and compare with its receipt; 3 if they differ
    Bundle(AuditBundleArgs),
    /// Say where two receipts or bundles part; 3 if they do
    Compare(AuditCompareArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AuditChainArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// How the blocks of a batch are counted
    #[arg(long, env = "TALLY_COUNT_RULE", value_enum, default_value_t = RuleArg::Scheduled)]
    pub(crate) count_rule: RuleArg,
    /// Report this batch only, with what happened since the batch before it
    #[arg(long, env = "TALLY_BATCH", value_name = "BATCH", conflicts_with_all = ["from_batch", "to_batch"])]
    pub(crate) batch: Option<u64>,
    /// Report what is about this sequencer only: its id, its name by the registry, or any address of it
    #[arg(long, env = "TALLY_SEQUENCER", value_name = "N|NAME|ADDRESS")]
    pub(crate) sequencer: Option<String>,
    /// The least severity to report [default: warning as text, note as JSON]
    #[arg(long, env = "TALLY_SEVERITY", value_enum)]
    pub(crate) severity: Option<SeverityArg>,
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
#[command(mut_arg("l2_rpc", |arg| arg.help(
    "An L2 endpoint, which --check-blocks needs; may be repeated, and the first that works is used"
)))]
#[command(mut_arg("l1_rpc", |arg| arg.required(true)))]
pub(crate) struct AuditLiveArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) l1: L1Endpoints,
    /// The state after this L1 block [default: the log's last]
    #[arg(long, env = "TALLY_AT_L1_BLOCK", value_name = "BLOCK")]
    pub(crate) at_l1_block: Option<u64>,
    /// Also compare so many blocks of each chain with those of the endpoints, drawn at random
    #[arg(long, env = "TALLY_CHECK_BLOCKS", value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=SAMPLE_BLOCKS_MAX))]
    pub(crate) check_blocks: u64,
    /// Draw the blocks that this seed gives, as one was told before [default: a new one]
    #[arg(long, env = "TALLY_CHECK_SEED", value_name = "SEED")]
    pub(crate) check_seed: Option<u64>,
    #[command(flatten)]
    pub(crate) l2: L2Endpoints,
    #[command(flatten)]
    pub(crate) rpc: RpcArgs,
    /// How to print the result
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

#[derive(Debug, Args)]
pub(crate) struct AuditBundleArgs {
    /// The bundle to read
    #[arg(value_name = "FILE")]
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) threads: ThreadsArg,
    /// How to print the result
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
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
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
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

/// How much a finding matters, at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SeverityArg {
    /// What the chain claims is not so
    Error,
    /// Also what somebody should look at
    Warning,
    /// Also what is worth knowing
    Note,
}

impl From<SeverityArg> for Severity {
    fn from(severity: SeverityArg) -> Self {
        match severity {
            SeverityArg::Error => Self::Error,
            SeverityArg::Warning => Self::Warning,
            SeverityArg::Note => Self::Note,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Plain text for people
    Text,
    /// One JSON document for programs
    Json,
}
