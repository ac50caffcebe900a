//! The claim feed: what a log and its ledgers say, over HTTP, while the log grows.
//!
//! A [`Server`] ingests, folds each commit of the log and answers from what is folded, in one process:
//!
//! - the folder makes a view of the log after each commit: nothing in a view changes, and an answer is of one view;
//! - the facts of the feed follow from what is final of the log, in an order that follows from it, too; journals keep
//!   their sequence numbers, and turn what should never happen into rollbacks;
//! - the API (described by [`openapi_json`]) only reads;
//! - [`Pages`] show people what the API says, which they ask within the process;
//! - below it, every request passes its token, its client's rate, its method and its size.
//!
//! # Errors
//!
//! What keeps the feed from being served is a [`FeedError`]. A request never ends the server: what cannot be answered is a
//! problem (RFC 9457) for the client and a line for the operator, and so is a panic, which is a fault of this crate.

mod api;
mod cursor;
mod error;
mod facts;
mod folder;
mod health;
mod http;
mod journal;
mod log_feed;
mod metrics;
mod pages;
mod server;
mod told;
mod view;
mod watched;

pub use api::openapi_json;
pub use cursor::{Cursor, Tag};
pub use error::FeedError;
pub use http::{Access, HttpOptions, NewToken, Origin, Timeouts, TlsFiles, Tokens};
pub use journal::{Link, link};
pub use log_feed::{EpochBlocks, LogFeed, SettledLog};
pub use pages::{InProcess, Pages, Pinned, Refusal};
pub use server::{FeedOptions, Server};
pub use watched::MetricsServer;
