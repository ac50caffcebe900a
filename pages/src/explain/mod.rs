//! Pages that explain: a block, an epoch, a batch, the rates, what the audit found, and the policies.

mod audit;
mod batches;
mod block;
mod epochs;
mod policies;
mod rates;

pub(crate) use audit::{audit, finding, verdict};
pub(crate) use batches::{batch, batches};
pub(crate) use block::block;
pub(crate) use epochs::{epoch, epochs};
pub(crate) use policies::policies;
pub(crate) use rates::rates;
