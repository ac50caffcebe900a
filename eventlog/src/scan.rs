//! Reading the chunks of a range of blocks in order, in place: producers alone, or everything, checked.

use crate::LogError;
use crate::check::ChunkCheck;
use crate::chunk::{ChunkHeader, chunk_start};
use crate::heads::Chain;
use crate::keys::{chunk_of, unlinked};
use crate::options::{CHUNKS, PRODUCERS, TIMES};
use crate::producers::Producers;
use crate::reader::LogReader;
use std::ops::RangeInclusive;
use tally_engine::L2Block;

impl LogReader {
    /// Calls `each` with the producers of every chunk that has blocks of `range`, in order. The chunks are
    /// checked to follow one another and to cover the range, and RocksDB checks the bytes as far as its own
    /// checksums reach; their digests are left to [`LogReader::scan_verified`].
    ///
    /// # Errors
    ///
    /// [`LogError`] naming the first chunk that is missing or damaged; and what `each` says.
    pub fn scan_producers<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        mut each: impl FnMut(&Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut expected = chunk_start(self.identity().l2_first_block, *range.start());
        let end = end_key(*range.end());
        self.store.scan(
            PRODUCERS,
            &expected.0.to_be_bytes(),
            end.as_ref().map(<[u8; 8]>::as_slice),
            |key, value| {
                let first = L2Block(chunk_of(key)?);
                if first != expected {
                    return Err(missing(expected, Some(first)).into());
                }
                let producers = Producers::new(first, value)?;
                expected = next_chunk(first, producers.blocks())?;
                each(&producers)
            },
        )?;
        if expected <= *range.end() {
            return Err(missing(expected, None).into());
        }
        Ok(())
    }

    /// The same, but headers and times are read too, and all of it is checked: links, digests, counts, codes
    /// and times. Ranges that follow one another check the whole chain of digests, whose end the reader
    /// compared with the heads when it was opened.
    ///
    /// # Errors
    ///
    /// As [`LogReader::scan_producers`].
    pub fn scan_verified<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        mut each: impl FnMut(&ChunkHeader, &Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scan_bytes(range, |header, _, producers, _| each(header, producers))
    }

    /// The same, with the bytes of header and times, too: `each(header, its bytes, producers, times)`.
    pub(crate) fn scan_bytes<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        mut each: impl FnMut(&ChunkHeader, &[u8], &Producers<'_>, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let first_of_log = self.identity().l2_first_block;
        let start = chunk_start(first_of_log, *range.start());
        let (mut chain, mut check) = self.before(start)?;
        let mut headers = self.store.cursor(CHUNKS, &start.0.to_be_bytes())?;
        let mut times = self.store.cursor(TIMES, &start.0.to_be_bytes())?;
        self.scan_producers(range, |producers| {
            let key = producers.first_block().0.to_be_bytes();
            let place = format!("the chunk of L2 block {}", producers.first_block());
            let value = headers.take(&key)?;
            let bytes;
            (chain, bytes) = chain.follow(&place, &key, value)?;
            let header = ChunkHeader::decode(&place, bytes)?;
            let column = times.take(&key)?;
            check.check(&header, producers, column)?;
            each(&header, bytes, producers, column)
        })
    }

    /// What the chunk before that of block `start` says: its link, and what the next has to follow on.
    fn before(&self, start: L2Block) -> Result<(Chain, ChunkCheck), LogError> {
        let first = self.identity().l2_first_block;
        let Some(before) = start.previous().filter(|before| *before >= first) else {
            return Ok((Chain::default(), ChunkCheck::default()));
        };
        let before = chunk_start(first, before);
        let place = format!("the chunk of L2 block {before}");
        let value = self.store.get(CHUNKS, &before.0.to_be_bytes())?.ok_or_else(|| missing(before, None))?;
        let (last, bytes) = unlinked(&place, &value)?;
        let header = ChunkHeader::decode(&place, bytes)?;
        // The count is of no interest: the heads' is compared with the number of chunks.
        Ok((Chain { count: 0, last }, ChunkCheck::after(&header)))
    }
}

/// The first key that has no block up to `last`, or `None` if every key may.
fn end_key(last: L2Block) -> Option<[u8; 8]> {
    last.next().map(|next| next.0.to_be_bytes())
}

/// The first block of the chunk after one.
fn next_chunk(first: L2Block, blocks: u16) -> Result<L2Block, LogError> {
    first.0.checked_add(u64::from(blocks)).map(L2Block).ok_or_else(|| LogError::Undecodable {
        place: format!("the chunk of L2 block {first}"),
        reason: format!("it has {blocks} blocks, and so passes 64 bits"),
    })
}

#[cold]
fn missing(expected: L2Block, found: Option<L2Block>) -> LogError {
    LogError::Damaged {
        place: format!("the producers of the chunk of L2 block {expected}"),
        what: "first block",
        expected: expected.to_string(),
        found: found.map_or("none".into(), |found| found.to_string()),
    }
}
