//! How RocksDB is set up, each number with its reason.

use rocksdb::{BlockBasedOptions, DBCompressionType, Options, ReadOptions, WriteOptions};

/// The format of the bytes that this crate writes. Raised whenever an older program could misread
/// them.
pub const FORMAT: u32 = 5;

/// The first format of which [`crate::upgrade()`] makes a log of this one.
pub const FORMAT_UPGRADABLE: u32 = 4;

/// L1 events: key (block, log index), big-endian; value link ‖ record.
pub(crate) const L1_EVENTS: &str = "l1_events";
/// Span events: key (L2 block, log index), big-endian; value link ‖ record.
pub(crate) const SPAN_EVENTS: &str = "span_events";
/// Events of the contracts' owners: key (block, log index), big-endian; value link ‖ record.
pub(crate) const OWNER_EVENTS: &str = "owner_events";
/// L2 production, headers: key first block, big-endian; value link ‖ header.
pub(crate) const CHUNKS: &str = "l2_chunks";
/// L2 production, producers columns: key first block, big-endian.
pub(crate) const PRODUCERS: &str = "l2_producers";
/// L2 production, times columns: key first block, big-endian.
pub(crate) const TIMES: &str = "l2_times";
/// L2 production, where time falls on chunks: key first block of a page, big-endian.
pub(crate) const INDEX: &str = "l2_index";
/// Who signed L2 blocks: key code, big-endian; value link ‖ address.
pub(crate) const SIGNERS: &str = "signers";
/// Blocks that a reorg may still take back: key side, block, big-endian; value hash ‖ timestamp.
pub(crate) const RECENT: &str = "recent";
/// Format, identity and heads.
pub(crate) const META: &str = "meta";

/// All column families of a log.
pub(crate) const COLUMN_FAMILIES: [&str; 10] =
    [L1_EVENTS, SPAN_EVENTS, OWNER_EVENTS, SIGNERS, CHUNKS, PRODUCERS, TIMES, INDEX, RECENT, META];

/// In `meta`: the format, 4 bytes big-endian.
pub(crate) const FORMAT_KEY: &[u8] = b"format";
/// In `meta`: the encoded identity.
pub(crate) const IDENTITY_KEY: &[u8] = b"identity";
/// In `meta`: the encoded heads.
pub(crate) const HEADS_KEY: &[u8] = b"heads";
/// In `meta`: the encoded head of the owner events.
pub(crate) const OWNERS_KEY: &[u8] = b"owners";
/// In `meta`: BLAKE3 over the keys and values of `recent`.
pub(crate) const RECENT_KEY: &[u8] = b"recent";
/// In `meta`: the head digest, over identity and heads.
pub(crate) const DIGEST_KEY: &[u8] = b"digest";

/// The options of the database.
pub(crate) fn database(create: bool) -> Options {
    let mut options = Options::default();
    options.create_if_missing(create);
    options.create_missing_column_families(create);
    // Families flushed at different times could show a reader one without the other.
    options.set_atomic_flush(true);
    // A reader keeps every file open, so that the writer may drop files under it.
    options.set_max_open_files(-1);
    // Tables are opened family by family, each by so many threads, which are started anew for it: with the default
    // of 16 a log of a few dozen tables took 300 threads, and longer to open than to read.
    options.set_max_file_opening_threads(1);
    // RocksDB's own log is for RocksDB's authors: keep one small file of it.
    options.set_keep_log_file_num(1);
    options.set_max_log_file_size(1 << 20);
    options.set_log_level(rocksdb::LogLevel::Warn);
    options
}

/// How many bytes of producers RocksDB reads, and checks, at once. A fold reads them all, so fewer and larger
/// pieces are less work; a look-up of one block reads a piece of which it needs one chunk.
const PRODUCERS_BLOCK_BYTES: usize = 32 << 10;

/// How much RocksDB reads ahead of a scan: enough to make the disk's own latency small beside it.
const READ_AHEAD_BYTES: usize = 256 << 10;

/// The options of one column family.
pub(crate) fn column_family(name: &str) -> Options {
    let mut options = Options::default();
    match name {
        // Columns are packed already; decompression would cost more than it saves.
        PRODUCERS | TIMES | INDEX => options.set_compression_type(DBCompressionType::None),
        L1_EVENTS | SPAN_EVENTS | OWNER_EVENTS => options.set_compression_type(DBCompressionType::Zstd),
        _ => options.set_compression_type(DBCompressionType::Lz4),
    }
    if name == PRODUCERS {
        let mut table = BlockBasedOptions::default();
        table.set_block_size(PRODUCERS_BLOCK_BYTES);
        options.set_block_based_table_factory(&table);
    }
    options
}

/// How a scan reads the keys before `end`: without washing away what look-ups keep in memory.
pub(crate) fn scan(end: Option<&[u8]>) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    options.set_readahead_size(READ_AHEAD_BYTES);
    if let Some(end) = end {
        options.set_iterate_upper_bound(end);
    }
    options
}

/// Every commit is on the disk before it counts.
pub(crate) fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}
