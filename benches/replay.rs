//! How fast a log is folded, and how fast it is folded and verified: by who produces which block, by how many
//! sequencers there are, and on how many threads.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

mod common;

use common::{Log, blocks};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tally_engine::Policy;
use tally_replay::{ReplayOptions, replay};
use tally_synth::Pattern;

const PATTERNS: [Pattern; 3] = [Pattern::Spans(200), Pattern::Random, Pattern::Mixed];
/// So few that most chunks are counted at once: `boundaries.rs` has many.
const BLOCKS_PER_STAKE_CHANGE: u64 = 100_000;

fn replays(criterion: &mut Criterion) {
    for pattern in PATTERNS {
        for sequencers in [16, 256, 4_096] {
            bench(criterion, pattern, sequencers, &[false]);
        }
    }
}

fn verified(criterion: &mut Criterion) {
    for pattern in PATTERNS {
        bench(criterion, pattern, 32, &[false, true]);
    }
}

fn bench(criterion: &mut Criterion, pattern: Pattern, sequencers: u16, verify: &[bool]) {
    let blocks = blocks(10_000_000);
    let log = Log::new(blocks, sequencers, pattern, blocks / BLOCKS_PER_STAKE_CHANGE);
    let policies = [Policy::built_in("guide").unwrap()];
    let root = |options| replay(&*log, &policies, options).unwrap()[0].ledger.root;
    let expected = root(ReplayOptions::default());
    println!("{pattern}, {sequencers} sequencers, {blocks} blocks: ledger root {expected}");
    let mut group = criterion.benchmark_group(format!("replay {pattern}, {sequencers} sequencers"));
    group.throughput(Throughput::Elements(blocks)).sample_size(20);
    for verify in verify.iter().copied() {
        for threads in [1, 2] {
            let options = ReplayOptions { threads: Some(threads), verify, ..ReplayOptions::default() };
            let what = if verify { "verified, threads" } else { "threads" };
            group.bench_with_input(BenchmarkId::new(what, threads), &options, |bencher, options| {
                bencher.iter(|| assert_eq!(root(*options), expected));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, replays, verified);
criterion_main!(benches);
