//! What a reader reads of its log: records by their cursor, chunks in place, all as [`LogView`] has it.

use crate::check::ChunkCheck;
use crate::chunk_header::{ChunkHeader, chunk_start};
use crate::error::same;
use crate::events::EventCursor;
use crate::heads::{Links, Reach};
use crate::index::{IndexEntry, decode_page, page_key};
use crate::keys::{chunk_of, event_key, event_of, event_place, unlinked};
use crate::options::{CHUNKS, INDEX, PRODUCERS, SPAN_EVENTS, TIMES};
use crate::owners::Owners;
use crate::producers::Producers;
use crate::reader::{LogReader, no_column};
use crate::record::decode_span;
use crate::times::Times;
use crate::view::LogView;
use crate::{LogError, LogIdentity};
use alloy_primitives::{Address, B256};
use std::ops::RangeInclusive;
use tally_engine::{L1Record, L2Block, SpanEvent, SpanRecord};

impl LogView for LogReader {
    fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    fn reach(&self) -> Reach {
        self.heads().reach()
    }

    fn l1_records_after(&self, cursor: &mut EventCursor) -> Result<Vec<L1Record>, LogError> {
        self.l1_records_until(cursor, None)
    }

    fn for_each_span_record<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        self.span_records_until(cursor, None, each)
    }

    fn owners(&self) -> Result<Owners, LogError> {
        self.owners_until(None)
    }

    fn signers(&self) -> Result<Vec<Address>, LogError> {
        self.store.signers(self.heads())
    }

    fn chunk_index(&self, from: L2Block) -> Result<Vec<IndexEntry>, LogError> {
        let mut entries: Vec<IndexEntry> = Vec::new();
        let Some(head) = self.heads().l2 else {
            return Ok(entries);
        };
        let range = (self.identity.l2_first_block, head.block);
        let first = page_key(from.clamp(range.0, range.1));
        let mut expected = first;
        self.store.scan::<LogError>(INDEX, &first, None, |key, value| {
            same("the index", "next page", &u64::from_be_bytes(expected), &chunk_of(key)?)?;
            decode_page(key, value, range, &mut entries)?;
            let next =
                entries.last().and_then(|last| last.first_block.0.checked_add(crate::CHUNK_BLOCKS_MAX));
            expected = page_key(L2Block(next.unwrap_or(u64::MAX)));
            Ok(())
        })?;
        let last = entries.last().map_or("none".into(), |entry| entry.first_block.to_string());
        same("the index", "last chunk", &chunk_start(range.0, range.1).to_string(), &last)?;
        Ok(entries)
    }

    fn for_each_times<E: From<LogError>>(
        &self,
        first_blocks: &[L2Block],
        mut each: impl FnMut(&Times<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let keys: Vec<[u8; 8]> = first_blocks.iter().map(|block| block.0.to_be_bytes()).collect();
        for (first_block, value) in first_blocks.iter().zip(self.store.get_many(TIMES, &keys)?) {
            let value = value.ok_or_else(|| no_column(TIMES, *first_block))?;
            each(&Times::new(*first_block, &value)?)?;
        }
        Ok(())
    }

    fn with_columns<T, E: From<LogError>>(
        &self,
        first_block: L2Block,
        each: impl FnOnce(&Producers<'_>, &Times<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let key = first_block.0.to_be_bytes();
        let column = |family| {
            let column = self.store.get_pinned(family, &key)?;
            column.ok_or_else(|| no_column(family, first_block))
        };
        let (producers, times) = (column(PRODUCERS)?, column(TIMES)?);
        let (producers, times) = (Producers::new(first_block, &producers)?, Times::new(first_block, &times)?);
        let place = format!("the chunk of L2 block {first_block}");
        same(&place, "number of times", &producers.blocks(), &times.blocks())?;
        each(&producers, &times)
    }

    /// From the announcement of the last span that was to start at or before the range's first block (or the log's
    /// first event), to the first event after which none can change these spans any more. Only RocksDB's checksums are
    /// checked, not the links.
    fn span_records_over(&self, range: &RangeInclusive<L2Block>) -> Result<Vec<SpanRecord>, LogError> {
        let decode = |key: &[u8], value: &[u8]| {
            let place = event_place(SPAN_EVENTS, event_of(key)?);
            decode_span(&place, unlinked(&place, value)?.1)
        };
        let mut from = [0; 16];
        self.store.scan_back(SPAN_EVENTS, &event_key(range.start().0, u64::MAX), |key, value| {
            let starts = matches!(decode(key, value)?.event, SpanEvent::NewEpoch { start, .. } if start <= *range.start());
            if starts {
                from = key.try_into().map_err(|_| crate::keys::bad_key(key))?;
            }
            Ok::<bool, LogError>(!starts)
        })?;
        let mut records = Vec::new();
        let (mut is_beyond, mut until) = (false, *range.end());
        for entry in self.store.from(SPAN_EVENTS, &from)? {
            let (key, value) = entry?;
            let record = decode(&key, &value)?;
            match record.event.blocks() {
                Some((start, _)) if start > *range.end() => is_beyond = true,
                // As long as the span lasts, it may be cut short.
                Some((_, end)) => until = until.max(end),
                None => {}
            }
            let is_last = is_beyond && record.block > until;
            records.push(record);
            if is_last {
                break;
            }
        }
        Ok(records)
    }

    fn chunk_link(&self, first_block: L2Block) -> Result<B256, LogError> {
        Ok(unlinked("a chunk", &self.column(CHUNKS, first_block)?)?.0)
    }

    fn scan_producers<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        mut each: impl FnMut(&Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut expected = chunk_start(self.identity().l2_first_block, *range.start());
        let end = end_key(*range.end());
        self.store.scan(
            PRODUCERS,
            &expected.0.to_be_bytes(),
            end.as_ref().map(<[u8; 8]>::as_slice),
            |key, value| {
                let first = L2Block(chunk_of(key)?);
                if first != expected {
                    return Err(missing(expected, Some(first)).into());
                }
                let producers = Producers::new(first, value)?;
                expected = next_chunk(first, producers.blocks())?;
                each(&producers)
            },
        )?;
        if expected <= *range.end() {
            return Err(missing(expected, None).into());
        }
        Ok(())
    }

    fn scan_verified<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        mut each: impl FnMut(&ChunkHeader, &Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scan_bytes(range, |header, _, producers, _| each(header, producers))
    }
}

impl LogReader {
    /// As [`LogView::scan_verified`], with the bytes of header and times, too: `each(header, its bytes, producers,
    /// times)`.
    pub(crate) fn scan_bytes<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        mut each: impl FnMut(&ChunkHeader, &[u8], &Producers<'_>, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let first_of_log = self.identity().l2_first_block;
        let start = chunk_start(first_of_log, *range.start());
        let (mut chain, mut check) = self.before(start)?;
        let mut headers = self.store.cursor(CHUNKS, &start.0.to_be_bytes())?;
        let mut times = self.store.cursor(TIMES, &start.0.to_be_bytes())?;
        self.scan_producers(range, |producers| {
            let key = producers.first_block().0.to_be_bytes();
            let place = format!("the chunk of L2 block {}", producers.first_block());
            let value = headers.take(&key)?;
            let bytes;
            (chain, bytes) = chain.follow(&place, &key, value)?;
            let header = ChunkHeader::decode(&place, bytes)?;
            let column = times.take(&key)?;
            check.check(&header, producers, column)?;
            each(&header, bytes, producers, column)
        })
    }

    /// What the chunk before that of block `start` says: its link, and what the next has to follow on.
    fn before(&self, start: L2Block) -> Result<(Links, ChunkCheck), LogError> {
        let first = self.identity().l2_first_block;
        let Some(before) = start.previous().filter(|before| *before >= first) else {
            return Ok((Links::default(), ChunkCheck::default()));
        };
        let before = chunk_start(first, before);
        let place = format!("the chunk of L2 block {before}");
        let value = self.store.get(CHUNKS, &before.0.to_be_bytes())?.ok_or_else(|| missing(before, None))?;
        let (last, bytes) = unlinked(&place, &value)?;
        let header = ChunkHeader::decode(&place, bytes)?;
        // The count is of no interest: the heads' is compared with the number of chunks.
        Ok((Links { count: 0, last }, ChunkCheck::after(&header)))
    }
}

/// The first key that has no block up to `last`, or `None` if every key may.
fn end_key(last: L2Block) -> Option<[u8; 8]> {
    last.next().map(|next| next.0.to_be_bytes())
}

/// The first block of the chunk after one.
fn next_chunk(first: L2Block, blocks: u16) -> Result<L2Block, LogError> {
    first.0.checked_add(u64::from(blocks)).map(L2Block).ok_or_else(|| LogError::Undecodable {
        place: format!("the chunk of L2 block {first}"),
        reason: format!("it has {blocks} blocks, and so passes 64 bits"),
    })
}

#[cold]
fn missing(expected: L2Block, found: Option<L2Block>) -> LogError {
    LogError::Damaged {
        place: format!("the producers of the chunk of L2 block {expected}"),
        what: "first block",
        expected: expected.to_string(),
        found: found.map_or("none".into(), |found| found.to_string()),
    }
}
