//! Double entry, as it is kept.

use super::movement::{LedgerAccount, Movement, failed};
use crate::error::ClaimsError;
use std::collections::BTreeMap;
use tally_engine::{AmountError, Difference, SequencerId, Wei};

/// An account over the time of a statement. Balances are credits less debits since the beginning of the log, so that of
/// an account outside the pool may be below 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountLine {
    /// The account that is entered.
    pub account: LedgerAccount,
    /// Its balance before the first second.
    pub opening: Difference,
    /// What left it, in wei.
    pub debits: Wei,
    /// What entered it, in wei.
    pub credits: Wei,
    /// Its balance after the last second.
    pub closing: Difference,
}

/// A movement, and what the sequencer's own accounts hold after it, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementEntry {
    /// The movement that is entered.
    pub movement: Movement,
    /// The balance of its stake.
    pub stake: Wei,
    /// The balance of its unclaimed reward.
    pub unclaimed: Wei,
    /// What the policy has accrued; `None` without a policy.
    pub accrued: Option<Wei>,
}

/// What left an account and what entered it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    debits: Wei,
    credits: Wei,
}

impl Tally {
    fn balance(self) -> Difference {
        Difference::new(self.credits, self.debits)
    }

    fn plus(self, other: Self) -> Result<Self, AmountError> {
        Ok(Self {
            debits: self.debits.checked_add(other.debits)?,
            credits: self.credits.checked_add(other.credits)?,
        })
    }
}

/// The sums of each account, by name.
#[derive(Default)]
struct Tallies(BTreeMap<LedgerAccount, Tally>);

impl Tallies {
    fn take(&mut self, debit: LedgerAccount, credit: LedgerAccount, amount: Wei) -> Result<(), AmountError> {
        let left = self.0.entry(debit).or_default();
        left.debits = left.debits.checked_add(amount)?;
        let entered = self.0.entry(credit).or_default();
        entered.credits = entered.credits.checked_add(amount)?;
        Ok(())
    }

    fn get(&self, account: LedgerAccount) -> Tally {
        self.0.get(&account).copied().unwrap_or_default()
    }
}

/// The books of one sequencer, from the beginning of the log on.
pub(super) struct Books {
    sequencer: SequencerId,
    has_policy: bool,
    /// Before the statement's first second.
    before: Tallies,
    /// What moved within the range.
    within: Tallies,
    /// Both, added up by themselves.
    all: Tallies,
    stake: Wei,
    unclaimed: Wei,
    accrued: Wei,
}

impl Books {
    pub(super) fn new(sequencer: SequencerId, has_policy: bool) -> Self {
        let (before, within, mut all) = (Tallies::default(), Tallies::default(), Tallies::default());
        // Its own accounts are there from the beginning.
        all.0.insert(LedgerAccount::Stake(sequencer), Tally::default());
        all.0.insert(LedgerAccount::Unclaimed(sequencer), Tally::default());
        if has_policy {
            all.0.insert(LedgerAccount::Accrued(sequencer), Tally::default());
        }
        let (stake, unclaimed, accrued) = (Wei::ZERO, Wei::ZERO, Wei::ZERO);
        Self { sequencer, has_policy, before, within, all, stake, unclaimed, accrued }
    }

    /// Takes a movement from before the statement.
    pub(super) fn open(&mut self, movement: &Movement) -> Result<(), ClaimsError> {
        let Movement { debit, credit, amount, .. } = *movement;
        self.before.take(debit, credit, amount).map_err(failed("an opening balance", self.sequencer))?;
        self.apply(debit, credit, amount)
    }

    /// Takes what the policy had accrued before the statement.
    pub(super) fn open_accrued(&mut self, amount: Wei) -> Result<(), ClaimsError> {
        if !self.has_policy {
            return Ok(());
        }
        let (debit, credit) = (LedgerAccount::Policy, LedgerAccount::Accrued(self.sequencer));
        self.before.take(debit, credit, amount).map_err(failed("an opening balance", self.sequencer))?;
        self.apply(debit, credit, amount)
    }

    /// Takes a movement of the statement.
    pub(super) fn enter(&mut self, movement: &Movement) -> Result<StatementEntry, ClaimsError> {
        let Movement { debit, credit, amount, .. } = *movement;
        self.within.take(debit, credit, amount).map_err(failed("a balance", self.sequencer))?;
        self.apply(debit, credit, amount)?;
        Ok(StatementEntry {
            movement: *movement,
            stake: self.stake,
            unclaimed: self.unclaimed,
            accrued: self.has_policy.then_some(self.accrued),
        })
    }

    fn apply(&mut self, debit: LedgerAccount, credit: LedgerAccount, amount: Wei) -> Result<(), ClaimsError> {
        let sequencer = self.sequencer;
        let failed = || failed("a balance", sequencer);
        self.all.take(debit, credit, amount).map_err(failed())?;
        if let Some(balance) = self.own(debit) {
            *balance = balance.checked_sub(amount).map_err(failed())?;
        }
        if let Some(balance) = self.own(credit) {
            *balance = balance.checked_add(amount).map_err(failed())?;
        }
        Ok(())
    }

    /// The balance of one of the sequencer's own accounts.
    fn own(&mut self, account: LedgerAccount) -> Option<&mut Wei> {
        match account {
            LedgerAccount::Stake(_) => Some(&mut self.stake),
            LedgerAccount::Unclaimed(_) => Some(&mut self.unclaimed),
            LedgerAccount::Accrued(_) => Some(&mut self.accrued),
            LedgerAccount::Owner(_)
            | LedgerAccount::Rewards
            | LedgerAccount::Recipient(_)
            | LedgerAccount::Policy => None,
        }
    }

    /// Fails unless the sequencer's own accounts hold this.
    pub(super) fn check(
        &self,
        what: &'static str,
        stake: Wei,
        unclaimed: Wei,
        accrued: Wei,
    ) -> Result<(), ClaimsError> {
        ClaimsError::check_balance(what, LedgerAccount::Stake(self.sequencer), stake, self.stake)?;
        ClaimsError::check_balance(
            what,
            LedgerAccount::Unclaimed(self.sequencer),
            unclaimed,
            self.unclaimed,
        )?;
        ClaimsError::check_balance(what, LedgerAccount::Accrued(self.sequencer), accrued, self.accrued)
    }

    /// Every account over the statement, each checked: opening, debits and credits give closing, and what left
    /// accounts entered others.
    pub(super) fn lines(&self) -> Result<Vec<AccountLine>, ClaimsError> {
        let mut sums = Tally::default();
        let mut lines = Vec::new();
        for (account, all) in &self.all.0 {
            let (before, within) = (self.before.get(*account), self.within.get(*account));
            let sum = before.plus(within).map_err(failed("a balance", self.sequencer))?;
            ClaimsError::check_balance("what left", *account, all.debits, sum.debits)?;
            ClaimsError::check_balance("what entered", *account, all.credits, sum.credits)?;
            sums = sums.plus(within).map_err(failed("all movements", self.sequencer))?;
            let (debits, credits) = (within.debits, within.credits);
            let (opening, closing) = (before.balance(), all.balance());
            lines.push(AccountLine { account: *account, opening, debits, credits, closing });
        }
        let whose = format_args!("the accounts of sequencer {}", self.sequencer);
        ClaimsError::check_balance("all credits", whose, sums.credits, sums.debits)?;
        Ok(lines)
    }
}
