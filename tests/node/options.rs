//! What a node does wrong.

use crate::odd::Odd;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How a node behaves; by default without fault, its head at the recording's end.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where L1's head is at first.
    pub l1_head: Option<u64>,
    /// Where L2's head is at first.
    pub l2_head: Option<u64>,
    /// The last blocks of L1 and of L2 that there ever are, before the recording's end.
    pub ends: Option<(u64, u64)>,
    /// By how many blocks a head moves each time it is looked at.
    pub advance_blocks: u64,
    /// How far below the head the finalized block is; the safe one is at half of it.
    pub finalized_lag_blocks: u64,
    /// Another branch of L1, at first.
    pub reorg: Option<Reorg>,
    /// And others after that one, each above the one before it.
    pub more_reorgs: Vec<Reorg>,
    /// Logs of more blocks at once are refused, in the words of a provider.
    pub range_max: Option<(u64, RangeStyle)>,
    /// More logs at once are refused.
    pub results_max: Option<usize>,
    /// Larger batches are refused.
    pub batch_max: Option<usize>,
    /// More calls a second are answered with status 429.
    pub calls_per_sec: Option<u32>,
    /// Each so-manieth request fails,
    pub fail_every: Option<u64>,
    /// in these ways, one after the other.
    pub failures: Vec<Failure>,
    /// How long each answer takes.
    pub latency: Duration,
    /// Whether L2 knows the tags finalized and safe.
    pub l2_knows_tags: bool,
    /// L1 has forgotten the logs of blocks before this one, and does not say so.
    pub l1_logs_from: u64,
    /// Another chain id of L1.
    pub l1_chain_id: Option<u64>,
    /// An address without code.
    pub no_code_at: Option<String>,
    /// L2's logs reach only so far below its head, and it does not say so.
    pub l2_logs_lag_blocks: u64,
    /// This L2 block names a parent that is not the block before it.
    pub l2_wrong_parent: Option<u64>,
    /// Whether `eth_call` tells the contracts' state after the blocks at which it was recorded.
    pub has_states: bool,
    /// What it says of blocks by hashes that it does not know, and of ranges above its head. By default it has an
    /// error for the first, and for the second the logs up to its head.
    pub unknown_blocks: Option<Unknown>,
    /// Another node behind the same name.
    pub second_node: Option<SecondNode>,
    /// What else it does wrong, all of it together.
    pub odd: Vec<Odd>,
    /// Which requests (a call, or a list of them) fail, and how.
    pub fails: Option<Rule<Failure>>,
    /// Which calls are answered with this `result` or `error` instead: the rule is given the call, and what
    /// the answer would be.
    pub lies: Option<Rule<Value>>,
}

/// What is done in some cases: told from a request, and the answer that it would have.
#[derive(Clone)]
pub struct Rule<T>(pub Arc<Told<T>>);

pub(crate) type Told<T> = dyn Fn(&Value, &Value) -> Option<T> + Send + Sync;

impl<T> Rule<T> {
    /// A rule.
    pub fn new(rule: impl Fn(&Value, &Value) -> Option<T> + Send + Sync + 'static) -> Option<Self> {
        Some(Self(Arc::new(rule)))
    }
}

impl<T> fmt::Debug for Rule<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rule")
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            l1_head: None,
            l2_head: None,
            ends: None,
            advance_blocks: 0,
            finalized_lag_blocks: 64,
            reorg: None,
            more_reorgs: Vec::new(),
            range_max: None,
            results_max: None,
            batch_max: None,
            calls_per_sec: None,
            fail_every: None,
            failures: Vec::new(),
            latency: Duration::ZERO,
            l2_knows_tags: true,
            l1_logs_from: 0,
            l1_chain_id: None,
            no_code_at: None,
            l2_logs_lag_blocks: 0,
            l2_wrong_parent: None,
            has_states: true,
            unknown_blocks: None,
            second_node: None,
            odd: Vec::new(),
            fails: None,
            lies: None,
        }
    }
}

/// Another branch of L1: the blocks `at - depth + 1 ..= at`, until some calls were answered with the head
/// there. Of the pool's transactions in it the first comes a block later, the second is missing, the third
/// is as it was, and so on; and there is one that the recorded branch does not have.
#[derive(Clone, Copy, Debug)]
pub struct Reorg {
    /// The last block of the other branch.
    pub at: u64,
    /// How many blocks it has.
    pub depth: u64,
    /// For how many calls it stands, unless it is given up before by `ReplayNode::reorganize`.
    pub calls: u64,
}

/// A node that shares a name with another one.
#[derive(Clone, Copy, Debug)]
pub struct SecondNode {
    /// How many blocks it is behind.
    pub lag_blocks: u64,
    /// Which of the two answers.
    pub turn: Turn,
}

/// Which of two nodes behind one name answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// They take turns, request by request.
    Alternate,
    /// Each request goes to one of them, as it falls.
    Request,
    /// Each call of a request goes to one of them, as it falls: what comes together is not answered together.
    Call,
}

/// What is said of blocks that a node does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// That there are no logs of them.
    Empty,
    /// That it does not have them.
    Error,
    /// `null`.
    Null,
}

/// In whose words a range of blocks is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeStyle {
    /// By code -32005.
    Infura,
    /// By code -32600, at length.
    Alchemy,
    /// By code -32614.
    QuickNode,
    /// By code -32600, without a number.
    Ankr,
}

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// With this HTTP status, and a page of HTML.
    Status(u16),
    /// The connection ends without an answer.
    Reset,
    /// The answer ends in the middle.
    Truncate,
    /// With an error of JSON-RPC, whatever was asked.
    RpcError,
    /// With a page of HTML that claims to be fine.
    Html,
    /// With an answer of a gigabyte.
    Giant,
    /// With status 429, and so many seconds to wait.
    RetryAfter(u64),
    /// Without an answer, until the client hangs up.
    Silent,
}
