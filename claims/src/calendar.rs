//! Dates of unix times, in UTC.

use tally_engine::UnixTime;

const DAY_SECS: i64 = 86_400;

/// No more dates than this are written along an axis.
const POINTS_MAX: i64 = 8;

/// The last second of the year 9999.
const LAST: i64 = 253_402_300_799;

/// How far apart dates may be: minutes, hours, and days, weeks and more, so that all are at a multiple since 1970.
const STEPS_SECS: [i64; 12] = [
    60,
    600,
    3_600,
    3 * 3_600,
    12 * 3_600,
    DAY_SECS,
    2 * DAY_SECS,
    7 * DAY_SECS,
    14 * DAY_SECS,
    28 * DAY_SECS,
    84 * DAY_SECS,
    364 * DAY_SECS,
];

/// Where to write dates along an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DatePoints {
    /// The instants, in Unix seconds.
    pub(crate) points: Vec<i64>,
    /// Whether each is at midnight.
    pub(crate) days_only: bool,
}

/// The seconds of a time that has a date of four digits; `None` for a later one.
pub(crate) fn secs(time: UnixTime) -> Option<i64> {
    i64::try_from(time.0).ok().filter(|secs| *secs <= LAST)
}

/// A few round dates between two times.
pub(crate) fn date_points((first, last): (i64, i64)) -> DatePoints {
    let length = last.saturating_sub(first);
    let fits = |step: &&i64| length.div_euclid(**step) < POINTS_MAX;
    let rounded =
        || length.div_euclid(POINTS_MAX).div_euclid(DAY_SECS).saturating_add(1).saturating_mul(DAY_SECS);
    let step = STEPS_SECS.iter().find(fits).copied().unwrap_or_else(rounded);
    let from = first.div_euclid(step).saturating_mul(step);
    let points = std::iter::successors(Some(from), |point| point.checked_add(step));
    DatePoints {
        points: points.skip_while(|point| *point < first).take_while(|point| *point <= last).collect(),
        days_only: step >= DAY_SECS,
    }
}

/// A time as `YYYY-MM-DD`, or with ` HH:MM`.
pub(crate) fn date_text(secs: i64, days_only: bool) -> String {
    let (year, month, day) = date(secs.div_euclid(DAY_SECS));
    let minutes = secs.rem_euclid(DAY_SECS).div_euclid(60);
    if days_only {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", minutes.div_euclid(60), minutes.rem_euclid(60))
    }
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar. Years begin in March here, so that the day
/// that some lack is the last; 400 years have 146,097 days.
fn date(days: i64) -> (i64, i64, i64) {
    // From 0000-03-01 on.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months from March on have 153 days.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (secs, expected) in [
            (0, "1970-01-01 00:00"),
            (951_782_399, "2000-02-28 23:59"),
            (951_782_400, "2000-02-29 00:00"),
            (951_868_800, "2000-03-01 00:00"),
            (1_709_164_800, "2024-02-29 00:00"),
            (1_710_406_224, "2024-03-14 08:50"),
            (1_735_689_599, "2024-12-31 23:59"),
            (1_735_689_600, "2025-01-01 00:00"),
            (4_107_542_400, "2100-03-01 00:00"),
            (LAST, "9999-12-31 23:59"),
        ] {
            assert_eq!(date_text(secs, false), expected, "{secs}");
        }
        assert_eq!(date_text(1_709_164_800, true), "2024-02-29");
        assert_eq!(secs(UnixTime(u64::MAX)), None);
        assert_eq!(secs(UnixTime(253_402_300_800)), None);
    }

    #[test]
    fn an_axis_has_a_few_round_dates() {
        for (range, count, first, days_only) in [
            ((1_710_406_224, 1_726_217_424), 6, "2024-04-11 00:00", true),
            ((1_719_902_000, 1_719_922_694), 6, "2024-07-02 07:00", false),
            ((0, 60), 2, "1970-01-01 00:00", false),
            ((0, LAST), 8, "1970-01-01 00:00", true),
        ] {
            let found = date_points(range);
            let first_text = date_text(found.points[0], false);
            assert_eq!((found.points.len(), first_text.as_str(), found.days_only), (count, first, days_only));
        }
    }
}
