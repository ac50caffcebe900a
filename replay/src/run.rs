//! A replay, from a log to ledgers.

use crate::blocks::Blocks;
use crate::count::{Counting, ProducerCodes, count};
use crate::error::ReplayError;
use crate::horizon::{Stop, horizon};
use crate::source::Source;
use alloy_primitives::Address;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use tally_engine::{
    Attribution, Batches, Counts, Fold, Grid, History, Horizon, L1Record, L2Block, Ledger, Policy, Spans,
    Timeline, UnixTime, instants,
};
use tally_eventlog::EventCursor;

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
    /// Whether to check every byte that the log has of the blocks, on the way.
    pub verify: bool,
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
    let mut replay = Replay::new(policies);
    replay.advance(source, options)?;
    Ok(replay.into_replayed())
}

/// A replay that can go on when the log has grown.
///
/// What an advance costs depends on what is new in the log, not on what lies behind; only policies that
/// [`Policy::can_continue`] denies it to are folded anew each time (they read no blocks). Whether in one advance
/// or in many, the ledgers are the same.
pub struct Replay {
    parts: Vec<Part>,
    l1_cursor: EventCursor,
    records: Vec<L1Record>,
    timeline: Timeline,
    span_cursor: EventCursor,
    spans: Spans,
    signers: Vec<Address>,
    has_failed: bool,
}

struct Part {
    fold: Fold,
    stop: Stop,
}

impl Part {
    fn horizon(&self) -> Option<Horizon> {
        self.fold.ledger().horizon
    }
}

impl Replay {
    /// Nothing replayed yet.
    pub fn new(policies: &[Policy]) -> Self {
        let part = |policy: &Policy| Part { fold: Fold::new(policy.clone()), stop: Stop::LogEnd };
        Self {
            parts: policies.iter().map(part).collect(),
            l1_cursor: EventCursor::default(),
            records: Vec::new(),
            timeline: Timeline::default(),
            span_cursor: EventCursor::default(),
            spans: Spans::new(),
            signers: Vec::new(),
            has_failed: false,
        }
    }

    /// Folds what the log has beyond the last horizons. The log is that of the last advance, and has only grown:
    /// after a rollback to before a horizon, replay anew.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the log cannot be read or folded; [`ReplayError::Unusable`] after such an error.
    pub fn advance<S: Source>(&mut self, source: &S, options: ReplayOptions<'_>) -> Result<(), ReplayError> {
        if self.has_failed {
            return Err(ReplayError::Unusable);
        }
        // Stays so unless all of it succeeds.
        self.has_failed = true;
        match options.threads {
            None => self.advance_here(source, options)?,
            Some(threads) => {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let pool =
                    pool.map_err(|error| ReplayError::Threads { threads, reason: error.to_string() })?;
                pool.install(|| self.advance_here(source, options))?;
            }
        }
        self.has_failed = false;
        Ok(())
    }

    /// Each policy, its ledger, and why it ends where it does.
    pub fn ledgers(&self) -> impl Iterator<Item = (&Policy, &Ledger, Stop)> {
        self.parts.iter().map(|part| (part.fold.policy(), part.fold.ledger(), part.stop))
    }

    /// The same, by value.
    pub fn into_replayed(self) -> Vec<Replayed> {
        let replayed = |part: Part| {
            let policy = part.fold.policy().clone();
            Replayed { policy, ledger: part.fold.into_ledger(), stop: part.stop }
        };
        self.parts.into_iter().map(replayed).collect()
    }

    fn advance_here<S: Source>(&mut self, source: &S, options: ReplayOptions<'_>) -> Result<(), ReplayError> {
        let heads = source.heads();
        let new_records = source.l1_records_after(&mut self.l1_cursor)?;
        for record in &new_records {
            self.timeline.apply(record);
        }
        self.records.extend(new_records);
        if u64::try_from(self.signers.len()) != Ok(heads.signers.count) || options.verify {
            self.signers = source.signers()?;
        }
        // Policies go on together from where they stand together.
        let mut groups: BTreeMap<Option<L2Block>, Vec<usize>> = BTreeMap::new();
        for (index, part) in self.parts.iter_mut().enumerate() {
            if !part.fold.policy().can_continue() {
                part.fold = Fold::new(part.fold.policy().clone());
            }
            groups.entry(part.horizon().map(|horizon| horizon.block)).or_default().push(index);
        }
        for (last, group) in groups {
            if let Some(folded) = last
                && heads.l2.is_none_or(|head| head.block < folded)
            {
                let found = heads.l2.map(|head| head.block).unwrap_or_default();
                return Err(ReplayError::WentBack { folded, found });
            }
            self.advance_group(source, options, last, &group)?;
        }
        Ok(())
    }

    /// Advances policies whose last horizon is the block `last`.
    fn advance_group<S: Source>(
        &mut self,
        source: &S,
        options: ReplayOptions<'_>,
        last: Option<L2Block>,
        group: &[usize],
    ) -> Result<(), ReplayError> {
        let from = last.and_then(L2Block::next);
        let blocks = Blocks::new(source, from)?;
        let by_schedule = |part: &Part| part.fold.policy().attribution() == Attribution::Scheduled;
        let parts = || group.iter().filter_map(|index| self.parts.get(*index));
        // Signed blocks need no span, so where all are signed nobody reads millions of them.
        if options.verify || blocks.has_unsigned() || parts().any(by_schedule) {
            source.for_each_span_record::<ReplayError>(&mut self.span_cursor, |record| {
                Ok(self.spans.apply(&record)?)
            })?;
        }
        let mut ends = Vec::new();
        for part in parts() {
            ends.push(horizon(&blocks, &self.spans, part.fold.policy().attribution(), from, options.to)?);
        }
        let of_policy = |policy: &Policy, error| ReplayError::Fold { policy: policy.name().into(), error };
        let after = parts().next().and_then(Part::horizon).map(|horizon| horizon.timestamp);
        let horizons: Vec<Horizon> = ends.iter().filter_map(|(horizon, _)| *horizon).collect();
        let until = horizons.iter().map(|horizon| horizon.timestamp).max().unwrap_or(UnixTime(0));
        let mut all_instants = BTreeSet::new();
        for part in parts() {
            let policy = part.fold.policy();
            let instants = instants(policy, &self.timeline, after, until);
            all_instants.extend(instants.map_err(|error| of_policy(policy, error))?);
        }
        let all_instants: Vec<UnixTime> = all_instants.into_iter().collect();
        let boundaries = blocks.boundaries(&all_instants)?;
        let cuts: Vec<L2Block> = horizons.iter().map(|horizon| horizon.block).collect();
        let range =
            blocks.range().zip(cuts.iter().max()).map(|((first, _), end)| from.unwrap_or(first)..=*end);
        let Some(range) = range else {
            for (index, (_, stop)) in group.iter().zip(ends) {
                self.parts[*index].stop = stop;
            }
            return Ok(());
        };
        let grid = Grid::new(*range.start(), *range.end(), boundaries, &cuts);
        // A schedule is in the spans alone.
        let counts = if options.verify || parts().any(|part| !by_schedule(part)) {
            let producers = ProducerCodes::new(&self.signers, &self.spans);
            let counting =
                Counting { producers: &producers, spans: &self.spans, grid: &grid, verify: options.verify };
            count(&blocks, &counting, &parts_of(&range, options.splits))?
        } else {
            Counts::default()
        };
        let batches = Batches::from_records(&self.records, source.genesis().reward_per_block);
        let history = History {
            timeline: &self.timeline,
            spans: &self.spans,
            batches: &batches,
            grid: &grid,
            counts: &counts,
        };
        for (index, (horizon, stop)) in group.iter().zip(ends) {
            let part = &mut self.parts[*index];
            part.stop = stop;
            if let Some(horizon) = horizon {
                let advanced = part.fold.advance(&history, horizon);
                advanced.map_err(|error| of_policy(part.fold.policy(), error))?;
            }
        }
        Ok(())
    }
}

/// A range of blocks, cut before each of `splits` that lies in it.
fn parts_of(range: &RangeInclusive<L2Block>, splits: &[L2Block]) -> Vec<RangeInclusive<L2Block>> {
    let (first, last) = (*range.start(), *range.end());
    let mut ends: Vec<L2Block> =
        splits.iter().copied().filter(|split| (first..last).contains(split)).collect();
    ends.sort_unstable();
    ends.dedup();
    ends.push(last);
    let mut from = first;
    let mut parts = Vec::new();
    for end in ends {
        parts.push(from..=end);
        from = end.next().unwrap_or(end);
    }
    parts
}
