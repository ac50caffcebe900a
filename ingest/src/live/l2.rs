//! Following L2: whole blocks in batches, several in flight, their signers recovered on all cores.

use super::blooms::{Blooms, Hint};
use super::branch::common_ancestor;
use super::error::LiveError;
use super::fetch::{Filter, Range, check_log, header_call, merged, numbered, quantity, tag_call, too_much};
use super::history::History;
use super::{Follower, Pace, Piece};
use crate::decode::{BlockFacts, decode_span};
use crate::error::{DecodeFault, UnknownTopic};
use crate::json::{Header, L2Block as L2BlockObject, LogObject};
use crate::rpc::{Answer, Attempt, Call, Fault, FaultKind, Rpc, call, decoded};
use crate::signer::signer_of;
use alloy::primitives::B256;
use alloy::rpc::types::Log;
use futures_util::{StreamExt, stream};
use serde_json::json;
use std::sync::Arc;
use tally_engine::{L2Block, SpanRecord, UnixTime};
use tally_eventlog::{LogIdentity, ProducedBlock, RecentBlock};

/// How many blocks are checked and sent to the log together. What is kept of a block is small, so that a
/// few thousand of them are a matter of kilobytes.
const STRETCH_BLOCKS: u64 = 1_000;

/// How many stretches are fetched at once: while the logs of one are asked for, and the last blocks of
/// another come in, the next begins.
const STRETCHES: usize = 3;

/// How often blocks that do not fit each other are asked for, and the first pause between.
const STRETCH_ATTEMPTS: u32 = 4;
const STRETCH_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

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
    range: Range,
    history: History,
    blooms: Arc<Blooms>,
}

/// Some blocks, and what their blooms tell.
struct Blocks {
    produced: Vec<ProducedBlock>,
    hints: Vec<Hint>,
}

struct Tip {
    latest: Header,
    at_head: Option<B256>,
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
            range: Range::new(),
            blooms: Arc::new(Blooms::new(identity.sequencer_set)),
        }
    }

    /// Checks that there is a node that still has the logs of `block`, in which the sequencer set has one.
    pub(crate) async fn check_history(&self, block: u64) -> Result<(), LiveError> {
        self.history.check(&self.rpc, block).await
    }

    /// Follows L2 until the limit, the chain's end, or (when it is to be followed) for ever.
    pub(crate) async fn follow(&self, follower: &mut Follower) -> Result<(), LiveError> {
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
                follower.roll_back("L2", ancestor, found, Piece::L2Rollback).await?;
            }
            self.catch_up(follower, to, latest.saturating_sub(FINAL_DEPTH)).await?;
            match follower.pace(target).await? {
                Pace::Done => return Ok(()),
                Pace::Poll => {}
            }
        }
    }

    /// Ingests up to block `to`, or up to where another branch is found.
    async fn catch_up(&self, follower: &mut Follower, to: u64, sealed: u64) -> Result<(), LiveError> {
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
                () = follower.stopped() => return Ok(()),
                piece = stretches.next() => piece,
            };
            let piece = match piece.transpose() {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(()),
                // Of two branches, by several nodes behind one name: they will agree.
                Err(LiveError::Decode {
                    fault: fault @ (DecodeFault::Parent { .. } | DecodeFault::OtherBlock { .. }),
                    chain,
                }) if follower.is_following => {
                    tracing::warn!(chain, "{fault}; it is tried again");
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let follows =
                |first: &ProducedBlock| follower.head().is_none_or(|head| head.hash == first.parent_hash);
            if !piece.blocks.first().is_some_and(follows) {
                // The next poll finds out where the branches part.
                return Ok(());
            }
            for block in &piece.blocks {
                let ProducedBlock { number, hash, timestamp, .. } = *block;
                follower.push(RecentBlock { number: number.0, hash, timestamp }, sealed);
            }
            follower.send(Piece::L2(piece)).await?;
        }
    }

    /// Asks how far the chain reaches, and what it has at the log's head.
    async fn tip(&self, head: Option<RecentBlock>) -> Result<Tip, LiveError> {
        let attempt = move |attempt: Attempt| async move {
            let mut calls = vec![tag_call("latest")];
            calls.extend(head.map(|head| header_call(head.number)));
            let mut answers = attempt.batch(&calls).await?.into_iter();
            let mut next =
                move || answers.next().ok_or_else(|| Fault::inconsistent("an answer lacks".into()));
            let latest: Option<Header> = decoded("the latest block", next()?)?;
            let latest =
                latest.ok_or_else(|| Fault::temporary(FaultKind::Behind, "it has no block yet".into()))?;
            let (number, mut at_head) = (latest.number.0, None);
            if let Some(head) = head {
                if head.number > number {
                    let reached = head.number;
                    let reason = format!("its head is block {number}, and the log reaches block {reached}");
                    return Err(Fault::temporary(FaultKind::Behind, reason));
                }
                at_head = Some(numbered(decoded("a header", next()?)?, head.number)?.hash);
            }
            Ok(Tip { latest, at_head })
        };
        Ok(self.rpc.ask("the head of the chain", attempt).await?)
    }

    /// The blocks `from..=to`, checked to follow each other, and the span events in them. Where they do not,
    /// the chain may just have changed: they are asked for again, a few times.
    async fn stretch(&self, from: u64, to: u64, sealed: u64) -> Result<L2Piece, LiveError> {
        let mut pause = STRETCH_PAUSE;
        for _ in 1..STRETCH_ATTEMPTS {
            match self.stretch_once(from, to, sealed).await {
                Err(LiveError::Decode { fault, .. }) => tracing::debug!(chain = "L2", "{fault}"),
                stretch => return stretch,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.stretch_once(from, to, sealed).await
    }

    async fn stretch_once(&self, from: u64, to: u64, sealed: u64) -> Result<L2Piece, LiveError> {
        let starts = (from..=to).step_by(usize::try_from(BATCH_BLOCKS).unwrap_or(1));
        let batches = stream::iter(starts).map(|start| self.blocks(start, to.min(start + BATCH_BLOCKS - 1)));
        // All at once: how many requests fly is for the endpoint to say.
        let batches = batches.buffered(usize::try_from(STRETCH_BLOCKS / BATCH_BLOCKS).unwrap_or(1));
        let mut all = Vec::with_capacity(usize::try_from(to - from + 1).unwrap_or_default());
        let mut hints = Vec::new();
        for blocks in batches.collect::<Vec<_>>().await {
            let Blocks { produced, hints: more } = blocks?;
            all.extend(produced);
            hints.extend(more);
        }
        // After the blocks, which tell where logs have to be.
        let logs = self.logs(from, to, sealed, &hints).await?;
        for pair in all.windows(2) {
            if pair[1].parent_hash != pair[0].hash {
                let (expected, found) = (pair[0].hash, pair[1].parent_hash);
                return Err(self.fault(DecodeFault::Parent { block: pair[1].number.0, expected, found }));
            }
        }
        let (mut spans, mut unknown) = (Vec::new(), Vec::new());
        for log in &logs {
            let number = log.block_number.unwrap_or_default();
            let index = number.checked_sub(from).and_then(|index| usize::try_from(index).ok());
            let block = index.and_then(|index| all.get(index));
            let block = block.ok_or_else(|| self.fault(DecodeFault::NoHeader { block: number }))?;
            let facts = BlockFacts { number, hash: block.hash, timestamp: block.timestamp.0 };
            let span = decode_span(&self.identity, log, &facts, &mut unknown);
            spans.extend(span.map_err(|fault| self.fault(fault))?);
        }
        Ok(L2Piece { blocks: all, spans, unknown, sealed })
    }

    /// The logs of the sequencer set in blocks `from..=to`, in as many ranges as the node wants, and none of
    /// them missing where the blocks' blooms give a hint.
    async fn logs(&self, from: u64, to: u64, sealed: u64, hints: &[Hint]) -> Result<Vec<Log>, LiveError> {
        let mut logs = Vec::new();
        let mut start = from;
        while start <= to {
            let last = to.min(start.saturating_add(self.range.size() - 1));
            let size = last - start + 1;
            let hints: Vec<&Hint> =
                hints.iter().filter(|hint| (start..=last).contains(&hint.block)).collect();
            let hints = &hints;
            let attempt = move |attempt: Attempt| async move {
                self.history.check_endpoint(&attempt).await?;
                // With the last block: a node that does not have it yet would give no log of it either.
                let mut answers = attempt.batch(&[self.spans.range(start, last), header_call(last)]).await?;
                let head = answers.pop().ok_or_else(|| Fault::inconsistent("an answer lacks".into()))?;
                let head = numbered(decoded::<Header>("a header", head)?, last)?;
                let lists = answers.into_iter().map(|answer| decoded::<Vec<LogObject>>("logs", answer));
                let mut logs = merged(lists.collect::<Result<_, _>>()?, start, last)?;
                logs.retain(|log| log.address() == self.identity.sequencer_set);
                for log in logs.iter().filter(|log| log.block_number == Some(last)) {
                    check_log(log, &RecentBlock::from(&head))?;
                }
                let checked = self.blooms.check(&attempt, hints, &logs).await?;
                Ok(checked.map(|()| logs))
            };
            match self.rpc.ask_of(size, &format!("the logs of blocks {start} to {last}"), attempt).await {
                Ok(found) => {
                    self.range.given(size);
                    let found = found.map_err(|fault| self.fault(fault))?;
                    if last <= sealed {
                        self.history.saw(&found);
                    }
                    logs.extend(found);
                    start = last + 1;
                }
                Err(error) => match too_much(&error) {
                    Some(less) if self.range.refused(size, less.blocks_max) => {
                        tracing::debug!(chain = "L2", size = self.range.size(), "asking for less: {error}");
                    }
                    _ => return Err(error.into()),
                },
            }
        }
        Ok(logs)
    }

    /// The blocks `from..=to`, with who made them.
    async fn blocks(&self, from: u64, to: u64) -> Result<Blocks, LiveError> {
        let attempt = move |attempt: Attempt| async move {
            let block = |number| call("eth_getBlockByNumber", json!([quantity(number), true]));
            let calls: Vec<Call> = (from..=to).map(block).collect();
            let answers = attempt.batch(&calls).await?;
            // Recovering a signer takes longer than all the rest: on a thread of its own, as often as
            // there are cores.
            let blooms = self.blooms.clone();
            let produced = tokio::task::spawn_blocking(move || produced(from, answers, &blooms));
            produced.await.map_err(|_| Fault::refused("its decoding was cut short".into()))?
        };
        let produced = self.rpc.ask(&format!("blocks {from} to {to}"), attempt).await?;
        produced.map_err(|fault| self.fault(fault))
    }

    fn fault(&self, fault: DecodeFault) -> LiveError {
        LiveError::Decode { chain: self.rpc.chain(), fault }
    }
}

/// Decodes blocks from number `first` on, and recovers who signed them. The inner error is of a block that
/// is whole, but cannot be right.
fn produced(first: u64, answers: Vec<Answer>, blooms: &Blooms) -> Result<Result<Blocks, DecodeFault>, Fault> {
    let mut blocks: Vec<ProducedBlock> = Vec::with_capacity(answers.len());
    let mut hints = Vec::new();
    for (number, answer) in (first..).zip(answers) {
        let block: Option<L2BlockObject> = decoded("a block", answer)?;
        let Some(block) = block else {
            return Err(Fault::temporary(FaultKind::Behind, format!("it has no block {number}")));
        };
        if block.number.0 != number {
            let found = block.number.0;
            return Err(Fault::inconsistent(format!("asked for block {number}, it gave block {found}")));
        }
        if let Some(before) = blocks.last()
            && before.hash != block.parent_hash
        {
            let (parent, before) = (block.parent_hash, before.hash);
            let reason =
                format!("block {number} has the parent {parent}, but the block before it is {before}");
            return Err(Fault::inconsistent(reason));
        }
        let signer = match signer_of(&block) {
            Ok(signer) => signer,
            Err(fault) => return Ok(Err(fault)),
        };
        hints.extend(blooms.hint(number, block.hash, block.logs_bloom.as_ref()));
        blocks.push(ProducedBlock {
            number: L2Block(number),
            hash: block.hash,
            parent_hash: block.parent_hash,
            timestamp: UnixTime(block.timestamp.0),
            signer,
        });
    }
    Ok(Ok(Blocks { produced: blocks, hints }))
}
