//! What was played and compared.

use std::collections::BTreeMap;
use std::fmt;

/// Figures of some runs.
#[derive(Default)]
pub(super) struct Figures {
    /// The seeds of the runs that came to their end.
    pub(super) seeds: Vec<u64>,
    /// How often a node was odd, by kind.
    pub(super) played: BTreeMap<String, u64>,
    /// Counts, by what was counted.
    pub(super) counts: BTreeMap<&'static str, u64>,
}

impl Figures {
    /// Counts something.
    pub(super) fn count(&mut self, what: &'static str, count: u64) {
        *self.counts.entry(what).or_default() += count;
    }

    /// Adds those of other runs.
    pub(super) fn add(&mut self, other: Self) {
        self.seeds.extend(other.seeds);
        for (what, count) in other.counts {
            self.count(what, count);
        }
        for (kind, count) in other.played {
            *self.played.entry(kind).or_default() += count;
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut seeds = self.seeds.clone();
        seeds.sort_unstable();
        let mut line = |what: &str, count: &dyn fmt::Display| writeln!(f, "{what:<56} {count:>9}");
        line("runs", &seeds.len())?;
        for (what, count) in &self.counts {
            line(what, count)?;
        }
        line("faults played", &self.played.values().sum::<u64>())?;
        for (kind, count) in &self.played {
            line(&format!("  {kind}"), count)?;
        }
        writeln!(f, "seeds {seeds:?}")
    }
}
