//! Signed differences of amounts.

use crate::money::Wei;
use core::fmt;

/// How much more (or less) one amount is than another, in wei: exact, and written with its sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    size: Wei,
    is_negative: bool,
}

impl Difference {
    /// `amount - base`. Any two amounts have one.
    pub fn new(amount: Wei, base: Wei) -> Self {
        let is_negative = amount < base;
        let (larger, smaller) = if is_negative { (base, amount) } else { (amount, base) };
        let size = larger.checked_sub(smaller).expect("the smaller is taken from the larger");
        Self { size, is_negative }
    }

    /// How far apart they are.
    pub const fn size(self) -> Wei {
        self.size
    }

    /// Whether the amount is less than its base.
    pub const fn is_negative(self) -> bool {
        self.is_negative
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_negative { "-" } else { "" };
        write!(f, "{sign}{}", self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use alloy_primitives::U256;

    #[test]
    fn a_difference_has_a_sign_and_no_limit() {
        let difference = |amount, base| Difference::new(Wei::new(amount), Wei::new(base)).to_string();
        let n = |value: u64| U256::from(value);
        assert_eq!(difference(n(5), n(3)), "2");
        assert_eq!(difference(n(3), n(5)), "-2");
        assert_eq!(difference(n(3), n(3)), "0");
        assert_eq!(difference(U256::ZERO, U256::MAX), format!("-{}", U256::MAX));
        assert_eq!(difference(U256::MAX, U256::ZERO), U256::MAX.to_string());
    }
}
