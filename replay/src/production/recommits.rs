//! Whom recommits take blocks from, and to whom they give them.

use super::add;
use super::row::{Maker, ProductionRow};
use crate::error::ReplayError;
use std::collections::{BTreeMap, BTreeSet};
use tally_engine::{L2Block, SignerBook, Span, SpanEvent, SpanRecord, Spans};

/// A recommit, by what it moves.
pub(super) struct Recommit {
    /// The block that it is in.
    pub(super) block: L2Block,
    from: BTreeSet<Maker>,
    to: Maker,
}

impl Recommit {
    /// What `record` moves, which comes after the spans so far; `None` unless it is a recommit.
    pub(super) fn of(spans: &Spans, record: &SpanRecord, book: &SignerBook) -> Option<Self> {
        let SpanEvent::ReCommitEpoch { old_span, current_span, start, new_signer, .. } = record.event else {
            return None;
        };
        let to = Maker::of(&new_signer, book);
        let lost = |span: &&Span| {
            // The one that is cut loses what lies from `start` on; the announced one that is overwritten loses all that is
            // not made yet.
            let is_overwritten = span.id == current_span && old_span != current_span;
            let first = if is_overwritten { record.block } else { start };
            span.id >= old_span && span.start <= span.end && span.end >= first
        };
        let last_two = spans.as_slice().iter().rev().take(2);
        let from = last_two
            .filter(lost)
            .map(|span| Maker::of(&span.signer, book))
            .filter(|maker| *maker != to)
            .collect();
        Some(Self { block: record.block, from, to })
    }

    /// Counts it for those that it concerns.
    pub(super) fn count(&self, rows: &mut BTreeMap<Maker, ProductionRow>) -> Result<(), ReplayError> {
        for from in &self.from {
            add(&mut rows.entry(*from).or_default().recommits_from, 1)?;
        }
        if !self.from.is_empty() {
            add(&mut rows.entry(self.to).or_default().recommits_to, 1)?;
        }
        Ok(())
    }
}
