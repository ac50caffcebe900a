//! The `on-chain` allocation: what the contract pays for the blocks of a fold.

use crate::batch::{Batches, PaidBatch, Payment};
use crate::error::FoldError;
use crate::ids::{BatchId, SequencerId};
use crate::ledger::{BatchLedger, Earned, Unrewarded};
use crate::money::Wei;
use crate::schedule::Payee;
use crate::spans::{Span, Spans};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What the contract has paid so far in the fold, and will have to pay.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contract {
    /// The rewards of the open epoch.
    epoch: BTreeMap<SequencerId, Wei>,
    batches: BTreeMap<BatchId, BatchLedger>,
    pending: Earned,
}

/// How the contract pays a block.
pub(crate) enum Payout {
    /// `each` to this sequencer, in `batch`, or later for `None`.
    To { sequencer: SequencerId, each: Wei, batch: Option<PaidBatch> },
    /// They are not paid.
    Nothing(Unrewarded),
}

impl Payout {
    /// Blocks of `span` as the contract pays them: whether their sequencer was active is nothing to
    /// it, but it can credit nobody who is gone.
    pub(crate) fn of(batches: &Batches, spans: &Spans, span: &Span) -> Result<Self, FoldError> {
        if !spans.holds(span) {
            // The contract has forgotten who was to make them.
            return Ok(Self::Nothing(Unrewarded::NoProducer));
        }
        let (batch, each) = match batches.payment(span.id) {
            Payment::Never => return Ok(Self::Nothing(Unrewarded::BeforeGenesis)),
            Payment::Skipped => return Err(FoldError::SpanInNoBatch { span: span.id }),
            Payment::Paid(batch) => (Some(batch), batch.reward_per_block),
            Payment::Pending(reward) => (None, reward),
        };
        Ok(match batches.payee(&span.signer, batch.as_ref()) {
            Payee::Sequencer(sequencer) => Self::To { sequencer, each, batch },
            Payee::Gone(_) => Self::Nothing(Unrewarded::AfterUnlock),
            Payee::Unknown => Self::Nothing(Unrewarded::UnknownSigner),
        })
    }
}

impl Contract {
    /// Pays for `blocks` blocks, `each` of them.
    pub(crate) fn pay(
        &mut self,
        sequencer: SequencerId,
        each: Wei,
        batch: Option<&PaidBatch>,
        blocks: u64,
    ) -> Result<(), FoldError> {
        let reward = each.times(blocks)?;
        let own = self.epoch.entry(sequencer).or_default();
        *own = own.checked_add(reward)?;
        let Some(batch) = batch else {
            return self.pending.add(blocks, reward);
        };
        let ledger = self.batches.entry(batch.id).or_insert_with(|| BatchLedger {
            batch: batch.id,
            reward_per_block: batch.reward_per_block,
            rows: BTreeMap::new(),
        });
        ledger.rows.entry(sequencer).or_default().add(blocks, reward)
    }

    /// The rewards of the open epoch.
    pub(crate) const fn epoch(&self) -> &BTreeMap<SequencerId, Wei> {
        &self.epoch
    }

    /// Begins another epoch, in which nothing is paid yet.
    pub(crate) fn begin_epoch(&mut self) {
        self.epoch.clear();
    }

    /// The batches, in order.
    pub(crate) fn batches(&self) -> Vec<BatchLedger> {
        self.batches.values().cloned().collect()
    }

    /// What no batch has paid yet.
    pub(crate) const fn pending(&self) -> Earned {
        self.pending
    }
}
