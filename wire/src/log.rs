//! Which log an answer is of, by which policy, and how far both reach.

use crate::{Address, Hash, StopReason};
use alloy_primitives::B256;
use std::collections::BTreeMap;
use tally_eventlog::{Heads, L1Head, L2Head, LogError, LogIdentity, LogReader, LogView, Reach};
use tally_replay::{ReceiptHorizon, ReceiptPolicy, Replayed, Stop};

shapes! {
    /// A head: the last block of one chain that is in the log.
    pub struct Head {
        /// The number of the block.
        block: u64,
        /// The hash of the block.
        hash: Hash,
        /// The timestamp of the block, in Unix seconds.
        timestamp: u64,
    }

    /// The newest block that an endpoint told of, whether the log has it or not.
    pub struct ChainHead {
        /// The number of the block.
        block: u64,
        /// The timestamp of the block, in Unix seconds.
        timestamp: u64,
    }

    /// A log and how far it reaches. Logs with equal digests hold the same.
    pub struct Log from (head_digest, heads): (B256, &Heads) {
        /// The head digest: the digest of everything in the log.
        head_digest: Hash = head_digest.into(),
        /// The last L1 block in the log; `null` if it has none.
        l1_head: Option<Head> = heads.l1.map(Into::into),
        /// The last L2 block in the log; `null` if it has none.
        l2_head: Option<Head> = heads.l2.map(Into::into),
    }

    /// A policy, by what it is known by. Policies with equal digests have the same rules.
    pub struct Policy from policy: &tally_engine::Policy {
        /// The name of the policy.
        name: String = policy.name().into(),
        /// The version of the policy; a published version never changes.
        version: u32 = policy.version(),
        /// The digest of all rules of the policy.
        digest: Hash = policy.digest().into(),
    }

    /// The horizon: the last L2 block that is folded.
    #[derive(Copy)]
    pub struct Horizon from horizon: tally_engine::Horizon {
        /// The number of the block.
        l2_block: u64 = horizon.block.0,
        /// The timestamp of the block, in Unix seconds.
        timestamp: u64 = horizon.timestamp.0,
    }

    /// Why no block after the horizon is folded.
    pub struct Stopped from stop: Stop {
        /// `log_end`: the log has no further block. `as_asked`: no further block was asked for. `l1_behind`: the next
        /// block is later than the last L1 block in the log. `unsettled`: no announced span tells who is to produce the
        /// next block.
        reason: StopReason = stop.code().into(),
        /// The first block that cannot be folded yet; `null` if none is waiting.
        next_l2_block: Option<u64> = stop.next_block().map(|block| block.0),
    }

    /// The state of the log and the policy of which a server's answer is. Equal states give equal answers.
    pub struct At from
        (log, final_reach, replayed, settled, feed): (Log, Reach, &Replayed, &Replayed, FeedPlace)
    {
        /// The log as it was then.
        log: Log = log.clone(),
        /// The last L1 block in the log that no reorg can take back.
        final_l1_head: Option<Head> = final_reach.l1.map(Into::into),
        /// The last L2 block in the log that no reorg can take back.
        final_l2_head: Option<Head> = final_reach.l2.map(Into::into),
        /// The policy by which rewards are computed.
        policy: Policy = (&replayed.policy).into(),
        /// The last L2 block that is folded; `null` before the first.
        horizon: Option<Horizon> = replayed.ledger.horizon.map(Into::into),
        /// The last L2 block that is folded and final. What is said of blocks up to here does not change any more; under
        /// `on-chain` only pending blocks still do.
        final_horizon: Option<Horizon> = settled.ledger.horizon.map(Into::into),
        /// Why no block after the horizon is folded.
        stopped: Stopped = replayed.stop.into(),
        /// The ledger root: the digest of the whole ledger up to the horizon.
        ledger_root: Hash = replayed.ledger.root.into(),
        /// How far the feed of the policy was told by then: what it tells up to there is in the answer.
        feed: FeedPlace = feed,
        /// Whether everything in the log up to its heads is final.
        is_final: bool = log.l1_head == final_reach.l1.map(Into::into)
            && log.l2_head == final_reach.l2.map(Into::into),
    }

    /// How far a feed was told.
    pub struct FeedPlace {
        /// The sequence number of the last fact; 0 before the first.
        sequence: u64,
        /// The cursor of the last fact, to be given as `at_least` or as `after`; `0` before the first.
        #[schema(pattern = "^(0|[0-9]{1,19}-[0-9a-f]{16}(-[0-9a-f]{16})?)$", example = "298-54e1a3f0c2b49d77")]
        cursor: String,
    }

    /// What a log is of, how far it reaches, and how large it is.
    pub struct LogInfo {
        /// The number of the log's format on disk.
        format: u32,
        /// The head digest: the digest of everything in the log.
        head_digest: Hash,
        /// What the log has of L1.
        l1: L1Info,
        /// What the log has of L2.
        l2: L2Info,
        /// The contracts whose events are in the log.
        contracts: Contracts,
        /// How many bytes the keys and values of each part have before RocksDB packs them.
        bytes: BTreeMap<String, u64>,
    }

    /// What a log has of L1.
    pub struct L1Info {
        /// The id of the chain.
        chain_id: u64,
        /// The number of the first block that the log is of.
        first_block: u64,
        /// The last block in the log; `null` if it has none.
        head: Option<Head>,
        /// The number of the last block that is final; `null` if none is.
        sealed_block: Option<u64>,
        /// How many events there are, transfers of METIS included.
        events: u64,
        /// How many events of the contracts' owners there are. The head digest does not cover them.
        owner_events: u64,
        /// The last link of their own digest chain: logs of one history with all of them have the same; zeros if there are
        /// none.
        owner_events_link: Hash,
        /// The last block up to which the events of owners are missing, as in a log that was made of a bundle; `null` if
        /// none is.
        owner_events_missing_to: Option<u64>,
    }

    /// What a log has of L2.
    pub struct L2Info {
        /// The id of the chain.
        chain_id: u64,
        /// The number of the first block that the log is of.
        first_block: u64,
        /// The last block in the log; `null` if it has none.
        head: Option<Head>,
        /// The number of the last block that is final; `null` if none is.
        sealed_block: Option<u64>,
        /// How many blocks the log has.
        blocks: u64,
        /// How many chunks these blocks are stored in.
        chunks: u64,
        /// How many events of spans there are.
        span_events: u64,
    }

    /// The addresses of the contracts whose events a log has.
    pub struct Contracts from identity: &LogIdentity {
        /// The escrow `LockingInfo` on L1, which holds the METIS.
        locking_info: Address = identity.locking_info.into(),
        /// The contract `LockingPool` on L1, which pays rewards.
        locking_pool: Address = identity.locking_pool.into(),
        /// The METIS token on L1.
        metis_token: Address = identity.metis_token.into(),
        /// The contract `MetisSequencerSet` on L2, which announces spans.
        sequencer_set: Address = identity.sequencer_set.into(),
    }
}

impl From<L1Head> for Head {
    fn from(head: L1Head) -> Self {
        Self { block: head.block.0, hash: head.hash.into(), timestamp: head.timestamp.0 }
    }
}

impl From<L2Head> for Head {
    fn from(head: L2Head) -> Self {
        Self { block: head.block.0, hash: head.hash.into(), timestamp: head.timestamp.0 }
    }
}

impl TryFrom<&LogReader> for Log {
    type Error = LogError;

    fn try_from(log: &LogReader) -> Result<Self, LogError> {
        Ok((log.head_digest()?, log.heads()).into())
    }
}

impl From<&ReceiptPolicy> for Policy {
    fn from(policy: &ReceiptPolicy) -> Self {
        Self { name: policy.name.clone(), version: policy.version, digest: policy.digest.into() }
    }
}

impl From<ReceiptHorizon> for Horizon {
    fn from(ReceiptHorizon { l2_block, timestamp }: ReceiptHorizon) -> Self {
        Self { l2_block, timestamp }
    }
}

impl TryFrom<&LogReader> for LogInfo {
    type Error = LogError;

    fn try_from(log: &LogReader) -> Result<Self, LogError> {
        let (identity, heads) = (log.identity(), log.heads());
        let first_block = identity.l2_first_block.0;
        let blocks = heads.l2.map_or(0, |head| head.block.0.saturating_sub(first_block).saturating_add(1));
        let [l1_sealed, l2_sealed] = log.sealed()?.map(|block| block.map(|block| block.number));
        let owners = log.owners_head();
        let sizes = log.sizes_bytes()?.into_iter().map(|(name, bytes)| (name.into(), bytes));
        Ok(Self {
            format: tally_eventlog::FORMAT,
            head_digest: log.head_digest()?.into(),
            l1: L1Info {
                chain_id: identity.l1_chain_id,
                first_block: identity.l1_first_block.0,
                head: heads.l1.map(Into::into),
                sealed_block: l1_sealed,
                events: heads.l1_events.count,
                owner_events: owners.events.count,
                owner_events_link: owners.events.last.into(),
                owner_events_missing_to: owners.missing_to.map(|block| block.0),
            },
            l2: L2Info {
                chain_id: identity.l2_chain_id,
                first_block,
                head: heads.l2.map(Into::into),
                sealed_block: l2_sealed,
                blocks,
                chunks: heads.chunks.count,
                span_events: heads.span_events.count,
            },
            contracts: identity.into(),
            bytes: sizes.collect(),
        })
    }
}
