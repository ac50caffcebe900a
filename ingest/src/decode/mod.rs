//! Logs to events. Pure: what an event does not tell is handed in.

mod owners;
mod pool;
mod spans;

pub(crate) use owners::decode_owner;
pub use pool::L1Decoder;
pub use spans::decode_span;

use crate::decode_fault::DecodeFault;
use crate::json::ChainLog;
use alloy::primitives::{Address, B256, U256};

/// What is known of the block that logs are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockFacts {
    /// The number of the block.
    pub number: u64,
    /// The hash of the block.
    pub hash: B256,
    /// The timestamp of the block, in Unix seconds.
    pub timestamp: u64,
}

/// A log of one of the pool's contracts whose topic nobody here knows. It is left out of the log, so
/// whoever ingests has to hear of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTopic {
    /// The contract that the log is of.
    pub contract: Address,
    /// The block that the log is in.
    pub block: u64,
    /// The transaction that made the log.
    pub transaction: B256,
    /// The topic, or `None` if the log has none.
    pub topic: Option<B256>,
}

fn abi_fault(log: &ChainLog, error: &alloy::sol_types::Error) -> DecodeFault {
    DecodeFault::Abi {
        block: log.block,
        log_index: log.log_index,
        transaction: log.transaction_hash,
        reason: error.to_string(),
    }
}

/// Checks a log against the header of its block.
pub(crate) fn check_block(log: &ChainLog, block: &BlockFacts) -> Result<(), DecodeFault> {
    let other = |what, expected: String, found: String| {
        Err(DecodeFault::OtherBlock { block: log.block, what, expected, found })
    };
    if log.block_hash != block.hash {
        return other("the hash", block.hash.to_string(), log.block_hash.to_string());
    }
    match log.block_timestamp {
        Some(time) if time != block.timestamp => {
            other("the timestamp", block.timestamp.to_string(), time.to_string())
        }
        _ => Ok(()),
    }
}

pub(crate) fn narrow(what: &'static str, value: U256) -> Result<u64, DecodeFault> {
    u64::try_from(value).map_err(|_| DecodeFault::TooLarge { what, value, max: u64::MAX })
}
