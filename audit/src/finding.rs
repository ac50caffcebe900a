//! One thing that an audit found.

use crate::code::Code;
use alloy_primitives::{Address, B256};
use std::ops::RangeInclusive;
use tally_engine::{BatchId, L1Block, L1Record, L2Block, SequencerId, SpanId, SpanRecord};

/// One thing that an audit found. What does not apply is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub code: Code,
    /// The batch that it is about.
    pub batch: Option<BatchId>,
    /// The sequencer that it is about.
    pub sequencer: Option<SequencerId>,
    /// The span that it is about.
    pub span: Option<SpanId>,
    /// The L1 block of the event.
    pub l1_block: Option<L1Block>,
    /// The L1 transaction of the event.
    pub transaction: Option<B256>,
    /// The L2 transaction of a span event.
    pub l2_transaction: Option<B256>,
    /// The L2 blocks that it is about, the first and the last.
    pub l2_blocks: Option<RangeInclusive<L2Block>>,
    /// The contract's name of the value.
    pub field: Option<&'static str>,
    /// What it should be: blocks, wei, seconds or an address.
    pub expected: Option<String>,
    /// The value that the chain has.
    pub found: Option<String>,
    /// What the other rule counts, for counted blocks.
    pub other_count: Option<u64>,
    /// The batch in whose time it falls: that in which it was, or would be, paid next.
    pub(crate) period: Option<BatchId>,
}

impl Finding {
    pub(crate) const fn new(code: Code) -> Self {
        Self {
            code,
            batch: None,
            sequencer: None,
            span: None,
            l1_block: None,
            transaction: None,
            l2_transaction: None,
            l2_blocks: None,
            field: None,
            expected: None,
            found: None,
            other_count: None,
            period: None,
        }
    }

    /// Of an event on L1.
    pub(crate) fn at(code: Code, record: &L1Record) -> Self {
        Self { l1_block: Some(record.block), transaction: Some(record.transaction_hash), ..Self::new(code) }
    }

    /// Of a span event.
    pub(crate) fn at_span(code: Code, record: &SpanRecord) -> Self {
        Self { l2_transaction: Some(record.transaction_hash), ..Self::new(code) }
    }

    pub(crate) fn of_batch(mut self, batch: BatchId) -> Self {
        self.batch = Some(batch);
        self
    }

    pub(crate) fn of(mut self, sequencer: SequencerId) -> Self {
        self.sequencer = Some(sequencer);
        self
    }

    pub(crate) fn of_span(mut self, span: SpanId) -> Self {
        self.span = Some(span);
        self
    }

    pub(crate) fn blocks(mut self, blocks: RangeInclusive<L2Block>) -> Self {
        self.l2_blocks = Some(blocks);
        self
    }

    pub(crate) fn field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    pub(crate) fn values(mut self, expected: &impl ToString, found: &impl ToString) -> Self {
        (self.expected, self.found) = (Some(expected.to_string()), Some(found.to_string()));
        self
    }

    /// As [`Finding::values`]; addresses are in lower case, as JSON-RPC gives them.
    pub(crate) fn addresses(self, expected: &Address, found: &Address) -> Self {
        self.values(&format!("{expected:#x}"), &format!("{found:#x}"))
    }

    pub(crate) fn found_address(self, found: &Address) -> Self {
        self.found(&format!("{found:#x}"))
    }

    pub(crate) fn expected(mut self, expected: &impl ToString) -> Self {
        self.expected = Some(expected.to_string());
        self
    }

    pub(crate) fn found(mut self, found: &impl ToString) -> Self {
        self.found = Some(found.to_string());
        self
    }
}
