//! Servers that lie, refuse, or tell what this version does not know, and tokens that are exchanged.

use super::cluster::Cluster;
use super::{sink, sink_as};
use crate::process;
use crate::serve::{Served, http, log_of};
use crate::support::{in_tests, tally, wait_for};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;

/// A server whose answers are those of another one, but for what `change` makes of them: the status and the body.
fn between(served: &Served, change: fn(&str, u16, Value) -> (u16, Value)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let address = served.address.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            let address = address.clone();
            std::thread::spawn(move || {
                let mut head = [0; 8_192];
                let count = client.read(&mut head).unwrap_or_default();
                let text = String::from_utf8_lossy(&head[..count]).into_owned();
                let path = text.split(' ').nth(1).unwrap();
                let answer = http::get(&address, path).unwrap();
                let (status, body) = change(path, answer.status, serde_json::from_str(&answer.body).unwrap());
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = client.write_all(format!("{head}{body}").as_bytes());
            });
        }
    });
    url
}

const EQUAL: &str = "all sums are those of the source";

#[test]
fn a_server_that_lies_about_a_sum_ends_the_sink_and_what_was_not_compared_is_not_called_equal() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let served = Served::start(&log, &["--policy", "guide", "--policy", "locking-pool"]);
    let database = cluster.url();
    // What it tells is on the standard error of a process of its own.
    let run = |url: &str, policy: &str| {
        let args = [
            "sink",
            "postgres",
            "--database",
            &database,
            "--from",
            url,
            "--policy",
            policy,
            "--level",
            "debug",
        ];
        process::start(&args, &[]).end()
    };
    for policy in ["guide", "locking-pool"] {
        let (status, _, err) = run(&served.url(), policy);
        assert!(status.success() && err.contains(&format!("policy {policy}: {EQUAL}")), "{err}");
    }
    let lies = between(&served, |path, status, mut body| {
        if path.starts_with("/v1/sequencers") {
            let sum = &mut body["sequencers"][0]["policy"]["settled_wei"];
            assert!(sum.is_string(), "{path}");
            *sum = "1".into();
        }
        (status, body)
    });
    let (status, _, err) = run(&lies, "guide");
    assert_eq!(status.code(), Some(3), "{err}");
    assert!(
        err.contains("its earned is ") && err.contains(" in the tables and 1 wei at the source"),
        "{err}"
    );
    // Events that are not final may be in the sums of the contracts, and under this policy there are no others.
    let open = between(&served, |path, status, mut body| {
        if path.starts_with("/v1/sequencers") {
            body["at"]["log"]["l1_head"]["block"] = 99_999_999.into();
        }
        (status, body)
    });
    let (status, _, err) = run(&open, "locking-pool");
    assert!(status.success() && !err.contains(EQUAL), "{err}");
    // One that does not give the sums to everybody is not the end of the facts.
    let refuses = between(&served, |path, status, body| {
        if path.starts_with("/v1/sequencers") {
            return (403, json!({"type": "urn:tally:problem:forbidden", "detail": "not for you"}));
        }
        (status, body)
    });
    let (status, _, err) = run(&refuses, "guide");
    assert!(status.success() && !err.contains(EQUAL), "{err}");
    assert!(err.contains("policy guide: the sums were not compared: the server: HTTP status 403"), "{err}");
}

#[test]
fn a_fact_of_a_type_that_is_not_known_asks_for_a_newer_version_and_is_not_asked_for_again() {
    let Some(cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&log_of("small-a", dir.path()), &[]);
    let newer = between(&served, |path, status, mut body| {
        if path.starts_with("/v1/feed") {
            body["facts"][3]["type"] = "minted".into();
        }
        (status, body)
    });
    // Also where it follows.
    let (status, _, err) = sink(&cluster, &["postgres", "--from", &newer, "--follow"]);
    assert_eq!(status, 1, "{err}");
    assert!(err.contains("minted") && err.contains("take a newer `tally`"), "{err}");
}

#[test]
fn a_token_that_is_away_for_a_moment_is_waited_for() {
    let Some(mut cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    let (_, line, token) = tally(&["token", "sink"]);
    let token = token.lines().nth(1).unwrap().to_owned();
    let (tokens, own) = (dir.path().join("tokens"), dir.path().join("own"));
    std::fs::write(&tokens, line).unwrap();
    std::fs::write(&own, &token).unwrap();
    let args = ["serve", "--log", log.to_str().unwrap(), "--token-file", tokens.to_str().unwrap()];
    let served = Served::with_args(&args);
    let (url, from) = (cluster.url(), served.url());
    cluster.kill(false);
    let own_path = own.to_str().unwrap();
    let args =
        ["sink", "postgres", "--database", &url, "--from", &from, "--from-token-file", own_path, "--follow"];
    let mut sunk = process::start(&args, &[]);
    sunk.line_with("the database: ");
    std::fs::write(&own, "").unwrap();
    cluster.run();
    sunk.line_with("it holds no token");
    std::fs::remove_file(&own).unwrap();
    sunk.line_with("No such file");
    assert!(!sunk.has_ended());
    std::fs::write(&own, &token).unwrap();
    wait_for("the facts", || {
        let facts = cluster.ask("postgres", "SELECT facts FROM tally.feed")?;
        if facts == "116" { Ok(()) } else { Err(facts) }
    });
    sunk.terminate();
    assert!(sunk.end().0.success());
}

/// A certificate has to be of the name that was asked for, and of an authority that is trusted.
#[test]
fn a_database_elsewhere_is_asked_over_tls() {
    let Some(mut cluster) = Cluster::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| in_tests("../feed/src/http/testdata").join(name));
    let port = cluster.with_tls(&cert, &key);
    let (log, ca) = (log.to_str().unwrap(), cert.to_str().unwrap());
    let write = |host: &str, mode: &str, more: &[&str]| {
        let url = format!(
            "host={host} hostaddr=127.0.0.1 port={port} user=postgres dbname=postgres sslmode={mode}"
        );
        sink_as(&url, &[&["postgres", "--log", log][..], more].concat())
    };
    // Without the file, the system's authorities count, and none of them knows it.
    for (host, more) in [("localhost", &[][..]), ("db.example.org", &["--database-ca", ca])] {
        let (status, _, err) = write(host, "require", more);
        assert!(status == 1 && err.contains("certificate"), "{host}: {status}: {err}");
        assert!(cluster.ask("postgres", "SELECT 1 FROM tally.feed").is_err(), "nothing was written");
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let (status, _, err) = write("localhost", mode, &["--database-ca", ca]);
        assert_eq!(status, 0, "{mode}: {err}");
    }
    assert_eq!(cluster.sql("SELECT facts FROM tally.feed"), "116");
    // While it follows, its connections are seen to be encrypted.
    let url = format!(
        "host=localhost hostaddr=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=require"
    );
    let args = ["sink", "postgres", "--database", &url, "--database-ca", ca, "--log", log, "--follow"];
    let sunk = process::start(&args, &[]);
    let seen = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'tally sink%'";
    wait_for("its connection", || match cluster.sql(seen).as_str() {
        "t" => Ok(()),
        other => Err(other.to_owned()),
    });
    sunk.terminate();
    assert!(sunk.end().0.success());
}
