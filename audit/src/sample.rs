//! A sample of a log's blocks, to be compared with what the chains have at their places.
//!
//! Whoever made up a log does not know which blocks will be drawn: of a log in which one block of a hundred is another,
//! 200 blocks miss all of them once in seven times, and 1,000 once in 23,000 times.

use alloy_primitives::{Address, B256, U256, keccak256};
use std::collections::{BTreeMap, BTreeSet};
use tally_engine::{L2Block, UnixTime};
use tally_eventlog::{Chain, LogError, LogView, ProducedBlock, RecentBlock, UNSIGNED};

/// The most blocks of each chain that are drawn: each is asked of a node.
pub const SAMPLE_BLOCKS_MAX: u64 = 100_000;

/// Blocks of a log, as it has them, in order and each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// L1 blocks with events, and the log's last one.
    pub l1: Vec<RecentBlock>,
    /// L2 blocks, with the log's last one.
    pub l2: Vec<SampledBlock>,
}

/// An L2 block as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampledBlock {
    /// The number of the block.
    pub number: L2Block,
    /// The timestamp of the block.
    pub timestamp: UnixTime,
    /// Who signed it, if anybody did.
    pub signer: Option<Address>,
    /// The hash of the block, which the log has of every 8,192nd and of its last.
    pub hash: Option<B256>,
}

/// What a chain has otherwise than the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDifference {
    /// The chain that differs.
    pub chain: Chain,
    /// The number of the block.
    pub block: u64,
    /// `hash`, `timestamp` or `signer`.
    pub field: &'static str,
    /// What the chain has.
    pub found: String,
    /// What the log has.
    pub log: String,
}

impl Sample {
    /// Draws `count` blocks of each chain (or all, if there are no more), the same for the same log, count and seed.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the log cannot be read.
    pub fn draw<L: LogView>(log: &L, count: u64, seed: u64) -> Result<Self, LogError> {
        Ok(Self { l1: l1(log, count, seed)?, l2: l2(log, count, seed)? })
    }

    /// Where the chains, asked for the blocks of the sample, have something else.
    pub fn differences(&self, l1: &[RecentBlock], l2: &[ProducedBlock]) -> Vec<BlockDifference> {
        let mut differences = Vec::new();
        let mut compare = |chain, block, field, found: String, log: String| {
            if found != log {
                differences.push(BlockDifference { chain, block, field, found, log });
            }
        };
        for (ours, found) in self.l1.iter().zip(l1) {
            let block = ours.number;
            compare(Chain::L1, block, "hash", found.hash.to_string(), ours.hash.to_string());
            compare(Chain::L1, block, "timestamp", found.timestamp.to_string(), ours.timestamp.to_string());
        }
        let shown = |signer: Option<Address>| signer.map_or("none".into(), |signer| signer.to_string());
        for (ours, found) in self.l2.iter().zip(l2) {
            let block = ours.number.0;
            if let Some(hash) = ours.hash {
                compare(Chain::L2, block, "hash", found.hash.to_string(), hash.to_string());
            }
            compare(Chain::L2, block, "timestamp", found.timestamp.to_string(), ours.timestamp.to_string());
            compare(Chain::L2, block, "signer", shown(found.signer), shown(ours.signer));
        }
        differences
    }
}

/// So many different numbers from 0 on, below `bound`.
fn drawn(count: u64, bound: u64, chain: u8, seed: u64) -> BTreeSet<u64> {
    if bound <= count {
        return (0..bound).collect();
    }
    let mut numbers = BTreeSet::new();
    for draw in 0_u64.. {
        if u64::try_from(numbers.len()).is_ok_and(|len| len >= count) {
            break;
        }
        let mut bytes = vec![chain];
        bytes.extend(seed.to_be_bytes());
        bytes.extend(draw.to_be_bytes());
        let number = U256::from_be_bytes(keccak256(bytes).0) % U256::from(bound);
        // What is below 64 bits fits in them.
        numbers.extend(u64::try_from(number));
    }
    numbers
}

fn l1<L: LogView>(log: &L, count: u64, seed: u64) -> Result<Vec<RecentBlock>, LogError> {
    let of_record = log.l1_records()?.into_iter().map(|record| RecentBlock {
        number: record.block.0,
        hash: record.block_hash,
        timestamp: record.timestamp,
    });
    let mut blocks: Vec<RecentBlock> = of_record.collect();
    blocks.dedup();
    let bound = u64::try_from(blocks.len()).unwrap_or(u64::MAX);
    let drawn = drawn(count, bound, 1, seed);
    let mut sample: BTreeMap<u64, RecentBlock> = (0..)
        .zip(blocks)
        .filter(|(index, _)| drawn.contains(index))
        .map(|(_, block)| (block.number, block))
        .collect();
    if let Some(head) = log.reach().l1 {
        sample.insert(head.block.0, head.into());
    }
    Ok(sample.into_values().collect())
}

fn l2<L: LogView>(log: &L, count: u64, seed: u64) -> Result<Vec<SampledBlock>, LogError> {
    let Some(head) = log.reach().l2 else {
        return Ok(Vec::new());
    };
    let first = log.identity().l2_first_block.0;
    let bound = head.block.0.saturating_sub(first).saturating_add(1);
    let signers = log.signers()?;
    let offsets = drawn(count, bound, 2, seed);
    let numbers: BTreeSet<u64> = offsets.into_iter().filter_map(|offset| first.checked_add(offset)).collect();
    let mut sample = Vec::new();
    for number in numbers.into_iter().chain([head.block.0]) {
        if sample.last().is_none_or(|last: &SampledBlock| last.number.0 < number) {
            sample.push(sampled(log, &signers, L2Block(number))?);
        }
    }
    Ok(sample)
}

fn sampled<L: LogView>(log: &L, signers: &[Address], number: L2Block) -> Result<SampledBlock, LogError> {
    let mut found = None;
    log.scan_verified::<LogError>(number..=number, |header, producers| {
        let offset = number.0.saturating_sub(header.first_block.0);
        let offset = u16::try_from(offset).unwrap_or(u16::MAX);
        let mut code = UNSIGNED;
        producers.for_each_run(offset..offset.saturating_add(1), |run, _| code = run)?;
        let signer = usize::from(code).checked_sub(1).and_then(|index| signers.get(index)).copied();
        let hash = (header.last_block() == Some(number)).then_some(header.last_hash);
        log.for_each_times(&[header.first_block], |times| {
            let timestamp = times.get(offset)?;
            found = timestamp.map(|timestamp| SampledBlock { number, timestamp, signer, hash });
            Ok::<(), LogError>(())
        })
    })?;
    found.ok_or_else(|| LogError::Undecodable {
        place: format!("L2 block {number}"),
        reason: "its chunk does not have it".into(),
    })
}
