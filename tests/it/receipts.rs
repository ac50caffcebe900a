//! Receipts: what is published stays, and what is changed is found.

use crate::support::{RECORDINGS, Tool, in_tests, ingested, tally};
use alloy_primitives::keccak256;
use engine::Policy;
use serde_json::Value;
use tally_eventlog::{LogReader, LogView};
use tally_replay::{Receipt, ReplayOptions, replay};

/// The receipt of a whole log under a policy.
pub(crate) fn receipt_of(log: &LogReader, policy: &str) -> Receipt {
    let policy = Policy::built_in(policy).unwrap();
    let replayed = replay(log, &[policy], ReplayOptions::default()).unwrap();
    Receipt::new(log.identity(), log.heads(), None, &replayed[0]).unwrap()
}

/// The story: a change of the engine moves a number that was published under a policy's version.
#[test]
fn published_results_stay() {
    let mut found = String::new();
    for name in RECORDINGS {
        let (_dir, log) = ingested(name);
        for policy in [
            "guide@1",
            "stake-weighted@1",
            "locking-pool@1",
            "locking-pool@2",
            "operators@1",
            "fixed-reward@1",
        ] {
            // Whichever engine made it.
            let receipt = Receipt { engine_version: "any".into(), ..receipt_of(&log, policy) };
            let (policy, digest) = (&receipt.policy, receipt.digest());
            found += &format!("{name} {} {} {digest}\n", policy.name, policy.version);
        }
    }
    assert_eq!(
        found,
        include_str!("receipts.txt"),
        "a published result moved. A policy's version never changes: if the rules did, they need a new one. If the \
         old result was wrong, CHANGELOG.md needs a line \"Results change\" that says which and why; if only the \
         log's format is new, the ledger roots in digests.txt stay. Then these are the new receipts:\n{found}"
    );
}

/// The story: the fold changed, the receipts above were made anew, and kept replays still said what it was before.
#[test]
fn kept_replays_are_of_the_published_results() {
    let digest = keccak256(include_str!("receipts.txt")).to_string();
    assert_eq!(tally_replay::RESULTS, &digest[2..18], "published results changed: this is their digest now");
}

#[test]
fn a_receipt_reads_back_and_its_file_is_the_only_one_that_says_it() {
    for name in RECORDINGS {
        let (_dir, log) = ingested(name);
        for (policy, _) in engine::BUILT_IN.into_iter().chain(engine::BUILT_IN_EARLIER) {
            let receipt = receipt_of(&log, policy);
            let bytes = receipt.to_bytes();
            assert_eq!(Receipt::from_bytes(&bytes).unwrap(), receipt);
            assert_eq!(receipt.policy().unwrap(), Policy::built_in(policy).unwrap());
            let replayed =
                replay(&log, &[receipt.policy().unwrap()], ReplayOptions::default()).unwrap().remove(0);
            assert_eq!(receipt.ledger().unwrap(), replayed.ledger, "nothing is lost");
        }
    }
}

fn error_of(text: &str) -> String {
    Receipt::from_bytes(text.as_bytes()).expect_err("it is changed").to_string()
}

#[test]
fn a_receipt_written_in_another_way_is_refused_with_the_line() {
    let (_dir, log) = ingested("small-a");
    let text = String::from_utf8(receipt_of(&log, "guide").to_bytes()).unwrap();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        error_of(&text.replacen(from, to, 1))
    };
    let line = "the receipt is not written as Tally writes it: its line ";
    assert_eq!(
        with("\"version\": 1,", "\"version\":  1,"),
        format!("{line}6 is \"    \\\"version\\\":  1,\", not \"    \\\"version\\\": 1,\"")
    );
    assert!(with("\"reward_wei\": \"", "\"reward_wei\": \"0").starts_with(line));
    assert!(with("0x7995a2d4", "0x7995A2D4").starts_with(line));
    assert!(with("\"to\": null,", "\"to\": null, ").starts_with(line));
    assert!(error_of(&text.replace('\n', "\r\n")).starts_with(line));
    assert!(error_of(text.trim_end()).starts_with(line));
    assert!(error_of(&format!("{text}\n")).starts_with(line));
    assert!(error_of(&format!("{text}{{}}")).contains("trailing characters"));
    assert!(with("\"to\": null", "\"colour\": null").contains("unknown field `colour`"));
    assert!(with("  \"to\": null,\n", "").starts_with(line), "null is not nothing");
    assert!(with("  \"genesis\": 1719814536,\n", "").starts_with(line));
    assert!(with("  \"total_wei\": \"1486233000000000000\",\n", "").contains("missing field `total_wei`"));
    assert!(with("\"to\": null", "\"to\": -1").contains("invalid value"));
    assert!(with("\"to\": null", "\"to\": 1.5").contains("invalid type"));
    assert!(with("tally.receipt.1", "tally.receipt.2").contains("this program knows \"tally.receipt.1\""));
    assert!(error_of("").contains("it is no receipt"));
    assert!(error_of("[]").contains("it is no receipt"));
    assert!(error_of(&"[".repeat(100_000)).contains("it is no receipt"));
    // A second field of one name is what some parsers take, and others not.
    assert!(with("\"to\": null,", "\"to\": null, \"to\": 1,").contains("duplicate field `to`"));
}

/// Each digest follows from numbers that are in the receipt: one that is changed is named, with both values.
#[test]
fn a_digest_that_its_numbers_do_not_have_is_named() {
    let (_dir, log) = ingested("pool-a");
    let receipt = receipt_of(&log, "guide");
    let error = |change: &dyn Fn(&mut Receipt)| {
        let mut changed = receipt.clone();
        change(&mut changed);
        Receipt::from_bytes(&changed.to_bytes()).expect_err("it is changed").to_string()
    };
    let not_sound = |place: &str| format!("the receipt is not sound: {place} is ");
    let one = alloy_primitives::U256::from(1);
    for (change, place) in [
        (
            (&|receipt: &mut Receipt| receipt.epochs[3].rows[1].blocks += 1) as &dyn Fn(&mut Receipt),
            "the digest of epoch 3",
        ),
        (&|receipt| receipt.epochs[3].stake_seconds += one, "the digest of epoch 3"),
        (&|receipt| receipt.epochs[12].digest.0[31] ^= 1, "the digest of epoch 12"),
        (&|receipt| receipt.total_wei += one, "ledger_root"),
        (&|receipt| receipt.unrewarded.after_unlock += 1, "ledger_root"),
        (&|receipt| receipt.ledger_root.0[0] ^= 1, "ledger_root"),
        (&|receipt| receipt.log.l1_events.count += 1, "log.head_digest"),
        (&|receipt| receipt.log.initial.exit_delay_secs += 1, "log.head_digest"),
        (&|receipt| receipt.policy.text = receipt.policy.text.replace("0.2", "0.3"), "policy.digest"),
        (&|receipt| receipt.policy.text.push_str("# nothing\n"), "policy.text"),
    ] {
        let error = error(change);
        assert!(error.starts_with(&not_sound(place)), "{place}: {error}");
    }
    let ahead = error(&|receipt| {
        receipt.epochs[3].rate = tally_replay::ReceiptRate::Window { window_epoch: 3, mrr: "0.2".into() };
    });
    assert!(
        ahead.contains("rate.window_epoch of epoch 3 is 3, which has to be an epoch before it"),
        "{ahead}"
    );
    let twice = error(&|receipt| receipt.sequencers[1].id = 1);
    assert!(twice.contains("sequencer 1 in sequencers is out of order"), "{twice}");
}

/// A second implementation, which shares nothing with the first but `docs/rules.md`.
#[test]
fn python_gives_the_digests_that_a_receipt_states() {
    if !Tool::Python.is_there() {
        return;
    }
    let script = in_tests("it/receipt.py");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("receipt.json");
    let run = || {
        let output = Tool::Python.command().arg(&script).arg(&path).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for name in RECORDINGS {
        let (_dir, log) = ingested(name);
        for (policy, _) in engine::BUILT_IN {
            let mut receipt = receipt_of(&log, policy);
            std::fs::write(&path, receipt.to_bytes()).unwrap();
            let (status, out) = run();
            assert_eq!(status, Some(0), "{name} {policy}: {out}");
            assert!(out.contains(&format!("ledger root: {}\n", receipt.ledger_root)), "{out}");
            let epoch = receipt.epochs.last_mut().unwrap();
            epoch.rows[0].reward_wei += alloy_primitives::U256::from(1);
            std::fs::write(&path, receipt.to_bytes()).unwrap();
            let (status, out) = run();
            assert!(status == Some(1) && out.contains(", but the receipt has "), "{name} {policy}: {out}");
        }
    }
}

#[test]
fn replay_writes_the_receipt_and_tells_its_digest() {
    let (dir, log) = ingested("small-a");
    let path = dir.path().join("receipt.json");
    let (log_path, file) = (dir.path().to_str().unwrap(), path.to_str().unwrap());
    let expected = receipt_of(&log, "guide");
    let told = format!("receipt digest {}\n", expected.digest());
    let (status, out, err) = tally(&["replay", "--log", log_path, "--receipt", file]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.ends_with(&told), "{out}");
    assert_eq!(std::fs::read(&path).unwrap(), expected.to_bytes());
    let args = ["replay", "--log", log_path, "--receipt", file, "--format", "json"];
    let (status, out, err) = tally(&args);
    assert_eq!((status, err), (0, told));
    serde_json::from_str::<Value>(&out).unwrap();
    let both = ["replay", "--log", log_path, "--receipt", file, "--policy", "guide,locking-pool"];
    let (status, _, err) = tally(&both);
    assert_eq!(
        (status, err.as_str()),
        (2, "error: --receipt: a receipt is of one policy, and 2 are given\n")
    );
    let (status, _, err) = tally(&["replay", "--log", log_path, "--receipt", "/nonexistent/receipt.json"]);
    assert!(
        status == 1 && err.starts_with("error: writing the receipt /nonexistent/receipt.json: "),
        "{err}"
    );
}
