//! Round dates along the axis of a plot, in UTC.

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

/// The text at a point of the axis: its day, or its minute.
pub(crate) fn date_text(secs: i64, days_only: bool) -> String {
    let time = UnixTime(u64::try_from(secs).unwrap_or_default());
    if days_only { tally_text::date(time) } else { tally_text::minute(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_a_date_of_four_digits_are_left_out() {
        assert_eq!(secs(UnixTime(253_402_300_799)), Some(LAST));
        assert_eq!(secs(UnixTime(253_402_300_800)), None);
        assert_eq!(secs(UnixTime(u64::MAX)), None);
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
