//! What the `LockingPool` contract paid, and whom it can pay: the `on-chain` allocation.

use crate::event::{L1Record, PoolEvent};
use crate::ids::{BatchId, L2Block, SequencerId, SpanId};
use crate::money::Wei;
use crate::spans::Spans;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::Address;

/// A batch that was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidBatch {
    /// Which.
    pub id: BatchId,
    /// Its first span.
    pub start_span: SpanId,
    /// Its last span.
    pub end_span: SpanId,
    /// What a block of it earned.
    pub reward_per_block: Wei,
    /// How many records there were before it was paid.
    position: usize,
}

/// All paid batches, and who could be credited when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batches {
    paid: Vec<PaidBatch>,
    signers: BTreeMap<Address, (SequencerId, usize)>,
    unlocked: BTreeMap<SequencerId, usize>,
    current_reward: Wei,
    end: usize,
}

/// How the contract pays the blocks of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payment {
    /// Never: the span lies before the first that a batch can pay.
    Never,
    /// In this batch.
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
            signers: BTreeMap::new(),
            unlocked: BTreeMap::new(),
            current_reward: initial_reward,
            end: 0,
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
        let position = self.end;
        match &record.event {
            PoolEvent::Locked { signer, sequencer, .. }
            | PoolEvent::SignerChange { new_signer: signer, sequencer, .. } => {
                self.signers.insert(*signer, (*sequencer, position));
            }
            PoolEvent::Unlocked { sequencer, .. } => {
                self.unlocked.insert(*sequencer, position);
            }
            PoolEvent::RewardUpdate { new_reward, .. } => self.current_reward = *new_reward,
            PoolEvent::DistributeReward { batch, start_span, end_span, reward_per_block, .. } => {
                self.paid.push(PaidBatch {
                    id: *batch,
                    start_span: *start_span,
                    end_span: *end_span,
                    reward_per_block: *reward_per_block,
                    position,
                });
            }
            PoolEvent::Relocked { .. }
            | PoolEvent::Withdraw { .. }
            | PoolEvent::LockUpdate { .. }
            | PoolEvent::ClaimRewards { .. }
            | PoolEvent::UnlockInit { .. }
            | PoolEvent::BatchSubmitReward { .. }
            | PoolEvent::SetMinLock { .. }
            | PoolEvent::SetMaxLock { .. }
            | PoolEvent::SetRewardPayer { .. }
            | PoolEvent::WithrawDelayTimeChange { .. }
            | PoolEvent::UpdateMpc { .. }
            | PoolEvent::SetSignerUpdateThrottle { .. }
            | PoolEvent::SetWhitelist { .. }
            | PoolEvent::SequencerOwnerChanged { .. }
            | PoolEvent::SequencerRewardRecipientChanged { .. }
            | PoolEvent::Paused { .. }
            | PoolEvent::Unpaused { .. }
            | PoolEvent::MetisTransfer { .. } => {}
        }
        self.end = position.saturating_add(1);
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

    /// How the blocks of `span` are paid.
    pub fn payment(&self, span: SpanId) -> Payment {
        if span < self.first_payable_span() {
            return Payment::Never;
        }
        let after = self.paid.partition_point(|batch| batch.end_span < span);
        match self.paid.get(after) {
            None => Payment::Pending(self.current_reward),
            Some(batch) if batch.start_span <= span => Payment::Paid(*batch),
            Some(_) => Payment::Skipped,
        }
    }

    /// The sequencer that `signer` stood for when `batch` was paid (or, for `None`, stands for now):
    /// `None` if it was not known.
    pub fn sequencer_of(&self, signer: &Address, batch: Option<&PaidBatch>) -> Option<SequencerId> {
        let (sequencer, since) = self.signers.get(signer)?;
        (*since < self.position(batch)).then_some(*sequencer)
    }

    /// Whether the sequencer had taken its stake out by then: the contract can credit it no more.
    pub fn is_gone(&self, sequencer: SequencerId, batch: Option<&PaidBatch>) -> bool {
        self.unlocked.get(&sequencer).is_some_and(|since| *since < self.position(batch))
    }

    fn position(&self, batch: Option<&PaidBatch>) -> usize {
        batch.map_or(self.end, |batch| batch.position)
    }
}
