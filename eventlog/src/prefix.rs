//! The beginning of a log: up to the end of some chunk, a log by itself; or what is final of it.

use crate::chunk::{CHUNK_BLOCKS_MAX, ChunkHeader, chunk_start};
use crate::heads::{Chain, Heads, L1Head, L2Head};
use crate::index::IndexEntry;
use crate::keys::{event_key, unlinked};
use crate::options::{CHUNKS, SIGNERS, SPAN_EVENTS};
use crate::reader::LogReader;
use crate::recent::RecentBlock;
use crate::store::EventCursor;
use crate::{LogError, LogIdentity};
use alloy_primitives::Address;
use tally_engine::{L1Block, L1Record, L2Block, SpanRecord};

/// The beginning of a log: all of its L1, and of its L2 what there was by the end of some chunk; or of both what no
/// reorg can take back.
pub struct LogPrefix<'a> {
    log: &'a LogReader,
    heads: Heads,
    /// The last blocks whose events count; `None` for all.
    l1_until: Option<L1Block>,
    l2_until: Option<L2Block>,
}

impl LogReader {
    /// The log up to the end of the chunk that block `to` is in (the first chunk, for an earlier block); all of
    /// it, for `None` or a block that it does not reach.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the log cannot be read.
    pub fn prefix(&self, to: Option<L2Block>) -> Result<LogPrefix<'_>, LogError> {
        let whole = LogPrefix { log: self, heads: *self.heads(), l1_until: None, l2_until: None };
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
        let chunks = Chain { count: start.0 / CHUNK_BLOCKS_MAX - first.0 / CHUNK_BLOCKS_MAX + 1, last };
        let after_spans = block.next().map(|next| event_key(next.0, 0));
        let after_signers = header.signers.checked_add(1).map(u16::to_be_bytes);
        let heads = Heads {
            l2: Some(L2Head { block, hash: header.last_hash, timestamp: header.last_time }),
            span_events: self.chain_before(SPAN_EVENTS, after_spans.as_ref().map(<[u8; 16]>::as_slice))?,
            signers: self.chain_before(SIGNERS, after_signers.as_ref().map(<[u8; 2]>::as_slice))?,
            chunks,
            ..*self.heads()
        };
        Ok(LogPrefix { log: self, heads, l1_until: None, l2_until: Some(block) })
    }

    /// What is final of the log: as it grows, this does, and nothing of it ever changes. Where nothing can be taken
    /// back, as in a log of a recording, it is all of it. Its heads name its last blocks, but the digests in them are
    /// those of the whole log.
    ///
    /// # Errors
    ///
    /// As [`LogReader::sealed`].
    pub fn final_part(&self) -> Result<LogPrefix<'_>, LogError> {
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
        let (l1_until, l2_until) = (l1.map(|head| head.block), l2.map(|head| head.block));
        Ok(LogPrefix { log: self, heads: Heads { l1, l2, ..*self.heads() }, l1_until, l2_until })
    }

    /// The chain of digests over the entries of a family before `end`.
    fn chain_before(&self, family: &'static str, end: Option<&[u8]>) -> Result<Chain, LogError> {
        let mut chain = Chain::default();
        self.store.scan::<LogError>(family, &[], end, |key, value| {
            chain = chain.follow(family, key, value)?.0;
            Ok(())
        })?;
        Ok(chain)
    }
}

impl LogPrefix<'_> {
    /// The log that it is of.
    pub fn log(&self) -> &LogReader {
        self.log
    }

    /// What the log is of.
    pub fn identity(&self) -> &LogIdentity {
        self.log.identity()
    }

    /// How far it reaches.
    pub fn heads(&self) -> &Heads {
        &self.heads
    }

    /// As [`LogReader::l1_records_after`], up to its end.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn l1_records_after(&self, cursor: &mut EventCursor) -> Result<Vec<L1Record>, LogError> {
        self.log.l1_records_until(cursor, self.l1_until)
    }

    /// As [`LogReader::for_each_span_record`], up to its end.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn for_each_span_record<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        self.log.span_records_until(cursor, self.l2_until, each)
    }

    /// As [`LogReader::signers`], up to its end.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn signers(&self) -> Result<Vec<Address>, LogError> {
        let mut signers = self.log.signers()?;
        signers.truncate(usize::try_from(self.heads.signers.count).unwrap_or(usize::MAX));
        Ok(signers)
    }

    /// As [`LogReader::chunk_index`], up to its end.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn chunk_index(&self, from: L2Block) -> Result<Vec<IndexEntry>, LogError> {
        let mut index = self.log.chunk_index(from)?;
        let head = self.heads.l2.map(|head| head.block);
        index.retain(|entry| head.is_some_and(|head| entry.first_block <= head));
        Ok(index)
    }
}
