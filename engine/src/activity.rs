//! What happened in each epoch, before any rate: who made how many blocks, and held which stake for
//! how long. Every policy with the same epochs and attribution has the same activity, whatever its
//! target, cap or allocation: `Q` is the sum of `min(stake, cap) · secs` over an epoch's rows, `N`
//! that of `blocks`, `W` that of `min(stake, cap) · blocks`.

use crate::epoch::EpochActivity;
use crate::error::FoldError;
use crate::history::History;
use crate::ids::UnixTime;
use crate::ledger::{Horizon, UnrewardedBlocks};
use crate::policy::{Allocation, Attribution, Genesis, Policy};
use crate::walk::Walk;
use alloc::vec::Vec;

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
