//! Mining reward rates: exact decimal fractions.

use super::PolicyError;
use super::file::parse_mrr;
use alloc::string::String;
use alloy_primitives::U256;
use core::fmt;

/// How many decimals a mining reward rate may have.
const MRR_DECIMALS_MAX: usize = 18;

/// A mining reward rate as an exact fraction, in lowest powers of ten: 0.20 is 2 / 10.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mrr {
    numerator: u64,
    decimals: u8,
}

impl Mrr {
    /// A target of nothing.
    pub(super) const ZERO: Self = Self { numerator: 0, decimals: 0 };

    /// `m` of `m / d`.
    pub const fn numerator(self) -> u64 {
        self.numerator
    }

    /// `d` of `m / d`, a power of ten.
    pub fn denominator(self) -> U256 {
        // At most 10^18, so it fits.
        U256::from(10_u64.saturating_pow(u32::from(self.decimals)))
    }

    /// The rate of so many percent.
    pub fn from_percent(percent: u64) -> Self {
        let tenth = |whole: u64| whole.checked_div(10).filter(|_| whole.is_multiple_of(10));
        match (tenth(percent), tenth(percent).and_then(tenth)) {
            (_, Some(numerator)) => Self { numerator, decimals: 0 },
            (Some(numerator), None) => Self { numerator, decimals: 1 },
            (None, None) => Self { numerator: percent, decimals: 2 },
        }
    }

    /// How many percent it is, if that is a whole number (that fits in 64 bits).
    pub fn whole_percent(self) -> Option<u64> {
        let more = 2_u8.checked_sub(self.decimals)?;
        10_u64.checked_pow(u32::from(more))?.checked_mul(self.numerator)
    }

    /// The rate that a policy file would write like this: a decimal fraction, at most 18 decimals.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Value`] if it is none.
    pub fn from_decimal(text: &str) -> Result<Self, PolicyError> {
        parse_mrr("target_mrr", text)
    }

    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if text.starts_with('-') {
            return Err("a rate of at least 0");
        }
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) {
            return Err("a decimal fraction such as \"0.20\"");
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > MRR_DECIMALS_MAX {
            return Err("a rate of at most 18 decimals");
        }
        let mut digits = String::from(whole);
        digits.push_str(fraction);
        let numerator = digits.parse().map_err(|_| "a rate of fewer digits")?;
        let decimals = u8::try_from(fraction.len()).map_err(|_| "a rate of at most 18 decimals")?;
        Ok(Self { numerator, decimals })
    }
}

impl fmt::Display for Mrr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = usize::from(self.decimals).saturating_add(1);
        let digits = alloc::format!("{:0>width$}", self.numerator);
        let point = digits.len().saturating_sub(usize::from(self.decimals));
        let (whole, fraction) = digits.split_at_checked(point).ok_or(fmt::Error)?;
        if fraction.is_empty() { write!(f, "{whole}") } else { write!(f, "{whole}.{fraction}") }
    }
}

impl fmt::Debug for Mrr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
