//! What it costs to look up where instants fall: one log, with more and more stake changes and epochs. What
//! the others take longer than the first, looking up and folding more stretches takes.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

mod common;

use common::{Log, blocks};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tally_engine::{Policy, Timeline, UnixTime, instants};
use tally_eventlog::{LogError, LogView};
use tally_replay::{ReplayOptions, replay};
use tally_synth::Pattern;

/// The default rules, with epochs of an hour.
fn hourly() -> Policy {
    let text = include_str!("../engine/policies/guide.toml");
    let hourly = text.replace("epoch_secs = 1209600", "epoch_secs = 3600");
    assert_ne!(hourly, text);
    Policy::from_toml(&hourly).unwrap()
}

fn boundaries(criterion: &mut Criterion) {
    let blocks = blocks(10_000_000);
    let guide = Policy::built_in("guide").unwrap();
    let mut group = criterion.benchmark_group("boundaries");
    group.sample_size(20);
    for (name, policy, changes) in [
        ("epochs of two weeks, stake changes", guide.clone(), 10),
        ("epochs of an hour, stake changes", hourly(), 10),
        ("epochs of two weeks, stake changes", guide, blocks / 100),
    ] {
        let log = Log::new(blocks, 32, Pattern::Random, changes);
        let timeline = Timeline::from_records(&log.l1_records().unwrap());
        let last = log.heads().l1.unwrap().timestamp;
        let instants: Vec<UnixTime> =
            instants(&policy, &timeline, None, None, last).unwrap().into_iter().collect();
        let policies = [policy];
        let root = || replay(&*log, &policies, ReplayOptions::default()).unwrap()[0].ledger.root;
        let expected = root();
        println!("{name} {changes}: {} instants, ledger root {expected}", instants.len());
        group.throughput(Throughput::Elements(instants.len().try_into().unwrap()));
        group.bench_function(BenchmarkId::new(name, changes), |bencher| {
            bencher.iter(|| assert_eq!(root(), expected));
        });
        // Without the fold: the index has it by chunk, and the chunk's times tell the block.
        let index = log.chunk_index(log.identity().l2_first_block).unwrap();
        let found = || {
            let mut sum = 0;
            for time in &instants {
                let chunk = index.partition_point(|entry| entry.first_time < *time).saturating_sub(1);
                log.for_each_times::<LogError>(&[index[chunk].first_block], |times| {
                    sum += times.first_block().0 + u64::from(times.count_before(*time)?);
                    Ok(())
                })
                .unwrap();
            }
            sum
        };
        println!("{name} {changes}: sum of the first blocks {}", found());
        group.bench_function(BenchmarkId::new(format!("look-up alone, {name}"), changes), |bencher| {
            bencher.iter(found);
        });
    }
    group.finish();
}

criterion_group!(benches, boundaries);
criterion_main!(benches);
