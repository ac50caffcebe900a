//! The beginning of a log, up to the end of some chunk: a log by itself.

use crate::chunk::{CHUNK_BLOCKS_MAX, ChunkHeader, chunk_start};
use crate::heads::{Chain, Heads, L2Head};
use crate::index::IndexEntry;
use crate::keys::{event_key, unlinked};
use crate::options::{CHUNKS, SIGNERS, SPAN_EVENTS};
use crate::reader::LogReader;
use crate::store::EventCursor;
use crate::{LogError, LogIdentity};
use alloy_primitives::Address;
use tally_engine::{L2Block, SpanRecord};

/// All of a log's L1, and of its L2 what there was by the end of some chunk.
pub struct LogPrefix<'a> {
    log: &'a LogReader,
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
        let whole = LogPrefix { log: self, heads: *self.heads() };
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
        Ok(LogPrefix { log: self, heads })
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

    /// As [`LogReader::for_each_span_record`], up to its end.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn for_each_span_record<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        mut each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let head = self.heads.l2.map(|head| head.block);
        self.log.for_each_span_record(cursor, |record| {
            if head.is_some_and(|head| record.block <= head) { each(record) } else { Ok(()) }
        })
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
