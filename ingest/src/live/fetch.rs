//! What is asked of a node, and how its answers are checked: headers, logs of ranges that adapt to what it
//! gives at once, the inputs of transactions.

use crate::json::{Header, LogObject};
use crate::rpc::{Attempt, Call, Fault, FaultKind, RpcError, call};
use alloy::primitives::{Address, B256, Bytes};
use alloy::rpc::types::Log;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Mutex;
use tally_engine::UnixTime;
use tally_eventlog::RecentBlock;

/// The first range of blocks to ask logs of: what nearly every provider gives.
const RANGE_FIRST: u64 = 2_000;

/// The largest range. Logs of the pool are rare; what is above costs a node more than it saves us.
const RANGE_MAX: u64 = 100_000;

/// After so many good answers a range that was refused is tried again.
const FORGET_AFTER: u64 = 64;

/// How many blocks logs are asked of at once, by what was refused so far.
#[derive(Debug)]
pub(crate) struct Range(Mutex<Sizes>);

#[derive(Debug)]
struct Sizes {
    now: u64,
    /// The largest size that was not refused lately.
    most: u64,
    good_answers: u64,
}

impl Range {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Sizes { now: RANGE_FIRST, most: RANGE_MAX, good_answers: 0 }))
    }

    fn sizes(&self) -> std::sync::MutexGuard<'_, Sizes> {
        self.0.lock().expect("nobody panics while holding it")
    }

    pub(crate) fn size(&self) -> u64 {
        self.sizes().now
    }

    /// A range of `size` blocks was given.
    pub(crate) fn given(&self, size: u64) {
        let mut sizes = self.sizes();
        sizes.good_answers += 1;
        if sizes.good_answers.is_multiple_of(FORGET_AFTER) {
            sizes.most = sizes.most.saturating_mul(2).min(RANGE_MAX);
        }
        // Only a full range shows that the node gives so many.
        if size >= sizes.now {
            sizes.now = sizes.now.saturating_mul(2).min(sizes.most);
        }
    }

    /// A range of `size` blocks was refused. `hint` is how many the node says that it would give. Returns
    /// `false` if it refuses even one.
    pub(crate) fn refused(&self, size: u64, hint: Option<u64>) -> bool {
        let mut sizes = self.sizes();
        let half = (size / 2).max(1);
        let smaller = hint.filter(|hint| (1..size).contains(hint)).unwrap_or(half);
        sizes.most = sizes.most.min(smaller);
        sizes.now = sizes.now.min(smaller);
        sizes.good_answers = 0;
        size > 1
    }
}

pub(crate) fn header_call(number: u64) -> Call {
    tag_call(&quantity(number))
}

/// The header of a block by its tag.
pub(crate) fn tag_call(tag: &str) -> Call {
    call("eth_getBlockByNumber", json!([tag, false]))
}

pub(crate) fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

/// Which logs to ask for: those of some contracts, perhaps with some topics.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) addresses: Vec<Address>,
    /// What a log has to have first, topic by topic; `None` is any.
    pub(crate) topics: Vec<Option<B256>>,
}

impl Filter {
    pub(crate) fn range(&self, from: u64, to: u64) -> Call {
        let Self { addresses, topics } = self;
        let (from, to) = (quantity(from), quantity(to));
        call(
            "eth_getLogs",
            json!([{ "address": addresses, "topics": topics, "fromBlock": from, "toBlock": to }]),
        )
    }

    pub(crate) fn block(&self, hash: B256) -> Call {
        let Self { addresses, topics } = self;
        call("eth_getLogs", json!([{ "address": addresses, "topics": topics, "blockHash": hash }]))
    }

    /// Whether a log is one of these.
    pub(crate) fn fits(&self, log: &Log) -> bool {
        let (wanted, found) = (&self.topics, log.topics());
        let is_wanted = |(wanted, found): (&Option<B256>, &B256)| wanted.is_none_or(|topic| topic == *found);
        self.addresses.contains(&log.address())
            && wanted.len() <= found.len()
            && wanted.iter().zip(found).all(is_wanted)
    }
}

/// The header with that number, which the node has to have.
pub(crate) fn numbered(header: Option<Header>, number: u64) -> Result<Header, Fault> {
    let Some(header) = header else {
        return Err(Fault::temporary(FaultKind::Behind, format!("it has no block {number}")));
    };
    if header.number.0 != number {
        let found = header.number.0;
        return Err(Fault::inconsistent(format!("asked for block {number}, it gave block {found}")));
    }
    Ok(header)
}

/// Several headers.
pub(crate) async fn headers(attempt: &Attempt, numbers: &[u64]) -> Result<Vec<Header>, Fault> {
    let calls: Vec<Call> = numbers.iter().map(|number| header_call(*number)).collect();
    let headers = attempt.all::<Header>("a header", &calls).await?;
    headers.into_iter().zip(numbers).map(|(header, number)| numbered(header, *number)).collect()
}

impl From<&Header> for RecentBlock {
    fn from(header: &Header) -> Self {
        let timestamp = UnixTime(header.timestamp.0);
        Self { number: header.number.0, hash: header.hash, timestamp }
    }
}

/// The logs of several answers, of blocks `from..=to`, as one list in the chain's order. What several filters
/// fit, like a transfer from the escrow to itself, is in several answers, and comes once.
pub(crate) fn merged(lists: Vec<Option<Vec<LogObject>>>, from: u64, to: u64) -> Result<Vec<Log>, Fault> {
    let mut logs: Vec<(usize, Log)> = Vec::new();
    for (answer, list) in lists.into_iter().enumerate() {
        let list = list.ok_or_else(|| Fault::inconsistent("it gave null for a list of logs".into()))?;
        for log in list {
            let log = log.into_log().map_err(|fault| Fault::inconsistent(fault.to_string()))?;
            let number = log.block_number.unwrap_or_default();
            if !(from..=to).contains(&number) {
                let asked = format!("asked for logs of blocks {from} to {to}");
                return Err(Fault::inconsistent(format!("{asked}, it gave one of block {number}")));
            }
            logs.push((answer, log));
        }
    }
    let place = |log: &Log| (log.block_number, log.log_index);
    logs.sort_by_key(|(_, log)| place(log));
    for pair in logs.windows(2) {
        let [(answer, log), (other_answer, other)] = pair else { continue };
        if place(log) != place(other) {
            continue;
        }
        let (block, index) = (log.block_number.unwrap_or_default(), log.log_index.unwrap_or_default());
        if answer == other_answer {
            return Err(Fault::inconsistent(format!("it gave log {index} of block {block} twice")));
        }
        if log != other {
            let of = |log: &Log| {
                let transaction = log.transaction_hash.unwrap_or_default();
                format!("one of {} in transaction {transaction}", log.address())
            };
            let (one, other) = (of(log), of(other));
            return Err(Fault::inconsistent(format!(
                "it gave two logs {index} of block {block} that differ: {one}, and {other}"
            )));
        }
    }
    logs.dedup_by_key(|(_, log)| place(log));
    Ok(logs.into_iter().map(|(_, log)| log).collect())
}

/// The blocks of some logs, in order, each once.
pub(crate) fn blocks_of(logs: &[Log]) -> Vec<u64> {
    let mut blocks: Vec<u64> = logs.iter().filter_map(|log| log.block_number).collect();
    blocks.dedup();
    blocks
}

/// Whether a log and the header of its block are of one branch.
pub(crate) fn check_log(log: &Log, header: &RecentBlock) -> Result<(), Fault> {
    if log.block_hash == Some(header.hash) {
        return Ok(());
    }
    let (number, expected) = (header.number, header.hash);
    let found = log.block_hash.unwrap_or_default();
    Err(Fault::inconsistent(format!("block {number} is {found} by its logs, but {expected} by its header")))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    hash: B256,
    block_hash: Option<B256>,
    input: Bytes,
}

/// The inputs of the transactions of some logs.
pub(crate) async fn inputs(attempt: &Attempt, logs: &[&Log]) -> Result<BTreeMap<B256, Bytes>, Fault> {
    let mut wanted: Vec<(B256, Option<B256>)> =
        logs.iter().filter_map(|log| Some((log.transaction_hash?, log.block_hash))).collect();
    wanted.dedup();
    let get = |hash: &B256| call("eth_getTransactionByHash", json!([hash]));
    let calls: Vec<Call> = wanted.iter().map(|(hash, _)| get(hash)).collect();
    let found = attempt.all::<Transaction>("a transaction", &calls).await?;
    let mut inputs = BTreeMap::new();
    for (transaction, (hash, block_hash)) in found.into_iter().zip(wanted) {
        let Some(transaction) = transaction else {
            return Err(Fault::temporary(FaultKind::Behind, format!("it has no transaction {hash}")));
        };
        if transaction.hash != hash || transaction.block_hash != block_hash {
            return Err(Fault::inconsistent(format!(
                "transaction {hash} of block {block_hash:?} is given as {} of block {:?}",
                transaction.hash, transaction.block_hash
            )));
        }
        inputs.insert(hash, transaction.input);
    }
    Ok(inputs)
}

/// That less has to be asked for.
pub(crate) struct AskLess {
    /// How many blocks the node would give, if it says so.
    pub(crate) blocks_max: Option<u64>,
}

/// Whether less has to be asked for.
pub(crate) fn too_much(error: &RpcError) -> Option<AskLess> {
    match error {
        RpcError::TooMuch { blocks_max, .. } => Some(AskLess { blocks_max: *blocks_max }),
        RpcError::GaveUp { .. }
        | RpcError::Endpoints { .. }
        | RpcError::OtherChain { .. }
        | RpcError::Refused { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of log `index` of block `block`, with this data.
    fn log(block: u64, index: u64, data: &str) -> LogObject {
        let log = json!({
            "address": Address::repeat_byte(1), "topics": [], "data": data,
            "blockHash": B256::ZERO, "blockNumber": quantity(block),
            "transactionHash": B256::repeat_byte(7), "logIndex": quantity(index),
        });
        serde_json::from_value(log).expect("it is a log")
    }

    #[test]
    fn what_several_answers_have_comes_once() {
        let places = |lists: Vec<Vec<LogObject>>| {
            let logs = merged(lists.into_iter().map(Some).collect(), 5, 9);
            logs.map(|logs| logs.iter().map(|log| (log.block_number, log.log_index)).collect::<Vec<_>>())
                .map_err(|fault| fault.to_string())
        };
        let place = |block, index| (Some(block), Some(index));
        let three =
            vec![vec![log(9, 0, "0x")], vec![log(6, 2, "0x"), log(6, 1, "0x")], vec![log(6, 2, "0x")]];
        assert_eq!(places(three), Ok(vec![place(6, 1), place(6, 2), place(9, 0)]));
        let error = |lists| places(lists).expect_err("it contradicts itself");
        let twice = error(vec![vec![], vec![log(6, 2, "0x"), log(6, 2, "0x")], vec![log(6, 2, "0x")]]);
        assert!(twice.contains("it gave log 2 of block 6 twice"), "{twice}");
        let differ = error(vec![vec![log(6, 2, "0x")], vec![log(6, 2, "0x01")]]);
        assert!(differ.contains("it gave two logs 2 of block 6 that differ: one of 0x0101"), "{differ}");
        let outside = error(vec![vec![log(4, 0, "0x")]]);
        assert!(outside.contains("asked for logs of blocks 5 to 9, it gave one of block 4"), "{outside}");
    }

    #[test]
    fn a_filter_fits_what_has_its_addresses_and_topics() {
        let (one, two) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let log_with = |topics: Vec<B256>| {
            let mut log = log(5, 0, "0x").into_log().expect("it is a log");
            log.inner.data = alloy::primitives::LogData::new_unchecked(topics, Bytes::new());
            log
        };
        let fits = |topics: &[Option<B256>], found: &[B256]| {
            let filter = Filter { addresses: vec![Address::repeat_byte(1)], topics: topics.to_vec() };
            filter.fits(&log_with(found.to_vec()))
        };
        assert!(fits(&[], &[]) && fits(&[], &[one]) && fits(&[Some(one)], &[one, two]));
        assert!(fits(&[Some(one), None, Some(two)], &[one, one, two]));
        assert!(!fits(&[Some(one)], &[two, one]) && !fits(&[Some(one), None], &[one]));
        let other = Filter { addresses: vec![Address::repeat_byte(2)], topics: Vec::new() };
        assert!(!other.fits(&log_with(vec![one])));
    }

    #[test]
    fn ranges_shrink_when_refused_and_grow_again() {
        let range = Range::new();
        assert!(range.refused(2_000, Some(200)));
        assert_eq!(range.size(), 200);
        for _ in 0..FORGET_AFTER - 1 {
            range.given(range.size());
            assert_eq!(range.size(), 200, "it was told");
        }
        range.given(200);
        range.given(200);
        assert_eq!(range.size(), 400, "after a while it asks for more");
        assert!(range.refused(400, None));
        assert_eq!(range.size(), 200);
        // A hint above what was asked for is none.
        assert!(range.refused(200, Some(10_000)));
        assert_eq!(range.size(), 100);
        assert!(!range.refused(1, Some(1)));
        assert_eq!(range.size(), 1);
        let range = Range::new();
        for _ in 0..20 {
            range.given(range.size());
        }
        assert_eq!(range.size(), RANGE_MAX);
        range.given(5);
        assert_eq!(range.size(), RANGE_MAX);
    }
}
