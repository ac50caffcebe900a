//! The command line of accounts.

use crate::shared_args::{Format, L2Endpoints, LogArg, PlainFormat, PoliciesArg, RpcArgs, ThreadsArg};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use tally_text::{GivenTime, given_time};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct AccountsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<AccountsCommand>,
    /// The directory of the log
    // A field of its own, and optional: with a subcommand it is not needed.
    #[arg(long, short, env = "TALLY_LOG", value_name = "DIR", required = true)]
    pub(crate) log: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) policies: PoliciesArg,
    /// Show this sequencer only: its id, its name by the registry, or any address of it
    #[arg(long, env = "TALLY_SEQUENCER", value_name = "N|NAME|ADDRESS")]
    pub(crate) sequencer: Option<String>,
    /// The accounts after this L1 block; policies go up to its time, as far as L2 does [default: everything]
    #[arg(long, env = "TALLY_AT_L1_BLOCK", value_name = "BLOCK", conflicts_with = "at_time")]
    pub(crate) at_l1_block: Option<u64>,
    /// The accounts after this second: 2024-07-01 (its first second), 2024-07-01T12:00:00Z, Unix seconds, latest, or -14d
    #[arg(
        long,
        visible_alias = "at",
        env = "TALLY_AT_TIME",
        value_name = "TIME",
        value_parser = given_time,
        allow_hyphen_values = true
    )]
    pub(crate) at_time: Option<GivenTime>,
    #[command(flatten)]
    pub(crate) threads: ThreadsArg,
    /// How to print them
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountsCommand {
    /// Everything that moved on the accounts of one sequencer, with balances, in double entry
    Statement(StatementArgs),
    /// Who gets the rewards on L2: by address, what it is there, and who has named nobody
    Recipients(RecipientsArgs),
    /// How much more another policy, or the contract, gives than a policy, and what the difference is made of
    Compare(CompareArgs),
}

#[derive(Debug, Args)]
#[command(mut_arg("l2_rpc", |arg| arg.help(
    "An L2 endpoint, to ask what the addresses are there; may be repeated, and the first that works \
     is used"
)))]
pub(crate) struct RecipientsArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) l2: L2Endpoints,
    #[command(flatten)]
    pub(crate) rpc: RpcArgs,
    /// How to print them
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

#[derive(Debug, Args)]
pub(crate) struct StatementArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The sequencer that the statement is for: its id, its name by the registry, or any address of it
    #[arg(long, env = "TALLY_SEQUENCER", value_name = "N|NAME|ADDRESS")]
    pub(crate) sequencer: String,
    /// Also what accrues under this policy: a built-in one (guide, stake-weighted, locking-pool, operators, fixed-reward) or a policy file
    #[arg(long, env = "TALLY_POLICY", value_name = "NAME|FILE")]
    pub(crate) policy: Option<String>,
    /// The first second: 2024-07-01, 2024-07-01T12:00:00Z, Unix seconds, or -14d [default: from the beginning]
    #[arg(
        long,
        env = "TALLY_STATEMENT_FROM",
        value_name = "TIME",
        value_parser = given_time,
        allow_hyphen_values = true
    )]
    pub(crate) from: Option<GivenTime>,
    /// The second after the last, so that 2025-01-01 is up to the end of 2024 [default: everything in the log]
    #[arg(
        long,
        env = "TALLY_STATEMENT_TO",
        value_name = "TIME",
        value_parser = given_time,
        allow_hyphen_values = true
    )]
    pub(crate) to: Option<GivenTime>,
    #[command(flatten)]
    pub(crate) threads: ThreadsArg,
    /// How to print it
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(mut_arg("policy", |arg| arg.help(
    "The policy to compare, by whose epochs it is told, and the one to compare it with (without one: \
     what the contract credited): built-in ones (guide, stake-weighted, locking-pool, operators, \
     fixed-reward) or policy files"
)))]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) policies: PoliciesArg,
    /// This sequencer only, epoch by epoch: its id, its name by the registry, or any address of it
    #[arg(long, env = "TALLY_SEQUENCER", value_name = "N|NAME|ADDRESS")]
    pub(crate) sequencer: Option<String>,
    #[command(flatten)]
    pub(crate) threads: ThreadsArg,
    /// How to print it; JSON and CSV have every sequencer in every epoch
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}
