//! Copying a log, also while another process writes it.
//!
//! RocksDB's checkpoints are for the process that writes. Made by another one, of a database opened to read, a
//! checkpoint keeps no file from being deleted meanwhile and takes no write-ahead file along: what was not
//! flushed yet is silently missing. So a backup is a log of its own, made of all that a [`LogReader`] sees,
//! entry by entry. It shares no file with the log, and nothing in it is in a write-ahead file.

use crate::error::same;
use crate::heads::Heads;
use crate::options::{self, COLUMN_FAMILIES};
use crate::reader::LogReader;
use crate::store::Store;
use crate::tables::Tables;
use crate::whole::{make_whole, parent_of};
use crate::{LogError, verify};
use alloy_primitives::B256;
use std::path::{Path, PathBuf};

/// The directory in a log's where the claim feed keeps its files.
pub const FEED_DIR: &str = "feed";

/// A copy of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// How far it reaches.
    pub heads: Heads,
    /// One digest of everything in it.
    pub head_digest: B256,
}

/// Copies the log `from`, as it is now, with the claim feed's files to `to`, where nothing may be yet, and checks
/// every byte of the copy: it is there whole, sound and on the disk, or not at all.
///
/// # Errors
///
/// As [`LogReader::open`]; [`LogError::CopyInLog`] if `to` lies in `from`, [`LogError::Files`] if something is at
/// `to` already or the file system fails, [`LogError::BadCopy`] if the copy is not sound, which comes of a log
/// that is not or of a disk that does not keep what it is given; and what RocksDB says.
pub fn backup(from: &Path, to: &Path) -> Result<Backup, LogError> {
    if !LogReader::exists(from)? {
        return Err(LogError::NotFound { path: from.into() });
    }
    check_beside(from, to)?;
    make_whole(to, |copy, tables| {
        // What the feed says comes of what was in the log before, so the log is looked at after it.
        let feed = FeedCopy::of(from, tables)?;
        let log = LogReader::open(from)?;
        copy_entries(&log, &COLUMN_FAMILIES, copy, tables)?;
        feed.move_into(copy)?;
        let bad = |source| LogError::BadCopy { path: to.into(), source: Box::new(source) };
        check(&log, copy).map_err(bad)
    })
}

/// Refuses a copy at `to` of the log `from` that would lie in it.
pub(crate) fn check_beside(from: &Path, to: &Path) -> Result<(), LogError> {
    let absolute = |path: &Path| {
        let files = |source| LogError::Files { path: path.into(), what: "looking for a directory", source };
        path.canonicalize().map_err(files)
    };
    if absolute(parent_of(to))?.starts_with(absolute(from)?) {
        return Err(LogError::CopyInLog { path: to.into() });
    }
    Ok(())
}

/// Makes a database at `copy` with all the entries that `log` has of some families.
pub(crate) fn copy_entries(
    log: &LogReader,
    families: &[&'static str],
    copy: &Path,
    tables: &Path,
) -> Result<(), LogError> {
    let store = Store::open_to_write(copy)?;
    for family in families {
        let options = options::column_family(family);
        let mut tables = Tables::new(family, tables, &options);
        log.store.scan::<LogError>(family, &[], None, |key, value| tables.put(key, value))?;
        store.ingest(family, tables.finish()?)?;
    }
    Ok(())
}

/// A copy of the claim feed's files.
pub(crate) struct FeedCopy(PathBuf);

impl FeedCopy {
    /// Copies those of the log `from` into the directory `tables`.
    pub(crate) fn of(from: &Path, tables: &Path) -> Result<Self, LogError> {
        let feed = tables.join(FEED_DIR);
        copy_files(&from.join(FEED_DIR), &feed)?;
        Ok(Self(feed))
    }

    /// Moves them into the log `copy`.
    pub(crate) fn move_into(self, copy: &Path) -> Result<(), LogError> {
        let Self(feed) = self;
        if feed.exists() {
            let moved = std::fs::rename(&feed, copy.join(FEED_DIR));
            moved.map_err(|source| LogError::Files { path: feed, what: "naming a copy", source })?;
        }
        Ok(())
    }
}

/// Whether the copy of a log is sound, and has the same head digest.
pub(crate) fn check(log: &LogReader, copy: &Path) -> Result<Backup, LogError> {
    let copy = LogReader::open(copy)?;
    let verified = verify(&copy)?;
    same("the heads", "head digest", &log.head_digest()?, &verified.head_digest)?;
    Ok(Backup { heads: *copy.heads(), head_digest: verified.head_digest })
}

/// Copies the files in the directory `from`, and in those below it, to `to`; nothing if there is no `from`. Of a
/// file that grows meanwhile the copy has the beginning.
fn copy_files(from: &Path, to: &Path) -> Result<(), LogError> {
    let files = |source| LogError::Files { path: from.into(), what: "copying files", source };
    let entries = match std::fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(files(error)),
    };
    std::fs::create_dir(to).map_err(files)?;
    for entry in entries {
        let entry = entry.map_err(files)?;
        let (path, copy, kind) =
            (entry.path(), to.join(entry.file_name()), entry.file_type().map_err(files)?);
        if kind.is_dir() {
            copy_files(&path, &copy)?;
            continue;
        }
        // Neither through a link nor of a pipe, which might never end.
        let is_file = if kind.is_file() { Ok(()) } else { Err(std::io::ErrorKind::InvalidInput.into()) };
        let copied = is_file.and_then(|()| std::fs::copy(&path, &copy));
        copied.map_err(|source| LogError::Files { path, what: "copying a file", source })?;
    }
    Ok(())
}
