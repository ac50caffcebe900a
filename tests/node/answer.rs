//! Answering calls of JSON-RPC from a chain.

use crate::branch::{LogEntry, bloom_of, number};
use crate::chain::Chain;
use crate::options::{RangeStyle, Unknown};
use serde_json::{Value, json};

/// Why a call is refused: code and message.
type Refusal = (i64, String);

/// Answers one call, as a whole response.
pub(crate) fn answer(chain: &mut Chain, call: &Value) -> String {
    chain.tick();
    let id = &call["id"];
    let mut looked = false;
    let result = result_of(chain, call, &mut looked);
    if looked {
        chain.looked();
    }
    let told = match result {
        Ok(result) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
        Err((code, message)) => refusal(id, code, &message),
    };
    let lied = match &chain.options.lies {
        Some(rule) => lie(&*rule.0, call, &told).unwrap_or(told),
        None => told,
    };
    chain.oddities.clone().changed(call, lied)
}

/// The answer that a rule has in place of another.
fn lie(rule: &crate::options::Told<Value>, call: &Value, told: &str) -> Option<String> {
    let mut told: Value = serde_json::from_str(told).expect("what was just written");
    let lie = rule(call, &told)?;
    let fields = told.as_object_mut().expect("an object");
    fields.retain(|name, _| !["result", "error"].contains(&name.as_str()));
    fields.extend(lie.as_object().expect("a result or an error").clone());
    Some(told.to_string())
}

/// A response that refuses.
pub(crate) fn refusal(id: &Value, code: i64, message: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }).to_string()
}

fn result_of(chain: &Chain, call: &Value, looked: &mut bool) -> Result<String, Refusal> {
    let params = &call["params"];
    match call["method"].as_str().unwrap_or_default() {
        "eth_chainId" => Ok(json!(format!("{:#x}", chain.id)).to_string()),
        "eth_blockNumber" => Ok(json!(format!("{:#x}", chain.head())).to_string()),
        "eth_getBlockByNumber" => {
            let block = chain.block(resolved(chain, &params[0], looked)?);
            Ok(block_json(chain, block, &params[1]))
        }
        "eth_getBlockByHash" => {
            let block = chain.block_of(&lower(&params[0])).and_then(|block| chain.block(block));
            Ok(block_json(chain, block, &params[1]))
        }
        "eth_getLogs" => logs(chain, &params[0], looked),
        "eth_getTransactionByHash" => {
            Ok(chain.transaction(&lower(&params[0])).map_or("null".into(), Value::to_string))
        }
        "eth_getTransactionReceipt" => {
            Ok(chain.receipt(&lower(&params[0])).map_or("null".into(), |receipt| receipt.to_string()))
        }
        "eth_call" if chain.is_l1 && chain.options.has_states => state(chain, params),
        "eth_getCode" => {
            let is_missing = chain.options.no_code_at.as_deref().is_some_and(|address| {
                params[0].as_str().is_some_and(|asked| asked.eq_ignore_ascii_case(address))
            });
            Ok(if is_missing { r#""0x""#.into() } else { r#""0x6001""#.into() })
        }
        method => Err((-32601, format!("the method {method} does not exist/is not available"))),
    }
}

fn lower(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_lowercase()
}

/// A block, or null: with its transactions as they were recorded, or with their hashes in their place.
fn block_json(chain: &Chain, block: Option<String>, is_whole: &Value) -> String {
    let Some(mut block) = block else {
        return "null".into();
    };
    if chain.is_l1 {
        // L1's are recorded without their transactions, of which those with logs are known, and blooms.
        let header: Value = serde_json::from_str(&block).expect("a block of the recording");
        let number = number(&header["number"]);
        let logs = chain.branch(number).logs_in(number);
        let mut transactions: Vec<&str> = logs.iter().map(|log| log.transaction.as_str()).collect();
        transactions.dedup();
        let (bloom, transactions) = (bloom_of(logs), json!(transactions));
        block.truncate(block.len() - 1);
        return block + &format!(r#","logsBloom":"{bloom}","transactions":{transactions}}}"#);
    }
    if *is_whole == true {
        return block;
    }
    let mut block: Value = serde_json::from_str(&block).expect("a block of the recording");
    let number = number(&block["number"]);
    let transactions = block["transactions"].as_array_mut().expect("transactions");
    for transaction in transactions.iter_mut() {
        *transaction = transaction["hash"].take();
    }
    // Of a block that was cut only the first transaction was recorded.
    for log in chain.branch(number).logs_in(number) {
        if !transactions.iter().any(|known| lower(known) == log.transaction) {
            transactions.push(json!(log.transaction));
        }
    }
    block.to_string()
}

/// What a contract answers at a block whose state is known.
fn state(chain: &Chain, params: &Value) -> Result<String, Refusal> {
    let asked = match params[1].get("blockHash") {
        Some(hash) => chain.block_of(&lower(hash)).ok_or((-32000, "header not found".to_owned()))?,
        None => resolved(chain, &params[1], &mut false)?,
    };
    let Some(block) = chain.block(asked) else {
        return Err((-32000, "header not found".into()));
    };
    let hash = lower(&serde_json::from_str::<Value>(&block).expect("a block of the recording")["hash"]);
    let states = chain.states.as_ref().filter(|states| states.has(asked, &hash));
    let states = states.ok_or_else(|| (-32000, format!("missing trie node {hash} (path ) <nil>")))?;
    let input = params[0].get("input").or_else(|| params[0].get("data"));
    let told = states.call(asked, &lower(&params[0]["to"]), &lower(input.unwrap_or(&Value::Null)));
    told.map(|told| json!(told).to_string()).ok_or((3, "execution reverted".into()))
}

fn resolved(chain: &Chain, tag: &Value, looked: &mut bool) -> Result<u64, Refusal> {
    let tag = tag.as_str().ok_or((-32602, "invalid argument 0".to_owned()))?;
    let lag = chain.options.finalized_lag_blocks;
    let below = |lag: u64| chain.head().checked_sub(lag).unwrap_or(chain.first()).max(chain.first());
    let is_final = ["safe", "finalized"].contains(&tag);
    if is_final && !chain.is_l1 && !chain.options.l2_knows_tags {
        return Err((-32602, "invalid argument 0: hex string without 0x prefix".into()));
    }
    *looked |= is_final || ["latest", "pending"].contains(&tag);
    match tag {
        "latest" | "pending" => Ok(chain.head()),
        "finalized" => Ok(below(lag)),
        "safe" => Ok(below(lag / 2)),
        digits => match digits.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
            Some(number) if format!("{number:#x}") == digits => Ok(number),
            _ => Err((-32602, "invalid argument 0: hex number with leading zero digits".into())),
        },
    }
}

fn logs(chain: &Chain, filter: &Value, looked: &mut bool) -> Result<String, Refusal> {
    let (from, to) = match filter.get("blockHash").and_then(Value::as_str) {
        Some(hash) => match chain.block_of(&hash.to_lowercase()) {
            Some(block) => (block, block),
            None => return unknown(chain, "unknown block"),
        },
        None => {
            (resolved(chain, &filter["fromBlock"], looked)?, resolved(chain, &filter["toBlock"], looked)?)
        }
    };
    if from > to {
        return Err((-32602, "invalid block range params".into()));
    }
    if let Some((most, style)) = chain.options.range_max
        && to - from >= most
    {
        return Err(range_refusal(most, style));
    }
    let lag = if chain.is_l1 { 0 } else { chain.options.l2_logs_lag_blocks };
    if to > chain.head() && chain.options.unknown_blocks == Some(Unknown::Error) {
        return unknown(chain, "block range extends beyond current head block");
    }
    let end = to.min(chain.head().saturating_sub(lag));
    let start = if chain.is_l1 { from.max(chain.options.l1_logs_from) } else { from };
    let mut found = Vec::new();
    for block in start..=end.max(start) {
        if block > end {
            break;
        }
        found.extend(chain.branch(block).logs_in(block).iter().filter(|log| matches(filter, log)));
    }
    if let Some(most) = chain.options.results_max
        && found.len() > most
    {
        let last = number(&found[most - 1].value["blockNumber"]).saturating_sub(1).max(from);
        let message = format!(
            "query returned more than {most} results. Try with this block range [{from:#x}, {last:#x}]."
        );
        return Err((-32005, message));
    }
    Ok(Value::Array(found.into_iter().map(|log| log.value.clone()).collect()).to_string())
}

/// What is said of blocks that the node does not have.
fn unknown(chain: &Chain, words: &str) -> Result<String, Refusal> {
    match chain.options.unknown_blocks {
        None | Some(Unknown::Error) => Err((-32000, words.into())),
        Some(Unknown::Empty) => Ok("[]".into()),
        Some(Unknown::Null) => Ok("null".into()),
    }
}

fn range_refusal(most: u64, style: RangeStyle) -> Refusal {
    match style {
        RangeStyle::Infura => (-32005, format!("query exceeds max block range {most}")),
        RangeStyle::Alchemy => (
            -32600,
            format!(
                "Log response size exceeded. You can make eth_getLogs requests with up to a {most} block range."
            ),
        ),
        RangeStyle::QuickNode => (-32614, format!("eth_getLogs is limited to a {most} range")),
        RangeStyle::Ankr => (-32600, "block range is too wide".into()),
    }
}

fn matches(filter: &Value, log: &LogEntry) -> bool {
    let is = |one: &Value, found: &str| one.as_str().is_some_and(|one| one.eq_ignore_ascii_case(found));
    let is_one_of = |wanted: &Value, found: &str| match wanted.as_array() {
        Some(list) => list.is_empty() || list.iter().any(|one| is(one, found)),
        None => wanted.is_null() || is(wanted, found),
    };
    let topics = filter["topics"].as_array().map(Vec::as_slice).unwrap_or_default();
    is_one_of(&filter["address"], &log.address)
        && topics.len() <= log.topics.len()
        && topics.iter().zip(&log.topics).all(|(wanted, found)| is_one_of(wanted, found))
}
