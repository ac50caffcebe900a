//! Every node is odd: each way in which one is, with the project's own odd node. Whatever it does, the log is the
//! recording's, or the ingest ends with an error that names the endpoint, the request and the reason; never a third
//! thing. Which of the two it is stands in the tables: what could go on must not pass by refusing.

mod batches;
mod contradictions;
mod following;
mod l2geth;
pub(crate) mod lost_logs;
mod ranges;
mod second_node;
mod state;
mod tags;

use crate::live::{Live, recorded_digest, verified_digest};
use crate::process::Process;
use crate::support::{fixture, times, wait_for};
use replay_node::{Failure, Kind, Odd, On, Options, ReplayNode, When};
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};
use tally_eventlog::LogReader;

/// A stretch of a recording, as far as two heads.
#[derive(Clone, Copy)]
pub(super) struct Ground {
    recording: &'static str,
    /// Its heads.
    l1: u64,
    l2: u64,
    /// How far below L1's head blocks are final.
    lag: u64,
    /// The first blocks of the recording.
    first: (u64, u64),
}

/// L1 up to a block at which the contracts' state is known, and with a batch in the blocks that are not final.
const SMALL: Ground =
    Ground { recording: "small-a", l1: 20_219_502, l2: 1_110, lag: 64, first: (20_210_001, 1_003) };
/// The same, of a recording whose L2 blocks have no blooms.
const POOL: Ground =
    Ground { recording: "pool-a", l1: 19_430_586, l2: 15_214_660, lag: 64, first: (19_430_001, 15_214_503) };
/// So little that it can be had call by call.
const TINY: Ground = Ground { recording: "small-a", l1: 20_210_120, l2: 1_060, lag: 20, ..SMALL };
const POOL_TINY: Ground = Ground { recording: "pool-a", l1: 19_430_072, l2: 15_214_560, lag: 20, ..POOL };

impl Ground {
    /// A node with these heads that is odd.
    fn options(&self, odd: &[Odd]) -> Options {
        Options {
            l1_head: Some(self.l1),
            l2_head: Some(self.l2),
            finalized_lag_blocks: self.lag,
            odd: odd.to_vec(),
            ..Options::default()
        }
    }

    /// The digest of the recording's log up to the heads.
    fn digest(&self) -> String {
        self.digest_to(self.l1, self.l2)
    }

    fn digest_to(&self, l1: u64, l2: u64) -> String {
        type Known = BTreeMap<(&'static str, u64, u64), String>;
        static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
        let key = (self.recording, l1, l2);
        if let Some(digest) = KNOWN.lock().unwrap().get(&key) {
            return digest.clone();
        }
        let digest = recorded_digest(self.recording, Some(l1), Some(l2));
        KNOWN.lock().unwrap().insert(key, digest.clone());
        digest
    }
}

/// What has to come of an ingest from odd endpoints alone. Where another one is sound, it always is the whole log.
#[derive(Clone, Copy)]
pub(super) enum Expected {
    /// The log of the recording.
    GoesOn,
    /// An error with one of these texts in it. With `--follow`, the error is told, and the endpoint asked again for
    /// ever: a later minute may help.
    Refused(&'static [&'static str]),
    /// An error with one of these texts in it, with `--follow` too: no later minute would help.
    Unfit(&'static [&'static str]),
}
pub(super) use Expected::{GoesOn, Refused, Unfit};

/// An ingest from some nodes.
pub(super) struct Ingest {
    pub(super) ground: Ground,
    pub(super) live: Live,
    /// The nodes that are asked after the one of `live`.
    pub(super) others: Vec<ReplayNode>,
    pub(super) more: Vec<String>,
}

impl Ingest {
    /// From nodes of these kinds, in this order.
    pub(super) fn from(ground: Ground, nodes: &[Options], more: &[&str]) -> Self {
        let live = Live::start(ground.recording, &nodes[0]);
        let start = |options| ReplayNode::start(&fixture(ground.recording), options);
        let others: Vec<ReplayNode> = nodes[1..].iter().map(start).collect();
        let urls = others.iter().flat_map(|node| [("--l1-rpc", node.l1_url()), ("--l2-rpc", node.l2_url())]);
        let urls = urls.flat_map(|(flag, url)| [flag.to_owned(), url]);
        let more = urls.chain(more.iter().copied().map(String::from)).collect();
        Self { ground, live, others, more }
    }

    fn args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        self.more.iter().map(String::as_str).chain(more.iter().copied()).collect()
    }

    /// Its status and what it said.
    pub(super) fn once(&self) -> (u8, String, String) {
        self.live.ingest(&self.args(&[]))
    }

    /// The same by a process of its own, which also tells its warnings.
    pub(super) fn once_apart(&self) -> (u8, String, String) {
        let (status, out, err) = self.live.process(&self.args(&["--level", "warn"])).end();
        (u8::try_from(status.code().unwrap()).unwrap(), out, err)
    }

    /// With `--follow`, which ends by itself at the heads.
    pub(super) fn follow(&self, more: &[&str]) -> Process {
        let (l1, l2) = (self.ground.l1.to_string(), self.ground.l2.to_string());
        let follow = ["--follow", "--poll-secs", "0.02", "--l1-to", &l1, "--l2-to", &l2];
        self.live.process(&self.args(&[&follow[..], more].concat()))
    }

    /// The same, to its end.
    pub(super) fn followed(&self) -> (u8, String, String) {
        let mut process = self.follow(&["--level", "warn"]);
        wait_for("an ingest to end", || if process.has_ended() { Ok(()) } else { Err("it goes on".into()) });
        let (status, out, err) = process.end();
        (u8::try_from(status.code().unwrap()).unwrap(), out, err)
    }

    /// Panics unless the log is the recording's.
    #[track_caller]
    pub(super) fn assert_whole(&self, what: &str, (status, out, err): &(u8, String, String)) {
        assert_eq!(*status, 0, "{what}: {err}");
        let digest = self.ground.digest();
        assert_eq!(verified_digest(&self.live.log()), digest, "{what}: {out}{err}");
        assert!(out.ends_with(&format!("head digest {digest}\n")), "{what}: {out}");
    }

    /// Panics unless it ended with an error that says where, what and why, and nothing wrong in the log.
    #[track_caller]
    pub(super) fn assert_refused(&self, what: &str, reasons: &[&str], outcome: &(u8, String, String)) {
        let (status, _, err) = outcome;
        assert_eq!(*status, 1, "{what}: {err}");
        self.assert_named(what, reasons, err);
        self.assert_prefix(what);
    }

    /// Panics unless a text names an endpoint and one of some reasons.
    #[track_caller]
    fn assert_named(&self, what: &str, reasons: &[&str], text: &str) {
        let is_named = self.names().iter().any(|name| text.contains(name));
        assert!(is_named, "{what}: none of {:?} in: {text}", self.names());
        let is_told = reasons.iter().any(|reason| text.contains(reason));
        assert!(is_told, "{what}: none of {reasons:?} in: {text}");
    }

    fn names(&self) -> Vec<String> {
        let nodes = std::iter::once(&self.live.node).chain(&self.others);
        nodes.flat_map(|node| [node.l1_url(), node.l2_url()]).collect()
    }

    /// Panics unless what is in the log, if anything, is the recording's.
    #[track_caller]
    pub(super) fn assert_prefix(&self, what: &str) {
        if !LogReader::exists(&self.live.log()).unwrap() {
            return;
        }
        let heads = LogReader::open(&self.live.log()).map(|log| *log.heads());
        let Ok(heads) = heads else { return };
        // A chain of which there is nothing yet ends before its first block.
        let (first_l1, first_l2) = self.ground.first;
        let l1 = heads.l1.map_or(first_l1 - 1, |head| head.block.0);
        let l2 = heads.l2.map_or(first_l2 - 1, |head| head.block.0);
        let digest = self.ground.digest_to(l1, l2);
        assert_eq!(verified_digest(&self.live.log()), digest, "{what}: up to blocks {l1} and {l2}");
    }
}

/// Where the odd node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// There is no other.
    Alone,
    /// The next one is sound.
    BeforeSound,
    /// The next one is as odd.
    BeforeOdd,
    /// It is asked when a sound one fails, which that does now and then.
    AfterSound,
}

impl Place {
    fn nodes(self, ground: Ground, odd: &[Odd]) -> Vec<Options> {
        let (sound, odd) = (ground.options(&[]), ground.options(odd));
        match self {
            Self::Alone => vec![odd],
            Self::BeforeSound => vec![odd, sound],
            Self::BeforeOdd => vec![odd.clone(), odd],
            Self::AfterSound => {
                let failures = vec![Failure::Status(502), Failure::Reset];
                vec![Options { fail_every: Some(4), failures, ..sound }, odd]
            }
        }
    }
}

/// Ingests from a node that is odd, alone and beside others, once and following, on some grounds. Where it stands is of
/// more weight for what is refused; a long run tries all places of all kinds.
#[track_caller]
pub(super) fn check(grounds: &[Ground], odd: &[Odd], expected: Expected) {
    let all = [Place::Alone, Place::BeforeSound, Place::BeforeOdd, Place::AfterSound];
    let goes_on = matches!(expected, GoesOn);
    // Of many wordings of one kind, one stands for all.
    let is_wording = goes_on && grounds.len() == 1;
    let places = &all[..times(
        if is_wording {
            1
        } else if goes_on {
            2
        } else {
            4
        },
        4,
    )];
    let mut runs = Vec::new();
    for place in places {
        runs.push((grounds[0], *place, false));
        let is_followed = match place {
            Place::Alone => !is_wording,
            Place::BeforeSound => !goes_on,
            Place::BeforeOdd | Place::AfterSound => false,
        };
        if times(is_followed, true) {
            runs.push((grounds[0], *place, true));
        }
    }
    // Another recording: that it can be had at all is enough.
    runs.extend(grounds[1..].iter().map(|ground| (*ground, Place::Alone, false)));
    std::thread::scope(|scope| {
        for (ground, place, is_following) in runs {
            let is_first = ground.recording == grounds[0].recording;
            scope.spawn(move || check_run((ground, is_first), place, is_following, odd, expected));
        }
    });
}

fn check_run(
    (ground, is_first): (Ground, bool),
    place: Place,
    is_following: bool,
    odd: &[Odd],
    expected: Expected,
) {
    let how = if is_following { "following" } else { "once" };
    let what = format!("{} {how}, {place:?}, {odd:?}", ground.recording);
    let has_sound = matches!(place, Place::BeforeSound | Place::AfterSound);
    let is_whole = has_sound || matches!(expected, GoesOn);
    // What is refused is refused each time; what goes on may take some more.
    let rounds = if is_whole { "6" } else { "2" };
    let ingest = Ingest::from(ground, &place.nodes(ground, odd), &["--rpc-rounds", rounds]);
    let run = || if is_following { ingest.followed() } else { ingest.once() };
    match expected {
        Refused(reasons) if !is_whole && is_following => assert_told_for_ever(&what, &ingest, reasons),
        Refused(reasons) | Unfit(reasons) if !is_whole => ingest.assert_refused(&what, reasons, &run()),
        GoesOn | Refused(_) | Unfit(_) => ingest.assert_whole(&what, &run()),
    }
    if place == Place::Alone && is_first {
        let played = ingest.live.node.played();
        assert!(played.iter().all(|count| *count > 0), "{what}: it was played {played:?} times");
    }
}

/// Panics unless an ingest that follows tells one of some reasons, goes on asking, and has nothing wrong in its log
/// when it is told to end.
#[track_caller]
fn assert_told_for_ever(what: &str, ingest: &Ingest, reasons: &[&str]) {
    let mut process = ingest.follow(&["--level", "debug"]);
    let names = ingest.names();
    let is_told = |line: &str| {
        reasons.iter().any(|reason| line.contains(reason)) && names.iter().any(|name| line.contains(name))
    };
    let mut told = String::new();
    for turn in 0.. {
        let line = process.line_with("\n");
        told += &line;
        if is_told(&line) {
            break;
        }
        assert!(turn < 400, "{what}: none of {reasons:?} with one of {names:?} in: {told}");
    }
    let before = requests(ingest);
    wait_for(
        "more requests",
        || if requests(ingest) > before + 2 { Ok(()) } else { Err(before.to_string()) },
    );
    process.terminate();
    let (status, _, err) = process.end();
    assert!(status.success(), "{what}: {told}{err}");
    ingest.assert_prefix(what);
}

fn requests(ingest: &Ingest) -> u64 {
    ingest.live.node.requests().iter().map(|(requests, _)| requests).sum()
}

/// Always, on L1 alone.
pub(super) fn on_l1(kind: Kind) -> Odd {
    Odd { on: On::L1, ..Odd::always(kind) }
}

/// Always, on L2 alone.
pub(super) fn on_l2(kind: Kind) -> Odd {
    Odd { on: On::L2, ..Odd::always(kind) }
}

/// Only at first.
pub(super) fn first(count: u64, odd: Odd) -> Odd {
    Odd { when: When::First(count), ..odd }
}

/// Now and then.
pub(super) fn every(count: u64, odd: Odd) -> Odd {
    Odd { when: When::Every(count), ..odd }
}

/// A table of tests: name, grounds, what is expected, what is odd.
macro_rules! kinds {
    ($($name:ident: $grounds:expr, $expected:expr, $odd:expr;)*) => {
        $(
            #[test]
            fn $name() {
                crate::odd_nodes::check(&$grounds, &$odd, $expected);
            }
        )*
    };
}
pub(super) use kinds;
