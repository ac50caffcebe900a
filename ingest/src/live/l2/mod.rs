//! Following L2: whole blocks in batches, several in flight, their signers recovered on all cores.

mod stretch;

use super::Piece;
use super::blooms::Blooms;
use super::branch::common_ancestor;
use super::follower::{Follower, Pace};
use super::history::LogHistory;
use super::tip::{Look, look};
use crate::decode::UnknownTopic;
use crate::decode_fault::DecodeFault;
use crate::error::IngestError;
use crate::fetch::{Filter, range};
use crate::rpc::{Attempt, Rpc, RpcError, Size};
use futures_util::{StreamExt, stream};
use std::sync::Arc;
use stretch::{BATCH_BLOCKS, STRETCH_BLOCKS};
use tally_engine::{SpanError, SpanRecord, Spans};
use tally_eventlog::{Chain, LogIdentity, ProducedBlock, RecentBlock};

/// How many stretches are fetched at once: while the logs of one are asked for, and the last blocks of
/// another come in, the next begins.
const STRETCHES: usize = 3;

/// How often a span event that does not fit is asked for before that is an error, and the first pause between, and the
/// longest: each is twice the one before.
const MISFITS: u32 = 4;
const MISFIT_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);
const MISFIT_PAUSE_MAX: std::time::Duration = std::time::Duration::from_secs(30);

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
    history: LogHistory,
    blooms: Arc<Blooms>,
}

impl L2 {
    pub(crate) fn new(rpc: Arc<Rpc>, identity: &LogIdentity, confirmations: u64) -> Self {
        let spans = Filter { addresses: vec![identity.sequencer_set], topics: Vec::new() };
        Self {
            rpc,
            identity: identity.clone(),
            confirmations,
            history: LogHistory::new(vec![spans.clone()]),
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
    pub(crate) async fn check_history(&self, block: u64) -> Result<(), IngestError> {
        self.history.check(&self.rpc, block).await
    }

    /// Follows L2 until the limit, the chain's end, or (when it is to be followed) for ever. `spans` are those at the
    /// log's head.
    pub(super) async fn follow(&self, follower: &mut Follower, mut spans: Spans) -> Result<(), IngestError> {
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
                let piece = |sender| Piece::L2Rollback(ancestor, sender);
                spans = follower.roll_back(ancestor, found, piece).await?;
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
    ) -> Result<Option<SpanError>, IngestError> {
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
                Err(error @ (IngestError::Decode { .. } | IngestError::Rpc(RpcError::Behind { .. })))
                    if follower.is_following =>
                {
                    tracing::warn!(chain = Chain::L2.name(), "{error}; it is tried again");
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
    ) -> Result<(), IngestError> {
        tracing::debug!(chain = Chain::L2.name(), "{fault}");
        self.rpc.doubt();
        let oldest = follower.recent().blocks().first().copied();
        if count % MISFITS == MISFITS / 2
            && let Some(oldest) = oldest.filter(|oldest| Some(*oldest) != follower.head())
        {
            *spans = follower.take_back(oldest, |sender| Piece::L2Rollback(oldest, sender)).await?;
        }
        if !count.is_multiple_of(MISFITS) {
            return Ok(());
        }
        let what = format!("in {count} attempts, the span events up to block {}", fault.block);
        let (chain, endpoints) = (self.rpc.chain(), self.rpc.names());
        let error = IngestError::Decode { chain, what, endpoints, fault: DecodeFault::Span(fault) };
        if !follower.is_following {
            return Err(error);
        }
        tracing::warn!(chain = Chain::L2.name(), "{error}; it is tried again");
        Ok(())
    }

    /// Asks how far the chain reaches, and what it has at the log's head.
    async fn tip(&self, head: Option<RecentBlock>) -> Result<Look, IngestError> {
        let attempt = move |attempt: Attempt| async move { look(&attempt, &[], head).await };
        Ok(self.rpc.ask("the head of the chain", attempt).await?)
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
