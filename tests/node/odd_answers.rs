//! Answers to single calls that are not as they should be.

use crate::odd::{BloomChange, HeaderChange, Kind, LogChange, ReceiptChange, TransactionChange, Where};
use alloy_primitives::{hex, keccak256};
use serde_json::{Value, json};

/// Whether the answer to a call may be changed.
pub(crate) fn concerns(kind: Kind, call: &Value) -> bool {
    let asks = |methods: &[&str]| methods.iter().any(|method| call["method"] == *method);
    let asks_block = || asks(&["eth_getBlockByNumber", "eth_getBlockByHash"]);
    match kind {
        Kind::Batch { .. }
        | Kind::Range { .. }
        | Kind::Hashes { .. }
        | Kind::Request { .. }
        | Kind::Status(_)
        | Kind::PlainText
        | Kind::ChunkedAndClosed => false,
        Kind::RangeCall { above, .. } => blocks_of(call) > above,
        Kind::Call { method, .. } => call["method"] == method,
        Kind::FinalizedError(..) | Kind::FinalizedNull | Kind::FinalizedZero => {
            asks_block() && call["params"][0] == "finalized"
        }
        Kind::Logs(Where::Lists, _) => asks(&["eth_getLogs"]),
        Kind::Logs(Where::Receipts, _) | Kind::Receipt(_) => asks(&["eth_getTransactionReceipt"]),
        Kind::Logs(Where::Both, _) => asks(&["eth_getLogs", "eth_getTransactionReceipt"]),
        Kind::Bloom(_) | Kind::Header(_) => asks_block(),
        Kind::Transactions(_) => asks_block() && call["params"][1] == true,
        Kind::ErrorNull | Kind::ResultNull | Kind::NoVersion | Kind::TextIds => true,
        Kind::State(signature) => {
            let input = call["params"][0]["input"].as_str().unwrap_or_default();
            let selector = format!("0x{}", hex::encode(&keccak256(signature)[..4]));
            asks(&["eth_call"]) && input.starts_with(&selector)
        }
    }
}

/// Of how many blocks a call wants the logs, by their numbers.
pub(crate) fn blocks_of(call: &Value) -> u64 {
    let block = |name: &str| {
        let text = call["params"][0][name].as_str()?.strip_prefix("0x")?;
        u64::from_str_radix(text, 16).ok()
    };
    match (call["method"] == "eth_getLogs", block("fromBlock"), block("toBlock")) {
        (true, Some(from), Some(to)) if from <= to => to - from + 1,
        _ => 0,
    }
}

fn refuse(told: &mut Value, code: i64, words: &str) {
    let fields = told.as_object_mut().expect("an object");
    fields.remove("result");
    fields.insert("error".into(), json!({ "code": code, "message": words }));
}

/// Changes an answer.
pub(crate) fn change(kind: Kind, call: &Value, told: &mut Value) {
    let is_error = told.get("error").is_some();
    match kind {
        Kind::RangeCall { above, code, words } => {
            refuse(told, code, &words.replace("{above}", &above.to_string()));
        }
        Kind::Call { code, words, .. } | Kind::FinalizedError(code, words) => refuse(told, code, words),
        Kind::ErrorNull if !is_error => told["error"] = Value::Null,
        Kind::ResultNull if is_error => told["result"] = Value::Null,
        Kind::NoVersion => drop(told.as_object_mut().expect("an object").remove("jsonrpc")),
        Kind::TextIds if told["id"].is_number() => told["id"] = json!(told["id"].to_string()),
        _ if is_error || told["result"].is_null() => {}
        Kind::FinalizedNull => told["result"] = Value::Null,
        Kind::FinalizedZero => told["result"]["number"] = json!("0x0"),
        Kind::Logs(_, change) => {
            let result = &mut told["result"];
            let logs = if result.is_array() { result } else { &mut result["logs"] };
            change_logs(change, logs);
        }
        Kind::Bloom(change) => change_bloom(change, &mut told["result"]),
        Kind::Header(change) => change_header(change, call, &mut told["result"]),
        Kind::Transactions(change) => change_transactions(change, &mut told["result"]["transactions"]),
        Kind::Receipt(change) => change_receipt(change, &mut told["result"]),
        Kind::State(_) => {
            let mut digits = text(&told["result"]);
            let last = digits.pop().expect("a digit");
            digits.push(if last == '1' { '2' } else { '1' });
            told["result"] = json!(digits);
        }
        Kind::Batch { .. }
        | Kind::Range { .. }
        | Kind::Hashes { .. }
        | Kind::Request { .. }
        | Kind::ErrorNull
        | Kind::ResultNull
        | Kind::TextIds
        | Kind::Status(_)
        | Kind::PlainText
        | Kind::ChunkedAndClosed => {}
    }
}

/// A text in lower case. What another oddity has taken away is an empty one.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_lowercase()
}

/// A number, however it is given. What another oddity has taken away is 0.
fn number(value: &Value) -> u64 {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).or(value.as_u64()).unwrap_or_default()
}

/// Another hash than that one.
fn other_hash(hash: &Value) -> Value {
    json!(keccak256(text(hash)).to_string())
}

fn change_logs(change: LogChange, list: &mut Value) {
    let Some(logs) = list.as_array_mut() else { return };
    match change {
        LogChange::None => logs.clear(),
        LogChange::Null => *list = Value::Null,
        LogChange::Reversed => logs.reverse(),
        LogChange::Twice => *logs = logs.iter().flat_map(|log| [log.clone(), log.clone()]).collect(),
        LogChange::Lost { block, index } => {
            logs.retain(|log| (number(&log["blockNumber"]), number(&log["logIndex"])) != (block, index));
        }
        LogChange::RemovedTwin => {
            let twin = |log: &Value| {
                let mut twin = log.clone();
                twin["removed"] = json!(true);
                twin["blockHash"] = other_hash(&log["blockHash"]);
                twin
            };
            *logs = logs.iter().flat_map(|log| [twin(log), log.clone()]).collect();
        }
        LogChange::Unasked | LogChange::Unmined => {
            let Some(mut log) = logs.first().cloned() else { return };
            if change == LogChange::Unasked {
                log["address"] = json!(format!("0x{}", "77".repeat(20)));
                log["logIndex"] = json!(format!("{:#x}", number(&log["logIndex"]) + 1_000));
            } else {
                for field in ["blockHash", "blockNumber", "logIndex", "transactionIndex"] {
                    log[field] = Value::Null;
                }
            }
            logs.push(log);
        }
        LogChange::ZeroTime
        | LogChange::NullTime
        | LogChange::NoTime
        | LogChange::WrongTime
        | LogChange::Removed
        | LogChange::RemovedNull
        | LogChange::NoRemoved
        | LogChange::CutData
        | LogChange::Capitals
        | LogChange::OtherBlock
        | LogChange::WrongTotal => logs.iter_mut().for_each(|log| change_log(change, log)),
    }
}

fn change_log(change: LogChange, log: &mut Value) {
    match change {
        LogChange::ZeroTime => log["blockTimestamp"] = json!("0x0"),
        LogChange::NullTime => log["blockTimestamp"] = Value::Null,
        LogChange::NoTime => drop(log.as_object_mut().expect("a log").remove("blockTimestamp")),
        LogChange::WrongTime => log["blockTimestamp"] = json!("0x66000001"),
        LogChange::Removed => log["removed"] = json!(true),
        LogChange::RemovedNull => log["removed"] = Value::Null,
        LogChange::NoRemoved => drop(log.as_object_mut().expect("a log").remove("removed")),
        LogChange::CutData => {
            let data = text(&log["data"]);
            if data.len() > 2 {
                log["data"] = json!(data[..data.len() - 2]);
            }
        }
        LogChange::Capitals => {
            let capitals = |value: &mut Value| {
                if value.is_string() {
                    *value = json!(text(value).to_uppercase().replacen('X', "x", 1));
                }
            };
            for field in ["address", "data", "blockHash", "transactionHash", "blockNumber"] {
                capitals(&mut log[field]);
            }
            log["topics"].as_array_mut().expect("topics").iter_mut().for_each(capitals);
        }
        LogChange::OtherBlock => log["blockHash"] = other_hash(&log["blockHash"]),
        LogChange::WrongTotal => {
            let relocked = keccak256("Relocked(uint256,uint256,uint256)");
            if log["topics"][0] == relocked.to_string() {
                let mut data = text(&log["data"]);
                let Some(last) = data.pop() else { return };
                data.push(if last == '1' { '2' } else { '1' });
                log["data"] = json!(data);
            }
        }
        LogChange::None
        | LogChange::Null
        | LogChange::Reversed
        | LogChange::Twice
        | LogChange::Lost { .. }
        | LogChange::RemovedTwin
        | LogChange::Unasked
        | LogChange::Unmined => {}
    }
}

fn change_bloom(change: BloomChange, block: &mut Value) {
    let of = |digits: &str| json!(format!("0x{}", digits.repeat(256)));
    match change {
        BloomChange::Missing => drop(block.as_object_mut().expect("a block").remove("logsBloom")),
        BloomChange::Null => block["logsBloom"] = Value::Null,
        BloomChange::Short => block["logsBloom"] = json!("0x"),
        BloomChange::Zeros => block["logsBloom"] = of("00"),
        BloomChange::Ones => block["logsBloom"] = of("ff"),
    }
}

fn change_header(change: HeaderChange, call: &Value, block: &mut Value) {
    let height = number(&block["number"]);
    let by_number = call["params"][0].as_str().is_some_and(|asked| asked == text(&block["number"]));
    match change {
        HeaderChange::TimeFalls if height.is_multiple_of(7) => block["timestamp"] = json!("0x1"),
        HeaderChange::OneBefore if by_number => {
            block["number"] = json!(format!("{:#x}", height.saturating_sub(1)));
        }
        HeaderChange::OtherParent => block["parentHash"] = other_hash(&block["parentHash"]),
        HeaderChange::NoParent => drop(block.as_object_mut().expect("a block").remove("parentHash")),
        HeaderChange::Null if call["params"][0] != "latest" => *block = Value::Null,
        HeaderChange::PlainNumber => block["number"] = json!(height),
        HeaderChange::MoreFields => {
            for (name, value) in
                [("l1Fee", json!("0x0")), ("sequencer", json!({ "seqV": 1 })), ("", json!([]))]
            {
                block[name] = value;
            }
        }
        HeaderChange::TimeFalls | HeaderChange::OneBefore | HeaderChange::Null => {}
    }
}

fn change_transactions(change: TransactionChange, transactions: &mut Value) {
    let Some(list) = transactions.as_array_mut() else { return };
    if change == TransactionChange::None {
        list.clear();
    }
    for transaction in list {
        if change == TransactionChange::Hashes {
            *transaction = transaction["hash"].take();
            continue;
        }
        // Another oddity may have put their hashes in their place.
        let Some(fields) = transaction.as_object_mut() else { return };
        let is_signed = !fields.get("seqV").is_none_or(Value::is_null);
        match change {
            TransactionChange::NotL2Geth => {
                for name in
                    ["seqR", "seqS", "seqV", "queueOrigin", "queueIndex", "l1TxOrigin", "l1BlockNumber"]
                {
                    fields.remove(name);
                }
            }
            TransactionChange::Lacks(name) => drop(fields.remove(name)),
            TransactionChange::NoNulls => fields.retain(|_, value| !value.is_null()),
            TransactionChange::SeqV(value) if is_signed => drop(fields.insert("seqV".into(), json!(value))),
            TransactionChange::HalfSigned => drop(fields.insert("seqS".into(), Value::Null)),
            TransactionChange::SeqV(_) | TransactionChange::Hashes | TransactionChange::None => {}
        }
    }
}

fn change_receipt(change: ReceiptChange, receipt: &mut Value) {
    match change {
        ReceiptChange::Null => *receipt = Value::Null,
        ReceiptChange::MoreLogs => {
            let Some(logs) = receipt["logs"].as_array_mut() else { return };
            let more: Vec<Value> = logs.clone();
            for mut log in more {
                log["logIndex"] = json!(format!("{:#x}", number(&log["logIndex"]) + 1_000));
                logs.push(log);
            }
        }
        ReceiptChange::OtherBlock => receipt["blockHash"] = other_hash(&receipt["blockHash"]),
        ReceiptChange::OtherTransaction => {
            receipt["transactionHash"] = other_hash(&receipt["transactionHash"]);
        }
    }
}
