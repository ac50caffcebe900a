//! A replay, from a log to ledgers.

use crate::blocks::Blocks;
use crate::count::count;
use crate::error::ReplayError;
use crate::horizon::{Stop, horizon};
use crate::source::Source;
use std::collections::BTreeSet;
use tally_engine::{
    Batches, Counts, Grid, History, L1Record, L2Block, Ledger, Policy, Spans, Timeline, UnixTime, fold,
    instants,
};

/// One policy's part of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The rules.
    pub policy: Policy,
    /// What they make of the log.
    pub ledger: Ledger,
    /// Why it ends where it does.
    pub stop: Stop,
}

/// How to replay.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayOptions<'a> {
    /// The last block, if the log reaches further.
    pub to: Option<L2Block>,
    /// How many threads count, or `None` for one a core.
    pub threads: Option<usize>,
    /// Where to split the blocks: each part is counted by itself, and the counts are added. The result
    /// is the same for any split.
    pub splits: &'a [L2Block],
}

/// Folds a log under several policies, counting the blocks once for all of them.
///
/// # Errors
///
/// [`ReplayError`] if the log cannot be read or folded.
pub fn replay<S: Source>(
    source: &S,
    policies: &[Policy],
    options: ReplayOptions<'_>,
) -> Result<Vec<Replayed>, ReplayError> {
    match options.threads {
        None => replay_here(source, policies, options),
        Some(threads) => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.map_err(|error| ReplayError::Threads { threads, reason: error.to_string() })?;
            pool.install(|| replay_here(source, policies, options))
        }
    }
}

fn replay_here<S: Source>(
    source: &S,
    policies: &[Policy],
    options: ReplayOptions<'_>,
) -> Result<Vec<Replayed>, ReplayError> {
    let records: Vec<L1Record> = source.l1_records()?;
    let timeline = Timeline::from_records(&records);
    let spans = Spans::from_records(&source.span_records()?)?;
    let batches = Batches::from_records(&records, source.genesis().reward_per_block);
    let blocks = Blocks::new(source)?;
    let mut ends = Vec::new();
    for policy in policies {
        ends.push(horizon(&blocks, &spans, policy.attribution(), options.to)?);
    }
    let horizons: Vec<_> = ends.iter().filter_map(|(horizon, _)| *horizon).collect();
    let until = horizons.iter().map(|horizon| horizon.timestamp).max().unwrap_or(UnixTime(0));
    let of_policy = |policy: &Policy, error| ReplayError::Fold { policy: policy.name().into(), error };
    let mut all_instants = BTreeSet::new();
    for policy in policies {
        let instants = instants(policy, &timeline, until).map_err(|error| of_policy(policy, error))?;
        all_instants.extend(instants);
    }
    let boundaries = blocks.boundaries(all_instants)?;
    let cuts: Vec<L2Block> = horizons.iter().map(|horizon| horizon.block).collect();
    let last = cuts.iter().max().copied();
    let (grid, counts) = match (blocks.range(), last) {
        (Some((first, _)), Some(last)) => {
            let grid = Grid::new(first, last, boundaries, &cuts);
            let counts = count_parts(&blocks, &spans, &grid, (first, last), options.splits)?;
            (grid, counts)
        }
        _ => (Grid::new(L2Block(1), L2Block(0), boundaries, &[]), Counts::new()),
    };
    let history =
        History { timeline: &timeline, spans: &spans, batches: &batches, grid: &grid, counts: &counts };
    let mut replayed = Vec::new();
    for (policy, (horizon, stop)) in policies.iter().zip(ends) {
        let ledger = fold(policy, &history, horizon).map_err(|error| of_policy(policy, error))?;
        replayed.push(Replayed { policy: policy.clone(), ledger, stop });
    }
    Ok(replayed)
}

fn count_parts<S: Source>(
    blocks: &Blocks<'_, S>,
    spans: &Spans,
    grid: &Grid,
    (first, last): (L2Block, L2Block),
    splits: &[L2Block],
) -> Result<Counts, ReplayError> {
    let mut ends: Vec<L2Block> =
        splits.iter().copied().filter(|split| (first..last).contains(split)).collect();
    ends.sort_unstable();
    ends.dedup();
    ends.push(last);
    let mut total = Counts::new();
    let mut from = first;
    for end in ends {
        total.merge(&count(blocks, spans, grid, (from, end))?)?;
        from = end.next().unwrap_or(end);
    }
    Ok(total)
}
