//! What goes wrong around a sink: its database hangs or has no room, clocks jump, sums differ, a server tells nonsense.

use super::cluster::{Cluster, is_root};
use super::{check, sink, write_log};
use crate::process::{self, Process};
use crate::serve::log_of;
use crate::support::wait_for;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A way to a database over TCP that may stop to pass bytes on, and keeps every connection open all the same.
struct Proxy {
    port: u16,
    hangs: Arc<AtomicBool>,
    connections: Arc<AtomicU32>,
}

impl Proxy {
    fn start(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (hangs, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (hang, counted) = (Arc::clone(&hangs), Arc::clone(&connections));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, UnixStream::connect(&socket)) else { continue };
                counted.fetch_add(1, Ordering::SeqCst);
                // A connection that hung once hangs for ever: neither end is told that the other has gone.
                let stuck = Arc::new(AtomicBool::new(false));
                let to_server = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (hang_to, stuck_to) = (Arc::clone(&hang), Arc::clone(&stuck));
                std::thread::spawn(move || pass(to_server.0, to_server.1, &hang_to, &stuck_to));
                let hang = Arc::clone(&hang);
                std::thread::spawn(move || pass(server, client, &hang, &stuck));
            }
        });
        Self { port, hangs, connections }
    }

    fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port)
    }
}

fn pass<R: Read, W: Write + Close>(mut from: R, mut to: W, hangs: &AtomicBool, stuck: &AtomicBool) {
    let mut bytes = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if hangs.load(Ordering::SeqCst) {
            stuck.store(true, Ordering::SeqCst);
        }
        if !stuck.load(Ordering::SeqCst) && to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    if stuck.load(Ordering::SeqCst) {
        std::mem::forget(to);
    } else {
        to.close();
    }
}

/// A stream whose other end is told that nothing more comes.
trait Close {
    fn close(&self);
}

impl Close for TcpStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Close for UnixStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

fn follow(url: &str, log: &Path, more: &[&str]) -> Process {
    let log = log.to_str().unwrap();
    let own = ["sink", "postgres", "--database", url, "--log", log, "--follow", "--poll-millis", "20"];
    process::start(&[&own[..], more].concat(), &[])
}

fn wait_for_facts(cluster: &Cluster) -> u64 {
    wait_for("the facts", || {
        let facts = cluster.ask("postgres", "SELECT coalesce(sum(facts), 0) FROM tally.feed")?;
        let facts = facts.parse().map_err(|_| facts)?;
        if facts > 0 { Ok(facts) } else { Err("none yet".into()) }
    })
}

fn end(sunk: Process) {
    sunk.terminate();
    let (status, _, err) = sunk.end();
    assert!(status.success(), "{err}");
}

/// The database still holds the lock for a connection on which nothing comes any more, and the sink takes it back.
#[test]
fn a_connection_that_hangs_is_given_up_and_its_lock_taken_back() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let (early, late) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (small, full) = (log_of("small-a", early.path()), log_of("pool-a", late.path()));
    std::fs::rename(&full, &log).unwrap();
    let proxy = Proxy::start(cluster.socket());
    let mut sunk = follow(&proxy.url(), &log, &["--database-timeout-secs", "2"]);
    let facts = wait_for("all facts", || {
        let facts = wait_for_facts(&cluster);
        // Then it has nothing to write any more.
        let state = "SELECT state FROM pg_stat_activity WHERE application_name LIKE 'tally sink%' AND query LIKE '%balances%'";
        if facts == 310 && cluster.sql(state) == "idle" { Ok(facts) } else { Err(facts.to_string()) }
    });
    let of_sink = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tally sink%'";
    let before = proxy.connections.load(Ordering::SeqCst);
    proxy.hangs.store(true, Ordering::SeqCst);
    // Nothing is to be written: it finds out by itself.
    sunk.line_with("no answer within 2 s while asking whether it is there");
    proxy.hangs.store(false, Ordering::SeqCst);
    sunk.line_with("the former connection to the database still stood, and was ended");
    wait_for("one connection", || {
        let connections = cluster.sql(of_sink);
        if connections == "1" { Ok(()) } else { Err(connections) }
    });
    assert!(proxy.connections.load(Ordering::SeqCst) > before);
    assert!(!sunk.has_ended());
    end(sunk);
    assert_eq!(wait_for_facts(&cluster), facts);
    assert_eq!(check(&cluster, "tally", &log, "guide").0, 0);
    // One that hangs from the beginning is told, too.
    proxy.hangs.store(true, Ordering::SeqCst);
    let words = [
        "sink",
        "check",
        "--database",
        &proxy.url(),
        "--log",
        small.to_str().unwrap(),
        "--database-timeout-secs",
        "1",
    ];
    let (status, _, err) = crate::support::tally(&words);
    assert_eq!(status, 1);
    assert!(err.contains("no answer within 1 s while connecting"), "{err}");
}

/// Where there is no room, nothing is lost, and it goes on once there is.
#[test]
fn a_database_whose_disk_is_full_is_waited_for() {
    if !is_root() {
        eprintln!("skipped: only root can make a small disk");
        return;
    }
    let Some(mut cluster) = Cluster::start_on(Some(96)) else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let ballast = cluster.data().join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    let piece = vec![7_u8; 64 << 10];
    while file.write_all(&piece).is_ok() {}
    drop(file);
    let url = cluster.url();
    let mut sunk = follow(&url, &log, &["--blocks", "--policy", "guide,stake-weighted"]);
    let told = sunk.line_with("trying again in ");
    assert!(told.contains("the database: "), "{told}");
    std::fs::remove_file(&ballast).unwrap();
    // It may have been the log of the database that had no room, and then the whole of it ended.
    cluster.run();
    wait_for("both policies", || {
        let done = "SELECT count(*) FROM tally.feed WHERE facts = 310";
        let found = cluster.ask("postgres", done)?;
        if found == "2" { Ok(()) } else { Err(found) }
    });
    assert!(!sunk.has_ended());
    end(sunk);
    for policy in ["guide", "stake-weighted"] {
        let (status, out, _) = check(&cluster, "tally", &log, policy);
        assert_eq!(status, 0, "{out}");
        assert!(!out.contains("is not there") && !out.contains("follow from the log"), "{out}");
    }
}

/// The times that the database has written are for people: whatever they say, the same facts come into the tables.
#[test]
fn times_that_were_written_before_decide_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    write_log(&cluster, "still", &log, &[]);
    let jumps = ["1970-01-01", "9999-12-31", "2000-01-01"];
    // A server of the feed in pages would do: each run writes one policy more.
    for (policy, jump) in ["guide", "locking-pool", "stake-weighted"].into_iter().zip(jumps) {
        write_log(&cluster, "jumping", &log, &["--policy", policy, "--blocks"]);
        cluster.sql(&format!(
            "UPDATE jumping.feed SET committed_at = '{jump}'; UPDATE jumping.schema_version SET applied_at = '{jump}'"
        ));
        assert_eq!(check(&cluster, "jumping", &log, policy).0, 0);
        write_log(&cluster, "jumping", &log, &["--policy", policy, "--blocks"]);
    }
    let facts = |schema: &str| {
        cluster.sql(&format!(
            "SELECT entry, position, link, cursor, body FROM {schema}.fact WHERE policy = 1 ORDER BY entry"
        ))
    };
    assert_eq!(facts("jumping"), facts("still"));
}

/// One that can only be read from, as one that waits to take over, is waited for.
#[test]
fn a_database_that_can_only_be_read_from_is_waited_for() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    assert_eq!(sink(&cluster, &["migrate"]).0, 0);
    cluster.sql("ALTER DATABASE postgres SET default_transaction_read_only = on");
    let mut sunk = follow(&cluster.url(), &log, &[]);
    let told = sunk.line_with("SQLSTATE 25006");
    assert!(told.contains("trying again in "), "{told}");
    cluster.sql("SET default_transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only");
    wait_for_facts(&cluster);
    end(sunk);
    assert_eq!(check(&cluster, "tally", &log, "guide").0, 0);
}

/// Sums that are not those of the log, at the same place of the feed, end the sink.
#[test]
fn sums_that_are_not_those_of_the_source_end_the_sink() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    write_log(&cluster, "tally", &log, &[]);
    let words = ["postgres", "--log", log.to_str().unwrap()];
    let changes = [
        (
            "UPDATE tally.epoch_reward SET cumulative_wei = cumulative_wei + {} WHERE sequencer = 1 AND epoch = (SELECT max(epoch) FROM tally.epoch_reward WHERE sequencer = 1)",
            "its earned is ",
        ),
        (
            "UPDATE tally.stake_change SET stake_wei = stake_wei + {} WHERE entry = (SELECT max(entry) FROM tally.stake_change WHERE sequencer = 1)",
            "its stake is ",
        ),
        (
            "UPDATE tally.batch_credit SET reward_wei = reward_wei + {} WHERE sequencer = 1 AND batch = (SELECT max(batch) FROM tally.batch_credit WHERE sequencer = 1)",
            "its credited is ",
        ),
    ];
    for (change, expected) in changes {
        cluster.sql(&change.replace("{}", "1"));
        let (status, _, err) = sink(&cluster, &words);
        assert_eq!(status, 3, "{change}: {err}");
        assert!(
            err.contains("DIFFERENT: policy guide, sequencer 1: at cursor ") && err.contains(expected),
            "{err}"
        );
        // Whoever does not want to know is not told.
        let (status, _, err) = sink(&cluster, &[&words[..], &["--compare-secs", "0"]].concat());
        assert_eq!(status, 0, "{err}");
        cluster.sql(&change.replace("{}", "(-1)"));
        assert_eq!(sink(&cluster, &words).0, 0);
    }
}

/// A server that answers each request with the same.
fn nonsense(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            std::thread::spawn(move || {
                let mut head = [0; 4_096];
                let _ = client.read(&mut head);
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = client.write_all(answer.as_bytes());
            });
        }
    });
    url
}

#[test]
fn a_server_that_tells_nonsense_or_another_policy_is_not_believed() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    let served = crate::serve::Served::start(&log, &["--policy", "guide", "--policy", "stake-weighted"]);
    let other = served.get("/v1/feed?policy=stake-weighted&after=0&limit=5").body;
    // A page without a fact that is not the last would be asked for again, at once and for ever.
    let mut stuck = served.json("/v1/feed?policy=guide&after=0&limit=1");
    stuck["facts"] = serde_json::json!([]);
    stuck["is_end"] = false.into();
    for (body, expected) in [
        (other, "policy guide was asked for, and the answer is of stake-weighted@1"),
        (stuck.to_string(), "a page of the feed without a fact, that is not the last"),
        ("{".into(), "an answer that is none"),
    ] {
        let url = nonsense(Box::leak(body.into_boxed_str()));
        let (status, _, err) = sink(&cluster, &["postgres", "--from", &url]);
        assert_eq!(status, 1);
        assert!(err.contains(expected), "{err}");
    }
    let url = served.url();
    let (status, _, err) = sink(&cluster, &["postgres", "--from", &url, "--policy", "guide,guide@1"]);
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("policy guide@1 is given twice"), "{err}");
}

/// A page that is larger than it may be is asked for again with fewer facts, and refused once it has one.
#[test]
fn a_page_that_is_too_large_is_asked_for_with_fewer_facts() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let served = crate::serve::Served::start(&log_of("small-a", dir.path()), &[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let address = served.address.clone();
    // A proxy that lets no page with more than some facts through.
    let limit_max = Arc::new(AtomicU32::new(40));
    let allowed = Arc::clone(&limit_max);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            let (address, allowed) = (address.clone(), allowed.load(Ordering::SeqCst));
            std::thread::spawn(move || {
                let mut head = [0; 8_192];
                let count = client.read(&mut head).unwrap_or_default();
                let text = String::from_utf8_lossy(&head[..count]).into_owned();
                let limit =
                    text.split("limit=").nth(1).and_then(|rest| rest.split('&').next()?.parse::<u32>().ok());
                if limit.is_some_and(|limit| limit > allowed) {
                    let _ = client.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
                    let piece = vec![b' '; 1 << 16];
                    while client.write_all(&piece).is_ok() {}
                    return;
                }
                let mut behind = TcpStream::connect(address).unwrap();
                let request = text.replacen("\r\n", "\r\nconnection: close\r\n", 1);
                behind.write_all(request.as_bytes()).unwrap();
                let mut answer = Vec::new();
                behind.read_to_end(&mut answer).unwrap();
                let _ = client.write_all(&answer);
            });
        }
    });
    let words = ["postgres", "--from", &url, "--compare-secs", "0"];
    let (status, _, err) = sink(&cluster, &words);
    assert_eq!(status, 0, "{err}");
    assert_eq!(cluster.sql("SELECT facts FROM tally.feed"), "116");
    limit_max.store(0, Ordering::SeqCst);
    let (status, _, err) = sink(&cluster, &[&words[..], &["--schema", "other"]].concat());
    assert_eq!(status, 1);
    assert!(err.contains("an answer of more than the 8388608 bytes that it may have"), "{err}");
}
