//! Counting codes: the innermost loop of a fold.
//!
//! Runs are added up. Of packed codes, what is counted first is how often each byte occurs (or each pair of
//! bytes, with few signers or wide codes); what that means in codes is worked out only when the counts are
//! taken, so it may be many chunks later. Neighbours go to different tables, so that an addition need not
//! wait for the one before it.

use crate::error::LogError;
use crate::producers::{Codes, Producers, decode_run};
use std::ops::Range;
use tally_engine::L2Block;

/// Codes below this fit in 6 bits, and two of them are counted as one pattern of 12.
const PAIRED_CODES_MAX: usize = 64;

/// Patterns are turned into codes before a counter of theirs could pass 32 bits.
const PATTERNS_MAX: usize = 1 << 31;

/// How many blocks have each code. Made once for a thread, filled and emptied again and again.
pub struct CodeCounts {
    /// By code; what the patterns say comes on top.
    counts: Vec<u64>,
    /// Codes of 1, 2, 4 and 8 bits, by bytes.
    bytes: Vec<Bytes>,
    /// Pairs of 8-bit codes that fit in 6.
    pairs: Pairs,
    /// Codes of 16 bits.
    wide: Words,
    /// How many patterns were counted at most since they were turned into codes.
    patterns: usize,
    /// The last chunk that was counted.
    last: L2Block,
}

/// Bytes that hold codes of `width` bits.
struct Bytes {
    width: usize,
    tables: [[u32; 256]; 4],
    counted: usize,
}

/// Pairs of codes of 6 bits. A table has 16 KiB, and with 33 codes half of it is in use: both stay within the
/// processor's nearest cache.
struct Pairs {
    even: Box<[u32; 4_096]>,
    odd: Box<[u32; 4_096]>,
    counted: usize,
}

/// Codes of 16 bits.
struct Words {
    even: Box<[u32; 65_536]>,
    odd: Box<[u32; 65_536]>,
    counted: usize,
}

/// A code that the dictionary does not have.
struct UnknownCode;

impl Bytes {
    const fn new(width: usize) -> Self {
        Self { width, tables: [[0; 256]; 4], counted: 0 }
    }

    #[inline]
    fn count(&mut self, groups: &[[u8; 8]]) {
        let [a, b, c, d] = &mut self.tables;
        for group in groups {
            // None passes 32 bits: see PATTERNS_MAX.
            for [w, x, y, z] in group.as_chunks::<4>().0 {
                a[usize::from(*w)] = a[usize::from(*w)].wrapping_add(1);
                b[usize::from(*x)] = b[usize::from(*x)].wrapping_add(1);
                c[usize::from(*y)] = c[usize::from(*y)].wrapping_add(1);
                d[usize::from(*z)] = d[usize::from(*z)].wrapping_add(1);
            }
        }
        self.counted += groups.len() * 8;
    }

    /// Turns the patterns into codes, and begins anew.
    fn settle(&mut self, counts: &mut [u64]) -> Result<(), UnknownCode> {
        if std::mem::take(&mut self.counted) == 0 {
            return Ok(());
        }
        for byte in 0..256 {
            let mut blocks = 0;
            for table in &mut self.tables {
                blocks += u64::from(std::mem::take(&mut table[byte]));
            }
            if blocks == 0 {
                continue;
            }
            for shift in (0..8).step_by(self.width) {
                let code = (byte >> shift) & ((1 << self.width) - 1);
                *counts.get_mut(code).ok_or(UnknownCode)? += blocks;
            }
        }
        Ok(())
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "up to 256 KiB, which is too much for a stack")]
/// A table of `N` zeros, given by the system page by page as they are touched.
fn table<const N: usize>() -> Box<[u32; N]> {
    vec![0; N].into_boxed_slice().try_into().expect("it is that long")
}

impl Pairs {
    fn new() -> Self {
        Self { even: table(), odd: table(), counted: 0 }
    }

    #[inline]
    fn count(&mut self, groups: &[[u8; 8]]) -> Result<(), UnknownCode> {
        let Self { even, odd, .. } = self;
        let mut all = 0;
        for group in groups {
            let codes = u64::from_le_bytes(*group);
            all |= codes;
            // The 6 bits of each second code move next to those of the first.
            let pairs = (codes & 0x003f_003f_003f_003f) | (codes >> 2 & 0x0fc0_0fc0_0fc0_0fc0);
            let pair =
                |number: u32| usize::try_from(pairs >> (16 * number) & 0x0fff).expect("it has 12 bits");
            let (first, second, third, fourth) = (pair(0), pair(1), pair(2), pair(3));
            // None passes 32 bits: see PATTERNS_MAX.
            even[first] = even[first].wrapping_add(1);
            odd[second] = odd[second].wrapping_add(1);
            even[third] = even[third].wrapping_add(1);
            odd[fourth] = odd[fourth].wrapping_add(1);
        }
        self.counted += groups.len() * 4;
        if all & 0xc0c0_c0c0_c0c0_c0c0 == 0 { Ok(()) } else { Err(UnknownCode) }
    }

    /// Turns the patterns into codes, and begins anew.
    fn settle(&mut self, counts: &mut [u64]) -> Result<(), UnknownCode> {
        let counted = std::mem::take(&mut self.counted);
        if counted == 0 {
            return Ok(());
        }
        let mut found = 0;
        for high in 0..counts.len().min(PAIRED_CODES_MAX) {
            for low in 0..counts.len().min(PAIRED_CODES_MAX) {
                let blocks = take(&mut self.even, &mut self.odd, high << 6 | low);
                counts[high] += blocks;
                counts[low] += blocks;
                found += blocks;
            }
        }
        all_found(found, counted)
    }
}

impl Words {
    fn new() -> Self {
        Self { even: table(), odd: table(), counted: 0 }
    }

    #[inline]
    fn count(&mut self, groups: &[[u8; 8]]) {
        let Self { even, odd, .. } = self;
        for [a, b, c, d, e, f, g, h] in groups {
            let word = |low: &u8, high: &u8| usize::from(u16::from_le_bytes([*low, *high]));
            let (first, second, third, fourth) = (word(a, b), word(c, d), word(e, f), word(g, h));
            // None passes 32 bits: see PATTERNS_MAX.
            even[first] = even[first].wrapping_add(1);
            odd[second] = odd[second].wrapping_add(1);
            even[third] = even[third].wrapping_add(1);
            odd[fourth] = odd[fourth].wrapping_add(1);
        }
        self.counted += groups.len() * 4;
    }

    /// Turns the patterns into codes, and begins anew.
    fn settle(&mut self, counts: &mut [u64]) -> Result<(), UnknownCode> {
        let counted = std::mem::take(&mut self.counted);
        if counted == 0 {
            return Ok(());
        }
        let mut found = 0;
        for (code, count) in counts.iter_mut().enumerate() {
            let blocks = take(&mut self.even, &mut self.odd, code);
            *count += blocks;
            found += blocks;
        }
        all_found(found, counted)
    }
}

fn take<const N: usize>(even: &mut [u32; N], odd: &mut [u32; N], pattern: usize) -> u64 {
    u64::from(std::mem::take(&mut even[pattern])) + u64::from(std::mem::take(&mut odd[pattern]))
}

/// Patterns of codes that the dictionary does not have are not looked at, and so lack in what is found.
fn all_found(found: u64, counted: usize) -> Result<(), UnknownCode> {
    if usize::try_from(found) == Ok(counted) { Ok(()) } else { Err(UnknownCode) }
}

impl CodeCounts {
    /// Nothing counted, for a log of `signers` signers.
    pub fn new(signers: u16) -> Self {
        Self {
            counts: vec![0; usize::from(signers) + 1],
            bytes: [1, 2, 4, 8].into_iter().map(Bytes::new).collect(),
            pairs: Pairs::new(),
            wide: Words::new(),
            patterns: 0,
            last: L2Block(0),
        }
    }

    /// Counts the blocks of `range`, which counts from the chunk's first block. After an error the counts are
    /// of no use.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the column is damaged. A code that the dictionary does not have may be noticed only by
    /// [`CodeCounts::take`].
    #[inline]
    pub fn add(&mut self, producers: &Producers<'_>, range: Range<u16>) -> Result<(), LogError> {
        self.last = producers.first_block();
        match producers.codes() {
            Codes::Runs(runs) if range == (0..producers.blocks()) => self.add_runs(producers, runs),
            Codes::Runs(_) => self.add_each(producers, range),
            Codes::Packed { width, bytes } => self.add_packed(producers, usize::from(width), bytes, range),
        }
    }

    /// All runs of a column.
    fn add_runs(&mut self, producers: &Producers<'_>, runs: &[[u8; 4]]) -> Result<(), LogError> {
        let mut end = 0;
        for run in runs {
            let (code, len) = decode_run(*run);
            let Some(count) = self.counts.get_mut(usize::from(code)) else {
                return Err(self.unknown_code());
            };
            *count += u64::from(len);
            end += u64::from(len);
        }
        producers.check_end(end)
    }

    /// Run by run, or code by code.
    fn add_each(&mut self, producers: &Producers<'_>, range: Range<u16>) -> Result<(), LogError> {
        let mut is_known = true;
        producers.for_each_run(range, |code, blocks| match self.counts.get_mut(usize::from(code)) {
            Some(count) => *count += u64::from(blocks),
            None => is_known = false,
        })?;
        if is_known { Ok(()) } else { Err(self.unknown_code()) }
    }

    /// Groups of 8 bytes, and what is left on both sides code by code.
    fn add_packed(
        &mut self,
        producers: &Producers<'_>,
        width: usize,
        bytes: &[u8],
        range: Range<u16>,
    ) -> Result<(), LogError> {
        producers.check_range(&range)?;
        let group_blocks = 64 / width;
        let first = usize::from(range.start).div_ceil(group_blocks);
        let last = usize::from(range.end) / group_blocks;
        let (groups, _) = bytes.as_chunks::<8>();
        let Some(groups) = groups.get(first..last).filter(|groups| !groups.is_empty()) else {
            return self.add_each(producers, range);
        };
        let block = |group: usize| u16::try_from(group * group_blocks).expect("it lies within the range");
        if range.start < block(first) {
            self.add_each(producers, range.start..block(first))?;
        }
        if block(last) < range.end {
            self.add_each(producers, block(last)..range.end)?;
        }
        match width {
            16 => self.wide.count(groups),
            8 if self.counts.len() <= PAIRED_CODES_MAX => {
                self.pairs.count(groups).map_err(|UnknownCode| self.unknown_code())?;
            }
            _ => {
                let bytes = self.bytes.iter_mut().find(|bytes| bytes.width == width);
                bytes.expect("the widths of a column are 1, 2, 4, 8 and 16").count(groups);
            }
        }
        self.patterns += groups.len() * 8;
        if self.patterns >= PATTERNS_MAX { self.settle() } else { Ok(()) }
    }

    /// Calls `each(code, blocks)` for every code that was counted, in order, and begins anew.
    ///
    /// # Errors
    ///
    /// [`LogError::Undecodable`] if a code was counted that the dictionary does not have.
    pub fn take(&mut self, mut each: impl FnMut(u16, u64)) -> Result<(), LogError> {
        self.settle()?;
        for (code, count) in self.counts.iter_mut().enumerate() {
            if *count > 0 {
                each(u16::try_from(code).expect("there are 2^16 codes at most"), std::mem::take(count));
            }
        }
        Ok(())
    }

    /// Turns patterns into codes.
    fn settle(&mut self) -> Result<(), LogError> {
        if std::mem::take(&mut self.patterns) == 0 {
            return Ok(());
        }
        let Self { counts, bytes, pairs, wide, .. } = self;
        let settled = bytes.iter_mut().try_for_each(|bytes| bytes.settle(counts));
        let settled = settled.and_then(|()| pairs.settle(counts)).and_then(|()| wide.settle(counts));
        settled.map_err(|UnknownCode| self.unknown_code())
    }

    #[cold]
    fn unknown_code(&self) -> LogError {
        LogError::Undecodable {
            place: format!("the producers up to the chunk of L2 block {}", self.last),
            reason: format!("a code is not among the {} of the log", self.counts.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::producers::encode_producers;
    use proptest::prelude::*;

    /// Chunks in every encoding, with few signers and with many.
    fn chunks() -> impl Strategy<Value = (u16, Vec<Vec<u16>>)> {
        let most =
            prop_oneof![Just(1_u16), Just(3), Just(15), Just(40), Just(62), Just(63), Just(255), Just(4_000)];
        most.prop_flat_map(|most| {
            let run = (0..=most, prop_oneof![3 => Just(1_usize), 1 => 1_usize..300]);
            let chunk = prop::collection::vec(run, 1..600).prop_map(|runs| {
                let codes = runs.into_iter().flat_map(|(code, len)| vec![code; len]);
                codes.take(8_192).collect::<Vec<u16>>()
            });
            (Just(most), prop::collection::vec(chunk, 1..4))
        })
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_count_one_by_one((most, chunks) in chunks(), cut in any::<(prop::sample::Index, prop::sample::Index)>()) {
            let mut counts = CodeCounts::new(most);
            // Twice: taking the counts leaves nothing behind.
            for _ in 0..2 {
                let mut expected = vec![0_u64; usize::from(most) + 1];
                for codes in &chunks {
                    let bytes = encode_producers(codes);
                    let (a, b) = (cut.0.index(codes.len() + 1), cut.1.index(codes.len() + 1));
                    let range = u16::try_from(a.min(b)).expect("small")..u16::try_from(a.max(b)).expect("small");
                    let column = Producers::new(L2Block(0), &bytes)?;
                    for range in [range, 0..column.blocks()] {
                        counts.add(&column, range.clone())?;
                        for code in &codes[usize::from(range.start)..usize::from(range.end)] {
                            expected[usize::from(*code)] += 1;
                        }
                    }
                }
                let mut found = vec![0_u64; usize::from(most) + 1];
                counts.take(|code, blocks| found[usize::from(code)] += blocks)?;
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn a_code_that_the_dictionary_lacks_is_an_error((most, chunks) in chunks(), at in any::<prop::sample::Index>()) {
            let mut codes = chunks[0].clone();
            let at = at.index(codes.len());
            codes[at] = most + 1;
            let bytes = encode_producers(&codes);
            let column = Producers::new(L2Block(0), &bytes)?;
            let mut counts = CodeCounts::new(most);
            let counted = counts.add(&column, 0..column.blocks()).and_then(|()| counts.take(|_, _| ()));
            prop_assert!(counted.is_err());
        }
    }
}
