//! What is in the tables is what the other commands say of the same log.

use super::cluster::{Cluster, TABLES};
use super::{branch, check, sink, sink_as, write_log};
use crate::serve::{Served, log_of};
use crate::support::tally;
use serde_json::Value;
use std::path::Path;

fn json_of(args: &[&str]) -> Value {
    let (status, out, err) = tally(args);
    assert_eq!(status, 0, "{args:?}: {err}");
    serde_json::from_str(&out).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Compares the tables with the commands, to the wei: closed epochs with `tally replay`, what the contracts hold with
/// `tally accounts`, and what can be claimed with `tally claims merkle`. Returns how many epochs were compared.
pub(super) fn compare(cluster: &Cluster, schema: &str, log: &Path, policy: &str) -> usize {
    let log = log.to_str().unwrap();
    let of = format!("policy_name = '{policy}'");
    let replayed = json_of(&["replay", "--log", log, "--policy", policy, "--format", "json"]);
    let epochs = replayed[0]["epochs"].as_array().unwrap();
    let closed = cluster.sql(&format!("SELECT count(*) FROM {schema}.epochs WHERE {of}")).parse().unwrap();
    let (mut expected, mut rows) = (Vec::new(), Vec::new());
    for epoch in epochs.iter().take(closed) {
        let fields = ["epoch", "start", "blocks", "reward_wei", "digest"].map(|field| text(&epoch[field]));
        expected.push(fields.join("|"));
        for row in epoch["rows"].as_array().unwrap() {
            let fields = ["sequencer", "blocks", "reward_wei"].map(|field| text(&row[field]));
            rows.push(format!("{}|{}", text(&epoch["epoch"]), fields.join("|")));
        }
    }
    let epochs = format!(
        "SELECT epoch, starts, blocks, reward_wei, digest FROM {schema}.epochs WHERE {of} ORDER BY epoch"
    );
    assert_eq!(cluster.sql(&epochs).lines().collect::<Vec<_>>(), expected);
    let found = cluster.sql(&format!(
        "SELECT epoch, sequencer, blocks, reward_wei FROM {schema}.epoch_rewards WHERE {of} ORDER BY epoch, sequencer"
    ));
    assert_eq!(found.lines().collect::<Vec<_>>(), rows);
    // A sum is that of what it sums up.
    let wrong = cluster.sql(&format!(
        "SELECT count(*) FROM (SELECT cumulative_wei, sum(reward_wei) OVER (PARTITION BY policy, sequencer ORDER BY epoch) AS sum \
         FROM {schema}.epoch_rewards) s WHERE sum <> cumulative_wei"
    ));
    assert_eq!(wrong, "0");
    accounts(cluster, schema, log, policy);
    let epoch = cluster.sql(&format!("SELECT max(epoch) FROM {schema}.distributions WHERE {of}"));
    if !epoch.is_empty() {
        distribution(cluster, schema, log, policy, &epoch);
    }
    closed
}

fn accounts(cluster: &Cluster, schema: &str, log: &str, policy: &str) {
    let block = cluster.sql(&format!("SELECT final_l1_block FROM {schema}.feed WHERE name = '{policy}'"));
    let accounts = json_of(&["accounts", "--log", log, "--at-l1-block", &block, "--format", "json"]);
    let fields = ["sequencer", "stake_wei", "unclaimed_wei", "credited_wei", "claimed_wei", "relocked_wei"];
    let of_one = |account: &Value| fields.map(|field| text(&account[field])).join("|");
    let expected: Vec<String> = accounts["sequencers"].as_array().unwrap().iter().map(of_one).collect();
    let found = cluster.sql(&format!(
        "SELECT {} FROM {schema}.balances WHERE policy_name = '{policy}' ORDER BY sequencer",
        fields.join(", ")
    ));
    assert_eq!(found.lines().collect::<Vec<_>>(), expected, "{policy}");
    assert!(!expected.is_empty());
}

fn distribution(cluster: &Cluster, schema: &str, log: &str, policy: &str, epoch: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (proofs, tree) = (dir.path().join("proofs.json"), dir.path().join("tree.json"));
    let (status, _, err) = tally(&[
        "claims",
        "merkle",
        "--log",
        log,
        "--policy",
        policy,
        "--epoch",
        epoch,
        "--proofs",
        proofs.to_str().unwrap(),
        "--out",
        tree.to_str().unwrap(),
    ]);
    assert_eq!(status, 0, "{err}");
    let proofs: Value = serde_json::from_str(&std::fs::read_to_string(&proofs).unwrap()).unwrap();
    let root = text(&proofs["root"]);
    let leaf = |leaf: &Value| {
        let [sequencer, recipient, amount] =
            ["sequencer", "recipient", "cumulative_wei"].map(|field| text(&leaf[field]));
        let proof: Vec<String> = leaf["proof"].as_array().unwrap().iter().map(text).collect();
        format!("{sequencer}|{recipient}|{amount}|{epoch}|{root}|{{{}}}", proof.join(","))
    };
    let expected: Vec<String> = proofs["proofs"].as_array().unwrap().iter().map(leaf).collect();
    let of = format!("policy_name = '{policy}' AND basis = 'distribution'");
    let found = cluster.sql(&format!(
        "SELECT sequencer, recipient, amount_wei, up_to_epoch, root, proof FROM {schema}.claimable \
         WHERE {of} AND recipient IS NOT NULL ORDER BY sequencer"
    ));
    assert_eq!(found.lines().collect::<Vec<_>>(), expected, "{policy}");
    let sums = cluster.sql(&format!(
        "SELECT coalesce(sum(amount_wei) FILTER (WHERE recipient IS NOT NULL), 0) = max(d.leaves_wei), \
            coalesce(sum(amount_wei) FILTER (WHERE recipient IS NULL), 0) = max(d.withheld_wei) \
         FROM {schema}.claimable c, {schema}.distributions d \
         WHERE c.{of} AND d.policy = c.policy AND d.epoch = c.up_to_epoch"
    ));
    assert_eq!(sums, "t|t");
}

const POLICIES: [&str; 3] = ["guide", "locking-pool", "stake-weighted"];

/// From a log and from a server of it, three policies.
#[test]
fn the_tables_of_a_log_and_of_its_server_are_what_the_commands_say() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let policies = POLICIES.map(|policy| ["--policy", policy]).concat();
    write_log(&cluster, "of_log", &log, &policies);
    for policy in POLICIES {
        let epochs = compare(&cluster, "of_log", &log, policy);
        assert_eq!(epochs, if policy == "locking-pool" { 0 } else { 12 }, "{policy}");
        let (status, out, err) = check(&cluster, "of_log", &log, policy);
        assert_eq!((status, err.as_str()), (0, ""), "{out}");
        assert!(
            out.starts_with(&format!("equal: policy {policy}: ")) && out.contains(" 0 are void"),
            "{out}"
        );
    }
    // Again, there is nothing to write.
    let before = cluster.contents("of_log");
    write_log(&cluster, "of_log", &log, &policies);
    assert_eq!(cluster.contents("of_log"), before);
    // With a token, page by page.
    let (status, line, token) = tally(&["token", "sink"]);
    assert_eq!(status, 0);
    let (tokens, own) = (dir.path().join("tokens"), dir.path().join("own"));
    std::fs::write(&tokens, line).unwrap();
    std::fs::write(&own, token.lines().nth(1).unwrap()).unwrap();
    let mut args = policies.clone();
    args.extend(["--token-file", tokens.to_str().unwrap()]);
    let args: Vec<&str> =
        ["serve", "--log", log.to_str().unwrap()].into_iter().chain(args.iter().copied()).collect();
    let served = Served::with_args(&args);
    let url = served.url();
    let mut words = vec!["postgres", "--schema", "of_server", "--from", &url];
    words.extend(&policies);
    let (status, _, err) = sink(&cluster, &words);
    assert_eq!(status, 1, "{err}");
    assert!(err.contains("HTTP status 401, unauthorized"), "{err}");
    words.extend(["--from-token-file", own.to_str().unwrap()]);
    let (status, _, err) = sink(&cluster, &words);
    assert_eq!(status, 0, "{err}");
    assert_eq!(cluster.contents("of_server"), before);
    drop(served);
    // Tables of another history are told so, and nothing is written.
    let other = tempfile::tempdir().unwrap();
    let small = log_of("small-a", other.path());
    write_log(&cluster, "small", &small, &[]);
    let before = cluster.contents("small");
    let (status, _, err) = sink(&cluster, &["postgres", "--schema", "small", "--log", log.to_str().unwrap()]);
    assert_eq!(status, 1);
    assert!(err.contains("is not what policy guide tells here"), "{err}");
    assert_eq!(cluster.contents("small"), before);
}

/// A log of a branch that did not last, all of which was final for its server, is replaced by one of the chain that did.
#[test]
fn what_was_final_and_is_not_is_void_and_stays_to_be_seen() {
    let Some(cluster) = Cluster::start() else { return };
    let live = branch();
    let dir = tempfile::tempdir().unwrap();
    let journals = dir.path().join("journals");
    let more = ["--feed-dir", journals.to_str().unwrap()];
    let with_blocks = [&more[..], &["--blocks"]].concat();
    write_log(&cluster, "tally", &live.log(), &with_blocks);
    let told: u64 = cluster.sql("SELECT facts FROM tally.feed").parse().unwrap();
    assert_eq!(check(&cluster, "tally", &live.log(), "guide").0, 0);
    let log = log_of("pool-a", dir.path());
    let (status, out, _) = check(&cluster, "tally", &log, "guide");
    assert_eq!(status, 3);
    assert!(out.contains("what the log tells there is another fact"), "{out}");
    write_log(&cluster, "tally", &log, &with_blocks);
    let (status, out, err) = check(&cluster, "tally", &log, "guide");
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    super::ledger::compare_blocks(&cluster, "tally", &log, "guide");
    compare(&cluster, "tally", &log, "guide");
    let void: u64 = cluster.sql("SELECT voided_facts FROM tally.rollbacks").parse().unwrap();
    assert!((1..told).contains(&void), "{void} of {told}");
    assert_eq!(cluster.sql("SELECT count(*) FROM tally.fact WHERE void_by IS NOT NULL"), void.to_string());
    // The place to which a rollback goes back is one of a history.
    let rollbacks =
        "UPDATE tally.fact SET cursor = regexp_replace(cursor, '-[0-9a-f]{16}', {}) WHERE type = 'rollback'";
    let tag =
        cluster.sql("SELECT substring(cursor from '-[0-9a-f]{16}') FROM tally.fact WHERE type = 'rollback'");
    cluster.sql(&rollbacks.replace("{}", "'-0123456789abcdef'"));
    let (status, out, _) = check(&cluster, "tally", &log, "guide");
    assert!(status == 3 && out.contains("to which it goes back"), "{out}");
    cluster.sql(&rollbacks.replace("{}", &format!("'{tag}'")));
    assert_eq!(check(&cluster, "tally", &log, "guide").0, 0);
    // Who begins now has the same facts, and nothing that is void.
    write_log(&cluster, "late", &log, &more);
    let facts = |schema: &str| {
        cluster.sql(&format!("SELECT position, id, body FROM {schema}.facts ORDER BY position"))
    };
    assert_eq!(facts("late"), facts("tally"));
    // The log of the branch is not as far, and says so.
    let (status, _, err) = sink(
        &cluster,
        &[
            "postgres",
            "--log",
            live.log().to_str().unwrap(),
            "--feed-dir",
            dir.path().join("other").to_str().unwrap(),
        ],
    );
    assert_eq!(status, 1, "{err}");
}

/// Whatever is changed by hand, the first row of it is named.
#[test]
fn a_row_that_was_changed_by_hand_is_named() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let (status, _, err) = check(&cluster, "tally", &log, "guide");
    assert_eq!(status, 1);
    assert!(err.contains("schema tally is of version 0, and version 5 is needed"), "{err}");
    write_log(&cluster, "tally", &log, &["--blocks"]);
    let (status, _, err) = check(&cluster, "tally", &log, "locking-pool");
    assert_eq!(status, 1);
    assert!(err.contains("schema tally has no feed of policy locking-pool"), "{err}");
    // A table is there once in full, and each change of it is undone.
    let changes = [
        (
            "UPDATE tally.epoch_reward SET reward_wei = reward_wei + 1 WHERE epoch = 3 AND sequencer = 1",
            "epoch_reward, entry ",
        ),
        (
            "UPDATE tally.claim SET void_by = 1 WHERE entry = (SELECT min(entry) FROM tally.claim)",
            ": void_by is 1, and should be null",
        ),
        (
            "DELETE FROM tally.batch_credit WHERE entry = (SELECT max(entry) FROM tally.batch)",
            ": a row is missing",
        ),
        (
            "INSERT INTO tally.pause_change SELECT policy, entry, NULL, true FROM tally.epoch WHERE epoch = 2",
            "there is a row that no fact says",
        ),
        (
            "UPDATE tally.role_change SET address = decode(repeat('00', 20), 'hex') WHERE entry = (SELECT min(entry) FROM tally.role_change)",
            ": address is 0x0000000000000000000000000000000000000000, and should be 0x",
        ),
        (
            "UPDATE tally.fact SET body = replace(body::text, '\"blocks\":', '\"blocks\": ')::json WHERE entry = (SELECT entry FROM tally.epoch WHERE epoch = 5)",
            "its link is not the digest",
        ),
        (
            "UPDATE tally.fact SET time = time + 1 WHERE entry = 4",
            "fact, entry 4: time is not what the body says",
        ),
        (
            "UPDATE tally.fact SET void_by = 9 WHERE entry = 4",
            "stake_change, entry 4: void_by is null, and should be 9",
        ),
        (
            "UPDATE tally.fact SET position = 100000 WHERE entry = 4",
            "fact, entry 4: its position is 100000, and should be 4",
        ),
        (
            "UPDATE tally.leaf SET cumulative_wei = cumulative_wei + 1 WHERE entry = (SELECT max(entry) FROM tally.distribution) AND sequencer = 1",
            "leaf, entry ",
        ),
        (
            "UPDATE tally.leaf SET proof = substr(proof, 33) WHERE entry = (SELECT max(entry) FROM tally.distribution) AND sequencer = 1",
            ": the proof or the epoch of sequencer 1 is another",
        ),
        (
            "UPDATE tally.leaf SET void_by = 1 WHERE entry = (SELECT min(entry) FROM tally.distribution)",
            ": void_by is 1, and should be null",
        ),
        (
            "UPDATE tally.ledger SET reward_wei = reward_wei + 1 WHERE block = (SELECT max(block) FROM tally.ledger_blocks WHERE epoch = 4 AND reward_wei > 0)",
            ": reward_wei is ",
        ),
        (
            "DELETE FROM tally.ledger WHERE block = (SELECT max(block) FROM tally.ledger)",
            ": a row is missing",
        ),
        (
            "DELETE FROM tally.ledger WHERE block = (SELECT max(block) - 7 FROM tally.ledger)",
            " is there where block ",
        ),
        (
            "INSERT INTO tally.ledger SELECT max(block) + 1, 0, NULL, NULL, NULL, NULL, NULL, 'no_producer', policy, entry FROM tally.ledger GROUP BY policy, entry ORDER BY 1 DESC LIMIT 1",
            ": there is a row that the log does not give",
        ),
        (
            "UPDATE tally.ledger_epoch SET reward_wei = reward_wei + 1 WHERE epoch = 2",
            ": reward_wei is not what its rows come to",
        ),
        ("DELETE FROM tally.ledger_epoch WHERE epoch = 2", ": ledger_epoch has no row of this epoch"),
        ("UPDATE tally.feed SET sequence = sequence + 1", "feed: it says entry "),
        ("UPDATE tally.feed SET name = 'fixed-reward'", "feed: it is called fixed-reward@1, and "),
        (
            "UPDATE tally.feed SET version = version + 1",
            "feed: it is called guide@2, and the policy of its digest is guide@1",
        ),
    ];
    // Restored by a copy of each table.
    for table in TABLES.iter().chain(&["feed", "ledger"]) {
        cluster.sql(&format!("CREATE TABLE public.{table} AS TABLE tally.{table}"));
    }
    for (change, expected) in changes {
        cluster.sql(change);
        let (status, out, err) = check(&cluster, "tally", &log, "guide");
        assert_eq!((status, err.as_str()), (3, ""), "{change}: {out}");
        assert!(out.starts_with("DIFFERENT: policy guide: ") && out.contains(expected), "{change}: {out}");
        restore(&cluster);
        let (status, out, _) = check(&cluster, "tally", &log, "guide");
        assert_eq!(status, 0, "{out}");
    }
    // What is not there at all cannot be compared.
    let (status, _, err) =
        sink_as("host=/tmp/nowhere user=nobody dbname=none", &["check", "--log", log.to_str().unwrap()]);
    assert_eq!(status, 1);
    assert!(err.contains("the database: "), "{err}");
}

/// Puts back the copies of all tables.
fn restore(cluster: &Cluster) {
    let mut sql = "BEGIN; SET session_replication_role = replica;".to_owned();
    for table in TABLES.into_iter().chain(["ledger"]) {
        sql += &format!("DELETE FROM tally.{table}; INSERT INTO tally.{table} TABLE public.{table};");
    }
    sql += "UPDATE tally.feed f SET sequence = o.sequence, name = o.name, version = o.version FROM public.feed o WHERE o.policy = f.policy; COMMIT;";
    cluster.sql(&sql);
}
