//! What is asked of a node, and how its answers are checked: headers, logs of ranges, the inputs of transactions.

use crate::json::{ChainLog, Header};
use crate::rpc::{Answer, Attempt, Call, Fault, FaultKind, Size, call, decoded};
use alloy::primitives::{Address, B256, Bloom, BloomInput, Bytes};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use tally_engine::UnixTime;
use tally_eventlog::RecentBlock;

/// The first range of blocks to ask logs of: what nearly every provider gives.
const RANGE_FIRST: u64 = 2_000;

/// The largest range. Logs of the pool are rare; what is above costs a node more than it saves us.
const RANGE_MAX: u64 = 100_000;

/// How many bytes the inputs of the transactions of one range may have in all: they are held in memory.
const INPUT_BYTES_MAX: usize = 64 << 20;

/// How many blocks logs are asked of at once.
pub(crate) fn range() -> Size {
    Size::new(RANGE_FIRST, RANGE_MAX)
}

pub(crate) fn header_call(number: u64) -> Call {
    tag_call(&quantity(number))
}

/// The header of a block by its tag.
pub(crate) fn tag_call(tag: &str) -> Call {
    call("eth_getBlockByNumber", json!([tag, false]))
}

/// The header of a block by its hash.
pub(crate) fn hash_call(hash: B256) -> Call {
    call("eth_getBlockByHash", json!([hash, false]))
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

    /// Whether a log of this contract with these topics is one of these.
    pub(crate) fn fits(&self, address: &Address, found: &[B256]) -> bool {
        let wanted = &self.topics;
        let is_wanted = |(wanted, found): (&Option<B256>, &B256)| wanted.is_none_or(|topic| topic == *found);
        self.addresses.contains(address)
            && wanted.len() <= found.len()
            && wanted.iter().zip(found).all(is_wanted)
    }

    /// Whether a block with this bloom may have such a log. A bloom may tell of too many, but never of too few.
    pub(crate) fn may_be_in(&self, bloom: &Bloom) -> bool {
        let has = |bytes: &[u8]| bloom.contains_input(BloomInput::Raw(bytes));
        self.addresses.iter().any(|address| has(address.as_slice()))
            && self.topics.iter().flatten().all(|topic| has(topic.as_slice()))
    }
}

/// All logs of a block.
pub(crate) fn all_logs_call(hash: B256) -> Call {
    call("eth_getLogs", json!([{ "blockHash": hash }]))
}

/// The bloom that a block with these logs has.
pub(crate) fn bloom_of<'a>(logs: impl Iterator<Item = &'a ChainLog>) -> Bloom {
    let mut bloom = Bloom::ZERO;
    for log in logs {
        bloom.accrue_raw_log(log.address, &log.topics);
    }
    bloom
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

/// The headers of some blocks, each of which the node has to have.
pub(crate) async fn headers(attempt: &Attempt, numbers: &[u64]) -> Result<Vec<Header>, Fault> {
    let calls: Vec<Call> = numbers.iter().map(|number| header_call(*number)).collect();
    let headers = attempt.all::<Header>("a header", &calls).await?;
    headers.into_iter().zip(numbers).map(|(header, number)| numbered(header, *number)).collect()
}

/// Whether the chain still has a block, after which something was asked by its number.
pub(crate) async fn check_stands(attempt: &Attempt, number: u64, hash: B256) -> Result<(), Fault> {
    let now = headers(attempt, &[number]).await?;
    if now.first().is_none_or(|now| now.hash != hash) {
        return Err(Fault::temporary(FaultKind::Behind, format!("block {number} is another one")));
    }
    Ok(())
}

impl From<&Header> for RecentBlock {
    fn from(header: &Header) -> Self {
        let timestamp = UnixTime(header.timestamp.0);
        Self { number: header.number.0, hash: header.hash, timestamp }
    }
}

/// The logs of several answers, of blocks `from..=to`, as one list in the chain's order. What several filters
/// fit, like a transfer from the escrow to itself, is in several answers, and comes once.
pub(crate) fn merged(lists: Vec<Option<Vec<ChainLog>>>, from: u64, to: u64) -> Result<Vec<ChainLog>, Fault> {
    let mut logs: Vec<(usize, ChainLog)> = Vec::new();
    for (answer, list) in lists.into_iter().enumerate() {
        let list = list.ok_or_else(|| Fault::inconsistent("it gave null for a list of logs".into()))?;
        for log in list {
            let number = log.block;
            if !(from..=to).contains(&number) {
                let asked = format!("asked for logs of blocks {from} to {to}");
                return Err(Fault::inconsistent(format!("{asked}, it gave one of block {number}")));
            }
            logs.push((answer, log));
        }
    }
    let place = |log: &ChainLog| (log.block, log.log_index);
    logs.sort_by_key(|(_, log)| place(log));
    for pair in logs.windows(2) {
        let [(answer, log), (other_answer, other)] = pair else { continue };
        if place(log) != place(other) {
            continue;
        }
        let (block, index) = place(log);
        if answer == other_answer {
            return Err(Fault::inconsistent(format!("it gave log {index} of block {block} twice")));
        }
        if log != other {
            let of =
                |log: &ChainLog| format!("one of {} in transaction {}", log.address, log.transaction_hash);
            let (one, other) = (of(log), of(other));
            return Err(Fault::inconsistent(format!(
                "it gave two logs {index} of block {block} that differ: {one}, and {other}"
            )));
        }
    }
    logs.dedup_by_key(|(_, log)| place(log));
    Ok(logs.into_iter().map(|(_, log)| log).collect())
}

fn range_calls(filters: &[Filter], from: u64, last: u64) -> Vec<Call> {
    let logs = filters.iter().map(|filter| filter.range(from, last));
    // A node that does not have the last block yet would give no log of it either.
    logs.chain([header_call(last)]).collect()
}

fn range_in(mut answers: Vec<Answer>, from: u64, last: u64) -> Result<(Vec<ChainLog>, Header), Fault> {
    let head = answers
        .pop()
        .ok_or_else(|| Fault::inconsistent("the reply has fewer answers than there are calls".into()))?;
    let head = numbered(decoded("a header", head)?, last)?;
    let lists = answers.into_iter().map(|answer| decoded::<Vec<ChainLog>>("logs", answer));
    Ok((merged(lists.collect::<Result<_, _>>()?, from, last)?, head))
}

/// The logs of a range, and the header of its last block, of one node: asked for together. `old` is a block with a log
/// that this node has to give too, or it may keep none from so long ago. `None` if the endpoint does not take so many
/// calls at once.
pub(crate) async fn logs_of_one(
    attempt: &Attempt,
    filters: &[Filter],
    old: Option<u64>,
    from: u64,
    last: u64,
) -> Result<Option<(Vec<ChainLog>, Header)>, Fault> {
    let old_calls = old.into_iter().flat_map(|old| filters.iter().map(move |filter| filter.range(old, old)));
    let calls: Vec<Call> = old_calls.chain(range_calls(filters, from, last)).collect();
    let ask = async || {
        let Some(groups) = attempt.together(std::slice::from_ref(&calls)).await? else {
            return Ok(None);
        };
        let mut answers: Vec<Answer> = groups.into_iter().flatten().collect();
        if let Some(old) = old {
            let lists = answers.drain(..filters.len().min(answers.len()));
            let lists = lists.map(|answer| decoded::<Vec<ChainLog>>("logs", answer));
            if merged(lists.collect::<Result<_, _>>()?, old, old)?.is_empty() {
                let reason = format!("it gives no log of block {old}, where there has to be one");
                return Err(Fault::inconsistent(reason));
            }
        }
        range_in(answers, from, last).map(Some)
    };
    match ask().await {
        // Of several nodes behind one name the next may have it.
        Err(fault) if fault.kind == FaultKind::Behind => ask().await,
        found => found,
    }
}

/// The same of whoever answers each call, which proves nothing of the logs.
pub(crate) async fn logs_of_any(
    attempt: &Attempt,
    filters: &[Filter],
    from: u64,
    last: u64,
) -> Result<(Vec<ChainLog>, Header), Fault> {
    range_in(attempt.batch(&range_calls(filters, from, last)).await?, from, last)
}

/// The blocks of some logs, in order, each once.
pub(crate) fn blocks_of(logs: &[ChainLog]) -> Vec<u64> {
    let mut blocks: Vec<u64> = logs.iter().map(|log| log.block).collect();
    blocks.dedup();
    blocks
}

/// Whether a log and the header of its block are of one branch.
pub(crate) fn check_log(log: &ChainLog, header: &RecentBlock) -> Result<(), Fault> {
    if log.block_hash == header.hash {
        return Ok(());
    }
    let (number, expected, found) = (header.number, header.hash, log.block_hash);
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
pub(crate) async fn inputs(attempt: &Attempt, logs: &[&ChainLog]) -> Result<BTreeMap<B256, Bytes>, Fault> {
    let mut wanted: Vec<(B256, B256)> =
        logs.iter().map(|log| (log.transaction_hash, log.block_hash)).collect();
    wanted.dedup();
    let get = |hash: &B256| call("eth_getTransactionByHash", json!([hash]));
    let calls: Vec<Call> = wanted.iter().map(|(hash, _)| get(hash)).collect();
    let found = attempt.all::<Transaction>("a transaction", &calls).await?;
    let mut inputs = BTreeMap::new();
    let mut bytes = 0_usize;
    for (transaction, (hash, block_hash)) in found.into_iter().zip(wanted) {
        let Some(transaction) = transaction else {
            return Err(Fault::temporary(FaultKind::Behind, format!("it has no transaction {hash}")));
        };
        if transaction.hash != hash || transaction.block_hash != Some(block_hash) {
            return Err(Fault::inconsistent(format!(
                "transaction {hash} of block {block_hash} is given as {} of block {}",
                transaction.hash,
                transaction.block_hash.map_or("none".into(), |hash| hash.to_string())
            )));
        }
        bytes = bytes.saturating_add(transaction.input.len());
        if bytes > INPUT_BYTES_MAX {
            return Err(Fault::too_much(format!("inputs above the {INPUT_BYTES_MAX} bytes of one range")));
        }
        inputs.insert(hash, transaction.input);
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of log `index` of block `block`, with this data.
    fn log(block: u64, index: u64, data: &str) -> ChainLog {
        let log = json!({
            "address": Address::repeat_byte(1), "topics": [], "data": data,
            "blockHash": B256::ZERO, "blockNumber": quantity(block),
            "transactionHash": B256::repeat_byte(7), "logIndex": quantity(index),
        });
        serde_json::from_value(log).expect("it is a log")
    }

    #[test]
    fn what_several_answers_have_comes_once() {
        let places = |lists: Vec<Vec<ChainLog>>| {
            let logs = merged(lists.into_iter().map(Some).collect(), 5, 9);
            logs.map(|logs| logs.iter().map(|log| (log.block, log.log_index)).collect::<Vec<_>>())
                .map_err(|fault| fault.to_string())
        };
        let three =
            vec![vec![log(9, 0, "0x")], vec![log(6, 2, "0x"), log(6, 1, "0x")], vec![log(6, 2, "0x")]];
        assert_eq!(places(three), Ok(vec![(6, 1), (6, 2), (9, 0)]));
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
        let address = Address::repeat_byte(1);
        let fits = |topics: &[Option<B256>], found: &[B256]| {
            let filter = Filter { addresses: vec![address], topics: topics.to_vec() };
            let mut bloom = Bloom::ZERO;
            bloom.accrue_raw_log(address, found);
            let fits = filter.fits(&address, found);
            assert!(!fits || filter.may_be_in(&bloom), "a bloom never tells of too few");
            fits
        };
        assert!(fits(&[], &[]) && fits(&[], &[one]) && fits(&[Some(one)], &[one, two]));
        assert!(fits(&[Some(one), None, Some(two)], &[one, one, two]));
        assert!(!fits(&[Some(one)], &[two, one]) && !fits(&[Some(one), None], &[one]));
        let other = Filter { addresses: vec![Address::repeat_byte(2)], topics: Vec::new() };
        assert!(!other.fits(&address, &[one]));
        assert!(!other.may_be_in(&Bloom::ZERO));
    }
}
