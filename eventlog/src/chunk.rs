//! L2 production in columns: who produced each block, and when.
//!
//! A chunk holds the blocks `8192·k ..= 8192·k + 8191` (the first and the last chunk of a log may hold
//! fewer), so that where one chunk ends and the next begins does not depend on how the blocks came in.
//! Its header says everything about it that needs no column; `docs/log-format.md` draws the bytes.

use crate::bits::{pack, packed_len, unpack, width_of};
use crate::error::LogError;
use crate::recent::RecentBlock;
use crate::record::{address, decode, encode, hash, l2_block, time};
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use tally_engine::{L2Block, UnixTime};

/// The most blocks that a chunk holds; a power of two, and at most 2^15 so that run lengths and
/// dictionary codes fit in 16 bits.
pub const CHUNK_BLOCKS_MAX: u64 = 8_192;

/// The code of blocks that nobody signed. Signers have the codes from 1 on, in the order of the
/// header's dictionary.
pub const UNSIGNED: u16 = 0;

/// The first byte of a producers column of runs; else that byte is the width of a code in bits.
const RUNS: u8 = 0;

/// One L2 block, as far as it bears on rewards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducedBlock {
    /// Its number.
    pub number: L2Block,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block before it.
    pub parent_hash: B256,
    /// Its timestamp.
    pub timestamp: UnixTime,
    /// Who signed it, or `None` if its first transaction bears no sequencer's signature.
    pub signer: Option<Address>,
}

/// How many blocks of a chunk a signer signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignerCount {
    /// Who.
    #[serde(with = "address")]
    pub signer: Address,
    /// How many; never 0.
    pub blocks: u16,
}

/// What can be said of a chunk without its columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkHeader {
    /// Its first block.
    #[serde(with = "l2_block")]
    pub first_block: L2Block,
    /// That block's timestamp.
    #[serde(with = "time")]
    pub first_time: UnixTime,
    /// The last block's timestamp.
    #[serde(with = "time")]
    pub last_time: UnixTime,
    /// The last block's hash.
    #[serde(with = "hash")]
    pub last_hash: B256,
    /// How many blocks nobody signed.
    pub unsigned_blocks: u16,
    /// The dictionary: the signers in the order of their first block, each with its count.
    pub signers: Vec<SignerCount>,
    /// BLAKE3 of the producers column.
    #[serde(with = "hash")]
    pub producers_digest: B256,
    /// BLAKE3 of the times column.
    #[serde(with = "hash")]
    pub times_digest: B256,
}

/// A chunk as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedChunk {
    /// The header.
    pub header: ChunkHeader,
    /// The producers column.
    pub producers: Vec<u8>,
    /// The times column.
    pub times: Vec<u8>,
}

impl ChunkHeader {
    /// How many blocks the chunk holds.
    pub fn blocks(&self) -> u64 {
        let signed = self.signers.iter().map(|count| u64::from(count.blocks));
        signed.fold(u64::from(self.unsigned_blocks), u64::saturating_add)
    }

    /// Its last block, or `None` past the last block number there is.
    pub fn last_block(&self) -> Option<L2Block> {
        self.first_block.0.checked_add(self.blocks().checked_sub(1)?).map(L2Block)
    }

    pub(crate) fn place(&self) -> String {
        format!("the chunk of L2 block {}", self.first_block)
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, LogError> {
        encode(&self.place(), self)
    }

    pub(crate) fn decode(place: &str, bytes: &[u8]) -> Result<Self, LogError> {
        let header: Self = decode(place, bytes)?;
        let blocks = header.blocks();
        if blocks == 0 || blocks > CHUNK_BLOCKS_MAX || header.last_block().is_none() {
            return Err(LogError::Damaged {
                place: place.into(),
                what: "number of blocks",
                expected: format!("1 to {CHUNK_BLOCKS_MAX}"),
                found: blocks.to_string(),
            });
        }
        Ok(header)
    }
}

/// The producers column of a chunk, to be read in place.
#[derive(Clone, Copy, Debug)]
pub struct Producers<'a> {
    encoding: u8,
    body: &'a [u8],
    blocks: usize,
    codes: usize,
}

impl<'a> Producers<'a> {
    /// The column `bytes` of the chunk that `header` describes.
    ///
    /// # Errors
    ///
    /// [`LogError::Damaged`] or [`LogError::Undecodable`] if it cannot be that column.
    pub fn new(header: &ChunkHeader, bytes: &'a [u8]) -> Result<Self, LogError> {
        let place = || format!("the producers of {}", header.place());
        let undecodable = |reason: String| LogError::Undecodable { place: place(), reason };
        let (encoding, body) = bytes.split_first().ok_or_else(|| undecodable("it is empty".into()))?;
        let blocks = usize::try_from(header.blocks()).map_err(|error| undecodable(error.to_string()))?;
        let expected = match *encoding {
            RUNS => body.len() / RUN_BYTES * RUN_BYTES,
            1 | 2 | 4 | 8 | 16 => packed_len(blocks, u32::from(*encoding)).unwrap_or(usize::MAX),
            other => return Err(undecodable(format!("{other} is no encoding"))),
        };
        if body.len() != expected {
            let (expected, found) = (expected.to_string(), body.len().to_string());
            return Err(LogError::Damaged { place: place(), what: "length", expected, found });
        }
        Ok(Self { encoding: *encoding, body, blocks, codes: header.signers.len() + 1 })
    }

    /// Calls `each(code, blocks)` for consecutive blocks of one producer within `range`, which counts
    /// from the chunk's first block, in order.
    ///
    /// # Errors
    ///
    /// A description, if the column's runs do not cover the chunk or a code is not in the dictionary.
    pub fn for_each_run(&self, range: Range<usize>, mut each: impl FnMut(u16, u64)) -> Result<(), String> {
        let mut checked = |code: u16, blocks: usize| {
            if usize::from(code) >= self.codes {
                return Err(format!("code {code} is not among the {} of the dictionary", self.codes));
            }
            each(code, u64::try_from(blocks).map_err(|error| error.to_string())?);
            Ok(())
        };
        if range.end > self.blocks {
            return Err(format!("block {} is asked for, but there are {}", range.end, self.blocks));
        }
        if self.encoding == RUNS {
            let mut at = 0_usize;
            for run in self.body.chunks_exact(RUN_BYTES) {
                let [code_low, code_high, len_low, len_high] = *run else {
                    return Err("a run is cut".into());
                };
                let end = at + usize::from(u16::from_le_bytes([len_low, len_high]));
                let inside = at.max(range.start)..end.min(range.end);
                if !inside.is_empty() {
                    checked(u16::from_le_bytes([code_low, code_high]), inside.len())?;
                }
                at = end;
            }
            if at != self.blocks {
                return Err(format!("the runs cover {at} blocks, not {}", self.blocks));
            }
            return Ok(());
        }
        for code in unpack(self.body, u32::from(self.encoding)).take(range.end).skip(range.start) {
            checked(u16::try_from(code).map_err(|error| error.to_string())?, 1)?;
        }
        Ok(())
    }

    /// The code of each block.
    ///
    /// # Errors
    ///
    /// As [`Producers::for_each_run`].
    pub fn codes(&self) -> Result<Vec<u16>, String> {
        let mut codes = Vec::with_capacity(self.blocks);
        self.for_each_run(0..self.blocks, |code, blocks| {
            codes.extend((0..blocks).map(|_| code));
        })?;
        Ok(codes)
    }
}

/// A code and a length, each 16 bits, little-endian.
const RUN_BYTES: usize = 4;

fn encode_producers(codes: &[u16], dictionary: usize) -> Vec<u8> {
    let mut runs = vec![RUNS];
    for run in codes.chunk_by(|left, right| left == right) {
        runs.extend(run[0].to_le_bytes());
        runs.extend(u16::try_from(run.len()).expect("a chunk has at most 2^15 blocks").to_le_bytes());
    }
    let bits = width_of([u64::try_from(dictionary).expect("a chunk has few signers")]).next_power_of_two();
    let packed = packed_len(codes.len(), bits).map_or(usize::MAX, |len| len + 1);
    if runs.len() <= packed {
        return runs;
    }
    let mut out = vec![u8::try_from(bits).expect("a code has at most 16 bits")];
    pack(codes.iter().map(|code| u64::from(*code)), bits, &mut out);
    out
}

/// The times column: the least step (8 bytes, little-endian), the width of what the steps are above
/// it in bits (one byte), and those, packed.
fn encode_times(times: &[u64]) -> Vec<u8> {
    let step = |pair: &[u64]| pair[1].checked_sub(pair[0]).expect("timestamps never fall: `push` checks it");
    let steps = times.windows(2).map(step);
    let least = steps.clone().min().unwrap_or(0);
    let above = steps.map(|step| step - least);
    let width = width_of(above.clone());
    let mut out = least.to_le_bytes().to_vec();
    out.push(u8::try_from(width).expect("a step has at most 64 bits"));
    pack(above, width, &mut out);
    out
}

/// The timestamps of a chunk, from its times column.
///
/// # Errors
///
/// [`LogError::Damaged`] or [`LogError::Undecodable`] if it cannot be that column.
pub fn decode_times(header: &ChunkHeader, bytes: &[u8]) -> Result<Vec<UnixTime>, LogError> {
    let place = || format!("the times of {}", header.place());
    let damaged =
        |what, expected: String, found: String| LogError::Damaged { place: place(), what, expected, found };
    let undecodable = |reason: String| LogError::Undecodable { place: place(), reason };
    let (least, rest) = bytes.split_first_chunk::<8>().ok_or_else(|| undecodable("it is cut".into()))?;
    let (width, body) = rest.split_first().ok_or_else(|| undecodable("it is cut".into()))?;
    let steps =
        usize::try_from(header.blocks()).map_err(|error| undecodable(error.to_string()))?.saturating_sub(1);
    let width = u32::from(*width);
    if width > 64 {
        return Err(damaged("width", "at most 64".into(), width.to_string()));
    }
    let expected = packed_len(steps, width).unwrap_or(usize::MAX);
    if body.len() != expected {
        return Err(damaged("length", expected.to_string(), body.len().to_string()));
    }
    let least = u64::from_le_bytes(*least);
    let mut time = header.first_time.0;
    let mut times = Vec::with_capacity(steps + 1);
    times.push(header.first_time);
    for above in unpack(body, width).take(steps) {
        let next = least.checked_add(above).and_then(|step| time.checked_add(step));
        time = next.ok_or_else(|| undecodable("a timestamp passes 64 bits".into()))?;
        times.push(UnixTime(time));
    }
    if time != header.last_time.0 {
        return Err(damaged("last timestamp", header.last_time.to_string(), time.to_string()));
    }
    Ok(times)
}

/// A chunk that still takes blocks.
#[derive(Clone, Debug)]
pub(crate) struct ChunkBuilder {
    first_block: L2Block,
    last_hash: B256,
    codes: Vec<u16>,
    times: Vec<u64>,
    dictionary: Vec<SignerCount>,
    code_of: BTreeMap<Address, u16>,
    unsigned_blocks: u16,
}

impl ChunkBuilder {
    pub(crate) fn new(first_block: L2Block) -> Self {
        Self {
            first_block,
            last_hash: B256::ZERO,
            codes: Vec::new(),
            times: Vec::new(),
            dictionary: Vec::new(),
            code_of: BTreeMap::new(),
            unsigned_blocks: 0,
        }
    }

    /// A stored chunk, to go on with.
    pub(crate) fn reopen(chunk: &EncodedChunk) -> Result<Self, LogError> {
        Self::reopen_part(chunk, usize::MAX, chunk.header.last_hash)
    }

    /// A stored chunk up to block `last` in it, to go on with.
    pub(crate) fn reopen_until(chunk: &EncodedChunk, last: &RecentBlock) -> Result<Self, LogError> {
        let before = last.number.checked_sub(chunk.header.first_block.0);
        let blocks = before.filter(|before| *before < chunk.header.blocks());
        let blocks = blocks.and_then(|before| usize::try_from(before).ok()?.checked_add(1));
        let blocks = blocks.ok_or_else(|| LogError::Undecodable {
            place: chunk.header.place(),
            reason: format!("it does not hold block {}", last.number),
        })?;
        let builder = Self::reopen_part(chunk, blocks, last.hash)?;
        let found = builder.times.last().copied();
        if found != Some(last.timestamp.0) {
            return Err(LogError::Damaged {
                place: chunk.header.place(),
                what: "timestamp of a recent block",
                expected: last.timestamp.to_string(),
                found: format!("{found:?}"),
            });
        }
        Ok(builder)
    }

    fn reopen_part(chunk: &EncodedChunk, blocks: usize, last_hash: B256) -> Result<Self, LogError> {
        let header = &chunk.header;
        let codes = Producers::new(header, &chunk.producers)?.codes();
        let codes = codes.map_err(|reason| LogError::Undecodable { place: header.place(), reason })?;
        let mut builder = Self::new(header.first_block);
        for (code, time) in codes.into_iter().zip(decode_times(header, &chunk.times)?).take(blocks) {
            let entry = usize::from(code).checked_sub(1).and_then(|index| header.signers.get(index));
            builder.push(entry.map(|count| count.signer), time, last_hash);
        }
        Ok(builder)
    }

    /// Whether `block` belongs in a later chunk.
    pub(crate) fn is_before(&self, block: L2Block) -> bool {
        self.first_block.0 / CHUNK_BLOCKS_MAX < block.0 / CHUNK_BLOCKS_MAX
    }

    /// Takes the next block; the caller has checked that it belongs here.
    pub(crate) fn push(&mut self, signer: Option<Address>, time: UnixTime, block_hash: B256) {
        assert!(self.times.last().is_none_or(|before| *before <= time.0), "timestamps never fall");
        let code = match signer {
            None => {
                self.unsigned_blocks += 1;
                UNSIGNED
            }
            Some(signer) => {
                let next =
                    u16::try_from(self.dictionary.len() + 1).expect("a chunk has at most 2^15 signers");
                let code = *self.code_of.entry(signer).or_insert(next);
                if code == next {
                    self.dictionary.push(SignerCount { signer, blocks: 0 });
                }
                self.dictionary[usize::from(code) - 1].blocks += 1;
                code
            }
        };
        self.codes.push(code);
        self.times.push(time.0);
        self.last_hash = block_hash;
    }

    pub(crate) fn encode(&self) -> EncodedChunk {
        let producers = encode_producers(&self.codes, self.dictionary.len());
        let times = encode_times(&self.times);
        let digest = |column: &[u8]| B256::from(*blake3::hash(column).as_bytes());
        let time = |time: Option<&u64>| UnixTime(time.copied().unwrap_or_default());
        let header = ChunkHeader {
            first_block: self.first_block,
            first_time: time(self.times.first()),
            last_time: time(self.times.last()),
            last_hash: self.last_hash,
            unsigned_blocks: self.unsigned_blocks,
            signers: self.dictionary.clone(),
            producers_digest: digest(&producers),
            times_digest: digest(&times),
        };
        EncodedChunk { header, producers, times }
    }
}

/// The chunks of consecutive blocks that begin at `first`, as a log would hold them.
pub fn encode_chunks(first: L2Block, blocks: impl IntoIterator<Item = ProducedBlock>) -> Vec<EncodedChunk> {
    let mut chunks = Vec::new();
    let mut open = ChunkBuilder::new(first);
    for block in blocks {
        if open.is_before(block.number) {
            chunks.push(open.encode());
            open = ChunkBuilder::new(block.number);
        }
        open.push(block.signer, block.timestamp, block.hash);
    }
    if !open.times.is_empty() {
        chunks.push(open.encode());
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn build(blocks: &[(u8, u64)]) -> EncodedChunk {
        let mut builder = ChunkBuilder::new(L2Block(100));
        let mut time = 1_000;
        for (signer, step) in blocks {
            time += step;
            let signer = (*signer > 0).then(|| Address::with_last_byte(*signer));
            builder.push(signer, UnixTime(time), B256::from(alloy_primitives::U256::from(*step)));
        }
        builder.encode()
    }

    fn blocks() -> impl Strategy<Value = Vec<(u8, u64)>> {
        let run = (0_u8..6, prop_oneof![Just(2_u64), 0..4_u64, 0..1_000_000_u64], 1_usize..200);
        let runs = prop::collection::vec(run, 1..20);
        runs.prop_map(|runs| {
            runs.into_iter().flat_map(|(signer, step, len)| vec![(signer, step); len]).collect()
        })
    }

    proptest! {
        #[test]
        fn a_chunk_reads_back_as_it_was_written(blocks in blocks()) {
            let chunk = build(&blocks);
            let header = ChunkHeader::decode("test", &chunk.header.encode()?)?;
            prop_assert_eq!(&header, &chunk.header);
            let codes = Producers::new(&header, &chunk.producers)?.codes().map_err(TestCaseError::fail)?;
            let signers: Vec<u8> = codes
                .iter()
                .map(|code| match code { 0 => 0, code => header.signers[usize::from(*code) - 1].signer[19] })
                .collect();
            prop_assert_eq!(signers, blocks.iter().map(|(signer, _)| *signer).collect::<Vec<_>>());
            let times = decode_times(&header, &chunk.times)?;
            let steps: Vec<u64> = times.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
            prop_assert_eq!(steps, blocks.iter().skip(1).map(|(_, step)| *step).collect::<Vec<_>>());
            prop_assert_eq!(ChunkBuilder::reopen(&chunk)?.encode(), chunk);
        }

        #[test]
        fn a_range_of_runs_is_that_part_of_all(blocks in blocks(), cut in any::<(prop::sample::Index, prop::sample::Index)>()) {
            let chunk = build(&blocks);
            let producers = Producers::new(&chunk.header, &chunk.producers)?;
            let all = producers.codes().map_err(TestCaseError::fail)?;
            let (a, b) = (cut.0.index(all.len() + 1), cut.1.index(all.len() + 1));
            let range = a.min(b)..a.max(b);
            let mut part = Vec::new();
            producers
                .for_each_run(range.clone(), |code, blocks| part.extend((0..blocks).map(|_| code)))
                .map_err(TestCaseError::fail)?;
            prop_assert_eq!(&part[..], &all[range]);
        }

        #[test]
        fn damaged_columns_are_errors_and_never_panics(blocks in blocks(), flips in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4), cut in any::<prop::sample::Index>()) {
            let chunk = build(&blocks);
            for column in [&chunk.producers, &chunk.times] {
                let mut bytes = column.clone();
                for (at, mask) in &flips {
                    let at = at.index(bytes.len());
                    bytes[at] ^= mask;
                }
                // Whatever comes of it, it is an answer.
                let _ = Producers::new(&chunk.header, &bytes).map(|producers| producers.codes());
                let _ = decode_times(&chunk.header, &bytes);
                bytes.truncate(cut.index(column.len()));
                prop_assert!(decode_times(&chunk.header, &bytes).is_err() || column != &chunk.times);
            }
        }
    }

    #[test]
    fn spans_are_stored_as_runs_and_changing_producers_packed() {
        let spans: Vec<(u8, u64)> =
            (1_u8..=5).cycle().flat_map(|signer| [(signer, 2); 200]).take(8_192).collect();
        let chunk = build(&spans);
        assert_eq!(chunk.producers.len(), 1 + 41 * RUN_BYTES, "41 runs: 0.02 bytes a block");
        assert_eq!(chunk.times.len(), 9, "equal steps take no bits");
        let changing: Vec<(u8, u64)> = (1_u8..=32).cycle().zip((0..2).cycle()).take(8_192).collect();
        let chunk = build(&changing);
        assert_eq!(chunk.producers.len(), 1 + 8_192, "33 codes: one byte a block");
        assert_eq!(chunk.times.len(), 9 + 1_024, "steps of 0 and 1: one bit a block");
    }
}
