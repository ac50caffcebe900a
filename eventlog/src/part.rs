//! A part of a log: what there was by the end of some chunk, which is a log by itself, or what is final.

use crate::chunk_header::{CHUNK_BLOCKS_MAX, ChunkHeader, chunk_start};
use crate::events::EventCursor;
use crate::heads::{Heads, L1Head, L2Head, Links, Reach};
use crate::index::IndexEntry;
use crate::keys::{event_key, unlinked};
use crate::options::{CHUNKS, SIGNERS, SPAN_EVENTS};
use crate::owners::Owners;
use crate::producers::Producers;
use crate::reader::LogReader;
use crate::recent::RecentBlock;
use crate::times::Times;
use crate::view::LogView;
use crate::{LogError, LogIdentity};
use alloy_primitives::{Address, B256};
use std::ops::RangeInclusive;
use tally_engine::{L1Block, L1Record, L2Block, SpanRecord};

/// What a log has up to some block of L1 and some block of L2. No digest is of it, unless it is a [`LogPrefix`].
pub struct LogPart<'a> {
    log: &'a LogReader,
    reach: Reach,
    /// The last blocks whose events count; `None` for all.
    l1_until: Option<L1Block>,
    l2_until: Option<L2Block>,
    /// How many signers of the dictionary belong to it.
    signers: u64,
}

/// The beginning of a log that is a log by itself: all of its L1, and of its L2 what there was by the end of some
/// chunk.
pub struct LogPrefix<'a> {
    part: LogPart<'a>,
    heads: Heads,
}

impl LogReader {
    /// The log up to the end of the chunk that block `to` is in (the first chunk, for an earlier block); all of
    /// it, for `None` or a block that it does not reach.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the log cannot be read.
    pub fn prefix(&self, to: Option<L2Block>) -> Result<LogPrefix<'_>, LogError> {
        let whole = LogPrefix::new(self, self.heads(), None);
        let (Some(to), Some(head)) = (to, self.heads().l2) else {
            return Ok(whole);
        };
        let first = self.identity().l2_first_block;
        let start = chunk_start(first, to);
        if to >= head.block || start == chunk_start(first, head.block) {
            return Ok(whole);
        }
        let place = format!("the chunk of L2 block {start}");
        let column = self.column(CHUNKS, start)?;
        let (last, bytes) = unlinked(&place, &column)?;
        let header = ChunkHeader::decode(&place, bytes)?;
        // Its decoding has checked that there is a last block.
        let block = header.last_block().unwrap_or(start);
        let chunks = Links { count: start.0 / CHUNK_BLOCKS_MAX - first.0 / CHUNK_BLOCKS_MAX + 1, last };
        let after_spans = block.next().map(|next| event_key(next.0, 0));
        let after_signers = header.signers.checked_add(1).map(u16::to_be_bytes);
        let heads = Heads {
            l2: Some(L2Head { block, hash: header.last_hash, timestamp: header.last_time }),
            span_events: self.chain_before(SPAN_EVENTS, after_spans.as_ref().map(<[u8; 16]>::as_slice))?,
            signers: self.chain_before(SIGNERS, after_signers.as_ref().map(<[u8; 2]>::as_slice))?,
            chunks,
            ..*self.heads()
        };
        Ok(LogPrefix::new(self, &heads, Some(block)))
    }

    /// What is final of the log: as it grows, this does, and nothing of it ever changes. Where nothing can be taken
    /// back, as in a log of a recording, it is all of it.
    ///
    /// # Errors
    ///
    /// As [`LogReader::sealed`].
    pub fn final_part(&self) -> Result<LogPart<'_>, LogError> {
        let [l1, l2] = self.sealed()?;
        let l1 = l1.map(|RecentBlock { number, hash, timestamp }| L1Head {
            block: L1Block(number),
            hash,
            timestamp,
        });
        let l2 = l2.map(|RecentBlock { number, hash, timestamp }| L2Head {
            block: L2Block(number),
            hash,
            timestamp,
        });
        Ok(LogPart {
            log: self,
            reach: Reach { l1, l2 },
            l1_until: l1.map(|head| head.block),
            l2_until: l2.map(|head| head.block),
            signers: self.heads().signers.count,
        })
    }

    /// The chain of digests over the entries of a family before `end`.
    fn chain_before(&self, family: &'static str, end: Option<&[u8]>) -> Result<Links, LogError> {
        let mut chain = Links::default();
        self.store.scan::<LogError>(family, &[], end, |key, value| {
            chain = chain.follow(family, key, value)?.0;
            Ok(())
        })?;
        Ok(chain)
    }
}

impl<'a> LogPrefix<'a> {
    fn new(log: &'a LogReader, heads: &Heads, l2_until: Option<L2Block>) -> Self {
        let signers = heads.signers.count;
        Self { part: LogPart { log, reach: heads.reach(), l1_until: None, l2_until, signers }, heads: *heads }
    }

    /// Its contents, to be read.
    pub fn part(&self) -> &LogPart<'a> {
        &self.part
    }

    /// How far it reaches, with the digests of everything up to there.
    pub fn heads(&self) -> &Heads {
        &self.heads
    }
}

impl LogPart<'_> {
    /// The whole log, of which this is a part.
    pub(crate) fn log(&self) -> &LogReader {
        self.log
    }
}

impl LogView for LogPart<'_> {
    fn identity(&self) -> &LogIdentity {
        self.log.identity()
    }

    fn reach(&self) -> Reach {
        self.reach
    }

    fn l1_records_after(&self, cursor: &mut EventCursor) -> Result<Vec<L1Record>, LogError> {
        self.log.l1_records_until(cursor, self.l1_until)
    }

    fn for_each_span_record<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        self.log.span_records_until(cursor, self.l2_until, each)
    }

    fn owners(&self) -> Result<Owners, LogError> {
        self.log.owners_until(self.l1_until)
    }

    fn signers(&self) -> Result<Vec<Address>, LogError> {
        let mut signers = self.log.signers()?;
        signers.truncate(usize::try_from(self.signers).unwrap_or(usize::MAX));
        Ok(signers)
    }

    fn chunk_index(&self, from: L2Block) -> Result<Vec<IndexEntry>, LogError> {
        let mut index = self.log.chunk_index(from)?;
        let head = self.reach.l2.map(|head| head.block);
        index.retain(|entry| head.is_some_and(|head| entry.first_block <= head));
        Ok(index)
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
