//! Reading a log.

use crate::chunk::{ChunkHeader, chunk_start, column_digest};
use crate::heads::{Heads, same};
use crate::index::{IndexEntry, decode_page, page_key};
use crate::keys::{event_key, event_of, event_place, unlinked};
use crate::options::{CHUNKS, COLUMN_FAMILIES, INDEX, L1_EVENTS, PRODUCERS, SIGNERS, SPAN_EVENTS, TIMES};
use crate::producers::Producers;
use crate::recent::{RecentBlock, RecentBlocks, Side};
use crate::record::decode_span;
use crate::store::{EventCursor, Store, is_database, probe};
use crate::times::Times;
use crate::{LogError, LogIdentity};
use alloy_primitives::{Address, B256};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;
use tally_engine::{L1Block, L1Record, L2Block, SpanEvent, SpanRecord};

/// How often a reader tries to see the log at rest. A writer that flushes or drops a file just while
/// the reader opens them all is what makes an attempt fail.
const OPEN_ATTEMPTS: u32 = 10;

/// How long it waits between attempts: longer than a flush of a few megabytes takes.
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// A log as it was when it was opened, whatever its writer does meanwhile.
pub struct LogReader {
    pub(crate) store: Store,
    identity: LogIdentity,
    heads: Heads,
    /// RocksDB keeps its notes of a reader here; it goes with the reader, after the store.
    _scratch: tempfile::TempDir,
}

impl LogReader {
    /// Whether there is a log (or some other database) at `path`.
    ///
    /// # Errors
    ///
    /// [`LogError::Files`] if the file system does not say.
    pub fn exists(path: &Path) -> Result<bool, LogError> {
        is_database(path)
    }

    /// Opens the log at `path`.
    ///
    /// # Errors
    ///
    /// [`LogError::NotFound`], [`LogError::NotALog`] or [`LogError::Format`] if there is no log that can
    /// be read, [`LogError::Restless`] if its writer never let it be seen at rest, and whatever
    /// RocksDB says.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let mut last = match Self::open_once(path) {
            Ok(reader) => return Ok(reader),
            Err(error) => error,
        };
        for _ in 1..OPEN_ATTEMPTS {
            // Only these can come of a writer at work.
            if !(last.is_damage() || matches!(last, LogError::Storage { .. } | LogError::Empty { .. })) {
                return Err(last);
            }
            std::thread::sleep(OPEN_PAUSE);
            last = match Self::open_once(path) {
                Ok(reader) => return Ok(reader),
                Err(error) => error,
            };
        }
        // Damage stays what it is; what RocksDB could not open may be a matter of time.
        if last.is_damage() || matches!(last, LogError::Empty { .. }) {
            return Err(last);
        }
        Err(LogError::Restless { path: path.into(), attempts: OPEN_ATTEMPTS, last: Box::new(last) })
    }

    /// Opens the log at `path` in one attempt: an error may come of a writer that is just at work.
    ///
    /// # Errors
    ///
    /// As [`LogReader::open`], but [`LogError::Storage`] or [`LogError::Damaged`] at once.
    pub fn open_once(path: &Path) -> Result<Self, LogError> {
        let scratch = tempfile::tempdir().map_err(|source| LogError::Files {
            path: std::env::temp_dir(),
            what: "making a directory for the reader's notes",
            source,
        })?;
        let store = Store::open_to_read(path, scratch.path())?;
        let Some((identity, heads)) = store.meta()? else {
            probe(path)?;
            return Err(LogError::Empty { path: path.into() });
        };
        let reader = Self { store, identity, heads, _scratch: scratch };
        reader.check_rest()?;
        Ok(reader)
    }

    /// Whether every family ends where the heads say, and the last columns are those of the last chunk: else
    /// a writer was caught between two of them.
    fn check_rest(&self) -> Result<(), LogError> {
        let Heads { l1_events, span_events, signers, chunks, .. } = self.heads;
        let chains =
            [(L1_EVENTS, l1_events), (SPAN_EVENTS, span_events), (SIGNERS, signers), (CHUNKS, chunks)];
        for (family, chain) in chains {
            let last = self.store.last(family)?;
            let last = last.map(|(_, value)| unlinked(family, &value).map(|(link, _)| link)).transpose()?;
            let last = last.unwrap_or_default();
            if last != chain.last {
                return Err(LogError::Damaged {
                    place: format!("the end of {family}"),
                    what: "last link of the digest chain",
                    expected: chain.last.to_string(),
                    found: last.to_string(),
                });
            }
        }
        self.recent()?;
        let last = self.store.last(CHUNKS)?;
        let last =
            last.map(|(_, value)| ChunkHeader::decode(CHUNKS, unlinked(CHUNKS, &value)?.1)).transpose()?;
        self.heads.check_last_chunk(last.as_ref())?;
        if let Some(header) = last {
            for (family, digest) in [(PRODUCERS, header.producers_digest), (TIMES, header.times_digest)] {
                let column = self.column(family, header.first_block)?;
                same(&header.place(), "digest of a column", &digest, &column_digest(&column))?;
            }
            let index = self.chunk_index(header.first_block)?;
            header.check_index_entry(index.last().copied())?;
        }
        Ok(())
    }

    /// The last blocks of L1 and of L2.
    pub(crate) fn recent(&self) -> Result<[RecentBlocks; 2], LogError> {
        let [l1, l2] = self.store.recent()?;
        Ok([
            RecentBlocks::new(Side::L1, l1, self.heads.l1.map(RecentBlock::from))?,
            RecentBlocks::new(Side::L2, l2, self.heads.l2.map(RecentBlock::from))?,
        ])
    }

    /// The last final blocks of L1 and of L2: a reorg may take back those after them.
    ///
    /// # Errors
    ///
    /// [`LogError::Damaged`] or [`LogError::Undecodable`] if the recent blocks are not what was written.
    pub fn sealed(&self) -> Result<[Option<RecentBlock>; 2], LogError> {
        Ok(self.recent()?.map(|recent| recent.blocks().first().copied()))
    }

    /// Where the log is.
    pub fn path(&self) -> &Path {
        self.store.path()
    }

    /// What the log is of.
    pub fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    /// How far it reaches.
    pub fn heads(&self) -> &Heads {
        &self.heads
    }

    /// One digest of everything in it.
    ///
    /// # Errors
    ///
    /// As [`Heads::digest`].
    pub fn head_digest(&self) -> Result<B256, LogError> {
        self.heads.digest(&self.identity)
    }

    /// How many bytes the keys and values of each part of it take, before RocksDB packs them.
    ///
    /// # Errors
    ///
    /// [`LogError::NotALog`] if a part is missing, and what RocksDB says if it cannot be read.
    pub fn sizes_bytes(&self) -> Result<Vec<(&'static str, u64)>, LogError> {
        COLUMN_FAMILIES.iter().map(|family| Ok((*family, self.store.size_bytes(family)?))).collect()
    }

    /// The pool's records after `cursor`, in order; moves the cursor to the last.
    ///
    /// # Errors
    ///
    /// [`LogError::Undecodable`] or [`LogError::Damaged`] naming the first bad one.
    pub fn l1_records_after(&self, cursor: &mut EventCursor) -> Result<Vec<L1Record>, LogError> {
        self.l1_records_until(cursor, None)
    }

    /// Calls `each` with the span events after `cursor`, in order, of which there may be millions; moves the
    /// cursor to the last.
    ///
    /// # Errors
    ///
    /// As [`LogReader::l1_records_after`], and what `each` says.
    pub fn for_each_span_record<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        self.span_records_until(cursor, None, each)
    }

    /// The records after `cursor` up to block `until`, or all, for `None`.
    pub(crate) fn l1_records_until(
        &self,
        cursor: &mut EventCursor,
        until: Option<L1Block>,
    ) -> Result<Vec<L1Record>, LogError> {
        let mut records = Vec::new();
        self.store.l1_records::<LogError>(&self.heads, until, cursor, |record| {
            records.push(record);
            Ok(())
        })?;
        Ok(records)
    }

    /// The span events after `cursor` up to block `until`, or all, for `None`.
    pub(crate) fn span_records_until<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        until: Option<L2Block>,
        each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        self.store.span_records(&self.heads, until, cursor, each)
    }

    /// All of the pool's records, in order.
    ///
    /// # Errors
    ///
    /// As [`LogReader::l1_records_after`].
    pub fn l1_records(&self) -> Result<Vec<L1Record>, LogError> {
        self.l1_records_after(&mut EventCursor::default())
    }

    /// All span events, in order.
    ///
    /// # Errors
    ///
    /// As [`LogReader::l1_records_after`].
    pub fn span_records(&self) -> Result<Vec<SpanRecord>, LogError> {
        let mut records = Vec::new();
        self.for_each_span_record::<LogError>(&mut EventCursor::default(), |record| {
            records.push(record);
            Ok(())
        })?;
        Ok(records)
    }

    /// The dictionary: the signers by code, from 1 on.
    ///
    /// # Errors
    ///
    /// As [`LogReader::l1_records_after`].
    pub fn signers(&self) -> Result<Vec<Address>, LogError> {
        self.store.signers(&self.heads)
    }

    /// What the index knows of the chunks, in order, from one at or before that of `from` on. It is in no
    /// digest; [`crate::verify()`] and [`LogReader::scan_verified`] compare it with the headers.
    ///
    /// # Errors
    ///
    /// [`LogError::Undecodable`] or [`LogError::Damaged`] naming the first bad page.
    pub fn chunk_index(&self, from: L2Block) -> Result<Vec<IndexEntry>, LogError> {
        let mut entries: Vec<IndexEntry> = Vec::new();
        let Some(head) = self.heads.l2 else {
            return Ok(entries);
        };
        let range = (self.identity.l2_first_block, head.block);
        let first = page_key(from.clamp(range.0, range.1));
        let mut expected = first;
        self.store.scan::<LogError>(INDEX, &first, None, |key, value| {
            same("the index", "next page", &u64::from_be_bytes(expected), &crate::keys::chunk_of(key)?)?;
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

    /// Calls `each` with the times of the chunks that begin at `first_blocks`, which are in order.
    ///
    /// # Errors
    ///
    /// [`LogError`] naming the first chunk that has none or whose times are damaged, and what `each` says.
    pub fn for_each_times<E: From<LogError>>(
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

    /// Calls `each` with the columns of the chunk that begins at `first_block`, read in place.
    ///
    /// # Errors
    ///
    /// [`LogError`] if there is no such chunk or its columns are damaged, and what `each` says.
    pub fn with_columns<T, E: From<LogError>>(
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

    /// The span events that say which spans cover the blocks of `range`: from the announcement of one that was to
    /// start at or before its first block (or the log's first event), to the first after which none can change
    /// these spans any more. Only RocksDB's checksums are checked, not the links.
    ///
    /// # Errors
    ///
    /// [`LogError::Undecodable`] naming the first bad one.
    pub fn span_records_over(&self, range: &RangeInclusive<L2Block>) -> Result<Vec<SpanRecord>, LogError> {
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

    /// The link of the chunk that begins at `first_block`: a digest of everything up to its end.
    ///
    /// # Errors
    ///
    /// [`LogError::Undecodable`] if there is no such chunk.
    pub fn chunk_link(&self, first_block: L2Block) -> Result<B256, LogError> {
        Ok(unlinked("a chunk", &self.column(CHUNKS, first_block)?)?.0)
    }

    pub(crate) fn column(&self, family: &'static str, first_block: L2Block) -> Result<Vec<u8>, LogError> {
        let column = self.store.get(family, &first_block.0.to_be_bytes())?;
        column.ok_or_else(|| no_column(family, first_block))
    }

    /// How many entries a family has.
    pub(crate) fn count(&self, family: &'static str) -> Result<u64, LogError> {
        let mut count = 0_u64;
        self.store.scan::<LogError>(family, &[], None, |_, _| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    }
}

#[cold]
fn no_column(family: &str, first_block: L2Block) -> LogError {
    LogError::Undecodable {
        place: format!("the chunk of L2 block {first_block}"),
        reason: format!("it has no column in {family}"),
    }
}
