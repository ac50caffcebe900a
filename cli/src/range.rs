//! Ranges of decimal fractions on the command line: `A`, or `A:B:STEP`.

use alloy_primitives::U256;
use std::str::FromStr;

/// How many decimals a value may have: a METIS is 10^18 wei, and rates have as many.
pub(crate) const DECIMALS: usize = 18;

/// One value, or several at equal distances, both ends included where the last falls on one. In units
/// of 10^-18, so exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    first: U256,
    step: U256,
    count: u64,
}

impl Range {
    /// How many values there are. Never 0.
    pub(crate) const fn count(self) -> u64 {
        self.count
    }

    /// The values, from the least on.
    pub(crate) fn values(self) -> impl Iterator<Item = U256> {
        let next = move |value: &U256| value.checked_add(self.step);
        let values = std::iter::successors(Some(self.first), next);
        values.zip(0..self.count).map(|(value, _)| value)
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            [value] => Ok(Self { first: decimal(value)?, step: U256::ZERO, count: 1 }),
            [first, last, step] => between(decimal(first)?, decimal(last)?, decimal(step)?),
            _ => Err("neither a value A, nor a range A:B:STEP".into()),
        }
    }
}

fn between(first: U256, last: U256, step: U256) -> Result<Range, String> {
    let Some(distance) = last.checked_sub(first) else {
        return Err("it ends before it begins".into());
    };
    let steps = distance.checked_div(step).ok_or("its step is 0")?;
    let count = u64::try_from(steps).ok().and_then(|steps| steps.checked_add(1));
    count.map(|count| Range { first, step, count }).ok_or_else(|| "it has more than 2^64 - 1 values".into())
}

/// A decimal fraction, of digits and at most one point, in units of 10^-18.
pub(crate) fn decimal(text: &str) -> Result<U256, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return Err(format!("{text:?} is not a decimal fraction such as 0.20"));
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > DECIMALS {
        return Err(format!("{text} has more than {DECIMALS} decimals"));
    }
    let digits = format!("{whole}{fraction:0<DECIMALS$}");
    U256::from_str_radix(&digits, 10).map_err(|_| format!("{text} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tally_text::trimmed;

    #[test]
    fn ranges_are_exact_and_include_their_ends() {
        for (text, expected) in [
            ("0", "0"),
            ("0.20", "0.2"),
            ("007", "7"),
            ("100000", "100000"),
            ("0.000000000000000001", "0.000000000000000001"),
            ("1.5000000000000000000000", "1.5"),
            ("0.1:0.3:0.1", "0.1 0.2 0.3"),
            ("0.1:0.3:0.15", "0.1 0.25"),
            ("0.1:0.1:5", "0.1"),
            (
                "0:0.000000000000000003:0.000000000000000001",
                "0 0.000000000000000001 0.000000000000000002 0.000000000000000003",
            ),
            ("50000:150000:50000", "50000 100000 150000"),
            ("0.5:2:0.5", "0.5 1 1.5 2"),
        ] {
            let range: Range = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            let values: Vec<String> = range.values().map(trimmed).collect();
            assert_eq!(values.join(" "), expected, "{text}");
            assert_eq!(u64::try_from(values.len()), Ok(range.count()), "{text}");
        }
        let range: Range = "0.10:0.30:0.005".parse().unwrap();
        assert_eq!((range.count(), range.values().last().map(trimmed)), (41, Some("0.3".into())));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for (text, expected) in [
            ("", "\"\" is not a decimal fraction"),
            (".5", "\".5\" is not a decimal fraction"),
            ("5.", "\"5.\" is not a decimal fraction"),
            ("-0.1", "\"-0.1\" is not a decimal fraction"),
            ("+1", "is not a decimal fraction"),
            ("1e3", "is not a decimal fraction"),
            ("1_000", "is not a decimal fraction"),
            ("1.2.3", "is not a decimal fraction"),
            (" 1", "is not a decimal fraction"),
            ("٣", "is not a decimal fraction"),
            ("20 %", "is not a decimal fraction"),
            ("0.0000000000000000001", "0.0000000000000000001 has more than 18 decimals"),
            ("1:2", "neither a value A, nor a range A:B:STEP"),
            ("1:2:1:1", "neither a value A, nor a range A:B:STEP"),
            ("1:2:", "\"\" is not a decimal fraction"),
            ("1:2:0", "its step is 0"),
            ("1:1:0", "its step is 0"),
            ("2:1:1", "it ends before it begins"),
            ("0:100:0.000000000000000001", "it has more than 2^64 - 1 values"),
        ] {
            let error = text.parse::<Range>().expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
        let error = "9".repeat(78).parse::<Range>().expect_err("above 2^256");
        assert!(error.ends_with("is too large"), "{error}");
    }
}
