//! What happened in some L1 blocks, once it fits the blocks, the receipts, and what happened before.

use super::{Found, L1, L1Piece, Stand};
use crate::abi::LockingInfo::Relocked;
use crate::abi::LockingPool::DistributeReward;
use crate::decode::{BlockFacts, L1Decoder};
use crate::fetch::{check_log, inputs};
use crate::json::ChainLog;
use crate::live::receipts::check_logs;
use crate::rpc::{Attempt, Fault};
use alloy::primitives::{B256, Bytes};
use alloy::sol_types::SolEvent;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tally_eventlog::{Chain, RecentBlock};

/// How often the other endpoints are asked of a claim that does not add up, while one of them does not answer: of one block,
/// and of several. A node that fails now and then answers for few blocks more often than for many.
const OPINIONS_OF_ONE: u32 = 10;
const OPINIONS_OF_MANY: u32 = 2;

/// The first pause between, and the longest: each is twice the one before.
const OPINION_PAUSE: Duration = Duration::from_millis(500);
const OPINION_PAUSE_MAX: Duration = Duration::from_secs(8);

impl L1 {
    /// Those of some logs that were asked for. What else a node sends is left out.
    pub(super) fn wanted(&self, mut logs: Vec<ChainLog>) -> Vec<ChainLog> {
        logs.retain(|log| self.filters.iter().any(|filter| filter.fits(&log.address, &log.topics)));
        logs
    }

    /// What happened in some blocks by these logs, if that fits the blocks, the transactions' receipts, and what
    /// happened before.
    pub(super) async fn found(
        &self,
        attempt: &Attempt,
        logs: &[ChainLog],
        blocks: &BTreeMap<u64, RecentBlock>,
        heads: Vec<RecentBlock>,
        stand: Stand<'_>,
    ) -> Result<Found, Fault> {
        for log in logs {
            check_log(log, block_of(blocks, log)?)?;
        }
        check_times(stand.head, blocks.values())?;
        check_logs(attempt, &self.filters, logs).await?;
        let needs_input = |log: &&ChainLog| {
            let topic = log.topics.first();
            topic == Some(&DistributeReward::SIGNATURE_HASH) || topic == Some(&Relocked::SIGNATURE_HASH)
        };
        let inputs: BTreeMap<B256, Bytes> =
            inputs(attempt, &logs.iter().filter(needs_input).collect::<Vec<_>>()).await?;
        let mut pool = stand.pool.clone();
        let mut decoder = L1Decoder::new(&self.identity);
        let (mut records, mut discrepancies) = (Vec::new(), Vec::new());
        for log in logs {
            let RecentBlock { number, hash, timestamp } = *block_of(blocks, log)?;
            let facts = BlockFacts { number, hash, timestamp: timestamp.0 };
            let record = decoder.decode(log, &facts, &pool, |hash| inputs.get(&hash).cloned());
            if let Some(record) = record.map_err(|fault| Fault::inconsistent(fault.to_string()))? {
                let claims = pool.apply(&record);
                discrepancies.extend(claims.map_err(|error| Fault::inconsistent(error.to_string()))?);
                records.push(record);
            }
        }
        let L1Decoder { owners, unknown, .. } = decoder;
        let piece = L1Piece { records, owners, unknown, heads, sealed: stand.sealed };
        Ok(Found { piece, pool, discrepancies })
    }

    /// A claim that does not add up may be the chain's, or a sign of an event that is missing before it, or of a lie.
    /// So every other endpoint is asked, too, some times if it does not answer. One that gives more events is believed,
    /// as each has its receipt; of as many events those that add up better are. `None` if some endpoint did not answer for
    /// so many `blocks`: then fewer have to be asked for.
    pub(super) async fn second_opinion<F, Fut>(
        &self,
        what: &str,
        blocks: u64,
        found: Found,
        again: F,
    ) -> Option<Found>
    where
        F: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<Option<Found>, Fault>>,
    {
        let discrepancy = found.discrepancies.first().filter(|_| self.rpc.endpoints() > 1);
        let Some(discrepancy) = discrepancy else {
            return Some(found);
        };
        let worth = |found: &Found| (found.piece.records.len(), Reverse(found.discrepancies.len()));
        let (told, discrepancy) = (worth(&found), discrepancy.to_string());
        let preferred = self.rpc.preferred();
        let mut pause = OPINION_PAUSE;
        let mut is_settled = false;
        for _ in 0..if blocks > 1 { OPINIONS_OF_MANY } else { OPINIONS_OF_ONE } {
            let no_better = &AtomicUsize::new(0);
            let better = |attempt: Attempt| {
                let (again, discrepancy) = (again(attempt), discrepancy.clone());
                async move {
                    if let Some(other) = again.await? {
                        if worth(&other) > told {
                            return Ok(other);
                        }
                        no_better.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(Fault::inconsistent(discrepancy))
                }
            };
            self.rpc.doubt();
            if let Ok(better) = self.rpc.once(what, better).await {
                tracing::warn!(
                    chain = Chain::L1.name(),
                    "endpoints differ in {what}: {discrepancy} by one, and {} events that add up better by another, which \
                     is believed",
                    better.piece.records.len()
                );
                self.metrics.warning();
                return Some(better);
            }
            is_settled = no_better.load(Ordering::Relaxed) == self.rpc.endpoints();
            if is_settled {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(OPINION_PAUSE_MAX);
        }
        self.rpc.prefer(preferred);
        if !is_settled && blocks > 1 {
            return None;
        }
        if !is_settled {
            tracing::warn!(
                chain = Chain::L1.name(),
                "{discrepancy}; not every endpoint told what it has in {what}"
            );
            self.metrics.warning();
        }
        Some(found)
    }
}

/// The block of a log, of those whose headers were asked for.
pub(super) fn block_of<'b>(
    blocks: &'b BTreeMap<u64, RecentBlock>,
    log: &ChainLog,
) -> Result<&'b RecentBlock, Fault> {
    let missing = || {
        let reason = format!("it gave a log of block {}, whose header was not asked for", log.block);
        Fault::inconsistent(reason)
    };
    blocks.get(&log.block).ok_or_else(missing)
}

/// Checks that blocks, in order, rise in time from the log's head on.
fn check_times<'a>(
    head: Option<RecentBlock>,
    blocks: impl Iterator<Item = &'a RecentBlock>,
) -> Result<(), Fault> {
    let mut before = head;
    for block in blocks {
        if let Some(before) = before.replace(*block)
            && block.timestamp <= before.timestamp
        {
            let (number, time, before) = (block.number, block.timestamp.0, before.timestamp.0);
            return Err(Fault::inconsistent(format!(
                "block {number} has the timestamp {time}, which does not come after the {before} of a block before it"
            )));
        }
    }
    Ok(())
}
