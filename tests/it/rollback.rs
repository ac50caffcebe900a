//! Blocks that a reorg replaced leave no trace in the log.

use crate::support::{cases, fixture, history_of, ingested};
use alloy_primitives::{Address, B256, U256};
use engine::{L1Block, L1Record, L2Block, SpanRecord, UnixTime};
use flate2::read::MultiGzDecoder;
use proptest::prelude::*;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::LazyLock;
use tally_eventlog::{L1Head, LogError, LogIdentity, LogReader, LogView, LogWriter, ProducedBlock, verify};

/// Everything that the log of a recording holds, block by block.
struct Recorded {
    identity: LogIdentity,
    digest: B256,
    heads: Vec<L1Head>,
    records: Vec<L1Record>,
    blocks: Vec<ProducedBlock>,
    spans: Vec<SpanRecord>,
}

static SMALL: LazyLock<Recorded> = LazyLock::new(|| recorded("small-a"));

/// Number, hash, parent and timestamp of each block of a file of a recording.
pub(crate) fn headers(name: &str, file: &str) -> Vec<(u64, B256, B256, u64)> {
    let reader = BufReader::new(MultiGzDecoder::new(File::open(fixture(name).join(file)).unwrap()));
    let number = |value: &Value| u64::from_str_radix(&value.as_str().unwrap()[2..], 16).unwrap();
    let hash = |value: &Value| value.as_str().unwrap().parse().unwrap();
    let header = |line: std::io::Result<String>| {
        let block: Value = serde_json::from_str(&line.unwrap()).unwrap();
        (
            number(&block["number"]),
            hash(&block["hash"]),
            hash(&block["parentHash"]),
            number(&block["timestamp"]),
        )
    };
    reader.lines().map(header).collect()
}

fn recorded(name: &str) -> Recorded {
    let (_dir, log) = ingested(name);
    let l1 = headers(name, "l1_blocks.jsonl.gz").into_iter();
    let heads = l1.map(|(number, hash, _, timestamp)| L1Head {
        block: L1Block(number),
        hash,
        timestamp: UnixTime(timestamp),
    });
    let l2 = headers(name, "l2_blocks.jsonl.gz").into_iter().zip(history_of(&log).blocks);
    let blocks = l2.map(|((number, hash, parent_hash, timestamp), block)| {
        assert_eq!((number, timestamp), (block.number, block.timestamp));
        let (number, timestamp) = (L2Block(number), UnixTime(timestamp));
        ProducedBlock { number, hash, parent_hash, timestamp, signer: block.signed_by }
    });
    Recorded {
        identity: log.identity().clone(),
        digest: log.head_digest().unwrap(),
        heads: heads.collect(),
        records: log.l1_records().unwrap(),
        blocks: blocks.collect(),
        spans: log.span_records().unwrap(),
    }
}

/// Stages L1 from the log's head on, up to the head at index `to`. Where `fork` is given, the blocks after it
/// are of another branch, whose records are every second one.
fn stage_l1(writer: &mut LogWriter, to: usize, fork: Option<L1Block>) {
    let after = writer.staged().l1.map(|head| head.block);
    for head in &SMALL.heads[..to] {
        if after.is_some_and(|after| head.block <= after) {
            continue;
        }
        let is_other = fork.is_some_and(|fork| head.block > fork);
        let records = SMALL.records.iter().filter(|record| record.block == head.block);
        let hash = if is_other { other(head.block.0) } else { head.hash };
        for record in records {
            let record = L1Record { block_hash: hash, ..record.clone() };
            // On the other branch a record may not fit what is missing before it: then it is missing too.
            let staged = writer.stage_l1(&record);
            assert!(staged.is_ok() || is_other, "{staged:?}");
            if is_other {
                break;
            }
        }
        writer.stage_l1_head(L1Head { hash, ..*head }).unwrap();
    }
}

/// The same for L2: on the other branch somebody else makes the blocks, and no span is announced.
fn stage_l2(writer: &mut LogWriter, to: usize, fork: Option<L2Block>) {
    let after = writer.staged().l2.map(|head| head.block);
    for block in &SMALL.blocks[..to] {
        if after.is_some_and(|after| block.number <= after) {
            continue;
        }
        let mut block = block.clone();
        if fork.is_some_and(|fork| block.number > fork) {
            block.hash = other(block.number.0);
            block.parent_hash = writer.staged().l2.unwrap().hash;
            block.signer = Some(Address::with_last_byte(u8::try_from(block.number.0 % 3).unwrap()));
        } else {
            for span in SMALL.spans.iter().filter(|span| span.block == block.number) {
                writer.stage_span(span).unwrap();
            }
        }
        writer.stage_block(&block).unwrap();
    }
}

fn other(number: u64) -> B256 {
    B256::from(U256::from(number).wrapping_add(U256::from(1) << 200))
}

fn digest(path: &Path) -> B256 {
    verify(&LogReader::open(path).unwrap()).unwrap().head_digest
}

proptest! {
    #![proptest_config(cases(24, 500))]

    /// A node shows another branch, the log follows it, the node comes back: the log is the one that
    /// never saw it. In several commits, and with the writer opened again in between.
    #[test]
    fn after_a_rollback_the_log_is_the_one_that_never_saw_the_other_branch(
        (at_l1, depth_l1) in (any::<prop::sample::Index>(), 1..200_usize),
        (at_l2, depth_l2) in (any::<prop::sample::Index>(), 1..1_500_usize),
        reopen in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), &SMALL.identity).unwrap();
        // Bit by bit up to the fork, on the branch that stays.
        let fork_l1 = at_l1.index(SMALL.heads.len() - 1);
        let fork_l2 = at_l2.index(SMALL.blocks.len() - 1);
        let (l1, l2) = (SMALL.heads[fork_l1].block, SMALL.blocks[fork_l2].number);
        writer.seal_l1(l1);
        writer.seal_l2(l2);
        stage_l1(&mut writer, fork_l1 + 1, None);
        stage_l2(&mut writer, fork_l2 + 1, None);
        writer.commit().unwrap();
        let fork = writer.head_digest().unwrap();
        stage_l1(&mut writer, (fork_l1 + 1 + depth_l1).min(SMALL.heads.len()), Some(l1));
        stage_l2(&mut writer, (fork_l2 + 1 + depth_l2).min(SMALL.blocks.len()), Some(l2));
        writer.commit().unwrap();
        prop_assert_ne!(writer.head_digest().unwrap(), fork);
        prop_assert_eq!(digest(dir.path()), writer.head_digest().unwrap());
        if reopen {
            drop(writer);
            writer = LogWriter::open(dir.path(), &SMALL.identity).unwrap();
        }
        let below = L1Block(l1.0 - 1);
        let refused = writer.rollback_l1(below);
        prop_assert!(matches!(refused, Err(LogError::NotReversible { .. })), "{:?}", refused);
        writer.rollback_l1(l1).unwrap();
        writer.rollback_l2(l2).unwrap();
        prop_assert_eq!(writer.head_digest().unwrap(), fork);
        prop_assert_eq!(digest(dir.path()), fork);
        stage_l1(&mut writer, SMALL.heads.len(), None);
        stage_l2(&mut writer, SMALL.blocks.len(), None);
        writer.commit().unwrap();
        prop_assert_eq!(digest(dir.path()), SMALL.digest);
    }
}

/// What is sealed is forgotten, what is not survives in the log from one process to the next.
#[test]
fn only_unsealed_blocks_can_be_rolled_back_to() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = LogWriter::open(dir.path(), &SMALL.identity).unwrap();
    let numbers =
        |writer: &LogWriter| writer.recent_l2().blocks().iter().map(|block| block.number).collect::<Vec<_>>();
    let number = |index: usize| SMALL.blocks[index].number.0;
    writer.seal_l2(L2Block(number(6)));
    stage_l2(&mut writer, 10, None);
    writer.commit().unwrap();
    assert_eq!(numbers(&writer), [number(6), number(7), number(8), number(9)]);
    drop(writer);
    let log = LogReader::open(dir.path()).unwrap();
    assert_eq!(log.sealed().unwrap()[1].map(|block| block.number), Some(number(6)));
    let mut writer = LogWriter::open(dir.path(), &SMALL.identity).unwrap();
    assert_eq!(numbers(&writer).len(), 4);
    // Nothing new, but more of it is final.
    writer.seal_l2(L2Block(number(8)));
    writer.commit().unwrap();
    let error = writer.rollback_l2(L2Block(number(7))).unwrap_err().to_string();
    let range = format!("{} to {}", number(8), number(9));
    assert_eq!(
        error,
        format!("the log cannot be rolled back to L2 block {}: it can be to {range}", number(7))
    );
    // Without a word about what is final, all of it is.
    let mut writer = {
        drop(writer);
        LogWriter::open(dir.path(), &SMALL.identity).unwrap()
    };
    stage_l2(&mut writer, 12, None);
    writer.commit().unwrap();
    assert_eq!(numbers(&writer), [number(11)]);
    assert!(writer.rollback_l2(L2Block(number(10))).is_err());
}

/// A changed byte of a block that may be taken back would let the wrong branch pass for the right one.
#[test]
fn a_changed_byte_of_a_recent_block_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = LogWriter::open(dir.path(), &SMALL.identity).unwrap();
    writer.seal_l1(SMALL.heads[2].block);
    writer.seal_l2(SMALL.blocks[2].number);
    stage_l1(&mut writer, 5, None);
    stage_l2(&mut writer, 5, None);
    writer.commit().unwrap();
    drop(writer);
    let families = rocksdb::DB::list_cf(&rocksdb::Options::default(), dir.path()).unwrap();
    let open = || rocksdb::DB::open_cf(&rocksdb::Options::default(), dir.path(), &families).unwrap();
    let entries: Vec<_> = {
        let db = open();
        let recent = db.cf_handle("recent").unwrap();
        db.iterator_cf(recent, rocksdb::IteratorMode::Start).map(Result::unwrap).collect()
    };
    assert_eq!(entries.len(), 6, "the last final block of each chain, and two after it");
    let put = |key: &[u8], value: &[u8]| {
        let db = open();
        db.put_cf(db.cf_handle("recent").unwrap(), key, value).unwrap();
    };
    for (key, value) in &entries {
        for at in [0, 31, 32, 39] {
            let mut changed = value.to_vec();
            changed[at] ^= 1;
            put(key, &changed);
            assert!(LogReader::open_once(dir.path()).err().unwrap().is_damage());
            assert!(LogWriter::open(dir.path(), &SMALL.identity).err().unwrap().is_damage());
        }
        put(key, value);
    }
    digest(dir.path());
}
