//! The L2 blocks of a log: where an instant falls, and which blocks nobody signed.

use crate::error::ReplayError;
use crate::source::Source;
use rayon::prelude::*;
use std::ops::RangeInclusive;
use tally_engine::{Boundary, L2Block, UnixTime};
use tally_eventlog::{IndexEntry, LogError, Times};

/// How many instants a thread looks up at a time: neighbours often fall in one chunk, which is then read once.
const INSTANTS_PER_TASK: usize = 64;

/// The chunks of a log from some block on, by what the index says of them.
pub(crate) struct Blocks<'a, S> {
    pub(crate) source: &'a S,
    index: Vec<IndexEntry>,
    range: Option<(L2Block, L2Block)>,
}

impl<'a, S: Source> Blocks<'a, S> {
    /// The blocks from `from` on, or all.
    pub(crate) fn new(source: &'a S, from: Option<L2Block>) -> Result<Self, LogError> {
        let first = source.first_block();
        let range = source.heads().l2.map(|head| (first, head.block));
        Ok(Self { source, index: source.chunk_index(from.unwrap_or(first))?, range })
    }

    /// The first and the last block of the log, or `None` if it has none.
    pub(crate) fn range(&self) -> Option<(L2Block, L2Block)> {
        self.range
    }

    /// The chunks that have blocks of `range`.
    pub(crate) fn chunks(&self, range: &RangeInclusive<L2Block>) -> &[IndexEntry] {
        let after = self.index.partition_point(|entry| entry.first_block <= *range.start());
        let end = self.index.partition_point(|entry| entry.first_block <= *range.end());
        self.index.get(after.saturating_sub(1)..end).unwrap_or_default()
    }

    /// Whether there may be blocks that nobody signed.
    pub(crate) fn has_unsigned(&self) -> bool {
        self.index.iter().any(|entry| entry.unsigned > 0)
    }

    /// Looks instants up, which come in order: the index first, then one times column. An instant after the
    /// last block falls on the block after it.
    pub(crate) fn boundaries(&self, instants: &[UnixTime]) -> Result<Vec<Boundary>, ReplayError> {
        let tasks: Result<Vec<Vec<Boundary>>, LogError> = instants
            .par_chunks(INSTANTS_PER_TASK)
            .map(|instants| {
                let mut column = None;
                let boundary = |time: &UnixTime| {
                    Ok(Boundary { time: *time, first_block: self.first_block_at(*time, &mut column)? })
                };
                instants.iter().map(boundary).collect()
            })
            .collect();
        Ok(tasks?.concat())
    }

    /// The first block whose timestamp is not before `time`. `column` is the times column read last.
    fn first_block_at(
        &self,
        time: UnixTime,
        column: &mut Option<(L2Block, Vec<u8>)>,
    ) -> Result<L2Block, LogError> {
        // All chunks before this one begin earlier, and all later ones do not.
        let after = self.index.partition_point(|entry| entry.first_time < time);
        let Some(entry) = after.checked_sub(1).and_then(|index| self.index.get(index)) else {
            return Ok(self.index.first().map_or(L2Block(u64::MAX), |entry| entry.first_block));
        };
        let first = entry.first_block;
        let bytes = match column.take() {
            Some((block, bytes)) if block == first => bytes,
            _ => self.source.times(first)?,
        };
        let earlier = Times::new(first, &bytes)?.count_before(time)?;
        *column = Some((first, bytes));
        Ok(L2Block(first.0.saturating_add(u64::from(earlier))))
    }

    /// The timestamp of a block, or `None` if it is not in the log.
    pub(crate) fn timestamp(&self, block: L2Block) -> Result<Option<UnixTime>, ReplayError> {
        let Some(entry) = self.chunks(&(block..=block)).first() else {
            return Ok(None);
        };
        let column = self.source.times(entry.first_block)?;
        let offset = block.0.checked_sub(entry.first_block.0).and_then(|offset| u16::try_from(offset).ok());
        let times = Times::new(entry.first_block, &column)?;
        Ok(offset.map(|offset| times.get(offset)).transpose()?.flatten())
    }

    /// The first block within `range` that nobody signed, or `None`.
    pub(crate) fn first_unsigned(
        &self,
        range: &RangeInclusive<L2Block>,
    ) -> Result<Option<L2Block>, ReplayError> {
        for entry in self.chunks(range).iter().filter(|entry| entry.unsigned > 0) {
            let mut found = None;
            let from = entry.first_block.max(*range.start());
            self.source.scan_producers::<LogError>(from..=from, |producers| {
                let offset = u16::try_from(from.0.saturating_sub(entry.first_block.0)).unwrap_or(u16::MAX);
                let offset = offset.min(producers.blocks());
                producers.for_each_unsigned(offset..producers.blocks(), |first, _| {
                    found = found.or(Some(first));
                })
            })?;
            if let Some(block) = found.filter(|block| block <= range.end()) {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }
}
