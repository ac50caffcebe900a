//! Nodes whose blocks are not l2geth's, or not quite: the sequencers' signatures are what counts, and a field that is
//! absent says nothing, where null says that nobody signed.

use super::{GoesOn, Ingest, POOL, Refused, SMALL, Unfit, every, first, kinds, on_l2};
use crate::support::{fixture, tally};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use replay_node::{Kind, Odd, TransactionChange};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use tally_eventlog::LogReader;

fn transactions(change: TransactionChange) -> Odd {
    on_l2(Kind::Transactions(change))
}

/// What is said of a node that is none of l2geth's.
const NOT_L2GETH: &[&str] = &["seqR", "seqS", "seqV", "l2geth"];

kinds! {
    a_node_that_is_not_l2geth:
        [SMALL, POOL], Unfit(NOT_L2GETH), [transactions(TransactionChange::NotL2Geth)];
    transactions_without_seq_r:
        [SMALL, POOL], Unfit(NOT_L2GETH), [transactions(TransactionChange::Lacks("seqR"))];
    transactions_without_seq_s:
        [SMALL, POOL], Unfit(NOT_L2GETH), [transactions(TransactionChange::Lacks("seqS"))];
    transactions_without_seq_v:
        [SMALL, POOL], Unfit(NOT_L2GETH), [transactions(TransactionChange::Lacks("seqV"))];
    a_proxy_that_leaves_out_what_is_null:
        [SMALL, POOL], Unfit(NOT_L2GETH), [transactions(TransactionChange::NoNulls)];
    a_node_that_is_not_l2geth_behind_the_same_name:
        [SMALL, POOL], Unfit(NOT_L2GETH), [every(2, transactions(TransactionChange::NotL2Geth))];

    a_seq_v_of_27:
        [SMALL, POOL], Refused(&["seqV", "neither 0 nor 1"]), [transactions(TransactionChange::SeqV("0x1b"))];
    a_seq_v_with_a_chain_id:
        [SMALL, POOL], Refused(&["seqV", "neither 0 nor 1"]), [transactions(TransactionChange::SeqV("0x8a3"))];
    a_seq_v_above_64_bits:
        [SMALL, POOL], Refused(&["seqV", "does not decode"]),
        [transactions(TransactionChange::SeqV("0x10000000000000000"))];
    a_seq_v_of_no_digits:
        [SMALL, POOL], Refused(&["seqV", "does not decode"]), [transactions(TransactionChange::SeqV("0x"))];
    an_odd_seq_v_at_first:
        [SMALL, POOL], GoesOn, [first(2, transactions(TransactionChange::SeqV("0x1b")))];
    half_a_signature:
        [SMALL, POOL], Refused(&["seqS", "signature", "signed"]), [transactions(TransactionChange::HalfSigned)];
    half_a_signature_at_first:
        [SMALL, POOL], GoesOn, [first(2, transactions(TransactionChange::HalfSigned))];
    hashes_in_place_of_transactions:
        [SMALL, POOL], Refused(&["does not decode"]), [transactions(TransactionChange::Hashes)];
    hashes_in_place_of_transactions_at_first:
        [SMALL, POOL], GoesOn, [first(2, transactions(TransactionChange::Hashes))];
    blocks_without_transactions:
        [SMALL, POOL], Refused(&["transaction"]), [transactions(TransactionChange::None)];
    blocks_without_transactions_at_first:
        [SMALL, POOL], GoesOn, [first(2, transactions(TransactionChange::None))];
}

/// A fall-back that is none of l2geth's is never used, however often the first endpoint fails, and whichever comes first.
#[test]
fn a_node_that_is_not_l2geth_never_mixes_into_a_log() {
    let odd = SMALL.options(&[transactions(TransactionChange::NotL2Geth)]);
    let failures = vec![replay_node::Failure::Status(503)];
    for every in [5, 9] {
        let failing = replay_node::Options {
            fail_every: Some(every),
            failures: failures.clone(),
            ..SMALL.options(&[])
        };
        for nodes in [[failing.clone(), odd.clone()], [odd.clone(), failing]] {
            let ingest = Ingest::from(SMALL, &nodes, &["--rpc-rounds", "10"]);
            ingest.assert_whole(&format!("one of {every} fails"), &ingest.once());
        }
    }
}

/// A recording of such a node is refused by file and line, and so is one in which a single line is.
#[test]
fn a_recording_of_a_node_that_is_not_l2geth_is_refused_by_file_and_line() {
    for recording in ["small-a", "pool-a"] {
        for (name, line) in [("seqR", 1), ("seqS", 77), ("seqV", 300)] {
            let (status, err, log) = ingest_without(recording, name, line);
            assert_eq!(status, 1, "{recording} without {name}: {err}");
            let place = format!("l2_blocks.jsonl.gz, line {line}:");
            assert!(err.contains(&place), "no {place} in: {err}");
            assert!(err.contains(name), "no {name} in: {err}");
            let reached = log.and_then(|log| log.heads().l2).map(|head| head.block.0);
            let first = if recording == "small-a" { 1_003 } else { 15_214_503 };
            assert!(reached.is_none_or(|block| block < first + line - 1), "{recording}: block {reached:?}");
        }
    }
}

/// Ingests a recording whose first transaction in one line of L2's blocks lacks a field: the status, what it said, and
/// the log, if there is one.
fn ingest_without(recording: &str, name: &str, line: u64) -> (u8, String, Option<LogReader>) {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("recording");
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(fixture(recording)).unwrap().map(Result::unwrap) {
        if file.file_name() != "l2_blocks.jsonl.gz" {
            std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
    }
    let file = "l2_blocks.jsonl.gz";
    change_line(&fixture(recording).join(file), &copy.join(file), line, |block| {
        block["transactions"][0].as_object_mut().unwrap().remove(name).expect("it was there");
    });
    let (copy, log) = (copy.to_str().unwrap(), dir.path().join("log"));
    let (status, _, err) = tally(&["ingest", "--recording", copy, "--log", log.to_str().unwrap()]);
    (status, err, LogReader::open(&log).ok())
}

/// Copies a file of a recording with one line changed, counted from 1.
fn change_line(from: &Path, to: &Path, line: u64, change: impl Fn(&mut Value)) {
    let lines = BufReader::new(MultiGzDecoder::new(File::open(from).unwrap())).lines();
    let mut written = GzEncoder::new(File::create(to).unwrap(), Compression::fast());
    for (number, text) in (1..).zip(lines) {
        let mut text = text.unwrap();
        if number == line {
            let mut block: Value = serde_json::from_str(&text).unwrap();
            change(&mut block);
            text = block.to_string();
        }
        writeln!(written, "{text}").unwrap();
    }
    written.finish().unwrap();
}
