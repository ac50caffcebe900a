//! What reading and writing share: opening the database, and reading its meta data.

use crate::error::same;
use crate::heads::{Heads, Links};
use crate::options::{
    self, COLUMN_FAMILIES, DIGEST_KEY, FORMAT, FORMAT_KEY, HEADS_KEY, IDENTITY_KEY, META, OWNERS_KEY, RECENT,
    RECENT_KEY, SIGNERS,
};
use crate::owners::OwnersHead;
use crate::recent::{RecentBlock, Side, recent_digest};
use crate::record::{decode, encode};
use crate::signers::SIGNERS_MAX;
use crate::store_files::{check_nothing_in, families_of, holds_files, is_database, opening};
use crate::{LogError, LogIdentity};
use alloy_primitives::Address;
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBIterator, DBPinnableSlice, DBRawIterator, Direction,
    IngestExternalFileOptions, IteratorMode, WriteBatch,
};
use std::path::{Path, PathBuf};

/// A key and its value.
pub(crate) type Entry = (Box<[u8]>, Box<[u8]>);

/// What the meta data of a log say.
pub(crate) struct Meta {
    pub(crate) format: u32,
    pub(crate) identity: LogIdentity,
    pub(crate) heads: Heads,
    pub(crate) owners: OwnersHead,
}

/// An open database with all the column families of a log.
pub(crate) struct Store {
    db: DB,
    path: PathBuf,
}

impl Store {
    /// Opens (and, where there is nothing yet, creates) the database for the one writer.
    pub(crate) fn open_to_write(path: &Path) -> Result<Self, LogError> {
        let existing = is_database(path)?;
        if !existing && holds_files(path)? {
            return Err(LogError::NotALog { path: path.into(), missing: "CURRENT file" });
        }
        // A newer format may have more families, and RocksDB refuses to open without them.
        let found = if existing { families_of(path)? } else { Vec::new() };
        // A database without meta data is a log only if its making was cut short, with nothing in it.
        let is_new = !found.iter().any(|name| name == META);
        if existing && is_new {
            check_nothing_in(path, &found)?;
        }
        let ours =
            COLUMN_FAMILIES.into_iter().filter(|name| is_new && !found.iter().any(|found| found == name));
        let names: Vec<String> = found.iter().cloned().chain(ours.map(String::from)).collect();
        let families =
            names.iter().map(|name| ColumnFamilyDescriptor::new(name, options::column_family(name)));
        let db = DB::open_cf_descriptors(&options::database(is_new), path, families)
            .map_err(|error| opening(path, error))?;
        Ok(Self { db, path: path.into() })
    }

    /// Opens the database as it is now, beside a writer or without one. `scratch` is a directory of
    /// the reader's own, for RocksDB's notes.
    pub(crate) fn open_to_read(path: &Path, scratch: &Path) -> Result<Self, LogError> {
        if !is_database(path)? {
            return Err(LogError::NotFound { path: path.into() });
        }
        let found = families_of(path)?;
        if !found.iter().any(|name| name == META) {
            return Err(LogError::NotALog { path: path.into(), missing: META });
        }
        let families = found.into_iter().filter(|name| COLUMN_FAMILIES.contains(&name.as_str()));
        let families = families.map(|name| {
            let options = options::column_family(&name);
            ColumnFamilyDescriptor::new(name, options)
        });
        let options = options::database(false);
        let db = DB::open_cf_descriptors_as_secondary(&options, path, scratch, families)
            .map_err(|error| opening(path, error))?;
        let store = Self { db, path: path.into() };
        store.db.try_catch_up_with_primary().map_err(|error| opening(path, error))?;
        Ok(store)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn family(&self, name: &'static str) -> Result<&ColumnFamily, LogError> {
        let missing = || LogError::NotALog { path: self.path.clone(), missing: name };
        self.db.cf_handle(name).ok_or_else(missing)
    }

    pub(crate) fn get(&self, family: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
        let value = self.db.get_cf(self.family(family)?, key);
        value.map_err(|source| self.failed("reading", source))
    }

    /// The values of several keys, which are in order.
    pub(crate) fn get_many<'a>(
        &'a self,
        family: &'static str,
        keys: &[[u8; 8]],
    ) -> Result<Vec<Option<DBPinnableSlice<'a>>>, LogError> {
        let values = self.db.batched_multi_get_cf(self.family(family)?, keys, true);
        values.into_iter().map(|value| value.map_err(|source| self.failed("reading", source))).collect()
    }

    /// All keys and values of a family, in order.
    pub(crate) fn iterate(
        &self,
        family: &'static str,
    ) -> Result<impl Iterator<Item = Result<Entry, LogError>>, LogError> {
        let entries: DBIterator<'_> = self.db.iterator_cf(self.family(family)?, IteratorMode::Start);
        Ok(entries.map(|entry| entry.map_err(|source| self.failed("reading", source))))
    }

    /// The last key and value of a family, or `None` if it is empty.
    pub(crate) fn last(&self, family: &'static str) -> Result<Option<Entry>, LogError> {
        let entry = self.db.iterator_cf(self.family(family)?, IteratorMode::End).next();
        entry.transpose().map_err(|source| self.failed("reading", source))
    }

    /// The last key up to `key`, and its value, or `None` if the family begins after it.
    pub(crate) fn last_up_to(&self, family: &'static str, key: &[u8]) -> Result<Option<Entry>, LogError> {
        let mode = IteratorMode::From(key, Direction::Reverse);
        let entry = self.db.iterator_cf(self.family(family)?, mode).next();
        entry.transpose().map_err(|source| self.failed("reading", source))
    }

    /// Writes a batch and waits until it is on the disk.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), LogError> {
        let written = self.db.write_opt(batch, &options::synced());
        written.map_err(|source| self.failed("writing", source))
    }

    /// Takes finished tables, with entries after those of the family, in as they are.
    pub(crate) fn ingest(&self, family: &'static str, tables: &[PathBuf]) -> Result<(), LogError> {
        if tables.is_empty() {
            return Ok(());
        }
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        let taken = self.db.ingest_external_file_cf_opts(self.family(family)?, &options, tables.to_vec());
        taken.map_err(|source| self.failed("taking tables in", source))
    }

    /// How many bytes the keys and values of a family take, before RocksDB packs them.
    pub(crate) fn size_bytes(&self, family: &'static str) -> Result<u64, LogError> {
        let mut bytes = 0_u64;
        for entry in self.iterate(family)? {
            let (key, value) = entry?;
            let len = u64::try_from(key.len().saturating_add(value.len())).unwrap_or(u64::MAX);
            bytes = bytes.saturating_add(len);
        }
        Ok(bytes)
    }

    fn failed(&self, what: &'static str, source: rocksdb::Error) -> LogError {
        LogError::Storage { path: self.path.clone(), what, source }
    }

    /// What the meta data say, or `None` in a database that nothing was written to. A format from `oldest` on, up to
    /// this program's, is read.
    pub(crate) fn meta(&self, oldest: u32) -> Result<Option<Meta>, LogError> {
        let Some(format) = self.get(META, FORMAT_KEY)? else {
            return match self.iterate(META)?.next() {
                None => Ok(None),
                Some(_) => Err(LogError::NotALog { path: self.path.clone(), missing: "format" }),
            };
        };
        let format = <[u8; 4]>::try_from(format.as_slice()).map(u32::from_be_bytes).map_err(|_| {
            LogError::Undecodable { place: "the format".into(), reason: "it has not 4 bytes".into() }
        })?;
        if !(oldest..=FORMAT).contains(&format) {
            return Err(LogError::Format { path: self.path.clone(), found: format, known: FORMAT });
        }
        let required = |key, missing| {
            let value = self.get(META, key)?;
            value.ok_or_else(|| LogError::NotALog { path: self.path.clone(), missing })
        };
        let identity: LogIdentity = decode("the identity", &required(IDENTITY_KEY, "identity")?)?;
        let heads: Heads = decode("the heads", &required(HEADS_KEY, "heads")?)?;
        if let Some(head) = heads.l2.filter(|head| head.block < identity.l2_first_block) {
            return Err(LogError::Damaged {
                place: "the heads".into(),
                what: "last L2 block",
                expected: format!("at least {}", identity.l2_first_block),
                found: head.block.to_string(),
            });
        }
        let (expected, found) = (heads.digest(&identity)?, required(DIGEST_KEY, "digest")?);
        if found != expected.as_slice() {
            return Err(LogError::Damaged {
                place: "the identity and the heads".into(),
                what: "digest",
                expected: expected.to_string(),
                found: format!("0x{}", alloy_primitives::hex::encode(found)),
            });
        }
        let owners = if format < FORMAT {
            OwnersHead::missing(heads.l1.map(|head| head.block))
        } else {
            decode("the head of the owner events", &required(OWNERS_KEY, "head of the owner events")?)?
        };
        Ok(Some(Meta { format, identity, heads, owners }))
    }

    /// The dictionary: the signers by code, from 1 on; each link is checked, up to the one in the heads.
    pub(crate) fn signers(&self, heads: &Heads) -> Result<Vec<Address>, LogError> {
        let mut signers = Vec::new();
        let mut chain = Links::default();
        for (entry, code) in self.iterate(SIGNERS)?.zip(1..=SIGNERS_MAX) {
            let (key, value) = entry?;
            let place = format!("signer {code}");
            let found = <[u8; 2]>::try_from(&*key).map(u16::from_be_bytes);
            same(&place, "code", &code, &found.map_err(|_| crate::keys::bad_key(&key))?)?;
            let bytes;
            (chain, bytes) = chain.follow(&place, &key, &value)?;
            signers.push(
                Address::try_from(bytes)
                    .map_err(|error| LogError::Undecodable { place, reason: error.to_string() })?,
            );
        }
        chain.check_end(SIGNERS, heads.signers)?;
        Ok(signers)
    }

    /// The stored recent blocks of both chains, in order.
    pub(crate) fn recent(&self) -> Result<[Vec<RecentBlock>; 2], LogError> {
        let (mut l1, mut l2) = (Vec::new(), Vec::new());
        for entry in self.iterate(RECENT)? {
            let (key, value) = entry?;
            let (side, block) = RecentBlock::decode(&key, &value)?;
            match side {
                Side::L1 => l1.push(block),
                Side::L2 => l2.push(block),
            }
        }
        let (digest, found) = (recent_digest(&l1, &l2), self.get(META, RECENT_KEY)?);
        // A database that nothing was committed to has none.
        if found.as_deref().is_some_and(|found| found != digest.as_slice())
            || found.is_none() && !(l1.is_empty() && l2.is_empty())
        {
            return Err(LogError::Damaged {
                place: "the recent blocks".into(),
                what: "digest",
                expected: format!("{:02x?}", found.unwrap_or_default()),
                found: digest.to_string(),
            });
        }
        Ok([l1, l2])
    }

    /// The keys and values of a family from `key` on, in order.
    pub(crate) fn from(
        &self,
        family: &'static str,
        key: &[u8],
    ) -> Result<impl Iterator<Item = Result<Entry, LogError>>, LogError> {
        let mode = IteratorMode::From(key, Direction::Forward);
        let entries: DBIterator<'_> = self.db.iterator_cf(self.family(family)?, mode);
        Ok(entries.map(|entry| entry.map_err(|source| self.failed("reading", source))))
    }

    /// Calls `each(key, value)` for the entries of a family from `from` on, and before `end` if there is one,
    /// in order. Both are read in place.
    pub(crate) fn scan<E: From<LogError>>(
        &self,
        family: &'static str,
        from: &[u8],
        end: Option<&[u8]>,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut entries = self.db.raw_iterator_cf_opt(self.family(family)?, options::scan(end));
        entries.seek(from);
        while let Some((key, value)) = entries.item() {
            each(key, value)?;
            entries.next();
        }
        entries.status().map_err(|source| self.failed("reading", source))?;
        Ok(())
    }

    /// Calls `each(key, value)` for the entries of a family up to `from`, from the last to the first, as long
    /// as it says to go on.
    pub(crate) fn scan_back<E: From<LogError>>(
        &self,
        family: &'static str,
        from: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut entries = self.db.raw_iterator_cf_opt(self.family(family)?, options::scan(None));
        entries.seek_for_prev(from);
        while let Some((key, value)) = entries.item() {
            if !each(key, value)? {
                break;
            }
            entries.prev();
        }
        entries.status().map_err(|source| self.failed("reading", source))?;
        Ok(())
    }

    /// The value of a key in RocksDB's own memory, or `None` if there is none.
    pub(crate) fn get_pinned(
        &self,
        family: &'static str,
        key: &[u8],
    ) -> Result<Option<DBPinnableSlice<'_>>, LogError> {
        let value = self.db.get_pinned_cf(self.family(family)?, key);
        value.map_err(|source| self.failed("reading", source))
    }

    /// A family's entries from `from` on, to be taken one by one.
    pub(crate) fn cursor(&self, family: &'static str, from: &[u8]) -> Result<StoreCursor<'_>, LogError> {
        let mut entries = self.db.raw_iterator_cf_opt(self.family(family)?, options::scan(None));
        entries.seek(from);
        Ok(StoreCursor { store: self, family, entries, is_begun: false })
    }

    /// Puts format, identity, heads and their digest into a batch, and the head of the owner events.
    pub(crate) fn put_meta(
        &self,
        batch: &mut WriteBatch,
        identity: &LogIdentity,
        heads: &Heads,
        owners: &OwnersHead,
    ) -> Result<(), LogError> {
        let meta = self.family(META)?;
        batch.put_cf(meta, FORMAT_KEY, FORMAT.to_be_bytes());
        batch.put_cf(meta, IDENTITY_KEY, encode("the identity", identity)?);
        batch.put_cf(meta, HEADS_KEY, encode("the heads", heads)?);
        batch.put_cf(meta, DIGEST_KEY, heads.digest(identity)?);
        batch.put_cf(meta, OWNERS_KEY, encode("the head of the owner events", owners)?);
        Ok(())
    }
}

/// Entries of a family, read in place beside those of another.
pub(crate) struct StoreCursor<'a> {
    store: &'a Store,
    family: &'static str,
    entries: DBRawIterator<'a>,
    is_begun: bool,
}

impl StoreCursor<'_> {
    /// The value of the next entry, which has to have this key.
    pub(crate) fn take(&mut self, key: &[u8]) -> Result<&[u8], LogError> {
        if self.is_begun {
            self.entries.next();
        }
        self.is_begun = true;
        self.entries.status().map_err(|source| self.store.failed("reading", source))?;
        match self.entries.item() {
            Some((found, value)) if found == key => Ok(value),
            other => Err(LogError::Damaged {
                place: self.family.into(),
                what: "next key",
                expected: format!("{key:02x?}"),
                found: format!("{:02x?}", other.map(|(found, _)| found)),
            }),
        }
    }
}
