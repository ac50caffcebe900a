//! What lies in the directory of a log before it is opened: a database, somebody else's, or none.

use crate::LogError;
use crate::options::{self, COLUMN_FAMILIES, META};
use rocksdb::{DB, ErrorKind, IteratorMode};
use std::path::Path;

/// Opens every table of the database once. A reader's open, as a secondary, silently skips unreadable table
/// files, as their writer may be about to replace them; this read-only open fails on them.
pub(crate) fn probe(path: &Path) -> Result<(), LogError> {
    let found = families_of(path)?;
    let opened = DB::open_cf_for_read_only(&options::database(false), path, found, false);
    opened.map(drop).map_err(|error| opening(path, error))
}

/// The column families of the database at `path`.
pub(crate) fn families_of(path: &Path) -> Result<Vec<String>, LogError> {
    DB::list_cf(&options::database(false), path).map_err(|error| opening(path, error))
}

/// Refuses a database that somebody else made: one with other families than a log's, or with data.
pub(crate) fn check_nothing_in(path: &Path, found: &[String]) -> Result<(), LogError> {
    let foreign = LogError::NotALog { path: path.into(), missing: META };
    let is_default = |name: &str| name == rocksdb::DEFAULT_COLUMN_FAMILY_NAME;
    if found.iter().any(|name| !is_default(name) && !COLUMN_FAMILIES.contains(&name.as_str())) {
        return Err(foreign);
    }
    let db = DB::open_cf_for_read_only(&options::database(false), path, found, false)
        .map_err(|error| opening(path, error))?;
    for name in found {
        let Some(family) = db.cf_handle(name) else {
            return Err(foreign);
        };
        if db.iterator_cf(family, IteratorMode::Start).next().is_some() {
            return Err(foreign);
        }
    }
    Ok(())
}

/// Why the database at `path` could not be opened.
pub(crate) fn opening(path: &Path, source: rocksdb::Error) -> LogError {
    let text = source.to_string();
    // RocksDB has no kind of its own for it: the system refuses the lock on the LOCK file.
    if source.kind() == ErrorKind::IOError && (text.contains("lock file") || text.contains("lock hold")) {
        return LogError::Locked { path: path.into(), source };
    }
    LogError::Storage { path: path.into(), what: "opening the database", source }
}

/// Whether there is a database at `path`.
pub(crate) fn is_database(path: &Path) -> Result<bool, LogError> {
    let files = |source| LogError::Files { path: path.into(), what: "looking for a log", source };
    path.join("CURRENT").try_exists().map_err(files)
}

/// What RocksDB makes of a new database before its `CURRENT` file, in which nothing can be yet.
const BEFORE_CURRENT: [&str; 6] =
    ["LOCK", "LOG", "000000.dbtmp", "IDENTITY", "MANIFEST-000001", "000001.dbtmp"];

/// Whether a directory without a `CURRENT` file holds files, other than those of a database whose making was cut short:
/// RocksDB makes it anew over these.
pub(crate) fn holds_files(path: &Path) -> Result<bool, LogError> {
    let files = |source| LogError::Files { path: path.into(), what: "looking for a log", source };
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(files(error)),
    };
    for entry in entries {
        let name = entry.map_err(files)?.file_name();
        // RocksDB's own log of an attempt before.
        let is_old_log = name.as_encoded_bytes().starts_with(b"LOG.old.");
        if !is_old_log && !BEFORE_CURRENT.iter().any(|known| name == *known) {
            return Ok(true);
        }
    }
    Ok(false)
}
