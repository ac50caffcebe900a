//! Reading the ledger block by block, epoch by epoch.

use super::chunk_walk::{ChunkWalk, Scratch};
use super::{BlockEntry, BlockLedger, BlockRun};
use crate::error::ReplayError;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use tally_engine::{Assessor, EpochIndex, L2Block, Spans, Wei};
use tally_eventlog::{CHUNK_BLOCKS_MAX, LogError, LogView, Producers, chunk_start};

/// How many epochs a reader remembers. Each takes some hundred kilobytes: its spans, and for each chunk what every
/// sequencer had earned by then.
const EPOCHS_HELD: usize = 128;

/// Reads blocks of a ledger, and remembers the epochs that it has read.
pub struct BlockReader<'l, 'a, L> {
    ledger: &'l BlockLedger<'a, L>,
    /// The parts that were read, by their first block.
    epochs: BTreeMap<L2Block, ReadEpoch<'l>>,
    scratch: Scratch,
}

/// An epoch, or the time before epoch 0, as far as it has been read.
struct ReadEpoch<'l> {
    epoch: Option<EpochIndex>,
    range: RangeInclusive<L2Block>,
    /// The assessor as it stands at the first block of the part.
    assessor: Assessor<'l>,
    spans: Spans,
    /// What each sequencer had earned by its first block, and by each chunk after it, by slot.
    totals: Vec<Vec<Wei>>,
}

impl<'l, 'a, L: LogView> BlockReader<'l, 'a, L> {
    pub(super) fn new(ledger: &'l BlockLedger<'a, L>) -> Self {
        let signers = u16::try_from(ledger.signers.len()).expect("a log has no more: codes have 16 bits");
        Self { ledger, epochs: BTreeMap::new(), scratch: Scratch::new(signers) }
    }

    /// One block; `None` if the ledger does not have it.
    ///
    /// # Errors
    ///
    /// As [`BlockReader::for_each`].
    pub fn entry(&mut self, block: L2Block) -> Result<Option<BlockEntry>, ReplayError> {
        let mut found = None;
        self.for_each(block..=block, |entry| found = Some(*entry))?;
        Ok(found)
    }

    /// Calls `each` for the blocks of `range` that the ledger has, in order.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the log cannot be read, or if the ledger is not that of this log.
    pub fn for_each(
        &mut self,
        range: RangeInclusive<L2Block>,
        mut each: impl FnMut(&BlockEntry),
    ) -> Result<(), ReplayError> {
        let mut rest = Some(range);
        while let Some(range) = rest {
            rest = self.next_chunk(&range, &mut |run| run.entries().for_each(|entry| each(&entry)))?;
        }
        Ok(())
    }

    /// Calls `each` for the first blocks of `range`, those that lie in one chunk and one epoch, in runs of blocks that
    /// have all but their times in common; returns the rest.
    ///
    /// # Errors
    ///
    /// As [`BlockReader::for_each`].
    pub fn next_chunk(
        &mut self,
        range: &RangeInclusive<L2Block>,
        each: &mut impl FnMut(&BlockRun<'_>),
    ) -> Result<Option<RangeInclusive<L2Block>>, ReplayError> {
        let Some(all) = self.ledger.range() else {
            return Ok(None);
        };
        let (start, end) = (*range.start().max(all.start()), *range.end().min(all.end()));
        if start > end {
            return Ok(None);
        }
        let Self { ledger, epochs, scratch } = self;
        let epoch = epoch_of(ledger, epochs, start)?;
        let last = epoch.visit(ledger, scratch, start..=end.min(*epoch.range.end()), each)?;
        Ok(last.next().filter(|next| *next <= end).map(|next| next..=end))
    }
}

/// The epoch that `block` is in, which the ledger has.
fn epoch_of<'p, 'l, L: LogView>(
    ledger: &'l BlockLedger<'_, L>,
    epochs: &'p mut BTreeMap<L2Block, ReadEpoch<'l>>,
    block: L2Block,
) -> Result<&'p mut ReadEpoch<'l>, ReplayError> {
    let held = epochs.range(..=block).next_back().filter(|(_, epoch)| epoch.range.contains(&block));
    let key = if let Some((key, _)) = held {
        *key
    } else {
        let epoch = ReadEpoch::new(ledger, block)?;
        if epochs.len() >= EPOCHS_HELD {
            // Whichever: readers go forwards, or anywhere.
            epochs.pop_first();
        }
        let key = *epoch.range.start();
        epochs.insert(key, epoch);
        key
    };
    Ok(epochs.get_mut(&key).expect("it is there or was put there"))
}

impl<'l> ReadEpoch<'l> {
    fn new<L: LogView>(ledger: &'l BlockLedger<'_, L>, block: L2Block) -> Result<Self, ReplayError> {
        let mut assessor = Assessor::new(ledger.basis());
        let of_policy = |error| ReplayError::of_policy(&ledger.replayed.policy, error);
        assessor.reach(ledger.blocks.timestamp(block)?).map_err(of_policy)?;
        let epoch = assessor.epoch();
        let range = ledger.blocks_of(epoch)?.filter(|range| range.contains(&block));
        let range = range.ok_or_else(|| ReplayError::NotTheLedger {
            what: "the epoch of a block",
            expected: format!("one with block {block}"),
            found: format!("{epoch:?}"),
        })?;
        let mut assessor = Assessor::new(ledger.basis());
        assessor.reach(ledger.blocks.timestamp(*range.start())?).map_err(of_policy)?;
        let spans = ledger.spans_over(&range)?;
        Ok(Self { epoch, range, assessor, spans, totals: vec![ledger.opening(epoch)] })
    }

    /// Calls `each` for the first blocks of `range` (which is not empty, and in this epoch) that lie in one chunk;
    /// returns the last of them.
    fn visit<L: LogView>(
        &mut self,
        ledger: &BlockLedger<'_, L>,
        scratch: &mut Scratch,
        range: RangeInclusive<L2Block>,
        each: &mut impl FnMut(&BlockRun<'_>),
    ) -> Result<L2Block, ReplayError> {
        let (first_of_log, first) = (ledger.log.identity().l2_first_block, *range.start());
        let chunk = chunk_start(first_of_log, first);
        self.earn_up_to(ledger, scratch, chunk)?;
        let mut walk = ChunkWalk::new(ledger, scratch, &self.spans, &self.assessor);
        let totals = &mut self.totals;
        let ordinal = ordinal(*self.range.start(), chunk);
        let mut running = totals.get(ordinal).cloned().expect("the totals reach up to this chunk");
        let start = *self.range.start();
        let (last, is_whole) = ledger.log.with_columns(chunk, |producers, times| {
            let offset = |block: L2Block| offset_in(chunk, block, producers);
            let end = offset(*range.end())?.saturating_add(1).min(producers.blocks());
            let from = offset(first)?;
            if end <= from {
                return Err(ReplayError::from(LogError::Undecodable {
                    place: format!("the chunk of L2 block {chunk}"),
                    reason: format!("it ends before block {first}"),
                }));
            }
            walk.accrue(producers, times, offset(start.max(chunk))?..from, &mut running)?;
            walk.list(producers, times, from..end, &mut running, each)?;
            let last = L2Block(chunk.0.saturating_add(u64::from(end)).saturating_sub(1));
            Ok::<_, ReplayError>((last, end == producers.blocks()))
        })?;
        if last == *self.range.end() {
            // Only the last epoch may end amid what the ledger has of it.
            let next = self.epoch.map_or(EpochIndex(0), |epoch| EpochIndex(epoch.0.saturating_add(1)));
            ledger.check_opening(Some(next), &running)?;
        } else if is_whole && totals.len() == ordinal + 1 {
            totals.push(running);
        }
        Ok(last)
    }

    /// Makes `totals` reach up to the chunk that begins at `chunk`.
    fn earn_up_to<L: LogView>(
        &mut self,
        ledger: &BlockLedger<'_, L>,
        scratch: &mut Scratch,
        chunk: L2Block,
    ) -> Result<(), ReplayError> {
        let start = *self.range.start();
        let wanted = ordinal(start, chunk);
        let mut walk = ChunkWalk::new(ledger, scratch, &self.spans, &self.assessor);
        while let Some(done) = self.totals.len().checked_sub(1).filter(|done| *done < wanted) {
            let mut running = self.totals.last().cloned().expect("those of its beginning are there");
            let chunk = chunk_of(start, ledger.log.identity().l2_first_block, done);
            if self.epoch.is_some() {
                ledger.log.with_columns(chunk, |producers, times| {
                    let from = offset_in(chunk, start.max(chunk), producers)?;
                    walk.accrue(producers, times, from..producers.blocks(), &mut running)
                })?;
            }
            self.totals.push(running);
        }
        Ok(())
    }
}

/// How many chunks lie between that of block `start` and `chunk`.
fn ordinal(start: L2Block, chunk: L2Block) -> usize {
    // Both round down.
    let chunks = (chunk.0 / CHUNK_BLOCKS_MAX).saturating_sub(start.0 / CHUNK_BLOCKS_MAX);
    usize::try_from(chunks).expect("their totals are in memory")
}

/// The chunk that lies `ordinal` chunks after that of block `start`.
fn chunk_of(start: L2Block, first_of_log: L2Block, ordinal: usize) -> L2Block {
    let chunks = u64::try_from(ordinal).unwrap_or(u64::MAX).saturating_mul(CHUNK_BLOCKS_MAX);
    chunk_start(first_of_log, L2Block(start.0.saturating_add(chunks)))
}

/// The place of `block` in the chunk that begins at `chunk`; its end for a later one.
fn offset_in(chunk: L2Block, block: L2Block, producers: &Producers<'_>) -> Result<u16, LogError> {
    let offset = block.0.checked_sub(chunk.0).ok_or_else(|| LogError::Undecodable {
        place: format!("the chunk of L2 block {chunk}"),
        reason: format!("block {block} lies before it"),
    })?;
    Ok(u16::try_from(offset).unwrap_or(u16::MAX).min(producers.blocks()))
}
