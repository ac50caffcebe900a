//! The ledger by block: one block in an epoch that was asked about before, and in one that was not; and all blocks.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

mod common;

use common::{Log, blocks};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tally_engine::{L2Block, Policy, Wei};
use tally_replay::{BlockLedger, ReplayOptions, Replayed, replay};
use tally_synth::Pattern;

/// Blocks that lie far apart, always the same.
fn scattered(range: std::ops::RangeInclusive<L2Block>) -> impl Iterator<Item = L2Block> {
    let (first, last) = (range.start().0, range.end().0);
    let step = 6_364_136_223_846_793_005_u64;
    let next = move |at: &u64| Some(at.wrapping_mul(step).wrapping_add(1_442_695_040_888_963_407));
    std::iter::successors(Some(7), next).map(move |at| L2Block(first + (at >> 16) % (last - first + 1)))
}

fn by_block(criterion: &mut Criterion) {
    let policies = [Policy::built_in("guide").unwrap()];
    for (name, pattern) in [("random", Pattern::Random), ("spans:200", Pattern::Spans(200))] {
        let log = Log::new(blocks(20_000_000), 32, pattern, 1_000);
        let replayed: Replayed = replay(&*log, &policies, ReplayOptions::default()).unwrap().remove(0);
        println!("{name}: ledger root {}", replayed.ledger.root);
        let ledger = BlockLedger::new(&*log, &replayed).unwrap();
        let range = ledger.range().unwrap();
        let mut total = Wei::ZERO;
        ledger
            .reader()
            .for_each(range.clone(), |entry| {
                let reward = entry.rewarded().map_or(Wei::ZERO, |rewarded| rewarded.reward);
                total = total.checked_add(reward).unwrap();
            })
            .unwrap();
        assert_eq!(total, replayed.ledger.total, "the blocks sum to the total");

        let mut group = criterion.benchmark_group("one block of the ledger");
        let mut reader = ledger.reader();
        for block in scattered(range.clone()).take(2_000) {
            reader.entry(block).unwrap();
        }
        let mut queries = scattered(range.clone());
        group.bench_function(BenchmarkId::new("in an epoch read before", name), |bencher| {
            bencher.iter(|| black_box(reader.entry(queries.next().unwrap()).unwrap()));
        });
        group.bench_function(BenchmarkId::new("the first of an epoch", name), |bencher| {
            bencher.iter(|| black_box(ledger.reader().entry(queries.next().unwrap()).unwrap()));
        });
        group.finish();

        let mut group = criterion.benchmark_group("all blocks of the ledger");
        group.sample_size(10);
        group.throughput(Throughput::Elements(range.end().0 - range.start().0 + 1));
        group.bench_function(BenchmarkId::new("runs", name), |bencher| {
            bencher.iter(|| {
                let mut reader = ledger.reader();
                let mut rest = Some(range.clone());
                while let Some(range) = rest {
                    rest = reader.next_chunk(&range, &mut |run| _ = black_box(run.times.len())).unwrap();
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, by_block);
criterion_main!(benches);
