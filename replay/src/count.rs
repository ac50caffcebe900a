//! The hot path: how many blocks of each stretch each producer made.

use crate::blocks::Blocks;
use crate::error::ReplayError;
use alloy_primitives::Address;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use tally_engine::{Counts, FoldError, Grid, L2Block, SpanCursor, Spans};
use tally_eventlog::{CodeCounts, IndexEntry, LogView, Producers, UNSIGNED};

/// How many pieces each thread gets: enough that a thread which is held up leaves its rest to others, few
/// enough that what a piece costs by itself (a cursor, tables for counting) does not show.
const TASKS_PER_THREAD: usize = 8;

/// The fewest chunks that are worth a piece of their own.
const TASK_CHUNKS_MIN: usize = 64;

/// Who can have produced a block, by code: nobody, the log's signers in order, and those that only spans name.
pub(crate) struct ProducerCodes {
    /// The signers of the log, and so the last code that its columns know.
    signers: u16,
    producers: Vec<Option<Address>>,
    codes: BTreeMap<Address, usize>,
}

impl ProducerCodes {
    pub(crate) fn new(signers: &[Address], span_signers: &BTreeSet<Address>) -> Self {
        let mut producers = vec![None];
        producers.extend(signers.iter().copied().map(Some));
        let codes = signers.iter().copied().zip(1..).collect();
        let count = u16::try_from(signers.len()).expect("a log has no more: codes have 16 bits");
        let mut all = Self { signers: count, producers, codes };
        for signer in span_signers {
            all.codes.entry(*signer).or_insert_with(|| {
                all.producers.push(Some(*signer));
                all.producers.len() - 1
            });
        }
        all
    }

    fn code_of(&self, signer: Option<&Address>) -> usize {
        let code =
            |signer| *self.codes.get(signer).expect("all spans that were read have their signers here");
        signer.map_or(usize::from(UNSIGNED), code)
    }
}

/// What counting needs beside the blocks.
pub(crate) struct Counting<'a> {
    pub(crate) producers: &'a ProducerCodes,
    /// All that are announced, if any of the blocks is unsigned.
    pub(crate) spans: &'a Spans,
    pub(crate) grid: &'a Grid,
    /// Whether to check every byte on the way.
    pub(crate) verify: bool,
}

/// Counts the blocks of all `ranges` by stretch and producer. Counting is a sum, so the result does not depend
/// on how the blocks are split among threads, nor on how many there are.
pub(crate) fn count<L: LogView>(
    blocks: &Blocks<'_, L>,
    counting: &Counting<'_>,
    ranges: &[RangeInclusive<L2Block>],
) -> Result<Counts, ReplayError> {
    let tasks: Vec<(RangeInclusive<L2Block>, &[IndexEntry])> =
        ranges.iter().flat_map(|range| split(blocks, range)).collect();
    let counted: Result<Vec<Counts>, ReplayError> =
        tasks.into_par_iter().map(|(range, index)| count_range(blocks.log, counting, range, index)).collect();
    let mut total = Counts::new(counting.producers.producers.clone());
    for counts in counted? {
        total.merge(&counts)?;
    }
    Ok(total)
}

/// Cuts a range between chunks, into pieces of about equal numbers of them.
fn split<'a, L: LogView>(
    blocks: &'a Blocks<'_, L>,
    range: &RangeInclusive<L2Block>,
) -> Vec<(RangeInclusive<L2Block>, &'a [IndexEntry])> {
    let chunks = blocks.chunks(range);
    let tasks = rayon::current_num_threads().saturating_mul(TASKS_PER_THREAD);
    let mut pieces: Vec<_> = chunks.chunks(chunks.len().div_ceil(tasks).max(TASK_CHUNKS_MIN)).collect();
    let mut end = *range.end();
    let mut ranges = Vec::with_capacity(pieces.len());
    while let Some(piece) = pieces.pop() {
        let Some(first) = piece.first() else { break };
        let start = first.first_block.max(*range.start());
        ranges.push((start..=end, piece));
        let Some(before) = start.previous() else { break };
        end = before;
    }
    ranges.reverse();
    ranges
}

fn count_range<L: LogView>(
    log: &L,
    counting: &Counting<'_>,
    range: RangeInclusive<L2Block>,
    index: &[IndexEntry],
) -> Result<Counts, ReplayError> {
    let mut counter = RangeCounter::new(counting, &range)?;
    if counting.verify {
        let mut index = index.iter();
        log.scan_verified(range, |header, producers| {
            header.check_index_entry(index.next().copied())?;
            counter.chunk(producers)
        })?;
    } else {
        log.scan_producers(range, |producers| counter.chunk(producers))?;
    }
    counter.finish()
}

/// Counts one range after the other of the grid's stretches.
struct RangeCounter<'a> {
    counting: &'a Counting<'a>,
    first: L2Block,
    last: L2Block,
    codes: CodeCounts,
    counts: Counts,
    /// The stretch that is being counted, and its last block.
    stretch: usize,
    stretch_last: L2Block,
    spans: SpanCursor<'a>,
}

impl<'a> RangeCounter<'a> {
    fn new(counting: &'a Counting<'a>, range: &RangeInclusive<L2Block>) -> Result<Self, ReplayError> {
        let (first, last) = (*range.start(), *range.end());
        let stretch = counting.grid.stretch_of(first);
        let (_, stretch_last) =
            counting.grid.stretch(stretch).ok_or(FoldError::Unsettled { block: first })?;
        let producers = counting.producers;
        Ok(Self {
            counting,
            first,
            last,
            codes: CodeCounts::new(producers.signers),
            counts: Counts::new(producers.producers.clone()),
            stretch,
            stretch_last,
            spans: SpanCursor::new(counting.spans),
        })
    }

    /// Counts a chunk: at once, or cut where stretches end in it.
    #[inline]
    fn chunk(&mut self, chunk: &Producers<'_>) -> Result<(), ReplayError> {
        let first = chunk.first_block();
        let end = self.last.0.saturating_sub(first.0).saturating_add(1).min(u64::from(chunk.blocks()));
        let offset = |block: u64| u16::try_from(block).expect("it lies within the chunk");
        let end = offset(end);
        let mut from = offset(self.first.0.saturating_sub(first.0).min(u64::from(end)));
        while from < end {
            let left = self.stretch_last.0.checked_sub(first.0).and_then(|left| left.checked_add(1));
            let left = left.ok_or(FoldError::Unsettled { block: first })?;
            let to = u16::try_from(left).unwrap_or(u16::MAX).min(end);
            if from < to {
                self.codes.add(chunk, from..to)?;
                if chunk.unsigned() > 0 {
                    self.schedule(chunk, from..to)?;
                }
                from = to;
            }
            if left == u64::from(to) {
                self.close_stretch()?;
            }
        }
        Ok(())
    }

    /// Counts the unsigned blocks by the signers that their spans name.
    fn schedule(&mut self, chunk: &Producers<'_>, range: std::ops::Range<u16>) -> Result<(), ReplayError> {
        let Self { counting, counts, stretch, spans, .. } = self;
        let mut counted = Ok(());
        chunk.for_each_unsigned(range, |first, blocks| {
            let last = L2Block(first.0.saturating_add(u64::from(blocks).saturating_sub(1)));
            for piece in spans.pieces(first, last) {
                let code = counting.producers.code_of(piece.span.map(|span| &span.signer));
                let blocks = piece.blocks().expect("they lie in one chunk");
                if counted.is_ok() {
                    counted = counts.add(*stretch, code, blocks);
                }
            }
        })?;
        Ok(counted?)
    }

    fn close_stretch(&mut self) -> Result<(), ReplayError> {
        self.take()?;
        self.stretch += 1;
        // After the last stretch there is no block to be counted.
        self.stretch_last = self.counting.grid.stretch(self.stretch).map_or(L2Block(0), |(_, last)| last);
        Ok(())
    }

    /// Puts what was counted of the stretch into the result. Unsigned blocks are there already, by schedule.
    fn take(&mut self) -> Result<(), ReplayError> {
        let Self { codes, counts, stretch, .. } = self;
        let mut added = Ok(());
        codes.take(|code, blocks| {
            if code != UNSIGNED && added.is_ok() {
                added = counts.add(*stretch, usize::from(code), blocks);
            }
        })?;
        Ok(added?)
    }

    fn finish(mut self) -> Result<Counts, ReplayError> {
        self.take()?;
        Ok(self.counts)
    }
}
