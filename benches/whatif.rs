//! What a grid of policies costs once what happened is known. That depends on sequencers, changes and epochs
//! and not on blocks, so no log is read.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

#[path = "common/history.rs"]
mod history;

use alloy_primitives::U256;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use history::OwnHistory;
use std::hint::black_box;
use tally_engine::{Activity, Allocation, Mrr, Policy, Wei};

const CHANGES: u64 = 1_300;
/// Two weeks each: five years.
const EPOCHS: u64 = 130;

/// 11 caps from 50,000 to 150,000 METIS, and for each of them 91 targets from 10 % to 55 %; under `cargo test`
/// only the first of them.
fn grid(guide: &Policy) -> Vec<(Wei, Vec<Policy>)> {
    let targets = if std::env::args().any(|arg| arg == "--bench") { 91 } else { 1 };
    let cap =
        |step: u64| Wei::new(U256::from(50_000 + 10_000 * step) * U256::from(10_u64).pow(U256::from(18)));
    let target = |step: u64| Mrr::from_decimal(&format!("0.{:04}", 1_000 + 50 * step)).unwrap();
    let policies = |cap: Wei| {
        (0..targets)
            .map(|step| guide.variant(Some(target(step)), cap, Allocation::StakeWeighted).unwrap())
            .collect()
    };
    (0..11).map(cap).map(|cap| (cap, policies(cap))).collect()
}

/// What all of them would pay together.
fn total(activity: &Activity, grid: &[(Wei, Vec<Policy>)]) -> Wei {
    let mut total = Wei::ZERO;
    for (cap, policies) in grid {
        let capped = activity.under_cap(*cap).unwrap();
        for policy in policies {
            total = total.checked_add(capped.evaluate(policy).unwrap().total.reward).unwrap();
        }
    }
    total
}

fn whatif(criterion: &mut Criterion) {
    let guide = Policy::built_in("guide").unwrap();
    let grid = grid(&guide);
    let policies: usize = grid.iter().fold(0, |sum, (_, policies)| sum + policies.len());
    for sequencers in [32, 256] {
        let own = OwnHistory::new(&guide, sequencers, CHANGES, EPOCHS);
        let activity = Activity::new(&guide, &own.history(), Some(own.horizon)).unwrap();
        let mut group = criterion.benchmark_group(format!("what if, {sequencers} sequencers"));
        group.bench_function("activity", |bencher| {
            bencher.iter(|| Activity::new(&guide, &own.history(), Some(own.horizon)).unwrap());
        });
        let (cap, first) = &grid[0];
        group.bench_function("under a cap", |bencher| bencher.iter(|| activity.under_cap(*cap).unwrap()));
        let capped = activity.under_cap(*cap).unwrap();
        group.throughput(Throughput::Elements(1));
        group.bench_function("a policy", |bencher| bencher.iter(|| capped.evaluate(&first[0]).unwrap()));
        let expected = total(&activity, &grid);
        println!("{sequencers} sequencers, {policies} policies: {expected} wei in all");
        group.throughput(Throughput::Elements(policies.try_into().unwrap())).sample_size(10);
        group.bench_function(format!("a grid of {policies}"), |bencher| {
            bencher.iter(|| assert_eq!(total(black_box(&activity), &grid), expected));
        });
        group.finish();
    }
}

criterion_group!(benches, whatif);
criterion_main!(benches);
