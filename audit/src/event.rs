//! What single events claim, against the contract's state before them.

use crate::code::Code;
use crate::finding::Finding;
use alloy_primitives::Address;
use std::collections::BTreeSet;
use tally_engine::{Discrepancy, L1Record, PoolEvent, PoolFault, PoolState, SequencerId, Status, Wei};

/// Checks one event before it is applied.
pub(crate) fn check(
    record: &L1Record,
    pool: &PoolState,
    allowed: &mut BTreeSet<Address>,
    cap: Wei,
    findings: &mut Vec<Finding>,
) {
    let at = |code| Finding::at(code, record);
    match &record.event {
        PoolEvent::Locked { signer, sequencer, amount, signer_pubkey, .. } => {
            check_key(*sequencer, signer, signer_pubkey, &at, findings);
            check_rise(*sequencer, Wei::ZERO, *amount, pool, cap, &at, findings);
            check_minimum(*sequencer, *amount, pool, &at, findings);
        }
        PoolEvent::SignerChange { sequencer, new_signer, signer_pubkey, .. } => {
            check_key(*sequencer, new_signer, signer_pubkey, &at, findings);
        }
        PoolEvent::LockUpdate { sequencer, new_amount, .. } => {
            check_minimum(*sequencer, *new_amount, pool, &at, findings);
        }
        PoolEvent::Relocked { sequencer, amount, from_reward, .. } => {
            if !from_reward.is_zero() {
                findings.push(at(Code::RewardRelocked).of(*sequencer).found(from_reward));
            }
            // The update that follows tells the stake after it, when the one before is forgotten.
            let before = pool.sequencers.get(sequencer).map_or(Wei::ZERO, |state| state.amount);
            if let Ok(stake) = before.checked_add(*amount) {
                check_rise(*sequencer, before, stake, pool, cap, &at, findings);
            }
        }
        PoolEvent::ClaimRewards { sequencer, recipient, amount, .. } if !amount.is_zero() => {
            let set = pool.sequencers.get(sequencer).map(|state| state.reward_recipient);
            if *recipient == Address::ZERO {
                findings.push(at(Code::RecipientMissing).of(*sequencer).found(amount));
            }
            if let Some(set) = set.filter(|set| set != recipient) {
                findings.push(at(Code::ClaimRecipient).of(*sequencer).addresses(&set, recipient));
            }
        }
        PoolEvent::UnlockInit {
            sequencer, deactivation_batch, deactivation_time, unlock_claim_time, ..
        } => {
            let mut compare = |field, expected: String, found: String| {
                if expected != found {
                    let finding = at(Code::UnlockTerms).of(*sequencer).field(field);
                    findings.push(finding.values(&expected, &found));
                }
            };
            compare("deactivationBatch", pool.batch.id.to_string(), deactivation_batch.to_string());
            compare("deactivationTime", record.timestamp.to_string(), deactivation_time.to_string());
            let free = deactivation_time.0.checked_add(pool.exit_delay_secs);
            let free = free.map_or("more than 2^64 - 1".into(), |free| free.to_string());
            compare("unlockClaimTime", free, unlock_claim_time.0.to_string());
        }
        PoolEvent::Unlocked { sequencer, .. } => {
            let free = pool.sequencers.get(sequencer).map(|state| state.unlock_claim_time);
            if let Some(free) = free.filter(|free| record.timestamp < *free) {
                findings.push(at(Code::UnlockTooEarly).of(*sequencer).values(&free, &record.timestamp));
            }
        }
        PoolEvent::SetWhitelist { user, allowed: is_allowed } => {
            if *is_allowed {
                allowed.insert(*user);
            } else {
                allowed.remove(user);
            }
        }
        PoolEvent::SequencerOwnerChanged { sequencer, owner } => {
            // Only at lock-up: before that a sequencer has no owner.
            let is_new = pool.sequencers.get(sequencer).is_some_and(|state| state.owner == Address::ZERO);
            if is_new && !allowed.contains(owner) {
                findings.push(at(Code::OwnerNotAllowed).of(*sequencer).found_address(owner));
            }
        }
        PoolEvent::SetMinLock { new_min_lock } => {
            let active = pool.sequencers.iter().filter(|(_, state)| state.status == Status::Active);
            for (id, state) in active.filter(|(_, state)| state.amount < *new_min_lock) {
                let finding = at(Code::StakeUnderMinimum).of(*id);
                findings.push(finding.values(new_min_lock, &state.amount));
            }
        }
        PoolEvent::Withdraw { .. }
        | PoolEvent::ClaimRewards { .. }
        | PoolEvent::BatchSubmitReward { .. }
        | PoolEvent::SetMaxLock { .. }
        | PoolEvent::SetRewardPayer { .. }
        | PoolEvent::DistributeReward { .. }
        | PoolEvent::RewardUpdate { .. }
        | PoolEvent::WithrawDelayTimeChange { .. }
        | PoolEvent::UpdateMpc { .. }
        | PoolEvent::SetSignerUpdateThrottle { .. }
        | PoolEvent::SequencerRewardRecipientChanged { .. }
        | PoolEvent::Paused { .. }
        | PoolEvent::Unpaused { .. }
        | PoolEvent::MetisTransfer { .. } => {}
    }
}

fn check_key(
    sequencer: SequencerId,
    signer: &Address,
    pubkey: &[u8],
    at: &impl Fn(Code) -> Finding,
    findings: &mut Vec<Finding>,
) {
    let of_key = (pubkey.len() == 64).then(|| Address::from_raw_public_key(pubkey));
    if of_key.as_ref() != Some(signer) {
        let expected = of_key.map_or("a key of 64 bytes".into(), |address| format!("{address:#x}"));
        findings.push(at(Code::SignerPubkey).of(sequencer).values(&expected, &format!("{signer:#x}")));
    }
}

fn check_minimum(
    sequencer: SequencerId,
    stake: Wei,
    pool: &PoolState,
    at: &impl Fn(Code) -> Finding,
    findings: &mut Vec<Finding>,
) {
    if stake < pool.min_lock {
        findings.push(at(Code::StakeUnderMinimum).of(sequencer).values(&pool.min_lock, &stake));
    }
}

/// Checks a stake that was `before` and is raised.
fn check_rise(
    sequencer: SequencerId,
    before: Wei,
    stake: Wei,
    pool: &PoolState,
    cap: Wei,
    at: &impl Fn(Code) -> Finding,
    findings: &mut Vec<Finding>,
) {
    if stake > pool.max_lock && stake > before {
        findings.push(at(Code::StakeOverMaximum).of(sequencer).values(&pool.max_lock, &stake));
    }
    if stake > cap && before <= cap {
        findings.push(at(Code::StakeOverCap).of(sequencer).values(&cap, &stake));
    }
}

/// What an event claims falsely, as the contract's state has found it.
pub(crate) fn of_discrepancy(record: &L1Record, discrepancy: &Discrepancy) -> Finding {
    let Discrepancy { sequencer, claim, expected, found, .. } = discrepancy;
    let code = match (&record.event, *claim) {
        (_, "nonce") => Code::Nonce,
        (_, "total" | "totalAmount") => Code::RunningTotal,
        (_, "newAmount") => Code::StakeUpdate,
        (PoolEvent::ClaimRewards { .. }, "amount") => Code::ClaimAmount,
        (PoolEvent::DistributeReward { .. }, "amount") => Code::BatchAmount,
        (_, "rpb") => Code::RewardPerBlock,
        (_, "startEpoch") => Code::SpansNotContiguous,
        _ => Code::Contradiction,
    };
    let mut finding = Finding::at(code, record).field(claim).values(expected, found);
    finding.sequencer = *sequencer;
    if let PoolEvent::DistributeReward { batch, .. } = record.event {
        finding.batch = Some(batch);
    }
    finding
}

/// Why the contract's state cannot go on.
pub(crate) fn of_fault(record: &L1Record, fault: &PoolFault) -> Finding {
    let at = |code| Finding::at(code, record);
    let mut finding = match fault {
        PoolFault::NotNextBatch { expected, found } => at(Code::BatchOutOfTurn).values(expected, found),
        PoolFault::UncreditableSigner { signer, blocks } => {
            at(Code::StaleSigner).values(&"a present signer", &format!("{blocks} blocks for {signer:#x}"))
        }
        PoolFault::Amount { what: "reward claimed" | "reward moved into the stake", error } => {
            at(Code::ClaimOverCredit).found(error)
        }
        PoolFault::UnknownSequencer { .. }
        | PoolFault::NotNextSequencer { .. }
        | PoolFault::SignerReused { .. }
        | PoolFault::WrongStatus { .. }
        | PoolFault::Amount { .. } => at(Code::ImpossibleRecord).found(fault),
    };
    if let PoolEvent::DistributeReward { batch, .. } = record.event {
        finding.batch = Some(batch);
    }
    if let PoolEvent::ClaimRewards { sequencer, .. } | PoolEvent::Relocked { sequencer, .. } = record.event {
        finding.sequencer = Some(sequencer);
    }
    finding
}
