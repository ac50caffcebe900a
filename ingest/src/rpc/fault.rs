//! What can go wrong with a request, sorted by what to do about it.

use serde_json::Value;
use serde_json::value::RawValue;
use std::time::Duration;

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// No connection could be made.
    Connect,
    /// No answer came in time.
    Timeout,
    /// The connection broke, or the answer was cut.
    Broken,
    /// The server failed, by the HTTP status of its answer.
    Status,
    /// The server says that it gets too many requests.
    Busy,
    /// The answer was no JSON-RPC.
    NotJson,
    /// The node answered with an error.
    Rpc,
    /// The node does not have a block that another one (or the log) has.
    Behind,
    /// Its answers contradict each other.
    Inconsistent,
    /// More was asked for than it gives at once.
    TooMuch,
    /// It does not give this.
    Refused,
    /// The contract that was called reverts.
    Reverted,
    /// It is no node that can be used, now or later: of another kind, of another chain, without old logs.
    Unfit,
}

impl FaultKind {
    /// All kinds, each once.
    pub(crate) const ALL: [Self; 13] = [
        Self::Connect,
        Self::Timeout,
        Self::Broken,
        Self::Status,
        Self::Busy,
        Self::NotJson,
        Self::Rpc,
        Self::Behind,
        Self::Inconsistent,
        Self::TooMuch,
        Self::Refused,
        Self::Unfit,
        Self::Reverted,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Status => "status",
            Self::Busy => "busy",
            Self::NotJson => "not_json",
            Self::Rpc => "rpc",
            Self::Behind => "behind",
            Self::Inconsistent => "inconsistent",
            Self::TooMuch => "too_much",
            Self::Refused => "refused",
            Self::Reverted => "reverted",
            Self::Unfit => "unfit",
        }
    }
}

impl FaultKind {
    /// Whether the same request may well be answered a moment later.
    pub(crate) fn is_passing(self) -> bool {
        match self {
            Self::Connect | Self::Broken | Self::Status | Self::Busy | Self::NotJson | Self::Rpc => true,
            Self::Timeout
            | Self::Behind
            | Self::Inconsistent
            | Self::TooMuch
            | Self::Refused
            | Self::Reverted
            | Self::Unfit => false,
        }
    }
}

/// A request that failed, and what to do about it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// In words; brief, and without a secret of the URL, once the endpoint has tamed it.
    pub(crate) reason: String,
    /// What the server asked us to wait.
    pub(crate) after: Option<Duration>,
}

/// No error of a node is longer, if it is one.
const ERROR_BYTES_MAX: usize = 1 << 16;

/// The method that runs a contract: of no other does an error say that a contract reverted, whatever its words.
const CONTRACT_CALL: &str = "eth_call";

/// The code of a call that reverted, as geth gives it.
const REVERTED: i64 = 3;

/// How much of a longer one is looked at.
const ERROR_CHARS_SHOWN: usize = 1_000;

/// An error as a node words it.
#[derive(Debug)]
pub(crate) struct NodeError {
    code: i64,
    message: String,
    /// What comes beside the message, if it is text: of a call that reverts, what the contract gave as its reason.
    data: Option<String>,
}

impl NodeError {
    /// Whatever stands in the place of an error: by the standard a code and a message, of some proxies text alone.
    pub(crate) fn of(error: &RawValue) -> Self {
        // What is longer than any message is not taken apart: the beginning says enough.
        let text = error.get();
        let error = if text.len() > ERROR_BYTES_MAX { None } else { serde_json::from_str(text).ok() };
        let error = error.unwrap_or_else(|| Value::String(text.chars().take(ERROR_CHARS_SHOWN).collect()));
        let code = error["code"].as_i64().or_else(|| error["code"].as_str()?.parse().ok());
        let message = error["message"].as_str().or_else(|| error.as_str());
        Self {
            code: code.unwrap_or_default(),
            message: message.map_or_else(|| error.to_string(), ToOwned::to_owned),
            data: error["data"].as_str().map(ToOwned::to_owned),
        }
    }
}

impl Fault {
    /// A fault of this kind.
    pub(crate) fn temporary(kind: FaultKind, reason: String) -> Self {
        Self { kind, reason, after: None }
    }

    /// The server says that it gets too many requests; `after` is how long it asked to be left alone.
    pub(crate) fn busy(reason: String, after: Option<Duration>) -> Self {
        Self { kind: FaultKind::Busy, reason, after }
    }

    /// Less has to be asked for.
    pub(crate) fn too_much(reason: String) -> Self {
        Self::temporary(FaultKind::TooMuch, reason)
    }

    /// It will not work however often it is tried here.
    pub(crate) fn refused(reason: String) -> Self {
        Self::temporary(FaultKind::Refused, reason)
    }

    /// It can never be used.
    pub(crate) fn unfit(reason: String) -> Self {
        Self::temporary(FaultKind::Unfit, reason)
    }

    /// Answers that do not fit each other: of a node that just changes its mind, or of two behind one name.
    pub(crate) fn inconsistent(reason: String) -> Self {
        Self::temporary(FaultKind::Inconsistent, reason)
    }

    /// An error that a whole batch was answered with.
    pub(crate) fn of_batch(error: &NodeError) -> Self {
        if error.message.to_lowercase().contains("batch") {
            return Self::too_much(error.described());
        }
        Self::of_call(error, "")
    }

    /// An error that a single call of this method was answered with. Its words decide how soon it is asked again, and who is
    /// asked then; what was asked for in one is made smaller whatever they are.
    pub(crate) fn of_call(error: &NodeError, method: &str) -> Self {
        let text = error.message.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if method == CONTRACT_CALL && error.is_revert() {
            return Self::temporary(FaultKind::Reverted, error.described_with_data());
        }
        let reason = error.described();
        if is_busy(error.code, &text) {
            return Self::busy(reason, None);
        }
        // Of a range whose end it does not have yet, or of a tag that no block has yet.
        if has(&["beyond current head", "finalized block not found", "safe block not found"]) {
            return Self::temporary(FaultKind::Behind, reason);
        }
        // Each provider has its own words and codes for a range of blocks, or a number of logs, above what
        // it gives at once; what they have in common is what they talk about.
        let is_limit =
            has(&["range", "limit", "too many", "too large", "too wide", "too big", "exceed", "more than"]);
        if is_limit && has(&["block", "range", "result", "log", "response", "size", "limited"]) {
            return Self::too_much(reason);
        }
        if has(&["timeout", "timed out", "took too long", "deadline"]) {
            return Self::temporary(FaultKind::Timeout, reason);
        }
        match error.code {
            // No such method, or wrong parameters: by us, or by a node that does not know a block tag.
            -32601 | -32602 => Self::refused(reason),
            _ => Self::temporary(FaultKind::Rpc, reason),
        }
    }
}

impl NodeError {
    fn described(&self) -> String {
        format!("JSON-RPC error {}: {}", self.code, self.message)
    }

    /// Whether a contract reverted. By geth's code for it, or by words, which some nodes have in the data alone.
    fn is_revert(&self) -> bool {
        let has = |text: &str| text.to_lowercase().contains("revert");
        self.code == REVERTED || has(&self.message) || self.data.as_deref().is_some_and(has)
    }

    fn described_with_data(&self) -> String {
        let data = self.data.as_deref().filter(|data| !data.is_empty());
        data.map_or_else(|| self.described(), |data| format!("{} (data {data})", self.described()))
    }
}

fn is_busy(code: i64, text: &str) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    code == 429
        || has(&["rate limit", "request rate", "per second", "throughput", "capacity exceeded"])
        || has(&["too many requests"]) && !has(&["batch"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node_error(error: &Value) -> NodeError {
        NodeError::of(&RawValue::from_string(error.to_string()).expect("it is JSON"))
    }

    fn of(code: i64, message: &str) -> Fault {
        Fault::of_call(&node_error(&json!({ "code": code, "message": message })), CONTRACT_CALL)
    }

    /// What providers are known to answer, in their own words.
    #[test]
    fn refusals_are_told_by_their_words() {
        for (code, message, kind) in [
            (-32005, "query exceeds max block range 200", FaultKind::TooMuch),
            (
                -32600,
                "Log response size exceeded. You can make eth_getLogs requests with up to a 2000 block range.",
                FaultKind::TooMuch,
            ),
            (-32614, "eth_getLogs is limited to a 10,000 range", FaultKind::TooMuch),
            (-32600, "block range is too wide", FaultKind::TooMuch),
            (
                -32005,
                "query returned more than 10000 results. Try with this block range [0x1, 0x2].",
                FaultKind::TooMuch,
            ),
            (-32003, "response too large", FaultKind::TooMuch),
            (-32000, "exceed maximum block range: 5000", FaultKind::TooMuch),
            (-32005, "project ID request rate exceeded", FaultKind::Busy),
            (-32005, "daily request count exceeded, request rate limited", FaultKind::Busy),
            (429, "whatever", FaultKind::Busy),
            (-32007, "50/second request limit reached - reduce calls per second", FaultKind::Busy),
            (-32603, "internal error", FaultKind::Rpc),
            (-32000, "header not found", FaultKind::Rpc),
            (-32000, "query timeout exceeded", FaultKind::Timeout),
            (-32000, "context deadline exceeded", FaultKind::Timeout),
            (-32602, "block range extends beyond current head block", FaultKind::Behind),
            (-32000, "finalized block not found", FaultKind::Behind),
            (-32602, "invalid argument 0: hex string without 0x prefix", FaultKind::Refused),
            (3, "execution reverted", FaultKind::Reverted),
            (
                -32000,
                "VM Exception while processing transaction: reverted with no reason",
                FaultKind::Reverted,
            ),
            (-32601, "the method eth_getCode does not exist/is not available", FaultKind::Refused),
        ] {
            assert_eq!(of(code, message).kind, kind, "{message}");
        }
        for message in ["batch too large, limit 10", "too many requests in batch, limit 10"] {
            let error = node_error(&json!({ "code": -32600, "message": message }));
            assert_eq!(Fault::of_batch(&error).kind, FaultKind::TooMuch);
        }
    }

    #[test]
    fn an_error_of_any_shape_is_one() {
        let reason = |error: Value| Fault::of_call(&node_error(&error), CONTRACT_CALL).reason;
        assert_eq!(reason(json!({ "code": "-32000", "message": "no" })), "JSON-RPC error -32000: no");
        assert_eq!(reason(json!("no such key")), "JSON-RPC error 0: no such key");
        assert_eq!(reason(json!({ "reason": 7 })), "JSON-RPC error 0: {\"reason\":7}");
        let said = "JSON-RPC error -32015: VM execution error. (data Reverted 0x08c379a0)";
        let reverted =
            json!({ "code": -32015, "message": "VM execution error.", "data": "Reverted 0x08c379a0" });
        assert_eq!(reason(reverted), said);
    }
}
