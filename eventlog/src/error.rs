//! What can go wrong with a log, or a bundle of one.

use crate::Chain;
use crate::options::{FORMAT, FORMAT_UPGRADABLE};
use alloy_primitives::B256;
use std::path::{Path, PathBuf};
use tally_engine::{L1Block, L2Block, PoolError, SpanError, UnixTime};

/// A log that cannot be opened, read or appended to, or a bundle that cannot be written or read. Whatever it says, the log
/// on disk is as good as before.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is nothing there.
    #[error("there is no log at {}", path.display())]
    NotFound {
        /// The path of the log.
        path: PathBuf,
    },
    /// A commit failed before, and what was staged for it is gone.
    #[error("an earlier commit to the log at {} failed: it has to be opened again", path.display())]
    CommitFailed {
        /// The path of the log.
        path: PathBuf,
    },
    /// A log was begun there, but nothing was committed to it.
    #[error("the log at {} holds nothing yet: no ingest into it has succeeded", path.display())]
    Empty {
        /// The path of the log.
        path: PathBuf,
    },
    /// There is something else there.
    #[error("{} holds files, but no log: it has no {missing}", path.display())]
    NotALog {
        /// The path of the log.
        path: PathBuf,
        /// What a log would have.
        missing: &'static str,
    },
    /// Another process (or this one) writes it.
    #[error("the log at {} is being written by another process: {source}", path.display())]
    Locked {
        /// The path of the log.
        path: PathBuf,
        /// What RocksDB said of it.
        source: rocksdb::Error,
    },
    /// The format is a later or an earlier one than this program's.
    #[error("the log at {} has format {found}, and this program knows {known}: {}", path.display(), way_on(*found))]
    Format {
        /// The path of the log.
        path: PathBuf,
        /// The format that the log has.
        found: u32,
        /// The format that this program reads.
        known: u32,
    },
    /// The log is of another chain or other contracts.
    #[error("the log at {} is of another network: its {what} is {found}, not {expected}", path.display())]
    OtherNetwork {
        /// The path of the log.
        path: PathBuf,
        /// The name of what differs.
        what: &'static str,
        /// The value that the log has.
        found: String,
        /// The value asked for.
        expected: String,
    },
    /// RocksDB or the disk failed.
    #[error("{what} in the log at {}: {source}", path.display())]
    Storage {
        /// The path of the log.
        path: PathBuf,
        /// What was being done.
        what: &'static str,
        /// What RocksDB said of it.
        source: rocksdb::Error,
    },
    /// The file system failed.
    #[error("{what} at {}: {source}", path.display())]
    Files {
        /// The path that was used.
        path: PathBuf,
        /// What was being done.
        what: &'static str,
        /// The system's own words.
        source: std::io::Error,
    },
    /// Something in the log is not what was written.
    #[error("the log is damaged at {place}: {what} is {found}, not {expected}")]
    Damaged {
        /// Which record or chunk.
        place: String,
        /// The value that was compared.
        what: &'static str,
        /// What it has to be.
        expected: String,
        /// The value that is there.
        found: String,
    },
    /// Bytes in the log do not decode.
    #[error("the log is damaged at {place}: {reason}")]
    Undecodable {
        /// Which record or chunk.
        place: String,
        /// What is wrong with the bytes.
        reason: String,
    },
    /// More signers than the dictionary has codes for.
    #[error("L2 block {block} is signed by one more signer than the {max} that a log can tell apart")]
    TooManySigners {
        /// The block that was staged.
        block: L2Block,
        /// How many there are codes for.
        max: u16,
    },
    /// The log changed under the reader again and again while it was opened.
    #[error("the log at {} could not be read at rest in {attempts} attempts: {last}", path.display())]
    Restless {
        /// The path of the log.
        path: PathBuf,
        /// How often it was tried.
        attempts: u32,
        /// How the last attempt ended.
        last: Box<LogError>,
    },
    /// A copy of a log that is not what it has to be. It was not kept.
    #[error("the copy for {} is not sound, and was not kept: {source}", path.display())]
    BadCopy {
        /// Where it was to be.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<LogError>,
    },
    /// A copy of a log that was to be inside of the log.
    #[error("{} lies in the log that it is to be a copy of", path.display())]
    CopyInLog {
        /// Where it was to be.
        path: PathBuf,
    },
    /// An L1 record that comes before one that is in the log.
    #[error("L1 record {found} is out of order: the log already reaches {reached}")]
    L1OutOfOrder {
        /// The record, as block and log index.
        found: String,
        /// How far the log reaches.
        reached: String,
    },
    /// An L1 head below what the log has.
    #[error("L1 head {found} is out of order: the log already reaches {reached}")]
    L1HeadOutOfOrder {
        /// The block of the L1 head.
        found: L1Block,
        /// How far the log reaches.
        reached: L1Block,
    },
    /// An L1 block from before the log begins.
    #[error("L1 block {found} lies before the first of the log, {first}")]
    L1BeforeFirst {
        /// The block that was staged.
        found: L1Block,
        /// The log's first block.
        first: L1Block,
    },
    /// An L1 block whose time does not rise.
    #[error("L1 block {block} has the timestamp {found}, which does not come after {previous}")]
    L1Time {
        /// The block that was staged.
        block: L1Block,
        /// The timestamp of the block before it.
        previous: UnixTime,
        /// The timestamp of the block.
        found: UnixTime,
    },
    /// An L1 block that is told of twice, and differently.
    #[error("L1 block {block} has the {what} {found}, but {expected} by what came before")]
    L1Differs {
        /// The block that was staged.
        block: L1Block,
        /// What of it differs.
        what: &'static str,
        /// What it is by the events before, or by the head.
        expected: String,
        /// What was staged.
        found: String,
    },
    /// An L2 block that is not the next.
    #[error("L2 block {found} is out of order: {expected} is next")]
    L2OutOfOrder {
        /// The block that is next.
        expected: L2Block,
        /// The block that was staged.
        found: L2Block,
    },
    /// An L2 block on another branch.
    #[error("L2 block {block} has the parent {found}, but the block before it is {expected}")]
    L2Parent {
        /// The block that was staged.
        block: L2Block,
        /// The hash of the block before it.
        expected: B256,
        /// The parent hash it names.
        found: B256,
    },
    /// An L2 block older than the one before it.
    #[error("L2 block {block} has the timestamp {found}, before its parent's {parent}")]
    L2Time {
        /// The block that was staged.
        block: L2Block,
        /// The timestamp of its parent.
        parent: UnixTime,
        /// The timestamp of the block.
        found: UnixTime,
    },
    /// A rollback to a block that the log cannot be rolled back to.
    #[error("the log cannot be rolled back to {chain} block {to}: it can be to {}", .range.as_deref().unwrap_or("none"))]
    NotReversible {
        /// The chain to be rolled back.
        chain: Chain,
        /// The block to roll back to.
        to: u64,
        /// The blocks that it can be rolled back to.
        range: Option<String>,
    },
    /// A span event outside of the blocks that it is appended with.
    #[error("span record {found} is out of order: it has to come after {after} and by block {by}")]
    SpanOutOfOrder {
        /// The record, as block and log index.
        found: String,
        /// The record or block before.
        after: String,
        /// The last block appended.
        by: String,
    },
    /// A record that the contracts' state cannot take.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A span event that does not fit.
    #[error(transparent)]
    Span(#[from] SpanError),
    /// An event of a contract's owner that does not fit.
    #[error("the owner event at {place} does not fit: its {what} is {found}, not {expected}")]
    Owner {
        /// The family, block and log index of the event.
        place: String,
        /// The value that was compared.
        what: &'static str,
        /// What it has to be.
        expected: String,
        /// The value that it has.
        found: String,
    },
    /// A bundle that is written cannot be taken. Whatever else fails in the file system is told with its path.
    #[error("writing the bundle: {0}")]
    BundleWrite(#[from] std::io::Error),
    /// The file is something else than a bundle.
    #[error("it is no bundle: it begins with {found:?}")]
    NotABundle {
        /// The first bytes of the file, in hexadecimal.
        found: String,
    },
    /// A bundle of another format.
    #[error("the bundle begins with {found:?}, and this program knows {:?}", String::from_utf8_lossy(known))]
    BundleFormat {
        /// The first bytes of the file, as text.
        found: String,
        /// How a bundle begins that this program can read.
        known: &'static [u8],
    },
    /// A bundle that is too long to be read into memory.
    #[error("the bundle is longer than the {max} bytes allowed")]
    BundleTooLong {
        /// How many bytes a bundle may have.
        max: u64,
    },
    /// A bundle that ends too early.
    #[error("the bundle is cut: it has {found} bytes, and none has fewer than {min}")]
    BundleCut {
        /// How many bytes it has.
        found: usize,
        /// The least there can be.
        min: usize,
    },
    /// Bytes of a bundle that are not what was written.
    #[error("the bundle is damaged at {place}: {what} is {found}, not {expected}")]
    BundleDamaged {
        /// The part of the bundle.
        place: String,
        /// What was compared of it.
        what: &'static str,
        /// What it has to be.
        expected: String,
        /// What the bundle has there.
        found: String,
    },
    /// A log with stakes and without the transfers by which they came.
    #[error(
        "the log at {} has stakes and no METIS transfers, as logs had before format 4: it can be read, but not gone on \
         with, as later transfers alone would not be all of them; it has to be ingested again", path.display()
    )]
    NoTransfers {
        /// The path of the log.
        path: PathBuf,
    },
    /// An owner event was to be appended to a log that lacks those before it.
    #[error(
        "the owner events up to L1 block {to} are not in the log: they have to be put in before later ones"
    )]
    OwnersMissing {
        /// The last block up to which they lack.
        to: L1Block,
    },
}

/// What to do about a log of another format than this program's.
fn way_on(found: u32) -> String {
    if found > FORMAT {
        "a newer program made it, which can read it".into()
    } else if found >= FORMAT_UPGRADABLE {
        format!("`tally log upgrade` makes a log of format {FORMAT} of it")
    } else {
        "a log of an earlier format has to be ingested again".into()
    }
}

impl LogError {
    /// [`LogError::NoTransfers`] if the log at `path` has stakes and none of the transfers by which they came.
    pub(crate) fn lacks_transfers(path: &Path, has_stakes: bool, has_transfers: bool) -> Option<Self> {
        (has_stakes && !has_transfers).then(|| Self::NoTransfers { path: path.into() })
    }

    pub(crate) fn bundle_damaged(
        place: &str,
        what: &'static str,
        expected: &impl ToString,
        found: &impl ToString,
    ) -> Self {
        let (expected, found) = (expected.to_string(), found.to_string());
        Self::BundleDamaged { place: place.into(), what, expected, found }
    }

    /// Whether the bytes in the log are at fault, rather than the way it was opened.
    pub fn is_damage(&self) -> bool {
        let is_corrupt = |source: &rocksdb::Error| source.kind() == rocksdb::ErrorKind::Corruption;
        matches!(self, Self::Damaged { .. } | Self::Undecodable { .. } | Self::Owner { .. })
            || matches!(self, Self::Pool(_) | Self::Span(_))
            || matches!(self, Self::Storage { source, .. } if is_corrupt(source))
    }
}

/// Whether something in the log is what it has to be.
pub(crate) fn same<T: PartialEq + ToString>(
    place: &str,
    what: &'static str,
    expected: &T,
    found: &T,
) -> Result<(), LogError> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (expected.to_string(), found.to_string());
    Err(LogError::Damaged { place: place.into(), what, expected, found })
}
