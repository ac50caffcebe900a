//! What a receipt says of the log.

use super::text;
use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};
use tally_engine::{BatchId, L1Block, L2Block, PoolGenesis, UnixTime, Wei};
use tally_eventlog::{Heads, L1Head, L2Head, Links, LogError, LogIdentity};

/// Which log, and how far it reaches: all that its head digest is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptLog {
    /// The chain id of the L1.
    pub l1_chain_id: u64,
    /// The chain id of the L2.
    pub l2_chain_id: u64,
    /// The contract `LockingInfo`, on L1.
    #[serde(with = "text::address")]
    pub locking_info: Address,
    /// The contract `LockingPool`, on L1.
    #[serde(with = "text::address")]
    pub locking_pool: Address,
    /// The METIS token, on L1.
    #[serde(with = "text::address")]
    pub metis_token: Address,
    /// The contract `MetisSequencerSet`, on L2.
    #[serde(with = "text::address")]
    pub sequencer_set: Address,
    /// The first L1 block of the log.
    pub l1_first_block: u64,
    /// The first L2 block of the log.
    pub l2_first_block: u64,
    /// What the contracts' initialisers set.
    pub initial: ReceiptInitial,
    /// The last L1 block, if there is any.
    pub l1_head: Option<ReceiptHead>,
    /// The last L2 block, if there is any.
    pub l2_head: Option<ReceiptHead>,
    /// The chain of the pool's events.
    pub l1_events: ReceiptChain,
    /// The chain of the span events.
    pub span_events: ReceiptChain,
    /// The signers of L2 blocks.
    pub signers: ReceiptChain,
    /// The chunks of L2 production.
    pub chunks: ReceiptChain,
    /// The head digest over all of the above (`docs/log-format.md`).
    #[serde(with = "text")]
    pub head_digest: B256,
}

/// What the contracts' initialisers set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptInitial {
    /// The L1 block of the pool's initialiser.
    pub batch_block: u64,
    /// The batch that is current before any is paid.
    pub batch: u64,
    /// The reward of a block.
    #[serde(with = "text")]
    pub reward_per_block_wei: U256,
    /// The least stake that the contract allows, `minLock`, in wei.
    #[serde(with = "text")]
    pub min_lock_wei: U256,
    /// The greatest stake that the contract allows, `maxLock`, in wei.
    #[serde(with = "text")]
    pub max_lock_wei: U256,
    /// How many seconds an exit takes.
    pub exit_delay_secs: u64,
    /// How many batches have to pass between two changes of a signer.
    pub signer_update_throttle_batches: u64,
}

/// The last block of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptHead {
    /// The number of the block.
    pub block: u64,
    /// The hash of the block.
    #[serde(with = "text")]
    pub hash: B256,
    /// The timestamp of the block.
    pub timestamp: u64,
}

/// A part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptChain {
    /// How many records or chunks there are.
    pub count: u64,
    /// The last link of the chain of digests over them.
    #[serde(with = "text")]
    pub last_link: B256,
}

impl From<Links> for ReceiptChain {
    fn from(chain: Links) -> Self {
        Self { count: chain.count, last_link: chain.last }
    }
}

impl From<ReceiptChain> for Links {
    fn from(chain: ReceiptChain) -> Self {
        Self { count: chain.count, last: chain.last_link }
    }
}

impl ReceiptLog {
    /// A log with this identity and these heads.
    ///
    /// # Errors
    ///
    /// As [`Heads::digest`].
    pub fn new(identity: &LogIdentity, heads: &Heads) -> Result<Self, LogError> {
        let PoolGenesis { batch_block, batch, reward_per_block, min_lock, max_lock, .. } = identity.genesis;
        Ok(Self {
            l1_chain_id: identity.l1_chain_id,
            l2_chain_id: identity.l2_chain_id,
            locking_info: identity.locking_info,
            locking_pool: identity.locking_pool,
            metis_token: identity.metis_token,
            sequencer_set: identity.sequencer_set,
            l1_first_block: identity.l1_first_block.0,
            l2_first_block: identity.l2_first_block.0,
            initial: ReceiptInitial {
                batch_block: batch_block.0,
                batch: batch.0,
                reward_per_block_wei: reward_per_block.get(),
                min_lock_wei: min_lock.get(),
                max_lock_wei: max_lock.get(),
                exit_delay_secs: identity.genesis.exit_delay_secs,
                signer_update_throttle_batches: identity.genesis.signer_update_throttle_batches,
            },
            l1_head: heads.l1.map(|head| ReceiptHead {
                block: head.block.0,
                hash: head.hash,
                timestamp: head.timestamp.0,
            }),
            l2_head: heads.l2.map(|head| ReceiptHead {
                block: head.block.0,
                hash: head.hash,
                timestamp: head.timestamp.0,
            }),
            l1_events: heads.l1_events.into(),
            span_events: heads.span_events.into(),
            signers: heads.signers.into(),
            chunks: heads.chunks.into(),
            head_digest: heads.digest(identity)?,
        })
    }

    /// The identity of the log.
    pub fn identity(&self) -> LogIdentity {
        LogIdentity {
            l1_chain_id: self.l1_chain_id,
            l2_chain_id: self.l2_chain_id,
            locking_info: self.locking_info,
            locking_pool: self.locking_pool,
            metis_token: self.metis_token,
            sequencer_set: self.sequencer_set,
            l1_first_block: L1Block(self.l1_first_block),
            l2_first_block: L2Block(self.l2_first_block),
            genesis: PoolGenesis {
                batch_block: L1Block(self.initial.batch_block),
                batch: BatchId(self.initial.batch),
                reward_per_block: Wei::new(self.initial.reward_per_block_wei),
                min_lock: Wei::new(self.initial.min_lock_wei),
                max_lock: Wei::new(self.initial.max_lock_wei),
                exit_delay_secs: self.initial.exit_delay_secs,
                signer_update_throttle_batches: self.initial.signer_update_throttle_batches,
            },
        }
    }

    /// How far the log reaches.
    pub fn heads(&self) -> Heads {
        Heads {
            l1: self.l1_head.map(|head| L1Head {
                block: L1Block(head.block),
                hash: head.hash,
                timestamp: UnixTime(head.timestamp),
            }),
            l2: self.l2_head.map(|head| L2Head {
                block: L2Block(head.block),
                hash: head.hash,
                timestamp: UnixTime(head.timestamp),
            }),
            l1_events: self.l1_events.into(),
            span_events: self.span_events.into(),
            signers: self.signers.into(),
            chunks: self.chunks.into(),
        }
    }

    /// The head digest that the rest of it has.
    ///
    /// # Errors
    ///
    /// As [`Heads::digest`].
    pub fn computed_digest(&self) -> Result<B256, LogError> {
        self.heads().digest(&self.identity())
    }
}
