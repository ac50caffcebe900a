//! What browsers need: sessions, tickets for streams, and pages of other origins.

use super::super::Origin;
use super::*;

/// A server with a token, and that token.
fn guarded(change: impl FnOnce(&mut HttpOptions)) -> (Feed, String) {
    let made = Tokens::generate("a").unwrap();
    let access = Access::Tokens(Tokens::parse(&made.line).unwrap());
    let mut options = HttpOptions { access, ..options() };
    change(&mut options);
    (Feed::start(options), made.token)
}

fn post(feed: &Feed, path: &str, headers: &str, form: &str) -> Answer {
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    let length = form.len();
    feed.send(format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{kind}Content-Length: {length}\r\n{headers}\r\n{form}"
    ))
}

/// The name and the value of the cookie that an answer sets, and what else is said of it.
fn cookie(answer: &Answer) -> (String, String) {
    let (pair, attributes) = answer.header("set-cookie").unwrap().split_once("; ").unwrap();
    (pair.to_owned(), attributes.to_owned())
}

#[test]
fn a_browser_has_a_session_until_it_ends_it() {
    let (feed, token) = guarded(|_| {});
    let begun = post(&feed, "/session", "", &format!("token={token}"));
    assert_eq!((begun.status, begun.header("cache-control")), (204, Some("no-store")), "{begun:?}");
    let (pair, attributes) = cookie(&begun);
    assert!(pair.starts_with("tally_session=") && !pair.contains(&token));
    assert_eq!(attributes, "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict");
    let shown = format!("Cookie: theme=dark; {pair}\r\n");
    let answer = feed.get("/v1/things/1", &shown);
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("private, no-cache")));
    feed.get("/v1/things/1", &format!("Cookie: {pair}0\r\n")).is_problem(401, "unauthorized");
    // A session opens nothing that is not read.
    post(&feed, "/v1/things/1", &shown, "").is_problem(405, "method-not-allowed");
    post(&feed, "/v1/tickets", &shown, "").is_problem(401, "unauthorized");

    let ended = post(&feed, "/session/end", &shown, "");
    assert_eq!(ended.status, 204);
    assert_eq!(
        cookie(&ended),
        ("tally_session=".into(), "Path=/; Max-Age=0; HttpOnly; SameSite=Strict".into())
    );
    feed.get("/v1/things/1", &shown).is_problem(401, "unauthorized");
    assert_eq!(post(&feed, "/session/end", &shown, "").status, 204);
    feed.stop();
}

#[test]
fn a_form_that_a_person_sends_leads_to_the_first_page() {
    let (feed, token) = guarded(|_| {});
    let form = format!("token={token}");
    let person = "Accept: text/html,application/xhtml+xml;q=0.9\r\nSec-Fetch-Site: same-origin\r\nX-Forwarded-Proto: https\r\n";
    let begun = post(&feed, "/session", person, &form);
    assert_eq!((begun.status, begun.header("location")), (303, Some("/")));
    // The browser sees TLS, which a proxy before this server speaks.
    let (pair, attributes) = cookie(&begun);
    assert!(pair.starts_with("__Host-tally_session=") && attributes.ends_with("; Secure"), "{attributes}");
    assert_eq!(feed.get("/v1/things/1", &format!("Cookie: {pair}\r\n")).status, 200);
    feed.stop();
}

#[test]
fn no_session_begins_for_another_site_or_without_the_token() {
    let (feed, token) = guarded(|_| {});
    let form = format!("token={token}");
    for other in ["Origin: https://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        post(&feed, "/session", other, &form).is_problem(403, "cross-site");
        post(&feed, "/session/end", other, "").is_problem(403, "cross-site");
    }
    for wrong in ["token=x", "token=", &format!("token={token}0")] {
        let answer = post(&feed, "/session", "", wrong);
        answer.is_problem(401, "unauthorized");
        assert!(answer.header("set-cookie").is_none());
    }
    for none in ["", "tok=x", "token=a&token=b", "token=a&b=c", "%"] {
        post(&feed, "/session", "", none).is_problem(400, "bad-form");
    }
    post(&feed, "/session", "", &format!("token={}", "x".repeat(1_100))).is_problem(413, "body-too-large");
    let chunked = format!("{:x}\r\n{}\r\n0\r\n\r\n", 2_000, "x".repeat(2_000));
    let head = "POST /session HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n";
    feed.send(format!("{head}{chunked}")).is_problem(413, "body-too-large");
    for path in ["/session", "/session/end", "/v1/tickets"] {
        let bearer = format!("Authorization: Bearer {token}\r\n");
        for method in ["GET", "PUT", "DELETE"] {
            let answer = feed.ask(method, path, &bearer);
            answer.is_problem(405, "method-not-allowed");
            assert_eq!(answer.header("allow"), Some("POST"), "{method} {path}");
        }
    }
    feed.stop();
}

#[test]
fn a_ticket_opens_streams_and_nothing_else() {
    let (feed, token) = guarded(|_| {});
    let bearer = format!("Authorization: Bearer {token}\r\n");
    post(&feed, "/v1/tickets", "", "").is_problem(401, "unauthorized");
    let answer = post(&feed, "/v1/tickets", &bearer, "");
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let made: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(made["lifetime_secs"], 60);
    let ticket = made["ticket"].as_str().unwrap();
    // The router of these tests has no feed; whoever is let in is told so.
    feed.get(&format!("/v1/feed?ticket={ticket}&after=0"), "").is_problem(404, "not-found");
    feed.get(&format!("/v1/feed?after=0&ticket={ticket}0"), "").is_problem(401, "unauthorized");
    feed.get(&format!("/v1/things/1?ticket={ticket}"), "").is_problem(401, "unauthorized");
    post(&feed, "/v1/tickets", &bearer, "x").is_problem(413, "body-too-large");
    feed.stop();
}

#[test]
fn where_everybody_may_ask_there_are_no_sessions() {
    let feed = Feed::start(options());
    post(&feed, "/session", "", "token=x").is_problem(409, "no-tokens");
    post(&feed, "/v1/tickets", "Authorization: Bearer x\r\n", "").is_problem(409, "no-tokens");
    assert_eq!(feed.get("/v1/things/1", "").header("cache-control"), Some("no-cache"));
    feed.stop();
}

#[test]
fn pages_of_the_origins_that_are_named_may_ask() {
    let origin: Origin = "https://pool.example".parse().unwrap();
    let (feed, token) = guarded(|options| options.cors_origins = vec![origin]);
    let asks = "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n";
    let preflight = feed.ask("OPTIONS", "/v1/things/1", &format!("Origin: https://pool.example\r\n{asks}"));
    assert_eq!((preflight.status, preflight.body.len()), (200, 0), "{preflight:?}");
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://pool.example"));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET,HEAD,POST"));
    let headers = preflight.header("access-control-allow-headers").unwrap();
    assert_eq!(headers, "accept,authorization,if-none-match,last-event-id");
    assert!(preflight.header("access-control-allow-credentials").is_none());
    let other = feed.ask("OPTIONS", "/v1/things/1", &format!("Origin: https://evil.example\r\n{asks}"));
    assert!(other.header("access-control-allow-origin").is_none());

    let asked = format!("Origin: https://pool.example\r\nAuthorization: Bearer {token}\r\n");
    let answer = feed.get("/v1/things/1", &asked);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://pool.example"));
    let exposed = "content-disposition,etag,link,retry-after,www-authenticate";
    assert_eq!(answer.header("access-control-expose-headers"), Some(exposed));
    // Its script reads why it was refused, too.
    let refused = feed.get("/v1/things/1", "Origin: https://pool.example\r\n");
    refused.is_problem(401, "unauthorized");
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://pool.example"));
    let other = feed.get("/v1/things/1", &asked.replace("pool.", "evil."));
    assert_eq!((other.status, other.header("access-control-allow-origin")), (200, None));
    feed.stop();
}
