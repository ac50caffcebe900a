//! Whether the log and the chain are of one branch, and where they part.

use crate::error::IngestError;
use crate::fetch::headers;
use crate::rpc::{Attempt, Rpc};
use std::time::Duration;
use tally_eventlog::{RecentBlock, RecentBlocks};

/// How often the chain is looked at before the log is given up, and the pause between.
const LOOKS: usize = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// How many blocks are compared at once.
const COMPARED: usize = 32;

/// The last block that the log and the chain have in common, of those that the log can be rolled back to.
///
/// # Errors
///
/// [`IngestError::BelowSealed`] if they part below these, by every endpoint.
pub(crate) async fn common_ancestor(rpc: &Rpc, recent: &RecentBlocks) -> Result<RecentBlock, IngestError> {
    let mut found = ancestor(rpc, recent).await;
    for _ in 1..rpc.endpoints().max(LOOKS) {
        if !matches!(found, Err(IngestError::BelowSealed { .. })) {
            break;
        }
        // Another endpoint, or another of several nodes behind one name, may be of the log's branch.
        rpc.doubt();
        tokio::time::sleep(PAUSE).await;
        found = ancestor(rpc, recent).await;
    }
    found
}

async fn ancestor(rpc: &Rpc, recent: &RecentBlocks) -> Result<RecentBlock, IngestError> {
    let mut below = None;
    for part in recent.blocks().rchunks(COMPARED) {
        let numbers: Vec<u64> = part.iter().map(|block| block.number).collect();
        let numbers = &numbers;
        let compare = move |attempt: Attempt| async move { headers(&attempt, numbers).await };
        let found = rpc.ask("the headers of recent blocks", compare).await?;
        let mut pairs = part.iter().zip(found).rev();
        if let Some((block, _)) = pairs.clone().find(|(block, header)| block.hash == header.hash) {
            return Ok(*block);
        }
        below = pairs.next_back().map(|(block, header)| (*block, header.hash));
    }
    let Some((block, found)) = below else {
        return Err(IngestError::Broken("the log has no block to compare with the chain's"));
    };
    Err(IngestError::BelowSealed { chain: rpc.chain(), block: block.number, expected: block.hash, found })
}
