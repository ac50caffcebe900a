//! How far a log reaches, and the digests of everything up to there.

use crate::chunk_header::ChunkHeader;
use crate::error::same;
use crate::keys::unlinked;
use crate::record::encode;
use crate::stored::{hash, l1_block, l2_block, time};
use crate::{LogError, LogIdentity, RecentBlock};
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use tally_engine::{L1Block, L2Block, UnixTime};

/// The last L1 block that is in the log, with or without an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct L1Head {
    /// The number of the block.
    #[serde(with = "l1_block")]
    pub block: L1Block,
    /// The hash of the block.
    #[serde(with = "hash")]
    pub hash: B256,
    /// The timestamp of the block.
    #[serde(with = "time")]
    pub timestamp: UnixTime,
}

/// The last L2 block that is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct L2Head {
    /// The number of the block.
    #[serde(with = "l2_block")]
    pub block: L2Block,
    /// The hash of the block.
    #[serde(with = "hash")]
    pub hash: B256,
    /// The timestamp of the block.
    #[serde(with = "time")]
    pub timestamp: UnixTime,
}

impl From<L1Head> for RecentBlock {
    fn from(head: L1Head) -> Self {
        Self { number: head.block.0, hash: head.hash, timestamp: head.timestamp }
    }
}

impl From<L2Head> for RecentBlock {
    fn from(head: L2Head) -> Self {
        Self { number: head.block.0, hash: head.hash, timestamp: head.timestamp }
    }
}

/// The links of some records or chunks, of which the last stands for all: each is BLAKE3 of the link before, the key and
/// the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// How many links there are.
    pub count: u64,
    /// The last one; zeros before the first.
    #[serde(with = "hash")]
    pub last: B256,
}

impl Links {
    /// These with one more link.
    #[must_use]
    pub fn extended(&self, key: &[u8], bytes: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.last.as_slice());
        // Keys have a fixed length, so where the bytes begin is not in doubt.
        hasher.update(key);
        hasher.update(bytes);
        Self { count: self.count + 1, last: B256::from(*hasher.finalize().as_bytes()) }
    }

    /// Recomputes the link that `value` begins with; returns the links with it, and the bytes it is of.
    pub(crate) fn follow<'a>(
        &self,
        place: &str,
        key: &[u8],
        value: &'a [u8],
    ) -> Result<(Self, &'a [u8]), LogError> {
        let (link, bytes) = unlinked(place, value)?;
        let links = self.extended(key, bytes);
        same(place, "link of the digest chain", &links.last, &link)?;
        Ok((links, bytes))
    }

    /// Whether these are all of a family, as the heads have them.
    pub(crate) fn check_end(&self, family: &str, head: Self) -> Result<(), LogError> {
        let place = format!("the end of {family}");
        same(&place, "number of links", &head.count, &self.count)?;
        same(&place, "last link", &head.last, &self.last)
    }
}

/// Up to which block of each chain something goes: a log, or a part of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The last L1 block; `None` before the first.
    pub l1: Option<L1Head>,
    /// The last L2 block; `None` before the first.
    pub l2: Option<L2Head>,
}

/// How far a log reaches, and the digests of everything up to there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    /// Up to here on L1; `None` before the first block.
    pub l1: Option<L1Head>,
    /// Up to here on L2; `None` before the first block.
    pub l2: Option<L2Head>,
    /// The links of the L1 records.
    pub l1_events: Links,
    /// The links of the span events.
    pub span_events: Links,
    /// The links of the signers of L2 blocks.
    pub signers: Links,
    /// The links of the chunks of L2 production, the last of which may still grow.
    pub chunks: Links,
}

impl Heads {
    /// The last blocks, without the digests.
    pub const fn reach(&self) -> Reach {
        Reach { l1: self.l1, l2: self.l2 }
    }

    /// Whether the last chunk (`None` if there is none) is the one that the L2 head ends.
    pub(crate) fn check_last_chunk(&self, last: Option<&ChunkHeader>) -> Result<(), LogError> {
        let end = last.and_then(|last| {
            let block = last.last_block()?;
            Some(L2Head { block, hash: last.last_hash, timestamp: last.last_time })
        });
        if end == self.l2 {
            return Ok(());
        }
        Err(LogError::Damaged {
            place: "the L2 head".into(),
            what: "block, hash and timestamp",
            expected: format!("{end:?}"),
            found: format!("{:?}", self.l2),
        })
    }

    /// One digest of everything in the log: what it is of, how far it reaches, and every byte of every
    /// record and column.
    ///
    /// # Errors
    ///
    /// [`LogError::Undecodable`] if the identity cannot be encoded, which none is known to cause.
    pub fn digest(&self, identity: &LogIdentity) -> Result<B256, LogError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"tally.log.2\n");
        for part in [encode("the identity", identity)?, encode("the heads", self)?] {
            // A length before each part, so that where it ends is not in doubt.
            hasher.update(&u64::try_from(part.len()).expect("a length fits in 64 bits").to_be_bytes());
            hasher.update(&part);
        }
        Ok(B256::from(*hasher.finalize().as_bytes()))
    }
}
