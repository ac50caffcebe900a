//! Folding a log in parallel.
//!
//! - [`replay`] gives the ledger of each of several policies, counting the blocks once;
//! - [`state_at`] gives the contracts' own state at an L1 block.
//!
//! The result depends on the log and the policies alone: not on the number of threads, nor on how the
//! blocks are split among them, because all that is done in parallel is counting, and counts are sums.

mod blocks;
mod count;
mod error;
mod horizon;
mod run;
mod source;
mod state;
mod survey;
mod threads;

pub use error::ReplayError;
pub use horizon::Stop;
pub use run::{Replay, ReplayOptions, Replayed, replay};
pub use source::Source;
pub use state::{StateAt, state_at};
