//! Recordings with one thing changed: each is found, or shown to be meaningless.

use super::ALL;
use crate::memory::MemoryLog;
use crate::oracle::History;
use crate::support::{RECORDINGS, history_of, ingested, times};
use alloy_primitives::{Address, B256, U256};
use engine::{BatchLedger, Earned, L1Record, Ledger, Policy, PoolEvent, PoolState, SpanEvent, Wei};
use fastrand::Rng;
use std::collections::BTreeMap;
use tally_audit::{Finding, Severity, audit_chain};
use tally_eventlog::{LogIdentity, LogView};
use tally_replay::{ReplayOptions, replay};

struct Case<'a> {
    identity: &'a LogIdentity,
    clean: Vec<Finding>,
    money: Option<Money>,
}

/// What bears on anybody's money.
#[derive(PartialEq, Debug)]
struct Money {
    moved: Moved,
    parameters: Parameters,
}

/// What was locked, credited and paid, and what each policy gives.
#[derive(PartialEq, Debug)]
struct Moved {
    stakes_and_rewards: Vec<(Wei, Wei)>,
    claims: Vec<(Address, Wei)>,
    ledgers: Vec<(B256, Option<u64>)>,
    batches: Vec<BatchLedger>,
}

/// What the next claims and batches go by: no event in the log has used it yet.
#[derive(PartialEq, Debug)]
struct Parameters {
    recipients: Vec<Address>,
    reward_per_block: Wei,
    pending: Earned,
}

impl Case<'_> {
    fn log(&self, history: &History) -> MemoryLog {
        MemoryLog::new(history).with_contracts(self.identity)
    }

    /// The errors and warnings, or that there is no audit.
    fn found(&self, history: &History) -> Result<Vec<Finding>, String> {
        let audit = audit_chain(&self.log(history), ALL).map_err(|error| error.to_string())?;
        let is_loud = |finding: &Finding| finding.code.severity() > Severity::Note;
        Ok(audit.findings.into_iter().filter(is_loud).collect())
    }

    fn money(&self, history: &History) -> Option<Money> {
        let mut pool = PoolState::new(&self.identity.genesis);
        let mut claims = Vec::new();
        for record in &history.l1 {
            pool.apply(record).ok()?;
            if let PoolEvent::ClaimRewards { recipient, amount, .. } = record.event
                && !amount.is_zero()
            {
                claims.push((recipient, amount));
            }
        }
        let policies =
            ["guide", "stake-weighted", "locking-pool"].map(|name| Policy::built_in(name).unwrap());
        let replayed = replay(&self.log(history), &policies, ReplayOptions::default()).ok()?;
        let [guide, weighted, contract] = [0, 1, 2].map(|index: usize| &replayed[index].ledger);
        let ledger = |ledger: &Ledger| (ledger.root, ledger.horizon.map(|end| end.block.0));
        Some(Money {
            moved: Moved {
                stakes_and_rewards: pool
                    .sequencers
                    .values()
                    .map(|state| (state.amount, state.reward))
                    .collect(),
                claims,
                ledgers: vec![ledger(guide), ledger(weighted)],
                batches: contract.batches.clone(),
            },
            parameters: Parameters {
                recipients: pool.sequencers.values().map(|state| state.reward_recipient).collect(),
                reward_per_block: pool.reward_per_block,
                pending: contract.pending,
            },
        })
    }
}

/// What became of the mutations, by the event that was mutated.
#[derive(Default, Debug)]
struct Outcomes {
    found: usize,
    meaningless: BTreeMap<&'static str, usize>,
    /// Nothing that happened is otherwise, but what the next batch or claim goes by.
    unused: BTreeMap<&'static str, usize>,
    /// Money is otherwise, and nothing in the log tells.
    silent: Vec<(&'static str, &'static str)>,
}

impl Outcomes {
    fn judge(&mut self, case: &Case<'_>, mutated: &History, (event, how): (&'static str, &'static str)) {
        let found = case.found(mutated).unwrap_or_else(|error| panic!("{event} was {how}: {error}"));
        let is_found = found.iter().any(|finding| !case.clean.contains(finding));
        if is_found {
            self.found += 1;
            return;
        }
        let money = case.money(mutated);
        let moved = |money: Option<&Money>| money.map(|money| format!("{:?}", money.moved));
        if moved(money.as_ref()) != moved(case.money.as_ref()) {
            self.silent.push((event, how));
            return;
        }
        let kind = if money == case.money { &mut self.meaningless } else { &mut self.unused };
        *kind.entry(event).or_default() += 1;
    }
}

/// One of the amounts or numbers of an event, a little larger.
fn changed(record: &L1Record, which: u64) -> L1Record {
    let mut record = record.clone();
    let more = |wei: &mut Wei| *wei = wei.checked_add(Wei::new(U256::from(1))).unwrap();
    match &mut record.event {
        PoolEvent::Locked { signer, amount, total, nonce, .. } => match which % 4 {
            0 => more(amount),
            1 => more(total),
            2 => *signer = Address::repeat_byte(0xee),
            _ => *nonce += 1,
        },
        PoolEvent::Relocked { amount, total, from_reward, .. } => match which % 3 {
            0 => more(amount),
            1 => more(total),
            _ => more(from_reward),
        },
        PoolEvent::Withdraw { amount, .. } | PoolEvent::MetisTransfer { amount, .. } => more(amount),
        PoolEvent::LockUpdate { new_amount, nonce, .. } => match which % 2 {
            0 => more(new_amount),
            _ => *nonce += 1,
        },
        PoolEvent::ClaimRewards { recipient, amount, total_amount, .. } => match which % 3 {
            0 => more(amount),
            1 => more(total_amount),
            _ => *recipient = Address::repeat_byte(0xee),
        },
        PoolEvent::UnlockInit {
            amount,
            nonce,
            deactivation_time,
            unlock_claim_time,
            deactivation_batch,
            ..
        } => match which % 5 {
            0 => more(amount),
            1 => *nonce += 1,
            2 => deactivation_time.0 += 1,
            3 => unlock_claim_time.0 += 1,
            _ => deactivation_batch.0 += 1,
        },
        PoolEvent::Unlocked { amount, total, .. } => match which % 2 {
            0 => more(amount),
            _ => more(total),
        },
        PoolEvent::SignerChange { nonce, old_signer, new_signer, .. } => match which % 3 {
            0 => *nonce += 1,
            1 => *old_signer = Address::repeat_byte(0xee),
            _ => *new_signer = Address::repeat_byte(0xee),
        },
        PoolEvent::BatchSubmitReward { new_batch } => new_batch.0 += 1,
        PoolEvent::SetMinLock { new_min_lock: amount } | PoolEvent::SetMaxLock { new_max_lock: amount } => {
            more(amount);
        }
        PoolEvent::DistributeReward { batch, start_span, end_span, amount, reward_per_block, credits } => {
            match which % 9 {
                0 => batch.0 += 1,
                1 => start_span.0 += 1,
                2 => end_span.0 += 1,
                3 => more(amount),
                4 => more(reward_per_block),
                5 => credits[0].blocks += 1,
                6 => drop(credits.remove(0)),
                7 => credits[0].signer = Address::repeat_byte(0xee),
                // The sum stays.
                _ => {
                    credits[0].blocks -= 1;
                    credits[1].blocks += 1;
                }
            }
        }
        PoolEvent::RewardUpdate { new_reward, old_reward } => match which % 2 {
            0 => more(new_reward),
            _ => more(old_reward),
        },
        PoolEvent::WithrawDelayTimeChange { current_secs, previous_secs } => match which % 2 {
            0 => *current_secs += 1,
            _ => *previous_secs += 1,
        },
        PoolEvent::SetSignerUpdateThrottle { batches } => *batches += 1,
        PoolEvent::SequencerOwnerChanged { owner: address, .. }
        | PoolEvent::SequencerRewardRecipientChanged { recipient: address, .. }
        | PoolEvent::SetRewardPayer { payer: address }
        | PoolEvent::UpdateMpc { new_mpc: address }
        | PoolEvent::SetWhitelist { user: address, .. }
        | PoolEvent::Paused { account: address }
        | PoolEvent::Unpaused { account: address } => *address = Address::repeat_byte(0xee),
    }
    record
}

/// One thing changed, at random.
fn mutated(history: &History, rng: &mut Rng) -> (History, (&'static str, &'static str)) {
    let mut mutated = history.clone();
    let at = rng.usize(..history.l1.len());
    let name = history.l1[at].event.name();
    let what = match rng.u8(..5) {
        0 => {
            mutated.l1[at] = changed(&history.l1[at], rng.u64(..));
            "changed"
        }
        1 => {
            // The events change places; the places stay.
            let other = rng.usize(..history.l1.len());
            mutated.l1[at].event = history.l1[other].event.clone();
            mutated.l1[other].event = history.l1[at].event.clone();
            "swapped"
        }
        2 if at + 1 < history.l1.len() => {
            mutated.l1[at].event = history.l1[at + 1].event.clone();
            mutated.l1[at + 1].event = history.l1[at].event.clone();
            "swapped with the next"
        }
        3 => {
            let at = rng.usize(..history.spans.len());
            let name = history.spans[at].event.name();
            if rng.bool() {
                mutated.spans.remove(at);
                return (mutated, (name, "dropped"));
            }
            match &mut mutated.spans[at].event {
                SpanEvent::NewEpoch { signer, .. } | SpanEvent::ReCommitEpoch { new_signer: signer, .. }
                    if rng.bool() =>
                {
                    *signer = Address::repeat_byte(0xee);
                }
                SpanEvent::NewEpoch { end, .. } | SpanEvent::ReCommitEpoch { end, .. } => end.0 += 1,
                SpanEvent::EpochUpdated { new_length_blocks } => *new_length_blocks += 1,
                SpanEvent::MpcAddressUpdated { new_mpc } => *new_mpc = Address::ZERO,
            }
            return (mutated, (name, "changed"));
        }
        _ => {
            // In the same transaction, right after itself or in the next free place.
            let mut copy = history.l1[at].clone();
            copy.log_index += 1;
            let is_free = history
                .l1
                .get(at + 1)
                .is_none_or(|next| (next.block, next.log_index) != (copy.block, copy.log_index));
            if !is_free {
                for later in mutated.l1.iter_mut().skip(at + 1).take_while(|later| later.block == copy.block)
                {
                    later.log_index += 1;
                }
            }
            mutated.l1.insert(at + 1, copy);
            "repeated"
        }
    };
    (mutated, (name, what))
}

#[test]
fn mutations_are_found_or_meaningless() {
    for recording in RECORDINGS {
        let (_dir, log) = ingested(recording);
        let history = history_of(&log);
        let mut case = Case { identity: log.identity(), clean: Vec::new(), money: None };
        (case.clean, case.money) = (case.found(&history).unwrap(), case.money(&history));
        assert!(case.money.is_some());
        let mut outcomes = Outcomes::default();
        for at in 0..history.l1.len() {
            let mut mutated = history.clone();
            let dropped = mutated.l1.remove(at);
            outcomes.judge(&case, &mutated, (dropped.event.name(), "dropped"));
        }
        let mut rng = Rng::with_seed(7);
        // Beside those that drop each event in turn.
        let random = times(300, 5_000);
        for _ in 0..random {
            let (mutated, what) = mutated(&history, &mut rng);
            outcomes.judge(&case, &mutated, what);
        }
        println!("{recording}: {outcomes:?}");
        assert!(4 * outcomes.found > 3 * (history.l1.len() + random), "{outcomes:?}");
        // Nothing in the log goes by the last reward per block, or by a recipient who has not claimed since:
        // only the contract itself can tell.
        let may = ["RewardUpdate", "SequencerRewardRecipientChanged"];
        assert!(outcomes.unused.keys().all(|event| may.contains(event)), "{outcomes:?}");
        assert!(outcomes.silent.is_empty(), "{outcomes:?}");
        // No event that moves money is without meaning, whatever becomes of it.
        let of_money = ["Locked", "Withdraw", "LockUpdate", "Unlocked", "DistributeReward"];
        assert!(of_money.iter().all(|event| !outcomes.meaningless.contains_key(event)), "{outcomes:?}");
    }
}
