//! The command line of claims: what the pool owes and pays.

use crate::claims_call_args::CallArgs;
use crate::shared_args::{Format, L1Endpoints, LogArg, PlainFormat, PolicyArg, RpcArgs, ThreadsArg};
use alloy_primitives::U256;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use tally_claims::{BlockSecs, CreditRule, METIS_DECIMALS};
use tally_engine::{Mrr, Wei};
use tally_text::{AmountUnit, given_amount, given_rate, trimmed};

#[derive(Debug, Subcommand)]
pub(crate) enum ClaimsCommand {
    /// Prepare the call that pays the next batch
    NextBatch(NextBatchArgs),
    /// Say what the reward per block has to be to hold the target, and what it was
    NextRate(NextRateArgs),
    /// Say what reward per block gives a stake its target rate
    Rate(RateArgs),
    /// Make the Merkle tree by which a policy that the contract does not pay can be paid
    Merkle(MerkleArgs),
    /// Prepare a call of a sequencer's owner: claim, increase, withdraw, leave, join, and who gets the rewards
    Call(Box<CallArgs>),
}

#[derive(Debug, Args)]
#[command(mut_arg("l1_rpc", |arg| arg.help(
    "An L1 endpoint, to ask what no log tells: means, pause, and whether the call succeeds; may be \
     repeated"
)))]
pub(crate) struct NextBatchArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The last span to pay [default: the last that is finished, before one whose signer the contract cannot credit]
    #[arg(long, env = "TALLY_TO_SPAN", value_name = "SPAN")]
    pub(crate) to_span: Option<u64>,
    /// Whom to credit for the blocks of a span
    #[arg(long, env = "TALLY_CREDIT", value_enum, default_value_t = CreditArg::SpanSigner)]
    pub(crate) credit: CreditArg,
    /// How far L2's head has to be past the batch's last block
    #[arg(long, env = "TALLY_SETTLE_BLOCKS", value_name = "BLOCKS", default_value_t = 180)]
    pub(crate) settle_blocks: u64,
    /// How long ago the last batch has to be paid [default: not asked]
    #[arg(long, env = "TALLY_MIN_INTERVAL_SECS", value_name = "SECS")]
    pub(crate) min_interval_secs: Option<u64>,
    /// How much ETH the MPC address has to have
    #[arg(long, env = "TALLY_MIN_MPC_ETH", value_name = "ETH", default_value = "0.1", value_parser = eth_amount)]
    pub(crate) min_mpc_eth: Wei,
    #[command(flatten)]
    pub(crate) l1: L1Endpoints,
    #[command(flatten)]
    pub(crate) rpc: RpcArgs,
    /// Also write the call as a file for the transaction builder of Safe wallets
    #[arg(long, env = "TALLY_SAFE_FILE", value_name = "FILE")]
    pub(crate) safe: Option<PathBuf>,
    /// How to print the batch
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

/// Whom a batch credits for the blocks of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CreditArg {
    /// Its own signer: passes the contract's check and that of the published Themis
    SpanSigner,
    /// The present signer of the same sequencer: the contract takes it, the published Themis does not sign it
    PresentSigner,
}

impl From<CreditArg> for CreditRule {
    fn from(credit: CreditArg) -> Self {
        match credit {
            CreditArg::SpanSigner => Self::SpanSigner,
            CreditArg::PresentSigner => Self::PresentSigner,
        }
    }
}

#[derive(Debug, Args)]
#[command(mut_arg("policy", |arg| arg.help(
    "A built-in policy (guide) or a policy file; its allocation has to be flat"
)))]
pub(crate) struct NextRateArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) policy: PolicyArg,
    /// Another target than the policy has, at all times, as 15% or 0.15
    #[arg(long, env = "TALLY_MRR", value_name = "RATE", value_parser = mrr)]
    pub(crate) mrr: Option<Mrr>,
    /// Round what is proposed to so many decimals of METIS: to the nearest, ties up [default: exact to the wei]
    #[arg(long, env = "TALLY_DECIMALS", value_name = "N", value_parser = decimals())]
    pub(crate) decimals: Option<u8>,
    /// Also draw the history, as SVG
    #[arg(long, env = "TALLY_PLOT", value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Also write the call, if one has to be made, as a file for the transaction builder of Safe wallets
    #[arg(long, env = "TALLY_SAFE_FILE", value_name = "FILE")]
    pub(crate) safe: Option<PathBuf>,
    /// How to print the result; CSV has the history alone
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("locked").args(["stake", "stake_wei", "log"]).required(true).multiple(true))]
pub(crate) struct RateArgs {
    /// The stake of the pool, in METIS
    #[arg(long, env = "TALLY_STAKE", value_name = "METIS", value_parser = metis_amount)]
    pub(crate) stake: Option<Wei>,
    /// The stake of the pool, in wei
    #[arg(long, env = "TALLY_STAKE_WEI", value_name = "WEI", value_parser = wei, conflicts_with = "stake")]
    pub(crate) stake_wei: Option<Wei>,
    /// Unless a stake is given: the directory of a log, of which everything that is locked is the stake
    #[arg(long, short, env = "TALLY_LOG", value_name = "DIR")]
    pub(crate) log: Option<PathBuf>,
    /// With a log: what is locked after this L1 block [default: the log's last]
    #[arg(long, env = "TALLY_AT_L1_BLOCK", value_name = "BLOCK")]
    pub(crate) at_l1_block: Option<u64>,
    /// The seconds from one block to the next
    #[arg(long, env = "TALLY_BLOCK_SECS", value_name = "SECS")]
    pub(crate) block_secs: BlockSecs,
    /// The target mining reward rate, as 20% or 0.20
    #[arg(long, env = "TALLY_MRR", value_name = "RATE", value_parser = mrr, required_unless_present = "percent")]
    pub(crate) mrr: Option<Mrr>,
    /// The target mining reward rate in whole percents, as 20
    #[arg(long, env = "TALLY_PERCENT", value_name = "N", conflicts_with = "mrr")]
    pub(crate) percent: Option<u64>,
    /// How to find the reward
    #[arg(long, env = "TALLY_FORMULA", value_enum, default_value_t = FormulaArg::Exact)]
    pub(crate) formula: FormulaArg,
    /// Also round to so many decimals of METIS: to the nearest, ties up
    #[arg(long, env = "TALLY_DECIMALS", value_name = "N", value_parser = decimals())]
    pub(crate) decimals: Option<u8>,
    /// How to print the reward
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

/// How a reward per block is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormulaArg {
    /// One division, rounded down
    Exact,
    /// As the pool's operators do, of whole percents and whole seconds
    Operators,
}

#[derive(Debug, Args)]
#[command(mut_arg("policy", |arg| arg.help("A built-in policy (guide, stake-weighted) or a policy file")))]
pub(crate) struct MerkleArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) policy: PolicyArg,
    /// The file to write the tree to, as OpenZeppelin's `StandardMerkleTree` loads it
    #[arg(long, env = "TALLY_MERKLE_OUT", value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Also write what has to be shown to claim each leaf
    #[arg(long, env = "TALLY_PROOFS", value_name = "FILE")]
    pub(crate) proofs: Option<PathBuf>,
    /// What is owed at the end of this epoch [default: the last that is closed]
    #[arg(long, env = "TALLY_EPOCH", value_name = "N")]
    pub(crate) epoch: Option<u64>,
    #[command(flatten)]
    pub(crate) threads: ThreadsArg,
    /// How to print the summary
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

/// An amount of METIS.
pub(crate) fn metis_amount(text: &str) -> Result<Wei, String> {
    given_amount(text, AmountUnit::Metis).map(Wei::new)
}

/// An amount of ETH.
pub(crate) fn eth_amount(text: &str) -> Result<Wei, String> {
    given_amount(text, AmountUnit::Eth).map(Wei::new)
}

/// A mining reward rate.
fn mrr(text: &str) -> Result<Mrr, String> {
    Mrr::from_decimal(&trimmed(given_rate(text)?)).map_err(|error| error.to_string())
}

fn wei(text: &str) -> Result<Wei, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{text:?} is not a whole number of wei"));
    }
    U256::from_str_radix(text, 10).map(Wei::new).map_err(|_| format!("{text} is above 2^256 - 1"))
}

fn decimals() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(0..=i64::from(METIS_DECIMALS))
}
