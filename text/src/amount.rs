//! Amounts and rates as decimal fractions.

use alloy_primitives::U256;
use tally_engine::{Difference, REALISED_MRR_DECIMALS, Wei};

/// The decimals of METIS: one is 10^18 wei.
const METIS_DECIMALS: usize = 18;

/// How many decimals of an amount tables show.
const SHOWN_DECIMALS: usize = 6;

/// How many decimals of an amount cards show, or how many digits of one below 1.
const BRIEF_DIGITS: usize = 4;

/// How many decimals of a rate in per cent are shown.
const PERCENT_DECIMALS: usize = 3;

/// `value` in units of 10^-`decimals`, as a decimal fraction with that many decimals: exact, and without groups.
pub fn fraction(value: U256, decimals: usize) -> String {
    let digits = value.to_string();
    let padded = format!("{digits:0>width$}", width = decimals.saturating_add(1));
    let (whole, fraction) = padded.split_at(padded.len() - decimals);
    if fraction.is_empty() { whole.into() } else { format!("{whole}.{fraction}") }
}

/// `value` in units of 10^-18, as a decimal fraction with no more decimals than it needs: exact, and without groups.
pub fn trimmed(value: U256) -> String {
    let exact = fraction(value, METIS_DECIMALS);
    exact.trim_end_matches('0').trim_end_matches('.').into()
}

/// Wei as METIS, in groups of three digits, rounded down to 6 decimals.
pub fn metis(wei: Wei) -> String {
    let exact = fraction(wei.get(), METIS_DECIMALS);
    grouped(&exact[..exact.len() - (METIS_DECIMALS - SHOWN_DECIMALS)])
}

/// Wei as METIS for cards and narrow columns, in groups of three digits: rounded down to 4 decimals, or to as many as the
/// first 4 digits that are not 0 need.
pub fn brief_metis(wei: Wei) -> String {
    let exact = fraction(wei.get(), METIS_DECIMALS);
    let Some((whole, decimals)) = exact.split_once('.').filter(|_| !wei.is_zero()) else {
        return "0".into();
    };
    let zeros = if whole == "0" { decimals.bytes().take_while(|digit| *digit == b'0').count() } else { 0 };
    let kept = BRIEF_DIGITS.saturating_add(zeros).min(METIS_DECIMALS);
    let shown = decimals.get(..kept).unwrap_or(decimals);
    grouped(&format!("{whole}.{shown}"))
}

/// A difference in METIS with its sign, as brief as [`brief_metis`] and rounded towards 0.
pub fn brief_difference(difference: Difference) -> String {
    let sign = match (difference.is_negative(), difference.size().is_zero()) {
        (true, _) => "-",
        (false, false) => "+",
        (false, true) => "",
    };
    format!("{sign}{}", brief_metis(difference.size()))
}

/// A balance in METIS, which may be below 0, as brief as [`brief_metis`] and rounded towards 0.
pub fn brief_signed_metis(balance: Difference) -> String {
    let sign = if balance.is_negative() { "-" } else { "" };
    format!("{sign}{}", brief_metis(balance.size()))
}

/// A number in groups of three digits.
pub fn grouped_number(number: u64) -> String {
    grouped(&number.to_string())
}

/// Wei as METIS, in groups of three digits, with all 18 decimals, so that points stand below each other.
pub fn metis_to_the_wei(wei: Wei) -> String {
    grouped(&fraction(wei.get(), METIS_DECIMALS))
}

/// Wei as METIS, in groups of three digits, with as many decimals as it has.
pub fn exact_metis(wei: Wei) -> String {
    grouped(&trimmed(wei.get()))
}

/// A difference in METIS with its sign, rounded towards 0 to 6 decimals.
pub fn metis_difference(difference: Difference) -> String {
    let sign = match (difference.is_negative(), difference.size().is_zero()) {
        (true, _) => "-",
        (false, false) => "+",
        (false, true) => "",
    };
    format!("{sign}{}", metis(difference.size()))
}

/// A balance in METIS, which may be below 0, rounded towards 0 to 6 decimals.
pub fn signed_metis(balance: Difference) -> String {
    let sign = if balance.is_negative() { "-" } else { "" };
    format!("{sign}{}", metis(balance.size()))
}

/// A mining reward rate, in units of 10^-18 as the engine gives it, in per cent and rounded down to 3 decimals.
pub fn percent(rate: U256) -> String {
    let decimals = usize::from(REALISED_MRR_DECIMALS) - 2;
    let exact = fraction(rate, decimals);
    format!("{} %", grouped(&exact[..exact.len() - (decimals - PERCENT_DECIMALS)]))
}

/// A decimal number with commas between groups of three digits before its point.
fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut text = String::with_capacity(number.len().saturating_mul(4) / 3);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wei(text: &str) -> Wei {
        Wei::new(text.parse().expect("a number"))
    }

    #[test]
    fn amounts_are_cut_and_never_rounded_up() {
        assert_eq!(metis(wei("0")), "0.000000");
        assert_eq!(metis(wei("999999999999")), "0.000000");
        assert_eq!(metis(wei("1999999999999")), "0.000001");
        assert_eq!(metis(wei("999999999999999999999")), "999.999999");
        assert_eq!(metis(wei("489592026707194902745743")), "489,592.026707");
        assert_eq!(metis(wei("1489592026707194902745743")), "1,489,592.026707");
        let difference = |amount, base| metis_difference(Difference::new(wei(amount), wei(base)));
        assert_eq!(difference("1999999999999", "0"), "+0.000001");
        assert_eq!(difference("0", "1999999999999"), "-0.000001");
        assert_eq!(difference("0", "1"), "-0.000000");
        assert_eq!(difference("1", "1"), "0.000000");
        assert_eq!(signed_metis(Difference::new(wei("0"), wei("2000000000000000000"))), "-2.000000");
    }

    #[test]
    fn brief_amounts_keep_the_digits_that_matter() {
        for (amount, expected) in [
            ("0", "0"),
            ("1", "0.000000000000000001"),
            ("12478422370000000", "0.01247"),
            ("761000000000000", "0.0007610"),
            ("999999999999999999", "0.9999"),
            ("1586081359164138173", "1.5860"),
            ("20000000000000000000000", "20,000.0000"),
            ("489592026787194902745743", "489,592.0267"),
        ] {
            assert_eq!(brief_metis(wei(amount)), expected);
        }
        let difference = |amount, base| Difference::new(wei(amount), wei(base));
        assert_eq!(brief_difference(difference("1", "1")), "0");
        assert_eq!(brief_difference(difference("2000000000000000000", "0")), "+2.0000");
        assert_eq!(brief_difference(difference("0", "268331941353710535")), "-0.2683");
        assert_eq!(brief_signed_metis(difference("0", "2000000000000000000")), "-2.0000");
        assert_eq!(brief_signed_metis(difference("2000000000000000000", "0")), "2.0000");
        assert_eq!(grouped_number(15_234_502), "15,234,502");
        assert_eq!(grouped_number(0), "0");
    }

    #[test]
    fn exact_amounts_lose_nothing() {
        assert_eq!(trimmed(U256::ZERO), "0");
        assert_eq!(trimmed(U256::from(1)), "0.000000000000000001");
        assert_eq!(exact_metis(wei("100000000000000000000000")), "100,000");
        assert_eq!(exact_metis(wei("134586733804000000000001")), "134,586.733804000000000001");
        assert_eq!(fraction(U256::from(7), 0), "7");
        assert_eq!(fraction(U256::from(7), 3), "0.007");
    }

    #[test]
    fn rates_are_in_per_cent() {
        assert_eq!(percent(U256::from(199_999_999_999_999_999_u64)), "19.999 %");
        assert_eq!(percent(U256::from(200_000_000_000_000_000_u64)), "20.000 %");
        assert_eq!(percent(U256::from(20_000_000_000_000_000_000_u128)), "2,000.000 %");
    }
}
