//! The claim feed in PostgreSQL, each test with a server of its own.

pub(crate) mod cluster;
mod kills;
mod ledger;
mod operating;
mod payer;
mod published;
mod rights;
mod servers;
mod stores;
mod tables;
mod troubles;

use crate::live::Live;
use crate::support::{tally, wait_for};
use cluster::Cluster;
use replay_node::{Options, Reorg};
use std::path::Path;

/// Runs a command of `tally sink` on a database.
fn sink(cluster: &Cluster, words: &[&str]) -> (u8, String, String) {
    sink_as(&cluster.url(), words)
}

/// The same as some user. One that ended right before may hold the lock until the database has noticed: it is waited for.
fn sink_as(url: &str, words: &[&str]) -> (u8, String, String) {
    let mut args = vec!["sink"];
    args.extend(words);
    args.extend(["--database", url]);
    wait_for("the lock", || {
        let ended = tally(&args);
        if ended.2.contains("is written by another sink") { Err(ended.2) } else { Ok(ended) }
    })
}

/// Writes what a log says into a schema.
#[track_caller]
fn write_log(cluster: &Cluster, schema: &str, log: &Path, more: &[&str]) {
    let mut words = vec!["postgres", "--schema", schema, "--log", log.to_str().unwrap()];
    words.extend(more);
    let (status, _, err) = sink(cluster, &words);
    assert_eq!(status, 0, "{err}");
}

/// A log of a branch that did not last, all of which was final for its server.
fn branch() -> Live {
    let reorg = Some(Reorg { at: 19_430_589, depth: 70, calls: 100_000 });
    let live = Live::start("pool-a", &Options { reorg, finalized_lag_blocks: 0, ..Options::default() });
    let (status, _, err) = live.ingest(&["--l1-to", "19430589", "--l2-to", "15217000"]);
    assert_eq!(status, 0, "{err}");
    live
}

/// What `tally sink check` says.
fn check(cluster: &Cluster, schema: &str, log: &Path, policy: &str) -> (u8, String, String) {
    sink(cluster, &["check", "--schema", schema, "--log", log.to_str().unwrap(), "--policy", policy])
}
