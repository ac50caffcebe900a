//! A log as it was known at some time: without later records of L1.

use alloy_primitives::{Address, B256};
use std::ops::RangeInclusive;
use tally_engine::{L1Record, L2Block, PoolGenesis, SpanRecord, UnixTime};
use tally_eventlog::{ChunkHeader, EventCursor, Heads, IndexEntry, LogError, Producers, Times};
use tally_replay::Source;

/// A log of which no record of L1 after some second counts. What a batch pays later is then still pending, and
/// valued at the reward per block of that time. How far the log reaches, blocks and spans are as they are.
pub(crate) struct Known<'a, S> {
    source: &'a S,
    by: UnixTime,
}

impl<'a, S> Known<'a, S> {
    /// What `source` holds, with the records of L1 up to and including second `by`.
    pub(crate) const fn new(source: &'a S, by: UnixTime) -> Self {
        Self { source, by }
    }
}

impl<S: Source> Source for Known<'_, S> {
    fn l1_records_after(&self, cursor: &mut EventCursor) -> Result<Vec<L1Record>, LogError> {
        let mut records = self.source.l1_records_after(cursor)?;
        records.truncate(records.partition_point(|record| record.timestamp <= self.by));
        Ok(records)
    }

    fn heads(&self) -> Heads {
        self.source.heads()
    }

    fn first_block(&self) -> L2Block {
        self.source.first_block()
    }

    fn genesis(&self) -> &PoolGenesis {
        self.source.genesis()
    }

    fn for_each_span_record<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        self.source.for_each_span_record(cursor, each)
    }

    fn signers(&self) -> Result<Vec<Address>, LogError> {
        self.source.signers()
    }

    fn chunk_index(&self, from: L2Block) -> Result<Vec<IndexEntry>, LogError> {
        self.source.chunk_index(from)
    }

    fn chunk_link(&self, first_block: L2Block) -> Result<B256, LogError> {
        self.source.chunk_link(first_block)
    }

    fn for_each_times<E: From<LogError>>(
        &self,
        first_blocks: &[L2Block],
        each: impl FnMut(&Times<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.source.for_each_times(first_blocks, each)
    }

    fn scan_producers<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        each: impl FnMut(&Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.source.scan_producers(range, each)
    }

    fn with_columns<T, E: From<LogError>>(
        &self,
        first_block: L2Block,
        each: impl FnOnce(&Producers<'_>, &Times<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.source.with_columns(first_block, each)
    }

    fn span_records_over(&self, range: &RangeInclusive<L2Block>) -> Result<Vec<SpanRecord>, LogError> {
        self.source.span_records_over(range)
    }

    fn scan_verified<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        each: impl FnMut(&ChunkHeader, &Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.source.scan_verified(range, each)
    }
}
