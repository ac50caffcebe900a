//! Values that are text in JSON: amounts, addresses, hashes and rates.

use alloy_primitives::{B256, U256, U512};
use tally_engine::{Difference, Mrr, REALISED_MRR_DECIMALS, StakeBlocks, StakeSeconds, Wei};
use tally_text::fraction;

/// Defines a text with its pattern, and the types whose `Display` it is.
macro_rules! text {
    ($(#[$meta:meta])* $name:ident, $pattern:tt, $example:tt, [$($from:ty),*]) => {
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[schema(pattern = $pattern, example = $example)]
        $(#[$meta])*
        pub struct $name(String);

        impl $name {
            /// The text itself, as JSON has it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        $(
            impl From<$from> for $name {
                fn from(value: $from) -> Self {
                    Self(value.to_string())
                }
            }
        )*
    };
}

text! {
    /// A whole number of any size as decimal digits: an amount in wei, or a product of amounts.
    Amount, "^[0-9]+$", "761000000000000", [Wei, StakeSeconds, StakeBlocks, U256, U512]
}

text! {
    /// An amount in wei as decimal digits, with `-` before it where it is below 0.
    SignedAmount, "^-?[0-9]+$", "-761000000000000", [Difference]
}

text! {
    /// An address of an account or a contract, as `0x` and 40 hexadecimal digits in lower case.
    Address, "^0x[0-9a-f]{40}$", "0x0fe382b74c3894b65c10e5c12ae60bbd8faf5b48", []
}

text! {
    /// A hash or a digest, as `0x` and 64 hexadecimal digits in lower case.
    Hash, "^0x[0-9a-f]{64}$", "0x86d0d6fa6f1c9b3cbf3b92b0e05d6f6d0d2a6c4b9ed6b0b5b1a2f0f3c1d2e3f4", [B256]
}

text! {
    /// A rate for each year as an exact decimal fraction: `0.2` stands for 20 % a year.
    Fraction, "^[0-9]+(\\.[0-9]+)?$", "0.2", [Mrr]
}

impl From<alloy_primitives::Address> for Address {
    fn from(address: alloy_primitives::Address) -> Self {
        Self(format!("{address:#x}"))
    }
}

impl Fraction {
    /// A mining reward rate that was reached, from its number of units of 10^-18; it has 18 decimals.
    pub fn realised(units: U256) -> Self {
        Self(fraction(units, usize::from(REALISED_MRR_DECIMALS)))
    }
}

impl Amount {
    /// The number itself; `None` for one that does not fit into 256 bits, as products of amounts may be.
    pub fn wei(&self) -> Option<Wei> {
        U256::from_str_radix(&self.0, 10).ok().map(Wei::new)
    }
}

impl SignedAmount {
    /// The number itself; `None` for one that does not fit into 256 bits.
    pub fn difference(&self) -> Option<Difference> {
        let digits = self.0.strip_prefix('-');
        let size = U256::from_str_radix(digits.unwrap_or(&self.0), 10).ok().map(Wei::new)?;
        let (amount, base) = if digits.is_some() { (Wei::ZERO, size) } else { (size, Wei::ZERO) };
        Some(Difference::new(amount, base))
    }
}

impl Fraction {
    /// The rate in units of 10^-18, rounded down; `None` for one that does not fit into 256 bits.
    pub fn units(&self) -> Option<U256> {
        let (whole, decimals) = self.0.split_once('.').unwrap_or((&self.0, ""));
        let kept = decimals.get(..usize::from(REALISED_MRR_DECIMALS)).unwrap_or(decimals);
        U256::from_str_radix(&format!("{whole}{kept:0<18}"), 10).ok()
    }
}

impl Address {
    /// The address itself; `None` if the text is none.
    pub fn address(&self) -> Option<alloy_primitives::Address> {
        self.0.parse().ok()
    }
}
