//! Lines of JSON in gzip files, one object each, read as they come.

use crate::decode_fault::DecodeFault;
use crate::error::IngestError;
use flate2::read::MultiGzDecoder;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use tally_eventlog::LogError;

/// No line of a chain is longer: a block of 30 million gas holds less than 2 MiB of data.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// A gzip file of JSON objects.
pub(crate) struct Lines {
    path: PathBuf,
    reader: BufReader<MultiGzDecoder<File>>,
    /// The line read last, and how many objects there were so far.
    line: u64,
    objects: u64,
    buffer: Vec<u8>,
}

/// One object, and where it stands.
pub(crate) struct Line<T> {
    pub(crate) value: T,
    pub(crate) at: At,
}

/// A line of a file, to be named in errors.
#[derive(Clone, Debug)]
pub(crate) struct At {
    path: PathBuf,
    line: u64,
}

impl At {
    pub(crate) fn fault(&self, fault: DecodeFault) -> IngestError {
        IngestError::Line { path: self.path.clone(), line: self.line, fault }
    }

    /// What the log says of a line; of a failing disk the line is not the place.
    pub(crate) fn append(&self, source: LogError) -> IngestError {
        if matches!(source, LogError::Storage { .. } | LogError::Files { .. }) {
            return IngestError::Log(source);
        }
        IngestError::Append { path: self.path.clone(), line: self.line, source }
    }
}

impl Lines {
    /// The line read last.
    pub(crate) fn here(&self) -> At {
        At { path: self.path.clone(), line: self.line }
    }

    /// Reads on to the end of the file: whether it has as many objects as the manifest says.
    pub(crate) fn check_count(&mut self, expected: Option<u64>) -> Result<(), IngestError> {
        while self.next::<IgnoredAny>()?.is_some() {}
        match expected {
            Some(expected) if expected != self.objects => {
                let (what, found) = ("number of lines", self.objects);
                Err(self.here().fault(DecodeFault::Incomplete { what, expected, found }))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn open(path: &Path) -> Result<Self, IngestError> {
        let file = |source| IngestError::File { path: path.into(), line: 0, source };
        let reader = BufReader::new(MultiGzDecoder::new(File::open(path).map_err(file)?));
        Ok(Self { path: path.into(), reader, line: 0, objects: 0, buffer: Vec::new() })
    }

    /// The next object, or `None` at the end of the file. Empty lines are passed over.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<Line<T>>, IngestError> {
        loop {
            self.buffer.clear();
            let mut limited = self.reader.by_ref().take(LINE_BYTES_MAX + 1);
            let read = limited.read_until(b'\n', &mut self.buffer);
            let (path, line) = (self.path.clone(), self.line + 1);
            let read = read.map_err(|source| IngestError::File { path: path.clone(), line, source })?;
            if read == 0 {
                return Ok(None);
            }
            self.line = line;
            if u64::try_from(read).is_ok_and(|read| read > LINE_BYTES_MAX) {
                return Err(IngestError::LineTooLong { path, line, max: LINE_BYTES_MAX });
            }
            if self.buffer.trim_ascii().is_empty() {
                continue;
            }
            self.objects += 1;
            return match serde_json::from_slice(&self.buffer) {
                Ok(value) => Ok(Some(Line { value, at: At { path, line } })),
                Err(source) => Err(IngestError::Json { path, line, source }),
            };
        }
    }
}
