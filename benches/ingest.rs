//! How fast live chains are ingested, beside the bare recovery of signatures, which nobody can do without.
//!
//! The endpoints are a process of their own, so that what they take is not counted. Without `--bench` (as
//! in `cargo test`) it runs once on the small recording.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]

use alloy_primitives::{B256, U256};
use flate2::read::MultiGzDecoder;
use replay_node::{Options, ReplayNode};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tally_ingest::{SequencerSignature, recover_signer};

/// Names the recording to the process that serves it.
const SERVE: &str = "TALLY_BENCH_SERVE";

fn main() {
    if let Some(recording) = std::env::var_os(SERVE) {
        return serve(Path::new(&recording));
    }
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let (name, runs) = if is_bench { ("pool-a", 5) } else { ("small-a", 1) };
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name);
    let (blocks, signatures) = read_signatures(&recording);
    println!("{name}: {blocks} L2 blocks, {} of them signed; sums of {runs} runs", signatures.len());
    let endpoints = Endpoints::start(&recording);
    let mut sums = Sums::default();
    for _ in 0..runs {
        let (wall, cpu) = measured(|| {
            for (block, hash, signature) in &signatures {
                recover_signer(*block, *hash, *signature).unwrap();
            }
        });
        sums.recovery = sums.recovery.plus(wall, cpu);
        let (manifest, first) =
            (&endpoints.manifest, |chain: &str| endpoints.manifest[chain]["first_block"].as_u64().unwrap());
        // Enough of L1 for the log to begin, and all of L2; and the other way round.
        let l1_begun = manifest["l1"]["pool_initialized_at"].as_u64().unwrap().to_string();
        let (wall, cpu) = measured(|| endpoints.ingest(&["--l1-to", &l1_begun]));
        sums.l2 = sums.l2.plus(wall, cpu);
        let l2_begun = first("l2").to_string();
        let (wall, cpu) = measured(|| endpoints.ingest(&["--l2-to", &l2_begun]));
        sums.l1 = sums.l1.plus(wall, cpu);
    }
    let Sums { recovery, l2, l1 } = sums;
    let per_sec = |time: f64| f64::from(u32::try_from(blocks).unwrap()) * f64::from(runs) / time;
    println!("bare recovery, one core: {:.0} blocks per CPU second", per_sec(recovery.cpu));
    println!(
        "ingest of L2: {:.0} blocks per CPU second, {:.0} per second by the clock",
        per_sec(l2.cpu),
        per_sec(l2.wall)
    );
    println!("ratio per core: {:.2}", recovery.cpu / l2.cpu);
    println!(
        "ingest of L1: {:.2} s by the clock, {:.2} s of CPU, each",
        l1.wall / f64::from(runs),
        l1.cpu / f64::from(runs)
    );
    println!("peak memory: {} MB", peak_memory_bytes() / 1_000_000);
}

#[derive(Clone, Copy, Default)]
struct Time {
    wall: f64,
    cpu: f64,
}

impl Time {
    fn plus(self, wall: f64, cpu: f64) -> Self {
        Self { wall: self.wall + wall, cpu: self.cpu + cpu }
    }
}

#[derive(Default)]
struct Sums {
    recovery: Time,
    l2: Time,
    l1: Time,
}

/// Seconds by the clock, and of CPU in all threads of this process.
fn measured(run: impl FnOnce()) -> (f64, f64) {
    let (began, cpu) = (Instant::now(), cpu_secs());
    run();
    (began.elapsed().as_secs_f64(), cpu_secs() - cpu)
}

/// User and system time of this process so far, in the kernel's ticks of 10 ms.
fn cpu_secs() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the program, in parentheses, may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
    f64::from(ticks) / 100.0
}

fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1_024
}

/// How many L2 blocks there are, and the signature of each that is signed.
fn read_signatures(recording: &Path) -> (u64, Vec<(u64, B256, SequencerSignature)>) {
    let file = File::open(recording.join("l2_blocks.jsonl.gz")).unwrap();
    let mut blocks = 0;
    let mut signatures = Vec::new();
    for line in BufReader::new(MultiGzDecoder::new(file)).lines() {
        let block: Value = serde_json::from_str(&line.unwrap()).unwrap();
        blocks += 1;
        let first = &block["transactions"][0];
        let number = |field: &str| first[field].as_str().and_then(|text| text.parse::<U256>().ok());
        let (Some(r), Some(s), Some(v)) = (number("seqR"), number("seqS"), number("seqV")) else {
            continue;
        };
        if !r.is_zero() {
            let signature = SequencerSignature { r, s, v: v.to() };
            signatures.push((blocks, first["hash"].as_str().unwrap().parse().unwrap(), signature));
        }
    }
    (blocks, signatures)
}

/// The endpoints, in a process of their own.
struct Endpoints {
    process: Child,
    urls: [String; 2],
    network: tempfile::NamedTempFile,
    manifest: Value,
}

impl Endpoints {
    fn start(recording: &PathBuf) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(SERVE, recording).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let urls = [(); 2].map(|()| lines.next().unwrap().unwrap());
        let network = tempfile::NamedTempFile::new().unwrap();
        let mut toml = Vec::new();
        let args = ["tally", "network", "from-recording", recording.to_str().unwrap()];
        assert_eq!(tally_cli::run(args.map(Into::into), &mut toml, &mut std::io::stderr()), 0);
        std::fs::write(network.path(), toml).unwrap();
        let manifest = std::fs::read(recording.join("manifest.json")).unwrap();
        Self { process, urls, network, manifest: serde_json::from_slice(&manifest).unwrap() }
    }

    /// Ingests into a log of its own, and prints the log's digest.
    fn ingest(&self, more: &[&str]) {
        let log = tempfile::tempdir().unwrap();
        let network = self.network.path().to_str().unwrap();
        let mut args = vec!["tally", "ingest", "--network", network, "--log", log.path().to_str().unwrap()];
        args.extend(["--l1-rpc", &self.urls[0], "--l2-rpc", &self.urls[1]]);
        args.extend(["--l1-finality", "0", "--l2-confirmations", "0", "--progress", "lines"]);
        args.extend(more);
        let mut out = Vec::new();
        let status = tally_cli::run(args.into_iter().map(Into::into), &mut out, &mut std::io::stderr());
        assert_eq!(status, 0);
        print!(
            "{}",
            String::from_utf8(out).unwrap().lines().last().map_or(String::new(), |line| format!("{line}\n"))
        );
    }
}

impl Drop for Endpoints {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn serve(recording: &Path) {
    let node = ReplayNode::start(recording, &Options::default());
    println!("{}\n{}", node.l1_url(), node.l2_url());
    // Until whoever started it is gone.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
