//! Whom a batch credits, as the command says it: what it refuses by itself, and what it makes if it is asked to.

use super::{json_of, output_of};
use crate::support::{expected, fixture, tally};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tempfile::TempDir;

/// A log of a recording whose L1 ends with the block before that of a batch, and what is known of that batch.
fn log_before(name: &str, batch: u64) -> (TempDir, String, Value) {
    let truth = expected(name)["batches"].as_array().unwrap().clone();
    let truth = truth.into_iter().find(|truth| truth["batchId"] == batch).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log").to_str().unwrap().to_owned();
    let l1_to = (truth["l1_block"].as_u64().unwrap() - 1).to_string();
    let recording = fixture(name);
    let args = ["ingest", "--recording", recording.to_str().unwrap(), "--log", &log, "--l1-to", &l1_to];
    output_of(&args);
    (dir, log, truth)
}

fn check<'a>(batch: &'a Value, name: &str) -> &'a Value {
    let checks = batch["checks"].as_array().unwrap();
    checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no {name} in {batch:#}"))
}

/// The story: the operators ask for the next batch after a sequencer has replaced its signer. The batch that the contract
/// would take is none that the published Themis signs, so it is not made unasked, and if it is asked for, that is said.
#[test]
fn a_batch_of_a_replaced_signer_is_made_only_if_it_is_asked_for() {
    for (id, spans, signer, sequencer) in [
        (13, "spans 51, 54 (200 blocks)", "0x1871e325358980a3dd16cC28dcB58f3d9b4C5A2B", 1),
        (33, "spans 148, 153 (200 blocks)", "0x9a3Be966094CCD9938ac2A69c792e28C3e710463", 7),
        (34, "span 153 (100 blocks)", "0x9a3Be966094CCD9938ac2A69c792e28C3e710463", 7),
        (40, "span 180 (100 blocks)", "0xEdC85F210b9a6B34dD5b82bcfDC13f0C28edb266", 11),
    ] {
        let (_dir, log, truth) = log_before("pool-a", id);
        let command = ["claims", "next-batch", "--log", &log];
        let (status, out, err) = tally(&command);
        assert_eq!((status, out.as_str()), (1, ""), "{id}");
        let named = format!(
            "{spans} name{} {signer}, which sequencer {sequencer} has replaced by 0x",
            if spans.contains("spans") { "" } else { "s" }
        );
        let named = named.to_lowercase();
        assert!(err.to_lowercase().contains(&named), "{named} is not in: {err}");
        let start = truth["startEpoch"].as_u64().unwrap();
        let (before, stop) = if id == 33 { (1, start + 1) } else { (0, start) };
        let few = format!("it needs 2 spans, and has {before} before span {stop}. In the way: ");
        assert_eq!(err.matches(" name").count(), 1, "nobody else is in the way by then: {err}");
        assert!(
            err.starts_with("error: no batch passes both of the checks that it meets: ")
                && err.contains(&few),
            "{err}"
        );

        let to_span = truth["endEpoch"].to_string();
        let asked = [&command[..], &["--credit", "present-signer", "--to-span", &to_span]].concat();
        let (status, out, err) = tally(&[&asked[..], &["--format", "json"]].concat());
        assert_eq!(status, 0, "{err}");
        let warning = "warning: the published check of Themis would not sign this batch: it wants ";
        assert!(err.starts_with(warning) && err.lines().count() == 1, "{err}");
        let batch: Value = serde_json::from_str(&out).unwrap();
        let entries = batch["entries"].as_array().unwrap().iter();
        let entries: BTreeMap<String, &Value> =
            entries.map(|entry| (entry["sequencer"].to_string(), &entry["blocks"])).collect();
        let honest = truth["honest"].as_object().unwrap().iter();
        assert_eq!(entries, honest.map(|(id, blocks)| (id.clone(), blocks)).collect());
        assert_eq!((&batch["credit"], &batch["blocking"]), (&json!("present_signer"), &json!([])));
        let differences = batch["check_differences"].as_array().unwrap();
        let lowered = signer.to_lowercase();
        let wanted = differences.iter().find(|it| it["signer"] == lowered.as_str()).unwrap();
        assert_eq!(wanted["entry_blocks"], Value::Null, "{wanted}");
        assert_eq!(check(&batch, "published_check")["state"], "failed");
        assert_eq!(batch["is_ready"], false);
        let (status, table, _) = tally(&asked);
        assert!(status == 0 && table.contains("✗") && table.ends_with("\nNOT ready to be sent\n"), "{table}");
    }
}

/// What lies before the first span in the way is paid, if it is enough for a batch, and what follows is named.
#[test]
fn a_batch_ends_before_the_first_signer_that_cannot_be_credited() {
    let (_dir, log, truth) = log_before("small-a", 4);
    let command = ["claims", "next-batch", "--log", &log];
    let batch = json_of(&command);
    assert_eq!((&batch["start_span"], &batch["end_span"]), (&truth["startEpoch"], &json!(15)));
    assert_eq!(batch["credit"], "span_signer");
    assert_eq!((&batch["check_differences"], &batch["unpayable"]), (&json!([]), &json!([])));
    assert_eq!(check(&batch, "published_check")["state"], "passed");
    let replaced = "0x7f3cfe31aefbbea1bba961a42332b5599a47bb62";
    let blocking = &batch["blocking"][0];
    let present = &truth["entries"][0][0];
    assert_eq!(
        (&blocking["signer"], &blocking["sequencer"], &blocking["why"], &blocking["present_signer"]),
        (&json!(replaced), &json!(2), &json!("signer_replaced"), present)
    );
    assert_eq!((&blocking["spans"], &blocking["blocks"]), (&json!([16, 17]), &json!(80)));
    assert_eq!(batch["blocking"].as_array().unwrap().len(), 1, "of later spans L1 is not known yet");
    let table = output_of(&command);
    assert!(table.contains("spans            11 to 15\n"), "{table}");
    assert!(table.contains("\nstops before     spans 16 to 17 (80 blocks) name 0x7F3C"), "{table}");
    // More than that can be asked for, and is refused with what can be had.
    let (status, out, err) = tally(&[&command[..], &["--to-span", "17"]].concat());
    assert_eq!((status, out.as_str()), (1, ""));
    let told = "error: the batch that was asked for does not pass both of the checks that it meets: only spans 11 to 15 \
                would. In the way: spans 16 to 17 (80 blocks) name 0x7F3c";
    assert!(err.to_lowercase().starts_with(&told.to_lowercase()), "{err}");
    assert!(err.contains("Ways out: --to-span 15 pays what lies before; --credit present-signer "), "{err}");
    assert_eq!(json_of(&[&command[..], &["--to-span", "15"]].concat())["call"], batch["call"]);
}

/// A departed signer's spans are in the way, too; by present signers its blocks are left out.
#[test]
fn a_departed_signer_is_in_the_way() {
    let (_dir, log, truth) = log_before("small-a", 9);
    let command = ["claims", "next-batch", "--log", &log, "--to-span", &truth["endEpoch"].to_string()];
    let (status, _, err) = tally(&command);
    assert_eq!(status, 1);
    let told = "span 41 (40 blocks) names 0x0cb4218379a0f762d65a6e56cc261fb96315cc79, the signer of sequencer 2, which has \
                taken its stake out";
    assert!(err.to_lowercase().contains(told), "{err}");
    let (status, out, err) =
        tally(&[&command[..], &["--credit", "present-signer", "--format", "json"]].concat());
    assert!(status == 0 && err.contains("an entry of 40 blocks for 0x"), "{err}");
    let batch: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(batch["unpayable"][0]["why"], "sequencer_gone");
    assert_eq!(batch["unpayable"][0]["blocks"], 40);
}
