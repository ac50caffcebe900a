//! What can be wrong with a bundle.

use crate::LogError;
use std::path::PathBuf;

/// A bundle that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system failed.
    #[error("{}: {source}", path.display())]
    Files {
        /// The path of the file.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
    /// What is written cannot be taken.
    #[error("writing the bundle: {0}")]
    Write(#[from] std::io::Error),
    /// The file is something else than a bundle.
    #[error("it is no bundle: it begins with {found:?}")]
    NotABundle {
        /// The first bytes of the file, in hexadecimal.
        found: String,
    },
    /// A bundle of another format.
    #[error("the bundle begins with {found:?}, and this program knows {:?}", String::from_utf8_lossy(known))]
    Format {
        /// The first bytes of the file, as text.
        found: String,
        /// How a bundle begins that this program can read.
        known: &'static [u8],
    },
    /// Too long to be read into memory.
    #[error("the bundle is longer than the {max} bytes allowed")]
    TooLong {
        /// How many bytes a bundle may have.
        max: u64,
    },
    /// The file ends too early.
    #[error("the bundle is cut: it has {found} bytes, and none has fewer than {min}")]
    Cut {
        /// How many bytes it has.
        found: usize,
        /// The least there can be.
        min: usize,
    },
    /// Bytes that are not what was written.
    #[error("the bundle is damaged at {place}: {what} is {found}, not {expected}")]
    Damaged {
        /// The part of the bundle.
        place: String,
        /// What was compared of it.
        what: &'static str,
        /// What it has to be.
        expected: String,
        /// What the bundle has there.
        found: String,
    },
    /// Its log is not one, or cannot be read to be put into a bundle.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl ArchiveError {
    pub(super) fn damaged(
        place: &str,
        what: &'static str,
        expected: &impl ToString,
        found: &impl ToString,
    ) -> Self {
        Self::Damaged { place: place.into(), what, expected: expected.to_string(), found: found.to_string() }
    }
}
