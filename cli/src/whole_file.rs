//! Files that are there whole or not at all.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes a file under a temporary name beside `path`, syncs it, and renames it to `path`: whoever reads
/// that name finds what was there before, or all of what `write` wrote.
pub(crate) fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let name = path.file_name().context("it names no file")?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = dir.join(temporary);
    let written = write_synced(&temporary, write)
        .and_then(|()| Ok(std::fs::rename(&temporary, path)?))
        // The name lasts when the directory does.
        .and_then(|()| Ok(File::open(dir)?.sync_all()?));
    if written.is_err() {
        // If it cannot be removed, either, the first error says more.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn write_synced(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    write(&mut file)?;
    file.flush()?;
    Ok(file.get_ref().sync_all()?)
}
