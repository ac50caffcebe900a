//! What the contracts owe, by sequencer.

use super::movement::{LedgerAccount, Movement, MovementKind, failed, movements};
use crate::error::ClaimsError;
use alloy_primitives::Address;
use std::collections::BTreeMap;
use tally_engine::{
    AmountError, Discrepancy, L1Record, PoolGenesis, PoolState, SequencerId, SequencerState, Status,
    UnixTime, Wei,
};

/// The contracts' accounts of all sequencers.
#[derive(Clone, Debug)]
pub struct ChainAccounts {
    /// By id, every sequencer there ever was.
    pub sequencers: BTreeMap<SequencerId, ChainAccount>,
    /// The sums over all of them.
    pub totals: ChainTotals,
    /// Where records claim what the records before them do not add up to.
    pub discrepancies: Vec<Discrepancy>,
}

/// What the contracts owe a sequencer. All amounts are wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainAccount {
    /// Where it is between locking and leaving.
    pub status: Status,
    /// The sums of what moved.
    pub sums: ChainTotals,
    /// Why nothing can be claimed now; `None` if `sums.claimable` can.
    pub not_claimable: Option<NotClaimable>,
    /// Who gets its rewards on L2; `None` if nobody is named.
    pub recipient: Option<Address>,
    /// Its exit, if it has begun one.
    pub exit: Option<Exit>,
}

/// Sums of wei, of one sequencer or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainTotals {
    /// The stake that is locked.
    pub stake: Wei,
    /// What batches credited: blocks times reward per block.
    pub credited: Wei,
    /// What was paid out to L2.
    pub claimed: Wei,
    /// What was moved from rewards into the stake.
    pub relocked: Wei,
    /// What is left: credited less claimed and relocked.
    pub unclaimed: Wei,
    /// What of it the owner can have paid out now.
    pub claimable: Wei,
}

/// Why nothing can be claimed now: the first that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotClaimable {
    /// It has taken its stake out.
    Gone,
    /// It has begun its exit: `unlockClaim` pays, at its end.
    Leaving,
    /// It has named no recipient.
    NoRecipient,
    /// The pool is paused.
    Paused,
    /// There is no unclaimed reward.
    NothingUnclaimed,
}

impl NotClaimable {
    /// A word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Leaving => "leaving",
            Self::NoRecipient => "no_recipient",
            Self::Paused => "paused",
            Self::NothingUnclaimed => "nothing_unclaimed",
        }
    }
}

/// An exit that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// When the exit began.
    pub since: UnixTime,
    /// From when on the stake can be taken out.
    pub stake_free_at: UnixTime,
    /// The seconds between: the exit delay as it was then.
    pub delay_secs: u64,
}

/// Plays records, and tells what each moves.
pub(crate) struct Player<'r> {
    pub(crate) pool: PoolState,
    pub(crate) discrepancies: Vec<Discrepancy>,
    rest: &'r [L1Record],
}

/// A record that was played, and what it moved.
pub(crate) type Played<'r> = (&'r L1Record, Vec<(SequencerId, Movement)>);

impl<'r> Player<'r> {
    pub(crate) fn new(genesis: &PoolGenesis, records: &'r [L1Record]) -> Self {
        Self { pool: PoolState::new(genesis), discrepancies: Vec::new(), rest: records }
    }

    /// The record that comes next.
    pub(crate) fn peek(&self) -> Option<&'r L1Record> {
        self.rest.first()
    }

    /// Plays one more record; `None` after the last.
    pub(crate) fn play(&mut self) -> Result<Option<Played<'r>>, ClaimsError> {
        let Some((record, later)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = later;
        self.discrepancies.extend(self.pool.apply(record)?);
        Ok(Some((record, movements(&self.pool, record, later)?)))
    }
}

impl ChainAccounts {
    /// What the contracts owe after `records`, which are all from the first on.
    ///
    /// # Errors
    ///
    /// [`ClaimsError`] if the records are of no history of the contracts, or if what they move does not add up to
    /// the contracts' own stakes and rewards.
    pub fn after(genesis: &PoolGenesis, records: &[L1Record]) -> Result<Self, ClaimsError> {
        let mut player = Player::new(genesis, records);
        let mut sums: BTreeMap<SequencerId, ChainTotals> = BTreeMap::new();
        while let Some((_, moved)) = player.play()? {
            for (id, movement) in moved {
                sums.entry(id).or_default().take(&movement).map_err(failed("an account", id))?;
            }
        }
        let Player { pool, discrepancies, .. } = player;
        let mut sequencers = BTreeMap::new();
        let mut totals = ChainTotals::default();
        for (id, state) in &pool.sequencers {
            let sums = sums.get(id).copied().unwrap_or_default();
            let account = ChainAccount::new(*id, state, pool.paused, sums)?;
            totals =
                totals.plus(&account.sums).map_err(ClaimsError::amount("the accounts of all sequencers"))?;
            sequencers.insert(*id, account);
        }
        totals.check(&pool)?;
        Ok(Self { sequencers, totals, discrepancies })
    }
}

impl ChainAccount {
    fn new(
        id: SequencerId,
        state: &SequencerState,
        is_paused: bool,
        mut sums: ChainTotals,
    ) -> Result<Self, ClaimsError> {
        ClaimsError::check_balance("the stake", LedgerAccount::Stake(id), state.amount, sums.stake)?;
        let left = sums.credited.checked_sub(sums.claimed).and_then(|left| left.checked_sub(sums.relocked));
        let left = left.map_err(failed("credited less claimed and relocked rewards", id))?;
        ClaimsError::check_balance(
            "credited less claimed and relocked",
            LedgerAccount::Unclaimed(id),
            state.reward,
            left,
        )?;
        ClaimsError::check_balance(
            "the unclaimed reward",
            LedgerAccount::Unclaimed(id),
            state.reward,
            sums.unclaimed,
        )?;
        let recipient = Some(state.reward_recipient).filter(|recipient| !recipient.is_zero());
        let not_claimable = match state.status {
            Status::Unlocked => Some(NotClaimable::Gone),
            Status::Inactive => Some(NotClaimable::Leaving),
            Status::Active if recipient.is_none() => Some(NotClaimable::NoRecipient),
            Status::Active if is_paused => Some(NotClaimable::Paused),
            Status::Active if state.reward.is_zero() => Some(NotClaimable::NothingUnclaimed),
            Status::Active => None,
        };
        if not_claimable.is_none() {
            sums.claimable = sums.unclaimed;
        }
        let exit = match state.status {
            Status::Active => None,
            Status::Inactive | Status::Unlocked => Some(Exit::new(id, state)?),
        };
        Ok(Self { status: state.status, sums, not_claimable, recipient, exit })
    }
}

impl Exit {
    fn new(sequencer: SequencerId, state: &SequencerState) -> Result<Self, ClaimsError> {
        let (since, stake_free_at) = (state.deactivation_time, state.unlock_claim_time);
        let delay_secs = stake_free_at.0.checked_sub(since.0).ok_or(ClaimsError::ExitBackwards {
            sequencer,
            since,
            free_at: stake_free_at,
        })?;
        Ok(Self { since, stake_free_at, delay_secs })
    }
}

impl ChainTotals {
    fn take(&mut self, movement: &Movement) -> Result<(), AmountError> {
        let amount = movement.amount;
        let sum = match movement.kind {
            MovementKind::Credited { .. } => Some(&mut self.credited),
            MovementKind::Claimed => Some(&mut self.claimed),
            MovementKind::RelockedReward => Some(&mut self.relocked),
            MovementKind::Locked
            | MovementKind::Relocked
            | MovementKind::Withdrawn
            | MovementKind::Unlocked
            | MovementKind::Accrued { .. }
            | MovementKind::Revalued { .. } => None,
        };
        if let Some(sum) = sum {
            *sum = sum.checked_add(amount)?;
        }
        if let Some(balance) = self.balance(movement.debit) {
            *balance = balance.checked_sub(amount)?;
        }
        if let Some(balance) = self.balance(movement.credit) {
            *balance = balance.checked_add(amount)?;
        }
        Ok(())
    }

    fn balance(&mut self, account: LedgerAccount) -> Option<&mut Wei> {
        match account {
            LedgerAccount::Stake(_) => Some(&mut self.stake),
            LedgerAccount::Unclaimed(_) => Some(&mut self.unclaimed),
            LedgerAccount::Accrued(_)
            | LedgerAccount::Owner(_)
            | LedgerAccount::Rewards
            | LedgerAccount::Recipient(_)
            | LedgerAccount::Policy => None,
        }
    }

    fn plus(&self, other: &Self) -> Result<Self, AmountError> {
        Ok(Self {
            stake: self.stake.checked_add(other.stake)?,
            credited: self.credited.checked_add(other.credited)?,
            claimed: self.claimed.checked_add(other.claimed)?,
            relocked: self.relocked.checked_add(other.relocked)?,
            unclaimed: self.unclaimed.checked_add(other.unclaimed)?,
            claimable: self.claimable.checked_add(other.claimable)?,
        })
    }

    /// What is locked and was paid out in all is what the contracts say.
    fn check(&self, pool: &PoolState) -> Result<(), ClaimsError> {
        let check =
            |what, expected: Wei, found| ClaimsError::check_balance(what, "all sequencers", expected, found);
        check("totalLocked", pool.total_locked, self.stake)?;
        check("totalRewardsLiquidated", pool.total_rewards_liquidated, self.claimed)
    }
}
