//! Numbers that must not be mistaken for one another.

use core::fmt;

/// Declares a numbered thing: a `u64` with a type of its own.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub u64);

        impl $name {
            /// The next one, or `None` after the last that fits in 64 bits.
            pub const fn next(self) -> Option<Self> {
                match self.0.checked_add(1) {
                    Some(next) => Some(Self(next)),
                    None => None,
                }
            }

            /// The one before, or `None` before the first.
            pub const fn previous(self) -> Option<Self> {
                match self.0.checked_sub(1) {
                    Some(previous) => Some(Self(previous)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

/// A year of the rules: 365 days.
pub const YEAR_SECS: u64 = 31_536_000;

id!(
    /// A sequencer: 1, 2, 3 … in the order of their locks, never reused.
    SequencerId
);
id!(
    /// A span: a range of L2 blocks given to one signer (the chain's own word is "epoch").
    SpanId
);
id!(
    /// A batch: a range of spans whose rewards were paid in one L1 transaction.
    BatchId
);
id!(
    /// An epoch of a policy: the period after which the reward rate is adjusted, from 0.
    EpochIndex
);
id!(
    /// The number of a block of Ethereum.
    L1Block
);
id!(
    /// The number of a block of Metis.
    L2Block
);
id!(
    /// A time: seconds since 1970-01-01T00:00:00Z.
    UnixTime
);
