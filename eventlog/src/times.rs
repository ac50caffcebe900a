//! The times column of a chunk: when each of its blocks was made. It is touched only to look up which
//! block an instant falls on.

use crate::bits::{GROUP, add_groups, pack, packed_len, unpack, width_of};
use crate::chunk_header::{CHUNK_BLOCKS_MAX, ChunkHeader};
use crate::error::LogError;
use tally_engine::{L2Block, UnixTime};

/// The first timestamp and the least step, 64 bits each; the width of what the steps are above it; and
/// how many blocks there are, 16 bits.
const PREFIX_BYTES: usize = 19;

/// The times column of a chunk, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Times<'a> {
    first_block: L2Block,
    first_time: u64,
    least: u64,
    width: u32,
    blocks: u16,
    body: &'a [u8],
}

impl<'a> Times<'a> {
    /// The column `bytes` of the chunk that begins at `first_block`.
    ///
    /// # Errors
    ///
    /// [`LogError::Damaged`] or [`LogError::Undecodable`] if no column looks like that.
    pub fn new(first_block: L2Block, bytes: &'a [u8]) -> Result<Self, LogError> {
        let place = || format!("the times of the chunk of L2 block {first_block}");
        let cut = || LogError::Undecodable { place: place(), reason: "it is cut".into() };
        let (first_time, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
        let (least, rest) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let (blocks, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
        let (width, body) = rest.split_first().ok_or_else(cut)?;
        let (blocks, width) = (u16::from_le_bytes(*blocks), u32::from(*width));
        let steps = usize::from(blocks).checked_sub(1).filter(|_| u64::from(blocks) <= CHUNK_BLOCKS_MAX);
        let expected = steps.filter(|_| width <= u64::BITS).and_then(|steps| packed_len(steps, width));
        if expected != Some(body.len()) {
            return Err(LogError::Damaged {
                place: place(),
                what: "length",
                expected: format!("that of {blocks} blocks with steps of {width} bits"),
                found: body.len().to_string(),
            });
        }
        let (first_time, least) = (u64::from_le_bytes(*first_time), u64::from_le_bytes(*least));
        Ok(Self { first_block, first_time, least, width, blocks, body })
    }

    /// The chunk's first block.
    pub fn first_block(&self) -> L2Block {
        self.first_block
    }

    /// How many blocks the chunk holds; at least 1.
    pub fn blocks(&self) -> u16 {
        self.blocks
    }

    /// Goes from the first block on in at most `groups_max` groups of 8, as long as `passes` says so of the block
    /// after each: how many groups there were, and the time of the block after the last of them.
    fn skip(&self, groups_max: usize, passes: impl Fn(u64) -> bool) -> (usize, u64) {
        let (mut groups, mut at) = (0, self.first_time);
        // The last block has no step, so a group has to leave one block.
        let groups_max = groups_max.min((usize::from(self.blocks) - 1) / GROUP);
        add_groups(self.body, self.width, |above| {
            let after = self.least.checked_mul(8).and_then(|least| at.checked_add(least)?.checked_add(above));
            match after {
                Some(after) if groups < groups_max && passes(after) => {
                    (groups, at) = (groups + 1, after);
                    true
                }
                _ => false,
            }
        });
        (groups, at)
    }

    /// The steps after so many groups.
    fn rest(&self, groups: usize) -> &'a [u8] {
        let width_bytes = usize::try_from(self.width).expect("at most 64");
        self.body.get(groups * width_bytes..).unwrap_or_default()
    }

    /// The time of the block after one of the time `at`.
    fn step(&self, at: u64, above: u64) -> Result<u64, LogError> {
        let next = self.least.checked_add(above).and_then(|step| at.checked_add(step));
        next.ok_or_else(|| LogError::Undecodable {
            place: format!("the times of the chunk of L2 block {}", self.first_block),
            reason: "a timestamp passes 64 bits".into(),
        })
    }

    /// The last block's timestamp.
    ///
    /// # Errors
    ///
    /// As [`Times::iter`].
    pub fn last(&self) -> Result<UnixTime, LogError> {
        let (skipped, mut at) = self.skip(usize::MAX, |_| true);
        let left = usize::from(self.blocks) - 1 - skipped * GROUP;
        for above in unpack(self.rest(skipped), self.width).take(left) {
            at = self.step(at, above)?;
        }
        Ok(UnixTime(at))
    }

    /// The timestamp of each block, in order.
    ///
    /// # Errors
    ///
    /// Each is [`LogError::Undecodable`] if it passes 64 bits.
    pub fn iter(&self) -> impl Iterator<Item = Result<UnixTime, LogError>> {
        self.iter_from(0)
    }

    /// The timestamps of the blocks from the one `offset` blocks after the first on, in order; none beyond the
    /// chunk.
    ///
    /// # Errors
    ///
    /// As [`Times::iter`].
    pub fn iter_from(&self, offset: u16) -> impl Iterator<Item = Result<UnixTime, LogError>> {
        // Equal steps need no walk; wide ones are taken one by one.
        let equal =
            u64::from(offset).checked_mul(self.least).and_then(|secs| self.first_time.checked_add(secs));
        let (skipped, mut at) = match equal {
            Some(at) if self.width == 0 => (usize::from(offset), at),
            _ => {
                let (groups, at) = self.skip(usize::from(offset) / GROUP, |_| true);
                (groups * GROUP, at)
            }
        };
        let steps = unpack(self.rest(skipped / GROUP), self.width);
        let blocks = usize::from(self.blocks).saturating_sub(skipped);
        let all = std::iter::once(None).chain(steps.map(Some)).take(blocks).map(move |step| {
            if let Some(above) = step {
                at = self.step(at, above)?;
            }
            Ok(UnixTime(at))
        });
        all.skip(usize::from(offset).saturating_sub(skipped))
    }

    /// The timestamp of the block `offset` blocks after the first, or `None` beyond the chunk.
    ///
    /// # Errors
    ///
    /// As [`Times::iter`].
    pub fn get(&self, offset: u16) -> Result<Option<UnixTime>, LogError> {
        self.iter_from(offset).next().transpose()
    }

    /// How many of the chunk's blocks are earlier than `time`.
    ///
    /// # Errors
    ///
    /// As [`Times::iter`].
    pub fn count_before(&self, time: UnixTime) -> Result<u16, LogError> {
        if self.width == 0
            && let (Some(since), Some(step)) =
                (time.0.checked_sub(self.first_time), (self.least > 0).then_some(self.least))
        {
            // Equal steps: block i has the time first + i · step, and is earlier if i < since / step.
            let earlier = since.div_ceil(step);
            return Ok(u16::try_from(earlier).map_or(self.blocks, |earlier| earlier.min(self.blocks)));
        }
        // Blocks are skipped in groups that end before `time`, and looked at one by one in the last.
        let (skipped, mut at) = self.skip(usize::MAX, |after| after < time.0);
        let steps = unpack(self.rest(skipped), self.width);
        let skipped = u16::try_from(skipped * GROUP).expect("a chunk has few blocks");
        let mut earlier = skipped;
        for step in std::iter::once(None).chain(steps.map(Some)).take(usize::from(self.blocks - skipped)) {
            if let Some(above) = step {
                at = self.step(at, above)?;
            }
            if at >= time.0 {
                break;
            }
            earlier += 1;
        }
        Ok(earlier)
    }
}

/// Encodes the timestamps of a chunk, which never fall.
pub(crate) fn encode_times(times: &[u64]) -> Vec<u8> {
    let step = |pair: &[u64]| pair[1].checked_sub(pair[0]).expect("timestamps never fall: `push` checks it");
    let steps = times.windows(2).map(step);
    let least = steps.clone().min().unwrap_or(0);
    let above = steps.map(|step| step - least);
    let width = width_of(above.clone());
    let mut out = Vec::with_capacity(PREFIX_BYTES);
    out.extend(times.first().copied().unwrap_or_default().to_le_bytes());
    out.extend(least.to_le_bytes());
    out.extend(u16::try_from(times.len()).expect("a chunk has at most 2^13 blocks").to_le_bytes());
    out.push(u8::try_from(width).expect("a step has at most 64 bits"));
    pack(above, width, &mut out);
    out
}

/// Whether a chunk's times are those that its header speaks of.
pub(crate) fn check_times(header: &ChunkHeader, bytes: &[u8]) -> Result<(), LogError> {
    let times = Times::new(header.first_block, bytes)?;
    let place = format!("the times of {}", header.place());
    crate::error::same(&place, "number of blocks", &header.blocks, &times.blocks)?;
    crate::error::same(&place, "first timestamp", &header.first_time, &UnixTime(times.first_time))?;
    crate::error::same(&place, "last timestamp", &header.last_time, &times.last()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times() -> impl Strategy<Value = Vec<u64>> {
        let step = prop_oneof![Just(2_u64), 0..4_u64, 0..1_000_000_u64];
        let runs = prop::collection::vec((step, 1_usize..200), 1..20);
        runs.prop_map(|runs| {
            let mut time = 1_000;
            let steps = runs.into_iter().flat_map(|(step, len)| vec![step; len]);
            steps
                .map(|step| {
                    time += step;
                    time
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn times_read_back_and_are_found(times in times(), probe in any::<prop::sample::Index>(), shift in 0_u64..3) {
            let bytes = encode_times(&times);
            let column = Times::new(L2Block(7), &bytes)?;
            let back: Result<Vec<u64>, LogError> = column.iter().map(|time| Ok(time?.0)).collect();
            prop_assert_eq!(back?, times.clone());
            prop_assert_eq!(Some(column.last()?.0), times.last().copied());
            let at = probe.index(times.len());
            prop_assert_eq!(column.get(u16::try_from(at).expect("small"))?, Some(UnixTime(times[at])));
            for time in [times[at] + shift, times[at].saturating_sub(shift), 0, u64::MAX] {
                let expected = times.partition_point(|earlier| *earlier < time);
                prop_assert_eq!(usize::from(column.count_before(UnixTime(time))?), expected);
            }
        }

        #[test]
        fn damaged_columns_are_errors_and_never_panics(times in times(), flips in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4), cut in any::<prop::sample::Index>()) {
            let mut bytes = encode_times(&times);
            for (at, mask) in &flips {
                let at = at.index(bytes.len());
                bytes[at] ^= mask;
            }
            // Whatever comes of it, it is an answer.
            let _ = Times::new(L2Block(0), &bytes).map(|times| times.iter().count());
            let _ = Times::new(L2Block(0), &bytes).map(|times| times.count_before(UnixTime(2_000)));
            let full = encode_times(&times);
            prop_assert!(Times::new(L2Block(0), &full[..cut.index(full.len())]).is_err());
        }
    }

    #[test]
    fn equal_steps_take_no_bits_and_two_steps_one() {
        let equal: Vec<u64> = (0..8_192).map(|block| 2 * block).collect();
        assert_eq!(encode_times(&equal).len(), PREFIX_BYTES);
        let uneven: Vec<u64> = (0..8_192).map(|block| block / 2).collect();
        assert_eq!(encode_times(&uneven).len(), PREFIX_BYTES + 1_024);
    }
}
