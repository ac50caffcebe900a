//! While the chains are followed: how soon a block is served, and how the server says that it is behind.

use super::Served;
use crate::live::Live;
use replay_node::{Options, Reorg};
use std::time::Duration;

/// A number of the metrics, by the beginning of its line.
fn metric(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

/// From the commit of a block to its being served, by the server's own clock: with three policies, also across a reorg.
#[test]
fn a_block_is_served_within_50_milliseconds_of_being_in_the_log() {
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
    // A commit comes once nothing more has for 100 ms. The first come with thousands of blocks each.
    served.wait_for("/readyz", |answer| answer.status == 200);
    let before = metrics();
    let within = |metrics: &str| metric(metrics, "tally_feed_fold_seconds_bucket{le=\"0.05\"}");
    std::thread::sleep(Duration::from_secs(10));
    let after = metrics();
    let (count, fast) = (folds(&after) - folds(&before), within(&after) - within(&before));
    println!("{fast} of {count} commits were served within 50 ms");
    assert!(count >= 12, "{count} commits");
    // Other tests share the machine: some may have to wait for a processor.
    assert!(2 * fast >= count, "{fast} of {count} commits were served within 50 ms:\n{after}");
    assert_eq!(metric(&after, "tally_feed_ready"), 1);
    assert_eq!(metric(&after, "tally_feed_fold_failures_total"), 0);
    assert!(metric(&after, "tally_feed_sequence{policy=\"guide\"}") > 0);
    served.process.terminate();
    let (status, _, err) = served.process.end();
    assert!(status.success(), "{err}");
}

/// While it catches up, and while no node answers, a server says that it is not up to date, and answers all the same.
#[test]
fn a_server_that_is_behind_is_not_ready() {
    let options = Options { latency: Duration::from_millis(100), ..Options::default() };
    let live = Live::start("pool-a", &options);
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
    served.wait_for("/readyz", |answer| answer.status == 200);
    let status = served.json("/v1/status");
    assert_eq!(status["policies"][0]["at"]["l2"]["block"], 15_234_502);
    assert_eq!(status["ingest"]["l2_lag_secs"], 0);
}
