//! What can be wrong with a record of the pool.

use super::Status;
use crate::ids::{BatchId, L1Block, SequencerId};
use crate::money::AmountError;
use alloc::string::String;
use alloy_primitives::{Address, B256};

/// A record that no history of the contracts can contain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event} in L1 block {block}, log {log_index} (transaction {transaction_hash}): {fault}")]
pub struct PoolError {
    /// The contract's name of the event.
    pub event: &'static str,
    /// The L1 block of the event.
    pub block: L1Block,
    /// Where in the block.
    pub log_index: u64,
    /// The transaction that emitted it.
    pub transaction_hash: B256,
    /// What is wrong with the record.
    pub fault: PoolFault,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolFault {
    /// No `Locked` event introduced the sequencer.
    #[error("sequencer {sequencer} is unknown: the last one that locked is {last}")]
    UnknownSequencer {
        /// The sequencer that the record names.
        sequencer: SequencerId,
        /// The last one there is, 0 for none.
        last: SequencerId,
    },
    /// Sequencer ids are given in order.
    #[error("sequencer {found} locks where {expected} is next")]
    NotNextSequencer {
        /// The id that is next.
        expected: SequencerId,
        /// The id of the event.
        found: SequencerId,
    },
    /// The signer was used before, by this or another sequencer.
    #[error("signer {signer} was used before, by sequencer {sequencer}")]
    SignerReused {
        /// The signer that is not fresh.
        signer: Address,
        /// Whose it was; 0 if it was invalidated.
        sequencer: SequencerId,
    },
    /// The operation is not open to a sequencer of this status.
    #[error("sequencer {sequencer} is {found:?}, not {expected:?}")]
    WrongStatus {
        /// The sequencer that the record is about.
        sequencer: SequencerId,
        /// What it would have to be.
        expected: Status,
        /// The status that it has.
        found: Status,
    },
    /// Batches are paid in order.
    #[error("batch {found} is paid where {expected} is next")]
    NotNextBatch {
        /// The number that is next.
        expected: BatchId,
        /// The batch of the event.
        found: BatchId,
    },
    /// The contract credits present signers only.
    #[error("{blocks} blocks are credited to {signer}, which is not the signer of any sequencer now")]
    UncreditableSigner {
        /// The signer that is credited.
        signer: Address,
        /// How many blocks it is credited with.
        blocks: u64,
    },
    /// A sum that does not work out.
    #[error("{what}: {error}")]
    Amount {
        /// The sum that was being computed.
        what: &'static str,
        /// The operation and both values.
        error: AmountError,
    },
}

/// Something a record claims that the records before it do not add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discrepancy {
    /// The contract's name of the event.
    pub event: &'static str,
    /// The L1 block of the event.
    pub block: L1Block,
    /// Where in the block.
    pub log_index: u64,
    /// The transaction that emitted it.
    pub transaction_hash: B256,
    /// Whose, where it is a sequencer's.
    pub sequencer: Option<SequencerId>,
    /// What is claimed, by the contract's name of it.
    pub claim: &'static str,
    /// What the records before add up to.
    pub expected: String,
    /// What the record says.
    pub found: String,
}

impl core::fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { event, block, log_index, transaction_hash, claim, expected, found, .. } = self;
        write!(f, "{event} in L1 block {block}, log {log_index} (transaction {transaction_hash}): ")?;
        write!(f, "{claim} is {found}, but the events before it give {expected}")
    }
}
