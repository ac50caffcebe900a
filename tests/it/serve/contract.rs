//! The server against the document that describes it, by thousands of requests that schemathesis makes of that.

use super::{Served, log_of};
use crate::support::{Tool, in_tests};
use serde_json::{Value, json};
use std::process::Command;

const POLICIES: [&str; 6] = ["--policy", "guide", "--policy", "stake-weighted", "--policy", "locking-pool"];

/// Runs the script against a server: its status, and what it says.
fn contract(served: &Served, more: &[&str]) -> (Option<i32>, String) {
    let mut script = Tool::Schemathesis.command();
    let done = script.arg(in_tests("contract/contract.py")).arg(served.url()).args(more).output().unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8(text).unwrap())
}

/// How many requests the last line says were made.
fn requests(said: &str) -> u64 {
    let last = said.lines().last().unwrap_or_default();
    last.split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{said}"))
}

#[test]
fn every_answer_is_as_the_document_says() {
    if !Tool::Schemathesis.is_there() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&log_of("pool-a", dir.path()), &POLICIES);
    let (status, said) = contract(&served, &[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(requests(&said) > 2_000, "{said}");

    // A check that cannot fail is none: a document that names one member otherwise.
    let mut document: Value = serde_json::from_str(tally_feed::openapi_json()).unwrap();
    document["paths"].as_object_mut().unwrap().retain(|path, _| path == "/v1/status");
    let properties = &mut document["components"]["schemas"]["StatusAnswer"]["properties"];
    let member = properties.as_object_mut().unwrap().remove("is_ready");
    properties["was_ready"] = member.unwrap_or(json!({}));
    let other = dir.path().join("other.json");
    std::fs::write(&other, document.to_string()).unwrap();
    let (status, said) = contract(&served, &[other.to_str().unwrap()]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("('is_ready' was unexpected)"), "{said}");
}

/// A client that is made of the document reads what a fact of one type has, in a language whose compiler checks that and in
/// one whose does not.
#[test]
fn clients_that_are_made_of_the_document_read_the_feed() {
    if !Tool::Clients.is_there() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&log_of("pool-a", dir.path()), &[]);
    let facts = served.facts("guide", "0");
    let of = |kind: &str| facts.iter().find(|fact| fact["type"] == kind).unwrap();
    let earned = of("epoch_closed")["rows"][0]["cumulative_wei"].as_str().unwrap();
    let root = of("distribution_ready")["root"].as_str().unwrap();
    let expected = format!("{earned}\n{root}\nurn:tally:problem:unknown-sequencer\n");
    let document = dir.path().join("openapi.json");
    std::fs::write(&document, served.get("/openapi.json").body).unwrap();
    for (mut made_by, script) in
        [(Tool::Clients.command(), "clients/python.py"), (Command::new("node"), "clients/typescript.mjs")]
    {
        let made = tempfile::tempdir().unwrap();
        let script = made_by.arg(in_tests(script)).arg(&document).arg(served.url()).arg(made.path());
        let done = script.output().unwrap();
        let said = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
        assert_eq!((done.status.code(), said.as_str()), (Some(0), expected.as_str()), "{script:?}");
    }
}
