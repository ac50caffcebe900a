//! Why the feed cannot be served.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What keeps the feed from being served, or a token from being used.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// An address that cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address to listen on.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
    /// Others could ask, and nothing says that they may.
    #[error(
        "{listen} can be reached by others: give the tokens that let them in, or say that the feed is public"
    )]
    Open {
        /// The address that it was to listen on.
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
        source: io::Error,
    },
    /// A file that is too large to be one of tokens.
    #[error("tokens of {}: more than {bytes_max} bytes", path.display())]
    LongTokens {
        /// The file of tokens that was given.
        path: PathBuf,
        /// How many bytes the file may have.
        bytes_max: u64,
    },
    /// A file of tokens with a line that is none.
    #[error("tokens of {}, line {line}: {fault}", path.display())]
    TokenLine {
        /// The file of tokens that was given.
        path: PathBuf,
        /// The line, the first being 1.
        line: usize,
        /// What is wrong with the file.
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
        /// How many characters a name may have.
        chars_max: usize,
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
        /// What is wrong with the file.
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
    Files(io::Error),
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
    Serve(io::Error),
}
