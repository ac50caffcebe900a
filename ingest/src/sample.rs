//! Single blocks of both chains, asked of nodes.

use crate::error::IngestError;
use crate::fetch::headers;
use crate::live::L2;
use crate::metrics::Metrics;
use crate::rpc::{Attempt, BATCH_CALLS_MAX, Endpoints, Rpc};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tally_eventlog::{Chain, LogIdentity, ProducedBlock, RecentBlock};

/// L1 blocks by their numbers, in the same order.
///
/// # Errors
///
/// [`IngestError`] if the endpoints cannot be used, or lack one.
pub fn l1_blocks<'a>(
    endpoints: &'a Endpoints,
    identity: &'a LogIdentity,
    numbers: &'a [u64],
) -> BoxFuture<'a, Result<Vec<RecentBlock>, IngestError>> {
    // Behind a pointer for the same reason as `ingest_live`.
    Box::pin(async move {
        let rpc = Rpc::connect(Chain::L1, identity, endpoints, false, &Metrics::new()).await?;
        let mut blocks = Vec::with_capacity(numbers.len());
        for part in numbers.chunks(BATCH_CALLS_MAX) {
            let attempt = |attempt: Attempt| async move { headers(&attempt, part).await };
            let found = rpc.ask("the headers of some blocks", attempt).await?;
            blocks.extend(found.iter().map(RecentBlock::from));
        }
        Ok(blocks)
    })
}

/// L2 blocks by their numbers, in the same order, with who signed them.
///
/// # Errors
///
/// The same errors as [`l1_blocks`] has.
pub fn l2_blocks<'a>(
    endpoints: &'a Endpoints,
    identity: &'a LogIdentity,
    numbers: &'a [u64],
) -> BoxFuture<'a, Result<Vec<ProducedBlock>, IngestError>> {
    Box::pin(async move {
        let rpc = Rpc::connect(Chain::L2, identity, endpoints, false, &Metrics::new()).await?;
        L2::new(Arc::new(rpc), identity, 0).single_blocks(numbers).await
    })
}
