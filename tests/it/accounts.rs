//! Accounts and statements: against the contracts' own answers, the ledger by block, and each other.

use crate::support::{RECORDINGS, cases, expected, ingested, tally};
use alloy_primitives::Address;
use engine::{Difference, L1Block, L1Record, L2Block, Policy, PoolEvent, SequencerId, Status, UnixTime, Wei};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tally_claims::{
    ChainAccounts, ClaimsError, Cut, LedgerAccount, MovementKind, NotClaimable, Statement, StatementRange,
    accounts, statement,
};
use tally_eventlog::{LogReader, LogView};
use tally_replay::{BlockLedger, Outcome, ReplayOptions, last_block_by, replay, state_at};
use tempfile::TempDir;

const POLICIES: [&str; 3] = ["guide", "stake-weighted", "locking-pool"];

/// The logs of both recordings.
fn logs() -> [(TempDir, LogReader); 2] {
    RECORDINGS.map(ingested)
}

fn policy(name: &str) -> Policy {
    Policy::built_in(name).unwrap()
}

fn json_of(args: &[&str]) -> Value {
    let (status, out, err) = tally(&[args, &["--format", "json"]].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
    serde_json::from_str(&out).unwrap()
}

fn wei(value: &Value) -> Wei {
    Wei::new(value.as_str().unwrap().parse().unwrap())
}

fn total(values: impl IntoIterator<Item = Wei>) -> Wei {
    values.into_iter().fold(Wei::ZERO, |sum, value| sum.checked_add(value).unwrap())
}

/// At every block at which the contracts were asked, what is unclaimed is what they answered, and
/// distributed = liquidated + relocked + open.
#[test]
fn accounts_are_what_the_contracts_answered() {
    for recording in RECORDINGS {
        let (dir, log) = ingested(recording);
        let path = dir.path().to_str().unwrap();
        let truth = expected(recording);
        let (mut asked, mut left) = (0, 0);
        for state in truth["checkpoints"].as_array().unwrap().iter().chain([&truth["final"]]) {
            let block = state["l1_block"].to_string();
            let found = json_of(&["accounts", "--log", path, "--at-l1-block", &block]);
            assert_eq!(found["l1_block"], state["l1_block"]);
            let sequencers = found["sequencers"].as_array().unwrap();
            assert_eq!(sequencers.len(), state["sequencers"].as_object().unwrap().len());
            for own in sequencers {
                let theirs = &state["sequencers"][own["sequencer"].to_string()];
                assert_eq!(own["unclaimed_wei"], theirs["reward"], "{recording}, block {block}: {own}");
                assert_eq!(own["stake_wei"], theirs["amount"]);
                assert_eq!(own["status"], theirs["status"]);
                let recipient = theirs["rewardRecipient"].as_str().unwrap();
                let is_named = !recipient.trim_start_matches(['0', 'x']).is_empty();
                assert_eq!(own["recipient"], if is_named { json!(recipient) } else { Value::Null });
                if theirs["status"] == "Active" {
                    assert_eq!(own["exit"], Value::Null);
                } else {
                    assert_eq!(own["exit"]["since"], theirs["deactivationTime"]);
                    assert_eq!(own["exit"]["stake_free_at"], theirs["unlockClaimTime"]);
                    let (since, free_at) = (&theirs["deactivationTime"], &theirs["unlockClaimTime"]);
                    let delay = free_at.as_u64().unwrap() - since.as_u64().unwrap();
                    assert_eq!(own["exit"]["delay_secs"], delay);
                    left += 1;
                }
                // What the contract would pay now.
                let why = if theirs["status"] == "Unlocked" {
                    json!("gone")
                } else if theirs["status"] == "Inactive" {
                    json!("leaving")
                } else if !is_named {
                    json!("no_recipient")
                } else if state["paused"] == true {
                    json!("paused")
                } else if theirs["reward"] == "0" {
                    json!("nothing_unclaimed")
                } else {
                    Value::Null
                };
                assert_eq!(own["not_claimable"], why, "{recording}, block {block}: {own}");
                let claimable = if why.is_null() { theirs["reward"].clone() } else { json!("0") };
                assert_eq!(own["claimable_wei"], claimable);
            }
            let totals = &found["totals"];
            assert_eq!(totals["stake_wei"], state["totalLocked"]);
            assert_eq!(totals["claimed_wei"], state["totalRewardsLiquidated"]);
            let open = state["sequencers"].as_object().unwrap().values().map(|theirs| wei(&theirs["reward"]));
            assert_eq!(wei(&totals["unclaimed_wei"]), total(open));
            let parts = ["claimed_wei", "relocked_wei", "unclaimed_wei"].map(|part| wei(&totals[part]));
            assert_eq!(wei(&totals["credited_wei"]), total(parts));
            // What was distributed, by the events' own sums.
            let until = L1Block(state["l1_block"].as_u64().unwrap());
            let records = log.l1_records().unwrap();
            let distributed = records.iter().filter(|record| record.block <= until).filter_map(|record| {
                if let PoolEvent::DistributeReward { amount, .. } = &record.event {
                    Some(*amount)
                } else {
                    None
                }
            });
            assert_eq!(wei(&totals["credited_wei"]), total(distributed));
            for field in ["stake_wei", "credited_wei", "claimed_wei", "relocked_wei", "unclaimed_wei"] {
                assert_eq!(
                    wei(&totals[field]),
                    total(sequencers.iter().map(|own| wei(&own[field]))),
                    "{field}"
                );
            }
            asked += 1;
        }
        assert!(asked >= 13 && left > 0, "{recording}: {asked} states, {left} that leave");
    }
}

/// At any L1 block the policies' side is the replay up to the last block by then, and closed epochs are those that a
/// replay of everything no longer changes.
#[test]
fn policies_go_up_to_the_time_of_the_block() {
    let mut pending = 0;
    for (_dir, log) in &logs() {
        let whole = replay(log, &POLICIES.map(policy), ReplayOptions::default()).unwrap();
        let records = log.l1_records().unwrap();
        for record in records.iter().step_by(records.len() / 23) {
            let found = accounts(log, Cut::L1Block(record.block), &POLICIES.map(policy), None).unwrap();
            assert_eq!(found.as_of.until.time(), Some(record.timestamp));
            let to = last_block_by(log, record.timestamp).unwrap();
            let Some(to) = to else {
                assert!(found.policies.iter().all(|policy| policy.totals.accrued.blocks == 0));
                continue;
            };
            let options = ReplayOptions { to: Some(to), ..ReplayOptions::default() };
            let cut = replay(log, &POLICIES.map(policy), options).unwrap();
            for ((found, cut), whole) in found.policies.iter().zip(&cut).zip(&whole) {
                assert_eq!(found.horizon, cut.ledger.horizon);
                let Some(claimable) = found.totals.claimable else {
                    // What batches had paid by then is what they had credited, but where their counts were wrong.
                    let parts = found.totals.pending.unwrap();
                    assert!(parts.reward <= found.totals.accrued.reward);
                    pending += u64::from(parts.blocks > 0);
                    continue;
                };
                assert_eq!(found.totals.accrued.reward, cut.ledger.total);
                for (id, own) in &cut.ledger.sequencers {
                    assert_eq!(found.of(*id).accrued, own.earned);
                }
                let closed = whole.ledger.epochs.iter().filter(|epoch| epoch.epoch.0 < found.closed_epochs);
                assert_eq!(claimable, total(closed.clone().map(|epoch| epoch.earned.reward)));
                let open = whole.ledger.epochs.iter().find(|epoch| epoch.epoch.0 == found.closed_epochs);
                let end = open.map(|epoch| epoch.start.0 + found.policy.epoch_secs());
                assert!(end.is_none_or(|end| end > cut.ledger.horizon.unwrap().timestamp.0));
            }
        }
    }
    assert!(pending > 10, "{pending}");
}

/// Where a batch's counts are honest, what it has credited at any time is what `locking-pool` calls credited.
#[test]
fn locking_pool_credits_what_honest_batches_credited_by_then() {
    for (recording, (_dir, log)) in RECORDINGS.iter().zip(&logs()) {
        let truth = expected(recording);
        let planted: Vec<u64> = truth["planted_errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["batchId"].as_u64().unwrap())
            .collect();
        let first_wrong = planted.iter().min().unwrap();
        let records = log.l1_records().unwrap();
        let mut compared = 0;
        for record in &records {
            let PoolEvent::DistributeReward { batch, .. } = record.event else { continue };
            if batch.0 >= *first_wrong {
                break;
            }
            let cut = Cut::L1Block(record.block);
            let found = accounts(log, cut, &[policy("locking-pool")], None).unwrap();
            for (id, own) in &found.chain.sequencers {
                let under = found.policies[0].of(*id);
                let credited = under.accrued.reward.checked_sub(under.pending.unwrap().reward).unwrap();
                assert_eq!(own.sums.credited, credited, "{recording}, batch {batch}, sequencer {id}");
            }
            compared += 1;
        }
        assert!(compared > 2, "{recording}: {compared} batches");
    }
}

fn statement_of(
    log: &LogReader,
    id: u64,
    policy: Option<&Policy>,
    range: (Option<u64>, Option<u64>),
) -> Result<Statement, ClaimsError> {
    let range = StatementRange { from: range.0.map(UnixTime), to: range.1.map(UnixTime) };
    statement(log, SequencerId(id), policy, range, Some(1))
}

/// The balance of each account at the beginning, or at the end.
fn balances(statement: &Statement, at_end: bool) -> BTreeMap<LedgerAccount, Difference> {
    let balance = |line: &tally_claims::AccountLine| if at_end { line.closing } else { line.opening };
    let nothing = Difference::default();
    statement
        .accounts
        .iter()
        .map(|line| (line.account, balance(line)))
        .filter(|(_, balance)| *balance != nothing)
        .collect()
}

/// The last second up to which everything is known.
fn last_second(log: &LogReader) -> u64 {
    let heads = log.heads();
    heads.l1.unwrap().timestamp.0.min(heads.l2.unwrap().timestamp.0)
}

/// Wherever the time is cut, a statement closes with what the next one opens with, the parts have the whole's
/// movements, and what the accounts of that time say.
#[test]
fn statements_join_at_any_cut() {
    let logs = logs();
    proptest!(cases(40, 2_000), |(
        which in 0_usize..2,
        id in any::<prop::sample::Index>(),
        policy_index in 0_usize..3,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        by_event in any::<bool>(),
    )| {
        let (_, log) = &logs[which];
        let records = log.l1_records().unwrap();
        let pool = state_at(log, None).unwrap().pool;
        let id = u64::try_from(id.index(pool.sequencers.len())).unwrap() + 1;
        let policy = policy(POLICIES[policy_index]);
        let last = last_second(log);
        // It has to have locked by the first cut.
        let locked = records
            .iter()
            .find(|record| matches!(record.event, PoolEvent::Locked { sequencer, .. } if sequencer.0 == id))
            .unwrap()
            .timestamp
            .0;
        let times: Vec<u64> = records
            .iter()
            .map(|record| record.timestamp.0)
            .filter(|time| (locked + 1..=last).contains(time))
            .collect();
        prop_assume!(!times.is_empty());
        let mut cuts: Vec<u64> = cuts
            .iter()
            .map(|cut| {
                // The seconds of events are where it matters.
                let event = times[cut.index(times.len())];
                if by_event { event } else { locked + 1 + u64::try_from(cut.index(usize::try_from(last - locked).unwrap())).unwrap() }
            })
            .collect();
        cuts.sort_unstable();
        let ends: Vec<Option<u64>> =
            std::iter::once(None).chain(cuts.iter().copied().map(Some)).chain([None]).collect();
        let parts: Vec<Statement> = ends
            .windows(2)
            .map(|range| statement_of(log, id, Some(&policy), (range[0], range[1])).unwrap())
            .collect();
        for (pair, cut) in parts.windows(2).zip(&cuts) {
            prop_assert_eq!(balances(&pair[0], true), balances(&pair[1], false));
            let at = Cut::Time(UnixTime(cut - 1));
            let by_then =
                accounts(log, at, std::slice::from_ref(&policy), None).unwrap();
            assert_is_accounts(&pair[0], &by_then);
        }
        let whole = statement_of(log, id, Some(&policy), (None, None)).unwrap();
        let everything =
            accounts(log, Cut::End, std::slice::from_ref(&policy), None).unwrap();
        assert_is_accounts(&whole, &everything);
        prop_assert_eq!(balances(parts.last().unwrap(), true), balances(&whole, true));
        prop_assert!(balances(&whole, false).is_empty());
        // Events of L1 are in one part each.
        let events = |statement: &Statement| -> Vec<_> {
            statement.entries.iter().filter(|entry| entry.movement.place.is_some()).map(|entry| entry.movement).collect()
        };
        prop_assert_eq!(parts.iter().flat_map(events).collect::<Vec<_>>(), events(&whole));
        for (part, range) in parts.iter().zip(ends.windows(2)) {
            for entry in &part.entries {
                let time = entry.movement.time.0;
                prop_assert!(range[0].is_none_or(|from| from <= time) && range[1].is_none_or(|to| time < to));
            }
        }
        // What accrues in the parts is what accrues in the whole, but for what a batch pays of pending blocks.
        if policy_index < 2 {
            let by_epoch = |statements: &[Statement]| {
                let mut sums: BTreeMap<u64, (u64, Wei)> = BTreeMap::new();
                for entry in statements.iter().flat_map(|statement| &statement.entries) {
                    if let MovementKind::Accrued { epoch, blocks } = entry.movement.kind {
                        let sum = sums.entry(epoch.0).or_default();
                        *sum = (sum.0 + blocks, sum.1.checked_add(entry.movement.amount).unwrap());
                    }
                }
                sums
            };
            prop_assert_eq!(by_epoch(&parts), by_epoch(std::slice::from_ref(&whole)));
        }
    });
}

/// A statement closes with what the accounts say.
fn assert_is_accounts(statement: &Statement, accounts: &tally_claims::Accounts) {
    let id = statement.sequencer;
    let sums = accounts.chain.sequencers[&id].sums;
    let closing = |account| {
        let line = statement.accounts.iter().find(|line| line.account == account).unwrap();
        assert!(!line.closing.is_negative());
        line.closing.size()
    };
    assert_eq!(closing(LedgerAccount::Stake(id)), sums.stake);
    assert_eq!(closing(LedgerAccount::Unclaimed(id)), sums.unclaimed);
    assert_eq!(closing(LedgerAccount::Accrued(id)), accounts.policies[0].of(id).accrued.reward);
    let last = statement.entries.last();
    let accrued = last.map_or(closing(LedgerAccount::Accrued(id)), |entry| entry.accrued.unwrap());
    assert_eq!(accrued, closing(LedgerAccount::Accrued(id)));
    let of = |code: &str| {
        let own = statement.entries.iter().filter(|entry| entry.movement.kind.code() == code);
        total(own.map(|entry| entry.movement.amount))
    };
    if statement.range.from.is_none() {
        assert_eq!(of("credited"), sums.credited);
        assert_eq!(of("claimed"), sums.claimed);
        assert_eq!(of("relocked_reward"), sums.relocked);
    }
}

/// What accrues between two times is what the ledger by block has for the blocks between them.
#[test]
fn accruals_are_the_ledgers_by_block() {
    for (_dir, log) in &logs() {
        for name in &POLICIES[..2] {
            let policy = policy(name);
            let replayed = replay(log, std::slice::from_ref(&policy), ReplayOptions::default()).unwrap();
            let ledger = BlockLedger::new(log, &replayed[0]).unwrap();
            let (first, last) = (log.identity().l2_first_block, ledger.range().unwrap().end().0);
            for (from, to) in [(first.0 + 301, first.0 + 1_204), (last - 700, last)] {
                let entries: Vec<_> = ledger.iter(L2Block(from)..=L2Block(to)).map(Result::unwrap).collect();
                let (from, to) = (entries[0].timestamp.0, entries.last().unwrap().timestamp.0);
                for id in replayed[0].ledger.sequencers.keys() {
                    let mut blocks: BTreeMap<u64, (u64, Wei)> = BTreeMap::new();
                    for entry in entries.iter().filter(|entry| (from..to).contains(&entry.timestamp.0)) {
                        match entry.outcome {
                            Outcome::Rewarded(rewarded) if entry.sequencer == Some(*id) => {
                                let sum = blocks.entry(entry.epoch.unwrap().0).or_default();
                                *sum = (sum.0 + 1, sum.1.checked_add(rewarded.reward).unwrap());
                            }
                            Outcome::Rewarded(_) | Outcome::Unrewarded(_) => {}
                        }
                    }
                    let found = match statement_of(log, id.0, Some(&policy), (Some(from), Some(to))) {
                        Ok(found) => found,
                        Err(ClaimsError::UnknownSequencer { .. }) if blocks.is_empty() => continue,
                        Err(error) => panic!("{error}"),
                    };
                    let accrued: BTreeMap<u64, (u64, Wei)> = found
                        .entries
                        .iter()
                        .filter_map(|entry| {
                            let MovementKind::Accrued { epoch, blocks } = entry.movement.kind else {
                                return None;
                            };
                            Some((epoch.0, (blocks, entry.movement.amount)))
                        })
                        .collect();
                    assert_eq!(accrued, blocks, "{name}, sequencer {id}, time {from} to {to}");
                }
            }
        }
    }
}

/// Every form of the accounts and of a statement says the same.
#[test]
fn every_form_says_the_same() {
    let (dir, _) = ingested("pool-a");
    let path = dir.path().to_str().unwrap();
    let policies = POLICIES.join(",");
    let args = ["accounts", "--log", path, "--policy", &policies];
    let json = json_of(&args);
    let (_, csv, _) = tally(&[&args[..], &["--format", "csv"]].concat());
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    for policy in json["policies"].as_array().unwrap() {
        for (own, under) in
            json["sequencers"].as_array().unwrap().iter().zip(policy["sequencers"].as_array().unwrap())
        {
            let row: BTreeMap<&str, &str> =
                header.iter().copied().zip(lines.next().unwrap().split(',')).collect();
            for (column, value) in [
                ("policy", &policy["policy"]["name"]),
                ("policy_version", &policy["policy"]["version"]),
                ("leaving_since", &own["exit"]["since"]),
                ("stake_free_at", &own["exit"]["stake_free_at"]),
                ("exit_delay_secs", &own["exit"]["delay_secs"]),
                ("policy_blocks", &under["blocks"]),
                ("policy_accrued_wei", &under["accrued_wei"]),
                ("policy_claimable_wei", &under["claimable_wei"]),
                ("policy_pending_wei", &under["pending_wei"]),
            ] {
                assert_eq!(row[column], text(value), "{column}");
            }
            for (column, value) in own.as_object().unwrap().iter().filter(|(column, _)| *column != "exit") {
                assert_eq!(row[column.as_str()], text(value), "{column}");
            }
            assert_eq!(row.len(), 19);
        }
    }
    assert_eq!(lines.next(), None);

    let args = ["accounts", "statement", "--log", path, "--sequencer", "1", "--policy", "guide"];
    let json = json_of(&args);
    let (_, csv, _) = tally(&[&args[..], &["--format", "csv"]].concat());
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let (header, rows) = rows.split_first().unwrap();
    let movements = json["movements"].as_array().unwrap();
    assert_eq!(rows.len(), movements.len() + 2);
    for (row, movement) in rows[1..].iter().zip(movements) {
        let fields = movement.as_object().unwrap();
        assert!(fields.keys().eq(header));
        assert!(fields.values().map(text).eq(row.iter().copied()), "{row:?}");
    }
    let closing: Vec<&str> = rows.last().unwrap()[12..].to_vec();
    let own: Vec<String> =
        json["accounts"].as_array().unwrap()[..3].iter().map(|line| text(&line["closing_wei"])).collect();
    assert_eq!(closing, own);
    let kinds: Vec<&str> = movements.iter().map(|movement| movement["kind"].as_str().unwrap()).collect();
    for kind in ["locked", "credited", "claimed", "accrued"] {
        assert!(kinds.contains(&kind), "{kind}");
    }
}

/// A time that is not known yet, a range that ends before it begins, and sequencers that are not there.
#[test]
fn what_cannot_be_told_is_refused() {
    let (dir, log) = ingested("small-a");
    let path = dir.path().to_str().unwrap();
    let (l1, l2) = (log.heads().l1.unwrap().timestamp.0, log.heads().l2.unwrap().timestamp.0);
    let refused = |args: &[&str], expected: &str| {
        let (status, out, err) = tally(&[&["accounts"], args, &["--log", path]].concat());
        assert_eq!((status, out.as_str()), (1, ""), "{args:?}: {err}");
        assert_eq!(err, format!("error: {expected}\n"), "{args:?}");
    };
    // L1 goes on for days after the last block of L2.
    let (soon, late) = ((l2 + 1).to_string(), (l1 + 1).to_string());
    for time in [&soon, &late] {
        refused(
            &["--at-time", time],
            &format!(
                "time {time} is asked for, but the log holds L1 up to time {l1} and L2 up to time {l2}: what happened \
                 by then is not known yet"
            ),
        );
    }
    let head = log.heads().l1.unwrap().block;
    let first = log.identity().l1_first_block;
    let beyond = (head.0 + 1).to_string();
    refused(
        &["--at-l1-block", &beyond],
        &format!("L1 block {beyond} is asked for, but the log holds blocks {first} to {head}"),
    );
    refused(&["--sequencer", "9"], "sequencer 9 is asked for, but by then there are 8, from 1 on");
    refused(
        &["statement", "--sequencer", "9"],
        &format!("sequencer 9 is asked for, but up to L1 block {head} there are 8, from 1 on"),
    );
    refused(
        &["statement", "--sequencer", "1", "--from", "1700000007", "--to", "1700000006"],
        "a statement from time 1700000007 to time 1700000006 is asked for, which ends before it begins",
    );
    // Without a policy L2 does not matter.
    let (status, _, err) =
        tally(&["accounts", "statement", "--log", path, "--sequencer", "1", "--to", &soon]);
    assert_eq!((status, err.as_str()), (0, ""));
    let (status, _, _) = tally(&["accounts", "--log", path, "--at-l1-block", "1", "--at-time", "1"]);
    assert_eq!(status, 2);
    let (status, _, _) = tally(&["accounts"]);
    assert_eq!(status, 2);
}

/// Before anything had happened there are no accounts.
#[test]
fn the_first_blocks_have_no_accounts() {
    let (_dir, log) = ingested("pool-a");
    let first = log.identity().l1_first_block;
    let found = accounts(&log, Cut::L1Block(first), &POLICIES.map(policy), None).unwrap();
    assert!(found.chain.sequencers.is_empty());
    assert!(found.policies.iter().all(|policy| policy.horizon.is_none() && policy.sequencers.is_empty()));
}

/// What is unclaimed can be claimed only by an active sequencer with a recipient, of a pool that is not paused.
#[test]
fn why_nothing_can_be_claimed_is_told() {
    let (_dir, log) = ingested("pool-a");
    let genesis = &log.identity().genesis;
    let records = log.l1_records().unwrap();
    let as_it_was = ChainAccounts::after(genesis, &records).unwrap();
    assert!(!as_it_was.totals.claimable.is_zero());
    let reasons = |records: &[L1Record]| {
        let found = ChainAccounts::after(genesis, records).unwrap();
        assert_eq!(found.totals.unclaimed, as_it_was.totals.unclaimed);
        assert!(found.totals.claimable.is_zero());
        let active = found.sequencers.into_values().filter(|account| account.status == Status::Active);
        active.map(|account| account.not_claimable).collect::<BTreeSet<_>>()
    };
    let mut paused = records.clone();
    let last =
        L1Record { event: PoolEvent::Paused { account: Address::ZERO }, ..records.last().unwrap().clone() };
    paused.push(last);
    assert_eq!(reasons(&paused), [Some(NotClaimable::Paused)].into());
    let names_one =
        |record: &L1Record| matches!(record.event, PoolEvent::SequencerRewardRecipientChanged { .. });
    let nowhere: Vec<L1Record> = paused.into_iter().filter(|record| !names_one(record)).collect();
    assert_eq!(reasons(&nowhere), [Some(NotClaimable::NoRecipient)].into());
}
