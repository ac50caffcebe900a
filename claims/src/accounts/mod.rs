//! What is owed to each sequencer: by the contracts, and under policies.

mod books;
mod chain;
mod cut;
mod error;
mod movement;
mod policy;
mod statement;

pub use books::{AccountLine, StatementEntry};
pub use chain::{ChainAccount, ChainAccounts, ChainTotals, Exit, NotClaimable};
pub use cut::{AsOf, Cut, Until};
pub use error::AccountsError;
pub use movement::{LedgerAccount, Movement, MovementKind, MovementPlace, blocks_credited};
pub use policy::{PolicyAccount, PolicyAccounts};
pub use statement::{Statement, StatementRange, statement};

pub(crate) use cut::records_by;

use cut::replayed_by;
use tally_engine::{L1Block, Policy};
use tally_replay::Source;

/// The accounts of all sequencers.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Up to when.
    pub as_of: AsOf,
    /// What the contracts owe.
    pub chain: ChainAccounts,
    /// What each policy gives, in the order asked for.
    pub policies: Vec<PolicyAccounts>,
}

/// The accounts of all sequencers up to `cut`. `first` is the log's first L1 block; `threads` count blocks (`None`:
/// one a core), and the result is the same for any number.
///
/// # Errors
///
/// [`AccountsError`] if the log does not reach `cut`, cannot be read or folded, or does not add up.
pub fn accounts<S: Source>(
    source: &S,
    first: L1Block,
    cut: Cut,
    policies: &[Policy],
    threads: Option<usize>,
) -> Result<Accounts, AccountsError> {
    let (as_of, records) = records_by(source, first, cut)?;
    let chain = ChainAccounts::after(source.genesis(), &records)?;
    let replayed = replayed_by(source, as_of, cut, policies, threads)?;
    let policies = match &replayed {
        Some(replayed) => replayed
            .iter()
            .map(|replayed| PolicyAccounts::new(replayed, as_of.until))
            .collect::<Result<_, _>>()?,
        None => policies.iter().map(PolicyAccounts::nothing).collect(),
    };
    Ok(Accounts { as_of, chain, policies })
}
