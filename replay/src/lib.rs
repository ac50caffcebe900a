//! Folding a log in parallel.
//!
//! # Concepts
//!
//! A replay takes a [`tally_eventlog::LogView`] and some policies. For each policy it finds the **horizon**, the last
//! block that can be folded, and the **boundaries**, where epochs begin and stakes change; it counts the blocks between
//! two boundaries by who made them, once for all policies; and it folds the counts into a **ledger**.
//!
//! - [`replay`] gives the ledger of each of several policies, and a [`Replay`] goes on when the log has grown;
//! - [`activity()`] gives what happened before any rate, and a [`WhatIf`] what any number of targets,
//!   caps and allocations would have paid for it;
//! - a [`BlockLedger`] tells what each single block earned, and [`explain_block`] why;
//! - a [`Receipt`] keeps what a replay gave, of which log and under which policy, for others to compare;
//! - [`production()`] tells who made the blocks that it was to make;
//! - [`state_at`] gives the contracts' own state at an L1 block, and [`last_block_by`] finds an L2 block by time.
//!
//! The result depends on the log and the policies alone: not on the number of threads, nor on how the
//! blocks are split among them, because what is done in parallel is counting, and counts are sums, and
//! pricing, one policy by itself.
//!
//! ```
//! use std::path::Path;
//! use tally_engine::L2Block;
//! use tally_eventlog::Archive;
//! use tally_replay::{Receipt, ReplayOptions, replay};
//!
//! let bundle = Archive::open(Path::new("../fixtures/small-a.bundle"))?;
//! let receipt = Receipt::from_bytes(bundle.receipt())?;
//! let options = ReplayOptions { to: receipt.to.map(L2Block), ..ReplayOptions::default() };
//! let replayed = replay(&bundle, &[receipt.policy()?], options)?;
//! assert_eq!(replayed[0].ledger.root, receipt.ledger_root);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors
//!
//! Whatever fails is a [`ReplayError`], which says which policy, block or line it is about. After an error a [`Replay`] cannot go on, and says so; a
//! panic is a fault of this crate.

mod activity;
mod blocks;
mod by_block;
mod count;
mod error;
mod explain;
mod horizon;
mod options;
mod production;
mod receipt;
mod run;
mod saved;
mod state;
mod survey;
mod tail;
mod threads;
mod what_if_stake;
mod whatif;

pub use activity::{ReplayedActivity, activity, replay_with_activity};
pub use blocks::{first_blocks_at, last_block_by, timestamp_of};
pub use by_block::{
    Alike, BlockEntry, BlockIter, BlockLedger, BlockReader, BlockRun, Outcome, Rewarded,
    first_block_that_differs, for_each_together,
};
pub use error::ReplayError;
pub use explain::{
    BlockExplanation, EpochExplanation, Paid, Place, RateReason, RewardSource, Segment, SpanPlace,
    StakeFacts, explain_block, explain_epoch,
};
pub use horizon::Stop;
pub use options::ReplayOptions;
pub use production::{
    Gap, Made, Maker, Production, ProductionReader, ProductionRow, SpanProduction, production,
};
pub use receipt::{
    RECEIPT_BYTES_MAX, RECEIPT_FORMAT, Receipt, ReceiptBatch, ReceiptBatchRow, ReceiptChain, ReceiptEarned,
    ReceiptEpoch, ReceiptHead, ReceiptHorizon, ReceiptInitial, ReceiptLog, ReceiptPolicy, ReceiptRate,
    ReceiptRow, ReceiptSequencer, ReceiptStop, ReceiptUnrewarded,
};
pub use run::{Replay, Replayed, replay};
pub use saved::{RESULTS, SAVED_BYTES_MAX, restore, save};
pub use state::{StateAt, check_l1_block, state_at};
pub use what_if_stake::{StakeChange, StakeWhatIf, what_if_stake};
pub use whatif::{Compared, Variation, WhatIf};
