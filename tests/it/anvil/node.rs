//! A real node, and what to ask of it.

use crate::support::{Tool, in_tests, wait_for};
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, Bytes};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The time of each chain's first block, and the seconds from one block to the next.
const GENESIS_TIME: u64 = 1_700_000_000;
const BLOCK_SECS: u64 = 12;

/// The contracts in `tests/anvil`, compiled: bytecode by name.
pub(super) fn compiled() -> BTreeMap<String, String> {
    let output = Tool::Npm.command().arg(in_tests("anvil/compile.mjs")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// anvil itself. The script that npm has for it would outlive it, or it the script.
fn binary() -> PathBuf {
    let packages = std::fs::read_dir(in_tests("anvil/node_modules/@foundry-rs")).unwrap();
    let binaries = packages.map(|package| package.unwrap().path().join("bin/anvil"));
    binaries.into_iter().find(|binary| binary.is_file()).expect("anvil has a binary for this machine")
}

/// A transaction that calls a contract.
pub(super) fn transaction(from: Address, to: Address, call: &impl SolCall) -> Value {
    let input = Bytes::from(call.abi_encode());
    // With everything given, the same call after a reorg is the same transaction.
    json!({ "from": from, "to": to, "input": input, "gas": "0x2dc6c0", "gasPrice": "0x77359400" })
}

/// A chain of its own, in which a block comes only when it is asked for. It ends with this value.
pub(super) struct Node {
    process: Child,
    address: String,
    /// Who can send transactions.
    pub(super) accounts: Vec<Address>,
    _dir: TempDir,
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Node {
    pub(super) fn start(chain_id: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // A file never fills up as a pipe that nobody reads does.
        let told = dir.path().join("told");
        let output = File::create(&told).unwrap();
        let mut command = Command::new(binary());
        command.args(["--host", "127.0.0.1", "--port", "0", "--no-mining", "--order", "fifo"]);
        command.args(["--chain-id", &chain_id.to_string(), "--timestamp", &GENESIS_TIME.to_string()]);
        command.stdin(Stdio::null()).stderr(output.try_clone().unwrap()).stdout(output);
        let process = command.spawn().unwrap();
        let mut node = Self { process, address: String::new(), accounts: Vec::new(), _dir: dir };
        node.address = wait_for("anvil", || {
            let text = std::fs::read_to_string(&told).unwrap();
            if let Some(status) = node.process.try_wait().unwrap() {
                panic!("anvil ended, {status}:\n{text}");
            }
            // The line may be half written.
            let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            let address = lines.find_map(|line| line.strip_prefix("Listening on "));
            address.map(str::to_owned).ok_or(text.clone())
        });
        node.accounts = serde_json::from_value(node.ask("eth_accounts", &json!([]))).unwrap();
        node.ask("anvil_setBlockTimestampInterval", &json!([BLOCK_SECS]));
        node
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The result of a JSON-RPC request.
    pub(super) fn ask(&self, method: &str, params: &Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(5))).unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
        assert!(head.starts_with("HTTP/1.1 200 "), "{method}: {answer}");
        let answer: Value = serde_json::from_str(body).unwrap();
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].clone()
    }

    /// The last block: number, hash and time.
    pub(super) fn head(&self) -> (u64, B256, u64) {
        let block = self.ask("eth_getBlockByNumber", &json!(["latest", false]));
        (
            number(&block["number"]),
            block["hash"].as_str().unwrap().parse().unwrap(),
            number(&block["timestamp"]),
        )
    }

    /// Makes blocks up to this one.
    pub(super) fn mine_to(&self, block: u64) {
        let blocks = block - self.head().0;
        self.ask("anvil_mine", &json!([format!("{blocks:#x}")]));
        assert_eq!(self.head().0, block);
    }

    /// Puts transactions into one block and returns their hashes.
    pub(super) fn mine(&self, transactions: &[Value]) -> Vec<B256> {
        let send = |call| self.ask("eth_sendTransaction", &json!([call]));
        let hashes: Vec<B256> =
            transactions.iter().map(|call| send(call).as_str().unwrap().parse().unwrap()).collect();
        self.ask("evm_mine", &json!([]));
        let head = self.head().0;
        assert!(hashes.iter().all(|hash| self.block_of(*hash) == Some(head)));
        hashes
    }

    /// The block that a transaction was done in, if the chain has it.
    pub(super) fn block_of(&self, hash: B256) -> Option<u64> {
        let receipt = self.ask("eth_getTransactionReceipt", &json!([hash]));
        if receipt.is_null() {
            return None;
        }
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        Some(number(&receipt["blockNumber"]))
    }

    /// Makes a contract, in a block of its own.
    pub(super) fn deploy(&self, bytecode: &str, arguments: &[B256]) -> Address {
        let arguments = arguments.iter().map(|argument| format!("{argument:x}"));
        let input = bytecode.to_owned() + &arguments.collect::<String>();
        let creation = json!({ "from": self.accounts[0], "input": input, "gas": "0x989680" });
        let hash = self.mine(&[creation])[0];
        let receipt = self.ask("eth_getTransactionReceipt", &json!([hash]));
        receipt["contractAddress"].as_str().unwrap().parse().unwrap()
    }

    /// Replaces the last blocks by as many others, which hold these transactions: each in the block of that
    /// index among the new.
    pub(super) fn reorg(&self, blocks: u64, transactions: &[(Value, u64)]) {
        let (before, was, _) = self.head();
        self.ask("anvil_reorg", &json!([blocks, transactions]));
        let (after, is, _) = self.head();
        assert_eq!(after, before);
        assert_ne!(is, was);
    }

    /// The hashes of a block's transactions.
    pub(super) fn transactions_of(&self, block: u64) -> Vec<B256> {
        let block = self.ask("eth_getBlockByNumber", &json!([format!("{block:#x}"), false]));
        serde_json::from_value(block["transactions"].clone()).unwrap()
    }
}

fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}
