//! The L2 blocks of a plan, chunk by chunk.

use crate::draw::{Draw, hash};
use crate::{FIRST_TIME, PAIR_SECS, Pattern, Plan};
use rayon::prelude::*;
use tally_engine::{L2Block, UnixTime};
use tally_eventlog::{CHUNK_BLOCKS_MAX, EncodedChunk, LogError, UNSIGNED};

/// How many chunks are made at a time, on all threads, before they are written in order.
const CHUNKS_AT_A_TIME: u64 = 512;

/// How many chunks of one kind follow one another in [`Pattern::Mixed`].
const MIXED_CHUNKS: u64 = 16;

/// In [`Pattern::Mixed`], one block of so many has deposits alone.
const DEPOSITS_ONE_IN: u16 = 64;

/// How many sequencers have produced a block by `block`. Each has its first one early and in order, so that
/// sequencer n (from 0) has code n + 1.
pub(crate) fn sequencers_by(plan: &Plan, block: L2Block) -> u64 {
    let each = match plan.pattern {
        Pattern::Random => 1,
        Pattern::Spans(_) | Pattern::Mixed => plan.pattern.span_blocks(),
    };
    (block.0 / each + 1).min(u64::from(plan.sequencers))
}

/// The sequencer that a span is given to, counted from 0.
pub(crate) fn sequencer_of_span(plan: &Plan, span: u64) -> u64 {
    let sequencers = u64::from(plan.sequencers);
    if span < sequencers { span } else { Draw::new(plan.seed, "span", span).below(sequencers) }
}

/// Makes all chunks, and hands them to `each` in order.
pub(crate) fn chunks(
    plan: &Plan,
    mut each: impl FnMut(&EncodedChunk) -> Result<(), LogError>,
) -> Result<(), LogError> {
    // Rounds up: the last chunk may hold fewer blocks.
    let count = plan.blocks.div_ceil(CHUNK_BLOCKS_MAX);
    for first in (0..count).step_by(usize::try_from(CHUNKS_AT_A_TIME).expect("small")) {
        let made: Vec<EncodedChunk> = (first..count.min(first + CHUNKS_AT_A_TIME))
            .into_par_iter()
            .map(|index| chunk(plan, index))
            .collect();
        for chunk in &made {
            each(chunk)?;
        }
    }
    Ok(())
}

fn chunk(plan: &Plan, index: u64) -> EncodedChunk {
    let first = index * CHUNK_BLOCKS_MAX;
    let end = (first + CHUNK_BLOCKS_MAX).min(plan.blocks);
    let codes = codes(plan, first..end);
    let blocks = codes.into_iter().zip(times(plan, first..end));
    let last = L2Block(end - 1);
    let signers = u16::try_from(sequencers_by(plan, last)).expect("there are no more sequencers");
    EncodedChunk::new(L2Block(first), blocks, hash(plan.seed, "block", last.0), signers)
}

fn code(sequencer: u64) -> u16 {
    u16::try_from(sequencer + 1).expect("a plan has no more sequencers than there are codes")
}

fn codes(plan: &Plan, range: std::ops::Range<u64>) -> Vec<u16> {
    let is_random = match plan.pattern {
        Pattern::Random => true,
        Pattern::Spans(_) => false,
        // Not before everybody has had a span.
        Pattern::Mixed => {
            (range.start / CHUNK_BLOCKS_MAX / MIXED_CHUNKS) % 2 == 1
                && range.start >= u64::from(plan.sequencers) * plan.pattern.span_blocks()
        }
    };
    let len = usize::try_from(range.end - range.start).expect("a chunk has few blocks");
    let mut bytes = vec![0; 2 * len];
    if is_random {
        Draw::new(plan.seed, "producer", range.start).fill(&mut bytes);
        let sequencers = u64::from(plan.sequencers);
        let drawn = bytes.as_chunks::<2>().0.iter().map(|pair| u64::from(u16::from_le_bytes(*pair)));
        let producer = |(block, drawn): (u64, u64)| {
            // In order at first, so that everybody has a first block.
            let is_first = plan.pattern == Pattern::Random && block < sequencers;
            code(if is_first { block } else { (drawn * sequencers) >> 16 })
        };
        return range.zip(drawn).map(producer).collect();
    }
    let span_blocks = plan.pattern.span_blocks();
    let mut codes = Vec::with_capacity(len);
    let mut at = range.start;
    while at < range.end {
        let span = at / span_blocks;
        let end = range.end.min((span + 1) * span_blocks);
        let code = code(sequencer_of_span(plan, span));
        codes.extend((at..end).map(|_| code));
        at = end;
    }
    if plan.pattern == Pattern::Mixed {
        Draw::new(plan.seed, "deposits", range.start).fill(&mut bytes);
        for ((block, code), drawn) in range.zip(&mut codes).zip(bytes.as_chunks::<2>().0) {
            // The first block of a span is signed, so that everybody has one.
            if block % span_blocks > 0 && u16::from_le_bytes(*drawn) % DEPOSITS_ONE_IN == 0 {
                *code = UNSIGNED;
            }
        }
    }
    codes
}

/// When the blocks of a chunk are made: as [`Plan::time_of`] says, drawn together.
fn times(plan: &Plan, range: std::ops::Range<u64>) -> impl Iterator<Item = UnixTime> {
    // Chunks begin with an even block.
    let mut steps = vec![0; usize::try_from(CHUNK_BLOCKS_MAX / 2).expect("small")];
    Draw::new(plan.seed, "steps", range.start).fill(&mut steps);
    let first = range.start;
    range.map(move |block| {
        let pair = usize::try_from((block - first) / 2).expect("small");
        let secs = if block % 2 == 0 { 0 } else { u64::from(steps[pair] % 4) + 1 };
        UnixTime(FIRST_TIME.0 + block / 2 * PAIR_SECS + secs)
    })
}
