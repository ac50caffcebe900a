//! What a replay keeps of the last blocks that it folded, to tell whether they are still those of the log.

use crate::error::ReplayError;
use alloy_primitives::{Address, B256};
use tally_engine::L2Block;
use tally_eventlog::{LogView, chunk_start};

/// The blocks from the beginning of a chunk up to the last that was folded. The link of the chunk is no use here: it
/// changes as blocks are added.
#[derive(Clone, Copy)]
pub(crate) struct Tail {
    chunk: L2Block,
    last: L2Block,
    /// BLAKE3 of who made them and when.
    digest: B256,
}

impl Tail {
    /// The blocks up to `last`, of a log with these signers.
    pub(crate) fn of<L: LogView>(log: &L, signers: &[Address], last: L2Block) -> Result<Self, ReplayError> {
        let chunk = chunk_start(log.identity().l2_first_block, last);
        let digest = digest(log, signers, chunk, last)?;
        Ok(Self { chunk, last, digest })
    }

    /// Checks that the log still has these blocks.
    pub(crate) fn check<L: LogView>(&self, log: &L, signers: &[Address]) -> Result<(), ReplayError> {
        let (chunk, folded) = (self.chunk, self.digest);
        let found = digest(log, signers, chunk, self.last)?;
        if found == folded { Ok(()) } else { Err(ReplayError::Replaced { chunk, folded, found }) }
    }
}

fn digest<L: LogView>(
    log: &L,
    signers: &[Address],
    chunk: L2Block,
    last: L2Block,
) -> Result<B256, ReplayError> {
    log.with_columns(chunk, |producers, times| {
        let blocks = last.0.checked_sub(chunk.0).and_then(|offset| offset.checked_add(1));
        let blocks = blocks.and_then(|blocks| u16::try_from(blocks).ok()).unwrap_or(u16::MAX);
        let blocks = blocks.min(producers.blocks());
        let mut hasher = blake3::Hasher::new();
        hasher.update(&blocks.to_be_bytes());
        // Codes are numbered anew after a rollback, so each stands for its signer here; zeros for nobody's.
        for code in producers.to_vec()?.iter().take(usize::from(blocks)) {
            let signer = usize::from(*code).checked_sub(1).and_then(|index| signers.get(index));
            hasher.update(signer.unwrap_or(&Address::ZERO).as_slice());
        }
        for time in times.iter().take(usize::from(blocks)) {
            hasher.update(&time?.0.to_be_bytes());
        }
        Ok(B256::from(*hasher.finalize().as_bytes()))
    })
}
