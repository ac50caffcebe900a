//! What can go wrong.

use std::path::PathBuf;
use tally_audit::AuditError;
use tally_claims::{AccountsError, ClaimsError, DistributionError, RegistryError};
use tally_engine::{AmountError, FoldError};
use tally_eventlog::LogError;
use tally_replay::ReplayError;

/// Why the feed cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The accounts of the log do not add up.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// A batch or a rate cannot be prepared.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    /// A distribution cannot be made.
    #[error(transparent)]
    Distribution(#[from] DistributionError),
    /// The log cannot be audited.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The registry of names is none.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An amount does not fit into 256 bits.
    #[error("{place}: {error}")]
    Amount {
        /// The amount's place in the log.
        place: String,
        /// Why the amount cannot be computed.
        error: AmountError,
    },
    /// An epoch has no end.
    #[error("epoch {epoch} of policy {policy} ends after second {}, the last there is", u64::MAX)]
    NoEnd {
        /// The policy of the epoch.
        policy: String,
        /// The epoch, which has no end.
        epoch: u64,
    },
    /// The directory holds another log than before.
    #[error(
        "the log at {path} is of {found} now, and was of {expected}: restart the server for another pool"
    )]
    OtherLog {
        /// The directory of the log.
        path: PathBuf,
        /// What it was of: chain ids and the escrow.
        expected: String,
        /// What the log in that directory is of.
        found: String,
    },
    /// A file of the feed cannot be read or written.
    #[error("{path}: {what}: {source}")]
    Files {
        /// The journal's file or directory.
        path: PathBuf,
        /// What the server was doing with it.
        what: &'static str,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// Another server keeps the same file.
    #[error(
        "{path} is in use by another server: one serves a log's feed at a time, or give each its own --feed-dir"
    )]
    InUse {
        /// The file of the journal.
        path: PathBuf,
    },
    /// A file of the feed is none.
    #[error(
        "{path}: at byte {offset}: expected {expected}, found {found}; if the file is lost or broken beyond repair, remove it: the feed is told from the log again"
    )]
    Journal {
        /// The file of the journal.
        path: PathBuf,
        /// The offset of the fault, in bytes.
        offset: u64,
        /// What should be there.
        expected: String,
        /// What the file holds there.
        found: String,
    },
    /// Something that is text already cannot be written as JSON.
    #[error("an answer cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// What was found wrong before, of the same moment.
    #[error("{0}")]
    Broken(String),
    /// The server could not listen.
    #[error(transparent)]
    Http(#[from] crate::http::HttpError),
    /// A task was cut short.
    #[error("a task was cut short: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl From<FoldError> for FeedError {
    fn from(error: FoldError) -> Self {
        Self::Replay(error.into())
    }
}
