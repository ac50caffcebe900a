//! What a recording holds of a chain, read once, and the other branch that L1 can have beside it.

use crate::options::Reorg;
use alloy_primitives::{Bloom, hex, keccak256};
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

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
    /// Of L1 whole, of L2 where they are.
    pub(crate) transactions: BTreeMap<String, Value>,
    /// The block of each transaction whose receipt can be told.
    pub(crate) places: BTreeMap<String, u64>,
    /// Receipts as recorded, without their logs.
    receipts: BTreeMap<String, Value>,
}

fn lines(directory: &Path, file: &str) -> impl Iterator<Item = String> {
    let path = directory.join(file);
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    BufReader::new(MultiGzDecoder::new(file)).lines().map(|line| line.expect("a line of the recording"))
}

/// The same of a file that not every recording has.
fn lines_if_any(directory: &Path, file: &str) -> impl Iterator<Item = String> {
    directory.join(file).exists().then(|| lines(directory, file)).into_iter().flatten()
}

pub(crate) fn parsed(line: &str) -> Value {
    serde_json::from_str(line).expect("a line of JSON")
}

pub(crate) fn number(value: &Value) -> u64 {
    let text = value.as_str().expect("a number as text");
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a hexadecimal number")
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("text").to_lowercase()
}

pub(crate) fn manifest(directory: &Path) -> Value {
    let file = File::open(directory.join("manifest.json")).expect("the manifest");
    serde_json::from_reader(BufReader::new(file)).expect("the manifest's JSON")
}

fn entry(value: Value) -> LogEntry {
    let topics = value["topics"].as_array().expect("topics").iter().map(text).collect();
    LogEntry { address: text(&value["address"]), topics, transaction: text(&value["transactionHash"]), value }
}

/// The bloom of some logs.
pub(crate) fn bloom_of<'a>(logs: impl IntoIterator<Item = &'a LogEntry>) -> String {
    let mut bloom = Bloom::ZERO;
    for log in logs {
        for text in std::iter::once(&log.address).chain(&log.topics) {
            let bytes = hex::decode(text).expect("an address or a topic");
            bloom.accrue(alloy_primitives::BloomInput::Raw(&bytes));
        }
    }
    bloom.to_string()
}

/// A chain of a recording. Nodes that serve the same one share it.
pub(crate) fn recorded(directory: &Path, is_l1: bool) -> Arc<Branch> {
    type Known = BTreeMap<(PathBuf, bool), Arc<Branch>>;
    static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().expect("no recording was broken");
    let read = || Arc::new(if is_l1 { Branch::l1(directory) } else { Branch::l2(directory) });
    known.entry((directory.to_owned(), is_l1)).or_insert_with(read).clone()
}

impl Branch {
    fn l1(directory: &Path) -> Self {
        let mut branch = Self::default();
        for line in lines(directory, "l1_blocks.jsonl.gz") {
            let header = parsed(&line);
            branch.hashes.insert(text(&header["hash"]), number(&header["number"]));
            branch.blocks.insert(number(&header["number"]), line);
        }
        branch.read_logs(directory, "l1_logs.jsonl.gz");
        for line in lines(directory, "l1_txs.jsonl.gz") {
            let mut transaction = parsed(&line);
            let hash = text(&transaction["hash"]);
            // A recording that was cut names only the input.
            if let Some(log) = branch.logs_of(&hash).next() {
                transaction["blockHash"] = log.value["blockHash"].clone();
                transaction["blockNumber"] = log.value["blockNumber"].clone();
            }
            branch.transactions.insert(hash, transaction);
        }
        branch.read_receipts(directory, "l1_receipts.jsonl.gz");
        branch
    }

    fn l2(directory: &Path) -> Self {
        let mut branch = Self::default();
        for line in lines(directory, "l2_blocks.jsonl.gz") {
            let block = parsed(&line);
            let number = number(&block["number"]);
            for transaction in block["transactions"].as_array().expect("transactions") {
                let place = json!({ "blockHash": block["hash"], "blockNumber": block["number"] });
                branch.transactions.insert(text(&transaction["hash"]), place);
                branch.places.insert(text(&transaction["hash"]), number);
            }
            branch.hashes.insert(text(&block["hash"]), number);
            branch.blocks.insert(number, line);
        }
        branch.read_logs(directory, "l2_logs.jsonl.gz");
        branch.read_receipts(directory, "l2_receipts.jsonl.gz");
        branch
    }

    fn read_logs(&mut self, directory: &Path, file: &str) {
        for line in lines(directory, file) {
            let value = parsed(&line);
            self.add(number(&value["blockNumber"]), entry(value));
        }
    }

    fn add(&mut self, block: u64, log: LogEntry) {
        self.places.insert(log.transaction.clone(), block);
        self.logs.entry(block).or_default().push(log);
    }

    fn read_receipts(&mut self, directory: &Path, file: &str) {
        for line in lines_if_any(directory, file) {
            let receipt = parsed(&line);
            let hash = text(&receipt["transactionHash"]);
            self.places.insert(hash.clone(), number(&receipt["blockNumber"]));
            self.receipts.insert(hash, receipt);
        }
    }

    pub(crate) fn logs_in(&self, block: u64) -> &[LogEntry] {
        self.logs.get(&block).map(Vec::as_slice).unwrap_or_default()
    }

    fn logs_of(&self, transaction: &str) -> impl Iterator<Item = &LogEntry> {
        let logs = self.places.get(transaction).map(|block| self.logs_in(*block)).unwrap_or_default();
        logs.iter().filter(move |log| log.transaction == transaction)
    }

    /// The receipt of a transaction of this branch, with its logs. Where none was recorded, it is a plain one.
    pub(crate) fn receipt(&self, transaction: &str) -> Option<Value> {
        let block = self.places.get(transaction)?;
        let plain =
            || json!({ "type": "0x2", "status": "0x1", "gasUsed": "0x5208", "contractAddress": null });
        let mut receipt = self.receipts.get(transaction).cloned().unwrap_or_else(plain);
        let logs: Vec<&LogEntry> = self.logs_of(transaction).collect();
        receipt["blockHash"] = parsed(&self.blocks[block])["hash"].clone();
        receipt["blockNumber"] = json!(format!("{block:#x}"));
        receipt["transactionHash"] = json!(transaction);
        if let Some(log) = logs.first() {
            receipt["transactionIndex"] = log.value["transactionIndex"].clone();
        }
        receipt["logsBloom"] = json!(bloom_of(logs.iter().copied()));
        receipt["logs"] = logs.iter().map(|log| log.value.clone()).collect();
        Some(receipt)
    }

    /// The branch that `reorg` has beside this one.
    pub(crate) fn other(&self, directory: &Path, reorg: Reorg) -> Self {
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
            for transaction in self.logs_in(block).chunk_by(|a, b| a.transaction == b.transaction) {
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
            for (index, mut log) in logs.into_iter().enumerate() {
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
                if let Some(receipt) = self.receipts.get(&log.transaction) {
                    other.receipts.insert(log.transaction.clone(), receipt.clone());
                }
                other.add(block, log);
            }
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
