//! Nodes that do not say what is final: where that is asked for, another one is asked; where it is not, blocks far below
//! the head are taken to be final.

use super::{GoesOn, Ground, Ingest, POOL, SMALL, first, kinds, on_l1};
use replay_node::{Kind, Odd, Options};

fn error(code: i64, words: &'static str) -> Odd {
    on_l1(Kind::FinalizedError(code, words))
}

/// Ways to say that there is no final block, or that nobody knows of such a thing.
const UNKNOWN: [Kind; 10] = [
    Kind::FinalizedError(-32000, "finalized block not found"),
    Kind::FinalizedError(-39001, "Unknown block"),
    Kind::FinalizedError(-32602, "invalid argument 0: hex string without 0x prefix"),
    Kind::FinalizedError(-32601, "the tag finalized is not supported"),
    Kind::FinalizedError(-32603, "Internal error"),
    Kind::FinalizedError(-32001, "resource not found"),
    Kind::FinalizedError(-32000, "'finalized' tag not supported on pre-merge network"),
    Kind::FinalizedError(-32700, "could not parse block tag"),
    Kind::FinalizedNull,
    Kind::FinalizedZero,
];

kinds! {
    finalized_not_found:
        [SMALL, POOL], GoesOn, [on_l1(UNKNOWN[0])];
    finalized_as_an_unknown_block:
        [SMALL, POOL], GoesOn, [on_l1(UNKNOWN[1])];
    finalized_as_a_wrong_argument:
        [SMALL], GoesOn, [on_l1(UNKNOWN[2])];
    finalized_as_an_unknown_method:
        [SMALL], GoesOn, [on_l1(UNKNOWN[3])];
    finalized_as_an_internal_error:
        [SMALL, POOL], GoesOn, [on_l1(UNKNOWN[4])];
    finalized_as_a_missing_resource:
        [SMALL], GoesOn, [on_l1(UNKNOWN[5])];
    finalized_as_not_supported:
        [SMALL], GoesOn, [on_l1(UNKNOWN[6])];
    finalized_as_not_parsed:
        [SMALL], GoesOn, [on_l1(UNKNOWN[7])];
    finalized_in_words_of_limits:
        [SMALL], GoesOn, [error(-32005, "block range limit exceeded")];
    finalized_in_words_of_rates:
        [SMALL], GoesOn, [error(429, "Too Many Requests")];
    finalized_as_null:
        [SMALL, POOL], GoesOn, [on_l1(Kind::FinalizedNull)];
    finalized_as_block_0:
        [SMALL, POOL], GoesOn, [on_l1(Kind::FinalizedZero)];
    finalized_unknown_at_first:
        [SMALL], GoesOn, [first(1, on_l1(Kind::FinalizedNull))];
}

/// An ingest up to what is final.
fn up_to_final(nodes: &[Options]) -> Ingest {
    let ground = Ground { l1: SMALL.l1 - SMALL.lag, ..SMALL };
    Ingest { ground, ..Ingest::from(SMALL, nodes, &["--rpc-rounds", "2"]) }
}

/// With the default finality another endpoint is asked, and without one it is an error.
#[test]
fn what_is_final_is_asked_of_another_endpoint() {
    std::thread::scope(|scope| {
        for kind in UNKNOWN {
            scope.spawn(move || {
                let what = format!("{kind:?}");
                let (odd, sound) = (SMALL.options(&[on_l1(kind)]), SMALL.options(&[]));
                let alone = up_to_final(std::slice::from_ref(&odd));
                let outcome = finalized(&alone);
                alone.assert_refused(&what, &["finalized"], &outcome);
                assert!(alone.live.node.played()[0] > 0, "{what}");
                let beside = up_to_final(&[odd, sound]);
                let outcome = finalized(&beside);
                beside.assert_whole(&what, &outcome);
            });
        }
    });
}

/// Runs an ingest with the default finality.
fn finalized(ingest: &Ingest) -> (u8, String, String) {
    let more: Vec<&str> = ingest.more.iter().map(String::as_str).collect();
    let mut args = ingest.live.args(&more);
    let at = args.iter().position(|arg| arg == "--l1-finality").unwrap();
    args[at + 1] = "finalized".into();
    crate::support::tally(&args.iter().map(String::as_str).collect::<Vec<_>>())
}
