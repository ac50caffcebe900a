//! Making a whole log at once, as fast as its tables can be written: neither the write-ahead file nor
//! compaction is needed where everything comes in order.

use crate::LogIdentity;
use crate::chunk::EncodedChunk;
use crate::error::LogError;
use crate::heads::{Chain, Heads, L1Head, L2Head};
use crate::index::{IndexEntry, OpenPage};
use crate::keys::{event_key, linked};
use crate::options::{
    self, CHUNKS, INDEX, L1_EVENTS, META, PRODUCERS, RECENT_KEY, SIGNERS, SPAN_EVENTS, TIMES,
};
use crate::recent::recent_digest;
use crate::record::{encode_l1, encode_span};
use crate::store::Store;
use alloy_primitives::Address;
use rocksdb::{Options, SstFileWriter, WriteBatch};
use std::path::{Path, PathBuf};
use tally_engine::{L1Record, PoolState, SpanRecord, Spans};

/// How large a table gets before the next is begun.
const TABLE_BYTES_MAX: u64 = 256 << 20;

/// The families that are written as tables, each in order of its keys.
const TABLES: [&str; 7] = [L1_EVENTS, SPAN_EVENTS, SIGNERS, CHUNKS, PRODUCERS, TIMES, INDEX];

/// A log that is being made. The events are played, and the chunks have to follow one another; that everything
/// else fits together (order, times, signers, heads) is the caller's to see to, and [`crate::verify()`]'s to
/// check.
pub struct BulkLog<'a> {
    tables: Vec<Table<'a>>,
    heads: Heads,
    pool: PoolState,
    spans: Spans,
    page: OpenPage,
}

/// The tables of a family.
struct Table<'a> {
    family: &'static str,
    dir: PathBuf,
    writer: SstFileWriter<'a>,
    is_open: bool,
    files: Vec<PathBuf>,
}

impl Table<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), LogError> {
        if self.is_open && self.writer.file_size() > TABLE_BYTES_MAX {
            self.finish()?;
        }
        if !self.is_open {
            let file = self.dir.join(format!("{}-{:06}.sst", self.family, self.files.len()));
            self.writer.open(&file).map_err(|source| self.failed(source))?;
            self.files.push(file);
            self.is_open = true;
        }
        self.writer.put(key, value).map_err(|source| self.failed(source))
    }

    fn finish(&mut self) -> Result<(), LogError> {
        if std::mem::take(&mut self.is_open) {
            self.writer.finish().map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    fn failed(&self, source: rocksdb::Error) -> LogError {
        LogError::Storage { path: self.dir.clone(), what: "writing a table", source }
    }
}

impl BulkLog<'_> {
    fn put(&mut self, family: &'static str, key: &[u8], value: &[u8]) -> Result<(), LogError> {
        let table = self.tables.iter_mut().find(|table| table.family == family);
        table.expect("every family that is put into has tables").put(key, value)
    }

    /// Puts an entry of a family with a chain of digests.
    fn put_linked(
        &mut self,
        family: &'static str,
        chain: Chain,
        key: &[u8],
        bytes: &[u8],
    ) -> Result<Chain, LogError> {
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
    let files = |what, source| LogError::Files { path: path.into(), what, source };
    if path.exists() {
        return Err(files("making a log", std::io::ErrorKind::AlreadyExists.into()).into());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Beside it, so that it can be renamed; gone again if anything fails.
    let unfinished = tempfile::Builder::new().prefix(".tally-unfinished-").tempdir_in(parent);
    let unfinished = unfinished.map_err(|source| files("making a directory for a log", source))?;
    let heads = load(&unfinished.path().join("log"), &unfinished.path().join("tables"), identity, fill)?;
    let renamed = std::fs::rename(unfinished.path().join("log"), path);
    renamed.map_err(|source| files("naming the finished log", source))?;
    let synced = std::fs::File::open(parent).and_then(|parent| parent.sync_all());
    synced.map_err(|source| files("naming the finished log", source))?;
    Ok(heads)
}

fn load<E: From<LogError>>(
    path: &Path,
    tables: &Path,
    identity: &LogIdentity,
    fill: impl FnOnce(&mut BulkLog<'_>) -> Result<(), E>,
) -> Result<Heads, E> {
    let made = std::fs::create_dir(tables);
    made.map_err(|source| LogError::Files { path: tables.into(), what: "making a directory", source })?;
    let store = Store::open_to_write(path)?;
    let families: Vec<(&str, Options)> =
        TABLES.into_iter().map(|family| (family, options::column_family(family))).collect();
    let table = |(family, options)| Table {
        family,
        dir: tables.into(),
        writer: SstFileWriter::create(options),
        is_open: false,
        files: Vec::new(),
    };
    let mut log = BulkLog {
        tables: families.iter().map(|(family, options)| table((*family, options))).collect(),
        heads: Heads::default(),
        pool: PoolState::new(&identity.genesis),
        spans: Spans::new(),
        page: OpenPage::default(),
    };
    fill(&mut log)?;
    if let Some((key, page)) = log.page.encode() {
        log.put(INDEX, &key, &page)?;
    }
    for table in &mut log.tables {
        table.finish()?;
        store.ingest(table.family, &table.files)?;
    }
    let mut batch = WriteBatch::default();
    batch.put_cf(store.family(META)?, RECENT_KEY, recent_digest(&[], &[]));
    store.put_meta(&mut batch, identity, &log.heads)?;
    store.write(batch)?;
    Ok(log.heads)
}
