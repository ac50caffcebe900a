//! The facts of the claim feed in a database: each of them once, whoever crashes.
//!
//! - [`Store`] is what a database has to do, and [`apply`] everything else: it checks that a page of the feed goes on from where
//!   the store stands, and writes the page and the new standing in one transaction;
//! - [`PostgresStore`] is PostgreSQL, with typed rows beside the facts; [`MemoryStore`] is for tests, and the shortest example;
//! - [`run`] takes the pages of a log or of a server, and goes on after outages of either side;
//! - [`check`] works out anew, from a log, what the tables should hold.
//!
//! Another database takes an implementation of [`Store`], and a loop like the one of [`run`].

mod batch;
mod blocks;
mod check;
mod check_derived;
mod column;
mod database;
mod derived;
mod error;
mod leaves;
mod memory;
mod metrics;
mod postgres;
mod rows;
mod run;
mod running;
mod schema;
mod server;
mod session;
mod source;
mod store;
mod sums;

pub use batch::PostgresBatch;
pub use check::{Checked, check};
pub use database::{Database, Password, STATEMENT_TIMEOUT};
pub use error::SinkError;
pub use memory::{Kept, MemoryBatch, MemoryStore};
pub use metrics::SinkMetrics;
pub use postgres::PostgresStore;
pub use run::{Applied, SinkOptions, run};
pub use schema::{Schema, migrations_sql, publish_sql, roles_sql};
pub use server::ServerFeed;
pub use session::migrate;
pub use source::Source;
pub use store::{Batch, Entry, Standing, Store, apply};
