//! The receipts of transactions: which logs a transaction made by the chain itself, and not by a node's index of
//! logs, which may have holes that the node does not know of.

use crate::fetch::Filter;
use crate::json::{ChainLog, Quantity};
use crate::rpc::{Attempt, BATCH_CALLS_MAX, Call, Fault, FaultKind, call};
use alloy::primitives::{Address, B256, Bytes};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// A transaction, and the block that it is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InBlock {
    pub(crate) transaction: B256,
    pub(crate) block: u64,
    pub(crate) block_hash: B256,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransactionReceipt {
    transaction_hash: B256,
    block_hash: B256,
    logs: Vec<ReceiptLog>,
}

/// A log as a receipt has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceiptLog {
    pub(crate) address: Address,
    pub(crate) topics: Vec<B256>,
    data: Bytes,
    log_index: Quantity,
}

/// Hands the logs of each transaction, by its receipt, to `check`. Not all receipts at once: whoever answers says how
/// long they are.
pub(crate) async fn for_each_receipt(
    attempt: &Attempt,
    transactions: &[InBlock],
    mut check: impl FnMut(&InBlock, Vec<ReceiptLog>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    for part in transactions.chunks(BATCH_CALLS_MAX) {
        let receipt = |wanted: &InBlock| call("eth_getTransactionReceipt", json!([wanted.transaction]));
        let calls: Vec<Call> = part.iter().map(receipt).collect();
        let receipts = attempt.all::<TransactionReceipt>("a receipt", &calls).await?;
        for (receipt, wanted) in receipts.into_iter().zip(part) {
            let InBlock { transaction, block, block_hash } = *wanted;
            let lacks = || {
                let reason = format!("it has no receipt of transaction {transaction} in block {block}");
                Fault::temporary(FaultKind::Behind, reason)
            };
            let receipt = receipt.ok_or_else(lacks)?;
            if receipt.transaction_hash != transaction || receipt.block_hash != block_hash {
                return Err(Fault::inconsistent(format!(
                    "the receipt of transaction {transaction} of block {block_hash} is given as that of {} of block {}",
                    receipt.transaction_hash, receipt.block_hash
                )));
            }
            check(wanted, receipt.logs)?;
        }
    }
    Ok(())
}

/// Checks that of each transaction that has some of `logs`, these are all logs that the filters fit: by its receipt,
/// one by one, with all that they say.
pub(crate) async fn check_logs(
    attempt: &Attempt,
    filters: &[Filter],
    logs: &[ChainLog],
) -> Result<(), Fault> {
    let mut given: BTreeMap<(u64, B256, B256), Vec<&ChainLog>> = BTreeMap::new();
    for log in logs {
        given.entry((log.block, log.transaction_hash, log.block_hash)).or_default().push(log);
    }
    let place = |(block, transaction, block_hash): &(u64, B256, B256)| InBlock {
        transaction: *transaction,
        block: *block,
        block_hash: *block_hash,
    };
    let transactions: Vec<InBlock> = given.keys().map(place).collect();
    for_each_receipt(attempt, &transactions, |wanted, made| {
        let place = (wanted.block, wanted.transaction, wanted.block_hash);
        check_same(wanted, given.get(&place).map(Vec::as_slice).unwrap_or_default(), made, filters)
    })
    .await
}

/// Checks that the logs which `eth_getLogs` gave of a transaction, in order, are those that it made by its receipt
/// and that the filters fit.
pub(crate) fn check_same(
    wanted: &InBlock,
    given: &[&ChainLog],
    mut made: Vec<ReceiptLog>,
    filters: &[Filter],
) -> Result<(), Fault> {
    let InBlock { transaction, block, .. } = wanted;
    made.retain(|log| filters.iter().any(|filter| filter.fits(&log.address, &log.topics)));
    made.sort_by_key(|log| log.log_index.0);
    let is_same = |given: &ChainLog, made: &ReceiptLog| {
        (given.address, given.log_index) == (made.address, made.log_index.0)
            && (&given.topics, &given.data) == (&made.topics, &made.data)
    };
    let lacks = made.iter().find(|made| !given.iter().any(|given| given.log_index == made.log_index.0));
    if let Some(ReceiptLog { address, topics, .. }) = lacks {
        let topic = topics.first().map_or("none".into(), ToString::to_string);
        return Err(Fault::inconsistent(format!(
            "it lacks logs: block {block} has one of {address} with topic {topic} by the receipt of transaction \
             {transaction}, but none by eth_getLogs"
        )));
    }
    if made.len() != given.len() || !given.iter().zip(&made).all(|(given, made)| is_same(given, made)) {
        return Err(Fault::inconsistent(format!(
            "the logs of transaction {transaction} in block {block} are others by its receipt than by eth_getLogs"
        )));
    }
    Ok(())
}
