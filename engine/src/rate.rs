//! Reward rates, and the mining reward rate that was really reached.

use crate::error::FoldError;
use crate::grid::sum_blocks;
use crate::ids::{EpochIndex, UnixTime, YEAR_SECS};
use crate::money::{AmountError, Division, StakeBlocks, StakeSeconds, Wei, floor_fraction};
use crate::operators::OperatorsRate;
use crate::policy::{Allocation, Mrr, Policy};
use alloy_primitives::U256;

/// How many decimals a [`realised_mrr`] has.
pub const REALISED_MRR_DECIMALS: u8 = 18;

/// How an epoch's blocks are paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// No window has had blocks and stake yet: the policy's initial reward.
    Initial,
    /// By what this window told.
    FromWindow(Window),
    /// What the contract pays, batch by batch.
    OnChain,
    /// What the operators' formula gives for this.
    Operators(OperatorsRate),
    /// This for every block, as the policy says.
    Fixed(Wei),
}

/// What an epoch's window told: the sums of the epoch before it (or of the last one that had any).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The epoch whose sums these are.
    pub epoch: EpochIndex,
    /// The target in force when the rate was set.
    pub target: Mrr,
    /// The stake-seconds of the window, `Q`.
    pub stake_seconds: StakeSeconds,
    /// The rewarded blocks of the window, `N`; never 0.
    pub blocks: u64,
    /// `W`, never 0 where the allocation is by stake.
    pub stake_blocks: StakeBlocks,
}

impl Window {
    /// `floor(m · Q / (d · YEAR · N))`: what every block earns under the allocation `flat`.
    ///
    /// # Errors
    ///
    /// [`AmountError`] if the quotient does not fit.
    pub fn flat_reward(&self) -> Result<Wei, AmountError> {
        let (numerators, denominators) = self.flat_factors();
        floor_fraction(&numerators, &denominators).map(Wei::new)
    }

    fn flat_factors(&self) -> ([U256; 2], [U256; 3]) {
        let numerators = [U256::from(self.target.numerator()), self.stake_seconds.get()];
        (numerators, [self.target.denominator(), U256::from(YEAR_SECS), U256::from(self.blocks)])
    }

    /// `floor(m · Q · eff / (d · YEAR · W))`: what a block of a producer with the effective stake
    /// `eff` earns under the allocation `stake-weighted`.
    ///
    /// # Errors
    ///
    /// [`AmountError`] if the quotient does not fit.
    pub fn stake_weighted_reward(&self, effective: Wei) -> Result<Wei, AmountError> {
        let (numerators, denominators) = self.stake_weighted_factors(effective);
        floor_fraction(&numerators, &denominators).map(Wei::new)
    }

    fn stake_weighted_factors(&self, effective: Wei) -> ([U256; 3], [U256; 3]) {
        let numerators = [U256::from(self.target.numerator()), self.stake_seconds.get(), effective.get()];
        (numerators, [self.target.denominator(), U256::from(YEAR_SECS), self.stake_blocks.get()])
    }
}

/// The sums of an epoch that set the rate of the next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    /// The stake-seconds so far, `Q`.
    pub(crate) stake_seconds: StakeSeconds,
    /// The rewarded blocks so far, `N`.
    pub(crate) blocks: u64,
    /// The stake-blocks so far, `W`.
    pub(crate) stake_blocks: StakeBlocks,
}

impl Sums {
    /// Adds what a sequencer did with the effective stake `effective`.
    pub(crate) fn add(&mut self, effective: Wei, blocks: u64, secs: u64) -> Result<(), FoldError> {
        self.stake_seconds = self.stake_seconds.checked_add(effective.over_secs(secs)?)?;
        if blocks > 0 {
            self.blocks = sum_blocks(self.blocks, blocks)?;
            self.stake_blocks = self.stake_blocks.checked_add(effective.over_blocks(blocks)?)?;
        }
        Ok(())
    }
}

/// An epoch that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past {
    pub(crate) epoch: EpochIndex,
    pub(crate) sums: Sums,
    pub(crate) rate: Rate,
}

/// The rate of the epoch that begins at `start`, when `total_locked` is locked. If it is not fixed: by the operators'
/// formula if anything is locked, or by the epoch before it, `past`, if that had stake and rewarded blocks (under
/// `stake-weighted`: of producers with stake); else the one before. Epoch 0 has no epoch before it.
pub(crate) fn next_rate(policy: &Policy, past: Option<Past>, start: UnixTime, total_locked: Wei) -> Rate {
    if policy.allocation() == Allocation::OnChain {
        return Rate::OnChain;
    }
    if let Some(reward) = policy.fixed_reward_at(start) {
        return Rate::Fixed(reward);
    }
    let Some(Past { epoch, sums, rate }) = past else {
        return Rate::Initial;
    };
    if let Some(entered) = policy.operators_rate_at(start, total_locked) {
        return if total_locked.is_zero() { rate } else { Rate::Operators(entered) };
    }
    let by_stake = policy.allocation() == Allocation::StakeWeighted;
    let is_empty =
        sums.blocks == 0 || sums.stake_seconds.is_zero() || (by_stake && sums.stake_blocks.is_zero());
    if is_empty {
        return rate;
    }
    Rate::FromWindow(Window {
        epoch,
        target: policy.target_at(start),
        stake_seconds: sums.stake_seconds,
        blocks: sums.blocks,
        stake_blocks: sums.stake_blocks,
    })
}

/// What the blocks of one epoch earn; under `on-chain`, where the contract says it, nothing.
#[derive(Clone)]
pub(crate) struct Price<'a> {
    policy: &'a Policy,
    rate: Rate,
    by_stake: bool,
    /// The last effective stake and what a block earned with it: often the next has the same.
    last: Option<(Wei, Wei)>,
    /// `m · Q` and `d · YEAR · W` of the window, where they fit in 256 bits: the same for each stake.
    ratio: Option<(U256, U256)>,
}

impl<'a> Price<'a> {
    pub(crate) fn new(policy: &'a Policy, rate: Rate) -> Self {
        let ratio = match (rate, policy.allocation()) {
            (Rate::FromWindow(window), Allocation::StakeWeighted) => window.stake_weighted_ratio(),
            _ => None,
        };
        let by_stake = policy.allocation() == Allocation::StakeWeighted;
        Self { policy, rate, by_stake, last: None, ratio }
    }

    /// What a block of a producer with the effective stake `effective` earns.
    #[inline]
    pub(crate) fn each(&mut self, effective: Wei) -> Result<Wei, AmountError> {
        match &self.last {
            // Under `flat` the stake makes no difference.
            Some((last, each)) if !self.by_stake || *last == effective => Ok(*each),
            _ => self.worked_out(effective),
        }
    }

    /// The same, where it is not what the last was.
    fn worked_out(&mut self, effective: Wei) -> Result<Wei, AmountError> {
        let narrow = self
            .ratio
            .as_ref()
            .and_then(|(above, below)| above.checked_mul(effective.get())?.checked_div(*below).map(Wei::new));
        let each = narrow.map_or_else(|| self.in_full(effective), Ok)?;
        self.last = Some((effective, each));
        Ok(each)
    }

    /// The same by the rate's own formula, whatever the sizes of its factors.
    fn in_full(&self, effective: Wei) -> Result<Wei, AmountError> {
        let (initial, cap) = (self.policy.initial_reward(), self.policy.cap());
        match (&self.rate, self.policy.allocation()) {
            (Rate::OnChain, _) | (_, Allocation::OnChain) => Ok(Wei::ZERO),
            (Rate::Operators(entered), _) => entered.reward(),
            (Rate::Fixed(reward), _) => Ok(*reward),
            (Rate::Initial, Allocation::Flat) => Ok(initial),
            (Rate::Initial, Allocation::StakeWeighted) => {
                initial_stake_weighted_reward(initial, effective, cap)
            }
            (Rate::FromWindow(window), Allocation::Flat) => window.flat_reward(),
            (Rate::FromWindow(window), Allocation::StakeWeighted) => window.stake_weighted_reward(effective),
        }
    }
}

impl Window {
    /// `m · Q` and `d · YEAR · W`, or `None` if one does not fit in 256 bits.
    fn stake_weighted_ratio(&self) -> Option<(U256, U256)> {
        let above = self.stake_seconds.get().checked_mul(U256::from(self.target.numerator()))?;
        let below = self.stake_blocks.get().checked_mul(U256::from(YEAR_SECS))?;
        Some((above, below.checked_mul(self.target.denominator())?))
    }
}

/// What every block of an epoch earns at this rate, where all earn the same: under `flat`. Else `None`.
///
/// # Errors
///
/// [`AmountError`] if it does not fit.
pub fn flat_reward(policy: &Policy, rate: Rate) -> Result<Option<Wei>, AmountError> {
    if policy.allocation() != Allocation::Flat || rate == Rate::OnChain {
        return Ok(None);
    }
    Price::new(policy, rate).each(Wei::ZERO).map(Some)
}

/// The division that the reward of a block comes from, for a producer with the effective stake
/// `effective`: factor by factor as [`Window`] and `docs/rules.md` have it. `None` where nothing is divided:
/// for the initial reward under `flat`, for a fixed one, and under `on-chain`. Of the operators' formula it is the last
/// division, that of two quotients.
///
/// # Errors
///
/// [`AmountError`] if the quotient does not fit.
pub fn reward_division(policy: &Policy, rate: Rate, effective: Wei) -> Result<Option<Division>, AmountError> {
    let by_stake = policy.allocation() == Allocation::StakeWeighted;
    match rate {
        Rate::FromWindow(window) if by_stake => {
            let (numerators, denominators) = window.stake_weighted_factors(effective);
            Division::new(&numerators, &denominators).map(Some)
        }
        Rate::FromWindow(window) => {
            let (numerators, denominators) = window.flat_factors();
            Division::new(&numerators, &denominators).map(Some)
        }
        Rate::Initial if by_stake => {
            Division::new(&[policy.initial_reward().get(), effective.get()], &[policy.cap().get()]).map(Some)
        }
        Rate::Operators(entered) => entered.division().map(Some),
        Rate::Initial | Rate::Fixed(_) | Rate::OnChain => Ok(None),
    }
}

/// `floor(initial_reward · eff / cap)`: what a block earns under the allocation `stake-weighted`
/// before there is a window.
///
/// # Errors
///
/// [`AmountError`] if the quotient does not fit.
fn initial_stake_weighted_reward(initial: Wei, effective: Wei, cap: Wei) -> Result<Wei, AmountError> {
    floor_fraction(&[initial.get(), effective.get()], &[cap.get()]).map(Wei::new)
}

/// `floor(10^18 · reward · YEAR / Q)`: the yearly rewards over the stake that earned them, in units
/// of 10^-18. `None` where there was no stake. For people to look at: nothing is computed from it.
///
/// # Errors
///
/// [`AmountError`] if the quotient does not fit.
pub fn realised_mrr(reward: Wei, stake_seconds: StakeSeconds) -> Result<Option<U256>, AmountError> {
    if stake_seconds.is_zero() {
        return Ok(None);
    }
    let unit = U256::from(10_u64).pow(U256::from(REALISED_MRR_DECIMALS));
    floor_fraction(&[unit, reward.get(), U256::from(YEAR_SECS)], &[stake_seconds.get()]).map(Some)
}
