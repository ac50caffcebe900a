//! Who owned the contracts is in the log, in no digest of a result, and goes with the blocks that it is in.

use crate::bundles::restore::info;
use crate::live::Live;
use crate::support::{head_digest, ingested, tally};
use alloy_primitives::{Address, B256};
use engine::{L1Block, L1Record, PoolEvent, UnixTime, Wei};
use replay_node::Options;
use serde_json::Value;
use std::time::Duration;
use tally_eventlog::{L1Head, LogError, LogReader, LogView, LogWriter, OwnerRecord, verify};
use tally_ingest::{Endpoints, IngestError, owners_of_chain};

/// The account that deployed the contracts of `pool-a`, and owned them ever since.
const DEPLOYER: &str = "0x6a0acac9ab6ccb22f65b7b8c83e3427b3f785487";

fn json(args: &[&str]) -> Value {
    let (status, out, err) = tally(&[args, &["--format", "json"]].concat());
    assert_eq!(status, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn the_owners_of_a_recording_are_told() {
    let (dir, log) = ingested("pool-a");
    let path = dir.path().to_str().unwrap();
    // Two contracts of the pool, and not the two decoys, which have events of the same topic.
    let records = log.owners().unwrap().records;
    let identity = log.identity();
    let told: Vec<_> =
        records.iter().map(|record| (record.block.0, record.log_index, record.contract)).collect();
    assert_eq!(told, [(19_430_008, 0, identity.locking_info), (19_430_008, 2, identity.locking_pool)]);
    assert!(
        records
            .iter()
            .all(|record| record.previous_owner.is_zero() && record.timestamp == UnixTime(0x65f2_863c))
    );
    let owners = json(&["owners", "--log", path]);
    assert_eq!(owners["locking_info"], DEPLOYER);
    assert_eq!(owners["locking_pool"], DEPLOYER);
    assert_eq!(owners["missing_to"], Value::Null);
    let history = owners["history"].as_array().unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(
        history[1]["transaction"],
        "0x65d8a40db3627ddd56859a9178e40a0f40cdbdf8237f3df1d2074523de9f93c2"
    );
    // Before the block there was none.
    let before = json(&["owners", "--log", path, "--at-l1-block", "19430007"]);
    assert_eq!(before["locking_pool"], Value::Null);
    assert!(before["history"].as_array().unwrap().is_empty());
    let (_, table, _) = tally(&["owners", "--log", path]);
    assert!(
        table.contains(
            "LockingPool  0x6a0acaC9Ab6CCb22f65b7b8c83e3427b3F785487  nobody  2024-03-14 05:08:12Z"
        ),
        "{table}"
    );
    // Whoever sets the rate is the owner.
    let rate = json(&["claims", "next-rate", "--log", path]);
    assert_eq!(rate["call"]["sender"], DEPLOYER);
    let (_, table, _) = tally(&["claims", "next-rate", "--log", path]);
    assert!(table.contains("by               0x6a0acaC9Ab6CCb22f65b7b8c83e3427b3F785487 (owner)"), "{table}");
}

#[test]
fn live_chains_give_the_owners_of_the_recording() {
    for recording in ["small-a", "pool-a"] {
        let live = Live::start(recording, &Options::default());
        let (status, _, err) = live.ingest(&[]);
        assert_eq!(status, 0, "{err}");
        let owners = LogReader::open(&live.log()).unwrap().owners().unwrap();
        assert_eq!(owners, ingested(recording).1.owners().unwrap());
        assert_eq!(info(&live.log())["head_digest"], head_digest(recording));
    }
}

/// The story: a reorg came while they were fetched, or every endpoint is of another branch than the log.
#[test]
fn owners_of_a_chain_with_another_block_at_the_end_are_not_believed() {
    let (_dir, log) = ingested("small-a");
    let head = log.heads().l1.unwrap();
    let live = Live::start("small-a", &Options::default());
    let endpoints =
        Endpoints { urls: vec![live.node.l1_url(); 2], timeout: Duration::from_secs(10), rounds_max: 2 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let owners = |to: L1Head| runtime.block_on(owners_of_chain(&endpoints, log.identity(), to));
    assert_eq!(owners(head).unwrap(), log.owners().unwrap().records);
    let error = owners(L1Head { hash: B256::ZERO, ..head }).unwrap_err();
    assert!(matches!(&error, IngestError::OtherBlock { .. }), "{error}");
    let told = format!("L1 block {} is {} at ", head.block, head.hash);
    assert!(error.to_string().starts_with(&told) && error.to_string().ends_with("run it again"), "{error}");
}

/// A log of the pool of `pool-a` with L1 blocks up to `head` and nothing else.
fn empty_log(head: u64) -> (tempfile::TempDir, LogWriter) {
    let dir = tempfile::tempdir().unwrap();
    let identity = ingested("pool-a").1.identity().clone();
    let mut writer = LogWriter::open(&dir.path().join("log"), &identity).unwrap();
    writer.stage_l1_head(l1_head(head)).unwrap();
    writer.commit().unwrap();
    (dir, writer)
}

fn l1_head(block: u64) -> L1Head {
    L1Head { block: L1Block(block), hash: hash(block), timestamp: UnixTime(block * 12) }
}

fn hash(block: u64) -> B256 {
    B256::left_padding_from(&block.to_be_bytes())
}

/// The contract's owner becomes the one with this byte.
fn owner_event(writer: &LogWriter, block: u64, log_index: u64, owner: u8) -> OwnerRecord {
    OwnerRecord {
        block: L1Block(block),
        block_hash: hash(block),
        timestamp: UnixTime(block * 12),
        transaction_hash: B256::repeat_byte(1),
        log_index,
        contract: writer.identity().locking_pool,
        previous_owner: Address::repeat_byte(owner - 1),
        new_owner: Address::repeat_byte(owner),
    }
}

#[test]
fn the_head_digest_is_that_of_a_log_without_them() {
    let first = 19_430_001;
    let (dir, mut with) = empty_log(first);
    let (_dir, mut without) = empty_log(first);
    for (block, log_index, owner) in [(first + 1, 3, 7), (first + 1, 5, 8), (first + 2, 0, 9)] {
        let record = owner_event(&with, block, log_index, owner);
        with.stage_owner(&record).unwrap();
    }
    for writer in [&mut with, &mut without] {
        writer.stage_l1_head(l1_head(first + 2)).unwrap();
        writer.commit().unwrap();
    }
    assert_eq!(with.head_digest().unwrap(), without.head_digest().unwrap());
    let log = LogReader::open(&dir.path().join("log")).unwrap();
    verify(&log).unwrap();
    let owners = log.owners().unwrap();
    let pool = log.identity().locking_pool;
    let owner = |at: Option<u64>| owners.owner_of(pool, at.map(L1Block));
    assert_eq!(owner(None), Some(Address::repeat_byte(9)));
    assert_eq!(owner(Some(first + 1)), Some(Address::repeat_byte(8)));
    assert_eq!(owner(Some(first)), None);
    assert_eq!(owners.owner_of(log.identity().locking_info, None), None);
}

#[test]
fn a_rollback_takes_them_back_with_their_blocks() {
    let first = 19_430_001;
    let (dir, mut writer) = empty_log(first);
    writer.seal_l1(L1Block(first));
    for block in first + 1..=first + 5 {
        writer.stage_owner(&owner_event(&writer, block, 0, u8::try_from(block - first).unwrap())).unwrap();
        writer.stage_l1_head(l1_head(block)).unwrap();
    }
    writer.commit().unwrap();
    writer.rollback_l1(L1Block(first + 2)).unwrap();
    drop(writer);
    let log = LogReader::open(&dir.path().join("log")).unwrap();
    verify(&log).unwrap();
    let left: Vec<u64> = log.owners().unwrap().records.iter().map(|record| record.block.0 - first).collect();
    assert_eq!(left, [1, 2]);
    // And other ones come in their place.
    let mut writer = LogWriter::open(log.path(), log.identity()).unwrap();
    writer.stage_owner(&owner_event(&writer, first + 3, 4, 200)).unwrap();
    writer.stage_l1_head(l1_head(first + 3)).unwrap();
    writer.commit().unwrap();
    assert_eq!(
        verify(&LogReader::open(log.path()).unwrap()).unwrap().head_digest,
        writer.head_digest().unwrap()
    );
}

#[test]
fn what_does_not_fit_is_refused_with_both_values() {
    let first = 19_430_001;
    let (_dir, mut writer) = empty_log(first);
    let record = |writer: &LogWriter| owner_event(writer, first + 3, 4, 7);
    let mut foreign = record(&writer);
    foreign.contract = Address::repeat_byte(0xdd);
    let error = writer.stage_owner(&foreign).unwrap_err();
    assert!(matches!(&error, LogError::Owner { what: "contract", .. }), "{error}");
    let behind = owner_event(&writer, first, 4, 7);
    assert!(matches!(writer.stage_owner(&behind), Err(LogError::L1OutOfOrder { .. })));
    let fits = record(&writer);
    writer.stage_owner(&fits).unwrap();
    let again = writer.stage_owner(&fits).unwrap_err().to_string();
    assert!(again.contains("its place is block 19430004, log 4, not after block 19430004, log 4"), "{again}");
    let mut other_block = record(&writer);
    (other_block.log_index, other_block.block_hash) = (5, B256::ZERO);
    let error = writer.stage_owner(&other_block).unwrap_err();
    assert!(matches!(&error, LogError::Owner { what: "block", .. }), "{error}");
    // Its block has to be in the log with it.
    assert!(matches!(writer.commit(), Err(LogError::L1HeadOutOfOrder { .. })));
}

/// A transfer of METIS in this block, which every pool can have.
fn transfer(block: u64, log_index: u64) -> L1Record {
    L1Record {
        block: L1Block(block),
        block_hash: hash(block),
        timestamp: UnixTime(block * 12),
        transaction_hash: B256::repeat_byte(2),
        log_index,
        event: PoolEvent::MetisTransfer {
            from: Address::repeat_byte(1),
            to: Address::repeat_byte(2),
            amount: Wei::ZERO,
        },
    }
}

/// The story: what one node told of a block was staged beside what another told of it. No order of a record, an owner
/// event and a head gets past the writer that `log verify` would refuse.
#[test]
fn a_block_has_one_hash_and_one_time_in_all_that_is_staged() {
    let (first, block) = (19_430_001, 19_430_003);
    let differs = |error: &LogError, what: &str| matches!(error, LogError::L1Differs { what: found, .. } if *found == what);
    let (dir, mut writer) = empty_log(first);
    writer.stage_l1(&transfer(block, 0)).unwrap();
    let other = L1Record { block_hash: B256::ZERO, ..transfer(block, 1) };
    let error = writer.stage_l1(&other).unwrap_err();
    assert!(differs(&error, "hash"), "{error}");
    let told =
        format!("L1 block {block} has the hash {}, but {} by what came before", B256::ZERO, hash(block));
    assert_eq!(error.to_string(), told);
    let later = L1Record { timestamp: UnixTime(block * 12 + 1), ..transfer(block, 1) };
    assert!(differs(&writer.stage_l1(&later).unwrap_err(), "timestamp"));
    let head = L1Head { hash: B256::ZERO, ..l1_head(block) };
    assert!(differs(&writer.stage_l1_head(head).unwrap_err(), "hash"));
    let owner = OwnerRecord { block_hash: B256::ZERO, ..owner_event(&writer, block, 7, 1) };
    assert!(matches!(writer.stage_owner(&owner), Err(LogError::Owner { what: "block", .. })));
    writer.stage_owner(&owner_event(&writer, block + 1, 7, 1)).unwrap();
    let head = L1Head { timestamp: UnixTime(block * 12 + 13), ..l1_head(block + 1) };
    assert!(differs(&writer.stage_l1_head(head).unwrap_err(), "timestamp"));
    let record = L1Record { block_hash: B256::ZERO, ..transfer(block + 1, 9) };
    assert!(differs(&writer.stage_l1(&record).unwrap_err(), "hash"), "an owner event is of that block");
    writer.stage_l1_head(l1_head(block + 1)).unwrap();
    // The head's own block again, and another of its number.
    writer.stage_l1_head(l1_head(block + 1)).unwrap();
    let head = L1Head { hash: B256::ZERO, ..l1_head(block + 1) };
    assert!(differs(&writer.stage_l1_head(head).unwrap_err(), "hash"));
    writer.commit().unwrap();
    drop(writer);
    let verified = verify(&LogReader::open(&dir.path().join("log")).unwrap()).unwrap();
    assert_eq!(verified.l1_events, 1);
}

/// The story: somebody put another owner into a log with a database tool.
#[test]
fn a_changed_owner_is_found() {
    use crate::support::FAMILIES;
    let (dir, log) = ingested("small-a");
    drop(log);
    {
        let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), dir.path(), FAMILIES).unwrap();
        let family = db.cf_handle("owner_events").unwrap();
        let mut last = db.iterator_cf(family, rocksdb::IteratorMode::Start);
        let (key, mut value) = last.next().unwrap().map(|(key, value)| (key, value.to_vec())).unwrap();
        *value.last_mut().unwrap() ^= 1;
        db.put_cf(family, key, value).unwrap();
    }
    let (status, out, _) = tally(&["log", "verify", "--log", dir.path().to_str().unwrap()]);
    assert_eq!(status, 3, "{out}");
    assert!(out.contains("owner_events, block 20210008, log 0: link of the digest chain"), "{out}");
}
