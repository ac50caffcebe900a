//! Where two results part.

use super::bundle_of;
use crate::support::{fixture, ingested, tally};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn compare(a: &Path, b: &Path) -> (u8, Value) {
    let args = ["audit", "compare", a.to_str().unwrap(), b.to_str().unwrap(), "--format", "json"];
    let (status, out, err) = tally(&args);
    assert_eq!(err, "");
    (status, serde_json::from_str(&out).unwrap())
}

/// The receipt of a bundle, as a file beside it.
fn receipt(bundle: &Path) -> PathBuf {
    let path = bundle.with_extension("json");
    std::fs::write(&path, tally(&["bundle", "show", bundle.to_str().unwrap(), "--receipt"]).1).unwrap();
    path
}

#[test]
fn a_receipt_and_the_bundle_that_it_is_in_are_the_same() {
    let (_dir, bundle) = bundle_of("pool-a", "guide", &[]);
    let receipt = receipt(&bundle);
    for (a, b) in [(&bundle, &receipt), (&receipt, &receipt), (&bundle, &bundle)] {
        let (status, result) = compare(a, b);
        assert_eq!((status, &result["verdict"]), (0, &"equal".into()), "{result}");
        assert!(result["first_difference"].is_null() && result["circumstances"] == serde_json::json!([]));
    }
    let (_, out, _) = tally(&["audit", "compare", bundle.to_str().unwrap(), receipt.to_str().unwrap()]);
    assert!(out.ends_with("equal: the same policy gives the same ledger\n"), "{out}");
}

/// How far two logs happen to reach makes no difference to what they say of the same blocks.
#[test]
fn two_logs_of_different_lengths_give_one_result_up_to_one_block() {
    let (_whole, whole) = bundle_of("pool-a", "guide", &["--blocks", ":15220000"]);
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let log = log.to_str().unwrap();
    let recording = fixture("pool-a");
    let cut = ["ingest", "--recording", recording.to_str().unwrap(), "--log", log, "--l2-to", "15220000"];
    assert_eq!(tally(&cut).0, 0);
    let short = dir.path().join("short.json");
    let args = ["replay", "--log", log, "--receipt", short.to_str().unwrap()];
    assert_eq!(tally(&args).0, 0);
    let (status, result) = compare(&whole, &short);
    assert_eq!(status, 0, "{result}");
    let told: Vec<_> =
        result["circumstances"].as_array().unwrap().iter().map(|told| told["field"].clone()).collect();
    for field in ["to", "stopped.reason", "log.l2_head.block", "log.head_digest"] {
        assert!(told.contains(&field.into()), "{field}: {told:?}");
    }
}

#[test]
fn other_policies_and_other_logs_are_told_with_the_first_epoch_and_row() {
    let (log, _) = ingested("pool-a");
    let (_a, guide) = bundle_of("pool-a", "guide", &[]);
    let (_b, by_stake) = bundle_of("pool-a", "stake-weighted", &[]);
    let (_c, small) = bundle_of("small-a", "guide", &[]);
    let (status, result) = compare(&guide, &by_stake);
    assert_eq!((status, &result["verdict"]), (3, &"different".into()));
    assert_eq!(result["first_difference"]["epoch"], 0);
    let fields = result["fields"].as_array().unwrap();
    assert!(fields.contains(&"policy".into()) && !fields.contains(&"log".into()), "{fields:?}");
    assert_eq!(result["differences"][0]["field"], "policy.name");
    // Its block is the first of the sequencer's that the two ledgers have differently.
    let sequencer = result["first_difference"]["sequencer"].to_string();
    let rows = |policy: &str| {
        let show =
            ["ledger", "show", "--log", log.path().to_str().unwrap(), "--format", "csv", "--epoch", "0"];
        tally(&[&show[..], &["--sequencer", &sequencer, "--policy", policy]].concat()).1
    };
    let (flat, weighted) = (rows("guide"), rows("stake-weighted"));
    let reward = |line: &str| line.split(',').nth(6).unwrap().to_owned();
    let parts = flat.lines().zip(weighted.lines()).find(|(left, right)| reward(left) != reward(right));
    let block = parts.unwrap().0.split(',').next().unwrap();
    assert_eq!(result["first_difference"]["l2_block"].to_string(), block);
    let (_, out, _) = tally(&["audit", "compare", guide.to_str().unwrap(), by_stake.to_str().unwrap()]);
    assert!(out.ends_with(&format!("sequencer {sequencer}; block {block}\n")), "{out}");
    let (status, result) = compare(&guide, &small);
    assert_eq!(status, 3);
    assert_eq!(result["differences"][0]["field"], "log.locking_info");
    // What no row says, as the last block, is told without one.
    let (_d, cut) = bundle_of("pool-a", "guide", &["--blocks", ":15230000"]);
    let (status, result) = compare(&guide, &cut);
    assert_eq!((status, &result["differences"][0]["field"]), (3, &"horizon.l2_block".into()));
    let epoch = result["first_difference"]["epoch"].as_u64().unwrap();
    assert!(epoch > 5, "they are the same up to the last epoch: {epoch}");
    let (_, out, _) = tally(&["audit", "compare", receipt(&guide).to_str().unwrap(), cut.to_str().unwrap()]);
    assert!(out.contains("; the block needs two bundles\n"), "{out}");
}

/// Of two horizons in one epoch every row differs by its stake·seconds: told is the sequencer that earned otherwise, and
/// its first block beyond the nearer horizon, whichever of the two comes first.
#[test]
fn two_horizons_part_at_the_first_block_beyond_the_nearer() {
    let (_whole, whole) = bundle_of("pool-a", "guide", &[]);
    let (_cut, cut) = bundle_of("pool-a", "guide", &["--blocks", ":15234490"]);
    let (status, result) = compare(&whole, &cut);
    assert_eq!(status, 3);
    let place = &result["first_difference"];
    assert!(place["l2_block"].as_u64().unwrap() > 15_234_490, "{place}");
    assert_eq!(&compare(&cut, &whole).1["first_difference"], place);
}

#[test]
fn what_is_neither_is_refused() {
    let (dir, bundle) = bundle_of("small-a", "guide", &[]);
    let other = dir.path().join("other");
    for (text, expected) in [
        ("", "it is neither a receipt nor a bundle"),
        ("<html>", "it is neither a receipt nor a bundle"),
        ("{}", "it is no receipt: missing field `format`"),
        (
            "tally.bundle.2\n",
            "the bundle begins with \"tally.bundle.2\\n\", and this program knows \"tally.bundle.1\\n\"",
        ),
    ] {
        std::fs::write(&other, text).unwrap();
        for (a, b) in [(&bundle, &other), (&other, &bundle)] {
            let (status, _, err) = tally(&["audit", "compare", a.to_str().unwrap(), b.to_str().unwrap()]);
            assert!(status == 1 && err.contains(expected), "{text}: {err}");
        }
    }
    let (status, _, err) = tally(&["audit", "compare", "/nonexistent", bundle.to_str().unwrap()]);
    assert!(status == 1 && err.starts_with("error: /nonexistent cannot be verified: No such file"), "{err}");
    let (status, _, err) = tally(&["audit", "compare", "/dev/zero", bundle.to_str().unwrap()]);
    assert!(status == 1 && err.contains("neither a receipt nor a bundle"), "{err}");
}
