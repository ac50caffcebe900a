//! Amounts, rates and times as people write them.

use alloy_primitives::U256;
use chrono::{DateTime, NaiveDate, NaiveTime};
use tally_engine::UnixTime;

/// The decimals of METIS, of ETH and of rates.
const DECIMALS: usize = 18;

/// The units of a time before the latest, with their seconds.
const AGO_SECS: [(char, u64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Below this, digits are no Unix seconds that anybody means (they lie before 1973), but a year or a day. 0 is the beginning.
const UNIX_SECS_MIN: u64 = 100_000_000;

/// A time as it is written: by itself, or before the latest that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenTime {
    /// It is this very second.
    At(UnixTime),
    /// So many seconds before the latest.
    BeforeLatest(u64),
}

impl GivenTime {
    /// The second that is meant, where `latest` is the latest.
    ///
    /// # Errors
    ///
    /// Both values, in a sentence, if that would be before 1970.
    pub fn second(self, latest: UnixTime) -> Result<UnixTime, String> {
        match self {
            Self::At(time) => Ok(time),
            Self::BeforeLatest(secs) => latest.0.checked_sub(secs).map(UnixTime).ok_or_else(|| {
                format!("{secs} s before the latest, {}, is before 1970: ask for less", crate::time(latest))
            }),
        }
    }
}

/// What an amount is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountUnit {
    /// METIS, of which large amounts are written: thousands (`k`) and millions (`M`) are taken.
    Metis,
    /// ETH, of which small amounts are written.
    Eth,
}

impl AmountUnit {
    const ALL: [Self; 2] = [Self::Metis, Self::Eth];

    const fn name(self) -> &'static str {
        match self {
            Self::Metis => "METIS",
            Self::Eth => "ETH",
        }
    }

    /// How an amount of it is written.
    const fn examples(self) -> &'static str {
        match self {
            Self::Metis => "0.5, 100000, 100_000, 100k, 1.5M or 10 METIS",
            Self::Eth => "0.005 or 0.005 ETH",
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
        let secs: u64 = asked.parse().map_err(|_| no_time())?;
        if (1..UNIX_SECS_MIN).contains(&secs) {
            return Err(not_unix_secs(asked));
        }
        return Ok(GivenTime::At(UnixTime(secs)));
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

/// Digits that are a year or a day rather than Unix seconds.
fn not_unix_secs(digits: &str) -> String {
    let day = match digits.len() {
        4 => Some(format!("{digits}-01-01")),
        6 => digits.split_at_checked(4).map(|(year, month)| format!("{year}-{month}-01")),
        8 => digits.split_at_checked(4).and_then(|(year, rest)| {
            rest.split_at_checked(2).map(|(month, day)| format!("{year}-{month}-{day}"))
        }),
        _ => None,
    };
    let meant = day.filter(|day| NaiveDate::parse_from_str(day, "%Y-%m-%d").is_ok());
    let meant = meant.unwrap_or_else(|| "2024-07-01".into());
    format!("{digits} as Unix seconds lies before 1973, long before the pool: did you mean {meant}?")
}

/// An amount in units of 10^-18, of METIS as `100000`, `100_000`, `100k`, `1.5M` or `10 METIS`, of ETH as `0.005` or
/// `0.005 ETH`. A comma is refused: some read it as a decimal point, and others as nothing.
///
/// # Errors
///
/// What is accepted, in a sentence.
pub fn given_amount(text: &str, unit: AmountUnit) -> Result<U256, String> {
    let no_amount = |why: &str| {
        let (name, examples) = (unit.name(), unit.examples());
        Err(format!("{text:?} is no amount of {name}{why}: write it as {examples}"))
    };
    if text.contains(',') {
        return no_amount(", as it has a comma (decimals begin with a point, and _ may part thousands)");
    }
    let mut number = text.trim();
    for named in AmountUnit::ALL {
        let start = number.len().checked_sub(named.name().len());
        let is_named =
            |start: &usize| number.get(*start..).is_some_and(|end| end.eq_ignore_ascii_case(named.name()));
        let Some(start) = start.filter(is_named) else { continue };
        if named != unit {
            return no_amount(&format!(", as it is of {}", named.name()));
        }
        number = number.get(..start).map_or(number, str::trim_end);
        break;
    }
    let (number, zeros) = match (unit, number.char_indices().last()) {
        (AmountUnit::Metis, Some((end, 'k' | 'K'))) => (&number[..end], 3),
        (AmountUnit::Metis, Some((end, 'M'))) => (&number[..end], 6),
        (AmountUnit::Metis, Some((_, 'm'))) => return no_amount(", as m is no millions (M is)"),
        (AmountUnit::Metis | AmountUnit::Eth, _) => (number, 0),
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
        is_plain.then(|| given_amount(number, AmountUnit::Metis)).ok_or_else(|| no_rate(String::new()))
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

/// The digits of a whole number, which may have `_` between digits.
fn ungrouped(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('_').collect();
    parts.iter().all(|part| is_digits(part)).then(|| parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        use AmountUnit::{Eth, Metis};
        let metis = U256::from(10_u64).pow(U256::from(18_u64));
        for (text, unit, whole) in [
            ("10", Metis, 10_u64),
            ("010", Metis, 10),
            ("100_000", Metis, 100_000),
            ("1_234_567", Metis, 1_234_567),
            ("100k", Metis, 100_000),
            ("100K METIS", Metis, 100_000),
            ("1.5M", Metis, 1_500_000),
            ("10 METIS", Metis, 10),
            ("10metis", Metis, 10),
            (" 7 ETH ", Eth, 7),
            ("7", Eth, 7),
        ] {
            assert_eq!(given_amount(text, unit), Ok(metis * U256::from(whole)), "{text}");
        }
        assert_eq!(given_amount("0.000000000000000001", Metis), Ok(U256::from(1_u64)));
        assert_eq!(given_amount("0.005", Eth), Ok(U256::from(5_000_000_000_000_000_u64)));
        assert_eq!(given_amount("0.000000000000000000001k", Metis), Ok(U256::from(1_u64)));
        for (text, why) in [
            ("", "is no amount of METIS: write it as"),
            ("METIS", "is no amount of METIS: write"),
            ("k", "is no amount of METIS: write"),
            ("-1", "is no amount of METIS: write"),
            ("+1", "is no amount of METIS: write"),
            ("1e5", "is no amount of METIS: write"),
            ("0,005", "it has a comma"),
            ("100,000", "it has a comma"),
            ("1,00", "it has a comma"),
            (",100", "it has a comma"),
            ("1__0", "is no amount of METIS: write"),
            ("_1", "is no amount of METIS: write"),
            ("1.2.3", "is no amount of METIS: write"),
            ("1.", "is no amount of METIS: write"),
            (".5", "is no amount of METIS: write"),
            ("10%", "is no amount of METIS: write"),
            ("٣", "is no amount of METIS: write"),
            ("ä", "is no amount of METIS: write"),
            ("5m", "m is no millions"),
            ("5 ETH", "it is of ETH: write it as 0.5"),
            ("10 ETH METIS", "is no amount of METIS: write"),
            ("10 METIS METIS", "is no amount of METIS: write"),
            ("0.0000000000000000001", "more than 18 decimals"),
        ] {
            let error = given_amount(text, Metis).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        // A price in METIS, or thousands, beside a flag for ETH is a mistake, and a costly one.
        for (text, why) in [
            ("0,005", "it has a comma"),
            ("10 METIS", "it is of METIS: write it as 0.005"),
            ("10 METIS ETH", "is no amount of ETH"),
            ("10 ETH METIS", "it is of METIS"),
            ("1k", "is no amount of ETH: write it as 0.005"),
            ("1M", "is no amount of ETH"),
        ] {
            let error = given_amount(text, Eth).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(given_amount(&"9".repeat(78), Metis).expect_err("above 2^256").contains("too large"));
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
            ("100000000", 100_000_000),
            ("0", 0),
        ] {
            assert_eq!(given_time(text), Ok(GivenTime::At(UnixTime(secs))), "{text}");
        }
        for (text, secs) in
            [("latest", 0), ("-14d", 1_209_600), ("-6h", 21_600), ("-30m", 1_800), ("-1w", 604_800)]
        {
            assert_eq!(given_time(text), Ok(GivenTime::BeforeLatest(secs)), "{text}");
        }
        assert_eq!(GivenTime::BeforeLatest(10).second(UnixTime(100)), Ok(UnixTime(90)));
        assert_eq!(GivenTime::At(UnixTime(7)).second(UnixTime(100)), Ok(UnixTime(7)));
        let error = GivenTime::BeforeLatest(101).second(UnixTime(100)).expect_err("before 1970");
        assert!(error.contains("101 s before the latest, 1970-01-01 00:01:40Z, is before 1970"), "{error}");
        for (text, meant) in [
            ("2024", "2024-01-01"),
            ("202407", "2024-07-01"),
            ("20240701", "2024-07-01"),
            ("20241301", "2024-07-01"),
            ("1", "2024-07-01"),
            ("99999999", "2024-07-01"),
        ] {
            let error = given_time(text).expect_err(text);
            assert!(error.ends_with(&format!("did you mean {meant}?")), "{text}: {error}");
        }
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
