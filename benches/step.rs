//! What it costs to fold one more block: as much with ten million blocks behind it as with a thousand.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

mod common;

use common::{Log, blocks};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::time::{Duration, Instant};
use tally_engine::{L2Block, Policy};
use tally_replay::{Replay, ReplayOptions, replay};
use tally_synth::Pattern;

/// How many steps there are before it begins anew.
const STEPS: u64 = 1_000;

fn to(block: u64) -> ReplayOptions<'static> {
    ReplayOptions { to: Some(L2Block(block)), ..ReplayOptions::default() }
}

fn step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step of one block");
    for behind in [1_000, blocks(10_000_000)] {
        let log = Log::new(behind + STEPS, 32, Pattern::Random, 1_000.min(behind / 10));
        let policies = [Policy::built_in("guide").unwrap()];
        let root = walk(&log, &policies, behind, STEPS).0.ledgers().next().unwrap().1.root;
        println!("{behind} blocks and {STEPS} steps: ledger root {root}");
        assert_eq!(root, replay(&*log, &policies, ReplayOptions::default()).unwrap()[0].ledger.root);
        group.bench_with_input(BenchmarkId::new("blocks behind", behind), &behind, |bencher, behind| {
            bencher.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                let mut left = iterations;
                while left > 0 {
                    let steps = left.min(STEPS);
                    spent += walk(&log, &policies, *behind, steps).1;
                    left -= steps;
                }
                spent
            });
        });
    }
    group.finish();
}

/// Folds the blocks behind at once and the next ones one by one, and says how long these took.
#[expect(clippy::disallowed_methods, reason = "how long something took is what a benchmark is for")]
fn walk(log: &Log, policies: &[Policy], behind: u64, steps: u64) -> (Replay, Duration) {
    let mut replay = Replay::new(policies);
    replay.advance(&**log, to(behind - 1)).unwrap();
    let start = Instant::now();
    for block in behind..behind + steps {
        replay.advance(&**log, to(block)).unwrap();
    }
    (replay, start.elapsed())
}

criterion_group!(benches, step);
criterion_main!(benches);
