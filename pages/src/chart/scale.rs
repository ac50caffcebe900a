//! From values to places in a picture, by division of whole numbers.

use super::HEIGHT;
use alloy_primitives::{U256, U512};
use tally_engine::Wei;

/// The unit of a chart's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// The values are amounts in wei, shown as METIS.
    Metis,
    /// Rates of a year, in units of 10^-18.
    PerCent,
}

impl Unit {
    /// A value beside the axis.
    fn text(self, value: U256) -> String {
        match self {
            Self::Metis => short(&tally_text::brief_metis(Wei::new(value))),
            Self::PerCent => {
                let text = tally_text::percent(value);
                format!("{} %", short(text.trim_end_matches(" %")))
            }
        }
    }
}

/// A number without the zeros at its end.
fn short(text: &str) -> String {
    match text.split_once('.') {
        None => text.to_owned(),
        Some(_) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

/// The scale of an axis from 0 up.
pub(crate) struct Scale {
    unit: Unit,
    top: U256,
}

impl Scale {
    /// A scale on which `highest` is near the top: the top is 1, 2 or 5 times a power of 10.
    pub(crate) fn to(unit: Unit, highest: U256) -> Self {
        let mut power = U256::from(1);
        loop {
            for factor in [1_u64, 2, 5] {
                match power.checked_mul(U256::from(factor)) {
                    Some(top) if top >= highest => return Self { unit, top },
                    Some(_) => {}
                    None => return Self { unit, top: U256::MAX },
                }
            }
            match power.checked_mul(U256::from(10)) {
                Some(next) => power = next,
                None => return Self { unit, top: U256::MAX },
            }
        }
    }

    /// How high a value is in the picture, from its top down.
    pub(crate) fn y(&self, value: U256) -> u64 {
        // Of 512 bits the product cannot be too large.
        let product = U512::from(value.min(self.top)) * U512::from(HEIGHT);
        let up = product / U512::from(self.top);
        HEIGHT.saturating_sub(up.try_into().unwrap_or(HEIGHT))
    }

    /// What is written beside the axis, from the top down.
    pub(crate) fn marks(&self) -> [String; 3] {
        [self.unit.text(self.top), self.unit.text(self.top / U256::from(2)), self.unit.text(U256::ZERO)]
    }
}

/// How far along a picture of `width` a place of a range is: from 0 to `width`.
pub(crate) fn x(at: u64, (from, to): (u64, u64), width: u64) -> u64 {
    let (into, whole) = (at.saturating_sub(from), to.saturating_sub(from));
    let product = u128::from(into) * u128::from(width);
    let place = product.checked_div(u128::from(whole)).unwrap_or(0);
    u64::try_from(place).unwrap_or(width).min(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_is_a_round_number_at_least_as_high() {
        let of = |highest: u64| Scale::to(Unit::Metis, U256::from(highest)).top;
        for (highest, top) in
            [(0, 1), (1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 100), (100, 100)]
        {
            assert_eq!(of(highest), U256::from(top), "{highest}");
        }
        assert_eq!(Scale::to(Unit::Metis, U256::MAX).y(U256::MAX), 0);
    }

    #[test]
    fn places_never_leave_the_picture() {
        let scale = Scale::to(Unit::PerCent, U256::from(100));
        assert_eq!([0_u64, 50, 100, 1_000].map(|value| scale.y(U256::from(value))), [240, 120, 0, 0]);
        assert_eq!([9, 10, 15, 20, 99].map(|at| x(at, (10, 20), 1_000)), [0, 0, 500, 1_000, 1_000]);
        assert_eq!(x(7, (7, 7), 1_000), 0);
        assert_eq!(x(u64::MAX, (0, u64::MAX), 1_000), 1_000);
    }

    #[test]
    fn marks_are_as_short_as_they_can_be() {
        let metis = |highest: &str| Scale::to(Unit::Metis, highest.parse().unwrap()).marks();
        assert_eq!(metis("150000000000000000000000"), ["200,000", "100,000", "0"]);
        assert_eq!(metis("1586081359164138173"), ["2", "1", "0"]);
        let rate = Scale::to(Unit::PerCent, U256::from(323_000_000_000_000_000_u64));
        assert_eq!(rate.marks(), ["50 %", "25 %", "0 %"]);
    }
}
