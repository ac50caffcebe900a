//! What the benchmarks share: logs made for the purpose, always from the same seed.

use std::ops::Deref;
use tally_eventlog::LogReader;
use tally_synth::{Pattern, Plan, make_log};
use tempfile::TempDir;

const SEED: u64 = 42;

/// How many blocks a log has: as many as are asked for under `cargo bench`, few under `cargo test`.
pub(crate) fn blocks(bench: u64) -> u64 {
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    if is_bench { bench } else { bench.min(200_000) }
}

/// A log that goes when it is dropped.
pub(crate) struct Log {
    reader: LogReader,
    _dir: TempDir,
}

impl Log {
    /// A synthetic log of so many blocks.
    pub(crate) fn new(blocks: u64, sequencers: u16, pattern: Pattern, stake_changes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        make_log(&path, &Plan::new(blocks, sequencers, pattern, stake_changes, SEED).unwrap()).unwrap();
        Self { reader: LogReader::open(&path).unwrap(), _dir: dir }
    }
}

impl Deref for Log {
    type Target = LogReader;

    fn deref(&self) -> &LogReader {
        &self.reader
    }
}
