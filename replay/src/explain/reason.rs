//! Why the rate that a sequencer reached is not the target.

use super::epoch::EpochExplanation;
use alloy_primitives::U256;
use tally_engine::{
    Allocation, AmountError, Mrr, REALISED_MRR_DECIMALS, Rate, StakeSeconds, floor_fraction, realised_mrr,
};

/// Why a sequencer's mining reward rate in an epoch is what it is: its own part of blocks and stake, and the pool's pace.
/// All fractions are in units of 10^-18 and rounded down, for people to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateReason {
    /// The target of the epoch.
    pub target: Mrr,
    /// The rate that the sequencer reached; `None` if it had no stake that counts.
    pub realised: Option<U256>,
    /// The rate that the pool reached; `None` without stake.
    pub pool: Option<U256>,
    /// The sequencer's rewarded blocks.
    pub blocks: u64,
    /// The pool's rewarded blocks.
    pub pool_blocks: u64,
    /// The sequencer's part of the pool's rewarded blocks; `None` if there are none.
    pub share_of_blocks: Option<U256>,
    /// The sequencer's part of the pool's capped stake; `None` if there is none.
    pub share_of_stake: Option<U256>,
    /// The first share over the second: how many times the pool's rate the sequencer reached, where every block earns the
    /// same. `None` if the sequencer has no stake that counts, the pool made no blocks, or they do not all earn the same.
    pub ratio: Option<U256>,
    /// How many blocks the rate assumed for the stake that the epoch had: with so many the pool would have reached the target.
    /// `None` where the rate comes from no window, or blocks do not all earn the same.
    pub assumed_blocks: Option<U256>,
}

impl RateReason {
    /// The reason of what is explained, under a policy with this allocation.
    ///
    /// # Errors
    ///
    /// [`AmountError`] if a fraction does not fit.
    pub fn of(explained: &EpochExplanation, allocation: Allocation) -> Result<Self, AmountError> {
        let epoch = &explained.epoch;
        let (stake, pool_stake) = (explained.stake_seconds, epoch.stake_seconds);
        let (blocks, pool_blocks) = (explained.earned.blocks, epoch.earned.blocks);
        let assumed_blocks = match epoch.rate {
            Rate::FromWindow(window) if allocation == Allocation::Flat => {
                let blocks = [U256::from(window.blocks), pool_stake.get()];
                unless_zero(window.stake_seconds, || floor_fraction(&blocks, &[window.stake_seconds.get()]))?
            }
            Rate::FromWindow(_) | Rate::Initial | Rate::OnChain | Rate::Operators(_) | Rate::Fixed(_) => None,
        };
        let (own, all) = (U256::from(blocks), U256::from(pool_blocks));
        let share = |part: U256, whole: U256| {
            let is_some = !whole.is_zero();
            is_some.then(|| floor_fraction(&[unit(), part], &[whole])).transpose()
        };
        let has_both = !stake.is_zero() && pool_blocks > 0;
        let ratio = (has_both && allocation == Allocation::Flat)
            .then(|| floor_fraction(&[unit(), own, pool_stake.get()], &[all, stake.get()]))
            .transpose()?;
        Ok(Self {
            target: epoch.target,
            realised: realised_mrr(explained.earned.reward, stake)?,
            pool: realised_mrr(epoch.earned.reward, pool_stake)?,
            blocks,
            pool_blocks,
            share_of_blocks: share(own, all)?,
            share_of_stake: share(stake.get(), pool_stake.get())?,
            ratio,
            assumed_blocks,
        })
    }
}

/// One, in the units of these fractions.
fn unit() -> U256 {
    U256::from(10_u64).pow(U256::from(REALISED_MRR_DECIMALS))
}

fn unless_zero<T>(
    stake: StakeSeconds,
    compute: impl FnOnce() -> Result<T, AmountError>,
) -> Result<Option<T>, AmountError> {
    (!stake.is_zero()).then(compute).transpose()
}
