//! The recorded runs of the real contracts, against what the contracts themselves answered.

use crate::oracle;
use crate::support::{
    RECORDINGS, assert_same, expected, fixture, history_of, ingested, oracle_policy, splits, tally,
};
use alloy_primitives::Address;
use engine::{L1Block, L2Block, Policy, PoolEvent, Spans, Status};
use serde_json::Value;
use std::collections::BTreeMap;
use tally_eventlog::{LogReader, LogView};
use tally_ingest::{Limits, ingest_recording};
use tally_replay::{ReplayOptions, Replayed, Stop, replay, state_at};

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn signer(value: &Value) -> Address {
    value.as_str().unwrap().parse().unwrap()
}

/// The sequencer of each signer, by a recording's truth.
fn sequencer_of(truth: &Value) -> BTreeMap<Address, u64> {
    let signers = truth["signers"].as_array().unwrap().iter();
    signers.map(|entry| (signer(&entry["signer"]), number(&entry["seq"]))).collect()
}

fn replay_built_in(log: &LogReader, names: &[&str], options: ReplayOptions<'_>) -> Vec<Replayed> {
    let policies: Vec<_> = names.iter().map(|name| Policy::built_in(name).unwrap()).collect();
    replay(log, &policies, options).unwrap()
}

#[test]
fn the_state_equals_the_contracts_in_every_field_at_every_checkpoint() {
    for (name, checkpoints) in RECORDINGS.into_iter().zip([13, 14]) {
        let (dir, _) = ingested(name);
        let log = dir.path().to_str().unwrap();
        let expect = fixture(name).join("expected.json");
        let (status, out, err) = tally(&["state", "--log", log, "--expect", expect.to_str().unwrap()]);
        let verdict = format!("equal: {checkpoints} recorded states of the contracts, 0 differences\n");
        assert_eq!((status, out, err), (0, verdict, String::new()), "{name}");
    }
}

/// The comparison above looks at the fields that the state has; these are all there are.
#[test]
fn the_state_has_every_field_of_the_contracts() {
    for name in RECORDINGS {
        let (dir, _) = ingested(name);
        let log = dir.path().to_str().unwrap();
        let truth = expected(name);
        let mut names: Vec<_> = truth["final"].as_object().unwrap().keys().cloned().collect();
        // Of the block, and balances of other contracts.
        let others = [
            "l1_hash",
            "timestamp",
            "why",
            "metis_balance_lockingInfo",
            "metis_balance_bridge",
            "bridge_l2Balances",
        ];
        names.retain(|name| !others.contains(&name.as_str()));
        let (status, out, _) = tally(&["state", "--log", log, "--format", "json"]);
        assert_eq!(status, 0);
        let state: Value = serde_json::from_str(&out).unwrap();
        let mut ours: Vec<_> = state.as_object().unwrap().keys().cloned().collect();
        names.sort();
        ours.sort();
        assert_eq!(ours, names, "{name}");
        for field in ours {
            assert_eq!(state[&field], truth["final"][&field], "{name} {field}");
        }
        // And an earlier block, by its number.
        for checkpoint in truth["checkpoints"].as_array().unwrap() {
            let block = checkpoint["l1_block"].to_string();
            let (_, out, _) = tally(&["state", "--log", log, "--at-l1-block", &block, "--format", "json"]);
            let state: Value = serde_json::from_str(&out).unwrap();
            for (field, value) in state.as_object().unwrap() {
                assert_eq!(value, &checkpoint[field], "{name} {field} at {block}");
            }
        }
    }
}

#[test]
fn a_changed_truth_is_found_and_named() {
    let (dir, _) = ingested("small-a");
    let mut truth = expected("small-a");
    truth["checkpoints"][3]["sequencers"]["2"]["reward"] = "1".into();
    truth["final"]["seqOwners"]["0x00000000000000000000000000000000000000aa"] = 9.into();
    let path = dir.path().join("changed.json");
    std::fs::write(&path, truth.to_string()).unwrap();
    let log = dir.path().to_str().unwrap();
    let (status, out, _) = tally(&["state", "--log", log, "--expect", path.to_str().unwrap()]);
    assert_eq!(status, 3);
    assert!(out.contains(", sequencers.2.reward: the contract has \"1\", the log gives \""), "{out}");
    assert!(
        out.contains("seqOwners.0x00000000000000000000000000000000000000aa: the contract has 9"),
        "{out}"
    );
    assert!(out.ends_with("DIFFERENT: 13 recorded states of the contracts, 2 differences\n"), "{out}");
}

#[test]
fn no_record_claims_what_the_others_do_not_add_up_to() {
    for name in RECORDINGS {
        let (_dir, log) = ingested(name);
        let state = state_at(&log, None).unwrap();
        assert_eq!(state.discrepancies, [], "{name}");
        let relocked = log.l1_records().unwrap().into_iter().filter(|record| {
            matches!(record.event, PoolEvent::Relocked { from_reward, .. } if !from_reward.is_zero())
        });
        assert!(relocked.count() > 3, "{name} has stakes raised from rewards");
    }
}

#[test]
fn spans_rebuilt_from_events_equal_the_contracts() {
    for name in RECORDINGS {
        let (_dir, log) = ingested(name);
        let spans = Spans::from_records(&log.span_records().unwrap()).unwrap();
        let truth = expected(name)["l2"]["epochs"].clone();
        let truth: Vec<_> = truth
            .as_array()
            .unwrap()
            .iter()
            .map(|span| {
                (
                    number(&span["id"]),
                    number(&span["startBlock"]),
                    number(&span["endBlock"]),
                    signer(&span["signer"]),
                )
            })
            .collect();
        let ours: Vec<_> =
            spans.as_slice().iter().map(|span| (span.id.0, span.start.0, span.end.0, span.signer)).collect();
        assert_eq!(ours, truth, "{name}");
        assert_eq!(oracle::final_spans(&log.span_records().unwrap()).len(), ours.len());
    }
}

#[test]
fn producers_equal_the_truth_signed_and_scheduled() {
    for name in RECORDINGS {
        let (_dir, log) = ingested(name);
        let truth = expected(name);
        let sequencer_of = sequencer_of(&truth);
        let truth = &truth["l2"];
        let spans = Spans::from_records(&log.span_records().unwrap()).unwrap();
        let history = history_of(&log);
        let producers = numbers(&truth["producer_seq"]);
        let scheduled = numbers(&truth["scheduled_seq"]);
        assert_eq!(history.blocks.len(), producers.len());
        let mut kinds = (0, 0);
        for (index, block) in history.blocks.iter().enumerate() {
            let span = spans.covering(L2Block(block.number));
            let by_span = span.map_or(0, |span| sequencer_of[&span.signer]);
            assert_eq!(by_span, scheduled[index], "{name}: schedule of block {}", block.number);
            let signed = truth["signed"][index].as_u64() == Some(1);
            assert_eq!(block.signed_by.is_some(), signed, "{name}: signature of block {}", block.number);
            match block.signed_by {
                Some(signed_by) => {
                    assert_eq!(
                        sequencer_of[&signed_by], producers[index],
                        "{name}: producer of block {}",
                        block.number
                    );
                    kinds.0 += 1;
                }
                None => kinds.1 += 1,
            }
        }
        assert!(kinds.0 > 1_900 && kinds.1 > 50, "{name} has both kinds: {kinds:?}");
    }
}

#[test]
fn the_locking_pool_ledger_pays_each_honest_batch_what_the_contract_credited() {
    for (name, honest_batches) in RECORDINGS.into_iter().zip([8, 41]) {
        let (_dir, log) = ingested(name);
        let truth = expected(name);
        let replayed = replay_built_in(&log, &["locking-pool"], ReplayOptions::default());
        let ledger = &replayed[0].ledger;
        let spans = Spans::from_records(&log.span_records().unwrap()).unwrap();
        let sequencer_of = sequencer_of(&truth);
        let batches = truth["batches"].as_array().unwrap();
        assert_eq!(ledger.batches.len(), batches.len(), "{name}");
        let mut honest = 0;
        for (ours, theirs) in ledger.batches.iter().zip(batches) {
            let batch = number(&theirs["batchId"]);
            assert_eq!(ours.batch.0, batch);
            let as_map = |value: &Value| -> BTreeMap<u64, u64> {
                let entries = value.as_object().unwrap().iter();
                entries
                    .map(|(id, blocks)| (id.parse().unwrap(), number(blocks)))
                    .filter(|(_, blocks)| *blocks > 0)
                    .collect()
            };
            let mut schedule = as_map(&theirs["by_schedule"]);
            let span_ids = number(&theirs["startEpoch"])..=number(&theirs["endEpoch"]);
            let mut by_spans: BTreeMap<u64, u64> = BTreeMap::new();
            for span in spans.as_slice().iter().filter(|span| span_ids.contains(&span.id.0)) {
                *by_spans.entry(sequencer_of[&span.signer]).or_default() += span.end.0 + 1 - span.start.0;
            }
            by_spans.retain(|_, blocks| *blocks > 0);
            assert_eq!(by_spans, schedule, "{name}: counts by schedule of batch {batch}");
            // Of a sequencer that was gone by then: the contract could not credit it.
            for (id, blocks) in as_map(&theirs["unpayable"]) {
                assert_eq!(schedule.remove(&id), Some(blocks), "{name}: unpayable in batch {batch}");
            }
            let counts: BTreeMap<u64, u64> =
                ours.rows.iter().map(|(id, earned)| (id.0, earned.blocks)).collect();
            assert_eq!(
                counts, schedule,
                "{name}: counts by schedule of batch {batch}, of those who can be paid"
            );
            if theirs["planted"].is_null() {
                assert_eq!(counts, as_map(&theirs["submitted"]), "{name}: counts paid in batch {batch}");
                let paid = ours
                    .rows
                    .values()
                    .fold(engine::Wei::ZERO, |sum, earned| sum.checked_add(earned.reward).unwrap());
                assert_eq!(theirs["amount"], paid.to_string(), "{name}: amount of batch {batch}");
                honest += 1;
            }
        }
        assert_eq!(honest, honest_batches, "{name}");
    }
}

#[test]
fn all_three_policies_equal_the_oracle() {
    for name in RECORDINGS {
        let (_dir, log) = ingested(name);
        let history = history_of(&log);
        let names = ["guide", "stake-weighted", "locking-pool"];
        let first = history.blocks[0].number;
        let last = history.blocks.last().unwrap().number;
        for to in [None, Some(last - 137), Some(u64::midpoint(first, last)), Some(first + 20), Some(first)] {
            let options = ReplayOptions { to: to.map(L2Block), ..ReplayOptions::default() };
            for (replayed, policy) in replay_built_in(&log, &names, options).iter().zip(names) {
                assert_same(&replayed.ledger, &oracle::fold(&history, &oracle_policy(policy), to));
            }
        }
    }
}

#[test]
fn roots_are_the_same_for_any_split_and_number_of_threads() {
    let (_dir, log) = ingested("pool-a");
    let names = ["guide", "stake-weighted", "locking-pool"];
    let whole = replay_built_in(&log, &names, ReplayOptions::default());
    assert!(whole.iter().all(|replayed| replayed.stop == Stop::LogEnd));
    for threads in [1, 2, 8] {
        for parts in [1, 2, 7, 100] {
            let splits = splits(15_214_503, 15_234_502, parts);
            let options =
                ReplayOptions { threads: Some(threads), splits: &splits, ..ReplayOptions::default() };
            for (split, whole) in replay_built_in(&log, &names, options).iter().zip(&whole) {
                assert_eq!(split.ledger, whole.ledger, "{threads} threads, {parts} parts");
            }
        }
    }
}

/// What was said of a block, on a real log: cut anywhere, also between a span's begin and its late announcement.
#[test]
fn what_was_said_of_a_block_stays_when_more_is_ingested() {
    let whole_dir = tempfile::tempdir().unwrap();
    ingest_recording(&fixture("pool-a"), whole_dir.path(), Limits::default()).unwrap();
    let whole = LogReader::open(whole_dir.path()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let guide = Policy::built_in("guide").unwrap();
    let by_schedule = engine::BUILT_IN[0].1.replace("\"signed\"", "\"scheduled\"");
    let policies =
        [guide, Policy::built_in("stake-weighted").unwrap(), Policy::from_toml(&by_schedule).unwrap()];
    let mut stops = BTreeMap::new();
    // Block 15216107 lies in span 18, which is announced in block 15216108; L1 block 19432000 is
    // long before L2 block 15232000.
    let cuts = [
        (19_436_258, 15_214_510),
        (19_436_258, 15_216_107),
        (19_432_000, 15_232_000),
        (19_436_258, 15_234_502),
    ];
    for (l1, l2) in cuts {
        let limits = Limits { l1_to: Some(l1), l2_to: Some(l2) };
        // A log never shrinks: the cut that goes less far in L1 needs a log of its own.
        let own = tempfile::tempdir().unwrap();
        let path = if l1 == 19_432_000 { own.path() } else { dir.path() };
        ingest_recording(&fixture("pool-a"), path, limits).unwrap();
        let log = LogReader::open(path).unwrap();
        let early = replay(&log, &policies, ReplayOptions::default()).unwrap();
        for (early, policy) in early.iter().zip(&policies) {
            let horizon = early.ledger.horizon.expect("something can be folded");
            let options = ReplayOptions { to: Some(horizon.block), ..ReplayOptions::default() };
            let late = replay(&whole, std::slice::from_ref(policy), options).unwrap();
            assert_eq!(early.ledger, late[0].ledger, "cut at {l1}, {l2}");
            let kind = match early.stop {
                Stop::LogEnd => "log end",
                Stop::AsAsked => "as asked",
                Stop::L1Behind { .. } => "L1 behind",
                Stop::Unsettled { .. } => "unsettled",
            };
            *stops.entry(kind).or_insert(0) += 1;
        }
    }
    // By schedule, the blocks before the late announcement are not settled; by signature they are.
    assert_eq!(stops, BTreeMap::from([("L1 behind", 3), ("log end", 8), ("unsettled", 1)]));
}

/// Mainnet's batch 2, which paid spans 1 to 193 at 761000 gwei a block, as the contract took it.
#[test]
fn batch_2_of_mainnet_credits_what_the_contract_held() {
    let wei = |value: u64| engine::Wei::new(alloy_primitives::U256::from(value));
    let credited = [
        ("0xEcA7Ae7dE0d1978DF299a547Ee66c4503fBa474D", 567_346, "431750306000000000000"),
        ("0xa233Cc81fC6C12e3318eA71EC5D7bBA78C706b04", 508_398, "386890878000000000000"),
        ("0xAfF606251d8540f97Ca2Db12774C0147A170aB9e", 448_351, "341195111000000000000"),
    ];
    let credits: Vec<_> = credited
        .iter()
        .map(|(signer, blocks, _)| engine::Credit { signer: signer.parse().unwrap(), blocks: *blocks })
        .collect();
    let stake = engine::Wei::new(
        alloy_primitives::U256::from(20_000_u64)
            * alloy_primitives::U256::from(10_u64).pow(alloy_primitives::U256::from(18)),
    );
    let locked = (1..).zip(&credits).map(|(id, credit)| PoolEvent::Locked {
        signer: credit.signer,
        sequencer: engine::SequencerId(id),
        nonce: 1,
        activation_batch: engine::BatchId(1),
        amount: stake,
        total: stake.times(id).unwrap(),
        signer_pubkey: alloy_primitives::Bytes::new(),
    });
    let batch = PoolEvent::DistributeReward {
        batch: engine::BatchId(2),
        start_span: engine::SpanId(1),
        end_span: engine::SpanId(193),
        amount: wei(761_000_000_000_000).times(567_346 + 508_398 + 448_351).unwrap(),
        reward_per_block: wei(761_000_000_000_000),
        credits: credits.clone(),
    };
    let mut pool = engine::PoolState::new(&tally_ingest::contract_defaults(L1Block(19_424_665)));
    for (log_index, event) in (0..).zip(locked.chain([batch])) {
        let record = engine::L1Record {
            block: L1Block(19_726_038),
            block_hash: alloy_primitives::B256::ZERO,
            timestamp: engine::UnixTime(0),
            transaction_hash: alloy_primitives::B256::ZERO,
            log_index,
            event,
        };
        assert_eq!(pool.apply(&record), Ok(vec![]), "and all that it claims adds up");
    }
    let held: Vec<_> = pool.sequencers.values().map(|sequencer| sequencer.reward.to_string()).collect();
    assert_eq!(held, credited.map(|(_, _, held)| held));
    assert_eq!((pool.batch.id.0, pool.batch.start_span.0, pool.batch.end_span.0), (2, 1, 193));
}

#[test]
fn sequencers_that_left_are_listed_with_their_status() {
    let (_dir, log) = ingested("small-a");
    let state = state_at(&log, Some(L1Block(20_231_395))).unwrap();
    let counts = [Status::Inactive, Status::Active, Status::Unlocked].map(|status| state.pool.count(status));
    assert_eq!(counts, [1, 4, 3]);
}
