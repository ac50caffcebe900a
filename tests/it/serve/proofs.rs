//! What the server hands out to be checked, and what it says of members' calls and of production, is what the commands say.

use super::{Served, http, log_of};
use crate::support::tally;
use serde_json::{Value, json};
use std::path::Path;

/// What a command prints as JSON.
fn said(log: &Path, args: &[&str]) -> Value {
    let log = ["--log", log.to_str().unwrap(), "--format", "json"];
    let (_, out, err) = tally(&[args, &log[..]].concat());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{args:?}: {error}: {err}"))
}

/// An answer without the state that it is of, which the command does not say.
fn without_at(mut answer: Value) -> Value {
    answer.as_object_mut().unwrap().remove("at").unwrap();
    answer
}

#[test]
fn receipts_and_bundles_are_those_of_the_commands_and_hold() {
    for recording in ["small-a", "pool-a"] {
        let dir = tempfile::tempdir().unwrap();
        let log = log_of(recording, dir.path());
        let served = Served::start(&log, &["--policy", "guide", "--policy", "locking-pool"]);
        for policy in ["guide", "locking-pool"] {
            let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
            let (receipt, bundle, fetched) = (path("receipt"), path("bundle"), path("fetched"));
            let log = log.to_str().unwrap();
            tally(&["replay", "--log", log, "--policy", policy, "--receipt", &receipt]);
            tally(&["bundle", "create", "--log", log, "--policy", policy, "--out", &bundle]);
            let get = |name: &str| {
                let (status, bytes) =
                    http::get_bytes(&served.address, &format!("/v1/{name}?policy={policy}")).unwrap();
                assert_eq!(status, 200);
                bytes
            };
            assert!(get("receipt") == std::fs::read(&receipt).unwrap(), "{recording} {policy}");
            let bytes = get("bundle");
            assert!(bytes == std::fs::read(&bundle).unwrap(), "{recording} {policy}");
            std::fs::write(&fetched, bytes).unwrap();
            let (status, out, err) = tally(&["audit", "bundle", &fetched]);
            assert_eq!((status, err.as_str()), (0, ""), "{out}");
            for name in ["receipt", "bundle", "fetched"] {
                std::fs::remove_file(dir.path().join(name)).unwrap();
            }
        }
        let answer = served.get("/v1/receipt");
        let name = answer.header("content-disposition").unwrap();
        assert!(name.starts_with("attachment; filename=\"tally-guide-"), "{name}");
        let etag = answer.header("etag").unwrap();
        let again = format!(
            "GET /v1/bundle HTTP/1.1\r\nHost: tally\r\nIf-None-Match: {etag}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(http::request(&served.address, &again).unwrap().status, 304);
    }
}

/// Who asks for a bundle and does not take it keeps others from one for as long as it is there, and no longer.
#[test]
fn a_bundle_that_nobody_takes_ends_with_its_client() {
    use std::io::Write;
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let out = ["synth", "--blocks", "40000000", "--pattern", "random", "--log", log.to_str().unwrap()];
    let (status, _, err) = tally(&out);
    assert_eq!(status, 0, "{err}");
    let served = Served::start(&log, &[]);
    let mut idle = std::net::TcpStream::connect(&served.address).unwrap();
    idle.write_all(b"GET /v1/bundle HTTP/1.1\r\nHost: tally\r\n\r\n").unwrap();
    let refused = served.wait_for("/v1/bundle", |answer| answer.status == 503);
    assert_eq!(refused.json()["type"], "urn:tally:problem:busy");
    drop(idle);
    let head = "HEAD /v1/bundle HTTP/1.1\r\nHost: tally\r\nConnection: close\r\n\r\n";
    crate::support::wait_for("the turn of another", || {
        let answer = http::request(&served.address, head).unwrap();
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    });
}

#[test]
fn accounts_at_any_time_are_those_of_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let served = Served::start(&log, &["--policy", "guide", "--policy", "locking-pool"]);
    let genesis = served.json("/v1/epochs")["epochs"][0]["start"].as_u64().unwrap();
    for policy in ["guide", "locking-pool"] {
        for days in [0, 1, 20, 100, 170] {
            let time = (genesis + days * 86_400).to_string();
            let answer = served.json(&format!("/v1/accounts?policy={policy}&at_time={time}"));
            let command = said(&log, &["accounts", "--policy", policy, "--at-time", &time]);
            assert_eq!(without_at(answer), command, "{policy} {time}");
        }
        let answer = served.json(&format!("/v1/accounts?policy={policy}&sequencer=3&at_l1_block=19432000"));
        let args = ["accounts", "--policy", policy, "--sequencer", "3", "--at-l1-block", "19432000"];
        assert_eq!(without_at(answer), said(&log, &args));
        let answer = served.json(&format!("/v1/accounts?policy={policy}"));
        assert_eq!(without_at(answer), said(&log, &["accounts", "--policy", policy]));
    }
    for (query, status, kind) in [
        ("at_time=1&at_l1_block=1", 400, "bad-combination"),
        ("sequencer=99", 404, "unknown-sequencer"),
        ("at_l1_block=99999999999", 409, "gap"),
        ("at_time=-1", 400, "bad-query"),
    ] {
        let answer = served.get(&format!("/v1/accounts?{query}"));
        let expected = format!("urn:tally:problem:{kind}");
        assert_eq!((answer.status, answer.json()["type"].as_str()), (status, Some(&*expected)), "{query}");
    }
}

const RECIPIENT: &str = "0xD54c868362C2098E0E46F12E7D924C6A332952Dd";

#[test]
fn calls_of_members_are_those_of_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let served = Served::start(&log, &[]);
    let key = format!("0x{}", "ab".repeat(64));
    let cases: [(&str, &[(&str, &str)]); 9] = [
        ("claim", &[("sequencer", "1")]),
        ("unlock", &[("sequencer", "2"), ("eth_wei", "5000000000000000")]),
        ("finish", &[("sequencer", "3")]),
        ("recipient", &[("sequencer", "4"), ("recipient", RECIPIENT)]),
        ("increase", &[("sequencer", "1"), ("amount_wei", "1000000000000000000"), ("with_rewards", "true")]),
        ("withdraw", &[("sequencer", "1"), ("amount_wei", "1")]),
        ("owner", &[("sequencer", "5"), ("owner", RECIPIENT), ("sender", RECIPIENT)]),
        ("signer", &[("sequencer", "6"), ("pubkey", &key)]),
        ("join", &[("owner", RECIPIENT), ("amount_wei", "20000000000000000000000"), ("pubkey", &key)]),
    ];
    for (action, given) in cases {
        let query: Vec<String> = given.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let query = query.join("&");
        let mut args = vec!["claims".to_owned(), "call".into(), action.into()];
        for (name, value) in given {
            let metis = || {
                format!(
                    "{}.{:0>18}",
                    &value[..value.len().saturating_sub(18)],
                    &value[value.len().saturating_sub(18)..]
                )
            };
            match *name {
                "amount_wei" | "eth_wei" => {
                    let metis = metis();
                    let metis = if metis.starts_with('.') { format!("0{metis}") } else { metis };
                    args.extend([if *name == "amount_wei" { "--amount" } else { "--eth" }.into(), metis]);
                }
                "with_rewards" => args.push("--with-rewards".into()),
                name => args.extend([format!("--{name}"), (*value).to_owned()]),
            }
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut expected = said(&log, &args);
        expected.as_object_mut().unwrap().remove("log");
        let answer = served.json(&format!("/v1/calls/{action}?{query}"));
        assert_eq!(answer["call"], expected, "{action}");
        let safe = served.get(&format!("/v1/calls/{action}/safe?{query}"));
        let needs_eth = ["claim", "finish"].contains(&action);
        assert_eq!(safe.status, if needs_eth { 400 } else { 200 }, "{action}: {}", safe.body);
        if !needs_eth {
            let path = dir.path().join(action);
            let more = ["--safe", path.to_str().unwrap()];
            said(&log, &[&args[..], &more[..]].concat());
            let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            assert_eq!(safe.json(), file, "{action}");
        }
    }
    for (path, status, kind) in [
        ("claim", 400, "bad-combination"),
        ("claim?sequencer=99", 404, "unknown-sequencer"),
        ("claim?sequencer=1&amount_wei=1", 400, "bad-combination"),
        ("steal?sequencer=1", 404, "unknown-action"),
        ("recipient?sequencer=1&recipient=0xD54c868362C2098E0E46F12E7D924C6A332952DD", 400, "bad-query"),
        ("withdraw?sequencer=1&amount_wei=-1", 400, "bad-query"),
        ("withdraw?sequencer=1&amount_wei=1&eth_wei=1", 400, "bad-range"),
        ("withdraw?sequencer=1&amount_wei=1&eth_wei=0", 400, "bad-combination"),
        (
            "recipient?sequencer=1&recipient=0xd54c868362c2098e0e46f12e7d924c6a332952dd&l2_gas=1",
            400,
            "bad-combination",
        ),
        ("%ff?sequencer=1", 400, "bad-path"),
    ] {
        let answer = served.get(&format!("/v1/calls/{path}"));
        let expected = format!("urn:tally:problem:{kind}");
        assert_eq!((answer.status, answer.json()["type"].as_str()), (status, Some(&*expected)), "{path}");
    }
}

#[test]
fn production_is_that_of_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let served = Served::start(&log, &[]);
    for (query, args) in [
        ("last_blocks=700", &["--last-blocks", "700"][..]),
        ("epoch=3", &["--epoch", "3"]),
        ("last_blocks=1000000", &["--last-blocks", "1000000"]),
    ] {
        let (mut spans, mut cursor) = (Vec::new(), String::new());
        let whole = loop {
            let page = served.json(&format!("/v1/production?{query}&limit=7{cursor}"));
            spans.extend(page["spans"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else { break page };
            cursor = format!("&cursor={next}");
        };
        let args = [&["production", "--by", "span"], args].concat();
        let command = said(&log, &args);
        assert_eq!(Value::from(spans), command["spans"], "{query}");
        for (name, value) in whole["production"].as_object().unwrap() {
            assert_eq!(*value, command[name], "{query}: {name}");
        }
        let one = served.json(&format!("/v1/sequencers/4/production?{query}"));
        let args = [&args[..], &["--sequencer", "4"]].concat();
        assert_eq!(one["production"]["makers"], said(&log, &args)["makers"], "{query}");
    }
    for (path, only) in [("/v1/production", &[][..]), ("/v1/sequencers/4/production", &["--sequencer", "4"])]
    {
        let (mut epochs, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = served.json(&format!("{path}/epochs?limit=5{cursor}"));
            epochs.extend(page["epochs"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let is_final: Vec<Value> = epochs
            .iter_mut()
            .map(|epoch| epoch.as_object_mut().unwrap().remove("is_final").unwrap())
            .collect();
        // The last epoch is not over.
        assert_eq!(is_final, [vec![json!(true); 12], vec![json!(false)]].concat());
        let command = said(&log, &[&["production", "--by", "epoch"], only].concat());
        let of_epochs =
            command["epochs"].as_array().unwrap().iter().filter(|epoch| !epoch["epoch"].is_null());
        assert!(of_epochs.eq(&epochs), "{path}");
    }
    for (query, status, kind) in [
        ("epoch=99", 409, "gap"),
        ("epoch=1&last_blocks=5", 400, "bad-combination"),
        ("from=15214503&last_blocks=3", 400, "bad-combination"),
        ("to=1", 409, "gap"),
        ("from=15214600&to=15214503", 400, "bad-range"),
        ("from=1&to=2", 409, "gap"),
        ("last_blocks=0", 400, "bad-range"),
    ] {
        let answer = served.get(&format!("/v1/production?{query}"));
        let expected = format!("urn:tally:problem:{kind}");
        assert_eq!((answer.status, answer.json()["type"].as_str()), (status, Some(&*expected)), "{query}");
    }
}
