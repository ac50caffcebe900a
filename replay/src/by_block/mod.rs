//! The ledger by block: what each single block earned, for whom, and why not.
//!
//! A [`BlockLedger`] answers from the ledger of a [`crate::replay`]: an epoch's rate is known from there, and so is
//! what each sequencer had earned by its beginning. Within an epoch, a [`BlockReader`] remembers what was earned
//! up to each chunk that it has come by, so that one more block costs one chunk at most.

mod chunk_walk;
mod part;
mod reader;
mod together;

pub use part::first_block_that_differs;
pub use reader::BlockReader;
pub use together::{Alike, for_each_together};

use crate::blocks::Blocks;
use crate::error::ReplayError;
use crate::run::Replayed;
use alloy_primitives::Address;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use tally_engine::{
    Assessed, Attribution, Basis, BatchId, Batches, EpochIndex, L2Block, SequencerId, Span, SpanId,
    SpanRecord, Spans, Timeline, UnixTime, Unrewarded, Wei,
};
use tally_eventlog::LogView;

/// One block of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockEntry {
    /// The number of the block.
    pub block: L2Block,
    /// The timestamp of the block.
    pub timestamp: UnixTime,
    /// The epoch that it is in, or `None` before epoch 0.
    pub epoch: Option<EpochIndex>,
    /// The span that covers it, if one does.
    pub span: Option<SpanId>,
    /// Who signed it, or `None` if nobody did.
    pub signer: Option<Address>,
    /// Who made it by the policy's attribution: who signed it, or whom its span names.
    pub producer: Option<Address>,
    /// The sequencer that the producer stands for, if it is known.
    pub sequencer: Option<SequencerId>,
    /// What the block earned, or why it earned nothing.
    pub outcome: Outcome,
}

/// What a block earned, or why it earned nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It earned a reward, which may be 0 wei.
    Rewarded(Rewarded),
    /// It earned nothing, for this reason.
    Unrewarded(Unrewarded),
}

/// What a block earned for its sequencer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewarded {
    /// The sequencer's stake at that time, capped.
    pub effective: Wei,
    /// The reward of the block, in wei.
    pub reward: Wei,
    /// What the sequencer has earned up to this block, with it.
    pub running_total: Wei,
    /// Under `on-chain`: the batch that paid it, or `None` if it is pending.
    pub batch: Option<BatchId>,
}

impl BlockEntry {
    /// What it earned, or `None` for nothing.
    pub const fn rewarded(&self) -> Option<&Rewarded> {
        match &self.outcome {
            Outcome::Rewarded(rewarded) => Some(rewarded),
            Outcome::Unrewarded(_) => None,
        }
    }
}

/// A log and what a policy makes of it, to be asked block by block.
pub struct BlockLedger<'a, L> {
    log: &'a L,
    replayed: &'a Replayed,
    blocks: Blocks<'a, L>,
    timeline: Timeline,
    batches: Batches,
    /// By code, from 1 on.
    signers: Vec<Address>,
    /// Those that earn, by id. Their index is their slot.
    sequencers: Vec<SequencerId>,
    /// By slot: what the sequencer had earned by the end of each epoch in which it earned.
    earned: Vec<Vec<(EpochIndex, Wei)>>,
}

impl<'a, L: LogView> BlockLedger<'a, L> {
    /// The ledger by block of `replayed`, which came of this very log.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the log cannot be read.
    pub fn new(log: &'a L, replayed: &'a Replayed) -> Result<Self, ReplayError> {
        let (mut timeline, mut batches) =
            (Timeline::default(), Batches::new(log.identity().genesis.reward_per_block));
        for record in &log.l1_records()? {
            timeline.apply(record);
            batches.apply(record);
        }
        let mut earned: BTreeMap<SequencerId, Vec<(EpochIndex, Wei)>> = BTreeMap::new();
        for epoch in &replayed.ledger.epochs {
            for row in &epoch.rows {
                let ends = earned.entry(row.sequencer).or_default();
                let before = ends.last().map_or(Wei::ZERO, |(_, total)| *total);
                let total = before.checked_add(row.earned.reward);
                ends.push((epoch.epoch, total.map_err(tally_engine::FoldError::from)?));
            }
        }
        let (sequencers, earned) = earned.into_iter().unzip();
        let blocks = Blocks::new(log, None)?;
        Ok(Self { log, replayed, blocks, timeline, batches, signers: log.signers()?, sequencers, earned })
    }

    /// The blocks that it has: from the log's first to the replay's horizon. `None` if there is none.
    pub fn range(&self) -> Option<RangeInclusive<L2Block>> {
        let horizon = self.replayed.ledger.horizon?;
        Some(self.log.identity().l2_first_block..=horizon.block)
    }

    /// What it was made of.
    pub const fn replayed(&self) -> &'a Replayed {
        self.replayed
    }

    /// The log that it was made of.
    pub(crate) const fn log(&self) -> &'a L {
        self.log
    }

    /// The blocks of an epoch, or of those before epoch 0; `None` if there are none.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the log cannot be read.
    pub fn blocks_of(
        &self,
        epoch: Option<EpochIndex>,
    ) -> Result<Option<RangeInclusive<L2Block>>, ReplayError> {
        let epochs = &self.replayed.ledger.epochs;
        let start_of = |index: usize| epochs.get(index).map(|epoch| epoch.start);
        let Some(epoch) = epoch else {
            return self.blocks_between(None, start_of(0));
        };
        let index = usize::try_from(epoch.0).unwrap_or(usize::MAX);
        let Some(start) = start_of(index) else {
            return Ok(None);
        };
        self.blocks_between(Some(start), start_of(index.saturating_add(1)))
    }

    /// The blocks of the ledger from one second on and before another one; `None` if there are none.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the log cannot be read.
    pub fn blocks_between(
        &self,
        start: Option<UnixTime>,
        end: Option<UnixTime>,
    ) -> Result<Option<RangeInclusive<L2Block>>, ReplayError> {
        let Some(range) = self.range() else {
            return Ok(None);
        };
        let first_at = |time: UnixTime| {
            let found = self.blocks.boundaries(&[time])?;
            Ok::<L2Block, ReplayError>(found.first().map_or(*range.end(), |boundary| boundary.first_block))
        };
        let first = start.map(first_at).transpose()?.unwrap_or(*range.start());
        let last = match end.map(first_at).transpose()? {
            None => Some(*range.end()),
            Some(next) => next.previous().map(|last| last.min(*range.end())),
        };
        Ok(last.filter(|last| first <= *last).map(|last| first..=last))
    }

    /// Reads blocks, one thread's worth. Several may read at once.
    ///
    /// # Errors
    ///
    /// None are known: it reads nothing yet.
    pub fn reader(&self) -> BlockReader<'_, 'a, L> {
        BlockReader::new(self)
    }

    /// The blocks of `range` that the ledger has, in order.
    pub fn iter(&self, range: RangeInclusive<L2Block>) -> BlockIter<'_, 'a, L> {
        BlockIter { reader: self.reader(), range, ready: Vec::new().into_iter(), is_done: false }
    }

    fn basis(&self) -> Basis<'_> {
        Basis {
            policy: &self.replayed.policy,
            ledger: &self.replayed.ledger,
            timeline: &self.timeline,
            batches: &self.batches,
        }
    }

    /// Whether spans alone say who made a block.
    fn is_scheduled(&self) -> bool {
        self.replayed.policy.attribution() == Attribution::Scheduled
    }

    fn signer(&self, code: u16) -> Option<&Address> {
        self.signers.get(usize::from(code).checked_sub(1)?)
    }

    /// The spans around `range`.
    fn spans_over(&self, range: &RangeInclusive<L2Block>) -> Result<Spans, ReplayError> {
        spans_of(&self.log.span_records_over(range)?)
    }

    /// The sequencer's place among those that earn.
    fn slot_of(&self, sequencer: SequencerId) -> Result<usize, ReplayError> {
        self.sequencers.binary_search(&sequencer).map_err(|_| ReplayError::NotTheLedger {
            what: "a sequencer that earned",
            expected: "none".into(),
            found: format!("sequencer {sequencer}"),
        })
    }

    /// What each sequencer had earned when `epoch` began (`None`: before epoch 0), by slot.
    fn opening(&self, epoch: Option<EpochIndex>) -> Vec<Wei> {
        let earned = |ends: &Vec<(EpochIndex, Wei)>| {
            let before = ends.partition_point(|(end, _)| epoch.is_some_and(|epoch| *end < epoch));
            before.checked_sub(1).and_then(|last| ends.get(last)).map_or(Wei::ZERO, |(_, total)| *total)
        };
        self.earned.iter().map(earned).collect()
    }

    /// Whether `totals` is what each sequencer had earned when `epoch` began.
    fn check_opening(&self, epoch: Option<EpochIndex>, totals: &[Wei]) -> Result<(), ReplayError> {
        for (slot, (found, expected)) in totals.iter().zip(self.opening(epoch)).enumerate() {
            if *found != expected {
                let sequencer = self.sequencers.get(slot).map_or(String::new(), ToString::to_string);
                let epoch = epoch.map_or("0".into(), |epoch| epoch.to_string());
                return Err(ReplayError::NotTheLedger {
                    what: "what a sequencer had earned by the beginning of an epoch",
                    expected: format!("{expected} wei for sequencer {sequencer} and epoch {epoch}"),
                    found: format!("{found} wei"),
                });
            }
        }
        Ok(())
    }
}

/// The spans of a part of the span events, which begins with an announcement.
pub(crate) fn spans_of(records: &[SpanRecord]) -> Result<Spans, ReplayError> {
    // A recommit can be the first only of a part without an announcement, and then it is refused.
    let first = records.iter().find_map(|record| record.event.span());
    let mut spans = Spans::part_from(first.unwrap_or_default());
    for record in records {
        spans.apply(record)?;
    }
    Ok(spans)
}

/// Consecutive blocks of the ledger that have all but their times in common, as a reader comes by them.
#[derive(Clone, Copy)]
pub struct BlockRun<'r> {
    /// The number of the first block.
    pub first_block: L2Block,
    /// The timestamps of the blocks.
    pub times: &'r [UnixTime],
    /// The epoch that they are in, or `None` before epoch 0.
    pub epoch: Option<EpochIndex>,
    /// The span that covers them, if one does.
    pub span: Option<&'r Span>,
    /// Who signed them, or `None` if nobody did.
    pub signer: Option<&'r Address>,
    /// What each of them earned.
    pub assessed: Assessed,
    /// What their sequencer had earned before them, if they earn. What it earned with them fits, too.
    pub total_before: Wei,
    is_scheduled: bool,
}

impl BlockRun<'_> {
    /// The sequencer that the producer stands for, if it is known.
    pub const fn sequencer(&self) -> Option<SequencerId> {
        match self.assessed {
            Assessed::Rewarded { sequencer, .. } => Some(sequencer),
            Assessed::Unrewarded { sequencer, .. } => sequencer,
        }
    }

    /// Who made them by the policy's attribution: who signed them, or whom their span names.
    pub fn producer(&self) -> Option<Address> {
        let scheduled = self.span.map(|span| span.signer);
        if self.is_scheduled { scheduled } else { self.signer.copied().or(scheduled) }
    }

    /// The blocks one by one.
    pub fn entries(&self) -> impl Iterator<Item = BlockEntry> {
        let mut entry = BlockEntry {
            block: self.first_block,
            timestamp: UnixTime(0),
            epoch: self.epoch,
            span: self.span.map(|span| span.id),
            signer: self.signer.copied(),
            producer: self.producer(),
            sequencer: self.sequencer(),
            outcome: match self.assessed {
                Assessed::Unrewarded { reason, .. } => Outcome::Unrewarded(reason),
                Assessed::Rewarded { effective, reward, batch, .. } => {
                    Outcome::Rewarded(Rewarded { effective, reward, running_total: self.total_before, batch })
                }
            },
        };
        let blocks = (self.first_block.0..).zip(self.times);
        blocks.map(move |(block, timestamp)| {
            (entry.block, entry.timestamp) = (L2Block(block), *timestamp);
            if let Outcome::Rewarded(rewarded) = &mut entry.outcome {
                let total = rewarded.running_total.checked_add(rewarded.reward);
                rewarded.running_total = total.expect("the total with all of them fits");
            }
            entry
        })
    }
}

/// The outcome of a block, and the slot of whom it is for.
#[derive(Clone, Copy)]
struct Slotted {
    assessed: Assessed,
    slot: usize,
}

/// Blocks of the ledger, in order. It ends after the first error.
pub struct BlockIter<'l, 'a, L> {
    reader: BlockReader<'l, 'a, L>,
    range: RangeInclusive<L2Block>,
    /// The entries of the chunk that was read last.
    ready: std::vec::IntoIter<BlockEntry>,
    is_done: bool,
}

impl<L: LogView> Iterator for BlockIter<'_, '_, L> {
    type Item = Result<BlockEntry, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.ready.next() {
                return Some(Ok(entry));
            }
            if self.is_done {
                return None;
            }
            let mut entries = Vec::new();
            match self.reader.next_chunk(&self.range, &mut |run| entries.extend(run.entries())) {
                Ok(Some(rest)) => self.range = rest,
                Ok(None) => self.is_done = true,
                Err(error) => {
                    self.is_done = true;
                    return Some(Err(error));
                }
            }
            self.ready = entries.into_iter();
        }
    }
}
