//! The log of Tally: everything that bears on rewards or moves the escrow's METIS, append-only, in RocksDB.
//!
//! # Concepts
//!
//! A log holds three things: the pool's **records** on L1, the **span events** of L2, and who made each L2 **block**;
//! beside them it keeps who owned the contracts (**owner events**).
//! Blocks lie in **chunks** of up to 8,192, each with a header and two columns, producers and times; a **dictionary**
//! gives every signer a code. Each record and each chunk has a **link**, a BLAKE3 digest over the one before it, so that
//! the **heads** (the last block of each chain, and the last links) have one digest of everything.
//!
//! - [`LogWriter`] appends, all or nothing, and takes back blocks that a reorg replaced; [`bulk_load`] makes a whole
//!   log at once;
//! - [`LogReader`] reads a log as it was when opened, also while it is being written;
//! - [`backup()`] copies one, also while it is being written; [`verify()`] checks every byte;
//! - [`upgrade()`] makes a log of this format of one of an earlier format;
//! - an [`Archive`] is a log (or its beginning, a [`LogPrefix`]) in a bundle: one flat file, to be checked offline;
//!   [`restore()`] makes a log on the disk of one;
//! - a [`LogPart`] is what is final of a log;
//! - a [`LogView`] is any of these, for whoever reads.
//!
//! The format is drawn in `docs/log-format.md`. No other crate knows RocksDB or the bytes.
//!
//! ```
//! use std::path::Path;
//! use tally_eventlog::{Archive, EventCursor, LogView};
//!
//! let log = Archive::open(Path::new("../fixtures/small-a.bundle"))?;
//! let mut cursor = EventCursor::default();
//! let records = log.l1_records_after(&mut cursor)?;
//! assert_eq!(u64::try_from(records.len()).ok(), Some(log.heads().l1_events.count));
//! // The cursor is at the end now: what comes later, and only that, is read from there.
//! assert!(log.l1_records_after(&mut cursor)?.is_empty());
//! # Ok::<(), tally_eventlog::LogError>(())
//! ```
//!
//! # Errors
//!
//! Whatever fails is a [`LogError`]. It names the place, what was expected and what is there. Bytes that are read are believed by nobody:
//! whatever is in a file gives an error, never a panic. A panic is a fault of this crate.

mod archive;
mod backup;
mod bits;
mod bulk;
mod chain;
mod check;
mod chunk;
mod chunk_header;
mod code_counts;
mod error;
mod events;
mod heads;
mod identity;
mod index;
mod keys;
mod options;
mod owners;
mod part;
mod producers;
mod read;
mod reader;
mod recent;
mod record;
mod signers;
mod store;
mod store_files;
mod stored;
mod tables;
mod times;
mod upgrade;
mod verify;
mod view;
mod whole;
mod writer;

pub use archive::{Archive, ArchiveSection, BUNDLE_BYTES_MAX, Restored, restore, write_archive};
pub use backup::{Backup, FEED_DIR, backup};
pub use bulk::{BulkLog, bulk_load};
pub use chain::Chain;
pub use chunk::{EncodedChunk, ProducedBlock, encode_chunks};
pub use chunk_header::{CHUNK_BLOCKS_MAX, ChunkHeader, chunk_start};
pub use code_counts::CodeCounts;
pub use error::LogError;
pub use events::EventCursor;
pub use heads::{Heads, L1Head, L2Head, Links, Reach};
pub use identity::LogIdentity;
pub use index::IndexEntry;
pub use options::{FORMAT, FORMAT_UPGRADABLE};
pub use owners::{OwnerRecord, Owners, OwnersHead, decode_owner, encode_owner};
pub use part::{LogPart, LogPrefix};
pub use producers::{Producers, UNSIGNED};
pub use reader::LogReader;
pub use recent::{RecentBlock, RecentBlocks};
pub use record::{RECORD_BYTES_MAX, decode_l1, decode_span, encode_l1, encode_span};
pub use signers::SIGNERS_MAX;
pub use times::Times;
pub use upgrade::{Upgraded, upgrade};
pub use verify::{Verified, verify};
pub use view::LogView;
pub use writer::LogWriter;
