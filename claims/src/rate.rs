//! The reward per block that holds a target.

use crate::call::PreparedCall;
use crate::epochs::{epoch_end, reward_of};
use crate::error::ClaimsError;
use crate::rate_history::{RateHistory, history, paid_rates};
use crate::rounding::RoundedWei;
use alloy_primitives::U256;
use std::fmt;
use std::str::FromStr;
use tally_engine::{
    Allocation, Difference, Discrepancy, EpochIndex, EpochLedger, Horizon, Ledger, Mrr, Policy, Rate,
    StakeBlocks, StakeSeconds, UnixTime, Wei, Window, YEAR_SECS, floor_fraction,
};
use tally_eventlog::LogView;
use tally_replay::{ReplayOptions, Replayed, StateAt, Stop, replay, state_at};

/// How many decimals a [`BlockSecs`] may have.
const BLOCK_SECS_DECIMALS: usize = 6;

/// The longest time between blocks.
const BLOCK_SECS_MAX: u64 = 1_000_000_000;

/// The seconds from one block to the next, as an exact fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSecs {
    /// So many seconds …
    secs: u64,
    /// … take so many blocks: a power of ten.
    blocks: u64,
}

impl BlockSecs {
    /// How many seconds it is, if that is a whole number.
    pub const fn whole_secs(self) -> Option<u64> {
        // Written in lowest powers of ten.
        if self.blocks == 1 { Some(self.secs) } else { None }
    }
}

impl FromStr for BlockSecs {
    type Err = ClaimsError;

    fn from_str(text: &str) -> Result<Self, ClaimsError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let decimals = fraction.trim_end_matches('0');
        let parsed = (is_number(whole) && is_number(fraction) && decimals.len() <= BLOCK_SECS_DECIMALS)
            .then(|| {
                let secs: u64 = format!("{whole}{decimals}").parse().ok()?;
                let blocks = 10_u64.checked_pow(u32::try_from(decimals.len()).ok()?)?;
                let max = BLOCK_SECS_MAX.checked_mul(blocks)?;
                (1..=max).contains(&secs).then_some(Self { secs, blocks })
            })
            .flatten();
        parsed.ok_or_else(|| ClaimsError::NoBlockSecs { text: text.into() })
    }
}

impl fmt::Display for BlockSecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.blocks.to_string().len().saturating_sub(1);
        let digits = format!("{:0>width$}", self.secs, width = decimals.saturating_add(1));
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(decimals));
        if fraction.is_empty() { f.write_str(whole) } else { write!(f, "{whole}.{fraction}") }
    }
}

/// `floor(m · stake · T / (d · YEAR))`: what each block has to earn so that `stake`, with a block every `T` seconds,
/// earns the target rate.
///
/// # Errors
///
/// [`ClaimsError::Amount`] if it does not fit.
pub fn reward_per_block(stake: Wei, every: BlockSecs, target: Mrr) -> Result<Wei, ClaimsError> {
    let stake_seconds = stake.over_secs(every.secs).map_err(ClaimsError::amount("stake over time"))?;
    let window = Window {
        epoch: EpochIndex(0),
        target,
        stake_seconds,
        blocks: every.blocks,
        stake_blocks: StakeBlocks::ZERO,
    };
    window.flat_reward().map_err(ClaimsError::amount("the reward per block"))
}

/// The last epoch that is over: the window of the next rate, unless nothing happened in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedEpoch {
    /// The index of the epoch.
    pub epoch: EpochIndex,
    /// When the epoch began.
    pub start: UnixTime,
    /// When it was over: the first second of the next.
    pub end: UnixTime,
    /// `Q`: its capped stake over time, in wei·s.
    pub stake_seconds: StakeSeconds,
    /// `N`: its rewarded blocks.
    pub blocks: u64,
    /// As many blocks a year: `N · YEAR / epoch_secs`, rounded down.
    pub blocks_a_year: u64,
    /// The rate that the pool reached in it, in units of 10^-18, rounded down; `None` without stake.
    pub realised_mrr: Option<U256>,
}

/// What the reward per block has to be from the end of the last closed epoch on.
#[derive(Clone, Debug)]
pub struct NextRate {
    /// When the log's last L1 block was made.
    pub l1_time: UnixTime,
    /// The policy whose rate it is.
    pub policy: Policy,
    /// The last block folded.
    pub horizon: Horizon,
    /// Why it is the last.
    pub stop: Stop,
    /// The last epoch that is over.
    pub closed: ClosedEpoch,
    /// The target of the epoch after it.
    pub target: Mrr,
    /// Where the rate of that comes from.
    pub rate: Rate,
    /// The reward per block of that: exact, rounded down.
    pub reward: Wei,
    /// The same with few decimals, if asked for.
    pub rounded: Option<RoundedWei>,
    /// The reward per block in force after the log's last L1 block.
    pub on_chain: Wei,
    /// How much more than that is proposed.
    pub difference: Difference,
    /// The call that sets what is proposed; `None` if it is in force already.
    pub call: Option<PreparedCall>,
    /// All epochs, the open one included.
    pub history: Vec<RateHistory>,
    /// Where the log's records claim what the records before them do not add up to.
    pub discrepancies: Vec<Discrepancy>,
}

impl NextRate {
    /// What is to be set: the rounded reward, or else the exact one.
    pub fn proposed(&self) -> Wei {
        self.rounded.map_or(self.reward, |rounded| rounded.amount)
    }
}

/// The reward per block of the epoch that is open where the replay ends, and how it and the contract's came to be.
/// `decimals` is how many decimals of METIS it may have.
///
/// # Errors
///
/// [`ClaimsError`] if the policy is not `flat`, if no epoch is over, or if the log cannot be replayed.
pub fn next_rate<L: LogView>(
    log: &L,
    policy: &Policy,
    decimals: Option<u8>,
) -> Result<NextRate, ClaimsError> {
    if policy.allocation() != Allocation::Flat {
        let allocation = policy.allocation().name();
        return Err(ClaimsError::NotFlat { policy: policy.name().into(), allocation });
    }
    let policies = [policy.clone(), policy.on_chain()];
    let replayed = replay(log, &policies, ReplayOptions::default())?;
    let [Replayed { ledger, stop, .. }, Replayed { ledger: paid, .. }] = &replayed[..] else {
        unreachable!("there is a ledger for each of two policies");
    };
    let [.., closed, open] = &ledger.epochs[..] else {
        return Err(no_closed_epoch(policy, ledger)?);
    };
    let (Some(horizon), Some(l1_head)) = (ledger.horizon, log.reach().l1) else {
        unreachable!("a ledger with epochs has a horizon, and that lies within L1");
    };
    let reward = reward_of(policy, open.rate)?;
    let rounded = decimals.map(|decimals| RoundedWei::nearest(reward, decimals)).transpose()?;
    let proposed = rounded.map_or(reward, |rounded| rounded.amount);
    if proposed.is_zero() {
        return Err(ClaimsError::NoReward { exact_wei: reward.to_string() });
    }
    let StateAt { pool, discrepancies, .. } = state_at(log, None)?;
    let on_chain = pool.reward_per_block;
    let identity = log.identity();
    let owner = log.owners()?.owner_of(identity.locking_pool, None);
    let call = (proposed != on_chain).then(|| PreparedCall::update_block_reward(identity, owner, proposed));
    Ok(NextRate {
        l1_time: l1_head.timestamp,
        policy: policy.clone(),
        horizon,
        stop: *stop,
        closed: closed_epoch(policy, closed, open.start)?,
        target: open.target,
        rate: open.rate,
        reward,
        rounded,
        on_chain,
        difference: Difference::new(proposed, on_chain),
        call,
        history: history(policy, ledger, paid, horizon, &paid_rates(log)?)?,
        discrepancies,
    })
}

fn closed_epoch(policy: &Policy, closed: &EpochLedger, end: UnixTime) -> Result<ClosedEpoch, ClaimsError> {
    let blocks = closed.earned.blocks;
    let epoch_secs = policy.epoch_secs();
    let a_year = floor_fraction(&[U256::from(blocks), U256::from(YEAR_SECS)], &[U256::from(epoch_secs)]);
    let a_year = a_year.map_err(ClaimsError::amount("blocks a year"))?;
    Ok(ClosedEpoch {
        epoch: closed.epoch,
        start: closed.start,
        end,
        stake_seconds: closed.stake_seconds,
        blocks,
        blocks_a_year: u64::try_from(a_year).map_err(|_| ClaimsError::TooFast { blocks, epoch_secs })?,
        realised_mrr: closed.realised_mrr().map_err(ClaimsError::amount("the realised MRR"))?,
    })
}

fn no_closed_epoch(policy: &Policy, ledger: &Ledger) -> Result<ClaimsError, ClaimsError> {
    let end = match ledger.epochs.first() {
        None => None,
        Some(open) => Some(epoch_end(policy, open)?),
    };
    Ok(ClaimsError::NoClosedEpoch {
        policy: policy.name().into(),
        until: ledger.horizon.map(|horizon| horizon.timestamp),
        end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(text: &str) -> Result<BlockSecs, String> {
        text.parse().map_err(|error: ClaimsError| error.to_string())
    }

    fn reward(stake_metis: u64, every: &str, mrr: &str) -> Wei {
        let stake = Wei::new(U256::from(stake_metis) * U256::from(10).pow(U256::from(18)));
        let target = Mrr::from_decimal(mrr).expect("a rate");
        reward_per_block(stake, secs(every).expect("seconds"), target).expect("it fits")
    }

    /// The values that mainnet's contract held on 2024-04-24 and on 2024-11-22.
    #[test]
    fn the_rule_gives_the_rates_of_mainnet() {
        for (stake, every, decimals, exact, in_force) in [
            (118_634, "2", 9, "1504743784880771", "1504744000000000"),
            (499_338, "13", 11, "41168150684931506", "41168150680000000"),
        ] {
            let reward = reward(stake, every, "0.20");
            assert_eq!(reward.to_string(), exact);
            let rounded = RoundedWei::nearest(reward, decimals).expect("it fits");
            assert_eq!(rounded.amount.to_string(), in_force);
        }
    }

    #[test]
    fn a_time_between_blocks_may_have_decimals() {
        assert_eq!(reward(118_634, "2.000000", "0.2"), reward(118_634, "2", "0.20"));
        let half = reward(118_634, "0.5", "0.2").times(4).expect("it fits");
        let rest = reward(118_634, "2", "0.2").checked_sub(half).expect("floors add up to no more");
        assert!(rest < Wei::new(U256::from(4)), "{rest}");
        for text in ["2", "13", "0.5", "12.345678", "1000000000", "0.000001"] {
            assert_eq!(secs(text).map(|secs| secs.to_string()), Ok(text.into()));
        }
        for text in [
            "",
            "0",
            "0.0",
            "-1",
            "1e3",
            ".5",
            "5.",
            "1.2.3",
            "0.0000001",
            "1000000000.1",
            "٣",
            "99999999999999999999",
        ] {
            let error = secs(text).expect_err(text);
            assert!(error.contains("is no number of seconds"), "{error}");
        }
    }
}
