//! A log in memory, of any history: the same chunks that the real log holds, without RocksDB.

use crate::oracle::History;
use alloy_primitives::{Address, B256, U256};
use engine::{BatchId, L1Block, L1Record, L2Block, PoolGenesis, SpanRecord, UnixTime, Wei};
use std::ops::RangeInclusive;
use tally_eventlog::{
    ChunkHeader, EncodedChunk, EventCursor, IndexEntry, L1Head, L2Head, Links, LogError, LogIdentity,
    LogView, ProducedBlock, Producers, Reach, Times, encode_chunks,
};

/// A history as a log.
pub(crate) struct MemoryLog {
    identity: LogIdentity,
    reach: Reach,
    l1: Vec<L1Record>,
    spans: Vec<SpanRecord>,
    chunks: Vec<EncodedChunk>,
    signers: Vec<Address>,
}

/// What the contracts' initialisers set.
pub(crate) fn genesis() -> PoolGenesis {
    PoolGenesis {
        batch_block: L1Block(1),
        batch: BatchId(1),
        reward_per_block: Wei::new(U256::from(761_000_000_000_000_u64)),
        min_lock: Wei::ZERO,
        max_lock: Wei::new(U256::MAX),
        exit_delay_secs: 0,
        signer_update_throttle_batches: 1,
    }
}

/// The blocks of a history as the log takes them; each hash is the block's number.
pub(crate) fn produced(history: &History) -> impl Iterator<Item = ProducedBlock> {
    let hash = |number: u64| B256::from(U256::from(number));
    history.blocks.iter().map(move |block| ProducedBlock {
        number: L2Block(block.number),
        hash: hash(block.number),
        parent_hash: hash(block.number.wrapping_sub(1)),
        timestamp: UnixTime(block.timestamp),
        signer: block.signed_by,
    })
}

impl MemoryLog {
    pub(crate) fn new(history: &History) -> Self {
        let first = history.blocks.first().map_or(L2Block(0), |block| L2Block(block.number));
        let last = history.blocks.last();
        let reach = Reach {
            l1: Some(L1Head {
                block: L1Block(u64::MAX),
                hash: B256::ZERO,
                timestamp: UnixTime(history.l1_head_timestamp),
            }),
            l2: last.map(|block| L2Head {
                block: L2Block(block.number),
                hash: B256::ZERO,
                timestamp: UnixTime(block.timestamp),
            }),
        };
        let (chunks, signers) = encode_chunks(first, produced(history)).unwrap();
        let identity = LogIdentity {
            l1_chain_id: 1,
            l2_chain_id: 1088,
            locking_info: Address::ZERO,
            locking_pool: Address::ZERO,
            metis_token: Address::ZERO,
            sequencer_set: Address::ZERO,
            l1_first_block: L1Block(0),
            l2_first_block: first,
            genesis: genesis(),
        };
        Self { identity, reach, l1: history.l1.clone(), spans: history.spans.clone(), chunks, signers }
    }
}

impl MemoryLog {
    /// The same, of the contracts of another log.
    pub(crate) fn with_contracts(self, of: &LogIdentity) -> Self {
        let l2_first_block = self.identity.l2_first_block;
        Self { identity: LogIdentity { l2_first_block, ..of.clone() }, ..self }
    }
}

impl LogView for MemoryLog {
    fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    fn reach(&self) -> Reach {
        self.reach
    }

    fn l1_records_after(&self, cursor: &mut EventCursor) -> Result<Vec<L1Record>, LogError> {
        let place = |record: &L1Record| Some((record.block.0, record.log_index));
        let new: Vec<_> = self.l1.iter().filter(|record| place(record) > cursor.last()).cloned().collect();
        *cursor = EventCursor::new(new.last().map_or(cursor.last(), place), Links::default());
        Ok(new)
    }

    fn for_each_span_record<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        mut each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        for record in &self.spans {
            let place = Some((record.block.0, record.log_index));
            if place > cursor.last() {
                *cursor = EventCursor::new(place, Links::default());
                each(record.clone())?;
            }
        }
        Ok(())
    }

    fn signers(&self) -> Result<Vec<Address>, LogError> {
        Ok(self.signers.clone())
    }

    fn chunk_index(&self, from: L2Block) -> Result<Vec<IndexEntry>, LogError> {
        let before = self.chunks.iter().take_while(|chunk| chunk.header.last_block().unwrap() < from).count();
        Ok(self.chunks[before..].iter().map(|chunk| IndexEntry::from(&chunk.header)).collect())
    }

    fn chunk_link(&self, first_block: L2Block) -> Result<B256, LogError> {
        let before = self.chunks.iter().take_while(|chunk| chunk.header.first_block <= first_block);
        let digests = before.map(|chunk| [chunk.header.producers_digest, chunk.header.times_digest].concat());
        Ok(alloy_primitives::keccak256(digests.collect::<Vec<_>>().concat()))
    }

    fn for_each_times<E: From<LogError>>(
        &self,
        first_blocks: &[L2Block],
        mut each: impl FnMut(&Times<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for first in first_blocks {
            let found = self.chunks.iter().find(|chunk| chunk.header.first_block == *first);
            each(&Times::new(*first, &found.expect("it is one of the chunks").times)?)?;
        }
        Ok(())
    }

    fn scan_producers<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        mut each: impl FnMut(&Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scan_verified(range, |_, producers| each(producers))
    }

    fn scan_verified<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        mut each: impl FnMut(&ChunkHeader, &Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for chunk in &self.chunks {
            let header = &chunk.header;
            if header.first_block <= *range.end() && header.last_block().unwrap() >= *range.start() {
                each(header, &Producers::new(header.first_block, &chunk.producers)?)?;
            }
        }
        Ok(())
    }
}
