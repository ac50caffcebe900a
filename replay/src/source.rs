//! What a replay reads.

use tally_engine::{L1Record, PoolGenesis, SpanRecord};
use tally_eventlog::{ChunkHeader, Heads, LogError, LogReader};

/// The contents of a log. [`LogReader`] is one; tests have another, in memory.
pub trait Source: Sync {
    /// How far it reaches.
    fn heads(&self) -> Heads;
    /// What the contracts' initialisers set.
    fn genesis(&self) -> &PoolGenesis;
    /// The pool's records, in order.
    ///
    /// # Errors
    ///
    /// [`LogError`] if they cannot be read.
    fn l1_records(&self) -> Result<Vec<L1Record>, LogError>;
    /// The span events, in order.
    ///
    /// # Errors
    ///
    /// [`LogError`] if they cannot be read.
    fn span_records(&self) -> Result<Vec<SpanRecord>, LogError>;
    /// The headers of the chunks, which follow one another without a gap.
    ///
    /// # Errors
    ///
    /// [`LogError`] if they cannot be read.
    fn chunk_headers(&self) -> Result<Vec<ChunkHeader>, LogError>;
    /// The producers column of a chunk.
    ///
    /// # Errors
    ///
    /// [`LogError`] if it cannot be read.
    fn producers(&self, header: &ChunkHeader) -> Result<Vec<u8>, LogError>;
    /// The times column of a chunk.
    ///
    /// # Errors
    ///
    /// [`LogError`] if it cannot be read.
    fn times(&self, header: &ChunkHeader) -> Result<Vec<u8>, LogError>;
}

impl Source for LogReader {
    fn heads(&self) -> Heads {
        *self.heads()
    }

    fn genesis(&self) -> &PoolGenesis {
        &self.identity().genesis
    }

    fn l1_records(&self) -> Result<Vec<L1Record>, LogError> {
        self.l1_records()
    }

    fn span_records(&self) -> Result<Vec<SpanRecord>, LogError> {
        self.span_records()
    }

    fn chunk_headers(&self) -> Result<Vec<ChunkHeader>, LogError> {
        self.chunk_headers()
    }

    fn producers(&self, header: &ChunkHeader) -> Result<Vec<u8>, LogError> {
        self.producers(header)
    }

    fn times(&self, header: &ChunkHeader) -> Result<Vec<u8>, LogError> {
        self.times(header)
    }
}
