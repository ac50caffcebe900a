//! Amounts that people set, with few decimals.

use crate::error::ClaimsError;
use alloy_primitives::U256;
use tally_engine::{AmountError, Wei, floor_fraction};

/// A METIS is 10^18 wei.
pub const METIS_DECIMALS: u8 = 18;

/// An amount in METIS with few decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundedWei {
    /// How many decimals of METIS it may have.
    pub decimals: u8,
    /// The amount after rounding, in wei.
    pub amount: Wei,
}

impl RoundedWei {
    /// `exact`, rounded to the **nearest** amount of at most `decimals` decimals of METIS, ties up.
    ///
    /// # Errors
    ///
    /// [`ClaimsError::TooManyDecimals`] above [`METIS_DECIMALS`], [`ClaimsError::Amount`] if the result is above 2^256 - 1.
    pub fn nearest(exact: Wei, decimals: u8) -> Result<Self, ClaimsError> {
        let max = METIS_DECIMALS;
        let dropped = max.checked_sub(decimals).ok_or(ClaimsError::TooManyDecimals { decimals, max })?;
        let step = U256::from(10_u64).pow(U256::from(dropped));
        let amount = nearest_multiple(exact, step).map_err(ClaimsError::amount("the rounded amount"))?;
        Ok(Self { decimals, amount })
    }
}

/// The multiple of `step` (not 0) that is **nearest** to `exact`, ties up.
fn nearest_multiple(exact: Wei, step: U256) -> Result<Wei, AmountError> {
    let steps = floor_fraction(&[exact.get()], &[step])?;
    let below = Wei::new(floor_fraction(&[steps, step], &[U256::from(1_u64)])?);
    let step = Wei::new(step);
    let from_below = exact.checked_sub(below)?;
    let to_above = step.checked_sub(from_below)?;
    if from_below < to_above { Ok(below) } else { below.checked_add(step) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(wei: &str, decimals: u8) -> String {
        let exact = Wei::new(wei.parse().expect("a number"));
        match RoundedWei::nearest(exact, decimals) {
            Ok(rounded) => rounded.amount.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn amounts_go_to_the_nearest_and_ties_go_up() {
        for (wei, decimals, expected) in [
            ("0", 0, "0"),
            ("0", 18, "0"),
            ("1", 18, "1"),
            ("1", 17, "0"),
            ("4", 17, "0"),
            ("5", 17, "10"),
            ("14", 17, "10"),
            ("15", 17, "20"),
            ("499999999999999999", 0, "0"),
            ("500000000000000000", 0, "1000000000000000000"),
            ("1504743784880771", 9, "1504744000000000"),
            ("41168150684931506", 11, "41168150680000000"),
        ] {
            assert_eq!(nearest(wei, decimals), expected, "{wei} to {decimals}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let max = U256::MAX.to_string();
        assert_eq!(nearest(&max, 18), max);
        assert!(nearest(&max, 17).contains("is above 2^256 - 1"), "it ends in 5");
        assert_eq!(nearest("1", 19), "19 decimals are asked for, but a METIS has 18");
        assert_eq!(nearest("1", 255), "255 decimals are asked for, but a METIS has 18");
    }
}
