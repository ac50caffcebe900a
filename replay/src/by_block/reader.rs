//! Reading the ledger block by block, epoch by epoch.

use super::{BlockEntry, BlockLedger, BlockRun, Slotted};
use crate::error::ReplayError;
use std::collections::BTreeMap;
use std::mem;
use std::ops::{Range, RangeInclusive};
use tally_engine::{
    Assessed, Assessor, EpochIndex, FoldError, L2Block, Span, SpanCursor, Spans, UnixTime, Wei,
};
use tally_eventlog::{
    CHUNK_BLOCKS_MAX, CodeCounts, LogError, LogView, Producers, Times, UNSIGNED, chunk_start,
};

/// How many epochs a reader remembers. Each takes some hundred kilobytes: its spans, and for each chunk what every
/// sequencer had earned by then.
const EPOCHS_HELD: usize = 128;

/// Reads blocks of a ledger, and remembers the epochs that it has read.
pub struct BlockReader<'l, 'a, L> {
    ledger: &'l BlockLedger<'a, L>,
    /// The parts that were read, by their first block.
    parts: BTreeMap<L2Block, Part<'l>>,
    scratch: Scratch,
}

/// What reading needs for a while.
struct Scratch {
    counts: CodeCounts,
    /// By code: what a block of that signer earns now.
    by_code: Vec<Option<Slotted>>,
    /// Code and length of a chunk's runs.
    runs: Vec<(u16, u16)>,
    /// The timestamps of a chunk's blocks.
    times: Vec<UnixTime>,
}

/// An epoch, or the time before epoch 0, as far as it has been read.
struct Part<'l> {
    epoch: Option<EpochIndex>,
    range: RangeInclusive<L2Block>,
    /// The assessor as it stands at the first block of the part.
    assessor: Assessor<'l>,
    spans: Spans,
    /// What each sequencer had earned by the part's first block, and by each chunk after it, by slot.
    totals: Vec<Vec<Wei>>,
}

impl<'l, 'a, L: LogView> BlockReader<'l, 'a, L> {
    pub(super) fn new(ledger: &'l BlockLedger<'a, L>) -> Self {
        let signers = u16::try_from(ledger.signers.len()).expect("a log has no more: codes have 16 bits");
        let by_code = vec![None; usize::from(signers) + 1];
        let scratch =
            Scratch { counts: CodeCounts::new(signers), by_code, runs: Vec::new(), times: Vec::new() };
        Self { ledger, parts: BTreeMap::new(), scratch }
    }

    /// One block; `None` if the ledger does not have it.
    ///
    /// # Errors
    ///
    /// As [`BlockReader::for_each`].
    pub fn entry(&mut self, block: L2Block) -> Result<Option<BlockEntry>, ReplayError> {
        let mut found = None;
        self.for_each(block..=block, |entry| found = Some(*entry))?;
        Ok(found)
    }

    /// Calls `each` for the blocks of `range` that the ledger has, in order.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the log cannot be read, or if the ledger is not that of this log.
    pub fn for_each(
        &mut self,
        range: RangeInclusive<L2Block>,
        mut each: impl FnMut(&BlockEntry),
    ) -> Result<(), ReplayError> {
        let mut rest = Some(range);
        while let Some(range) = rest {
            rest = self.next_chunk(&range, &mut |run| run.entries().for_each(|entry| each(&entry)))?;
        }
        Ok(())
    }

    /// Calls `each` for the first blocks of `range`, those that lie in one chunk and one epoch, in runs of blocks that
    /// have all but their times in common; returns the rest.
    ///
    /// # Errors
    ///
    /// As [`BlockReader::for_each`].
    pub fn next_chunk(
        &mut self,
        range: &RangeInclusive<L2Block>,
        each: &mut impl FnMut(&BlockRun<'_>),
    ) -> Result<Option<RangeInclusive<L2Block>>, ReplayError> {
        let Some(all) = self.ledger.range() else {
            return Ok(None);
        };
        let (start, end) = (*range.start().max(all.start()), *range.end().min(all.end()));
        if start > end {
            return Ok(None);
        }
        let Self { ledger, parts, scratch } = self;
        let part = part_of(ledger, parts, start)?;
        let last = part.visit(ledger, scratch, start..=end.min(*part.range.end()), each)?;
        Ok(last.next().filter(|next| *next <= end).map(|next| next..=end))
    }
}

/// The part that `block` is in, which the ledger has.
fn part_of<'p, 'l, L: LogView>(
    ledger: &'l BlockLedger<'_, L>,
    parts: &'p mut BTreeMap<L2Block, Part<'l>>,
    block: L2Block,
) -> Result<&'p mut Part<'l>, ReplayError> {
    let held = parts.range(..=block).next_back().filter(|(_, part)| part.range.contains(&block));
    let key = if let Some((key, _)) = held {
        *key
    } else {
        let part = Part::new(ledger, block)?;
        if parts.len() >= EPOCHS_HELD {
            // Whichever: readers go forwards, or anywhere.
            parts.pop_first();
        }
        let key = *part.range.start();
        parts.insert(key, part);
        key
    };
    Ok(parts.get_mut(&key).expect("it is there or was put there"))
}

impl<'l> Part<'l> {
    fn new<L: LogView>(ledger: &'l BlockLedger<'_, L>, block: L2Block) -> Result<Self, ReplayError> {
        let mut assessor = Assessor::new(ledger.basis());
        let of_policy = |error| ReplayError::of_policy(&ledger.replayed.policy, error);
        assessor.reach(ledger.blocks.timestamp(block)?).map_err(of_policy)?;
        let epoch = assessor.epoch();
        let range = ledger.blocks_of(epoch)?.filter(|range| range.contains(&block));
        let range = range.ok_or_else(|| ReplayError::NotTheLedger {
            what: "the epoch of a block",
            expected: format!("one with block {block}"),
            found: format!("{epoch:?}"),
        })?;
        let mut assessor = Assessor::new(ledger.basis());
        assessor.reach(ledger.blocks.timestamp(*range.start())?).map_err(of_policy)?;
        let spans = ledger.spans_over(&range)?;
        Ok(Self { epoch, range, assessor, spans, totals: vec![ledger.opening(epoch)] })
    }

    /// Calls `each` for the first blocks of `range` (which is not empty, and in this part) that lie in one chunk;
    /// returns the last of them.
    fn visit<L: LogView>(
        &mut self,
        ledger: &BlockLedger<'_, L>,
        scratch: &mut Scratch,
        range: RangeInclusive<L2Block>,
        each: &mut impl FnMut(&BlockRun<'_>),
    ) -> Result<L2Block, ReplayError> {
        let (first_of_log, first) = (ledger.log.identity().l2_first_block, *range.start());
        let chunk = chunk_start(first_of_log, first);
        self.earn_up_to(ledger, scratch, chunk)?;
        let mut walk = Walk::new(ledger, scratch, &self.spans, &self.assessor);
        let totals = &mut self.totals;
        let ordinal = ordinal(*self.range.start(), chunk);
        let mut running = totals.get(ordinal).cloned().expect("the totals reach up to this chunk");
        let part_start = *self.range.start();
        let (last, is_whole) = ledger.log.with_columns(chunk, |producers, times| {
            let offset = |block: L2Block| offset_in(chunk, block, producers);
            let end = offset(*range.end())?.saturating_add(1).min(producers.blocks());
            let from = offset(first)?;
            if end <= from {
                return Err(ReplayError::from(LogError::Undecodable {
                    place: format!("the chunk of L2 block {chunk}"),
                    reason: format!("it ends before block {first}"),
                }));
            }
            walk.accrue(producers, times, offset(part_start.max(chunk))?..from, &mut running)?;
            walk.list(producers, times, from..end, &mut running, each)?;
            let last = L2Block(chunk.0.saturating_add(u64::from(end)).saturating_sub(1));
            Ok::<_, ReplayError>((last, end == producers.blocks()))
        })?;
        if last == *self.range.end() {
            // Only the last epoch may end amid what the ledger has of it.
            let next = self.epoch.map_or(EpochIndex(0), |epoch| EpochIndex(epoch.0.saturating_add(1)));
            ledger.check_opening(Some(next), &running)?;
        } else if is_whole && totals.len() == ordinal + 1 {
            totals.push(running);
        }
        Ok(last)
    }

    /// Makes `totals` reach up to the chunk that begins at `chunk`.
    fn earn_up_to<L: LogView>(
        &mut self,
        ledger: &BlockLedger<'_, L>,
        scratch: &mut Scratch,
        chunk: L2Block,
    ) -> Result<(), ReplayError> {
        let start = *self.range.start();
        let wanted = ordinal(start, chunk);
        let mut walk = Walk::new(ledger, scratch, &self.spans, &self.assessor);
        while let Some(done) = self.totals.len().checked_sub(1).filter(|done| *done < wanted) {
            let mut running = self.totals.last().cloned().expect("those of the part's beginning are there");
            let chunk = chunk_of(start, ledger.log.identity().l2_first_block, done);
            if self.epoch.is_some() {
                ledger.log.with_columns(chunk, |producers, times| {
                    let from = offset_in(chunk, start.max(chunk), producers)?;
                    walk.accrue(producers, times, from..producers.blocks(), &mut running)
                })?;
            }
            self.totals.push(running);
        }
        Ok(())
    }
}

/// How many chunks lie between that of block `start` and `chunk`.
fn ordinal(start: L2Block, chunk: L2Block) -> usize {
    // Both round down.
    let chunks = (chunk.0 / CHUNK_BLOCKS_MAX).saturating_sub(start.0 / CHUNK_BLOCKS_MAX);
    usize::try_from(chunks).expect("their totals are in memory")
}

/// The chunk that lies `ordinal` chunks after that of block `start`.
fn chunk_of(start: L2Block, first_of_log: L2Block, ordinal: usize) -> L2Block {
    let chunks = u64::try_from(ordinal).unwrap_or(u64::MAX).saturating_mul(CHUNK_BLOCKS_MAX);
    chunk_start(first_of_log, L2Block(start.0.saturating_add(chunks)))
}

/// The place of `block` in the chunk that begins at `chunk`; its end for a later one.
fn offset_in(chunk: L2Block, block: L2Block, producers: &Producers<'_>) -> Result<u16, LogError> {
    let offset = block.0.checked_sub(chunk.0).ok_or_else(|| LogError::Undecodable {
        place: format!("the chunk of L2 block {chunk}"),
        reason: format!("block {block} lies before it"),
    })?;
    Ok(u16::try_from(offset).unwrap_or(u16::MAX).min(producers.blocks()))
}

/// A way along the blocks of a chunk.
struct Walk<'w, 'l, 'a, L> {
    ledger: &'w BlockLedger<'a, L>,
    scratch: &'w mut Scratch,
    spans: &'w Spans,
    assessor: Assessor<'l>,
}

impl<'w, 'l, 'a, L: LogView> Walk<'w, 'l, 'a, L> {
    fn new(
        ledger: &'w BlockLedger<'a, L>,
        scratch: &'w mut Scratch,
        spans: &'w Spans,
        assessor: &Assessor<'l>,
    ) -> Self {
        // What was held was of another time.
        scratch.by_code.fill(None);
        Self { ledger, scratch, spans, assessor: assessor.clone() }
    }

    /// Adds what the blocks of `range` earn to `totals`, without looking at each.
    fn accrue(
        &mut self,
        producers: &Producers<'_>,
        times: &Times<'_>,
        range: Range<u16>,
        totals: &mut [Wei],
    ) -> Result<(), ReplayError> {
        let mut from = range.start;
        while from < range.end {
            let time = time_at(times, from)?;
            self.reach(time)?;
            let to = match self.assessor.until() {
                Some(until) => times.count_before(until)?.min(range.end),
                None => range.end,
            };
            if to <= from {
                return Err(ReplayError::NotTheLedger {
                    what: "the next instant at which something changes",
                    expected: format!("after {time}"),
                    found: format!("{:?}", self.assessor.until()),
                });
            }
            let first = producers.first_block();
            let block = |offset: u16| L2Block(first.0.saturating_add(u64::from(offset)));
            if self.ledger.is_scheduled() {
                self.accrue_scheduled(block(from), u64::from(to - from), totals)?;
            } else {
                self.accrue_signed(producers, from..to, totals)?;
            }
            from = to;
        }
        Ok(())
    }

    fn accrue_signed(
        &mut self,
        producers: &Producers<'_>,
        range: Range<u16>,
        totals: &mut [Wei],
    ) -> Result<(), ReplayError> {
        self.scratch.counts.add(producers, range.clone())?;
        let mut counted = Vec::new();
        self.scratch.counts.take(|code, blocks| counted.push((code, blocks)))?;
        for (code, blocks) in counted.into_iter().filter(|(code, _)| *code != UNSIGNED) {
            let slotted = self.of_code(code)?;
            add(totals, &slotted, blocks)?;
        }
        if producers.unsigned() > 0 {
            let mut unsigned = Vec::new();
            producers.for_each_unsigned(range, |first, blocks| unsigned.push((first, u64::from(blocks))))?;
            for (first, blocks) in unsigned {
                self.accrue_scheduled(first, blocks, totals)?;
            }
        }
        Ok(())
    }

    /// Adds what `blocks` blocks from `first` on earn by their spans.
    fn accrue_scheduled(
        &mut self,
        first: L2Block,
        blocks: u64,
        totals: &mut [Wei],
    ) -> Result<(), ReplayError> {
        let last = L2Block(first.0.saturating_add(blocks.saturating_sub(1)));
        for piece in SpanCursor::new(self.spans).pieces(first, last) {
            let slotted = self.of_span(piece.span)?;
            add(totals, &slotted, piece.blocks().expect("they lie in one chunk"))?;
        }
        Ok(())
    }

    /// Calls `each` for the blocks of `range`, and adds what they earn to `totals`.
    fn list(
        &mut self,
        producers: &Producers<'_>,
        times: &Times<'_>,
        range: Range<u16>,
        totals: &mut [Wei],
        each: &mut impl FnMut(&BlockRun<'_>),
    ) -> Result<(), ReplayError> {
        let (is_scheduled, mut spans) = (self.ledger.is_scheduled(), SpanCursor::new(self.spans));
        let (mut runs, mut stamps) = (mem::take(&mut self.scratch.runs), mem::take(&mut self.scratch.times));
        runs.clear();
        producers.for_each_run(range.clone(), |code, blocks| runs.push((code, blocks)))?;
        stamps.clear();
        for time in times.iter_from(range.start).take(range.len()) {
            stamps.push(time?);
        }
        let mut block = L2Block(producers.first_block().0.saturating_add(u64::from(range.start)));
        let mut left = stamps.as_slice();
        for (code, mut blocks) in runs.iter().copied() {
            while blocks > 0 {
                let cut = || LogError::Undecodable {
                    place: format!("the times of L2 block {block}"),
                    reason: "they end before it".into(),
                };
                self.reach(*left.first().ok_or_else(cut)?)?;
                // As many as have all but the time in common.
                let rest = L2Block(block.0.saturating_add(u64::from(blocks).saturating_sub(1)));
                let piece = spans.piece(block, rest);
                let together = piece.blocks().and_then(|blocks| usize::try_from(blocks).ok());
                let (span, together) = (piece.span, together.expect("they lie in one chunk"));
                let mut now = left.get(..together).unwrap_or(left);
                if let Some(until) = self.assessor.until().filter(|until| now.last() >= Some(until)) {
                    now = now.get(..now.partition_point(|time| *time < until)).unwrap_or(now);
                }
                let slotted =
                    if is_scheduled || code == UNSIGNED { self.of_span(span)? } else { self.of_code(code)? };
                let count = u16::try_from(now.len()).unwrap_or(u16::MAX);
                let total_before = match slotted.assessed {
                    Assessed::Rewarded { .. } => *totals.get(slotted.slot).expect("every slot has a total"),
                    Assessed::Unrewarded { .. } => Wei::ZERO,
                };
                add(totals, &slotted, u64::from(count))?;
                each(&BlockRun {
                    first_block: block,
                    times: now,
                    epoch: self.assessor.epoch(),
                    span,
                    signer: self.ledger.signer(code),
                    assessed: slotted.assessed,
                    total_before,
                    is_scheduled,
                });
                block = L2Block(block.0.saturating_add(u64::from(count)));
                left = left.get(now.len()..).unwrap_or_default();
                blocks = blocks.saturating_sub(count);
            }
        }
        (self.scratch.runs, self.scratch.times) = (runs, stamps);
        Ok(())
    }

    fn reach(&mut self, time: UnixTime) -> Result<(), ReplayError> {
        let reached = self.assessor.reach(time);
        let is_changed =
            reached.map_err(|error| ReplayError::of_policy(&self.ledger.replayed.policy, error))?;
        if is_changed {
            self.scratch.by_code.fill(None);
        }
        Ok(())
    }

    fn of_code(&mut self, code: u16) -> Result<Slotted, ReplayError> {
        if let Some(Some(slotted)) = self.scratch.by_code.get(usize::from(code)) {
            return Ok(*slotted);
        }
        let assessed = self.assessor.by_signer(self.ledger.signer(code));
        let slotted = self.slotted(assessed)?;
        if let Some(held) = self.scratch.by_code.get_mut(usize::from(code)) {
            *held = Some(slotted);
        }
        Ok(slotted)
    }

    fn of_span(&mut self, span: Option<&Span>) -> Result<Slotted, ReplayError> {
        let assessed = self.assessor.by_span(self.spans, span);
        self.slotted(assessed)
    }

    fn slotted(&self, assessed: Result<Assessed, FoldError>) -> Result<Slotted, ReplayError> {
        let assessed =
            assessed.map_err(|error| ReplayError::of_policy(&self.ledger.replayed.policy, error))?;
        let slot = match assessed {
            Assessed::Rewarded { sequencer, .. } => self.ledger.slot_of(sequencer)?,
            Assessed::Unrewarded { .. } => usize::MAX,
        };
        Ok(Slotted { assessed, slot })
    }
}

/// Adds `blocks` times the reward of one to the total of whom it is for.
#[inline]
fn add(totals: &mut [Wei], slotted: &Slotted, blocks: u64) -> Result<(), ReplayError> {
    let Assessed::Rewarded { reward, .. } = slotted.assessed else {
        return Ok(());
    };
    let total = totals.get_mut(slotted.slot).expect("every slot has a total");
    let sum = reward.times(blocks).and_then(|reward| total.checked_add(reward));
    *total = sum.map_err(FoldError::from)?;
    Ok(())
}

fn time_at(times: &Times<'_>, offset: u16) -> Result<UnixTime, LogError> {
    times.get(offset)?.ok_or_else(|| LogError::Undecodable {
        place: format!("the times of the chunk of L2 block {}", times.first_block()),
        reason: format!("they end before block {offset} of it"),
    })
}
