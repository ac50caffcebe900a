//! Checks what the chain itself claims against the log: nonces, running totals, what batches pay and to whom,
//! who made the blocks, and where the METIS is.
//!
//! # Concepts
//!
//! [`audit_chain`] goes along the pool's records, transaction by transaction, beside the contracts' own state. Each batch
//! is held against the **spans** as the contract had them when it was paid, and against who **signed** the blocks. It
//! gives a [`ChainAudit`]: its [`Finding`]s have codes that stay the same ([`Code`]), each with a severity, the place,
//! what was expected and what was found. A [`Sample`] is some blocks of a log, to be compared with those of the chains.
//! It reads a log and computes; it calls nobody.
//!
//! ```
//! use std::path::Path;
//! use tally_audit::{AuditOptions, CountRule, Severity, audit_chain};
//! use tally_eventlog::Archive;
//!
//! let log = Archive::open(Path::new("../fixtures/small-a.bundle"))?;
//! let options = AuditOptions { rule: CountRule::Scheduled, from_batch: None, to_batch: None };
//! let audit = audit_chain(&log, options)?;
//! for batch in &audit.batches {
//!     println!("batch {} pays {} wei, with {} errors", batch.batch, batch.amount, batch.errors);
//! }
//! let of_batches: usize = audit.batches.iter().map(|batch| batch.errors).sum();
//! assert!(of_batches <= audit.count(Severity::Error));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors
//!
//! What is wrong with the chain is a finding; an [`AuditError`] says why there is no audit. A panic is a fault of this
//! crate.

mod batch;
mod blocks;
mod chain;
mod code;
mod event;
mod finding;
mod money;
mod sample;
mod schedule;
mod transaction;

pub use batch::{BatchAudit, BatchShare, CountRule};
pub use chain::{AuditError, AuditOptions, ChainAudit, Verdict, audit_chain};
pub use code::{Code, Severity};
pub use finding::Finding;
pub use money::Totals;
pub use sample::{BlockDifference, SAMPLE_BLOCKS_MAX, Sample, SampledBlock};
