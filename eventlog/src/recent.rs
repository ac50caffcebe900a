//! The blocks at the end of a chain that a reorg may still take back, and the last one before them.
//!
//! Only their numbers, hashes and times are kept here; records and columns lie with all others, and go
//! by block number when the log is rolled back. What is final is not kept: a log that was ingested from
//! final blocks alone has nothing here, so its bytes do not depend on how it came to be.

use crate::LogError;
use crate::error::same;
use alloy_primitives::B256;
use tally_engine::{L1Record, UnixTime};

/// A block, as far as a reorg can tell it from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentBlock {
    /// The number of the block.
    pub number: u64,
    /// The hash of the block.
    pub hash: B256,
    /// The timestamp of the block.
    pub timestamp: UnixTime,
}

/// Of which chain a recent block is: the first byte of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    L1,
    L2,
}

/// A value is a hash and a timestamp.
const VALUE_BYTES: usize = 40;

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::L1 => "the recent L1 blocks",
            Self::L2 => "the recent L2 blocks",
        }
    }

    /// The key of a recent block: the side, and the number, big-endian.
    pub(crate) fn key(self, number: u64) -> [u8; 9] {
        let mut key = [0; 9];
        key[0] = match self {
            Self::L1 => 1,
            Self::L2 => 2,
        };
        key[1..].copy_from_slice(&number.to_be_bytes());
        key
    }
}

impl From<&L1Record> for RecentBlock {
    fn from(record: &L1Record) -> Self {
        Self { number: record.block.0, hash: record.block_hash, timestamp: record.timestamp }
    }
}

impl RecentBlock {
    pub(crate) fn encode(&self) -> [u8; VALUE_BYTES] {
        let mut value = [0; VALUE_BYTES];
        value[..32].copy_from_slice(self.hash.as_slice());
        value[32..].copy_from_slice(&self.timestamp.0.to_be_bytes());
        value
    }

    /// The side and the block of an entry.
    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<(Side, Self), LogError> {
        let undecodable = || LogError::Undecodable {
            place: format!("the recent block {key:02x?}"),
            reason: "its length".into(),
        };
        let (side, number) = key.split_first_chunk::<1>().ok_or_else(undecodable)?;
        let number = u64::from_be_bytes(number.try_into().map_err(|_| undecodable())?);
        let side = match side {
            [1] => Side::L1,
            [2] => Side::L2,
            _ => return Err(undecodable()),
        };
        let (hash, timestamp) = value.split_first_chunk::<32>().ok_or_else(undecodable)?;
        let timestamp = UnixTime(u64::from_be_bytes(timestamp.try_into().map_err(|_| undecodable())?));
        Ok((side, Self { number, hash: B256::new(*hash), timestamp }))
    }
}

/// BLAKE3 of the keys and values of all of them.
pub(crate) fn recent_digest(l1: &[RecentBlock], l2: &[RecentBlock]) -> B256 {
    let mut hasher = blake3::Hasher::new();
    for (side, blocks) in [(Side::L1, l1), (Side::L2, l2)] {
        for block in blocks {
            // Both have fixed lengths, so where each begins is not in doubt.
            hasher.update(&side.key(block.number)).update(&block.encode());
        }
    }
    B256::from(*hasher.finalize().as_bytes())
}

/// Consecutive blocks up to a chain's head. The first is the one that the log can be rolled back to at the
/// deepest; alone it says no more than the head does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecentBlocks(Vec<RecentBlock>);

impl RecentBlocks {
    /// The blocks that were stored, checked to be consecutive and to end at the head.
    pub(crate) fn new(
        side: Side,
        stored: Vec<RecentBlock>,
        head: Option<RecentBlock>,
    ) -> Result<Self, LogError> {
        let place = side.name();
        for pair in stored.windows(2) {
            let steps = pair[1].number.checked_sub(pair[0].number);
            same(place, "step between two of them", &1, &steps.unwrap_or_default())?;
        }
        match (stored.last(), head) {
            (None, head) => Ok(Self(head.into_iter().collect())),
            (last, head) if last == head.as_ref() => Ok(Self(stored)),
            (last, head) => Err(LogError::Damaged {
                place: place.into(),
                what: "last of them",
                expected: format!("{head:?}"),
                found: format!("{last:?}"),
            }),
        }
    }

    /// Takes the chain's new head. Blocks up to `sealed` are final.
    pub fn push(&mut self, block: RecentBlock, sealed: u64) {
        if self.0.last().is_some_and(|last| last.number.checked_add(1) != Some(block.number)) {
            self.0.clear();
        }
        self.0.push(block);
        self.seal(sealed);
    }

    /// Forgets the blocks before the last final one.
    pub fn seal(&mut self, sealed: u64) {
        let open = self.0.iter().skip(1).position(|block| block.number > sealed);
        let last = self.0.len().saturating_sub(1);
        self.0.drain(..open.unwrap_or(last));
    }

    /// Forgets the blocks after `to`.
    pub fn truncate(&mut self, to: u64) {
        self.0.retain(|block| block.number <= to);
    }

    /// What has to be stored.
    pub(crate) fn stored(&self) -> &[RecentBlock] {
        if self.0.len() > 1 { &self.0 } else { &[] }
    }

    /// All of them; the last is the head.
    pub fn blocks(&self) -> &[RecentBlock] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u64) -> RecentBlock {
        RecentBlock { number, hash: B256::with_last_byte(7), timestamp: UnixTime(number * 12) }
    }

    fn numbers(blocks: &[RecentBlock]) -> Vec<u64> {
        blocks.iter().map(|block| block.number).collect()
    }

    #[test]
    fn blocks_above_the_sealed_part_are_kept_with_the_one_before_them() {
        let mut recent = RecentBlocks::default();
        recent.push(block(10), 12);
        assert_eq!(numbers(recent.stored()), [0; 0], "final, so the head says it all");
        for number in 11..=14 {
            recent.push(block(number), 12);
        }
        assert_eq!(numbers(recent.stored()), [12, 13, 14]);
        recent.seal(13);
        assert_eq!(numbers(recent.stored()), [13, 14]);
        recent.seal(u64::MAX);
        assert_eq!(numbers(recent.stored()), [0; 0]);
        assert_eq!(numbers(recent.blocks()), [14]);
        recent.push(block(20), 12);
        assert_eq!(numbers(recent.blocks()), [20], "after a gap nothing before it can be reached");
    }

    #[test]
    fn entries_read_back_as_they_were_written_and_nothing_else_does() {
        for side in [Side::L1, Side::L2] {
            let (key, value) = (side.key(300), block(300).encode());
            assert_eq!(RecentBlock::decode(&key, &value).expect("decodes"), (side, block(300)));
            assert!(RecentBlock::decode(&key[..8], &value).is_err());
            assert!(RecentBlock::decode(&key, &value[..39]).is_err());
        }
        let mut other = Side::L1.key(1);
        other[0] = 3;
        assert!(RecentBlock::decode(&other, &block(1).encode()).is_err());
    }

    #[test]
    fn stored_blocks_have_to_lead_up_to_the_head() {
        let stored = vec![block(1), block(2)];
        assert!(RecentBlocks::new(Side::L1, stored.clone(), Some(block(2))).is_ok());
        assert!(RecentBlocks::new(Side::L1, stored.clone(), Some(block(3))).is_err());
        assert!(RecentBlocks::new(Side::L1, stored, None).is_err());
        assert!(RecentBlocks::new(Side::L1, vec![block(1), block(3)], Some(block(3))).is_err());
    }
}
