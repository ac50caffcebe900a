//! Times and durations in UTC.

use chrono::{DateTime, Utc};
use tally_engine::UnixTime;

/// The last second of the year 9999: later times have no date of four digits.
const LAST_SECS: i64 = 253_402_300_799;

/// The units of a duration, from the largest on, with their seconds.
const UNITS_SECS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];

/// A time to the second, as `2024-05-26 23:54:28Z`.
pub fn time(time: UnixTime) -> String {
    formatted(time, "%Y-%m-%d %H:%M:%SZ")
}

/// A time to the minute, as `2024-05-26 23:54`, for axes and narrow columns.
pub fn minute(time: UnixTime) -> String {
    formatted(time, "%Y-%m-%d %H:%M")
}

/// The day of a time, as `2024-05-26`.
pub fn date(time: UnixTime) -> String {
    formatted(time, "%Y-%m-%d")
}

fn formatted(time: UnixTime, format: &str) -> String {
    let secs = i64::try_from(time.0).ok().filter(|secs| *secs <= LAST_SECS);
    let date = secs.and_then(|secs| DateTime::<Utc>::from_timestamp(secs, 0));
    date.map_or_else(|| format!("second {time}"), |date| date.format(format).to_string())
}

/// A number of seconds in its two largest units, rounded down, as `13 d 4 h`.
pub fn duration(secs: u64) -> String {
    let largest = UNITS_SECS.iter().position(|(_, unit_secs)| secs >= *unit_secs);
    let Some(largest) = largest else {
        return "0 s".into();
    };
    let mut left = secs;
    let mut parts = Vec::new();
    for (name, unit_secs) in UNITS_SECS.iter().skip(largest).take(2) {
        let count = left / unit_secs;
        left %= unit_secs;
        if count > 0 {
            parts.push(format!("{count} {name}"));
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (secs, expected) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_399, "2000-02-28 23:59:59Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (1_710_406_224, "2024-03-14 08:50:24Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
            (253_402_300_799, "9999-12-31 23:59:59Z"),
            (253_402_300_800, "second 253402300800"),
            (u64::MAX, "second 18446744073709551615"),
        ] {
            assert_eq!(time(UnixTime(secs)), expected, "{secs}");
        }
        assert_eq!(date(UnixTime(1_709_164_800)), "2024-02-29");
        assert_eq!(minute(UnixTime(1_710_406_224)), "2024-03-14 08:50");
    }

    #[test]
    fn durations_have_their_two_largest_units() {
        for (secs, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min 59 s"),
            (3_600, "1 h"),
            (3_659, "1 h"),
            (86_399, "23 h 59 min"),
            (1_138_000, "13 d 4 h"),
            (1_814_400, "21 d"),
            (u64::MAX, "213503982334601 d 7 h"),
        ] {
            assert_eq!(duration(secs), expected, "{secs}");
        }
    }
}
