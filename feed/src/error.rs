//! What can go wrong.

use std::net::SocketAddr;
use std::path::PathBuf;
use tally_audit::AuditError;
use tally_claims::ClaimsError;
use tally_engine::{AmountError, EpochIndex, FoldError};
use tally_eventlog::LogError;
use tally_replay::ReplayError;

/// Why the feed cannot be served, or a token not be made.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// It cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// It does not add up, a call or a distribution cannot be prepared, or the registry of names is none.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    /// It cannot be audited.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// An amount does not fit.
    #[error("{place}: {error}")]
    Amount {
        /// The amount's place in the log.
        place: String,
        /// Why the sum is impossible.
        error: AmountError,
    },
    /// What is final of the log adds up, and what is not does not: a branch of the chain that no honest node has.
    #[error(
        "what is not final of the log does not add up, and nothing is served until the ingest has replaced it: {0}"
    )]
    NotFinal(Box<FeedError>),
    /// An epoch has no end.
    #[error("epoch {epoch} of policy {policy} ends after second {}, the last there is", u64::MAX)]
    NoEnd {
        /// The policy of the epoch.
        policy: String,
        /// The epoch that changed.
        epoch: EpochIndex,
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
        /// What it is of.
        found: String,
    },
    /// A file of the feed cannot be read or written.
    #[error("{path}: {what}: {source}")]
    Files {
        /// The journal's file or directory.
        path: PathBuf,
        /// What was being done.
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
    /// A reader has read what this feed does not tell.
    #[error(
        "what was read up to {cursor} is not what policy {policy} tells here: it has to be read from the beginning"
    )]
    OtherFeed {
        /// The name of the policy.
        policy: String,
        /// How far the reader is.
        cursor: String,
    },
    /// A reader is further than the log.
    #[error("{cursor} was read of policy {policy}, and the log is only as far as {told}")]
    Behind {
        /// The name of the policy.
        policy: String,
        /// How far the reader is.
        cursor: String,
        /// How far the feed is.
        told: String,
    },
    /// Something that is text already cannot be written as JSON.
    #[error("an answer cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// What was found wrong before, of the same moment.
    #[error("{0}")]
    Broken(String),
    /// An address that cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address to listen on.
        address: SocketAddr,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// Others could ask, and nothing says that they may.
    #[error(
        "{listen} can be reached by others: give the tokens that let them in, or say that the feed is public"
    )]
    Open {
        /// Where it was to listen.
        listen: SocketAddr,
    },
    /// Tokens for a feed that asks nobody for one.
    #[error("a public feed asks for no token: either give tokens, or say that the feed is public")]
    TokensOfPublic,
    /// A file of tokens that cannot be read.
    #[error("tokens of {}: {source}", path.display())]
    ReadTokens {
        /// The file that cannot be read.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file that is too large to be one of tokens.
    #[error("tokens of {}: more than {bytes_max} bytes", path.display())]
    LongTokens {
        /// The file of tokens that was given.
        path: PathBuf,
        /// How many it may have.
        bytes_max: u64,
    },
    /// A file of tokens with a line that is none.
    #[error("tokens of {}, line {line}: {fault}", path.display())]
    TokenLine {
        /// The file of tokens that was given.
        path: PathBuf,
        /// The line, the first being 1.
        line: usize,
        /// What is wrong with it.
        fault: String,
    },
    /// A file of tokens without one: nobody could ask anything.
    #[error("tokens of {}: there is none", path.display())]
    NoTokens {
        /// The file of tokens that was given.
        path: PathBuf,
    },
    /// A name that no token can have.
    #[error(
        "`{name}` cannot name a token: 1 to {chars_max} of the characters a-z, A-Z, 0-9, `.`, `_` and `-`"
    )]
    TokenName {
        /// The name that occurs twice.
        name: String,
        /// How long it may be.
        chars_max: usize,
    },
    /// A page's origin is not as browsers write it.
    #[error(
        "`{text}` is no origin: write it as https://pool.example or http://localhost:3000, in lower case, without a path, and without the usual port; or `*` for all"
    )]
    Origin {
        /// What was given as an origin.
        text: String,
    },
    /// The system gives no randomness.
    #[error("no randomness for a token: {0}")]
    Randomness(getrandom::Error),
    /// A certificate or key that cannot be read.
    #[error("{what} of {}: {fault}", path.display())]
    TlsFile {
        /// Which of the two is wrong: `certificate` or `key`.
        what: &'static str,
        /// The file that was given.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// A certificate and a key that cannot be used together, or at all.
    #[error("certificate of {} and key of {}: {source}", cert.display(), key.display())]
    Tls {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What rustls says of the pair.
        source: rustls::Error,
    },
    /// The number of files that may be open cannot be found out or raised.
    #[error("how many files may be open: {0}")]
    FilesLimit(std::io::Error),
    /// Too few files may be open for there to be any connection.
    #[error(
        "only {limit} files may be open, of which the log may take {for_log}: none is left for connections"
    )]
    FewFiles {
        /// How many the process may have open.
        limit: u64,
        /// How many are left to the log.
        for_log: u64,
    },
    /// Serving ended though nobody had asked for it.
    #[error("serving ended: {0}")]
    Serve(std::io::Error),
    /// A task was cut short.
    #[error("a task was cut short: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl From<FoldError> for FeedError {
    fn from(error: FoldError) -> Self {
        Self::Replay(error.into())
    }
}
