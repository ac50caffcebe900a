//! A whole export: the directory, its receipt, and its files.

use crate::csv_file::write_csv;
use crate::error::ExportError;
use crate::parquet_file::write_parquet;
use crate::whole_file::{is_temporary, sync_dir, write_whole};
use rayon::prelude::*;
use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use tally_engine::{EpochIndex, L2Block};
use tally_eventlog::LogView;
use tally_replay::BlockLedger;

/// The receipt of an export that is there as a whole.
const RECEIPT: &str = "receipt.json";

/// The receipt of an export that is not.
const PARTIAL: &str = "receipt.json.partial";

/// The format of exported files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Apache Parquet, with typed columns.
    Parquet,
    /// Comma-separated values with a header.
    Csv,
}

/// What an export did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// How many files were written.
    pub files: u64,
    /// Their rows, one for each block.
    pub rows: u64,
    /// Files that an earlier run had written.
    pub kept: u64,
}

/// A file to be written.
struct EpochFile {
    /// `None` for the blocks before epoch 0.
    epoch: Option<EpochIndex>,
    path: PathBuf,
    range: RangeInclusive<L2Block>,
}

/// Writes the ledger into `dir`, a file for each epoch that has blocks, or for `epoch` alone. `receipt` are
/// the bytes of the ledger's receipt: an export that was interrupted goes on if they are the same.
///
/// # Errors
///
/// [`ExportError`]; what was finished by then stays.
pub fn export<L: LogView>(
    ledger: &BlockLedger<'_, L>,
    epoch: Option<EpochIndex>,
    dir: &Path,
    format: ExportFormat,
    receipt: &[u8],
) -> Result<Exported, ExportError> {
    let mut parts = parts(ledger, dir, format)?;
    parts.retain(|part| epoch.is_none() || part.epoch == epoch);
    let Some(_lock) = begin(dir, &parts, receipt)? else {
        let kept = u64::try_from(parts.len()).unwrap_or(u64::MAX);
        return Ok(Exported { kept, ..Exported::default() });
    };
    let write = |part: &EpochFile| {
        if exists(&part.path)? {
            return Ok(None);
        }
        write_part(ledger, part, format).map(Some)
    };
    // Twice as many threads as cores: each waits for the disk at the end of a file.
    let threads = rayon::current_num_threads().saturating_mul(2);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| ExportError::Threads { threads, reason: error.to_string() })?;
    let written: Result<Vec<Option<u64>>, ExportError> =
        pool.install(|| parts.par_iter().map(write).collect());
    let mut exported = Exported::default();
    for rows in written? {
        match rows {
            Some(rows) => {
                exported.files = exported.files.saturating_add(1);
                exported.rows = exported.rows.saturating_add(rows);
            }
            None => exported.kept = exported.kept.saturating_add(1),
        }
    }
    let files = |source| ExportError::Files { path: dir.into(), source };
    std::fs::rename(dir.join(PARTIAL), dir.join(RECEIPT)).map_err(files)?;
    sync_dir(dir).map_err(files)?;
    Ok(exported)
}

/// The files of an export, in order.
fn parts<L: LogView>(
    ledger: &BlockLedger<'_, L>,
    dir: &Path,
    format: ExportFormat,
) -> Result<Vec<EpochFile>, ExportError> {
    let extension = match format {
        ExportFormat::Parquet => "parquet",
        ExportFormat::Csv => "csv",
    };
    let epochs = ledger.replayed().ledger.epochs.iter().map(|epoch| Some(epoch.epoch));
    let mut parts = Vec::new();
    for epoch in std::iter::once(None).chain(epochs) {
        if let Some(range) = ledger.blocks_of(epoch)? {
            parts.push(EpochFile { epoch, path: dir.join(format!("{}.{extension}", stem(epoch))), range });
        }
    }
    Ok(parts)
}

/// The name of an epoch's file: there are fewer than 100,000 epochs, and names sort as numbers do.
fn stem(epoch: Option<EpochIndex>) -> String {
    epoch.map_or("before-genesis".into(), |epoch| format!("epoch-{:05}", epoch.0))
}

/// Makes the directory ready, and keeps others from exporting into it as long as the file is held; `None` if all of
/// it is there already.
fn begin(dir: &Path, parts: &[EpochFile], receipt: &[u8]) -> Result<Option<File>, ExportError> {
    let files = |source| ExportError::Files { path: dir.into(), source };
    std::fs::create_dir_all(dir).map_err(files)?;
    let other = |found: String| Err(ExportError::OtherExport { path: dir.into(), found });
    for (name, is_whole) in [(RECEIPT, true), (PARTIAL, false)] {
        match std::fs::read(dir.join(name)) {
            Ok(found) if found == receipt => {
                // Files of the other format would be missing.
                let missing = parts.iter().map(|part| exists(&part.path)).collect::<Result<Vec<_>, _>>()?;
                let is_missing = missing.iter().any(|exists| !exists);
                let lock = if is_whole { None } else { Some(lock(dir)?) };
                if !is_whole {
                    let names = parts.iter().filter_map(|part| part.path.file_name());
                    let names = names.chain([OsStr::new(RECEIPT), OsStr::new(PARTIAL)]);
                    remove_unfinished(dir, &names.collect::<Vec<_>>()).map_err(files)?;
                }
                if is_whole && is_missing {
                    return other(format!("a finished export without all the files of this one ({name})"));
                }
                if let Some(found) = foreign(dir, parts, name).map_err(files)? {
                    return other(format!("a file that is not of this export ({found})"));
                }
                return Ok(lock);
            }
            Ok(_) => return other(format!("another export ({name} differs)")),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(ExportError::Files { path: dir.join(name), source }),
        }
    }
    // It may have been killed at its very beginning.
    remove_unfinished(dir, &[OsStr::new(PARTIAL)]).map_err(files)?;
    if let Some(entry) = std::fs::read_dir(dir).map_err(files)?.next() {
        let name = entry.map_err(files)?.file_name();
        return other(format!("other files ({})", name.display()));
    }
    let partial = dir.join(PARTIAL);
    write_whole(&partial, |file| Ok::<(), ExportError>(file.write_all(receipt)?))
        .map_err(|source| ExportError::InFile { path: partial, source: source.into() })?;
    lock(dir).map(Some)
}

/// Keeps others from exporting into the directory.
fn lock(dir: &Path) -> Result<File, ExportError> {
    let path = dir.join(PARTIAL);
    let file = File::open(&path).map_err(|source| ExportError::Files { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let found = format!("an export that is being written ({PARTIAL} is locked)");
            Err(ExportError::OtherExport { path: dir.into(), found })
        }
        Err(TryLockError::Error(source)) => Err(ExportError::Files { path, source }),
    }
}

/// A file that is none of `parts`, nor the receipt.
fn foreign(dir: &Path, parts: &[EpochFile], receipt: &str) -> Result<Option<String>, std::io::Error> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name() != receipt && !parts.iter().any(|part| part.path == entry.path()) {
            return Ok(Some(entry.file_name().display().to_string()));
        }
    }
    Ok(None)
}

/// Removes what an export that was killed left half written of files with these names.
fn remove_unfinished(dir: &Path, names: &[&OsStr]) -> Result<(), std::io::Error> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if names.iter().any(|name| is_temporary(&entry.file_name(), name)) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn exists(path: &Path) -> Result<bool, ExportError> {
    path.try_exists().map_err(|source| ExportError::Files { path: path.into(), source })
}

fn write_part<L: LogView>(
    ledger: &BlockLedger<'_, L>,
    part: &EpochFile,
    format: ExportFormat,
) -> Result<u64, ExportError> {
    let (first, last) = (part.range.start().0, part.range.end().0);
    let expected = last.saturating_sub(first).saturating_add(1);
    let written = write_whole(&part.path, |file| {
        let range = part.range.clone();
        let found = match format {
            ExportFormat::Parquet => write_parquet(ledger, range, file)?,
            ExportFormat::Csv => write_csv(ledger, range, file)?,
        };
        if found == expected {
            return Ok(found);
        }
        Err(ExportError::Incomplete { path: part.path.clone(), expected, found })
    });
    written.map_err(|error| {
        if matches!(error, ExportError::Write(_) | ExportError::Parquet(_) | ExportError::Csv(_)) {
            ExportError::InFile { path: part.path.clone(), source: error.into() }
        } else {
            error
        }
    })
}
