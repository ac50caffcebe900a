//! What is owed to each sequencer: by the contracts, and under policies.

mod books;
mod chain;
mod compare;
mod cut;
mod movement;
mod parts;
mod policy;
mod recipients;
mod statement;

pub use books::{AccountLine, StatementEntry};
pub use chain::{ChainAccount, ChainAccounts, ChainTotals, Exit, NotClaimable};
pub use compare::{Against, ComparedEpoch, ComparedRow, Comparison, compare};
pub use cut::{AsOf, Cut, Until};
pub use movement::{LedgerAccount, Movement, MovementKind, MovementPlace, blocks_credited};
pub use parts::{Change, ComparedSums, Part};
pub use policy::{PolicyAccount, PolicyAccounts};
pub use recipients::{MissingRecipient, Recipient, Recipients};
pub use statement::{Statement, StatementRange, statement};

pub(crate) use cut::records_by;

use crate::error::ClaimsError;
use cut::replayed_by;
use tally_engine::Policy;
use tally_eventlog::LogView;

/// The accounts of all sequencers.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Up to when they go.
    pub as_of: AsOf,
    /// What the contracts owe.
    pub chain: ChainAccounts,
    /// What each policy gives, in the order asked for.
    pub policies: Vec<PolicyAccounts>,
}

/// The accounts of all sequencers up to `cut`. `threads` count blocks (`None`: one a core), and the result is the same
/// for any number.
///
/// # Errors
///
/// [`ClaimsError`] if the log does not reach `cut`, cannot be read or folded, or does not add up.
pub fn accounts<L: LogView>(
    log: &L,
    cut: Cut,
    policies: &[Policy],
    threads: Option<usize>,
) -> Result<Accounts, ClaimsError> {
    let (as_of, records) = records_by(log, cut)?;
    let chain = ChainAccounts::after(&log.identity().genesis, &records)?;
    let replayed = replayed_by(log, as_of, cut, policies, threads)?;
    let policies = match &replayed {
        Some(replayed) => replayed
            .iter()
            .map(|replayed| PolicyAccounts::new(replayed, as_of.until))
            .collect::<Result<_, _>>()?,
        None => policies.iter().map(PolicyAccounts::nothing).collect(),
    };
    Ok(Accounts { as_of, chain, policies })
}
