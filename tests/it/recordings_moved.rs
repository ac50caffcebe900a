//! Histories moved towards what mainnet has and the recordings lack: spans that ran for weeks before anybody locked,
//! members that locked long after their signers had made blocks, years between two events, one stake or one recipient
//! for all. None of that is anything to the contract, so what it credited stays, and so does what `locking-pool` says
//! that it pays.

use crate::bad_input::{copy, read_lines, write_lines};
use crate::by_block::{all, assert_as_oracle, assert_sums};
use crate::histories::history;
use crate::memory::MemoryLog;
use crate::oracle::{self, Block, History};
use crate::support::{RECORDINGS, assert_same, cases, expected, history_of, ingested, oracle_policy, tally};
use alloy_primitives::{Address, B256, Bytes, U256};
use engine::{
    BatchId, Credit, EpochIndex, L1Block, L1Record, L2Block, Ledger, Policy, PoolEvent, SequencerId,
    SpanEvent, SpanId, SpanRecord, UnixTime, Wei,
};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tally_claims::{Accounts, CreditRule, Cut, StatementRange, accounts, next_batch, statement};
use tally_eventlog::{LogReader, LogView};
use tally_ingest::{Limits, ingest_recording};
use tally_replay::{
    BlockLedger, Outcome, Receipt, ReplayOptions, Replayed, explain_block, explain_epoch, replay,
};

const DAY_SECS: u64 = 86_400;
const YEAR_SECS: u64 = 365 * DAY_SECS;

/// One METIS in wei.
const METIS: u64 = 1_000_000_000_000_000_000;

/// A change of a history that is nothing to the contract.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// Every L2 block was made so many seconds earlier (but not before 1970).
    L2Earlier(u64),
    /// L2 took so many times as long, up to the same last second (but not from before 1970 on).
    L2Slower(u64),
    /// L1 took so many times as long, from the same first second on.
    L1Slower(u64),
    /// For so many seconds nothing happened on either chain, before the event in the middle.
    Pause(u64),
    /// Whatever happened on L1 before the first batch happened in its block.
    AllInTheFirstBatchsBlock,
    /// Each member locked right before the next batch, or before what next happened to its stake or signer.
    LocksLate,
    /// Everybody has the same stake at all times.
    OneStake,
    /// Nobody has a recipient, so nobody claims.
    NoRecipients,
    /// All have the same recipient.
    OneRecipient,
}

/// Those of when things happened.
const OF_TIME: [Move; 8] = [
    Move::L2Earlier(90_000),
    Move::L2Earlier(7 * DAY_SECS + 1),
    Move::L2Earlier(30 * DAY_SECS),
    Move::L2Earlier(2 * YEAR_SECS),
    Move::L2Slower(20),
    Move::L1Slower(20),
    Move::Pause(3 * YEAR_SECS),
    Move::AllInTheFirstBatchsBlock,
];

/// Those of who the members are.
const OF_MEMBERS: [Move; 4] = [Move::LocksLate, Move::OneStake, Move::NoRecipients, Move::OneRecipient];

impl Move {
    fn apply(self, history: &mut History) {
        match self {
            Self::L2Earlier(secs) => {
                let secs = secs.min(history.blocks.first().map_or(0, |block| block.timestamp));
                history.blocks.iter_mut().for_each(|block| block.timestamp -= secs);
            }
            Self::L2Slower(times) => {
                let [first, .., last] = &history.blocks[..] else { return };
                let (first, last) = (first.timestamp, last.timestamp);
                let times = last.checked_div(last - first).map_or(times, |most| times.min(most));
                for block in &mut history.blocks {
                    block.timestamp = last - (last - block.timestamp) * times;
                }
            }
            Self::L1Slower(times) => {
                let first = history.l1.first().map_or(0, |record| record.timestamp.0);
                let slower = |time: u64| first + (time - first) * times;
                for record in &mut history.l1 {
                    record.timestamp.0 = slower(record.timestamp.0);
                }
                history.l1_head_timestamp = slower(history.l1_head_timestamp);
            }
            Self::Pause(secs) => {
                let Some(middle) = history.l1.get(history.l1.len() / 2).map(|record| record.timestamp.0)
                else {
                    return;
                };
                let times = history.l1.iter_mut().map(|record| &mut record.timestamp.0);
                let times = times.chain(history.blocks.iter_mut().map(|block| &mut block.timestamp));
                let all = times.chain([&mut history.l1_head_timestamp]);
                all.filter(|time| **time >= middle).for_each(|time| *time += secs);
            }
            Self::AllInTheFirstBatchsBlock => {
                let is_batch = |record: &L1Record| matches!(record.event, PoolEvent::DistributeReward { .. });
                if let Some(first) = history.l1.iter().position(is_batch) {
                    let place = history.l1[first].clone();
                    history.l1[..first].iter_mut().for_each(|record| put_beside(record, &place));
                    number_logs(&mut history.l1);
                }
            }
            Self::LocksLate => {
                for at in (0..history.l1.len()).rev() {
                    let PoolEvent::Locked { sequencer, .. } = history.l1[at].event else { continue };
                    let is_next = |record: &L1Record| needs_member(&record.event, sequencer);
                    if let Some(waits) = history.l1[at + 1..].iter().position(is_next) {
                        let place = history.l1[at + 1 + waits].clone();
                        put_beside(&mut history.l1[at], &place);
                        history.l1[at..=at + waits].rotate_left(1);
                    }
                }
                number_logs(&mut history.l1);
            }
            Self::OneStake => {
                for record in &mut history.l1 {
                    if let PoolEvent::Locked { amount, .. }
                    | PoolEvent::LockUpdate { new_amount: amount, .. } = &mut record.event
                    {
                        *amount = metis(20_000);
                    }
                }
            }
            Self::NoRecipients => history.l1.retain(|record| {
                !matches!(
                    record.event,
                    PoolEvent::SequencerRewardRecipientChanged { .. } | PoolEvent::ClaimRewards { .. }
                )
            }),
            Self::OneRecipient => {
                for record in &mut history.l1 {
                    if let PoolEvent::SequencerRewardRecipientChanged { recipient, .. }
                    | PoolEvent::ClaimRewards { recipient, .. } = &mut record.event
                    {
                        *recipient = Address::repeat_byte(0xd0);
                    }
                }
            }
        }
    }
}

/// Moves a record into another's block.
fn put_beside(record: &mut L1Record, place: &L1Record) {
    (record.block, record.block_hash, record.timestamp) = (place.block, place.block_hash, place.timestamp);
}

/// Numbers the logs of each block anew, in the order of the records.
fn number_logs(records: &mut [L1Record]) {
    for at in 1..records.len() {
        if records[at].block == records[at - 1].block {
            records[at].log_index = records[at].log_index.max(records[at - 1].log_index + 1);
        }
    }
}

/// Whether an event is one that `id` has to have locked for. Any batch is: it may pay its signer's spans.
fn needs_member(event: &PoolEvent, id: SequencerId) -> bool {
    if let PoolEvent::LockUpdate { sequencer, .. }
    | PoolEvent::Relocked { sequencer, .. }
    | PoolEvent::Withdraw { sequencer, .. }
    | PoolEvent::SignerChange { sequencer, .. }
    | PoolEvent::ClaimRewards { sequencer, .. }
    | PoolEvent::UnlockInit { sequencer, .. }
    | PoolEvent::Unlocked { sequencer, .. } = event
    {
        return *sequencer == id;
    }
    matches!(event, PoolEvent::DistributeReward { .. })
}

fn metis(amount: u64) -> Wei {
    Wei::new(U256::from(amount) * U256::from(METIS))
}

fn locking_pool() -> Policy {
    Policy::built_in("locking-pool").unwrap()
}

fn replayed<L: LogView>(log: &L, policy: &Policy) -> Replayed {
    replay(log, std::slice::from_ref(policy), ReplayOptions::default()).unwrap().remove(0)
}

/// By batch: the blocks and the wei that its call credited to each sequencer, by the events alone.
fn credited(history: &History) -> BTreeMap<u64, BTreeMap<u64, (u64, Wei)>> {
    let (mut members, mut batches) = (BTreeMap::new(), BTreeMap::new());
    for record in &history.l1 {
        if let PoolEvent::Locked { signer, sequencer, .. }
        | PoolEvent::SignerChange { new_signer: signer, sequencer, .. } = &record.event
        {
            members.insert(*signer, sequencer.0);
        }
        if let PoolEvent::DistributeReward { batch, credits, reward_per_block, .. } = &record.event {
            let mut rows: BTreeMap<u64, (u64, Wei)> = BTreeMap::new();
            for credit in credits.iter().filter(|credit| credit.blocks > 0) {
                let row = rows.entry(members[&credit.signer]).or_default();
                row.0 += credit.blocks;
                row.1 = row.1.checked_add(reward_per_block.times(credit.blocks).unwrap()).unwrap();
            }
            batches.insert(batch.0, rows);
        }
    }
    batches
}

/// By batch: the same, as a ledger has it.
fn paid(ledger: &Ledger) -> BTreeMap<u64, BTreeMap<u64, (u64, Wei)>> {
    let rows = |batch: &engine::BatchLedger| {
        batch.rows.iter().map(|(id, earned)| (id.0, (earned.blocks, earned.reward))).collect()
    };
    ledger.batches.iter().map(|batch| (batch.batch.0, rows(batch))).collect()
}

/// What may not change, whatever is moved: who is paid how much by which batch, and what is left and why. Only whether
/// a block that nobody was to make lies before the genesis, too, depends on when that is.
fn assert_pays_the_same(moved: &Ledger, before: &Ledger) {
    assert_eq!(moved.batches, before.batches);
    assert_eq!((moved.pending, moved.total), (before.pending, before.total));
    // Who has not locked by the last block is not listed, and has earned nothing.
    let earned = |ledger: &Ledger| -> BTreeMap<_, _> {
        let all = ledger.sequencers.iter().map(|(id, total)| (*id, total.earned));
        all.filter(|(_, earned)| earned.blocks > 0).collect()
    };
    assert_eq!(earned(moved), earned(before));
    let unpaid = |ledger: &Ledger| (ledger.unrewarded.unknown_signer, ledger.unrewarded.after_unlock);
    assert_eq!(unpaid(moved), unpaid(before));
    assert_eq!(moved.unrewarded.total(), before.unrewarded.total());
}

/// A recording, and which of its batches were planted to be wrong.
fn recording(name: &str) -> (tempfile::TempDir, LogReader, History, BTreeSet<u64>) {
    let (dir, log) = ingested(name);
    let truth = expected(name);
    let planted = truth["planted_errors"].as_array().unwrap().iter();
    let planted = planted.filter_map(|error| error["batchId"].as_u64()).collect();
    let history = history_of(&log);
    (dir, log, history, planted)
}

#[test]
fn what_the_contract_credited_stays_however_a_recording_is_moved() {
    let policy = locking_pool();
    for (name, honest) in RECORDINGS.into_iter().zip([8, 41]) {
        let (_dir, log, history, planted) = recording(name);
        let before = replayed(&log, &policy).ledger;
        // The next batch is a matter of spans and of the contract's state. (Of small-a there is none.)
        let next = |log: &MemoryLog| {
            let next = next_batch(log, None, CreditRule::SpanSigner);
            next.map(|next| (next.end_span, next.entries, next.total)).map_err(|error| error.to_string())
        };
        let prepared = next(&MemoryLog::new(&history).with_contracts(log.identity()));
        assert_eq!(prepared.is_ok(), name == "pool-a", "{prepared:?}");
        for (index, one) in OF_TIME.into_iter().chain(OF_MEMBERS).enumerate() {
            let mut moved = history.clone();
            one.apply(&mut moved);
            let moved_log = MemoryLog::new(&moved).with_contracts(log.identity());
            if index < OF_TIME.len() {
                assert_eq!(next(&moved_log), prepared, "{name}, {one:?}");
            }
            let ours = replayed(&moved_log, &policy);
            assert_same(&ours.ledger, &oracle::fold(&moved, &oracle_policy("locking-pool"), None));
            assert_pays_the_same(&ours.ledger, &before);
            let (mut ours, mut theirs) = (paid(&ours.ledger), credited(&moved));
            for batch in &planted {
                ours.remove(batch);
                theirs.remove(batch);
            }
            assert_eq!(ours, theirs, "{name}, {one:?}");
            assert_eq!(theirs.len(), honest, "{name}, {one:?}");
        }
    }
}

/// Every other way to ask says the same: block by block, explanations, accounts, statements, receipts.
#[test]
fn all_that_tells_of_a_ledger_tells_of_a_moved_one() {
    let policy = locking_pool();
    let (_dir, log, history, _) = recording("small-a");
    let accounts_of = |log: &MemoryLog| -> Accounts {
        accounts(log, Cut::End, std::slice::from_ref(&policy), None).unwrap()
    };
    let as_it_was = MemoryLog::new(&history).with_contracts(log.identity());
    let before = accounts_of(&as_it_was);
    let mut paid_before_any_lock = 0;
    for one in OF_TIME.into_iter().chain([Move::NoRecipients, Move::OneRecipient]) {
        let mut moved = history.clone();
        one.apply(&mut moved);
        let log_moved = MemoryLog::new(&moved).with_contracts(log.identity());
        let replayed = replayed(&log_moved, &policy);
        let ledger = BlockLedger::new(&log_moved, &replayed).unwrap();
        let entries = all(&ledger);
        assert_sums(&entries, &replayed.ledger);
        assert_as_oracle(&entries, &oracle::fold(&moved, &oracle_policy("locking-pool"), None), &moved);
        let first_lock = moved.l1.iter().find(|record| matches!(record.event, PoolEvent::Locked { .. }));
        let first_lock = first_lock.unwrap().timestamp;
        for entry in entries.iter().step_by(37).chain(entries.first()).chain(entries.last()) {
            let explained = explain_block(&ledger, entry.block).unwrap().unwrap();
            assert_eq!(&explained.entry, entry, "{one:?}");
            if let Outcome::Rewarded(rewarded) = entry.outcome {
                assert!(explained.paid_by.is_some() && explained.epoch.is_some(), "{one:?}: {entry:?}");
                assert_eq!(explained.paid_by.unwrap().batch, rewarded.batch, "{one:?}");
                if entry.timestamp < first_lock {
                    assert_eq!(rewarded.effective, Wei::ZERO, "nobody has a stake by then");
                    paid_before_any_lock += 1;
                }
            }
        }
        // Each explanation and statement is checked against the ledger where it is made.
        let mut earned: BTreeMap<SequencerId, Wei> = BTreeMap::new();
        for epoch in 0..replayed.ledger.epochs.len() {
            for id in replayed.ledger.sequencers.keys() {
                let epoch = EpochIndex(u64::try_from(epoch).unwrap());
                let explained = explain_epoch(&ledger, *id, epoch).unwrap().unwrap();
                let sum = earned.entry(*id).or_default();
                *sum = sum.checked_add(explained.earned.reward).unwrap();
            }
        }
        let accounts = accounts_of(&log_moved);
        assert_eq!(accounts.policies[0].totals, before.policies[0].totals, "{one:?}");
        for (id, own) in &accounts.chain.sequencers {
            assert_eq!(own.sums.credited, before.chain.sequencers[id].sums.credited, "{one:?}");
            assert_eq!(accounts.policies[0].of(*id), before.policies[0].of(*id), "{one:?}");
            let explained = earned.get(id).copied().unwrap_or_default();
            assert_eq!(explained, accounts.policies[0].of(*id).accrued.reward, "{one:?}");
            let middle = moved.blocks[moved.blocks.len() / 2].timestamp;
            for (from, to) in [(None, None), (None, Some(middle)), (Some(middle), None)] {
                let range = StatementRange { from: from.map(UnixTime), to: to.map(UnixTime) };
                match statement(&log_moved, *id, Some(&policy), range, Some(1)) {
                    Ok(statement) => assert_eq!(statement.sequencer, *id),
                    // It had not locked by then.
                    Err(tally_claims::ClaimsError::UnknownSequencer { .. }) => assert!(to.is_some()),
                    Err(error) => panic!("{one:?}, sequencer {id}: {error}"),
                }
            }
        }
        let receipt = Receipt::new(log.identity(), log.heads(), None, &replayed).unwrap();
        let read = Receipt::from_bytes(&receipt.to_bytes()).unwrap();
        assert_eq!(read.ledger().unwrap(), replayed.ledger, "{one:?}");
    }
    assert!(paid_before_any_lock > 100, "{paid_before_any_lock}");
}

/// The first version leaves out what was made before anybody had locked, as it always has.
#[test]
fn only_the_first_version_counts_from_the_first_lock_on() {
    let first = Policy::built_in("locking-pool@1").unwrap();
    let (_dir, log, history, _) = recording("small-a");
    let unmoved = [&first, &locking_pool()].map(|policy| replayed(&log, policy).ledger);
    assert_eq!(unmoved[0], unmoved[1], "where everybody had locked, the versions say the same");
    let mut moved = history;
    Move::L2Earlier(90_000).apply(&mut moved);
    let log = MemoryLog::new(&moved).with_contracts(log.identity());
    let ledgers = [&first, &locking_pool()].map(|policy| replayed(&log, policy).ledger);
    assert_same(&ledgers[0], &oracle::fold(&moved, &oracle_policy("locking-pool@1"), None));
    let totals = ledgers.each_ref().map(|ledger| ledger.total.to_string());
    assert_eq!(totals, ["5403800538079403353891", "6407655753468608236772"]);
    assert_eq!(ledgers[1].total, unmoved[1].total);
    // What is left without the pending blocks is what the contract says that it credited.
    let credited = ledgers[1].total.checked_sub(ledgers[1].pending.reward).unwrap();
    assert_eq!(credited.to_string(), "6366140753468608236772");
    let before_genesis = ledgers.each_ref().map(|ledger| ledger.unrewarded.before_genesis);
    assert!(before_genesis[0] > before_genesis[1] + 100, "{before_genesis:?}");
}

/// The story: somebody ingests a chain whose L2 is a day older than its first lock, and asks what is owed.
#[test]
fn a_recording_with_an_older_l2_is_ingested_and_every_command_says_what_was_paid() {
    let files = moved_small_a(90_000);
    let (unmoved, _) = ingested("small-a");
    let moved = tempfile::tempdir().unwrap();
    ingest_recording(files.path(), moved.path(), Limits::default()).unwrap();
    let logs = [unmoved.path(), moved.path()].map(|path| path.to_str().unwrap());
    let json = |args: &[&str]| logs.map(|log| json_of(&[args, &["--log", log]].concat()));
    let [before, after] = json(&["accounts", "--policy", "locking-pool", "--policy", "locking-pool@1"]);
    assert_eq!(after["totals"], before["totals"], "what the contract says");
    assert_eq!(after["policies"][0]["sequencers"], before["policies"][0]["sequencers"]);
    assert_eq!(after["policies"][0]["policy"]["version"], 2);
    assert_eq!(after["policies"][1]["policy"]["version"], 1);
    assert_ne!(after["policies"][1]["sequencers"], before["policies"][1]["sequencers"]);
    // Block by block: the reasons are those of before, but that what no span covers lies before the genesis, too.
    let [before, after] = json(&["ledger", "show", "--policy", "locking-pool"]);
    let (before, after) = (before["blocks"].as_array().unwrap(), after["blocks"].as_array().unwrap());
    assert_eq!(after.len(), before.len());
    let mut earlier = 0;
    for (after, before) in after.iter().zip(before) {
        for field in ["l2_block", "span", "sequencer", "reward_wei", "running_total_wei", "batch"] {
            // Who a signer is that earns nothing is known from its lock on.
            if !before["reward_wei"].is_null() || field != "sequencer" {
                assert_eq!(after[field], before[field], "{field}: {after}");
            }
        }
        assert_eq!(after["unrewarded"].is_null(), before["unrewarded"].is_null(), "{after}");
        earlier += u64::from(!after["reward_wei"].is_null() && after["effective_stake_wei"] == "0");
    }
    assert!(earlier > 100, "{earlier} blocks are paid from before their sequencer locked");
    // The audit finds what was planted, and nothing else.
    let findings = logs.map(|log| {
        let (status, out, _) = tally(&["audit", "chain", "--log", log, "--report-format", "json"]);
        assert_eq!(status, 3);
        let report: Value = serde_json::from_str(&out).unwrap();
        let errors = report["findings"].as_array().unwrap().iter().filter(|one| one["severity"] == "error");
        errors.map(|one| (one["code"].to_string(), one["batch"].to_string())).collect::<Vec<_>>()
    });
    assert!(!findings[0].is_empty());
    assert_eq!(findings[0], findings[1]);
}

/// The files of small-a with every L2 block made so many seconds earlier.
pub(crate) fn moved_small_a(earlier_secs: u64) -> tempfile::TempDir {
    let files = copy();
    let path = files.path().join("l2_blocks.jsonl.gz");
    let mut blocks = read_lines(&path);
    for block in &mut blocks {
        let time = u64::from_str_radix(&block["timestamp"].as_str().unwrap()[2..], 16).unwrap();
        block["timestamp"] = format!("{:#x}", time - earlier_secs).into();
    }
    write_lines(&path, &blocks);
    files
}

fn json_of(args: &[&str]) -> Value {
    let (status, out, err) = tally(&[args, &["--format", "json"]].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
    serde_json::from_str(&out).unwrap()
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => prop_oneof![0_u64..5_000, 0..3 * YEAR_SECS].prop_map(Move::L2Earlier),
        1 => (1_u64..2_000).prop_map(Move::L2Slower),
        1 => (1_u64..200).prop_map(Move::L1Slower),
        1 => (0..5 * YEAR_SECS).prop_map(Move::Pause),
        1 => Just(Move::AllInTheFirstBatchsBlock),
        2 => Just(Move::LocksLate),
        1 => Just(Move::OneStake),
        1 => Just(Move::NoRecipients),
        1 => Just(Move::OneRecipient),
    ];
    prop::collection::vec(one, 1..4)
}

proptest! {
    #![proptest_config(cases(600, 12_000))]

    /// However random histories are moved, every batch pays what its call credited.
    #[test]
    fn what_the_contract_credited_stays_however_a_history_is_moved(mut history in history(), moves in moves()) {
        prop_assume!(!history.blocks.is_empty());
        // Long after anything, so that all blocks fold.
        history.l1_head_timestamp = 1_000_000_000_000;
        let policy = locking_pool();
        let before = replayed(&MemoryLog::new(&history), &policy).ledger;
        let mut moved = history;
        for one in &moves {
            one.apply(&mut moved);
        }
        let ours = replayed(&MemoryLog::new(&moved), &policy).ledger;
        assert_same(&ours, &oracle::fold(&moved, &oracle_policy("locking-pool"), None));
        assert_pays_the_same(&ours, &before);
        let spans = oracle::final_spans(&moved.spans);
        let (paid, credited) = (paid(&ours), credited(&moved));
        for record in &moved.l1 {
            let PoolEvent::DistributeReward { batch, start_span, end_span, .. } = &record.event else { continue };
            let range = usize::try_from(start_span.0).unwrap()..=usize::try_from(end_span.0).unwrap();
            // Of what lies before the log, only the call tells.
            if spans[range].iter().all(|span| span.start >= moved.blocks[0].number) {
                prop_assert_eq!(paid.get(&batch.0).cloned().unwrap_or_default(), credited[&batch.0].clone());
            }
        }
    }
}

/// Mainnet's batch 2: spans 1 to 193, from L2 block 15215531 on, in which the three signers were to make this many
/// blocks. All were made before anybody locked.
const BATCH_2: [(u64, &str, u64, &str); 3] = [
    (1, "0xEcA7Ae7dE0d1978DF299a547Ee66c4503fBa474D", 567_346, "431750306000000000000"),
    (2, "0xa233Cc81fC6C12e3318eA71EC5D7bBA78C706b04", 508_398, "386890878000000000000"),
    (3, "0xAfF606251d8540f97Ca2Db12774C0147A170aB9e", 448_351, "341195111000000000000"),
];

/// When mainnet's span 0 began, about, in March 2024.
const SPANS_BEGIN: u64 = 1_710_400_000;

/// A chain with batch 2's counts: span 0 of a thousand blocks, and 193 spans edge to edge, in turn, of lengths that
/// give the counts. A block takes 2.2 seconds, and everybody locks after the last.
fn chain_of_batch_2() -> History {
    // Span 1 + k is the (k / 3)th of the (k % 3)rd signer, so that they have 65, 64 and 64.
    let turn = |k: u64| {
        let (_, signer, blocks, _) = BATCH_2[usize::try_from(k % 3).unwrap()];
        let spans = if k.is_multiple_of(3) { 65 } else { 64 };
        (signer.parse().unwrap(), blocks / spans + u64::from(k / 3 < blocks % spans))
    };
    let span = |id: u64, start: u64, length: u64, signer: Address| SpanRecord {
        block: L2Block(start.saturating_sub(100).max(15_214_531)),
        block_hash: B256::ZERO,
        transaction_hash: B256::ZERO,
        log_index: id,
        event: SpanEvent::NewEpoch {
            span: SpanId(id),
            start: L2Block(start),
            end: L2Block(start + length - 1),
            signer,
        },
    };
    let mut spans = vec![span(0, 15_214_531, 1_000, BATCH_2[1].1.parse().unwrap())];
    let mut next = 15_215_531;
    for id in 1..=193_u64 {
        let (signer, length) = turn(id - 1);
        spans.push(span(id, next, length, signer));
        next += length;
    }
    let last = next - 1;
    let blocks: Vec<Block> = (15_214_531..=last)
        .map(|number| Block {
            number,
            timestamp: SPANS_BEGIN + (number - 15_214_531) * 22 / 10,
            signed_by: None,
        })
        .collect();
    let end = blocks.last().unwrap().timestamp;
    let record = |block: u64, log_index: u64, event| L1Record {
        block: L1Block(block),
        block_hash: B256::ZERO,
        timestamp: UnixTime(end + 3_600 + (block - 19_700_000) * 12),
        transaction_hash: B256::ZERO,
        log_index,
        event,
    };
    let lock = |(id, signer, ..): (u64, &str, u64, &str)| {
        let event = PoolEvent::Locked {
            signer: signer.parse().unwrap(),
            sequencer: SequencerId(id),
            nonce: 1,
            activation_batch: BatchId(1),
            amount: metis(20_000),
            total: metis(20_000 * id),
            signer_pubkey: Bytes::new(),
        };
        record(19_700_000, id, event)
    };
    let reward_per_block = Wei::new(U256::from(761_000_000_000_000_u64));
    let credit =
        |(_, signer, blocks, _): (u64, &str, u64, &str)| Credit { signer: signer.parse().unwrap(), blocks };
    let batch = PoolEvent::DistributeReward {
        batch: BatchId(2),
        start_span: SpanId(1),
        end_span: SpanId(193),
        amount: reward_per_block.times(1_524_095).unwrap(),
        reward_per_block,
        credits: BATCH_2.into_iter().map(credit).collect(),
    };
    let mut l1: Vec<L1Record> = BATCH_2.into_iter().map(lock).collect();
    l1.push(record(19_711_893, 0, batch));
    let l1_head_timestamp = l1.last().unwrap().timestamp.0;
    History { l1, l1_head_timestamp, spans, blocks }
}

#[test]
fn batch_2_of_mainnet_is_paid_for_blocks_from_before_anybody_had_locked() {
    let history = chain_of_batch_2();
    assert_eq!(history.blocks.last().unwrap().number, 16_739_625, "where span 193 ends on mainnet");
    let log = MemoryLog::new(&history);
    let ledger = replayed(&log, &locking_pool()).ledger;
    let [batch] = &ledger.batches[..] else { panic!("one batch is paid") };
    assert_eq!(batch.batch, BatchId(2));
    let rows = batch.rows.iter().map(|(id, earned)| (id.0, earned.blocks, earned.reward.to_string()));
    assert_eq!(
        rows.collect::<Vec<_>>(),
        BATCH_2.map(|(id, _, blocks, reward)| (id, blocks, reward.to_owned()))
    );
    assert_eq!(ledger.total.to_string(), "1159836295000000000000");
    assert_eq!(ledger.pending, engine::Earned::default());
    // Span 0 is never paid.
    assert_eq!((ledger.unrewarded.before_genesis, ledger.unrewarded.total()), (1_000, Some(1_000)));
    let first_paid = history.blocks[1_000].timestamp;
    assert_eq!(ledger.genesis, Some(UnixTime(first_paid)));
    assert_eq!(ledger.epochs.len(), 3, "1,524,095 blocks take 38 days");
    assert!(ledger.epochs.iter().all(|epoch| epoch.realised_mrr().unwrap().is_none()), "nobody had a stake");
    let by_blocks: u64 = ledger.epochs.iter().map(|epoch| epoch.earned.blocks).sum();
    assert_eq!(by_blocks, 1_524_095);
    // The first version pays none of them.
    let first = replayed(&log, &Policy::built_in("locking-pool@1").unwrap()).ledger;
    assert_eq!((first.total, first.unrewarded.before_genesis), (Wei::ZERO, 1_525_095));
    // What is owed and what was paid are one.
    let accounts = accounts(&log, Cut::End, &[locking_pool()], None).unwrap();
    for (id, own) in &accounts.chain.sequencers {
        let policy = accounts.policies[0].of(*id);
        assert_eq!(own.sums.credited, policy.accrued.reward);
        assert_eq!(policy.pending, Some(engine::Earned::default()));
    }
    assert_eq!(accounts.chain.sequencers.len(), 3);
}
