//! How long a replay takes beside what it cannot be faster than: a bare RocksDB scan of the same values, and
//! reading the same bytes in memory. Each measurement is a process of its own, so that its peak memory is.
//!
//! `cargo bench -p tally-benches --bench scale -- [--blocks N]... [--pattern P]... [--work DIR] [--out FILE]`
//! prints a table, and writes one JSON object a line for `benches/side-by-side/plot.py`. Under `cargo test` it
//! runs once, small.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use rayon::prelude::*;
use rocksdb::{DB, Options, ReadOptions};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use tally_engine::{L2Block, Policy};
use tally_eventlog::LogReader;
use tally_replay::{Replay, ReplayOptions, replay};
use tally_synth::{Pattern, Plan, make_log};

const SEQUENCERS: u16 = 32;
const STAKE_CHANGES: u64 = 1_300;
const SEED: u64 = 42;
/// Each is taken so many times; the best counts, and the median is told.
const RUNS: usize = 7;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if args.first().is_some_and(|arg| arg == "measure") {
        println!("{}", measure(&args[1], Path::new(&args[2]), args[3].parse().unwrap()));
        return;
    }
    let is_test = !std::env::args().any(|arg| arg == "--bench");
    let values = |flag: &str| -> Vec<String> {
        args.windows(2).filter(|pair| pair[0] == flag).map(|pair| pair[1].clone()).collect()
    };
    let mut sizes: Vec<u64> = values("--blocks").iter().map(|text| text.parse().unwrap()).collect();
    if sizes.is_empty() {
        sizes = if is_test { vec![50_000] } else { vec![1_000_000, 10_000_000, 100_000_000, 1_000_000_000] };
    }
    let mut patterns: Vec<Pattern> = values("--pattern").iter().map(|text| text.parse().unwrap()).collect();
    if patterns.is_empty() {
        patterns = vec![Pattern::Random, Pattern::Spans(200), Pattern::Mixed];
    }
    let scratch = tempfile::tempdir().unwrap();
    let work = values("--work").pop().map_or(scratch.path().to_owned(), PathBuf::from);
    let mut lines = Vec::new();
    for pattern in patterns {
        for blocks in &sizes {
            let log = work.join(format!("{pattern}-{blocks}.log").replace(':', "-"));
            if !log.exists() {
                let changes = STAKE_CHANGES.min(*blocks / 10);
                make_log(&log, &Plan::new(*blocks, SEQUENCERS, pattern, changes, SEED).unwrap()).unwrap();
            }
            measure_log(&log, pattern, *blocks, &mut lines);
        }
    }
    if let Some(out) = values("--out").pop() {
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        std::fs::write(out, lines.join("\n") + "\n").unwrap();
    }
}

fn measure_log(log: &Path, pattern: Pattern, blocks: u64, lines: &mut Vec<Value>) {
    let mut roots = Vec::new();
    println!("{pattern}, {blocks} blocks");
    for what in ["memory", "scan", "replay", "verify", "step"] {
        for threads in [1_u64, 2] {
            if what == "step" && threads > 1 {
                continue;
            }
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["measure", what, log.to_str().unwrap(), &threads.to_string()])
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let mut line: Value = serde_json::from_slice(&output.stdout).unwrap();
            let best = line["best_secs"].as_f64().unwrap();
            let (median, peak) = (line["median_secs"].as_f64().unwrap(), &line["peak_mib"]);
            let of = u32::try_from(blocks).map(f64::from).unwrap();
            println!(
                "  {what:7} {threads} thread(s): best {:9.3} ms, median {:9.3} ms, {:8.3} · 10^9 blocks/s, peak {peak} MiB",
                best * 1e3,
                median * 1e3,
                of / best / 1e9,
            );
            if let Some(root) = line["root"].as_str() {
                roots.push(root.to_owned());
            }
            line["pattern"] = json!(pattern.to_string());
            line["blocks"] = json!(blocks);
            lines.push(line);
        }
    }
    println!("  ledger root {}", roots[0]);
    assert!(roots.iter().all(|root| *root == roots[0]), "all ledgers are the same: {roots:?}");
}

/// One kind of measurement, as JSON.
fn measure(what: &str, path: &Path, threads: usize) -> Value {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().unwrap();
    let policies = [Policy::built_in("guide").unwrap()];
    let mut root = None;
    let mut times = Vec::new();
    match what {
        "memory" => {
            let values = values(path);
            for _ in 0..RUNS {
                times.push(timed(|| {
                    let sum = |value: &Vec<u8>| {
                        let words = value.as_chunks::<8>().0;
                        words.iter().fold(0_u64, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
                    };
                    std::hint::black_box(values.par_iter().map(sum).reduce(|| 0, u64::wrapping_add));
                }));
            }
        }
        "scan" => {
            let db = open(path);
            for _ in 0..RUNS {
                times.push(timed(|| scan(&db, threads)));
            }
        }
        "replay" | "verify" => {
            let log = LogReader::open(path).unwrap();
            for _ in 0..RUNS {
                times.push(timed(|| {
                    let options = ReplayOptions { verify: what == "verify", ..ReplayOptions::default() };
                    root = Some(replay(&log, &policies, options).unwrap()[0].ledger.root.to_string());
                }));
            }
        }
        "step" => {
            let log = LogReader::open(path).unwrap();
            let last = log.heads().l2.unwrap().block.0;
            let steps = 2_000.min(last / 2);
            let mut replay = Replay::new(&policies);
            let to = |block: u64| ReplayOptions { to: Some(L2Block(block)), ..ReplayOptions::default() };
            replay.advance(&log, to(last - steps)).unwrap();
            for block in last - steps + 1..=last {
                times.push(timed(|| replay.advance(&log, to(block)).unwrap()));
            }
            replay.advance(&log, ReplayOptions::default()).unwrap();
            root = replay.ledgers().next().map(|(_, ledger, _)| ledger.root.to_string());
        }
        other => panic!("{other} is nothing to measure"),
    }
    times.sort_by(f64::total_cmp);
    json!({
        "what": what, "threads": threads, "best_secs": times[0], "median_secs": times[times.len() / 2],
        "peak_mib": peak_mib(), "root": root,
    })
}

#[expect(clippy::disallowed_methods, reason = "how long something took is what a benchmark is for")]
fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// The most memory that this process has had.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}

const PRODUCERS: &str = "l2_producers";

fn open(path: &Path) -> DB {
    let families = DB::list_cf(&Options::default(), path).unwrap();
    DB::open_cf_for_read_only(&Options::default(), path, families, false).unwrap()
}

/// Every value of the producers, read in place by as many threads, each its share of the keys.
fn scan(db: &DB, threads: usize) {
    let last = db.iterator_cf(db.cf_handle(PRODUCERS).unwrap(), rocksdb::IteratorMode::End).next();
    let last = u64::from_be_bytes(last.unwrap().unwrap().0.as_ref().try_into().unwrap());
    let pieces = u64::try_from(threads).unwrap() * 8;
    let bytes: usize = (0..pieces)
        .into_par_iter()
        .map(|piece| {
            let key = |piece: u64| (last / pieces * piece).to_be_bytes();
            let mut options = ReadOptions::default();
            options.fill_cache(false);
            options.set_readahead_size(2 << 20);
            if piece + 1 < pieces {
                options.set_iterate_upper_bound(key(piece + 1));
            }
            let mut entries = db.raw_iterator_cf_opt(db.cf_handle(PRODUCERS).unwrap(), options);
            entries.seek(key(piece));
            let mut bytes = 0;
            while let Some((_, value)) = entries.item() {
                bytes += value.len();
                entries.next();
            }
            entries.status().unwrap();
            bytes
        })
        .sum();
    assert!(std::hint::black_box(bytes) > 0);
}

fn values(path: &Path) -> Vec<Vec<u8>> {
    let db = open(path);
    let entries = db.iterator_cf(db.cf_handle(PRODUCERS).unwrap(), rocksdb::IteratorMode::Start);
    entries.map(|entry| entry.unwrap().1.into_vec()).collect()
}
