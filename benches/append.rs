//! How fast blocks are appended and committed: many at a time, as when a log catches up, and one by one, as
//! when it follows a live chain.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

mod common;

use alloy_primitives::{Address, B256, U256};
use common::{Log, blocks};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tally_engine::{L2Block, SpanRecord};
use tally_eventlog::{LogError, LogIdentity, LogView, LogWriter, ProducedBlock};
use tally_synth::Pattern;
use tempfile::TempDir;

/// What a log says, so that it can be written again.
struct Contents {
    identity: LogIdentity,
    spans: Vec<SpanRecord>,
    blocks: Vec<ProducedBlock>,
}

impl Contents {
    fn read(log: &Log) -> Self {
        let signers: Vec<Address> = log.signers().unwrap();
        let hash = |number: u64| B256::from(U256::from(number));
        let mut blocks = Vec::new();
        let range = log.identity().l2_first_block..=log.heads().l2.unwrap().block;
        log.scan_producers::<LogError>(range, |producers| {
            let first = producers.first_block();
            let codes = producers.to_vec()?;
            log.for_each_times(&[first], |times| {
                for ((number, code), time) in (first.0..).zip(&codes).zip(times.iter()) {
                    blocks.push(ProducedBlock {
                        number: L2Block(number),
                        hash: hash(number + 1),
                        parent_hash: hash(number),
                        timestamp: time?,
                        signer: usize::from(*code).checked_sub(1).map(|index| signers[index]),
                    });
                }
                Ok(())
            })
        })
        .unwrap();
        Self { identity: log.identity().clone(), spans: log.span_records().unwrap(), blocks }
    }

    fn writer(&self) -> (LogWriter, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        (LogWriter::open(&dir.path().join("log"), &self.identity).unwrap(), dir)
    }

    /// Appends the first blocks, and gives the digest of the log.
    fn append(&self, writer: &mut LogWriter, blocks: usize, at_a_time: usize) -> B256 {
        let mut spans = self.spans.iter().peekable();
        for batch in self.blocks[..blocks].chunks(at_a_time) {
            for block in batch {
                while let Some(span) = spans.next_if(|span| span.block <= block.number) {
                    writer.stage_span(span).unwrap();
                }
                writer.stage_block(block).unwrap();
            }
            writer.commit().unwrap();
        }
        writer.head_digest().unwrap()
    }
}

fn append(criterion: &mut Criterion) {
    for pattern in [Pattern::Spans(200), Pattern::Random] {
        let contents = Contents::read(&Log::new(blocks(200_000), 32, pattern, 0));
        let mut group = criterion.benchmark_group(format!("append {pattern}"));
        group.sample_size(10);
        for (at_a_time, blocks) in [(10_000, contents.blocks.len()), (1, 500)] {
            let append = |writer: &mut LogWriter| contents.append(writer, blocks, at_a_time);
            println!("{pattern}, {at_a_time} at a time: log digest {}", append(&mut contents.writer().0));
            group.throughput(Throughput::Elements(blocks.try_into().unwrap()));
            group.bench_function(BenchmarkId::new("blocks a commit", at_a_time), |bencher| {
                let set_up = || contents.writer();
                bencher.iter_batched_ref(set_up, |(writer, _)| append(writer), BatchSize::PerIteration);
            });
        }
        group.finish();
    }
}

criterion_group!(benches, append);
criterion_main!(benches);
