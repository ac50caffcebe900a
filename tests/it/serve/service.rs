//! The claim service of docs/claim-service.md: its very code, killed at random, pays each sequencer once.

use super::{Served, log_of};
use crate::support::{Tool, in_tests, wait_for};
use fastrand::Rng;
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

/// What was paid to each recipient, and how often the bank was called; `None` before the first call.
fn report(dir: &Path) -> Option<(Vec<(String, String, u128)>, u64)> {
    let done = Command::new("python3").args(["-c", REPORT]).current_dir(dir).output().unwrap();
    let (paid, calls): (Vec<(String, String, String)>, u64) = serde_json::from_slice(&done.stdout).ok()?;
    Some((paid.into_iter().map(|(key, to, amount)| (key, to, amount.parse().unwrap())).collect(), calls))
}

#[test]
fn the_service_of_the_page_pays_once_whenever_it_is_killed() {
    if !Tool::Python.is_there() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let page = std::fs::read_to_string(in_tests("../docs/claim-service.md")).unwrap();
    std::fs::write(dir.path().join("schema.sql"), code(&page, "sql")).unwrap();
    std::fs::write(dir.path().join("service.py"), code(&page, "python")).unwrap();
    std::fs::write(dir.path().join("payments.py"), PAYMENTS).unwrap();
    let served = Served::start(&log_of("pool-a", dir.path()), &[]);
    let distributions = served.json("/v1/distributions?limit=1000");
    let last = distributions["distributions"].as_array().unwrap().last().unwrap();
    let leaves = served.json(&format!("/v1/distributions/{}/leaves?limit=1000", last["epoch"]));
    let owed: BTreeMap<String, u128> = leaves["leaves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|leaf| (leaf["sequencer"].to_string(), amount(&leaf["cumulative_wei"])))
        .collect();
    assert!(owed.len() > 3);

    let (mut rng, mut kills) = (Rng::with_seed(19), 0_u64);
    let (paid, calls) = wait_for("everything is paid", || {
        let mut service = start(dir.path(), &served.url());
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
        let (paid, calls) = report(dir.path()).ok_or("nothing is paid")?;
        let mut sums: BTreeMap<String, u128> = BTreeMap::new();
        for (key, _, amount) in &paid {
            *sums.entry(key.split('-').nth(1).unwrap().to_owned()).or_default() += amount;
        }
        for (sequencer, sum) in &sums {
            assert!(*sum <= owed[sequencer], "sequencer {sequencer} got {sum}");
        }
        if sums == owed && kills >= 20 { Ok((paid, calls)) } else { Err(format!("{sums:?}")) }
    });
    let made = u64::try_from(paid.len()).unwrap();
    assert!(calls >= 3 * made, "{calls} calls for {made} payments");
    // Whoever starts it once more pays nothing more.
    let mut service = start(dir.path(), &served.url());
    std::thread::sleep(Duration::from_millis(500));
    service.kill().unwrap();
    service.wait().unwrap();
    assert_eq!(report(dir.path()).unwrap().0, paid);
}

fn amount(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}
