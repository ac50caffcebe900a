//! Of which state an answer is: one that a reader has asked for, and for all pages of a list the same.

use super::http::request;
use super::{Served, log_of};
use crate::support::{fixture, wait_for};
use serde_json::Value;
use std::path::Path;
use tally_ingest::{Limits, ingest_recording};

/// Pool-a up to these blocks, or all of it.
fn grow(log: &Path, l1_to: Option<u64>, l2_to: Option<u64>) {
    ingest_recording(&fixture("pool-a"), log, Limits { l1_to, l2_to }).unwrap();
}

fn kind_of(answer: &super::Answer) -> (u16, Value) {
    (answer.status, answer.json()["type"].clone())
}

/// A reader of the feed that asks for what belongs to a fact, perhaps of another server, gets an answer that has the fact.
#[test]
fn an_answer_is_of_a_state_that_has_what_the_reader_has() {
    let dir = tempfile::tempdir().unwrap();
    let ahead = Served::start(&log_of("pool-a", dir.path()), &[]);
    let end = ahead.facts("guide", "0").pop().unwrap();
    let cursor = end["cursor"].as_str().unwrap();
    let at = ahead.json(&format!("/v1/sequencers?at_least={cursor}"))["at"].clone();
    assert_eq!((&at["feed"]["cursor"], &at["feed"]["sequence"]), (&end["cursor"], &end["sequence"]));
    let log = dir.path().join("grows");
    grow(&log, Some(19_431_500), Some(15_221_000));
    let served = Served::start(&log, &["--poll-secs", "0.05"]);
    let paths =
        ["/v1/sequencers", "/v1/sequencers/3/claim", "/v1/epochs", "/v1/distributions", "/v1/batches"];
    for path in paths {
        for wait in ["", "&wait_secs=1"] {
            let answer = served.get(&format!("{path}?at_least={cursor}{wait}"));
            assert_eq!(kind_of(&answer), (503, "urn:tally:problem:behind".into()), "{path}");
            assert_eq!(answer.header("retry-after"), Some("5"));
        }
        let answer = served.get(&format!("{path}?at_least=0"));
        assert_eq!(answer.status, 200, "{path}: everything has the beginning");
        let own = answer.json()["at"]["feed"]["cursor"].as_str().unwrap().to_owned();
        assert_eq!(served.get(&format!("{path}?at_least={own}")).status, 200, "{path}");
        for (query, expected) in [
            ("at_least=1-0123456789abcdef", (409, "urn:tally:problem:other-feed")),
            ("at_least=1", (400, "urn:tally:problem:bad-query")),
            ("at_least=0&at_least=0", (400, "urn:tally:problem:bad-query")),
            ("at_least=0&wait_secs=26", (400, "urn:tally:problem:bad-query")),
            ("wait_secs=1", (400, "urn:tally:problem:bad-combination")),
        ] {
            let (status, kind) = kind_of(&served.get(&format!("{path}?{query}")));
            assert_eq!((status, kind.as_str()), (expected.0, Some(expected.1)), "{path}?{query}");
        }
    }
    // Who asks for the head alone is told what there is.
    let head = format!(
        "HEAD /v1/sequencers?at_least={cursor}&wait_secs=25 HTTP/1.1\r\nHost: tally\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(request(&served.address, &head).unwrap().status, 503);
    let address = served.address.clone();
    let path = format!("/v1/sequencers/3?at_least={cursor}&wait_secs=25");
    let asked = std::thread::spawn(move || {
        wait_for("a state that has it", || {
            let answer = super::http::get(&address, &path).unwrap();
            if answer.status == 200 { Ok(answer.json()) } else { Err(answer.body) }
        })
    });
    grow(&log, None, None);
    let answer = asked.join().unwrap();
    assert!(answer["at"]["feed"]["sequence"].as_u64() >= end["sequence"].as_u64());
}

/// Pages of two states never mix: a list goes on in the state in which it was begun for as long as that is kept, and then
/// has to be begun again.
#[test]
fn pages_of_two_states_never_mix() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("grows");
    let mut l2_to = 15_221_000;
    grow(&log, Some(19_431_500), Some(l2_to));
    let served = Served::start(&log, &["--poll-secs", "0.02"]);
    let lists = [
        "/v1/epochs?limit=1",
        "/v1/batches?limit=1",
        "/v1/distributions?limit=1",
        "/v1/audit?limit=1",
        "/v1/sequencers/3/statement?limit=1",
        "/v1/sequencers/3/ledger?limit=1",
        "/v1/distributions/2/leaves?limit=1",
    ];
    let first: Vec<Value> = lists.iter().map(|path| served.json(path)).collect();
    let on = |index: usize| {
        let next = first[index]["next"].as_str().unwrap_or_else(|| panic!("{} has one page", lists[index]));
        served.get(&format!("{}&cursor={next}", lists[index]))
    };
    let mut has_grown = 0;
    let moved = loop {
        let answers: Vec<_> = (0..lists.len()).map(on).collect();
        if answers.iter().all(|answer| answer.status == 409) {
            break answers;
        }
        for (index, answer) in answers.iter().enumerate().filter(|(_, answer)| answer.status == 200) {
            let page = answer.json();
            assert_eq!(page["at"], first[index]["at"], "{}", lists[index]);
            assert_ne!(page["next"], first[index]["next"]);
        }
        let before = served.json("/v1/status")["policies"][0]["at"].clone();
        l2_to += 100;
        grow(&log, Some(19_431_500), Some(l2_to));
        served.wait_for("/v1/status", |answer| answer.json()["policies"][0]["at"] != before);
        has_grown += 1;
        assert!(has_grown < 20, "states are kept without end");
    };
    assert!(has_grown >= 3, "a few states are kept");
    for answer in &moved {
        assert_eq!(kind_of(answer), (409, "urn:tally:problem:moved".into()));
        assert_eq!(answer.json()["feed"], served.json("/v1/status")["policies"][0]["at"]["feed"]);
    }
    // What is no `next` of a list is refused.
    for cursor in ["1", "1-", "x-0123456789abcdef", "1-0123456789ABCDEF"] {
        let answer = served.get(&format!("/v1/epochs?cursor={cursor}"));
        assert_eq!(kind_of(&answer), (400, "urn:tally:problem:bad-query".into()), "{cursor}");
    }
}
