//! Files that commands write where they are told to: whole or not at all, where that can be. A symbolic link is followed;
//! a device, a FIFO or an open descriptor (`-`, `/dev/stdout`, `>(…)` of a shell) is written to as it is. Only a regular
//! file is ever replaced.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Error, ErrorKind, Write, stderr, stdout};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use tally_export::write_whole;

/// How many symbolic links are followed, as in Linux.
const LINKS_MAX: usize = 40;

/// Where the links of open descriptors are.
const DESCRIPTORS: &str = "/proc/self/fd";

/// What a path leads to, and how it can be written.
enum Target {
    /// A regular file, or a name that nothing has yet.
    File(PathBuf),
    /// Something that bytes go into, and that cannot be replaced.
    Stream(File),
}

/// Writes what `write` gives to `path`. A regular file has all of it or what it had before.
///
/// # Errors
///
/// What the file system and `write` say.
pub(crate) fn write_file<T, E: From<Error>>(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, E>,
) -> Result<T, E> {
    match target(path)? {
        Target::File(path) => write_whole(&path, write),
        Target::Stream(file) => {
            let mut out = BufWriter::new(file);
            let value = write(&mut out)?;
            out.flush()?;
            Ok(value)
        }
    }
}

fn target(path: &Path) -> Result<Target, Error> {
    if path == Path::new("-") {
        return Ok(Target::Stream(stdout().as_fd().try_clone_to_owned()?.into()));
    }
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let Some(name) = path.file_name() else {
            return Err(Error::new(ErrorKind::InvalidInput, "it names no file"));
        };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        // The links in it are followed, so that a link that it holds is taken from where it really is.
        let parent = parent.unwrap_or(Path::new("."));
        let parent = parent.canonicalize().map_err(|error| {
            if error.kind() != ErrorKind::NotFound {
                return error;
            }
            let text = format!("there is no directory {}: make it first", parent.display());
            Error::new(ErrorKind::NotFound, text)
        })?;
        let found = match parent.join(name).symlink_metadata() {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Target::File(path)),
            Err(error) => return Err(error),
        };
        if found.is_file() {
            return Ok(Target::File(path));
        }
        if !found.is_symlink() {
            return Ok(Target::Stream(OpenOptions::new().write(true).open(&path)?));
        }
        if parent.starts_with("/proc") {
            return descriptor(&parent, &path).map(Target::Stream);
        }
        path = parent.join(path.read_link()?);
    }
    Err(Error::other(format!("more than {LINKS_MAX} symbolic links follow each other")))
}

/// What an open descriptor writes to. A file that standard output goes to has to share its place in that file.
fn descriptor(parent: &Path, path: &Path) -> Result<File, Error> {
    let is_own = Path::new(DESCRIPTORS).canonicalize().is_ok_and(|own| own == parent);
    match path.file_name().and_then(|name| name.to_str()).filter(|_| is_own) {
        Some("1") => Ok(stdout().as_fd().try_clone_to_owned()?.into()),
        Some("2") => Ok(stderr().as_fd().try_clone_to_owned()?.into()),
        _ => OpenOptions::new().append(true).open(path),
    }
}
