//! The events of `MetisSequencerSet`, on L2.

use super::UnknownTopic;
use super::{BlockFacts, abi_fault, check_block, narrow};
use crate::abi::Housekeeping::HousekeepingEvents;
use crate::abi::MetisSequencerSet::MetisSequencerSetEvents as Set;
use crate::decode_fault::DecodeFault;
use crate::json::ChainLog;
use alloy::sol_types::SolEventInterface;
use tally_engine::{L2Block, SpanEvent, SpanId, SpanRecord};
use tally_eventlog::LogIdentity;

/// The span event of one L2 log, or `None` if it is none.
///
/// # Errors
///
/// [`DecodeFault`] if the log is not of `block` or is not what its topic says.
pub fn decode_span(
    identity: &LogIdentity,
    log: &ChainLog,
    block: &BlockFacts,
    unknown: &mut Vec<UnknownTopic>,
) -> Result<Option<SpanRecord>, DecodeFault> {
    if log.address != identity.sequencer_set {
        return Ok(None);
    }
    check_block(log, block)?;
    let topic = log.topics.first().copied();
    let is_of = |selectors: &[[u8; 32]]| topic.is_some_and(|topic| selectors.contains(&topic.0));
    if !is_of(Set::SELECTORS) {
        if !is_of(HousekeepingEvents::SELECTORS) {
            let (block, transaction) = (log.block, log.transaction_hash);
            unknown.push(UnknownTopic { contract: log.address, block, transaction, topic });
        }
        return Ok(None);
    }
    let event = Set::decode_raw_log(&log.topics, &log.data).map_err(|error| abi_fault(log, &error))?;
    let event = match event {
        Set::NewEpoch(event) => SpanEvent::NewEpoch {
            span: SpanId(narrow("epochId", event.epochId)?),
            start: L2Block(narrow("startBlock", event.startBlock)?),
            end: L2Block(narrow("endBlock", event.endBlock)?),
            signer: event.signer,
        },
        Set::ReCommitEpoch(event) => SpanEvent::ReCommitEpoch {
            old_span: SpanId(narrow("oldEpochId", event.oldEpochId)?),
            new_span: SpanId(narrow("newEpochId", event.newEpochId)?),
            current_span: SpanId(narrow("curEpochId", event.curEpochId)?),
            start: L2Block(narrow("startBlock", event.startBlock)?),
            end: L2Block(narrow("endBlock", event.endBlock)?),
            new_signer: event.newSigner,
        },
        Set::EpochUpdated(event) => {
            SpanEvent::EpochUpdated { new_length_blocks: narrow("_newLength", event._newLength)? }
        }
        Set::MpcAddressUpdated(event) => SpanEvent::MpcAddressUpdated { new_mpc: event._newMpcAddress },
    };
    Ok(Some(SpanRecord {
        block: L2Block(log.block),
        block_hash: log.block_hash,
        transaction_hash: log.transaction_hash,
        log_index: log.log_index,
        event,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::B256;
    use alloy::primitives::{Address, Bytes, address, b256, hex};
    use tally_engine::L1Block;
    use tally_engine::PoolGenesis;

    fn identity() -> LogIdentity {
        LogIdentity {
            l1_chain_id: 1,
            l2_chain_id: 1_088,
            locking_info: address!("0x0fe382b74C3894B65c10E5C12ae60Bbd8FAf5b48"),
            locking_pool: address!("0xD54c868362C2098E0E46F12E7D924C6A332952Dd"),
            metis_token: address!("0x9E32b13ce7f2E80A01932B42553652E053D6ed8e"),
            sequencer_set: address!("0x0fe382b74C3894B65c10E5C12ae60Bbd8FAf5b48"),
            l1_first_block: L1Block(19_424_659),
            l2_first_block: L2Block(15_214_334),
            genesis: PoolGenesis { ..crate::contract_defaults(L1Block(19_424_665)) },
        }
    }

    fn log(address: Address, topics: Vec<B256>, data: Bytes) -> ChainLog {
        ChainLog {
            address,
            topics,
            data,
            block: 15_214_334,
            block_hash: B256::ZERO,
            block_timestamp: None,
            transaction_hash: B256::ZERO,
            log_index: 0,
        }
    }

    /// The first span of Andromeda, as its log is on the chain.
    #[test]
    fn the_first_span_of_mainnet_is_decoded() {
        let identity = identity();
        let topics =
            vec![b256!("0x9030849b7c46dbbea7911d67c5814a2ab19c0704c448defc9b87589447844cc6"), B256::ZERO];
        let data = hex!(
            "0000000000000000000000000000000000000000000000000000000000e827c3"
            "0000000000000000000000000000000000000000000000000000000000e82baa"
            "000000000000000000000000a233cc81fc6c12e3318ea71ec5d7bba78c706b04"
        );
        let facts = BlockFacts { number: 15_214_334, hash: B256::ZERO, timestamp: 0 };
        let mut unknown = Vec::new();
        let real = log(identity.sequencer_set, topics.clone(), data.into());
        let record = decode_span(&identity, &real, &facts, &mut unknown).expect("decodes").expect("is one");
        let signer = address!("0xa233cc81fc6c12e3318ea71ec5d7bba78c706b04");
        let expected = SpanEvent::NewEpoch {
            span: SpanId(0),
            start: L2Block(15_214_531),
            end: L2Block(15_215_530),
            signer,
        };
        assert_eq!(record.event, expected);
        // The same log of any other contract is a decoy.
        let decoy = log(signer, topics.clone(), data.into());
        assert_eq!(decode_span(&identity, &decoy, &facts, &mut unknown).expect("decodes"), None);
        assert_eq!(unknown, []);
        // And an event that nobody knows is reported.
        let odd = log(identity.sequencer_set, vec![B256::repeat_byte(1)], Bytes::new());
        assert_eq!(decode_span(&identity, &odd, &facts, &mut unknown).expect("decodes"), None);
        assert_eq!(unknown.len(), 1);
    }
}
