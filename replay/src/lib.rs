//! Folding a log in parallel.
//!
//! - [`replay`] gives the ledger of each of several policies, counting the blocks once;
//! - [`activity()`] gives what happened before any rate, and a [`WhatIf`] what any number of targets,
//!   caps and allocations would have paid for it;
//! - [`state_at`] gives the contracts' own state at an L1 block.
//!
//! The result depends on the log and the policies alone: not on the number of threads, nor on how the
//! blocks are split among them, because what is done in parallel is counting, and counts are sums, and
//! pricing, one policy by itself.

mod activity;
mod blocks;
mod count;
mod error;
mod horizon;
mod run;
mod source;
mod state;
mod survey;
mod threads;
mod whatif;

pub use activity::{ReplayedActivity, activity, replay_with_activity};
pub use error::ReplayError;
pub use horizon::Stop;
pub use run::{Replay, ReplayOptions, Replayed, replay};
pub use source::Source;
pub use state::{StateAt, state_at};
pub use whatif::{Compared, Variation, WhatIf};
