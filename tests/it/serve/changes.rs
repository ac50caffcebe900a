//! Each new state, as a stream.

use super::http::Events;
use super::{Served, log_of};
use crate::live::Live;
use crate::support::wait_for;
use replay_node::Options;
use serde_json::Value;

/// The present state comes at once, and is that of all answers.
#[test]
fn the_present_state_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let served =
        Served::start(&log_of("pool-a", dir.path()), &["--policy", "guide", "--policy", "locking-pool"]);
    for policy in ["guide", "locking-pool"] {
        let mut events = Events::open(&served.address, &format!("/v1/changes?policy={policy}"), "").unwrap();
        let event = events.next().unwrap();
        assert_eq!((event.kind.as_str(), event.id.as_str()), ("message", ""));
        let told: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(
            told,
            serde_json::json!({ "at": served.json(&format!("/v1/epochs?policy={policy}"))["at"] })
        );
    }
    let none = served.get("/v1/changes?policy=nonesuch");
    assert_eq!((none.status, none.json()["type"].as_str()), (404, Some("urn:tally:problem:unknown-policy")));
    assert_eq!(served.get("/v1/changes?limit=3").status, 400);
}

/// A reader that stays sees the log grow to its end, each state once, also where nothing is final yet.
#[test]
fn states_come_as_the_log_grows() {
    let options = Options {
        l1_head: Some(19_430_400),
        l2_head: Some(15_224_000),
        advance_blocks: 50,
        ..Options::default()
    };
    let live = Live::start("pool-a", &options);
    let mut args = live.args(&["--follow", "--poll-secs", "0.2", "--level", "error"]);
    args[0] = "serve".into();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let served = Served::with_args(&args);
    served.wait_for("/v1/status", |answer| answer.status == 200);
    let mut told: Vec<Value> = Vec::new();
    let mut events = Events::open(&served.address, "/v1/changes", "").unwrap();
    wait_for("a dozen states", || {
        if let Ok(event) = events.next() {
            let state: Value = serde_json::from_str(&event.data).unwrap();
            assert!(told.last() != Some(&state), "the same state twice: {state}");
            told.push(state);
        } else {
            // Nothing came for a while: whoever comes back is told the present state.
            told.clear();
            events = Events::open(&served.address, "/v1/changes", "").map_err(|error| error.to_string())?;
        }
        let of_l2 = told.iter().filter(|state| head(state).is_some()).count();
        if of_l2 >= 12 { Ok(()) } else { Err(format!("{} states", told.len())) }
    });
    // Without L2 at first, which is ingested after L1.
    let heads: Vec<Option<u64>> = told.iter().map(head).collect();
    assert!(heads.is_sorted(), "{heads:?}");
    assert!(
        told.iter().any(|state| state["at"]["log"]["l2_head"] != state["at"]["final_l2_head"]),
        "{told:?}"
    );
}

/// The last L2 block of a state, if there is one.
fn head(state: &Value) -> Option<u64> {
    state["at"]["log"]["l2_head"]["block"].as_u64()
}
