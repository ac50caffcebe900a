//! What should never happen: that something changes which was final. Readers are told.

use super::consumer::Table;
use super::{Served, log_of};
use crate::live::Live;
use crate::support::fixture;
use replay_node::{Options, Reorg};
use tally_ingest::{Limits, ingest_recording};

/// A log of a branch that did not last, all of which was final for its server, is replaced by one of the chain that did.
#[test]
fn facts_that_were_final_and_are_not_are_taken_back_by_a_fact() {
    let reorg = Some(Reorg { at: 19_430_589, depth: 70, calls: 100_000 });
    let live = Live::start("pool-a", &Options { reorg, finalized_lag_blocks: 0, ..Options::default() });
    let (status, _, err) = live.ingest(&["--l1-to", "19430589", "--l2-to", "15217000"]);
    assert_eq!(status, 0, "{err}");
    let dir = tempfile::tempdir().unwrap();
    let feed_dir = dir.path().join("journals");
    let more = ["--feed-dir", feed_dir.to_str().unwrap()];
    let mut table = Table::default();
    let served = Served::start(&live.log(), &more);
    for fact in served.facts("guide", "0") {
        table.apply(fact);
    }
    let (told, cursor) = (table.facts.len(), table.cursor.clone());
    assert!(told > 10, "{told} facts");
    drop(served);

    let log = log_of("pool-a", dir.path());
    let served = Served::start(&log, &more);
    let facts = served.facts("guide", &cursor);
    assert_eq!(facts[0]["type"], "rollback");
    let to = facts[0]["to_sequence"].as_u64().unwrap();
    let last = u64::try_from(told).unwrap();
    assert!((1..last).contains(&to), "back to {to} of {last}: what both branches have is not told again");
    for fact in facts {
        table.apply(fact);
    }
    // Who begins now comes to the same, and so does who reads another server's feed of that log.
    let mut late = Table::default();
    for fact in served.facts("guide", "0") {
        late.apply(fact);
    }
    assert_eq!(late.facts, table.facts);
    let alone = Served::start(&log, &[]);
    let without_numbers = |facts: Vec<serde_json::Value>| -> Vec<serde_json::Value> {
        facts
            .into_iter()
            .map(|mut fact| {
                let fields = fact.as_object_mut().unwrap();
                fields.remove("sequence");
                fields.remove("cursor");
                fact
            })
            .collect()
    };
    assert_eq!(without_numbers(alone.facts("guide", "0")), without_numbers(table.facts.clone()));
    // A reader of the first feed cannot go on with this one as if nothing were: its numbers are others.
    let beyond = alone.get(&format!("/v1/feed?after={}", table.cursor));
    assert_eq!((beyond.status, &beyond.json()["type"]), (409, &"urn:tally:problem:unknown-cursor".into()));
    let first_of_others = table.facts[usize::try_from(to).unwrap()]["cursor"].as_str().unwrap();
    let other = alone.get(&format!("/v1/feed?after={first_of_others}"));
    assert_eq!((other.status, &other.json()["type"]), (409, &"urn:tally:problem:other-feed".into()));
    // Nor can who read this one, before the rollback or the rollback itself, pretend to have read another.
    for number in [1, to, last, last + 1] {
        let other = served.get(&format!("/v1/feed?after={number}-0123456789abcdef"));
        assert_eq!((other.status, &other.json()["type"]), (409, &"urn:tally:problem:other-feed".into()));
    }
    let same = table.facts[usize::try_from(to).unwrap() - 1]["cursor"].as_str().unwrap();
    assert_eq!(alone.get(&format!("/v1/feed?after={same}")).status, 200, "up to there both are the same");
}

/// A journal whose log is ingested anew, bit by bit, is behind until it is there again: no fact is left out on the way,
/// and none gets another number.
#[test]
fn a_log_that_grows_again_behind_its_journal_tells_every_fact_again() {
    let dir = tempfile::tempdir().unwrap();
    let feed_dir = dir.path().join("journals");
    let more = ["--feed-dir", feed_dir.to_str().unwrap()];
    // A journal with a rollback in it.
    let reorg = Some(Reorg { at: 19_430_589, depth: 70, calls: 100_000 });
    let live = Live::start("pool-a", &Options { reorg, finalized_lag_blocks: 0, ..Options::default() });
    assert_eq!(live.ingest(&["--l1-to", "19430589", "--l2-to", "15217000"]).0, 0);
    drop(Served::start(&live.log(), &more));
    let log = log_of("pool-a", dir.path());
    let all = Served::start(&log, &more).facts("guide", "0");
    std::fs::remove_dir_all(&log).unwrap();
    let mut table = Table::default();
    for (l1, l2) in [(19_430_300, 15_216_000), (19_430_600, 15_217_500), (19_433_000, 15_226_000)] {
        let limits = Limits { l1_to: Some(l1), l2_to: Some(l2) };
        ingest_recording(&fixture("pool-a"), &log, limits).unwrap();
        let served = Served::start(&log, &more);
        for fact in served.facts("guide", &table.cursor) {
            table.apply(fact);
        }
    }
    ingest_recording(&fixture("pool-a"), &log, Limits::default()).unwrap();
    let served = Served::start(&log, &more);
    for fact in served.facts("guide", &table.cursor) {
        table.apply(fact);
    }
    let without_rollbacks: Vec<_> = all.into_iter().filter(|fact| fact["type"] != "rollback").collect();
    assert_eq!(table.facts, without_rollbacks);
}

/// The texts of facts are in what journals keep: a version that wrote them otherwise would take all of them back.
#[test]
fn facts_are_written_as_they_always_were() {
    for (recording, cursor) in [("small-a", "116-1d9b91dd11a44c28"), ("pool-a", "298-4cd51e7c4cf2b6ba")] {
        let dir = tempfile::tempdir().unwrap();
        let served = Served::start(&log_of(recording, dir.path()), &[]);
        let facts = served.facts("guide", "0");
        assert_eq!(facts.last().unwrap()["cursor"], cursor, "{recording}");
    }
}

/// Two servers cannot keep one journal, and the second says so.
#[test]
fn one_server_keeps_a_feed_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    let _served = Served::start(&log, &[]);
    let second = Served::with_args(&["serve", "--log", log.to_str().unwrap()]);
    let (status, _, err) = second.process.end();
    assert_eq!(status.code(), Some(1), "{err}");
    assert!(err.contains("is in use by another server"), "{err}");
}
