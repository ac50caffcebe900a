//! How a log is replayed.

use tally_engine::{L2Block, UnixTime};

/// Up to where, on how many threads and how carefully to replay.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayOptions<'a> {
    /// The last block, if the log reaches further.
    pub to: Option<L2Block>,
    /// The last second of which records of L1 count, or `None` for all: what a batch pays later is then still
    /// pending, and valued at the reward per block of that time. Blocks and spans are as they are. (A [`crate::Replay`] that
    /// goes on without it does not go back to the records that it passed over.)
    pub known_by: Option<UnixTime>,
    /// How many threads count, or `None` for one a core.
    pub threads: Option<usize>,
    /// Whether to check every byte that the log has of the blocks, on the way.
    pub verify: bool,
    /// Where to split the blocks: each part is counted by itself, and the counts are added. The result
    /// is the same for any split.
    pub splits: &'a [L2Block],
}
