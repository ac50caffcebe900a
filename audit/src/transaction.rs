//! What the events of one transaction say of each other.

use crate::code::Code;
use crate::finding::Finding;
use tally_engine::{BatchId, L1Record, PoolEvent, SequencerId, Wei};

/// Checks that events which always come together do.
pub(crate) fn check(records: &[&L1Record], findings: &mut Vec<Finding>) {
    for (index, record) in records.iter().enumerate() {
        let (before, after) = (&records[..index], &records[index + 1..]);
        let lacks = |what: &str| Finding::at(Code::IncompleteTransaction, record).expected(&what);
        match &record.event {
            PoolEvent::Locked { sequencer, .. } => {
                let has_owner = after.iter().any(|other| owner_of(other) == Some(*sequencer));
                if !has_owner {
                    findings.push(lacks("SequencerOwnerChanged").of(*sequencer));
                }
            }
            PoolEvent::Relocked { sequencer, .. } | PoolEvent::Withdraw { sequencer, .. } => {
                let is_next = after.iter().find(|other| !is_transfer(other)).and_then(|next| update_of(next));
                if is_next != Some(*sequencer) {
                    findings.push(lacks("LockUpdate").of(*sequencer));
                }
            }
            PoolEvent::LockUpdate { sequencer, .. } => {
                let cause = before.iter().rev().find(|other| !is_transfer(other));
                if cause.and_then(|cause| change_of(cause)) != Some(*sequencer) {
                    findings.push(lacks("Relocked or Withdraw").of(*sequencer));
                }
            }
            PoolEvent::DistributeReward { batch, .. } => {
                match before.iter().rev().find_map(|other| submitted_in(other)) {
                    None => findings.push(lacks("BatchSubmitReward").of_batch(*batch)),
                    Some(submitted) if submitted != *batch => {
                        let finding = Finding::at(Code::Contradiction, record).of_batch(*batch);
                        findings.push(finding.field("_newBatchId").values(batch, &submitted));
                    }
                    Some(_) => {}
                }
            }
            PoolEvent::BatchSubmitReward { new_batch } => {
                let is_paid =
                    after.iter().any(|other| matches!(other.event, PoolEvent::DistributeReward { .. }));
                if !is_paid {
                    findings.push(lacks("DistributeReward").of_batch(*new_batch));
                }
            }
            PoolEvent::UnlockInit { sequencer, amount, .. } => match claim_of(before, *sequencer) {
                None => findings.push(lacks("ClaimRewards").of(*sequencer)),
                Some(claimed) if claimed != *amount => {
                    let finding = Finding::at(Code::UnlockTerms, record).of(*sequencer).field("amount");
                    findings.push(finding.values(&claimed, amount));
                }
                Some(_) => {}
            },
            // A claim of nothing is told of only where an exit begins.
            PoolEvent::ClaimRewards { sequencer, amount, .. } if amount.is_zero() => {
                if !after.iter().any(|other| exit_of(other) == Some(*sequencer)) {
                    findings.push(lacks("UnlockInit").of(*sequencer));
                }
            }
            PoolEvent::ClaimRewards { .. }
            | PoolEvent::Unlocked { .. }
            | PoolEvent::SignerChange { .. }
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
    }
}

fn is_transfer(record: &L1Record) -> bool {
    matches!(record.event, PoolEvent::MetisTransfer { .. })
}

fn owner_of(record: &L1Record) -> Option<SequencerId> {
    if let PoolEvent::SequencerOwnerChanged { sequencer, .. } = record.event { Some(sequencer) } else { None }
}

fn update_of(record: &L1Record) -> Option<SequencerId> {
    if let PoolEvent::LockUpdate { sequencer, .. } = record.event { Some(sequencer) } else { None }
}

fn exit_of(record: &L1Record) -> Option<SequencerId> {
    if let PoolEvent::UnlockInit { sequencer, .. } = record.event { Some(sequencer) } else { None }
}

fn change_of(record: &L1Record) -> Option<SequencerId> {
    if let PoolEvent::Relocked { sequencer, .. } | PoolEvent::Withdraw { sequencer, .. } = record.event {
        Some(sequencer)
    } else {
        None
    }
}

fn submitted_in(record: &L1Record) -> Option<BatchId> {
    if let PoolEvent::BatchSubmitReward { new_batch } = record.event { Some(new_batch) } else { None }
}

fn claim_of(records: &[&L1Record], of: SequencerId) -> Option<Wei> {
    records.iter().rev().find_map(|record| {
        let PoolEvent::ClaimRewards { sequencer, amount, .. } = &record.event else { return None };
        (*sequencer == of).then_some(*amount)
    })
}
