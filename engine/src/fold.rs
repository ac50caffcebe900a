//! The fold itself: counts in, ledger out.

use crate::book::Book;
use crate::error::FoldError;
use crate::history::History;
use crate::ledger::{Horizon, Ledger};
use crate::policy::Policy;
use crate::spread::{InTurn, Spread};
use crate::walk::Walk;

/// Folds `history` up to `horizon` under one policy.
///
/// # Errors
///
/// [`FoldError`] if an amount does not fit in 256 bits, or if the history lacks what its horizon
/// promises. There is no partial ledger.
pub fn fold(policy: &Policy, history: &History<'_>, horizon: Option<Horizon>) -> Result<Ledger, FoldError> {
    let mut fold = Fold::new(policy.clone());
    if let Some(horizon) = horizon {
        fold.advance(history, horizon)?;
    }
    Ok(fold.into_ledger())
}

/// A fold that can go on when more is known.
///
/// Folding up to a horizon in any number of advances gives the same ledger as folding up to it at
/// once. What an advance costs depends on the blocks, changes and epochs that it takes in, on the
/// rows of the open epoch, and on the number of sequencers: never on what lies behind.
///
/// Under `on-chain` a ledger is not settled by its horizon (a pending block is paid later), so such
/// a fold advances once: see [`Policy::can_continue`].
#[derive(Clone, Debug)]
pub struct Fold {
    policy: Policy,
    walk: Walk,
    book: Book,
    has_failed: bool,
}

impl Fold {
    /// A fold that has folded nothing yet.
    pub fn new(policy: Policy) -> Self {
        let walk = Walk::new(&policy);
        let book = Book::new(&policy, &walk);
        Self { policy, walk, book, has_failed: false }
    }

    /// Folds on, up to `horizon`. The timeline and the spans are those of the last advance with what
    /// came since; the grid has a stretch that begins right after the last horizon, one that ends at
    /// this one, and the boundary of each instant between (see [`crate::instants`]).
    ///
    /// # Errors
    ///
    /// As [`fold()`], and if the horizon or the grid does not follow the last horizon, or the policy
    /// cannot be continued. After an error the ledger is still that of the last horizon, but the fold
    /// cannot go on: every further advance is [`FoldError::Unusable`].
    pub fn advance(&mut self, history: &History<'_>, horizon: Horizon) -> Result<(), FoldError> {
        self.advance_spread(history, horizon, &InTurn)
    }

    /// [`Fold::advance`], with the epochs' rewards computed as `spread` does it.
    ///
    /// # Errors
    ///
    /// As [`Fold::advance`].
    pub fn advance_spread(
        &mut self,
        history: &History<'_>,
        horizon: Horizon,
        spread: &impl Spread,
    ) -> Result<(), FoldError> {
        if self.has_failed {
            return Err(FoldError::Unusable);
        }
        // Poisoned until the whole step has succeeded.
        self.has_failed = true;
        if self.ledger().horizon.is_some() && !self.policy.can_continue() {
            return Err(FoldError::ByContract { policy: self.policy.name().into() });
        }
        let Self { policy, walk, book, .. } = self;
        walk.advance(policy, history, horizon, &mut |epoch, paid| book.close(policy, epoch, paid, spread))?;
        book.settle(policy, walk, spread)?;
        self.has_failed = false;
        Ok(())
    }

    /// The policy that it folds under.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The ledger as of the last horizon.
    pub const fn ledger(&self) -> &Ledger {
        self.book.ledger()
    }

    /// The ledger as of the last horizon, by value.
    pub fn into_ledger(self) -> Ledger {
        self.book.into_ledger()
    }
}
