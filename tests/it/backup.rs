//! A backup is a log as it was at some moment, whatever its writer does meanwhile, or it is not there.

use crate::live::{Live, recorded_digest};
use crate::process;
use crate::support::{FAMILIES, RECORDINGS, head_digest, ingested, tally, times};
use replay_node::{Options, Reorg};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tally_eventlog::{FEED_DIR, LogReader};

fn backup(log: &Path, to: &Path) -> (u8, String, String) {
    tally(&["log", "backup", "--log", log.to_str().unwrap(), "--to", to.to_str().unwrap()])
}

/// The digest that a backup says it has, and that every byte of it has.
#[track_caller]
fn digest_of(log: &Path, to: &Path) -> String {
    let (status, out, err) = backup(log, to);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with(&format!("backup at {}: L1 up to block ", to.display())), "{out}");
    let digest = out.trim_end().rsplit_once("\nhead digest ").unwrap().1.to_owned();
    let (status, verified, err) = tally(&["log", "verify", "--log", to.to_str().unwrap()]);
    assert_eq!((status, err.as_str()), (0, ""), "{verified}");
    assert!(verified.ends_with(&format!("head digest {digest}\n")), "{verified} is not of {digest}");
    digest
}

/// The names in a directory, in order.
pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_backup_is_the_log_with_the_files_of_the_feed() {
    for recording in RECORDINGS {
        let (log, _) = ingested(recording);
        let feed = log.path().join(FEED_DIR);
        std::fs::create_dir_all(feed.join("guide")).unwrap();
        std::fs::write(feed.join("cursor"), "17\n").unwrap();
        std::fs::write(feed.join("guide/facts"), [0, 255, 7]).unwrap();
        std::fs::create_dir(log.path().join("replays")).unwrap();
        let beside = tempfile::tempdir().unwrap();
        let to = beside.path().join("backup");
        assert_eq!(digest_of(log.path(), &to), head_digest(recording));
        assert_eq!(std::fs::read(to.join("feed/cursor")).unwrap(), b"17\n");
        assert_eq!(std::fs::read(to.join("feed/guide/facts")).unwrap(), [0, 255, 7]);
        assert!(!to.join("replays").exists());
        assert_eq!(names_in(beside.path()), ["backup"]);
        // Entry by entry, whatever tables they are in.
        let families = FAMILIES.map(|family| (family, entries(log.path(), family), entries(&to, family)));
        for (family, ours, theirs) in families {
            assert!(ours == theirs, "{family} has {} entries, and {} in the copy", ours.len(), theirs.len());
        }
    }
}

pub(crate) fn entries(log: &Path, family: &str) -> Vec<[Vec<u8>; 2]> {
    let options = rocksdb::Options::default();
    let db = rocksdb::DB::open_cf_for_read_only(&options, log, FAMILIES, false).unwrap();
    let entries = db.iterator_cf(db.cf_handle(family).unwrap(), rocksdb::IteratorMode::Start);
    entries.map(Result::unwrap).map(|(key, value)| [key.into_vec(), value.into_vec()]).collect()
}

#[test]
fn a_backup_that_cannot_be_made_leaves_nothing_and_changes_nothing() {
    let (log, reader) = ingested("small-a");
    let beside = tempfile::tempdir().unwrap();
    let to = beside.path().join("backup");
    let refused = |log: &Path, to: &Path, told: &str| {
        let (status, out, err) = backup(log, to);
        assert_eq!((status, out.as_str()), (1, ""), "{err}");
        assert!(err.contains(told), "no {told:?} in: {err}");
    };
    refused(&beside.path().join("nothing"), &to, "there is no log at");
    refused(log.path(), &log.path().join("backup"), "lies in the log that it is to be a copy of");
    refused(log.path(), &log.path().join("replays/backup"), "looking for a directory");
    refused(log.path(), &beside.path().join("missing/backup"), "looking for a directory");
    assert!(names_in(beside.path()).is_empty());
    // Whatever is there already.
    std::fs::write(&to, "precious").unwrap();
    refused(log.path(), &to, "making a log");
    assert_eq!(std::fs::read(&to).unwrap(), b"precious");
    std::fs::remove_file(&to).unwrap();
    std::fs::create_dir(&to).unwrap();
    refused(log.path(), &to, "making a log");
    assert!(names_in(&to).is_empty());
    assert_eq!(names_in(beside.path()), ["backup"]);
    assert_eq!(reader.head_digest().unwrap(), LogReader::open(log.path()).unwrap().head_digest().unwrap());
}

/// The story: a block was given to another sequencer with a database tool. The log opens, and what RocksDB checks
/// is right. A backup of it would be found out only when it is needed.
#[test]
fn a_damaged_log_gives_no_backup() {
    let (log, reader) = ingested("pool-a");
    drop(reader);
    {
        let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), log.path(), FAMILIES).unwrap();
        let producers = db.cf_handle("l2_producers").unwrap();
        let mut first = db.iterator_cf(producers, rocksdb::IteratorMode::Start);
        let (key, mut value) = first.next().unwrap().map(|(key, value)| (key, value.to_vec())).unwrap();
        let last = value.last_mut().unwrap();
        *last ^= 1;
        db.put_cf(producers, key, value).unwrap();
    }
    LogReader::open(log.path()).unwrap();
    let beside = tempfile::tempdir().unwrap();
    let (status, out, err) = backup(log.path(), &beside.path().join("backup"));
    assert_eq!((status, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("is not sound, and was not kept: the log is damaged at the chunk of"), "{err}");
    assert!(names_in(beside.path()).is_empty());
}

/// An ingest writes, on both sides of a reorg, and is killed and started again, so that tables are made, merged
/// and deleted, while backups are made at moments that differ. Each of them is the log of some moment, and an
/// ingest that goes on from it comes to the same end.
#[test]
fn backups_beside_an_ingest_are_sound_and_go_on_to_the_same_log() {
    let options = Options {
        reorg: Some(Reorg { at: 19_430_589, depth: 40, calls: 900 }),
        latency: Duration::from_millis(3),
        ..Options::default()
    };
    let follow = ["--follow", "--poll-secs", "0.02", "--l1-to", "19436258", "--l2-to", "15234502"];
    let digest = recorded_digest("pool-a", None, None);
    let beside = tempfile::tempdir().unwrap();
    let (mut backups, mut moments, mut kills) = (Vec::new(), BTreeSet::new(), 0);
    let mut back_up = |log: &Path| {
        // At first there is nothing in it.
        if LogReader::open(log).is_ok() {
            let to = beside.path().join(backups.len().to_string());
            moments.insert(digest_of(log, &to));
            backups.push(to);
        }
        moments.len()
    };
    let mut is_done = false;
    while !is_done {
        let live = Live::start("pool-a", &options);
        std::thread::scope(|scope| {
            let ingest = scope.spawn(|| live.ingest_killed(&follow, &digest, || ()));
            while !ingest.is_finished() {
                is_done = back_up(&live.log()) >= times(3, 30);
                std::thread::sleep(Duration::from_millis(5));
            }
            kills += ingest.join().unwrap();
        });
        is_done &= kills >= times(3, 100);
    }
    println!("{} backups of {} moments, {kills} kills", backups.len(), moments.len());
    // A node that has come through the reorg: one that has it still before it lacks blocks that some of the logs have, and
    // would be asked, with ever longer pauses, until its branch is gone.
    let live = Live::start("pool-a", &Options { reorg: None, ..options });
    for to in backups.iter().step_by(backups.len().div_ceil(5)) {
        let mut args = live.args(&follow);
        let log = args.iter().position(|arg| arg == "--log").unwrap() + 1;
        args[log] = to.to_str().unwrap().into();
        let (status, out, err) = tally(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(status, 0, "{err}");
        assert!(out.ends_with(&format!("head digest {digest}\n")), "{out}");
    }
}

#[test]
fn a_backup_killed_at_any_moment_is_whole_or_not_there() {
    let (log, _) = ingested("pool-a");
    let beside = tempfile::tempdir().unwrap();
    let to = beside.path().join("backup");
    let args = ["log", "backup", "--log", log.path().to_str().unwrap(), "--to", to.to_str().unwrap()];
    let mut left = Vec::new();
    for _ in 0..100 {
        process::kill_at_moments(&args, times(15, 100), || {
            if to.exists() {
                let (status, verified, _) = tally(&["log", "verify", "--log", to.to_str().unwrap()]);
                assert_eq!(status, 0, "{verified}");
                std::fs::remove_dir_all(&to).unwrap();
            }
        });
        left = names_in(beside.path());
        if left.len() >= times(3, 20) {
            break;
        }
    }
    // What they left behind is in nobody's way.
    assert!(left.len() >= 3, "only {left:?} were killed half-way");
    assert!(left.iter().all(|name| name.starts_with(".tally-unfinished-")), "{left:?}");
    digest_of(log.path(), &to);
}
