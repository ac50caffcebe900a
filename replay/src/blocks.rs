//! The L2 blocks of a log: where an instant falls, and which blocks nobody signed.

use crate::error::ReplayError;
use crate::source::Source;
use std::ops::RangeInclusive;
use tally_engine::{Boundary, L2Block, UnixTime};
use tally_eventlog::{ChunkHeader, LogError, Producers, UNSIGNED, decode_times};

/// The chunks of a log, by their headers.
pub(crate) struct Blocks<'a, S> {
    pub(crate) source: &'a S,
    pub(crate) headers: Vec<ChunkHeader>,
}

impl<'a, S: Source> Blocks<'a, S> {
    pub(crate) fn new(source: &'a S) -> Result<Self, LogError> {
        Ok(Self { source, headers: source.chunk_headers()? })
    }

    /// The first and the last block, or `None` in a log without L2.
    pub(crate) fn range(&self) -> Option<(L2Block, L2Block)> {
        let first = self.headers.first()?.first_block;
        Some((first, self.headers.last()?.last_block()?))
    }

    /// Looks instants up, which come in order: headers first, then one times column for all instants
    /// in its chunk. An instant after the last block falls on the block after it.
    pub(crate) fn boundaries(
        &self,
        instants: impl IntoIterator<Item = UnixTime>,
    ) -> Result<Vec<Boundary>, ReplayError> {
        let mut decoded: Option<(usize, Vec<UnixTime>)> = None;
        let mut boundaries = Vec::new();
        for time in instants {
            let index = self.headers.partition_point(|header| header.last_time < time);
            let first_block = match self.headers.get(index) {
                None => self.range().and_then(|(_, last)| last.next()).unwrap_or(L2Block(u64::MAX)),
                Some(header) if header.first_time >= time => header.first_block,
                Some(header) => {
                    let times = match decoded.take() {
                        Some((at, times)) if at == index => times,
                        _ => decode_times(header, &self.source.times(header)?)?,
                    };
                    let offset = times.partition_point(|earlier| *earlier < time);
                    decoded = Some((index, times));
                    let offset = u64::try_from(offset).unwrap_or(u64::MAX);
                    L2Block(header.first_block.0.saturating_add(offset))
                }
            };
            boundaries.push(Boundary { time, first_block });
        }
        Ok(boundaries)
    }

    /// The timestamp of a block, or `None` if it is not in the log.
    pub(crate) fn timestamp(&self, block: L2Block) -> Result<Option<UnixTime>, ReplayError> {
        let after = self.headers.partition_point(|header| header.first_block <= block);
        let Some(header) = after.checked_sub(1).and_then(|index| self.headers.get(index)) else {
            return Ok(None);
        };
        let times = decode_times(header, &self.source.times(header)?)?;
        let offset =
            block.0.checked_sub(header.first_block.0).and_then(|offset| usize::try_from(offset).ok());
        Ok(offset.and_then(|offset| times.get(offset).copied()))
    }

    /// The first block within `range` that nobody signed, or `None`.
    pub(crate) fn first_unsigned(
        &self,
        range: RangeInclusive<L2Block>,
    ) -> Result<Option<L2Block>, ReplayError> {
        let after = self.headers.partition_point(|header| header.first_block <= *range.start());
        for header in self.headers.iter().skip(after.saturating_sub(1)) {
            if header.first_block > *range.end() {
                break;
            }
            if header.unsigned_blocks == 0 {
                continue;
            }
            let column = self.source.producers(header)?;
            let mut found = None;
            for_each_run(header, &column, range.clone(), |code, first, _| {
                if code == UNSIGNED && found.is_none() {
                    found = Some(first);
                }
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// Calls `each(code, first, blocks)` for the runs of a chunk's producers that lie within `range`.
pub(crate) fn for_each_run(
    header: &ChunkHeader,
    column: &[u8],
    range: RangeInclusive<L2Block>,
    mut each: impl FnMut(u16, L2Block, u64),
) -> Result<(), LogError> {
    let first = header.first_block.0;
    let offset = |block: u64| usize::try_from(block.saturating_sub(first)).unwrap_or(usize::MAX);
    let end = offset(range.end().0.saturating_add(1)).min(offset(first.saturating_add(header.blocks())));
    let start = offset(range.start().0).min(end);
    let mut at = first.max(range.start().0);
    let runs = Producers::new(header, column)?.for_each_run(start..end, |code, blocks| {
        each(code, L2Block(at), blocks);
        at = at.saturating_add(blocks);
    });
    runs.map_err(|reason| LogError::Undecodable {
        place: format!("the producers of the chunk of L2 block {}", header.first_block),
        reason,
    })
}
