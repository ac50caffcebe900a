//! What can stop a fold.

use crate::ids::{EpochIndex, L2Block, SpanId, UnixTime};
use crate::money::{AmountError, Wei};
use alloc::string::{String, ToString};
use alloy_primitives::Address;

/// A fold that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// A sum, product or quotient does not fit.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// The policy's epochs are too short for the time they have to cover.
    #[error("{since_secs} s since genesis are more than {max} epochs of {epoch_secs} s")]
    TooManyEpochs {
        /// How long an epoch is.
        epoch_secs: u64,
        /// How much time there is.
        since_secs: u64,
        /// How many epochs are allowed.
        max: u64,
    },
    /// An epoch would begin after the end of time.
    #[error("epoch {epoch} of {epoch_secs} s begins after the last second there is")]
    EpochOutOfTime {
        /// The index of the epoch.
        epoch: EpochIndex,
        /// How long an epoch is.
        epoch_secs: u64,
    },
    /// More blocks than can be counted.
    #[error("{left} + {right} blocks are more than 2^64 - 1")]
    TooManyBlocks {
        /// The count on the left.
        left: u64,
        /// The count on the right.
        right: u64,
    },
    /// A count for a producer that is not in the list.
    #[error("producer {code} is counted where there are {producers}")]
    UnknownProducer {
        /// The code of the producer.
        code: usize,
        /// How many there are.
        producers: usize,
    },
    /// Counts whose codes mean different producers.
    #[error("counts of different producers cannot be added: {code} is {left:?} here and {right:?} there")]
    OtherProducers {
        /// The first code that differs.
        code: usize,
        /// Whom it means in the counts added to; `None` for nobody, or if there is no such code.
        left: Option<Address>,
        /// Whom it means in the counts added.
        right: Option<Address>,
    },
    /// The grid was made without an instant that the fold needs.
    #[error("no block was looked up for the instant {time}")]
    MissingBoundary {
        /// The instant that was looked for.
        time: UnixTime,
    },
    /// An event takes effect before the one it follows.
    #[error("time runs back from {from} to {to}")]
    TimeRunsBack {
        /// How far the fold had come.
        from: UnixTime,
        /// The time that comes next.
        to: UnixTime,
    },
    /// A fold was to go on to where it is already.
    #[error("the fold cannot go on to block {to}: it has come to block {last}")]
    HorizonNotAhead {
        /// The last block folded.
        last: L2Block,
        /// The horizon that was asked for.
        to: L2Block,
    },
    /// No stretch of the grid begins where the fold has to go on.
    #[error("the fold has come to block {}, but the stretch to go on with begins at block {}", or_none(*last), or_none(*found))]
    GridDoesNotFollow {
        /// The last block folded, or `None` before the first.
        last: Option<L2Block>,
        /// The first block of the stretch, or `None` if there is none.
        found: Option<L2Block>,
    },
    /// What the contract pays is not settled by what happened: it can be folded, but not continued,
    /// and has no activity.
    #[error(
        "policy {policy} depends on later batches: fold it in one pass from the beginning, not step by step"
    )]
    ByContract {
        /// The name of the policy.
        policy: String,
    },
    /// A policy was to be evaluated on an activity that is not what it sees.
    #[error("policy {policy} has {wanted}, but the activity has {found}")]
    OtherRules {
        /// The name of the policy.
        policy: String,
        /// Its epochs and attribution.
        wanted: String,
        /// Those of the activity.
        found: String,
    },
    /// A policy was to be evaluated under another cap than its own.
    #[error("policy {policy} has a cap of {wanted} wei, but the activity is under one of {found} wei")]
    OtherCap {
        /// The name of the policy.
        policy: String,
        /// The cap of the policy.
        wanted: Wei,
        /// That of the activity.
        found: Wei,
    },
    /// A fold was to go on after an error.
    #[error("the fold has failed before, and cannot go on")]
    Unusable,
    /// A block after the first span, up to the horizon, has no producer.
    #[error("block {block} lies within the horizon, but has neither a signature nor a span")]
    Unsettled {
        /// The block without a producer.
        block: L2Block,
    },
    /// A block is asked about that the ledger does not reach.
    #[error("the ledger ends before the time {time}")]
    NotInLedger {
        /// The timestamp of the block.
        time: UnixTime,
    },
    /// A span between two paid batches belongs to neither.
    #[error("span {span} lies between two paid batches and in neither")]
    SpanInNoBatch {
        /// The span that was skipped.
        span: SpanId,
    },
    /// What is counted and what was there differ: a fault of the engine.
    #[error("{rewarded} rewarded and {unrewarded} unrewarded blocks are not the {blocks} there are")]
    NotConserved {
        /// How many blocks were rewarded.
        rewarded: u64,
        /// How many blocks were not rewarded.
        unrewarded: u64,
        /// How many blocks there are.
        blocks: u64,
    },
}

fn or_none(block: Option<L2Block>) -> String {
    block.map_or_else(|| "none".into(), |block| block.to_string())
}
