//! What can stop a fold.

use crate::ids::{L2Block, SpanId, UnixTime};
use crate::money::AmountError;
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
        /// Which.
        epoch: u64,
        /// How long an epoch is.
        epoch_secs: u64,
    },
    /// More blocks than can be counted.
    #[error("{left} + {right} blocks are more than 2^64 - 1")]
    TooManyBlocks {
        /// One count.
        left: u64,
        /// The other.
        right: u64,
    },
    /// A count for a producer that is not in the list.
    #[error("producer {code} is counted where there are {producers}")]
    UnknownProducer {
        /// Its code.
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
        /// Which instant.
        time: UnixTime,
    },
    /// A block after the first span, up to the horizon, has no producer.
    #[error("block {block} lies within the horizon, but has neither a signature nor a span")]
    Unsettled {
        /// Which.
        block: L2Block,
    },
    /// A span between two paid batches belongs to neither.
    #[error("span {span} lies between two paid batches and in neither")]
    SpanInNoBatch {
        /// Which.
        span: SpanId,
    },
    /// What is counted and what was there differ: a fault of the engine.
    #[error("{rewarded} rewarded and {unrewarded} unrewarded blocks are not the {blocks} there are")]
    NotConserved {
        /// Blocks rewarded.
        rewarded: u64,
        /// Blocks not rewarded.
        unrewarded: u64,
        /// Blocks there are.
        blocks: u64,
    },
}
