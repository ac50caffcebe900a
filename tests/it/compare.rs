//! `tally accounts compare`: the parts of every difference, block by block and in unbounded integers once more, and the
//! command.

use crate::histories::{history, policy, practice_policy};
use crate::memory::MemoryLog;
use crate::oracle::{self, History, Rows, Side, Sums, as_credited, between, decompose, no_cap};
use crate::support::{RECORDINGS, cases, engine_policy, history_of, ingested, oracle_policy, tally};
use engine::{Policy, Wei};
use num_bigint::BigInt;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use std::collections::BTreeMap;
use tally_claims::{Against, ComparedSums, Comparison, Cut, Part, accounts, compare};

const BUILT_IN: [&str; 5] = ["guide", "stake-weighted", "locking-pool", "operators", "fixed-reward"];

fn big(wei: Wei) -> BigInt {
    wei.to_string().parse().unwrap()
}

fn told(sums: &ComparedSums) -> Sums {
    let signed = |text: String| text.parse::<BigInt>().unwrap();
    Sums {
        first_blocks: sums.first.blocks,
        first: big(sums.first.reward),
        second_blocks: sums.second_blocks,
        second: signed(sums.second.net().to_string()),
        parts: Part::ALL.map(|part| signed(sums.part(part).to_string())),
    }
}

/// What is found is what was worked out, and every sum is that of its parts.
fn assert_found(found: &Comparison, expected: &Rows, what: &str) {
    let rows: Rows = found
        .rows
        .iter()
        .map(|row| ((row.epoch.epoch.map(|epoch| epoch.0), row.sequencer.0), told(&row.sums)))
        .collect();
    assert_eq!(rows.len(), found.rows.len(), "{what}: each row is there once");
    let expected: Rows = expected
        .iter()
        .filter(|(_, row)| **row != Sums::default())
        .map(|(key, row)| (*key, row.clone()))
        .collect();
    assert_eq!(rows, expected, "{what}");
    let mut all = Sums::default();
    let mut by_epoch: BTreeMap<Option<u64>, Sums> = BTreeMap::new();
    let mut by_sequencer: BTreeMap<u64, Sums> = BTreeMap::new();
    for ((epoch, sequencer), row) in &rows {
        assert_eq!(
            row.parts.iter().sum::<BigInt>(),
            &row.second - &row.first,
            "{what}: {epoch:?} {sequencer}"
        );
        for sum in
            [&mut all, by_epoch.entry(*epoch).or_default(), by_sequencer.entry(*sequencer).or_default()]
        {
            sum.first_blocks += row.first_blocks;
            sum.first += &row.first;
            sum.second_blocks += row.second_blocks;
            sum.second += &row.second;
            sum.parts.iter_mut().zip(&row.parts).for_each(|(sum, part)| *sum += part);
        }
    }
    assert_eq!(told(&found.totals), all, "{what}");
    let difference = found.totals.difference().unwrap().to_string();
    assert_eq!(difference.parse::<BigInt>().unwrap(), &all.second - &all.first, "{what}");
    let epochs = found.epochs.iter().map(|(epoch, sums)| (epoch.epoch.map(|epoch| epoch.0), told(sums)));
    assert_eq!(epochs.collect::<Vec<_>>(), by_epoch.into_iter().collect::<Vec<_>>(), "{what}");
    let sequencers = found.sequencers.iter().map(|(id, sums)| (id.0, told(sums)));
    assert_eq!(sequencers.collect::<Vec<_>>(), by_sequencer.into_iter().collect::<Vec<_>>(), "{what}");
}

/// Where two ledgers end that are compared.
fn common_end(history: &History, first: &oracle::Policy, second: &oracle::Policy) -> Option<u64> {
    let end = |policy| oracle::fold(history, policy, None).horizon.map(|(number, _)| number);
    Some(end(first)?.min(end(second)?))
}

/// Compares two policies of a history, or one with what the contract credited, with what the oracle works out.
fn check(history: &History, first: &oracle::Policy, second: Option<&oracle::Policy>) {
    let log = MemoryLog::new(history);
    let against = match second {
        Some(second) => Against::Policy(Box::new(engine_policy(second))),
        None => Against::Credited,
    };
    let found = compare(&log, &engine_policy(first), &against, None).unwrap();
    let locking_pool = oracle_policy("locking-pool");
    let other = second.unwrap_or(&locking_pool);
    let end = common_end(history, first, other);
    assert_eq!(found.horizon.map(|horizon| horizon.block.0), end);
    // Without a block that both can fold nothing is compared.
    let nothing = History { blocks: Vec::new(), ..history.clone() };
    let of = if end.is_some() { history } else { &nothing };
    let (first, other) = (Side::new(of, first, end), Side::new(of, other, end));
    let middle =
        between(&first, &other).map(|(policy, is_of_first)| (Side::new(of, &policy, end), is_of_first));
    let middle = middle.as_ref().map(|(side, is_of_first)| (side, *is_of_first));
    let mut rows = decompose(of, &first, &other, middle);
    if second.is_none() {
        as_credited(of, &first, &other, &mut rows);
    }
    assert_found(&found, &rows, "a history");
}

fn any_policy() -> impl Strategy<Value = oracle::Policy> {
    prop_oneof![2 => policy(), 1 => practice_policy()]
}

proptest! {
    #![proptest_config(cases(500, 10_000))]

    #[test]
    fn the_parts_of_any_difference_are_the_difference(history in history(), first in any_policy(), second in any_policy()) {
        check(&history, &first, Some(&second));
    }

    #[test]
    fn the_parts_of_what_the_contract_credited_are_the_difference(history in history(), first in any_policy()) {
        check(&history, &first, None);
    }
}

/// Histories of which L2 is known only so far: batches pay blocks that the log does not have.
#[test]
fn what_is_paid_beyond_the_horizon_is_told_as_such() {
    let mut runner = TestRunner::deterministic();
    let strategy = (history(), any_policy(), 0..1_000_usize);
    let (mut beyond, mut posted) = (0, 0);
    for _ in 0..300 {
        let (mut history, first, cut) = strategy.new_tree(&mut runner).unwrap().current();
        history.blocks.truncate(history.blocks.len() * cut / 1_000);
        let last = history.blocks.last().map(|block| block.number);
        history.spans.retain(|record| Some(record.block.0) <= last);
        check(&history, &first, None);
        let found =
            compare(&MemoryLog::new(&history), &engine_policy(&first), &Against::Credited, None).unwrap();
        beyond += usize::from(!found.totals.part(Part::BeyondHorizon).size().is_zero());
        posted += usize::from(!found.totals.part(Part::Posted).size().is_zero());
    }
    assert!(beyond >= 50, "{beyond} histories with blocks that were paid ahead");
    assert_eq!(posted, 0, "no batch of these histories is dishonest");
}

/// The random histories have what the parts come from.
#[test]
fn every_part_comes_up_in_random_histories() {
    let mut runner = TestRunner::deterministic();
    let strategy = (history(), any_policy(), any_policy());
    let mut seen = [0; 8];
    for _ in 0..200 {
        let (history, first, second) = strategy.new_tree(&mut runner).unwrap().current();
        let log = MemoryLog::new(&history);
        let second = Against::Policy(Box::new(engine_policy(&second)));
        for against in [second, Against::Credited] {
            let found = compare(&log, &engine_policy(&first), &against, None).unwrap();
            for (seen, part) in seen.iter_mut().zip(Part::ALL) {
                *seen += usize::from(!found.totals.part(part).size().is_zero());
            }
        }
    }
    // Over all sequencers what moves by the schedule is nothing, unless one of the two pays nobody. No batch of these
    // histories is dishonest, or paid before its blocks are there.
    assert!(seen[..6].iter().all(|seen| *seen >= 10) && seen[6..] == [0, 0], "{seen:?}");
}

/// Every pair of built-in policies, and each against what the contract credited, over both recordings.
#[test]
fn the_parts_of_the_recordings_are_the_differences() {
    for recording in RECORDINGS {
        let (_dir, log) = ingested(recording);
        let history = history_of(&log);
        let sides = BUILT_IN.map(|name| Side::new(&history, &oracle_policy(name), None));
        let uncapped = |side: &Side| {
            let policy = oracle::Policy { cap: no_cap(), ..side.policy.clone() };
            Side::new(&history, &policy, None)
        };
        let uncapped = [uncapped(&sides[0]), uncapped(&sides[1])];
        let mut seen = [false; 8];
        for (at, first) in sides.iter().enumerate() {
            let middle_of = |other: usize| {
                let (policy, is_of_first) = between(first, &sides[other])?;
                let parent = if is_of_first { at } else { other };
                assert_eq!(policy.cap, no_cap());
                Some((&uncapped[parent], is_of_first))
            };
            for other in (0..sides.len()).filter(|other| *other != at) {
                let what = format!("{recording}: {} and {}", BUILT_IN[at], BUILT_IN[other]);
                let second = Against::Policy(Box::new(Policy::built_in(BUILT_IN[other]).unwrap()));
                let found = compare(&log, &Policy::built_in(BUILT_IN[at]).unwrap(), &second, None).unwrap();
                assert_found(&found, &decompose(&history, first, &sides[other], middle_of(other)), &what);
            }
            let policy = Policy::built_in(BUILT_IN[at]).unwrap();
            let found = compare(&log, &policy, &Against::Credited, None).unwrap();
            let mut rows = decompose(&history, first, &sides[2], middle_of(2));
            as_credited(&history, first, &sides[2], &mut rows);
            assert_found(&found, &rows, &format!("{recording}: {} and what was credited", BUILT_IN[at]));
            for (seen, part) in seen.iter_mut().zip(Part::ALL) {
                *seen |= found.totals.part(part).size() > Wei::ZERO;
            }
            // What was credited is what the contracts' accounts have.
            let chain = accounts(&log, Cut::End, &[], None).unwrap().chain;
            assert_eq!(told(&found.totals).second, big(chain.totals.credited));
        }
        // Planted errors posted too much, some blocks are pending, and so on; all paid blocks are there.
        let expected = [[true; 7].as_slice(), &[false]].concat();
        assert!(
            recording != "pool-a" || seen[..] == expected,
            "{recording}: which parts there are: {seen:?}"
        );
    }
}

/// Where one of two sets its rate under a cap, the other way round every part has the other sign.
#[test]
fn a_comparison_the_other_way_round_has_the_other_signs() {
    let (_dir, log) = ingested("pool-a");
    let policies = ["guide", "operators"].map(|name| Policy::built_in(name).unwrap());
    let one = |first: usize, second: usize| {
        let second = Against::Policy(Box::new(policies[second].clone()));
        compare(&log, &policies[first], &second, Some(1)).unwrap()
    };
    let (there, back) = (one(0, 1), one(1, 0));
    for part in [Part::Cap, Part::Rate, Part::AfterUnlock, Part::BeforeLock] {
        let (there, back) = (there.totals.part(part), back.totals.part(part));
        assert_eq!(there.size(), back.size(), "{part:?}");
        assert!(there.is_negative() != back.is_negative() || there.size().is_zero(), "{part:?}");
    }
    assert_eq!(there.rows.len(), back.rows.len(), "both have the same epochs");
}

/// What the command says, in each form, is one thing.
#[test]
fn the_command_says_the_same_in_every_form() {
    let (dir, log) = ingested("pool-a");
    let path = dir.path().to_str().unwrap();
    let run = |args: &[&str]| {
        let (status, out, err) = tally(&[&["accounts", "compare", "--log", path], args].concat());
        assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
        out
    };
    let json: Value = serde_json::from_str(&run(&["--policy", "guide", "--format", "json"])).unwrap();
    assert_eq!((&json["first"]["name"], &json["second"]), (&"guide".into(), &Value::Null));
    let found = compare(&log, &Policy::built_in("guide").unwrap(), &Against::Credited, None).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), found.rows.len());
    assert_eq!(json["totals"]["difference_wei"], found.totals.difference().unwrap().to_string());
    // Each line of CSV is a row of JSON.
    let csv = run(&["--policy", "guide", "--format", "csv"]);
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let mut count = 0;
    for (line, row) in lines.zip(rows) {
        for (name, cell) in header.iter().zip(&line) {
            let value = row[*name].as_str().map_or_else(|| row[*name].to_string(), str::to_owned);
            assert_eq!(value.replace("null", ""), **cell, "{name}");
        }
        count += 1;
    }
    assert_eq!(count, rows.len());
    // One sequencer has its own rows and no totals.
    let args = ["--policy", "guide,locking-pool", "--sequencer", "10", "--format", "json"];
    let one: Value = serde_json::from_str(&run(&args)).unwrap();
    assert_eq!((&one["totals"], &one["epochs"]), (&Value::Null, &Value::Array(Vec::new())));
    assert_eq!(one["second"]["name"], "locking-pool");
    assert!(
        one["rows"].as_array().unwrap().iter().all(|row| row["sequencer"] == 10 && row["unpaid_wei"] == "0")
    );
    let [only] = &one["sequencers"].as_array().unwrap()[..] else { panic!("{one}") };
    let sum = one["rows"].as_array().unwrap().iter().fold(BigInt::ZERO, |sum, row| {
        sum + row["difference_wei"].as_str().unwrap().parse::<BigInt>().unwrap()
    });
    assert_eq!(only["difference_wei"], sum.to_string());
    let table = run(&["--policy", "guide", "--sequencer", "10"]);
    assert!(
        table.contains("second  what the contract credited") && table.contains("not paid yet"),
        "{table}"
    );
    let error = |args: &[&str]| {
        let (status, _, err) = tally(&[&["accounts", "compare", "--log", path], args].concat());
        (status, err)
    };
    let (status, err) = error(&["--policy", "guide,locking-pool,operators"]);
    assert!(status == 2 && err.contains("and 3 are given"), "{err}");
    let (status, err) = error(&["--policy", "guide,guide"]);
    assert!(status == 2 && err.contains("the same policy is given twice"), "{err}");
    let (status, err) = error(&["--sequencer", "13"]);
    assert!(status == 1 && err.contains("sequencer 13 is asked for, but in the log there are 12"), "{err}");
    // Every thread's result is the same.
    assert_eq!(run(&["--threads", "1", "--format", "csv"]), csv);
}
