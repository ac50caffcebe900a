//! What goes into a bundle and what comes out of it, and what is final of a log, as logs to be replayed.

use crate::source::Source;
use alloy_primitives::{Address, B256};
use std::ops::RangeInclusive;
use tally_engine::{L1Record, L2Block, PoolGenesis, SpanRecord};
use tally_eventlog::{
    Archive, ChunkHeader, EventCursor, Heads, IndexEntry, LogError, LogPrefix, Producers, Times,
};

impl Source for LogPrefix<'_> {
    fn heads(&self) -> Heads {
        *self.heads()
    }

    fn first_block(&self) -> L2Block {
        self.identity().l2_first_block
    }

    fn genesis(&self) -> &PoolGenesis {
        &self.identity().genesis
    }

    fn l1_records_after(&self, cursor: &mut EventCursor) -> Result<Vec<L1Record>, LogError> {
        self.l1_records_after(cursor)
    }

    fn for_each_span_record<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_span_record(cursor, each)
    }

    fn signers(&self) -> Result<Vec<Address>, LogError> {
        self.signers()
    }

    fn chunk_index(&self, from: L2Block) -> Result<Vec<IndexEntry>, LogError> {
        self.chunk_index(from)
    }

    fn chunk_link(&self, first_block: L2Block) -> Result<B256, LogError> {
        self.log().chunk_link(first_block)
    }

    fn for_each_times<E: From<LogError>>(
        &self,
        first_blocks: &[L2Block],
        each: impl FnMut(&Times<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.log().for_each_times(first_blocks, each)
    }

    fn scan_producers<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        each: impl FnMut(&Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.log().scan_producers(range, each)
    }

    fn scan_verified<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        each: impl FnMut(&ChunkHeader, &Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.log().scan_verified(range, each)
    }
}

impl Source for Archive {
    fn heads(&self) -> Heads {
        *self.heads()
    }

    fn first_block(&self) -> L2Block {
        self.identity().l2_first_block
    }

    fn genesis(&self) -> &PoolGenesis {
        &self.identity().genesis
    }

    fn l1_records_after(&self, cursor: &mut EventCursor) -> Result<Vec<L1Record>, LogError> {
        self.l1_records_after(cursor)
    }

    fn for_each_span_record<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_span_record(cursor, each)
    }

    fn signers(&self) -> Result<Vec<Address>, LogError> {
        Ok(self.signers().to_vec())
    }

    fn chunk_index(&self, from: L2Block) -> Result<Vec<IndexEntry>, LogError> {
        Ok(self.chunk_index(from))
    }

    fn chunk_link(&self, first_block: L2Block) -> Result<B256, LogError> {
        self.chunk_link(first_block)
    }

    fn for_each_times<E: From<LogError>>(
        &self,
        first_blocks: &[L2Block],
        each: impl FnMut(&Times<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_times(first_blocks, each)
    }

    fn scan_producers<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        mut each: impl FnMut(&Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scan_chunks(range, |_, producers| each(producers))
    }

    fn scan_verified<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        each: impl FnMut(&ChunkHeader, &Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scan_chunks(range, each)
    }
}
