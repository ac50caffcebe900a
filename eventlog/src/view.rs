//! One way to read a log, whatever it is in.

use crate::chunk_header::ChunkHeader;
use crate::events::EventCursor;
use crate::heads::Reach;
use crate::index::IndexEntry;
use crate::owners::Owners;
use crate::producers::Producers;
use crate::times::Times;
use crate::{LogError, LogIdentity};
use alloy_primitives::{Address, B256};
use std::ops::RangeInclusive;
use tally_engine::{L1Record, L2Block, SpanRecord};

/// The contents of a log: of one on disk ([`crate::LogReader`]), of its beginning or of what is final of it
/// ([`crate::LogPart`]), or of one in a bundle ([`crate::Archive`]). Whoever replays or audits takes any of them.
///
/// What is not here, the digests in [`crate::Heads`], only a whole log has.
pub trait LogView: Sync {
    /// The chains and contracts that the log is of, and where it begins.
    fn identity(&self) -> &LogIdentity;
    /// The last block of each chain.
    fn reach(&self) -> Reach;
    /// The pool's records after `cursor`, in order; moves the cursor to the last.
    ///
    /// # Errors
    ///
    /// [`LogError::Undecodable`] or [`LogError::Damaged`] naming the first bad one.
    fn l1_records_after(&self, cursor: &mut EventCursor) -> Result<Vec<L1Record>, LogError>;
    /// Calls `each` with the span events after `cursor`, in order, of which there may be millions; moves the
    /// cursor to the last.
    ///
    /// # Errors
    ///
    /// As [`LogView::l1_records_after`], and what `each` says.
    fn for_each_span_record<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E>;
    /// The events of the contracts' owners. A bundle has none, and so has a log that was made of one until an ingest
    /// goes on from it.
    ///
    /// # Errors
    ///
    /// As [`LogView::l1_records_after`].
    fn owners(&self) -> Result<Owners, LogError> {
        Ok(Owners { records: Vec::new(), missing_to: self.reach().l1.map(|head| head.block) })
    }
    /// The dictionary: the signers by code, from 1 on.
    ///
    /// # Errors
    ///
    /// As [`LogView::l1_records_after`].
    fn signers(&self) -> Result<Vec<Address>, LogError>;
    /// What the index knows of the chunks, in order, from one at or before that of block `from` on to the last. The
    /// index is in no digest: [`crate::verify()`] and [`ChunkHeader::check_index_entry`] compare it with the headers.
    ///
    /// # Errors
    ///
    /// As [`LogView::l1_records_after`], naming the first bad page.
    fn chunk_index(&self, from: L2Block) -> Result<Vec<IndexEntry>, LogError>;
    /// The link of the chunk that begins at `first_block`: a digest of everything up to its end.
    ///
    /// # Errors
    ///
    /// [`LogError`] if there is no such chunk, or it cannot be read.
    fn chunk_link(&self, first_block: L2Block) -> Result<B256, LogError>;
    /// Calls `each` with the times of the chunks that begin at `first_blocks`, which are in order.
    ///
    /// # Errors
    ///
    /// [`LogError`] naming the first chunk that has none or whose times are damaged, and what `each` says.
    fn for_each_times<E: From<LogError>>(
        &self,
        first_blocks: &[L2Block],
        each: impl FnMut(&Times<'_>) -> Result<(), E>,
    ) -> Result<(), E>;
    /// Calls `each` with the producers of every chunk that has blocks of `range`, in order. The chunks are checked
    /// to follow one another and to cover the range; their digests are left to [`LogView::scan_verified`].
    ///
    /// # Errors
    ///
    /// [`LogError`] naming the first chunk that is missing or damaged, and what `each` says.
    fn scan_producers<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        each: impl FnMut(&Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E>;
    /// The same with the headers, and every byte of these chunks is checked: links, digests, counts, codes and
    /// times. Ranges that follow one another check the whole chain of digests.
    ///
    /// # Errors
    ///
    /// As [`LogView::scan_producers`].
    fn scan_verified<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        each: impl FnMut(&ChunkHeader, &Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E>;
    /// Calls `each` with both columns of the chunk that begins at `first_block`.
    ///
    /// # Errors
    ///
    /// [`LogError`] if there is no such chunk or its columns are damaged, and what `each` says.
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
    /// At least the span events that say which spans cover the blocks of `range`, in order, from the announcement of
    /// a span on.
    ///
    /// # Errors
    ///
    /// As [`LogView::l1_records_after`].
    fn span_records_over(&self, _range: &RangeInclusive<L2Block>) -> Result<Vec<SpanRecord>, LogError> {
        self.span_records()
    }
    /// All of the pool's records, in order.
    ///
    /// # Errors
    ///
    /// As [`LogView::l1_records_after`].
    fn l1_records(&self) -> Result<Vec<L1Record>, LogError> {
        self.l1_records_after(&mut EventCursor::default())
    }
    /// All span events, in order.
    ///
    /// # Errors
    ///
    /// As [`LogView::l1_records_after`].
    fn span_records(&self) -> Result<Vec<SpanRecord>, LogError> {
        let mut records = Vec::new();
        self.for_each_span_record::<LogError>(&mut EventCursor::default(), |record| {
            records.push(record);
            Ok(())
        })?;
        Ok(records)
    }
}
