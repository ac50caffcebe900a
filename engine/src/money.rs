//! Amounts. None of these types has `+`, `-`, `*`, `/` or `Sum`: the operators of `U256` wrap
//! silently, so every step here is checked and says what overflowed.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloy_primitives::{U256, U512};
use core::fmt;

/// Arithmetic on amounts that has no exact answer in 256 bits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// A sum or product above 2^256 - 1.
    #[error("{operation} of {left} and {right} is above 2^256 - 1")]
    Overflow {
        /// What was computed: "sum" or "product".
        operation: &'static str,
        /// The operand on the left.
        left: U256,
        /// The operand on the right.
        right: U256,
    },
    /// A difference below zero.
    #[error("{right} is more than the {left} it is taken from")]
    Underflow {
        /// What there was before.
        left: U256,
        /// What was to be taken from it.
        right: U256,
    },
    /// A quotient (or a product on the way to it) too large for its type.
    #[error("the fraction {numerators} / {denominators} does not fit in 256 bits")]
    FractionTooLarge {
        /// The factors above the line.
        numerators: String,
        /// The factors below the line.
        denominators: String,
    },
    /// A division by zero.
    #[error("division by zero: {numerators} / {denominators}")]
    ZeroDenominator {
        /// The factors above the line.
        numerators: String,
        /// The factors below the line.
        denominators: String,
    },
}

/// Declares an amount type with checked arithmetic only.
macro_rules! amount {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(U256);

        impl $name {
            /// An amount of nothing.
            pub const ZERO: Self = Self(U256::ZERO);

            /// The amount as an integer of its unit.
            pub const fn new(value: U256) -> Self {
                Self(value)
            }

            /// The integer of the unit.
            pub const fn get(self) -> U256 {
                self.0
            }

            /// Whether this is nothing.
            pub fn is_zero(self) -> bool {
                self.0.is_zero()
            }

            /// `self + other`.
            ///
            /// # Errors
            ///
            /// [`AmountError::Overflow`] if the sum is above 2^256 - 1.
            pub fn checked_add(self, other: Self) -> Result<Self, AmountError> {
                let sum = self.0.checked_add(other.0);
                sum.map(Self).ok_or_else(|| AmountError::Overflow {
                    operation: "sum",
                    left: self.0,
                    right: other.0,
                })
            }

            /// `self - other`.
            ///
            /// # Errors
            ///
            /// [`AmountError::Underflow`] if `other` is the larger.
            pub fn checked_sub(self, other: Self) -> Result<Self, AmountError> {
                let difference = self.0.checked_sub(other.0);
                difference.map(Self).ok_or(AmountError::Underflow { left: self.0, right: other.0 })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

amount!(
    /// An amount of METIS in wei (10^-18 METIS).
    Wei
);
amount!(
    /// Stake integrated over time, in wei·s: `Q` of the rules.
    StakeSeconds
);
amount!(
    /// Stake summed over blocks, in wei·blocks: `W` of the rules.
    StakeBlocks
);

impl Wei {
    /// `self * count`, the amount of `count` equal parts.
    ///
    /// # Errors
    ///
    /// [`AmountError::Overflow`] if the product is above 2^256 - 1.
    pub fn times(self, count: u64) -> Result<Self, AmountError> {
        product(self.0, count).map(Self)
    }

    /// Stake held for `secs` seconds.
    ///
    /// # Errors
    ///
    /// [`AmountError::Overflow`] if the product is above 2^256 - 1.
    pub fn over_secs(self, secs: u64) -> Result<StakeSeconds, AmountError> {
        product(self.0, secs).map(StakeSeconds)
    }

    /// Stake counted once for each of `blocks` blocks.
    ///
    /// # Errors
    ///
    /// [`AmountError::Overflow`] if the product is above 2^256 - 1.
    pub fn over_blocks(self, blocks: u64) -> Result<StakeBlocks, AmountError> {
        product(self.0, blocks).map(StakeBlocks)
    }
}

/// Limb by limb: four times as fast as a product of two whole `U256`.
fn product(left: U256, right: u64) -> Result<U256, AmountError> {
    let mut limbs = left.into_limbs();
    let mut carry = 0;
    for limb in &mut limbs {
        (*limb, carry) = limb.carrying_mul(right, carry);
    }
    if carry == 0 {
        return Ok(U256::from_limbs(limbs));
    }
    Err(AmountError::Overflow { operation: "product", left, right: U256::from(right) })
}

/// The product of `numerators` over the product of `denominators`, **rounded down**. Products are
/// taken in 512 bits, so no intermediate value can wrap.
///
/// # Errors
///
/// [`AmountError::ZeroDenominator`] if a denominator is zero, [`AmountError::FractionTooLarge`] if
/// a product passes 512 bits or the quotient 256.
pub fn floor_fraction(numerators: &[U256], denominators: &[U256]) -> Result<U256, AmountError> {
    let text = |factors: &[U256]| {
        let factors: alloc::vec::Vec<String> = factors.iter().map(ToString::to_string).collect();
        factors.join(" * ")
    };
    let too_large =
        || AmountError::FractionTooLarge { numerators: text(numerators), denominators: text(denominators) };
    let zero =
        || AmountError::ZeroDenominator { numerators: text(numerators), denominators: text(denominators) };
    // Real amounts fit in 256 bits nearly always, and there it is several times as fast.
    let narrow = |factors: &[U256]| {
        factors.iter().try_fold(U256::from(1_u64), |product, factor| product.checked_mul(*factor))
    };
    if let (Some(above), Some(below)) = (narrow(numerators), narrow(denominators)) {
        // Integer division of unsigned numbers rounds down.
        return above.checked_div(below).ok_or_else(zero);
    }
    let wide = |factors: &[U256]| {
        factors.iter().try_fold(U512::from(1_u64), |product, factor| product.checked_mul(U512::from(*factor)))
    };
    let above = wide(numerators).ok_or_else(too_large)?;
    let below = wide(denominators).ok_or_else(too_large)?;
    let quotient = above.checked_div(below).ok_or_else(zero)?;
    U256::checked_from_limbs_slice(quotient.as_limbs()).ok_or_else(too_large)
}

/// A division that rounds down, with everything that goes into it: what [`floor_fraction`] leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// The factors above the line, in order.
    pub numerators: Vec<U256>,
    /// The factors below the line, in order.
    pub denominators: Vec<U256>,
    /// The product of those above.
    pub numerator: U512,
    /// The product of those below.
    pub denominator: U512,
    /// The result, rounded down.
    pub quotient: U256,
    /// What is left: less than the denominator.
    pub remainder: U512,
}

impl Division {
    /// The product of `numerators` over the product of `denominators`.
    ///
    /// # Errors
    ///
    /// As [`floor_fraction`].
    pub fn new(numerators: &[U256], denominators: &[U256]) -> Result<Self, AmountError> {
        let quotient = floor_fraction(numerators, denominators)?;
        let text = |factors: &[U256]| factors.iter().map(ToString::to_string).collect::<Vec<_>>().join(" * ");
        let too_large = || AmountError::FractionTooLarge {
            numerators: text(numerators),
            denominators: text(denominators),
        };
        let product = |factors: &[U256]| {
            factors
                .iter()
                .try_fold(U512::from(1_u64), |product, factor| product.checked_mul(U512::from(*factor)))
        };
        let numerator = product(numerators).ok_or_else(too_large)?;
        let denominator = product(denominators).ok_or_else(too_large)?;
        let taken = denominator.checked_mul(U512::from(quotient)).ok_or_else(too_large)?;
        let remainder = numerator.checked_sub(taken).ok_or_else(too_large)?;
        Ok(Self {
            numerators: numerators.to_vec(),
            denominators: denominators.to_vec(),
            numerator,
            denominator,
            quotient,
            remainder,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wei(value: u64) -> Wei {
        Wei::new(U256::from(value))
    }

    #[test]
    fn sums_and_products_that_pass_256_bits_are_errors() {
        let max = Wei::new(U256::MAX);
        assert_eq!(wei(2).checked_add(wei(3)), Ok(wei(5)));
        assert!(matches!(max.checked_add(wei(1)), Err(AmountError::Overflow { operation: "sum", .. })));
        assert!(matches!(max.times(2), Err(AmountError::Overflow { operation: "product", .. })));
        assert!(matches!(max.over_secs(2), Err(AmountError::Overflow { .. })));
        assert!(matches!(max.over_blocks(2), Err(AmountError::Overflow { .. })));
    }

    #[test]
    fn a_difference_below_zero_names_both_values() {
        let error = wei(2).checked_sub(wei(3)).expect_err("2 - 3");
        assert_eq!(error.to_string(), "3 is more than the 2 it is taken from");
    }

    #[test]
    fn fractions_round_down_and_do_not_wrap_on_the_way() {
        let n = |value: u64| U256::from(value);
        assert_eq!(floor_fraction(&[n(7)], &[n(2)]), Ok(n(3)));
        assert_eq!(floor_fraction(&[n(0)], &[n(2)]), Ok(n(0)));
        assert_eq!(floor_fraction(&[U256::MAX, U256::MAX], &[U256::MAX]), Ok(U256::MAX));
        assert!(matches!(
            floor_fraction(&[U256::MAX, n(2)], &[n(1)]),
            Err(AmountError::FractionTooLarge { .. })
        ));
        assert!(matches!(
            floor_fraction(&[U256::MAX, U256::MAX, n(2)], &[n(1)]),
            Err(AmountError::FractionTooLarge { .. })
        ));
        assert!(matches!(
            floor_fraction(&[U256::MAX, n(2)], &[n(0)]),
            Err(AmountError::ZeroDenominator { .. })
        ));
        // Where one product fits in 256 bits and the other does not.
        assert_eq!(floor_fraction(&[n(5)], &[U256::MAX, n(2)]), Ok(n(0)));
        assert!(matches!(floor_fraction(&[n(1)], &[n(0)]), Err(AmountError::ZeroDenominator { .. })));
    }
}
