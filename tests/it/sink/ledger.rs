//! The ledger by block in the tables.

use super::cluster::Cluster;
use super::{check, sink, write_log};
use crate::serve::{Served, log_of};
use crate::support::tally;
use std::path::Path;

/// Compares the ledger by block with `tally ledger show`; returns how many blocks there are.
pub(super) fn compare_blocks(cluster: &Cluster, schema: &str, log: &Path, policy: &str) -> usize {
    let closed: u64 = cluster
        .sql(&format!("SELECT count(*) FROM {schema}.epochs WHERE policy_name = '{policy}'"))
        .parse()
        .unwrap();
    let log = log.to_str().unwrap();
    let (status, out, err) = tally(&["ledger", "show", "--log", log, "--policy", policy, "--format", "csv"]);
    assert_eq!(status, 0, "{err}");
    let mut lines = out.lines();
    let names = "block,timestamp,epoch,span,sequencer,effective_stake_wei,reward_wei,running_total_wei,batch,unrewarded";
    assert_eq!(lines.next().unwrap(), names);
    let is_closed =
        |line: &&str| line.split(',').nth(2).unwrap().parse().is_ok_and(|epoch: u64| epoch < closed);
    let expected: Vec<String> = lines.filter(is_closed).map(|line| line.replace(',', "|")).collect();
    let found = cluster.sql(&format!(
        "SELECT block, time, epoch, span, sequencer, effective_stake_wei, reward_wei, running_total_wei, NULL, unrewarded \
         FROM {schema}.ledger_blocks WHERE policy_name = '{policy}' ORDER BY block"
    ));
    let found: Vec<&str> = found.lines().collect();
    let differs = found.iter().zip(&expected).find(|(found, expected)| found != expected);
    assert_eq!(differs, None);
    assert_eq!(found.len(), expected.len());
    // Parts are those of their epochs alone.
    let sums = cluster.sql(&format!(
        "SELECT count(*) FROM {schema}.ledger_epoch l JOIN {schema}.epoch e USING (policy, entry) \
         WHERE l.void_by IS NULL AND (l.rewarded_blocks, l.reward_wei) <> (e.blocks, e.reward_wei)"
    ));
    assert_eq!(sums, "0");
    found.len()
}

const POLICIES: [&str; 6] = ["--policy", "guide", "--policy", "locking-pool", "--policy", "stake-weighted"];

#[test]
fn the_ledger_by_block_is_what_the_command_shows() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    write_log(&cluster, "tally", &log, &[&POLICIES[..], &["--blocks"]].concat());
    for policy in ["guide", "stake-weighted"] {
        let blocks = compare_blocks(&cluster, "tally", &log, policy);
        assert!(blocks > 10_000, "{blocks}");
        let (status, out, err) = check(&cluster, "tally", &log, policy);
        assert_eq!((status, err.as_str()), (0, ""), "{out}");
        assert!(out.contains(&format!(", ledger {blocks}\n")), "{out}");
    }
    // The contract pays what its batches credit, and no epoch of it is ever closed.
    assert_eq!(compare_blocks(&cluster, "tally", &log, "locking-pool"), 0);
    // Whoever begins without it gets it later, all the same.
    write_log(&cluster, "later", &log, &POLICIES);
    let (status, out, _) = check(&cluster, "later", &log, "guide");
    assert!(status == 0 && out.contains(", ledger 0\n"), "{out}");
    write_log(&cluster, "later", &log, &[&POLICIES[..], &["--blocks"]].concat());
    assert_eq!(cluster.contents("later"), cluster.contents("tally"));
    // What lacks an epoch is told of, and is no difference.
    cluster.sql(
        "DELETE FROM later.ledger_epoch WHERE epoch = 3; DO $$ DECLARE part text; BEGIN \
        FOR part IN SELECT format('ledger_%s_%s', policy, entry) FROM later.epoch WHERE epoch = 3 LOOP \
            EXECUTE format('DROP TABLE later.%I', part); END LOOP; END $$",
    );
    let (status, out, _) = check(&cluster, "later", &log, "guide");
    assert!(status == 0 && out.contains("the ledger by block of 1 epochs is not there"), "{out}");
    write_log(&cluster, "later", &log, &[&POLICIES[..], &["--blocks"]].concat());
    assert_eq!(cluster.contents("later"), cluster.contents("tally"));
    // One block is found without reading the others.
    let plan =
        cluster.sql("SET enable_seqscan = off; EXPLAIN SELECT * FROM tally.ledger WHERE block = 15220000");
    assert!(plan.contains("Bitmap Index Scan"), "{plan}");
    // A server does not have it, and says why.
    let served = Served::start(&log, &[]);
    let url = served.url();
    let (status, _, err) = sink(&cluster, &["postgres", "--from", &url, "--blocks"]);
    assert_eq!(status, 2, "{err}");
}
