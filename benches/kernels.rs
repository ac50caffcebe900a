//! The innermost loops, each once and small, for counting their instructions under callgrind: `make count`
//! runs it and compares the counts with `callgrind/baseline.txt`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

#[path = "common/history.rs"]
mod history;

use alloy_primitives::B256;
use gungraun::{Callgrind, prelude::*};
use history::OwnHistory;
use std::hint::black_box;
use tally_engine::{L2Block, Ledger, Policy, UnixTime, fold};
use tally_eventlog::{CHUNK_BLOCKS_MAX, CodeCounts, EncodedChunk, Producers, Times};

const FIRST_TIME: u64 = 1_700_000_000;

/// Signers in no order that repeats within a chunk.
fn scattered(signers: u64) -> impl Fn(u64) -> u64 {
    move |block| (block.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % signers + 1
}

/// A full chunk, two blocks of which take 5 s together.
fn chunk(code: impl Fn(u64) -> u64) -> EncodedChunk {
    encode(&blocks(code))
}

fn blocks(code: impl Fn(u64) -> u64) -> Vec<(u16, UnixTime)> {
    let time = |block: u64| UnixTime(FIRST_TIME + block / 2 * 5 + block % 2 * (scattered(4)(block)));
    (0..CHUNK_BLOCKS_MAX).map(|block| (u16::try_from(code(block)).unwrap(), time(block))).collect()
}

fn encode(blocks: &[(u16, UnixTime)]) -> EncodedChunk {
    EncodedChunk::new(L2Block(0), blocks.iter().copied(), B256::ZERO, 4_000)
}

fn spans(block: u64) -> u64 {
    block / 200 + 1
}

/// The producers of a chunk, and counts for a log of so many signers.
fn to_count(signers: u16, producers: Vec<u8>) -> (CodeCounts, Vec<u8>) {
    (CodeCounts::new(signers), producers)
}

#[library_benchmark]
#[bench::pairs_of_32_signers(to_count(32, chunk(scattered(32)).producers))]
#[bench::bytes_of_255_signers(to_count(255, chunk(scattered(255)).producers))]
#[bench::words_of_4000_signers(to_count(4_000, chunk(scattered(4_000)).producers))]
#[bench::runs_of_200(to_count(255, chunk(spans).producers))]
fn count_a_chunk((mut counts, producers): (CodeCounts, Vec<u8>)) -> CodeCounts {
    count(&mut counts, &producers);
    counts
}

fn count(counts: &mut CodeCounts, producers: &[u8]) {
    let producers = Producers::new(L2Block(0), black_box(producers)).unwrap();
    counts.add(&producers, 0..producers.blocks()).unwrap();
}

fn counted(signers: u16) -> CodeCounts {
    let mut counts = CodeCounts::new(signers);
    count(&mut counts, &chunk(scattered(signers.into())).producers);
    counts
}

#[library_benchmark]
#[bench::pairs_of_32_signers(counted(32))]
#[bench::bytes_of_255_signers(counted(255))]
#[bench::words_of_4000_signers(counted(4_000))]
fn take_counts(mut counts: CodeCounts) -> u64 {
    let mut blocks = 0;
    counts.take(|_, of_code| blocks += of_code).unwrap();
    assert_eq!(blocks, CHUNK_BLOCKS_MAX);
    blocks
}

#[library_benchmark]
#[bench::packed(chunk(scattered(32)).producers)]
#[bench::runs_of_200(chunk(spans).producers)]
fn decode_producers(producers: Vec<u8>) -> u64 {
    let producers = Producers::new(L2Block(0), black_box(&producers)).unwrap();
    let mut sum = 0;
    // Not all of it, as where a stretch ends within a chunk.
    let range = 100..producers.blocks() - 100;
    producers.for_each_run(range, |code, blocks| sum += u64::from(code) * u64::from(blocks)).unwrap();
    sum
}

#[library_benchmark]
#[bench::in_the_middle(chunk(spans).times)]
fn look_up_time(times: Vec<u8>) -> u16 {
    let times = Times::new(L2Block(0), black_box(&times)).unwrap();
    times.count_before(UnixTime(FIRST_TIME + 10_001)).unwrap()
}

#[library_benchmark]
#[bench::of_a_chunk(chunk(spans).times)]
fn last_time(times: Vec<u8>) -> UnixTime {
    Times::new(L2Block(0), black_box(&times)).unwrap().last().unwrap()
}

#[library_benchmark]
#[bench::packed(blocks(scattered(32)))]
#[bench::runs_of_200(blocks(spans))]
fn encode_a_chunk(blocks: Vec<(u16, UnixTime)>) -> EncodedChunk {
    encode(black_box(&blocks))
}

/// 32 sequencers, whose stakes change five times in each of 26 epochs.
fn year(policy: &str) -> (Policy, OwnHistory) {
    let policy = Policy::built_in(policy).unwrap();
    let own = OwnHistory::new(&policy, 32, 130, 26);
    (policy, own)
}

#[library_benchmark]
#[bench::guide(year("guide"))]
#[bench::stake_weighted(year("stake-weighted"))]
fn fold_a_year((policy, own): (Policy, OwnHistory)) -> Ledger {
    fold(black_box(&policy), &own.history(), Some(own.horizon)).unwrap()
}

library_benchmark_group!(
    name = kernels,
    benchmarks =
        [count_a_chunk, take_counts, decode_producers, look_up_time, last_time, encode_a_chunk, fold_a_year]
);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = kernels
);
