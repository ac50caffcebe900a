//! The fold of Tally: what happened on the chains in, reward ledgers out.
//!
//! Pure: no input or output, no clock, no randomness, no threads, no hash-map order (`no_std` makes
//! most of that a compile error). The same history and the same policy give the same wei.
//!
//! - what happened: [`L1Record`] with a [`PoolEvent`], [`SpanRecord`] with a [`SpanEvent`];
//! - what it amounts to: [`PoolState`], the contracts' own state; [`Timeline`], what of it bears on
//!   rewards; [`Spans`], who was to produce which block; [`SignerBook`], whom signers stand for;
//!   [`Batches`], what the contract paid;
//! - the rules: [`Policy`];
//! - where to look and what was found there: [`instants`], [`Grid`], [`Counts`];
//! - the result: [`fold()`] gives a [`Ledger`], and a [`Fold`] goes on when more is known;
//! - what if: an [`Activity`] is what happened before any rate, and under a cap, [`Capped`], it tells
//!   what each of many policies would pay.
//!
//! ```
//! use tally_engine::{Allocation, Policy};
//!
//! let policy = Policy::built_in("guide").expect("it is built in");
//! assert_eq!(policy.allocation(), Allocation::Flat);
//! assert_eq!(policy.cap().to_string(), "100000000000000000000000");
//! ```
//!
//! # Errors
//!
//! What stops a fold is a [`FoldError`]. Whatever is made before a fold is refused by an error of its own, so that nobody
//! has to handle another's: a policy by [`PolicyError`], a record of the pool by [`PoolError`], a span event by
//! [`SpanError`], an amount by [`AmountError`]. A record that fits, but claims something false, is no error: it gives a
//! [`Discrepancy`]. A panic is a fault of this crate.
#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::float_arithmetic,
        clippy::indexing_slicing,
        clippy::integer_division
    )
)]

extern crate alloc;

/// The version of this engine, as results name it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

mod activity;
mod assess;
mod batch;
mod book;
mod contract;
mod difference;
mod digest;
mod epoch;
mod error;
mod event;
mod fold;
mod grid;
mod history;
mod ids;
mod ledger;
mod money;
mod operators;
mod policy;
mod pool;
mod rate;
mod schedule;
mod signers;
mod spans;
mod spread;
#[cfg(test)]
mod tests;
mod timeline;
mod walk;
mod whatif;

pub use activity::Activity;
pub use assess::{Assessed, Assessor, Basis};
pub use batch::{Batches, PaidBatch, Payment};
pub use difference::Difference;
pub use epoch::{ActivityRow, EpochActivity};
pub use error::FoldError;
pub use event::{Credit, L1Record, PoolEvent, SpanEvent, SpanRecord};
pub use fold::{Fold, fold};
pub use grid::{Boundary, Counts, EPOCHS_MAX, FirstPayable, Grid, genesis_time, instants};
pub use history::History;
pub use ids::{BatchId, EpochIndex, L1Block, L2Block, SequencerId, SpanId, UnixTime, YEAR_SECS};
pub use ledger::{
    BatchLedger, Earned, EpochLedger, Horizon, Ledger, Row, SequencerTotal, Unrewarded, UnrewardedBlocks,
};
pub use money::{AmountError, Division, StakeBlocks, StakeSeconds, Wei, floor_fraction};
pub use operators::OperatorsRate;
pub use policy::{
    Allocation, Attribution, BUILT_IN, BUILT_IN_EARLIER, Dated, Genesis, Mrr, POLICY_BYTES_MAX, Policy,
    PolicyError, RateRule,
};
pub use pool::{
    BatchState, Discrepancy, PoolError, PoolFault, PoolGenesis, PoolState, SequencerState, SignerState,
    Status,
};
pub use rate::{REALISED_MRR_DECIMALS, Rate, Window, flat_reward, realised_mrr, reward_division};
pub use schedule::{CheckDifference, ExitStart, Payee, Piece, ScheduledBlocks, SignerBook, SpanCursor};
pub use spans::{Span, SpanError, SpanFault, Spans};
pub use spread::{InTurn, Spread};
pub use timeline::{Change, ChangeKind, Roster, Standing, Timeline};
pub use whatif::{Capped, Evaluation};
