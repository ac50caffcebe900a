//! Amounts, rates and times as people write them.

use alloy_primitives::U256;
use chrono::{DateTime, NaiveDate, NaiveTime};
use tally_engine::UnixTime;

/// The decimals of METIS, of ETH and of rates.
const DECIMALS: usize = 18;

/// The units of a time before the latest, with their seconds.
const AGO_SECS: [(char, u64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A time as it is written: by itself, or before the latest that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenTime {
    /// This second.
    At(UnixTime),
    /// So many seconds before the latest.
    BeforeLatest(u64),
}

impl GivenTime {
    /// The second that is meant, where `latest` is the latest.
    pub const fn second(self, latest: UnixTime) -> UnixTime {
        match self {
            Self::At(time) => time,
            // Before the beginning of time there is nothing, as at it.
            Self::BeforeLatest(secs) => UnixTime(latest.0.saturating_sub(secs)),
        }
    }
}

/// A time: a day (its first second in UTC), a date with a time (RFC 3339, also with a blank between), Unix seconds, `latest`,
/// or `-14d` for so long before the latest.
///
/// # Errors
///
/// What is accepted, in a sentence.
pub fn given_time(text: &str) -> Result<GivenTime, String> {
    let no_time = || {
        format!(
            "{text:?} is no time: write a day (2024-07-01, its first second in UTC), a time (2024-07-01T12:00:00Z), Unix \
             seconds (1719792000), latest, or how long before that (-14d, -6h)"
        )
    };
    let asked = text.trim();
    if asked == "latest" {
        return Ok(GivenTime::BeforeLatest(0));
    }
    if !asked.is_empty() && asked.bytes().all(|byte| byte.is_ascii_digit()) {
        return asked.parse().map(|secs| GivenTime::At(UnixTime(secs))).map_err(|_| no_time());
    }
    if let Some(ago) = asked.strip_prefix('-') {
        let unit =
            AGO_SECS.iter().find_map(|(unit, secs)| ago.strip_suffix(*unit).map(|count| (count, *secs)));
        let (count, secs) = unit.ok_or_else(no_time)?;
        let is_number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
        let count: u64 = count.parse().ok().filter(|_| is_number).ok_or_else(no_time)?;
        return count.checked_mul(secs).map(GivenTime::BeforeLatest).ok_or_else(no_time);
    }
    let secs = match NaiveDate::parse_from_str(asked, "%Y-%m-%d") {
        Ok(day) => day.and_time(NaiveTime::MIN).and_utc().timestamp(),
        Err(_) => DateTime::parse_from_rfc3339(asked).map_err(|_| no_time())?.timestamp(),
    };
    u64::try_from(secs).map(|secs| GivenTime::At(UnixTime(secs))).map_err(|_| no_time())
}

/// An amount of METIS or ETH in units of 10^-18: `100000`, `100_000`, `100,000`, `100k`, `1.5M`, `10 METIS`.
///
/// # Errors
///
/// What is accepted, in a sentence.
pub fn given_amount(text: &str) -> Result<U256, String> {
    let no_amount = |why: &str| {
        Err(format!("{text:?} is no amount{why}: write it as 0.5, 100000, 100_000, 100k, 1.5M or 10 METIS"))
    };
    let mut number = text.trim();
    for unit in ["METIS", "ETH"] {
        let start = number.len().checked_sub(unit.len());
        let unit_at =
            start.filter(|start| number.get(*start..).is_some_and(|end| end.eq_ignore_ascii_case(unit)));
        number = unit_at.and_then(|start| number.get(..start)).map_or(number, str::trim_end);
    }
    let (number, zeros) = match number.char_indices().last() {
        Some((end, 'k' | 'K')) => (&number[..end], 3),
        Some((end, 'm' | 'M')) => (&number[..end], 6),
        _ => (number, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let Some(whole) = ungrouped(whole).filter(|_| is_digits(fraction)) else {
        return no_amount("");
    };
    let fraction = fraction.trim_end_matches('0');
    let Some(more) = (DECIMALS + zeros).checked_sub(fraction.len()) else {
        return no_amount(", as it has more than 18 decimals");
    };
    match U256::from_str_radix(&format!("{whole}{fraction}{}", "0".repeat(more)), 10) {
        Ok(units) => Ok(units),
        Err(_) => no_amount(", as it is too large"),
    }
}

/// A rate of a year in units of 10^-18: `15%`, `15 %` or `0.15`.
///
/// # Errors
///
/// What is accepted, in a sentence; a rate above 1 that is not in per cent is taken for a mistake.
pub fn given_rate(text: &str) -> Result<U256, String> {
    let no_rate = |why: String| format!("{text:?} is no rate{why}: write it as 15% or 0.15");
    let asked = text.trim();
    let plain = |number: &str| {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let is_plain = is_digits(whole) && is_digits(fraction);
        is_plain.then(|| given_amount(number)).ok_or_else(|| no_rate(String::new()))
    };
    if let Some(number) = asked.strip_suffix('%') {
        let units = plain(number.trim_end())?.map_err(|_| no_rate(", as it has too many digits".into()))?;
        let hundred = U256::from(100_u64);
        let (rate, rest) = units.div_rem(hundred);
        return if rest.is_zero() {
            Ok(rate)
        } else {
            Err(no_rate(", as it has more than 16 decimals".into()))
        };
    }
    let units =
        plain(asked)?.map_err(|_| no_rate(", as it has more than 18 decimals, or is too large".into()))?;
    if units > U256::from(10_u64).pow(U256::from(DECIMALS)) {
        return Err(format!(
            "{asked} is {asked} times the stake a year: did you mean {asked} % or {}?",
            hundredth(units)
        ));
    }
    Ok(units)
}

/// A hundredth of a number of units, as people write it.
fn hundredth(units: U256) -> String {
    let exact = crate::fraction(units, DECIMALS + 2);
    exact.trim_end_matches('0').trim_end_matches('.').into()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The digits of a whole number, which may have `_` between digits, or `,` before each three.
fn ungrouped(text: &str) -> Option<String> {
    let groups: Vec<&str> = text.split(',').collect();
    if let [first, rest @ ..] = &groups[..]
        && !rest.is_empty()
    {
        let fits = (1..=3).contains(&first.len()) && rest.iter().all(|group| group.len() == 3);
        return (fits && groups.iter().all(|group| is_digits(group))).then(|| groups.concat());
    }
    let parts: Vec<&str> = text.split('_').collect();
    parts.iter().all(|part| is_digits(part)).then(|| parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let metis = U256::from(10_u64).pow(U256::from(18_u64));
        for (text, whole) in [
            ("10", 10_u64),
            ("010", 10),
            ("100_000", 100_000),
            ("100,000", 100_000),
            ("1,234,567", 1_234_567),
            ("100k", 100_000),
            ("100K METIS", 100_000),
            ("1.5M", 1_500_000),
            ("10 METIS", 10),
            ("10metis", 10),
            (" 7 ETH ", 7),
        ] {
            assert_eq!(given_amount(text), Ok(metis * U256::from(whole)), "{text}");
        }
        assert_eq!(given_amount("0.000000000000000001"), Ok(U256::from(1_u64)));
        assert_eq!(given_amount("0.000000000000000000001k"), Ok(U256::from(1_u64)));
        for (text, why) in [
            ("", "is no amount: write it as"),
            ("METIS", "is no amount: write"),
            ("k", "is no amount: write"),
            ("-1", "is no amount: write"),
            ("+1", "is no amount: write"),
            ("1e5", "is no amount: write"),
            ("1,00", "is no amount: write"),
            ("1,0000", "is no amount: write"),
            (",100", "is no amount: write"),
            ("1__0", "is no amount: write"),
            ("_1", "is no amount: write"),
            ("1.2.3", "is no amount: write"),
            ("1.", "is no amount: write"),
            (".5", "is no amount: write"),
            ("10%", "is no amount: write"),
            ("٣", "is no amount: write"),
            ("ä", "is no amount: write"),
            ("0.0000000000000000001", "more than 18 decimals"),
        ] {
            let error = given_amount(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(given_amount(&"9".repeat(78)).expect_err("above 2^256").contains("too large"));
    }

    #[test]
    fn rates_above_one_are_asked_back() {
        let of = |text: &str| given_rate(text).map(|units| units.to_string());
        for text in ["15%", "15 %", "15.0%", "0.15", "0.150"] {
            assert_eq!(of(text), Ok("150000000000000000".into()), "{text}");
        }
        assert_eq!(of("1"), Ok("1000000000000000000".into()));
        assert_eq!(of("250%"), Ok("2500000000000000000".into()), "said so, it is meant");
        assert_eq!(of("0"), Ok("0".into()));
        let error = given_rate("15").expect_err("1500 %");
        assert!(error.ends_with("did you mean 15 % or 0.15?"), "{error}");
        let error = given_rate("1.5").expect_err("150 %");
        assert!(error.ends_with("did you mean 1.5 % or 0.015?"), "{error}");
        for text in ["", "%", "abc", "-0.1", "1e-1", "0,15", "10k", "10 METIS"] {
            let error = given_rate(text).expect_err(text);
            assert!(error.contains("is no rate"), "{text}: {error}");
        }
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, secs) in [
            ("2024-07-01", 1_719_792_000),
            ("2024-07-01T00:00:00Z", 1_719_792_000),
            ("2024-07-01 00:00:00Z", 1_719_792_000),
            ("2024-07-01T02:00:00+02:00", 1_719_792_000),
            ("1719792000", 1_719_792_000),
            ("0", 0),
        ] {
            assert_eq!(given_time(text), Ok(GivenTime::At(UnixTime(secs))), "{text}");
        }
        for (text, secs) in
            [("latest", 0), ("-14d", 1_209_600), ("-6h", 21_600), ("-30m", 1_800), ("-1w", 604_800)]
        {
            assert_eq!(given_time(text), Ok(GivenTime::BeforeLatest(secs)), "{text}");
        }
        assert_eq!(GivenTime::BeforeLatest(10).second(UnixTime(100)), UnixTime(90));
        for text in [
            "",
            "today",
            "2024-13-01",
            "2024-02-30",
            "01.07.2024",
            "-",
            "-d",
            "-14",
            "-14y",
            "--1d",
            "1719792000.5",
            "1969-12-31",
            "2024-07-01T12:00",
            "99999999999999999999",
            "-99999999999999999999d",
            "-18446744073709551615w",
        ] {
            let error = given_time(text).expect_err(text);
            assert!(error.contains("is no time: write a day (2024-07-01"), "{text}: {error}");
        }
    }
}
