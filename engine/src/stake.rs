//! `Q`: effective stake integrated over each epoch, exact.

use crate::error::FoldError;
use crate::grid::{epoch_at, epoch_start};
use crate::ids::{SequencerId, UnixTime};
use crate::money::{StakeSeconds, Wei};
use crate::policy::Policy;
use crate::timeline::{Roster, Timeline};
use alloc::collections::BTreeMap;

/// The integral of each sequencer's effective stake over each epoch up to an instant.
#[derive(Clone, Debug, Default)]
pub(crate) struct StakeIntegrals {
    epochs: BTreeMap<u64, EpochStake>,
}

#[derive(Clone, Debug, Default)]
struct EpochStake {
    total: StakeSeconds,
    sequencers: BTreeMap<SequencerId, StakeSeconds>,
}

impl StakeIntegrals {
    /// Integrates from `genesis` to `until`. Each sequencer's stake is a staircase: at each of its
    /// changes the step before is closed.
    pub(crate) fn new(
        policy: &Policy,
        timeline: &Timeline,
        genesis: UnixTime,
        until: UnixTime,
    ) -> Result<Self, FoldError> {
        let mut integrals = Self::default();
        let mut roster = Roster::default();
        let mut steps: BTreeMap<SequencerId, (UnixTime, Wei)> = BTreeMap::new();
        for change in timeline.changes().iter().take_while(|change| change.time < until) {
            roster.apply(change);
            let effective =
                roster.get(change.sequencer).map_or(Wei::ZERO, |standing| standing.effective(policy.cap()));
            let from = change.time.max(genesis);
            if let Some((since, stake)) = steps.insert(change.sequencer, (from, effective)) {
                integrals.add(policy, genesis, change.sequencer, stake, since, from)?;
            }
        }
        for (sequencer, (since, stake)) in steps {
            integrals.add(policy, genesis, sequencer, stake, since, until)?;
        }
        Ok(integrals)
    }

    /// Adds one step, `stake` from `since` to `until`, to the epochs it lies in.
    fn add(
        &mut self,
        policy: &Policy,
        genesis: UnixTime,
        sequencer: SequencerId,
        stake: Wei,
        since: UnixTime,
        until: UnixTime,
    ) -> Result<(), FoldError> {
        let mut from = since;
        while from < until && !stake.is_zero() {
            let Some(epoch) = epoch_at(policy, genesis, from)? else {
                return Ok(());
            };
            let next = epoch.checked_add(1).map(|next| epoch_start(policy, genesis, next));
            let to = match next {
                // The last epoch ends with time itself.
                None | Some(Err(_)) => until,
                Some(Ok(end)) => end.min(until),
            };
            let secs = to.0.checked_sub(from.0).ok_or(FoldError::MissingBoundary { time: to })?;
            let area = stake.over_secs(secs)?;
            let sums = self.epochs.entry(epoch).or_default();
            sums.total = sums.total.checked_add(area)?;
            let own = sums.sequencers.entry(sequencer).or_default();
            *own = own.checked_add(area)?;
            from = to;
        }
        Ok(())
    }

    /// `Q` of an epoch.
    pub(crate) fn total(&self, epoch: u64) -> StakeSeconds {
        self.epochs.get(&epoch).map_or(StakeSeconds::ZERO, |sums| sums.total)
    }

    /// One sequencer's part of it.
    pub(crate) fn of(&self, epoch: u64, sequencer: SequencerId) -> StakeSeconds {
        let own = self.epochs.get(&epoch).and_then(|sums| sums.sequencers.get(&sequencer));
        own.copied().unwrap_or(StakeSeconds::ZERO)
    }
}
