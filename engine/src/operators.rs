//! The formula by which the pool's operators set the reward per block.

use crate::ids::YEAR_SECS;
use crate::money::{AmountError, Division, Wei, floor_fraction};
use alloy_primitives::U256;

/// What the operators enter into their formula: everything that is locked, a percentage, and the seconds from one
/// block to the next, both whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorsRate {
    /// All stakes, not capped, with those of sequencers that are leaving: the contract's `totalLocked`.
    pub total_locked: Wei,
    /// The percentage of it that a year of rewards is to be.
    pub percent: u64,
    /// The seconds from one block to the next.
    pub block_secs: u64,
}

impl OperatorsRate {
    /// `floor(floor(total_locked · percent / 100) / floor(YEAR / block_secs))`: what every block earns.
    ///
    /// # Errors
    ///
    /// [`AmountError`] if a quotient does not fit, and for 0 seconds or more than a year: there the formula divides
    /// by 0.
    pub fn reward(&self) -> Result<Wei, AmountError> {
        let (a_year, blocks) = self.quotients()?;
        floor_fraction(&[a_year], &[blocks]).map(Wei::new)
    }

    /// The last of its divisions, whose numerator and denominator are quotients, both rounded down, themselves.
    pub(crate) fn division(&self) -> Result<Division, AmountError> {
        let (a_year, blocks) = self.quotients()?;
        Division::new(&[a_year], &[blocks])
    }

    /// The rewards of a year, and its blocks.
    fn quotients(&self) -> Result<(U256, U256), AmountError> {
        let a_year =
            floor_fraction(&[self.total_locked.get(), U256::from(self.percent)], &[U256::from(100_u64)])?;
        let blocks = floor_fraction(&[U256::from(YEAR_SECS)], &[U256::from(self.block_secs)])?;
        Ok((a_year, blocks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn reward(total_locked: &str, block_secs: u64, percent: u64) -> Result<Wei, AmountError> {
        let total_locked = Wei::new(U256::from_str_radix(total_locked, 10).expect("digits"));
        OperatorsRate { total_locked, percent, block_secs }.reward()
    }

    /// Every line of the values that the operators' tool gives on real stakes, and beside it what one division of
    /// the whole gives.
    #[test]
    fn the_formula_gives_what_the_operators_tool_gives() {
        let vectors = include_str!("../../fixtures/mainnet/operator_tool_vectors.csv");
        let mut lines = 0;
        for line in vectors.lines().skip(1) {
            let fields: alloc::vec::Vec<&str> = line.split(',').collect();
            let [locked, secs, percent, expected, exact, difference] = fields[..] else { panic!("{line}") };
            let (secs, percent) = (secs.parse().expect("a number"), percent.parse().expect("a number"));
            let found = reward(locked, secs, percent).expect("it fits");
            assert_eq!(found.to_string(), expected, "{line}");
            let locked = U256::from_str_radix(locked, 10).expect("digits");
            let whole = floor_fraction(
                &[locked, U256::from(percent), U256::from(secs)],
                &[U256::from(100 * YEAR_SECS)],
            );
            let whole = Wei::new(whole.expect("it fits"));
            assert_eq!(whole.to_string(), exact, "{line}");
            assert_eq!(found.checked_sub(whole).expect("it is no less").to_string(), difference, "{line}");
            lines += 1;
        }
        assert_eq!(lines, 36);
    }

    #[test]
    fn a_year_without_blocks_is_an_error_and_not_a_zero() {
        assert_eq!(reward("0", 8, 20), Ok(Wei::ZERO));
        assert_eq!(reward("99", 31_536_000, 1), Ok(Wei::ZERO));
        assert_eq!(reward("100", 31_536_000, 1), Ok(Wei::new(U256::from(1_u64))));
        for secs in [0, 31_536_001, u64::MAX] {
            assert!(matches!(reward("100", secs, 1), Err(AmountError::ZeroDenominator { .. })), "{secs}");
        }
        assert!(matches!(reward(&U256::MAX.to_string(), 8, 101), Err(AmountError::FractionTooLarge { .. })));
    }
}
