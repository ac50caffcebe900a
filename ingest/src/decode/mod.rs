//! Logs to events. Pure: what an event does not tell is handed in.

mod pool;
mod spans;

pub use pool::L1Decoder;
pub use spans::decode_span;

use crate::error::DecodeFault;
use alloy::primitives::{B256, U256};
use alloy::rpc::types::Log;

/// What is known of the block that logs are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockFacts {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its timestamp.
    pub timestamp: u64,
}

/// The place of a log, all of whose fields a mined log has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) block: u64,
    pub(crate) block_hash: B256,
    pub(crate) transaction: B256,
    pub(crate) log_index: u64,
}

impl Place {
    pub(crate) fn of(log: &Log) -> Result<Self, DecodeFault> {
        let unmined = |field| DecodeFault::Unmined { block: log.block_number, field };
        let place = Self {
            block: log.block_number.ok_or_else(|| unmined("blockNumber"))?,
            block_hash: log.block_hash.ok_or_else(|| unmined("blockHash"))?,
            transaction: log.transaction_hash.ok_or_else(|| unmined("transactionHash"))?,
            log_index: log.log_index.ok_or_else(|| unmined("logIndex"))?,
        };
        if log.removed {
            return Err(DecodeFault::Removed { block: place.block, log_index: place.log_index });
        }
        Ok(place)
    }

    pub(crate) fn abi(&self, error: &alloy::sol_types::Error) -> DecodeFault {
        DecodeFault::Abi {
            block: self.block,
            log_index: self.log_index,
            transaction: self.transaction,
            reason: error.to_string(),
        }
    }
}

/// Checks a log against the header of its block.
pub(crate) fn check_block(log: &Log, place: &Place, block: &BlockFacts) -> Result<(), DecodeFault> {
    let other = |what, expected: String, found: String| {
        Err(DecodeFault::OtherBlock { block: place.block, what, expected, found })
    };
    if place.block_hash != block.hash {
        return other("the hash", block.hash.to_string(), place.block_hash.to_string());
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
