//! What the tests share: fixtures, logs of them, and the comparison of two ledgers.

use crate::oracle;
use crate::sink::cluster::programs;
use engine::{Attribution, L2Block, Ledger, Policy, Rate};
use num_bigint::BigUint;
use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use tally_eventlog::{LogError, LogReader, LogView};
use tally_ingest::{Limits, ingest_recording};
use tempfile::TempDir;

/// The recordings in `fixtures/`.
pub(crate) const RECORDINGS: [&str; 2] = ["small-a", "pool-a"];

/// The column families of a log.
pub(crate) const FAMILIES: [&str; 10] = [
    "l1_events",
    "span_events",
    "owner_events",
    "signers",
    "l2_chunks",
    "l2_producers",
    "l2_times",
    "l2_index",
    "recent",
    "meta",
];

/// The pinned head digest of a recording's log.
pub(crate) fn head_digest(recording: &str) -> &'static str {
    let of_log = |line: &'static str| {
        line.strip_prefix(recording)?.strip_prefix(" 0x").map(|_| &line[recording.len() + 1..])
    };
    include_str!("digests.txt").lines().find_map(of_log).expect("it is pinned")
}

/// How often something is done: so often in every run, and so often in a long one (`make test-long`).
pub(crate) fn times<T>(every_run: T, long_run: T) -> T {
    if std::env::var_os("TALLY_TEST_LONG").is_some() { long_run } else { every_run }
}

/// Tries until it works. A busy machine is given its time; only what hangs is given up after some minutes.
pub(crate) fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let mut last = String::new();
    for _ in 0..30_000 {
        match attempt() {
            Ok(found) => return found,
            Err(reason) => last = reason,
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("waited for {what} in vain: {last}");
}

/// What some tests need beside cargo.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    DuckDb,
    /// Node.js with what npm installs: an Ethereum node, a Solidity compiler, OpenZeppelin's trees.
    Npm,
    /// Debian's Chromium, and with Node.js what drives it and looks for barriers.
    Browser,
    /// Python with a driver for PostgreSQL and a reader of YAML.
    Payer,
    /// The server of Debian's packages, and `psql`.
    Postgres,
    Python,
    Schemathesis,
    /// What makes clients of an `OpenAPI` document: in Python, and with Node.js in TypeScript.
    Clients,
}

impl Tool {
    /// The interpreter of the scripts that use it.
    pub(crate) fn command(self) -> Command {
        let python = |dir: &str| Command::new(in_tests(dir).join("venv/bin/python"));
        match self {
            Self::DuckDb => python("duckdb"),
            Self::Browser | Self::Npm => Command::new("node"),
            Self::Payer => python("payer"),
            Self::Postgres => Command::new(programs().unwrap_or_default().join("initdb")),
            Self::Python => Command::new("python3"),
            Self::Schemathesis => python("contract"),
            Self::Clients => python("clients"),
        }
    }

    /// Whether a test can use it. Where it is missing, the tests that need it are skipped, and one line says so; in
    /// `make test`, which skips none, they fail.
    pub(crate) fn is_there(self) -> bool {
        static TOLD: Mutex<BTreeSet<Tool>> = Mutex::new(BTreeSet::new());
        let version = self.command().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        let is_installed = match self {
            Self::Browser => {
                in_tests("browser/node_modules").is_dir() && Path::new("/usr/bin/chromium").exists()
            }
            Self::Npm => in_tests("anvil/node_modules").is_dir(),
            Self::Clients => in_tests("clients/node_modules").is_dir(),
            Self::DuckDb | Self::Payer | Self::Postgres | Self::Python | Self::Schemathesis => true,
        };
        if is_installed && version.is_ok_and(|status| status.success()) {
            return true;
        }
        let (tool, remedy) = match self {
            Self::Browser => ("Chromium", "`make browser` installs it"),
            Self::DuckDb => ("DuckDB", "`make duckdb` installs it"),
            Self::Npm => ("Node.js and an Ethereum node", "`make anvil` installs them"),
            Self::Payer => ("psycopg and PyYAML", "`make contract` installs it"),
            Self::Postgres => ("PostgreSQL", "`./scripts/install-deps.sh tests` installs it"),
            Self::Python => ("python3", "`make contract` installs it"),
            Self::Schemathesis => ("schemathesis", "`make contract` installs it"),
            Self::Clients => ("makers of clients", "`make contract` installs them"),
        };
        assert!(std::env::var_os("TALLY_TEST_ALL").is_none(), "without {tool} it cannot run: {remedy}");
        if TOLD.lock().unwrap().insert(self) {
            // By `eprintln!` it would be shown only of tests that fail.
            let line = format!("skipped the tests that need {tool}: {remedy}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        }
        false
    }
}

/// A file or directory in `tests/`.
pub(crate) fn in_tests(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// So many random cases, in every run and in a long one. Their seed is printed with a failure; `PROPTEST_RNG_SEED`
/// sets it.
pub(crate) fn cases(every_run: u32, long_run: u32) -> ProptestConfig {
    let cases = times(every_run, long_run);
    let mut config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(std::hash::RandomState::new().build_hasher().finish());
    }
    println!("PROPTEST_RNG_SEED={}", config.rng_seed);
    config
}

/// The directory of a fixture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

/// The truth of a recording.
pub(crate) fn expected(name: &str) -> Value {
    let text = std::fs::read(fixture(name).join("expected.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// A log of a whole recording, and the directory it lives in.
pub(crate) fn ingested(name: &str) -> (TempDir, LogReader) {
    let dir = tempfile::tempdir().unwrap();
    write_log(name, dir.path());
    let log = LogReader::open(dir.path()).unwrap();
    (dir, log)
}

/// Writes the log of a whole recording to a directory: a copy of what an ingest gave once for all tests.
pub(crate) fn write_log(name: &str, to: &Path) {
    type Files = Vec<(OsString, Vec<u8>)>;
    static LOGS: [OnceLock<Files>; RECORDINGS.len()] = [const { OnceLock::new() }; RECORDINGS.len()];
    let recording = RECORDINGS.iter().position(|known| *known == name).expect("it is a recording");
    let files = LOGS[recording].get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        ingest_recording(&fixture(name), dir.path(), Limits::default()).unwrap();
        let files = std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap);
        files.map(|file| (file.file_name(), std::fs::read(file.path()).unwrap())).collect()
    });
    std::fs::create_dir_all(to).unwrap();
    for (name, bytes) in files {
        std::fs::write(to.join(name), bytes).unwrap();
    }
}

/// Runs the command and returns its status, output and errors.
pub(crate) fn tally(args: &[&str]) -> (u8, String, String) {
    let args = std::iter::once("tally").chain(args.iter().copied()).map(Into::into);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = tally_cli::run(args, &mut out, &mut err);
    (status, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// The engine's policy of the oracle's.
pub(crate) fn engine_policy(policy: &oracle::Policy) -> Policy {
    let allocation = match policy.allocation {
        oracle::Allocation::Flat => "flat",
        oracle::Allocation::StakeWeighted => "stake-weighted",
        oracle::Allocation::OnChain => "on-chain",
    };
    let attribution = match (policy.allocation, policy.attribution) {
        (oracle::Allocation::OnChain, _) | (_, oracle::Attribution::Scheduled) => "scheduled",
        (_, oracle::Attribution::Signed) => "signed",
    };
    let genesis = match policy.genesis {
        oracle::Genesis::FirstLock => "\"first-lock\"".to_owned(),
        oracle::Genesis::FirstPayable => "\"first-payable\"".to_owned(),
        oracle::Genesis::At(time) => time.to_string(),
    };
    let mut text = format!(
        "name = \"random\"\nversion = 1\nallocation = \"{allocation}\"\nattribution = \"{attribution}\"\n\
         cap_wei = \"{}\"\nepoch_secs = {}\ngenesis = {genesis}\ninitial_reward_wei = \"{}\"\n",
        policy.cap, policy.epoch_secs, policy.initial_reward,
    );
    // Keys come before tables.
    if let Some((_, secs)) = policy.practice.seconds.first() {
        text += &format!("rate = \"operators\"\nblock_secs = {secs}\n");
    }
    for (index, (from, numerator, denominator)) in policy.mrr.iter().enumerate() {
        let decimal = decimal(*numerator, *denominator);
        if index == 0 {
            text += &format!("target_mrr = \"{decimal}\"\n");
        } else {
            text += &format!("[[target_mrr_change]]\nfrom = {from}\nmrr = \"{decimal}\"\n");
        }
    }
    text += &practice_text(&policy.practice);
    Policy::from_toml(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What changes of how the operators set the rate, as the tables of a policy file.
fn practice_text(practice: &oracle::Practice) -> String {
    let mut text = String::new();
    for (from, secs) in practice.seconds.iter().skip(1) {
        text += &format!("[[block_secs_change]]\nfrom = {from}\nsecs = {secs}\napproximate = true\n");
    }
    for (from, reward) in &practice.fixed_rewards {
        text += &format!("[[fixed_reward]]\nfrom = {from}\nreward_wei = \"{reward}\"\n");
    }
    text
}

/// A fraction over a power of ten as a decimal.
fn decimal(numerator: u64, denominator: u64) -> String {
    let mut decimals = 0;
    while 10_u64.pow(decimals) < denominator {
        decimals += 1;
    }
    assert_eq!(10_u64.pow(decimals), denominator, "the denominator is a power of ten");
    let (whole, rest) = (numerator / denominator, numerator % denominator);
    format!("{whole}.{rest:0width$}", width = usize::try_from(decimals.max(1)).unwrap())
}

/// The oracle's policy of a built-in one.
pub(crate) fn oracle_policy(name: &str) -> oracle::Policy {
    let policy = Policy::built_in(name).unwrap();
    let big = |value: &dyn ToString| value.to_string().parse::<BigUint>().unwrap();
    oracle::Policy {
        allocation: match policy.allocation() {
            engine::Allocation::Flat => oracle::Allocation::Flat,
            engine::Allocation::StakeWeighted => oracle::Allocation::StakeWeighted,
            engine::Allocation::OnChain => oracle::Allocation::OnChain,
        },
        attribution: match policy.attribution() {
            Attribution::Signed => oracle::Attribution::Signed,
            Attribution::Scheduled => oracle::Attribution::Scheduled,
        },
        cap: big(&policy.cap()),
        epoch_secs: policy.epoch_secs(),
        genesis: match policy.genesis() {
            engine::Genesis::FirstLock => oracle::Genesis::FirstLock,
            engine::Genesis::FirstPayable => oracle::Genesis::FirstPayable,
            engine::Genesis::At(time) => oracle::Genesis::At(time.0),
        },
        initial_reward: big(&policy.initial_reward()),
        mrr: vec![(0, 2, 10)],
        initial_reward_per_block_on_chain: BigUint::from(761_000_000_000_000_u64),
        practice: oracle::Practice::built_in(name),
    }
}

/// The oracle's history of a log.
pub(crate) fn history_of(log: &LogReader) -> oracle::History {
    let mut blocks = Vec::new();
    let signers = log.signers().unwrap();
    let first = log.identity().l2_first_block;
    let last = log.heads().l2.unwrap().block;
    log.scan_verified::<LogError>(first..=last, |header, producers| {
        let codes = producers.to_vec()?;
        log.for_each_times(&[header.first_block], |times| {
            for (number, (code, time)) in (header.first_block.0..).zip(codes.iter().zip(times.iter())) {
                let signer = usize::from(*code).checked_sub(1).map(|index| signers[index]);
                blocks.push(oracle::Block { number, timestamp: time?.0, signed_by: signer });
            }
            Ok(())
        })
    })
    .unwrap();
    oracle::History {
        l1: log.l1_records().unwrap(),
        l1_head_timestamp: log.heads().l1.map_or(0, |head| head.timestamp.0),
        spans: log.span_records().unwrap(),
        blocks,
    }
}

/// Panics unless the engine's ledger says what the oracle's says, number by number.
pub(crate) fn assert_same(ours: &Ledger, theirs: &oracle::Ledger) {
    let big = |value: &dyn ToString| value.to_string().parse::<BigUint>().unwrap();
    assert_eq!(ours.horizon.map(|horizon| (horizon.block.0, horizon.timestamp.0)), theirs.horizon, "horizon");
    assert_eq!(ours.genesis.map(|time| time.0), theirs.genesis, "genesis");
    let unrewarded = ours.unrewarded;
    assert_eq!(
        (
            unrewarded.before_genesis,
            unrewarded.no_producer,
            unrewarded.unknown_signer,
            unrewarded.after_unlock
        ),
        (theirs.before_genesis, theirs.no_producer, theirs.unknown_signer, theirs.after_unlock),
        "unrewarded"
    );
    assert_eq!(ours.epochs.len(), theirs.epochs.len(), "number of epochs");
    for (our, their) in ours.epochs.iter().zip(&theirs.epochs) {
        let epoch = our.epoch.0;
        assert_eq!((epoch, our.start.0), (their.index, their.start), "epoch");
        assert_eq!(big(&our.stake_seconds), their.q, "Q of epoch {epoch}");
        assert_eq!(our.earned.blocks, their.n, "N of epoch {epoch}");
        assert_eq!(big(&our.stake_blocks), their.w, "W of epoch {epoch}");
        let (numerator, denominator) = their.target_mrr;
        assert_eq!(
            big(&our.target.numerator()) * denominator,
            big(&our.target.denominator()) * numerator,
            "target of epoch {epoch}"
        );
        let rows: Vec<_> = our
            .rows
            .iter()
            .map(|row| (row.sequencer.0, (row.earned.blocks, big(&row.earned.reward))))
            .collect();
        assert_eq!(rows, their.rows.clone().into_iter().collect::<Vec<_>>(), "rows of epoch {epoch}");
        for row in &our.rows {
            let theirs = their.q_by_sequencer.get(&row.sequencer.0).cloned().unwrap_or_default();
            assert_eq!(big(&row.stake_seconds), theirs, "Q of sequencer {} in epoch {epoch}", row.sequencer);
        }
        let last = matches!(our.rate, Rate::FromWindow(window) if window.epoch.0 >= epoch);
        assert!(!last, "a rate comes from an earlier epoch");
    }
    let sequencers: Vec<_> = ours
        .sequencers
        .iter()
        .filter(|(_, total)| total.earned.blocks > 0)
        .map(|(id, total)| (id.0, (total.earned.blocks, big(&total.earned.reward))))
        .collect();
    assert_eq!(sequencers, theirs.sequencers.clone().into_iter().collect::<Vec<_>>(), "sequencers");
    assert_eq!(big(&ours.total), theirs.total, "total");
}

/// Some blocks to split a log at.
pub(crate) fn splits(first: u64, last: u64, parts: u64) -> Vec<L2Block> {
    (1..parts).map(|part| L2Block(first + (last - first) * part / parts)).collect()
}
