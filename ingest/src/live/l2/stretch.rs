//! A stretch of L2: its blocks, with who signed them, and the span events in them.

use super::{L2, L2Piece};
use crate::decode::{BlockFacts, UnknownTopic, decode_span};
use crate::decode_fault::DecodeFault;
use crate::error::IngestError;
use crate::fetch::{logs_of_any, logs_of_one, quantity};
use crate::json::ChainLog;
use crate::live::blooms::Hint;
use crate::live::produced::{ProducedBlocks, produced};
use crate::rpc::{Attempt, Call, Fault, call};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tally_engine::SpanRecord;
use tally_eventlog::{Chain, ProducedBlock};

/// How many blocks are checked and sent to the log together. What is kept of a block is small, so that a
/// few thousand of them are a matter of kilobytes.
pub(super) const STRETCH_BLOCKS: u64 = 1_000;

/// How often blocks that do not fit each other are asked for, and the first pause between.
const STRETCH_ATTEMPTS: u32 = 4;
const STRETCH_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// How many blocks are asked for at once.
pub(super) const BATCH_BLOCKS: u64 = 100;

/// The span events of some blocks, and the logs that they are of.
#[derive(Default)]
struct SpanEvents {
    spans: Vec<SpanRecord>,
    unknown: Vec<UnknownTopic>,
}

impl L2 {
    /// The blocks `from..=to`, checked to follow each other, and the span events in them. Where they do not,
    /// the chain may just have changed, or an endpoint is of another branch: they are asked for again, a few times.
    pub(super) async fn stretch(&self, from: u64, to: u64, sealed: u64) -> Result<L2Piece, IngestError> {
        let mut pause = STRETCH_PAUSE;
        let mut attempts = 1;
        loop {
            let fault = match self.stretch_once(from, to, sealed).await? {
                Ok(piece) => return Ok(piece),
                Err(fault) => fault,
            };
            if attempts == STRETCH_ATTEMPTS {
                let what = format!("in {attempts} attempts, blocks {from} to {to} and their logs");
                let (chain, endpoints) = (self.rpc.chain(), self.rpc.names());
                return Err(IngestError::Decode { chain, what, endpoints, fault });
            }
            tracing::debug!(chain = Chain::L2.name(), "{fault}");
            self.rpc.doubt();
            tokio::time::sleep(pause).await;
            pause *= 2;
            attempts += 1;
        }
    }

    /// The inner error is of blocks and logs that are whole, but do not fit each other.
    async fn stretch_once(
        &self,
        from: u64,
        to: u64,
        sealed: u64,
    ) -> Result<Result<L2Piece, DecodeFault>, IngestError> {
        let starts = (from..=to).step_by(usize::try_from(BATCH_BLOCKS).unwrap_or(1));
        let batches = stream::iter(starts)
            .map(|start| self.blocks(start, to.min(start.saturating_add(BATCH_BLOCKS - 1))));
        // All at once: how many requests fly is for the endpoint to say.
        let batches = batches.buffered(usize::try_from(STRETCH_BLOCKS / BATCH_BLOCKS).unwrap_or(1));
        let mut all = Vec::with_capacity(usize::try_from(to - from + 1).unwrap_or_default());
        let mut hints = Vec::new();
        for blocks in batches.collect::<Vec<_>>().await {
            let ProducedBlocks { produced, hints: more } = blocks?;
            all.extend(produced);
            hints.extend(more);
        }
        for pair in all.windows(2) {
            let [before, block] = pair else { continue };
            if block.parent_hash != before.hash {
                let (block, expected, found) = (block.number.0, before.hash, block.parent_hash);
                return Ok(Err(DecodeFault::Parent { block, expected, found }));
            }
            if block.timestamp < before.timestamp {
                let (block, previous, found) = (block.number.0, before.timestamp.0, block.timestamp.0);
                return Ok(Err(DecodeFault::Time { block, previous, found }));
            }
        }
        // After the blocks, which tell where logs have to be.
        let spans = self.spans(&all, sealed, &hints).await?;
        let piece = |SpanEvents { spans, unknown }| L2Piece { blocks: all, spans, unknown, sealed };
        Ok(spans.map(piece))
    }

    /// The span events of some blocks, in as many ranges as the node wants, and none of them missing by the receipts of
    /// those blocks that have one by their bloom. The inner error is of a block that is another one by now.
    async fn spans(
        &self,
        blocks: &[ProducedBlock],
        sealed: u64,
        hints: &[Hint],
    ) -> Result<Result<SpanEvents, DecodeFault>, IngestError> {
        let mut all = SpanEvents::default();
        let mut rest = blocks;
        while let Some(first) = rest.first().map(|block| block.number.0) {
            let most = usize::try_from(self.range.now()).unwrap_or(usize::MAX);
            let (part, after) = rest.split_at(rest.len().min(most));
            let size = u64::try_from(part.len()).unwrap_or(u64::MAX);
            let last = first.saturating_add(size - 1);
            let hints: Vec<&Hint> =
                hints.iter().filter(|hint| (first..=last).contains(&hint.block)).collect();
            let hints = &hints;
            let attempt = move |attempt: Attempt| self.spans_once(attempt, part, hints);
            let what = format!("the logs of blocks {first} to {last}");
            let Some(found) = self.rpc.ask_of(&self.range, size, &what, attempt).await? else { continue };
            self.range.given(size);
            let (found, logs) = match found {
                Ok(found) => found,
                Err(fault) => return Ok(Err(fault)),
            };
            if last <= sealed {
                self.history.saw(&logs);
            }
            all.spans.extend(found.spans);
            all.unknown.extend(found.unknown);
            rest = after;
        }
        Ok(Ok(all))
    }

    async fn spans_once(
        &self,
        attempt: Attempt,
        blocks: &[ProducedBlock],
        hints: &[&Hint],
    ) -> Result<Result<(SpanEvents, Vec<ChainLog>), DecodeFault>, Fault> {
        self.history.check_endpoint(&attempt).await?;
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else {
            return Ok(Ok(Default::default()));
        };
        let (first, last) = (first.number.0, last.number.0);
        let filters = std::slice::from_ref(&self.spans);
        let old = self.history.has_log();
        let of_one = logs_of_one(&attempt, filters, old, first, last).await?;
        // Where no block is known to have a log yet, one that gives none at all cannot be told from one that has none.
        let is_proven = of_one.is_some() && old.is_some();
        let (mut logs, head) = match of_one {
            Some(found) => found,
            None => logs_of_any(&attempt, filters, first, last).await?,
        };
        logs.retain(|log| log.address == self.identity.sequencer_set);
        // The blocks were asked for before, and may be others by now.
        if let Some(block) = blocks.last().filter(|block| block.hash != head.hash) {
            let (expected, found) = (block.hash.to_string(), head.hash.to_string());
            return Ok(Err(DecodeFault::OtherBlock { block: last, what: "the hash", expected, found }));
        }
        if let Err(fault) = self.blooms.check(&attempt, hints, &logs, is_proven).await? {
            return Ok(Err(fault));
        }
        let mut found = SpanEvents::default();
        for log in &logs {
            let index = usize::try_from(log.block - first).unwrap_or(usize::MAX);
            let block = blocks.get(index);
            let lacks = || Fault::inconsistent(format!("it gave a log of block {}", log.block));
            let block = block.ok_or_else(lacks)?;
            let facts = BlockFacts { number: log.block, hash: block.hash, timestamp: block.timestamp.0 };
            match decode_span(&self.identity, log, &facts, &mut found.unknown) {
                Ok(span) => found.spans.extend(span),
                // The block was asked for before, and may be another one by now.
                Err(fault @ DecodeFault::OtherBlock { .. }) if log.block_hash != block.hash => {
                    return Ok(Err(fault));
                }
                Err(fault) => return Err(Fault::inconsistent(fault.to_string())),
            }
        }
        Ok(Ok((found, logs)))
    }

    /// Some blocks by their numbers, in the same order, with who made them.
    pub(crate) async fn single_blocks(&self, numbers: &[u64]) -> Result<Vec<ProducedBlock>, IngestError> {
        let single = stream::iter(numbers.to_vec()).map(|number| self.blocks(number, number));
        let single = single.buffered(usize::try_from(BATCH_BLOCKS).unwrap_or(1));
        let mut all = Vec::with_capacity(numbers.len());
        for blocks in single.collect::<Vec<_>>().await {
            all.extend(blocks?.produced);
        }
        Ok(all)
    }

    /// The blocks `from..=to`, with who made them.
    async fn blocks(&self, from: u64, to: u64) -> Result<ProducedBlocks, IngestError> {
        let mut all = ProducedBlocks::default();
        let mut start = from;
        while start <= to {
            let last = to.min(start.saturating_add(self.batch.now() - 1));
            let size = last - start + 1;
            let attempt = move |attempt: Attempt| self.blocks_once(attempt, start, last);
            let what = format!("blocks {start} to {last}");
            let Some(found) = self.rpc.ask_of(&self.batch, size, &what, attempt).await? else { continue };
            self.batch.given(size);
            all.produced.extend(found.produced);
            all.hints.extend(found.hints);
            let Some(next) = last.checked_add(1) else { break };
            start = next;
        }
        Ok(all)
    }

    async fn blocks_once(&self, attempt: Attempt, from: u64, to: u64) -> Result<ProducedBlocks, Fault> {
        let block = |number| call("eth_getBlockByNumber", json!([quantity(number), true]));
        let calls: Vec<Call> = (from..=to).map(block).collect();
        let answers = attempt.batch(&calls).await?;
        // Recovering a signer takes longer than all the rest: on a thread of its own, as often as
        // there are cores.
        let blooms = self.blooms.clone();
        let produced = tokio::task::spawn_blocking(move || produced(from, answers, &blooms));
        produced.await.map_err(|_| Fault::refused("its decoding was cut short".into()))?
    }
}
