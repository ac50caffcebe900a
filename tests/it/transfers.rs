//! The METIS that moves into the escrow and out of it, against the escrow's own balance.

use crate::live::{Live, recorded_digest};
use crate::support::{RECORDINGS, expected, fixture, ingested};
use alloy_primitives::{Address, B256, U256};
use engine::{L1Record, PoolEvent};
use flate2::read::MultiGzDecoder;
use replay_node::{Options, Rule};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader};
use tally_eventlog::{LogReader, LogView};

/// `Transfer(address,address,uint256)`.
const TRANSFER: &str = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";

/// The escrow and the token of small-a, and a block in which there is a gift to the escrow, and nothing else of the
/// pool.
const ESCROW: &str = "0x7995a2d4530bc939d4808e9d2ad967351d57a295";
const TOKEN: &str = "0x4e49609fe302097361a339a6d577dd8971f70515";
const GIFT_IN: u64 = 20_219_649;

/// The transfers of a log, in order.
fn transfers(log: &LogReader) -> Vec<L1Record> {
    let mut records = log.l1_records().unwrap();
    records.retain(|record| matches!(record.event, PoolEvent::MetisTransfer { .. }));
    records
}

/// What the transfers up to an L1 block leave in the escrow.
pub(crate) fn left_in_escrow(log: &LogReader, block: u64) -> U256 {
    let escrow = log.identity().locking_info;
    let mut left = U256::ZERO;
    for record in transfers(log).iter().filter(|record| record.block.0 <= block) {
        let PoolEvent::MetisTransfer { from, to, amount } = record.event else { unreachable!() };
        assert!([from, to].contains(&escrow), "{record:?}");
        if to == escrow {
            left = left.checked_add(amount.get()).unwrap();
        }
        if from == escrow {
            left = left.checked_sub(amount.get()).expect("the token refuses to move what is not there");
        }
    }
    left
}

#[test]
fn transfers_leave_in_the_escrow_what_it_holds_at_every_checkpoint() {
    for (name, checkpoints) in RECORDINGS.into_iter().zip([13, 14]) {
        let (_dir, log) = ingested(name);
        let truth = expected(name);
        let states = truth["checkpoints"].as_array().unwrap().iter().chain([&truth["final"]]);
        let mut compared = 0;
        for state in states {
            let block = state["l1_block"].as_u64().unwrap();
            let balance = state["metis_balance_lockingInfo"].as_str().unwrap();
            assert_eq!(left_in_escrow(&log, block).to_string(), balance, "{name} after block {block}");
            compared += 1;
        }
        assert_eq!(compared, checkpoints, "{name}");
    }
}

/// Each log of the token, and of no other contract, as the node gave it.
#[test]
fn every_transfer_of_the_recording_is_in_the_log_with_its_place() {
    for (name, count) in RECORDINGS.into_iter().zip([69, 205]) {
        let (_dir, log) = ingested(name);
        let identity = log.identity();
        let token = identity.metis_token.to_string().to_lowercase();
        let escrow = identity.locking_info.into_word().to_string();
        let file = File::open(fixture(name).join("l1_logs.jsonl.gz")).unwrap();
        let lines = BufReader::new(MultiGzDecoder::new(file)).lines();
        let logs = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        let is_one = |log: &Value| {
            log["address"] == token
                && log["topics"][0] == TRANSFER
                && (log["topics"][1] == escrow || log["topics"][2] == escrow)
        };
        let number = |value: &Value| u64::from_str_radix(&value.as_str().unwrap()[2..], 16).unwrap();
        let hash = |value: &Value| value.as_str().unwrap().parse::<B256>().unwrap();
        let expected: Vec<_> = logs
            .filter(is_one)
            .map(|log| {
                let event = PoolEvent::MetisTransfer {
                    from: Address::from_word(hash(&log["topics"][1])),
                    to: Address::from_word(hash(&log["topics"][2])),
                    amount: engine::Wei::new(log["data"].as_str().unwrap().parse().unwrap()),
                };
                (
                    (number(&log["blockNumber"]), hash(&log["blockHash"])),
                    (hash(&log["transactionHash"]), number(&log["logIndex"])),
                    event,
                )
            })
            .collect();
        let found: Vec<_> = transfers(&log)
            .into_iter()
            .map(|record| {
                (
                    (record.block.0, record.block_hash),
                    (record.transaction_hash, record.log_index),
                    record.event,
                )
            })
            .collect();
        assert_eq!(found, expected, "{name}");
        assert_eq!(found.len(), count, "{name}");
        let is_of_nothing =
            |event: &PoolEvent| matches!(event, PoolEvent::MetisTransfer { amount, .. } if amount.is_zero());
        assert!(found.iter().filter(|(.., event)| is_of_nothing(event)).count() > 2, "{name}");
    }
}

/// The story: before an ingest goes on, its endpoint has to show the logs of the last block with a record. Where
/// that was a gift, an event of the pool's contracts was asked for, and no endpoint could have one.
#[test]
fn an_ingest_goes_on_after_a_block_with_nothing_but_a_gift() {
    let live = Live::start("small-a", &Options::default());
    let (status, _, err) = live.ingest(&["--l1-to", &GIFT_IN.to_string(), "--l2-to", "1100"]);
    assert_eq!(status, 0, "{err}");
    let records = LogReader::open(&live.log()).unwrap().l1_records().unwrap();
    let last = records.last().unwrap();
    assert_eq!(last.block.0, GIFT_IN);
    assert!(matches!(last.event, PoolEvent::MetisTransfer { .. }), "{last:?}");
    assert_eq!(records.iter().filter(|record| record.block.0 == GIFT_IN).count(), 1);
    let (status, out, err) = live.ingest(&[]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains(&recorded_digest("small-a", None, None)), "{out}");
}

/// The logs that an answer to `eth_getLogs` has, if it is one that has all transfers of the token into the escrow
/// (2), or out of it (1), in the block with the gift.
fn moves<'a>(call: &Value, told: &'a Value, place: usize) -> Option<&'a Vec<Value>> {
    let filter = &call["params"][0];
    let number = |value: &Value| u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok();
    let escrow = ESCROW.parse::<Address>().unwrap().into_word().to_string();
    let is_asked = call["method"] == "eth_getLogs"
        && filter["address"].to_string().to_lowercase().contains(TOKEN)
        && filter["topics"][place] == escrow;
    let (from, to) = (number(&filter["fromBlock"])?, number(&filter["toBlock"])?);
    told["result"].as_array().filter(|_| is_asked && (from..=to).contains(&GIFT_IN))
}

/// The token's own transfer from the escrow to itself, in the block with the gift.
fn to_itself(amount: u64) -> Value {
    let path = fixture("small-a").join("l1_logs.jsonl.gz");
    let lines = BufReader::new(MultiGzDecoder::new(File::open(path).unwrap())).lines();
    let mut logs = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let number = format!("{GIFT_IN:#x}");
    let mut log = logs.find(|log| log["blockNumber"] == number && log["address"] == TOKEN).unwrap();
    log["topics"][1] = log["topics"][2].clone();
    log["data"] = json!(format!("0x{amount:064x}"));
    log["logIndex"] = json!("0x63");
    log
}

/// An endpoint of small-a that puts more into the answers, by what was asked for: transfers out of the escrow (1)
/// or into it (2). The receipt of their transaction has those out of it.
fn with_more(more: impl Fn(usize) -> Vec<Value> + Send + Sync + 'static) -> Live {
    let lies = Rule::new(move |call, told| {
        let of_one = more(1);
        let is_its_receipt = call["method"] == "eth_getTransactionReceipt"
            && of_one.first().is_some_and(|log| call["params"][0] == log["transactionHash"]);
        if is_its_receipt {
            let mut receipt = told["result"].clone();
            receipt["logs"].as_array_mut()?.extend(of_one);
            return Some(json!({ "result": receipt }));
        }
        let (place, logs) = [1, 2].into_iter().find_map(|place| Some((place, moves(call, told, place)?)))?;
        Some(json!({ "result": logs.iter().cloned().chain(more(place)).collect::<Vec<_>>() }))
    });
    Live::start("small-a", &Options { lies, ..Options::default() })
}

/// Both filters give it, and that is no contradiction.
#[test]
fn a_transfer_from_the_escrow_to_itself_is_one_record() {
    let live = with_more(|_| vec![to_itself(5)]);
    let (status, _, err) = live.ingest(&["--rpc-rounds", "1"]);
    assert_eq!(status, 0, "{err}");
    let found = LogReader::open(&live.log()).unwrap();
    let (_dir, log) = ingested("small-a");
    let (escrow, amount) = (ESCROW.parse().unwrap(), engine::Wei::new(U256::from(5)));
    let mut expected = transfers(&log);
    let gift = expected.iter().position(|record| record.block.0 == GIFT_IN).unwrap();
    let event = PoolEvent::MetisTransfer { from: escrow, to: escrow, amount };
    expected.insert(gift + 1, L1Record { log_index: 99, event, ..expected[gift].clone() });
    assert_eq!(transfers(&found), expected);
    assert_eq!(left_in_escrow(&found, u64::MAX), left_in_escrow(&log, u64::MAX));
}

#[test]
fn a_log_that_an_endpoint_gives_twice_or_in_two_forms_is_told() {
    let log = format!("99 of block {GIFT_IN}");
    let twice = with_more(|_| vec![to_itself(5), to_itself(5)]);
    let (status, _, err) = twice.ingest(&["--rpc-rounds", "1"]);
    assert!(status == 1 && err.contains(&format!("it gave log {log} twice")), "{err}");
    let differ = with_more(|place| vec![to_itself(if place == 1 { 5 } else { 6 })]);
    let (status, _, err) = differ.ingest(&["--rpc-rounds", "1"]);
    assert!(status == 1 && err.contains(&format!("it gave two logs {log} that differ: one of 0x")), "{err}");
}

/// What was not asked for is left out, whoever sends it: some endpoints take no notice of topics.
#[test]
fn an_endpoint_that_takes_no_notice_of_topics_gives_the_same_log() {
    let path = fixture("small-a").join("l1_logs.jsonl.gz");
    let file = BufReader::new(MultiGzDecoder::new(File::open(path).unwrap())).lines();
    let logs: Vec<Value> = file.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let lies = Rule::new(move |call, told| {
        let filter = &call["params"][0];
        if call["method"] != "eth_getLogs" || !filter["address"].to_string().to_lowercase().contains(TOKEN) {
            return None;
        }
        told["result"].as_array()?;
        let number = |value: &Value| u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok();
        let is_there = |log: &&Value| {
            let range = number(&filter["fromBlock"]).zip(number(&filter["toBlock"]));
            log["address"] == TOKEN
                && match range {
                    Some((from, to)) => (from..=to).contains(&number(&log["blockNumber"]).unwrap()),
                    None => log["blockHash"] == filter["blockHash"],
                }
        };
        Some(json!({ "result": logs.iter().filter(is_there).collect::<Vec<_>>() }))
    });
    let live = Live::start("small-a", &Options { lies, ..Options::default() });
    let (status, out, err) = live.ingest(&["--rpc-rounds", "1"]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains(&recorded_digest("small-a", None, None)), "{out}");
}
