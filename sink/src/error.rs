//! What can go wrong.

use std::fmt::Write;
use std::path::PathBuf;
use tally_feed::FeedError;
use tokio_postgres::error::SqlState;

/// Why facts do not come into the database.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The database cannot be reached, or refuses something.
    #[error("the database: {}", of_database(.0))]
    Database(tokio_postgres::Error),
    /// The database does not answer.
    #[error("the database: no answer within {secs} s while {doing}")]
    Hangs {
        /// What was being done.
        doing: &'static str,
        /// How long it was waited for, in seconds.
        secs: u64,
    },
    /// The connection ended while nothing was asked.
    #[error("the database: the connection ended")]
    Lost,
    /// The log cannot be read, or is of another history.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The server cannot be reached.
    #[error("the server: {0}")]
    Unreachable(String),
    /// The server refuses, or cannot answer yet.
    #[error("the server: HTTP status {status}, {problem}: {detail}")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// The type of the problem, without what all of them begin with.
        problem: String,
        /// What the server says of it.
        detail: String,
    },
    /// An answer is larger than it may be.
    #[error("the server: an answer of more than the {bytes_max} bytes that it may have")]
    TooLarge {
        /// The limit, in bytes.
        bytes_max: usize,
    },
    /// An answer has something that is not known here.
    #[error(
        "the server: an answer with something that this version does not know, {0}: take a newer `tally`"
    )]
    Unknown(String),
    /// An answer cannot be read.
    #[error("the server: an answer that is none: {0}")]
    NoAnswer(String),
    /// The answer is of another policy.
    #[error("the server: policy {asked} was asked for, and the answer is of {told}")]
    OtherPolicy {
        /// The policy that was asked for.
        asked: String,
        /// The name and version of the one that was told of.
        told: String,
    },
    /// A fact does not go on from those before it.
    #[error("policy {policy}, the fact with number {sequence}: {what}")]
    Broken {
        /// The name of the policy.
        policy: String,
        /// The number that it has in the feed.
        sequence: u64,
        /// What is wrong with it.
        what: String,
    },
    /// What follows from the facts is not what was published.
    #[error("policy {policy}, entry {entry}: {what}")]
    Underived {
        /// The name of the policy.
        policy: String,
        /// The place of the fact in the tables.
        entry: i64,
        /// What is wrong with it.
        what: String,
    },
    /// The tables and the source have other sums at the same place of the feed.
    #[error(
        "policy {policy}, sequencer {sequencer}: at cursor {cursor} its {what} is {tables} wei in the tables and {source_wei} wei at the source: `tally sink check` against a log says which row is wrong"
    )]
    Sums {
        /// The name of the policy.
        policy: String,
        /// The id of the sequencer.
        sequencer: u64,
        /// How far both are in the feed.
        cursor: String,
        /// Which sum it is.
        what: &'static str,
        /// What follows from the tables.
        tables: String,
        /// What the source says.
        source_wei: String,
    },
    /// Something was paid that is void since.
    #[error(
        "policy {policy}: payment {reference} of sequencer {sequencer} went up to {cumulative_wei} wei since the beginning, and now it is owed {expected}: nothing more is due to it until it is owed more; say so in payout.accepted, by hand, for the sink to go on"
    )]
    VoidPaid {
        /// The name of the policy.
        policy: String,
        /// The id of the sequencer.
        sequencer: i64,
        /// Up to which amount it was paid.
        cumulative_wei: String,
        /// What it is owed now.
        expected: String,
        /// What the payment is called.
        reference: String,
    },
    /// All payments of a sequencer together are more than is owed.
    #[error(
        "policy {policy}, sequencer {sequencer}: {paid_wei} wei were paid since the beginning, and it is owed {expected}: see the view payout_faults; say in payment.accepted why a payment is left as it is"
    )]
    Overpaid {
        /// The name of the policy.
        policy: String,
        /// The id of the sequencer.
        sequencer: i64,
        /// What was paid to it.
        paid_wei: String,
        /// What it is owed.
        expected: String,
    },
    /// The tables have other rules under the same name.
    #[error(
        "policy {policy}: the tables have it as version {version} with the digest {digest}, and the source tells of version {told_version} with {told}: whoever selects by name would pay by both. Write it into another schema, or say --add-version if all who read the tables tell policies by their digest"
    )]
    SameName {
        /// The name of the policy.
        policy: String,
        /// The version that the tables have.
        version: i64,
        /// The digest that the tables have.
        digest: String,
        /// The version that the source tells of.
        told_version: i64,
        /// The digest that the source tells of.
        told: String,
    },
    /// A value of a fact cannot be stored.
    #[error("{field}: {found} is not {expected}")]
    Value {
        /// The name of the value.
        field: &'static str,
        /// What the fact says.
        found: String,
        /// What can be stored.
        expected: &'static str,
    },
    /// Another sink writes the same tables.
    #[error("schema {schema} is written by another sink: {holder}; there can be one at a time")]
    Held {
        /// The schema of the tables.
        schema: String,
        /// Who holds its lock.
        holder: String,
    },
    /// The tables were made by a newer version.
    #[error(
        "schema {schema} is of version {found}, and this is a `tally` for version {known}: take a newer one"
    )]
    Newer {
        /// The schema of the tables.
        schema: String,
        /// The version of the tables.
        found: i64,
        /// The last version that is known here.
        known: i64,
    },
    /// There are no tables, or older ones.
    #[error(
        "schema {schema} is of version {found}, and version {known} is needed: `tally sink migrate`, by its owner, brings it there"
    )]
    Older {
        /// The schema of the tables.
        schema: String,
        /// The version of the tables; 0 if there are none.
        found: i64,
        /// The version that is needed.
        known: i64,
    },
    /// Somebody else wrote what this sink keeps.
    #[error("policy {policy}: the row of its feed was changed by somebody else while the sink wrote")]
    Changed {
        /// The name of the policy.
        policy: String,
    },
    /// The database has no feed of a policy.
    #[error("schema {schema} has no feed of policy {policy}")]
    NoFeed {
        /// The schema of the tables.
        schema: String,
        /// The name of the policy.
        policy: String,
    },
    /// The log ends before the tables do.
    #[error("policy {policy}: the log tells {log} facts, and the tables have {tables}: it is not as far")]
    LogBehind {
        /// The name of the policy.
        policy: String,
        /// How many facts follow from the log.
        log: u64,
        /// How many facts hold in the tables.
        tables: u64,
    },
    /// A setting is not usable.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file that cannot be read.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(String),
    /// A fact cannot be written as JSON.
    #[error("a fact as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A task was cut short.
    #[error("a task was cut short: {0}")]
    Task(#[from] tokio::task::JoinError),
}

// What it says is all of it: the error itself says little, and its cause the same again.
impl From<tokio_postgres::Error> for SinkError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl SinkError {
    /// Whether it may go away by itself, so that trying again makes sense.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Database(error) => is_outage(error),
            Self::Refused { status, .. } => *status >= 500 || matches!(status, 408 | 425 | 429),
            // The log is another process's, which may just be at work, or have to come as far.
            Self::Feed(error) => {
                matches!(error, FeedError::Log(_) | FeedError::Files { .. } | FeedError::Behind { .. })
            }
            Self::Hangs { .. } | Self::Lost | Self::Unreachable(_) | Self::NoAnswer(_) => true,
            Self::TooLarge { .. }
            | Self::OtherPolicy { .. }
            | Self::Broken { .. }
            | Self::Value { .. }
            | Self::Underived { .. }
            | Self::Sums { .. }
            | Self::VoidPaid { .. }
            | Self::Overpaid { .. }
            | Self::SameName { .. }
            | Self::Unknown(_)
            | Self::Held { .. }
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::Changed { .. }
            | Self::NoFeed { .. }
            | Self::LogBehind { .. }
            | Self::Usage(_)
            | Self::File { .. }
            | Self::Tls(_)
            | Self::Json(_)
            | Self::Task(_) => false,
        }
    }
}

impl SinkError {
    /// Whether it says that what is in the tables, or was paid, is not as it should be, rather than that something cannot be done.
    pub fn is_difference(&self) -> bool {
        matches!(
            self,
            Self::Sums { .. } | Self::VoidPaid { .. } | Self::Overpaid { .. } | Self::Underived { .. }
        )
    }
}

/// Whether the database is away, full, or busy, rather than of another mind.
fn is_outage(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else {
        // Without a code it is of the connection, or of what was sent over it.
        let source = std::error::Error::source(error);
        let is_io = source.is_some_and(|source| source.downcast_ref::<std::io::Error>().is_some());
        return error.is_closed() || is_io;
    };
    // Connections, a transaction that another one got in the way of, resources, the operator, the system.
    let classes = ["08", "40", "53", "57", "58"];
    // A server that can only be read from may be one that waits to take over, or that was just taken over from. A transaction
    // that was open for too long was ended by the database.
    let is_one =
        [SqlState::READ_ONLY_SQL_TRANSACTION, SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT].contains(code);
    is_one || classes.iter().any(|class| code.code().starts_with(class))
}

/// What the database said, or why it could not be asked. Neither holds a password.
fn of_database(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
        return format!("{error}{}", cause.unwrap_or_default());
    };
    let mut text = format!("{} (SQLSTATE {})", said.message(), said.code().code());
    for (what, more) in [("", said.detail()), ("hint: ", said.hint())] {
        if let Some(more) = more {
            let _ = write!(text, "; {what}{more}");
        }
    }
    text
}
