//! What the pool owes and pays, from a log and its replay.
//!
//! # Concepts
//!
//! The contracts **credit** a sequencer with the rewards of each batch, and what was not **claimed** or **relocked** is
//! **unclaimed**. A policy lets rewards **accrue** block by block; those of closed epochs are **claimable**. Both are
//! kept as movements from one account to another, and every sum is checked against the contracts' state or the ledger.
//!
//! - [`next_batch`] prepares the next `batchSubmitRewards` call: who is paid for how many blocks, credited by a
//!   [`CreditRule`];
//! - [`next_rate`] says what the reward per block has to be to hold the target, and what it was, and
//!   [`draw`] draws that; [`reward_per_block`] is the same rule for a given stake and pace, and a [`RateFormula`] also that of the operators;
//! - a [`PreparedCall`] is a call that somebody has to send, and [`safe_file`] is it for a `Safe` wallet;
//! - a [`MemberCall`] is such a call of a sequencer's owner or signer, with the contract's conditions judged by the log
//!   ([`member_call`], of a [`MemberBasis`]);
//! - [`accounts()`] gives what the contracts and each policy owe each sequencer, and a [`statement()`] what moved on
//!   the accounts of one; [`Recipients`] are the addresses on L2 that get the rewards;
//! - [`compare()`] says how much more another policy, or the contract, gives, and what the difference is made of;
//! - an [`Overview`] has what the owner of a sequencer asks first;
//! - [`sequencers()`] tells who they are, and a [`Registry`] what they are called; [`find_sequencer()`] finds the one that is meant;
//! - a [`Distribution`] is what a policy owes at the end of an epoch, with a [`MerkleTree`] to claim it by.
//!
//! ```
//! use std::path::Path;
//! use tally_claims::{Cut, accounts, sequencers};
//! use tally_eventlog::Archive;
//!
//! let log = Archive::open(Path::new("../fixtures/small-a.bundle"))?;
//! let owed = accounts(&log, Cut::End, &[], None)?;
//! assert!(owed.chain.sequencers.keys().eq(sequencers(&log)?.keys()));
//! for (id, account) in &owed.chain.sequencers {
//!     println!("sequencer {id} was credited {} wei", account.sums.credited);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors
//!
//! Whatever cannot be worked out is a [`ClaimsError`], with both values where two differ; there are no partial answers.
//! Nothing in a log, a policy or a registry makes this crate panic: a panic is a fault of this crate.

mod accounts;
mod batch;
mod calendar;
mod call;
mod credits;
mod distribution;
mod epochs;
mod error;
mod find;
mod formula;
mod member;
mod merkle;
mod names;
mod overview;
mod plot;
mod rate;
mod rate_history;
mod rounding;
mod safe;
mod sequencers;

pub use accounts::{
    AccountLine, Accounts, Against, AsOf, ChainAccount, ChainAccounts, ChainTotals, Change, ComparedEpoch,
    ComparedRow, ComparedSums, Comparison, Cut, Exit, LedgerAccount, MissingRecipient, Movement,
    MovementKind, MovementPlace, NotClaimable, Part, PolicyAccount, PolicyAccounts, Recipient, Recipients,
    Statement, StatementEntry, StatementRange, Until, accounts, blocks_credited, compare, statement,
};
pub use batch::{BatchEntry, NextBatch, UnpayableBlocks, next_batch};
pub use call::{Argument, PreparedCall};
pub use credits::{BlockingSigner, CreditRule, Uncreditable};
pub use distribution::{Distribution, DistributionHead, Owed, Withheld, WithheldReason, distribution};
pub use error::ClaimsError;
pub use find::find_sequencer;
pub use formula::RateFormula;
pub use member::{
    ActionAsked, ActionFault, ActionWord, CallChange, CallChangeKind, CallValue, CallWarning,
    CallWarningKind, Condition, ConditionKind, MemberAction, MemberBasis, MemberCall, Question, Sending,
    Verdict, member_call,
};
pub use merkle::{Leaf, MerkleTree};
pub use names::{EntryError, EntryFault, NAME_CHARS_MAX, Names, REGISTRY_BYTES_MAX, Registry};
pub use overview::{Overview, RunningEpoch, StakeRoom, overview};
pub use plot::draw;
pub use rate::{BlockSecs, ClosedEpoch, NextRate, next_rate, reward_per_block};
pub use rate_history::{PaidRate, RateHistory};
pub use rounding::{METIS_DECIMALS, RoundedWei};
pub use safe::safe_file;
pub use sequencers::{SequencerFacts, sequencers};
