//! What pages are to whoever asks, browser or not.

use crate::serve::http::{Answer, request};
use crate::serve::{Served, log_of};
use crate::support::{tally, times};

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

fn served(more: &[&str]) -> (tempfile::TempDir, Served) {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let served = Served::start(&log, more);
    (dir, served)
}

fn get(served: &Served, path: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let text = format!("GET {path} HTTP/1.1\r\nHost: tally\r\n{headers}Connection: close\r\n\r\n");
    request(&served.address, &text).unwrap()
}

/// Each page, also that of an error, forbids what is not its own, to be framed, and to tell where it was.
#[test]
fn every_page_forbids_what_is_not_its_own() {
    let (_dir, served) = served(&[]);
    for path in [
        "/",
        "/sequencers/1",
        "/check",
        "/nothing",
        "/sequencers/99",
        "/blocks/1",
        "/?policy=nonesuch",
        "/?a=b",
    ] {
        let answer = get(&served, path, &[HTML]);
        let policy = answer.header("content-security-policy").unwrap();
        for part in
            ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "form-action 'self'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        let inline = [" style=", "<style", "onclick", "onload", "javascript:"];
        assert!(inline.iter().all(|part| !answer.body.contains(part)), "{path}");
    }
}

/// Who reads pages gets an error as a page that says what to do, and a program as a problem.
#[test]
fn an_error_is_a_page_for_people_and_a_problem_for_programs() {
    let (_dir, served) = served(&[]);
    for (path, status, kind) in [
        ("/nothing", 404, "not-found"),
        ("/sequencers/99", 404, "unknown-sequencer"),
        ("/sequencers/nobody", 404, "unknown-sequencer"),
        ("/sequencers/1/fly", 404, "unknown-action"),
        ("/blocks/99999999", 409, "gap"),
        ("/blocks/x", 404, "not-found"),
        ("/epochs/99", 409, "gap"),
        ("/batches/99", 409, "gap"),
        ("/?policy=nonesuch", 404, "unknown-policy"),
        ("/?nonesuch=1", 400, "bad-query"),
        ("/epochs?from=-1", 400, "bad-query"),
        ("/v1/sequencers/99", 404, "unknown-sequencer"),
    ] {
        let page = get(&served, path, &[HTML]);
        assert_eq!(page.status, status, "{path}");
        assert!(page.body.contains(&format!("urn:tally:problem:{kind}<")), "{path}: {}", page.body);
        assert!(page.body.contains("<h1>") && page.body.contains("href=\"/\""), "{path}: {}", page.body);
        let problem = get(&served, path, &[]);
        assert_eq!(
            (problem.status, problem.header("content-type")),
            (status, Some("application/problem+json"))
        );
        assert_eq!(problem.json()["type"], format!("urn:tally:problem:{kind}"), "{path}");
    }
}

/// A page has a tag that changes with the state alone, and costs nothing for who has it.
#[test]
fn a_page_is_answered_once_for_its_state() {
    let (_dir, served) = served(&[]);
    let first = get(&served, "/", &[HTML]);
    let tag = first.header("etag").unwrap().to_owned();
    let again = get(&served, "/", &[HTML, ("if-none-match", &tag)]);
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert_eq!(get(&served, "/", &[HTML]).body, first.body);
    assert_eq!(first.header("cache-control"), Some("no-cache"));
}

/// Style and scripts are kept for ever, at addresses that change with them.
#[test]
fn assets_are_kept_for_ever() {
    let (_dir, served) = served(&[]);
    let page = get(&served, "/", &[HTML]).body;
    let (_, rest) = page.split_once("href=\"/assets/").unwrap();
    let digest = rest.split('/').next().unwrap();
    for (name, kind) in [
        ("style.css", "text/css; charset=utf-8"),
        ("main.js", "text/javascript; charset=utf-8"),
        ("wallet.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let asset = get(&served, &format!("/assets/{digest}/{name}"), &[]);
        assert_eq!((asset.status, asset.header("content-type")), (200, Some(kind)), "{name}");
        assert!(asset.header("cache-control").unwrap().contains("immutable"), "{name}");
    }
    for wrong in
        [format!("/assets/{digest}/../secret"), format!("/assets/{digest}/x"), "/assets/0/main.js".into()]
    {
        assert_eq!(get(&served, &wrong, &[]).status, 404, "{wrong}");
    }
}

/// A sequencer is found by its id, its name, and any of its addresses; a number that is none is a block.
#[test]
fn a_sequencer_is_found_by_whatever_it_is_called() {
    let names = crate::support::fixture("pool-a-names.json");
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("pool-a", dir.path());
    let served = Served::with_args(&[
        "--registry",
        names.to_str().unwrap(),
        "serve",
        "--log",
        log.to_str().unwrap(),
        "--requests-per-sec",
        "0",
    ]);
    served.wait_for("/readyz", |answer| answer.status == 200);
    let one = served.json("/v1/sequencers/7")["sequencer"].clone();
    let name = one["name"].as_str().unwrap().replace(' ', "%20");
    let (owner, signer) = (one["owner"].as_str().unwrap(), one["signer"].as_str().unwrap());
    for asked in [name.as_str(), owner, signer] {
        let moved = get(&served, &format!("/sequencers/{asked}/claim?eth=1"), &[HTML]);
        assert_eq!(
            (moved.status, moved.header("location")),
            (302, Some("/sequencers/7/claim?eth=1")),
            "{asked}"
        );
        let found = get(&served, &format!("/find?for={asked}"), &[HTML]);
        assert_eq!((found.status, found.header("location")), (303, Some("/sequencers/7")), "{asked}");
    }
    assert_eq!(get(&served, "/find?for=15,222,407", &[HTML]).header("location"), Some("/blocks/15222407"));
    assert_eq!(get(&served, "/find?for=nobody", &[HTML]).status, 404);
}

/// With tokens a page is answered with a form to log in, and its style without one.
#[test]
fn who_has_no_session_is_asked_for_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of("small-a", dir.path());
    let (_, line, _) = tally(&["token", "a"]);
    let file = dir.path().join("tokens");
    std::fs::write(&file, line).unwrap();
    let args =
        ["serve", "--log", log.to_str().unwrap(), "--token-file", file.to_str().unwrap(), "--public-readyz"];
    let served = Served::with_args(&args);
    served.wait_for("/readyz", |answer| answer.status == 200);
    for path in ["/", "/sequencers/1", "/v1/status"] {
        let page = get(&served, path, &[HTML]);
        assert_eq!(page.status, 401, "{path}");
        assert!(
            page.body.contains("action=\"/session\"") && page.body.contains("name=\"token\""),
            "{}",
            page.body
        );
        let forged = get(&served, path, &[HTML, ("cookie", "tally_session=forged")]);
        assert_eq!(forged.status, 401, "{path}");
        assert_eq!(get(&served, path, &[]).header("content-type"), Some("application/problem+json"));
    }
    let style = get(&served, "/", &[HTML]).body;
    let (_, rest) = style.split_once("stylesheet\" href=\"").unwrap();
    assert_eq!(get(&served, rest.split('"').next().unwrap(), &[]).status, 200);
}

/// Where the pages are not wanted, there are none.
#[test]
fn pages_can_be_left_out() {
    let (_dir, served) = served(&["--no-pages"]);
    let answer = get(&served, "/", &[HTML]);
    assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/problem+json")));
    assert_eq!(served.get("/v1/pool").status, 200);
}

/// What a stranger may write anywhere in an address.
const PARTS: [&str; 18] = [
    "1",
    "0",
    "18446744073709551615",
    "99999999999999999999",
    "-1",
    "%3Cscript%3Ewindow.taken%3D1%3C/script%3E",
    "%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
    "%E2%80%AE%E2%81%A6evil",
    "%00",
    "%FF%FE",
    "guide",
    "locking-pool",
    "0x00000000000000000000000000000000000000aa",
    "15222407",
    "100k",
    "15%25",
    "2024-07-01",
    "..%2F..%2Fetc%2Fpasswd",
];

/// The addresses of pages, with `*` where a part goes.
const PLACES: [&str; 24] = [
    "/",
    "/?policy=*",
    "/find?for=*",
    "/sequencers/*",
    "/sequencers/*/statement?from=*&to=*",
    "/sequencers/1/statement?cursor=*",
    "/sequencers/1/blocks?from=*&to=*",
    "/sequencers/*/claim?eth=*&l2_gas=*",
    "/sequencers/1/increase?amount=*&with_rewards=*",
    "/sequencers/1/withdraw?amount=*",
    "/sequencers/1/recipient?recipient=*&again=*",
    "/sequencers/1/*",
    "/join?owner=*&pubkey=*&amount=*&recipient=*",
    "/blocks/*",
    "/epochs/*",
    "/epochs?from=*",
    "/batches/*",
    "/batches?from=*",
    "/rates?from=*",
    "/audit?cursor=*",
    "/what-if?mrr=*&cap=*&allocation=*",
    "/check?*",
    "/assets/*/*",
    "/*",
];

/// Whatever is asked for, in a long run a hundred thousand times: no page breaks, and nothing that was asked for becomes
/// markup.
#[test]
fn no_question_breaks_a_page() {
    let (_dir, served) = served(&["--policy", "guide", "--policy", "locking-pool"]);
    let questions = times(3_000, 100_000);
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..questions {
        let mut path = random.choice(PLACES).unwrap().to_owned();
        while path.contains('*') {
            path = path.replacen('*', random.choice(PARTS).unwrap(), 1);
        }
        let answer = get(&served, &path, &[HTML]);
        assert!(
            answer.status < 500,
            "seed {seed}: {path} is answered with {}: {}",
            answer.status,
            answer.body
        );
        let is_taken = answer.body.contains("<script>") || answer.body.contains("<img src=x");
        assert!(!is_taken, "seed {seed}: {path} becomes markup");
    }
}
