//! What moves between accounts: the one place that turns the pool's events into amounts.

use crate::error::ClaimsError;
use alloy_primitives::{Address, B256, U256};
use std::collections::BTreeMap;
use std::fmt;
use tally_engine::{
    AmountError, BatchId, Credit, EpochIndex, L1Block, L1Record, PoolEvent, PoolState, SequencerId, UnixTime,
    Wei,
};

/// An account of the double entry. Those of sequencers hold what is theirs; the others are where it comes from and
/// goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LedgerAccount {
    /// What a sequencer has locked.
    Stake(SequencerId),
    /// What the contract has credited a sequencer with, and has neither paid out nor locked.
    Unclaimed(SequencerId),
    /// What a policy has a sequencer earn.
    Accrued(SequencerId),
    /// An owner's METIS outside the pool; zero if no event says who the owner is.
    Owner(Address),
    /// Whoever pays the rewards of batches.
    Rewards,
    /// A recipient's METIS on L2.
    Recipient(Address),
    /// What a policy gives.
    Policy,
}

impl fmt::Display for LedgerAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stake(sequencer) => write!(f, "stake:{sequencer}"),
            Self::Unclaimed(sequencer) => write!(f, "unclaimed:{sequencer}"),
            Self::Accrued(sequencer) => write!(f, "accrued:{sequencer}"),
            Self::Owner(owner) => write!(f, "owner:{owner:#x}"),
            Self::Rewards => f.write_str("rewards"),
            Self::Recipient(recipient) => write!(f, "recipient:{recipient:#x}"),
            Self::Policy => f.write_str("policy"),
        }
    }
}

/// Why an amount moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementKind {
    /// The first stake: owner to stake.
    Locked,
    /// More stake, of fresh METIS: owner to stake.
    Relocked,
    /// More stake, of the unclaimed reward: unclaimed to stake.
    RelockedReward,
    /// Less stake: stake to owner.
    Withdrawn,
    /// A batch: rewards to unclaimed.
    Credited {
        /// The batch that credited it.
        batch: BatchId,
        /// How many blocks it pays the sequencer for.
        blocks: u64,
        /// What it pays for each.
        reward_per_block: Wei,
    },
    /// Paid out: unclaimed to recipient.
    Claimed,
    /// The stake taken out at the end of an exit: stake to owner.
    Unlocked,
    /// What a policy gives for the blocks of an epoch: policy to accrued.
    Accrued {
        /// The epoch that it was earned in.
        epoch: EpochIndex,
        /// How many blocks earned it.
        blocks: u64,
    },
    /// Under `on-chain`: what blocks of an epoch that had been pending are worth more (policy to accrued) or less
    /// (accrued to policy) than before.
    Revalued {
        /// Which epoch they are in.
        epoch: EpochIndex,
    },
}

impl MovementKind {
    /// A word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::Relocked => "relocked",
            Self::RelockedReward => "relocked_reward",
            Self::Withdrawn => "withdrawn",
            Self::Credited { .. } => "credited",
            Self::Claimed => "claimed",
            Self::Unlocked => "unlocked",
            Self::Accrued { .. } => "accrued",
            Self::Revalued { .. } => "revalued",
        }
    }
}

/// The event that something comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MovementPlace {
    /// The L1 block of the event.
    pub block: L1Block,
    /// The transaction of the event.
    pub transaction_hash: B256,
    /// Its index among the block's logs.
    pub log_index: u64,
}

/// An amount that moves from one account to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// When: the L1 block's time, or the last second of the part of the epoch that accrues.
    pub time: UnixTime,
    /// The event; `None` for what a policy gives.
    pub place: Option<MovementPlace>,
    /// Why the amount moved.
    pub kind: MovementKind,
    /// How much, in wei; never 0.
    pub amount: Wei,
    /// Which account it leaves.
    pub debit: LedgerAccount,
    /// Which account it enters.
    pub credit: LedgerAccount,
}

/// What a record moves, for which sequencers. `pool` is the contracts' state after it, and `later` are the records
/// that follow. Movements of nothing (a claim of 0 wei, a credit of 0 blocks) are left out.
pub(crate) fn movements(
    pool: &PoolState,
    record: &L1Record,
    later: &[L1Record],
) -> Result<Vec<(SequencerId, Movement)>, ClaimsError> {
    let place = MovementPlace {
        block: record.block,
        transaction_hash: record.transaction_hash,
        log_index: record.log_index,
    };
    let mut found = Vec::new();
    let mut push = |sequencer, kind, amount: Wei, debit, credit| {
        if !amount.is_zero() {
            let movement =
                Movement { time: record.timestamp, place: Some(place), kind, amount, debit, credit };
            found.push((sequencer, movement));
        }
    };
    match &record.event {
        PoolEvent::Locked { sequencer: id, amount, .. } => {
            let owner = LedgerAccount::Owner(owner_at_lock(*id, record, later));
            push(*id, MovementKind::Locked, *amount, owner, LedgerAccount::Stake(*id));
        }
        PoolEvent::Relocked { sequencer: id, amount, from_reward, .. } => {
            let fresh = amount.checked_sub(*from_reward).map_err(failed("fresh METIS relocked", *id))?;
            let (owner, stake) = (owner(pool, *id), LedgerAccount::Stake(*id));
            push(*id, MovementKind::Relocked, fresh, owner, stake);
            push(*id, MovementKind::RelockedReward, *from_reward, LedgerAccount::Unclaimed(*id), stake);
        }
        PoolEvent::Withdraw { sequencer: id, amount } => {
            push(*id, MovementKind::Withdrawn, *amount, LedgerAccount::Stake(*id), owner(pool, *id));
        }
        PoolEvent::ClaimRewards { sequencer: id, recipient, amount, .. } => {
            let recipient = LedgerAccount::Recipient(*recipient);
            push(*id, MovementKind::Claimed, *amount, LedgerAccount::Unclaimed(*id), recipient);
        }
        PoolEvent::Unlocked { user, sequencer: id, amount, .. } => {
            let owner = LedgerAccount::Owner(*user);
            push(*id, MovementKind::Unlocked, *amount, LedgerAccount::Stake(*id), owner);
        }
        PoolEvent::DistributeReward { batch, reward_per_block, credits, .. } => {
            for (id, blocks) in blocks_credited(pool, credits)? {
                let amount = reward_per_block.times(blocks).map_err(failed("a batch's reward", id))?;
                let kind =
                    MovementKind::Credited { batch: *batch, blocks, reward_per_block: *reward_per_block };
                push(id, kind, amount, LedgerAccount::Rewards, LedgerAccount::Unclaimed(id));
            }
        }
        // LockUpdate follows the event that moved the stake, UnlockInit the one that paid the reward out, and what a
        // transfer of METIS was for is in other events.
        PoolEvent::LockUpdate { .. }
        | PoolEvent::UnlockInit { .. }
        | PoolEvent::SignerChange { .. }
        | PoolEvent::BatchSubmitReward { .. }
        | PoolEvent::SetMinLock { .. }
        | PoolEvent::SetMaxLock { .. }
        | PoolEvent::SetRewardPayer { .. }
        | PoolEvent::RewardUpdate { .. }
        | PoolEvent::WithrawDelayTimeChange { .. }
        | PoolEvent::UpdateMpc { .. }
        | PoolEvent::SetSignerUpdateThrottle { .. }
        | PoolEvent::SetWhitelist { .. }
        | PoolEvent::SequencerOwnerChanged { .. }
        | PoolEvent::SequencerRewardRecipientChanged { .. }
        | PoolEvent::Paused { .. }
        | PoolEvent::Unpaused { .. }
        | PoolEvent::MetisTransfer { .. } => {}
    }
    Ok(found)
}

/// An error about an amount of a sequencer.
pub(crate) fn failed(what: &'static str, sequencer: SequencerId) -> impl FnOnce(AmountError) -> ClaimsError {
    move |error| ClaimsError::amount(format_args!("{what} of sequencer {sequencer}"))(error)
}

/// Who controls the stake of a sequencer that is in the pool.
fn owner(pool: &PoolState, sequencer: SequencerId) -> LedgerAccount {
    let state = pool.sequencers.get(&sequencer).expect("the pool has just taken a record of it");
    LedgerAccount::Owner(state.owner)
}

/// Who locked: the owner that a later event of the same transaction names, or zero if none does.
fn owner_at_lock(sequencer: SequencerId, record: &L1Record, later: &[L1Record]) -> Address {
    let same = later.iter().take_while(|other| other.transaction_hash == record.transaction_hash);
    let mut named = same.filter_map(|other| {
        let PoolEvent::SequencerOwnerChanged { sequencer: of, owner } = other.event else {
            return None;
        };
        (of == sequencer).then_some(owner)
    });
    named.next().unwrap_or(Address::ZERO)
}

/// How many blocks a batch with these `credits` pays each sequencer for; `pool` is the contracts' state after it. An
/// address may be credited several times.
///
/// # Errors
///
/// [`ClaimsError::Amount`] if there are more than fit.
pub fn blocks_credited(
    pool: &PoolState,
    credits: &[Credit],
) -> Result<BTreeMap<SequencerId, u64>, ClaimsError> {
    let mut blocks_of: BTreeMap<SequencerId, u64> = BTreeMap::new();
    for Credit { signer, blocks } in credits {
        let id = pool.creditable(signer).expect("the pool has just credited it");
        let sum = blocks_of.entry(id).or_insert(0);
        let (left, right) = (U256::from(*sum), U256::from(*blocks));
        let too_many = AmountError::Overflow { operation: "sum", left, right };
        *sum = sum.checked_add(*blocks).ok_or(too_many).map_err(failed("the blocks of a batch", id))?;
    }
    Ok(blocks_of)
}
