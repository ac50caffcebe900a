//! The server against the document that describes it, by thousands of requests that schemathesis makes of that.

use super::{Served, log_of};
use crate::support::{Tool, in_tests};
use serde_json::{Value, json};

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
