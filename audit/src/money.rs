//! Where the METIS is: what the token moved, against what the pool's events say.

use crate::code::Code;
use crate::finding::Finding;
use alloy_primitives::Address;
use tally_engine::{AmountError, L1Record, PoolEvent, PoolState, SequencerId, Wei};

/// The pool's money, added up over all events so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Paid for batches, by `DistributeReward`.
    pub distributed: Wei,
    /// Paid out to L2, by `ClaimRewards`.
    pub liquidated: Wei,
    /// Moved from unclaimed rewards into stakes.
    pub relocked: Wei,
    /// Credited, and neither paid out nor relocked.
    pub open: Wei,
    /// The sum of all stakes.
    pub locked: Wei,
    /// METIS that came into the escrow and belongs to nobody.
    pub donated: Wei,
    /// METIS in the escrow, by the token's transfers; `None` in a log without any.
    pub escrow: Option<Wei>,
}

/// What came in and went out of the escrow in a transaction, amount by amount; nothing is left out of it.
#[derive(Default)]
struct Moved {
    came: Vec<Wei>,
    went: Vec<Wei>,
}

impl Moved {
    fn text(&self) -> Result<String, AmountError> {
        Ok(format!("{} in and {} out", sum(&self.came)?, sum(&self.went)?))
    }
}

impl Totals {
    /// Takes the records of one transaction. `pool` is the contract before them.
    pub(crate) fn take(
        &mut self,
        records: &[&L1Record],
        escrow: Address,
        pool: &PoolState,
        findings: &mut Vec<Finding>,
    ) -> Result<(), AmountError> {
        let mut told = Moved::default();
        let mut moved = Moved::default();
        let mut sequencer = None;
        for record in records {
            match &record.event {
                PoolEvent::Locked { amount, sequencer: id, .. } => {
                    told.came.push(*amount);
                    sequencer = Some(*id);
                }
                PoolEvent::Relocked { amount, from_reward, sequencer: id, .. } => {
                    self.relocked = self.relocked.checked_add(*from_reward)?;
                    sequencer = Some(*id);
                    match amount.checked_sub(*from_reward) {
                        Ok(fresh) => told.came.push(fresh),
                        Err(error) => {
                            let finding = Finding::at(Code::ClaimOverCredit, record).of(*id);
                            findings.push(finding.found(&error));
                        }
                    }
                }
                PoolEvent::DistributeReward { amount, .. } => {
                    self.distributed = self.distributed.checked_add(*amount)?;
                    told.came.push(*amount);
                }
                PoolEvent::ClaimRewards { amount, sequencer: id, .. } => {
                    self.liquidated = self.liquidated.checked_add(*amount)?;
                    told.went.push(*amount);
                    sequencer = Some(*id);
                }
                PoolEvent::Withdraw { amount, sequencer: id }
                | PoolEvent::Unlocked { amount, sequencer: id, .. } => {
                    told.went.push(*amount);
                    sequencer = Some(*id);
                }
                PoolEvent::MetisTransfer { from, to, amount } => {
                    if *to == escrow {
                        moved.came.push(*amount);
                    }
                    if *from == escrow {
                        moved.went.push(*amount);
                    }
                }
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
                | PoolEvent::Unpaused { .. } => {}
            }
        }
        let (Some(before), Some(first)) = (self.escrow, records.first()) else {
            return Ok(());
        };
        let (had, went) = (before.checked_add(sum(&moved.came)?)?, sum(&moved.went)?);
        self.escrow = had.checked_sub(went).ok();
        let about = |code| Finding { sequencer, ..Finding::at(code, first) };
        if self.escrow.is_none() {
            findings.push(about(Code::EscrowIdentity).values(&format!("{had} or less out"), &went));
        }
        let (unpaid, gifts) = unmatched(&told.came, &moved.came);
        let (owed, taken) = unmatched(&told.went, &moved.went);
        if unpaid.is_empty() && owed.is_empty() && taken.is_empty() {
            let gift = sum(&gifts)?;
            self.donated = self.donated.checked_add(gift)?;
            if !gift.is_zero() {
                // Whose transaction it was does not make it theirs.
                findings.push(Finding::at(Code::Donation, first).found(&gift));
            }
        } else {
            findings.push(about(Code::TransferMismatch).values(&told.text()?, &moved.text()?));
        }
        check_parties(records, escrow, pool, findings);
        Ok(())
    }

    /// Checks that what was distributed is somewhere, and that the escrow holds what it should.
    pub(crate) fn balance(&mut self, pool: &PoolState) -> Result<Vec<Finding>, AmountError> {
        self.locked = pool.total_locked;
        self.open = Wei::ZERO;
        for sequencer in pool.sequencers.values() {
            self.open = self.open.checked_add(sequencer.reward)?;
        }
        let mut findings = Vec::new();
        let somewhere = self.liquidated.checked_add(self.relocked)?.checked_add(self.open)?;
        if somewhere != self.distributed {
            findings.push(Finding::new(Code::RewardsIdentity).values(&self.distributed, &somewhere));
        }
        let owed = self.locked.checked_add(self.open)?.checked_add(self.donated)?;
        if let Some(held) = self.escrow.filter(|held| *held != owed) {
            findings.push(Finding::new(Code::EscrowIdentity).values(&owed, &held));
        }
        Ok(findings)
    }
}

fn sum(amounts: &[Wei]) -> Result<Wei, AmountError> {
    amounts.iter().try_fold(Wei::ZERO, |sum, amount| sum.checked_add(*amount))
}

/// The amounts of each list that have none of their own in the other. Nothing is no amount.
fn unmatched(told: &[Wei], moved: &[Wei]) -> (Vec<Wei>, Vec<Wei>) {
    let mut left: Vec<Wei> = moved.iter().copied().filter(|amount| !amount.is_zero()).collect();
    let mut missing = Vec::new();
    for amount in told.iter().filter(|amount| !amount.is_zero()) {
        match left.iter().position(|moved| moved == amount) {
            Some(index) => {
                left.remove(index);
            }
            None => missing.push(*amount),
        }
    }
    (missing, left)
}

/// Checks who paid in and who was paid: an owner for its stake, the payer for a batch. Transfers that no event
/// accounts for are gifts, which may come from anybody.
fn check_parties(records: &[&L1Record], escrow: Address, pool: &PoolState, findings: &mut Vec<Finding>) {
    let owner = |id: SequencerId| {
        let told = records.iter().find_map(|record| {
            let PoolEvent::SequencerOwnerChanged { sequencer, owner } = record.event else { return None };
            (sequencer == id).then_some(owner)
        });
        told.or_else(|| pool.sequencers.get(&id).map(|sequencer| sequencer.owner))
    };
    for record in records {
        let (party, amount, comes_in) = if let PoolEvent::Locked { sequencer, amount, .. } = &record.event {
            (owner(*sequencer), *amount, true)
        } else if let PoolEvent::Withdraw { sequencer, amount }
        | PoolEvent::Unlocked { sequencer, amount, .. } = &record.event
        {
            (owner(*sequencer), *amount, false)
        } else if let PoolEvent::DistributeReward { amount, .. } = &record.event {
            (Some(pool.reward_payer), *amount, true)
        } else {
            continue;
        };
        let others = records.iter().filter_map(|other| {
            let PoolEvent::MetisTransfer { from, to, amount: moved } = other.event else { return None };
            let (end, other) = if comes_in { (to, from) } else { (from, to) };
            (moved == amount && end == escrow).then_some(other)
        });
        let others: Vec<Address> = others.collect();
        if let (Some(party), Some(found)) = (party, others.first())
            && !others.contains(&party)
        {
            findings.push(Finding::at(Code::TransferParty, record).addresses(&party, found));
        }
    }
}
