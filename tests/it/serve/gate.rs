//! Who may ask, and what: there is no way to write.

use super::http::{get, request};
use super::{Served, log_of};
use crate::process;
use crate::support::{tally, wait_for};
use serde_json::Value;
use std::path::Path;

/// The first fact of pool-a.
const FACT: &str = "event:0x82e4233a071a8af38ed3a2886805cd0ae223417540c6327b5e503470e937d847:2";

/// The paths of what can be read, by the description of the API, with numbers in them.
fn paths() -> Vec<String> {
    let description: Value = serde_json::from_str(tally_feed::openapi_json()).unwrap();
    let paths = description["paths"].as_object().unwrap().iter();
    paths
        .filter(|(_, item)| item.get("get").is_some())
        .map(|(path, _)| path.replace("{action}/safe", "claim/safe?sequencer=1&eth_wei=1"))
        .map(|path| path.replace("{action}", "claim?sequencer=1"))
        .map(|path| path.replace("{id}", "1").replace("{fact}", FACT))
        .map(|path| path.replace("blocks/{n}", "blocks/3000").replace("batches/{n}", "batches/2"))
        .map(|path| path.replace("{n}", "0"))
        .collect()
}

/// The description that is kept beside the documents is that of the code.
#[test]
fn the_description_of_the_api_is_kept_in_step() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let kept = std::fs::read_to_string(kept).unwrap();
    assert!(kept == tally_feed::openapi_json(), "`tally openapi > docs/openapi.json` brings it in step");
    let description: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(description["openapi"], "3.1.0");
    assert_eq!(paths().len(), 37);
    let (status, out, _) = tally(&["openapi"]);
    assert_eq!((status, out), (0, kept));
}

#[test]
fn whatever_is_not_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    let served = Served::start(&log, &[]);
    let before = served.json("/v1/status")["policies"].clone();
    for path in paths().iter().map(String::as_str).chain(["/", "/nothing"]) {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            let text = format!("{method} {path} HTTP/1.1\r\nHost: tally\r\nConnection: close\r\n\r\n");
            let answer = request(&served.address, &text).unwrap();
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        }
    }
    assert_eq!(served.json("/v1/status")["policies"], before);
}

#[test]
fn without_a_token_only_healthz_answers() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    let (status, line, told) = tally(&["token", "dashboard"]);
    assert_eq!(status, 0);
    let token = told.lines().nth(1).unwrap();
    let file = dir.path().join("tokens");
    std::fs::write(&file, &line).unwrap();
    assert!(!line.contains(token), "what is kept does not let anybody in");
    let open = ["serve", "--log", log.to_str().unwrap(), "--listen", "0.0.0.0:0", "--requests-per-sec", "0"];
    // Neither a token nor said to be public: it does not even listen.
    let (status, _, err) = tally(&open);
    assert_eq!(status, 2, "{err}");
    let mut process = process::start(&[&open[..], &["--token-file", file.to_str().unwrap()]].concat(), &[]);
    let told = process.line_with("listening at ");
    let address = format!("127.0.0.1:{}", told.trim().rsplit(':').next().unwrap());
    let with = |path: &str, header: &str| {
        let text = format!("GET {path} HTTP/1.1\r\nHost: tally\r\n{header}Connection: close\r\n\r\n");
        request(&address, &text).unwrap()
    };
    for path in
        paths().iter().map(String::as_str).chain(["/", "/nothing", "/healthz/", "/Healthz", "//healthz"])
    {
        let wrong = [
            String::new(),
            format!("Authorization: Bearer {token}0\r\n"),
            format!("Authorization: Basic {token}\r\n"),
            format!("Authorization: Bearer {}\r\n", line.split_whitespace().nth(1).unwrap()),
        ];
        for header in wrong {
            let answer = with(path, &header);
            if path == "/healthz" {
                assert_eq!(answer.status, 200);
            } else {
                assert_eq!(answer.status, 401, "{path} {header}");
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            }
        }
    }
    let right = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(with("/nothing", &right).status, 404);
    wait_for("the first fold", || match with("/v1/status", &right) {
        answer if answer.status == 503 => Err(answer.body),
        _ => Ok(()),
    });
    assert_eq!(with("/v1/sequencers/1", &right).status, 200);
}

/// Whoever has an answer already is told so; after a change it is another.
#[test]
fn an_answer_that_is_still_the_same_is_not_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let served = Served::start(&log, &["--policy", "guide", "--policy", "locking-pool"]);
    let etag = served.get("/v1/sequencers/1").header("etag").unwrap().to_owned();
    let with = |path: &str, header: &str| {
        let text = format!("GET {path} HTTP/1.1\r\nHost: tally\r\n{header}\r\nConnection: close\r\n\r\n");
        request(&served.address, &text).unwrap()
    };
    let mut same = 0;
    for path in paths().iter().map(|path| path.replace("blocks/3000", "blocks/15230000")) {
        if path == "/v1/changes" {
            // It goes on for an hour.
            continue;
        }
        let answer = with(&path, &format!("If-None-Match: \"x\", {etag}"));
        if answer.status == 304 {
            same += 1;
            assert_eq!((answer.header("etag"), answer.body.as_str()), (Some(&*etag), ""), "{path}");
        }
        assert_eq!(with(&path, "If-None-Match: \"x\"").status / 100, 2, "{path}");
    }
    assert_eq!(same, 31, "all but the feed, the description and what tells of the server itself");
    let other = with("/v1/sequencers/1?policy=locking-pool", &format!("If-None-Match: {etag}"));
    assert_eq!(other.status, 200, "another policy is another answer");
    // What is not there is not the same either.
    for (path, status) in [
        ("/v1/sequencers/99", 404),
        ("/v1/sequencers/1/statement?from=9&to=1", 400),
        ("/v1/rates/next?policy=locking-pool", 409),
        ("/v1/epochs/99", 409),
    ] {
        for tag in [&*etag, "*"] {
            assert_eq!(with(path, &format!("If-None-Match: {tag}")).status, status, "{path}");
        }
    }
}

#[test]
fn a_client_that_asks_too_often_is_told_when_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    let served = Served::with_args(&["serve", "--log", log.to_str().unwrap(), "--requests-per-sec", "1"]);
    // Two at once, and then one a second: on a busy machine it may take a while until one comes too soon.
    let mut answers = (0..10_000).map(|_| get(&served.address, "/openapi.json").unwrap());
    assert!(answers.by_ref().take(2).all(|answer| answer.status == 200));
    let limited = answers.find(|answer| answer.status != 200).expect("one of many is refused");
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("1")));
    assert_eq!(served.get("/healthz").status, 200);
}
