//! Making a log that is there whole, and on the disk, or not at all.

use crate::LogError;
use std::fs::File;
use std::path::Path;

/// Lets `make(log, tables)` make a log at `log`, with the directory `tables` for what it needs meanwhile, and
/// names it `path`, where nothing may be yet. What a crash leaves behind is a directory beside it whose name
/// begins with `.tally-unfinished-`.
///
/// # Errors
///
/// [`LogError::Files`] if something is there already, or cannot be written; what `make` says.
pub(crate) fn make_whole<T, E: From<LogError>>(
    path: &Path,
    make: impl FnOnce(&Path, &Path) -> Result<T, E>,
) -> Result<T, E> {
    let files = |what, source| LogError::Files { path: path.into(), what, source };
    if path.exists() {
        let there = "something is there already: take another name, or move it away";
        let there = std::io::Error::new(std::io::ErrorKind::AlreadyExists, there);
        return Err(files("making a log", there).into());
    }
    let parent = parent_of(path);
    // Beside it, so that it can be renamed; gone again if anything fails.
    let unfinished = tempfile::Builder::new().prefix(".tally-unfinished-").tempdir_in(parent);
    let unfinished = unfinished.map_err(|source| files("making a directory for a log", source))?;
    let (log, tables) = (unfinished.path().join("log"), unfinished.path().join("tables"));
    std::fs::create_dir(&tables).map_err(|source| files("making a directory for a log", source))?;
    let result = make(&log, &tables)?;
    sync_all(&log).map_err(|source| files("writing the finished log to the disk", source))?;
    let renamed = std::fs::rename(&log, path).and_then(|()| File::open(parent)?.sync_all());
    renamed.map_err(|source| files("naming the finished log", source))?;
    Ok(result)
}

/// The directory that `path` is or will be in.
pub(crate) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Waits until a directory and everything in it is on the disk.
fn sync_all(dir: &Path) -> Result<(), std::io::Error> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(dir)?.sync_all()
}
