//! What is served is what the commands say.

use super::{Served, log_of};
use crate::live::Live;
use crate::support::{fixture, tally};
use replay_node::Options;
use serde_json::Value;
use std::path::Path;
use tally_ingest::{Limits, ingest_recording};

fn said(log: &Path, command: &[&str], more: &[&str]) -> Value {
    let log = ["--log", log.to_str().unwrap(), "--format", "json"];
    let args: Vec<&str> = command.iter().chain(&log).chain(more).copied().collect();
    let (_, out, err) = tally(&args);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{args:?}: {error}: {err}"))
}

/// Every field that both have is the same, all the way down; returns how many there are.
fn same(served: &Value, said: &Value, place: &str) -> usize {
    match (served, said) {
        (Value::Object(served), Value::Object(said)) => served
            .iter()
            .filter_map(|(name, value)| Some(same(value, said.get(name)?, &format!("{place}.{name}"))))
            .sum(),
        (Value::Array(served), Value::Array(said)) => {
            assert_eq!(served.len(), said.len(), "{place}");
            served.iter().zip(said).enumerate().map(|(i, (a, b))| same(a, b, &format!("{place}[{i}]"))).sum()
        }
        _ => {
            assert_eq!(served, said, "{place}");
            1
        }
    }
}

const POLICIES: [&str; 3] = ["guide", "stake-weighted", "locking-pool"];

#[test]
fn what_is_served_is_what_the_commands_say() {
    for recording in ["small-a", "pool-a"] {
        let dir = tempfile::tempdir().unwrap();
        let log = log_of(recording, dir.path());
        let served = Served::start(&log, &POLICIES.map(|policy| ["--policy", policy]).concat());
        for policy in POLICIES {
            check_policy(&served, &log, policy);
        }
        check_pool(&served, &log);
    }
}

fn check_policy(served: &Served, log: &Path, policy: &str) {
    let get = |path: &str| {
        let mark = if path.contains('?') { '&' } else { '?' };
        served.json(&format!("{path}{mark}policy={policy}"))
    };
    let of_policy = ["--policy", policy];
    let replayed = &said(log, &["replay"], &of_policy)[0];
    let at = get("/v1/epochs")["at"].clone();
    assert_eq!(at["ledger_root"], replayed["ledger_root"]);
    assert_eq!(at["log"], replayed["log"]);
    assert_eq!(at["policy"], replayed["policy"]);
    assert_eq!(at["stopped"], replayed["stopped"]);
    assert_eq!(at["is_final"], true);

    // Epochs, in pages of one and whole, and their rows.
    let epochs = replayed["epochs"].as_array().unwrap();
    let whole = get("/v1/epochs?limit=1000");
    assert!(same(&whole["epochs"], &replayed["epochs"], "epochs") >= 9 * epochs.len());
    let mut cursor = String::new();
    for (index, epoch) in epochs.iter().enumerate() {
        let page = get(&format!("/v1/epochs?limit=1{cursor}"));
        assert_eq!(page["epochs"][0], whole["epochs"][index]);
        cursor = page["next"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
        assert_eq!(get(&format!("/v1/epochs?limit=1&from={index}"))["epochs"], page["epochs"]);
        let one = get(&format!("/v1/epochs/{index}"));
        assert_eq!(one["epoch"], page["epochs"][0]);
        assert!(same(&one["rows"], &epoch["rows"], "rows") >= 4 * epoch["rows"].as_array().unwrap().len());
        assert_eq!(one["epoch"]["is_closed"], index + 1 < epochs.len());
    }
    assert_eq!(cursor, "", "the last page says so");
    let beyond = served.get(&format!("/v1/epochs/{}?policy={policy}", epochs.len()));
    assert_eq!((beyond.status, &beyond.json()["type"]), (409, &"urn:tally:problem:gap".into()));

    // Sequencers, all and one by one.
    let accounts = said(log, &["accounts"], &of_policy);
    let who = said(log, &["sequencers"], &[]);
    let all = get("/v1/sequencers");
    let contract = accounts["sequencers"].as_array().unwrap();
    assert_eq!(all["sequencers"].as_array().unwrap().len(), contract.len());
    for (index, account) in contract.iter().enumerate() {
        let sequencer = &all["sequencers"][index];
        let id = &sequencer["sequencer"];
        assert!(same(&sequencer["contract"], account, "contract") >= 8);
        assert!(same(sequencer, &who["sequencers"][index], "sequencer") >= 6);
        let earned = &accounts["policies"][0]["sequencers"][index];
        assert!(same(&sequencer["policy"], earned, "policy") >= 4);
        assert_eq!(sequencer["policy"]["settled_wei"], earned["claimable_wei"]);
        assert_eq!(&get(&format!("/v1/sequencers/{id}"))["sequencer"], sequencer);
        check_sequencer(served, log, policy, id.as_u64().unwrap());
    }
}

fn check_sequencer(served: &Served, log: &Path, policy: &str, id: u64) {
    let id_text = id.to_string();
    // Its statement, in pages.
    let statement = said(log, &["accounts", "statement"], &["--policy", policy, "--sequencer", &id_text]);
    let mut movements = Vec::new();
    let mut cursor = Some(String::new());
    while let Some(at) = cursor {
        let path = format!("/v1/sequencers/{id}/statement?policy={policy}&limit=40{at}");
        let page = served.json(&path);
        same(&page["accounts"], &statement["accounts"], "accounts");
        movements.extend(page["movements"].as_array().unwrap().iter().cloned());
        cursor = page["next"].as_str().map(|next| format!("&cursor={next}"));
    }
    assert!(same(&Value::Array(movements), &statement["movements"], "movements") > 10);

    // Its blocks, in pages.
    let ledger = said(log, &["ledger", "show"], &["--policy", policy, "--sequencer", &id_text]);
    let mut blocks = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = served.json(&format!("/v1/sequencers/{id}/ledger?policy={policy}&limit=777{cursor}"));
        blocks.extend(page["blocks"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let expected = ledger["blocks"].as_array().unwrap().len();
    assert_eq!(same(&Value::Array(blocks), &ledger["blocks"], "blocks"), expected * 12);

    // One block, explained.
    if let Some(block) = ledger["blocks"].as_array().unwrap().last() {
        let number = block["l2_block"].to_string();
        let explained = said(log, &["explain"], &["--policy", policy, "--block", &number]);
        let answer = served.json(&format!("/v1/blocks/{number}?policy={policy}"));
        for field in ["block", "span", "signer_introduced_by", "stake", "epoch", "division", "paid_by"] {
            assert_eq!(answer[field], explained[field], "{field}");
        }
    }
}

/// What is of the pool, whatever the policy.
fn check_pool(served: &Served, log: &Path) {
    for (command, path) in [("next-batch", "/v1/batches/next"), ("next-rate", "/v1/rates/next")] {
        if tally(&["claims", command, "--log", log.to_str().unwrap()]).0 == 0 {
            let next = said(log, &["claims", command], &[]);
            assert!(same(&served.json(path), &next, command) > 15);
        } else {
            // All finished spans of small-a are paid, and no epoch is over.
            let answer = served.get(path);
            assert_eq!((answer.status, &answer.json()["type"]), (409, &"urn:tally:problem:gap".into()));
        }
    }
    let on_chain = served.get("/v1/rates/next?policy=locking-pool");
    assert_eq!(on_chain.json()["type"], "urn:tally:problem:not-flat");
    let (_, audit, err) =
        tally(&["audit", "chain", "--log", log.to_str().unwrap(), "--report-format", "json"]);
    let audit: Value = serde_json::from_str(&audit).unwrap_or_else(|error| panic!("{error}: {err}"));
    let answer = served.json("/v1/audit?limit=1000");
    assert_eq!(answer["verdict"], "different", "a batch of each recording pays wrong counts");
    assert!(same(&answer["findings"], &audit["findings"], "findings") > 10);
    assert_eq!(answer["errors"], audit["errors"]);
    same(&answer["totals"], &audit["totals"], "totals");
    let batches = served.json("/v1/batches?limit=1000");
    assert!(same(&batches["batches"], &audit["batches"], "batches") > 30);
    check_claims(served, log);
}

/// Every sequencer's proof is that of the distribution, and leads to its root.
fn check_claims(served: &Served, log: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tree.json");
    let (proofs, dump) = (dir.path().join("proofs.json"), out.to_str().unwrap());
    let args = ["claims", "merkle", "--log", log.to_str().unwrap(), "--out", dump];
    let (status, _, err) = tally(&[&args[..], &["--proofs", proofs.to_str().unwrap()]].concat());
    if status != 0 {
        assert!(err.contains("no epoch of policy guide is closed yet"), "{err}");
        assert!(served.json("/v1/sequencers/1/claim")["distribution"].is_null());
        return;
    }
    let proofs: Value = serde_json::from_slice(&std::fs::read(&proofs).unwrap()).unwrap();
    let mut claimable = 0;
    for sequencer in served.json("/v1/sequencers")["sequencers"].as_array().unwrap() {
        let id = &sequencer["sequencer"];
        let claim = served.json(&format!("/v1/sequencers/{id}/claim"));
        let distribution = &claim["distribution"];
        assert_eq!(distribution["root"], proofs["root"]);
        assert_eq!(claim["contract"], sequencer["contract"]);
        let leaf = proofs["proofs"].as_array().unwrap().iter().find(|leaf| leaf["sequencer"] == *id);
        if let Some(leaf) = leaf {
            assert_eq!(distribution["proof"], leaf["proof"]);
            assert_eq!(distribution["cumulative_wei"], leaf["cumulative_wei"]);
            assert_eq!(distribution["recipient"], leaf["recipient"]);
            assert_eq!(claim["recipient"], sequencer["recipient"]);
            claimable += 1;
        } else {
            assert!(distribution["withheld_reason"].is_string(), "{claim}");
        }
    }
    assert_eq!(claimable, proofs["proofs"].as_array().unwrap().len());
    let on_chain = served.json("/v1/sequencers/1/claim?policy=locking-pool");
    assert!(on_chain["distribution"].is_null());
}

/// Of a log whose last blocks may still be taken back: what is to be paid, and what can be claimed, goes by what is
/// final; the rest goes further, and says so.
#[test]
fn what_is_to_be_paid_goes_by_what_is_final() {
    let live = Live::start("pool-a", &Options::default());
    assert_eq!(live.ingest(&[]).0, 0);
    let served = Served::start(&live.log(), &["--policy", "guide", "--policy", "locking-pool"]);
    let at = served.json("/v1/epochs")["at"].clone();
    let (l1, l2) =
        (at["final_l1_head"]["block"].as_u64().unwrap(), at["final_l2_head"]["block"].as_u64().unwrap());
    // The node calls final what lies 64 blocks below L1's head; of L2, what lies 256 below is taken to be.
    assert_eq!((l1, l2, &at["is_final"]), (19_436_258 - 64, 15_234_502 - 256, &false.into()));
    assert_eq!(at["horizon"]["l2_block"], 15_234_502);
    assert_eq!(at["final_horizon"]["l2_block"], l2);
    let whole = tempfile::tempdir().unwrap();
    let whole = (log_of("pool-a", whole.path()), whole);
    let all_final = Served::start(&whole.0, &["--policy", "guide", "--policy", "locking-pool"]);
    let is_final = |served: &Served, policy: &str, block: u64| {
        served.json(&format!("/v1/blocks/{block}?policy={policy}"))["is_final"].clone()
    };
    for policy in ["guide", "locking-pool"] {
        assert_eq!(is_final(&served, policy, l2), true, "{policy}");
        assert_eq!(is_final(&served, policy, l2 + 1), false, "{policy}");
        // The last batch pays up to block 15,234,260: what comes after it is folded and final, but not paid.
        assert_eq!(is_final(&all_final, policy, 15_234_260), true, "{policy}");
        assert_eq!(is_final(&all_final, policy, 15_234_261), policy == "guide", "{policy}");
    }
    // What the commands say of a log that ends there.
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { l1_to: Some(l1), l2_to: Some(l2) };
    ingest_recording(&fixture("pool-a"), dir.path(), limits).unwrap();
    let alone = Served::start(dir.path(), &[]);
    for path in ["/v1/batches/next", "/v1/rates/next"] {
        let (ours, theirs) = (served.get(path), alone.get(path));
        assert_eq!(ours.status, theirs.status, "{path}");
        if ours.status == 200 {
            let (mut ours, mut theirs) = (ours.json(), theirs.json());
            for answer in [&mut ours, &mut theirs] {
                answer.as_object_mut().unwrap().remove("at");
            }
            assert_eq!(ours, theirs, "{path}");
        } else {
            assert_eq!(ours.json()["detail"], theirs.json()["detail"], "{path}");
            assert_eq!(ours.json()["missing"]["from_l2_block"], l2 + 1, "{path}");
        }
    }
    for id in 1..=7 {
        let path = format!("/v1/sequencers/{id}/claim");
        let (ours, theirs) = (served.json(&path), alone.json(&path));
        for field in ["recipient", "contract", "distribution"] {
            assert_eq!(ours[field], theirs[field], "{path} {field}");
        }
    }
    assert_eq!(served.facts("guide", "0"), alone.facts("guide", "0"));
}
