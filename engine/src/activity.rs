//! What happened in each epoch, before any rate: who made how many blocks, and held which stake for
//! how long. Every policy with the same epochs and attribution has the same activity, whatever its
//! target, cap or allocation: `Q` is the sum of `min(stake, cap) · secs` over an epoch's rows, `N`
//! that of `blocks`, `W` that of `min(stake, cap) · blocks`.

use crate::error::FoldError;
use crate::fold::History;
use crate::ids::{EpochIndex, SequencerId, UnixTime};
use crate::ledger::{Horizon, UnrewardedBlocks};
use crate::money::Wei;
use crate::policy::{Allocation, Attribution, Genesis, Policy};
use crate::walk::Walk;
use alloc::vec::Vec;

/// A sequencer in an epoch, as long as its stake was the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivityRow {
    /// The sequencer that the row is of.
    pub sequencer: SequencerId,
    /// Its stake while active, in wei, not capped.
    pub stake: Wei,
    /// The rewarded blocks that it made at that stake.
    pub blocks: u64,
    /// How many seconds of the epoch it was active at that stake.
    pub secs: u64,
}

/// One epoch; the last reaches up to the horizon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochActivity {
    /// The index of the epoch.
    pub epoch: EpochIndex,
    /// When the epoch begins.
    pub start: UnixTime,
    /// All that is locked when it begins, not capped, with the stakes of sequencers that are leaving.
    pub total_locked: Wei,
    /// In order of sequencers, then of stakes, each pair once; none without blocks and seconds.
    pub rows: Vec<ActivityRow>,
}

/// What happened up to a horizon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// When epoch 0 begins, or `None` while (up to the horizon) nobody has locked.
    pub genesis: Option<UnixTime>,
    /// The last block of it, or `None` if there is none.
    pub horizon: Option<Horizon>,
    /// The epochs up to the horizon, also those in which nothing happened.
    pub epochs: Vec<EpochActivity>,
    /// Blocks that no policy of these rules rewards.
    pub unrewarded: UnrewardedBlocks,
    /// What it depends on.
    rules: Rules,
}

/// The part of a policy that an activity depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    genesis: Genesis,
    epoch_secs: u64,
    attribution: Attribution,
}

impl core::fmt::Display for Rules {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "epochs of {} s, genesis {:?}, {:?}", self.epoch_secs, self.genesis, self.attribution)
    }
}

impl Rules {
    pub(crate) fn of(policy: &Policy) -> Self {
        Self { genesis: policy.genesis(), epoch_secs: policy.epoch_secs(), attribution: policy.attribution() }
    }
}

impl Activity {
    /// The activity of `history` up to `horizon`, in the epochs and by the attribution of `policy`.
    ///
    /// # Errors
    ///
    /// As [`crate::fold`], and [`FoldError::ByContract`] under `on-chain`, where who is paid depends
    /// on more than what happened.
    pub fn new(policy: &Policy, history: &History<'_>, horizon: Option<Horizon>) -> Result<Self, FoldError> {
        if policy.allocation() == Allocation::OnChain {
            return Err(FoldError::ByContract { policy: policy.name().into() });
        }
        let mut walk = Walk::new(policy);
        let mut epochs = Vec::new();
        if let Some(horizon) = horizon {
            walk.advance(policy, history, horizon, &mut |epoch, _| {
                epochs.push(epoch);
                Ok(())
            })?;
            epochs.extend(walk.open_epoch()?);
        }
        let (genesis, unrewarded) = (walk.genesis(policy), walk.unrewarded());
        Ok(Self { genesis, horizon, epochs, unrewarded, rules: Rules::of(policy) })
    }

    /// What it depends on.
    pub(crate) const fn rules(&self) -> Rules {
        self.rules
    }
}
