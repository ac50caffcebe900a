//! A log in memory, of any history: the same chunks that the real log holds, without RocksDB.

use crate::oracle::History;
use alloy_primitives::{B256, U256};
use engine::{BatchId, L1Block, L1Record, L2Block, PoolGenesis, SpanRecord, UnixTime, Wei};
use tally_eventlog::{
    ChunkHeader, EncodedChunk, Heads, L1Head, L2Head, LogError, ProducedBlock, encode_chunks,
};
use tally_replay::Source;

/// A history as a log.
pub(crate) struct MemoryLog {
    heads: Heads,
    genesis: PoolGenesis,
    l1: Vec<L1Record>,
    spans: Vec<SpanRecord>,
    chunks: Vec<EncodedChunk>,
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
        let heads = Heads {
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
            ..Heads::default()
        };
        Self {
            heads,
            genesis: genesis(),
            l1: history.l1.clone(),
            spans: history.spans.clone(),
            chunks: encode_chunks(first, produced(history)),
        }
    }

    fn chunk(&self, header: &ChunkHeader) -> &EncodedChunk {
        let found = self.chunks.iter().find(|chunk| chunk.header == *header);
        found.expect("it is one of the chunks")
    }
}

impl Source for MemoryLog {
    fn heads(&self) -> Heads {
        self.heads
    }

    fn genesis(&self) -> &PoolGenesis {
        &self.genesis
    }

    fn l1_records(&self) -> Result<Vec<L1Record>, LogError> {
        Ok(self.l1.clone())
    }

    fn span_records(&self) -> Result<Vec<SpanRecord>, LogError> {
        Ok(self.spans.clone())
    }

    fn chunk_headers(&self) -> Result<Vec<ChunkHeader>, LogError> {
        Ok(self.chunks.iter().map(|chunk| chunk.header.clone()).collect())
    }

    fn producers(&self, header: &ChunkHeader) -> Result<Vec<u8>, LogError> {
        Ok(self.chunk(header).producers.clone())
    }

    fn times(&self, header: &ChunkHeader) -> Result<Vec<u8>, LogError> {
        Ok(self.chunk(header).times.clone())
    }
}
