//! A log that is restored of a bundle is the log that the bundle was made of, and is gone on with like that one; of a
//! bundle that does not verify there is none.

use super::{RECEIPT, assemble, bundle_of, fixture_bundle, resealed, sections};
use crate::backup::{entries, names_in};
use crate::live::Live;
use crate::process;
use crate::support::{FAMILIES, RECORDINGS, fixture, head_digest, ingested, tally, times};
use alloy_primitives::{B256, U256};
use engine::{L2Block, UnixTime};
use replay_node::Options;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tally_eventlog::{LogError, LogReader, LogView, LogWriter, ProducedBlock};
use tally_ingest::{Limits, ingest_recording};
use tally_replay::Receipt;
use tally_synth::{Plan, make_log};
use tempfile::TempDir;

fn restore(bundle: &Path, log: &Path, more: &[&str]) -> (u8, String, String) {
    let (bundle, log) = (bundle.to_str().unwrap(), log.to_str().unwrap());
    tally(&[&["log", "restore", "--bundle", bundle, "--log", log], more].concat())
}

/// Restores the log of a bundle, and returns its digest, which every byte of it has.
#[track_caller]
fn restored(bundle: &Path, log: &Path) -> String {
    let (status, out, err) = restore(bundle, log, &[]);
    assert_eq!(status, 0, "{out}{err}");
    assert!(out.starts_with(&format!("restored at {}: L1 up to block ", log.display())), "{out}");
    let digest = out.trim_end().rsplit_once("\nhead digest ").unwrap().1.to_owned();
    let (status, verified, err) = tally(&["log", "verify", "--log", log.to_str().unwrap()]);
    assert_eq!((status, err.as_str()), (0, ""), "{verified}");
    assert!(verified.ends_with(&format!("head digest {digest}\n")), "{verified} is not of {digest}");
    digest
}

/// Whether two logs have the same entries, whatever tables they are in.
#[track_caller]
pub(crate) fn assert_same_entries(ours: &Path, theirs: &Path, families: &[&str]) {
    for family in families {
        let (ours, theirs) = (entries(ours, family), entries(theirs, family));
        assert!(ours == theirs, "{family} has {} entries, and {} in the other", ours.len(), theirs.len());
    }
}

/// What `tally log info` says of a log.
pub(crate) fn info(log: &Path) -> Value {
    let (status, out, err) = tally(&["log", "info", "--log", log.to_str().unwrap(), "--format", "json"]);
    assert_eq!(status, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn a_restored_log_is_the_log_entry_by_entry() {
    for recording in RECORDINGS {
        let (dir, bundle) = bundle_of(recording, "guide", &[]);
        let log = dir.path().join("restored");
        assert_eq!(restored(&bundle, &log), head_digest(recording));
        let of_bundle: Vec<&str> =
            FAMILIES.into_iter().filter(|family| !["owner_events", "meta"].contains(family)).collect();
        assert_same_entries(dir.path(), &log, &of_bundle);
        // A bundle has no events of owners, and the log says so.
        let told = &info(&log)["l1"];
        assert_eq!(
            (&told["owner_events"], &told["owner_events_missing_to"]),
            (&0.into(), &told["head"]["block"])
        );
        // Where there is nothing else to do, an ingest puts them in.
        let path = fixture(recording);
        let (status, out, err) =
            tally(&["ingest", "--recording", path.to_str().unwrap(), "--log", log.to_str().unwrap()]);
        assert_eq!((status, err.as_str()), (0, ""), "{out}");
        assert_eq!(
            (&info(&log)["l1"]["owner_events"], &info(&log)["l1"]["owner_events_missing_to"]),
            (&2.into(), &Value::Null)
        );
        assert_same_entries(dir.path(), &log, &FAMILIES);
    }
}

/// A log of the beginning of a recording, and a bundle of it.
fn part_of(recording: &str, limits: Limits, more: &[&str]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (log, bundle) = (dir.path().join("log"), dir.path().join("made.bundle"));
    ingest_recording(&fixture(recording), &log, limits).unwrap();
    let args = ["bundle", "create", "--log", log.to_str().unwrap(), "--out", bundle.to_str().unwrap()];
    let (status, out, err) = tally(&[&args[..], more].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    (dir, bundle)
}

#[test]
fn an_ingest_goes_on_from_it_to_the_log_that_was_never_bundled() {
    let limits = |l1, l2| Limits { l1_to: Some(l1), l2_to: Some(l2) };
    for (recording, limits, more) in [
        ("small-a", limits(20_219_500, 2_000), &[][..]),
        ("pool-a", limits(19_433_000, 15_221_184), &[]),
        // L2 is cut at the end of a chunk, and L1 is not.
        ("pool-a", limits(19_434_000, 15_229_000), &["--blocks", ":15220000"]),
        // Before anything happened.
        ("pool-a", limits(19_430_005, 15_214_600), &[]),
    ] {
        let (never, _) = ingested(recording);
        let (dir, bundle) = part_of(recording, limits, more);
        let of_recording = dir.path().join("of-recording");
        restored(&bundle, &of_recording);
        let rest = ingest_recording(&fixture(recording), &of_recording, Limits::default()).unwrap();
        assert_eq!(rest.head_digest.to_string(), head_digest(recording));
        assert_same_entries(never.path(), &of_recording, &FAMILIES);
        // The same of live chains.
        let live = Live::start(recording, &Options::default());
        restored(&bundle, &live.log());
        let (status, out, err) = live.ingest(&[]);
        assert_eq!(status, 0, "{err}");
        assert!(out.ends_with(&format!("head digest {}\n", head_digest(recording))), "{out}");
        let but_recent: Vec<&str> =
            FAMILIES.into_iter().filter(|family| !["recent", "meta"].contains(family)).collect();
        assert_same_entries(never.path(), &live.log(), &but_recent);
        assert_eq!(info(&live.log())["l1"]["owner_events_missing_to"], Value::Null);
    }
}

/// Where an endpoint takes one block and one call at a time, the owner events that lack are found all the same.
#[test]
fn owner_events_are_fetched_from_whatever_endpoint() {
    let (_dir, bundle) = part_of("small-a", Limits { l1_to: Some(20_210_300), l2_to: Some(1_100) }, &[]);
    for (range_max, batch_max, fail_every) in
        [(Some(50), Some(1), None), (Some(7), Some(3), None), (None, None, Some(5))]
    {
        let options = Options {
            range_max: range_max.map(|blocks| (blocks, replay_node::RangeStyle::Ankr)),
            batch_max,
            fail_every,
            failures: vec![replay_node::Failure::Status(500), replay_node::Failure::Reset],
            l1_head: Some(20_210_300),
            l2_head: Some(1_100),
            ..Options::default()
        };
        let live = Live::start("small-a", &options);
        restored(&bundle, &live.log());
        let (status, _, err) = live.ingest(&[]);
        assert_eq!(status, 0, "{err}");
        let told = &info(&live.log())["l1"];
        assert_eq!(
            (&told["owner_events"], &told["owner_events_missing_to"]),
            (&2.into(), &Value::Null),
            "{options:?}"
        );
    }
}

/// The story: an endpoint told another time of a block, of which the log knows better.
#[test]
fn owner_events_that_contradict_the_log_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    restored(&fixture("small-a.bundle"), &log);
    let (_dir, known) = ingested("small-a");
    let records = known.owners().unwrap().records;
    let mut writer = LogWriter::open(&log, known.identity()).unwrap();
    let mut wrong = records.clone();
    wrong[0].timestamp.0 += 1;
    let error = writer.stage_missing_owners(&wrong).unwrap_err();
    assert!(matches!(&error, LogError::Owner { what: "block", .. }), "{error}");
    drop(writer);
    let mut writer = LogWriter::open(&log, known.identity()).unwrap();
    let next = tally_eventlog::OwnerRecord { block: engine::L1Block(20_231_396), ..records[0].clone() };
    assert!(
        matches!(writer.stage_owner(&next), Err(LogError::OwnersMissing { .. })),
        "nothing comes before them"
    );
    let mut later = known.heads().l1.unwrap();
    (later.block.0, later.timestamp.0) = (later.block.0 + 1, later.timestamp.0 + 12);
    assert!(matches!(writer.stage_l1_head(later), Err(LogError::OwnersMissing { .. })));
    writer.stage_missing_owners(&records).unwrap();
    writer.commit().unwrap();
    assert_eq!(writer.head_digest().unwrap().to_string(), head_digest("small-a"));
    assert_same_entries(known.path(), &log, &FAMILIES);
}

/// The story: the meta data that say up to where owner events are missing are those of another log.
#[test]
fn a_log_that_misses_owner_events_of_other_blocks_is_found() {
    let (dir, bundle) = part_of("small-a", Limits { l1_to: Some(20_210_300), l2_to: Some(1_100) }, &[]);
    let (whole, part) = (dir.path().join("whole"), dir.path().join("part"));
    restored(&fixture("small-a.bundle"), &whole);
    restored(&bundle, &part);
    let open = |path: &Path| rocksdb::DB::open_cf(&rocksdb::Options::default(), path, FAMILIES).unwrap();
    let of_part = {
        let db = open(&part);
        db.get_cf(db.cf_handle("meta").unwrap(), "owners").unwrap().unwrap()
    };
    {
        let db = open(&whole);
        db.put_cf(db.cf_handle("meta").unwrap(), "owners", of_part).unwrap();
    }
    let (status, out, _) = tally(&["log", "verify", "--log", whole.to_str().unwrap()]);
    assert_eq!(status, 3, "{out}");
    let told = "the head of the owner events: last block without is 20210300, not 20231395";
    assert!(out.contains(told), "{out}");
}

/// Restores nothing, and says why.
#[track_caller]
fn refused(bundle: &[u8], more: &[&str], status: u8, told: &str) {
    let dir = tempfile::tempdir().unwrap();
    let beside = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.bundle");
    std::fs::write(&path, bundle).unwrap();
    let (found, out, err) = restore(&path, &beside.path().join("log"), more);
    assert_eq!(found, status, "{out}{err}");
    assert!(format!("{out}{err}").contains(told), "no {told:?} in: {out}{err}");
    assert!(names_in(beside.path()).is_empty(), "{:?}", names_in(beside.path()));
}

#[test]
fn a_bundle_that_does_not_verify_leaves_nothing_behind() {
    let parts = sections(&fixture_bundle());
    let receipt = Receipt::from_bytes(&parts[RECEIPT]).unwrap();
    let with_receipt = |receipt: Receipt| {
        let mut parts = parts.clone();
        parts[RECEIPT] = receipt.to_bytes();
        assemble(&parts)
    };
    // A wei more for somebody, and every digest made right.
    let mut more = receipt.clone();
    more.epochs[0].rows[0].reward_wei += U256::from(1);
    let more = resealed(more);
    refused(&with_receipt(more), &[], 3, "DIFFERENT: from epoch 0, sequencer ");
    // A receipt of another log, and one that contradicts itself.
    let (_dir, other) = bundle_of("pool-a", "guide", &[]);
    let other = Receipt::from_bytes(&sections(&std::fs::read(other).unwrap())[RECEIPT]).unwrap();
    refused(&with_receipt(other), &[], 3, "no log was made");
    let mut wrong = receipt;
    wrong.ledger_root = B256::ZERO;
    refused(&with_receipt(wrong), &[], 1, "ledger_root");
    // Damaged, cut, and none at all.
    let mut damaged = fixture_bundle();
    damaged[30_000] ^= 1;
    refused(&damaged, &[], 1, "the bundle is damaged at ");
    refused(&fixture_bundle()[..40_000], &[], 1, "the bundle is damaged at its end");
    refused(b"{}", &[], 1, "it is no bundle");
    // Sound, but not the log that somebody spoke of.
    let zeros = B256::ZERO.to_string();
    refused(&fixture_bundle(), &["--head-digest", &zeros], 1, &format!("not {zeros}: nothing was made"));
}

#[test]
fn what_is_there_already_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    std::fs::write(&log, "precious").unwrap();
    let bundle = fixture("small-a.bundle");
    let (status, _, err) = restore(&bundle, &log, &["--head-digest", head_digest("small-a")]);
    assert!(status == 1 && err.contains("making a log"), "{err}");
    assert_eq!(std::fs::read(&log).unwrap(), b"precious");
    assert_eq!(names_in(dir.path()), ["log"]);
}

#[test]
fn a_restore_killed_at_any_moment_is_whole_or_not_there() {
    let (_dir, bundle) = bundle_of("pool-a", "guide", &[]);
    let beside = tempfile::tempdir().unwrap();
    let log = beside.path().join("log");
    let args = ["log", "restore", "--bundle", bundle.to_str().unwrap(), "--log", log.to_str().unwrap()];
    process::kill_at_moments(&args, times(15, 100), || {
        if log.exists() {
            let (status, verified, _) = tally(&["log", "verify", "--log", log.to_str().unwrap()]);
            assert_eq!(status, 0, "{verified}");
            assert!(verified.contains(head_digest("pool-a")), "{verified}");
            std::fs::remove_dir_all(&log).unwrap();
        }
    });
    // What they left behind is in nobody's way.
    let left = names_in(beside.path());
    assert!(left.iter().all(|name| name.starts_with(".tally-unfinished-")), "{left:?}");
    assert_eq!(restored(&bundle, &log), head_digest("pool-a"));
}

/// As long as mainnet's: what would take hours to ingest again is there in seconds, and grows to the same log.
#[test]
fn a_log_of_22_million_blocks_is_restored_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (made, bundle, log) =
        (dir.path().join("made"), dir.path().join("made.bundle"), dir.path().join("restored"));
    let blocks = 22_000_000;
    let plan = Plan::new(blocks, 32, "spans:200".parse().unwrap(), 2_000, 7).unwrap();
    make_log(&made, &plan).unwrap();
    let args = ["bundle", "create", "--log", made.to_str().unwrap(), "--out", bundle.to_str().unwrap()];
    let (status, _, err) = tally(&args);
    assert_eq!((status, err.as_str()), (0, ""));
    let digest = restored(&bundle, &log);
    let reader = LogReader::open(&made).unwrap();
    assert_eq!(digest, reader.head_digest().unwrap().to_string());
    let head = reader.heads().l2.unwrap();
    let hash = |number: u64| if number == head.block.0 { head.hash } else { B256::from(U256::from(number)) };
    let grown = [&made, &log].map(|path| {
        let mut writer = LogWriter::open(path, reader.identity()).unwrap();
        for number in blocks..blocks + 20_000 {
            let block = ProducedBlock {
                number: L2Block(number),
                hash: hash(number),
                parent_hash: hash(number - 1),
                timestamp: UnixTime(head.timestamp.0 + number - blocks),
                signer: Some(plan.signer(number % 3)),
            };
            writer.stage_block(&block).unwrap();
        }
        writer.commit().unwrap();
        writer.head_digest().unwrap()
    });
    assert_eq!(grown[0], grown[1]);
    assert_ne!(grown[0].to_string(), digest);
}

/// The story: before format 4, logs had no METIS transfers, and bundles made of them are still about. Such a log can be
/// looked at; gone on with, it would have some transfers, and not those before.
#[test]
fn a_log_without_transfers_is_not_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let (bundle, log) = (dir.path().join("old.bundle"), dir.path().join("log"));
    std::fs::write(&bundle, super::audit::bundle_without_transfers()).unwrap();
    let (status, out, err) = restore(&bundle, &log, &[]);
    assert_eq!(status, 0, "{out}{err}");
    let told = "has stakes and no METIS transfers, as logs had before format 4";
    assert!(err.starts_with("warning: ") && err.contains(told), "{err}");
    let error = ingest_recording(&fixture("small-a"), &log, Limits::default()).unwrap_err().to_string();
    assert!(error.contains(told), "{error}");
    let live = Live::start("small-a", &Options::default());
    restore(&bundle, &live.log(), &[]);
    let (status, _, err) = live.ingest(&[]);
    assert!(status == 1 && err.contains(told), "{err}");
}
