//! The owner events that a log lacks, asked for by range: a log that was made of a bundle, or of a log of an earlier
//! format, has none.

use super::found::block_of;
use super::open::check_parents;
use super::sealed::LAG_BLOCKS;
use super::{Finality, L1, OPEN_BLOCKS};
use crate::abi::Housekeeping::OwnershipTransferred;
use crate::decode::{BlockFacts, decode_owner};
use crate::error::IngestError;
use crate::fetch::{Filter, blocks_of, check_log, headers, logs_of_any, logs_of_one, merged};
use crate::json::{ChainLog, Header};
use crate::live::receipts::check_logs;
use crate::metrics::Metrics;
use crate::rpc::{Attempt, Endpoints, Fault, FaultKind, Rpc};
use alloy::sol_types::SolEvent;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tally_eventlog::{Chain, L1Head, LogIdentity, OwnerRecord, RecentBlock};

/// How often all endpoints are asked for the log's last block, and the pause between.
const LOOKS: usize = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// The events of the contracts' owners up to L1 block `to`, which is the last of a log of `identity`.
///
/// # Errors
///
/// [`IngestError`] if the endpoints cannot be used or do not tell, or have another block at that place.
pub fn owners_of_chain<'a>(
    endpoints: &'a Endpoints,
    identity: &'a LogIdentity,
    to: L1Head,
) -> BoxFuture<'a, Result<Vec<OwnerRecord>, IngestError>> {
    // Behind a pointer for the same reason as `ingest_live`.
    Box::pin(async move {
        let metrics = Metrics::new();
        let rpc = Rpc::connect(Chain::L1, identity, endpoints, false, &metrics).await?;
        let l1 = L1::new(Arc::new(rpc), identity, Finality::Finalized, None, &metrics);
        // The pool's initialiser emits events.
        l1.check_history(identity.genesis.batch_block.0).await?;
        l1.owners(to).await
    })
}

impl L1 {
    /// The owner events from the log's first block up to its last, `to`.
    ///
    /// # Errors
    ///
    /// [`IngestError::OtherBlock`] if no endpoint has that very block.
    pub(crate) async fn owners(&self, to: L1Head) -> Result<Vec<OwnerRecord>, IngestError> {
        let topics = vec![Some(OwnershipTransferred::SIGNATURE_HASH)];
        let contracts = vec![self.identity.locking_info, self.identity.locking_pool];
        let filter = &Filter { addresses: contracts, topics };
        let mut records = Vec::new();
        let mut from = self.identity.l1_first_block.0;
        let mut looks = self.rpc.endpoints().saturating_mul(LOOKS);
        let mut before: Option<RecentBlock> = None;
        loop {
            let last = to.block.0.min(from.saturating_add(self.range.now() - 1));
            let size = last.saturating_sub(from).saturating_add(1);
            let attempt = move |attempt: Attempt| self.owners_once(attempt, filter, from, last, before);
            let what = format!("the owner events of blocks {from} to {last}");
            let found = self.rpc.ask_of(&self.range, size, &what, attempt).await?;
            let Some((found, head)) = found else { continue };
            self.range.given(size);
            if head.number == to.block.0 && head.hash != to.hash {
                looks = looks.saturating_sub(1);
                if looks == 0 {
                    let (chain, endpoints) = (self.rpc.chain(), self.rpc.names());
                    let (block, expected, found) = (head.number, to.hash, head.hash);
                    return Err(IngestError::OtherBlock { chain, block, expected, found, endpoints });
                }
                // Another endpoint, or another of several nodes behind one name, may have the log's.
                self.rpc.doubt();
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            records.extend(found);
            if head.number >= to.block.0 {
                return Ok(records);
            }
            from = head.number.saturating_add(1);
            before = Some(head);
        }
    }

    /// Those of a range, or of its first blocks, and the last of these, from one endpoint, which has to be of the same
    /// branch as the block `before` them.
    async fn owners_once(
        &self,
        attempt: Attempt,
        filter: &Filter,
        from: u64,
        last: u64,
        before: Option<RecentBlock>,
    ) -> Result<(Vec<OwnerRecord>, RecentBlock), Fault> {
        self.history.check_endpoint(&attempt).await?;
        let filters = std::slice::from_ref(filter);
        // With all that an ingest asks for, an old log can prove that whoever answers keeps logs.
        let of_one = logs_of_one(&attempt, &self.filters, self.history.has_log(), from, last).await?;
        let (mut logs, head) = match of_one {
            Some(found) => found,
            None => self.owner_logs_of_any(&attempt, filters, from, last).await?,
        };
        // What else a node sends is left out.
        logs.retain(|log| filter.fits(&log.address, &log.topics));
        let mut numbers = blocks_of(&logs);
        numbers.splice(..0, before.map(|before| before.number));
        let mut found = headers(&attempt, &numbers).await?;
        if let Some(before) = before {
            let RecentBlock { number, hash, .. } = RecentBlock::from(&found.remove(0));
            if hash != before.hash {
                let reason = format!("block {number} is {hash}, but {} was told before", before.hash);
                return Err(Fault::temporary(FaultKind::Behind, reason));
            }
        }
        let blocks: BTreeMap<u64, RecentBlock> =
            found.iter().map(|header| (header.number.0, RecentBlock::from(header))).collect();
        check_logs(&attempt, filters, &logs).await?;
        let mut records = Vec::new();
        for log in &logs {
            let block = block_of(&blocks, log)?;
            check_log(log, block)?;
            let RecentBlock { number, hash, timestamp } = *block;
            let facts = BlockFacts { number, hash, timestamp: timestamp.0 };
            let record = decode_owner(&self.identity, log, &facts);
            records.extend(record.map_err(|fault| Fault::inconsistent(fault.to_string()))?);
        }
        Ok((records, RecentBlock::from(&head)))
    }

    /// The same logs where several nodes may answer, of which one that lags gives empty lists: as far as none of them can
    /// lack, and beyond that some blocks, each by itself.
    async fn owner_logs_of_any(
        &self,
        attempt: &Attempt,
        filters: &[Filter],
        from: u64,
        last: u64,
    ) -> Result<(Vec<ChainLog>, Header), Fault> {
        let known = self.lowest_head(attempt).await?.saturating_sub(LAG_BLOCKS).min(last);
        if known >= from {
            return logs_of_any(attempt, filters, from, known).await;
        }
        let last = last.min(from.saturating_add(OPEN_BLOCKS - 1));
        let mut found = headers(attempt, &(from..=last).collect::<Vec<u64>>()).await?;
        check_parents(&found)?;
        let logs = merged(self.logs_of(attempt, &found).await?, from, last)?;
        let head = found.pop().ok_or_else(|| Fault::inconsistent("it gave no header".into()))?;
        Ok((logs, head))
    }
}
