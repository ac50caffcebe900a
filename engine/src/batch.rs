//! What the `LockingPool` contract paid, and whom it can pay: the `on-chain` allocation.

use crate::event::{L1Record, PoolEvent};
use crate::ids::{BatchId, L2Block, SpanId};
use crate::money::Wei;
use crate::schedule::{Payee, SignerBook};
use crate::spans::Spans;
use alloc::vec::Vec;
use alloy_primitives::Address;

/// A batch that was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidBatch {
    /// The number of the batch.
    pub id: BatchId,
    /// The first span that it paid.
    pub start_span: SpanId,
    /// The last span that it paid.
    pub end_span: SpanId,
    /// What a block of it earned.
    pub reward_per_block: Wei,
    /// How many records there were before it was paid.
    records_before: usize,
}

/// All paid batches, and whom they could credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batches {
    paid: Vec<PaidBatch>,
    /// Whether each batch begins after the one before it, as the contract sees to.
    is_ordered: bool,
    signers: SignerBook,
    current_reward: Wei,
}

/// How the contract pays the blocks of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payment {
    /// Never: the span lies before the first that a batch can pay.
    Never,
    /// This batch paid it.
    Paid(PaidBatch),
    /// Not yet: valued at the present reward per block.
    Pending(Wei),
    /// In no batch, although a later span was paid.
    Skipped,
}

impl Batches {
    /// No batches yet. `initial_reward` is the reward per block before the first `RewardUpdate`.
    pub const fn new(initial_reward: Wei) -> Self {
        Self {
            paid: Vec::new(),
            is_ordered: true,
            signers: SignerBook::new(),
            current_reward: initial_reward,
        }
    }

    /// Takes the batches out of the pool's records, with [`Batches::new`] and [`Batches::apply`].
    pub fn from_records<'a>(records: impl IntoIterator<Item = &'a L1Record>, initial_reward: Wei) -> Self {
        let mut batches = Self::new(initial_reward);
        for record in records {
            batches.apply(record);
        }
        batches
    }

    /// Takes one more record of the pool, the next in (block, log index) order.
    pub fn apply(&mut self, record: &L1Record) {
        if let PoolEvent::RewardUpdate { new_reward, .. } = &record.event {
            self.current_reward = *new_reward;
        } else if let PoolEvent::DistributeReward { batch, start_span, end_span, reward_per_block, .. } =
            &record.event
        {
            self.is_ordered &=
                start_span <= end_span && self.paid.last().is_none_or(|before| before.end_span < *start_span);
            self.paid.push(PaidBatch {
                id: *batch,
                start_span: *start_span,
                end_span: *end_span,
                reward_per_block: *reward_per_block,
                records_before: self.signers.records(),
            });
        }
        self.signers.apply(record);
    }

    /// The first span that a batch can pay. The contract's first batch begins at span 1: span 0 is never paid.
    fn first_payable_span(&self) -> SpanId {
        self.paid.first().map_or(SpanId(1), |batch| batch.start_span)
    }

    /// The first block from `from` on that a batch can pay, by all spans announced so far; `None` if there is none.
    pub fn first_payable_block(&self, spans: &Spans, from: L2Block) -> Option<L2Block> {
        let first = self.first_payable_span();
        let mut payable = spans.as_slice().iter().filter(|span| span.id >= first);
        let span = payable.find(|span| span.start <= span.end && from <= span.end)?;
        Some(span.start.max(from))
    }

    /// How the blocks of `span` are paid: by the first batch that has it.
    pub fn payment(&self, span: SpanId) -> Payment {
        if span < self.first_payable_span() {
            return Payment::Never;
        }
        let has = |batch: &&PaidBatch| batch.start_span <= span && span <= batch.end_span;
        let paid = if self.is_ordered {
            self.paid.get(self.paid.partition_point(|batch| batch.end_span < span)).filter(has)
        } else {
            self.paid.iter().find(has)
        };
        match paid {
            Some(batch) => Payment::Paid(*batch),
            None if self.paid.iter().any(|batch| span < batch.start_span) => Payment::Skipped,
            None => Payment::Pending(self.current_reward),
        }
    }

    /// Whom the contract could pay for the blocks of `signer` when `batch` was paid, or for `None` can pay now.
    pub fn payee(&self, signer: &Address, batch: Option<&PaidBatch>) -> Payee {
        match batch {
            Some(batch) => self.signers.payee_after(signer, batch.records_before),
            None => self.signers.payee(signer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{L1Block, UnixTime};
    use alloy_primitives::B256;

    fn batches(paid: &[(u64, [u64; 2])]) -> Batches {
        let record = |(id, [start, end]): &(u64, [u64; 2])| L1Record {
            block: L1Block(*id),
            block_hash: B256::ZERO,
            timestamp: UnixTime(*id),
            transaction_hash: B256::ZERO,
            log_index: 0,
            event: PoolEvent::DistributeReward {
                batch: BatchId(*id),
                start_span: SpanId(*start),
                end_span: SpanId(*end),
                amount: Wei::ZERO,
                reward_per_block: Wei::ZERO,
                credits: Vec::new(),
            },
        };
        let records: Vec<L1Record> = paid.iter().map(record).collect();
        Batches::from_records(&records, Wei::ZERO)
    }

    fn paid_by(batches: &Batches, spans: core::ops::RangeInclusive<u64>) -> Vec<Option<u64>> {
        let batch = |span| match batches.payment(SpanId(span)) {
            Payment::Paid(batch) => Some(batch.id.0),
            Payment::Never | Payment::Skipped | Payment::Pending(_) => None,
        };
        spans.map(batch).collect()
    }

    #[test]
    fn a_span_is_paid_by_the_first_batch_that_has_it_in_any_order() {
        let in_order = batches(&[(2, [1, 3]), (3, [5, 6])]);
        assert_eq!(
            paid_by(&in_order, 0..=7),
            [None, Some(2), Some(2), Some(2), None, Some(3), Some(3), None]
        );
        assert_eq!(in_order.payment(SpanId(0)), Payment::Never);
        assert_eq!(in_order.payment(SpanId(4)), Payment::Skipped);
        assert_eq!(in_order.payment(SpanId(7)), Payment::Pending(Wei::ZERO));
        // No contract pays so; a log can say so all the same.
        let mixed = batches(&[(2, [1, 1]), (3, [10, 20]), (4, [5, 12]), (5, [9, 8])]);
        assert_eq!(paid_by(&mixed, 4..=10), [None, Some(4), Some(4), Some(4), Some(4), Some(4), Some(3)]);
        assert_eq!(mixed.payment(SpanId(3)), Payment::Skipped);
        assert_eq!(mixed.payment(SpanId(21)), Payment::Pending(Wei::ZERO));
    }
}
