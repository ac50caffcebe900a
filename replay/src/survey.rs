//! What a fold needs of a log: how far it can go, where things change, and who made how many blocks.

use crate::blocks::Blocks;
use crate::count::{Counting, ProducerCodes, count};
use crate::error::ReplayError;
use crate::horizon::{Stop, horizon};
use crate::run::ReplayOptions;
use crate::source::Source;
use alloy_primitives::Address;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use tally_engine::{
    Attribution, Batches, Counts, Grid, History, Horizon, L1Record, L2Block, Policy, Spans, Timeline,
    UnixTime, instants,
};
use tally_eventlog::EventCursor;

/// What has been read of a log beside its blocks; it reads on when the log has grown.
#[derive(Default)]
pub(crate) struct Surveyor {
    l1_cursor: EventCursor,
    records: Vec<L1Record>,
    timeline: Timeline,
    span_cursor: EventCursor,
    spans: Spans,
    signers: Vec<Address>,
}

/// The blocks after some horizon, as policies see them.
pub(crate) struct Survey<'a> {
    /// How far each policy can go, in their order, and why no further.
    pub(crate) ends: Vec<(Option<Horizon>, Stop)>,
    timeline: &'a Timeline,
    spans: &'a Spans,
    batches: Batches,
    grid: Grid,
    counts: Counts,
}

impl Surveyor {
    /// Reads what is new of L1, and the signers.
    pub(crate) fn read_on<S: Source>(
        &mut self,
        source: &S,
        options: ReplayOptions<'_>,
    ) -> Result<(), ReplayError> {
        let new_records = source.l1_records_after(&mut self.l1_cursor)?;
        for record in &new_records {
            self.timeline.apply(record);
        }
        self.records.extend(new_records);
        if u64::try_from(self.signers.len()) != Ok(source.heads().signers.count) || options.verify {
            self.signers = source.signers()?;
        }
        Ok(())
    }

    /// Counts the blocks after `last`, the last horizon of all these policies, once for all of them.
    pub(crate) fn survey<S: Source>(
        &mut self,
        source: &S,
        options: ReplayOptions<'_>,
        last: Option<Horizon>,
        policies: &[&Policy],
    ) -> Result<Survey<'_>, ReplayError> {
        let from = last.and_then(|last| last.block.next());
        let blocks = Blocks::new(source, from)?;
        let by_schedule = |policy: &Policy| policy.attribution() == Attribution::Scheduled;
        // Signed blocks need no span, so where all are signed nobody reads millions of them.
        if options.verify || blocks.has_unsigned() || policies.iter().any(|policy| by_schedule(policy)) {
            source.for_each_span_record::<ReplayError>(&mut self.span_cursor, |record| {
                Ok(self.spans.apply(&record)?)
            })?;
        }
        let mut ends = Vec::new();
        for policy in policies {
            ends.push(horizon(&blocks, &self.spans, policy.attribution(), from, options.to)?);
        }
        let horizons: Vec<Horizon> = ends.iter().filter_map(|(horizon, _)| *horizon).collect();
        let until = horizons.iter().map(|horizon| horizon.timestamp).max().unwrap_or(UnixTime(0));
        let after = last.map(|last| last.timestamp);
        let mut all_instants = BTreeSet::new();
        for policy in policies {
            let instants = instants(policy, &self.timeline, after, until);
            all_instants.extend(instants.map_err(|error| ReplayError::of_policy(policy, error))?);
        }
        let all_instants: Vec<UnixTime> = all_instants.into_iter().collect();
        let boundaries = blocks.boundaries(&all_instants)?;
        let cuts: Vec<L2Block> = horizons.iter().map(|horizon| horizon.block).collect();
        let range =
            blocks.range().zip(cuts.iter().max()).map(|((first, _), end)| from.unwrap_or(first)..=*end);
        let grid = match &range {
            Some(range) => Grid::new(*range.start(), *range.end(), boundaries, &cuts),
            None => Grid::new(L2Block(1), L2Block(0), boundaries, &cuts),
        };
        // A schedule is in the spans alone.
        let is_counted = options.verify || !policies.iter().all(|policy| by_schedule(policy));
        let counts = match &range {
            Some(range) if is_counted => {
                let producers = ProducerCodes::new(&self.signers, &self.spans);
                let spans = &self.spans;
                let counting = Counting { producers: &producers, spans, grid: &grid, verify: options.verify };
                count(&blocks, &counting, &parts_of(range, options.splits))?
            }
            _ => Counts::default(),
        };
        let batches = Batches::from_records(&self.records, source.genesis().reward_per_block);
        Ok(Survey { ends, timeline: &self.timeline, spans: &self.spans, batches, grid, counts })
    }
}

impl Survey<'_> {
    /// What a fold reads.
    pub(crate) fn history(&self) -> History<'_> {
        History {
            timeline: self.timeline,
            spans: self.spans,
            batches: &self.batches,
            grid: &self.grid,
            counts: &self.counts,
        }
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
