//! How the reward per block came to be what it is: by the policy, and on chain.

use crate::epochs::{epoch_end, reward_of};
use crate::error::ClaimsError;
use alloy_primitives::U256;
use tally_engine::{EpochIndex, Horizon, L1Block, Ledger, Mrr, Policy, PoolEvent, Rate, UnixTime, Wei};
use tally_eventlog::LogView;

/// A reward per block that the contract was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidRate {
    /// When the contract was given it.
    pub time: UnixTime,
    /// The L1 block in which it was given.
    pub block: L1Block,
    /// The reward per block from then on.
    pub reward_per_block: Wei,
}

/// One epoch of a policy, beside what the contract paid in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateHistory {
    /// The index of the epoch.
    pub epoch: EpochIndex,
    /// When the epoch begins.
    pub start: UnixTime,
    /// When it ends: where the next begins, or, if it is open, the horizon's timestamp.
    pub until: UnixTime,
    /// Whether it is over.
    pub is_closed: bool,
    /// The target in force when it begins.
    pub target: Mrr,
    /// Where its rate comes from.
    pub rate: Rate,
    /// What a block earns by the policy.
    pub reward_per_block: Wei,
    /// Its rewarded blocks, by the policy.
    pub blocks: u64,
    /// What the pool reached by the policy, in units of 10^-18, rounded down; of an open epoch, so far. `None` without
    /// stake.
    pub realised_mrr: Option<U256>,
    /// The contract's reward per block when it begins.
    pub on_chain: Wei,
    /// The changes of that within the epoch, in order.
    pub changes: Vec<PaidRate>,
    /// What the pool reached by what the contract pays for the same time (with pending blocks at the present reward),
    /// in units of 10^-18, rounded down; `None` without stake, and unless the epoch is over by schedule, too.
    pub paid_mrr: Option<U256>,
}

/// The contract's rewards per block.
pub(crate) struct PaidRates {
    /// That of its initialiser.
    initial: Wei,
    /// Those that it was given, in order.
    changes: Vec<PaidRate>,
}

/// All that the log tells.
pub(crate) fn paid_rates<L: LogView>(log: &L) -> Result<PaidRates, ClaimsError> {
    let mut changes = Vec::new();
    for record in log.l1_records()? {
        if let PoolEvent::RewardUpdate { new_reward, .. } = record.event {
            changes.push(PaidRate {
                time: record.timestamp,
                block: record.block,
                reward_per_block: new_reward,
            });
        }
    }
    Ok(PaidRates { initial: log.identity().genesis.reward_per_block, changes })
}

/// The epochs of `ledger`, which is `policy`'s, beside those of `paid`, which is the contract's over the same epochs.
pub(crate) fn history(
    policy: &Policy,
    ledger: &Ledger,
    paid: &Ledger,
    horizon: Horizon,
    rates: &PaidRates,
) -> Result<Vec<RateHistory>, ClaimsError> {
    let PaidRates { initial, changes } = rates;
    let closed = ledger.epochs.iter().skip(1).map(|next| Some(next.start)).chain([None]);
    // Both begin with epoch 0, at the same time, and the contract's last epoch is open.
    let mut paid_closed = paid.epochs.split_last().map_or(&[][..], |(_, closed)| closed).iter();
    let mut history = Vec::with_capacity(ledger.epochs.len());
    for (epoch, next_start) in ledger.epochs.iter().zip(closed) {
        let end = epoch_end(policy, epoch)?;
        let begun = changes.partition_point(|rate| rate.time <= epoch.start);
        let ended = changes.partition_point(|rate| rate.time < end);
        let (before, from) = changes.split_at(begun);
        let on_chain = before.last().map_or(*initial, |rate| rate.reward_per_block);
        let same = paid_closed.next();
        history.push(RateHistory {
            epoch: epoch.epoch,
            start: epoch.start,
            until: next_start.unwrap_or(horizon.timestamp),
            is_closed: next_start.is_some(),
            target: epoch.target,
            rate: epoch.rate,
            reward_per_block: reward_of(policy, epoch.rate)?,
            blocks: epoch.earned.blocks,
            realised_mrr: epoch.realised_mrr().map_err(ClaimsError::amount("the realised MRR"))?,
            on_chain,
            changes: from.get(..ended.saturating_sub(begun)).unwrap_or_default().to_vec(),
            paid_mrr: match same {
                None => None,
                Some(same) => same.realised_mrr().map_err(ClaimsError::amount("the paid MRR"))?,
            },
        });
    }
    Ok(history)
}
