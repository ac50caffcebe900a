//! Following L1: what is final in ranges of logs, what is not block by block.

use super::branch::common_ancestor;
use super::error::LiveError;
use super::fetch::{
    Filter, Range, blocks_of, check_log, header_call, headers, inputs, merged, numbered, tag_call, too_much,
};
use super::history::History;
use super::{Finality, Follower, Pace, Piece};
use crate::abi::LockingInfo::Relocked;
use crate::abi::LockingPool::DistributeReward;
use crate::abi::Metis::Transfer;
use crate::json::{Header, LogObject};
use crate::rpc::{Attempt, Call, Fault, FaultKind, Rpc, call, decoded};
use alloy::primitives::{B256, Bytes};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEvent;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_eventlog::{LogIdentity, RecentBlock};

/// How many blocks that are not final are fetched at once.
const OPEN_BLOCKS: u64 = 32;

/// Where a node does not say what is final, blocks so far below its head are taken to be: twice what
/// Ethereum needs when all is well.
const FINAL_DEPTH: u64 = 128;

/// Some blocks of L1: the logs that are asked for, the headers of their blocks, and the last block.
#[derive(Debug)]
pub(crate) struct L1Piece {
    /// The logs, in order.
    pub(crate) logs: Vec<Log>,
    /// The blocks with logs, by number.
    pub(crate) blocks: BTreeMap<u64, RecentBlock>,
    /// The inputs of the transactions that their events do not tell everything of.
    pub(crate) inputs: BTreeMap<B256, Bytes>,
    /// How far L1 is ingested with it: the last block only, or, above what is final, each block.
    pub(crate) heads: Vec<RecentBlock>,
    /// Up to where blocks are final.
    pub(crate) sealed: u64,
}

/// What a node says of its chain.
struct Tip {
    latest: Header,
    /// The last block to ingest.
    target: u64,
    sealed: u64,
    /// What the chain has at the log's head.
    at_head: Option<B256>,
}

/// What is asked of L1.
pub(crate) struct L1 {
    rpc: Arc<Rpc>,
    finality: Finality,
    first_block: u64,
    /// All logs of the pool's contracts; METIS transfers into the escrow; and those out of it.
    filters: [Filter; 3],
    range: Range,
    history: History,
}

impl L1 {
    pub(crate) fn new(rpc: Arc<Rpc>, identity: &LogIdentity, finality: Finality) -> Self {
        let escrow = B256::left_padding_from(identity.locking_info.as_slice());
        let addresses = vec![identity.locking_info, identity.locking_pool];
        let contracts = Filter { addresses, topics: Vec::new() };
        let transfers = |topics| Filter { addresses: vec![identity.metis_token], topics };
        let filters = [
            contracts,
            transfers(vec![Some(Transfer::SIGNATURE_HASH), None, Some(escrow)]),
            transfers(vec![Some(Transfer::SIGNATURE_HASH), Some(escrow)]),
        ];
        Self {
            rpc,
            finality,
            first_block: identity.l1_first_block.0,
            history: History::new(filters.to_vec()),
            filters,
            range: Range::new(),
        }
    }

    /// Follows L1 until the limit, the chain's end, or (when it is to be followed) for ever.
    pub(crate) async fn follow(&self, follower: &mut Follower) -> Result<(), LiveError> {
        loop {
            let tip = self.tip(follower.head()).await?;
            let to = follower.limit.map_or(tip.target, |limit| limit.min(tip.target));
            follower.metrics.chain_reaches(tip.latest.number.0, tip.latest.timestamp.0, to);
            if let (Some(head), Some(found)) = (follower.head(), tip.at_head)
                && head.hash != found
            {
                let ancestor = common_ancestor(&self.rpc, follower.recent()).await?;
                follower.roll_back("L1", ancestor, found, Piece::L1Rollback).await?;
            }
            self.catch_up(follower, to, tip.sealed).await?;
            match follower.pace(tip.target).await? {
                Pace::Done => return Ok(()),
                Pace::Poll => {}
            }
        }
    }

    /// Ingests up to block `to`, or up to where another branch is found.
    async fn catch_up(&self, follower: &mut Follower, to: u64, sealed: u64) -> Result<(), LiveError> {
        loop {
            let from = follower.head().map_or(self.first_block, |head| head.number.saturating_add(1));
            if from > to || follower.is_stopped() {
                return Ok(());
            }
            let piece = if from <= sealed {
                self.sealed_part(from, to.min(sealed), sealed).await?
            } else {
                let last = to.min(from.saturating_add(OPEN_BLOCKS - 1));
                match self.open_part(from, last, follower.head(), sealed).await? {
                    Some(piece) => piece,
                    // The next poll finds out where the branches part.
                    None => return Ok(()),
                }
            };
            for head in &piece.heads {
                follower.push(*head, sealed);
            }
            follower.send(Piece::L1(piece)).await?;
        }
    }

    /// Asks how far the chain reaches, what of it is final, and what it has at the log's head.
    async fn tip(&self, head: Option<RecentBlock>) -> Result<Tip, LiveError> {
        let finality = self.finality;
        let rpc = &self.rpc;
        let attempt = move |attempt: Attempt| async move {
            let mut calls = vec![tag_call("latest"), tag_call("finalized")];
            calls.extend((finality == Finality::Safe).then(|| tag_call("safe")));
            calls.extend(head.map(|head| header_call(head.number)));
            let mut answers = attempt.batch(&calls).await?.into_iter();
            let mut next =
                move || answers.next().ok_or_else(|| Fault::inconsistent("an answer lacks".into()));
            let latest: Option<Header> = decoded("the latest block", next()?)?;
            let latest =
                latest.ok_or_else(|| Fault::temporary(FaultKind::Behind, "it has no block yet".into()))?;
            let number = latest.number.0;
            let finalized = tagged("finalized", next()?, finality == Finality::Finalized)?;
            let target = match finality {
                Finality::Finalized => finalized,
                Finality::Safe => tagged("safe", next()?, true)?,
                Finality::Confirmations(blocks) => number.checked_sub(blocks),
            };
            let at_head = match head {
                None => None,
                Some(head) if head.number > number => {
                    let reached = head.number;
                    let reason = format!("its head is block {number}, and the log reaches block {reached}");
                    return Err(Fault::temporary(FaultKind::Behind, reason));
                }
                Some(head) => Some(numbered(decoded("a header", next()?)?, head.number)?.hash),
            };
            let sealed = finalized.or_else(|| number.checked_sub(FINAL_DEPTH)).unwrap_or_default();
            Ok(Tip { latest, target: target.unwrap_or_default(), sealed, at_head })
        };
        Ok(rpc.ask("the head of the chain", attempt).await?)
    }

    /// A part of `from..=to`, all of which is final: as much as the node gives at once.
    async fn sealed_part(&self, from: u64, to: u64, sealed: u64) -> Result<L1Piece, LiveError> {
        loop {
            let last = to.min(from.saturating_add(self.range.size() - 1));
            let size = last - from + 1;
            let attempt = move |attempt: Attempt| async move {
                self.history.check_endpoint(&attempt).await?;
                let mut calls: Vec<Call> =
                    self.filters.iter().map(|filter| filter.range(from, last)).collect();
                calls.push(header_call(last));
                let mut answers = attempt.batch(&calls).await?;
                let head = answers.pop().ok_or_else(|| Fault::inconsistent("an answer lacks".into()))?;
                let head = numbered(decoded("a header", head)?, last)?;
                let lists = answers.into_iter().map(|answer| decoded::<Vec<LogObject>>("logs", answer));
                let logs = merged(lists.collect::<Result<_, _>>()?, from, last)?;
                let logs = self.wanted(logs);
                let found = headers(&attempt, &blocks_of(&logs)).await?;
                let blocks = found.iter().map(|header| (header.number.0, RecentBlock::from(header)));
                self.piece(&attempt, logs, blocks.collect(), vec![RecentBlock::from(&head)], sealed).await
            };
            let what = format!("the logs of blocks {from} to {last}");
            match self.rpc.ask_of(size, &what, attempt).await {
                Ok(piece) => {
                    self.range.given(size);
                    self.history.saw(&piece.logs);
                    return Ok(piece);
                }
                Err(error) => match too_much(&error) {
                    Some(less) if self.range.refused(size, less.blocks_max) => {
                        tracing::debug!(chain = "L1", size = self.range.size(), "asking for less: {error}");
                    }
                    _ => return Err(error.into()),
                },
            }
        }
    }

    /// The blocks `from..=to`, which are not final: each with its header and its own logs. `None` if they
    /// are of another branch than the block before them.
    async fn open_part(
        &self,
        from: u64,
        to: u64,
        before: Option<RecentBlock>,
        sealed: u64,
    ) -> Result<Option<L1Piece>, LiveError> {
        let attempt = move |attempt: Attempt| async move {
            self.history.check_endpoint(&attempt).await?;
            let numbers: Vec<u64> = (from..=to).collect();
            let found = headers(&attempt, &numbers).await?;
            if let (Some(before), Some(first)) = (before, found.first())
                && first.parent_hash != before.hash
            {
                return Ok(None);
            }
            for pair in found.windows(2) {
                if pair[1].parent_hash != pair[0].hash {
                    let (number, parent) = (pair[1].number.0, pair[1].parent_hash);
                    let before = pair[0].hash;
                    let reason = format!("block {number} has the parent {parent}, but before it is {before}");
                    return Err(Fault::inconsistent(reason));
                }
            }
            let calls_of = |header: &Header| self.filters.each_ref().map(|filter| filter.block(header.hash));
            let calls: Vec<Call> = found.iter().flat_map(calls_of).collect();
            let logs = merged(attempt.all("logs", &calls).await?, from, to)?;
            let heads: Vec<RecentBlock> = found.iter().map(RecentBlock::from).collect();
            let blocks = heads.iter().map(|head| (head.number, *head)).collect();
            self.piece(&attempt, self.wanted(logs), blocks, heads, sealed).await.map(Some)
        };
        Ok(self.rpc.ask(&format!("blocks {from} to {to} and their logs"), attempt).await?)
    }

    /// Those of some logs that were asked for. What else a node sends is left out.
    fn wanted(&self, mut logs: Vec<Log>) -> Vec<Log> {
        logs.retain(|log| self.filters.iter().any(|filter| filter.fits(log)));
        logs
    }

    async fn piece(
        &self,
        attempt: &Attempt,
        logs: Vec<Log>,
        blocks: BTreeMap<u64, RecentBlock>,
        heads: Vec<RecentBlock>,
        sealed: u64,
    ) -> Result<L1Piece, Fault> {
        for log in &logs {
            let number = log.block_number.unwrap_or_default();
            let header = blocks.get(&number);
            check_log(log, header.ok_or_else(|| Fault::inconsistent(format!("block {number} lacks")))?)?;
        }
        let needs_input = |log: &&Log| {
            let topic = log.topics().first();
            topic == Some(&DistributeReward::SIGNATURE_HASH) || topic == Some(&Relocked::SIGNATURE_HASH)
        };
        let inputs = inputs(attempt, &logs.iter().filter(needs_input).collect::<Vec<_>>()).await?;
        Ok(L1Piece { logs, blocks, inputs, heads, sealed })
    }

    /// Checks that there is a node that still has the logs of `block`, in which there is one.
    pub(crate) async fn check_history(&self, block: u64) -> Result<(), LiveError> {
        self.history.check(&self.rpc, block).await
    }
}

/// The number of the block of a tag, or `None` if there is none yet, which some nodes say by an error. A
/// node that does not know the tag is refused where it is needed.
fn tagged(tag: &str, answer: crate::rpc::Answer, is_needed: bool) -> Result<Option<u64>, Fault> {
    match decoded::<Header>(tag, answer) {
        Ok(header) => Ok(header.map(|header| header.number.0)),
        Err(fault) if !matches!(fault.kind, FaultKind::Refused | FaultKind::Behind) => Err(fault),
        Err(_) if !is_needed => Ok(None),
        Err(fault) if fault.kind == FaultKind::Behind => Err(fault),
        Err(fault) => Err(Fault::refused(format!(
            "it does not know the block tag {tag} ({fault}); ask for a number of confirmations instead"
        ))),
    }
}

/// Whether there is a contract at each address. Nodes that cannot tell are believed.
pub(crate) async fn check_contracts(
    rpc: &Rpc,
    contracts: &[(&'static str, alloy::primitives::Address)],
) -> Result<(), LiveError> {
    let attempt = move |attempt: Attempt| async move {
        let code = |address| call("eth_getCode", json!([address, "latest"]));
        let calls: Vec<Call> = contracts.iter().map(|(_, address)| code(address)).collect();
        let answers = attempt.batch(&calls).await?.into_iter();
        let codes = answers.map(|answer| match decoded::<Bytes>("code", answer) {
            Err(fault) if fault.kind == FaultKind::Refused => Ok(None),
            code => code,
        });
        codes.collect::<Result<Vec<_>, Fault>>()
    };
    let codes = rpc.ask("the code of the contracts", attempt).await?;
    for ((contract, address), code) in contracts.iter().zip(codes) {
        if code.is_some_and(|code| code.is_empty()) {
            return Err(LiveError::NoContract { chain: rpc.chain(), contract, address: *address });
        }
    }
    Ok(())
}
