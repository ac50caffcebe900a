//! The hot path: how many blocks of each stretch each producer made.

use crate::blocks::{Blocks, for_each_run};
use crate::error::ReplayError;
use crate::source::Source;
use alloy_primitives::Address;
use rayon::prelude::*;
use tally_engine::{Counts, FoldError, Grid, L2Block, Spans};
use tally_eventlog::{ChunkHeader, UNSIGNED};

/// How many chunks a thread takes at a time: enough to make the merging cheap beside the counting.
const CHUNKS_PER_TASK: usize = 64;

/// Counts the blocks `first..=last` by stretch and producer. Counting is a sum, so the
/// result does not depend on how the blocks are split among threads, nor on how many there are.
pub(crate) fn count<S: Source>(
    blocks: &Blocks<'_, S>,
    spans: &Spans,
    grid: &Grid,
    range: (L2Block, L2Block),
) -> Result<Counts, ReplayError> {
    let tasks: Result<Vec<Counts>, ReplayError> = blocks
        .headers
        .par_chunks(CHUNKS_PER_TASK)
        .map(|headers| {
            let mut counts = Counts::new();
            for header in headers {
                count_chunk(blocks.source, header, spans, grid, range, &mut counts)?;
            }
            Ok(counts)
        })
        .collect();
    let mut total = Counts::new();
    for counts in tasks? {
        total.merge(&counts)?;
    }
    Ok(total)
}

fn count_chunk<S: Source>(
    source: &S,
    header: &ChunkHeader,
    spans: &Spans,
    grid: &Grid,
    (first, last): (L2Block, L2Block),
    counts: &mut Counts,
) -> Result<(), ReplayError> {
    let Some(chunk_last) = header.last_block() else {
        return Ok(());
    };
    let (from, to) = (first.max(header.first_block), last.min(chunk_last));
    if from > to {
        return Ok(());
    }
    let column = source.producers(header)?;
    let mut signed = vec![0_u64; header.signers.len() + 1];
    for index in grid.stretch_of(from).. {
        let Some((stretch_first, stretch_last)) = grid.stretch(index).filter(|(first, _)| *first <= to)
        else {
            break;
        };
        let inside = stretch_first.max(from)..=stretch_last.min(to);
        if inside.is_empty() {
            continue;
        }
        signed.fill(0);
        let mut unsigned = Vec::new();
        let mut overflow = None;
        for_each_run(header, &column, inside, |code, first, blocks| {
            if code == UNSIGNED {
                unsigned.push((first, blocks));
            } else if let Some(count) = signed.get_mut(usize::from(code)) {
                match count.checked_add(blocks) {
                    Some(sum) => *count = sum,
                    None => overflow = Some(FoldError::TooManyBlocks { left: *count, right: blocks }),
                }
            }
        })?;
        if let Some(error) = overflow {
            return Err(error.into());
        }
        for (signer, blocks) in header.signers.iter().zip(signed.iter().skip(1)) {
            if *blocks > 0 {
                counts.add(index, Some(signer.signer), *blocks)?;
            }
        }
        for (first, blocks) in unsigned {
            count_by_schedule(first, blocks, spans, |producer, blocks| counts.add(index, producer, blocks))?;
        }
    }
    Ok(())
}

/// Calls `add` for `blocks` unsigned blocks from `first` on, by the signers that their spans name.
fn count_by_schedule(
    first: L2Block,
    blocks: u64,
    spans: &Spans,
    mut add: impl FnMut(Option<Address>, u64) -> Result<(), FoldError>,
) -> Result<(), FoldError> {
    let mut block = first;
    let mut left = blocks;
    while left > 0 {
        let span = spans.covering(block);
        let end = match span {
            Some(span) => Some(span.end),
            None => spans.next_covered(block).and_then(L2Block::previous),
        };
        let reach = end.and_then(|end| end.0.checked_sub(block.0)).and_then(|blocks| blocks.checked_add(1));
        let taken = reach.map_or(left, |reach| reach.min(left));
        add(span.map(|span| span.signer), taken)?;
        left = left.saturating_sub(taken);
        block = L2Block(block.0.saturating_add(taken));
    }
    Ok(())
}
