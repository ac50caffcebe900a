//! The contracts' state, asked at the log's last block: what nothing else sees is seen there.

use super::{GoesOn, Ground, Ingest, SMALL, kinds, on_l1};
use crate::live::Live;
use crate::support::{expected, tally};
use replay_node::{Failure, Kind, Odd, Options, Refusal};
use serde_json::Value;

/// What the odd node's own state is worth: at each block of which the recording has it, the audit finds it equal.
#[test]
fn the_state_that_the_node_serves_is_the_recordings() {
    for (recording, count) in [("small-a", 13), ("pool-a", 14)] {
        let live = Live::start(recording, &Options::default());
        let (status, _, err) = live.ingest(&[]);
        assert_eq!(status, 0, "{err}");
        let truth = expected(recording);
        let checkpoints = truth["checkpoints"].as_array().unwrap().iter();
        let blocks: Vec<&Value> =
            checkpoints.chain([&truth["final"]]).map(|state| &state["l1_block"]).collect();
        assert_eq!(blocks.len(), count);
        let (log, l1) = (live.log(), live.node.l1_url());
        let audit = ["audit", "live", "--log", log.to_str().unwrap(), "--l1-rpc", &l1, "--rpc-rounds", "1"];
        for block in blocks {
            let at = ["--at-l1-block", &block.to_string()];
            let (status, out, err) = tally(&[&audit[..], &at].concat());
            let verdict = format!("equal: the contracts' state after L1 block {block}, 0 differences\n");
            assert_eq!((status, out), (0, verdict), "{recording}: {err}");
        }
        // Other blocks' states it does not keep.
        let (status, _, err) = tally(&[&audit[..], &["--at-l1-block", "19430100"]].concat());
        assert_eq!(status, 1, "{err}");
        let (status, _, err) = tally(&[&audit[..], &["--at-l1-block", "20230000"]].concat());
        assert!(status == 1 && (recording == "pool-a" || err.contains("missing trie node")), "{err}");
    }
}

kinds! {
    eth_call_unknown:
        [SMALL], GoesOn, [on_l1(Kind::Call { method: "eth_call", code: -32601, words: "method not found" })];
    eth_call_without_the_state:
        [SMALL], GoesOn, [on_l1(Kind::Call { method: "eth_call", code: -32000, words: "missing trie node" })];
    eth_call_for_archives_alone:
        [SMALL], GoesOn, [on_l1(Kind::Call { method: "eth_call", code: -32002, words: "archive add-on needed" })];
    eth_call_by_status_403:
        [SMALL], GoesOn,
        [on_l1(Kind::Request { method: "eth_call", refusal: Refusal::Fails(Failure::Status(403)) })];
    eth_call_by_a_page:
        [SMALL], GoesOn, [on_l1(Kind::Request { method: "eth_call", refusal: Refusal::Fails(Failure::Html) })];
}

/// That the state was not compared is told, in one line.
#[test]
fn a_state_that_cannot_be_had_is_told_in_one_line() {
    for words in ["missing trie node 0x01", "required historical state unavailable"] {
        let odd = on_l1(Kind::Call { method: "eth_call", code: -32000, words });
        let told = told_of_state(&[odd], words);
        assert!(told.iter().any(|line| line.contains(words)), "{told:?}");
    }
    let told = told_of_state(&[], "all is well");
    assert!(told[0].contains("is what the log gives"), "{told:?}");
}

/// What is said of the state, in one line, by an ingest that gives the whole log.
fn told_of_state(odd: &[Odd], what: &str) -> Vec<String> {
    let ingest = Ingest::from(SMALL, &[SMALL.options(odd)], &[]);
    let (status, out, err) = ingest.follow(&["--level", "info"]).end();
    ingest.assert_whole(what, &(u8::try_from(status.code().unwrap()).unwrap(), out, err.clone()));
    let told: Vec<String> = err.lines().filter(|line| line.contains("state")).map(String::from).collect();
    assert_eq!(told.len(), 1, "{what}: {err}");
    told
}

/// A difference ends it, once and following, with the field and both values.
#[test]
fn a_state_that_differs_ends_an_ingest() {
    for (signature, field) in [
        ("totalLocked()", "totalLocked"),
        ("rewardPerBlock()", "rewardPerBlock"),
        ("seqStatuses(uint8)", "seqStatuses"),
    ] {
        let odd = on_l1(Kind::State(signature));
        let ingest = Ingest::from(SMALL, &[SMALL.options(&[odd])], &["--rpc-rounds", "2"]);
        let ground = Ground { l1: SMALL.l1, ..SMALL };
        for outcome in [ingest.once(), ingest.followed()] {
            let (status, _, err) = &outcome;
            assert_eq!(*status, 1, "{signature}: {err}");
            assert!(err.contains(field), "no {field} in: {err}");
            assert!(err.contains(&ground.l1.to_string()), "no block in: {err}");
            ingest.assert_prefix(signature);
        }
        // Nobody asks.
        let unasked = Ingest::from(SMALL, &[SMALL.options(&[odd])], &["--state-check-hours", "0"]);
        unasked.assert_whole(signature, &unasked.once());
    }
}
