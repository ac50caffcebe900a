//! How the operators set the rate, read plainly: the rate of an epoch is what they would have entered when it began.

use super::YEAR_SECS;
use num_bigint::BigUint;

/// What the operators do beside the guide's rule. Nothing, by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Practice {
    /// (from this unix time, the seconds that they enter), ascending, the first from 0. Empty where the rate is set by
    /// windows.
    pub(crate) seconds: Vec<(u64, u64)>,
    /// (from this unix time, what every block earns whatever any formula says, in wei), ascending.
    pub(crate) fixed_rewards: Vec<(u64, BigUint)>,
}

impl Practice {
    /// That of a built-in policy, written down here once more.
    pub(crate) fn built_in(name: &str) -> Self {
        let seconds =
            vec![(0, 2), (1_719_826_979, 5), (1_732_263_107, 13), (1_747_909_427, 7), (1_753_724_531, 8)];
        match name {
            "operators" => Self { seconds, fixed_rewards: Vec::new() },
            "fixed-reward" => {
                let reward = BigUint::from(12_478_422_370_000_000_u64);
                Self { seconds, fixed_rewards: vec![(1_759_830_990, reward)] }
            }
            _ => Self::default(),
        }
    }

    /// The seconds that are entered at a time.
    pub(super) fn seconds_at(&self, time: u64) -> Option<u64> {
        self.seconds.iter().rfind(|(from, _)| *from <= time).map(|(_, secs)| *secs)
    }

    /// What every block earns of an epoch that begins at a time, if that is fixed.
    pub(super) fn fixed_at(&self, time: u64) -> Option<BigUint> {
        self.fixed_rewards.iter().rfind(|(from, _)| *from <= time).map(|(_, reward)| reward.clone())
    }
}

/// The operators' formula, with each of its three divisions rounded down.
pub(super) fn by_operators(locked: BigUint, (numerator, denominator): (u64, u64), seconds: u64) -> BigUint {
    let percent = BigUint::from(numerator) * 100_u64 / denominator;
    assert_eq!(&percent * denominator, BigUint::from(numerator) * 100_u64, "a whole percentage");
    let blocks_a_year = YEAR_SECS / seconds;
    (locked * percent / 100_u64) / blocks_a_year
}
