//! What the blocks of a chunk earn, one after another.

use super::{BlockLedger, BlockRun, Slotted};
use crate::error::ReplayError;
use std::mem;
use std::ops::Range;
use tally_engine::{Assessed, Assessor, FoldError, L2Block, Span, SpanCursor, Spans, UnixTime, Wei};
use tally_eventlog::{CodeCounts, LogError, LogView, Producers, Times, UNSIGNED};

/// What reading needs for a while.
pub(super) struct Scratch {
    counts: CodeCounts,
    /// By code: what a block of that signer earns now.
    by_code: Vec<Option<Slotted>>,
    /// Code and length of a chunk's runs.
    runs: Vec<(u16, u16)>,
    /// The timestamps of a chunk's blocks.
    times: Vec<UnixTime>,
}

impl Scratch {
    pub(super) fn new(signers: u16) -> Self {
        let by_code = vec![None; usize::from(signers) + 1];
        Self { counts: CodeCounts::new(signers), by_code, runs: Vec::new(), times: Vec::new() }
    }
}

/// A way along the blocks of a chunk.
pub(super) struct ChunkWalk<'w, 'l, 'a, L> {
    ledger: &'w BlockLedger<'a, L>,
    scratch: &'w mut Scratch,
    spans: &'w Spans,
    assessor: Assessor<'l>,
}

impl<'w, 'l, 'a, L: LogView> ChunkWalk<'w, 'l, 'a, L> {
    pub(super) fn new(
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
    pub(super) fn accrue(
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
    pub(super) fn list(
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
