//! What the operators wait for before they send a batch: what the log tells of it, and what L1 says, whose answers are
//! never more than what an endpoint says.

use crate::live::Live;
use crate::support::{expected, ingested, tally};
use alloy_primitives::{U256, hex, keccak256};
use replay_node::{Options, Rule};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// What the next batch of pool-a costs: 200 blocks at the reward per block in force.
const TOTAL_WEI: &str = "569421871880542369600";

/// One ETH or METIS.
const ONE: u64 = 1_000_000_000_000_000_000;

/// What is asked of L1 for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    PayerBalance,
    PayerAllowance,
    MpcBalance,
    /// The batch's call itself.
    Call,
    /// A function of the contracts without arguments.
    Of(&'static str),
    Other,
}

/// The functions of which some answers are changed.
const FUNCTIONS: [&str; 5] =
    ["paused()", "rewardPerBlock()", "mpcAddress()", "rewardPayer()", "curBatchState()"];

fn asked(call: &Value) -> Asked {
    let input = |call: &Value| call["params"][0]["input"].as_str().unwrap_or_default().to_owned();
    let is = |signature: &str| input(call).starts_with(&hex::encode_prefixed(&keccak256(signature)[..4]));
    match call["method"].as_str().unwrap_or_default() {
        "eth_getBalance" => Asked::MpcBalance,
        "eth_call" if call["params"][0]["from"].is_string() => Asked::Call,
        "eth_call" if is("balanceOf(address)") => Asked::PayerBalance,
        "eth_call" if is("allowance(address,address)") => Asked::PayerAllowance,
        "eth_call" => FUNCTIONS.into_iter().find(|function| is(function)).map_or(Asked::Other, Asked::Of),
        _ => Asked::Other,
    }
}

fn word(value: U256) -> Value {
    json!({ "result": hex::encode_prefixed(value.to_be_bytes::<32>()) })
}

fn total() -> U256 {
    TOTAL_WEI.parse().unwrap()
}

/// What an L1 says that has nothing against the batch.
fn fine(asked: Asked) -> Option<Value> {
    match asked {
        Asked::PayerBalance | Asked::PayerAllowance => Some(word(total())),
        Asked::MpcBalance => Some(json!({ "result": format!("{:#x}", U256::from(ONE)) })),
        Asked::Call => Some(json!({ "result": "0x" })),
        Asked::Of(_) | Asked::Other => None,
    }
}

/// The log of pool-a, and a node of its chains that says what `says` says in place of what is fine.
struct Ready {
    _dir: TempDir,
    log: String,
    live: Live,
}

impl Ready {
    fn saying(says: impl Fn(Asked) -> Option<Value> + Send + Sync + 'static) -> Self {
        Self::of(&Options {
            lies: Rule::new(move |call, _| says(asked(call)).or_else(|| fine(asked(call)))),
            ..Options::default()
        })
    }

    fn of(options: &Options) -> Self {
        let (dir, _) = ingested("pool-a");
        let log = dir.path().to_str().unwrap().to_owned();
        Self { _dir: dir, log, live: Live::start("pool-a", options) }
    }

    fn next_batch(&self, more: &[&str]) -> (u8, String, String) {
        let url = self.live.node.l1_url();
        let command = ["claims", "next-batch", "--log", &self.log, "--l1-rpc", &url, "--rpc-rounds", "1"];
        tally(&[&command[..], more].concat())
    }

    /// The batch as JSON, with L2 settled as far as the recording has it.
    fn json(&self, more: &[&str]) -> Value {
        let settled = ["--settle-blocks", "42", "--min-interval-secs", "1", "--format", "json"];
        let (status, out, err) = self.next_batch(&[&settled, more].concat());
        assert_eq!((status, err.as_str()), (0, ""), "{out}");
        serde_json::from_str(&out).unwrap()
    }
}

fn states(batch: &Value, state: &str) -> Vec<String> {
    let checks = batch["checks"].as_array().unwrap().iter().filter(|check| check["state"] == state);
    checks.map(|check| check["check"].as_str().unwrap().to_owned()).collect()
}

fn check<'a>(batch: &'a Value, name: &str) -> &'a Value {
    batch["checks"].as_array().unwrap().iter().find(|check| check["check"] == name).unwrap()
}

#[test]
fn a_batch_that_nothing_is_against_is_ready() {
    let ready = Ready::saying(|_| None);
    let batch = ready.json(&[]);
    assert_eq!((states(&batch, "failed"), states(&batch, "not_asked")), (vec![], vec![]));
    assert_eq!(states(&batch, "passed").len(), 10);
    assert_eq!(batch["is_ready"], true);
    assert_eq!(batch["asked_at"]["block"], 19_436_258);
    assert_eq!(batch["asked_at"]["hash"], expected("pool-a")["final"]["l1_hash"]);
    let (status, table, err) = ready.next_batch(&["--settle-blocks", "42", "--min-interval-secs", "1"]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(table.contains("✓") && !table.contains("✗") && !table.contains("not asked"), "{table}");
    assert!(table.contains("569.421871 METIS") && table.contains("1.000000 ETH"), "{table}");
    assert!(table.ends_with("\nready to be sent\n"), "{table}");
}

/// What the log alone tells, and nothing else, is told without an endpoint; times are the log's.
#[test]
fn without_an_endpoint_what_no_log_tells_is_not_asked() {
    let (dir, _) = ingested("pool-a");
    let log = dir.path().to_str().unwrap();
    let json = |more: &[&str]| {
        let command = ["claims", "next-batch", "--log", log, "--format", "json"];
        let (status, out, err) = tally(&[&command[..], more].concat());
        assert_eq!((status, err.as_str()), (0, ""));
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let on_l1 = ["contract_state", "not_paused", "payer_balance", "payer_allowance", "mpc_balance", "call"];
    let batch = json(&["--settle-blocks", "42"]);
    assert_eq!(states(&batch, "not_asked"), [&["interval"][..], &on_l1].concat());
    assert_eq!((&batch["is_ready"], &batch["asked_at"]), (&Value::Null, &Value::Null));
    // By default L2 has to be 180 blocks further, as the operators' own program waits for.
    let batch = json(&[]);
    assert_eq!((states(&batch, "failed"), &batch["is_ready"]), (vec!["depth".to_owned()], &json!(false)));
    let settled = check(&batch, "depth");
    assert_eq!((&settled["wanted"], &settled["found"]), (&json!("180"), &json!("42")));
    let truth = expected("pool-a");
    let last = truth["batches"].as_array().unwrap().last().unwrap()["l1_timestamp"].as_u64().unwrap();
    let since = truth["final"]["timestamp"].as_u64().unwrap() - last;
    for (secs, state) in [(since, "passed"), (since + 1, "failed")] {
        let batch = json(&["--min-interval-secs", &secs.to_string()]);
        let interval = check(&batch, "interval");
        assert_eq!((&interval["state"], &interval["found"]), (&json!(state), &json!(since.to_string())));
    }
    let table = tally(&["claims", "next-batch", "--log", log, "--settle-blocks", "0"]).1;
    assert_eq!(table.matches("not asked").count(), 7, "{table}");
    assert!(table.ends_with("\nnothing is against sending it, but not all was asked\n"), "{table}");
}

/// Each thing that is against it fails its own check, with what there is.
#[test]
fn what_is_against_a_batch_is_found() {
    let less = |value: U256| value - U256::from(1);
    let cases: [(&str, Asked, Value, &str); 8] = [
        ("payer_balance", Asked::PayerBalance, word(less(total())), "569421871880542369599"),
        ("payer_allowance", Asked::PayerAllowance, word(U256::ZERO), "0"),
        ("mpc_balance", Asked::MpcBalance, json!({ "result": "0x16345785d89ffff" }), "99999999999999999"),
        ("not_paused", Asked::Of("paused()"), word(U256::from(1)), "it is paused"),
        ("contract_state", Asked::Of("mpcAddress()"), word(U256::from(7)), "the MPC address is 0x0000"),
        (
            "contract_state",
            Asked::Of("rewardPerBlock()"),
            word(U256::from(5)),
            "the reward per block is 5 wei, not ",
        ),
        (
            "call",
            Asked::Call,
            json!({ "error": { "code": 3, "message": "execution reverted: no", "data": "0x08c379a0" } }),
            "JSON-RPC error 3: execution reverted: no (data 0x08c379a0)",
        ),
        (
            "call",
            Asked::Call,
            json!({ "error": { "code": -32015, "message": "VM execution error.", "data": "Reverted 0x" } }),
            "JSON-RPC error -32015: VM execution error. (data Reverted 0x)",
        ),
    ];
    for (name, which, answer, found) in cases {
        let ready = Ready::saying(move |asked| (asked == which).then(|| answer.clone()));
        let batch = ready.json(&[]);
        assert_eq!(states(&batch, "failed"), [name], "{which:?}");
        assert!(check(&batch, name)["found"].as_str().unwrap().starts_with(found), "{:#}", batch["checks"]);
        assert_eq!(batch["is_ready"], false);
        let (_, table, _) = ready.next_batch(&["--settle-blocks", "42"]);
        assert_eq!(table.matches("✗").count(), 1, "{table}");
        assert!(table.ends_with("\nNOT ready to be sent\n"), "{table}");
    }
    // A batch that is paid already, and a pool without a payer.
    let paid = [45_u64, 19_436_250, 202, 203].map(|value| U256::from(value).to_be_bytes::<32>()).concat();
    let paid = json!({ "result": hex::encode_prefixed(paid) });
    let ready = Ready::saying(move |asked| (asked == Asked::Of("curBatchState()")).then(|| paid.clone()));
    let batch = ready.json(&[]);
    assert_eq!(states(&batch, "failed"), ["contract_state"]);
    assert_eq!(check(&batch, "contract_state")["found"], "the last batch is 45, up to span 203");
    let ready = Ready::saying(|asked| (asked == Asked::Of("rewardPayer()")).then(|| word(U256::ZERO)));
    assert_eq!(states(&ready.json(&[]), "failed"), ["payer_balance", "payer_allowance"]);
    // What the MPC address has to have is the operators' own choice.
    let ready = Ready::saying(|_| None);
    assert_eq!(states(&ready.json(&["--min-mpc-eth", "1"]), "failed"), Vec::<String>::new());
    assert_eq!(states(&ready.json(&["--min-mpc-eth", "1.000000000000000001"]), "failed"), ["mpc_balance"]);
}

/// What cannot be had is an error that names it, and no check that passed or failed.
#[test]
fn what_l1_does_not_tell_is_an_error() {
    let error = |code: i64, message: &str| json!({ "error": { "code": code, "message": message } });
    let cases: [(Asked, Value, &str); 8] = [
        (Asked::MpcBalance, error(-32601, "the method eth_getBalance does not exist"), "eth_getBalance"),
        (Asked::MpcBalance, json!({ "result": null }), "null"),
        (Asked::MpcBalance, json!({ "result": "17" }), "balance does not decode"),
        (Asked::PayerBalance, json!({ "result": "0x" }), "balanceOf(address)"),
        (Asked::PayerAllowance, json!({ "result": "0x01" }), "allowance(address,address)"),
        (Asked::Call, error(-32000, "missing trie node 0x01"), "missing trie node"),
        (Asked::Call, json!({ "result": null }), "null"),
        (Asked::Of("paused()"), error(3, "execution reverted"), "execution reverted"),
    ];
    for (which, answer, words) in cases {
        let ready = Ready::saying(move |asked| (asked == which).then(|| answer.clone()));
        let (status, out, err) = ready.next_batch(&[]);
        assert_eq!((status, out.as_str()), (1, ""), "{which:?}: {err}");
        assert!(err.starts_with("error: L1: ") && err.contains(words), "no {words} in: {err}");
    }
    let ready = Ready::of(&Options { l1_chain_id: Some(5), ..Options::default() });
    let (status, _, err) = ready.next_batch(&[]);
    assert!(status == 1 && err.contains("has chain id 5"), "{err}");
    let ready = Ready::of(&Options { l1_head: Some(19_436_000), ..Options::default() });
    let (status, _, err) = ready.next_batch(&[]);
    assert!(status == 1 && err.contains("its head is block 19436000"), "{err}");
}

/// An endpoint whose block at the log's head is another one is of another branch, or of another chain.
#[test]
fn a_branch_that_the_log_is_not_of_is_not_asked() {
    let other = |call: &Value, told: &Value| {
        let is_block = call["method"] == "eth_getBlockByNumber";
        is_block.then(|| {
            let mut block = told["result"].clone();
            block["hash"] = json!(format!("0x{}", "77".repeat(32)));
            json!({ "result": block })
        })
    };
    let lies = Rule::new(move |call, told| other(call, told).or_else(|| fine(asked(call))));
    let (status, out, err) = Ready::of(&Options { lies, ..Options::default() }).next_batch(&[]);
    assert_eq!((status, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("is 0x7777") && err.contains(" on the chain, but "), "{err}");
}

/// All that is told is of one block, which is still there when all is told.
#[test]
fn all_of_it_is_of_one_block() {
    let tags: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&tags);
    let lies = Rule::new(move |call, _| {
        if ["eth_call", "eth_getBalance"].contains(&call["method"].as_str().unwrap()) {
            seen.lock().unwrap().push(call["params"][1].as_str().unwrap().to_owned());
        }
        fine(asked(call))
    });
    Ready::of(&Options { lies, ..Options::default() }).json(&[]);
    let tags = std::mem::take(&mut *tags.lock().unwrap());
    assert_eq!(tags.len(), 9, "{tags:?}");
    assert!(tags.iter().all(|tag| *tag == format!("{:#x}", 19_436_258)), "{tags:?}");

    let looks = AtomicU32::new(0);
    let lies = Rule::new(move |call, told| {
        let is_head = call["method"] == "eth_getBlockByNumber";
        // The third look is that after everything: the latest block, that of the log's head, and again.
        let is_last = is_head && looks.fetch_add(1, Ordering::Relaxed) >= 2;
        let other = is_last.then(|| {
            let mut block = told["result"].clone();
            block["hash"] = json!(format!("0x{}", "77".repeat(32)));
            json!({ "result": block })
        });
        other.or_else(|| fine(asked(call)))
    });
    let (status, _, err) = Ready::of(&Options { lies, ..Options::default() }).next_batch(&[]);
    assert_eq!(status, 1, "{err}");
    assert!(err.contains("block 19436258 is another one"), "{err}");
}
