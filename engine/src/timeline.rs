//! Each sequencer's stake, signer and status over time, as the fold needs them.

use crate::event::{L1Record, PoolEvent};
use crate::ids::{SequencerId, UnixTime};
use crate::money::Wei;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::Address;

/// One thing that changes at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The timestamp of the L1 block: the change holds for every L2 block at or after it.
    pub time: UnixTime,
    /// The sequencer that it is about.
    pub sequencer: SequencerId,
    /// What changes from then on.
    pub kind: ChangeKind,
}

/// What a [`Change`] changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The stake is this from now on.
    Stake(Wei),
    /// Active from now on.
    Activated,
    /// Not active from now on.
    Deactivated,
    /// The stake was taken out: nothing is locked from now on.
    Left,
    /// This signer stands for the sequencer from now on and for ever.
    Signer(Address),
}

impl PoolEvent {
    /// What the event changes of who earns and what counts: whose, and what, in order. No other code says it.
    pub fn changes(&self) -> impl Iterator<Item = (SequencerId, ChangeKind)> + use<> {
        let changes = match self {
            Self::Locked { sequencer, signer, amount, .. } => {
                let signer = ChangeKind::Signer(*signer);
                Some((
                    *sequencer,
                    [Some(ChangeKind::Stake(*amount)), Some(ChangeKind::Activated), Some(signer)],
                ))
            }
            Self::LockUpdate { sequencer, new_amount, .. } => {
                Some((*sequencer, [Some(ChangeKind::Stake(*new_amount)), None, None]))
            }
            Self::SignerChange { sequencer, new_signer, .. } => {
                Some((*sequencer, [Some(ChangeKind::Signer(*new_signer)), None, None]))
            }
            Self::UnlockInit { sequencer, .. } => {
                Some((*sequencer, [Some(ChangeKind::Deactivated), None, None]))
            }
            Self::Unlocked { sequencer, .. } => Some((*sequencer, [Some(ChangeKind::Left), None, None])),
            // Those that move a stake come with a LockUpdate.
            Self::Relocked { .. }
            | Self::Withdraw { .. }
            | Self::ClaimRewards { .. }
            | Self::BatchSubmitReward { .. }
            | Self::SetMinLock { .. }
            | Self::SetMaxLock { .. }
            | Self::SetRewardPayer { .. }
            | Self::DistributeReward { .. }
            | Self::RewardUpdate { .. }
            | Self::WithrawDelayTimeChange { .. }
            | Self::UpdateMpc { .. }
            | Self::SetSignerUpdateThrottle { .. }
            | Self::SetWhitelist { .. }
            | Self::SequencerOwnerChanged { .. }
            | Self::SequencerRewardRecipientChanged { .. }
            | Self::Paused { .. }
            | Self::Unpaused { .. }
            | Self::MetisTransfer { .. } => None,
        };
        changes
            .into_iter()
            .flat_map(|(sequencer, kinds)| kinds.into_iter().flatten().map(move |kind| (sequencer, kind)))
    }
}

/// All changes, in the order of their L1 records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    changes: Vec<Change>,
    first_lock: Option<UnixTime>,
}

impl Timeline {
    /// Takes the changes out of the pool's records, which are in (block, log index) order.
    pub fn from_records<'a>(records: impl IntoIterator<Item = &'a L1Record>) -> Self {
        let mut timeline = Self::default();
        for record in records {
            timeline.apply(record);
        }
        timeline
    }

    /// Takes one more record, the next in (block, log index) order.
    pub fn apply(&mut self, record: &L1Record) {
        let time = record.timestamp;
        for (sequencer, kind) in record.event.changes() {
            if kind == ChangeKind::Activated {
                self.first_lock = self.first_lock.or(Some(time));
            }
            self.changes.push(Change { time, sequencer, kind });
        }
    }

    /// The changes, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// When the first sequencer locked, or `None` if none has.
    pub fn first_lock(&self) -> Option<UnixTime> {
        self.first_lock
    }
}

/// The sequencers at one instant: a [`Timeline`] played up to there.
///
/// Each sequencer has a *slot*, in the order in which they were first seen, so that whoever found
/// one need not look it up again.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    members: Vec<(SequencerId, Standing)>,
    slots: BTreeMap<SequencerId, usize>,
    signers: BTreeMap<Address, usize>,
}

/// One sequencer at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its stake, capped or not.
    pub stake: Wei,
    /// From `Locked` to `UnlockInit`.
    pub active: bool,
    /// The signer that it has now.
    pub signer: Address,
}

impl Standing {
    /// The stake that counts: `min(stake, cap)` while active, else nothing.
    pub fn effective(&self, cap: Wei) -> Wei {
        if self.active { self.stake.min(cap) } else { Wei::ZERO }
    }
}

impl Roster {
    /// Applies one change to the standings. Returns the stake of its sequencer before and after it.
    pub fn apply(&mut self, change: &Change) -> (Wei, Wei) {
        let next = self.members.len();
        let slot = *self.slots.entry(change.sequencer).or_insert(next);
        if slot == next {
            self.members.push((change.sequencer, Standing::default()));
        }
        let Some((_, standing)) = self.members.get_mut(slot) else {
            unreachable!("every slot given has a member");
        };
        let before = standing.stake;
        match change.kind {
            ChangeKind::Stake(stake) => standing.stake = stake,
            ChangeKind::Activated => standing.active = true,
            ChangeKind::Deactivated => standing.active = false,
            ChangeKind::Left => standing.stake = Wei::ZERO,
            ChangeKind::Signer(signer) => {
                standing.signer = signer;
                self.signers.insert(signer, slot);
            }
        }
        (before, standing.stake)
    }

    /// The sequencer that `signer` stands for, or `None` if it is not known yet.
    pub fn sequencer_of(&self, signer: &Address) -> Option<SequencerId> {
        self.slot_of_signer(signer).and_then(|slot| self.members.get(slot)).map(|(id, _)| *id)
    }

    /// A sequencer, or `None` if it has not locked yet.
    pub fn get(&self, sequencer: SequencerId) -> Option<&Standing> {
        self.members.get(self.slot_of(sequencer)?).map(|(_, standing)| standing)
    }

    /// All sequencers so far, by id.
    pub fn iter(&self) -> impl Iterator<Item = (SequencerId, &Standing)> {
        let member = |(id, slot): (&SequencerId, &usize)| self.members.get(*slot).map(|(_, it)| (*id, it));
        self.slots.iter().filter_map(member)
    }

    /// The slot of a sequencer, or `None` if it has not locked yet.
    pub(crate) fn slot_of(&self, sequencer: SequencerId) -> Option<usize> {
        self.slots.get(&sequencer).copied()
    }

    /// The slot of the sequencer that `signer` stands for, or `None` if it is not known yet.
    pub(crate) fn slot_of_signer(&self, signer: &Address) -> Option<usize> {
        self.signers.get(signer).copied()
    }

    /// All sequencers so far, by slot.
    pub(crate) fn members(&self) -> &[(SequencerId, Standing)] {
        &self.members
    }
}
