//! The log of Tally: everything that bears on rewards or moves the escrow's METIS, append-only, in RocksDB.
//!
//! - [`LogWriter`] appends pool events, span events and produced blocks, all or nothing, keeps a chain of
//!   BLAKE3 digests over them, and takes back blocks that a reorg replaced;
//! - [`bulk_load`] makes a whole log at once;
//! - [`LogReader`] reads a log as it was when opened, also while it is being written;
//! - [`backup()`] copies one, also while it is being written;
//! - [`verify()`] checks every byte;
//! - an [`Archive`] is a log (or its beginning, a [`LogPrefix`]) in a bundle: one flat file, to be checked offline.
//!
//! The format is drawn in `docs/log-format.md`. No other crate knows RocksDB or the bytes.
//!
//! ```no_run
//! use std::path::Path;
//! use tally_eventlog::LogReader;
//!
//! let log = LogReader::open(Path::new("pool.log"))?;
//! println!("{} pool events, digest {}", log.heads().l1_events.count, log.head_digest()?);
//! # Ok::<(), tally_eventlog::LogError>(())
//! ```

mod archive;
mod backup;
mod bits;
mod bulk;
mod check;
mod chunk;
mod code_counts;
mod error;
mod heads;
mod identity;
mod index;
mod keys;
mod options;
mod part;
mod producers;
mod read;
mod reader;
mod recent;
mod record;
mod signers;
mod store;
mod tables;
mod times;
mod verify;
mod view;
mod whole;
mod writer;

pub use archive::{Archive, ArchiveError, ArchiveSection, BUNDLE_BYTES_MAX, write_archive};
pub use backup::{Backup, FEED_DIR, backup};
pub use bulk::{BulkLog, bulk_load};
pub use chunk::{CHUNK_BLOCKS_MAX, ChunkHeader, EncodedChunk, ProducedBlock, chunk_start, encode_chunks};
pub use code_counts::CodeCounts;
pub use error::LogError;
pub use heads::{Chain, Heads, L1Head, L2Head, Reach};
pub use identity::LogIdentity;
pub use index::IndexEntry;
pub use options::FORMAT;
pub use part::{LogPart, LogPrefix};
pub use producers::{Producers, UNSIGNED};
pub use reader::LogReader;
pub use recent::{RecentBlock, RecentBlocks};
pub use record::{RECORD_BYTES_MAX, decode_l1, decode_span, encode_l1, encode_span};
pub use signers::SIGNERS_MAX;
pub use store::EventCursor;
pub use times::Times;
pub use verify::{Verified, verify};
pub use view::LogView;
pub use writer::LogWriter;
