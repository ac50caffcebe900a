//! What can stop a replay.

use alloy_primitives::B256;
use tally_engine::{FoldError, L2Block, Policy, PoolError, SpanError};
use tally_eventlog::LogError;

/// A replay that could not be carried out. There is no partial result.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What the log says cannot be counted.
    #[error(transparent)]
    Count(#[from] FoldError),
    /// What the log says cannot be folded under a policy.
    #[error("policy {policy}: {error}")]
    Fold {
        /// The name of the policy.
        policy: String,
        /// The error that the fold returned.
        error: FoldError,
    },
    /// What the contract paid depends on more than who did what, so there is nothing to vary.
    #[error(
        "policy {policy} pays what the contract paid (allocation \"on-chain\"), so it has no activity: take a \
         policy that is \"flat\" or \"stake-weighted\""
    )]
    NoActivity {
        /// The name of the policy.
        policy: String,
    },
    /// The contracts' state cannot take a record.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A span event does not fit.
    #[error(transparent)]
    Span(#[from] SpanError),
    /// The log is not the one that was replayed so far with more appended.
    #[error(
        "the log ends at L2 block {found} (none: 0), before block {folded} that was folded already: replay it anew"
    )]
    WentBack {
        /// The last block that was folded.
        folded: L2Block,
        /// The last block of the log.
        found: L2Block,
    },
    /// The log has other blocks than those that were folded.
    #[error(
        "the log up to the end of the chunk of L2 block {chunk} is not the one that was folded: its link is {found}, not {folded}: replay it anew"
    )]
    Replaced {
        /// The first block of the chunk.
        chunk: L2Block,
        /// Its link when it was folded.
        folded: B256,
        /// The link that it has now.
        found: B256,
    },
    /// The ledger is not that of the log whose blocks are asked about.
    #[error("the ledger is not that of this log: {what} should be {expected}, but is {found}")]
    NotTheLedger {
        /// What was compared of the ledger.
        what: &'static str,
        /// What the ledger says.
        expected: String,
        /// What the log says.
        found: String,
    },
    /// An earlier advance failed, and left the replay where it cannot go on.
    #[error("an earlier step of this replay failed: replay anew")]
    Unusable,
    /// The threads could not be started.
    #[error("{threads} threads cannot be started: {reason}")]
    Threads {
        /// How many threads were asked for.
        threads: usize,
        /// What the system said of it.
        reason: String,
    },
    /// The log does not reach the L1 block asked for.
    #[error("L1 block {asked} is asked for, but the log holds blocks {first} to {last}")]
    L1OutOfRange {
        /// The block that was asked for.
        asked: u64,
        /// The first block of the log.
        first: u64,
        /// The log's last, or "none".
        last: String,
    },
}

impl ReplayError {
    pub(crate) fn of_policy(policy: &Policy, error: FoldError) -> Self {
        Self::Fold { policy: policy.name().into(), error }
    }
}
