//! Writes the ledger by block into files that other tools read: Parquet or CSV, one for each epoch.
//!
//! An export is a directory. Its receipt is there under the name `receipt.json.partial` as long as files are missing,
//! and under `receipt.json` when all are there. Each file is written under a temporary name, synced and renamed, so an
//! export that was interrupted goes on where it stopped.
//!
//! Whatever fails is an [`ExportError`], with the path. A panic is a fault of this crate.

mod columns;
mod csv_file;
mod error;
mod export;
mod pages;
mod parquet_file;
mod whole_file;

pub use csv_file::{CSV_HEADER, csv_row};
pub use error::ExportError;
pub use export::{ExportFormat, Exported, export};
pub use whole_file::write_whole;
