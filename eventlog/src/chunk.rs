//! L2 production in chunks: who produced each block, and when.
//!
//! A chunk holds the blocks `8192·k ..= 8192·k + 8191` (the first and the last chunk of a log may hold
//! fewer), so that where one chunk ends and the next begins does not depend on how the blocks came in.
//! Its header says everything about it that needs no column; `docs/log-format.md` draws the bytes.

use crate::chunk_header::{CHUNK_BLOCKS_MAX, ChunkHeader};
use crate::error::{LogError, same};
use crate::producers::{Producers, UNSIGNED, encode_producers};
use crate::recent::RecentBlock;
use crate::signers::Signers;
use crate::times::{Times, encode_times};
use alloy_primitives::{Address, B256};
use tally_engine::{L2Block, UnixTime};

/// One L2 block, as far as it bears on rewards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducedBlock {
    /// The number of the block.
    pub number: L2Block,
    /// The hash of the block.
    pub hash: B256,
    /// The hash of the block before it.
    pub parent_hash: B256,
    /// The timestamp of the block.
    pub timestamp: UnixTime,
    /// Who signed it, or `None` if its first transaction bears no sequencer's signature.
    pub signer: Option<Address>,
}

/// A chunk as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedChunk {
    /// The header, which holds the digests of both columns.
    pub header: ChunkHeader,
    /// The bytes of the producers column.
    pub producers: Vec<u8>,
    /// The bytes of the times column.
    pub times: Vec<u8>,
}

impl EncodedChunk {
    /// The chunk of consecutive blocks from `first_block` on, with their codes and timestamps (which never
    /// fall), in a log that knows `signers` signers by its last block.
    pub fn new(
        first_block: L2Block,
        blocks: impl IntoIterator<Item = (u16, UnixTime)>,
        last_hash: B256,
        signers: u16,
    ) -> Self {
        let mut builder = ChunkBuilder::new(first_block);
        for (code, time) in blocks {
            builder.push(code, time, last_hash);
        }
        builder.encode(signers)
    }
}

/// BLAKE3 of a column.
pub(crate) fn column_digest(column: &[u8]) -> B256 {
    B256::from(*blake3::hash(column).as_bytes())
}

/// A chunk that still takes blocks.
#[derive(Clone, Debug)]
pub(crate) struct ChunkBuilder {
    first_block: L2Block,
    last_hash: B256,
    codes: Vec<u16>,
    times: Vec<u64>,
}

impl ChunkBuilder {
    pub(crate) fn new(first_block: L2Block) -> Self {
        Self { first_block, last_hash: B256::ZERO, codes: Vec::new(), times: Vec::new() }
    }

    /// A stored chunk, to go on with.
    pub(crate) fn reopen(chunk: &EncodedChunk) -> Result<Self, LogError> {
        let header = &chunk.header;
        let codes = Producers::new(header.first_block, &chunk.producers)?.to_vec()?;
        let times = Times::new(header.first_block, &chunk.times)?;
        let times = times.iter().map(|time| Ok(time?.0)).collect::<Result<Vec<u64>, LogError>>()?;
        let count = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        same(&header.place(), "number of times", &count(codes.len()), &count(times.len()))?;
        Ok(Self { first_block: header.first_block, last_hash: header.last_hash, codes, times })
    }

    /// A stored chunk up to block `last` in it, to go on with.
    pub(crate) fn reopen_until(chunk: &EncodedChunk, last: &RecentBlock) -> Result<Self, LogError> {
        let mut builder = Self::reopen(chunk)?;
        let before = last.number.checked_sub(chunk.header.first_block.0);
        let blocks = before.and_then(|before| usize::try_from(before).ok()?.checked_add(1));
        let blocks = blocks.filter(|blocks| *blocks <= builder.codes.len());
        let blocks = blocks.ok_or_else(|| LogError::Undecodable {
            place: chunk.header.place(),
            reason: format!("it does not hold block {}", last.number),
        })?;
        builder.codes.truncate(blocks);
        builder.times.truncate(blocks);
        builder.last_hash = last.hash;
        let found = builder.times.last().copied();
        if found != Some(last.timestamp.0) {
            return Err(LogError::Damaged {
                place: chunk.header.place(),
                what: "timestamp of a recent block",
                expected: last.timestamp.to_string(),
                found: format!("{found:?}"),
            });
        }
        Ok(builder)
    }

    /// Whether `block` belongs in a later chunk.
    pub(crate) fn is_before(&self, block: L2Block) -> bool {
        self.first_block.0 / CHUNK_BLOCKS_MAX < block.0 / CHUNK_BLOCKS_MAX
    }

    /// Takes the next block, made by the signer of `code`; the caller has checked that it belongs here.
    pub(crate) fn push(&mut self, code: u16, time: UnixTime, block_hash: B256) {
        assert!(self.times.last().is_none_or(|before| *before <= time.0), "timestamps never fall");
        self.codes.push(code);
        self.times.push(time.0);
        self.last_hash = block_hash;
    }

    /// The largest code in it.
    pub(crate) fn largest_code(&self) -> u16 {
        self.codes.iter().copied().max().unwrap_or(UNSIGNED)
    }

    /// The chunk as it is stored in a log that knows `signers` signers by its last block.
    pub(crate) fn encode(&self, signers: u16) -> EncodedChunk {
        let producers = encode_producers(&self.codes);
        let times = encode_times(&self.times);
        let count = |len: usize| u16::try_from(len).expect("a chunk has at most 2^13 blocks");
        let time = |time: Option<&u64>| UnixTime(time.copied().unwrap_or_default());
        let header = ChunkHeader {
            first_block: self.first_block,
            blocks: count(self.codes.len()),
            unsigned: count(self.codes.iter().filter(|code| **code == UNSIGNED).count()),
            signers,
            first_time: time(self.times.first()),
            last_time: time(self.times.last()),
            last_hash: self.last_hash,
            producers_digest: column_digest(&producers),
            times_digest: column_digest(&times),
        };
        EncodedChunk { header, producers, times }
    }
}

/// The chunks of consecutive blocks that begin at `first`, as a log would hold them, and its dictionary:
/// the signers by code, from 1 on.
///
/// # Errors
///
/// [`LogError::TooManySigners`] if there are more than a log can tell apart.
pub fn encode_chunks(
    first: L2Block,
    blocks: impl IntoIterator<Item = ProducedBlock>,
) -> Result<(Vec<EncodedChunk>, Vec<Address>), LogError> {
    let mut signers = Signers::default();
    let mut chunks = Vec::new();
    let mut open = ChunkBuilder::new(first);
    for block in blocks {
        if open.is_before(block.number) {
            chunks.push(open.encode(signers.len()));
            open = ChunkBuilder::new(block.number);
        }
        let code = match block.signer {
            None => UNSIGNED,
            Some(signer) => signers.code_of(signer, block.number)?.0,
        };
        open.push(code, block.timestamp, block.hash);
    }
    if !open.times.is_empty() {
        chunks.push(open.encode(signers.len()));
    }
    Ok((chunks, signers.into_addresses()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_chunk_can_be_gone_on_with_from_any_block(blocks in prop::collection::vec((0_u16..300, 0_u64..5), 1..400), cut in any::<prop::sample::Index>()) {
            let hash = |at: usize| B256::from(alloy_primitives::U256::from(at));
            let mut time = 0;
            let mut builder = ChunkBuilder::new(L2Block(100));
            let mut recent = Vec::new();
            for (at, (code, step)) in blocks.iter().enumerate() {
                time += step;
                builder.push(*code, UnixTime(time), hash(at));
                let number = 100 + u64::try_from(at).expect("small");
                recent.push(RecentBlock { number, hash: hash(at), timestamp: UnixTime(time) });
            }
            let chunk = builder.encode(300);
            let header = ChunkHeader::decode("test", &chunk.header.encode()?)?;
            prop_assert_eq!(&header, &chunk.header);
            prop_assert_eq!(ChunkBuilder::reopen(&chunk)?.encode(300), chunk.clone());
            let at = cut.index(blocks.len());
            let mut cut = ChunkBuilder::reopen_until(&chunk, &recent[at])?;
            for (later, (code, _)) in blocks.iter().enumerate().skip(at + 1) {
                cut.push(*code, recent[later].timestamp, hash(later));
            }
            prop_assert_eq!(cut.encode(300), chunk);
        }
    }
}
