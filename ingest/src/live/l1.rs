//! Following L1: what is final in ranges of logs, what is not block by block.

use super::branch::common_ancestor;
use super::error::LiveError;
use super::fetch::{
    Filter, all_logs_call, asks_less, blocks_of, bloom_of, check_log, hash_call, headers, inputs,
    logs_of_any, logs_of_one, merged, numbered, range, tag_call,
};
use super::follower::{Follower, Pace};
use super::history::History;
use super::receipts::{InBlock, check_logs, check_same, for_each_receipt};
use super::state_check::{StateCheck, StateChecks};
use super::tip::{Look, look, numbered_by};
use super::{Finality, Piece};
use crate::abi::LockingInfo::Relocked;
use crate::abi::LockingPool::DistributeReward;
use crate::abi::Metis::Transfer;
use crate::decode::{BlockFacts, L1Decoder};
use crate::error::UnknownTopic;
use crate::json::{ChainLog, Hashes, Header};
use crate::rpc::{Attempt, Call, Fault, FaultKind, Rpc, RpcError, Size, decoded};
use crate::signer::EMPTY_ROOT;
use alloy::primitives::{B256, Bytes};
use alloy::sol_types::SolEvent;
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_engine::{Discrepancy, L1Record, PoolState};
use tally_eventlog::{LogIdentity, RecentBlock};
use tokio::sync::oneshot;

/// How many blocks that are not final are fetched at once.
const OPEN_BLOCKS: u64 = 32;

/// Where a node does not say what is final, blocks so far below its head are taken to be: twice what
/// Ethereum needs when all is well.
const FINAL_DEPTH: u64 = 128;

/// Of several nodes behind one name, none is so many blocks behind the lowest head that was seen.
const LAG_BLOCKS: u64 = 512;

/// How often the head is looked at to see the lowest one.
const LOOKS: usize = 8;

/// Some blocks of L1: what happened in them, and how far they reach.
#[derive(Debug)]
pub(crate) struct L1Piece {
    /// What bears on rewards or moves the escrow's METIS, in order.
    pub(crate) records: Vec<L1Record>,
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
enum Part {
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
    history: History,
    state_check: Option<StateCheck>,
}

impl L1 {
    pub(crate) fn new(
        rpc: Arc<Rpc>,
        identity: &LogIdentity,
        finality: Finality,
        state_check: Option<StateCheck>,
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
            history: History::new(filters.to_vec()),
            filters,
            range: range(),
            open_range: Size::new(OPEN_BLOCKS, OPEN_BLOCKS),
            state_check,
        }
    }

    /// The names of its endpoints.
    pub(crate) fn endpoints(&self) -> String {
        self.rpc.names()
    }

    /// Follows L1 until the limit, the chain's end, or (when it is to be followed) for ever. `pool` is the contracts'
    /// state at the log's head.
    pub(crate) async fn follow(&self, follower: &mut Follower, mut pool: PoolState) -> Result<(), LiveError> {
        let mut state_checks = StateChecks::new(self.state_check);
        loop {
            let tip = self.tip(follower.head()).await?;
            let to = follower.limit.map_or(tip.target, |limit| limit.min(tip.target));
            follower.metrics.chain_reaches(tip.latest.number.0, tip.latest.timestamp.0, to);
            if let (Some(head), Some(found)) = (follower.head(), tip.at_head)
                && head.hash != found
            {
                let ancestor = common_ancestor(&self.rpc, follower.recent()).await?;
                let (sender, rolled_back) = oneshot::channel();
                follower.roll_back(ancestor, found, Piece::L1Rollback(ancestor, sender)).await?;
                let ended = |_| LiveError::Broken("the task that writes the log has ended");
                pool = rolled_back.await.map_err(ended)?;
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
    ) -> Result<(), LiveError> {
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
                Ok(Part::BlockByBlock)
            };
            let found = match part {
                Ok(Part::Found(found, _)) => Ok(Some(*found)),
                Ok(Part::BlockByBlock) => self.open_part(from, to, stand).await,
                Ok(Part::OtherBranch) => Ok(None),
                Err(error) => Err(error),
            };
            let found = match found {
                Err(LiveError::Rpc(error @ RpcError::Behind { .. })) if follower.is_following => {
                    tracing::debug!(chain = "L1", "{error}; the head is looked at again");
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
    async fn tip(&self, head: Option<RecentBlock>) -> Result<Tip, LiveError> {
        let finality = self.finality;
        let attempt = move |attempt: Attempt| async move {
            let tags: &[&str] =
                if finality == Finality::Safe { &["finalized", "safe"] } else { &["finalized"] };
            let Look { latest, tagged, at_head } = look(&attempt, tags, head).await?;
            let mut tagged = tagged.into_iter();
            let number = latest.number.0;
            let mut block_of = |tag, is_needed| match tagged.next() {
                Some(answer) => numbered_by(tag, answer, number, is_needed),
                None => Err(Fault::inconsistent("an answer lacks".into())),
            };
            let finalized = block_of("finalized", finality == Finality::Finalized)?;
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

    /// A part of `from..=to`, all of which is final: as much as the node gives at once.
    async fn sealed_part(&self, from: u64, to: u64, stand: Stand<'_>) -> Result<Part, LiveError> {
        loop {
            let last = to.min(from.saturating_add(self.range.now() - 1));
            let size = last - from + 1;
            let attempt = move |attempt: Attempt| self.sealed_once(attempt, from, last, stand);
            let what = format!("the logs of blocks {from} to {last}");
            let part = match self.rpc.ask_of(size, &what, attempt).await {
                Ok(part) => part,
                Err(error) if asks_less("L1", &error, &self.range, size) => continue,
                Err(error) => return Err(error.into()),
            };
            let Part::Found(found, logs) = part else {
                return Ok(part);
            };
            let reached = found.piece.heads.last().map_or(last, |head| head.number);
            self.range.given(reached - from + 1);
            self.history.saw(&logs);
            let again = |attempt| async move {
                match self.sealed_once(attempt, from, reached, stand).await? {
                    Part::Found(found, _) => Ok(Some(*found)),
                    Part::BlockByBlock | Part::OtherBranch => Ok(None),
                }
            };
            let found = self.second_opinion(&what, *found, again).await;
            return Ok(Part::Found(Box::new(found), logs));
        }
    }

    async fn sealed_once(
        &self,
        attempt: Attempt,
        from: u64,
        last: u64,
        stand: Stand<'_>,
    ) -> Result<Part, Fault> {
        self.history.check_endpoint(&attempt).await?;
        let mut last = last;
        let of_one = logs_of_one(&attempt, &self.filters, self.history.has_log(), from, last).await?;
        let (logs, head) = if let Some(found) = of_one {
            found
        } else {
            // Several nodes behind one name may answer, and one that lags gives empty lists. What none of them can
            // lack may be asked for call by call.
            let known = self.lowest_head(&attempt).await?.saturating_sub(LAG_BLOCKS);
            if known < from {
                return Ok(Part::BlockByBlock);
            }
            last = last.min(known);
            logs_of_any(&attempt, &self.filters, from, last).await?
        };
        let (logs, head) = (self.wanted(logs), RecentBlock::from(&head));
        let mut numbers = blocks_of(&logs);
        numbers.splice(..0, stand.head.map(|head| head.number));
        let mut found = headers(&attempt, &numbers).await?;
        // The log's head may not have been final, and of a branch that did not last.
        if let Some(before) = stand.head
            && found.remove(0).hash != before.hash
        {
            return Ok(Part::OtherBranch);
        }
        let blocks = found.iter().map(|header| (header.number.0, RecentBlock::from(header)));
        let mut blocks: BTreeMap<u64, RecentBlock> = blocks.collect();
        blocks.insert(last, head);
        let found = self.found(&attempt, &logs, &blocks, vec![head], stand).await?;
        Ok(Part::Found(Box::new(found), logs))
    }

    /// The lowest of several looks at the head.
    async fn lowest_head(&self, attempt: &Attempt) -> Result<u64, Fault> {
        let mut lowest = u64::MAX;
        for _ in 0..LOOKS {
            let latest = attempt.all::<Header>("the latest block", &[tag_call("latest")]).await?.pop();
            let latest = latest.flatten();
            let latest =
                latest.ok_or_else(|| Fault::temporary(FaultKind::Behind, "it has no block yet".into()))?;
            lowest = lowest.min(latest.number.0);
        }
        Ok(lowest)
    }

    /// Some blocks from `from` on, each with its header and its own logs. `None` if they are of another branch than the
    /// block before them.
    async fn open_part(&self, from: u64, to: u64, stand: Stand<'_>) -> Result<Option<Found>, LiveError> {
        loop {
            let last = to.min(from.saturating_add(self.open_range.now() - 1));
            let size = last - from + 1;
            let attempt = move |attempt: Attempt| self.open_once(attempt, from, last, stand);
            let what = format!("blocks {from} to {last} and their logs");
            let found = match self.rpc.ask_of(size, &what, attempt).await {
                Ok(found) => found,
                Err(error) if asks_less("L1", &error, &self.open_range, size) => continue,
                Err(error) => return Err(error.into()),
            };
            self.open_range.given(size);
            return Ok(match found {
                None => None,
                Some(found) => Some(self.second_opinion(&what, found, attempt).await),
            });
        }
    }

    async fn open_once(
        &self,
        attempt: Attempt,
        from: u64,
        to: u64,
        stand: Stand<'_>,
    ) -> Result<Option<Found>, Fault> {
        self.history.check_endpoint(&attempt).await?;
        let numbers: Vec<u64> = (from..=to).collect();
        let found = headers(&attempt, &numbers).await?;
        if let (Some(before), Some(first)) = (stand.head, found.first())
            && first.parent_hash != before.hash
        {
            return Ok(None);
        }
        for pair in found.windows(2) {
            let [before, header] = pair else { continue };
            if header.parent_hash != before.hash {
                let (number, parent, before) = (header.number.0, header.parent_hash, before.hash);
                let reason = format!("block {number} has the parent {parent}, but before it is {before}");
                return Err(Fault::inconsistent(reason));
            }
        }
        let logs = self.wanted(merged(self.logs_of(&attempt, &found).await?, from, to)?);
        let heads: Vec<RecentBlock> = found.iter().map(RecentBlock::from).collect();
        let blocks = heads.iter().map(|head| (head.number, *head)).collect();
        self.found(&attempt, &logs, &blocks, heads, stand).await.map(Some)
    }

    /// The logs of some blocks. Some nodes give none of a block that they do not have; so the block itself, by its hash,
    /// has to come with them, or, where that cannot be asked for at once, its bloom has to tell that they are all.
    async fn logs_of(
        &self,
        attempt: &Attempt,
        found: &[Header],
    ) -> Result<Vec<Option<Vec<ChainLog>>>, Fault> {
        let group = |header: &Header| -> Vec<Call> {
            let logs = self.filters.iter().map(|filter| filter.block(header.hash));
            logs.chain([hash_call(header.hash)]).collect()
        };
        let groups: Vec<Vec<Call>> = found.iter().map(group).collect();
        let mut lists = Vec::new();
        if let Some(groups) = attempt.together(&groups).await? {
            for (header, mut answers) in found.iter().zip(groups) {
                let again = answers.pop().ok_or_else(|| Fault::inconsistent("an answer lacks".into()))?;
                let again = numbered(decoded("a header", again)?, header.number.0)?;
                if again.hash != header.hash {
                    let (number, hash, again) = (header.number.0, header.hash, again.hash);
                    let reason = format!("asked for block {number} by its hash {hash}, it gave {again}");
                    return Err(Fault::inconsistent(reason));
                }
                for answer in answers {
                    lists.push(decoded("logs", answer)?);
                }
            }
            return Ok(lists);
        }
        for header in found {
            let bloom = header.logs_bloom.filter(|bloom| !bloom.is_zero());
            let Some(bloom) = &bloom else {
                if header.logs_bloom.is_some() {
                    // It has no log, or zeros stand in the place of its bloom.
                    self.check_empty(attempt, header).await?;
                    continue;
                }
                return Err(Fault::unfit(
                    "it takes no batches, and its headers have no logsBloom: nothing proves that the logs that it gives \
                     of a block are all"
                        .into(),
                ));
            };
            if !self.filters.iter().any(|filter| filter.may_be_in(bloom)) {
                continue;
            }
            let logs = attempt.all::<Vec<ChainLog>>("logs", &[all_logs_call(header.hash)]).await?;
            let made = logs.iter().flatten().flatten();
            if bloom_of(made) != *bloom {
                let (number, hash) = (header.number.0, header.hash);
                let reason =
                    format!("it lacks logs: those of block {number} ({hash}) do not give its logsBloom");
                return Err(Fault::inconsistent(reason));
            }
            lists.extend(logs);
        }
        Ok(lists)
    }

    /// Checks that the transactions of a block made no log of the pool, by their receipts.
    async fn check_empty(&self, attempt: &Attempt, header: &Header) -> Result<(), Fault> {
        if header.receipts_root == Some(EMPTY_ROOT) {
            return Ok(());
        }
        let (block, block_hash) = (header.number.0, header.hash);
        let found = attempt.all::<Hashes>("a block", &[hash_call(block_hash)]).await?.pop().flatten();
        let lacks = || Fault::temporary(FaultKind::Behind, format!("it has no block {block} ({block_hash})"));
        let found = found.filter(|found| found.hash == block_hash).ok_or_else(lacks)?;
        let in_block = |transaction| InBlock { transaction, block, block_hash };
        let transactions: Vec<InBlock> = found.transactions.into_iter().map(in_block).collect();
        for_each_receipt(attempt, &transactions, |wanted, made| check_same(wanted, &[], made, &self.filters))
            .await
    }

    /// Those of some logs that were asked for. What else a node sends is left out.
    fn wanted(&self, mut logs: Vec<ChainLog>) -> Vec<ChainLog> {
        logs.retain(|log| self.filters.iter().any(|filter| filter.fits(&log.address, &log.topics)));
        logs
    }

    /// What happened in some blocks by these logs, if that fits the blocks, the transactions' receipts, and what
    /// happened before.
    async fn found(
        &self,
        attempt: &Attempt,
        logs: &[ChainLog],
        blocks: &BTreeMap<u64, RecentBlock>,
        heads: Vec<RecentBlock>,
        stand: Stand<'_>,
    ) -> Result<Found, Fault> {
        let block_of = |log: &ChainLog| {
            let lacks = || Fault::inconsistent(format!("block {} lacks", log.block));
            blocks.get(&log.block).ok_or_else(lacks)
        };
        for log in logs {
            check_log(log, block_of(log)?)?;
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
            let RecentBlock { number, hash, timestamp } = *block_of(log)?;
            let facts = BlockFacts { number, hash, timestamp: timestamp.0 };
            let record = decoder.decode(log, &facts, &pool, |hash| inputs.get(&hash).cloned());
            if let Some(record) = record.map_err(|fault| Fault::inconsistent(fault.to_string()))? {
                let claims = pool.apply(&record);
                discrepancies.extend(claims.map_err(|error| Fault::inconsistent(error.to_string()))?);
                records.push(record);
            }
        }
        let unknown = decoder.unknown;
        let piece = L1Piece { records, unknown, heads, sealed: stand.sealed };
        Ok(Found { piece, pool, discrepancies })
    }

    /// A claim that does not add up may be the chain's, or a sign of an event that is missing before it: then every
    /// other endpoint is asked, too, and one that has more is believed, as each event has its receipt.
    async fn second_opinion<F, Fut>(&self, what: &str, found: Found, again: F) -> Found
    where
        F: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<Option<Found>, Fault>>,
    {
        let discrepancy = found.discrepancies.first().filter(|_| self.rpc.endpoints() > 1);
        let Some(discrepancy) = discrepancy else {
            return found;
        };
        let (events, discrepancy) = (found.piece.records.len(), discrepancy.to_string());
        let more = |attempt: Attempt| {
            let (again, discrepancy) = (again(attempt), discrepancy.clone());
            async move {
                let other = again.await?.filter(|other| other.piece.records.len() > events);
                other.ok_or_else(|| Fault::inconsistent(discrepancy))
            }
        };
        let preferred = self.rpc.preferred();
        self.rpc.doubt();
        let better = self.rpc.once(what, more).await;
        if better.is_err() {
            self.rpc.prefer(preferred);
        }
        better.unwrap_or(found)
    }

    /// Checks that there is a node that still has the logs of `block`, in which there is one.
    pub(crate) async fn check_history(&self, block: u64) -> Result<(), LiveError> {
        self.history.check(&self.rpc, block).await
    }
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
