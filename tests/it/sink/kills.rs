//! The sink, its server and its database, killed again and again.
#![allow(
    clippy::disallowed_methods,
    reason = "when something is killed is told by a clock; no result depends on it"
)]

use super::cluster::Cluster;
use super::{branch, check, ledger, sink, tables};
use crate::live::Live;
use crate::process::{self, Process};
use crate::serve::consumer::a_bad_day;
use crate::serve::{Served, log_of};
use crate::support::{times, wait_for};
use std::path::Path;
use std::time::Duration;

fn facts(cluster: &Cluster) -> u64 {
    // There may be no tables yet.
    let facts = cluster.ask("postgres", "SELECT coalesce(sum(facts), 0) FROM tally.feed").unwrap_or_default();
    facts.parse().unwrap_or(0)
}

fn start_sink(cluster: &Cluster, served: &Served) -> Process {
    let (url, from) = (cluster.url(), served.url());
    let args = [
        "sink",
        "postgres",
        "--database",
        &url,
        "--from",
        &from,
        "--follow",
        "--policy",
        "guide,locking-pool,stake-weighted",
    ];
    process::start(&args, &[])
}

/// pool-a, live, with faults and a reorg: however often the three are killed, the tables are the ledger in the end.
#[test]
fn a_sink_that_is_killed_like_its_server_and_its_database_ends_with_the_ledger() {
    let Some(mut cluster) = Cluster::start() else { return };
    let live = Live::start("pool-a", &a_bad_day());
    let mut args = live.args(&[
        "--follow",
        "--poll-secs",
        "0.02",
        "--policy",
        "guide,locking-pool,stake-weighted",
        "--level",
        "error",
    ]);
    args[0] = "serve".into();
    args.extend(["--requests-per-sec".into(), "0".into()]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let is_done = |served: &Served| {
        let status = served.get("/v1/status");
        status.status == 200 && {
            let log = &status.json()["policies"][0]["at"]["log"];
            log["l2_head"]["block"] == 15_234_502 && log["l1_head"]["block"] == 19_436_258
        }
    };
    let (mut kills, mut patience_millis, mut had) = ([0_u32; 3], 0, 0);
    let mut served = Served::with_args(&args);
    let mut sunk = start_sink(&cluster, &served);
    while kills.iter().sum::<u32>() < times(6, 100) || kills.contains(&0) || had < 50 {
        std::thread::sleep(Duration::from_millis(random.u64(20..600) + patience_millis));
        let has = facts(&cluster);
        // However slow the machine is, some time a sink lives to write something. One that has everything is killed all the
        // same: it has to find that out each time.
        if has == had && !is_done(&served) {
            patience_millis += 10 + patience_millis / 4;
        }
        had = has;
        let victim = random.usize(0..3);
        kills[victim] += 1;
        match victim {
            0 => {
                sunk.kill();
                sunk = start_sink(&cluster, &served);
            }
            1 => {
                // The sink that was there goes on by itself, and a later kill ends it.
                cluster.kill(random.bool());
                std::thread::sleep(Duration::from_millis(random.u64(0..300)));
                cluster.run();
            }
            _ => {
                // Another server has another port.
                served.process.kill();
                served = Served::with_args(&args);
                sunk.kill();
                sunk = start_sink(&cluster, &served);
            }
        }
        // One that was started before the lock of its forerunner was gone gives up.
        if sunk.has_ended() {
            let (_, _, err) = sunk.end();
            assert!(err.contains("is written by another sink"), "{err}");
            sunk = start_sink(&cluster, &served);
        }
    }
    // So few kills may be over before the chain changes its mind.
    wait_for("the reorg", || {
        if live.node.has_reorganized() { Ok(()) } else { Err("it has not come yet".into()) }
    });
    served.wait_for("/v1/status", |_| is_done(&served));
    // One that is left alone writes the rest.
    sunk.terminate();
    sunk.end();
    let from = served.url();
    let words = ["postgres", "--from", &from, "--policy", "guide,locking-pool,stake-weighted"];
    let (status, out, err) = sink(&cluster, &words);
    assert_eq!(status, 0, "{err}");
    println!("{} kills of sinks, {} of the database, {} of servers; {out}", kills[0], kills[1], kills[2]);
    served.process.terminate();
    let (status, _, err) = served.process.end();
    assert!(status.success(), "{err}");
    for (policy, epochs) in [("guide", 12), ("locking-pool", 0), ("stake-weighted", 12)] {
        let (status, out, err) = check(&cluster, "tally", &live.log(), policy);
        assert_eq!((status, err.as_str()), (0, ""), "{out}");
        assert!(!out.contains("more follow from the log"), "{out}");
        assert_eq!(tables::compare(&cluster, "tally", &live.log(), policy), epochs);
    }
}

/// A sink that was started before its database, and that sees it go and come back, needs nobody.
#[test]
fn a_sink_goes_on_by_itself_when_its_database_comes_back() {
    let Some(mut cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    cluster.kill(false);
    let url = cluster.url();
    let args = [
        "sink",
        "postgres",
        "--database",
        &url,
        "--log",
        log.to_str().unwrap(),
        "--follow",
        "--poll-millis",
        "20",
    ];
    let mut sunk = process::start(&args, &[]);
    sunk.line_with("the database: ");
    cluster.run();
    let written = |cluster: &Cluster| {
        wait_for("the facts", || {
            let facts = facts(cluster);
            if facts > 0 { Ok(facts) } else { Err("none yet".into()) }
        })
    };
    let had = written(&cluster);
    cluster.kill(true);
    sunk.line_with("the database: ");
    cluster.run();
    wait_for("the lock", || {
        let locks = cluster.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted");
        if locks == "1" { Ok(()) } else { Err(locks) }
    });
    assert!(!sunk.has_ended());
    sunk.terminate();
    let (status, _, err) = sunk.end();
    assert!(status.success(), "{err}");
    assert_eq!(written(&cluster), had);
    assert_eq!(check(&cluster, "tally", &log, "guide").0, 0);
    // Without --follow it does not wait for ever.
    cluster.kill(false);
    let (status, _, err) = sink(&cluster, &["postgres", "--log", log.to_str().unwrap()]);
    assert_eq!(status, 1);
    assert!(err.contains("the database: "), "{err}");
}

/// What may have ended by itself, since the lock of its forerunner was not gone yet, is started again.
fn restart(sunk: Process, start: impl Fn() -> Process) -> Process {
    let mut sunk = sunk;
    if sunk.has_ended() {
        let (_, _, err) = sunk.end();
        assert!(err.contains("is written by another sink"), "{err}");
        sunk = start();
    }
    sunk
}

fn follow(cluster: &Cluster, schema: &str, source: &[&str]) -> Process {
    let url = cluster.url();
    let own = ["sink", "postgres", "--database", &url, "--schema", schema, "--follow", "--poll-millis", "20"];
    let policies = ["--policy", "guide,locking-pool,stake-weighted"];
    process::start(&[&own[..], &policies, source].concat(), &[])
}

/// A node that called blocks final which were not: the log is replaced by that of the chain, while everything is killed. One sink
/// follows the server, the other the log, with the ledger by block.
#[test]
fn a_final_block_that_goes_is_undone_however_often_everything_is_killed() {
    let Some(mut cluster) = Cluster::start() else { return };
    let live = branch();
    let dir = tempfile::tempdir().unwrap();
    let right = log_of("pool-a", dir.path());
    let place = dir.path().join("place");
    std::fs::rename(live.log(), &place).unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (log, of_server, own) = (path("place"), path("of_server"), path("own"));
    let serve = || {
        let args =
            ["serve", "--log", &log, "--feed-dir", &of_server, "--poll-secs", "0.02", "--level", "error"];
        let more = ["--requests-per-sec", "0", "--policy", "guide,locking-pool,stake-weighted"];
        Served::with_args(&[&args[..], &more].concat())
    };
    let by_log = |cluster: &Cluster| {
        follow(cluster, "by_log", &["--log", &log, "--feed-dir", &own, "--blocks", "--compare-secs", "1"])
    };
    let by_server =
        |cluster: &Cluster, served: &Served| follow(cluster, "by_server", &["--from", &served.url()]);
    let mut served = serve();
    let (mut first, mut second) = (by_server(&cluster, &served), by_log(&cluster));
    // Whether each of the six feeds has so much.
    let have = |cluster: &Cluster, what: &str| {
        let count = |schema: &str| {
            cluster.ask("postgres", &format!("SELECT count(*) FROM {schema}.feed WHERE {what}"))
        };
        [count("by_log"), count("by_server")] == [Ok("3".into()), Ok("3".into())]
    };
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut kills, mut patience_millis, mut had) = ([0_u32; 4], 0, Err(String::new()));
    let wanted = times(8, 100);
    let mut is_replaced = false;
    loop {
        let killed = kills.iter().sum::<u32>();
        if !is_replaced && killed >= wanted / 2 && have(&cluster, "final_l1_block = 19430589 AND facts > 30")
        {
            std::fs::rename(&place, dir.path().join("wrong")).unwrap();
            std::fs::rename(&right, &place).unwrap();
            is_replaced = true;
        }
        // One with the ledger by block takes a transaction for each epoch of a page; the other one has all of it at once.
        let both = "SELECT (SELECT array_agg(facts ORDER BY name) FROM by_log.feed) = \
            (SELECT array_agg(facts ORDER BY name) FROM by_server.feed)";
        let is_done = is_replaced
            && have(&cluster, "final_l1_block = 19436258 AND final_l2_block = 15234502")
            && cluster.ask("postgres", both).as_deref() == Ok("t");
        if is_done && killed >= wanted {
            break;
        }
        std::thread::sleep(Duration::from_millis(random.u64(20..400) + patience_millis));
        // However slow the machine is, some time each lives to write something.
        let has = cluster.ask(
            "postgres",
            "SELECT (SELECT coalesce(sum(entry), 0) FROM by_log.feed) || '-' || (SELECT coalesce(sum(entry), 0) FROM by_server.feed)",
        );
        patience_millis = if has == had && !is_done { patience_millis + 10 + patience_millis / 8 } else { 0 };
        had = has;
        let victim = random.usize(0..4);
        kills[victim] += 1;
        match victim {
            0 => {
                first.kill();
                first = by_server(&cluster, &served);
            }
            1 => {
                second.kill();
                second = by_log(&cluster);
            }
            2 => {
                cluster.kill(random.bool());
                std::thread::sleep(Duration::from_millis(random.u64(0..300)));
                cluster.run();
            }
            _ => {
                served.process.kill();
                served = serve();
                first.kill();
                first = by_server(&cluster, &served);
            }
        }
        first = restart(first, || by_server(&cluster, &served));
        second = restart(second, || by_log(&cluster));
    }
    println!("kills of the sinks, the database, the server: {kills:?}");
    first.terminate();
    second.terminate();
    first.end();
    second.end();
    served.process.kill();
    check_both(&cluster, &place);
}

/// Whether both schemas have what the log says, and what is void is there to be seen.
fn check_both(cluster: &Cluster, log: &Path) {
    for schema in ["by_log", "by_server"] {
        for (policy, epochs) in [("guide", 12), ("locking-pool", 0), ("stake-weighted", 12)] {
            let (status, out, err) = check(cluster, schema, log, policy);
            assert_eq!((status, err.as_str()), (0, ""), "{out}");
            assert!(!out.contains("follow from the log") && !out.contains(" 0 are void"), "{out}");
            assert_eq!(tables::compare(cluster, schema, log, policy), epochs);
            let void = cluster.sql(&format!(
                "SELECT sum(voided_facts) FROM {schema}.rollbacks WHERE policy_name = '{policy}'"
            ));
            assert_ne!(void, "0");
        }
    }
    for policy in ["guide", "stake-weighted"] {
        ledger::compare_blocks(cluster, "by_log", log, policy);
    }
}
