//! Opening a log for reading, and the views of it that replays work on.

use crate::chunk::column_digest;
use crate::chunk_header::ChunkHeader;
use crate::error::same;
use crate::events::EventCursor;
use crate::heads::Heads;
use crate::keys::unlinked;
use crate::options::{
    CHUNKS, COLUMN_FAMILIES, FORMAT, FORMAT_UPGRADABLE, L1_EVENTS, OWNER_EVENTS, PRODUCERS, SIGNERS,
    SPAN_EVENTS, TIMES,
};
use crate::owners::{Owners, OwnersHead};
use crate::recent::{RecentBlock, RecentBlocks, Side};
use crate::store::{Meta, Store};
use crate::store_files::{is_database, probe};
use crate::view::LogView;
use crate::{LogError, LogIdentity};
use alloy_primitives::B256;
use std::path::Path;
use std::time::Duration;
use tally_engine::{L1Block, L1Record, L2Block, SpanRecord};

/// How often a reader tries to see the log at rest. A writer that flushes or drops a file just while
/// the reader opens them all is what makes an attempt fail.
const OPEN_ATTEMPTS: u32 = 10;

/// How long it waits between attempts: longer than a flush of a few megabytes takes.
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// A log as it was when it was opened, whatever its writer does meanwhile.
pub struct LogReader {
    pub(crate) store: Store,
    pub(crate) identity: LogIdentity,
    format: u32,
    heads: Heads,
    owners: OwnersHead,
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
        Self::open_from(path, FORMAT)
    }

    /// Opens the log at `path`, also one of an earlier format, if [`crate::upgrade()`] makes a log of this program's
    /// format of it.
    ///
    /// # Errors
    ///
    /// As [`LogReader::open`].
    pub fn open_to_upgrade(path: &Path) -> Result<Self, LogError> {
        Self::open_from(path, FORMAT_UPGRADABLE)
    }

    fn open_from(path: &Path, oldest: u32) -> Result<Self, LogError> {
        let mut last = match Self::open_once_from(path, oldest) {
            Ok(reader) => return Ok(reader),
            Err(error) => error,
        };
        for _ in 1..OPEN_ATTEMPTS {
            // Only these can come of a writer at work.
            if !(last.is_damage() || matches!(last, LogError::Storage { .. } | LogError::Empty { .. })) {
                return Err(last);
            }
            std::thread::sleep(OPEN_PAUSE);
            last = match Self::open_once_from(path, oldest) {
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
        Self::open_once_from(path, FORMAT)
    }

    fn open_once_from(path: &Path, oldest: u32) -> Result<Self, LogError> {
        let scratch = tempfile::tempdir().map_err(|source| LogError::Files {
            path: std::env::temp_dir(),
            what: "making a directory for the reader's notes",
            source,
        })?;
        let store = Store::open_to_read(path, scratch.path())?;
        let Some(Meta { format, identity, heads, owners }) = store.meta(oldest)? else {
            probe(path)?;
            return Err(LogError::Empty { path: path.into() });
        };
        let reader = Self { store, format, identity, heads, owners, _scratch: scratch };
        reader.check_rest()?;
        Ok(reader)
    }

    /// Whether every family ends where the heads say, and the last columns are those of the last chunk: else
    /// a writer was caught between two of them.
    fn check_rest(&self) -> Result<(), LogError> {
        let Heads { l1_events, span_events, signers, chunks, .. } = self.heads;
        let chains =
            [(L1_EVENTS, l1_events), (SPAN_EVENTS, span_events), (SIGNERS, signers), (CHUNKS, chunks)];
        // A log of an earlier format has no such family.
        let owners = (self.format == FORMAT).then_some((OWNER_EVENTS, self.owners.events));
        for (family, chain) in chains.into_iter().chain(owners) {
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

    /// The format of its bytes.
    pub fn format(&self) -> u32 {
        self.format
    }

    /// The head of its owner events.
    pub fn owners_head(&self) -> &OwnersHead {
        &self.owners
    }

    /// The owner events up to block `until`, or all, for `None`.
    pub(crate) fn owners_until(&self, until: Option<L1Block>) -> Result<Owners, LogError> {
        if let Some(missing) = self.owners.missing_to {
            let to = until.map_or(missing, |until| until.min(missing));
            return Ok(Owners { records: Vec::new(), missing_to: Some(to) });
        }
        Ok(Owners { records: self.store.owner_records(&self.owners, until)?, missing_to: None })
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
pub(crate) fn no_column(family: &str, first_block: L2Block) -> LogError {
    LogError::Undecodable {
        place: format!("the chunk of L2 block {first_block}"),
        reason: format!("it has no column in {family}"),
    }
}
