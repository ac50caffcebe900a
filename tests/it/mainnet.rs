//! What is known of mainnet (`fixtures/mainnet`), against what Tally makes of it.

use crate::memory::MemoryLog;
use crate::oracle::{Block, History};
use crate::support::fixture;
use alloy::sol_types::SolEvent;
use alloy_primitives::{Address, B256, Bytes, U256};
use engine::{
    BatchId, Credit, L1Block, L1Record, L2Block, Policy, PoolEvent, PoolState, SequencerId, SpanEvent,
    SpanId, SpanRecord, UnixTime, Wei,
};
use serde_json::Value;
use tally_claims::{Against, CreditRule, Part, compare, next_batch};
use tally_ingest::{BlockFacts, ChainLog, L1Decoder, Network, decode_span};
use tally_replay::{ReplayOptions, replay};

mod abi {
    alloy::sol! {
        event DistributeReward(uint256 indexed batchId, uint256 startEpoch, uint256 endEpoch, uint256 amount, uint256 rpb);
    }
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(fixture("mainnet").join(name)).unwrap()).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

fn text<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    value.as_str().unwrap_or_else(|| panic!("{value}")).parse().unwrap()
}

/// Every log of the deployments' receipts, as a node gives it, with the facts of its block.
fn deployment_logs(chain_id: u64) -> Vec<(String, ChainLog, BlockFacts)> {
    let mut logs = Vec::new();
    for receipt in json("deployment_receipts.json").as_array().unwrap() {
        if number(&receipt["chain_id"]) != chain_id {
            continue;
        }
        let (block, hash) = (number(&receipt["block"]), text::<B256>(&receipt["block_hash"]));
        for log in receipt["logs"].as_array().unwrap() {
            let log = ChainLog {
                address: text(&log["address"]),
                topics: log["topics"].as_array().unwrap().iter().map(text).collect(),
                data: text(&log["data"]),
                block,
                block_hash: hash,
                block_timestamp: None,
                transaction_hash: text(&receipt["transaction"]),
                log_index: number(&log["log_index"]),
            };
            let contract = receipt["contract"].as_str().unwrap().to_owned();
            logs.push((contract, log, BlockFacts { number: block, hash, timestamp: 1 }));
        }
    }
    logs
}

/// The contracts' own words at their deployment are known, and bear on no reward.
#[test]
fn the_logs_of_the_deployments_on_l1_are_known() {
    let identity = Network::load("mainnet").unwrap().identity;
    let mut decoder = L1Decoder::new(&identity);
    let (mut of_pool, mut of_others) = (0, 0);
    for (contract, log, facts) in deployment_logs(1) {
        let is_of_pool = [identity.locking_info, identity.locking_pool].contains(&log.address);
        assert_eq!(is_of_pool, contract.starts_with("Locking"), "{contract}");
        *(if is_of_pool { &mut of_pool } else { &mut of_others }) += 1;
        let pool = PoolState::new(&identity.genesis);
        let record = decoder.decode(&log, &facts, &pool, |_| None).unwrap();
        let bears_on_rewards = record.is_some_and(|record| record.event.changes().next().is_some());
        assert!(!bears_on_rewards, "{contract}: {log:?}");
    }
    assert_eq!((decoder.unknown, of_pool, of_others), (Vec::new(), 8, 1));
    // Both contracts of the pool got their first owner from nobody; the one of the proxies' admin is not in the log.
    let deployer: Address = "0x001088e383a00ff4ab36f37f7021cb6d7b415751".parse().unwrap();
    let owners: Vec<_> = decoder
        .owners
        .iter()
        .map(|owner| (owner.block.0, owner.contract, owner.previous_owner, owner.new_owner))
        .collect();
    let (info, pool) = (identity.locking_info, identity.locking_pool);
    let expected = [(19_424_659, info, Address::ZERO, deployer), (19_424_665, pool, Address::ZERO, deployer)];
    assert_eq!(owners, expected);
}

/// The one span event of the deployment on L2 is that of span 0.
#[test]
fn the_deployment_on_l2_announces_span_0() {
    let identity = Network::load("mainnet").unwrap().identity;
    let mut unknown = Vec::new();
    let logs = deployment_logs(1_088);
    let records: Vec<SpanRecord> = logs
        .iter()
        .filter_map(|(_, log, facts)| decode_span(&identity, log, facts, &mut unknown).unwrap())
        .collect();
    let [record] = &records[..] else { panic!("{records:?}") };
    assert_eq!(record.block, identity.l2_first_block);
    let signer = "0xa233Cc81fC6C12e3318eA71EC5D7bBA78C706b04".parse().unwrap();
    let (start, end) = (L2Block(15_214_531), L2Block(15_215_530));
    assert_eq!(record.event, SpanEvent::NewEpoch { span: SpanId(0), start, end, signer });
    assert!(unknown.is_empty() && logs.len() == 6, "{unknown:?}");
}

/// An event of sequencer `id` or of the pool, in an L1 block of its own.
fn l1(block: u64, timestamp: u64, event: PoolEvent) -> L1Record {
    L1Record {
        block: L1Block(block),
        block_hash: B256::from(U256::from(block)),
        timestamp: UnixTime(timestamp),
        transaction_hash: B256::from(U256::from(block)),
        log_index: 0,
        event,
    }
}

fn metis(amount: u64) -> Wei {
    Wei::new(U256::from(amount) * U256::from(1_000_000_000_000_000_000_u64))
}

fn locked(id: u64, signer: Address, total_metis: u64) -> PoolEvent {
    PoolEvent::Locked {
        signer,
        sequencer: SequencerId(id),
        nonce: 1,
        activation_batch: BatchId(1),
        amount: metis(20_000),
        total: metis(total_metis),
        signer_pubkey: Bytes::new(),
    }
}

/// What another decoder's test has as the input of a `batchSubmitRewards`.
#[test]
fn calldata_decodes_to_what_its_file_says() {
    let identity = Network::load("mainnet").unwrap().identity;
    let vectors = json("calldata_vectors.json");
    for vector in vectors.as_array().unwrap() {
        let entries = vector["entries"].as_array().unwrap();
        let expected: Vec<Credit> = entries
            .iter()
            .map(|entry| Credit { signer: text(&entry["signer"]), blocks: number(&entry["blocks"]) })
            .collect();
        let mut pool = PoolState::new(&identity.genesis);
        for (id, credit) in (1..).zip(&expected) {
            pool.apply(&l1(id, 1, locked(id, credit.signer, 20_000 * id))).unwrap();
        }
        let reward_per_block = U256::from(761_000_000_000_000_u64);
        let blocks: u64 = expected.iter().map(|credit| credit.blocks).sum();
        let event = abi::DistributeReward {
            batchId: U256::from(number(&vector["batch"])),
            startEpoch: U256::from(number(&vector["start_span"])),
            endEpoch: U256::from(number(&vector["end_span"])),
            amount: reward_per_block * U256::from(blocks),
            rpb: reward_per_block,
        };
        let data = event.encode_log_data();
        let facts = BlockFacts { number: 9, hash: B256::ZERO, timestamp: 5 };
        let log = ChainLog {
            address: identity.locking_pool,
            topics: data.topics().to_vec(),
            data: data.data.clone(),
            block: 9,
            block_hash: B256::ZERO,
            block_timestamp: None,
            transaction_hash: B256::ZERO,
            log_index: 0,
        };
        let input: Bytes = text(&vector["input"]);
        let decoded = L1Decoder::new(&identity).decode(&log, &facts, &pool, |_| Some(input.clone()));
        let PoolEvent::DistributeReward { batch, start_span, end_span, credits, .. } =
            decoded.unwrap().unwrap().event
        else {
            panic!("it is a batch");
        };
        assert_eq!(credits, expected);
        assert_eq!(
            [batch.0, start_span.0, end_span.0].map(Value::from),
            ["batch", "start_span", "end_span"].map(|key| vector[key].clone())
        );
    }
    assert_eq!(vectors.as_array().unwrap().len(), 1);
}

/// When mainnet's first spans were announced, 2024-03-14.
const FIRST_BLOCK_TIME: u64 = 1_710_374_400;

/// A made-up chain with the counts of mainnet's first paid batch: spans from 2024-03-14 on, edge to edge, in turns
/// between the three signers, a block every 2 seconds, and nobody locked before the last of these blocks was made.
fn chain_of_batch_2(batch: &Value) -> History {
    let entries: Vec<(Address, u64)> = batch["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (text(&entry["signer"]), number(&entry["blocks"])))
        .collect();
    let spans = number(&batch["end_span"]);
    let first = number(&batch["first_block_of_span_1"]);
    let mut announced = vec![(first - 1_000, first - 1, entries[0].0)];
    let turn = |span: u64| usize::try_from((span - 1) % 3).unwrap();
    let mut left: Vec<u64> = entries.iter().map(|(_, blocks)| *blocks).collect();
    for span in 1..=spans {
        let who = turn(span);
        let later = (span + 1..=spans).filter(|later| turn(*later) == who).count();
        let blocks = left[who] / u64::try_from(later + 1).unwrap();
        left[who] -= blocks;
        let start = announced.last().unwrap().1 + 1;
        announced.push((start, start + blocks - 1, entries[who].0));
    }
    assert_eq!(left, [0, 0, 0]);
    // The one after the last is announced, so that the last is settled.
    let last = announced.last().unwrap().1;
    announced.push((last + 1, last + 1_000, entries[0].0));
    let block_of = |start: u64| L2Block(start.saturating_sub(100).max(first - 1_000));
    let spans: Vec<SpanRecord> = (0..)
        .zip(&announced)
        .map(|(span, (start, end, signer))| SpanRecord {
            block: block_of(*start),
            block_hash: B256::from(U256::from(block_of(*start).0)),
            transaction_hash: B256::from(U256::from(span)),
            log_index: span,
            event: SpanEvent::NewEpoch {
                span: SpanId(span),
                start: L2Block(*start),
                end: L2Block(*end),
                signer: *signer,
            },
        })
        .collect();
    let mut blocks = Vec::new();
    for (start, end, signer) in &announced[..announced.len() - 1] {
        for number in *start..=*end {
            let timestamp = FIRST_BLOCK_TIME + 2 * (number - announced[0].0);
            blocks.push(Block { number, timestamp, signed_by: Some(*signer) });
        }
    }
    let last_time = blocks.last().unwrap().timestamp;
    let l1 = vec![
        l1(19_700_000, last_time + 1, PoolEvent::UpdateMpc { new_mpc: Address::repeat_byte(0x3c) }),
        l1(19_700_001, last_time + 13, locked(1, entries[0].0, 20_000)),
        l1(19_700_002, last_time + 25, locked(2, entries[1].0, 40_000)),
        l1(19_700_003, last_time + 37, locked(3, entries[2].0, 60_000)),
    ];
    History { l1, l1_head_timestamp: last_time + 100, spans, blocks }
}

/// The story: on mainnet spans ran for weeks before anybody had locked, and the first batch paid all of them.
#[test]
fn batch_2_of_mainnet_comes_out_of_a_made_up_chain_with_its_counts() {
    let batch = json("batch_2.json");
    let reward_per_block: Wei = Wei::new(text(&batch["reward_per_block_wei"]));
    let amount = Wei::new(text(&batch["amount_wei"]));
    let counts: Vec<u64> =
        batch["entries"].as_array().unwrap().iter().map(|entry| number(&entry["blocks"])).collect();
    // The file's own arithmetic.
    assert_eq!(counts.iter().sum::<u64>(), number(&batch["blocks"]));
    assert_eq!(reward_per_block.times(number(&batch["blocks"])).unwrap(), amount);
    assert_eq!(
        number(&batch["first_block_of_span_1"]) + number(&batch["blocks"]) - 1,
        number(&batch["predicted_last_block_of_span_193"])
    );
    let mut history = chain_of_batch_2(&batch);
    // Before it is paid, it is the next batch.
    let next = next_batch(&MemoryLog::new(&history), None, CreditRule::SpanSigner).unwrap();
    assert_eq!((next.batch.0, next.start_span.0, next.end_span.0), (2, 1, 193));
    assert_eq!((next.blocks, next.total, next.reward_per_block), (1_524_095, amount, reward_per_block));
    assert_eq!((next.first_block.0, next.last_block.0), (15_215_531, 16_739_625));
    assert_eq!(next.entries.iter().map(|entry| entry.blocks).collect::<Vec<_>>(), counts);
    assert!(next.unpayable.is_empty());
    // Once it is, that is what the contract pays.
    let credits =
        next.entries.iter().map(|entry| Credit { signer: entry.signer, blocks: entry.blocks }).collect();
    let paid = PoolEvent::DistributeReward {
        batch: BatchId(2),
        start_span: SpanId(1),
        end_span: SpanId(193),
        amount,
        reward_per_block,
        credits,
    };
    history.l1.push(l1(number(&batch["l1_block"]), history.l1_head_timestamp, paid));
    let log = MemoryLog::new(&history);
    let policies = ["locking-pool", "guide"].map(|name| Policy::built_in(name).unwrap());
    let replayed = replay(&log, &policies, ReplayOptions::default()).unwrap();
    let [batch_2] = &replayed[0].ledger.batches[..] else { panic!("one batch is paid") };
    let rows: Vec<_> = batch_2.rows.values().map(|earned| earned.blocks).collect();
    assert_eq!((batch_2.batch.0, rows, replayed[0].ledger.total), (2, counts, amount));
    assert_eq!(replayed[0].ledger.pending.blocks, 0);
    // By the guide nobody could earn yet, and that is all of the difference.
    assert_eq!(replayed[1].ledger.total, Wei::ZERO);
    let found = compare(&log, &policies[1], &Against::Credited, None).unwrap();
    assert_eq!(found.totals.second_blocks, 1_524_095);
    assert_eq!(found.totals.part(Part::BeforeLock).to_string(), amount.to_string());
    assert_eq!(found.totals.difference().unwrap(), found.totals.part(Part::BeforeLock));
    let epochs: Vec<_> = found.epochs.iter().map(|(epoch, _)| epoch.epoch).collect();
    assert_eq!(epochs, [None], "they lie before epoch 0");
}
