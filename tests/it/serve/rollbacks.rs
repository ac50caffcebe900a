//! What should never happen: that something changes which was final. Readers are told.

use super::consumer::Table;
use super::http::{self, Events};
use super::{Served, log_of};
use crate::bad_input::{copy, read_lines, write_lines};
use crate::live::Live;
use crate::process;
use crate::support::{fixture, wait_for};
use alloy_primitives::keccak256;
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
    // Who has read this feed goes on with the other, and the other way round: the history is the same, though the numbers
    // are others.
    for (has_read, goes_on_at) in [(&served, &alone), (&alone, &served)] {
        let facts = has_read.facts("guide", "0");
        for at in [0, facts.len() / 2, facts.len() - 1] {
            let cursor = facts[at]["cursor"].as_str().unwrap();
            let rest = |of: Vec<serde_json::Value>| -> Vec<serde_json::Value> {
                without_numbers(of).into_iter().filter(|fact| fact["type"] != "rollback").collect()
            };
            let expected = rest(has_read.facts("guide", cursor));
            assert_eq!(rest(goes_on_at.facts("guide", cursor)), expected, "after {cursor}");
        }
    }
    // To one that never rolled back, a reader is where the rollback took it.
    let facts = served.facts("guide", "0");
    let back = facts.iter().find(|fact| fact["type"] == "rollback").unwrap()["cursor"].as_str().unwrap();
    let common = usize::try_from(to).unwrap();
    assert_eq!(
        without_numbers(alone.facts("guide", back)),
        without_numbers(alone.facts("guide", "0")).split_off(common)
    );
    // What is void is known where it was told, and nowhere else.
    assert_eq!(served.facts("guide", &cursor)[0]["type"], "rollback");
    let other = alone.get(&format!("/v1/feed?after={cursor}"));
    assert_eq!((other.status, &other.json()["type"]), (409, &"urn:tally:problem:other-feed".into()));
    assert_eq!(other.json()["feed"]["sequence"], alone.facts("guide", "0").len());
    // Nor can who read this one, before the rollback or the rollback itself, pretend to have read another.
    for number in [1, to, last, last + 1] {
        let other = served.get(&format!("/v1/feed?after={number}-0123456789abcdef"));
        assert_eq!((other.status, &other.json()["type"]), (409, &"urn:tally:problem:other-feed".into()));
    }
    // A number alone says nothing of the history.
    assert_eq!(served.get("/v1/feed?after=1").json()["type"], "urn:tally:problem:bad-query");
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

/// The texts of facts are in what journals keep: a version that wrote them otherwise would take all of them back, and has
/// to be another version of the feed. (Small-a, which has no closed epoch, is as it was in version 1.)
#[test]
fn facts_are_written_as_they_always_were() {
    for (recording, cursor) in [("small-a", "116-1d9b91dd11a44c28"), ("pool-a", "310-dd4fcdde655febf8")] {
        let dir = tempfile::tempdir().unwrap();
        let served = Served::start(&log_of(recording, dir.path()), &[]);
        let facts = served.facts("guide", "0");
        assert_eq!(facts.last().unwrap()["cursor"], cursor, "{recording}");
    }
}

/// A journal of version 1 of the feed, which had no `distribution_ready`: it is put aside, nothing is taken back, and who has
/// read that feed is told so.
#[test]
fn a_journal_of_an_older_version_is_put_aside_and_its_readers_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let feed_dir = dir.path().join("journals");
    let more = ["--feed-dir", feed_dir.to_str().unwrap()];
    let facts = Served::start(&log, &more).facts("guide", "0");
    let journals = || -> Vec<_> {
        let files = std::fs::read_dir(&feed_dir).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "facts")).collect()
    };
    let [path] = &journals()[..] else { panic!("one policy has one journal") };
    let mut old = std::fs::read(path).unwrap();
    old[..8].copy_from_slice(b"TALLYFD1");
    std::fs::write(path, &old).unwrap();
    let served = Served::start(&log, &more);
    assert_eq!(std::fs::read(path.with_extension("facts.v1")).unwrap(), old);
    assert_eq!(served.facts("guide", "0"), facts, "no rollback, and the same numbers");
    // The last cursor that version 1 gave for this log.
    let answer = served.get("/v1/feed?after=298-4cd51e7c4cf2b6ba");
    assert_eq!((answer.status, &answer.json()["type"]), (409, &"urn:tally:problem:other-feed".into()));
    // Up to the first epoch that closed, both versions tell the same.
    let first = facts.iter().position(|fact| fact["type"] == "distribution_ready").unwrap();
    let same = facts[first - 1]["cursor"].as_str().unwrap();
    assert_eq!(served.facts("guide", same), facts[first..]);
}

/// Two servers cannot keep one journal, and the second says so before it says that it listens.
#[test]
fn one_server_keeps_a_feed_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    let _served = Served::start(&log, &[]);
    let second = process::start(&["serve", "--log", log.to_str().unwrap(), "--listen", "127.0.0.1:0"], &[]);
    let (status, _, err) = second.end();
    assert_eq!(status.code(), Some(1), "{err}");
    assert!(err.contains("is in use by another server") && !err.contains("listening"), "{err}");
}

/// A log whose events do not add up once burnt sequence numbers: facts were told of it, and the next server, with a log that
/// was mended, began with a rollback.
#[test]
fn a_log_that_does_not_add_up_is_served_by_nobody_and_told_nowhere() {
    let files = copy();
    let path = files.path().join("l1_logs.jsonl.gz");
    let mut lines = read_lines(&path);
    let topic = keccak256("LockUpdate(uint256,uint256,uint256)").to_string();
    let last = lines.iter_mut().rfind(|log| log["topics"][0] == topic.as_str()).unwrap();
    // The stake after the event is not what its movements give.
    last["topics"][3] = format!("0x{:064x}", 77_u64).into();
    write_lines(&path, &lines);
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    ingest_recording(files.path(), &log, Limits::default()).unwrap();
    let feed_dir = dir.path().join("journals");
    let more = ["--feed-dir", feed_dir.to_str().unwrap()];
    let args = ["serve", "--log", log.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let (status, _, err) = process::start(&[&args[..], &more].concat(), &[]).end();
    assert_eq!(status.code(), Some(1), "{err}");
    assert!(err.contains("by the movements") && !err.contains("listening"), "{err}");
    for journal in std::fs::read_dir(&feed_dir).unwrap() {
        let bytes = std::fs::metadata(journal.unwrap().path()).unwrap().len();
        assert_eq!(bytes, 8, "nothing but the version was written");
    }
    // A sound log begins with the number 1.
    let sound = tempfile::tempdir().unwrap();
    let served = Served::start(&log_of("small-a", sound.path()), &more);
    let facts = served.facts("guide", "0");
    assert_eq!((&facts[0]["sequence"], &facts[0]["type"]), (&1.into(), &"locked".into()));
}

/// A server that has not got as far as a reader is behind, which is no contradiction: it waits and says so, and a stream is
/// silent, until it has got there.
#[test]
fn behind_is_not_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let ahead = Served::start(&log_of("pool-a", dir.path()), &[]);
    let all = ahead.facts("guide", "0");
    let (near, end) = (all[all.len() - 2].clone(), all.last().unwrap().clone());
    let log = dir.path().join("grows");
    let limits = Limits { l1_to: Some(19_431_500), l2_to: Some(15_221_000) };
    ingest_recording(&fixture("pool-a"), &log, limits).unwrap();
    let served = Served::start(&log, &["--poll-secs", "0.05"]);
    let near_cursor = near["cursor"].as_str().unwrap().to_owned();
    for path in [format!("/v1/feed?after={near_cursor}"), format!("/v1/feed?after={near_cursor}&wait_secs=1")]
    {
        let answer = served.get(&path);
        let problem = answer.json();
        assert_eq!((answer.status, &problem["type"]), (503, &"urn:tally:problem:behind".into()), "{path}");
        assert_eq!(answer.header("retry-after"), Some("5"));
        let had = served.facts("guide", "0").last().unwrap().clone();
        assert_eq!(problem["feed"]["cursor"], had["cursor"]);
        assert!(had["sequence"].as_u64() < near["sequence"].as_u64());
    }
    let mut events = Events::open(&served.address, "/v1/feed", &near_cursor).unwrap();
    let waits = std::thread::scope(|scope| {
        let path = format!("/v1/feed?after={near_cursor}&wait_secs=25");
        let asked = scope.spawn(move || {
            loop {
                let answer = http::get(&served.address, &path).unwrap();
                // On a machine that is busy it may take longer than one request may wait.
                if answer.status != 503 {
                    return (answer, served);
                }
            }
        });
        ingest_recording(&fixture("pool-a"), &log, Limits::default()).unwrap();
        asked.join().unwrap()
    });
    let (answer, served) = waits;
    assert_eq!((answer.status, &answer.json()["facts"][0]), (200, &end), "{}", answer.body);
    let told = wait_for("the fact that comes next", || events.next().map_err(|error| error.to_string()));
    assert_eq!(told.id, end["cursor"].as_str().unwrap());
    // Another history is wrong at once, wherever the server is.
    let answer = served.get("/v1/feed?after=1-0123456789abcdef&wait_secs=25");
    assert_eq!((answer.status, &answer.json()["type"]), (409, &"urn:tally:problem:other-feed".into()));
}
