//! What the blooms of L2 blocks tell of the sequencer set's logs. A node answers `eth_getLogs` from an
//! index, which may have holes that it does not know of; a block's bloom is part of the block.

use super::fetch::header_call;
use crate::abi::MetisSequencerSet::MetisSequencerSetEvents;
use crate::error::DecodeFault;
use crate::json::Quantity;
use crate::rpc::{Attempt, BATCH_CALLS_MAX, Call, Fault, FaultKind, call};
use alloy::primitives::{Address, B256, Bloom};
use alloy::rpc::types::Log;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;

/// The events of a contract, as blooms tell of them.
#[derive(Debug)]
pub(crate) struct Blooms {
    contract: Address,
    /// Each event's topic, and what the bloom of a block with such an event has at least.
    events: Vec<(B256, Bloom)>,
}

/// A block that has events of these topics by its bloom. A bloom may tell of too many, but never of too few.
#[derive(Debug)]
pub(crate) struct Hint {
    pub(crate) block: u64,
    hash: B256,
    topics: Vec<B256>,
}

/// A block with the hashes of its transactions.
#[derive(Deserialize)]
struct Hashes {
    number: Quantity,
    hash: B256,
    transactions: Vec<B256>,
}

/// A receipt, as far as it tells of logs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    transaction_hash: B256,
    block_hash: B256,
    logs: Vec<ReceiptLog>,
}

#[derive(Deserialize)]
struct ReceiptLog {
    address: Address,
    topics: Vec<B256>,
}

impl Blooms {
    /// Those of the sequencer set.
    pub(crate) fn new(contract: Address) -> Self {
        let event = |topic: &[u8; 32]| {
            let (topic, mut bloom) = (B256::from(*topic), Bloom::ZERO);
            bloom.accrue_raw_log(contract, &[topic]);
            (topic, bloom)
        };
        Self { contract, events: MetisSequencerSetEvents::SELECTORS.iter().map(event).collect() }
    }

    /// What the bloom of a block tells. Without one, or with zeros in its place, it is nothing.
    pub(crate) fn hint(&self, block: u64, hash: B256, bloom: Option<&Bloom>) -> Option<Hint> {
        let bloom = bloom?;
        let topics: Vec<B256> =
            self.events.iter().filter(|(_, event)| bloom.contains(event)).map(|(topic, _)| *topic).collect();
        (!topics.is_empty()).then_some(Hint { block, hash, topics })
    }

    /// Checks that `logs`, which an endpoint gave of the blocks of some hints, lack none: where there is no
    /// log that a bloom tells of, the receipts of the block say whether there has to be one. The inner error
    /// is of a block that is another one there.
    pub(crate) async fn check(
        &self,
        attempt: &Attempt,
        hints: &[&Hint],
        logs: &[Log],
    ) -> Result<Result<(), DecodeFault>, Fault> {
        let place = |log: &Log| Some((log.block_number?, *log.topics().first()?));
        let given: BTreeSet<(u64, B256)> = logs.iter().filter_map(place).collect();
        let is_open = |hint: &Hint| hint.topics.iter().any(|topic| !given.contains(&(hint.block, *topic)));
        let open: Vec<&Hint> = hints.iter().copied().filter(|hint| is_open(hint)).collect();
        // Not all at once: whoever answers says how long the lists of transactions are.
        for hints in open.chunks(BATCH_CALLS_MAX) {
            let calls: Vec<Call> = hints.iter().map(|hint| header_call(hint.block)).collect();
            let blocks = attempt.all::<Hashes>("a block", &calls).await?;
            let mut transactions = Vec::new();
            for (hint, block) in hints.iter().zip(blocks) {
                let number = hint.block;
                let block = block.ok_or_else(|| behind(format!("it has no block {number}")))?;
                if block.number.0 != number {
                    let found = block.number.0;
                    return Err(Fault::inconsistent(format!(
                        "asked for block {number}, it gave block {found}"
                    )));
                }
                if block.hash != hint.hash {
                    let (expected, found) = (hint.hash.to_string(), block.hash.to_string());
                    let what = "the hash";
                    return Ok(Err(DecodeFault::OtherBlock { block: number, what, expected, found }));
                }
                transactions.extend(block.transactions.into_iter().map(|transaction| (*hint, transaction)));
            }
            for transactions in transactions.chunks(BATCH_CALLS_MAX) {
                self.check_receipts(attempt, transactions, &given).await?;
            }
        }
        Ok(Ok(()))
    }

    async fn check_receipts(
        &self,
        attempt: &Attempt,
        transactions: &[(&Hint, B256)],
        given: &BTreeSet<(u64, B256)>,
    ) -> Result<(), Fault> {
        let receipt = |hash: &B256| call("eth_getTransactionReceipt", json!([hash]));
        let calls: Vec<Call> = transactions.iter().map(|(_, hash)| receipt(hash)).collect();
        let receipts = attempt.all::<Receipt>("a receipt", &calls).await?;
        for (receipt, (hint, hash)) in receipts.into_iter().zip(transactions) {
            let (number, contract) = (hint.block, self.contract);
            let lacks = || behind(format!("it has no receipt of transaction {hash} in block {number}"));
            let receipt = receipt.ok_or_else(lacks)?;
            if receipt.transaction_hash != *hash || receipt.block_hash != hint.hash {
                return Err(Fault::inconsistent(format!(
                    "the receipt of transaction {hash} of block {} is given as that of {} of block {}",
                    hint.hash, receipt.transaction_hash, receipt.block_hash
                )));
            }
            for topic in
                receipt.logs.iter().filter(|log| log.address == contract).filter_map(ReceiptLog::topic)
            {
                if !given.contains(&(number, topic)) {
                    return Err(Fault::inconsistent(format!(
                        "it lacks logs: block {number} has one of {contract} with topic {topic} by the receipt of \
                         transaction {hash}, but none by eth_getLogs"
                    )));
                }
            }
        }
        Ok(())
    }
}

impl ReceiptLog {
    fn topic(&self) -> Option<B256> {
        self.topics.first().copied()
    }
}

fn behind(reason: String) -> Fault {
    Fault::temporary(FaultKind::Behind, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::MetisSequencerSet::{NewEpoch, ReCommitEpoch};
    use alloy::primitives::address;
    use alloy::sol_types::SolEvent;

    /// A hint takes the contract's address and a topic of it; one of the two is some other contract's log.
    #[test]
    fn only_a_bloom_with_the_address_and_a_topic_is_a_hint() {
        let set = address!("0x0fe382b74C3894B65c10E5C12ae60Bbd8FAf5b48");
        let other = address!("0x9E32b13ce7f2E80A01932B42553652E053D6ed8e");
        let (span, recommit) = (NewEpoch::SIGNATURE_HASH, ReCommitEpoch::SIGNATURE_HASH);
        let unknown = B256::repeat_byte(0x11);
        let topics = |logs: &[(Address, B256)]| {
            let mut bloom = Bloom::ZERO;
            for (address, topic) in logs {
                bloom.accrue_raw_log(*address, &[*topic, B256::ZERO]);
            }
            Blooms::new(set).hint(7, B256::ZERO, Some(&bloom)).map(|hint| hint.topics).unwrap_or_default()
        };
        assert_eq!(topics(&[(set, span)]), [span]);
        assert_eq!(topics(&[(set, recommit), (other, unknown)]), [recommit]);
        assert_eq!(topics(&[(other, span)]), [B256::ZERO; 0]);
        assert_eq!(topics(&[(set, unknown)]), [B256::ZERO; 0]);
        // No proof, but nothing that a bloom could tell apart.
        assert_eq!(topics(&[(set, unknown), (other, span)]), [span]);
        assert_eq!(topics(&[]), [B256::ZERO; 0]);
        assert!(Blooms::new(set).hint(7, B256::ZERO, None).is_none());
    }
}
