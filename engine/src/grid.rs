//! Where the fold has to look, and what it finds there.
//!
//! Everything but the producer changes only at a few *instants*. Each is looked up once as a block
//! number; between two of them lies a *stretch* of blocks over which stakes, signers, statuses and
//! the epoch are constant. The fold needs no more of the blocks than how many of each stretch each
//! producer made, which is a sum: any split of the blocks gives the same counts.

use crate::error::FoldError;
use crate::ids::{L2Block, UnixTime};
use crate::policy::{Genesis, Policy};
use crate::timeline::Timeline;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use alloy_primitives::Address;

/// How many epochs one replay may have. Two weeks each, that is 3,800 years; it bounds what a
/// policy with an epoch of one second can make the fold do.
pub const EPOCHS_MAX: u64 = 100_000;

/// An instant and the first block at or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// When.
    pub time: UnixTime,
    /// The first block whose timestamp is not before `time`.
    pub first_block: L2Block,
}

/// The instants up to `until` at which an epoch of `policy` begins or `timeline` changes.
///
/// # Errors
///
/// [`FoldError::TooManyEpochs`] if the policy has more than [`EPOCHS_MAX`] epochs by then.
pub fn instants(
    policy: &Policy,
    timeline: &Timeline,
    until: UnixTime,
) -> Result<BTreeSet<UnixTime>, FoldError> {
    let mut instants: BTreeSet<UnixTime> =
        timeline.changes().iter().map(|change| change.time).filter(|time| *time <= until).collect();
    let Some(genesis) = genesis_time(policy, timeline) else {
        return Ok(instants);
    };
    if let Some(last) = epoch_at(policy, genesis, until)? {
        for epoch in 0..=last {
            instants.insert(epoch_start(policy, genesis, epoch)?);
        }
    }
    Ok(instants)
}

/// When epoch 0 of `policy` begins, or `None` while nobody has locked.
pub fn genesis_time(policy: &Policy, timeline: &Timeline) -> Option<UnixTime> {
    match policy.genesis() {
        Genesis::FirstLock => timeline.first_lock(),
        Genesis::At(time) => Some(time),
    }
}

/// The epoch that `time` is in, or `None` before `genesis`. Rounds down.
pub(crate) fn epoch_at(policy: &Policy, genesis: UnixTime, time: UnixTime) -> Result<Option<u64>, FoldError> {
    let Some(since) = time.0.checked_sub(genesis.0) else {
        return Ok(None);
    };
    // `epoch_secs` is never 0.
    let epoch = since.checked_div(policy.epoch_secs()).filter(|epoch| *epoch < EPOCHS_MAX);
    let too_many =
        || FoldError::TooManyEpochs { epoch_secs: policy.epoch_secs(), since_secs: since, max: EPOCHS_MAX };
    epoch.map(Some).ok_or_else(too_many)
}

/// When an epoch begins.
pub(crate) fn epoch_start(policy: &Policy, genesis: UnixTime, epoch: u64) -> Result<UnixTime, FoldError> {
    let start = epoch.checked_mul(policy.epoch_secs()).and_then(|secs| genesis.0.checked_add(secs));
    start.map(UnixTime).ok_or(FoldError::EpochOutOfTime { epoch, epoch_secs: policy.epoch_secs() })
}

/// The stretches of a range of blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    boundaries: Vec<Boundary>,
    starts: Vec<L2Block>,
    end: L2Block,
}

impl Grid {
    /// The blocks `first..=last`, split at the boundaries and after each block of `cuts` (the
    /// policies' horizons). `boundaries` are in order of time, and so, as timestamps never fall, of
    /// blocks.
    pub fn new(first: L2Block, last: L2Block, boundaries: Vec<Boundary>, cuts: &[L2Block]) -> Self {
        let inner = boundaries.iter().map(|boundary| boundary.first_block);
        let after_cuts = cuts.iter().filter_map(|cut| cut.next());
        let mut starts: BTreeSet<L2Block> =
            inner.chain(after_cuts).filter(|start| (first..=last).contains(start)).collect();
        if first <= last {
            starts.insert(first);
        }
        Self { boundaries, starts: starts.into_iter().collect(), end: last }
    }

    /// How many stretches there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is no block at all.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The first and last block of a stretch, or `None` after the last stretch.
    pub fn stretch(&self, index: usize) -> Option<(L2Block, L2Block)> {
        let start = *self.starts.get(index)?;
        let next = self.starts.get(index.checked_add(1)?);
        Some((start, next.map_or(Some(self.end), |next| next.previous())?))
    }

    /// The stretch that `block` lies in; for a block before the first or after the last, the nearest.
    pub fn stretch_of(&self, block: L2Block) -> usize {
        self.starts.partition_point(|start| *start <= block).saturating_sub(1)
    }

    /// The first block at or after `time`, or `None` if `time` is not among the instants.
    pub fn first_block_at(&self, time: UnixTime) -> Option<L2Block> {
        let found = self.boundaries.binary_search_by_key(&time, |boundary| boundary.time).ok()?;
        self.boundaries.get(found).map(|boundary| boundary.first_block)
    }
}

/// How many blocks of each stretch each producer made; `None` stands for the blocks of nobody:
/// unsigned, and in no span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    stretches: BTreeMap<usize, BTreeMap<Option<Address>, u64>>,
}

impl Counts {
    /// Nothing counted.
    pub const fn new() -> Self {
        Self { stretches: BTreeMap::new() }
    }

    /// Counts `blocks` more blocks of a stretch for a producer.
    ///
    /// # Errors
    ///
    /// [`FoldError::TooManyBlocks`] above 2^64 - 1.
    pub fn add(&mut self, stretch: usize, producer: Option<Address>, blocks: u64) -> Result<(), FoldError> {
        let count = self.stretches.entry(stretch).or_default().entry(producer).or_insert(0);
        *count = count.checked_add(blocks).ok_or(FoldError::TooManyBlocks { left: *count, right: blocks })?;
        Ok(())
    }

    /// Adds counts of other blocks of the same grid. The order of merges does not matter.
    ///
    /// # Errors
    ///
    /// As [`Counts::add`].
    pub fn merge(&mut self, other: &Self) -> Result<(), FoldError> {
        for (stretch, producers) in &other.stretches {
            for (producer, blocks) in producers {
                self.add(*stretch, *producer, *blocks)?;
            }
        }
        Ok(())
    }

    /// The counts of a stretch, in order of producers.
    pub fn stretch(&self, index: usize) -> impl Iterator<Item = (Option<Address>, u64)> {
        self.stretches.get(&index).into_iter().flatten().map(|(producer, blocks)| (*producer, *blocks))
    }
}
