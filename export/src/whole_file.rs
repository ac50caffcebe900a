//! Files that are there whole or not at all.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{BufWriter, Error, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// How much is gathered before it is written.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes a file under a temporary name beside `path`, syncs it, and renames it to `path`: whoever reads
/// that name finds what was there before, or all of what `write` wrote. It has the permissions of the file that it
/// replaces from its first byte on.
///
/// # Errors
///
/// What the file system and `write` say. The temporary file is gone then, if it can be removed.
pub fn write_whole<T, E: From<Error>>(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, E>,
) -> Result<T, E> {
    let permissions = match path.metadata() {
        Ok(found) => Some(found.permissions()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let (dir, temporary) = temporary(path)?;
    let written = write_synced(&temporary, permissions, write).and_then(|value| {
        std::fs::rename(&temporary, path)?;
        sync_dir(&dir)?;
        Ok(value)
    });
    if written.is_err() {
        // If it cannot be removed, either, the first error says more.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// Whether this is the name that a file of the name `of` has before it is finished.
pub(crate) fn is_temporary(name: &OsStr, of: &OsStr) -> bool {
    let hidden = name.to_str().and_then(|name| name.strip_prefix('.'));
    let rest = hidden.zip(of.to_str()).and_then(|(name, of)| name.strip_prefix(of)?.strip_prefix('.'));
    rest.and_then(|rest| rest.strip_suffix(".tmp"))
        .is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Makes the names in a directory last.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir)?.sync_all()
}

fn temporary(path: &Path) -> Result<(PathBuf, PathBuf), Error> {
    let name = path.file_name().ok_or_else(|| Error::new(ErrorKind::InvalidInput, "it names no file"))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((dir.into(), dir.join(temporary)))
}

fn write_synced<T, E: From<Error>>(
    path: &Path,
    permissions: Option<Permissions>,
    write: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, E>,
) -> Result<T, E> {
    let file = File::create(path)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, file);
    let value = write(&mut file)?;
    file.flush()?;
    file.get_ref().sync_all()?;
    Ok(value)
}
