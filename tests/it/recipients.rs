//! Who gets the rewards on L2: by address, what it is there, and who has named nobody.

use crate::bad_input::{copy, read_lines, write_lines};
use crate::live::Live;
use crate::support::{expected, ingested, tally};
use alloy_primitives::keccak256;
use replay_node::{Options, Rule};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tally_ingest::{Limits, ingest_recording};
use tempfile::TempDir;

fn output_of(args: &[&str]) -> String {
    let (status, out, err) = tally(args);
    assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
    out
}

fn json_of(args: &[&str]) -> Value {
    serde_json::from_str(&output_of(&[args, &["--format", "json"]].concat())).unwrap()
}

fn recipients(log: &Path, more: &[&str]) -> Value {
    json_of(&[&["accounts", "recipients", "--log", log.to_str().unwrap()], more].concat())
}

/// Small-a, with the recipients of sequencers 3 and 7 taken away, and 4 and 6 sharing one.
fn without_and_shared() -> TempDir {
    let files = copy();
    let path = files.path().join("l1_logs.jsonl.gz");
    let mut logs = read_lines(&path);
    let topic = keccak256("SequencerRewardRecipientChanged(uint256,address)").to_string();
    let word = |hex: &str| format!("{hex:0>64}");
    for log in logs.iter_mut().filter(|log| log["topics"][0] == topic.as_str()) {
        let data = log["data"].as_str().unwrap().to_owned();
        let recipient = match u64::from_str_radix(&data[2..66], 16).unwrap() {
            3 | 7 => word(""),
            4 | 6 => word(&"d0".repeat(20)),
            _ => continue,
        };
        log["data"] = json!(format!("{}{recipient}", &data[..66]));
    }
    write_lines(&path, &logs);
    let log = tempfile::tempdir().unwrap();
    ingest_recording(files.path(), log.path(), Limits::default()).unwrap();
    log
}

#[test]
fn every_sequencer_is_under_its_recipient() {
    for name in ["small-a", "pool-a"] {
        let (dir, _) = ingested(name);
        let found = recipients(dir.path(), &[]);
        assert_eq!((&found["asked_at"], &found["missing"]), (&Value::Null, &json!([])));
        let truth = &expected(name)["final"]["sequencers"];
        let mut all = BTreeSet::new();
        for recipient in found["recipients"].as_array().unwrap() {
            assert_eq!(recipient["l2_account"], Value::Null, "nobody was asked");
            let mut unclaimed = 0_u128;
            for id in recipient["sequencers"].as_array().unwrap() {
                let theirs = &truth[id.to_string()];
                assert_eq!(theirs["rewardRecipient"], recipient["recipient"]);
                unclaimed += theirs["reward"].as_str().unwrap().parse::<u128>().unwrap();
                assert!(all.insert(id.to_string()));
            }
            assert_eq!(recipient["unclaimed_wei"], unclaimed.to_string());
        }
        assert_eq!(all.len(), truth.as_object().unwrap().len());
    }
    let (dir, _) = ingested("pool-a");
    let table = output_of(&["accounts", "recipients", "--log", dir.path().to_str().unwrap()]);
    assert!(table.starts_with("addresses on L2, chain "), "{table}");
    assert!(
        table.contains("recipient on L2") && table.contains("not asked") && table.contains(" (gone)"),
        "{table}"
    );
    assert!(table.ends_with("\nevery sequencer has named a recipient\n"), "{table}");
}

/// The story of mainnet's sequencers 1, 2, 3 and 7, which have named nobody: they can neither claim, nor unlock, nor leave;
/// and of 4, 6, 8 and 9, which share a recipient.
#[test]
fn who_has_no_recipient_is_named_with_what_it_cannot_do() {
    let log = without_and_shared();
    let found = recipients(log.path(), &[]);
    let accounts = json_of(&["accounts", "--log", log.path().to_str().unwrap()]);
    let missing = |id: usize, status: &str, cannot: &[&str]| {
        let own = &accounts["sequencers"][id - 1];
        assert_eq!((&own["sequencer"], &own["recipient"]), (&json!(id), &Value::Null));
        let (withheld, stake) = (&own["unclaimed_wei"], &own["stake_wei"]);
        json!({ "sequencer": id, "status": status, "cannot": cannot, "withheld_wei": withheld, "stake_wei": stake })
    };
    // Whoever is leaving needs one to take its stake out, and cannot name one any more.
    let missing = [missing(3, "Active", &["claim", "unlock", "leave"]), missing(7, "Inactive", &["leave"])];
    assert_eq!(found["missing"], json!(missing));
    assert_eq!(missing[1]["withheld_wei"], "104661848766450315600");
    let shared = format!("0x{}", "d0".repeat(20));
    let shared = found["recipients"].as_array().unwrap().iter().find(|it| it["recipient"] == shared.as_str());
    assert_eq!(shared.unwrap()["sequencers"], json!([4, 6]));
    let log = log.path().to_str().unwrap();
    let table = output_of(&["accounts", "recipients", "--log", log]);
    assert!(table.contains("claim, unlock, leave") && table.contains(" 4, 6 "), "{table}");
    let table = output_of(&["accounts", "--log", log]);
    for line in [
        "\nsequencer 3 has named no recipient on L2: it cannot claim or unlock or leave, and 0.000000 METIS is withheld\n",
        "\nsequencer 7 has named no recipient on L2: it cannot leave, and 104.661848 METIS is withheld\n",
    ] {
        assert!(table.contains(line), "{table}");
    }
    let others = output_of(&["accounts", "--log", log, "--sequencer", "4"]);
    assert!(!others.contains("no recipient on L2"), "{others}");
}

/// Wherever one is shown it is said that it is an address on L2.
#[test]
fn tables_say_that_recipients_are_on_l2() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let tree = dir.path().join("tree.json");
    for args in [
        &["accounts"][..],
        &["accounts", "recipients"],
        &["accounts", "statement", "--sequencer", "10"],
        &["sequencers"],
        &["claims", "merkle", "--out", tree.to_str().unwrap()],
    ] {
        let table = output_of(&[args, &["--log", log]].concat());
        assert!(table.contains("on L2"), "{args:?}: {table}");
    }
}

/// What a node says of an address.
type Says = dyn Fn(&str, &str) -> Option<Value> + Send + Sync;

/// A node of pool-a's chains that says this of addresses (by method and address), and else that they have nothing.
fn saying(says: Arc<Says>) -> Live {
    let lies = Rule::new(move |call, _| {
        let method = call["method"].as_str().unwrap();
        let address = call["params"][0].as_str().unwrap_or_default();
        let nothing = match method {
            "eth_getCode" => "0x",
            "eth_getTransactionCount" | "eth_getBalance" => "0x0",
            _ => return says(method, ""),
        };
        says(method, address).or_else(|| Some(json!({ "result": nothing })))
    });
    Live::start("pool-a", &Options { lies, ..Options::default() })
}

#[test]
fn what_a_recipient_is_on_l2_is_asked_at_one_block() {
    let (dir, log) = ingested("pool-a");
    let known = recipients(dir.path(), &[]);
    let address = |index: usize| known["recipients"][index]["recipient"].as_str().unwrap().to_owned();
    let [contract, sender, holder] = [0, 1, 2].map(address);
    let tags: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let says: Arc<Says> = Arc::new({
        let (contract, sender, holder) = (contract.clone(), sender.clone(), holder.clone());
        move |method, address| match method {
            "eth_getCode" if address == contract => Some(json!({ "result": "0x600160" })),
            "eth_getTransactionCount" if address == sender => Some(json!({ "result": "0x2a" })),
            "eth_getBalance" if address == holder => Some(json!({ "result": "0xde0b6b3a7640000" })),
            _ => None,
        }
    });
    let live = saying(says);
    let url = live.node.l2_url();
    let found = recipients(dir.path(), &["--l2-rpc", &url]);
    let head = tally_eventlog::LogView::reach(&log).l2.unwrap();
    assert_eq!(
        (&found["asked_at"]["block"], &found["asked_at"]["hash"]),
        (&json!(head.block.0), &json!(head.hash))
    );
    for recipient in found["recipients"].as_array().unwrap() {
        let is = |address: &str| recipient["recipient"] == address;
        let (kind, code_bytes, nonce, balance) = if is(&contract) {
            ("contract", 3, 0, "0")
        } else if is(&sender) {
            ("account", 0, 42, "0")
        } else if is(&holder) {
            ("account", 0, 0, "1000000000000000000")
        } else {
            ("unused", 0, 0, "0")
        };
        let account =
            json!({ "kind": kind, "code_bytes": code_bytes, "nonce": nonce, "balance_wei": balance });
        assert_eq!(recipient["l2_account"], account);
    }
    let args = ["accounts", "recipients", "--log", dir.path().to_str().unwrap(), "--l2-rpc", &url];
    let table = output_of(&args);
    assert_eq!((table.matches(" contract ").count(), table.matches(" account ").count()), (1, 2), "{table}");
    assert!(table.contains(&format!(", after block {} of 2024-", head.block)), "{table}");
    // All at the number of the latest block.
    let seen = Arc::clone(&tags);
    let lies = Rule::new(move |call, _| {
        let (method, tag) = (call["method"].as_str().unwrap(), call["params"][1].as_str());
        let told = match method {
            "eth_getCode" => "0x",
            "eth_getTransactionCount" | "eth_getBalance" => "0x0",
            _ => return None,
        };
        seen.lock().unwrap().insert(tag.unwrap().to_owned());
        Some(json!({ "result": told }))
    });
    let live = Live::start("pool-a", &Options { lies, ..Options::default() });
    recipients(dir.path(), &["--l2-rpc", &live.node.l2_url()]);
    assert_eq!(*tags.lock().unwrap(), BTreeSet::from([format!("{:#x}", head.block.0)]));
}

/// What cannot be had is an error that names it; that an address has nothing is never assumed.
#[test]
fn what_l2_does_not_tell_is_an_error() {
    let (dir, _) = ingested("pool-a");
    let args = |url: &str| {
        let log = dir.path().to_str().unwrap().to_owned();
        ["accounts", "recipients", "--log", &log, "--l2-rpc", url, "--rpc-rounds", "1"].map(String::from)
    };
    let error = |live: &Live| {
        let args = args(&live.node.l2_url());
        let (status, out, err) = tally(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!((status, out.as_str()), (1, ""), "{err}");
        err
    };
    for (which, answer, words) in [
        ("eth_getCode", json!({ "result": null }), "eth_getCode gives null"),
        ("eth_getCode", json!({ "result": 7 }), "eth_getCode does not decode"),
        (
            "eth_getTransactionCount",
            json!({ "result": "0x10000000000000000" }),
            "is above 18446744073709551615",
        ),
        ("eth_getBalance", json!({ "result": "" }), "eth_getBalance does not decode"),
        (
            "eth_getBalance",
            json!({ "error": { "code": -32601, "message": "no such method" } }),
            "no such method",
        ),
    ] {
        let told = answer.clone();
        let err = error(&saying(Arc::new(move |method, _| (method == which).then(|| told.clone()))));
        assert!(err.starts_with("error: L2: ") && err.contains(words), "no {words} in: {err}");
    }
    // An endpoint of another chain, one that is behind the log, and one of another branch.
    let l1 = Live::start("pool-a", &Options::default());
    let of_l1 = args(&l1.node.l1_url());
    let (status, _, err) = tally(&of_l1.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(status == 1 && err.contains("has chain id"), "{err}");
    let behind = Live::start("pool-a", &Options { l2_head: Some(15_230_000), ..Options::default() });
    assert!(error(&behind).contains("its head is block 15230000"));
    let lies = Rule::new(|call, told| match call["method"].as_str().unwrap() {
        "eth_getBlockByNumber" => {
            let mut block = told["result"].clone();
            block["hash"] = json!(format!("0x{}", "77".repeat(32)));
            Some(json!({ "result": block }))
        }
        "eth_getTransactionCount" | "eth_getBalance" => Some(json!({ "result": "0x0" })),
        _ => None,
    });
    let err = error(&Live::start("pool-a", &Options { lies, ..Options::default() }));
    assert!(err.contains("L2 block 15234502 is 0x7777") && err.contains(" on the chain, but "), "{err}");
}
