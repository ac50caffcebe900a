//! Where time falls on chunks: a few bytes for each, read where headers and columns would be too many.
//!
//! It repeats what the headers say, so it is in no digest; `tally log verify` compares the two.

use crate::chunk_header::{CHUNK_BLOCKS_MAX, ChunkHeader};
use crate::error::LogError;
use tally_engine::{L2Block, UnixTime};

/// How many chunks one entry of the family holds: 10 kB, rewritten with each commit while it grows.
pub(crate) const PAGE_CHUNKS: u64 = 1_024;

/// How many blocks that is.
const PAGE_BLOCKS: u64 = PAGE_CHUNKS * CHUNK_BLOCKS_MAX;

/// A time (64 bits) and a number of blocks (16 bits), little-endian.
const ENTRY_BYTES: usize = 10;

/// What the index knows of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The first block of the chunk.
    pub first_block: L2Block,
    /// The timestamp of its first block.
    pub first_time: UnixTime,
    /// How many of its blocks nobody signed.
    pub unsigned: u16,
}

impl From<&ChunkHeader> for IndexEntry {
    fn from(header: &ChunkHeader) -> Self {
        Self { first_block: header.first_block, first_time: header.first_time, unsigned: header.unsigned }
    }
}

impl ChunkHeader {
    /// Whether `found` is what the index says of this chunk.
    ///
    /// # Errors
    ///
    /// [`LogError::Damaged`] if it is not.
    pub fn check_index_entry(&self, found: Option<IndexEntry>) -> Result<(), LogError> {
        let expected = IndexEntry::from(self);
        if found == Some(expected) {
            return Ok(());
        }
        Err(LogError::Damaged {
            place: self.place(),
            what: "index entry",
            expected: format!("{expected:?}"),
            found: format!("{found:?}"),
        })
    }
}

/// The key of the page that `block` is in: the block number that it could begin with.
pub(crate) fn page_key(block: L2Block) -> [u8; 8] {
    // Rounds down to a multiple of the page size.
    (block.0 / PAGE_BLOCKS * PAGE_BLOCKS).to_be_bytes()
}

/// The last chunks, in the page that still grows.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenPage(Vec<IndexEntry>);

impl OpenPage {
    pub(crate) fn new(entries: Vec<IndexEntry>) -> Self {
        Self(entries)
    }

    /// The entry of the last chunk.
    pub(crate) fn last(&self) -> Option<IndexEntry> {
        self.0.last().copied()
    }

    /// Takes a chunk: the last one again, as it has grown, or the next.
    pub(crate) fn put(&mut self, entry: IndexEntry) {
        match self.0.last() {
            Some(last) if page_key(last.first_block) != page_key(entry.first_block) => self.0.clear(),
            Some(last) if last.first_block == entry.first_block => {
                self.0.pop();
            }
            _ => {}
        }
        self.0.push(entry);
    }

    /// Key and value of the page; `None` while it is empty.
    pub(crate) fn encode(&self) -> Option<([u8; 8], Vec<u8>)> {
        let key = page_key(self.0.first()?.first_block);
        let mut value = Vec::with_capacity(self.0.len() * ENTRY_BYTES);
        for entry in &self.0 {
            value.extend(entry.first_time.0.to_le_bytes());
            value.extend(entry.unsigned.to_le_bytes());
        }
        Some((key, value))
    }
}

/// Reads a page of a log that begins at `first` and ends at `last`, into `entries`.
pub(crate) fn decode_page(
    key: &[u8],
    value: &[u8],
    (first, last): (L2Block, L2Block),
    entries: &mut Vec<IndexEntry>,
) -> Result<(), LogError> {
    let page = crate::keys::chunk_of(key)?;
    let place = || format!("the index page of L2 block {page}");
    let damaged =
        |what, expected: String, found: String| LogError::Damaged { place: place(), what, expected, found };
    if page % PAGE_BLOCKS != 0 {
        return Err(damaged("first block", format!("a multiple of {PAGE_BLOCKS}"), page.to_string()));
    }
    let (stored, rest) = value.as_chunks::<ENTRY_BYTES>();
    let end = last.0.min(page.saturating_add(PAGE_BLOCKS - 1));
    // Rounds down: the chunks from that of the page's first block to that of its last.
    let start = page.max(first.0);
    let chunks = (end / CHUNK_BLOCKS_MAX).checked_sub(start / CHUNK_BLOCKS_MAX).map(|steps| steps + 1);
    let found = u64::try_from(stored.len()).unwrap_or(u64::MAX);
    if chunks != Some(found) || !rest.is_empty() {
        let expected = chunks.map_or("none".into(), |chunks| chunks.to_string());
        return Err(damaged("number of chunks", expected, format!("{found} and {} bytes", rest.len())));
    }
    let mut block = start;
    for entry in stored {
        let [t0, t1, t2, t3, t4, t5, t6, t7, u0, u1] = *entry;
        let first_time = UnixTime(u64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]));
        if let Some(before) = entries.last()
            && before.first_time > first_time
        {
            let (expected, found) = (format!("at least {}", before.first_time), first_time.to_string());
            return Err(damaged("timestamp", expected, found));
        }
        entries.push(IndexEntry {
            first_block: L2Block(block),
            first_time,
            unsigned: u16::from_le_bytes([u0, u1]),
        });
        block = (block / CHUNK_BLOCKS_MAX + 1).saturating_mul(CHUNK_BLOCKS_MAX);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that begins within a chunk and reaches into its second page.
    #[test]
    fn pages_read_back_as_they_were_written() {
        let first = L2Block(PAGE_BLOCKS + 3 * CHUNK_BLOCKS_MAX + 17);
        let last = L2Block(2 * PAGE_BLOCKS + CHUNK_BLOCKS_MAX + 5);
        let starts = std::iter::successors(Some(first.0), |block| {
            Some((block / CHUNK_BLOCKS_MAX + 1) * CHUNK_BLOCKS_MAX)
        });
        let mut page = OpenPage::default();
        let mut pages = std::collections::BTreeMap::new();
        let mut written = Vec::new();
        for (block, unsigned) in starts.take_while(|block| *block <= last.0).zip(0..) {
            let entry = IndexEntry { first_block: L2Block(block), first_time: UnixTime(2 * block), unsigned };
            page.put(IndexEntry { unsigned: 9_999, ..entry });
            page.put(entry);
            pages.extend(page.encode());
            written.push(entry);
        }
        assert_eq!(pages.len(), 2);
        let mut read = Vec::new();
        for (key, value) in &pages {
            decode_page(key, value, (first, last), &mut read).expect("decodes");
            assert!(decode_page(key, &value[1..], (first, last), &mut Vec::new()).is_err());
            assert!(
                decode_page(key, &value[..value.len() - ENTRY_BYTES], (first, last), &mut Vec::new())
                    .is_err()
            );
        }
        assert_eq!(read, written);
        let mut backwards = written.clone();
        assert!(
            decode_page(
                &pages.first_key_value().expect("two").0[..],
                &pages[&page_key(first)],
                (first, last),
                &mut backwards
            )
            .is_err()
        );
    }
}
