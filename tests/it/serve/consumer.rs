//! A consumer of the feed, as a claim service would be one: it keeps a table and the cursor together, and both it and
//! the server are killed again and again.
#![allow(
    clippy::disallowed_methods,
    reason = "when something is killed is told by a clock; no result depends on it"
)]

use super::Served;
use super::http::{self, Events};
use crate::live::Live;
use crate::support::{tally, times};
use replay_node::{Failure, Options, Reorg};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a consumer makes of the feed.
pub(crate) struct Table {
    /// That of the last fact that is in it.
    pub(crate) cursor: String,
    sequence: u64,
    /// Every fact that holds.
    pub(crate) facts: Vec<Value>,
}

impl Default for Table {
    fn default() -> Self {
        Self { cursor: "0".into(), sequence: 0, facts: Vec::new() }
    }
}

impl Table {
    /// Takes a fact. Each has to come once, and in order.
    pub(crate) fn apply(&mut self, fact: Value) {
        let sequence = fact["sequence"].as_u64().unwrap();
        assert!(sequence > self.sequence, "fact {sequence} comes after {}", self.cursor);
        (self.sequence, self.cursor) = (sequence, fact["cursor"].as_str().unwrap().into());
        if fact["type"] == "rollback" {
            let to = fact["to_sequence"].as_u64().unwrap();
            self.facts.retain(|fact| fact["sequence"].as_u64().unwrap() <= to);
            return;
        }
        assert!(self.facts.iter().all(|had| had["id"] != fact["id"]), "{} came twice", fact["id"]);
        self.facts.push(fact);
    }

    pub(super) fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.facts.iter().filter(move |fact| fact["type"] == kind)
    }

    fn save(&self, path: &Path) {
        let text = serde_json::to_string(&(&self.cursor, self.sequence, &self.facts)).unwrap();
        std::fs::write(path.with_extension("new"), text).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
    }

    /// What was saved, if anything was.
    pub(crate) fn load(path: &Path) -> Self {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let (cursor, sequence, facts) = serde_json::from_str(&text).unwrap();
                Self { cursor, sequence, facts }
            }
            Err(_) => Self::default(),
        }
    }
}

/// Reads on from what was saved, saves after each `every` facts, and dies at `until` with what it has not saved. Returns
/// how many facts it was told.
pub(crate) fn consume(address: &str, path: &Path, every: usize, as_stream: bool, until: Instant) -> usize {
    let mut table = Table::load(path);
    let (mut unsaved, mut told) = (0, 0);
    let mut take = |table: &mut Table, fact: Value| {
        table.apply(fact);
        (unsaved, told) = (unsaved + 1, told + 1);
        if unsaved == every {
            table.save(path);
            unsaved = 0;
        }
    };
    // Whatever becomes of the connection: it comes back after what it has saved.
    if as_stream {
        // It may be behind, or not there yet.
        let mut opened = Events::open(address, "/v1/feed?events=named", &table.cursor);
        while opened.is_err() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
            opened = Events::open(address, "/v1/feed?events=named", &table.cursor);
        }
        let Ok(mut events) = opened else { return told };
        while Instant::now() < until {
            let Ok(event) = events.next() else { break };
            let fact: Value = serde_json::from_str(&event.data).unwrap();
            if event.kind == "caught_up" {
                assert_eq!(event.id, table.cursor, "no fact was left out");
                continue;
            }
            assert_eq!(
                (fact["cursor"].as_str(), fact["type"].as_str()),
                (Some(&*event.id), Some(&*event.kind))
            );
            take(&mut table, fact);
        }
    } else {
        while Instant::now() < until {
            let path = format!("/v1/feed?after={}&limit=5&wait_secs=1", table.cursor);
            let Ok(answer) = http::get(address, &path) else { break };
            // Nothing is folded yet.
            if answer.status == 503 {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            for fact in answer.json()["facts"].as_array().unwrap() {
                take(&mut table, fact.clone());
            }
        }
    }
    told
}

/// A node of pool-a whose chain grows, and is reorganized once, while many requests fail.
pub(crate) fn a_bad_day() -> Options {
    Options {
        l1_head: Some(19_430_589),
        advance_blocks: 60,
        reorg: Some(Reorg { at: 19_430_589, depth: 40, calls: 600 }),
        fail_every: Some(7),
        failures: vec![Failure::Status(500), Failure::Reset, Failure::Truncate, Failure::RpcError],
        latency: Duration::from_millis(2),
        ..Options::default()
    }
}

/// pool-a, live, with faults and a reorg: however often server and consumer are killed, the consumer's table is the
/// ledger in the end.
#[test]
fn a_consumer_that_is_killed_like_its_server_ends_with_the_ledger() {
    let live = Live::start("pool-a", &a_bad_day());
    let mut args = live.args(&["--follow", "--poll-secs", "0.02", "--policy", "guide", "--level", "error"]);
    args[0] = "serve".into();
    args.extend(["--requests-per-sec".into(), "0".into()]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let path = live.dir.path().join("table.json");
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut kills, mut told, mut patience_millis) = (0, [0, 0], 0);
    let had = loop {
        let served = Served::with_args(&args);
        let dies_at = Instant::now() + Duration::from_millis(random.u64(50..900) + patience_millis);
        let (every, as_stream) = (random.usize(1..6), random.bool());
        let news = consume(&served.address, &path, every, as_stream, dies_at);
        told[usize::from(as_stream)] += news;
        let status = served.get("/v1/status");
        let is_done = status.status == 200 && {
            let at = &status.json()["policies"][0]["at"];
            (at["log"]["l1_head"]["block"].as_u64(), at["log"]["l2_head"]["block"].as_u64())
                == (Some(19_436_258), Some(15_234_502))
        };
        let had = Table::load(&path).facts.len();
        if is_done && kills >= times(20, 100) && told.iter().all(|told| *told > 0) && had > 100 {
            break had;
        }
        assert!(kills < 1_000, "after {kills} kills: {}", status.body);
        if news == 0 {
            // However slow the machine is, some time a reader lives to see a fact. One that has them all begins anew.
            patience_millis += 10 + patience_millis / 4;
            if is_done && had > 100 {
                std::fs::remove_file(&path).unwrap();
            }
        }
        // Some servers die right after their reader, and some later.
        std::thread::sleep(Duration::from_millis(random.u64(0..40)));
        served.process.kill();
        kills += 1;
    };
    assert!(live.node.has_reorganized());
    // One that is left alone reads the rest.
    let served = Served::with_args(&args);
    let status = served.wait_for("/v1/status", |answer| {
        answer.status == 200 && answer.json()["policies"][0]["at"]["log"]["l2_head"]["block"] == 15_234_502
    });
    let final_l1 = status.json()["policies"][0]["at"]["final_l1_head"]["block"].as_u64().unwrap();
    let mut table = Table::load(&path);
    for fact in served.facts("guide", &table.cursor) {
        table.apply(fact);
    }
    println!("{kills} kills; {} facts came by pages, and {} as a stream; {had} were kept", told[0], told[1]);
    served.process.terminate();
    let (status, _, err) = served.process.end();
    assert!(status.success(), "{err}");
    check(&table, &live.log(), final_l1);
}

/// Whether a table is what `tally` says of the same log: its closed epochs and, up to the last final L1 block, what the
/// contracts credited and paid out.
fn check(table: &Table, log: &Path, final_l1: u64) {
    let log = log.to_str().unwrap();
    let (_, out, _) = tally(&["replay", "--log", log, "--policy", "guide", "--format", "json"]);
    let replayed: Value = serde_json::from_str(&out).unwrap();
    let epochs = replayed[0]["epochs"].as_array().unwrap();
    let closed: Vec<&Value> = table.of("epoch_closed").collect();
    assert_eq!(closed.len(), 12);
    assert_eq!(closed.len() + 1, epochs.len(), "all but the open one");
    let mut earned: BTreeMap<u64, u128> = BTreeMap::new();
    for (fact, epoch) in closed.iter().zip(epochs) {
        for field in ["epoch", "start", "blocks", "reward_wei"] {
            assert_eq!(fact[field], epoch[field], "{field}");
        }
        let (rows, expected) = (fact["rows"].as_array().unwrap(), epoch["rows"].as_array().unwrap());
        assert_eq!(rows.len(), expected.len());
        for (row, expected) in rows.iter().zip(expected) {
            for field in ["sequencer", "blocks", "reward_wei"] {
                assert_eq!(row[field], expected[field], "{field}");
            }
            let sum = earned.entry(row["sequencer"].as_u64().unwrap()).or_default();
            *sum += wei(&row["reward_wei"]);
            assert_eq!(wei(&row["cumulative_wei"]), *sum);
        }
    }
    let block = final_l1.to_string();
    let (_, out, _) = tally(&["accounts", "--log", log, "--at-l1-block", &block, "--format", "json"]);
    let accounts: Value = serde_json::from_str(&out).unwrap();
    for account in accounts["sequencers"].as_array().unwrap() {
        let of_it = |row: &&Value| row["sequencer"] == account["sequencer"];
        let sum = |rows: Vec<&Value>, field: &str| -> u128 {
            rows.into_iter().filter(of_it).map(|row| wei(&row[field])).sum()
        };
        let rows: Vec<&Value> =
            table.of("batch_credited").flat_map(|fact| fact["rows"].as_array().unwrap()).collect();
        assert_eq!(sum(rows, "reward_wei"), wei(&account["credited_wei"]), "{account}");
        assert_eq!(sum(table.of("claimed").collect(), "amount_wei"), wei(&account["claimed_wei"]));
        assert_eq!(sum(table.of("relocked").collect(), "from_reward_wei"), wei(&account["relocked_wei"]));
    }
    assert_eq!(accounts["sequencers"].as_array().unwrap().len(), table.of("locked").count());
}

fn wei(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}
