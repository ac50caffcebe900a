//! Every kind of problem that the description names is told, with the status and the headers that it names.

use super::http::request;
use super::{Answer, Served, log_of};
use crate::live::Live;
use crate::support::{fixture, tally};
use replay_node::{Failure, Options, Rule};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use tally_ingest::{Limits, ingest_recording};

/// Those that no request provokes at will: of a server that is broken, or too slow. Each has a test beside its code.
const OF_THE_SERVER: [&str; 4] = ["broken", "busy", "internal", "timeout"];

/// What is asked of whom, and what has to be told: a method, a path, headers; a status and a kind.
type Case = (&'static str, String, &'static str, u16, &'static str);

/// Checks what a server tells, and notes the kinds.
fn check(served: &Served, cases: Vec<Case>, told: &mut BTreeSet<String>) {
    for (method, path, headers, status, kind) in cases {
        let text = format!("{method} {path} HTTP/1.1\r\nHost: tally\r\n{headers}Connection: close\r\n\r\n");
        let answer = request(&served.address, &text).unwrap();
        check_problem(&answer, (status, kind), &path);
        told.insert(kind.to_owned());
    }
}

/// An answer is a problem with all members that the description has, and with what its status asks for.
fn check_problem(answer: &Answer, (status, kind): (u16, &str), path: &str) {
    let problem = answer.json();
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (status, Some("application/problem+json")),
        "{path}"
    );
    assert_eq!(problem["type"], format!("urn:tally:problem:{kind}"), "{path}: {problem}");
    assert_eq!(problem["status"], status, "{path}");
    for member in ["title", "detail"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{path}: {problem}");
    }
    let wanted = match status {
        401 => Some("www-authenticate"),
        405 => Some("allow"),
        429 | 503 => Some("retry-after"),
        _ => None,
    };
    assert!(wanted.is_none_or(|name| answer.header(name).is_some()), "{path}: {:?}", answer.headers);
}

fn get(path: &str, status: u16, kind: &'static str) -> Case {
    ("GET", path.to_owned(), "", status, kind)
}

/// Of a server that everybody may ask.
fn of_an_open_server() -> Vec<Case> {
    const OTHER: &str = "/v1/sequencers?at_least=1-0123456789abcdef";
    vec![
        get("/v1/epochs?nonesuch=1", 400, "bad-query"),
        get("/v1/epochs/x", 400, "bad-path"),
        get("/v1/production?last_blocks=0", 400, "bad-range"),
        get("/v1/epochs?wait_secs=1", 400, "bad-combination"),
        (
            "GET",
            "/v1/feed".into(),
            "Accept: text/event-stream\r\nLast-Event-ID: x\r\n",
            400,
            "bad-last-event-id",
        ),
        get("/v1/epochs?policy=nonesuch", 404, "unknown-policy"),
        get("/v1/calls/nonesuch?sequencer=1", 404, "unknown-action"),
        get("/v1/sequencers/99", 404, "unknown-sequencer"),
        get("/v1/blocks/1", 404, "unknown-block"),
        get("/v1/batches/0", 404, "unknown-batch"),
        get(&format!("/v1/sequencers/1/claim?root=0x{}", "0".repeat(64)), 404, "unknown-root"),
        get("/v1/facts/event:0x0:1", 404, "unknown-fact"),
        get("/nothing", 404, "not-found"),
        ("PUT", "/v1/status".into(), "", 405, "method-not-allowed"),
        ("GET", "/v1/status".into(), "Content-Length: 5\r\n", 413, "body-too-large"),
        get("/v1/epochs/99", 409, "gap"),
        get("/v1/distributions?policy=locking-pool", 409, "paid-by-contract"),
        get("/v1/rates/next?policy=stake-weighted", 409, "not-flat"),
        get("/v1/epochs?cursor=3-0123456789abcdef", 409, "moved"),
        get(OTHER, 409, "other-feed"),
        ("POST", "/v1/tickets".into(), "", 409, "no-tokens"),
    ]
}

#[test]
fn every_kind_of_problem_is_told() {
    let description: Value = serde_json::from_str(tally_feed::openapi_json()).unwrap();
    let kinds =
        description["components"]["schemas"]["Problem"]["properties"]["type"]["enum"].as_array().unwrap();
    let kinds: BTreeSet<String> =
        kinds.iter().map(|kind| kind.as_str().unwrap().replace("urn:tally:problem:", "")).collect();
    let mut told: BTreeSet<String> = OF_THE_SERVER.map(str::to_owned).into();

    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let policies = ["guide", "stake-weighted", "locking-pool"].map(|name| ["--policy", name]).concat();
    let served = Served::start(&log, &[&policies[..], &["--streams-max", "1"]].concat());
    check(&served, of_an_open_server(), &mut told);
    // A page that begins outside of what is asked for.
    let state = served.json("/v1/sequencers/1/ledger?limit=1")["next"].as_str().unwrap().to_owned();
    let state = state.split_once('-').unwrap().1.to_owned();
    let beyond = get(&format!("/v1/sequencers/1/ledger?cursor=7-{state}"), 400, "bad-cursor");
    check(&served, vec![beyond], &mut told);
    let mut stream = super::http::Events::open(&served.address, "/v1/changes", "").unwrap();
    stream.next().unwrap();
    let second = ("GET", "/v1/changes".into(), "Accept: text/event-stream\r\n", 503, "too-many-streams");
    check(&served, vec![second], &mut told);
    let end = served.facts("guide", "0").pop().unwrap()["cursor"].as_str().unwrap().to_owned();

    // Of a log that has not got so far, and ends where a signer was replaced before its spans were paid.
    let short = dir.path().join("short");
    let limits = Limits { l1_to: Some(19_434_621), l2_to: Some(15_229_600) };
    ingest_recording(&fixture("pool-a"), &short, limits).unwrap();
    let served = Served::start(&short, &policies);
    let cases = vec![
        get(&format!("/v1/sequencers?at_least={end}"), 503, "behind"),
        get("/v1/batches/next", 409, "not-payable"),
    ];
    check(&served, cases, &mut told);
    not_ready(&mut told);
    with_tokens(&log, dir.path(), &mut told);
    // A feed is kept by one server at a time.
    let feed = dir.path().join("feed");
    let own = ["serve", "--log", log.to_str().unwrap(), "--feed-dir", feed.to_str().unwrap()];
    let limited = Served::with_args(&[&own[..], &["--requests-per-sec", "1"]].concat());
    let answers = (0..10_000).map(|_| limited.get("/openapi.json"));
    let refused = answers.into_iter().find(|answer| answer.status != 200).unwrap();
    check_problem(&refused, (429, "too-many-requests"), "/openapi.json");
    told.insert("too-many-requests".into());
    assert_eq!(told, kinds);
}

/// Of a server whose endpoints give nothing, so that there is no log yet.
fn not_ready(told: &mut BTreeSet<String>) {
    let fails = Rule::new(|_, _| Some(Failure::Status(503)));
    let live = Live::start("small-a", &Options { fails, ..Options::default() });
    let mut args = live.args(&["--follow", "--level", "error"]);
    args[0] = "serve".into();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let served = Served::with_args(&args);
    check(&served, vec![get("/readyz", 503, "not-ready"), get("/v1/epochs", 503, "not-ready")], told);
}

/// Of a server with tokens.
fn with_tokens(log: &Path, dir: &Path, told: &mut BTreeSet<String>) {
    let (_, line, _) = tally(&["token", "somebody"]);
    let file = dir.join("tokens");
    std::fs::write(&file, line).unwrap();
    let feed = dir.join("feed of tokens");
    let args = ["serve", "--log", log.to_str().unwrap(), "--token-file", file.to_str().unwrap()];
    let served = Served::with_args(&[&args[..], &["--feed-dir", feed.to_str().unwrap()]].concat());
    let cases = vec![
        get("/v1/status", 401, "unauthorized"),
        ("POST", "/session".into(), "Content-Length: 0\r\n", 400, "bad-form"),
        ("POST", "/session/end".into(), "Origin: https://other.example\r\n", 403, "cross-site"),
    ];
    check(&served, cases, told);
}
