//! Distributions: a root that was told stays provable, whatever happens after it.

use super::http::request;
use super::{Served, log_of};
use crate::support::{fixture, tally};
use alloy::sol_types::SolValue;
use alloy_primitives::{Address, B256, U256, keccak256};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tally_ingest::{Limits, ingest_recording};

/// What the command makes of an epoch: its summary and its proofs.
fn merkle(log: &Path, epoch: u64) -> (Value, Value) {
    let dir = tempfile::tempdir().unwrap();
    let (tree, proofs) = (dir.path().join("tree.json"), dir.path().join("proofs.json"));
    let (log, epoch) = (log.to_str().unwrap(), epoch.to_string());
    let args = ["claims", "merkle", "--log", log, "--epoch", &epoch, "--format", "json"];
    let files = ["--out", tree.to_str().unwrap(), "--proofs", proofs.to_str().unwrap()];
    let (status, out, err) = tally(&[&args[..], &files].concat());
    assert_eq!((status, err.as_str()), (0, ""), "epoch {epoch}");
    let proofs = serde_json::from_slice(&std::fs::read(&proofs).unwrap()).unwrap();
    (serde_json::from_str(&out).unwrap(), proofs)
}

/// Whether a proof leads from a leaf to the root, as a contract checks it.
fn leads_to(root: &Value, leaf: &Value) -> bool {
    let text = |field: &str| leaf[field].as_str().unwrap();
    let values = (
        U256::from(leaf["sequencer"].as_u64().unwrap()),
        text("recipient").parse::<Address>().unwrap(),
        text("cumulative_wei").parse::<U256>().unwrap(),
    );
    let leaf_hash = keccak256(keccak256(values.abi_encode()));
    let proof = leaf["proof"].as_array().unwrap().iter();
    let found = proof.fold(leaf_hash, |hash, by| {
        let by: B256 = by.as_str().unwrap().parse().unwrap();
        let (lesser, greater) = if hash <= by { (hash, by) } else { (by, hash) };
        keccak256([lesser.0, greater.0].concat())
    });
    found == root.as_str().unwrap().parse::<B256>().unwrap()
}

/// The roots that a server has told, by epoch.
fn told_roots(served: &Served) -> BTreeMap<u64, Value> {
    let facts = served.facts("guide", "0");
    let ready = facts.iter().filter(|fact| fact["type"] == "distribution_ready");
    ready.map(|fact| (fact["epoch"].as_u64().unwrap(), fact["root"].clone())).collect()
}

/// Epoch 3 of pool-a had two roots within minutes of it, since a recipient was changed then: a proof was served for the
/// newest only. Whenever it is asked, by the server or by the command, each epoch has one root.
#[test]
fn a_root_that_was_told_is_the_root_ever_after() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut roots: BTreeMap<u64, Value> = BTreeMap::new();
    let mut grown = 0;
    let steps = [
        (Some(19_430_300), Some(15_216_000)),
        (Some(19_430_600), Some(15_218_000)),
        (Some(19_431_500), Some(15_221_000)),
        (Some(19_433_000), Some(15_226_000)),
        (None, None),
    ];
    for (l1_to, l2_to) in steps {
        ingest_recording(&fixture("pool-a"), &log, Limits { l1_to, l2_to }).unwrap();
        let served = Served::start(&log, &[]);
        let told = told_roots(&served);
        grown += usize::from(told.len() > roots.len());
        for (epoch, root) in &told {
            let before = roots.insert(*epoch, root.clone());
            assert!(before.is_none_or(|before| before == *root), "epoch {epoch} has another root");
            assert_eq!(merkle(&log, *epoch).0["root"], *root, "epoch {epoch}");
        }
        assert_eq!(told.len(), roots.len(), "none is lost");
    }
    assert!(grown >= 3, "{grown} steps told distributions");
    assert_eq!(roots.len(), 12);
}

/// What is served of each distribution is what the command makes, with recipients as of the block that it names, and each
/// proof leads to the root that was told.
#[test]
fn each_distribution_is_served_with_proofs_of_its_own_root() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let served = Served::start(&log, &["--policy", "guide", "--policy", "locking-pool"]);
    let told = told_roots(&served);
    let list = served.json("/v1/distributions?limit=1000");
    let list = list["distributions"].as_array().unwrap();
    assert_eq!(list.len(), told.len());
    let (mut changed, mut proven) = (0, 0);
    for (epoch, head) in (0..).zip(list) {
        let (summary, proofs) = merkle(&log, epoch);
        for (field, value) in head.as_object().unwrap() {
            assert_eq!(summary[field], *value, "{field} of epoch {epoch}");
        }
        assert_eq!(head["root"], told[&epoch]);
        let one = served.json(&format!("/v1/distributions/{epoch}"));
        assert_eq!((&one["root"], &one["withheld"]), (&head["root"], &summary["withheld"]));
        let page = served.json(&format!("/v1/distributions?from={epoch}&limit=1"));
        assert_eq!(page["distributions"][0], *head);

        // Who the recipients are is what the contracts say at the block that is named.
        let block = head["l1_block"].to_string();
        let args = ["accounts", "--log", log.to_str().unwrap(), "--at-l1-block", &block, "--format", "json"];
        let accounts: Value = serde_json::from_str(&tally(&args).1).unwrap();
        let recipient = |id: &Value| {
            let own = accounts["sequencers"].as_array().unwrap().iter().find(|own| own["sequencer"] == *id);
            own.unwrap()["recipient"].clone()
        };
        let mut leaves = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = served.json(&format!("/v1/distributions/{epoch}/leaves?limit=3{cursor}"));
            assert_eq!(page["root"], head["root"]);
            leaves.extend(page["leaves"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(leaves.len(), proofs["proofs"].as_array().unwrap().len());
        for (leaf, expected) in leaves.iter().zip(proofs["proofs"].as_array().unwrap()) {
            for field in ["sequencer", "recipient", "cumulative_wei", "proof"] {
                assert_eq!(leaf[field], expected[field], "{field} in epoch {epoch}");
            }
            assert_eq!(leaf["recipient"], recipient(&leaf["sequencer"]), "epoch {epoch}");
            assert!(leads_to(&head["root"], leaf), "{leaf}");
            changed += usize::from(leaf["present_recipient"] != leaf["recipient"]);
            // By its epoch and by the root that was published, the same.
            let id = &leaf["sequencer"];
            let by_epoch = served.json(&format!("/v1/sequencers/{id}/claim?epoch={epoch}"));
            let root = head["root"].as_str().unwrap();
            let by_root = served.json(&format!("/v1/sequencers/{id}/claim?root={root}"));
            assert_eq!(by_epoch, by_root);
            let part = &by_epoch["distribution"];
            for field in ["recipient", "cumulative_wei", "proof"] {
                assert_eq!(part[field], leaf[field], "{field} of the claim of {id} in epoch {epoch}");
            }
            assert_eq!(by_epoch["recipient"], leaf["present_recipient"]);
            proven += 1;
        }
        check_csv(&served, epoch, &leaves);
    }
    assert!(changed > 0, "a recipient was changed in pool-a, and is shown beside");
    assert!(proven > 60, "{proven} leaves");
    // The last is what is claimed by, if nothing else is asked.
    let latest = served.json("/v1/sequencers/10/claim");
    assert_eq!(latest["distribution"]["root"], list.last().unwrap()["root"]);
    check_refusals(&served, list.len());
}

/// As CSV there are all leaves, in the same order.
fn check_csv(served: &Served, epoch: u64, leaves: &[Value]) {
    let ask = |more: &str| {
        let path = format!("/v1/distributions/{epoch}/leaves{more}");
        let head = "Host: tally\r\nAccept: Text/CSV;q=0.9, application/json;q=0.1\r\nConnection: close";
        request(&served.address, &format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n")).unwrap()
    };
    let answer = ask("");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/csv; charset=utf-8; header=present"))
    );
    let json = served.get(&format!("/v1/distributions/{epoch}/leaves"));
    assert_ne!(answer.header("etag"), json.header("etag"), "other bytes have another tag");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let expected: Vec<String> = leaves
        .iter()
        .map(|leaf| {
            let proof: Vec<String> = leaf["proof"].as_array().unwrap().iter().map(text).collect();
            let of = |field: &str| text(&leaf[field]);
            let (id, recipient, wei) = (&leaf["sequencer"], of("recipient"), of("cumulative_wei"));
            format!("{id},{recipient},{wei},{},{}", of("present_recipient"), proof.join(" "))
        })
        .collect();
    let mut lines = answer.body.lines();
    assert_eq!(lines.next(), Some("sequencer,recipient,cumulative_wei,present_recipient,proof"));
    assert_eq!(lines.collect::<Vec<_>>(), expected);
    assert_eq!(ask("?limit=3").json()["type"], "urn:tally:problem:bad-combination");
}

fn check_refusals(served: &Served, settled: usize) {
    let none = format!("0x{}", "ab".repeat(32));
    for (path, status, kind) in [
        (format!("/v1/distributions/{settled}"), 409, "gap"),
        (format!("/v1/distributions/{settled}/leaves"), 409, "gap"),
        (format!("/v1/sequencers/10/claim?epoch={settled}"), 409, "gap"),
        (format!("/v1/sequencers/10/claim?root={none}"), 404, "unknown-root"),
        (format!("/v1/sequencers/10/claim?root={none}&epoch=1"), 400, "bad-combination"),
        ("/v1/sequencers/10/claim?root=0xabc".into(), 400, "bad-query"),
        ("/v1/distributions?policy=locking-pool".into(), 409, "paid-by-contract"),
        ("/v1/distributions/0?policy=locking-pool".into(), 409, "paid-by-contract"),
        ("/v1/distributions/0/leaves?policy=locking-pool".into(), 409, "paid-by-contract"),
        ("/v1/sequencers/10/claim?policy=locking-pool&epoch=0".into(), 409, "paid-by-contract"),
    ] {
        let answer = served.get(&path);
        let problem = answer.json();
        assert_eq!(
            (answer.status, problem["type"].as_str()),
            (status, Some(&*format!("urn:tally:problem:{kind}"))),
            "{path}"
        );
    }
    let on_chain = served.facts("locking-pool", "0");
    assert!(on_chain.iter().all(|fact| fact["type"] != "distribution_ready"));
}
