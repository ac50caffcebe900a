//! Who is to produce which L2 block, rebuilt from the sequencer set's events.

mod error;

pub use error::{SpanError, SpanFault};

use crate::event::{SpanEvent, SpanRecord};
use crate::ids::{L2Block, SpanId};
use alloc::vec::Vec;
use alloy_primitives::Address;

/// A range of L2 blocks given to one signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The number of the span.
    pub id: SpanId,
    /// The first block of the span.
    pub start: L2Block,
    /// Its last block; one before `start` when a recommit on its first block emptied it.
    pub end: L2Block,
    /// Who is to produce it.
    pub signer: Address,
}

/// All spans announced so far.
///
/// # Invariants
///
/// - ids are 0, 1, 2 … (of a part: that of its first span, and so on);
/// - starts never fall, and no block lies in two spans (there may be gaps);
/// - an event changes nothing for blocks before the one it is in, except that it may cover blocks
///   that no span covered. So a block with a span keeps its signer for ever. A recommit that comes
///   late, when the span it overwrites has begun, would break that in the contract; the blocks that
///   were made by then stay covered here, as *leftovers*.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// The id of the first span, unless that is 0: see [`Spans::part_from`].
    first_id: SpanId,
    all: Vec<Span>,
    /// In order of their blocks; none overlaps a span.
    leftovers: Vec<Span>,
}

impl Spans {
    /// No spans are announced yet.
    pub const fn new() -> Self {
        Self::part_from(SpanId(0))
    }

    /// No spans yet, of a part of the history: the first event is the announcement of `first_id`. From the
    /// block on at which that span was to start, which span covers a block is the same as in the whole: all
    /// earlier spans end before, and later events only shorten them.
    pub const fn part_from(first_id: SpanId) -> Self {
        Self { first_id, all: Vec::new(), leftovers: Vec::new() }
    }

    /// Rebuilds the spans from all their events, in order.
    ///
    /// # Errors
    ///
    /// As [`Spans::apply`], for the first event that does not fit.
    pub fn from_records<'a>(records: impl IntoIterator<Item = &'a SpanRecord>) -> Result<Self, SpanError> {
        let mut spans = Self::new();
        for record in records {
            spans.apply(record)?;
        }
        Ok(spans)
    }

    /// The spans as the contract holds them, by id.
    pub fn as_slice(&self) -> &[Span] {
        &self.all
    }

    /// The first block of the first span, or `None` before any span is announced.
    pub fn first_start(&self) -> Option<L2Block> {
        self.all.first().map(|span| span.start)
    }

    /// The span that covers `block`, or the leftover of the one that did; `None` if there is none.
    pub fn covering(&self, block: L2Block) -> Option<&Span> {
        [&self.all, &self.leftovers].into_iter().find_map(|spans| {
            // Of spans with equal starts all but the last are empty.
            let after = spans.partition_point(|span| span.start <= block);
            let span = spans.get(after.checked_sub(1)?)?;
            (block <= span.end).then_some(span)
        })
    }

    /// Whether the contract holds this very span, as opposed to a leftover.
    pub fn holds(&self, span: &Span) -> bool {
        let index = span.id.0.checked_sub(self.first_id.0).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.all.get(index)) == Some(span)
    }

    /// The first block at or after `from` that lies after the first span's start and in no span; with
    /// no span announced, `from` itself. `None` only if spans cover everything up to the last block
    /// number there is.
    pub fn first_uncovered(&self, from: L2Block) -> Option<L2Block> {
        let Some(first_start) = self.first_start() else {
            return Some(from);
        };
        let mut block = from.max(first_start);
        while let Some(span) = self.covering(block) {
            block = span.end.next()?;
        }
        Some(block)
    }

    /// The first block after `from` that lies in a span, or `None` if none does.
    pub fn next_covered(&self, from: L2Block) -> Option<L2Block> {
        let next = |spans: &[Span]| {
            let after = spans.partition_point(|span| span.start <= from);
            let later = spans.get(after..)?;
            later.iter().find(|span| span.start <= span.end).map(|span| span.start)
        };
        next(&self.all).into_iter().chain(next(&self.leftovers)).min()
    }

    /// Takes one more event. On an error nothing is changed.
    ///
    /// # Errors
    ///
    /// [`SpanError`] if the event does not fit the spans so far.
    pub fn apply(&mut self, record: &SpanRecord) -> Result<(), SpanError> {
        let applied = match record.event {
            SpanEvent::NewEpoch { span, start, end, signer } => {
                self.commit(Span { id: span, start, end, signer })
            }
            SpanEvent::ReCommitEpoch { old_span, new_span, current_span, start, end, new_signer } => {
                let new = Span { id: new_span, start, end, signer: new_signer };
                self.recommit(record.block, old_span, current_span, new)
            }
            SpanEvent::EpochUpdated { .. } | SpanEvent::MpcAddressUpdated { .. } => Ok(()),
        };
        applied.map_err(|fault| SpanError {
            block: record.block,
            log_index: record.log_index,
            transaction_hash: record.transaction_hash,
            fault,
        })
    }

    fn commit(&mut self, span: Span) -> Result<(), SpanFault> {
        let next = match self.all.last() {
            Some(last) => last.id.next(),
            None => Some(self.first_id),
        };
        if next != Some(span.id) {
            let expected = next.unwrap_or(SpanId(u64::MAX));
            return Err(SpanFault::NotNext { expected, found: span.id });
        }
        check_forwards(&span)?;
        if let Some(last) = self.all.last()
            && span.start <= last.end
        {
            return Err(SpanFault::Overlap { span: span.id, start: span.start, previous_end: last.end });
        }
        self.all.push(span);
        Ok(())
    }

    /// Case 1, `old` is the last span: it is cut at the block before `new` starts (or, where no span
    /// covered the blocks between, extended up to it), and `new` follows it. Case 2, `old` is the
    /// last but one: it is cut in the same way if it reaches that far, and `new` overwrites the last.
    fn recommit(
        &mut self,
        block: L2Block,
        old_span: SpanId,
        current_span: SpanId,
        new: Span,
    ) -> Result<(), SpanFault> {
        let no_such = SpanFault::NoSuchRecommit { old_span, new_span: new.id, current_span };
        let Some((last, earlier)) = self.all.split_last_mut() else {
            return Err(no_such);
        };
        if current_span != last.id {
            return Err(SpanFault::NotCurrent { expected: last.id, found: current_span });
        }
        check_forwards(&new)?;
        if new.start < block {
            return Err(SpanFault::RewritesHistory { start: new.start, block });
        }
        let cut = new.start.previous().ok_or_else(|| no_such.clone())?;
        let starts_before = |old: &Span| {
            let overlap = SpanFault::Overlap { span: new.id, start: new.start, previous_end: old.start };
            if new.start < old.start { Err(overlap) } else { Ok(()) }
        };
        if old_span == last.id && Some(new.id) == old_span.next() {
            starts_before(last)?;
            last.end = cut;
            self.all.push(new);
            return Ok(());
        }
        if old_span.next() != Some(last.id) || new.id != last.id {
            return Err(no_such);
        }
        match earlier.last_mut() {
            Some(old) => {
                starts_before(old)?;
                if old.end >= new.start {
                    old.end = cut;
                }
            }
            // The span before a part's first is in no part.
            None if self.first_id > SpanId(0) => {}
            None => return Err(no_such),
        }
        let made = block.min(new.start).previous().filter(|end| *end >= last.start);
        if let Some(end) = made.map(|end| end.min(last.end)).filter(|_| last.start <= last.end) {
            self.leftovers.push(Span { end, ..*last });
        }
        *last = new;
        Ok(())
    }
}

fn check_forwards(span: &Span) -> Result<(), SpanFault> {
    if span.end < span.start {
        return Err(SpanFault::Backwards { span: span.id, start: span.start, end: span.end });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use alloy_primitives::B256;

    /// Applies events written as `new ID START END`, or `re OLD NEW CURRENT START END @BLOCK`, and
    /// compares the spans (or the first error) with `expected`.
    fn check(events: &[&str], expected: &str) {
        let mut spans = Spans::new();
        let mut outcome = String::new();
        for (index, text) in (0_u64..).zip(events) {
            let numbers: Vec<u64> = text
                .split_whitespace()
                .filter_map(|word| word.trim_start_matches('@').parse().ok())
                .collect();
            let signer = Address::with_last_byte(u8::try_from(index).expect("few events"));
            let (block, event) = match numbers[..] {
                [id, start, end] => (
                    0,
                    SpanEvent::NewEpoch {
                        span: SpanId(id),
                        start: L2Block(start),
                        end: L2Block(end),
                        signer,
                    },
                ),
                [old, new, current, start, end, block] => (
                    block,
                    SpanEvent::ReCommitEpoch {
                        old_span: SpanId(old),
                        new_span: SpanId(new),
                        current_span: SpanId(current),
                        start: L2Block(start),
                        end: L2Block(end),
                        new_signer: signer,
                    },
                ),
                _ => panic!("cannot read {text}"),
            };
            let record = SpanRecord {
                block: L2Block(block),
                block_hash: B256::ZERO,
                transaction_hash: B256::ZERO,
                log_index: index,
                event,
            };
            let before = spans.clone();
            if let Err(error) = spans.apply(&record) {
                assert_eq!(spans, before, "an error changes nothing");
                outcome = format!("{}", error.fault);
                break;
            }
        }
        if outcome.is_empty() {
            let text: Vec<String> = spans
                .as_slice()
                .iter()
                .map(|span| format!("{}-{} by {}", span.start, span.end, span.signer.as_slice()[19]))
                .collect();
            outcome = text.join(", ");
        }
        assert_eq!(outcome, expected, "{events:?}");
    }

    #[test]
    fn spans_follow_commits_and_both_recommits() {
        check(&["new 0 10 19", "new 1 20 29"], "10-19 by 0, 20-29 by 1");
        // Case 1: the last span is cut; on its first block it is emptied; over a gap it is extended.
        check(&["new 0 10 19", "re 0 1 0 15 24 @15"], "10-14 by 0, 15-24 by 1");
        check(&["new 0 10 19", "re 0 1 0 10 24 @10"], "10-9 by 0, 10-24 by 1");
        check(&["new 0 10 19", "re 0 1 0 23 30 @23"], "10-22 by 0, 23-30 by 1");
        // Case 2: the announced next span is overwritten, also beyond its old end.
        check(&["new 0 10 19", "new 1 20 29", "re 0 1 1 15 40 @15"], "10-14 by 0, 15-40 by 2");
        check(&["new 0 10 19", "new 1 20 29", "re 0 1 1 21 40 @21"], "10-19 by 0, 21-40 by 2");
    }

    #[test]
    fn events_that_do_not_fit_are_refused() {
        check(&["new 1 10 19"], "span 1 is announced where span 0 is next");
        check(&["new 0 10 19", "new 2 20 29"], "span 2 is announced where span 1 is next");
        check(&["new 0 19 10"], "span 0 ends at block 10, before its start 19");
        check(
            &["new 0 10 19", "new 1 19 29"],
            "span 1 starts at block 19, within the span before it, which ends at 19",
        );
        check(&["re 0 1 0 15 24 @15"], "a recommit of span 0 as 1 is not possible while 0 is current");
        check(
            &["new 0 10 19", "re 0 1 3 15 24 @15"],
            "the recommit takes span 3 for the current one, which is 0",
        );
        check(
            &["new 0 10 19", "re 0 1 0 15 24 @16"],
            "the recommit starts at block 15, before the block 16 that it is in",
        );
        check(
            &["new 0 10 19", "new 1 20 29", "new 2 30 39", "re 0 1 2 15 24 @15"],
            "a recommit of span 0 as 1 is not possible while 2 is current",
        );
        check(
            &["new 0 10 19", "re 0 1 0 5 24 @5"],
            "span 1 starts at block 5, within the span before it, which ends at 10",
        );
    }

    /// The story: a recommit meant for the end of span 0 is mined when span 1 has begun. The contract
    /// forgets who was to make blocks 20 to 24, but they are made, and paid.
    #[test]
    fn blocks_made_before_a_late_recommit_keep_their_signer() {
        let new = |id, start, end| Span {
            id: SpanId(id),
            start: L2Block(start),
            end: L2Block(end),
            signer: Address::with_last_byte(u8::try_from(end).expect("small")),
        };
        let mut spans = Spans::new();
        spans.commit(new(0, 10, 19)).expect("fits");
        spans.commit(new(1, 20, 29)).expect("fits");
        let before = spans.clone();
        spans.recommit(L2Block(25), SpanId(0), SpanId(1), new(1, 25, 40)).expect("fits");
        assert_eq!(spans.as_slice(), [new(0, 10, 19), new(1, 25, 40)]);
        for block in (9..25).map(L2Block) {
            let signer = |spans: &Spans| spans.covering(block).map(|span| span.signer);
            assert_eq!(signer(&spans), signer(&before), "block {block}");
        }
        assert!(spans.covering(L2Block(24)).is_some_and(|leftover| !spans.holds(leftover)));
        assert!(spans.covering(L2Block(25)).is_some_and(|span| spans.holds(span)));
        assert_eq!(spans.first_uncovered(L2Block(10)), Some(L2Block(41)));
        assert_eq!(spans.next_covered(L2Block(19)), Some(L2Block(20)));
    }

    #[test]
    fn a_block_has_one_span_or_none() {
        let mut spans = Spans::new();
        assert_eq!(spans.first_uncovered(L2Block(7)), Some(L2Block(7)));
        for (id, start, end) in [(0, 10, 19), (1, 25, 29)] {
            let span =
                Span { id: SpanId(id), start: L2Block(start), end: L2Block(end), signer: Address::ZERO };
            spans.commit(span).expect("fits");
        }
        let covering = |block| spans.covering(L2Block(block)).map(|span| span.id.0);
        assert_eq!(
            [9, 10, 19, 20, 24, 25, 29, 30].map(covering),
            [None, Some(0), Some(0), None, None, Some(1), Some(1), None]
        );
        assert_eq!(spans.first_uncovered(L2Block(3)), Some(L2Block(20)));
        assert_eq!(spans.first_uncovered(L2Block(25)), Some(L2Block(30)));
        assert_eq!(spans.next_covered(L2Block(20)), Some(L2Block(25)));
        assert_eq!(spans.next_covered(L2Block(25)), None);
    }
}
