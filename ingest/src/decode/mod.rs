//! Logs to events. Pure: what an event does not tell is handed in.

mod owners;
mod pool;
mod spans;

pub(crate) use owners::decode_owner;
pub use pool::L1Decoder;
pub use spans::decode_span;

use crate::error::DecodeFault;
use crate::json::ChainLog;
use alloy::primitives::{B256, U256};

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
