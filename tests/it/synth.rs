//! Made-up logs: that they are logs like any other, and what a replay of them gives whichever way it is taken.

use crate::histories::history;
use crate::memory::MemoryLog;
use crate::oracle;
use crate::support::{FAMILIES, assert_same, history_of, oracle_policy, tally};
use alloy_primitives::{Address, B256, U256};
use engine::{L2Block, Policy};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use tally_eventlog::{LogError, LogReader, LogView, LogWriter, ProducedBlock, verify};
use tally_replay::{Replay, ReplayError, ReplayOptions, replay};
use tally_synth::{Pattern, Plan, make_log};
use tempfile::TempDir;

fn made(blocks: u64, sequencers: u16, pattern: &str, stake_changes: u64) -> (TempDir, LogReader) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made.log");
    let pattern: Pattern = pattern.parse().unwrap();
    make_log(&path, &Plan::new(blocks, sequencers, pattern, stake_changes, 42).unwrap()).unwrap();
    let log = LogReader::open(&path).unwrap();
    (dir, log)
}

fn policies() -> Vec<Policy> {
    engine::BUILT_IN.iter().map(|(name, _)| Policy::built_in(name).unwrap()).collect()
}

/// Every way of counting: runs; codes in 8 bits, paired or not, and in 16; unsigned blocks; and chunks cut by
/// changes. The oracle goes block by block.
#[test]
fn replays_of_made_up_logs_equal_the_oracles() {
    for (blocks, sequencers, pattern, changes) in [
        (20_001, 5, "spans:200", 40),
        (20_001, 2, "spans:1", 7),
        (20_001, 32, "random", 40),
        (20_001, 100, "random", 40),
        (20_001, 300, "random", 40),
        (270_000, 16, "mixed", 100),
    ] {
        let (_dir, log) = made(blocks, sequencers, pattern, changes);
        let history = history_of(&log);
        for replayed in replay(&log, &policies(), ReplayOptions::default()).unwrap() {
            // Hundreds of thousands of blocks are too many for the oracle's slowest way.
            if pattern == "mixed" && replayed.policy.name() != "guide" {
                continue;
            }
            assert_same(
                &replayed.ledger,
                &oracle::fold(&history, &oracle_policy(replayed.policy.name()), None),
            );
        }
    }
}

/// The roots at 1, 2 and 8 threads, in one advance and in many, verified and not, are one.
#[test]
fn whichever_way_it_is_taken_a_replay_gives_one_root() {
    for (pattern, sequencers) in [("spans:200", 32), ("random", 32), ("mixed", 70)] {
        let (_dir, log) = made(1_200_000, sequencers, pattern, 300);
        let whole = replay(&log, &policies(), ReplayOptions::default()).unwrap();
        for threads in [1, 2, 8] {
            for verify in [false, true] {
                let options = ReplayOptions { threads: Some(threads), verify, ..ReplayOptions::default() };
                for (ours, whole) in replay(&log, &policies(), options).unwrap().iter().zip(&whole) {
                    assert_eq!(ours.ledger, whole.ledger, "{pattern}, {threads} threads, verify: {verify}");
                }
            }
        }
        let mut grown = Replay::new(&policies());
        for to in [0, 1, 8_191, 8_192, 500_000, 500_001, 900_007, u64::MAX] {
            let options = ReplayOptions { to: Some(L2Block(to)), ..ReplayOptions::default() };
            grown.advance(&log, options).unwrap();
        }
        for ((_, ledger, _), whole) in grown.ledgers().zip(&whole) {
            assert_eq!(ledger, &whole.ledger, "{pattern}, in steps");
        }
    }
}

/// A log that was made as tables has the bytes of one that was appended to.
#[test]
fn a_log_made_at_once_is_the_one_that_grew() {
    for pattern in ["spans:200", "random", "mixed"] {
        let (dir, log) = made(200_000, 12, pattern, 30);
        assert_eq!(verify(&log).unwrap().l2_blocks, 200_000);
        let mut writer = LogWriter::open(&dir.path().join("grown.log"), log.identity()).unwrap();
        for record in log.l1_records().unwrap() {
            assert_eq!(writer.stage_l1(&record).unwrap(), [], "it claims nothing that is false");
        }
        writer.stage_l1_head(log.heads().l1.unwrap()).unwrap();
        let mut spans = log.span_records().unwrap().into_iter().peekable();
        let signers = log.signers().unwrap();
        let mut parent_hash = B256::ZERO;
        log.scan_verified::<LogError>(L2Block(0)..=L2Block(199_999), |header, producers| {
            let codes = producers.to_vec()?;
            log.for_each_times::<LogError>(&[header.first_block], |times| {
                for (number, (code, time)) in (header.first_block.0..).zip(codes.iter().zip(times.iter())) {
                    while spans.peek().is_some_and(|record| record.block.0 <= number) {
                        writer.stage_span(&spans.next().unwrap())?;
                    }
                    let is_last = Some(L2Block(number)) == header.last_block();
                    let hash = if is_last { header.last_hash } else { B256::from(U256::from(number)) };
                    let signer = usize::from(*code).checked_sub(1).map(|index| signers[index]);
                    let number = L2Block(number);
                    writer.stage_block(&ProducedBlock {
                        number,
                        hash,
                        parent_hash,
                        timestamp: time?,
                        signer,
                    })?;
                    parent_hash = hash;
                }
                Ok(())
            })?;
            // In several commits, the chunks in between still growing.
            if header.first_block.0 % 3 == 0 { writer.commit() } else { Ok(()) }
        })
        .unwrap();
        writer.commit().unwrap();
        assert_eq!(writer.head_digest().unwrap(), log.head_digest().unwrap(), "{pattern}");
    }
}

#[test]
fn the_same_seed_gives_the_same_log_and_another_another() {
    let digest = |seed| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made.log");
        make_log(&path, &Plan::new(30_000, 8, Pattern::Mixed, 9, seed).unwrap()).unwrap();
        LogReader::open(&path).unwrap().head_digest().unwrap().to_string()
    };
    assert_eq!(digest(42), digest(42));
    assert_ne!(digest(42), digest(43));
    // Benchmarks of years apart have the same input.
    assert_eq!(digest(42), "0xec77d7930271f7bb683ac2f4aa045288cad2fe7c2664d5c14dcfbda0e386d3dc");
}

#[test]
fn the_command_makes_a_log_once_and_says_what_it_cannot_make() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made.log");
    let path = path.to_str().unwrap();
    let synth = |args: &[&str]| tally(&[&["synth", "--log", path], args].concat());
    for (args, message) in [
        (&["--blocks", "0"][..], "0 blocks are not 1 to"),
        (&["--blocks", "9", "--sequencers", "0"], "0 sequencers are not 1 to"),
        (&["--blocks", "9", "--stake-changes", "10"], "10 stake changes are more than the 9 blocks"),
        (&["--blocks", "9", "--pattern", "spans:0"], "is not random, mixed or spans:N"),
        (&["--blocks", "9", "--pattern", "spans"], "is not random, mixed or spans:N"),
    ] {
        let (status, _, err) = synth(args);
        assert!(status == 2 && err.contains(message), "{args:?}: {status} {err}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
    let (status, out, err) = synth(&["--blocks", "9000", "--stake-changes", "9"]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert_eq!(out, "9000 blocks in 2 chunks, 50 pool events, 46 span events\n");
    let (status, _, err) = synth(&["--blocks", "9000"]);
    assert!(status == 1 && err.contains("something is there already: take another name"), "{status} {err}");
    assert_eq!(tally(&["log", "verify", "--log", path]).0, 0);
}

/// The story: somebody gives a block to another sequencer, with a database tool, so RocksDB's checksums are
/// right. A replay that verifies refuses, naming the chunk; a plain one cannot know.
#[test]
fn a_rewritten_producer_is_found_by_a_replay_that_verifies() {
    let (dir, log) = made(20_000, 32, "random", 0);
    let root =
        |log: &LogReader| replay(log, &policies()[..1], ReplayOptions::default()).unwrap()[0].ledger.root;
    let before = root(&log);
    drop(log);
    let path = dir.path().join("made.log");
    {
        let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), &path, FAMILIES).unwrap();
        let producers = db.cf_handle("l2_producers").unwrap();
        let key = 8_192_u64.to_be_bytes();
        let mut value = db.get_cf(producers, key).unwrap().unwrap();
        value[100] = if value[100] == 1 { 2 } else { 1 };
        db.put_cf(producers, key, value).unwrap();
    }
    let log = LogReader::open(&path).unwrap();
    assert_ne!(root(&log), before);
    let (status, out, err) = tally(&["replay", "--verify", "--log", path.to_str().unwrap()]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.contains("the chunk of L2 block 8192: digest of its producers is 0x"), "{err}");
}

/// A log that ends earlier than a replay has gone is not the one it was begun with.
#[test]
fn a_replay_does_not_go_on_with_a_log_that_went_back() {
    let (_long_dir, long) = made(20_000, 4, "random", 0);
    let (_short_dir, short) = made(10_000, 4, "random", 0);
    let mut replay = Replay::new(&policies()[..1]);
    replay.advance(&long, ReplayOptions::default()).unwrap();
    let error = replay.advance(&short, ReplayOptions::default()).unwrap_err().to_string();
    assert!(error.contains("9999") && error.contains("19999"), "{error}");
    let error = replay.advance(&long, ReplayOptions::default()).unwrap_err().to_string();
    assert_eq!(error, "an earlier step of this replay failed: replay anew");
}

/// The story: a reorg took blocks back and others came, more than there were. The chunks that were folded are
/// not those that the log has.
#[test]
fn a_replay_does_not_go_on_with_other_blocks() {
    let make = |blocks, seed| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made.log");
        make_log(&path, &Plan::new(blocks, 4, Pattern::Random, 0, seed).unwrap()).unwrap();
        let log = LogReader::open(&path).unwrap();
        (dir, log)
    };
    let (_dir, log) = make(20_000, 1);
    let (_other_dir, other) = make(30_000, 2);
    let mut replay = Replay::new(&policies()[..1]);
    replay.advance(&log, ReplayOptions::default()).unwrap();
    let error = replay.advance(&other, ReplayOptions::default()).unwrap_err();
    assert!(matches!(error, ReplayError::Replaced { chunk: L2Block(8_192), .. }), "{error}");
}

/// The story: a reorg replaced the last blocks, all in the chunk that still grows, by as many others and more.
#[test]
fn a_replay_does_not_go_on_where_only_its_last_blocks_are_others() {
    let mut runner = TestRunner::deterministic();
    let mut seen = 0;
    while seen < 50 {
        let mut history = history().new_tree(&mut runner).unwrap().current();
        let Some(cut) = history.blocks.len().checked_sub(10).filter(|cut| *cut >= 10) else { continue };
        let mut begun = history.clone();
        begun.blocks.truncate(cut);
        let last = begun.blocks[cut - 1].number;
        begun.spans.retain(|record| record.block.0 <= last);
        let mut replay = Replay::new(&policies()[..1]);
        replay.advance(&MemoryLog::new(&begun), ReplayOptions::default()).unwrap();
        let horizon = replay.ledgers().next().unwrap().1.horizon;
        let mut same = replay.clone();
        same.advance(&MemoryLog::new(&history), ReplayOptions::default()).unwrap();
        for block in &mut history.blocks[cut - 5..cut] {
            block.signed_by = Some(Address::repeat_byte(0x77));
        }
        // What lies beyond the horizon was not folded yet.
        if horizon.is_none_or(|horizon| horizon.block.0 <= last - 5) {
            continue;
        }
        let error = replay.advance(&MemoryLog::new(&history), ReplayOptions::default()).unwrap_err();
        assert!(matches!(error, ReplayError::Replaced { .. }), "{error}");
        seen += 1;
    }
}

/// The story: somebody rewrites a chunk and makes its header and the links after it fit, as far as a replay that
/// ends early looks. The chunks after its end say that it is not the chunk they follow.
#[test]
fn a_replay_that_verifies_checks_up_to_the_head_wherever_it_ends() {
    let (dir, log) = made(30_000, 32, "random", 0);
    drop(log);
    let path = dir.path().join("made.log");
    {
        let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), &path, FAMILIES).unwrap();
        let chunks = db.cf_handle("l2_chunks").unwrap();
        // The third chunk's link, which is all that ties the second one to the head.
        let key = 16_384_u64.to_be_bytes();
        let mut value = db.get_cf(chunks, key).unwrap().unwrap();
        value[0] ^= 1;
        db.put_cf(chunks, key, value).unwrap();
    }
    let log = LogReader::open(&path).unwrap();
    let options = ReplayOptions { to: Some(L2Block(9_000)), ..ReplayOptions::default() };
    replay(&log, &policies(), options).unwrap();
    let error = replay(&log, &policies(), ReplayOptions { verify: true, ..options }).unwrap_err().to_string();
    assert!(error.contains("the chunk of L2 block 16384: link of the digest chain is 0x"), "{error}");
}

/// As many signers as there are codes for, and one more.
#[test]
fn a_log_tells_65535_signers_apart() {
    let (_dir, log) = made(70_000, u16::MAX, "random", 0);
    assert_eq!(verify(&log).unwrap().l2_blocks, 70_000);
    let replayed = replay(&log, &policies()[..1], ReplayOptions::default()).unwrap();
    assert_eq!(replayed[0].ledger.sequencers.len(), 65_535);
    let dir = tempfile::tempdir().unwrap();
    let mut writer = LogWriter::open(&dir.path().join("grown.log"), log.identity()).unwrap();
    let hash = |number: u64| B256::from(U256::from(number));
    for number in 0..=65_535_u64 {
        let block = ProducedBlock {
            number: L2Block(number),
            hash: hash(number + 1),
            parent_hash: hash(number),
            timestamp: engine::UnixTime(1),
            signer: Some(alloy_primitives::Address::from_word(hash(number + 1))),
        };
        match writer.stage_block(&block) {
            Ok(()) => assert!(number < 65_535),
            Err(error) => {
                assert_eq!(
                    error.to_string(),
                    "L2 block 65535 is signed by one more signer than the 65535 that a log can tell apart"
                );
                return;
            }
        }
    }
    panic!("one signer too many was taken");
}
