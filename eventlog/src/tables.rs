//! Writing the entries of a family, which come in order, as RocksDB's own tables: neither the write-ahead file
//! nor compaction is needed for them.

use crate::LogError;
use rocksdb::{Options, SstFileWriter};
use std::path::{Path, PathBuf};

/// How large a table gets before the next is begun.
const TABLE_BYTES_MAX: u64 = 256 << 20;

/// The tables of a family.
pub(crate) struct Tables<'a> {
    family: &'static str,
    dir: PathBuf,
    writer: SstFileWriter<'a>,
    is_open: bool,
    files: Vec<PathBuf>,
}

impl<'a> Tables<'a> {
    /// Tables of `family`, which has these `options`, in the directory `dir`.
    pub(crate) fn new(family: &'static str, dir: &Path, options: &'a Options) -> Self {
        let writer = SstFileWriter::create(options);
        Self { family, dir: dir.into(), writer, is_open: false, files: Vec::new() }
    }

    /// The column family that they are of.
    pub(crate) fn family(&self) -> &'static str {
        self.family
    }

    /// Writes the next entry.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), LogError> {
        if self.is_open && self.writer.file_size() > TABLE_BYTES_MAX {
            self.finish_table()?;
        }
        if !self.is_open {
            let file = self.dir.join(format!("{}-{:06}.sst", self.family, self.files.len()));
            self.writer.open(&file).map_err(|source| self.failed(source))?;
            self.files.push(file);
            self.is_open = true;
        }
        self.writer.put(key, value).map_err(|source| self.failed(source))
    }

    /// The finished tables; none if there was no entry.
    pub(crate) fn finish(&mut self) -> Result<&[PathBuf], LogError> {
        self.finish_table()?;
        Ok(&self.files)
    }

    fn finish_table(&mut self) -> Result<(), LogError> {
        if std::mem::take(&mut self.is_open) {
            self.writer.finish().map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    fn failed(&self, source: rocksdb::Error) -> LogError {
        LogError::Storage { path: self.dir.clone(), what: "writing a table", source }
    }
}
