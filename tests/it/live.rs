//! Ingest from live endpoints gives the log of a perfect observer, whatever the endpoints do.

use crate::process::{self, Process};
use crate::rollback::headers;
use crate::support::{fixture, head_digest, tally, times, wait_for};
use alloy_primitives::keccak256;
use replay_node::{Failure, Options, RangeStyle, Reorg, ReplayNode, Rule};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tally_eventlog::{LogReader, verify};
use tally_ingest::{
    Endpoints, Finality, Limits, LiveOptions, Metrics, Network, ingest_live, ingest_recording,
};
use tempfile::TempDir;

/// A recording served as live endpoints, and a directory for logs of it.
pub(crate) struct Live {
    pub(crate) node: ReplayNode,
    pub(crate) dir: TempDir,
}

impl Live {
    pub(crate) fn start(recording: &str, options: &Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = fixture(recording);
        let (_, network, _) = tally(&["network", "from-recording", path.to_str().unwrap()]);
        std::fs::write(dir.path().join("network.toml"), network).unwrap();
        Self { node: ReplayNode::start(&path, options), dir }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// The arguments of an ingest up to the endpoints' heads, and more.
    pub(crate) fn args(&self, more: &[&str]) -> Vec<String> {
        let network = self.dir.path().join("network.toml");
        let log = self.log();
        let (l1, l2) = (self.node.l1_url(), self.node.l2_url());
        let own = ["ingest", "--network", network.to_str().unwrap(), "--log", log.to_str().unwrap()];
        let own = own.into_iter().chain(["--l1-rpc", &l1, "--l2-rpc", &l2]);
        let own = own.chain(["--l1-finality", "0", "--l2-confirmations", "0", "--progress", "lines"]);
        own.chain(more.iter().copied()).map(String::from).collect()
    }

    pub(crate) fn ingest(&self, more: &[&str]) -> (u8, String, String) {
        let args = self.args(more);
        tally(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(crate) fn process(&self, more: &[&str]) -> Process {
        let args = self.args(more);
        process::start(&args.iter().map(String::as_str).collect::<Vec<_>>(), &[])
    }

    /// An ingest that is killed again and again, until one comes to its end, with a log of this digest. Calls
    /// `after_kill` each time, and returns how often that was.
    pub(crate) fn ingest_killed(&self, more: &[&str], digest: &str, mut after_kill: impl FnMut()) -> u64 {
        let (mut kills, mut delay_millis, mut patience_millis) = (0, 7_u64, 0);
        let mut reached = None;
        loop {
            let mut process = self.process(more);
            // Moments that differ from kill to kill, from the first file on to the last batch.
            delay_millis = (delay_millis * 13 + 29) % 397;
            std::thread::sleep(Duration::from_millis(delay_millis + patience_millis));
            if process.has_ended() {
                let (status, out, err) = process.end();
                assert!(status.success(), "{err}");
                assert!(out.contains(digest), "{out}");
                return kills;
            }
            process.kill();
            kills += 1;
            after_kill();
            // However slow the machine is, some time one comes to its next commit.
            let heads = LogReader::open_once(&self.log()).ok().map(|log| *log.heads());
            if heads == reached {
                patience_millis += 10 + patience_millis / 4;
            }
            reached = heads;
        }
    }
}

/// The digest of what the recording itself gives, up to some blocks.
pub(crate) fn recorded_digest(recording: &str, l1_to: Option<u64>, l2_to: Option<u64>) -> String {
    if (l1_to, l2_to) == (None, None) {
        return head_digest(recording).into();
    }
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { l1_to, l2_to };
    ingest_recording(&fixture(recording), dir.path(), limits).unwrap().head_digest.to_string()
}

/// The digest of a log, each byte of which is checked.
pub(crate) fn verified_digest(log: &Path) -> String {
    verify(&LogReader::open(log).unwrap()).unwrap().head_digest.to_string()
}

#[track_caller]
fn assert_same_log(recording: &str, options: &Options, more: &[&str]) -> Live {
    let live = Live::start(recording, options);
    let (status, out, err) = live.ingest(more);
    assert_eq!(status, 0, "{err}");
    let digest = recorded_digest(recording, None, None);
    assert!(out.ends_with(&format!("head digest {digest}\n")), "{recording} with {options:?}: {out}");
    assert_eq!(verified_digest(&live.log()), digest);
    live
}

/// To the recording's end, although its head moves.
const FOLLOW_SMALL_A: [&str; 7] =
    ["--follow", "--poll-secs", "0.02", "--l1-to", "20231395", "--l2-to", "3002"];
const FOLLOW_POOL_A: [&str; 7] =
    ["--follow", "--poll-secs", "0.02", "--l1-to", "19436258", "--l2-to", "15234502"];

const FAILURES: [Failure; 5] =
    [Failure::Status(500), Failure::Reset, Failure::Status(503), Failure::Truncate, Failure::RpcError];

#[test]
fn without_faults_it_is_the_log_of_the_recording() {
    for recording in ["small-a", "pool-a"] {
        assert_same_log(recording, &Options::default(), &[]);
    }
}

#[test]
fn ranges_adapt_to_what_providers_refuse_in_their_own_words() {
    for style in [RangeStyle::Infura, RangeStyle::Alchemy, RangeStyle::QuickNode, RangeStyle::Ankr] {
        for recording in ["small-a", "pool-a"] {
            assert_same_log(recording, &Options { range_max: Some((200, style)), ..Options::default() }, &[]);
        }
    }
    assert_same_log("pool-a", &Options { results_max: Some(20), ..Options::default() }, &[]);
    assert_same_log("small-a", &Options { batch_max: Some(7), ..Options::default() }, &[]);
    // As bad as it gets: one block, one call at a time.
    let one = Options { range_max: Some((1, RangeStyle::Ankr)), batch_max: Some(1), ..Options::default() };
    let live = Live::start("small-a", &one);
    let (status, out, err) = live.ingest(&["--l1-to", "20210300", "--l2-to", "1100"]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains(&recorded_digest("small-a", Some(20_210_300), Some(1_100))), "{out}");
}

#[test]
fn too_many_requests_are_made_more_slowly() {
    let live = assert_same_log("small-a", &Options { calls_per_sec: Some(2_000), ..Options::default() }, &[]);
    let [(l1, _), (l2, _)] = live.node.requests();
    assert!(l1 > 0 && l2 > 0);
}

#[test]
fn requests_that_fail_are_made_again() {
    for recording in ["small-a", "pool-a"] {
        let options = Options { fail_every: Some(5), failures: FAILURES.into(), ..Options::default() };
        let live = assert_same_log(recording, &options, &[]);
        let failed: u64 = live.node.requests().iter().map(|(_, failed)| failed).sum();
        assert!(failed >= 5, "{failed} requests failed");
    }
}

#[test]
fn slow_answers_and_missing_tags_change_nothing() {
    assert_same_log("pool-a", &Options { latency: Duration::from_millis(20), ..Options::default() }, &[]);
    assert_same_log("small-a", &Options { l2_knows_tags: false, ..Options::default() }, &[]);
    // Where L1 does not know them either, a number of confirmations has to be given.
    let live = Live::start("small-a", &Options::default());
    let finalized = ["--l1-finality", "finalized", "--l1-rpc", &live.node.l2_url()];
    let (status, _, err) = live.ingest(&finalized);
    assert_eq!(status, 2, "{err}");
}

#[test]
fn a_moving_head_is_followed_to_the_limit() {
    let small =
        Options { l1_head: Some(20_229_000), l2_head: Some(1_500), advance_blocks: 50, ..Options::default() };
    assert_same_log("small-a", &small, &FOLLOW_SMALL_A);
    let pool = Options {
        l1_head: Some(19_435_900),
        l2_head: Some(15_230_000),
        advance_blocks: 20,
        ..Options::default()
    };
    assert_same_log("pool-a", &pool, &FOLLOW_POOL_A);
}

/// The phantom transaction of a branch that did not last leaves no trace, whether the log ever saw it
/// (it stands for many calls) or only nearly (for few).
#[test]
fn a_reorg_above_what_is_final_leaves_no_trace() {
    for calls in [60, 300, 1_000] {
        let reorg = Some(Reorg { at: 19_430_589, depth: 40, calls });
        let live = assert_same_log("pool-a", &Options { reorg, ..Options::default() }, &FOLLOW_POOL_A);
        assert!(live.node.has_reorganized());
    }
    // Up to what is final only, it never gets in.
    let reorg = Some(Reorg { at: 19_430_589, depth: 40, calls: 300 });
    let live = Live::start("pool-a", &Options { reorg, ..Options::default() });
    let to = ["--follow", "--poll-secs", "0.02", "--l1-to", "19436194", "--l2-to", "15234492"];
    let finalized = ["--l1-finality", "finalized", "--l2-confirmations", "10"];
    let mut args = live.args(&to);
    for pair in finalized.chunks(2) {
        let at = args.iter().position(|arg| arg == pair[0]).unwrap();
        args[at + 1] = pair[1].into();
    }
    let (status, _, err) = tally(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(status, 0, "{err}");
    assert_eq!(verified_digest(&live.log()), recorded_digest("pool-a", Some(19_436_194), Some(15_234_492)));
}

#[test]
fn a_reorg_below_what_is_final_stops_with_both_hashes_and_changes_nothing() {
    let reorg = Some(Reorg { at: 19_430_589, depth: 70, calls: 800 });
    let options = Options { reorg, finalized_lag_blocks: 32, ..Options::default() };
    let live = Live::start("pool-a", &options);
    // The other branch, up to its end.
    let (status, _, err) = live.ingest(&["--l1-to", "19430589", "--l2-to", "15214600"]);
    assert_eq!(status, 0, "{err}");
    let before = verified_digest(&live.log());
    assert_eq!(LogReader::open(&live.log()).unwrap().heads().l1.unwrap().block.0, 19_430_589);
    let follow = ["--follow", "--poll-secs", "0.02", "--l1-to", "19436258", "--l2-to", "15214600"];
    let (status, _, err) = live.ingest(&follow);
    assert_eq!(status, 1, "{err}");
    let sealed = 19_430_589 - 32;
    let headers = headers("pool-a", "l1_blocks.jsonl.gz");
    let (_, recorded, _, _) = headers.iter().find(|(number, ..)| *number == sealed).unwrap();
    let other = keccak256(recorded.to_string());
    let told =
        format!("L1 block {sealed} is {recorded} on the chain, but {other} in the log, where it is final");
    assert!(err.contains(&told), "no {told:?} in: {err}");
    assert_eq!(verified_digest(&live.log()), before, "nothing was changed");
}

#[test]
fn all_faults_at_once_change_nothing() {
    let options = Options {
        l1_head: Some(19_430_589),
        advance_blocks: 60,
        reorg: Some(Reorg { at: 19_430_589, depth: 40, calls: 300 }),
        range_max: Some((200, RangeStyle::QuickNode)),
        results_max: Some(50),
        batch_max: Some(50),
        calls_per_sec: Some(10_000),
        fail_every: Some(5),
        failures: FAILURES.into(),
        latency: Duration::from_millis(2),
        l2_knows_tags: false,
        ..Options::default()
    };
    assert_same_log("pool-a", &options, &FOLLOW_POOL_A);
    let small = Options { l1_head: Some(20_231_000), advance_blocks: 100, reorg: None, ..options };
    assert_same_log("small-a", &small, &FOLLOW_SMALL_A);
}

/// An ingest that is killed again and again, on both sides of a reorg: each time the log opens and each
/// byte of it is right, and in the end it is the one that was never disturbed.
#[test]
fn an_ingest_killed_at_any_moment_goes_on_to_the_same_log() {
    let mut kills = 0;
    let mut finished = 0;
    let digest = recorded_digest("pool-a", None, None);
    while kills < times(20, 200) {
        let options = Options {
            reorg: Some(Reorg { at: 19_430_589, depth: 40, calls: 900 }),
            latency: Duration::from_millis(3),
            ..Options::default()
        };
        let live = Live::start("pool-a", &options);
        kills += live.ingest_killed(&FOLLOW_POOL_A, &digest, || {
            if LogReader::exists(&live.log()).unwrap() {
                // Nobody writes it now, so once is enough.
                match LogReader::open_once(&live.log()) {
                    Ok(log) => drop(verify(&log).unwrap()),
                    // Or RocksDB was just making its families.
                    Err(error) => assert!(
                        matches!(
                            error,
                            tally_eventlog::LogError::Empty { .. } | tally_eventlog::LogError::NotALog { .. }
                        ),
                        "{error}"
                    ),
                }
            }
        });
        assert_eq!(verified_digest(&live.log()), digest);
        finished += 1;
    }
    println!("{kills} kills over {finished} logs");
}

/// Nodes behind one name may be of two branches for longer than an ingest that ends waits for them.
#[test]
fn blocks_that_do_not_join_for_a_while_are_waited_for() {
    std::thread::scope(|scope| {
        // In the middle of what is fetched together, and at its beginning: for how often it is asked before an ingest
        // that ends gives up, and a little more.
        for (block, times) in [("0x44f", 4 + 2), ("0x7d3", 11 + 1)] {
            scope.spawn(move || assert_eq!(ingest_of_branches(block, times, &[]), 1));
            scope.spawn(move || assert_eq!(ingest_of_branches(block, times, &FOLLOW_SMALL_A), 0));
        }
    });
}

/// The status of an ingest of a node that has another branch before the block `next`, so many times that it is asked.
fn ingest_of_branches(next: &'static str, times: u32, more: &[&str]) -> u8 {
    let asked = AtomicU32::new(0);
    let lies = Rule::new(move |call, told| {
        let block = &told["result"];
        let is_next = block["number"] == next && call["method"] == "eth_getBlockByNumber";
        (is_next && asked.fetch_add(1, Ordering::Relaxed) < times).then(|| {
            let mut block = block.clone();
            block["parentHash"] = json!(format!("0x{}", "77".repeat(32)));
            json!({ "result": block })
        })
    });
    let live = Live::start("small-a", &Options { lies, ..Options::default() });
    let (status, ..) = live.ingest(more);
    if status == 0 {
        assert_eq!(verified_digest(&live.log()), recorded_digest("small-a", None, None));
    }
    status
}

/// New blocks are in the log soon; a signal ends it cleanly; the next ingest goes on.
#[test]
fn new_blocks_are_followed_until_a_signal_ends_it() {
    let options = Options { l1_head: Some(20_220_000), l2_head: Some(2_000), ..Options::default() };
    let live = Live::start("small-a", &options);
    let process = live.process(&["--follow", "--poll-secs", "0.2"]);
    let reaches = |l1: u64, l2: u64| {
        wait_for("the blocks to be in the log", || {
            let heads = LogReader::open_once(&live.log()).ok().map(|log| *log.heads());
            let reached = heads.and_then(|heads| Some((heads.l1?.block.0, heads.l2?.block.0)));
            if reached >= Some((l1, l2)) { Ok(()) } else { Err(format!("{reached:?}, not {:?}", (l1, l2))) }
        });
    };
    reaches(20_220_000, 2_000);
    for step in 1..=3 {
        live.node.set_heads(20_220_000 + step, 2_000 + step * 7);
        reaches(20_220_000 + step, 2_000 + step * 7);
    }
    process.terminate();
    let (status, out, err) = process.end();
    assert!(status.success(), "{err}");
    assert!(err.contains("stopping"), "{err}");
    let digest = recorded_digest("small-a", Some(20_220_003), Some(2_021));
    assert!(out.contains(&format!("head digest {digest}")), "{out}");
    let (l1, l2) = live.node.last_blocks();
    live.node.set_heads(l1, l2);
    let (status, _, err) = live.ingest(&[]);
    assert_eq!(status, 0, "{err}");
    assert_eq!(verified_digest(&live.log()), recorded_digest("small-a", None, None));
}

/// An ingest in a program of somebody else's, whose runtime has one thread: the log is worked on elsewhere.
#[test]
fn a_runtime_of_one_thread_is_enough() {
    let live = Live::start("small-a", &Options::default());
    let endpoints =
        |url: String| Endpoints { urls: vec![url], timeout: Duration::from_mins(5), rounds_max: 10 };
    let network = live.dir.path().join("network.toml");
    let options = LiveOptions {
        network: Network::load(network.to_str().unwrap()).unwrap(),
        l1: endpoints(live.node.l1_url()),
        l2: endpoints(live.node.l2_url()),
        log: live.log(),
        limits: Limits::default(),
        l1_finality: Finality::Confirmations(0),
        l2_confirmations: 0,
        follow: false,
        poll: Duration::from_secs(1),
        state_check: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let metrics = Metrics::new();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let ingested = runtime.block_on(ingest_live(&options, &metrics, stopped)).unwrap().unwrap();
    assert_eq!(ingested.head_digest.to_string(), head_digest("small-a"));
    // Told to stop before anything is there, it leaves the log as it is.
    let (stop, stopped) = tokio::sync::watch::channel(false);
    stop.send_replace(true);
    let again = runtime.block_on(ingest_live(&options, &metrics, stopped)).unwrap();
    assert!(again.is_none_or(|again| again.head_digest == ingested.head_digest));
    verify(&LogReader::open(&live.log()).unwrap()).unwrap();
}
