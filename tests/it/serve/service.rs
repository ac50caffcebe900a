//! The claim service of docs/claim-service.md: its very code, killed at random, pays each sequencer once.

use super::{Served, log_of};
use crate::live::Live;
use crate::process;
use crate::support::{Tool, in_tests, wait_for};
use fastrand::Rng;
use replay_node::{Options, Reorg};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What pays in the test. For each key it ends the service twice: before it pays, and after it.
const PAYMENTS: &str = r#"
import os, sqlite3
bank = sqlite3.connect("bank.db", isolation_level=None)
bank.executescript("CREATE TABLE IF NOT EXISTS paid (key TEXT PRIMARY KEY, recipient TEXT, amount_wei TEXT);"
                   "CREATE TABLE IF NOT EXISTS call (key TEXT);")
def send(key, recipient, amount_wei):
    bank.execute("INSERT INTO call VALUES (?)", (key,))
    (calls,) = bank.execute("SELECT count(*) FROM call WHERE key = ?", (key,)).fetchone()
    if calls == 1:
        os._exit(9)
    bank.execute("INSERT OR IGNORE INTO paid VALUES (?, ?, ?)", (key, recipient, str(amount_wei)))
    if calls == 2:
        os._exit(9)
"#;

/// What the bank has paid, and how often it was called, as JSON.
const REPORT: &str = r#"
import json, sqlite3
bank = sqlite3.connect("bank.db")
print(json.dumps([bank.execute("SELECT * FROM paid").fetchall(), bank.execute("SELECT count(*) FROM call").fetchone()[0]]))
"#;

/// The only block of the page in this language.
fn code(page: &str, language: &str) -> String {
    let blocks: Vec<&str> = page.split(&format!("```{language}\n")).skip(1).collect();
    assert_eq!(blocks.len(), 1, "{language}");
    blocks[0].split("```").next().unwrap().to_owned()
}

fn start(dir: &Path, url: &str) -> Child {
    let mut service = Command::new("python3");
    service.args(["service.py", url, "guide"]).current_dir(dir).stdout(Stdio::null()).spawn().unwrap()
}

/// A payment: its key, its recipient, and its amount in wei.
type Payment = (String, String, u128);

/// What was paid to each recipient, and how often the bank was called; `None` before the first call.
fn report(dir: &Path) -> Option<(Vec<Payment>, u64)> {
    let done = Command::new("python3").args(["-c", REPORT]).current_dir(dir).output().unwrap();
    let (paid, calls): (Vec<(String, String, String)>, u64) = serde_json::from_slice(&done.stdout).ok()?;
    Some((paid.into_iter().map(|(key, to, amount)| (key, to, amount.parse().unwrap())).collect(), calls))
}

/// A directory with the page's code, and a bank that ends it.
fn service() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let page = std::fs::read_to_string(in_tests("../docs/claim-service.md")).unwrap();
    std::fs::write(dir.path().join("schema.sql"), code(&page, "sql")).unwrap();
    std::fs::write(dir.path().join("service.py"), code(&page, "python")).unwrap();
    std::fs::write(dir.path().join("payments.py"), PAYMENTS).unwrap();
    dir
}

/// What the last distribution owes each sequencer.
fn owed(served: &Served) -> BTreeMap<String, u128> {
    let distributions = served.json("/v1/distributions?limit=1000");
    let all = distributions["distributions"].as_array().unwrap();
    let last = all.iter().rev().find(|one| !one["root"].is_null()).unwrap();
    let leaves = served.json(&format!("/v1/distributions/{}/leaves?limit=1000", last["epoch"]));
    let leaves = leaves["leaves"].as_array().unwrap().iter();
    leaves.map(|leaf| (leaf["sequencer"].to_string(), amount(&leaf["cumulative_wei"]))).collect()
}

/// What each sequencer was paid.
fn sums(paid: &[Payment]) -> BTreeMap<String, u128> {
    let mut sums: BTreeMap<String, u128> = BTreeMap::new();
    for (key, _, amount) in paid {
        *sums.entry(key.split('-').nth(1).unwrap().to_owned()).or_default() += amount;
    }
    sums
}

/// Runs the service and kills it again and again, until everybody has what is `expected` and all of it is known to be sent;
/// nobody may have more at any time. Then some times more. Returns how often it was killed.
fn run(dir: &Path, url: &str, expected: &BTreeMap<String, u128>, seed: u64) -> u64 {
    let (mut rng, mut kills, mut since) = (Rng::with_seed(seed), 0_u64, 0);
    wait_for("everything is paid", || {
        let mut service = start(dir, url);
        // It is killed wherever it is, unless its bank ends it before; on a busy machine it gets further the next time.
        for _ in 0..rng.u64(0..30 + 5 * kills) {
            if service.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // It may have ended by itself.
        let _ = service.kill();
        service.wait().unwrap();
        kills += 1;
        let (paid, calls) = report(dir).ok_or("nothing is paid")?;
        let sums = sums(&paid);
        for (sequencer, sum) in &sums {
            assert!(
                expected.get(sequencer).is_some_and(|owed| sum <= owed),
                "sequencer {sequencer} got {sum}"
            );
        }
        let is_done = sums == *expected && calls >= 3 * u64::try_from(paid.len()).unwrap();
        since += u64::from(is_done);
        if since >= 5 && kills >= 20 { Ok(kills) } else { Err(format!("{sums:?} for {expected:?}")) }
    })
}

#[test]
fn the_service_of_the_page_pays_once_whenever_it_is_killed() {
    if !Tool::Python.is_there() {
        return;
    }
    let dir = service();
    let served = Served::start(&log_of("pool-a", dir.path()), &[]);
    let owed = owed(&served);
    assert!(owed.len() > 3);
    run(dir.path(), &served.url(), &owed, 19);

    // Of another pool it pays nothing.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Served::start(&log_of("small-a", elsewhere.path()), &[]);
    let before = report(dir.path());
    let done =
        Command::new("python3").args(["service.py", &other.url(), "guide"]).current_dir(dir.path()).output();
    let done = done.unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(!done.status.success() && said.contains("nothing is paid"), "{said}");
    assert_eq!(report(dir.path()), before);
}

/// What others built by the documents alone: a consumer by pages and one by a stream, a payer with proofs, and a reconciler,
/// on two servers behind one name. All of it is killed again and again, and once both servers tell another history.
#[test]
fn what_is_built_by_the_documents_deals_with_every_fact_once() {
    if !Tool::Python.is_there() {
        return;
    }
    let kills: u64 = if std::env::var_os("TALLY_TEST_LONG").is_some() { 100 } else { 16 };
    let dir = tempfile::tempdir().unwrap();
    let program = process::program(dir.path());
    for (seed, more) in [(2, None), (5, Some("--rollback"))] {
        let mut trial = Command::new("python3");
        trial.arg(in_tests("service/trial.py")).arg(&program).arg(in_tests("../fixtures/pool-a"));
        trial.arg(seed.to_string()).args(["--kills", &kills.to_string()]).args(more);
        let done = trial.output().unwrap();
        let said = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
        assert!(done.status.success(), "{trial:?}: {said}");
        let told: Value = serde_json::from_str(said.trim()).unwrap();
        assert!(told["kills"].as_u64() >= Some(kills) && told["proofs"].as_u64() > Some(20), "{told}");
        // What was read of the other history was undone.
        let undone = told["undone"]["pages"].as_u64();
        assert_eq!(undone > Some(0), more.is_some(), "{told}");
    }
}

/// What was paid for facts that are taken back counts towards what is owed afterwards.
#[test]
fn the_service_of_the_page_pays_on_after_a_rollback() {
    if !Tool::Python.is_there() {
        return;
    }
    let reorg = Some(Reorg { at: 19_430_589, depth: 70, calls: 100_000 });
    let live = Live::start("pool-a", &Options { reorg, finalized_lag_blocks: 0, ..Options::default() });
    let (status, _, err) = live.ingest(&["--l1-to", "19430589", "--l2-to", "15217000"]);
    assert_eq!(status, 0, "{err}");
    let dir = service();
    let feed_dir = dir.path().join("journals");
    let more = ["--feed-dir", feed_dir.to_str().unwrap()];
    let served = Served::start(&live.log(), &more);
    let before = owed(&served);
    run(dir.path(), &served.url(), &before, 20);
    drop(served);

    let served = Served::start(&log_of("pool-a", dir.path()), &more);
    let facts = served.facts("guide", "0");
    assert!(facts.iter().any(|fact| fact["type"] == "rollback"));
    let after = owed(&served);
    // Nobody is owed less by the longer history, and who was paid too much would keep it.
    let expected = after.iter().map(|(id, owed)| (id.clone(), *owed.max(before.get(id).unwrap_or(&0))));
    run(dir.path(), &served.url(), &expected.collect(), 21);
}

fn amount(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}
