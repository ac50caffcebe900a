//! What a log is of: the chains, the contracts and where it begins.

use crate::Chain;
use crate::stored::{address, l1_block, l2_block};
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use tally_engine::{L1Block, L2Block, PoolGenesis};

/// The chains and contracts of a log. Set once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIdentity {
    /// The chain id of the L1.
    pub l1_chain_id: u64,
    /// The chain id of the L2.
    pub l2_chain_id: u64,
    /// `LockingInfo`, the escrow, on L1.
    #[serde(with = "address")]
    pub locking_info: Address,
    /// `LockingPool`, the manager, on L1.
    #[serde(with = "address")]
    pub locking_pool: Address,
    /// The METIS token, on L1.
    #[serde(with = "address")]
    pub metis_token: Address,
    /// The contract `MetisSequencerSet`, on L2.
    #[serde(with = "address")]
    pub sequencer_set: Address,
    /// The first L1 block that is looked at.
    #[serde(with = "l1_block")]
    pub l1_first_block: L1Block,
    /// The first L2 block of the log.
    #[serde(with = "l2_block")]
    pub l2_first_block: L2Block,
    /// What the contracts' initialisers set.
    #[serde(with = "crate::stored::PoolGenesisDef")]
    pub genesis: PoolGenesis,
}

impl LogIdentity {
    /// The chain id of one of its chains.
    pub const fn chain_id(&self, chain: Chain) -> u64 {
        match chain {
            Chain::L1 => self.l1_chain_id,
            Chain::L2 => self.l2_chain_id,
        }
    }

    /// The first thing in which `other` differs: its name, this value and the other one.
    pub fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let ours = self.named_values();
        let theirs = other.named_values();
        let mut pairs = ours.into_iter().zip(theirs);
        let ((name, ours), (_, theirs)) = pairs.find(|((_, ours), (_, theirs))| ours != theirs)?;
        Some((name, ours, theirs))
    }

    fn named_values(&self) -> [(&'static str, String); 15] {
        let Self { l1_chain_id, l2_chain_id, genesis, .. } = self;
        [
            ("L1 chain id", l1_chain_id.to_string()),
            ("L2 chain id", l2_chain_id.to_string()),
            ("LockingInfo contract", self.locking_info.to_string()),
            ("LockingPool contract", self.locking_pool.to_string()),
            ("METIS token", self.metis_token.to_string()),
            ("MetisSequencerSet contract", self.sequencer_set.to_string()),
            ("first L1 block", self.l1_first_block.to_string()),
            ("first L2 block", self.l2_first_block.to_string()),
            ("block of the pool's initialiser", genesis.batch_block.to_string()),
            ("first batch", genesis.batch.to_string()),
            ("initial reward per block", genesis.reward_per_block.to_string()),
            ("initial minLock", genesis.min_lock.to_string()),
            ("initial maxLock", genesis.max_lock.to_string()),
            ("initial exit delay", genesis.exit_delay_secs.to_string()),
            ("initial signer update throttle", genesis.signer_update_throttle_batches.to_string()),
        ]
    }
}
