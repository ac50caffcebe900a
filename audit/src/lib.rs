//! Checks what the chain itself claims against the log: nonces, running totals, what batches pay and to whom,
//! who made the blocks, and where the METIS is.
//!
//! [`audit_chain`] gives a [`ChainAudit`]: its [`Finding`]s have codes that stay the same ([`Code`]), each with a
//! severity. It reads a log and computes; it calls nobody.

mod batch;
mod blocks;
mod chain;
mod code;
mod event;
mod finding;
mod money;
mod schedule;
mod transaction;

pub use batch::{BatchAudit, BatchShare, CountRule};
pub use chain::{AuditError, AuditOptions, ChainAudit, Verdict, audit_chain};
pub use code::{Code, Severity};
pub use finding::Finding;
pub use money::Totals;
