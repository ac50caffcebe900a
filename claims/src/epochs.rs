//! When the epochs of a policy end, and what their blocks earn.

use crate::error::ClaimsError;
use tally_engine::{EpochLedger, Policy, Rate, UnixTime, Wei, flat_reward};

/// The first second after an epoch.
pub(crate) fn epoch_end(policy: &Policy, epoch: &EpochLedger) -> Result<UnixTime, ClaimsError> {
    let end = epoch.start.0.checked_add(policy.epoch_secs());
    let none = || ClaimsError::NoEnd { policy: policy.name().into(), epoch: epoch.epoch, start: epoch.start };
    end.map(UnixTime).ok_or_else(none)
}

/// What every block earns at this rate of a `flat` policy.
///
/// # Errors
///
/// [`ClaimsError`] if it does not fit, or the contract says it.
pub(crate) fn reward_of(policy: &Policy, rate: Rate) -> Result<Wei, ClaimsError> {
    let reward = flat_reward(policy, rate).map_err(ClaimsError::amount("the reward per block"))?;
    let allocation = policy.allocation().name();
    reward.ok_or_else(|| ClaimsError::NotFlat { policy: policy.name().into(), allocation })
}
