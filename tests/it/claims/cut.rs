//! A log as it was at an earlier moment, or as it might have been.

use alloy_primitives::{Address, B256};
use engine::{L1Record, L2Block, SpanRecord};
use std::ops::RangeInclusive;
use tally_eventlog::{
    ChunkHeader, EventCursor, Heads, IndexEntry, L1Head, Links, LogError, LogIdentity, LogReader, LogView,
    Producers, Reach, Times,
};

/// A log with other events and heads. Its blocks are the log's, up to the L2 head.
pub(super) struct Cut<'a> {
    log: &'a LogReader,
    pub(super) heads: Heads,
    pub(super) l1: Vec<L1Record>,
    pub(super) spans: Vec<SpanRecord>,
}

impl<'a> Cut<'a> {
    /// All of the log.
    pub(super) fn of(log: &'a LogReader) -> Self {
        let (l1, spans) = (log.l1_records().unwrap(), log.span_records().unwrap());
        Self { log, heads: *log.heads(), l1, spans }
    }

    /// The log just before a transaction: with what was in its block before it.
    pub(super) fn just_before(log: &'a LogReader, transaction: B256) -> Self {
        let mut cut = Self::of(log);
        let place = cut.l1.iter().position(|record| record.transaction_hash == transaction).unwrap();
        let L1Record { block, block_hash, timestamp, .. } = cut.l1[place];
        cut.l1.truncate(place);
        cut.heads.l1 = Some(L1Head { block, hash: block_hash, timestamp });
        cut
    }

    /// The same with L2 up to this block only. (The producers and times after it are still there, but beyond the head.)
    pub(super) fn with_l2_to(mut self, block: u64) -> Self {
        let head = self.heads.l2.as_mut().unwrap();
        head.block = L2Block(block);
        self.spans.retain(|record| record.block.0 <= block);
        self
    }
}

impl LogView for Cut<'_> {
    fn identity(&self) -> &LogIdentity {
        self.log.identity()
    }

    fn reach(&self) -> Reach {
        self.heads.reach()
    }

    fn l1_records_after(&self, cursor: &mut EventCursor) -> Result<Vec<L1Record>, LogError> {
        let place = |record: &L1Record| Some((record.block.0, record.log_index));
        let new: Vec<_> = self.l1.iter().filter(|record| place(record) > cursor.last()).cloned().collect();
        *cursor = EventCursor::new(new.last().map_or(cursor.last(), place), Links::default());
        Ok(new)
    }

    fn for_each_span_record<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        mut each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        for record in &self.spans {
            let place = Some((record.block.0, record.log_index));
            if place > cursor.last() {
                *cursor = EventCursor::new(place, Links::default());
                each(record.clone())?;
            }
        }
        Ok(())
    }

    fn signers(&self) -> Result<Vec<Address>, LogError> {
        self.log.signers()
    }

    fn chunk_index(&self, from: L2Block) -> Result<Vec<IndexEntry>, LogError> {
        self.log.chunk_index(from)
    }

    fn chunk_link(&self, first_block: L2Block) -> Result<B256, LogError> {
        self.log.chunk_link(first_block)
    }

    fn for_each_times<E: From<LogError>>(
        &self,
        first_blocks: &[L2Block],
        each: impl FnMut(&Times<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.log.for_each_times(first_blocks, each)
    }

    fn scan_producers<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        each: impl FnMut(&Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.log.scan_producers(range, each)
    }

    fn scan_verified<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        each: impl FnMut(&ChunkHeader, &Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.log.scan_verified(range, each)
    }
}
