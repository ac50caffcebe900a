//! Making a whole log at once, as fast as its tables can be written: neither the write-ahead file nor
//! compaction is needed where everything comes in order.

use crate::LogIdentity;
use crate::chunk::EncodedChunk;
use crate::error::LogError;
use crate::heads::{Heads, L1Head, L2Head, Links};
use crate::index::{IndexEntry, OpenPage};
use crate::keys::{event_key, linked};
use crate::options::{
    self, CHUNKS, INDEX, L1_EVENTS, META, PRODUCERS, RECENT_KEY, SIGNERS, SPAN_EVENTS, TIMES,
};
use crate::owners::OwnersHead;
use crate::recent::recent_digest;
use crate::record::{encode_l1, encode_span};
use crate::store::Store;
use crate::tables::Tables;
use crate::whole::make_whole;
use alloy_primitives::Address;
use rocksdb::{Options, WriteBatch};
use std::path::Path;
use tally_engine::{L1Record, PoolState, SpanRecord, Spans};

/// The families that are written as tables, each in order of its keys.
const TABLES: [&str; 7] = [L1_EVENTS, SPAN_EVENTS, SIGNERS, CHUNKS, PRODUCERS, TIMES, INDEX];

/// A log that is being made. The events are played, and the chunks have to follow one another; that everything
/// else fits together (order, times, signers, heads) is the caller's to see to, and [`crate::verify()`]'s to
/// check.
pub struct BulkLog<'a> {
    tables: Vec<Tables<'a>>,
    heads: Heads,
    owners: OwnersHead,
    pool: PoolState,
    spans: Spans,
    page: OpenPage,
}

impl BulkLog<'_> {
    fn put(&mut self, family: &'static str, key: &[u8], value: &[u8]) -> Result<(), LogError> {
        let table = self.tables.iter_mut().find(|table| table.family() == family);
        table.expect("every family that is put into has tables").put(key, value)
    }

    /// Puts an entry of a family with a chain of digests.
    fn put_linked(
        &mut self,
        family: &'static str,
        chain: Links,
        key: &[u8],
        bytes: &[u8],
    ) -> Result<Links, LogError> {
        let chain = chain.extended(key, bytes);
        self.put(family, key, &linked(&chain.last, bytes))?;
        Ok(chain)
    }

    /// Puts the next L1 record.
    ///
    /// # Errors
    ///
    /// [`LogError::Pool`] if the contracts' state cannot take it, and what RocksDB says.
    pub fn l1(&mut self, record: &L1Record) -> Result<(), LogError> {
        self.pool.apply(record)?;
        let key = event_key(record.block.0, record.log_index);
        self.heads.l1_events = self.put_linked(L1_EVENTS, self.heads.l1_events, &key, &encode_l1(record)?)?;
        Ok(())
    }

    /// Says how far L1 reaches.
    pub fn l1_head(&mut self, head: L1Head) {
        self.heads.l1 = Some(head);
    }

    /// Says that the owner events of the log's L1 blocks are not known.
    pub(crate) fn owners_missing(&mut self) {
        self.owners = OwnersHead::missing(self.heads.l1.map(|head| head.block));
    }

    /// Puts the next span event.
    ///
    /// # Errors
    ///
    /// [`LogError::Span`] if it does not fit the spans before it, and what RocksDB says.
    pub fn span(&mut self, record: &SpanRecord) -> Result<(), LogError> {
        self.spans.apply(record)?;
        let key = event_key(record.block.0, record.log_index);
        self.heads.span_events =
            self.put_linked(SPAN_EVENTS, self.heads.span_events, &key, &encode_span(record)?)?;
        Ok(())
    }

    /// Puts the next signer into the dictionary.
    ///
    /// # Errors
    ///
    /// [`LogError::TooManySigners`] if there are no more codes, and what RocksDB says.
    pub fn signer(&mut self, signer: Address) -> Result<(), LogError> {
        let block = self.heads.l2.map(|head| head.block).unwrap_or_default();
        let too_many = LogError::TooManySigners { block, max: crate::SIGNERS_MAX };
        let code = u16::try_from(self.heads.signers.count).ok().and_then(|count| count.checked_add(1));
        let key = code.ok_or(too_many)?.to_be_bytes();
        self.heads.signers = self.put_linked(SIGNERS, self.heads.signers, &key, signer.as_slice())?;
        Ok(())
    }

    /// Puts the next chunk.
    ///
    /// # Errors
    ///
    /// [`LogError::L2OutOfOrder`] if it does not follow the one before, and what RocksDB says.
    pub fn chunk(&mut self, chunk: &EncodedChunk) -> Result<(), LogError> {
        let header = &chunk.header;
        if let Some(expected) = self.heads.l2.and_then(|head| head.block.next())
            && expected != header.first_block
        {
            return Err(LogError::L2OutOfOrder { expected, found: header.first_block });
        }
        let block = header
            .last_block()
            .ok_or(LogError::L2OutOfOrder { expected: header.first_block, found: header.first_block })?;
        let key = header.first_block.0.to_be_bytes();
        self.heads.chunks = self.put_linked(CHUNKS, self.heads.chunks, &key, &header.encode()?)?;
        self.put(PRODUCERS, &key, &chunk.producers)?;
        self.put(TIMES, &key, &chunk.times)?;
        let full = self.page.encode();
        self.page.put(IndexEntry::from(header));
        // The page before this chunk's is complete.
        if let Some((key, page)) = full.filter(|(key, _)| *key != crate::index::page_key(header.first_block))
        {
            self.put(INDEX, &key, &page)?;
        }
        self.heads.l2 = Some(L2Head { block, hash: header.last_hash, timestamp: header.last_time });
        Ok(())
    }
}

/// Makes a log of `identity` at `path`, where nothing may be yet: it is there whole, or not at all. `fill` puts
/// everything into it.
///
/// # Errors
///
/// [`LogError::Files`] if something is there already; what `fill` and RocksDB say.
pub fn bulk_load<E: From<LogError>>(
    path: &Path,
    identity: &LogIdentity,
    fill: impl FnOnce(&mut BulkLog<'_>) -> Result<(), E>,
) -> Result<Heads, E> {
    make_whole(path, |log, tables| load(log, tables, identity, fill))
}

/// Makes a log of `identity` at `path`, with the directory `tables` for its tables meanwhile; `fill` puts everything
/// into it.
pub(crate) fn load<E: From<LogError>>(
    path: &Path,
    tables: &Path,
    identity: &LogIdentity,
    fill: impl FnOnce(&mut BulkLog<'_>) -> Result<(), E>,
) -> Result<Heads, E> {
    let store = Store::open_to_write(path)?;
    let families: Vec<(&str, Options)> =
        TABLES.into_iter().map(|family| (family, options::column_family(family))).collect();
    let mut log = BulkLog {
        tables: families.iter().map(|(family, options)| Tables::new(family, tables, options)).collect(),
        heads: Heads::default(),
        owners: OwnersHead::default(),
        pool: PoolState::new(&identity.genesis),
        spans: Spans::new(),
        page: OpenPage::default(),
    };
    fill(&mut log)?;
    if let Some((key, page)) = log.page.encode() {
        log.put(INDEX, &key, &page)?;
    }
    for table in &mut log.tables {
        store.ingest(table.family(), table.finish()?)?;
    }
    let mut batch = WriteBatch::default();
    batch.put_cf(store.family(META)?, RECENT_KEY, recent_digest(&[], &[]));
    store.put_meta(&mut batch, identity, &log.heads, &log.owners)?;
    store.write(batch)?;
    Ok(log.heads)
}
