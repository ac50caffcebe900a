//! How fast a log folds. Each workload has a fixed seed and prints the ledger root that it computed.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use alloy_primitives::{Address, B256, Bytes, U256};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tally_engine::{
    BatchId, L1Block, L1Record, L2Block, Policy, PoolEvent, PoolGenesis, SequencerId, SpanEvent, SpanId,
    SpanRecord, UnixTime, Wei,
};
use tally_eventlog::{L1Head, LogIdentity, LogReader, LogWriter, ProducedBlock};
use tally_replay::{ReplayOptions, replay};

const SPAN_BLOCKS: u64 = 200;
const FIRST_TIME: u64 = 1_700_000_000;

fn identity() -> LogIdentity {
    let wei = |value: u64| Wei::new(U256::from(value));
    LogIdentity {
        l1_chain_id: 1,
        l2_chain_id: 1_088,
        locking_info: Address::repeat_byte(1),
        locking_pool: Address::repeat_byte(2),
        metis_token: Address::repeat_byte(3),
        sequencer_set: Address::repeat_byte(4),
        l1_first_block: L1Block(1),
        l2_first_block: L2Block(0),
        genesis: PoolGenesis {
            batch_block: L1Block(1),
            batch: BatchId(1),
            reward_per_block: wei(761_000_000_000_000),
            min_lock: wei(0),
            max_lock: wei(u64::MAX),
            exit_delay_secs: 1_814_400,
            signer_update_throttle_batches: 1,
        },
    }
}

/// A log of `blocks` blocks in spans of 200, every 2 s, made by `sequencers` in turn.
fn make_log(path: &std::path::Path, blocks: u64, sequencers: u8) {
    let mut writer = LogWriter::open(path, &identity()).unwrap();
    let signer =
        |index: u64| Address::with_last_byte(u8::try_from(index % u64::from(sequencers)).unwrap() + 1);
    let mut total = Wei::ZERO;
    for index in 0..u64::from(sequencers) {
        let amount = Wei::new(U256::from(20_000 + index) * U256::from(10_u64).pow(U256::from(18)));
        total = total.checked_add(amount).unwrap();
        let event = PoolEvent::Locked {
            signer: signer(index),
            sequencer: SequencerId(index + 1),
            nonce: 1,
            activation_batch: BatchId(1),
            amount,
            total,
            signer_pubkey: Bytes::new(),
        };
        let record = L1Record {
            block: L1Block(1),
            block_hash: B256::ZERO,
            timestamp: UnixTime(FIRST_TIME),
            transaction_hash: B256::ZERO,
            log_index: index,
            event,
        };
        writer.stage_l1(&record).unwrap();
    }
    let last_time = UnixTime(FIRST_TIME + 2 * blocks);
    writer.stage_l1_head(L1Head { block: L1Block(2), hash: B256::ZERO, timestamp: last_time }).unwrap();
    let hash = |number: u64| B256::from(U256::from(number));
    for number in 0..blocks {
        let span = number / SPAN_BLOCKS;
        if number % SPAN_BLOCKS == 0 {
            let event = SpanEvent::NewEpoch {
                span: SpanId(span),
                start: L2Block(number),
                end: L2Block(number + SPAN_BLOCKS - 1),
                signer: signer(span),
            };
            let block = L2Block(number);
            let (block_hash, transaction_hash) = (hash(number), B256::ZERO);
            writer
                .stage_span(&SpanRecord { block, block_hash, transaction_hash, log_index: 0, event })
                .unwrap();
        }
        let block = ProducedBlock {
            number: L2Block(number),
            hash: hash(number),
            parent_hash: hash(number.wrapping_sub(1)),
            timestamp: UnixTime(FIRST_TIME + 2 * number),
            signer: Some(signer(span)),
        };
        writer.stage_block(&block).unwrap();
    }
    writer.commit().unwrap();
}

fn fold(criterion: &mut Criterion) {
    let blocks = 1_000_000;
    let dir = tempfile::tempdir().unwrap();
    make_log(dir.path(), blocks, 32);
    let log = LogReader::open(dir.path()).unwrap();
    let policies = [Policy::built_in("guide").unwrap()];
    let mut group = criterion.benchmark_group("replay, spans of 200, 32 sequencers");
    group.throughput(Throughput::Elements(blocks));
    for threads in [1_usize, 2] {
        let options = ReplayOptions { threads: Some(threads), ..ReplayOptions::default() };
        println!("ledger root {}", replay(&log, &policies, options).unwrap()[0].ledger.root);
        group.bench_with_input(BenchmarkId::new("threads", threads), &options, |bencher, options| {
            bencher.iter(|| replay(&log, &policies, *options).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, fold);
criterion_main!(benches);
