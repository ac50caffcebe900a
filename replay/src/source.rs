//! What a replay reads.

use alloy_primitives::{Address, B256};
use std::ops::RangeInclusive;
use tally_engine::{L1Record, L2Block, PoolGenesis, SpanRecord};
use tally_eventlog::{ChunkHeader, EventCursor, Heads, IndexEntry, LogError, LogReader, Producers, Times};

/// The contents of a log. [`LogReader`] is one; tests have another, in memory.
pub trait Source: Sync {
    /// How far it reaches.
    fn heads(&self) -> Heads;
    /// The first L2 block.
    fn first_block(&self) -> L2Block;
    /// What the contracts' initialisers set.
    fn genesis(&self) -> &PoolGenesis;
    /// The pool's records after `cursor`, in order; moves the cursor to the last.
    ///
    /// # Errors
    ///
    /// [`LogError`] if they cannot be read.
    fn l1_records_after(&self, cursor: &mut EventCursor) -> Result<Vec<L1Record>, LogError>;
    /// Calls `each` with the span events after `cursor`, in order; moves the cursor to the last.
    ///
    /// # Errors
    ///
    /// [`LogError`] if they cannot be read, and what `each` says.
    fn for_each_span_record<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E>;
    /// The signers by code, from 1 on.
    ///
    /// # Errors
    ///
    /// [`LogError`] if they cannot be read.
    fn signers(&self) -> Result<Vec<Address>, LogError>;
    /// When the chunks begin, in order, from one at or before that of `from` on to the last.
    ///
    /// # Errors
    ///
    /// [`LogError`] if it cannot be read.
    fn chunk_index(&self, from: L2Block) -> Result<Vec<IndexEntry>, LogError>;
    /// A digest of everything up to the end of the chunk that begins at `first_block`.
    ///
    /// # Errors
    ///
    /// [`LogError`] if there is no such chunk, or it cannot be read.
    fn chunk_link(&self, first_block: L2Block) -> Result<B256, LogError>;
    /// Calls `each` with the times of the chunks that begin at `first_blocks`, which are in order.
    ///
    /// # Errors
    ///
    /// [`LogError`] if they cannot be read, and what `each` says.
    fn for_each_times<E: From<LogError>>(
        &self,
        first_blocks: &[L2Block],
        each: impl FnMut(&Times<'_>) -> Result<(), E>,
    ) -> Result<(), E>;
    /// Calls `each` with the producers of every chunk that has blocks of `range`, in order and without a gap.
    ///
    /// # Errors
    ///
    /// [`LogError`] if they cannot be read, and what `each` says.
    fn scan_producers<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        each: impl FnMut(&Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E>;
    /// Calls `each` with the columns of the chunk that begins at `first_block`.
    ///
    /// # Errors
    ///
    /// [`LogError`] if there is no such chunk or it cannot be read, and what `each` says.
    fn with_columns<T, E: From<LogError>>(
        &self,
        first_block: L2Block,
        each: impl FnOnce(&Producers<'_>, &Times<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut each = Some(each);
        let mut result = None;
        self.scan_producers::<E>(first_block..=first_block, |producers| {
            self.for_each_times::<E>(&[first_block], |times| {
                if let Some(each) = each.take() {
                    result = Some(each(producers, times)?);
                }
                Ok(())
            })
        })?;
        result.ok_or_else(|| {
            E::from(LogError::Undecodable {
                place: format!("the chunk of L2 block {first_block}"),
                reason: "there is none".into(),
            })
        })
    }
    /// At least the span events that say which spans cover the blocks of `range`, in order: as
    /// [`LogReader::span_records_over`].
    ///
    /// # Errors
    ///
    /// [`LogError`] if they cannot be read.
    fn span_records_over(&self, _range: &RangeInclusive<L2Block>) -> Result<Vec<SpanRecord>, LogError> {
        let mut records = Vec::new();
        self.for_each_span_record::<LogError>(&mut EventCursor::default(), |record| {
            records.push(record);
            Ok(())
        })?;
        Ok(records)
    }
    /// As [`Source::scan_producers`], with every byte of these chunks checked.
    ///
    /// # Errors
    ///
    /// As [`Source::scan_producers`].
    fn scan_verified<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        each: impl FnMut(&ChunkHeader, &Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E>;
}

impl Source for LogReader {
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
        each: impl FnMut(&Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scan_producers(range, each)
    }

    fn with_columns<T, E: From<LogError>>(
        &self,
        first_block: L2Block,
        each: impl FnOnce(&Producers<'_>, &Times<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.with_columns(first_block, each)
    }

    fn span_records_over(&self, range: &RangeInclusive<L2Block>) -> Result<Vec<SpanRecord>, LogError> {
        self.span_records_over(range)
    }

    fn scan_verified<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        each: impl FnMut(&ChunkHeader, &Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scan_verified(range, each)
    }
}
