//! What is known of a chunk without its columns.

use crate::error::LogError;
use crate::record::{decode, encode};
use crate::stored::{hash, l2_block, time};
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use tally_engine::{L2Block, UnixTime};

/// The most blocks that a chunk holds; a power of two, and at most 2^15 so that numbers of blocks and
/// lengths of runs fit in 16 bits.
pub const CHUNK_BLOCKS_MAX: u64 = 8_192;

/// What can be said of a chunk without its columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkHeader {
    /// The first block of the chunk.
    #[serde(with = "l2_block")]
    pub first_block: L2Block,
    /// How many blocks it holds.
    pub blocks: u16,
    /// How many of them nobody signed.
    pub unsigned: u16,
    /// How many signers the log knows by its last block.
    pub signers: u16,
    /// The first block's timestamp.
    #[serde(with = "time")]
    pub first_time: UnixTime,
    /// The last block's timestamp.
    #[serde(with = "time")]
    pub last_time: UnixTime,
    /// The last block's hash.
    #[serde(with = "hash")]
    pub last_hash: B256,
    /// BLAKE3 of the producers column.
    #[serde(with = "hash")]
    pub producers_digest: B256,
    /// BLAKE3 of the times column.
    #[serde(with = "hash")]
    pub times_digest: B256,
}

impl ChunkHeader {
    /// Its last block, or `None` past the last block number there is.
    pub fn last_block(&self) -> Option<L2Block> {
        self.first_block.0.checked_add(u64::from(self.blocks.checked_sub(1)?)).map(L2Block)
    }

    pub(crate) fn place(&self) -> String {
        format!("the chunk of L2 block {}", self.first_block)
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, LogError> {
        encode(&self.place(), self)
    }

    pub(crate) fn decode(place: &str, bytes: &[u8]) -> Result<Self, LogError> {
        let header: Self = decode(place, bytes)?;
        if u64::from(header.blocks) > CHUNK_BLOCKS_MAX || header.last_block().is_none() {
            return Err(LogError::Damaged {
                place: place.into(),
                what: "number of blocks",
                expected: format!("1 to {CHUNK_BLOCKS_MAX}"),
                found: header.blocks.to_string(),
            });
        }
        Ok(header)
    }
}

/// The first block of the chunk that `block` is in, in a log that begins at block `first`.
pub fn chunk_start(first: L2Block, block: L2Block) -> L2Block {
    // Rounds down to a multiple of the chunk size.
    L2Block(block.0 / CHUNK_BLOCKS_MAX * CHUNK_BLOCKS_MAX).max(first)
}
