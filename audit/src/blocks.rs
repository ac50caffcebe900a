//! Who made the blocks, and who was to.

use crate::code::Code;
use crate::finding::Finding;
use alloy_primitives::Address;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use tally_engine::{Assessed, L2Block, Policy, SequencerId, SignerBook, Span, SpanId, Spans, Unrewarded};
use tally_eventlog::LogView;
use tally_replay::{BlockLedger, BlockRun, ReplayError, ReplayOptions, Stop, replay};

/// An honest chain has some hundred ranges of odd blocks; beyond this many nobody reads on, and memory is finite.
pub(crate) const FINDINGS_MAX: usize = 100_000;

/// Who made the blocks of each span.
#[derive(Default)]
pub(crate) struct Production {
    /// By span as the contract holds it at the end, and by who signed (`None`: nobody).
    by_span: BTreeMap<SpanId, BTreeMap<Option<Address>, u64>>,
    /// What is odd about some blocks, in their order.
    pub(crate) findings: Vec<Finding>,
    /// The last block looked at.
    pub(crate) last: Option<L2Block>,
    /// Why it is the last.
    pub(crate) stop: Option<Stop>,
    /// Whether there was more to find than is worth telling.
    pub(crate) is_full: bool,
}

impl Production {
    /// Looks at every settled block of the log. `spans` are all, and `signers` all there ever were.
    pub(crate) fn of<L: LogView>(log: &L, spans: &Spans, signers: &SignerBook) -> Result<Self, ReplayError> {
        let policy = Policy::built_in("guide").expect("it is built in");
        let replayed = replay(log, &[policy], ReplayOptions::default())?;
        let mut production = Self::default();
        let Some(replayed) = replayed.first() else {
            return Ok(production);
        };
        let ledger = BlockLedger::new(log, replayed)?;
        let last_covered = spans.as_slice().iter().map(|span| span.end).max();
        let mut rest = ledger.range();
        production.last = rest.as_ref().map(|range| *range.end());
        production.stop = Some(replayed.stop);
        let mut reader = ledger.reader();
        let mut look = Look { spans, signers, last_covered, owed: Lane::default(), after: Lane::default() };
        while let Some(range) = rest {
            rest = reader.next_chunk(&range, &mut |run| look.take(run, &mut production))?;
            if production.findings.len() > FINDINGS_MAX {
                production.is_full = true;
                production.last = None;
                return Ok(production);
            }
        }
        look.owed.take(None, L2Block(0)..=L2Block(0), &mut production.findings);
        look.after.take(None, L2Block(0)..=L2Block(0), &mut production.findings);
        production
            .findings
            .sort_by_key(|finding| finding.l2_blocks.as_ref().map(|blocks| (*blocks.start(), *blocks.end())));
        Ok(production)
    }

    /// The blocks of a span by who signed them, `None` for nobody.
    pub(crate) fn signed(&self, span: SpanId) -> impl Iterator<Item = (Option<Address>, u64)> {
        self.by_span.get(&span).into_iter().flatten().map(|(signer, blocks)| (*signer, *blocks))
    }
}

struct Look<'a> {
    spans: &'a Spans,
    signers: &'a SignerBook,
    last_covered: Option<L2Block>,
    owed: Lane,
    after: Lane,
}

impl Look<'_> {
    fn take(&mut self, run: &BlockRun<'_>, production: &mut Production) {
        let blocks = u64::try_from(run.times.len()).expect("a run lies in one chunk");
        let Some(last) = run.first_block.0.checked_add(blocks).and_then(|end| end.checked_sub(1)) else {
            return;
        };
        let range = run.first_block..=L2Block(last);
        let held = run.span.filter(|span| self.spans.holds(span));
        let signer = run.signer.copied();
        if let Some(span) = held {
            let count = production.by_span.entry(span.id).or_default().entry(signer).or_default();
            *count = count.checked_add(blocks).expect("all blocks together fit");
        }
        let odd = self.oddity(run.first_block, held, signer);
        self.owed.take(odd, range.clone(), &mut production.findings);
        let after = match run.assessed {
            Assessed::Unrewarded { reason: Unrewarded::AfterUnlock, sequencer: Some(id) } => {
                run.times.first().map(|time| self.after_unlock(id, time))
            }
            Assessed::Unrewarded { .. } | Assessed::Rewarded { .. } => None,
        };
        self.after.take(after, range, &mut production.findings);
    }

    fn oddity(&self, first: L2Block, held: Option<&Span>, signer: Option<Address>) -> Option<Finding> {
        let Some(span) = held else {
            let is_between = self.spans.first_start().is_some_and(|start| start <= first)
                && self.last_covered.is_some_and(|end| first <= end);
            return is_between.then(|| Finding::new(Code::NoSpan));
        };
        let signer = signer?;
        let scheduled = self.signers.sequencer_of(&span.signer);
        let Some(maker) = self.signers.sequencer_of(&signer) else {
            return Some(Finding::new(Code::UnknownProducer).of_span(span.id).found_address(&signer));
        };
        if scheduled == Some(maker) {
            return None;
        }
        let finding = Finding::new(Code::SignedByOther).of_span(span.id).addresses(&span.signer, &signer);
        Some(Finding { sequencer: scheduled, ..finding })
    }

    /// The time of the first block goes in when the range begins.
    fn after_unlock(&self, sequencer: SequencerId, first_time: &impl ToString) -> Finding {
        let mut finding = Finding::new(Code::ProducedAfterUnlock).of(sequencer).field("timestamp");
        finding = finding.found(first_time);
        if let Some(unlock) = self.signers.exit_of(sequencer) {
            finding = finding.expected(&unlock.time);
            finding.l1_block = Some(unlock.block);
            finding.transaction = Some(unlock.transaction);
        }
        finding
    }
}

/// Joins neighbouring blocks of which the same is to be said.
#[derive(Default)]
struct Lane {
    open: Option<(Finding, RangeInclusive<L2Block>)>,
}

impl Lane {
    fn take(&mut self, odd: Option<Finding>, blocks: RangeInclusive<L2Block>, findings: &mut Vec<Finding>) {
        if let (Some((open, range)), Some(odd)) = (&mut self.open, &odd)
            && open.is_as(odd)
            && range.end().next() == Some(*blocks.start())
        {
            *range = *range.start()..=*blocks.end();
            return;
        }
        if let Some((finding, range)) = self.open.take() {
            findings.push(finding.blocks(range));
        }
        self.open = odd.map(|odd| (odd, blocks));
    }
}

impl Finding {
    /// Whether both say the same of their blocks, whenever these were made.
    fn is_as(&self, other: &Self) -> bool {
        let is_timed = self.code == Code::ProducedAfterUnlock;
        (self.code, self.sequencer, self.span) == (other.code, other.sequencer, other.span)
            && (is_timed || self.found == other.found)
    }
}
