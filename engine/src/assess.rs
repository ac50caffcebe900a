//! What a single block earns, and why: a ledger's epochs and rates, played along the blocks. The sums
//! over blocks are those of the fold that made the ledger, which tests compare.

use crate::batch::Batches;
use crate::contract::Payout;
use crate::error::FoldError;
use crate::grid::{epoch_at, epoch_start};
use crate::ids::{BatchId, EpochIndex, SequencerId, UnixTime};
use crate::ledger::{EpochLedger, Ledger, Unrewarded};
use crate::money::Wei;
use crate::policy::{Allocation, Policy};
use crate::rate::Price;
use crate::spans::{Span, Spans};
use crate::timeline::{Roster, Timeline};
use crate::walk::stake_of;
use alloy_primitives::Address;

/// What a block earns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assessed {
    /// Something (which may be 0 wei).
    Rewarded {
        /// The sequencer that is rewarded.
        sequencer: SequencerId,
        /// Its stake at that time, capped. Under `on-chain` 0 if it was not active, and paid all the same.
        effective: Wei,
        /// What the block earns.
        reward: Wei,
        /// Under `on-chain`: the batch that paid it, or `None` if it is pending.
        batch: Option<BatchId>,
    },
    /// The block earns nothing.
    Unrewarded {
        /// Why the block earns nothing.
        reason: Unrewarded,
        /// The sequencer that the producer stands for, if it is known.
        sequencer: Option<SequencerId>,
    },
}

/// What a ledger was folded from, as far as single blocks need it.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// The policy of the ledger.
    pub policy: &'a Policy,
    /// What they gave, up to a horizon at or after every block that is asked about.
    pub ledger: &'a Ledger,
    /// Stakes, signers and statuses over time, from the first on.
    pub timeline: &'a Timeline,
    /// What the contract paid.
    pub batches: &'a Batches,
}

/// Goes along the blocks in order of time, and tells what each earns.
#[derive(Clone)]
pub struct Assessor<'a> {
    basis: Basis<'a>,
    roster: Roster,
    /// How many of the timeline's changes have been played.
    played: usize,
    epoch: Option<&'a EpochLedger>,
    price: Option<Price<'a>>,
    /// The first instant after the last time reached at which anything changes.
    until: Option<UnixTime>,
}

impl<'a> Assessor<'a> {
    /// At the beginning of time.
    pub fn new(basis: Basis<'a>) -> Self {
        Self {
            basis,
            roster: Roster::default(),
            played: 0,
            epoch: None,
            price: None,
            until: Some(UnixTime(0)),
        }
    }

    /// Goes on to `time`, which is not before the last. Whether anything but time has changed.
    ///
    /// # Errors
    ///
    /// [`FoldError::EpochOutOfTime`] or [`FoldError::TooManyEpochs`] as in the fold,
    /// [`FoldError::NotInLedger`] if the ledger ends before `time`.
    pub fn reach(&mut self, time: UnixTime) -> Result<bool, FoldError> {
        if self.until.is_none_or(|until| time < until) {
            return Ok(false);
        }
        let Basis { policy, ledger, timeline, .. } = self.basis;
        let changes = timeline.changes();
        while let Some(change) = changes.get(self.played).filter(|change| change.time <= time) {
            self.roster.apply(change);
            self.played =
                self.played.checked_add(1).expect("a timeline has no more changes than there is memory");
        }
        let index = match ledger.genesis {
            Some(genesis) => epoch_at(policy, genesis, time)?,
            None => None,
        };
        self.epoch = match index {
            Some(index) => {
                let found = usize::try_from(index.0).ok().and_then(|index| ledger.epochs.get(index));
                Some(found.ok_or(FoldError::NotInLedger { time })?)
            }
            None => None,
        };
        self.price = self.epoch.map(|epoch| Price::new(policy, epoch.rate));
        let change = changes.get(self.played).map(|change| change.time);
        // While nobody has locked, the genesis is a change, too.
        let next_epoch = match ledger.genesis {
            Some(genesis) => {
                let next = match index {
                    None => EpochIndex(0),
                    Some(index) => index.next().expect("there are fewer epochs than seconds"),
                };
                Some(epoch_start(policy, genesis, next)?)
            }
            None => None,
        };
        self.until = change.into_iter().chain(next_epoch).min();
        Ok(true)
    }

    /// The first instant after the last time reached at which anything changes, or `None` if nothing
    /// does any more.
    pub const fn until(&self) -> Option<UnixTime> {
        self.until
    }

    /// The epoch that it has reached, or `None` before epoch 0.
    pub fn epoch(&self) -> Option<EpochIndex> {
        self.epoch.map(|epoch| epoch.epoch)
    }

    /// The sequencers as they are at the time reached.
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// What a block earns that `signer` made (`None`: nobody, as far as is known), under the attribution
    /// `signed`, or under `scheduled` was to make.
    ///
    /// # Errors
    ///
    /// [`FoldError::Amount`] if the reward does not fit.
    pub fn by_signer(&mut self, signer: Option<&Address>) -> Result<Assessed, FoldError> {
        let slot = signer.and_then(|signer| self.roster.slot_of_signer(signer));
        let member = slot.and_then(|slot| self.roster.members().get(slot));
        let sequencer = member.map(|(sequencer, _)| *sequencer);
        let nothing = |reason| Ok(Assessed::Unrewarded { reason, sequencer });
        let Some(price) = &mut self.price else {
            return nothing(Unrewarded::BeforeGenesis);
        };
        if signer.is_none() {
            return nothing(Unrewarded::NoProducer);
        }
        let Some((sequencer, standing)) = member else {
            return nothing(Unrewarded::UnknownSigner);
        };
        if !standing.active {
            return nothing(Unrewarded::AfterUnlock);
        }
        let effective = standing.effective(self.basis.policy.cap());
        let reward = price.each(effective)?;
        Ok(Assessed::Rewarded { sequencer: *sequencer, effective, reward, batch: None })
    }

    /// What a block of `span` earns (`None`: of no span), where the schedule decides. `spans` are those
    /// around it.
    ///
    /// # Errors
    ///
    /// As [`Assessor::by_signer`], and [`FoldError::SpanInNoBatch`] as in the fold.
    pub fn by_span(&mut self, spans: &Spans, span: Option<&Span>) -> Result<Assessed, FoldError> {
        let Some(span) = span.filter(|_| self.basis.policy.allocation() == Allocation::OnChain) else {
            return self.by_signer(span.map(|span| &span.signer));
        };
        let nothing =
            |reason| Ok(Assessed::Unrewarded { reason, sequencer: self.roster.sequencer_of(&span.signer) });
        if self.epoch.is_none() {
            return nothing(Unrewarded::BeforeGenesis);
        }
        match Payout::of(self.basis.batches, spans, span)? {
            Payout::Nothing(reason) => nothing(reason),
            Payout::To { sequencer, each, batch } => {
                let stake = self.roster.get(sequencer).map_or(Wei::ZERO, stake_of);
                let effective = stake.min(self.basis.policy.cap());
                let batch = batch.map(|batch| batch.id);
                Ok(Assessed::Rewarded { sequencer, effective, reward: each, batch })
            }
        }
    }
}
