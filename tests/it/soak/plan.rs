//! What happens in one run, all of it drawn from its seed.

use super::faults;
use crate::odd_nodes::lost_logs::pool_logs;
use fastrand::Rng;
use replay_node::{Options, Reorg, SecondNode, Turn, Unknown};
use std::time::Duration;

/// How far below its head a node says that blocks are final. No reorg is as deep.
pub(super) const FINAL_LAG: u64 = 64;

/// Which command writes the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `tally ingest`, with a server beside it that reads the log.
    Ingest,
    /// `tally serve`, which ingests, too.
    Serve,
}

/// How the disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiskFault {
    /// It is full but for so many KiB.
    Full(u64),
    /// No file may be larger than so many KiB.
    FileLimit(u64),
}

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// The heads move here; some nodes are so many blocks behind.
    Heads { l1: u64, l2: u64, behind: u64 },
    /// L1's nodes give up the branch that their heads are on, one after the other, with so many requests between.
    Reorganize { requests_between: u64 },
    /// The process that writes the log is killed, and started again.
    Kill,
    /// The server is killed, and started again. Where it is what writes the log, that is the same.
    KillServer,
    /// The disk fails, until the process has said so.
    Disk(DiskFault),
}

/// All that happens in one run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) recording: &'static str,
    pub(super) command: Command,
    /// The last blocks that the log is to have.
    pub(super) to: (u64, u64),
    /// How far below the heads blocks are taken, on either chain.
    pub(super) margins: (u64, u64),
    pub(super) nodes: Vec<Options>,
    /// Which nodes are asked for L1 and for L2, and in which order.
    pub(super) order: [Vec<usize>; 2],
    /// What happens, and after how many more requests: they are the clock of a run.
    pub(super) acts: Vec<(u64, Act)>,
    pub(super) reorgs: Vec<Reorg>,
}

/// A recording, its first blocks, the last ones that a run may go to, and blocks of L1 at which the contracts' state is
/// known.
struct Ground {
    recording: &'static str,
    first: (u64, u64),
    last: (u64, u64),
    states: &'static [u64],
}

const GROUNDS: [Ground; 2] = [
    Ground {
        recording: "small-a",
        first: (20_210_001, 1_003),
        last: (20_221_000, 3_002),
        states: &[20_218_181, 20_219_101, 20_219_502, 20_219_924, 20_220_353, 20_220_801],
    },
    Ground {
        recording: "pool-a",
        first: (19_430_001, 15_214_503),
        last: (19_433_500, 15_217_500),
        states: &[19_430_586, 19_431_135, 19_431_698, 19_432_259, 19_432_883, 19_433_440],
    },
];

impl Plan {
    /// That of a seed. The recordings take turns.
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let ground = &GROUNDS[usize::from(seed.is_multiple_of(2))];
        let l1 = if rng.bool() {
            ground.states[rng.usize(..ground.states.len())]
        } else {
            rng.u64(ground.first.0 + 500..=ground.last.0)
        };
        let l2 = rng.u64(ground.first.1 + 350..=ground.last.1);
        let margins = if rng.u8(0..4) == 0 { (8, 10) } else { (0, 0) };
        // The chains end with the margins, and a recording may have no more blocks than a run goes to.
        let to = (l1, l2.min(ground.last.1 - margins.1));
        let ends = (to.0 + margins.0, to.1 + margins.1);
        let reorgs = reorgs(&mut rng, ground, to.0);
        let start = (rng.u64(ground.first.0 + 70..ground.first.0 + 400), ground.first.1 + rng.u64(0..200));
        let acts = acts(&mut rng, start, ends, &reorgs);
        let count = rng.usize(1..=3);
        let true_one = rng.usize(..count);
        let nodes = (0..count)
            .map(|index| {
                let is_true = index == true_one || rng.u8(0..3) == 0;
                let mut options = node(&mut rng, is_true);
                (options.l1_head, options.l2_head, options.ends) = (Some(start.0), Some(start.1), Some(ends));
                options.reorg = reorgs.first().copied();
                options.more_reorgs = reorgs.iter().skip(1).copied().collect();
                options
            })
            .collect();
        let order = [(); 2].map(|()| {
            // A chain may have fewer endpoints, but never lacks the true one.
            let mut order: Vec<usize> =
                (0..count).filter(|index| *index == true_one || rng.u8(0..5) > 0).collect();
            rng.shuffle(&mut order);
            order
        });
        let command = if rng.u8(0..3) == 0 { Command::Serve } else { Command::Ingest };
        Self { seed, recording: ground.recording, command, to, margins, nodes, order, acts, reorgs }
    }
}

/// A node, and what it does wrong.
fn node(rng: &mut Rng, is_true: bool) -> Options {
    let turns = [Turn::Alternate, Turn::Request, Turn::Call];
    let unknowns = [Unknown::Empty, Unknown::Error, Unknown::Null];
    let second = (!is_true && rng.u8(0..3) == 0)
        .then(|| SecondNode { lag_blocks: rng.u64(1..40), turn: turns[rng.usize(..3)] });
    Options {
        finalized_lag_blocks: FINAL_LAG,
        latency: Duration::from_millis(rng.u64(0..3)),
        l2_knows_tags: rng.bool(),
        calls_per_sec: (rng.u8(0..8) == 0).then(|| rng.u32(1_000..5_000)),
        has_states: rng.u8(0..4) > 0,
        l2_logs_lag_blocks: if !is_true && rng.u8(0..8) == 0 { 7 } else { 0 },
        unknown_blocks: second.map_or(Some(Unknown::Error), |_| Some(unknowns[rng.usize(..3)])),
        second_node: second,
        odd: faults::draw(rng, is_true),
        ..Options::default()
    }
}

/// Reorgs below the stretch's end, where possible with logs of the pool in them, the lowest first.
fn reorgs(rng: &mut Rng, ground: &Ground, to: u64) -> Vec<Reorg> {
    let mut logs: Vec<u64> = pool_logs(ground.recording).into_iter().map(|(block, _)| block).collect();
    logs.dedup();
    let mut reorgs: Vec<Reorg> = Vec::new();
    for _ in 0..rng.usize(0..=3) {
        let depth = rng.u64(1..FINAL_LAG - 3);
        let at = logs[rng.usize(..logs.len())] + rng.u64(0..depth);
        let is_apart = |other: &Reorg| at.abs_diff(other.at) > 2 * FINAL_LAG;
        if at > ground.first.0 + 400 && at + 4 < to && reorgs.iter().all(is_apart) {
            reorgs.push(Reorg { at, depth, calls: u64::MAX });
        }
    }
    reorgs.sort_by_key(|reorg| reorg.at);
    reorgs
}

/// The heads move from the start to the end, by way of each reorg, and what else happens comes in between.
fn acts(rng: &mut Rng, start: (u64, u64), ends: (u64, u64), reorgs: &[Reorg]) -> Vec<(u64, Act)> {
    let mut stops: Vec<u64> = (0..rng.usize(2..7)).map(|_| rng.u64(start.0..ends.0)).collect();
    stops.extend(reorgs.iter().map(|reorg| reorg.at));
    stops.push(ends.0);
    stops.sort_unstable();
    let mut acts = Vec::new();
    let mut l2 = start.1;
    for stop in &stops {
        let is_last = *stop == ends.0;
        l2 = if is_last { ends.1 } else { l2 + rng.u64(0..=(ends.1 - l2) / 2) };
        let behind = if is_last { 0 } else { rng.u64(0..4) };
        acts.push((rng.u64(5..80), Act::Heads { l1: *stop, l2, behind }));
        if reorgs.iter().any(|reorg| reorg.at == *stop) {
            let requests_between = rng.u64(0..30);
            acts.push((rng.u64(5..120), Act::Reorganize { requests_between }));
        }
    }
    for _ in 0..rng.usize(0..=4) {
        acts.insert(rng.usize(..=acts.len()), (rng.u64(1..120), Act::Kill));
    }
    for _ in 0..rng.usize(0..=2) {
        acts.insert(rng.usize(..=acts.len()), (rng.u64(1..60), Act::KillServer));
    }
    if rng.u8(0..3) == 0 {
        let fault = if rng.u8(0..3) > 0 {
            DiskFault::Full(rng.u64(0..200))
        } else {
            DiskFault::FileLimit(rng.u64(0..40))
        };
        // Before heads move: something has to be written then.
        let moves: Vec<usize> =
            (0..acts.len()).filter(|index| matches!(acts[*index].1, Act::Heads { .. })).collect();
        acts.insert(moves[rng.usize(..moves.len())], (rng.u64(1..60), Act::Disk(fault)));
    }
    acts
}
