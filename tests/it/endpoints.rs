//! Bad endpoints, and what an operator sees: a clear error or a retry as it should be, and no secret.

use crate::live::{Live, recorded_digest};
use crate::process;
use crate::support::{fixture, tally, wait_for};
use replay_node::{Failure, Options, ReplayNode, Rule};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the command says of an endpoint with this fault, when it is to try twice.
#[track_caller]
fn error_with(options: &Options) -> (String, Live) {
    let live = Live::start("small-a", options);
    let (status, _, err) = live.ingest(&["--rpc-rounds", "2"]);
    assert_eq!(status, 1, "{err}");
    (err, live)
}

#[track_caller]
fn assert_told(err: &str, parts: &[&str]) {
    for part in parts {
        assert!(err.contains(part), "no {part:?} in: {err}");
    }
}

#[test]
fn another_chain_is_refused_before_anything_is_written() {
    let (err, live) = error_with(&Options { l1_chain_id: Some(5), ..Options::default() });
    let endpoint = live.node.l1_url();
    assert_told(&err, &[&format!("L1: {endpoint} has chain id 5, and the network 1")]);
    assert!(!live.log().exists());
}

#[test]
fn an_address_without_a_contract_is_told() {
    let pool = "0xd973a3cda5f9ad8dc96aac03d42203359bde719f";
    let (err, live) = error_with(&Options { no_code_at: Some(pool.into()), ..Options::default() });
    assert_told(
        &err.to_lowercase(),
        &[&format!("no contract at {pool}, where the network has the lockingpool")],
    );
    assert!(!live.log().exists());
}

#[test]
fn a_provider_that_dropped_old_logs_is_told() {
    let (err, live) = error_with(&Options { l1_logs_from: 20_220_000, ..Options::default() });
    assert_told(&err, &["gives no log of 0x", "in block 20210008", "does not keep logs from so long ago"]);
    assert!(!live.log().exists());
}

#[test]
fn answers_that_are_no_answers_are_told() {
    let failing = |failure| Options { fail_every: Some(1), failures: vec![failure], ..Options::default() };
    let (err, _live) = error_with(&failing(Failure::Html));
    assert_told(&err, &["failed 2 times", "an answer of 40 bytes that is not JSON-RPC (application/json)"]);
    let (err, _live) = error_with(&failing(Failure::Giant));
    assert_told(&err, &["an answer above the 33554432 bytes that it may have"]);
    let (err, _live) = error_with(&failing(Failure::Status(401)));
    assert_told(&err, &["refused its chain id: HTTP status 401"]);
    let (err, _live) = error_with(&failing(Failure::Status(502)));
    assert_told(&err, &["failed 2 times", "HTTP status 502"]);
    let (err, _live) = error_with(&failing(Failure::Reset));
    assert_told(&err, &["failed 2 times", "the connection broke"]);
}

#[test]
fn blocks_that_do_not_follow_their_parents_are_told() {
    for block in [1_050, 1_103] {
        let (err, live) = error_with(&Options { l2_wrong_parent: Some(block), ..Options::default() });
        assert_told(&err, &[&format!("block {block} has the parent 0x7777"), "the block before it is 0x"]);
        let log = tally_eventlog::LogReader::open(&live.log());
        assert!(log.is_err() || log.unwrap().heads().l2.is_none(), "nothing of that stretch is in the log");
    }
}

#[test]
fn a_node_that_is_behind_is_told_and_another_is_asked_instead() {
    let live = Live::start("small-a", &Options::default());
    assert_eq!(live.ingest(&["--l1-to", "20230000", "--l2-to", "2500"]).0, 0);
    live.node.set_heads(20_220_000, 2_100);
    let (status, _, err) = live.ingest(&["--rpc-rounds", "2"]);
    assert_eq!(status, 1);
    assert!(
        err.contains("its head is block 20220000, and the log reaches block 20230000")
            || err.contains("its head is block 2100, and the log reaches block 2500")
            || err.contains("failed 2 times, the last time at"),
        "{err}"
    );
    // With a second endpoint each, the ingest goes on there.
    let other = ReplayNode::start(&crate::support::fixture("small-a"), &Options::default());
    let (l1, l2) = (other.l1_url(), other.l2_url());
    let (status, out, err) = live.ingest(&["--l1-rpc", &l1, "--l2-rpc", &l2]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains(crate::support::head_digest("small-a")), "{out}");
    assert!(other.requests().iter().all(|(requests, _)| *requests > 0));
}

#[test]
fn an_endpoint_that_is_down_is_passed_over() {
    let live = Live::start("small-a", &Options::default());
    let down = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let mut args = live.args(&[]);
    for flag in ["--l1-rpc", "--l2-rpc"] {
        let at = args.iter().position(|arg| arg == flag).unwrap();
        args.splice(at..at, [flag.to_owned(), down.clone()]);
    }
    let (status, out, err) = crate::support::tally(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(status, 0, "{err}");
    assert!(out.contains(crate::support::head_digest("small-a")), "{out}");
    let (status, _, err) = crate::support::tally(&[
        "audit",
        "live",
        "--log",
        live.log().to_str().unwrap(),
        "--l1-rpc",
        &down,
        "--rpc-rounds",
        "1",
    ]);
    assert_eq!(status, 1);
    assert_told(&err, &["L1: its chain id failed 1 times", &down, "no connection"]);
}

#[test]
fn a_block_that_is_not_settled_is_not_reached_and_told() {
    let live = Live::start("small-a", &Options { l2_head: Some(2_000), ..Options::default() });
    let (status, _, err) = live.ingest(&["--l2-to", "2100"]);
    assert_eq!(status, 1);
    assert_told(
        &err,
        &["L2: block 2100 was asked for, but the chain's blocks are settled up to block 2000 only"],
    );
    let log = tally_eventlog::LogReader::open(&live.log()).unwrap();
    assert_eq!(log.heads().l2.unwrap().block.0, 2_000, "what there is is in the log");
}

/// URLs hold secrets: neither errors, nor warnings, nor metrics, nor help ever show one.
#[test]
fn the_secrets_of_urls_are_never_shown() {
    let options = Options {
        fail_every: Some(2),
        failures: vec![Failure::Status(500), Failure::Html],
        ..Options::default()
    };
    let live = Live::start("small-a", &options);
    let secret = "/v3/5ecre7key5ecre7key?token=hunter2hunter2";
    let mut args = live.args(&["--follow", "--level", "debug", "--metrics-listen", "127.0.0.1:0"]);
    for flag in ["--l1-rpc", "--l2-rpc"] {
        let at = args.iter().position(|arg| arg == flag).unwrap() + 1;
        args[at] = args[at].replace("http://", "http://admin77:passw0rd77@") + secret;
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut process = process::start(&args, &[]);
    let told = process.line_with("metrics at ");
    let address = told.trim().strip_prefix("metrics at http://").unwrap().strip_suffix("/metrics").unwrap();
    let lines = [
        "tally_ingest_log_head_block{chain=\"L1\"} 20231395",
        "tally_ingest_chain_head_block{chain=\"L1\"} 20231395",
        "tally_ingest_rpc_calls_total{chain=\"L1\",method=\"eth_getLogs\"}",
        "tally_ingest_rpc_errors_total{chain=\"L1\",kind=\"status\"}",
        "tally_ingest_rpc_retries_total{chain=\"L1\"}",
        "tally_ingest_rpc_received_bytes{chain=\"L2\"}",
        "tally_ingest_lag_blocks{chain=\"L1\"}",
    ];
    let metrics = wait_for("the metrics", || {
        let mut metrics = String::new();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        stream.read_to_string(&mut metrics).unwrap();
        match lines.iter().find(|line| !metrics.contains(*line)) {
            None => Ok(metrics),
            Some(missing) => Err(format!("no {missing} in:\n{metrics}")),
        }
    });
    process.terminate();
    let (status, out, err) = process.end();
    assert!(status.success(), "{err}");
    assert!(err.contains("HTTP status 500"), "what fails is told: {err}");
    let help = process::start(&["ingest", "--help"], &[("TALLY_L1_RPC", secret), ("TALLY_L2_RPC", secret)]);
    let (_, help, _) = help.end();
    assert!(help.contains("--l1-rpc"));
    for text in [&metrics, &out, &err, &help] {
        for secret in ["5ecre7key", "hunter2", "admin77", "passw0rd77"] {
            assert!(!text.contains(secret), "{secret} in: {text}");
        }
    }
}

/// What the command says and gives for small-a with other endpoints of a chain than the one of `live`.
fn with_endpoints(flag: &str, live: &Live, urls: &[String], more: &[&str]) -> (u8, String, String) {
    let mut args = live.args(more);
    let at = args.iter().position(|arg| arg == flag).unwrap();
    let urls = urls.iter().flat_map(|url| [flag.to_owned(), url.clone()]);
    args.splice(at..at + 2, urls);
    tally(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn with_l1(live: &Live, urls: &[String], more: &[&str]) -> (u8, String, String) {
    with_endpoints("--l1-rpc", live, urls, more)
}

fn with_l2(live: &Live, urls: &[String], more: &[&str]) -> (u8, String, String) {
    with_endpoints("--l2-rpc", live, urls, more)
}

#[track_caller]
fn assert_whole((status, out, err): (u8, String, String)) {
    assert_eq!(status, 0, "{err}");
    assert!(out.contains(&recorded_digest("small-a", None, None)), "{out}");
}

fn node(options: &Options) -> ReplayNode {
    ReplayNode::start(&fixture("small-a"), options)
}

fn calls(asked: &Value) -> &[Value] {
    asked.as_array().map_or(std::slice::from_ref(asked), Vec::as_slice)
}

/// Whether a request asks for the logs of several blocks.
fn asks_for_a_range(asked: &Value) -> bool {
    calls(asked).iter().any(|call| {
        let filter = &call["params"][0];
        call["method"] == "eth_getLogs" && filter["fromBlock"] != filter["toBlock"]
    })
}

/// Each endpoint has to show that it keeps old logs, also one that is only asked when another fails: the log
/// would lack events, and nobody would be told.
#[test]
fn an_endpoint_without_old_logs_is_never_relied_on() {
    let live = Live::start("small-a", &Options::default());
    let forgetful = node(&Options { l1_logs_from: 20_220_000, ..Options::default() });
    // All logs but those that show that it has old ones.
    let is_after = |call: &Value| {
        let from = &call["params"][0]["fromBlock"];
        from.is_string() && number_in(from) != 20_210_008
    };
    let fails = Rule::new(move |asked, _| calls(asked).iter().any(is_after).then_some(Failure::Status(500)));
    let failing = node(&Options { fails, ..Options::default() });
    let urls = [failing.l1_url(), forgetful.l1_url()];
    let (status, _, err) = with_l1(&live, &urls, &["--rpc-rounds", "2"]);
    assert_eq!(status, 1, "{err}");
    assert_told(&err, &["it does not keep logs from so long ago"]);
    let log = tally_eventlog::LogReader::open(&live.log());
    assert!(log.is_err() || log.unwrap().heads().l1.is_none(), "no L1 block is in the log");
    // With one that has them, it goes on, wherever that one stands.
    assert_whole(with_l1(&live, &[forgetful.l1_url(), live.node.l1_url()], &[]));
}

/// The sequencer set of small-a, and some blocks with its spans: the first, one in the middle, the last.
const SET: &str = "0x33c58e2642f54ba85bae316212734edbc1ab89f3";
const SPANS_IN: [u64; 3] = [1_003, 1_274, 3_001];

fn number_in(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// An answer of L2 without those of the set's logs that are in some blocks, if it is one to `eth_getLogs`.
fn without_logs(call: &Value, told: &Value, is_dropped: impl Fn(u64) -> bool) -> Option<Value> {
    let logs = told["result"].as_array().filter(|_| call["method"] == "eth_getLogs")?;
    let is_kept = |log: &&Value| log["address"] != SET || !is_dropped(number_in(&log["blockNumber"]));
    Some(json!({ "result": logs.iter().filter(is_kept).collect::<Vec<_>>() }))
}

/// A block of L2 with another bloom, or none, if it is an answer with one.
fn with_bloom(call: &Value, told: &Value, bloom: impl Fn(u64) -> Option<Value>) -> Option<Value> {
    if call["method"] != "eth_getBlockByNumber" || told["result"].is_null() {
        return None;
    }
    let mut block = told["result"].clone();
    block["logsBloom"] = bloom(number_in(&block["number"]))?;
    Some(json!({ "result": block }))
}

/// The story: a provider that had lost its L2 logs gave a log without spans and status 0. One that had lost
/// only the older ones gave an error when the first span came, and the log had passed those before for good.
#[test]
fn an_l2_endpoint_that_lacks_logs_is_never_relied_on() {
    let [first, middle, last] = SPANS_IN;
    for (told, dropped) in
        [(first, 0..=u64::MAX), (first, 0..=1_999), (middle, middle..=middle), (last, last..=last)]
    {
        let lies = Rule::new(move |call, told| without_logs(call, told, |block| dropped.contains(&block)));
        let forgetful = node(&Options { lies, ..Options::default() });
        let live = Live::start("small-a", &Options::default());
        let (status, _, err) = with_l2(&live, &[forgetful.l2_url()], &["--rpc-rounds", "2"]);
        assert_eq!(status, 1, "{err}");
        assert_told(
            &err.to_lowercase(),
            &[
                &format!("it lacks logs: block {told} has one of {SET} with topic 0x"),
                "but none by eth_getlogs",
            ],
        );
        // Neither the block nor what was asked for with it.
        let log = tally_eventlog::LogReader::open(&live.log());
        assert!(log.is_err() || log.unwrap().heads().l2.is_none_or(|head| head.block.0 < told), "{err}");
        assert_whole(with_l2(&live, &[forgetful.l2_url(), live.node.l2_url()], &[]));
    }
}

/// A block may have events of the set by its bloom and none in truth. Its receipts say so.
#[test]
fn a_bloom_that_tells_of_too_much_is_settled_by_receipts() {
    let receipts = Arc::new(AtomicU64::new(0));
    let seen = receipts.clone();
    let lies = Rule::new(move |call, told| {
        if call["method"] == "eth_getTransactionReceipt" {
            seen.fetch_add(1, Ordering::Relaxed);
        }
        let full = |block| (block % 100 == 3).then(|| json!(format!("0x{}", "ff".repeat(256))));
        with_bloom(call, told, full)
    });
    let node = node(&Options { lies, ..Options::default() });
    let live = Live::start("small-a", &Options::default());
    // Up to the first span receipts are asked for of every block with zeros for a bloom, too: nothing else shows yet
    // that a node has any logs.
    let (status, _, err) = with_l2(&live, &[live.node.l2_url()], &["--l2-to", "1200"]);
    assert_eq!(status, 0, "{err}");
    assert_whole(with_l2(&live, &[node.l2_url()], &["--rpc-rounds", "1"]));
    let receipts = receipts.load(Ordering::Relaxed);
    assert!((20..200).contains(&receipts), "{receipts} receipts of 20 blocks were asked for");
}

/// Where blocks come without blooms, or with zeros in their place, there is what the log has already.
#[test]
fn an_l2_endpoint_without_blooms_has_to_have_the_last_span_of_the_log() {
    let blooms: [fn(u64) -> Option<Value>; 2] =
        [|_| Some(Value::Null), |_| Some(json!(format!("0x{}", "00".repeat(256))))];
    for bloom in blooms {
        let blind = |is_dropped: fn(u64) -> bool| {
            let lies = Rule::new(move |call, told| {
                without_logs(call, told, is_dropped).or_else(|| with_bloom(call, told, bloom))
            });
            node(&Options { lies, ..Options::default() })
        };
        let live = Live::start("small-a", &Options::default());
        let honest = blind(|_| false);
        let (status, _, err) = with_l2(&live, &[honest.l2_url()], &["--l2-to", "2000"]);
        assert_eq!(status, 0, "{err}");
        let forgetful = blind(|_| true);
        let (status, _, err) = with_l2(&live, &[forgetful.l2_url()], &["--rpc-rounds", "2"]);
        assert_eq!(status, 1, "{err}");
        let told = format!("it gives no log of {SET} in block 1992, where there has to be one");
        assert_told(&err.to_lowercase(), &[&told]);
        assert_eq!(tally_eventlog::LogReader::open(&live.log()).unwrap().heads().l2.unwrap().block.0, 2_000);
        assert_whole(with_l2(&live, &[forgetful.l2_url(), honest.l2_url()], &[]));
    }
}

#[test]
fn an_endpoint_that_gives_too_much_or_nothing_in_time_is_passed_over() {
    let live = Live::start("small-a", &Options::default());
    let giant = node(&Options { fails: Rule::new(|_, _| Some(Failure::Giant)), ..Options::default() });
    assert_whole(with_l1(&live, &[giant.l1_url(), live.node.l1_url()], &["--rpc-rounds", "1"]));
    // The range that one does not answer for in time is asked for as a whole of the other.
    let largest = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
    let [of_late, of_other] = largest.clone();
    let see = |asked: &Value, largest: &AtomicU64| {
        // Others are asked by the hash of one block.
        let filters = calls(asked).iter().map(|call| &call["params"][0]);
        for filter in filters.filter(|filter| filter["toBlock"].is_string()) {
            let blocks = number_in(&filter["toBlock"]) - number_in(&filter["fromBlock"]);
            largest.fetch_max(blocks, Ordering::Relaxed);
        }
    };
    let late = node(&Options {
        fails: Rule::new(move |asked, _| {
            see(asked, &of_late);
            asks_for_a_range(asked).then_some(Failure::Silent)
        }),
        ..Options::default()
    });
    let other = Rule::new(move |asked, _| {
        see(asked, &of_other);
        None
    });
    let live = Live::start("small-a", &Options { fails: other, ..Options::default() });
    let urls = [late.l1_url(), live.node.l1_url()];
    // On a busy machine the other may be late, too, but not always.
    assert_whole(with_l1(&live, &urls, &["--rpc-timeout-secs", "1", "--rpc-rounds", "30"]));
    let [of_late, of_other] = largest.map(|largest| largest.load(Ordering::Relaxed));
    assert!(of_late > 0 && of_other >= of_late, "{of_late} blocks, and then {of_other}");
}

/// Words of a limit where nothing smaller can be asked for are a fault as any other.
#[test]
fn a_limit_of_what_cannot_be_smaller_is_waited_for() {
    let times = AtomicU64::new(0);
    let lies = Rule::new(move |call, _| {
        let is_tip = call["params"][0] == "latest" && call["method"] == "eth_getBlockByNumber";
        let message = "limit exceeded: your account is blocked for a while";
        (is_tip && times.fetch_add(1, Ordering::Relaxed) < 3)
            .then(|| json!({ "error": { "code": -32000, "message": message } }))
    });
    let live = Live::start("small-a", &Options::default());
    assert_whole(with_l1(&live, &[node(&Options { lies, ..Options::default() }).l1_url()], &[]));
}

/// As go-ethereum says it.
#[test]
fn a_chain_without_a_final_block_is_followed_by_confirmations() {
    let lies = Rule::new(|call, _| {
        let is_tag = call["params"][0] == "finalized";
        is_tag.then(|| json!({ "error": { "code": -32000, "message": "finalized block not found" } }))
    });
    let live = Live::start("small-a", &Options::default());
    let node = node(&Options { lies, ..Options::default() });
    assert_whole(with_l1(&live, &[node.l1_url()], &["--rpc-rounds", "1"]));
}

#[test]
fn an_endpoint_that_asks_for_a_long_rest_is_passed_over() {
    let times = AtomicU64::new(0);
    let fails = move |_: &Value, _: &Value| {
        (times.fetch_add(1, Ordering::Relaxed) > 5).then_some(Failure::RetryAfter(600))
    };
    let busy = node(&Options { fails: Rule::new(fails), ..Options::default() });
    let live = Live::start("small-a", &Options::default());
    assert_whole(with_l1(&live, &[busy.l1_url(), live.node.l1_url()], &[]));
}

/// A batch that takes too long is made smaller, and larger again when all is well.
#[test]
fn batches_adapt_to_what_a_node_answers_in_time() {
    let small = AtomicU64::new(0);
    let largest = Arc::new(AtomicU64::new(0));
    let seen = largest.clone();
    // All but small ones, until a hundred of these were answered.
    let fails = move |asked: &Value, _: &Value| {
        let count = calls(asked).len();
        if count > 40 && small.load(Ordering::Relaxed) < 100 {
            return Some(Failure::Silent);
        }
        if (2..=40).contains(&count) {
            small.fetch_add(1, Ordering::Relaxed);
        }
        seen.fetch_max(u64::try_from(count).unwrap(), Ordering::Relaxed);
        None
    };
    let live = Live::start("pool-a", &Options { fails: Rule::new(fails), ..Options::default() });
    let (status, out, err) = live.ingest(&["--rpc-timeout-secs", "1", "--rpc-rounds", "30"]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains(&recorded_digest("pool-a", None, None)), "{out}");
    assert!(largest.load(Ordering::Relaxed) > 40, "it never grew again");
}

/// What a server says may hold the secrets of the URL that it was asked at, and be of any length.
#[test]
fn the_words_of_a_server_are_told_in_brief_and_without_secrets() {
    for method in ["eth_chainId", "eth_getBlockByNumber"] {
        let words = format!("cannot POST /v3/5ecre7key5ecre7key: {}", "x".repeat(1_000_000));
        let lies = Rule::new(move |call, _| (call["method"] == method).then(|| json!({ "result": words })));
        let live = Live::start("small-a", &Options::default());
        let node = node(&Options { lies, ..Options::default() });
        let url = format!("{}/v3/5ecre7key5ecre7key", node.l1_url());
        let (status, _, err) = with_l1(&live, &[url], &["--rpc-rounds", "1"]);
        assert_eq!(status, 1);
        assert_told(&err, &["cannot POST …"]);
        assert!(err.len() < 2_000 && !err.contains("5ecre7"), "{} bytes: {err:.2000}", err.len());
    }
}

#[test]
fn with_progress_as_json_every_line_is_json() {
    let live = Live::start("small-a", &Options::default());
    let mut args = live.args(&["--metrics-listen", "127.0.0.1:0"]);
    let at = args.iter().position(|arg| arg == "lines").unwrap();
    args[at] = "json".into();
    let process = process::start(&args.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let (status, _, err) = process.end();
    assert!(status.success(), "{err}");
    let lines: Vec<Value> = err.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let is_told = |line: &Value| {
        line["fields"]["message"]
            .as_str()
            .is_some_and(|told| told.starts_with("metrics at http://127.0.0.1:"))
    };
    assert!(lines.iter().any(is_told), "{err}");
}

#[test]
fn a_signal_before_any_endpoint_answers_ends_it_cleanly() {
    let fails = Rule::new(|_, _| Some(Failure::Status(503)));
    let live = Live::start("small-a", &Options { fails, ..Options::default() });
    let mut process = live.process(&["--follow", "--level", "debug"]);
    process.line_with("503");
    process.terminate();
    let (status, out, err) = process.end();
    assert!(status.success(), "{err}");
    assert_told(&out, &["nothing was changed"]);
    assert!(!live.log().exists());
}

/// Flags come before variables, and these before the config file.
#[test]
fn flags_can_be_given_in_a_config_file_and_in_the_environment() {
    let live = Live::start("small-a", &Options::default());
    let config = live.dir.path().join("tally.toml");
    let (l1, l2) = (live.node.l1_url(), live.node.l2_url());
    let network = live.dir.path().join("network.toml");
    let text = format!(
        "log = {:?}\nnetwork = {:?}\nl1-rpc = [\"http://127.0.0.1:1\", {l1:?}]\nl2_rpc = {l2:?}\n\
         l1-finality = 0\nl2-confirmations = 0\nl1-to = 20215000\nl2-to = 1500\npoll-secs = 0.5\nfollow = false\n",
        live.log(),
        network
    );
    std::fs::write(&config, &text).unwrap();
    let config = config.to_str().unwrap();
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let (status, out, err) = process::start(args, variables).end();
        (status.code().unwrap(), out, err)
    };
    let (status, out, err) = run(&["ingest", "--config", config], &[]);
    assert_eq!(status, 0, "{err}");
    assert_told(&out, &["L1 up to block 20215000", "L2 up to block 1500"]);
    let (status, out, err) = run(&["ingest"], &[("TALLY_CONFIG", config), ("TALLY_L2_TO", "1600")]);
    assert_eq!(status, 0, "{err}");
    assert_told(&out, &["L2 up to block 1600"]);
    let (status, out, err) =
        run(&["ingest", "--config", config, "--l2-to", "1700"], &[("TALLY_L2_TO", "1600")]);
    assert_eq!(status, 0, "{err}");
    assert_told(&out, &["L2 up to block 1700"]);
    // Other commands take theirs of it.
    let (status, out, err) = run(&["log", "verify", "--config", config], &[]);
    assert_eq!(status, 0, "{err}");
    assert_told(&out, &["verified: "]);
    // The user's own file counts where no other is named.
    let users = live.dir.path().join(".config/tally");
    std::fs::create_dir_all(&users).unwrap();
    std::fs::write(users.join("config.toml"), &text).unwrap();
    let home = live.dir.path().to_str().unwrap();
    let at_home = [("HOME", home), ("XDG_CONFIG_HOME", ""), ("TALLY_FORMAT", "json")];
    let (status, out, err) = run(&["log", "info"], &at_home);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("\"l2\": {"), "{out}");
    let (status, out, err) = run(&["log", "info", "--format", "table"], &at_home);
    assert_eq!(status, 0, "{err}");
    assert!(!out.contains('{'), "{out}");
    for (line, message) in [
        ("speed = 1", "no command has a flag speed"),
        ("l2-to = [1, 2]", "l2-to takes one value, and has 2"),
        ("l2-to = 1979-05-27", "a whole number is expected, such as 12"),
        ("l1-rpc = https://unquoted-secret", "line 2: "),
        ("l2-confirmations = \"many\"", "invalid value 'many' for '--l2-confirmations"),
    ] {
        let path = live.dir.path().join("wrong.toml");
        std::fs::write(&path, format!("follow = false\n{line}\n")).unwrap();
        let (status, _, err) = run(&["ingest", "--config", path.to_str().unwrap()], &[]);
        assert_eq!(status, 2, "{line}: {err}");
        assert_told(&err, &[message]);
        assert!(!err.contains("unquoted-secret"), "{err}");
    }
    let (status, _, err) = run(&["ingest", "--log", "somewhere"], &[]);
    assert_eq!(status, 2);
    assert_told(&err, &["what to ingest: --recording DIR, or --network"]);
    let (status, _, err) = run(&["ingest", "--log", "somewhere", "--network", "mainnet"], &[]);
    assert_eq!(status, 2);
    assert_told(&err, &["--network mainnet needs --l1-rpc URL"]);
}
