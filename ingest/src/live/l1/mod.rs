//! Following L1: what is final in ranges of logs, what is not block by block.

mod found;
mod open;
mod owners;
mod sealed;

pub use owners::owners_of_chain;

use super::branch::common_ancestor;
use super::follower::{Follower, Pace};
use super::history::LogHistory;
use super::state_check::{StateCheck, StateChecks};
use super::tip::{Look, look, numbered_by};
use super::{Finality, Piece};
use crate::abi::Metis::Transfer;
use crate::decode::UnknownTopic;
use crate::error::IngestError;
use crate::fetch::{Filter, range};
use crate::json::{ChainLog, Header};
use crate::metrics::Metrics;
use crate::rpc::{Answer, Attempt, Fault, FaultKind, Rpc, RpcError, Size};
use alloy::primitives::B256;
use alloy::sol_types::SolEvent;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tally_engine::{Discrepancy, L1Record, PoolState};
use tally_eventlog::{Chain, LogIdentity, OwnerRecord, RecentBlock, RecentBlocks};

/// How many blocks that are not final are fetched at once.
const OPEN_BLOCKS: u64 = 32;

/// Where a node does not say what is final, blocks so far below its head are taken to be: twice what
/// Ethereum needs when all is well.
const FINAL_DEPTH: u64 = 128;

/// Some blocks of L1: what happened in them, and how far they reach.
#[derive(Debug)]
pub(crate) struct L1Piece {
    /// What bears on rewards or moves the escrow's METIS, in order.
    pub(crate) records: Vec<L1Record>,
    /// The events of the contracts' owners, in order.
    pub(crate) owners: Vec<OwnerRecord>,
    /// The logs of the pool's contracts that were left out.
    pub(crate) unknown: Vec<UnknownTopic>,
    /// How far L1 is ingested with it: the last block only, or, above what is final, each block.
    pub(crate) heads: Vec<RecentBlock>,
    /// Up to where blocks are final.
    pub(crate) sealed: u64,
}

/// A piece, and what it does to the contracts.
struct Found {
    piece: L1Piece,
    /// The contracts' state after it.
    pool: PoolState,
    /// Where it claims what the events before do not add up to.
    discrepancies: Vec<Discrepancy>,
}

/// What came of asking for a part of what is final.
enum SealedPart {
    /// What happened in it, by these logs.
    Found(Box<Found>, Vec<ChainLog>),
    /// Its blocks have to be asked for one by one.
    BlockByBlock,
    /// It does not go on where the log ends.
    OtherBranch,
}

/// Where the log stands: the last block, and the contracts' state after it.
#[derive(Clone, Copy)]
struct Stand<'a> {
    head: Option<RecentBlock>,
    pool: &'a PoolState,
    /// Up to where blocks are final.
    sealed: u64,
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
    identity: LogIdentity,
    /// All logs of the pool's contracts; METIS transfers into the escrow; and those out of it.
    filters: [Filter; 3],
    range: Size,
    open_range: Size,
    history: LogHistory,
    /// The last block that was told to be final; 0 until one was.
    finalized: AtomicU64,
    metrics: Metrics,
    state_check: Option<StateCheck>,
}

impl L1 {
    pub(crate) fn new(
        rpc: Arc<Rpc>,
        identity: &LogIdentity,
        finality: Finality,
        state_check: Option<StateCheck>,
        metrics: &Metrics,
    ) -> Self {
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
            identity: identity.clone(),
            history: LogHistory::new(filters.to_vec()),
            filters,
            range: range(),
            open_range: Size::new(OPEN_BLOCKS, OPEN_BLOCKS),
            state_check,
            finalized: AtomicU64::new(0),
            metrics: metrics.clone(),
        }
    }

    /// The names of its endpoints.
    pub(crate) fn endpoints(&self) -> String {
        self.rpc.names()
    }

    /// Follows L1 until the limit, the chain's end, or (when it is to be followed) for ever. `pool` is the contracts'
    /// state at the log's head.
    pub(crate) async fn follow(
        &self,
        follower: &mut Follower,
        mut pool: PoolState,
    ) -> Result<(), IngestError> {
        let mut state_checks = StateChecks::new(self.state_check);
        loop {
            let tip = self.tip(follower.head()).await?;
            let to = follower.limit.map_or(tip.target, |limit| limit.min(tip.target));
            follower.metrics.chain_reaches(tip.latest.number.0, tip.latest.timestamp.0, to);
            if let (Some(head), Some(found)) = (follower.head(), tip.at_head)
                && head.hash != found
            {
                let ancestor = common_ancestor(&self.rpc, follower.recent()).await?;
                let piece = |sender| Piece::L1Rollback(ancestor, sender);
                pool = follower.roll_back(ancestor, found, piece).await?;
            }
            self.catch_up(follower, &mut pool, to, tip.sealed).await?;
            if let Some(head) = follower.head().filter(|head| head.number >= to)
                && !follower.is_stopped()
            {
                state_checks.check(&self.rpc, &self.identity, head, &pool).await?;
            }
            match follower.pace(tip.target).await? {
                Pace::Done => return Ok(()),
                Pace::Poll => {}
            }
        }
    }

    /// Ingests up to block `to`, or up to where another branch is found.
    async fn catch_up(
        &self,
        follower: &mut Follower,
        pool: &mut PoolState,
        to: u64,
        sealed: u64,
    ) -> Result<(), IngestError> {
        let first = self.identity.l1_first_block.0;
        loop {
            let from = follower.head().map_or(first, |head| head.number.saturating_add(1));
            if from > to || follower.is_stopped() {
                return Ok(());
            }
            let stand = Stand { head: follower.head(), pool, sealed };
            let part = if from <= sealed {
                self.sealed_part(from, to.min(sealed), stand).await
            } else {
                Ok(SealedPart::BlockByBlock)
            };
            let found = match part {
                Ok(SealedPart::Found(found, _)) => Ok(Some(*found)),
                Ok(SealedPart::BlockByBlock) => self.open_part(from, to, stand).await,
                Ok(SealedPart::OtherBranch) => Ok(None),
                Err(error) => Err(error),
            };
            let found = match found {
                Err(IngestError::Rpc(error @ RpcError::Behind { .. })) if follower.is_following => {
                    tracing::debug!(chain = Chain::L1.name(), "{error}; the head is looked at again");
                    None
                }
                found => found?,
            };
            let Some(Found { piece, pool: after, .. }) = found else {
                // The next poll finds out where the branches part, or asks another endpoint.
                self.rpc.doubt();
                return Ok(());
            };
            *pool = after;
            for head in &piece.heads {
                follower.push(*head, sealed);
            }
            follower.send(Piece::L1(piece)).await?;
        }
    }

    /// Asks how far the chain reaches, what of it is final, and what it has at the log's head.
    async fn tip(&self, head: Option<RecentBlock>) -> Result<Tip, IngestError> {
        let finality = self.finality;
        let attempt = move |attempt: Attempt| async move {
            let tags: &[&str] =
                if finality == Finality::Safe { &["finalized", "safe"] } else { &["finalized"] };
            let Look { latest, tagged, at_head } = look(&attempt, tags, head).await?;
            let is_busy = |answer: &Answer| {
                let kind = answer.as_ref().err().map(|fault| fault.kind);
                matches!(kind, Some(FaultKind::Busy | FaultKind::Timeout))
            };
            let is_passing = tagged.first().is_some_and(is_busy);
            let mut tagged = tagged.into_iter();
            let number = latest.number.0;
            let mut block_of = |tag, is_needed| match tagged.next() {
                Some(answer) => numbered_by(tag, answer, number, is_needed),
                None => Err(Fault::inconsistent("the reply has fewer answers than there are calls".into())),
            };
            let finalized = block_of("finalized", finality == Finality::Finalized)?;
            // A node that did not tell it this time, as it is busy, did not forget it.
            let finalized = match finalized {
                Some(number) => Some(self.finalized.fetch_max(number, Ordering::Relaxed).max(number)),
                None if is_passing => {
                    Some(self.finalized.load(Ordering::Relaxed)).filter(|number| *number > 0)
                }
                None => None,
            };
            let target = match finality {
                Finality::Finalized => finalized,
                Finality::Safe => block_of("safe", true)?,
                Finality::Confirmations(blocks) => number.checked_sub(blocks),
            };
            let sealed = finalized.or_else(|| number.checked_sub(FINAL_DEPTH)).unwrap_or_default();
            Ok(Tip { latest, target: target.unwrap_or_default(), sealed, at_head })
        };
        Ok(self.rpc.ask("the head of the chain", attempt).await?)
    }

    /// The last block that the log and the chain have in common, of those that the log can be rolled back to.
    pub(crate) async fn common_ancestor(&self, recent: &RecentBlocks) -> Result<RecentBlock, IngestError> {
        common_ancestor(&self.rpc, recent).await
    }

    /// Checks that there is a node that still has the logs of `block`, in which there is one.
    pub(crate) async fn check_history(&self, block: u64) -> Result<(), IngestError> {
        self.history.check(&self.rpc, block).await
    }
}
