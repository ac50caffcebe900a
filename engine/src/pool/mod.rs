//! The contracts' own state, rebuilt from their events.
//!
//! [`PoolState::apply`] takes records in chain order. What no history of the real contracts can
//! contain is an error, and changes nothing; what a record *claims* beside its facts (a running total,
//! a nonce) is compared with what the records before it add up to, and handed back as a
//! [`Discrepancy`] where it differs.

mod apply;
mod error;

pub use error::{Discrepancy, PoolError, PoolFault};

use crate::ids::{BatchId, L1Block, SequencerId, SpanId, UnixTime};
use crate::money::Wei;
use alloc::collections::BTreeMap;
use alloy_primitives::{Address, Bytes};

/// The values that the contracts' initialisers set and no event tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolGenesis {
    /// The L1 block of the initialiser: where batch 1 "was submitted".
    pub batch_block: L1Block,
    /// The batch that is current before any is paid.
    pub batch: BatchId,
    /// The first reward per block.
    pub reward_per_block: Wei,
    /// The first least stake.
    pub min_lock: Wei,
    /// The first greatest stake.
    pub max_lock: Wei,
    /// The first exit delay.
    pub exit_delay_secs: u64,
    /// The first signer update throttle.
    pub signer_update_throttle_batches: u64,
}

/// Where a sequencer is between locking and leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Has begun its exit.
    Inactive,
    /// It has locked its stake, and earns.
    Active,
    /// It has taken its stake out, for good.
    Unlocked,
}

/// A sequencer as the pool's contract holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequencerState {
    /// The stake that is locked.
    pub amount: Wei,
    /// Credited and neither claimed nor relocked.
    pub reward: Wei,
    /// The batch current at lock-up.
    pub activation_batch: BatchId,
    /// The batch current at lock-up, or at the last withdrawal or change of signer.
    pub updated_batch: BatchId,
    /// The batch current when it began its exit, else 0.
    pub deactivation_batch: BatchId,
    /// When it began its exit, else 0.
    pub deactivation_time: UnixTime,
    /// When it may take its stake out, else 0.
    pub unlock_claim_time: UnixTime,
    /// Its count of signed operations, which is 1 after it locked.
    pub nonce: u64,
    /// Who controls the stake.
    pub owner: Address,
    /// Who signs its blocks.
    pub signer: Address,
    /// The signer's public key, 64 bytes.
    pub pubkey: Bytes,
    /// Who gets its rewards on L2; zero for nobody yet.
    pub reward_recipient: Address,
    /// Where it is between locking and leaving.
    pub status: Status,
}

/// The batch paid last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchState {
    /// The number of the batch.
    pub id: BatchId,
    /// The L1 block it was paid in.
    pub number: L1Block,
    /// The first span that it paid.
    pub start_span: SpanId,
    /// The last span that it paid.
    pub end_span: SpanId,
}

/// What a signer's address stands for in the contract's `seqSigners`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerState {
    /// The signer of this sequencer.
    Of(SequencerId),
    /// Replaced, or its sequencer is gone: never usable again.
    Invalid,
}

/// The state of both contracts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// Every sequencer there ever was, by id.
    pub sequencers: BTreeMap<SequencerId, SequencerState>,
    /// The sum of all stakes, those of leaving sequencers included.
    pub total_locked: Wei,
    /// All rewards paid out to L2.
    pub total_rewards_liquidated: Wei,
    /// The batch paid last.
    pub batch: BatchState,
    /// The reward per block.
    pub reward_per_block: Wei,
    /// The least stake that may be locked.
    pub min_lock: Wei,
    /// The greatest stake that may be locked.
    pub max_lock: Wei,
    /// How many seconds an exit takes.
    pub exit_delay_secs: u64,
    /// How many batches must pass between two changes of a signer.
    pub signer_update_throttle_batches: u64,
    /// Who may submit batches; zero until it is set.
    pub mpc_address: Address,
    /// Who pays the rewards; zero until it is set.
    pub reward_payer: Address,
    /// Whether the pool is paused.
    pub paused: bool,
    /// The sequencer of each owner there ever was; `None` once it is gone or handed over.
    pub owners: BTreeMap<Address, Option<SequencerId>>,
    /// What each signer there ever was stands for.
    pub signers: BTreeMap<Address, SignerState>,
}

impl PoolState {
    /// The contracts as initialised.
    pub fn new(genesis: &PoolGenesis) -> Self {
        Self {
            sequencers: BTreeMap::new(),
            total_locked: Wei::ZERO,
            total_rewards_liquidated: Wei::ZERO,
            batch: BatchState {
                id: genesis.batch,
                number: genesis.batch_block,
                start_span: SpanId(0),
                end_span: SpanId(0),
            },
            reward_per_block: genesis.reward_per_block,
            min_lock: genesis.min_lock,
            max_lock: genesis.max_lock,
            exit_delay_secs: genesis.exit_delay_secs,
            signer_update_throttle_batches: genesis.signer_update_throttle_batches,
            mpc_address: Address::ZERO,
            reward_payer: Address::ZERO,
            paused: false,
            owners: BTreeMap::new(),
            signers: BTreeMap::new(),
        }
    }

    /// How many sequencers have this status.
    pub fn count(&self, status: Status) -> usize {
        self.sequencers.values().filter(|sequencer| sequencer.status == status).count()
    }

    /// The sequencer that `signer` can be credited for, or `None` if there is none now.
    pub fn creditable(&self, signer: &Address) -> Option<SequencerId> {
        match self.signers.get(signer)? {
            SignerState::Of(sequencer) => Some(*sequencer),
            SignerState::Invalid => None,
        }
    }
}
