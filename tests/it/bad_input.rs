//! Recordings with one thing wrong, and policies that make no sense: a clear error that names the
//! place and both values, and a log that is as it was.

use crate::support::{fixture, tally};
use engine::{L1Record, PoolEvent};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::Path;
use tally_eventlog::{LogReader, LogView, verify};
use tally_ingest::{Limits, ingest_recording};
use tempfile::TempDir;

/// A copy of small-a.
pub(crate) fn copy() -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixture("small-a")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

pub(crate) fn read_lines(path: &Path) -> Vec<Value> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn write_text(path: &Path, text: &str) {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    std::fs::write(path, packed.finish().unwrap()).unwrap();
}

pub(crate) fn write_lines(path: &Path, lines: &[Value]) {
    write_text(path, &lines.iter().map(|line| format!("{line}\n")).collect::<String>());
}

/// Ingests a recording into a log that holds its first half already. Checks that it fails, that the
/// log is as before, and that the good recording still goes in; returns the error.
fn refused(recording: &Path) -> String {
    let log = tempfile::tempdir().unwrap();
    let half = Limits { l1_to: Some(20_219_300), l2_to: Some(1_500) };
    let before = ingest_recording(&fixture("small-a"), log.path(), half).unwrap();
    let args = ["ingest", "--recording", recording.to_str().unwrap(), "--log", log.path().to_str().unwrap()];
    let (status, out, err) = tally(&args);
    assert_eq!((status, out.as_str()), (1, ""), "{err}");
    {
        let after = LogReader::open(log.path()).unwrap();
        assert_eq!(after.head_digest().unwrap(), before.head_digest, "the log is as it was");
        verify(&after).unwrap();
    }
    let whole = ingest_recording(&fixture("small-a"), log.path(), Limits::default()).unwrap();
    assert_eq!(whole.after.l2.unwrap().block.0, 3_002);
    let prefix = format!("error: {}/", recording.display());
    err.strip_prefix(&prefix).map_or(err.clone(), str::to_owned).trim_end().to_owned()
}

/// The error of small-a with one line of one file changed.
fn refused_with(file: &str, line: usize, change: impl Fn(&mut Value)) -> String {
    let recording = copy();
    let path = recording.path().join(file);
    let mut lines = read_lines(&path);
    change(&mut lines[line - 1]);
    write_lines(&path, &lines);
    refused(recording.path())
}

/// The line of the first log of this topic of a contract after the log's first half, from 1.
fn line_of(file: &str, contract: &str, topic: &str) -> usize {
    let logs = read_lines(&fixture("small-a").join(file));
    let number = |log: &Value| u64::from_str_radix(&log["blockNumber"].as_str().unwrap()[2..], 16).unwrap();
    let found = logs.iter().position(|log| {
        let is_later = if file.starts_with("l1") { number(log) > 20_219_300 } else { number(log) > 1_500 };
        is_later && log["address"] == contract && log["topics"][0].as_str().unwrap().starts_with(topic)
    });
    found.expect("there is such a log") + 1
}

const INFO: &str = "0x7995a2d4530bc939d4808e9d2ad967351d57a295";
const POOL: &str = "0xd973a3cda5f9ad8dc96aac03d42203359bde719f";
const SET: &str = "0x33c58e2642f54ba85bae316212734edbc1ab89f3";
const LOCK_UPDATE: &str = "0xd716c027";
const RELOCKED: &str = "0x33a87ba4";
const DISTRIBUTE_REWARD: &str = "0x57f14bf0";
const NEW_EPOCH: &str = "0x9030849b";

#[test]
fn a_truncated_gzip_file() {
    for file in ["l1_blocks", "l1_logs", "l1_txs", "l2_blocks", "l2_logs"] {
        let recording = copy();
        let path = recording.path().join(format!("{file}.jsonl.gz"));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
        let error = refused(recording.path());
        assert!(error.starts_with(&format!("{file}.jsonl.gz, line ")), "{error}");
        assert!(
            error.ends_with("incomplete deflate stream") || error.ends_with("unexpected end of file"),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_is_missing_or_no_gzip() {
    let recording = copy();
    std::fs::remove_file(recording.path().join("l2_logs.jsonl.gz")).unwrap();
    assert!(refused(recording.path()).starts_with("l2_logs.jsonl.gz: No such file"));
    let recording = copy();
    std::fs::write(recording.path().join("l2_logs.jsonl.gz"), "<html>").unwrap();
    assert!(refused(recording.path()).starts_with("l2_logs.jsonl.gz, line 1: "));
    let recording = copy();
    write_text(&recording.path().join("l2_logs.jsonl.gz"), "<html>\n");
    assert!(refused(recording.path()).starts_with("l2_logs.jsonl.gz, line 1: expected value"));
}

/// The story: a recording was cut at a line, and is good gzip. What is missing would never come in: the
/// log's head is past it.
#[test]
fn a_recording_that_is_not_whole() {
    for (file, lines, message) in [
        (
            "l1_logs",
            349,
            "line 349: the number of lines is 349, but 409 by the manifest: the recording is not whole",
        ),
        ("l1_blocks", 21_000, "line 21000: the number of lines is 21000, but 21395 by the manifest"),
        ("l2_blocks", 1_990, "line 1990: the last block is 2992, but 3002 by the manifest"),
        ("l2_logs", 130, "line 130: the number of lines is 130, but 132 by the manifest"),
    ] {
        let recording = copy();
        let path = recording.path().join(format!("{file}.jsonl.gz"));
        write_lines(&path, &read_lines(&path)[..lines]);
        let error = refused(recording.path());
        assert!(error.starts_with(&format!("{file}.jsonl.gz, {message}")), "{error}");
    }
}

/// The story: one log is missing, and only a part of the recording is asked for. What is missing would
/// never come in, so the rest is counted too.
#[test]
fn a_recording_that_is_not_whole_is_refused_with_a_limit_too() {
    for (file, limits) in [
        ("l1_logs", ["--l1-to", "20219500"]),
        ("l1_txs", ["--l1-to", "20219500"]),
        ("l1_blocks", ["--l1-to", "20231000"]),
        ("l2_logs", ["--l2-to", "2500"]),
        ("l2_blocks", ["--l2-to", "2500"]),
    ] {
        let recording = copy();
        let path = recording.path().join(format!("{file}.jsonl.gz"));
        let mut lines = read_lines(&path);
        // Of blocks the last ones: else the parent hashes say so first.
        if file.ends_with("blocks") {
            lines.pop()
        } else {
            Some(lines.remove(30))
        };
        write_lines(&path, &lines);
        let log = tempfile::tempdir().unwrap();
        let args = [
            "ingest",
            "--recording",
            recording.path().to_str().unwrap(),
            "--log",
            log.path().to_str().unwrap(),
        ];
        let (status, _, err) = tally(&[&args[..], &limits].concat());
        assert_eq!(status, 1, "{file}");
        assert!(err.contains("the number of lines is ") && err.contains("is not whole"), "{err}");
        let (status, _, err) = tally(&["log", "info", "--log", log.path().to_str().unwrap()]);
        assert!(
            status == 1 && err.ends_with("holds nothing yet: no ingest into it has succeeded\n"),
            "{err}"
        );
    }
}

/// A recording from before the log's end cannot be compared with it; that is said, and nothing is done.
#[test]
fn a_recording_that_ends_before_the_log_is_not_taken_for_agreement() {
    let log = tempfile::tempdir().unwrap();
    let whole = ingest_recording(&fixture("small-a"), log.path(), Limits::default()).unwrap();
    assert_eq!(whole.warnings, [""; 0]);
    let limits = Limits { l1_to: None, l2_to: Some(1_500) };
    let again = ingest_recording(&fixture("small-a"), log.path(), limits).unwrap();
    let warning = "of L2, block 1500 was read, and the log reaches block 3002: the two were not compared";
    assert_eq!((again.warnings, again.head_digest), (vec![warning.to_owned()], whole.head_digest));
}

/// The story: a recording of headers with gaps, of another branch, is appended where the log ends.
#[test]
fn a_recording_that_does_not_hold_the_end_of_the_log() {
    let recording = copy();
    let path = recording.path().join("l1_blocks.jsonl.gz");
    let mut lines = read_lines(&path);
    lines.remove(20_219_300 - 20_210_001);
    write_lines(&path, &lines);
    let error = refused(recording.path());
    let message =
        "the log ends at block 20219300, and the recording goes on at block 20219301 without having that one";
    assert_eq!(error, format!("l1_blocks.jsonl.gz, line 9300: {message}"));
}

/// The story: the first ingest has a wrong manifest and fails. The log must not be bound to it.
#[test]
fn a_first_ingest_that_fails_binds_the_log_to_nothing() {
    let recording = copy();
    let path = recording.path().join("manifest.json");
    let good = std::fs::read_to_string(&path).unwrap();
    let bad =
        good.replace("33c58e2642f54ba85bae316212734edbc1ab89f3", "84acdb7e334eb12de599373f715bbbbf0b2033d0");
    std::fs::write(&path, bad.replace("\"first_block\": 1003", "\"first_block\": 1002")).unwrap();
    let log = tempfile::tempdir().unwrap();
    let args =
        ["ingest", "--recording", recording.path().to_str().unwrap(), "--log", log.path().to_str().unwrap()];
    let (status, _, err) = tally(&args);
    assert!(status == 1 && err.contains("L2 block 1003 is out of order: 1002 is next"), "{err}");
    std::fs::write(&path, good).unwrap();
    assert_eq!(tally(&args).0, 0);
}

#[test]
fn a_missing_field() {
    let drop_field =
        |field: &'static str| move |line: &mut Value| drop(line.as_object_mut().unwrap().remove(field));
    for (file, field) in [
        ("l1_blocks.jsonl.gz", "parentHash"),
        ("l1_logs.jsonl.gz", "topics"),
        ("l1_txs.jsonl.gz", "input"),
        ("l2_blocks.jsonl.gz", "timestamp"),
        ("l2_logs.jsonl.gz", "logIndex"),
    ] {
        let error = refused_with(file, 60, drop_field(field));
        assert!(error.starts_with(&format!("{file}, line 60: missing field `{field}`")), "{error}");
    }
}

#[test]
fn numbers_that_are_too_large_or_no_numbers() {
    let with = |field: &'static str, value: &'static str| move |line: &mut Value| line[field] = json!(value);
    let error = refused_with("l1_blocks.jsonl.gz", 60, with("number", "0x1ffffffffffffffff"));
    assert!(
        error.starts_with("l1_blocks.jsonl.gz, line 60: 36893488147419103231 is above 18446744073709551615"),
        "{error}"
    );
    let error = refused_with("l2_blocks.jsonl.gz", 60, with("timestamp", "12"));
    assert!(
        error.starts_with("l2_blocks.jsonl.gz, line 60: \"12\" is not a number such as \"0x1f\""),
        "{error}"
    );
    let over_256: String = format!("0x1{}", "0".repeat(64));
    let error =
        refused_with("l2_blocks.jsonl.gz", 700, |line| line["transactions"][0]["seqR"] = json!(over_256));
    assert!(
        error.contains("l2_blocks.jsonl.gz, line 700: ") && error.contains("is above 2^256 - 1"),
        "{error}"
    );
    // In event data: the id of a sequencer, and the blocks of a batch.
    let line = line_of("l1_logs.jsonl.gz", INFO, LOCK_UPDATE);
    let error = refused_with("l1_logs.jsonl.gz", line, |log| {
        log["topics"][1] = json!(format!("0x{}1{}", "0".repeat(47), "0".repeat(16)));
    });
    assert_eq!(
        error,
        format!(
            "l1_logs.jsonl.gz, line {line}: sequencerId is 18446744073709551616, above 18446744073709551615"
        )
    );
}

#[test]
fn event_data_that_are_cut_or_too_long() {
    let line = line_of("l1_logs.jsonl.gz", POOL, DISTRIBUTE_REWARD);
    let error = refused_with("l1_logs.jsonl.gz", line, |log| {
        let data = log["data"].as_str().unwrap().to_owned();
        log["data"] = json!(data[..data.len() - 64]);
    });
    assert!(error.starts_with(&format!("l1_logs.jsonl.gz, line {line}: log ")), "{error}");
    assert!(error.contains("is not the event that its topic says"), "{error}");
    let error = refused_with("l1_logs.jsonl.gz", line, |log| log["data"] = json!("0xzz"));
    assert!(error.starts_with(&format!("l1_logs.jsonl.gz, line {line}: ")), "{error}");
}

#[test]
fn logs_out_of_order() {
    for (file, order) in
        [("l1_logs.jsonl.gz", "(block, log index)"), ("l2_logs.jsonl.gz", "(block, log index)")]
    {
        let recording = copy();
        let path = recording.path().join(file);
        let mut lines = read_lines(&path);
        lines.swap(80, 100);
        write_lines(&path, &lines);
        let error = refused(recording.path());
        assert!(error.contains(order) && error.ends_with("out of order"), "{error}");
        // Twice the same is out of order too.
        let recording = copy();
        let mut lines = read_lines(&fixture("small-a").join(file));
        lines.insert(100, lines[99].clone());
        write_lines(&recording.path().join(file), &lines);
        let error = refused(recording.path());
        assert!(
            error.starts_with(&format!("{file}, line 101: ")) && error.ends_with("out of order"),
            "{error}"
        );
    }
}

#[test]
fn blocks_out_of_order_or_on_another_branch() {
    for (file, line) in [("l1_blocks.jsonl.gz", 20_000), ("l2_blocks.jsonl.gz", 1_900)] {
        let recording = copy();
        let path = recording.path().join(file);
        let mut lines = read_lines(&path);
        let (block, parent) = (lines[line - 1].clone(), lines[line - 2]["hash"].clone());
        let number = u64::from_str_radix(&block["number"].as_str().unwrap()[2..], 16).unwrap();
        let other = format!("0x{}", "5a".repeat(32));
        lines[line - 1]["parentHash"] = json!(other);
        write_lines(&path, &lines);
        let parent = parent.as_str().unwrap();
        let expected = format!(
            "{file}, line {line}: block {number} has the parent {other}, but the block before it is {parent}"
        );
        assert_eq!(refused(recording.path()), expected);
        lines.swap(line - 1, line);
        write_lines(&path, &lines);
        let error = refused(recording.path());
        assert!(error.starts_with(&format!("{file}, line ")), "{error}");
        assert!(error.ends_with("out of order") || error.contains("has the parent"), "{error}");
    }
    let error = refused_with("l2_blocks.jsonl.gz", 1_900, |block| block["timestamp"] = json!("0x1"));
    assert!(
        error.starts_with(
            "l2_blocks.jsonl.gz, line 1900: block 2902 has the timestamp 1, which does not come after the "
        ),
        "{error}"
    );
}

#[test]
fn a_log_of_another_block_than_its_header() {
    let line = line_of("l1_logs.jsonl.gz", INFO, LOCK_UPDATE);
    let other = format!("0x{}", "5a".repeat(32));
    let error = refused_with("l1_logs.jsonl.gz", line, |log| log["blockHash"] = json!(other));
    assert!(error.contains(&format!(": the hash is {other} here, but 0x")), "{error}");
    let error = refused_with("l1_logs.jsonl.gz", line, |log| log["blockTimestamp"] = json!("0x7"));
    assert!(error.contains(": the timestamp is 7 here, but 17"), "{error}");
    let error = refused_with("l1_logs.jsonl.gz", line, |log| log["removed"] = json!(true));
    assert!(error.ends_with("was removed by a reorg"), "{error}");
}

#[test]
fn a_signature_that_cannot_be_recovered() {
    let error = refused_with("l2_blocks.jsonl.gz", 1_900, |block| {
        let first = &mut block["transactions"][0];
        (first["seqR"], first["seqS"], first["seqV"]) = (json!("0x5"), json!("0x7"), json!("0x0"));
    });
    assert!(
        error.starts_with(
            "l2_blocks.jsonl.gz, line 1900: L2 block 2902: the sequencer's signature of transaction 0x"
        ),
        "{error}"
    );
    assert!(error.contains("(r 5, s 7, v 0) cannot be recovered: "), "{error}");
    let error = refused_with("l2_blocks.jsonl.gz", 1_900, |block| {
        block["transactions"][0]["seqV"] = json!("0x2");
    });
    assert!(error.ends_with("cannot be recovered: v is neither 0 nor 1"), "{error}");
    let error = refused_with("l2_blocks.jsonl.gz", 1_900, |block| {
        block["transactions"][0]["seqS"] = Value::Null;
    });
    assert!(error.contains("where all or none have to be there"), "{error}");
}

#[test]
fn an_unknown_sequencer() {
    let line = line_of("l1_logs.jsonl.gz", INFO, LOCK_UPDATE);
    let error = refused_with("l1_logs.jsonl.gz", line, |log| {
        log["topics"][1] = json!(format!("0x{:064x}", 77));
    });
    assert!(error.starts_with(&format!("l1_logs.jsonl.gz, line {line}: LockUpdate in L1 block ")), "{error}");
    assert!(error.contains(": sequencer 77 is unknown: the last one that locked is "), "{error}");
}

#[test]
fn a_span_that_does_not_follow() {
    let line = line_of("l2_logs.jsonl.gz", SET, NEW_EPOCH);
    let error = refused_with("l2_logs.jsonl.gz", line, |log| {
        log["topics"][1] = json!(format!("0x{:064x}", 99));
    });
    assert!(error.contains(": span 99 is announced where span "), "{error}");
}

#[test]
fn a_batch_whose_call_is_missing_or_another() {
    let line = line_of("l1_logs.jsonl.gz", POOL, DISTRIBUTE_REWARD);
    let log = &read_lines(&fixture("small-a").join("l1_logs.jsonl.gz"))[line - 1];
    let hash = log["transactionHash"].clone();
    let recording = copy();
    let path = recording.path().join("l1_txs.jsonl.gz");
    let transactions = read_lines(&path);
    let mut without = transactions.clone();
    for transaction in without.iter_mut().filter(|tx| tx["hash"] == hash) {
        transaction["hash"] = json!(format!("0x{}", "5a".repeat(32)));
    }
    write_lines(&path, &without);
    let error = refused(recording.path());
    let missing = format!("needs transaction {}, which is missing", hash.as_str().unwrap());
    assert!(
        error.starts_with(&format!("l1_logs.jsonl.gz, line {line}: the DistributeReward in block ")),
        "{error}"
    );
    assert!(error.ends_with(&missing), "{error}");
    let mut changed = transactions.clone();
    for transaction in changed.iter_mut().filter(|tx| tx["hash"] == hash) {
        // The last digit of the last count: the sum is no longer the event's.
        let input = transaction["input"].as_str().unwrap().to_owned();
        let last = if input.ends_with('0') { "1" } else { "0" };
        transaction["input"] = json!(format!("{}{last}", &input[..input.len() - 1]));
    }
    write_lines(&path, &changed);
    let error = refused(recording.path());
    assert!(error.contains(": 0 calls of batchSubmitRewards in the input of transaction "), "{error}");
}

/// A relock whose transfer is not in the recording is told by its call; without that, it is an error.
#[test]
fn a_relock_that_nothing_explains() {
    let line = line_of("l1_logs.jsonl.gz", INFO, RELOCKED);
    let logs = read_lines(&fixture("small-a").join("l1_logs.jsonl.gz"));
    let hash = logs[line - 1]["transactionHash"].clone();
    let transfer = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
    let is_its_transfer = |log: &Value| log["transactionHash"] == hash && log["topics"][0] == transfer;
    let mut kept = logs.clone();
    for log in kept.iter_mut().filter(|log| is_its_transfer(log)) {
        // A token like many others.
        log["address"] = json!("0x00000000000000000000000000000000000000aa");
    }
    assert_ne!(kept, logs);
    let recording = copy();
    write_lines(&recording.path().join("l1_logs.jsonl.gz"), &kept);
    let records = |recording: &Path| {
        let log = tempfile::tempdir().unwrap();
        ingest_recording(recording, log.path(), Limits::default()).unwrap();
        LogReader::open(log.path()).unwrap().l1_records().unwrap()
    };
    let (by_call, mut by_transfer) = (records(recording.path()), records(&fixture("small-a")));
    let is_the_transfer = |record: &L1Record| {
        matches!(record.event, PoolEvent::MetisTransfer { .. }) && hash == record.transaction_hash.to_string()
    };
    assert!(by_transfer.iter().any(is_the_transfer));
    by_transfer.retain(|record| !is_the_transfer(record));
    assert_eq!(by_call, by_transfer, "the call tells the same as the transfer, which is no record then");
    let path = recording.path().join("l1_txs.jsonl.gz");
    let mut transactions = read_lines(&path);
    for transaction in transactions.iter_mut().filter(|tx| tx["hash"] == hash) {
        transaction["input"] = json!("0x12345678");
    }
    write_lines(&path, &transactions);
    let error = refused(recording.path());
    assert!(error.contains("neither a METIS transfer to the escrow nor a call of relock"), "{error}");
}

/// The pool called through another contract: the calls stand inside the outer call's data.
#[test]
fn calls_through_another_contract_are_found() {
    let recording = copy();
    let path = recording.path().join("l1_txs.jsonl.gz");
    let mut transactions = read_lines(&path);
    for transaction in &mut transactions {
        let input = transaction["input"].as_str().unwrap()[2..].to_owned();
        let outer = format!(
            "0xb61d27f6{:064x}{:064x}{:064x}{:064x}{input}{}",
            7,
            0,
            96,
            input.len() / 2,
            "00".repeat(28)
        );
        transaction["input"] = json!(outer);
    }
    write_lines(&path, &transactions);
    let (direct, nested) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let nested = ingest_recording(recording.path(), nested.path(), Limits::default()).unwrap();
    let direct = ingest_recording(&fixture("small-a"), direct.path(), Limits::default()).unwrap();
    assert_eq!(nested.head_digest, direct.head_digest);
}

#[test]
fn a_recording_of_another_branch_than_the_log() {
    let other = format!("0x{}", "5a".repeat(32));
    let recording = copy();
    let path = recording.path().join("l2_blocks.jsonl.gz");
    let mut lines = read_lines(&path);
    let hash = lines[497]["hash"].as_str().unwrap().to_owned();
    (lines[497]["hash"], lines[498]["parentHash"]) = (json!(other), json!(other));
    write_lines(&path, &lines);
    let error = refused(recording.path());
    assert_eq!(
        error,
        format!("l2_blocks.jsonl.gz, line 498: block 1500 is {other} here, but {hash} in the log")
    );
}

#[test]
fn a_manifest_without_a_contract() {
    let recording = copy();
    let path = recording.path().join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("lockingPool", "lockingFool");
    std::fs::write(&path, text).unwrap();
    let error = refused(recording.path());
    assert!(
        error.starts_with("manifest.json, line ") && error.contains("missing field `lockingPool`"),
        "{error}"
    );
}

#[test]
fn policies_that_make_no_sense() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    ingest_recording(&fixture("small-a"), &log, Limits { l1_to: Some(20_219_300), l2_to: Some(1_100) })
        .unwrap();
    let good = engine::BUILT_IN[0].1;
    let path = dir.path().join("policy.toml");
    let run = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let (status, out, err) =
            tally(&["replay", "--log", log.to_str().unwrap(), "--policy", path.to_str().unwrap()]);
        (status, out, err.trim_end().replace(path.to_str().unwrap(), "FILE"))
    };
    assert_eq!(run(good).0, 0);
    for (old, new, message) in [
        (
            "cap_wei = \"100000000000000000000000\"",
            "cap_wei = \"0\"",
            "`cap_wei` is 0, but has to be more than 0",
        ),
        (
            "target_mrr = \"0.20\"",
            "target_mrr = \"-0.20\"",
            "`target_mrr` is \"-0.20\", but has to be a rate of at least 0",
        ),
        ("epoch_secs = 1209600", "epoch_secs = 0", "`epoch_secs` is 0, but has to be more than 0"),
    ] {
        assert!(good.contains(old));
        let expected = (1, String::new(), format!("error: --policy FILE: {message}"));
        assert_eq!(run(&good.replace(old, new)), expected);
    }
    let (status, _, err) = run(&format!("colour = \"red\"\n{good}"));
    assert_eq!(status, 1);
    assert!(err.contains("line 1, column 1") && err.contains("unknown field `colour`"), "{err}");
    let short = good.replace("epoch_secs = 1209600", "epoch_secs = 1").replace("\"first-lock\"", "5");
    let (status, _, err) = run(&short);
    assert_eq!(status, 1);
    assert!(err.ends_with("s since genesis are more than 100000 epochs of 1 s"), "{err}");
    let (status, _, err) = tally(&["replay", "--log", log.to_str().unwrap(), "--policy", "nonesuch"]);
    assert_eq!(status, 2);
    assert!(
        err.contains(
            "--policy nonesuch: it is neither built in (guide, stake-weighted, locking-pool, operators, fixed-reward, locking-pool@1) nor a file"
        ),
        "{err}"
    );
}
