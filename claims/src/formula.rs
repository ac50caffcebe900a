//! The two formulas by which a reward per block is found from a stake, a pace and a target.

use crate::error::ClaimsError;
use crate::rate::{BlockSecs, reward_per_block};
use std::fmt;
use tally_engine::{Mrr, OperatorsRate, Wei, YEAR_SECS};

/// How a reward per block is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateFormula {
    /// By one division, which rounds down: `floor(m · stake · T / (d · YEAR))`.
    Exact,
    /// As the pool's operators do, of whole percents and whole seconds:
    /// `floor(floor(stake · percent / 100) / floor(YEAR / seconds))`.
    Operators,
}

impl RateFormula {
    /// A word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Operators => "operators",
        }
    }

    /// What each block has to earn, so that `stake`, with a block `every` so many seconds, earns the `target`.
    ///
    /// # Errors
    ///
    /// [`ClaimsError::NotWhole`] if the operators' formula is given what is no whole number (or more than a year from one
    /// block to the next), [`ClaimsError::Amount`] if the reward does not fit.
    pub fn reward(self, stake: Wei, every: BlockSecs, target: Mrr) -> Result<Wei, ClaimsError> {
        match self {
            Self::Exact => reward_per_block(stake, every, target),
            Self::Operators => {
                let not_whole = |what, expected, found: &dyn fmt::Display| ClaimsError::NotWhole {
                    what,
                    expected,
                    found: found.to_string(),
                };
                let percent = target.whole_percent();
                let percent =
                    percent.ok_or_else(|| not_whole("the target", "a whole percentage, as 0.20", &target))?;
                let secs = every.whole_secs().filter(|secs| *secs <= YEAR_SECS);
                let block_secs = secs.ok_or_else(|| {
                    not_whole("the time between blocks", "a whole number of seconds, a year at most", &every)
                })?;
                let entered = OperatorsRate { total_locked: stake, percent, block_secs };
                entered.reward().map_err(ClaimsError::amount("the reward per block"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reward(formula: RateFormula, every: &str, mrr: &str) -> Result<String, String> {
        let stake = Wei::new("339093856307591721079574".parse().expect("a number"));
        let every = every.parse().expect("seconds");
        let found = formula.reward(stake, every, Mrr::from_decimal(mrr).expect("a rate"));
        found.map(|reward| reward.to_string()).map_err(|error| error.to_string())
    }

    /// They agree where the seconds divide a year, and part elsewhere: the blocks of a year are rounded down first.
    #[test]
    fn the_operators_formula_is_the_exact_one_where_the_seconds_divide_a_year() {
        for (every, mrr, exact, operators) in [
            ("8", "0.20", "17204153034378068", "17204153034378068"),
            ("7", "0.2", "15053633905080809", "15053636769166952"),
            ("17.0", "0.10", "18279412599026697", "18279420713939495"),
        ] {
            assert_eq!(reward(RateFormula::Exact, every, mrr), Ok(exact.into()));
            assert_eq!(reward(RateFormula::Operators, every, mrr), Ok(operators.into()));
        }
    }

    #[test]
    fn the_operators_formula_takes_whole_numbers_alone() {
        assert_eq!(
            reward(RateFormula::Operators, "8", "0.205"),
            Err("the operators' formula takes whole numbers: the target is 0.205, but has to be a whole percentage, as \
                 0.20"
                .into())
        );
        for every in ["7.5", "31536001"] {
            let error = reward(RateFormula::Operators, every, "0.2").expect_err("it is none");
            assert!(
                error.contains(&format!("the time between blocks is {every}, but has to be a whole")),
                "{error}"
            );
        }
    }
}
