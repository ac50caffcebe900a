//! A log of an earlier format becomes one of today's beside it, with the same head digest, or there is none.

use crate::backup::names_in;
use crate::bad_input::{copy, read_lines, write_lines};
use crate::bundles::restore::{assert_same_entries, info};
use crate::live::Live;
use crate::process;
use crate::support::{FAMILIES, fixture, head_digest, ingested, tally, times};
use replay_node::{Options, Reorg};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tally_eventlog::{FEED_DIR, FORMAT, LogReader};
use tally_ingest::{Limits, ingest_recording};
use tempfile::TempDir;

/// The head digest of the stored log of format 4, as the program that made it told it.
const DIGEST: &str = "0x0f70b86e0b45a5b0a7bf8a05232acb2a47e26f4e51d55720017d1a5d79b988ec";

/// A copy of the stored log of format 4, as RocksDB may write into its directory.
fn format_4() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("old");
    std::fs::create_dir(&log).unwrap();
    for file in std::fs::read_dir(fixture("small-a.format-4")).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), log.join(file.file_name())).unwrap();
    }
    (dir, log)
}

/// All files of a directory with their bytes.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    names_in(dir).into_iter().map(|name| (name.clone(), std::fs::read(dir.join(name)).unwrap())).collect()
}

fn upgrade(log: &Path, to: &Path, more: &[&str]) -> (u8, String, String) {
    tally(&[&["log", "upgrade", "--log", log.to_str().unwrap(), "--to", to.to_str().unwrap()], more].concat())
}

/// Makes a log of today's format, and returns what is told of it.
#[track_caller]
fn upgraded(log: &Path, to: &Path, more: &[&str]) -> String {
    let before = files(log);
    let (status, out, err) = upgrade(log, to, more);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(out.ends_with(&format!("\nhead digest {DIGEST}\n")), "{out}");
    assert!(files(log) == before, "the old log is left as it is");
    let (status, verified, err) = tally(&["log", "verify", "--log", to.to_str().unwrap()]);
    assert_eq!((status, err.as_str()), (0, ""), "{verified}");
    assert!(verified.ends_with(&format!("head digest {DIGEST}\n")), "{verified}");
    assert_eq!(info(to)["format"], FORMAT);
    out
}

/// The log that today's program makes of the same blocks.
fn todays() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { l1_to: Some(20_225_000), l2_to: Some(2_000) };
    let made = ingest_recording(&fixture("small-a"), dir.path(), limits).unwrap();
    assert_eq!(made.head_digest.to_string(), DIGEST);
    dir
}

#[test]
fn a_log_of_format_4_is_refused_with_the_way_on() {
    let (_dir, log) = format_4();
    let path = log.to_str().unwrap();
    let recording = fixture("small-a");
    for args in [
        &["log", "info", "--log", path][..],
        &["replay", "--log", path],
        &["ingest", "--recording", recording.to_str().unwrap(), "--log", path],
    ] {
        let (status, _, err) = tally(args);
        let told =
            "has format 4, and this program knows 5: `tally log upgrade` makes a log of format 5 of it";
        assert!(status == 1 && err.contains(told), "{err}");
    }
}

#[test]
fn with_a_recording_it_is_the_log_that_todays_program_makes() {
    let (dir, log) = format_4();
    let to = dir.path().join("new");
    let recording = fixture("small-a");
    let out = upgraded(&log, &to, &["--recording", recording.to_str().unwrap()]);
    let told = "format 5, L1 up to block 20225000, L2 up to block 2000, every byte checked\n2 events of the contracts' owners\n";
    assert!(out.contains(told), "{out}");
    assert_same_entries(todays().path(), &to, &FAMILIES);
    let rest = ingest_recording(&recording, &to, Limits::default()).unwrap();
    assert_eq!(rest.head_digest.to_string(), head_digest("small-a"));
    assert_same_entries(ingested("small-a").0.path(), &to, &FAMILIES);
    // A log of today's format that lacks nothing is copied.
    let again = dir.path().join("again");
    let (status, out, err) = upgrade(&to, &again, &[]);
    assert_eq!(status, 0, "{err}");
    assert!(out.starts_with("made of format 5 at "), "{out}");
    assert_same_entries(&to, &again, &FAMILIES);
}

/// A recording from which the events of owners were taken out says how many lines it has to have.
#[test]
fn a_recording_that_lacks_lines_is_refused() {
    let (dir, log) = format_4();
    let to = dir.path().join("new");
    let recording = copy();
    let logs = recording.path().join("l1_logs.jsonl.gz");
    let mut lines = read_lines(&logs);
    let whole = lines.len();
    let transferred = "0x8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e0";
    lines.retain(|line| line["topics"][0] != transferred);
    assert!(lines.len() < whole);
    write_lines(&logs, &lines);
    let (status, out, err) = upgrade(&log, &to, &["--recording", recording.path().to_str().unwrap()]);
    assert_eq!((status, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("number of lines") && err.contains("l1_logs.jsonl.gz"), "{err}");
    assert!(!to.exists());
}

#[test]
fn with_an_endpoint_it_is_the_same_log() {
    let (dir, log) = format_4();
    let to = dir.path().join("new");
    let live = Live::start("small-a", &Options::default());
    upgraded(&log, &to, &["--l1-rpc", &live.node.l1_url()]);
    assert_same_entries(todays().path(), &to, &FAMILIES);
}

#[test]
fn with_neither_the_next_ingest_fetches_what_it_lacks() {
    let (dir, log) = format_4();
    let to = dir.path().join("new");
    let out = upgraded(&log, &to, &[]);
    let told = "the events of the contracts' owners up to L1 block 20225000 are missing: the next ingest fetches them";
    assert!(out.contains(told), "{out}");
    assert_eq!(info(&to)["l1"]["owner_events_missing_to"], 20_225_000);
    // It can be read until then, and says what it does not know.
    let (_, told, _) = tally(&["owners", "--log", to.to_str().unwrap()]);
    assert!(
        told.starts_with("unknown: the log lacks the events of owners up to L1 block 20225000;"),
        "{told}"
    );
    let rest = ingest_recording(&fixture("small-a"), &to, Limits::default()).unwrap();
    assert_eq!(rest.head_digest.to_string(), head_digest("small-a"));
    assert_same_entries(ingested("small-a").0.path(), &to, &FAMILIES);
}

/// A log that ends in blocks which a reorg has replaced since: they are taken back before what it lacks is fetched.
#[test]
fn a_reorg_before_the_next_ingest_leaves_no_trace() {
    let reorg = Some(Reorg { at: 19_430_589, depth: 40, calls: u64::MAX });
    let live = Live::start("pool-a", &Options { reorg, l1_head: Some(19_430_589), ..Options::default() });
    let (status, _, err) = live.ingest(&["--l1-to", "19430589", "--l2-to", "15214700"]);
    assert_eq!(status, 0, "{err}");
    let old = live.log();
    let replaced = LogReader::open(&old).unwrap().heads().l1.unwrap();
    {
        // As a program of format 4 would have left it.
        let mut db = rocksdb::DB::open_cf(&rocksdb::Options::default(), &old, FAMILIES).unwrap();
        db.drop_cf("owner_events").unwrap();
        let meta = db.cf_handle("meta").unwrap();
        db.delete_cf(meta, b"owners").unwrap();
        db.put_cf(meta, b"format", 4_u32.to_be_bytes()).unwrap();
    }
    let after = Live::start("pool-a", &Options::default());
    let (status, _, err) = upgrade(&old, &after.log(), &[]);
    assert_eq!(status, 0, "{err}");
    assert_eq!(LogReader::open(&after.log()).unwrap().heads().l1, Some(replaced));
    let (status, out, err) = after.ingest(&[]);
    assert_eq!(status, 0, "{err}");
    assert!(out.ends_with(&format!("head digest {}\n", head_digest("pool-a"))), "{out}");
    assert_same_entries(
        ingested("pool-a").0.path(),
        &after.log(),
        &["l1_events", "owner_events", "l2_chunks"],
    );
    let now = crate::rollback::headers("pool-a", "l1_blocks.jsonl.gz");
    let now = now.iter().find(|(number, ..)| *number == 19_430_589).unwrap();
    assert_ne!(now.1, replaced.hash, "it was another branch");
}

#[test]
fn the_files_of_the_feed_go_with_it() {
    let (dir, log) = format_4();
    std::fs::create_dir_all(log.join(FEED_DIR).join("guide")).unwrap();
    std::fs::write(log.join(FEED_DIR).join("guide/facts"), [0, 255, 7]).unwrap();
    let to = dir.path().join("new");
    let (status, _, err) = upgrade(&log, &to, &[]);
    assert_eq!(status, 0, "{err}");
    assert_eq!(std::fs::read(to.join("feed/guide/facts")).unwrap(), [0, 255, 7]);
}

#[test]
fn one_that_cannot_be_made_leaves_nothing() {
    let (dir, log) = format_4();
    let beside = tempfile::tempdir().unwrap();
    let to = beside.path().join("new");
    let refused = |log: &Path, to: &Path, more: &[&str], told: &str| {
        let (status, out, err) = upgrade(log, to, more);
        assert_eq!((status, out.as_str()), (1, ""), "{err}");
        assert!(err.contains(told), "no {told:?} in: {err}");
    };
    let other = fixture("pool-a");
    let other = other.to_str().unwrap();
    refused(
        &log,
        &to,
        &["--recording", other],
        "is of another network than the log: its LockingInfo contract is",
    );
    let live = Live::start("pool-a", &Options::default());
    refused(&log, &to, &["--l1-rpc", &live.node.l1_url(), "--rpc-rounds", "1"], "L1");
    refused(&log, &log.join("new"), &[], "lies in the log that it is to be a copy of");
    refused(&dir.path().join("nothing"), &to, &[], "there is no log at");
    assert!(names_in(beside.path()).is_empty());
    // A log whose digest is not what is in it.
    let (_, reader) = ingested("small-a");
    drop(reader);
    let (dir, damaged) = format_4();
    let names: Vec<&str> = FAMILIES.into_iter().filter(|family| *family != "owner_events").collect();
    {
        let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), &damaged, names).unwrap();
        let times = db.cf_handle("l2_times").unwrap();
        let (key, mut value) = db
            .iterator_cf(times, rocksdb::IteratorMode::Start)
            .next()
            .unwrap()
            .map(|(key, value)| (key, value.to_vec()))
            .unwrap();
        *value.last_mut().unwrap() ^= 1;
        db.put_cf(times, key, value).unwrap();
    }
    let (status, _, err) = upgrade(&damaged, &to, &[]);
    assert!(status == 1 && err.contains("damaged"), "{err}");
    assert!(names_in(beside.path()).is_empty());
    drop(dir);
    std::fs::write(&to, "precious").unwrap();
    refused(&log, &to, &[], "making a log");
    assert_eq!(std::fs::read(&to).unwrap(), b"precious");
}

#[test]
fn an_upgrade_killed_at_any_moment_is_whole_or_not_there() {
    let (_dir, log) = format_4();
    let beside = tempfile::tempdir().unwrap();
    let to = beside.path().join("new");
    let recording = fixture("small-a");
    let (log, path) = (log.to_str().unwrap(), to.to_str().unwrap());
    let args = ["log", "upgrade", "--log", log, "--to", path, "--recording", recording.to_str().unwrap()];
    process::kill_at_moments(&args, times(15, 100), || {
        if to.exists() {
            assert_eq!(LogReader::open(&to).unwrap().head_digest().unwrap().to_string(), DIGEST);
            assert_eq!(info(&to)["l1"]["owner_events_missing_to"], Value::Null);
            std::fs::remove_dir_all(&to).unwrap();
        }
    });
    let left = names_in(beside.path());
    assert!(left.iter().all(|name| name.starts_with(".tally-unfinished-")), "{left:?}");
}
