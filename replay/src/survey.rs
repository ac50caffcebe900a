//! What a fold needs of a log: how far it can go, where things change, and who made how many blocks.

use crate::blocks::Blocks;
use crate::count::{Counting, ProducerCodes, count};
use crate::error::ReplayError;
use crate::horizon::{Stop, horizon};
use crate::options::ReplayOptions;
use alloy_primitives::Address;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use tally_engine::{
    Attribution, Batches, Counts, FirstPayable, Genesis, Grid, History, Horizon, L1Record, L2Block, Policy,
    Spans, Timeline, UnixTime, instants,
};
use tally_eventlog::{EventCursor, LogView};

/// What has been read of a log beside its blocks; it reads on when the log has grown.
#[derive(Clone, Default)]
pub(crate) struct Surveyor {
    l1_cursor: EventCursor,
    timeline: Timeline,
    batches: Option<Batches>,
    span_cursor: EventCursor,
    spans: Spans,
    /// Everybody whom a span names.
    span_signers: BTreeSet<Address>,
    /// The signers of the log, in the order of their codes.
    signers: Vec<Address>,
}

/// The blocks after some horizon, as policies see them.
pub(crate) struct Survey<'a> {
    /// How far each policy can go, in their order, and why no further.
    pub(crate) ends: Vec<(Option<Horizon>, Stop)>,
    timeline: &'a Timeline,
    spans: &'a Spans,
    batches: &'a Batches,
    first_payable: Option<FirstPayable>,
    grid: Grid,
    counts: Counts,
}

impl Surveyor {
    /// Reads what is new of L1, and the signers.
    pub(crate) fn read_on<L: LogView>(
        &mut self,
        log: &L,
        options: ReplayOptions<'_>,
    ) -> Result<(), ReplayError> {
        let batches =
            self.batches.get_or_insert_with(|| Batches::new(log.identity().genesis.reward_per_block));
        let is_known = |record: &&L1Record| options.known_by.is_none_or(|by| record.timestamp <= by);
        for record in log.l1_records_after(&mut self.l1_cursor)?.iter().take_while(is_known) {
            self.timeline.apply(record);
            batches.apply(record);
        }
        // All of them each time: after a rollback others may have the same codes.
        self.signers = log.signers()?;
        Ok(())
    }

    /// The signers of the log, in the order of their codes, from 1 on.
    pub(crate) fn signers(&self) -> &[Address] {
        &self.signers
    }

    /// Counts the blocks after `last`, the last horizon of all these policies, once for all of them.
    pub(crate) fn survey<L: LogView>(
        &mut self,
        log: &L,
        options: ReplayOptions<'_>,
        last: Option<Horizon>,
        policies: &[&Policy],
    ) -> Result<Survey<'_>, ReplayError> {
        let from = last.and_then(|last| last.block.next());
        let blocks = Blocks::new(log, from)?;
        let by_schedule = |policy: &Policy| policy.attribution() == Attribution::Scheduled;
        // Signed blocks need no span, so where all are signed nobody reads millions of them.
        if options.verify || blocks.has_unsigned() || policies.iter().any(|policy| by_schedule(policy)) {
            log.for_each_span_record::<ReplayError>(&mut self.span_cursor, |record| {
                self.spans.apply(&record)?;
                self.span_signers.extend(record.event.signer());
                Ok(())
            })?;
        }
        let mut ends = Vec::new();
        for policy in policies {
            ends.push(horizon(&blocks, &self.spans, policy.attribution(), from, options.to)?);
        }
        let horizons: Vec<Horizon> = ends.iter().filter_map(|(horizon, _)| *horizon).collect();
        let after = last.map(|last| last.timestamp);
        let batches =
            self.batches.get_or_insert_with(|| Batches::new(log.identity().genesis.reward_per_block));
        let first_payable = first_payable(&blocks, &self.spans, batches, policies)?;
        let mut all_instants = BTreeSet::new();
        for (policy, (horizon, _)) in policies.iter().zip(&ends) {
            let Some(horizon) = horizon else { continue };
            let payable_from = first_payable.and_then(|first| first.up_to(horizon.block));
            let instants = instants(policy, &self.timeline, payable_from, after, horizon.timestamp);
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
                let producers = ProducerCodes::new(&self.signers, &self.span_signers);
                let spans = &self.spans;
                let counting = Counting { producers: &producers, spans, grid: &grid, verify: options.verify };
                count(&blocks, &counting, &parts_of(range, options.splits))?
            }
            _ => Counts::default(),
        };
        if options.verify {
            let counted = range.as_ref().map(|range| *range.end());
            blocks.verify_after(counted.or(last.map(|last| last.block)))?;
        }
        let (timeline, spans) = (&self.timeline, &self.spans);
        Ok(Survey { ends, timeline, spans, batches, first_payable, grid, counts })
    }
}

impl Survey<'_> {
    /// The timeline, spans, batches and counts that a fold reads.
    pub(crate) fn history(&self) -> History<'_> {
        History {
            timeline: self.timeline,
            spans: self.spans,
            batches: self.batches,
            first_payable: self.first_payable,
            grid: &self.grid,
            counts: &self.counts,
        }
    }
}

/// The first block of the log that a batch can pay, if one of the policies asks for it.
fn first_payable<L: LogView>(
    blocks: &Blocks<'_, L>,
    spans: &Spans,
    batches: &Batches,
    policies: &[&Policy],
) -> Result<Option<FirstPayable>, ReplayError> {
    if policies.iter().all(|policy| policy.genesis() != Genesis::FirstPayable) {
        return Ok(None);
    }
    let Some((first, last)) = blocks.range() else {
        return Ok(None);
    };
    let block = batches.first_payable_block(spans, first).filter(|block| *block <= last);
    let found = block.map(|block| Ok(FirstPayable { block, timestamp: blocks.timestamp(block)? }));
    found.transpose()
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
