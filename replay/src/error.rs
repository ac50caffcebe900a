//! What can stop a replay, or be wrong with a receipt.

use alloy_primitives::B256;
use tally_engine::{
    Difference, FoldError, L1Block, L2Block, Policy, PolicyError, PoolError, SequencerId, SpanError, Wei,
};
use tally_eventlog::LogError;

/// A replay that could not be carried out, or a receipt that is none or not sound. There is no partial result.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What the log says cannot be counted.
    #[error(transparent)]
    Count(#[from] FoldError),
    /// What the log says cannot be folded under a policy.
    #[error("policy {policy}: {error}")]
    Fold {
        /// The name of the policy.
        policy: String,
        /// The error that the fold returned.
        error: FoldError,
    },
    /// What the contract paid depends on more than who did what, so there is nothing to vary.
    #[error(
        "policy {policy} pays what the contract paid (allocation \"on-chain\"), so it has no activity: take a \
         policy that is \"flat\" or \"stake-weighted\""
    )]
    NoActivity {
        /// The name of the policy.
        policy: String,
    },
    /// A stake that is to be another one is not there.
    #[error(
        "sequencer {sequencer}: its stake cannot be {} by {} wei: {}",
        if more.is_negative() { "less" } else { "more" },
        more.size(),
        found.map_or("it had none then".into(), |found| format!("it was {found} wei"))
    )]
    NoSuchStake {
        /// The sequencer whose stake it is.
        sequencer: SequencerId,
        /// How much more it was to be, or less.
        more: Difference,
        /// The stake that there was; `None` if it had none.
        found: Option<Wei>,
    },
    /// The contracts' state cannot take a record.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A span event does not fit.
    #[error(transparent)]
    Span(#[from] SpanError),
    /// The log is not the one that was replayed so far with more appended.
    #[error(
        "the log ends at L2 block {found} (none: 0), before block {folded} that was folded already: replay it anew"
    )]
    WentBack {
        /// The last block that was folded.
        folded: L2Block,
        /// The last block of the log.
        found: L2Block,
    },
    /// The log has other blocks than those that were folded.
    #[error(
        "the log's L2 blocks up to some block of the chunk of block {chunk} are not those that were folded: their digest is \
         {found}, not {folded}: replay the log anew"
    )]
    Replaced {
        /// The first block of the chunk.
        chunk: L2Block,
        /// The digest of the blocks when they were folded.
        folded: B256,
        /// The digest that they have now.
        found: B256,
    },
    /// The ledger is not that of the log whose blocks are asked about.
    #[error("the ledger is not that of this log: {what} should be {expected}, but is {found}")]
    NotTheLedger {
        /// What was compared of the ledger.
        what: &'static str,
        /// What the ledger says.
        expected: String,
        /// What the log says.
        found: String,
    },
    /// An earlier advance failed, and left the replay where it cannot go on.
    #[error("an earlier step of this replay failed: replay anew")]
    Unusable,
    /// The threads could not be started.
    #[error("{threads} threads cannot be started: {reason}")]
    Threads {
        /// How many threads were asked for.
        threads: usize,
        /// What the system said of it.
        reason: String,
    },
    /// The log does not reach the L1 block asked for.
    #[error("L1 block {asked} is asked for, but the log holds blocks {first} to {last}")]
    L1OutOfRange {
        /// The block that was asked for.
        asked: L1Block,
        /// The first block of the log.
        first: L1Block,
        /// The log's last, or "none".
        last: String,
    },
    /// A receipt that is too long to be one.
    #[error("a receipt of {found} bytes is longer than the {max} allowed")]
    ReceiptTooLong {
        /// How many bytes it has.
        found: usize,
        /// How many bytes a receipt may have.
        max: usize,
    },
    /// Not a receipt's JSON: the parser's own words, with line and column.
    #[error("it is no receipt: {0}")]
    NoReceipt(#[from] serde_json::Error),
    /// A receipt of another format than this program's.
    #[error("it has the format {found:?}, and this program knows {known:?}")]
    ReceiptFormat {
        /// The format that the receipt states.
        found: String,
        /// The format that this program reads.
        known: &'static str,
    },
    /// A receipt whose bytes are not those that one which says the same has.
    #[error("the receipt is not written as Tally writes it: its line {line} is {found}, not {expected}")]
    NotCanonical {
        /// The number of the line, from 1.
        line: usize,
        /// What a receipt that says the same has there.
        expected: String,
        /// What the file has in that line.
        found: String,
    },
    /// A receipt whose policy is none.
    #[error("the receipt's policy: {0}")]
    ReceiptPolicy(#[from] PolicyError),
    /// Something that follows from the receipt's own numbers is not what it states.
    #[error("the receipt is not sound: {place} is {found}, but by its own numbers {expected}")]
    NotSound {
        /// The part of the receipt.
        place: String,
        /// What follows from the numbers.
        expected: String,
        /// What the receipt states there.
        found: String,
    },
    /// A value of a receipt that no ledger can have.
    #[error("the receipt is not sound: {place} is {found}, which has to be {expected}")]
    ReceiptValue {
        /// The part of the receipt.
        place: String,
        /// The values that are allowed.
        expected: &'static str,
        /// What the receipt states there.
        found: String,
    },
}

impl ReplayError {
    pub(crate) fn of_policy(policy: &Policy, error: FoldError) -> Self {
        Self::Fold { policy: policy.name().into(), error }
    }
}
