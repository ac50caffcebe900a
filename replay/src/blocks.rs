//! The L2 blocks of a log: where an instant falls, and which blocks nobody signed.

use crate::error::ReplayError;
use rayon::prelude::*;
use std::ops::RangeInclusive;
use tally_engine::{Boundary, L2Block, UnixTime};
use tally_eventlog::{IndexEntry, LogError, LogView};

/// How many instants a thread looks up at a time: neighbours often fall in one chunk, which is then read once.
const INSTANTS_PER_TASK: usize = 64;

/// The timestamp of an L2 block that is in the log.
///
/// # Errors
///
/// [`ReplayError`] if it is not, or the log cannot be read.
pub fn timestamp_of<L: LogView>(log: &L, block: L2Block) -> Result<UnixTime, ReplayError> {
    Blocks::new(log, Some(block))?.timestamp(block)
}

/// The chunks of a log from some block on, by what the index says of them.
pub(crate) struct Blocks<'a, L> {
    pub(crate) log: &'a L,
    index: Vec<IndexEntry>,
    range: Option<(L2Block, L2Block)>,
}

impl<'a, L: LogView> Blocks<'a, L> {
    /// The blocks from `from` on, or all.
    pub(crate) fn new(log: &'a L, from: Option<L2Block>) -> Result<Self, LogError> {
        let first = log.identity().l2_first_block;
        let range = log.reach().l2.map(|head| (first, head.block));
        Ok(Self { log, index: log.chunk_index(from.unwrap_or(first))?, range })
    }

    /// The first and the last block of the log, or `None` if it has none.
    pub(crate) fn range(&self) -> Option<(L2Block, L2Block)> {
        self.range
    }

    /// Checks every byte of the chunks after that of block `last` (of all, for `None`) up to the head: only
    /// then are the digests of those before it tied to the head digest.
    pub(crate) fn verify_after(&self, last: Option<L2Block>) -> Result<(), ReplayError> {
        let Some((first, head)) = self.range else {
            return Ok(());
        };
        let from = match last {
            None => first,
            Some(last) => {
                match self.index.iter().map(|entry| entry.first_block).find(|start| *start > last) {
                    Some(start) => start,
                    None => return Ok(()),
                }
            }
        };
        let mut index = self.chunks(&(from..=head)).iter();
        self.log.scan_verified(from..=head, |header, _| Ok(header.check_index_entry(index.next().copied())?))
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
        let tasks: Result<Vec<Vec<Boundary>>, LogError> =
            instants.par_chunks(INSTANTS_PER_TASK).map(|instants| self.boundaries_here(instants)).collect();
        Ok(tasks?.concat())
    }

    fn boundaries_here(&self, instants: &[UnixTime]) -> Result<Vec<Boundary>, LogError> {
        // Every chunk up to an instant's begins before it, and no later one does.
        let chunk_of = |time: UnixTime| {
            let after = self.index.partition_point(|entry| entry.first_time < time);
            after.checked_sub(1).and_then(|index| self.index.get(index)).map(|entry| entry.first_block)
        };
        let mut chunks: Vec<L2Block> = instants.iter().filter_map(|time| chunk_of(*time)).collect();
        chunks.dedup();
        let first = self.index.first().map_or(L2Block(u64::MAX), |entry| entry.first_block);
        let mut left = instants;
        let mut boundaries = Vec::with_capacity(instants.len());
        let mut take = |until: Option<L2Block>, find: &dyn Fn(UnixTime) -> Result<L2Block, LogError>| {
            while let Some((time, rest)) = left.split_first().filter(|(time, _)| chunk_of(**time) == until) {
                boundaries.push(Boundary { time: *time, first_block: find(*time)? });
                left = rest;
            }
            Ok(())
        };
        take(None, &|_| Ok(first))?;
        self.log.for_each_times::<LogError>(&chunks, |times| {
            let first = times.first_block();
            take(Some(first), &|time| {
                Ok(L2Block(first.0.saturating_add(u64::from(times.count_before(time)?))))
            })
        })?;
        Ok(boundaries)
    }

    /// The timestamp of a block that is in the log.
    pub(crate) fn timestamp(&self, block: L2Block) -> Result<UnixTime, ReplayError> {
        let missing = || LogError::Undecodable {
            place: format!("the times of L2 block {block}"),
            reason: "they end before it".into(),
        };
        let entry = self.chunks(&(block..=block)).first().ok_or_else(missing)?;
        let offset = block.0.checked_sub(entry.first_block.0).and_then(|offset| u16::try_from(offset).ok());
        let mut found = None;
        self.log.for_each_times::<LogError>(&[entry.first_block], |times| {
            found = offset.map(|offset| times.get(offset)).transpose()?.flatten();
            Ok(())
        })?;
        Ok(found.ok_or_else(missing)?)
    }

    /// The first block within `range` that nobody signed, or `None`.
    pub(crate) fn first_unsigned(
        &self,
        range: &RangeInclusive<L2Block>,
    ) -> Result<Option<L2Block>, ReplayError> {
        for entry in self.chunks(range).iter().filter(|entry| entry.unsigned > 0) {
            let mut found = None;
            let from = entry.first_block.max(*range.start());
            self.log.scan_producers::<LogError>(from..=from, |producers| {
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

/// The first L2 block at or after each of `instants`, which come in order; for one after the last block, the
/// block after it.
///
/// # Errors
///
/// [`ReplayError`] if the log cannot be read.
pub fn first_blocks_at<L: LogView>(log: &L, instants: &[UnixTime]) -> Result<Vec<Boundary>, ReplayError> {
    let blocks = Blocks::new(log, None)?;
    let Some((first, head)) = blocks.range() else {
        return Ok(Vec::new());
    };
    let mut boundaries = blocks.boundaries(instants)?;
    for boundary in &mut boundaries {
        boundary.first_block = boundary.first_block.max(first).min(head.next().unwrap_or(head));
    }
    Ok(boundaries)
}

/// The last L2 block at or before `time`, or `None` if the log has none.
///
/// # Errors
///
/// [`ReplayError`] if the log cannot be read.
pub fn last_block_by<L: LogView>(log: &L, time: UnixTime) -> Result<Option<L2Block>, ReplayError> {
    let Some(later) = time.next() else {
        return Ok(log.reach().l2.map(|head| head.block));
    };
    let next = first_blocks_at(log, &[later])?.first().and_then(|next| next.first_block.previous());
    Ok(next.filter(|block| *block >= log.identity().l2_first_block))
}
