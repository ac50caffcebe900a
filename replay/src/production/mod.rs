//! Who made the blocks that it was to make: by sequencer, and by span.
//!
//! A block is *scheduled* for the sequencer whose signer its span names, and *made* by the one whose signer signed it. Both
//! are facts of the chain: no policy bears on them. The schedule is the fold's own ([`Spans`] and [`SignerBook`]).

mod recommits;
mod row;

pub use row::{Gap, Maker, ProductionRow, SpanProduction};

use crate::blocks::Blocks;
use crate::error::ReplayError;
use alloy_primitives::Address;
use recommits::Recommit;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use tally_engine::{L2Block, Piece, SignerBook, Span, SpanCursor, Spans, UnixTime};
use tally_eventlog::{EventCursor, LogError, LogView, UNSIGNED};

/// Who made the blocks of a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Production {
    /// The first and the last block, with their times; `None` if the log has no block of the range.
    pub range: Option<(Made, Made)>,
    /// How many blocks they are.
    pub blocks: u64,
    /// How many of them no span gave to anybody.
    pub unscheduled: u64,
    /// How many of them nobody signed, in a span or in none.
    pub unsigned: u64,
    /// By who was to make blocks, or made some.
    pub rows: BTreeMap<Maker, ProductionRow>,
    /// The spans that cover blocks of the range, in order of their blocks.
    pub spans: Vec<SpanProduction>,
    /// The longest time from one block to the next.
    pub longest_gap: Option<Gap>,
}

/// A block that was made, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// The number of the block.
    pub block: L2Block,
    /// The timestamp of the block.
    pub time: UnixTime,
}

/// Reads who made which blocks of a log: what is the same for all ranges is read once.
pub struct ProductionReader<'a, L> {
    log: &'a L,
    spans: Spans,
    book: SignerBook,
    /// By code, from 1 on.
    signers: Vec<Address>,
    recommits: Vec<Recommit>,
}

impl<'a, L: LogView> ProductionReader<'a, L> {
    /// A reader of `log`.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the log cannot be read, or an event of a span does not fit.
    pub fn new(log: &'a L) -> Result<Self, ReplayError> {
        let book = SignerBook::from_records(&log.l1_records()?);
        let mut spans = Spans::new();
        let mut recommits = Vec::new();
        log.for_each_span_record::<ReplayError>(&mut EventCursor::default(), |record| {
            let recommit = Recommit::of(&spans, &record, &book);
            spans.apply(&record)?;
            recommits.extend(recommit);
            Ok(())
        })?;
        Ok(Self { log, spans, book, signers: log.signers()?, recommits })
    }

    /// The spans that have blocks after `block`, in order, and who is to make them.
    pub fn announced_after(&self, block: L2Block) -> impl Iterator<Item = (Span, Maker)> + '_ {
        let all = self.spans.as_slice();
        // Starts never fall, and no two spans share a block, so ends of those that are not empty rise, too.
        let begin = all.partition_point(|span| span.start <= block).saturating_sub(1);
        let later = all.get(begin..).unwrap_or_default().iter();
        let later = later.filter(move |span| span.end > block && span.start <= span.end);
        later.map(|span| (*span, Maker::of(&span.signer, &self.book)))
    }

    /// Who made the blocks of `range` that are in the log.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the log cannot be read.
    pub fn of(&self, range: RangeInclusive<L2Block>) -> Result<Production, ReplayError> {
        let first_of_log = self.log.identity().l2_first_block;
        let head = self.log.reach().l2.map(|head| head.block);
        let start = first_of_log.max(*range.start());
        let Some(end) = head.map(|head| head.min(*range.end())).filter(|end| start <= *end) else {
            return Ok(Production::default());
        };
        let previous = start.previous().filter(|before| *before >= first_of_log);
        let blocks = Blocks::new(self.log, Some(previous.unwrap_or(start)))?;
        let mut tally = Tally {
            reader: (&self.spans, &self.book, &self.signers),
            cursor: SpanCursor::new(&self.spans),
            previous: previous.map(|block| blocks.timestamp(block)).transpose()?,
            made: Production::default(),
        };
        for entry in blocks.chunks(&(start..=end)) {
            let first = entry.first_block;
            self.log.with_columns::<(), ReplayError>(first, |producers, times| {
                let offset =
                    |block: L2Block| u16::try_from(block.0.saturating_sub(first.0)).unwrap_or(u16::MAX);
                let from = offset(start);
                let to = producers.blocks().min(offset(end).saturating_add(1));
                let mut times = times.iter_from(from);
                let mut at = first.max(start);
                let mut taken = Ok(());
                producers.for_each_run(from..to, |code, blocks| {
                    if taken.is_ok() {
                        taken = tally.take(at, blocks, code, &mut times);
                        at = L2Block(at.0.saturating_add(u64::from(blocks)));
                    }
                })?;
                taken
            })?;
        }
        let mut made = tally.made;
        for recommit in self.recommits.iter().filter(|recommit| (start..=end).contains(&recommit.block)) {
            recommit.count(&mut made.rows)?;
        }
        Ok(made)
    }
}

/// Who made the blocks of `range` that are in the log.
///
/// # Errors
///
/// As [`ProductionReader`].
pub fn production<L: LogView>(log: &L, range: RangeInclusive<L2Block>) -> Result<Production, ReplayError> {
    ProductionReader::new(log)?.of(range)
}

/// Counts blocks, which come in order.
struct Tally<'a> {
    reader: (&'a Spans, &'a SignerBook, &'a [Address]),
    cursor: SpanCursor<'a>,
    previous: Option<UnixTime>,
    made: Production,
}

impl Tally<'_> {
    /// Takes blocks from `first` on, all signed by the signer of this code.
    fn take(
        &mut self,
        first: L2Block,
        blocks: u16,
        code: u16,
        times: &mut impl Iterator<Item = Result<UnixTime, LogError>>,
    ) -> Result<(), ReplayError> {
        let (spans, book, signers) = self.reader;
        let signer = match code.checked_sub(1) {
            None => None,
            Some(index) => Some(signers.get(usize::from(index)).ok_or_else(|| LogError::Undecodable {
                place: format!("the producers from L2 block {first} on"),
                reason: format!("code {code} is no signer's: the log has {}", signers.len()),
            })?),
        };
        debug_assert_eq!(signer.is_none(), code == UNSIGNED);
        let by = signer.map(|signer| Maker::of(signer, book));
        let Some(last) = first.0.checked_add(u64::from(blocks)).and_then(|end| end.checked_sub(1)) else {
            return Ok(());
        };
        let mut cursor = self.cursor;
        for piece in cursor.pieces(first, L2Block(last)) {
            let stretch = self.time(&piece, times)?;
            let Some(count) = piece.blocks() else { continue };
            let scheduled = piece.span.map(|span| (span, Maker::of(&span.signer, book)));
            self.made.count(count, scheduled.map(|(_, maker)| maker), by, stretch)?;
            if let Some((span, maker)) = scheduled {
                let open = self.made.spans.last().is_some_and(|open| open.span == *span);
                if !open {
                    self.made.spans.push(SpanProduction::new(*span, maker, spans.holds(span), stretch.first));
                }
                if let Some(own) = self.made.spans.last_mut() {
                    own.take(count, by, stretch)?;
                }
            }
        }
        self.cursor = cursor;
        Ok(())
    }

    /// Reads the times of a piece.
    fn time(
        &mut self,
        piece: &Piece<'_>,
        times: &mut impl Iterator<Item = Result<UnixTime, LogError>>,
    ) -> Result<Timed, ReplayError> {
        let (mut first, mut longest) = (None, None);
        let mut block = piece.first;
        loop {
            let bad = |reason: String| LogError::Undecodable {
                place: format!("the time of L2 block {block}"),
                reason,
            };
            let time = times.next().ok_or_else(|| bad("there is none".into()))??;
            if let Some(previous) = self.previous {
                let secs = time.0.checked_sub(previous.0);
                let secs = secs
                    .ok_or_else(|| bad(format!("{time} is before that of the block before, {previous}")))?;
                longest = Gap::longer(longest, Some(Gap { before: block, secs }));
            }
            self.previous = Some(time);
            let made = Made { block, time };
            first = first.or(Some(made));
            match block.next().filter(|_| block < piece.last) {
                Some(next) => block = next,
                None => return Ok(Timed { first: first.unwrap_or(made), last: made, longest }),
            }
        }
    }
}

/// The times of consecutive blocks.
#[derive(Clone, Copy)]
struct Timed {
    first: Made,
    last: Made,
    longest: Option<Gap>,
}

impl Production {
    /// Counts blocks that are scheduled for one and made by one.
    fn count(
        &mut self,
        blocks: u64,
        scheduled: Option<Maker>,
        by: Option<Maker>,
        timed: Timed,
    ) -> Result<(), ReplayError> {
        add(&mut self.blocks, blocks)?;
        self.range = Some((self.range.map_or(timed.first, |(first, _)| first), timed.last));
        self.longest_gap = Gap::longer(self.longest_gap, timed.longest);
        if by.is_none() {
            add(&mut self.unsigned, blocks)?;
        }
        match scheduled {
            Some(maker) => self.rows.entry(maker).or_default().scheduled_for(maker, by, blocks, timed)?,
            None => add(&mut self.unscheduled, blocks)?,
        }
        if let Some(by) = by {
            self.rows.entry(by).or_default().made(scheduled == Some(by), blocks, timed.last)?;
        }
        Ok(())
    }
}

/// Adds a number of blocks.
fn add(sum: &mut u64, blocks: u64) -> Result<(), ReplayError> {
    *sum = sum.checked_add(blocks).ok_or_else(|| LogError::Undecodable {
        place: "the blocks of the log".into(),
        reason: "they are more than 2^64 - 1".into(),
    })?;
    Ok(())
}
