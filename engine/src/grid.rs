//! Where the fold has to look, and what it finds there.
//!
//! Everything but the producer changes only at a few *instants*. Each is looked up once as a block
//! number; between two of them lies a *stretch* of blocks over which stakes, signers, statuses and
//! the epoch are constant. The fold needs no more of the blocks than how many of each stretch each
//! producer made, which is a sum: any split of the blocks gives the same counts.

use crate::error::FoldError;
use crate::ids::{EpochIndex, L2Block, UnixTime};
use crate::policy::{Genesis, Policy};
use crate::timeline::Timeline;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use alloy_primitives::Address;

/// How many epochs one replay may have. Two weeks each, that is 3,800 years; it bounds what a
/// policy with an epoch of one second can make the fold do.
pub const EPOCHS_MAX: u64 = 100_000;

/// An instant and the first block at or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// The instant that was looked up.
    pub time: UnixTime,
    /// The first block whose timestamp is not before `time`.
    pub first_block: L2Block,
}

/// The first block of a log that a batch can pay: the first in a span that is not before the first payable one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstPayable {
    /// The number of the block.
    pub block: L2Block,
    /// The timestamp of the block.
    pub timestamp: UnixTime,
}

impl FirstPayable {
    /// Its timestamp, if it is no later block than the `horizon`: what is said of the blocks up to there must not
    /// change with what comes later.
    pub fn up_to(self, horizon: L2Block) -> Option<UnixTime> {
        (self.block <= horizon).then_some(self.timestamp)
    }
}

/// The instants up to `until` at which an epoch of `policy` begins or `timeline` changes; those later
/// than `after`, if given. A fold that is continued needs only those after its horizon's timestamp:
/// whatever began by then is at or before its last block. `first_payable` is when the first payable block was
/// made, if that is no later block than the horizon ([`FirstPayable::up_to`]); only a policy whose genesis is
/// [`Genesis::FirstPayable`] needs it.
///
/// # Errors
///
/// [`FoldError::TooManyEpochs`] if the policy has more than [`EPOCHS_MAX`] epochs by then.
pub fn instants(
    policy: &Policy,
    timeline: &Timeline,
    first_payable: Option<UnixTime>,
    after: Option<UnixTime>,
    until: UnixTime,
) -> Result<BTreeSet<UnixTime>, FoldError> {
    let is_old = |time: UnixTime| after.is_some_and(|after| time <= after);
    // Changes are in order of time.
    let old = timeline.changes().partition_point(|change| is_old(change.time));
    let changes = timeline.changes().iter().skip(old).map(|change| change.time);
    let mut instants: BTreeSet<UnixTime> = changes.take_while(|time| *time <= until).collect();
    let Some(genesis) = genesis_time(policy, timeline, first_payable) else {
        return Ok(instants);
    };
    if let Some(last) = epoch_at(policy, genesis, until)? {
        let first = match after {
            Some(after) => epoch_at(policy, genesis, after)?.unwrap_or_default(),
            None => EpochIndex(0),
        };
        for epoch in first.0..=last.0 {
            instants.insert(epoch_start(policy, genesis, EpochIndex(epoch))?);
        }
    }
    instants.retain(|time| !is_old(*time));
    Ok(instants)
}

/// When epoch 0 of `policy` begins, or `None` while nobody has locked (and, under [`Genesis::FirstPayable`], no block
/// can be paid: `first_payable` is as in [`instants`]).
pub fn genesis_time(
    policy: &Policy,
    timeline: &Timeline,
    first_payable: Option<UnixTime>,
) -> Option<UnixTime> {
    match policy.genesis() {
        Genesis::FirstLock => timeline.first_lock(),
        Genesis::FirstPayable => timeline.first_lock().into_iter().chain(first_payable).min(),
        Genesis::At(time) => Some(time),
    }
}

/// The epoch that `time` is in, or `None` before `genesis`. Rounds down.
pub(crate) fn epoch_at(
    policy: &Policy,
    genesis: UnixTime,
    time: UnixTime,
) -> Result<Option<EpochIndex>, FoldError> {
    let Some(since) = time.0.checked_sub(genesis.0) else {
        return Ok(None);
    };
    // `epoch_secs` is never 0.
    let epoch = since.checked_div(policy.epoch_secs()).filter(|epoch| *epoch < EPOCHS_MAX);
    let too_many =
        || FoldError::TooManyEpochs { epoch_secs: policy.epoch_secs(), since_secs: since, max: EPOCHS_MAX };
    epoch.map(|epoch| Some(EpochIndex(epoch))).ok_or_else(too_many)
}

/// When an epoch begins.
pub(crate) fn epoch_start(
    policy: &Policy,
    genesis: UnixTime,
    epoch: EpochIndex,
) -> Result<UnixTime, FoldError> {
    let start = epoch.0.checked_mul(policy.epoch_secs()).and_then(|secs| genesis.0.checked_add(secs));
    start.map(UnixTime).ok_or_else(|| FoldError::EpochOutOfTime { epoch, epoch_secs: policy.epoch_secs() })
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

/// How many blocks of each stretch each producer made. A producer is known by its *code*, its place
/// in a list, so that counting looks nothing up.
///
/// Only what was counted takes memory, so that neither many producers nor many stretches take more than there are blocks.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// `None` stands for nobody: unsigned, and in no span.
    producers: Vec<Option<Address>>,
    /// By stretch, the codes in order with their blocks; a stretch without counts has no list, or an empty one.
    stretches: Vec<Vec<(usize, u64)>>,
}

impl Counts {
    /// Nothing counted yet for these producers. The code of each is its index; `None` stands for the
    /// blocks of nobody: unsigned, and in no span.
    pub const fn new(producers: Vec<Option<Address>>) -> Self {
        Self { producers, stretches: Vec::new() }
    }

    /// Counts `blocks` more blocks of a stretch for the producer with this code.
    ///
    /// # Errors
    ///
    /// [`FoldError::UnknownProducer`] for a code beyond the producers, [`FoldError::TooManyBlocks`]
    /// above 2^64 - 1.
    pub fn add(&mut self, stretch: usize, code: usize, blocks: u64) -> Result<(), FoldError> {
        let producers = self.producers.len();
        if code >= producers {
            return Err(FoldError::UnknownProducer { code, producers });
        }
        if let Some(missing) = stretch.checked_sub(self.stretches.len()) {
            self.stretches.extend((0..=missing).map(|_| Vec::new()));
        }
        let counts = self.stretches.get_mut(stretch).expect("the list reaches up to the stretch");
        add_to(counts, code, blocks)
    }

    /// Adds counts of other blocks of the same grid. The order of merges does not matter.
    ///
    /// # Errors
    ///
    /// [`FoldError::OtherProducers`] if codes mean something else there, [`FoldError::TooManyBlocks`]
    /// as [`Counts::add`].
    pub fn merge(&mut self, other: &Self) -> Result<(), FoldError> {
        if self.producers != other.producers {
            let same = self.producers.iter().zip(&other.producers).take_while(|(left, right)| left == right);
            let code = same.count();
            let at = |producers: &[Option<Address>]| producers.get(code).copied().flatten();
            let (left, right) = (at(&self.producers), at(&other.producers));
            return Err(FoldError::OtherProducers { code, left, right });
        }
        if let Some(missing) = other.stretches.len().checked_sub(self.stretches.len()) {
            self.stretches.extend((0..missing).map(|_| Vec::new()));
        }
        for (counts, others) in self.stretches.iter_mut().zip(&other.stretches) {
            if counts.is_empty() {
                counts.clone_from(others);
                continue;
            }
            for (code, blocks) in others {
                add_to(counts, *code, *blocks)?;
            }
        }
        Ok(())
    }

    /// The counts of a stretch without the zeros, in order of codes.
    pub fn stretch(&self, index: usize) -> impl Iterator<Item = (Option<Address>, u64)> {
        self.by_code(index).map(|(_, producer, blocks)| (producer.copied(), blocks))
    }

    /// As [`Counts::stretch`], with the codes.
    pub(crate) fn by_code(&self, index: usize) -> impl Iterator<Item = (usize, Option<&Address>, u64)> {
        let counts = self.stretches.get(index).into_iter().flatten();
        counts.filter(|(_, blocks)| *blocks > 0).map(|(code, blocks)| {
            (*code, self.producers.get(*code).expect("only producers are counted").as_ref(), *blocks)
        })
    }

    /// The producers, by code.
    pub(crate) fn producers(&self) -> &[Option<Address>] {
        &self.producers
    }
}

/// Adds blocks to one of the counts, which are in order of codes.
fn add_to(counts: &mut Vec<(usize, u64)>, code: usize, blocks: u64) -> Result<(), FoldError> {
    // Codes mostly come in order, each after all that are there.
    let place = match counts.last() {
        Some((last, _)) if *last >= code => counts.binary_search_by_key(&code, |(code, _)| *code),
        _ => Err(counts.len()),
    };
    match place {
        Ok(at) => {
            let (_, count) = counts.get_mut(at).expect("it was found there");
            *count = sum_blocks(*count, blocks)?;
        }
        Err(at) => counts.insert(at, (code, blocks)),
    }
    Ok(())
}

/// The sum of two counts of blocks.
pub(crate) fn sum_blocks(left: u64, right: u64) -> Result<u64, FoldError> {
    let Some(sum) = left.checked_add(right) else {
        return Err(FoldError::TooManyBlocks { left, right });
    };
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Address = Address::repeat_byte(0xa);
    const B: Address = Address::repeat_byte(0xb);

    fn of(counts: &Counts, stretch: usize) -> Vec<(Option<Address>, u64)> {
        counts.stretch(stretch).collect()
    }

    #[test]
    fn counts_add_up_in_any_order_and_zeros_are_not_told() {
        let producers = || Vec::from([None, Some(A), Some(B)]);
        let (mut left, mut right) = (Counts::new(producers()), Counts::new(producers()));
        left.add(2, 1, 5).unwrap();
        left.add(2, 0, 1).unwrap();
        right.add(7, 2, 3).unwrap();
        right.add(2, 1, 4).unwrap();
        right.add(2, 2, 0).unwrap();
        for (first, second) in [(&left, &right), (&right, &left)] {
            let mut total = Counts::new(producers());
            total.merge(first).unwrap();
            total.merge(second).unwrap();
            assert_eq!(of(&total, 2), [(None, 1), (Some(A), 9)]);
            assert_eq!(of(&total, 7), [(Some(B), 3)]);
            assert_eq!([of(&total, 0), of(&total, 8)], [[], []]);
        }
    }

    /// The story: a stranger's file of 1.6 MB, with a signer for each of 65,535 blocks and a stretch for each, took 34 GB.
    #[test]
    fn many_producers_in_many_stretches_take_no_more_than_their_blocks() {
        let count = 60_000_usize;
        let address = |index: usize| Address::left_padding_from(&index.to_be_bytes());
        let mut total = Counts::new((0..count).map(|index| Some(address(index))).collect());
        for half in 0..2 {
            let mut counts = Counts::new(total.producers.clone());
            for index in (half..count).step_by(2) {
                counts.add(index, count - 1 - index, 1).unwrap();
            }
            total.merge(&counts).unwrap();
        }
        assert!(total.stretches.iter().map(Vec::capacity).sum::<usize>() <= 8 * count);
        assert_eq!(of(&total, 7), [(Some(address(count - 8)), 1)]);
    }

    #[test]
    fn codes_and_producers_that_do_not_fit_are_refused() {
        let mut counts = Counts::new(Vec::from([None, Some(A)]));
        assert_eq!(counts.add(0, 2, 1), Err(FoldError::UnknownProducer { code: 2, producers: 2 }));
        counts.add(0, 1, u64::MAX).unwrap();
        assert_eq!(counts.add(0, 1, 1), Err(FoldError::TooManyBlocks { left: u64::MAX, right: 1 }));
        assert_eq!(
            counts.merge(&counts.clone()),
            Err(FoldError::TooManyBlocks { left: u64::MAX, right: u64::MAX })
        );
        let error = |left, right| Err(FoldError::OtherProducers { code: 1, left, right });
        assert_eq!(counts.merge(&Counts::new(Vec::from([None, Some(B)]))), error(Some(A), Some(B)));
        assert_eq!(counts.merge(&Counts::new(Vec::from([None]))), error(Some(A), None));
    }
}
