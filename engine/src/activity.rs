//! What happened in each epoch, before any rate: who made how many blocks, and held which stake for
//! how long. Every policy with the same epochs and attribution has the same activity, whatever its
//! target, cap or allocation: `Q` is the sum of `min(stake, cap) · secs` over an epoch's rows, `N`
//! that of `blocks`, `W` that of `min(stake, cap) · blocks`.

use crate::ids::{EpochIndex, SequencerId, UnixTime};
use crate::money::Wei;
use alloc::vec::Vec;

/// A sequencer in an epoch, as long as its stake was the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivityRow {
    /// Which.
    pub sequencer: SequencerId,
    /// Its stake while active, in wei, not capped.
    pub stake: Wei,
    /// The rewarded blocks that it made at that stake.
    pub blocks: u64,
    /// How many seconds of the epoch it was active at that stake.
    pub secs: u64,
}

/// One epoch; the last reaches up to the horizon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochActivity {
    /// Which.
    pub epoch: EpochIndex,
    /// When it begins.
    pub start: UnixTime,
    /// In order of sequencers, then of stakes, each pair once; none without blocks and seconds.
    pub rows: Vec<ActivityRow>,
}
