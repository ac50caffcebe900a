//! The command line of audits of the chain.

use crate::args::LogArg;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

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
