//! What happened in one epoch: who made how many blocks at which stake.

use crate::ids::{EpochIndex, SequencerId, UnixTime};
use crate::money::Wei;
use alloc::vec::Vec;

/// A sequencer in an epoch, as long as its stake was the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivityRow {
    /// The sequencer that the row is of.
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
    /// The index of the epoch.
    pub epoch: EpochIndex,
    /// When the epoch begins.
    pub start: UnixTime,
    /// All that is locked when it begins, not capped, with the stakes of sequencers that are leaving.
    pub total_locked: Wei,
    /// In order of sequencers, then of stakes, each pair once; none without blocks and seconds.
    pub rows: Vec<ActivityRow>,
}
