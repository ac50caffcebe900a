//! Answering calls of JSON-RPC from a chain.

use crate::chain::{Chain, LogEntry, number};
use crate::options::RangeStyle;
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
    let Some(rule) = &chain.options.lies else {
        return told;
    };
    let mut told: Value = serde_json::from_str(&told).expect("what was just written");
    if let Some(lie) = (rule.0)(call, &told) {
        let told = told.as_object_mut().expect("an object");
        told.retain(|name, _| !["result", "error"].contains(&name.as_str()));
        told.extend(lie.as_object().expect("a result or an error").clone());
    }
    told.to_string()
}

/// A response that refuses.
pub(crate) fn refusal(id: &Value, code: i64, message: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }).to_string()
}

fn result_of(chain: &Chain, call: &Value, looked: &mut bool) -> Result<String, Refusal> {
    let params = &call["params"];
    match call["method"].as_str().unwrap_or_default() {
        "eth_chainId" => Ok(json!(format!("{:#x}", chain.id)).to_string()),
        "eth_getBlockByNumber" => {
            let block = block_json(chain, resolved(chain, &params[0], looked)?);
            // L1's are recorded without their transactions.
            let is_whole = chain.is_l1 || params[1] == true;
            Ok(if is_whole { block } else { with_hashes(&block) })
        }
        "eth_getLogs" => logs(chain, &params[0], looked),
        "eth_getTransactionByHash" => {
            let hash = params[0].as_str().unwrap_or_default().to_lowercase();
            Ok(chain.transaction(&hash).map_or("null".into(), Value::to_string))
        }
        "eth_getTransactionReceipt" if !chain.is_l1 => {
            let hash = params[0].as_str().unwrap_or_default().to_lowercase();
            Ok(chain.receipt(&hash).map_or("null".into(), |receipt| receipt.to_string()))
        }
        "eth_getCode" => {
            let is_missing = chain.options.no_code_at.as_deref().is_some_and(|address| {
                params[0].as_str().is_some_and(|asked| asked.eq_ignore_ascii_case(address))
            });
            Ok(if is_missing { r#""0x""#.into() } else { r#""0x6001""#.into() })
        }
        method => Err((-32601, format!("the method {method} does not exist/is not available"))),
    }
}

fn block_json(chain: &Chain, block: u64) -> String {
    if block < chain.first() || block > chain.head() {
        return "null".into();
    }
    chain.branch(block).blocks[&block].clone()
}

/// A block with the hashes of its transactions in their place.
fn with_hashes(block: &str) -> String {
    let mut block: Value = serde_json::from_str(block).expect("a block of the recording");
    for transaction in block["transactions"].as_array_mut().into_iter().flatten() {
        *transaction = transaction["hash"].take();
    }
    block.to_string()
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
        Some(hash) => {
            let block = chain.block_of(&hash.to_lowercase());
            let block = block.ok_or((-32000, "unknown block".to_owned()))?;
            (block, block)
        }
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
    let end = to.min(chain.head().saturating_sub(lag));
    let start = if chain.is_l1 { from.max(chain.options.l1_logs_from) } else { from };
    let mut found = Vec::new();
    for block in start..=end.max(start) {
        if block > end {
            break;
        }
        let logs = chain.branch(block).logs.get(&block);
        found.extend(logs.into_iter().flatten().filter(|log| matches(filter, log)));
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
