//! Who owns the pool's contracts, on L1.

use super::{BlockFacts, abi_fault, check_block};
use crate::abi::Housekeeping::OwnershipTransferred;
use crate::decode_fault::DecodeFault;
use crate::json::ChainLog;
use alloy::sol_types::SolEvent;
use tally_engine::{L1Block, UnixTime};
use tally_eventlog::{LogIdentity, OwnerRecord};

/// The owner event that a log of `block` is, or `None` if it is something else or of another contract.
///
/// # Errors
///
/// [`DecodeFault`] if the log is not of `block`, or not what its topic says.
pub(crate) fn decode_owner(
    identity: &LogIdentity,
    log: &ChainLog,
    block: &BlockFacts,
) -> Result<Option<OwnerRecord>, DecodeFault> {
    let is_ours = [identity.locking_info, identity.locking_pool].contains(&log.address);
    if !is_ours || log.topics.first() != Some(&OwnershipTransferred::SIGNATURE_HASH) {
        return Ok(None);
    }
    check_block(log, block)?;
    let event = OwnershipTransferred::decode_raw_log(&log.topics, &log.data);
    let event = event.map_err(|error| abi_fault(log, &error))?;
    Ok(Some(OwnerRecord {
        block: L1Block(log.block),
        block_hash: log.block_hash,
        timestamp: UnixTime(block.timestamp),
        transaction_hash: log.transaction_hash,
        log_index: log.log_index,
        contract: log.address,
        previous_owner: event.previousOwner,
        new_owner: event.newOwner,
    }))
}
