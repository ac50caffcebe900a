//! Writing a log: all or nothing, one writer, many readers, one network, one format.

use crate::memory::{genesis, produced};
use crate::oracle::{Block, History};
use crate::support::{FAMILIES, fixture, ingested, tally};
use alloy_primitives::{Address, B256};
use engine::{L1Block, L2Block, UnixTime};
use std::path::Path;
use tally_eventlog::{FORMAT, L1Head, LogError, LogIdentity, LogReader, LogWriter, ProducedBlock, verify};
use tally_ingest::{Limits, ingest_recording, read_manifest};

fn identity() -> LogIdentity {
    LogIdentity {
        l1_chain_id: 1,
        l2_chain_id: 1_088,
        locking_info: Address::repeat_byte(1),
        locking_pool: Address::repeat_byte(2),
        metis_token: Address::repeat_byte(3),
        sequencer_set: Address::repeat_byte(4),
        l1_first_block: L1Block(1),
        l2_first_block: L2Block(8_000),
        genesis: genesis(),
    }
}

/// `count` blocks from 8,000 on, so that a chunk ends at block 8,191.
fn blocks(count: u64) -> Vec<ProducedBlock> {
    let block = |number| Block {
        number,
        timestamp: 1_000 + number * 2,
        signed_by: (number % 7 > 0).then(|| Address::with_last_byte(u8::try_from(number % 5).unwrap())),
    };
    let blocks = (8_000..8_000 + count).map(block).collect();
    let history = History { l1: vec![], l1_head_timestamp: 0, spans: vec![], blocks };
    produced(&history).collect()
}

fn append(path: &Path, blocks: &[ProducedBlock]) -> B256 {
    let mut writer = LogWriter::open(path, &identity()).unwrap();
    for block in blocks {
        writer.stage_block(block).unwrap();
    }
    writer.commit().unwrap();
    writer.head_digest().unwrap()
}

#[test]
fn the_same_blocks_give_the_same_digest_however_they_come_in() {
    let whole = tempfile::tempdir().unwrap();
    let blocks = blocks(20_000);
    let digest = append(whole.path(), &blocks);
    assert_eq!(verify(&LogReader::open(whole.path()).unwrap()).unwrap().head_digest, digest);
    for part in [1_usize, 150, 8_192, 9_999] {
        let parts = tempfile::tempdir().unwrap();
        let mut last = B256::ZERO;
        // One block at a time only around the end of a chunk, to keep the test short.
        let (head, tail) = blocks.split_at(if part == 1 { 20_000 - 30 } else { 0 });
        if !head.is_empty() {
            append(parts.path(), head);
        }
        for piece in tail.chunks(part) {
            last = append(parts.path(), piece);
        }
        assert_eq!(last, digest, "in parts of {part}");
        verify(&LogReader::open(parts.path()).unwrap()).unwrap();
    }
}

#[test]
fn ingesting_again_appends_nothing_and_two_steps_equal_one() {
    for (name, l1, l2) in [("small-a", 20_219_500, 2_000), ("pool-a", 19_433_000, 15_221_184)] {
        let (_whole, log) = ingested(name);
        let digest = log.head_digest().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let first = Limits { l1_to: Some(l1), l2_to: Some(l2) };
        let step = ingest_recording(&fixture(name), dir.path(), first).unwrap();
        assert_ne!(step.head_digest, digest);
        let again = ingest_recording(&fixture(name), dir.path(), first).unwrap();
        assert_eq!((again.before, again.head_digest), (step.after, step.head_digest));
        let rest = ingest_recording(&fixture(name), dir.path(), Limits::default()).unwrap();
        assert_eq!(rest.head_digest, digest, "{name}");
        let again = ingest_recording(&fixture(name), dir.path(), Limits::default()).unwrap();
        assert_eq!((again.before, again.head_digest), (again.after, digest));
        // A limit below what the log has takes nothing away.
        let lower = ingest_recording(&fixture(name), dir.path(), first).unwrap();
        assert_eq!(lower.head_digest, digest);
    }
}

#[test]
fn what_was_not_committed_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let digest = append(dir.path(), &blocks(300));
    let mut writer = LogWriter::open(dir.path(), &identity()).unwrap();
    for block in &blocks(9_000)[300..] {
        writer.stage_block(block).unwrap();
    }
    drop(writer);
    let log = LogReader::open(dir.path()).unwrap();
    assert_eq!(log.head_digest().unwrap(), digest);
    verify(&log).unwrap();
}

/// The story: `kill -9` in the middle of a write leaves the end of RocksDB's write-ahead log missing.
/// Cut anywhere in the last commit, the log is what it was before that commit.
#[test]
fn a_log_whose_last_write_was_cut_is_the_log_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let before = append(dir.path(), &blocks(300));
    // Reopening a database starts a new write-ahead file; both commits have to be in one.
    let mut writer = LogWriter::open(dir.path(), &identity()).unwrap();
    let wal = |path: &Path| {
        let mut logs: Vec<_> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        logs.sort();
        logs.pop().unwrap()
    };
    for block in &blocks(310)[300..] {
        writer.stage_block(block).unwrap();
    }
    writer.commit().unwrap();
    let middle = writer.head_digest().unwrap();
    let kept = std::fs::metadata(wal(dir.path())).unwrap().len();
    for block in &blocks(320)[310..] {
        writer.stage_block(block).unwrap();
    }
    writer.commit().unwrap();
    let after = writer.head_digest().unwrap();
    let copy_cut_at = |len: u64| {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        let file = std::fs::File::options().write(true).open(wal(copy.path())).unwrap();
        file.set_len(len).unwrap();
        copy
    };
    let whole = std::fs::metadata(wal(dir.path())).unwrap().len();
    assert!(whole > kept, "the last commit is at the end of the file");
    let step = usize::try_from((whole - kept) / 40).unwrap().max(1);
    for len in (kept..whole).step_by(step) {
        let copy = copy_cut_at(len);
        let mut reopened = LogWriter::open(copy.path(), &identity()).unwrap();
        assert_eq!(reopened.head_digest().unwrap(), middle, "cut at {len} of {whole}");
        // And it goes on to the same end.
        for block in &blocks(320)[310..] {
            reopened.stage_block(block).unwrap();
        }
        reopened.commit().unwrap();
        assert_eq!(reopened.head_digest().unwrap(), after);
        drop(reopened);
        verify(&LogReader::open(copy.path()).unwrap()).unwrap();
    }
    assert_ne!(before, middle);
}

#[test]
fn a_second_writer_is_refused_and_readers_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let digest = append(dir.path(), &blocks(10));
    let writer = LogWriter::open(dir.path(), &identity()).unwrap();
    let error = LogWriter::open(dir.path(), &identity()).err().expect("the log is taken");
    assert!(matches!(error, LogError::Locked { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("the log at {} is being written by another process", dir.path().display())),
        "{text}"
    );
    for _ in 0..3 {
        assert_eq!(LogReader::open(dir.path()).unwrap().head_digest().unwrap(), digest);
    }
    drop(writer);
    LogWriter::open(dir.path(), &identity()).unwrap();
}

/// A reader sees one commit or another, never half of one, and never one that comes later.
#[test]
fn readers_see_whole_commits_while_a_writer_works() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), &blocks(1));
    let path = dir.path().to_owned();
    let (sender, receiver) = std::sync::mpsc::channel();
    let writing = std::thread::spawn(move || {
        let mut digests = Vec::new();
        let blocks = blocks(20_000);
        for (index, piece) in blocks.chunks(100).enumerate() {
            // Opening flushes what was written before: files come and go under the readers.
            let mut writer = LogWriter::open(&path, &identity()).unwrap();
            if index == 0 {
                digests.push(writer.head_digest().unwrap());
                sender.send(()).unwrap();
            }
            for block in &piece[usize::from(index == 0)..] {
                writer.stage_block(block).unwrap();
            }
            writer.commit().unwrap();
            digests.push(writer.head_digest().unwrap());
        }
        digests
    });
    receiver.recv().unwrap();
    let mut seen = Vec::new();
    let old = LogReader::open(dir.path()).unwrap();
    let old_digest = old.head_digest().unwrap();
    while !writing.is_finished() {
        let log = LogReader::open(dir.path()).unwrap();
        let verified = verify(&log).unwrap();
        assert_eq!(verified.head_digest, log.head_digest().unwrap());
        seen.push(verified.head_digest);
    }
    let digests = writing.join().unwrap();
    // A reader keeps what it saw, however old.
    assert_eq!(verify(&old).unwrap().head_digest, old_digest);
    let positions: Vec<_> = seen
        .iter()
        .map(|seen| digests.iter().position(|digest| digest == seen).expect("a commit's digest"))
        .collect();
    assert!(positions.is_sorted(), "{positions:?}");
    assert!(!positions.is_empty());
}

#[test]
fn a_log_of_another_network_is_refused_with_both_values() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), &blocks(1));
    let others = [
        (LogIdentity { l2_chain_id: 59_902, ..identity() }, "its L2 chain id is 1088, not 59902"),
        (LogIdentity { l1_chain_id: 5, ..identity() }, "its L1 chain id is 1, not 5"),
        (
            LogIdentity { locking_pool: Address::repeat_byte(9), ..identity() },
            "its LockingPool contract is 0x0202020202020202020202020202020202020202, not 0x0909090909090909090909090909090909090909",
        ),
        (LogIdentity { l2_first_block: L2Block(1), ..identity() }, "its first L2 block is 8000, not 1"),
    ];
    for (other, message) in others {
        let error = LogWriter::open(dir.path(), &other).err().expect("another network");
        assert!(matches!(error, LogError::OtherNetwork { .. }));
        assert!(error.to_string().ends_with(message), "{error}");
    }
    let small = read_manifest(&fixture("small-a")).unwrap().identity;
    let log = dir.path().to_str().unwrap();
    let recording = fixture("small-a");
    let (status, _, err) = tally(&["ingest", "--recording", recording.to_str().unwrap(), "--log", log]);
    assert_eq!(status, 1);
    assert!(err.contains("is of another network") && err.contains(&small.locking_info.to_string()), "{err}");
}

#[test]
fn another_format_is_refused_with_both_values_and_the_way_on() {
    refuse_format(3, "a log of an earlier format has to be ingested again");
    refuse_format(FORMAT - 1, "`tally log upgrade` makes a log of format 5 of it");
    refuse_format(FORMAT + 1, "a newer program made it, which can read it");
}

fn refuse_format(format: u32, way_on: &str) {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), &blocks(1));
    {
        let mut options = rocksdb::Options::default();
        options.create_missing_column_families(true);
        // A newer format may well have a family more.
        let newer = FAMILIES.into_iter().chain(["l3_proofs"]);
        let db = rocksdb::DB::open_cf(&options, dir.path(), newer).unwrap();
        db.put_cf(db.cf_handle("meta").unwrap(), b"format", format.to_be_bytes()).unwrap();
    }
    let message = format!(
        "the log at {} has format {format}, and this program knows {FORMAT}: {way_on}",
        dir.path().display()
    );
    assert_eq!(LogReader::open(dir.path()).err().unwrap().to_string(), message);
    assert_eq!(LogWriter::open(dir.path(), &identity()).err().unwrap().to_string(), message);
}

#[test]
fn what_is_no_log_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let error = LogReader::open(&missing).err().unwrap().to_string();
    assert_eq!(error, format!("there is no log at {}", missing.display()));
    assert!(!missing.exists());
    std::fs::write(dir.path().join("letter.txt"), "dear diary").unwrap();
    let error = LogWriter::open(dir.path(), &identity()).err().unwrap().to_string();
    assert_eq!(error, format!("{} holds files, but no log: it has no CURRENT file", dir.path().display()));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// The story: an ingest that was killed as RocksDB was just making its database was refused from then on, since the
/// directory held files and no `CURRENT`.
#[test]
fn a_log_whose_making_was_killed_at_its_first_files_is_made_anew() {
    let files = [
        ("LOCK", ""),
        ("LOG", "2026/01/01-00:00:00 RocksDB"),
        ("LOG.old.1767225600000000", "an attempt before"),
        ("000000.dbtmp", "0dee6ba6-"),
        ("IDENTITY", "0dee6ba6-9a52-4aa5-9bd3-d4a2a8f6f1f8"),
        ("MANIFEST-000001", "cut"),
        ("000001.dbtmp", "MANIFEST-"),
    ];
    let whole = tempfile::tempdir().unwrap();
    let digest = append(whole.path(), &blocks(300));
    for count in 1..=files.len() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in &files[..count] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        assert!(matches!(LogReader::open(dir.path()).err(), Some(LogError::NotFound { .. })));
        assert_eq!(append(dir.path(), &blocks(300)), digest);
        verify(&LogReader::open(dir.path()).unwrap()).unwrap();
    }
    // One that has lost its `CURRENT` file holds more than that.
    std::fs::remove_file(whole.path().join("CURRENT")).unwrap();
    let error = LogWriter::open(whole.path(), &identity()).err().unwrap().to_string();
    assert!(error.ends_with("holds files, but no log: it has no CURRENT file"), "{error}");
}

#[test]
fn blocks_and_heads_out_of_order_are_refused_with_both_values() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), &blocks(10));
    let next = &blocks(11)[10];
    let open = || LogWriter::open(dir.path(), &identity()).unwrap();
    let check = |block: &ProducedBlock, message: String| {
        assert_eq!(open().stage_block(block).unwrap_err().to_string(), message);
    };
    check(&blocks(1)[0], "L2 block 8000 is out of order: 8010 is next".into());
    check(&blocks(12)[11], "L2 block 8011 is out of order: 8010 is next".into());
    let other = B256::repeat_byte(7);
    check(
        &ProducedBlock { parent_hash: other, ..next.clone() },
        format!("L2 block 8010 has the parent {other}, but the block before it is {}", next.parent_hash),
    );
    check(
        &ProducedBlock { timestamp: UnixTime(5), ..next.clone() },
        "L2 block 8010 has the timestamp 5, before its parent's 17018".into(),
    );
    let mut writer = open();
    let head = |block| L1Head { block: L1Block(block), hash: B256::ZERO, timestamp: UnixTime(block) };
    writer.stage_l1_head(head(9)).unwrap();
    writer.commit().unwrap();
    let error = writer.stage_l1_head(head(8)).unwrap_err().to_string();
    assert_eq!(error, "L1 head 8 is out of order: the log already reaches 9");
    let error = writer.stage_l1_head(L1Head { timestamp: UnixTime(9), ..head(10) }).unwrap_err().to_string();
    assert_eq!(error, "L1 block 10 has the timestamp 9, which does not come after 9");
}

#[test]
fn a_database_of_somebody_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let options = || {
        let mut options = rocksdb::Options::default();
        options.create_if_missing(true);
        options
    };
    rocksdb::DB::open(&options(), dir.path()).unwrap().put(b"precious", b"data").unwrap();
    let message = format!("{} holds files, but no log: it has no meta", dir.path().display());
    assert_eq!(LogWriter::open(dir.path(), &identity()).err().unwrap().to_string(), message);
    assert_eq!(LogReader::open(dir.path()).err().unwrap().to_string(), message);
    let db = rocksdb::DB::open(&options(), dir.path()).unwrap();
    assert_eq!(
        db.get(b"precious").unwrap().as_deref(),
        Some(&b"data"[..]),
        "and its own program can open it"
    );
}

/// `tally log verify` against a log in which one byte of one value was changed, for every family: every
/// byte of the meta data, and some of each other.
#[test]
fn a_changed_byte_anywhere_is_found() {
    let (dir, log) = ingested("small-a");
    drop(log);
    let open = || rocksdb::DB::open_cf(&rocksdb::Options::default(), dir.path(), FAMILIES).unwrap();
    let put = |family: &str, key: &[u8], value: &[u8]| {
        let db = open();
        db.put_cf(db.cf_handle(family).unwrap(), key, value).unwrap();
    };
    let entries = |family: &str| {
        let db = open();
        let handle = db.cf_handle(family).unwrap();
        db.iterator_cf(handle, rocksdb::IteratorMode::Start).map(Result::unwrap).collect::<Vec<_>>()
    };
    let mut tried = 0;
    for family in FAMILIES {
        // A recording is final: `rollback.rs` has a log with recent blocks.
        let entries = entries(family);
        if family == "recent" {
            assert_eq!(entries, []);
            continue;
        }
        let middle = entries.len() / 2;
        let chosen = if family == "meta" { &entries[..] } else { &entries[middle..=middle] };
        for (key, value) in chosen {
            let ends = [0, value.len() / 2, value.len() - 1];
            let offsets: Vec<usize> = if family == "meta" { (0..value.len()).collect() } else { ends.into() };
            for at in offsets {
                let mut changed = value.to_vec();
                changed[at] ^= 1;
                put(family, key, &changed);
                // As the command does it, without its waiting for a writer to come to rest.
                let found = LogReader::open_once(dir.path()).and_then(|log| verify(&log));
                let error = found.expect_err(family);
                assert!(
                    error.is_damage() || matches!(error, LogError::Format { .. }),
                    "{family}, byte {at}: {error}"
                );
                tried += 1;
            }
            put(family, key, value);
        }
    }
    assert!(tried > 300, "{tried} changes");
    let (status, out, _) = tally(&["log", "verify", "--log", dir.path().to_str().unwrap()]);
    assert_eq!(status, 0, "{out}");
    // And the command says so.
    let (key, value) = entries("l2_times").remove(0);
    put("l2_times", &key, &value[1..]);
    let (status, out, _) = tally(&["log", "verify", "--log", dir.path().to_str().unwrap()]);
    assert_eq!(status, 3, "{out}");
    assert!(
        out.starts_with(
            "different: the log is damaged at the chunk of L2 block 1003: digest of a column is 0x"
        ),
        "{out}"
    );
}

/// The story: a bit of the last chunk rots, and the next ingest adds blocks to that chunk. It must not write
/// the damage again under a digest that says it is sound.
#[test]
fn a_damaged_last_chunk_is_not_continued() {
    for family in ["l2_producers", "l2_times"] {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), &blocks(150));
        {
            let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), dir.path(), FAMILIES).unwrap();
            let handle = db.cf_handle(family).unwrap();
            let (key, value) = db.iterator_cf(handle, rocksdb::IteratorMode::Start).next().unwrap().unwrap();
            let mut changed = value.to_vec();
            // A bit of the first timestamp, or of a run's code: it still decodes.
            let at = if family == "l2_producers" { 5 } else { 0 };
            changed[at] ^= 1;
            db.put_cf(handle, key, changed).unwrap();
        }
        let error = LogWriter::open(dir.path(), &identity()).err().expect(family);
        assert!(error.is_damage(), "{family}: {error}");
        assert!(LogReader::open_once(dir.path()).is_err_and(|error| error.is_damage()), "{family}");
    }
}

/// The story: a disk loses a bit of a file, below RocksDB.
#[test]
fn a_changed_byte_of_a_file_is_found() {
    let (dir, log) = ingested("small-a");
    drop(log);
    // Opening to write moves what was written into tables.
    drop(LogWriter::open(dir.path(), &read_manifest(&fixture("small-a")).unwrap().identity).unwrap());
    let mut tables = 0;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "sst") {
            continue;
        }
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[good.len() / 3] ^= 4;
        std::fs::write(&path, bad).unwrap();
        let (status, out, err) = tally(&["log", "verify", "--log", dir.path().to_str().unwrap()]);
        assert_eq!((status, err.as_str()), (3, ""), "{}", path.display());
        assert!(out.starts_with("different: "), "{out}");
        std::fs::write(&path, good).unwrap();
        tables += 1;
    }
    assert!(tables > 3, "{tables} tables");
    assert_eq!(tally(&["log", "verify", "--log", dir.path().to_str().unwrap()]).0, 0);
}

/// A replay does not fold what verification would refuse: a record taken out of the middle is noticed
/// by the links around it.
#[test]
fn a_record_that_was_taken_out_stops_a_replay() {
    let (dir, log) = ingested("small-a");
    drop(log);
    {
        let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), dir.path(), FAMILIES).unwrap();
        let handle = db.cf_handle("l1_events").unwrap();
        let (key, _) = db.iterator_cf(handle, rocksdb::IteratorMode::Start).nth(80).unwrap().unwrap();
        db.delete_cf(handle, key).unwrap();
    }
    let (status, out, err) = tally(&["replay", "--log", dir.path().to_str().unwrap()]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(
        err.starts_with("error: the log is damaged at l1_events, block ")
            && err.contains("link of the digest chain"),
        "{err}"
    );
}
