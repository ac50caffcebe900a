//! The two chains that a log is of.

use core::fmt;

/// A chain that a log is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chain {
    /// Ethereum, where the pool's contracts are.
    L1,
    /// Metis, whose blocks the sequencers make.
    L2,
}

impl Chain {
    /// Both, in order.
    pub const ALL: [Self; 2] = [Self::L1, Self::L2];

    /// What it is called, for people and for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
