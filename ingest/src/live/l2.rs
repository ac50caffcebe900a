//! Following L2: whole blocks in batches, several in flight, their signers recovered on all cores.

use super::Piece;
use super::blooms::{Blooms, Hint};
use super::branch::common_ancestor;
use super::error::LiveError;
use super::fetch::{Filter, asks_less, logs_of_any, logs_of_one, quantity, range};
use super::follower::{Follower, Pace};
use super::history::History;
use super::produced::{Blocks, produced};
use super::tip::{Look, look};
use crate::decode::{BlockFacts, decode_span};
use crate::error::{DecodeFault, UnknownTopic};
use crate::json::ChainLog;
use crate::rpc::{Attempt, Call, Fault, Rpc, RpcError, Size, call};
use futures_util::{StreamExt, stream};
use serde_json::json;
use std::sync::Arc;
use tally_engine::{SpanError, SpanRecord, Spans};
use tally_eventlog::{LogIdentity, ProducedBlock, RecentBlock};
use tokio::sync::oneshot;

/// How many blocks are checked and sent to the log together. What is kept of a block is small, so that a
/// few thousand of them are a matter of kilobytes.
const STRETCH_BLOCKS: u64 = 1_000;

/// How many stretches are fetched at once: while the logs of one are asked for, and the last blocks of
/// another come in, the next begins.
const STRETCHES: usize = 3;

/// How often blocks that do not fit each other are asked for, and the first pause between.
const STRETCH_ATTEMPTS: u32 = 4;
const STRETCH_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// How often a span event that does not fit is asked for before that is an error, and the first pause between, and the
/// longest: each is twice the one before.
const MISFITS: u32 = 4;
const MISFIT_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);
const MISFIT_PAUSE_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// How many blocks are asked for at once.
const BATCH_BLOCKS: u64 = 100;

/// Blocks so far below the head are final: l2geth does not say what is, and never went back so far.
const FINAL_DEPTH: u64 = 256;

/// Some blocks of L2, and the span events in them.
#[derive(Debug)]
pub(crate) struct L2Piece {
    pub(crate) blocks: Vec<ProducedBlock>,
    pub(crate) spans: Vec<SpanRecord>,
    pub(crate) unknown: Vec<UnknownTopic>,
    pub(crate) sealed: u64,
}

/// What is asked of L2.
pub(crate) struct L2 {
    rpc: Arc<Rpc>,
    identity: LogIdentity,
    confirmations: u64,
    spans: Filter,
    range: Size,
    batch: Size,
    history: History,
    blooms: Arc<Blooms>,
}

/// The span events of some blocks, and the logs that they are of.
#[derive(Default)]
struct SpanEvents {
    spans: Vec<SpanRecord>,
    unknown: Vec<UnknownTopic>,
}

impl L2 {
    pub(crate) fn new(rpc: Arc<Rpc>, identity: &LogIdentity, confirmations: u64) -> Self {
        let spans = Filter { addresses: vec![identity.sequencer_set], topics: Vec::new() };
        Self {
            rpc,
            identity: identity.clone(),
            confirmations,
            history: History::new(vec![spans.clone()]),
            spans,
            range: range(),
            batch: Size::new(BATCH_BLOCKS, BATCH_BLOCKS),
            blooms: Arc::new(Blooms::new(identity.sequencer_set)),
        }
    }

    /// The names of its endpoints.
    pub(crate) fn endpoints(&self) -> String {
        self.rpc.names()
    }

    /// Checks that there is a node that still has the logs of `block`, in which the sequencer set has one.
    pub(crate) async fn check_history(&self, block: u64) -> Result<(), LiveError> {
        self.history.check(&self.rpc, block).await
    }

    /// Follows L2 until the limit, the chain's end, or (when it is to be followed) for ever. `spans` are those at the
    /// log's head.
    pub(super) async fn follow(&self, follower: &mut Follower, mut spans: Spans) -> Result<(), LiveError> {
        // The span event that did not fit last, and how often in a row it did not.
        let mut misfits = (None, 0_u32);
        loop {
            let tip = self.tip(follower.head()).await?;
            let latest = tip.latest.number.0;
            let target = latest.saturating_sub(self.confirmations);
            let to = follower.limit.map_or(target, |limit| limit.min(target));
            follower.metrics.chain_reaches(latest, tip.latest.timestamp.0, to);
            if let (Some(head), Some(found)) = (follower.head(), tip.at_head)
                && head.hash != found
            {
                let ancestor = common_ancestor(&self.rpc, follower.recent()).await?;
                let (sender, rolled_back) = oneshot::channel();
                follower.roll_back(ancestor, found, Piece::L2Rollback(ancestor, sender)).await?;
                let ended = |_| LiveError::Broken("the task that writes the log has ended");
                spans = rolled_back.await.map_err(ended)?;
            }
            let sealed = latest.saturating_sub(FINAL_DEPTH);
            if let Some(fault) = self.catch_up(follower, &mut spans, to, sealed).await? {
                let place = (fault.block, fault.log_index);
                misfits = if misfits.0 == Some(place) {
                    (Some(place), misfits.1.saturating_add(1))
                } else {
                    (Some(place), 1)
                };
                self.misfit(follower, &mut spans, fault, misfits.1).await?;
                let pause = MISFIT_PAUSE.saturating_mul(2_u32.saturating_pow(misfits.1 - 1));
                tokio::select! {
                    () = follower.stopped() => return Ok(()),
                    () = tokio::time::sleep(pause.min(MISFIT_PAUSE_MAX)) => continue,
                }
            }
            match follower.pace(target).await? {
                Pace::Done => return Ok(()),
                Pace::Poll => {}
            }
        }
    }

    /// Ingests up to block `to`, or up to where another branch is found, or a span event that does not fit, which it
    /// returns.
    async fn catch_up(
        &self,
        follower: &mut Follower,
        spans: &mut Spans,
        to: u64,
        sealed: u64,
    ) -> Result<Option<SpanError>, LiveError> {
        let first = self.identity.l2_first_block.0;
        let mut from = follower.head().map_or(first, |head| head.number.saturating_add(1));
        let stretches = std::iter::from_fn(|| {
            let start = from;
            let end = to.min(start.saturating_add(STRETCH_BLOCKS - 1));
            from = end.saturating_add(1);
            (start <= to).then_some((start, end))
        });
        let mut stretches =
            stream::iter(stretches).map(|(from, to)| self.stretch(from, to, sealed)).buffered(STRETCHES);
        loop {
            let piece = tokio::select! {
                () = follower.stopped() => return Ok(None),
                piece = stretches.next() => piece,
            };
            let piece = match piece.transpose() {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(None),
                // Of two branches, by several nodes behind one name: they will agree.
                Err(error @ (LiveError::Decode { .. } | LiveError::Rpc(RpcError::Behind { .. })))
                    if follower.is_following =>
                {
                    tracing::warn!(chain = "L2", "{error}; it is tried again");
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let follows = |first: &ProducedBlock| {
                let goes_on =
                    |head: RecentBlock| head.hash == first.parent_hash && head.timestamp <= first.timestamp;
                follower.head().is_none_or(goes_on)
            };
            if !piece.blocks.first().is_some_and(follows) {
                // The next poll finds out where the branches part, or asks another endpoint.
                self.rpc.doubt();
                return Ok(None);
            }
            match applied(spans, &piece.spans) {
                Ok(after) => *spans = after.unwrap_or_else(|| std::mem::take(spans)),
                Err(fault) => return Ok(Some(fault)),
            }
            for block in &piece.blocks {
                let ProducedBlock { number, hash, timestamp, .. } = *block;
                follower.push(RecentBlock { number: number.0, hash, timestamp }, sealed);
            }
            follower.send(Piece::L2(piece)).await?;
        }
    }

    /// A span event that does not fit those before it tells that one is missing: in what an endpoint gave now, or in
    /// blocks before, of which those that are not final are asked for again, too. Where it never fits, a single run
    /// ends, and one that follows tells of it.
    async fn misfit(
        &self,
        follower: &mut Follower,
        spans: &mut Spans,
        fault: SpanError,
        count: u32,
    ) -> Result<(), LiveError> {
        tracing::debug!(chain = "L2", "{fault}");
        self.rpc.doubt();
        let oldest = follower.recent().blocks().first().copied();
        if count % MISFITS == MISFITS / 2
            && let Some(oldest) = oldest.filter(|oldest| Some(*oldest) != follower.head())
        {
            let (sender, rolled_back) = oneshot::channel();
            follower.recent.truncate(oldest.number);
            follower.send(Piece::L2Rollback(oldest, sender)).await?;
            let ended = |_| LiveError::Broken("the task that writes the log has ended");
            *spans = rolled_back.await.map_err(ended)?;
        }
        if !count.is_multiple_of(MISFITS) {
            return Ok(());
        }
        let what = format!("in {count} attempts, the span events up to block {}", fault.block);
        let (chain, endpoints) = (self.rpc.chain(), self.rpc.names());
        let error = LiveError::Decode { chain, what, endpoints, fault: DecodeFault::Span(fault) };
        if !follower.is_following {
            return Err(error);
        }
        tracing::warn!(chain = "L2", "{error}; it is tried again");
        Ok(())
    }

    /// Asks how far the chain reaches, and what it has at the log's head.
    async fn tip(&self, head: Option<RecentBlock>) -> Result<Look, LiveError> {
        let attempt = move |attempt: Attempt| async move { look(&attempt, &[], head).await };
        Ok(self.rpc.ask("the head of the chain", attempt).await?)
    }

    /// The blocks `from..=to`, checked to follow each other, and the span events in them. Where they do not,
    /// the chain may just have changed, or an endpoint is of another branch: they are asked for again, a few times.
    async fn stretch(&self, from: u64, to: u64, sealed: u64) -> Result<L2Piece, LiveError> {
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
                return Err(LiveError::Decode { chain, what, endpoints, fault });
            }
            tracing::debug!(chain = "L2", "{fault}");
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
    ) -> Result<Result<L2Piece, DecodeFault>, LiveError> {
        let starts = (from..=to).step_by(usize::try_from(BATCH_BLOCKS).unwrap_or(1));
        let batches = stream::iter(starts)
            .map(|start| self.blocks(start, to.min(start.saturating_add(BATCH_BLOCKS - 1))));
        // All at once: how many requests fly is for the endpoint to say.
        let batches = batches.buffered(usize::try_from(STRETCH_BLOCKS / BATCH_BLOCKS).unwrap_or(1));
        let mut all = Vec::with_capacity(usize::try_from(to - from + 1).unwrap_or_default());
        let mut hints = Vec::new();
        for blocks in batches.collect::<Vec<_>>().await {
            let Blocks { produced, hints: more } = blocks?;
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
    ) -> Result<Result<SpanEvents, DecodeFault>, LiveError> {
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
            let found = match self
                .rpc
                .ask_of(size, &format!("the logs of blocks {first} to {last}"), attempt)
                .await
            {
                Ok(found) => found,
                Err(error) if asks_less("L2", &error, &self.range, size) => continue,
                Err(error) => return Err(error.into()),
            };
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
    pub(crate) async fn single_blocks(&self, numbers: &[u64]) -> Result<Vec<ProducedBlock>, LiveError> {
        let single = stream::iter(numbers.to_vec()).map(|number| self.blocks(number, number));
        let single = single.buffered(usize::try_from(BATCH_BLOCKS).unwrap_or(1));
        let mut all = Vec::with_capacity(numbers.len());
        for blocks in single.collect::<Vec<_>>().await {
            all.extend(blocks?.produced);
        }
        Ok(all)
    }

    /// The blocks `from..=to`, with who made them.
    async fn blocks(&self, from: u64, to: u64) -> Result<Blocks, LiveError> {
        let mut all = Blocks::default();
        let mut start = from;
        while start <= to {
            let last = to.min(start.saturating_add(self.batch.now() - 1));
            let size = last - start + 1;
            let attempt = move |attempt: Attempt| self.blocks_once(attempt, start, last);
            let found = match self.rpc.ask_of(size, &format!("blocks {start} to {last}"), attempt).await {
                Ok(found) => found,
                Err(error) if asks_less("L2", &error, &self.batch, size) => continue,
                Err(error) => return Err(error.into()),
            };
            self.batch.given(size);
            all.produced.extend(found.produced);
            all.hints.extend(found.hints);
            let Some(next) = last.checked_add(1) else { break };
            start = next;
        }
        Ok(all)
    }

    async fn blocks_once(&self, attempt: Attempt, from: u64, to: u64) -> Result<Blocks, Fault> {
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

/// The spans after some events, if there are any.
fn applied(before: &Spans, records: &[SpanRecord]) -> Result<Option<Spans>, SpanError> {
    if records.is_empty() {
        return Ok(None);
    }
    let mut after = before.clone();
    records.iter().try_for_each(|record| after.apply(record))?;
    Ok(Some(after))
}
