//! The producers column of a chunk: who produced each of its blocks, as codes of the log's dictionary.
//!
//! It is what a fold reads, so it says everything that counting needs by itself, and is read in place.

use crate::bits::{pack, packed_len, unpack, width_of};
use crate::chunk_header::CHUNK_BLOCKS_MAX;
use crate::error::LogError;
use std::ops::Range;
use tally_engine::L2Block;

/// The code of blocks that nobody signed. Signers have the codes from 1 on, in the order of their first
/// block in the log.
pub const UNSIGNED: u16 = 0;

/// The width that stands for runs.
const RUNS: u8 = 0;

/// How many blocks there are and how many of them nobody signed, each 16 bits; and the width of a code.
const PREFIX_BYTES: usize = 5;

/// A code and a length, each 16 bits, little-endian.
pub(crate) const RUN_BYTES: usize = 4;

/// The producers column of a chunk, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Producers<'a> {
    first_block: L2Block,
    blocks: u16,
    unsigned: u16,
    codes: Codes<'a>,
    bytes: &'a [u8],
}

/// How the codes are stored.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Codes<'a> {
    /// Code and length of each run, little-endian.
    Runs(&'a [[u8; RUN_BYTES]]),
    /// Each code in 1, 2, 4, 8 or 16 bits, from the lowest bit of the first byte on.
    Packed { width: u8, bytes: &'a [u8] },
}

impl<'a> Producers<'a> {
    /// The column `bytes` of the chunk that begins at `first_block`.
    ///
    /// # Errors
    ///
    /// [`LogError::Damaged`] or [`LogError::Undecodable`] if no column looks like that. What the codes
    /// and runs say is checked where they are read.
    #[inline]
    pub fn new(first_block: L2Block, bytes: &'a [u8]) -> Result<Self, LogError> {
        let Some(([b0, b1, u0, u1, width], body)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
            return Err(undecodable(first_block, format!("{} bytes are too few", bytes.len())));
        };
        let (blocks, unsigned) = (u16::from_le_bytes([*b0, *b1]), u16::from_le_bytes([*u0, *u1]));
        if blocks == 0 || u64::from(blocks) > CHUNK_BLOCKS_MAX || unsigned > blocks {
            return Err(LogError::Damaged {
                place: place(first_block),
                what: "number of blocks",
                expected: format!("1 to {CHUNK_BLOCKS_MAX}"),
                found: format!("{blocks}, {unsigned} of them unsigned"),
            });
        }
        let codes = match *width {
            RUNS => {
                let (runs, rest) = body.as_chunks::<RUN_BYTES>();
                if !rest.is_empty() {
                    return Err(undecodable(first_block, "its last run is cut".into()));
                }
                Codes::Runs(runs)
            }
            1 | 2 | 4 | 8 | 16 => {
                let expected = packed_len(usize::from(blocks), u32::from(*width));
                if expected != Some(body.len()) {
                    return Err(LogError::Damaged {
                        place: place(first_block),
                        what: "length",
                        expected: format!("{expected:?}"),
                        found: body.len().to_string(),
                    });
                }
                Codes::Packed { width: *width, bytes: body }
            }
            other => return Err(undecodable(first_block, format!("{other} bits are no width of a code"))),
        };
        Ok(Self { first_block, blocks, unsigned, codes, bytes })
    }

    /// The chunk's first block.
    pub fn first_block(&self) -> L2Block {
        self.first_block
    }

    /// How many blocks the chunk holds; at least 1.
    pub fn blocks(&self) -> u16 {
        self.blocks
    }

    /// How many of them nobody signed.
    pub fn unsigned(&self) -> u16 {
        self.unsigned
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many blocks nobody signed, counted, and the largest code.
    pub(crate) fn summary(&self) -> Result<(u16, u16), LogError> {
        let (mut unsigned, mut largest) = (0, UNSIGNED);
        if let Codes::Packed { width: 8, bytes } = self.codes {
            // As many bytes as blocks.
            let zeros = bytes.iter().fold(0, |zeros, code| zeros + u16::from(*code == 0));
            return Ok((zeros, bytes.iter().copied().max().map_or(UNSIGNED, u16::from)));
        }
        self.for_each_run(0..self.blocks, |code, blocks| {
            largest = largest.max(code);
            if code == UNSIGNED {
                // The runs cover as many blocks as there are, which fit.
                unsigned += blocks;
            }
        })?;
        Ok((unsigned, largest))
    }

    pub(crate) fn codes(&self) -> Codes<'a> {
        self.codes
    }

    /// Calls `each(code, blocks)` for consecutive blocks of one code within `range`, which counts from
    /// the chunk's first block, in order. Packed codes come one by one.
    ///
    /// # Errors
    ///
    /// [`LogError::Undecodable`] if the range or the runs do not fit the chunk.
    pub fn for_each_run(&self, range: Range<u16>, mut each: impl FnMut(u16, u16)) -> Result<(), LogError> {
        self.check_range(&range)?;
        match self.codes {
            Codes::Runs(runs) => {
                let mut at = 0_u16;
                for run in runs {
                    let (code, len) = decode_run(*run);
                    let end = self.end_of_run(at, len)?;
                    let inside = at.max(range.start)..end.min(range.end);
                    if !inside.is_empty() {
                        each(code, inside.end - inside.start);
                    }
                    at = end;
                }
                self.check_end(u64::from(at))
            }
            Codes::Packed { width, bytes } => {
                // Eight codes of so many bits are as many bytes.
                let (eights, skipped) = (usize::from(range.start / 8), usize::from(range.start % 8));
                let rest = bytes.get(eights * usize::from(width)..).unwrap_or_default();
                let taken = usize::from(range.end - range.start);
                for code in unpack(rest, u32::from(width)).skip(skipped).take(taken) {
                    each(u16::try_from(code).expect("a width has at most 16 bits"), 1);
                }
                Ok(())
            }
        }
    }

    /// Calls `each(first, blocks)` for consecutive unsigned blocks within `range`, which counts from the
    /// chunk's first block, in order.
    ///
    /// # Errors
    ///
    /// As [`Producers::for_each_run`].
    pub fn for_each_unsigned(
        &self,
        range: Range<u16>,
        mut each: impl FnMut(L2Block, u16),
    ) -> Result<(), LogError> {
        let mut at = range.start;
        let mut open: Option<(u16, u16)> = None;
        let mut close = |open: Option<(u16, u16)>| {
            if let Some((start, end)) = open {
                each(L2Block(self.first_block.0.saturating_add(u64::from(start))), end - start);
            }
        };
        self.for_each_run(range, |code, blocks| {
            let end = at + blocks;
            if code == UNSIGNED {
                open = Some((open.map_or(at, |(start, _)| start), end));
            } else {
                close(open.take());
            }
            at = end;
        })?;
        close(open);
        Ok(())
    }

    /// The code of each block.
    ///
    /// # Errors
    ///
    /// As [`Producers::for_each_run`].
    pub fn to_vec(&self) -> Result<Vec<u16>, LogError> {
        let mut codes = Vec::with_capacity(usize::from(self.blocks));
        self.for_each_run(0..self.blocks, |code, blocks| codes.extend((0..blocks).map(|_| code)))?;
        Ok(codes)
    }

    pub(crate) fn check_range(&self, range: &Range<u16>) -> Result<(), LogError> {
        if range.start <= range.end && range.end <= self.blocks {
            return Ok(());
        }
        let reason = format!("blocks {range:?} of it are asked for, but it has {}", self.blocks);
        Err(undecodable(self.first_block, reason))
    }

    /// Where a run of `len` blocks from `at` ends.
    #[inline]
    pub(crate) fn end_of_run(&self, at: u16, len: u16) -> Result<u16, LogError> {
        match at.checked_add(len) {
            Some(end) if end <= self.blocks => Ok(end),
            _ => Err(self.bad_runs(u64::from(at) + u64::from(len))),
        }
    }

    #[inline]
    pub(crate) fn check_end(&self, end: u64) -> Result<(), LogError> {
        if end == u64::from(self.blocks) { Ok(()) } else { Err(self.bad_runs(end)) }
    }

    #[cold]
    fn bad_runs(&self, found: u64) -> LogError {
        LogError::Damaged {
            place: place(self.first_block),
            what: "number of blocks in runs",
            expected: self.blocks.to_string(),
            found: found.to_string(),
        }
    }
}

#[inline]
pub(crate) fn decode_run([code_low, code_high, len_low, len_high]: [u8; RUN_BYTES]) -> (u16, u16) {
    (u16::from_le_bytes([code_low, code_high]), u16::from_le_bytes([len_low, len_high]))
}

fn place(first_block: L2Block) -> String {
    format!("the producers of the chunk of L2 block {first_block}")
}

#[cold]
fn undecodable(first_block: L2Block, reason: String) -> LogError {
    LogError::Undecodable { place: place(first_block), reason }
}

/// Encodes the codes of a chunk: as runs, or packed where that is smaller.
pub(crate) fn encode_producers(codes: &[u16]) -> Vec<u8> {
    let count = |len: usize| u16::try_from(len).expect("a chunk has at most 2^13 blocks");
    let unsigned = codes.iter().filter(|code| **code == UNSIGNED).count();
    let mut out = Vec::new();
    out.extend(count(codes.len()).to_le_bytes());
    out.extend(count(unsigned).to_le_bytes());
    let runs = codes.chunk_by(|left, right| left == right);
    let width = width_of(codes.iter().map(|code| u64::from(*code))).max(1).next_power_of_two();
    let packed = packed_len(codes.len(), width).unwrap_or(usize::MAX);
    if runs.clone().count() * RUN_BYTES <= packed {
        out.push(RUNS);
        for run in runs {
            out.extend(run[0].to_le_bytes());
            out.extend(count(run.len()).to_le_bytes());
        }
    } else {
        out.push(u8::try_from(width).expect("a code has at most 16 bits"));
        pack(codes.iter().map(|code| u64::from(*code)), width, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn codes() -> impl Strategy<Value = Vec<u16>> {
        let most = prop_oneof![Just(1_u16), Just(3), Just(15), Just(255), Just(u16::MAX)];
        let run = |most| (0..=most, 1_usize..50);
        let runs = most.prop_flat_map(move |most| prop::collection::vec(run(most), 1..100));
        runs.prop_map(|runs| runs.into_iter().flat_map(|(code, len)| vec![code; len]).collect())
    }

    proptest! {
        #[test]
        fn a_column_reads_back_as_it_was_written(codes in codes(), cut in any::<(prop::sample::Index, prop::sample::Index)>()) {
            let bytes = encode_producers(&codes);
            let column = Producers::new(L2Block(100), &bytes)?;
            prop_assert_eq!(column.to_vec()?, codes.clone());
            let (a, b) = (cut.0.index(codes.len() + 1), cut.1.index(codes.len() + 1));
            let (a, b) = (a.min(b), a.max(b));
            let range = u16::try_from(a).expect("small")..u16::try_from(b).expect("small");
            let mut part = Vec::new();
            column.for_each_run(range.clone(), |code, blocks| part.extend((0..blocks).map(|_| code)))?;
            prop_assert_eq!(&part[..], &codes[a..b]);
            let mut unsigned = Vec::new();
            column.for_each_unsigned(range, |first, blocks| {
                unsigned.extend(first.0..first.0 + u64::from(blocks));
            })?;
            let expected: Vec<u64> =
                (100..).zip(&codes).take(b).skip(a).filter(|(_, code)| **code == 0).map(|(at, _)| at).collect();
            prop_assert_eq!(unsigned, expected);
        }

        #[test]
        fn damaged_columns_are_errors_and_never_panics(codes in codes(), flips in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4), cut in any::<prop::sample::Index>()) {
            let mut bytes = encode_producers(&codes);
            for (at, mask) in &flips {
                let at = at.index(bytes.len());
                bytes[at] ^= mask;
            }
            // Whatever comes of it, it is an answer.
            let _ = Producers::new(L2Block(0), &bytes).map(|producers| producers.to_vec());
            bytes.truncate(cut.index(bytes.len()));
            let _ = Producers::new(L2Block(0), &bytes).map(|producers| producers.to_vec());
        }
    }

    #[test]
    fn spans_are_stored_as_runs_and_changing_producers_packed() {
        let spans: Vec<u16> = (1..=5).cycle().flat_map(|code| [code; 200]).take(8_192).collect();
        assert_eq!(encode_producers(&spans).len(), PREFIX_BYTES + 41 * RUN_BYTES, "0.02 bytes a block");
        let changing: Vec<u16> = (1..=32).cycle().take(8_192).collect();
        assert_eq!(encode_producers(&changing).len(), PREFIX_BYTES + 8_192, "33 codes: one byte a block");
        let two: Vec<u16> = (0..=1).cycle().take(8_192).collect();
        assert_eq!(encode_producers(&two).len(), PREFIX_BYTES + 1_024, "one bit a block");
    }
}
