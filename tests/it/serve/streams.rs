//! Streams of the feed as people expect them.

use super::http::{Event, Events, request};
use super::{Served, log_of};
use serde_json::Value;

/// The events up to the first that says that there are no more.
fn until_caught_up(events: &mut Events) -> (Vec<Event>, Event) {
    let mut told = Vec::new();
    loop {
        let event = events.next().unwrap();
        if event.kind == "caught_up" {
            return (told, event);
        }
        told.push(event);
    }
}

/// Without names every event is a message, as `onmessage` takes it; at the end of what there is the stream says so.
#[test]
fn a_stream_tells_everything_and_says_when_that_is_all() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&log_of("pool-a", dir.path()), &[]);
    let facts = served.facts("guide", "0");
    for (query, is_named) in [("", false), ("?events=named", true)] {
        let path = format!("/v1/feed{query}");
        let mut events = Events::open(&served.address, &path, "0").unwrap();
        let (told, end) = until_caught_up(&mut events);
        let data: Vec<Value> = told.iter().map(|event| serde_json::from_str(&event.data).unwrap()).collect();
        assert_eq!(data, facts);
        for (event, fact) in told.iter().zip(&facts) {
            assert_eq!(event.id, fact["cursor"].as_str().unwrap());
            assert_eq!(event.kind, if is_named { fact["type"].as_str().unwrap() } else { "message" });
        }
        let caught_up: Value = serde_json::from_str(&end.data).unwrap();
        assert_eq!(
            (caught_up["cursor"].as_str(), Some(&*end.id)),
            (facts.last().unwrap()["cursor"].as_str(), Some(&*told.last().unwrap().id))
        );
        assert_eq!(caught_up["at"], served.json("/v1/status")["policies"][0]["at"]);
        // Who has everything is told so at once.
        let mut again = Events::open(&served.address, &path, &end.id).unwrap();
        let (told, same) = until_caught_up(&mut again);
        assert_eq!((told.len(), same.data), (0, end.data));
    }
}

/// Whether a fact is wanted.
type Wanted = Box<dyn Fn(&Value) -> bool>;

/// A reader of some facts goes on over the others: its cursor says how far it has looked, as a page or as a stream.
#[test]
fn who_wants_some_facts_gets_these_and_a_cursor_over_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&log_of("pool-a", dir.path()), &[]);
    let facts = served.facts("guide", "0");
    let end = &facts.last().unwrap()["cursor"];
    let is_about = |fact: &Value, id: u64| {
        let rows = fact["rows"].as_array();
        let of_rows = |rows: &Vec<Value>| rows.iter().any(|row| row["sequencer"] == id);
        fact["sequencer"] == id || rows.map_or(fact["sequencer"].is_null(), of_rows)
    };
    let types = |fact: &Value, types: &[&str]| types.iter().any(|of| fact["type"] == *of);
    let few = ["locked", "recipient_changed"];
    let cases: [(&str, Wanted); 5] = [
        ("types=locked,recipient_changed", Box::new(move |fact| types(fact, &few))),
        ("types=distribution_ready", Box::new(move |fact| types(fact, &["distribution_ready"]))),
        ("sequencer=3", Box::new(move |fact| is_about(fact, 3))),
        (
            "types=epoch_closed,locked&sequencer=10",
            Box::new(move |fact| types(fact, &["epoch_closed", "locked"]) && is_about(fact, 10)),
        ),
        ("types=rollback", Box::new(|_| false)),
    ];
    for (query, is_wanted) in &cases {
        let expected: Vec<&Value> = facts.iter().filter(|fact| is_wanted(fact)).collect();
        assert!(
            expected.len() < facts.len() && (expected.len() > 3 || *query == "types=rollback"),
            "{query}"
        );
        let mut events = Events::open(&served.address, &format!("/v1/feed?{query}"), "0").unwrap();
        let (told, caught_up) = until_caught_up(&mut events);
        let data: Vec<Value> = told.iter().map(|event| serde_json::from_str(&event.data).unwrap()).collect();
        assert_eq!(data.iter().collect::<Vec<_>>(), expected, "{query}");
        assert_eq!(end, caught_up.id.as_str(), "{query}");
        let (mut paged, mut cursor) = (Vec::new(), "0".to_owned());
        loop {
            let page = served.json(&format!("/v1/feed?{query}&after={cursor}&limit=2"));
            paged.extend(page["facts"].as_array().unwrap().iter().cloned());
            page["cursor"].as_str().unwrap().clone_into(&mut cursor);
            if page["is_end"] == true {
                break;
            }
        }
        assert_eq!((paged.iter().collect::<Vec<_>>(), end), (expected, &cursor.as_str().into()), "{query}");
    }
}

/// What does not apply is refused, and never silently left out.
#[test]
fn what_does_not_apply_to_a_stream_or_a_page_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&log_of("small-a", dir.path()), &[]);
    let ask = |method: &str, query: &str, headers: &str, body: &str| {
        let text = format!(
            "{method} /v1/feed{query} HTTP/1.1\r\nHost: tally\r\n{headers}Connection: close\r\n\r\n{body}"
        );
        request(&served.address, &text).unwrap()
    };
    let stream = "Accept: Text/Event-Stream;q=0.9, application/json;q=0.1\r\n";
    for (query, headers, kind) in [
        ("?limit=3", stream, "bad-combination"),
        ("?wait_secs=1", stream, "bad-combination"),
        ("?events=named", "", "bad-combination"),
        ("?events=loud", stream, "bad-query"),
        ("?types=", "", "bad-query"),
        ("?types=locked,", "", "bad-query"),
        ("?types=nonesuch", "", "bad-query"),
        ("?sequencer=x", "", "bad-query"),
    ] {
        let answer = ask("GET", query, headers, "");
        let expected = format!("urn:tally:problem:{kind}");
        assert_eq!((answer.status, answer.json()["type"].as_str()), (400, Some(&*expected)), "{query}");
    }
    // JSON is wanted more, or the stream not at all.
    for accept in ["application/json, text/event-stream;q=0.9", "text/event-stream;q=0", "*/*"] {
        let answer = ask("GET", "", &format!("Accept: {accept}\r\n"), "");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{accept}");
    }
    // Who asks for the head has it at once, also where a body would take as long as one likes.
    let head = ask("HEAD", "?wait_secs=25&after=999-0123456789abcdef", "", "");
    assert_eq!((head.status, head.header("retry-after")), (503, Some("5")));
    let body = ask("GET", "", "Content-Length: 2\r\n", "{}");
    assert_eq!((body.status, body.json()["type"].as_str()), (413, Some("urn:tally:problem:body-too-large")));
}
