//! A node whose index has lost a single log, and does not know it: each log of the pool's contracts in turn.

use super::{Ground, Ingest, POOL, SMALL, on_l1};
use crate::support::{fixture, times};
use flate2::read::MultiGzDecoder;
use replay_node::{Kind, LogChange, Options, Where};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::sync::Mutex;

/// All of L1, all of it final, and next to nothing of L2.
const ALL_SMALL: Ground = Ground { l1: 20_231_395, l2: 1_030, lag: 0, ..SMALL };
const ALL_POOL: Ground = Ground { l1: 19_436_258, l2: 15_214_520, lag: 0, ..POOL };

/// The places of all logs of the pool's contracts: block and index.
pub(crate) fn pool_logs(recording: &str) -> Vec<(u64, u64)> {
    let dir = fixture(recording);
    let manifest: Value = serde_json::from_reader(File::open(dir.join("manifest.json")).unwrap()).unwrap();
    let contracts = &manifest["l1"]["contracts"];
    let file = File::open(dir.join("l1_logs.jsonl.gz")).unwrap();
    let logs = BufReader::new(MultiGzDecoder::new(file)).lines();
    let logs = logs.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let is_pools = |log: &Value| {
        ["lockingInfo", "lockingPool"].iter().any(|contract| log["address"] == contracts[contract])
    };
    let number = |value: &Value| u64::from_str_radix(&value.as_str().unwrap()[2..], 16).unwrap();
    logs.filter(is_pools).map(|log| (number(&log["blockNumber"]), number(&log["logIndex"]))).collect()
}

/// What came of so many lost logs.
type Counts = BTreeMap<&'static str, usize>;

/// Ingests once for each of some lost logs, and counts what saw it. Nothing that it ends with is a third thing.
fn lose(ground: Ground, places: &[(u64, u64)], lost_in: Where, has_states: bool) -> Counts {
    let (counts, next) = (Mutex::new(Counts::new()), Mutex::new(places.iter()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((block, index)) = next.lock().unwrap().next().copied() else { return };
                    let seen = lose_one(ground, (block, index), lost_in, has_states);
                    *counts.lock().unwrap().entry(seen).or_default() += 1;
                }
            });
        }
    });
    counts.into_inner().unwrap()
}

fn lose_one(ground: Ground, (block, index): (u64, u64), lost_in: Where, has_states: bool) -> &'static str {
    let what = format!("{} log {index} of block {block}", ground.recording);
    let odd = on_l1(Kind::Logs(lost_in, LogChange::Lost { block, index }));
    let node = Options { has_states, ..ground.options(&[odd]) };
    let ingest = Ingest::from(ground, &[node], &["--rpc-rounds", "1"]);
    let (status, out, err) = ingest.once_apart();
    assert!(ingest.live.node.played()[0] > 0, "{what}: nobody asked for it");
    if status == 0 {
        let is_whole = out.ends_with(&format!("head digest {}\n", ground.digest()));
        let is_warned = err.contains("but the events before it give");
        return match (is_whole, is_warned) {
            (true, _) => "found",
            (false, true) => "warned of",
            (false, false) => "seen by nothing",
        };
    }
    assert_eq!(status, 1, "{what}: {err}");
    for (word, seen) in
        [("receipt", "by receipts"), ("state", "by the state"), ("gives no log", "by history")]
    {
        if err.contains(word) {
            return seen;
        }
    }
    "by its neighbours"
}

/// Panics if more were seen by nothing, or by no more than a warning, than is known. What is left is overwritten by
/// later events, or is no part of the state.
#[track_caller]
fn assert_unseen(counts: &Counts, unseen: usize, warned: usize) {
    println!("{counts:?}");
    let count = |seen| counts.get(seen).copied().unwrap_or_default();
    assert!(count("seen by nothing") <= unseen && count("warned of") <= warned, "{counts:?}");
}

/// By the receipts of what is left of its transaction, by what other events claim, or by the contracts' state.
#[test]
fn a_lost_log_where_the_state_is_told() {
    let places = pool_logs("small-a");
    assert_eq!(places.len(), 178);
    assert_unseen(&lose(ALL_SMALL, &places, Where::Lists, true), 17, 15);
    if let Some(places) = times(None, Some(pool_logs("pool-a"))) {
        // Counted the same way: not more than a fifth.
        let fifth = places.len() / 5;
        assert_unseen(&lose(ALL_POOL, &places, Where::Lists, true), fifth, fifth);
    }
}

#[test]
fn a_lost_log_where_no_state_is_told() {
    let places: Vec<_> = pool_logs("small-a").into_iter().step_by(4).collect();
    assert_unseen(&lose(ALL_SMALL, &places, Where::Lists, false), 8, 4);
}

/// Receipts that lie likewise leave the state and later events to tell.
#[test]
fn a_log_that_is_lost_in_receipts_too() {
    let places: Vec<_> = pool_logs("small-a").into_iter().step_by(4).collect();
    assert_unseen(&lose(ALL_SMALL, &places, Where::Both, true), 8, 14);
}
