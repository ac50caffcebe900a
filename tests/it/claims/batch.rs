//! The next batch, prepared anew before each batch of the recordings, against the transaction that was sent.

use super::cut::Cut;
use super::{json_of, keys, output_of};
use crate::support::{expected, fixture, ingested, tally};
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, Bytes, U256};
use engine::{L2Block, PoolEvent, SpanEvent, SpanId, SpanRecord};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use tally_claims::{BatchEntry, ClaimsError, CreditRule, NextBatch, Uncreditable, next_batch};
use tally_eventlog::{LogReader, LogView};

pub(super) mod call {
    alloy::sol! {
        function batchSubmitRewards(uint256 _batchId, uint256 _startEpoch, uint256 _endEpoch, address[] _seqs, uint256[] _blocks);
    }
}

/// The inputs of a recording's transactions.
fn inputs(recording: &str) -> BTreeMap<B256, Bytes> {
    let file = File::open(fixture(recording).join("l1_txs.jsonl.gz")).unwrap();
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    let parsed = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    parsed
        .map(|transaction| {
            let text = |field: &str| transaction[field].as_str().unwrap().to_owned();
            (text("hash").parse().unwrap(), text("input").parse().unwrap())
        })
        .collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Blocks by sequencer, as a recording's truth has them; without those of none.
fn counts(value: &Value) -> BTreeMap<u64, u64> {
    let counts = value.as_object().unwrap().iter();
    counts
        .map(|(id, blocks)| (id.parse().unwrap(), number(blocks)))
        .filter(|(_, blocks)| *blocks > 0)
        .collect()
}

fn entries(batch: &NextBatch) -> BTreeMap<u64, u64> {
    batch.entries.iter().map(|entry| (entry.sequencer.0, entry.blocks)).collect()
}

/// Who is credited how many blocks by a call, in order of signers; those credited nothing left out.
fn credits(call: &call::batchSubmitRewardsCall) -> BTreeMap<Address, U256> {
    let all = call._seqs.iter().copied().zip(call._blocks.iter().copied());
    all.filter(|(_, blocks)| !blocks.is_zero()).collect()
}

/// The story: the batches are prepared by hand, and some are prepared wrong. What Tally prepares has to be what was sent,
/// where that was honest, and what should have been sent, where it was not. The senders shuffled their entries, and
/// added entries of no blocks for sequencers without a span, which credit nothing: so a call is the same where it pays
/// the same signers the same blocks, and some are the same to the byte. They credited present signers.
#[test]
fn each_batch_is_prepared_as_it_was_sent_or_should_have_been() {
    for (name, honest, to_the_byte) in [("small-a", 8, 2), ("pool-a", 41, 6)] {
        let (_dir, log) = ingested(name);
        let (truth, inputs) = (expected(name), inputs(name));
        let (mut honest_found, mut equal_bytes, mut with_empty_entries) = (0, 0, 0);
        for batch in truth["batches"].as_array().unwrap() {
            let place = format!("{name}, batch {}", batch["batchId"]);
            let transaction: B256 = batch["txHash"].as_str().unwrap().parse().unwrap();
            let cut = Cut::just_before(&log, transaction);
            let to = SpanId(number(&batch["endEpoch"]));
            let ours = next_batch(&cut, Some(to), CreditRule::PresentSigner);
            let ours = ours.unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(ours.batch.0, number(&batch["batchId"]), "{place}");
            assert_eq!(ours.start_span.0, number(&batch["startEpoch"]), "{place}");
            assert_eq!(ours.end_span, to, "{place}");
            assert_eq!(ours.first_block.0, number(&batch["l2_first_block"]), "{place}");
            assert_eq!(ours.last_block.0, number(&batch["l2_last_block"]), "{place}");
            assert_eq!(ours.reward_per_block.to_string(), batch["rewardPerBlock"], "{place}");
            assert_eq!(ours.discrepancies, [], "{place}");
            let gone: BTreeMap<u64, u64> = ours
                .unpayable
                .iter()
                .map(|unpayable| match unpayable.why {
                    Uncreditable::SequencerGone(sequencer) => (sequencer.0, unpayable.blocks),
                    Uncreditable::UnknownSigner | Uncreditable::SignerReplaced { .. } => {
                        panic!("{place}: {unpayable:?}")
                    }
                })
                .collect();
            assert_eq!(gone, counts(&batch["unpayable"]), "{place}");
            // The truth has what is owed to those that are gone among what is honest.
            let mut owed = entries(&ours);
            owed.extend(gone);
            assert_eq!(owed, counts(&batch["honest"]), "{place}");
            let ids: Vec<u64> = ours.entries.iter().map(|entry| entry.sequencer.0).collect();
            assert!(ids.is_sorted(), "{place}: {ids:?}");

            let sent = call::batchSubmitRewardsCall::abi_decode(&inputs[&transaction]).unwrap();
            let prepared = call::batchSubmitRewardsCall::abi_decode(&ours.call.calldata).unwrap();
            let spans =
                |call: &call::batchSubmitRewardsCall| (call._batchId, call._startEpoch, call._endEpoch);
            assert_eq!(spans(&prepared), spans(&sent), "{place}");
            if batch["planted"].is_null() {
                honest_found += 1;
                assert_eq!(credits(&prepared), credits(&sent), "{place}");
                assert_eq!(ours.total.to_string(), batch["amount"], "{place}");
                equal_bytes += u64::from(ours.call.calldata == inputs[&transaction]);
                with_empty_entries += u64::from(sent._blocks.iter().any(U256::is_zero));
            } else {
                assert_ne!(credits(&prepared), credits(&sent), "{place}");
            }
        }
        assert_eq!((honest_found, equal_bytes), (honest, to_the_byte), "{name}");
        assert!(with_empty_entries > 0, "{name} has entries of no blocks");
    }
}

/// What the command says of a batch, in this order.
const MEMBERS: [&str; 19] = [
    "log",
    "batch",
    "start_span",
    "end_span",
    "first_l2_block",
    "last_l2_block",
    "blocks",
    "reward_per_block_wei",
    "total_wei",
    "credit",
    "entries",
    "unpayable",
    "blocking",
    "check_differences",
    "paused_since_l1_block",
    "call",
    "asked_at",
    "checks",
    "is_ready",
];

/// The command itself, on logs that end with the block before a batch's. One batch of `pool-a` was sent in the very
/// block that is the first after its last L2 block: before that, nobody can know.
#[test]
fn the_command_prepares_a_batch_from_a_log_that_ends_before_it() {
    for (name, id) in [("small-a", 10), ("pool-a", 12), ("pool-a", 28)] {
        let truth = expected(name);
        let batch = truth["batches"].as_array().unwrap().iter().find(|batch| batch["batchId"] == id).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let (log, recording) = (log.to_str().unwrap(), fixture(name));
        let l1_to = (number(&batch["l1_block"]) - 1).to_string();
        output_of(&["ingest", "--recording", recording.to_str().unwrap(), "--log", log, "--l1-to", &l1_to]);
        let to_span = batch["endEpoch"].to_string();
        let command = ["claims", "next-batch", "--log", log, "--to-span", &to_span];
        if id == 28 {
            let (status, out, err) = tally(&command);
            assert_eq!((status, out.as_str()), (1, ""));
            let expected = "error: the log's L1 ends at block 19433885, time 1720184628, before the last block of span \
                            127: 15226860, time 1720187285: ingest L1 first\n";
            assert_eq!(err, expected);
            continue;
        }
        let safe = dir.path().join("safe.json");
        let with_file = [&command[..], &["--safe", safe.to_str().unwrap()]].concat();
        let prepared = json_of(&with_file);
        assert_eq!(keys(&prepared), MEMBERS);
        assert_eq!(prepared["batch"], batch["batchId"]);
        let by_sequencer = prepared["entries"].as_array().unwrap().iter();
        let by_sequencer = by_sequencer.map(|entry| (number(&entry["sequencer"]), number(&entry["blocks"])));
        assert_eq!(by_sequencer.collect::<BTreeMap<_, _>>(), counts(&batch["honest"]));
        let log_info = json_of(&["log", "info", "--log", log]);
        assert_eq!(prepared["log"]["head_digest"], log_info["head_digest"]);
        assert_eq!(prepared["log"]["l1_head"]["block"].to_string(), l1_to);
        assert_eq!(prepared["log"]["l2_head"], log_info["l2"]["head"]);
        let call = &prepared["call"];
        let state = json_of(&["state", "--log", log]);
        assert_eq!(call["chain_id"], log_info["l1"]["chain_id"]);
        assert_eq!(call["contract"], log_info["contracts"]["locking_pool"]);
        assert_eq!(
            (&call["sender"], &call["function"]),
            (&state["mpcAddress"], &json!("batchSubmitRewards"))
        );
        let mut sum = U256::ZERO;
        for entry in prepared["entries"].as_array().unwrap() {
            assert_eq!(keys(entry), ["signer", "sequencer", "blocks", "reward_wei"]);
            let sequencer = &state["sequencers"][entry["sequencer"].to_string()];
            assert_eq!(entry["signer"], sequencer["signer"], "the contract credits present signers");
            sum += entry["reward_wei"].as_str().unwrap().parse::<U256>().unwrap();
        }
        assert_eq!(sum.to_string(), prepared["total_wei"]);
        assert_eq!(prepared["reward_per_block_wei"], state["rewardPerBlock"]);

        // For a wallet the call is the same, and the same log gives the same file.
        let bytes = std::fs::read(&safe).unwrap();
        let file: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(keys(&file), ["version", "chainId", "createdAt", "meta", "transactions"]);
        assert_eq!(
            (&file["version"], &file["chainId"]),
            (&json!("1.0"), &json!(call["chain_id"].to_string()))
        );
        let head_time = log_info["l1"]["head"]["timestamp"].as_u64().unwrap();
        assert_eq!(file["createdAt"], head_time * 1_000);
        let sender = file["meta"]["createdFromSafeAddress"].as_str().unwrap();
        assert_eq!(sender.to_lowercase(), call["sender"].as_str().unwrap());
        let [transaction] = &file["transactions"].as_array().unwrap()[..] else { panic!("one call: {file}") };
        assert_eq!((&transaction["value"], &transaction["data"]), (&json!("0"), &call["calldata"]));
        let to = transaction["to"].as_str().unwrap();
        assert_eq!(to.to_lowercase(), call["contract"].as_str().unwrap());
        assert_eq!(transaction["contractMethod"]["name"], call["function"]);
        let values = &transaction["contractInputsValues"];
        assert_eq!(keys(values), ["_batchId", "_startEpoch", "_endEpoch", "_seqs", "_blocks"]);
        let blocks: Vec<String> = serde_json::from_str(values["_blocks"].as_str().unwrap()).unwrap();
        let of_entries =
            prepared["entries"].as_array().unwrap().iter().map(|entry| entry["blocks"].to_string());
        assert!(blocks.into_iter().eq(of_entries));
        json_of(&with_file);
        assert_eq!(std::fs::read(&safe).unwrap(), bytes);

        let table = output_of(&command);
        assert!(
            table.contains(&format!("calldata         {}\n", call["calldata"].as_str().unwrap())),
            "{table}"
        );
        for entry in prepared["entries"].as_array().unwrap() {
            let signer: Address = entry["signer"].as_str().unwrap().parse().unwrap();
            assert!(table.contains(&signer.to_checksum(None)), "{table}");
        }
    }
}

/// Without a last span given, the batch goes up to the last that is finished: of `small-a` the last that was paid.
#[test]
fn a_batch_reaches_to_the_last_finished_span() {
    let last_finished = |name: &str, log: &LogReader| {
        let (truth, head) = (expected(name), log.heads().l2.unwrap().block.0);
        let (_, but_last) = truth["l2"]["epochs"].as_array().unwrap().split_last().unwrap();
        let finished = but_last.iter().rev().find(|span| number(&span["endBlock"]) <= head).unwrap();
        (number(&finished["id"]), number(&finished["endBlock"]))
    };
    let (dir, log) = ingested("pool-a");
    let prepared = json_of(&["claims", "next-batch", "--log", dir.path().to_str().unwrap()]);
    let (span, block) = last_finished("pool-a", &log);
    assert_eq!((number(&prepared["end_span"]), number(&prepared["last_l2_block"])), (span, block));
    let truth = expected("pool-a");
    let last = truth["batches"].as_array().unwrap().last().unwrap();
    assert_eq!(number(&prepared["start_span"]), number(&last["endEpoch"]) + 1);
    assert_eq!(number(&prepared["batch"]), number(&last["batchId"]) + 1);

    let (_dir, log) = ingested("small-a");
    let truth = expected("small-a");
    let last = truth["batches"].as_array().unwrap().last().unwrap();
    let cut = Cut::just_before(&log, last["txHash"].as_str().unwrap().parse().unwrap());
    let batch = next_batch(&cut, None, CreditRule::SpanSigner).unwrap();
    assert_eq!((batch.end_span.0, batch.last_block.0), last_finished("small-a", &log));
    assert_eq!(batch.end_span.0, number(&last["endEpoch"]));
}

/// Spans of the recording's blocks, made up: ids from 0 on, each with its first and last block and its signer.
fn announced(spans: &[(u64, u64, Address)]) -> Vec<SpanRecord> {
    let records = (0..).zip(spans).map(|(id, (start, end, signer))| SpanRecord {
        block: L2Block(1_003),
        block_hash: B256::ZERO,
        transaction_hash: B256::ZERO,
        log_index: id,
        event: SpanEvent::NewEpoch {
            span: SpanId(id),
            start: L2Block(*start),
            end: L2Block(*end),
            signer: *signer,
        },
    });
    records.collect()
}

/// The signers of sequencers 1 and 2 of `small-a` before its first batch.
fn first_two(log: &LogReader) -> [Address; 2] {
    [1, 2].map(|id| {
        let locked = log.l1_records().unwrap().into_iter().find_map(|record| {
            let PoolEvent::Locked { signer, sequencer, .. } = record.event else { return None };
            (sequencer.0 == id).then_some(signer)
        });
        locked.unwrap()
    })
}

fn before_first_batch(log: &LogReader) -> Cut<'_> {
    let truth = expected("small-a");
    Cut::just_before(log, truth["batches"][0]["txHash"].as_str().unwrap().parse().unwrap())
}

/// A recommit on a span's first block empties it. Themis wants an entry for its signer all the same.
#[test]
fn an_emptied_span_counts_nothing_and_its_signer_has_an_entry() {
    let (_dir, log) = ingested("small-a");
    let [a, b] = first_two(&log);
    let mut cut = before_first_batch(&log);
    cut.spans = announced(&[(1_010, 1_019, a), (1_020, 1_029, a), (1_030, 1_039, b)]);
    let recommit = |new: u64, block: u64, signer: Address| SpanRecord {
        block: L2Block(block),
        log_index: 0,
        event: SpanEvent::ReCommitEpoch {
            old_span: SpanId(new - 1),
            new_span: SpanId(new),
            current_span: SpanId(new - 1),
            start: L2Block(block),
            end: L2Block(block + 9),
            new_signer: signer,
        },
        ..cut.spans[0].clone()
    };
    // Span 2 is emptied, and span 3 is where it was; span 4 is the last.
    let more = [recommit(3, 1_030, a), recommit(4, 1_035, b)];
    cut.spans.extend(more);
    let batch = next_batch(&cut, None, CreditRule::SpanSigner).unwrap();
    assert_eq!((batch.start_span.0, batch.end_span.0), (1, 3));
    assert_eq!((batch.first_block.0, batch.last_block.0, batch.blocks), (1_020, 1_034, 15));
    let found: Vec<_> =
        batch.entries.iter().map(|BatchEntry { signer, blocks, .. }| (*signer, *blocks)).collect();
    assert_eq!(found, [(a, 15), (b, 0)]);
}

/// Signers that no sequencer ever had can be credited nothing. Only if that is asked for is what is left paid.
#[test]
fn blocks_of_an_unknown_signer_are_left_out_and_told() {
    let (_dir, log) = ingested("small-a");
    let [a, _] = first_two(&log);
    let stranger = Address::repeat_byte(0x99);
    let mut cut = before_first_batch(&log);
    cut.spans =
        announced(&[(1_010, 1_019, a), (1_020, 1_024, a), (1_025, 1_031, stranger), (1_032, 1_041, a)]);
    let blocked = next_batch(&cut, None, CreditRule::SpanSigner);
    let Err(ClaimsError::Blocked { start, payable, blocking }) = blocked else { panic!("{blocked:?}") };
    assert_eq!((start.0, payable, blocking.len()), (1, 1, 1));
    assert_eq!(
        (blocking[0].signer, blocking[0].why, &blocking[0].spans[..], blocking[0].blocks),
        (stranger, Uncreditable::UnknownSigner, &[SpanId(2)][..], 7)
    );
    let batch = next_batch(&cut, None, CreditRule::PresentSigner).unwrap();
    assert_eq!((batch.end_span.0, batch.blocks), (2, 5));
    let [unpayable] = &batch.unpayable[..] else { panic!("{:?}", batch.unpayable) };
    assert_eq!(
        (unpayable.signer, unpayable.blocks, unpayable.why),
        (stranger, 7, Uncreditable::UnknownSigner)
    );
}
