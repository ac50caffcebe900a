//! Why a span event does not fit those before it.

use crate::ids::{L2Block, SpanId};
use alloy_primitives::B256;

/// A span event that does not fit the spans before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("span event in L2 block {block}, log {log_index} (transaction {transaction_hash}): {fault}")]
pub struct SpanError {
    /// The L2 block of the event.
    pub block: L2Block,
    /// Where in the block.
    pub log_index: u64,
    /// The transaction that emitted it.
    pub transaction_hash: B256,
    /// What is wrong with the event.
    pub fault: SpanFault,
}

/// What is wrong with a span event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanFault {
    /// The announced span is not the next.
    #[error("span {found} is announced where span {expected} is next")]
    NotNext {
        /// The id that is next.
        expected: SpanId,
        /// The id that is announced.
        found: SpanId,
    },
    /// The span ends before it starts.
    #[error("span {span} ends at block {end}, before its start {start}")]
    Backwards {
        /// The id of the span.
        span: SpanId,
        /// The first block of the span.
        start: L2Block,
        /// The last block of the span.
        end: L2Block,
    },
    /// The span covers blocks of the one before.
    #[error("span {span} starts at block {start}, within the span before it, which ends at {previous_end}")]
    Overlap {
        /// The id of the span.
        span: SpanId,
        /// The first block of the span.
        start: L2Block,
        /// The last block of the span before.
        previous_end: L2Block,
    },
    /// A recommit names another current span than the last one announced.
    #[error("the recommit takes span {found} for the current one, which is {expected}")]
    NotCurrent {
        /// The last span announced.
        expected: SpanId,
        /// The span that the event names.
        found: SpanId,
    },
    /// A recommit of a span that is neither the last nor the last but one, or with a wrong successor.
    #[error("a recommit of span {old_span} as {new_span} is not possible while {current_span} is current")]
    NoSuchRecommit {
        /// The span to cut.
        old_span: SpanId,
        /// The span to follow.
        new_span: SpanId,
        /// The last span announced.
        current_span: SpanId,
    },
    /// A recommit would change who produced blocks before it.
    #[error("the recommit starts at block {start}, before the block {block} that it is in")]
    RewritesHistory {
        /// The new span's first block.
        start: L2Block,
        /// The block of the event.
        block: L2Block,
    },
}
