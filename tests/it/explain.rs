//! `tally explain`: against a second opinion from the raw recordings, and over random histories.

use crate::histories::{history, policy};
use crate::memory::MemoryLog;
use crate::recordings_moved::moved_small_a;
use crate::support::{Tool, cases, engine_policy, fixture, ingested, tally, times};
use engine::{EpochIndex, Unrewarded};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tally_ingest::{Limits, ingest_recording};
use tally_replay::{BlockLedger, Outcome, ReplayOptions, explain_block, explain_epoch, replay};

const BUILT_IN: [&str; 4] = ["guide", "stake-weighted", "locking-pool", "operators"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The policy of a file beside this one.
fn written(name: &str) -> String {
    root().join("tests/it/explain").join(name).to_str().unwrap().to_owned()
}

fn json_of(args: &[&str]) -> Value {
    let (status, out, err) = tally(&[args, &["--format", "json"]].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
    serde_json::from_str(&out).unwrap()
}

/// What the second opinion says of `explanations`: its status and its words.
fn second_opinion(recording: &Path, explanations: &[Value], signers: &Path) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("explanations.json");
    std::fs::write(&file, serde_json::to_vec(explanations).unwrap()).unwrap();
    let policies = BUILT_IN.map(|name| root().join(format!("engine/policies/{name}.toml")));
    let output = Tool::Python
        .command()
        .arg(root().join("tests/it/explain.py"))
        .args([recording, &file])
        .args(policies)
        .args([written("hourly.toml"), written("fixed.toml")])
        .arg("--signers")
        .arg(signers)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{}", String::from_utf8_lossy(&output.stdout));
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// Blocks to ask for: some drawn, the ends of each epoch, and of each run of blocks that earned nothing.
fn sample(log: &str, policy: &str, drawn: u64) -> BTreeSet<u64> {
    let rows = json_of(&["ledger", "show", "--log", log, "--policy", policy]);
    let rows = rows["blocks"].as_array().unwrap();
    let number = |row: &Value| row["l2_block"].as_u64().unwrap();
    let (first, count) = (number(&rows[0]), rows.len() as u64);
    let mut blocks = BTreeSet::from([first, first + count - 1]);
    // A generator of its own, so that the blocks are the same everywhere.
    let mut state = 42_u64;
    for _ in 0..drawn {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        blocks.insert(first + (state >> 33) % count);
    }
    for pair in rows.windows(2) {
        if pair[0]["epoch"] != pair[1]["epoch"] || pair[0]["unrewarded"] != pair[1]["unrewarded"] {
            blocks.extend([number(&pair[0]), number(&pair[1])]);
        }
    }
    blocks
}

/// All that is asked of a recording under a policy: a sample of blocks, and every sequencer in every epoch.
fn explanations(log: &str, policy: &str) -> Vec<Value> {
    let base = ["explain", "--log", log, "--policy", policy];
    let ask = |more: &[&str]| json_of(&[&base, more].concat());
    let blocks = sample(log, policy, 60);
    let mut all: Vec<Value> = blocks.iter().map(|block| ask(&["--block", &block.to_string()])).collect();
    let replayed = &json_of(&["replay", "--log", log, "--policy", policy])[0];
    for sequencer in replayed["sequencers"].as_array().unwrap() {
        for epoch in replayed["epochs"].as_array().unwrap() {
            all.push(ask(&[
                "--sequencer",
                &sequencer["sequencer"].to_string(),
                "--epoch",
                &epoch["epoch"].to_string(),
            ]));
        }
    }
    all
}

/// Every number of an explanation is what a script finds that knows nothing but the nodes' raw answers and
/// the rules as they are written down.
#[test]
fn explanations_are_what_a_second_opinion_finds_in_the_raw_recording() {
    if !Tool::Python.is_there() {
        return;
    }
    let (hourly, fixed) = (written("hourly.toml"), written("fixed.toml"));
    let large = [&BUILT_IN[..], &[&fixed]].concat();
    let small = vec![BUILT_IN[0], BUILT_IN[2], BUILT_IN[3], &hourly];
    for (recording, policies, least) in [("pool-a", large, 40_000), ("small-a", small, 15_000)] {
        let (dir, _) = ingested(recording);
        let log = dir.path().to_str().unwrap();
        let all: Vec<Value> = policies.iter().flat_map(|policy| explanations(log, policy)).collect();
        let reasons: BTreeSet<&str> =
            all.iter().filter_map(|one| one["block"]["unrewarded"].as_str()).collect();
        assert_eq!(Vec::from_iter(reasons), ["after_unlock", "before_genesis", "no_producer"], "{recording}");
        let (status, words) = second_opinion(&fixture(recording), &all, &dir.path().join("signers.json"));
        assert_eq!(status, 0, "{recording}: {words}");
        let words: Vec<&str> = words.split_whitespace().collect();
        let ["equal:", explained, "explanations,", values, "values"] = words[..] else {
            panic!("{recording}: {words:?}")
        };
        assert_eq!(explained, all.len().to_string(), "{recording}");
        assert!(values.parse::<u64>().unwrap() > least, "{recording}: {values} values");
    }
}

/// So it is for blocks that were made before anybody had locked, and are paid.
#[test]
fn explanations_of_an_older_l2_are_what_the_second_opinion_finds() {
    if !Tool::Python.is_there() {
        return;
    }
    let (files, dir) = (moved_small_a(90_000), tempfile::tempdir().unwrap());
    ingest_recording(files.path(), dir.path(), Limits::default()).unwrap();
    let all = explanations(dir.path().to_str().unwrap(), "locking-pool");
    let is_early = |one: &&Value| one["stake"]["active"] == false && one["paid_by"].is_object();
    assert!(all.iter().filter(is_early).count() > 5, "blocks from before any lock are paid");
    let (status, words) = second_opinion(files.path(), &all, &dir.path().join("signers.json"));
    assert_eq!(status, 0, "{words}");
    assert!(words.starts_with("equal:"), "{words}");
}

/// The places of the values in a JSON value, as pointers.
fn values_in(value: &Value, path: &str, places: &mut Vec<String>) {
    if let Some(fields) = value.as_object() {
        for (key, value) in fields {
            values_in(value, &format!("{path}/{key}"), places);
        }
    } else if let Some(items) = value.as_array() {
        for (at, value) in items.iter().enumerate() {
            values_in(value, &format!("{path}/{at}"), places);
        }
    } else {
        places.push(path.to_owned());
    }
}

/// A check that cannot fail is none: a value changed anywhere is found, and named.
#[test]
fn the_second_opinion_finds_a_planted_change() {
    if !Tool::Python.is_there() {
        return;
    }
    let (dir, _) = ingested("small-a");
    let (log, hourly) = (dir.path().to_str().unwrap(), written("hourly.toml"));
    let ask = |policy: &str, more: &[&str]| {
        json_of(&[&["explain", "--log", log, "--policy", policy], more].concat())
    };
    let right = [
        ask(&hourly, &["--block", "2500"]),
        ask("locking-pool", &["--block", "1500"]),
        ask(&hourly, &["--sequencer", "4", "--epoch", "3"]),
    ];
    let signers = dir.path().join("signers.json");
    assert_eq!(second_opinion(&fixture("small-a"), &right, &signers).0, 0);
    let mut places = Vec::new();
    for (at, one) in right.iter().enumerate() {
        let mut own = Vec::new();
        values_in(one, "", &mut own);
        // Digests and the version of the engine are Tally's own.
        let own = own.into_iter().filter(|place| {
            !place.contains("digest")
                && !["/engine_version", "/ledger_root", "/policy/name"].contains(&place.as_str())
        });
        // What is explained would be another block, or epoch.
        let own =
            own.filter(|place| !["/block/l2_block", "/sequencer", "/epoch/epoch"].contains(&place.as_str()));
        places.extend(own.map(|place| (at, place)));
    }
    assert!(places.len() > 100);
    for (at, place) in places.iter().step_by(places.len() / times(7, 60)) {
        let mut changed = right.clone();
        let value = changed[*at].pointer_mut(place).unwrap();
        *value = match value {
            Value::Bool(is) => json!(!*is),
            Value::Number(number) => json!(number.as_u64().unwrap() + 1),
            Value::String(text) => json!(format!("{text}0")),
            Value::Null | Value::Array(_) | Value::Object(_) => json!(0),
        };
        let (status, words) = second_opinion(&fixture("small-a"), &changed, &signers);
        let key = place.rsplit('/').find(|key| key.parse::<u64>().is_err()).unwrap();
        assert!(
            status == 3 && words.starts_with("different: ") && words.contains(key),
            "{place}: {status}, {words}"
        );
    }
}

proptest! {
    #![proptest_config(cases(50, 1_000))]

    /// Whatever happened, each block and each sequencer in each epoch can be explained, and adds up.
    #[test]
    fn everything_in_a_random_history_can_be_explained(history in history(), policy in policy()) {
        let (log, policy) = (MemoryLog::new(&history), engine_policy(&policy));
        let replayed = replay(&log, std::slice::from_ref(&policy), ReplayOptions::default()).unwrap().remove(0);
        let ledger = BlockLedger::new(&log, &replayed).unwrap();
        let mut unrewarded: BTreeMap<_, BTreeMap<Unrewarded, u64>> = BTreeMap::new();
        for entry in ledger.range().into_iter().flat_map(|range| ledger.iter(range)).map(Result::unwrap) {
            let explained = explain_block(&ledger, entry.block).unwrap().unwrap();
            prop_assert_eq!(explained.entry, entry);
            prop_assert_eq!(explained.introduced_by.is_some(), entry.sequencer.is_some());
            prop_assert_eq!(explained.span.map(|place| place.span.id), entry.span);
            if let (Outcome::Unrewarded(why), Some(sequencer)) = (entry.outcome, entry.sequencer) {
                *unrewarded.entry((sequencer, entry.epoch)).or_default().entry(why).or_default() += 1;
            }
        }
        for epoch in &replayed.ledger.epochs {
            let mut sum = engine::StakeSeconds::ZERO;
            for sequencer in replayed.ledger.sequencers.keys() {
                let explained = explain_epoch(&ledger, *sequencer, epoch.epoch).unwrap().unwrap();
                sum = sum.checked_add(explained.stake_seconds).unwrap();
                let expected = unrewarded.remove(&(*sequencer, Some(epoch.epoch))).unwrap_or_default();
                prop_assert_eq!(explained.unrewarded, expected);
            }
            prop_assert_eq!(sum, epoch.stake_seconds);
        }
        let end = EpochIndex(replayed.ledger.epochs.len() as u64);
        prop_assert!(explain_epoch(&ledger, engine::SequencerId(1), end).unwrap().is_none());
    }
}

/// The text for people, for one block and for one sequencer in one epoch; `TALLY_BLESS=1` writes it anew.
#[test]
fn the_text_for_people_is_as_it_was() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let asked: [(&str, &[&str]); 4] = [
        ("block", &["--block", "15222407"]),
        ("block-locking-pool", &["--block", "15216105", "--policy", "locking-pool@1"]),
        ("block-locking-pool-2", &["--block", "15216105", "--policy", "locking-pool"]),
        ("epoch", &["--sequencer", "1", "--epoch", "5", "--policy", "stake-weighted"]),
    ];
    for (name, more) in asked {
        let (status, out, err) = tally(&[&["explain", "--log", log], more].concat());
        assert_eq!((status, err.as_str()), (0, ""));
        let path = root().join(format!("tests/it/explain/{name}.txt"));
        if std::env::var_os("TALLY_BLESS").is_some() {
            std::fs::write(&path, &out).unwrap();
        }
        assert_eq!(out, std::fs::read_to_string(&path).unwrap(), "{name}");
    }
}

/// What is not there is said to be missing, and is not explained as nothing.
#[test]
fn what_is_not_there_is_not_explained() {
    let (dir, _) = ingested("small-a");
    let log = dir.path().to_str().unwrap();
    for (more, status, words) in [
        (&["--block", "1002"][..], 1, "block 1002 is asked for, but the ledger has blocks 1003 to 3002"),
        (&["--block", "3003"], 1, "block 3003 is asked for, but the ledger has blocks 1003 to 3002"),
        (&["--sequencer", "1", "--epoch", "1"], 1, "epoch 1 is asked for, but there are 1, from 0 on"),
        (
            &["--sequencer", "9", "--epoch", "0"],
            1,
            "sequencer 9 is asked for, but up to the horizon none of that id has locked",
        ),
        (&[], 2, "required arguments"),
        (&["--sequencer", "1"], 2, "--epoch <N>"),
        (&["--epoch", "0"], 2, "--sequencer <N|NAME|ADDRESS>"),
        (&["--block", "1500", "--epoch", "0"], 2, "cannot be used with"),
        (&["--block", "1500", "--sequencer", "1", "--epoch", "0"], 2, "cannot be used with"),
        (&["--block", "1500", "--format", "csv"], 2, "invalid value 'csv'"),
        (&["--block", "1500", "--policy", "nonesuch"], 2, "--policy nonesuch: it is neither built in"),
    ] {
        let (found, out, err) = tally(&[&["explain", "--log", log], more].concat());
        assert_eq!((found, out.as_str()), (status, ""), "{more:?}: {err}");
        assert!(err.starts_with("error: ") && err.contains(words), "{more:?}: {err}");
    }
}
