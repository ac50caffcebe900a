//! A service that pays what a policy owes, by the example of the page.
#![allow(
    clippy::disallowed_methods,
    reason = "when something is killed is told by a clock; no result depends on it"
)]

use super::cluster::{Cluster, TABLES};
use super::{sink, write_log};
use crate::serve::log_of;
use crate::support::{Tool, in_tests, times, wait_for};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

fn start(cluster: &Cluster, bank: &Path) -> Child {
    let mut command = Tool::Payer.command();
    let digest = cluster.sql("SELECT tally.hex(policy_digest) FROM tally.feed");
    command.arg(in_tests("payer/pay.py")).args([&cluster.url(), "tally", &digest]).env("BANK", bank);
    command.env("PYTHONDONTWRITEBYTECODE", "1").stderr(Stdio::piped()).spawn().unwrap()
}

fn pay(cluster: &Cluster, bank: &Path) {
    let out = start(cluster, bank).wait_with_output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// Makes the tables what they were after an epoch: what came later is void.
fn go_back_to(cluster: &Cluster, epoch: usize) {
    let last = format!("(SELECT entry + 1 FROM tally.epoch WHERE epoch = {epoch})");
    let mut sql = "BEGIN;".to_owned();
    for table in TABLES {
        sql += &format!("UPDATE tally.{table} SET void_by = CASE WHEN entry > {last} THEN 1 END;");
    }
    cluster.sql(&(sql + "COMMIT"));
}

/// What the bank paid for each sequencer: how often, and how much.
fn paid(bank: &Path) -> BTreeMap<String, (u32, u128)> {
    let mut sums: BTreeMap<String, (u32, u128)> = BTreeMap::new();
    for entry in std::fs::read_dir(bank).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // What a killed service left half done was not paid.
        if name.starts_with('.') {
            continue;
        }
        let (_, key) = name.split_once('-').unwrap();
        let text = std::fs::read_to_string(bank.join(&name)).unwrap();
        let amount: u128 = text.split_once(' ').unwrap().1.parse().unwrap();
        let sum = sums.entry(key.split_once('-').unwrap().0.into()).or_default();
        *sum = (sum.0 + 1, sum.1 + amount);
    }
    sums
}

#[test]
fn the_service_of_the_page_pays_each_exactly_what_it_may_claim_however_often_it_is_killed() {
    let page = std::fs::read_to_string(in_tests("../docs/sink.md")).unwrap();
    let example = std::fs::read_to_string(in_tests("payer/pay.py")).unwrap();
    assert!(page.contains(&format!("```python\n{example}```")), "the page has another example");
    if !Tool::Payer.is_there() {
        return;
    }
    let Some(cluster) = Cluster::start() else { return };
    let (dir, bank) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_log(&cluster, "tally", &log_of("pool-a", dir.path()), &[]);
    let closed: usize = cluster.sql("SELECT count(*) FROM tally.epochs").parse().unwrap();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let kills_wanted = times(16, 200);
    let (mut kills, mut killed_at_work) = (0_usize, 0);
    let open = || cluster.sql("SELECT count(*) FROM tally.payouts WHERE payments = 0") != "0";
    for epoch in 0..closed {
        go_back_to(&cluster, epoch);
        while kills < kills_wanted * (epoch + 1) / closed {
            // Two at once, now and then.
            let mut running: Vec<Child> =
                (0..random.usize(1..3)).map(|_| start(&cluster, bank.path())).collect();
            let has_ended = |child: &mut Child| child.try_wait().unwrap().is_some();
            if random.u8(0..4) > 0 {
                // At work: something is planned and not paid yet.
                wait_for("the service", || {
                    if open() || running.iter_mut().all(has_ended) { Ok(()) } else { Err("not yet".into()) }
                });
            }
            std::thread::sleep(Duration::from_millis(random.u64(0..100)));
            for child in &mut running {
                if !has_ended(child) {
                    child.kill().unwrap();
                    kills += 1;
                    killed_at_work += usize::from(open());
                }
                child.wait().unwrap();
            }
        }
        if random.bool() {
            pay(&cluster, bank.path());
        }
    }
    // What a rollback takes back is not paid, and what comes again is not paid again.
    for epoch in [closed / 2, closed - 1] {
        go_back_to(&cluster, epoch);
        pay(&cluster, bank.path());
    }
    println!("{kills} kills, {killed_at_work} of them between a payout and its payment");
    assert!(killed_at_work > 0);
    let mut expected = BTreeMap::new();
    let owed = cluster.sql("SELECT sequencer, amount_wei FROM tally.claimable WHERE basis = 'distribution' AND recipient IS NOT NULL");
    for line in owed.lines() {
        let (sequencer, amount) = line.split_once('|').unwrap();
        expected.insert(sequencer.to_owned(), amount.parse::<u128>().unwrap());
    }
    let found = paid(bank.path());
    let sums: BTreeMap<String, u128> = found.iter().map(|(id, (_, sum))| (id.clone(), *sum)).collect();
    assert_eq!(sums, expected);
    assert!(found.values().any(|(payments, _)| *payments > 2), "{found:?}");
    // The recording is of years ago: all of it is late, and nothing else is wrong with it.
    assert_eq!(cluster.sql("SELECT * FROM tally.payout_faults WHERE fault <> 'too late'"), "");
    let late = "SELECT count(*) FROM tally.payout_faults WHERE fault = 'too late'";
    assert_eq!(cluster.sql(late), cluster.sql("SELECT count(*) FROM tally.payment"));
    assert_eq!(cluster.sql("SELECT count(*) FROM tally.payouts WHERE payments <> 1 OR NOT is_owed"), "0");
    assert_eq!(cluster.sql("SELECT count(*) FROM tally.due"), "0");
}

const PLAN: &str = "INSERT INTO tally.payout (policy, sequencer, cumulative_wei, previous_wei, recipient, epoch) \
    SELECT policy, sequencer, cumulative_wei, previous_wei, recipient_bytes, epoch FROM tally.due ON CONFLICT DO NOTHING;";
const PAY: &str = "INSERT INTO tally.payment (reference, policy, sequencer, cumulative_wei, recipient, amount_wei, paid_at) \
    SELECT format('tx-%s-%s', t.sequencer, t.cumulative_wei), t.policy, t.sequencer, t.cumulative_wei, t.recipient, t.amount_wei, \
        tally.utc(e.ends) FROM tally.payout t JOIN tally.epoch e USING (policy, epoch) ON CONFLICT DO NOTHING;";

/// Whatever is wrong with a payment is listed, and nothing else.
#[test]
fn what_was_paid_wrongly_is_listed_and_a_payment_of_what_is_void_stops_the_sink() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    write_log(&cluster, "tally", &log, &[]);
    let closed: usize = cluster.sql("SELECT count(*) FROM tally.epochs").parse().unwrap();
    for epoch in [3, closed - 1] {
        go_back_to(&cluster, epoch);
        cluster.sql(PLAN);
        cluster.sql(PAY);
    }
    let faults =
        || cluster.sql("SELECT fault, sequencer, reference FROM tally.payout_faults ORDER BY 1, 2, 3");
    assert_eq!(faults(), "");
    // No two payouts go on from the same sum, none leaves a gap, and none is there twice.
    let one = "FROM tally.payout WHERE previous_wei IS NOT NULL ORDER BY sequencer LIMIT 1";
    for (change, expected) in [
        ("cumulative_wei, previous_wei", "duplicate key"),
        ("cumulative_wei + 1, previous_wei", "duplicate key"),
        ("cumulative_wei + 1, previous_wei + 1", "violates foreign key constraint"),
        ("cumulative_wei + 1, NULL", "duplicate key"),
        ("previous_wei - 1, cumulative_wei", "violates check constraint"),
    ] {
        let insert = format!(
            "INSERT INTO tally.payout (policy, sequencer, cumulative_wei, previous_wei, recipient, epoch) \
             SELECT policy, sequencer, {change}, recipient, epoch {one}"
        );
        let error = cluster.ask("postgres", &insert).unwrap_err();
        assert!(error.contains(expected), "{change}: {error}");
    }
    let first = "(SELECT reference FROM tally.payment ORDER BY sequencer, cumulative_wei LIMIT 1)";
    let sequencer = cluster.sql(&format!("SELECT sequencer FROM tally.payment WHERE reference = {first}"));
    let reference = cluster.sql(&format!("SELECT {first}"));
    let copy = "cumulative_wei, recipient, amount_wei, paid_at + '1 s' FROM tally.payment WHERE reference =";
    let of_it = |fault: &str| format!("{fault}|{sequencer}|{reference}");
    let cases = [
        (
            format!("INSERT INTO tally.payment SELECT 'again', policy, sequencer, {copy} {first}"),
            format!("more than owed|{sequencer}|\ntwice|{sequencer}|again"),
        ),
        (
            format!("UPDATE tally.payment SET amount_wei = amount_wei + 1 WHERE reference = {first}"),
            format!("more than owed|{sequencer}|\n{}", of_it("too much")),
        ),
        (
            format!("UPDATE tally.payment SET amount_wei = amount_wei - 1 WHERE reference = {first}"),
            of_it("too little"),
        ),
        (
            format!(
                "UPDATE tally.payment SET recipient = decode(repeat('07', 20), 'hex') WHERE reference = {first}"
            ),
            of_it("another recipient"),
        ),
        (
            format!("UPDATE tally.payment SET paid_at = paid_at + '1 year' WHERE reference = {first}"),
            of_it("too late"),
        ),
        (
            format!("INSERT INTO tally.payment SELECT 'unheard', policy, 999, {copy} {first}"),
            "more than owed|999|\nnot planned|999|unheard".into(),
        ),
    ];
    cluster.sql("CREATE TABLE public.payment AS TABLE tally.payment");
    for (change, expected) in cases {
        cluster.sql(&change);
        assert_eq!(faults(), expected, "{change}");
        cluster.sql("DELETE FROM tally.payment; INSERT INTO tally.payment TABLE public.payment");
    }
    cluster.sql(&format!("DELETE FROM tally.payment WHERE reference = {first}"));
    assert_eq!(faults(), format!("too late|{sequencer}|"));
    cluster.sql("DELETE FROM tally.payment; INSERT INTO tally.payment TABLE public.payment");
    // The sink of these tables has nothing against it, until more was paid than is owed.
    let as_told: String =
        TABLES.iter().map(|table| format!("UPDATE tally.{table} SET void_by = NULL;")).collect();
    cluster.sql(&as_told);
    write_log(&cluster, "tally", &log, &[]);
    cluster.sql(
        "INSERT INTO tally.payout (policy, sequencer, cumulative_wei, previous_wei, recipient, epoch) \
         SELECT policy, sequencer, cumulative_wei + 1000, cumulative_wei, recipient, epoch FROM tally.payout \
         WHERE sequencer = 1 ORDER BY cumulative_wei DESC LIMIT 1",
    );
    assert_eq!(faults().lines().next().unwrap(), "void, not paid yet|1|");
    write_log(&cluster, "tally", &log, &[]);
    cluster.sql(PAY);
    let words = ["postgres", "--log", log.to_str().unwrap()];
    let (status, _, err) = sink(&cluster, &words);
    assert_eq!(status, 3, "{err}");
    assert!(
        err.contains("DIFFERENT: policy guide: payment tx-1-") && err.contains("now it is owed at most "),
        "{err}"
    );
    // Whoever knows why says so.
    cluster.sql("UPDATE tally.payout SET accepted = 'an advance' WHERE sequencer = 1");
    write_log(&cluster, "tally", &log, &[]);
    // All payments of one together are more than it is owed: each of them alone may look right.
    let twice = "INSERT INTO tally.payment (reference, policy, sequencer, cumulative_wei, recipient, amount_wei) \
        SELECT 'by hand', policy, 2, cumulative_wei, recipient, 7 FROM tally.payment WHERE sequencer = 2 LIMIT 1";
    cluster.sql(twice);
    let (status, _, err) = sink(&cluster, &words);
    assert_eq!(status, 3, "{err}");
    assert!(
        err.contains("DIFFERENT: policy guide, sequencer 2: ")
            && err.contains("wei were paid since the beginning"),
        "{err}"
    );
    cluster.sql("UPDATE tally.payment SET accepted = 'given back' WHERE reference = 'by hand'");
    write_log(&cluster, "tally", &log, &[]);
    // One transaction may pay two, and what it has paid is one row each, however often it is written.
    cluster.sql("UPDATE tally.payment SET reference = 'one transaction' WHERE sequencer IN (1, 2) AND accepted IS NULL");
    assert_ne!(cluster.sql("SELECT count(*) FROM tally.payment WHERE reference = 'one transaction'"), "1");
    let again = "INSERT INTO tally.payment (reference, policy, sequencer, cumulative_wei, recipient, amount_wei) \
        SELECT reference, policy, sequencer, cumulative_wei, recipient, amount_wei FROM tally.payment";
    assert!(cluster.ask("postgres", again).unwrap_err().contains("duplicate key"));
    assert_eq!(
        cluster.sql("SELECT DISTINCT accepted FROM tally.payout_faults WHERE fault = 'void'"),
        "an advance"
    );
}

/// After a rollback another recipient is named: nothing goes to the one before, and what was paid to it all the same is not paid
/// to the new one as well.
#[test]
fn what_nobody_was_paid_yet_goes_to_the_recipient_that_is_named_since_a_rollback() {
    if !Tool::Payer.is_there() {
        return;
    }
    let Some(cluster) = Cluster::start() else { return };
    let (dir, bank) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_log(&cluster, "tally", &log_of("pool-a", dir.path()), &[]);
    go_back_to(&cluster, 3);
    cluster.sql(PLAN);
    let own = |sequencer: u64, what: &str| {
        cluster.sql(&format!("SELECT {what} FROM tally.payouts WHERE sequencer = {sequencer}"))
    };
    let former = own(1, "recipient");
    assert_eq!(own(1, "is_owed"), "t");
    cluster.sql("UPDATE tally.leaf SET recipient = decode(repeat('07', 20), 'hex') WHERE sequencer IN (1, 2) AND epoch = 3");
    assert_eq!([own(1, "is_owed"), own(2, "is_owed")], ["f", "f"]);
    // The service before has paid this one, and was killed right after.
    let digest = cluster.sql("SELECT tally.hex(policy_digest) FROM tally.feed");
    let key = |sequencer: u64| format!("{digest}-{sequencer}-{}", own(sequencer, "cumulative_wei"));
    let said = own(2, "recipient || ' ' || amount_wei");
    std::fs::write(bank.path().join(key(2)), &said).unwrap();
    let out = start(&cluster, bank.path()).wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && err.contains(&format!("has paid {said}")), "{err}");
    // The first is paid to the new one alone.
    let new = format!("0x{}", "07".repeat(20));
    let paid = std::fs::read_to_string(bank.path().join(key(1))).unwrap();
    assert_eq!(paid, format!("{new} {}", own(1, "amount_wei")));
    assert_eq!(std::fs::read_to_string(bank.path().join(key(2))).unwrap(), said);
    assert_eq!(
        [own(1, "recipient || payments"), own(2, "recipient || payments")],
        [format!("{new}1"), format!("{new}0")]
    );
    let superseded =
        cluster.sql("SELECT sequencer, tally.hex(recipient) FROM tally.payout_superseded ORDER BY 1 LIMIT 1");
    assert_eq!(superseded, format!("1|{former}"));
}
