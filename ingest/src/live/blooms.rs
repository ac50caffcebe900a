//! What the blooms of L2 blocks tell of the sequencer set's logs. A node answers `eth_getLogs` from an
//! index, which may have holes that it does not know of; a block's bloom is part of the block.

use super::receipts::{InBlock, check_logs, check_same, for_each_receipt};
use crate::abi::MetisSequencerSet::MetisSequencerSetEvents;
use crate::decode_fault::DecodeFault;
use crate::fetch::{Filter, header_call};
use crate::json::{ChainLog, Hashes};
use crate::rpc::{Attempt, BATCH_CALLS_MAX, Call, Fault, FaultKind};
use alloy::primitives::{Address, B256, Bloom};
use std::collections::BTreeSet;

/// The events of a contract, as blooms tell of them.
#[derive(Debug)]
pub(crate) struct Blooms {
    contract: Filter,
    /// What the bloom of a block with such an event has at least.
    events: Vec<Bloom>,
}

/// A block that may have events of the contract.
#[derive(Debug)]
pub(crate) struct Hint {
    pub(crate) block: u64,
    hash: B256,
    kind: HintKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HintKind {
    /// Its bloom tells so. A bloom may tell of too many, but never of too few.
    Bloom,
    /// It has no bloom, or zeros in its place.
    Blind,
}

impl Blooms {
    /// Those of the sequencer set.
    pub(crate) fn new(contract: Address) -> Self {
        let event = |topic: &[u8; 32]| {
            let mut bloom = Bloom::ZERO;
            bloom.accrue_raw_log(contract, &[B256::from(*topic)]);
            bloom
        };
        let events = MetisSequencerSetEvents::SELECTORS.iter().map(event).collect();
        Self { contract: Filter { addresses: vec![contract], topics: Vec::new() }, events }
    }

    /// What the bloom of a block tells; `None` if it has no event.
    pub(crate) fn hint(&self, block: u64, hash: B256, bloom: Option<&Bloom>) -> Option<Hint> {
        let kind = match bloom.filter(|bloom| !bloom.is_zero()) {
            None => HintKind::Blind,
            Some(bloom) if self.events.iter().any(|event| bloom.contains(event)) => HintKind::Bloom,
            Some(_) => return None,
        };
        Some(Hint { block, hash, kind })
    }

    /// Checks that `logs`, which an endpoint gave of the blocks of some hints, are those that the receipts of these
    /// blocks' transactions have. Blocks without a bloom are looked at only where nothing else shows that the node has
    /// their logs (`is_proven` is false). The inner error is of a block that is another one there.
    pub(crate) async fn check(
        &self,
        attempt: &Attempt,
        hints: &[&Hint],
        logs: &[ChainLog],
        is_proven: bool,
    ) -> Result<Result<(), DecodeFault>, Fault> {
        let counts = |hint: &&Hint| hint.kind == HintKind::Bloom || !is_proven;
        let hints: Vec<&Hint> = hints.iter().copied().filter(counts).collect();
        let mut seen: BTreeSet<(u64, B256)> = BTreeSet::new();
        // Not all at once: whoever answers says how long the lists of transactions are.
        for hints in hints.chunks(BATCH_CALLS_MAX) {
            let calls: Vec<Call> = hints.iter().map(|hint| header_call(hint.block)).collect();
            let blocks = attempt.all::<Hashes>("a block", &calls).await?;
            let mut transactions = Vec::new();
            for (hint, found) in hints.iter().zip(blocks) {
                let block = hint.block;
                let lacks = || Fault::temporary(FaultKind::Behind, format!("it has no block {block}"));
                let found = found.ok_or_else(lacks)?;
                if found.number.0 != block {
                    let found = found.number.0;
                    return Err(Fault::inconsistent(format!(
                        "asked for block {block}, it gave block {found}"
                    )));
                }
                if found.hash != hint.hash {
                    let (expected, found) = (hint.hash.to_string(), found.hash.to_string());
                    return Ok(Err(DecodeFault::OtherBlock { block, what: "the hash", expected, found }));
                }
                let in_block = |transaction| InBlock { transaction, block, block_hash: hint.hash };
                transactions.extend(found.transactions.into_iter().map(in_block));
            }
            seen.extend(transactions.iter().map(|checked| (checked.block, checked.transaction)));
            let filters = std::slice::from_ref(&self.contract);
            for_each_receipt(attempt, &transactions, |wanted, made| {
                let of_it =
                    |log: &&ChainLog| (log.block, log.transaction_hash) == (wanted.block, wanted.transaction);
                let given: Vec<&ChainLog> = logs.iter().filter(of_it).collect();
                check_same(wanted, &given, made, filters)
            })
            .await?;
        }
        // Whatever it gave besides.
        let others: Vec<ChainLog> =
            logs.iter().filter(|log| !seen.contains(&(log.block, log.transaction_hash))).cloned().collect();
        check_logs(attempt, std::slice::from_ref(&self.contract), &others).await.map(Ok)
    }
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
        let kind = |logs: &[(Address, B256)]| {
            let mut bloom = Bloom::ZERO;
            for (address, topic) in logs {
                bloom.accrue_raw_log(*address, &[*topic, B256::ZERO]);
            }
            Blooms::new(set).hint(7, B256::ZERO, Some(&bloom)).map(|hint| hint.kind)
        };
        assert_eq!(kind(&[(set, span)]), Some(HintKind::Bloom));
        assert_eq!(kind(&[(set, recommit), (other, unknown)]), Some(HintKind::Bloom));
        assert_eq!(kind(&[(other, span)]), None);
        assert_eq!(kind(&[(set, unknown)]), None);
        // No proof, but nothing that a bloom could tell apart.
        assert_eq!(kind(&[(set, unknown), (other, span)]), Some(HintKind::Bloom));
        assert_eq!(kind(&[]), Some(HintKind::Blind), "zeros may stand in the place of a bloom");
        let none = Blooms::new(set).hint(7, B256::ZERO, None).map(|hint| hint.kind);
        assert_eq!(none, Some(HintKind::Blind));
    }
}
