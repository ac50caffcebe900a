//! What can stop an export.

use parquet::errors::ParquetError;
use std::path::PathBuf;
use tally_engine::{L2Block, Wei};
use tally_replay::ReplayError;

/// An export that could not be carried out. What was finished stays, and the next one goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The blocks cannot be read.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The file system does not play along.
    #[error("{}: {source}", path.display())]
    Files {
        /// The file or directory that was touched.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A Parquet file cannot be written.
    #[error("writing Parquet: {0}")]
    Parquet(#[from] ParquetError),
    /// A file cannot be written.
    #[error("writing: {0}")]
    Write(#[from] std::io::Error),
    /// A row of CSV cannot be written.
    #[error("writing CSV: {0}")]
    Csv(#[from] csv::Error),
    /// The directory holds an export of something else, or other files.
    #[error("{} holds {found}: export into another directory", path.display())]
    OtherExport {
        /// The directory that was given.
        path: PathBuf,
        /// What the directory holds instead.
        found: String,
    },
    /// An amount that DECIMAL(38, 0) does not hold.
    #[error(
        "block {block}: {amount} wei are 10^38 or more, which is more than Parquet's decimals hold: export as CSV"
    )]
    AmountTooLarge {
        /// The block with the amount.
        block: L2Block,
        /// The amount that is too large.
        amount: Wei,
    },
    /// A running total that DECIMAL(38, 0) does not hold.
    #[error(
        "from block {block} on: {total} + {reward} wei are 10^38 or more, which is more than Parquet's decimals hold: export as CSV"
    )]
    TotalTooLarge {
        /// The first block of the run that it lies in.
        block: L2Block,
        /// The running total before the block.
        total: u128,
        /// The reward that would be added.
        reward: u128,
    },
    /// A number that a signed column of 64 bits does not hold.
    #[error(
        "block {block}: {number} is above 2^63 - 1, which is more than Parquet's integers hold: export as CSV"
    )]
    NumberTooLarge {
        /// The block with the number.
        block: L2Block,
        /// The number that is too large.
        number: u64,
    },
    /// A file cannot be written.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file that was being written.
        path: PathBuf,
        /// What stopped the writing.
        source: Box<ExportError>,
    },
    /// The threads could not be started.
    #[error("{threads} threads cannot be started: {reason}")]
    Threads {
        /// How many threads were asked for.
        threads: usize,
        /// The operating system's reason.
        reason: String,
    },
    /// Less blocks were read than there are.
    #[error("{} should have {expected} blocks, but has {found}", path.display())]
    Incomplete {
        /// The file that cannot be read.
        path: PathBuf,
        /// How many blocks there are.
        expected: u64,
        /// How many were written.
        found: u64,
    },
}
