//! What an ingest counts, for whoever watches it: as Prometheus metrics, and as progress.

use crate::rpc::FaultKind;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tally_eventlog::Chain;
use tokio::sync::watch;
use tokio::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfChain {
    chain: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMethod {
    chain: &'static str,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    chain: &'static str,
    kind: &'static str,
}

impl From<Chain> for OfChain {
    fn from(chain: Chain) -> Self {
        Self { chain: chain.name() }
    }
}

/// The metrics of an ingest, of both chains.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    requests: Family<OfMethod, Counter>,
    retries: Family<OfChain, Counter>,
    faults: Family<OfKind, Counter>,
    received_bytes: Family<OfChain, Gauge>,
    chain_head: Family<OfChain, Gauge>,
    log_head: Family<OfChain, Gauge>,
    lag_blocks: Family<OfChain, Gauge>,
    lag_secs: Family<OfChain, Gauge>,
    rollbacks: Family<OfChain, Counter>,
    commits: Counter,
    warnings: Counter,
    /// When the first commit was that nobody has taken note of, for who waits for the next.
    committed: watch::Sender<Option<Instant>>,
    l1: Arc<Progress>,
    l2: Arc<Progress>,
}

/// How far a chain is ingested.
#[derive(Debug, Default)]
pub struct Progress {
    /// The block it began after, the last in the log, and the last that is to come.
    from: AtomicU64,
    at: AtomicU64,
    to: AtomicU64,
    timestamp: AtomicU64,
    /// The chain's head and its timestamp, once told.
    head: AtomicU64,
    head_timestamp: AtomicU64,
    /// When it was told.
    heard: Mutex<Option<Instant>>,
}

impl Progress {
    /// The block that the log ended at when the ingest began.
    pub fn from(&self) -> u64 {
        self.from.load(Ordering::Relaxed)
    }

    /// The last block in the log.
    pub fn at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }

    /// The last block that is to be in the log as the chain stands.
    pub fn to(&self) -> u64 {
        self.to.load(Ordering::Relaxed)
    }

    /// The newest block that an endpoint told of, and its timestamp; `None` before one has.
    pub fn chain_head(&self) -> Option<(u64, u64)> {
        let head = self.head.load(Ordering::Relaxed);
        (head > 0).then(|| (head, self.head_timestamp.load(Ordering::Relaxed)))
    }

    /// How many seconds the last block in the log is older than the chain's head; `None` before both are known.
    pub fn lag_secs(&self) -> Option<u64> {
        let (_, head_timestamp) = self.chain_head()?;
        let timestamp = self.timestamp.load(Ordering::Relaxed);
        (timestamp > 0).then(|| head_timestamp.saturating_sub(timestamp))
    }

    /// How long ago an endpoint told of the chain's head; `None` before one has.
    pub fn heard_ago(&self) -> Option<Duration> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).map(|heard| heard.elapsed())
    }
}

impl Metrics {
    /// Metrics that are all 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// A registry of them, under names that begin with `tally_ingest`.
    pub fn registry(&self) -> Registry {
        // What is counted is 0 from the beginning on, or a graph would miss the first time.
        for chain in Chain::ALL {
            let label = OfChain::from(chain);
            drop((self.retries.get_or_create(&label), self.rollbacks.get_or_create(&label)));
            for kind in FaultKind::ALL {
                drop(self.faults.get_or_create(&OfKind { chain: chain.name(), kind: kind.name() }));
            }
        }
        let mut registry = Registry::with_prefix("tally_ingest");
        let r = &mut registry;
        r.register("rpc_calls", "JSON-RPC calls made, by chain and method", self.requests.clone());
        r.register("rpc_retries", "Rounds over all endpoints that had to be repeated", self.retries.clone());
        r.register("rpc_errors", "Attempts that failed, by chain and kind", self.faults.clone());
        let (name, help) = ("rpc_received", "Bytes of answers, unpacked, since the start");
        r.register_with_unit(name, help, Unit::Bytes, self.received_bytes.clone());
        r.register("chain_head_block", "The newest block that an endpoint told of", self.chain_head.clone());
        r.register("log_head_block", "The last block in the log", self.log_head.clone());
        r.register("lag_blocks", "Blocks between the two", self.lag_blocks.clone());
        let (name, help) = ("lag", "Seconds between their timestamps");
        r.register_with_unit(name, help, Unit::Seconds, self.lag_secs.clone());
        r.register("rollbacks", "Times that a reorg took blocks out of the log", self.rollbacks.clone());
        r.register("commits", "Batches written to the log", self.commits.clone());
        r.register(
            "warnings",
            "Claims of the chain that do not add up, and logs left out",
            self.warnings.clone(),
        );
        registry
    }

    /// How far L1 is.
    pub fn l1(&self) -> &Progress {
        &self.l1
    }

    /// How far L2 is.
    pub fn l2(&self) -> &Progress {
        &self.l2
    }

    pub(crate) fn chain(&self, chain: Chain) -> ChainMetrics {
        ChainMetrics { chain, all: self.clone() }
    }

    /// How many times a reorg took blocks out of the log.
    pub fn rollbacks(&self) -> u64 {
        Chain::ALL.iter().map(|chain| self.rollbacks.get_or_create(&(*chain).into()).get()).sum()
    }

    /// When the first commit was since this was last asked; `None` if there was none.
    pub fn take_commit(&self) -> Option<Instant> {
        let mut taken = None;
        self.committed.send_if_modified(|since| {
            taken = since.take();
            false
        });
        taken
    }

    /// Changes with every commit.
    pub fn committed(&self) -> watch::Receiver<Option<Instant>> {
        self.committed.subscribe()
    }

    pub(crate) fn commit(&self) {
        self.commits.inc();
        self.committed.send_modify(|since| {
            since.get_or_insert_with(Instant::now);
        });
    }

    pub(crate) fn warning(&self) {
        self.warnings.inc();
    }
}

/// The metrics of one chain.
#[derive(Clone, Debug)]
pub(crate) struct ChainMetrics {
    chain: Chain,
    all: Metrics,
}

impl ChainMetrics {
    fn label(&self) -> OfChain {
        self.chain.into()
    }

    fn progress(&self) -> &Progress {
        match self.chain {
            Chain::L1 => &self.all.l1,
            Chain::L2 => &self.all.l2,
        }
    }

    pub(crate) fn requests(&self, method: &'static str, count: u64) {
        self.all.requests.get_or_create(&OfMethod { chain: self.chain.name(), method }).inc_by(count);
    }

    pub(crate) fn retry(&self) {
        self.all.retries.get_or_create(&self.label()).inc();
    }

    pub(crate) fn fault(&self, kind: FaultKind) {
        self.all.faults.get_or_create(&OfKind { chain: self.chain.name(), kind: kind.name() }).inc();
    }

    pub(crate) fn received_bytes(&self, endpoints: impl Iterator<Item = u64>) {
        let bytes = endpoints.fold(0, u64::saturating_add);
        self.all.received_bytes.get_or_create(&self.label()).set(gauge(bytes));
    }

    pub(crate) fn rollback(&self) {
        self.all.rollbacks.get_or_create(&self.label()).inc();
    }

    /// The ingest begins after this block.
    pub(crate) fn begins_after(&self, block: u64, timestamp: u64) {
        self.progress().from.store(block, Ordering::Relaxed);
        self.log_reaches(block, timestamp);
    }

    /// What an endpoint says of the chain's head, and up to where the log is to go.
    pub(crate) fn chain_reaches(&self, head: u64, timestamp: u64, to: u64) {
        let progress = self.progress();
        progress.to.store(to, Ordering::Relaxed);
        self.all.chain_head.get_or_create(&self.label()).set(gauge(head));
        progress.head.store(head, Ordering::Relaxed);
        progress.head_timestamp.store(timestamp, Ordering::Relaxed);
        *progress.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.lags();
    }

    /// Tells the lag anew: either end has moved.
    fn lags(&self) {
        let progress = self.progress();
        let head = progress.head.load(Ordering::Relaxed);
        if head == 0 {
            return;
        }
        self.all.lag_blocks.get_or_create(&self.label()).set(gauge(head.saturating_sub(progress.at())));
        let (timestamp, time) =
            (progress.head_timestamp.load(Ordering::Relaxed), progress.timestamp.load(Ordering::Relaxed));
        if time > 0 {
            self.all.lag_secs.get_or_create(&self.label()).set(gauge(timestamp.saturating_sub(time)));
        }
    }

    /// The last block in the log.
    pub(crate) fn log_reaches(&self, block: u64, timestamp: u64) {
        self.progress().at.store(block, Ordering::Relaxed);
        self.progress().timestamp.store(timestamp, Ordering::Relaxed);
        self.all.log_head.get_or_create(&self.label()).set(gauge(block));
        self.lags();
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// While a long chain is caught up with, its head is looked at once, and the log moves on.
    #[test]
    fn the_lag_shrinks_as_the_log_moves_on() {
        let metrics = Metrics::new();
        let chain = metrics.chain(Chain::L1);
        let has = |lines: [&str; 2]| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &metrics.registry()).expect("is written");
            assert!(lines.iter().all(|line| text.contains(line)), "{text}");
        };
        chain.begins_after(10, 100);
        chain.chain_reaches(1_000, 10_000, 990);
        let lines = ["lag_blocks{chain=\"L1\"} 990\n", "lag_seconds{chain=\"L1\"} 9900\n"];
        has(lines);
        chain.log_reaches(990, 9_900);
        has(["lag_blocks{chain=\"L1\"} 10\n", "lag_seconds{chain=\"L1\"} 100\n"]);
    }
}
