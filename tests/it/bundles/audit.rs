//! Bundles that are audited: as they were made, and with something changed and every digest made right again.

use super::{
    CHUNKS, HEADS, L1_EVENTS, RECEIPT, assemble, audit, blobs, bundle_of, fixture_bundle, resealed,
    section_of, sections,
};
use crate::support::{fixture, ingested, tally};
use engine::{L2Block, PoolEvent};
use serde_json::{Value, json};
use tally_eventlog::{
    Archive, EncodedChunk, Heads, Links, LogReader, LogView, Producers, Times, decode_l1, encode_l1,
};
use tally_ingest::{Limits, ingest_recording};
use tally_replay::Receipt;

#[test]
fn the_bundle_in_the_fixtures_verifies_and_is_made_again_byte_for_byte() {
    let fixture = fixture("small-a.bundle");
    let (status, out, err) = tally(&["audit", "bundle", fixture.to_str().unwrap()]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("equal: policy guide 1 up to block 3002, 1486233000000000000 wei, "), "{out}");
    let (_dir, path) = bundle_of("small-a", "guide", &[]);
    let (made, kept) = (sections(&std::fs::read(&path).unwrap()), sections(&fixture_bundle()));
    // It was made by one engine, and is made again by any.
    let receipt = |bytes: &[u8]| {
        Receipt { engine_version: "any".into(), ..Receipt::from_bytes(bytes).unwrap() }.to_bytes()
    };
    assert_eq!(receipt(&made[RECEIPT]), receipt(&kept[RECEIPT]));
    let with_its_receipt = [&made[..RECEIPT], &kept[RECEIPT..=RECEIPT], &made[RECEIPT + 1..]].concat();
    assert_eq!(assemble(&with_its_receipt), fixture_bundle(), "and this is how its bytes are laid out");
}

#[test]
fn what_was_made_of_any_log_and_policy_verifies() {
    for (recording, policy, blocks) in [
        ("pool-a", "guide", ":"),
        ("pool-a", "stake-weighted", ":15220000"),
        ("pool-a", "locking-pool", "15214503:15230000"),
        ("pool-a", "guide", ":+1"),
        ("small-a", "locking-pool", "0:latest"),
    ] {
        let (dir, path) = bundle_of(recording, policy, &["--blocks", blocks]);
        let (status, out, err) = tally(&["audit", "bundle", path.to_str().unwrap()]);
        assert_eq!((status, err.as_str()), (0, ""), "{recording} {policy} {blocks}: {out}");
        // The same as the log itself gives.
        let log = dir.path().to_str().unwrap();
        let (_, receipt, _) = tally(&["bundle", "show", path.to_str().unwrap(), "--receipt"]);
        let receipt: Value = serde_json::from_str(&receipt).unwrap();
        let to = receipt["horizon"]["l2_block"].to_string();
        let args = ["replay", "--log", log, "--policy", policy, "--to", &to, "--format", "json"];
        let replayed: Value = serde_json::from_str(&tally(&args).1).unwrap();
        assert_eq!(receipt["ledger_root"], replayed[0]["ledger_root"], "{recording} {policy} {blocks}");
    }
}

/// The log in a bundle is the one that was never ingested further.
#[test]
fn the_beginning_of_a_log_is_a_log() {
    let (_dir, path) = bundle_of("pool-a", "guide", &["--blocks", ":15220000"]);
    let archive = Archive::open(&path).unwrap();
    // Chunks end before multiples of 8,192.
    let end = (15_220_000 / 8_192 + 1) * 8_192 - 1;
    let own = tempfile::tempdir().unwrap();
    ingest_recording(&fixture("pool-a"), own.path(), Limits { l1_to: None, l2_to: Some(end) }).unwrap();
    let log = LogReader::open(own.path()).unwrap();
    assert_eq!(archive.heads(), log.heads());
    assert_eq!(archive.identity(), log.identity());
    assert_eq!(archive.signers().unwrap(), log.signers().unwrap());
    assert_eq!(archive.chunk_index(L2Block(0)).unwrap(), log.chunk_index(L2Block(0)).unwrap());
}

#[test]
fn a_bundle_begins_with_the_log() {
    let (dir, _) = ingested("small-a");
    let (log, out) = (dir.path().to_str().unwrap(), dir.path().join("x.bundle"));
    for (blocks, expected) in [
        ("1500:2000", "a bundle has to begin with the log's first block, 1003"),
        ("latest", "a bundle has to begin with the log's first block, 1003"),
        (":9000", "blocks :9000 are asked for, but there are blocks 1003 to 3002"),
        (":1002", "blocks :1002 are asked for, but there are blocks 1003 to 3002"),
    ] {
        let args = ["bundle", "create", "--log", log, "--out", out.to_str().unwrap(), "--blocks", blocks];
        let (status, _, err) = tally(&args);
        assert!(status == 1 && err.contains(expected), "{blocks}: {err}");
        assert!(!out.exists());
    }
}

/// The leaves of a JSON value, with their paths.
fn leaves(path: &str, value: &Value) -> Vec<(String, Value)> {
    if let Value::Object(members) = value {
        return members.iter().flat_map(|(name, member)| leaves(&format!("{path}/{name}"), member)).collect();
    }
    if let Value::Array(entries) = value {
        return entries
            .iter()
            .enumerate()
            .flat_map(|(at, entry)| leaves(&format!("{path}/{at}"), entry))
            .collect();
    }
    vec![(path.into(), value.clone())]
}

/// Another value of the same kind.
fn other(path: &str, value: &Value) -> Value {
    if let Some(number) = value.as_u64() {
        return json!(number + 1);
    }
    let Some(text) = value.as_str() else {
        assert!(value.is_null(), "{path} is {value}");
        return if path.ends_with("/signer") { json!(format!("0x{:040x}", 0xaa)) } else { json!(1_500) };
    };
    if let Ok(number) = text.parse::<num_bigint::BigUint>() {
        return json!((number + 1_u32).to_string());
    }
    match text {
        "0.2" => json!("0.3"),
        "initial" => json!("chain"),
        "chain" => json!("initial"),
        text if text.starts_with("name = ") => json!(text.replace("0.2", "0.3")),
        text if text.starts_with("0x") => {
            let last = if text.ends_with('0') { "1" } else { "0" };
            json!(format!("{}{last}", &text[..text.len() - 1]))
        }
        text => json!(format!("{text}-x")),
    }
}

/// A receipt with the field at `path` changed, whatever follows from it.
fn with_change(receipt: &Value, path: &str, value: &Value) -> Receipt {
    let mut changed = receipt.clone();
    let (path, value) = match path.strip_suffix("/from") {
        // What says more than another has other fields.
        Some(rate) if value == "window" => (rate, json!({ "from": "initial" })),
        _ => (path, other(path, value)),
    };
    *changed.pointer_mut(path).unwrap() = value;
    serde_json::from_value(changed).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every field of a receipt is changed, one after the other, and every digest made right again: the audit finds
/// it all the same, and names the field.
#[test]
fn a_change_to_any_field_of_the_receipt_is_found_and_named() {
    for (recording, policy, least) in [("pool-a", "guide", 190), ("small-a", "locking-pool", 140)] {
        let (dir, path) = bundle_of(recording, policy, &[]);
        let mut parts = sections(&std::fs::read(&path).unwrap());
        let receipt: Value = serde_json::from_slice(&parts[RECEIPT]).unwrap();
        let mut named = 0;
        for (path, value) in leaves("", &receipt) {
            let field = path.split('/').next_back().unwrap();
            // Made right again with the rest. Where they are wrong alone is another test's.
            if field.ends_with("digest") || field == "ledger_root" {
                continue;
            }
            let changed = with_change(&receipt, &path, &value);
            // What no ledger can be does not get that far: a window that is not over, a sequencer twice.
            if field == "format" || changed.ledger().is_err() {
                parts[RECEIPT] = changed.to_bytes();
                let (status, _, err) = audit(dir.path(), &assemble(&parts), &[]);
                let word = if field == "id" { "sequencer" } else { field };
                assert!(["format", "window_epoch", "sequencer"].contains(&word), "{path}: {err}");
                assert!(status == 1 && err.contains(word), "{path}: {err}");
                continue;
            }
            parts[RECEIPT] = resealed(changed).to_bytes();
            let (status, out, err) = audit(dir.path(), &assemble(&parts), &["--format", "json"]);
            if field == "engine_version" {
                assert_eq!(status, 0, "who made it makes no difference");
                continue;
            }
            assert_eq!((status, err.as_str()), (3, ""), "{path}: {out}");
            let result: Value = serde_json::from_str(&out).unwrap();
            // The replay ends where the receipt says that it was asked to.
            let top = if field == "to" { "horizon" } else { path.split('/').nth(1).unwrap() };
            assert!(result["fields"].as_array().unwrap().contains(&json!(top)), "{path}: {out}");
            if top == "epochs" && field != "epoch" {
                let epoch: u64 = path.split('/').nth(2).unwrap().parse().unwrap();
                assert_eq!(result["first_difference"]["epoch"], epoch, "{path}: {out}");
            }
            named += 1;
        }
        assert!(named > least, "only {named} fields");
    }
}

/// Puts a log's parts together with heads and links made right, and a receipt that speaks of that log.
fn rewritten(parts: &[Vec<u8>], heads: &Heads, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let mut parts = parts.to_vec();
    parts[HEADS] = bincode::serde::encode_to_vec(heads, bincode::config::standard()).unwrap();
    change(&mut parts);
    let mut receipt = Receipt::from_bytes(&parts[RECEIPT]).unwrap();
    let log = tally_replay::ReceiptLog::new(&receipt.log.identity(), heads).unwrap();
    receipt.log = log;
    parts[RECEIPT] = resealed(receipt).to_bytes();
    assemble(&parts)
}

/// The story: somebody gives one sequencer a larger stake in the log, and makes every digest right, but cannot have
/// a ledger that is both the published one and this log's.
#[test]
fn a_changed_stake_shows_in_the_first_epoch_and_row() {
    let (dir, path) = bundle_of("pool-a", "guide", &[]);
    let archive = Archive::open(&path).unwrap();
    let parts = sections(&std::fs::read(&path).unwrap());
    let mut heads = *archive.heads();
    let mut chain = Links::default();
    let mut records = blobs(&parts[L1_EVENTS]);
    let mut locked = 0;
    for bytes in &mut records {
        let mut record = decode_l1("test", bytes).unwrap();
        if let PoolEvent::Locked { amount, sequencer, .. } = &mut record.event {
            locked += 1;
            if locked == 2 {
                assert_eq!(sequencer.0, 2);
                *amount = amount.checked_add(engine::Wei::new(alloy_primitives::U256::from(1))).unwrap();
            }
        }
        *bytes = encode_l1(&record).unwrap();
        chain =
            chain.extended(&[record.block.0.to_be_bytes(), record.log_index.to_be_bytes()].concat(), bytes);
    }
    heads.l1_events = chain;
    let bundle = rewritten(&parts, &heads, |parts| parts[L1_EVENTS] = section_of(&records));
    let (status, out, err) = audit(dir.path(), &bundle, &[]);
    assert_eq!((status, err.as_str()), (3, ""), "{out}");
    assert!(out.contains("epochs.0.rows.2.stake_seconds: the receipt has \""), "{out}");
    assert!(!out.contains("epochs.0.rows.3") && !out.contains("epochs.1"), "only the first is told: {out}");
    assert!(out.ends_with("DIFFERENT: from epoch 0, sequencer 2 on\n"), "{out}");
}

/// The same with one block of a chunk, which is given to somebody else.
#[test]
fn a_block_given_to_another_shows_in_the_first_epoch_and_row() {
    let (dir, path) = bundle_of("pool-a", "guide", &[]);
    let archive = Archive::open(&path).unwrap();
    let parts = sections(&std::fs::read(&path).unwrap());
    let mut columns = blobs(&parts[CHUNKS]);
    let index = archive.chunk_index(L2Block(0)).unwrap();
    let mut chain = Links::default();
    let mut heads = *archive.heads();
    let mut headers = Vec::new();
    archive
        .scan_verified::<tally_eventlog::LogError>(L2Block(0)..=heads.l2.unwrap().block, |header, _| {
            headers.push(header.clone());
            Ok(())
        })
        .unwrap();
    for (at, entry) in index.iter().enumerate() {
        let first = entry.first_block;
        if at == 1 {
            let mut codes = Producers::new(first, &columns[4]).unwrap().to_vec().unwrap();
            let times = Times::new(first, &columns[5]).unwrap();
            let later = codes.iter().position(|code| *code == 2).unwrap();
            codes[later] = 1;
            let blocks = codes.iter().copied().zip(times.iter().map(Result::unwrap)).collect::<Vec<_>>();
            let chunk = EncodedChunk::new(first, blocks, headers[at].last_hash, headers[at].signers);
            columns[3] = bincode::serde::encode_to_vec(&chunk.header, bincode::config::standard()).unwrap();
            columns[4] = chunk.producers;
        }
        chain = chain.extended(&first.0.to_be_bytes(), &columns[3 * at]);
    }
    heads.chunks = chain;
    let bundle = rewritten(&parts, &heads, |parts| parts[CHUNKS] = section_of(&columns));
    let (status, out, err) = audit(dir.path(), &bundle, &["--format", "json"]);
    assert_eq!((status, err.as_str()), (3, ""), "{out}");
    let result: Value = serde_json::from_str(&out).unwrap();
    let epoch = result["first_difference"]["epoch"].as_u64().unwrap();
    assert_eq!(result["first_difference"]["sequencer"], 1);
    let row = result["differences"].as_array().unwrap().iter();
    let blocks =
        row.clone().find(|difference| difference["field"] == format!("epochs.{epoch}.rows.1.blocks"));
    let blocks = blocks.unwrap_or_else(|| panic!("{out}"));
    assert_eq!(blocks["receipt"].as_u64().unwrap() + 1, blocks["replay"].as_u64().unwrap());
    assert_eq!(result["fields"], json!(["epochs", "sequencers", "ledger_root"]));
}

/// The bundle in `fixtures/` as it would be of a log without METIS transfers.
pub(super) fn bundle_without_transfers() -> Vec<u8> {
    let parts = sections(&fixture_bundle());
    let mut heads = *Archive::from_bytes(fixture_bundle()).unwrap().heads();
    let mut chain = Links::default();
    let mut records = blobs(&parts[L1_EVENTS]);
    records.retain(|bytes| {
        let record = decode_l1("test", bytes).unwrap();
        let is_kept = !matches!(record.event, PoolEvent::MetisTransfer { .. });
        if is_kept {
            let key = [record.block.0.to_be_bytes(), record.log_index.to_be_bytes()].concat();
            chain = chain.extended(&key, bytes);
        }
        is_kept
    });
    heads.l1_events = chain;
    rewritten(&parts, &heads, |parts| parts[L1_EVENTS] = section_of(&records))
}

/// The story: before format 4, logs had no METIS transfers, and the bundles made of them are still about. This one
/// is the fixture as it was then, and nothing else in its log is new.
#[test]
fn a_bundle_of_a_log_without_transfers_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let parts = sections(&fixture_bundle());
    let bundle = bundle_without_transfers();
    let (status, out, err) = audit(dir.path(), &bundle, &[]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    let receipt = Receipt::from_bytes(&sections(&bundle)[RECEIPT]).unwrap();
    assert_eq!(
        receipt.log.head_digest.to_string(),
        "0xc5a481fc030ee505311ec2ebf2fbbe2d108ac5bf91e7a78a83a64eb1b3e2b9b1"
    );
    let whole = Receipt::from_bytes(&parts[RECEIPT]).unwrap();
    assert_eq!(Receipt { log: whole.log.clone(), ..receipt }, whole, "only the log is another");
}

#[test]
fn show_prints_what_is_in_it() {
    let path = fixture("small-a.bundle");
    let path = path.to_str().unwrap();
    let parts = sections(&fixture_bundle());
    let (status, out, _) = tally(&["bundle", "show", path]);
    assert_eq!(status, 0);
    for text in [
        "span_events",
        "policy guide 1 (0x1263",
        "up to L1 block 20231395 and L2 block 3002",
        "1.486233 METIS",
    ] {
        assert!(out.contains(text), "{text}: {out}");
    }
    let text = |at: usize| String::from_utf8(parts[at].clone()).unwrap();
    assert_eq!(tally(&["bundle", "show", path, "--policy"]).1, text(0));
    assert_eq!(tally(&["bundle", "show", path, "--receipt"]).1, text(RECEIPT));
    assert_eq!(tally(&["bundle", "show", path, "--receipt", "--policy"]).0, 2);
}
