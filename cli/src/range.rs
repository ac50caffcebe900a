//! Ranges on the command line: `A`, or `A:B:STEP`.

use alloy_primitives::U256;
use tally_text::{AmountUnit, given_amount, given_rate};

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

impl Range {
    /// A range of amounts of METIS, such as `50k:150k:10k`.
    pub(crate) fn of_amounts(text: &str) -> Result<Self, String> {
        Self::parse(text, |amount| given_amount(amount, AmountUnit::Metis))
    }

    /// A range of rates, such as `10%:30%:0.5%` or `0.10:0.30:0.005`.
    pub(crate) fn of_rates(text: &str) -> Result<Self, String> {
        Self::parse(text, given_rate)
    }

    fn parse(text: &str, value: fn(&str) -> Result<U256, String>) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            [only] => Ok(Self { first: value(only)?, step: U256::ZERO, count: 1 }),
            [first, last, step] => between(value(first)?, value(last)?, value(step)?),
            _ => Err(format!("{text:?} is neither a value A, nor a range A:B:STEP")),
        }
    }
}

/// Ranges of amounts with commas between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Amounts(pub(crate) Vec<Range>);

impl Amounts {
    /// `50k,100k:150k:10k`; what may as well be one number with its thousands parted is refused.
    pub(crate) fn of(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(',').collect();
        let is_group = |part: &&str| part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit());
        if let [first, rest @ .., last] = &parts[..] {
            let (whole, _) = last.split_once('.').unwrap_or((last, ""));
            let begins = (1..=3).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_digit());
            if begins && rest.iter().all(is_group) && is_group(&whole) {
                let (one, several) = (parts.join("_"), parts.join(" and "));
                return Err(format!(
                    "{text} is one amount, {one}, or several, {several}: write {one}, or give the flag twice"
                ));
            }
        }
        parts.into_iter().map(Range::of_amounts).collect::<Result<_, _>>().map(Self)
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
            let range = Range::of_amounts(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let values: Vec<String> = range.values().map(trimmed).collect();
            assert_eq!(values.join(" "), expected, "{text}");
            assert_eq!(u64::try_from(values.len()), Ok(range.count()), "{text}");
        }
        let range = Range::of_rates("10%:0.30:0.5%").unwrap();
        assert_eq!((range.count(), range.values().last().map(trimmed)), (41, Some("0.3".into())));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for (text, expected) in [
            ("", "\"\" is no amount"),
            (".5", "\".5\" is no amount"),
            ("5.", "\"5.\" is no amount"),
            ("-0.1", "\"-0.1\" is no amount"),
            ("+1", "is no amount"),
            ("1e3", "is no amount"),
            ("1.2.3", "is no amount"),
            ("٣", "is no amount"),
            ("20 %", "is no amount"),
            ("0.0000000000000000001", "more than 18 decimals"),
            ("1:2", "neither a value A, nor a range A:B:STEP"),
            ("1:2:1:1", "neither a value A, nor a range A:B:STEP"),
            ("1:2:", "\"\" is no amount"),
            ("1:2:0", "its step is 0"),
            ("1:1:0", "its step is 0"),
            ("2:1:1", "it ends before it begins"),
            ("0:100:0.000000000000000001", "it has more than 2^64 - 1 values"),
        ] {
            let error = Range::of_amounts(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(Range::of_rates("10%:30:5%").is_err(), "a rate of 30 is a mistake");
        for text in ["150,500", "1,150,500", "150,500.5"] {
            let error = Amounts::of(text).expect_err(text);
            assert!(error.contains("is one amount"), "{text}: {error}");
        }
        for text in ["50000,100000", "50k,100k", "1:3:1,2", "150", "1500,500"] {
            let count = text.split(',').count();
            assert_eq!(Amounts::of(text).map(|ranges| ranges.0.len()), Ok(count), "{text}");
        }
    }
}
