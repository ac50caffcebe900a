//! While the chains are followed: that each commit is served, and how the server says that it is behind.

use super::Served;
use crate::live::Live;
use crate::support::wait_for;
use replay_node::{Failure, Options, Reorg, Rule};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A number of the metrics, by the beginning of its line.
fn metric(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

/// A commit is what makes the server look at the log: with an hour between polls, it would wait for the next one.
#[test]
fn a_commit_is_served_without_waiting_for_a_poll() {
    let live = Live::start("pool-a", &Options::default());
    let mut args = live.args(&["--follow", "--poll-secs", "3600", "--level", "error"]);
    args[0] = "serve".into();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let served = Served::with_args(&args);
    served.wait_for("/v1/status", |answer| {
        answer.status == 200 && {
            let at = &answer.json()["policies"][0]["at"];
            (at["log"]["l1_head"]["block"].as_u64(), at["log"]["l2_head"]["block"].as_u64())
                == (Some(19_436_258), Some(15_234_502))
        }
    });
}

/// With three policies, also across a reorg.
#[test]
fn what_is_committed_while_the_chains_grow_is_served() {
    let options = Options {
        l1_head: Some(19_430_400),
        l2_head: Some(15_224_000),
        advance_blocks: 10,
        reorg: Some(Reorg { at: 19_430_589, depth: 40, calls: 200 }),
        ..Options::default()
    };
    let live = Live::start("pool-a", &options);
    let policies = ["--policy", "guide", "--policy", "stake-weighted", "--policy", "locking-pool"];
    let more = ["--follow", "--poll-secs", "0.2", "--level", "error", "--metrics-listen", "127.0.0.1:0"];
    // The recording's blocks are minutes apart.
    let more = [&more[..], &["--ready-lag-secs", "1000000"]].concat();
    let mut args = live.args(&[&policies[..], &more[..]].concat());
    args[0] = "serve".into();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut served = Served::with_args(&args);
    let told = served.process.line_with("metrics at ");
    let address = told.trim().trim_end_matches("/metrics").rsplit('/').next().unwrap().to_owned();
    let metrics = || super::http::get(&address, "/metrics").unwrap().body;
    let folds = |metrics: &str| metric(metrics, "tally_feed_fold_seconds_count");
    let after = wait_for("a dozen commits, and the reorg", || {
        let after = metrics();
        let is_seen = folds(&after) >= 12 && live.node.has_reorganized();
        if is_seen { Ok(after) } else { Err(after) }
    });
    served.wait_for("/readyz", |answer| answer.status == 200);
    assert_eq!(metric(&after, "tally_feed_fold_failures_total"), 0);
    assert!(metric(&after, "tally_feed_sequence{policy=\"guide\",version=\"1\"}") > 0);
    served.process.terminate();
    let (status, _, err) = served.process.end();
    assert!(status.success(), "{err}");
}

/// While it catches up, and while no node answers, a server says that it is not up to date, and answers all the same.
#[test]
fn a_server_that_is_behind_is_not_ready() {
    let is_held = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&is_held);
    let fails = Rule::new(move |asked, _| {
        let calls = asked.as_array().map_or(std::slice::from_ref(asked), Vec::as_slice);
        let is_ahead = |call: &Value| {
            let number = call["params"][0].as_str().and_then(|text| text.strip_prefix("0x"));
            let number = number.and_then(|hex| u64::from_str_radix(hex, 16).ok());
            number.is_some_and(|number| (15_215_001..=15_234_502).contains(&number))
        };
        (held.load(Ordering::Relaxed) && calls.iter().any(is_ahead)).then_some(Failure::Status(503))
    });
    let live = Live::start("pool-a", &Options { fails, ..Options::default() });
    let (status, _, err) = live.ingest(&["--l1-to", "19430589", "--l2-to", "15215000"]);
    assert_eq!(status, 0, "{err}");
    let mut args = live.args(&["--follow", "--poll-secs", "0.05", "--ready-lag-secs", "1"]);
    args[0] = "serve".into();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let served = Served::with_args(&args);
    let answer = served.wait_for("/readyz", |answer| answer.body.contains("s behind"));
    assert_eq!(answer.status, 503);
    assert_eq!(served.get("/v1/sequencers").status, 200);
    assert_eq!(served.get("/healthz").status, 200);
    is_held.store(false, Ordering::Relaxed);
    served.wait_for("/readyz", |answer| answer.status == 200);
    let status = served.json("/v1/status");
    assert_eq!(status["policies"][0]["at"]["log"]["l2_head"]["block"], 15_234_502);
    assert_eq!(status["ingest"]["l2_lag_secs"], 0);
}

/// A log that ends in a branch whose events do not add up, as no honest node has it: a server that follows the chain waits for
/// the chain's own blocks, and one that does not cannot.
#[test]
fn a_branch_that_does_not_add_up_is_waited_out() {
    let reorg = Some(Reorg { at: 20_220_470, depth: 30, calls: u64::MAX });
    let options =
        Options { reorg, l1_head: Some(20_220_470), finalized_lag_blocks: 64, ..Options::default() };
    let live = Live::start("small-a", &options);
    let (status, _, err) = live.ingest(&["--l1-to", "20220470"]);
    assert_eq!(status, 0, "{err}");
    let log = live.log();
    let alone = ["serve", "--log", log.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let (status, _, err) = crate::support::tally(&alone);
    assert!(status == 1 && err.contains("wei by the movements"), "{status}: {err}");
    let mut args = live.args(&["--follow", "--poll-secs", "0.05", "--ready-lag-secs", "1000000"]);
    args[0] = "serve".into();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let served = Served::with_args(&args);
    let answer = served.get("/v1/sequencers");
    assert_eq!((answer.status, &answer.json()["type"]), (503, &"urn:tally:problem:not-ready".into()));
    live.node.reorganize();
    served.wait_for("/readyz", |answer| answer.status == 200);
    assert_eq!(served.get("/v1/sequencers").status, 200);
}
