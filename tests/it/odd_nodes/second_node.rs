//! Two nodes behind one name, of which one is behind: what they say together is what neither of them says. Several
//! versions of nodes have no logs, and no error, for a block that they do not have.

use super::lost_logs::pool_logs;
use super::{Ground, Ingest, POOL, POOL_TINY, SMALL, TINY, on_l1};
use crate::support::times;
use replay_node::{Amiss, Kind, LogChange, Odd, On, Options, SecondNode, Turn, Unknown, When, Where};

/// Requests of more than one call fail.
const NO_BATCHES: Odd =
    Odd { kind: Kind::Batch { above: 1, amiss: Amiss::Null }, on: On::Both, when: When::Always };

fn nodes(ground: Ground, lag_blocks: u64, turn: Turn, unknown: Unknown, odd: &[Odd]) -> Options {
    let second_node = Some(SecondNode { lag_blocks, turn });
    Options { second_node, unknown_blocks: Some(unknown), ..ground.options(odd) }
}

/// Panics unless the log is right as far as it goes, and where it was refused, that was told.
fn assert_right(ingest: &Ingest, what: &str, outcome: &(u8, String, String)) {
    // Where it ends well, it is where it saw the head, which may be that of the one behind.
    if outcome.0 != 0 {
        ingest.assert_refused(
            what,
            &[
                "has no block",
                "has no receipt",
                "has no transaction",
                "beyond current head",
                "unknown block",
                "null",
                "head is block",
                "lacks",
                "bloom",
                "gives no log of",
                "above its head",
            ],
            outcome,
        );
    }
    ingest.assert_prefix(what);
}

/// Where each request is answered by one of them, what one request holds is of one node. It goes on or it is refused;
/// nothing that it writes is wrong.
#[test]
fn requests_in_turn() {
    std::thread::scope(|scope| {
        for ground in [SMALL, POOL] {
            for lag in [1, 5, 30] {
                for unknown in [Unknown::Empty, Unknown::Error, Unknown::Null] {
                    scope.spawn(move || {
                        let what = format!("{} {lag} behind, {unknown:?}", ground.recording);
                        let node = nodes(ground, lag, Turn::Request, unknown, &[]);
                        let ingest = Ingest::from(ground, &[node], &["--rpc-rounds", "3"]);
                        assert_right(&ingest, &what, &ingest.once());
                    });
                }
            }
        }
    });
}

/// The same without batches, where no request holds two things.
#[test]
fn requests_in_turn_without_batches() {
    std::thread::scope(|scope| {
        for ground in [TINY, POOL_TINY] {
            for lag in [1, 10, 200] {
                for unknown in [Unknown::Empty, Unknown::Error] {
                    scope.spawn(move || {
                        let what = format!("{} {lag} behind, {unknown:?}", ground.recording);
                        let node = nodes(ground, lag, Turn::Request, unknown, &[NO_BATCHES]);
                        let ingest = Ingest::from(ground, &[node], &["--rpc-rounds", "3"]);
                        assert_right(&ingest, &what, &ingest.once());
                    });
                }
            }
        }
    });
}

/// The story: two nodes 200 blocks apart, no batches, a run that ends: status 0, and another recipient.
#[test]
fn requests_in_turn_without_batches_of_final_blocks() {
    let ground = Ground { lag: 0, l1: SMALL.l1, ..SMALL };
    std::thread::scope(|scope| {
        for turn in [Turn::Request, Turn::Call] {
            for lag in [60, 200] {
                scope.spawn(move || {
                    let what = format!("{lag} behind, {turn:?}");
                    let node = nodes(ground, lag, turn, Unknown::Empty, &[on_l1(NO_BATCHES.kind)]);
                    let ingest = Ingest::from(ground, &[node], &["--rpc-rounds", "3"]);
                    assert_right(&ingest, &what, &ingest.once());
                });
            }
        }
    });
}

/// Where the calls of one request are given to both, nothing that comes together is of one node. It goes on or it is
/// refused; nothing that it writes is wrong.
#[test]
fn calls_in_turn() {
    std::thread::scope(|scope| {
        for ground in [SMALL, POOL] {
            for lag in [1, 5, 30, 100] {
                for unknown in [Unknown::Empty, Unknown::Error, Unknown::Null] {
                    scope.spawn(move || {
                        let what = format!("{} {lag} behind, {unknown:?}", ground.recording);
                        let node = nodes(ground, lag, Turn::Call, unknown, &[]);
                        let ingest = Ingest::from(ground, &[node], &["--rpc-rounds", "4"]);
                        assert_right(&ingest, &what, &ingest.once());
                    });
                }
            }
        }
    });
}

/// With a sound endpoint beside them the log is whole.
#[test]
fn calls_in_turn_beside_a_sound_endpoint() {
    for unknown in [Unknown::Empty, Unknown::Error] {
        let node = nodes(SMALL, 5, Turn::Call, unknown, &[]);
        let ingest = Ingest::from(SMALL, &[node, SMALL.options(&[])], &["--rpc-rounds", "10"]);
        ingest.assert_whole(&format!("{unknown:?}"), &ingest.followed());
    }
}

/// An index that is behind its own chain: a block's logs are not there yet, the block is. It is whole in the end, or
/// what is missing is told.
#[test]
fn logs_that_come_later_than_their_blocks() {
    let late = pool_logs("small-a").into_iter().filter(|(block, _)| *block > SMALL.l1 - SMALL.lag);
    let late: Vec<(u64, u64)> = late.filter(|(block, _)| *block <= SMALL.l1).collect();
    assert_eq!(late.len(), 13, "logs of blocks that are not final");
    std::thread::scope(|scope| {
        for (block, index) in late.into_iter().step_by(times(3, 1)) {
            scope.spawn(move || {
                let kind = Kind::Logs(Where::Lists, LogChange::Lost { block, index });
                let odd = Odd { kind, on: On::L1, when: When::First(2) };
                let ingest = Ingest::from(SMALL, &[SMALL.options(&[odd])], &["--rpc-rounds", "10"]);
                let what = format!("log {index} of block {block}");
                let outcome = ingest.once();
                if outcome.0 == 0 {
                    ingest.assert_whole(&what, &outcome);
                } else {
                    assert_eq!(outcome.0, 1, "{what}: {}", outcome.2);
                    assert!(outcome.2.contains("state"), "{what}: {}", outcome.2);
                }
                assert!(ingest.live.node.played()[0] > 0, "{what}");
            });
        }
    });
}
