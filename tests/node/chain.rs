//! The recorded chains, and the other branch of one.

use crate::options::{Options, Reorg};
use alloy_primitives::{B256, hex, keccak256};
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// The topic of `RewardUpdate(uint256,uint256)`: such an event may come twice.
const REPEATABLE: &[u8] = b"RewardUpdate(uint256,uint256)";

/// A log, with what it is found by.
#[derive(Clone, Debug)]
pub(crate) struct LogEntry {
    pub(crate) address: String,
    pub(crate) topics: Vec<String>,
    pub(crate) transaction: String,
    pub(crate) value: Value,
}

/// What can differ between branches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Branch {
    pub(crate) blocks: BTreeMap<u64, String>,
    pub(crate) hashes: BTreeMap<String, u64>,
    pub(crate) logs: BTreeMap<u64, Vec<LogEntry>>,
    pub(crate) transactions: BTreeMap<String, Value>,
}

/// A chain as one endpoint sees it.
pub(crate) struct Chain {
    pub(crate) is_l1: bool,
    pub(crate) id: u64,
    pub(crate) options: Options,
    recorded: Branch,
    other: Option<(Reorg, Branch)>,
    calls_at_fork: u64,
    first: u64,
    last: u64,
    head: u64,
}

fn lines(directory: &Path, file: &str) -> impl Iterator<Item = String> {
    let path = directory.join(file);
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    BufReader::new(MultiGzDecoder::new(file)).lines().map(|line| line.expect("a line of the recording"))
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).expect("a line of JSON")
}

pub(crate) fn number(value: &Value) -> u64 {
    let text = value.as_str().expect("a number as text");
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a hexadecimal number")
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_lowercase()
}

fn manifest(directory: &Path) -> Value {
    let file = File::open(directory.join("manifest.json")).expect("the manifest");
    serde_json::from_reader(BufReader::new(file)).expect("the manifest's JSON")
}

fn read_logs(directory: &Path, file: &str, branch: &mut Branch) {
    for line in lines(directory, file) {
        let value = parsed(&line);
        let block = number(&value["blockNumber"]);
        branch.logs.entry(block).or_default().push(entry(value));
    }
}

fn entry(value: Value) -> LogEntry {
    let topics = value["topics"].as_array().expect("topics").iter().map(text).collect();
    LogEntry { address: text(&value["address"]), topics, transaction: text(&value["transactionHash"]), value }
}

impl Chain {
    pub(crate) fn l1(directory: &Path, options: &Options) -> Self {
        let mut branch = Branch::default();
        for line in lines(directory, "l1_blocks.jsonl.gz") {
            let header = parsed(&line);
            branch.hashes.insert(text(&header["hash"]), number(&header["number"]));
            branch.blocks.insert(number(&header["number"]), line);
        }
        read_logs(directory, "l1_logs.jsonl.gz", &mut branch);
        let places: BTreeMap<String, (Value, Value)> = branch
            .logs
            .values()
            .flatten()
            .map(|log| {
                let place = (log.value["blockHash"].clone(), log.value["blockNumber"].clone());
                (log.transaction.clone(), place)
            })
            .collect();
        for line in lines(directory, "l1_txs.jsonl.gz") {
            let mut transaction = parsed(&line);
            let hash = text(&transaction["hash"]);
            // A recording that was cut names only the input.
            if let Some((block_hash, block_number)) = places.get(&hash) {
                transaction["blockHash"] = block_hash.clone();
                transaction["blockNumber"] = block_number.clone();
            }
            branch.transactions.insert(hash, transaction);
        }
        let id = manifest(directory)["l1"]["chain_id"].as_u64().expect("a chain id");
        let mut chain = Self::new(true, options.l1_chain_id.unwrap_or(id), options, branch, options.l1_head);
        if let Some(reorg) = options.reorg {
            chain.other = Some((reorg, chain.recorded.other(directory, reorg)));
            if options.l1_head.is_none() {
                chain.head = reorg.at;
            }
        }
        chain
    }

    pub(crate) fn l2(directory: &Path, options: &Options) -> Self {
        let mut branch = Branch::default();
        for line in lines(directory, "l2_blocks.jsonl.gz") {
            let block = parsed(&line);
            let number = number(&block["number"]);
            let mut line = line;
            if options.l2_wrong_parent == Some(number) {
                let parent = text(&block["parentHash"]);
                line = line.replace(&parent, &B256::repeat_byte(0x77).to_string());
            }
            for transaction in block["transactions"].as_array().expect("transactions") {
                let place = json!({ "blockHash": block["hash"], "blockNumber": block["number"] });
                branch.transactions.insert(text(&transaction["hash"]), place);
            }
            branch.hashes.insert(text(&block["hash"]), number);
            branch.blocks.insert(number, line);
        }
        read_logs(directory, "l2_logs.jsonl.gz", &mut branch);
        let id = manifest(directory)["l2"]["chain_id"].as_u64().expect("a chain id");
        Self::new(false, id, options, branch, options.l2_head)
    }

    fn new(is_l1: bool, id: u64, options: &Options, recorded: Branch, head: Option<u64>) -> Self {
        let first = *recorded.blocks.first_key_value().expect("the recording has blocks").0;
        let last = *recorded.blocks.last_key_value().expect("the recording has blocks").0;
        let (options, other) = (options.clone(), None);
        let head = head.unwrap_or(last);
        Self { is_l1, id, options, recorded, other, calls_at_fork: 0, first, last, head }
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    pub(crate) fn set_head(&mut self, head: u64) {
        self.head = head.clamp(self.first, self.last);
    }

    pub(crate) fn has_reorganized(&self) -> bool {
        self.options.reorg.is_some() && self.other.is_none()
    }

    /// Before a call is answered: the other branch stands for some calls only.
    pub(crate) fn tick(&mut self) {
        let Some((Reorg { at, calls, .. }, _)) = &self.other else {
            return;
        };
        if self.head >= *at {
            self.head = *at;
            self.calls_at_fork += 1;
            if self.calls_at_fork > *calls {
                self.head = if self.options.advance_blocks > 0 { at + 1 } else { self.last };
                self.other = None;
            }
        }
    }

    /// After a call that looked at the head.
    pub(crate) fn looked(&mut self) {
        self.set_head(self.head + self.options.advance_blocks);
    }

    /// The branch that a block is taken from.
    pub(crate) fn branch(&self, block: u64) -> &Branch {
        match &self.other {
            Some((Reorg { at, depth, .. }, other)) if (at - depth + 1..=*at).contains(&block) => other,
            _ => &self.recorded,
        }
    }

    /// The number of the block with a hash, on the branch that stands.
    pub(crate) fn block_of(&self, hash: &str) -> Option<u64> {
        let other = self.other.as_ref().and_then(|(_, other)| other.hashes.get(hash));
        let number = *other.or_else(|| self.recorded.hashes.get(hash))?;
        let is_there = self.branch(number).hashes.contains_key(hash);
        (is_there && number <= self.head).then_some(number)
    }

    /// The receipt of a transaction, with its logs.
    pub(crate) fn receipt(&self, hash: &str) -> Option<Value> {
        let mut receipt = self.transaction(hash)?.clone();
        let block = number(&receipt["blockNumber"]);
        let logs = self.branch(block).logs.get(&block).into_iter().flatten();
        let logs = logs.filter(|log| log.transaction == hash).map(|log| log.value.clone());
        receipt["logs"] = logs.collect();
        receipt["transactionHash"] = json!(hash);
        Some(receipt)
    }

    /// A transaction on the branch that stands: of L1 whole, of L2 where it is.
    pub(crate) fn transaction(&self, hash: &str) -> Option<&Value> {
        let other = self.other.as_ref().and_then(|(_, other)| other.transactions.get(hash));
        let found = other.or_else(|| {
            let recorded = self.recorded.transactions.get(hash)?;
            let block = recorded.get("blockNumber").map(number)?;
            std::ptr::eq(self.branch(block), &raw const self.recorded).then_some(recorded)
        })?;
        (number(&found["blockNumber"]) <= self.head).then_some(found)
    }
}

impl Branch {
    /// The branch that `reorg` has beside this one.
    fn other(&self, directory: &Path, reorg: Reorg) -> Self {
        let contracts = &manifest(directory)["l1"]["contracts"];
        let pool: Vec<String> =
            ["lockingInfo", "lockingPool"].iter().map(|name| text(&contracts[name])).collect();
        let first = reorg.at - reorg.depth + 1;
        let mut other = Self::default();
        let mut parent = parsed(&self.blocks[&(first - 1)])["hash"].clone();
        let (mut late, mut turn): (Vec<LogEntry>, usize) = (Vec::new(), 0);
        // A transaction that only this branch has: a copy of an earlier one, by another hash.
        late.extend(self.repeatable_before(first, &pool));
        for block in first..=reorg.at {
            let mut header = parsed(&self.blocks[&block]);
            let hash = keccak256(header["hash"].as_str().expect("a hash")).to_string();
            header["hash"] = json!(hash);
            header["parentHash"] = std::mem::replace(&mut parent, json!(hash));
            other.hashes.insert(hash.clone(), block);
            other.blocks.insert(block, header.to_string());
            let mut logs = std::mem::take(&mut late);
            let here = self.logs.get(&block).into_iter().flatten();
            for transaction in
                here.cloned().collect::<Vec<_>>().chunk_by(|a, b| a.transaction == b.transaction)
            {
                if !transaction.iter().any(|log| pool.contains(&log.address)) {
                    logs.extend_from_slice(transaction);
                    continue;
                }
                match turn % 3 {
                    0 if block < reorg.at => late.extend_from_slice(transaction),
                    2 => logs.extend_from_slice(transaction),
                    _ => {}
                }
                turn += 1;
            }
            for (index, log) in logs.iter_mut().enumerate() {
                log.value["blockHash"] = json!(hash);
                log.value["blockNumber"] = json!(format!("{block:#x}"));
                log.value["logIndex"] = json!(format!("{index:#x}"));
                log.value["transactionHash"] = json!(log.transaction);
                if let Some(time) = log.value.get_mut("blockTimestamp") {
                    *time = header["timestamp"].clone();
                }
                if let Some(transaction) = self.transactions.get(&log.transaction) {
                    let mut transaction = transaction.clone();
                    transaction["blockHash"] = json!(hash);
                    transaction["blockNumber"] = json!(format!("{block:#x}"));
                    other.transactions.insert(log.transaction.clone(), transaction);
                }
            }
            other.logs.insert(block, logs);
        }
        other
    }

    fn repeatable_before(&self, block: u64, pool: &[String]) -> Vec<LogEntry> {
        let topic = format!("0x{}", hex::encode(keccak256(REPEATABLE)));
        let is_one = |log: &&LogEntry| log.topics.first() == Some(&topic) && pool.contains(&log.address);
        let earlier = self.logs.range(..block).rev().flat_map(|(_, logs)| logs).find(is_one);
        let copy = earlier.map(|log| {
            let transaction = keccak256(&log.transaction).to_string();
            LogEntry { transaction, ..log.clone() }
        });
        copy.into_iter().collect()
    }
}
