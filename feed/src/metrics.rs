//! What a server counts, as Prometheus metrics.

use crate::view::View;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::path::Path;
use std::time::Duration;
use tally_eventlog::{Chain, LogView};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPolicy {
    policy: String,
    version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfChain {
    chain: &'static str,
}

/// The metrics of folding the log and of the feeds.
#[derive(Clone, Debug)]
pub(crate) struct FeedMetrics {
    streams: Gauge,
    fold_secs: Histogram,
    fold_failures: Counter,
    ingest_failures: Counter,
    log_bytes: Gauge,
    log_block: Family<OfChain, Gauge>,
    final_block: Family<OfChain, Gauge>,
    horizon_block: Family<OfPolicy, Gauge>,
    horizon_timestamp: Family<OfPolicy, Gauge>,
    sequence: Family<OfPolicy, Gauge>,
    rollbacks: Family<OfPolicy, Counter>,
    ready: Gauge,
}

impl Default for FeedMetrics {
    fn default() -> Self {
        // From a millisecond to a minute.
        let buckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 60.0];
        Self {
            streams: Gauge::default(),
            fold_secs: Histogram::new(buckets),
            fold_failures: Counter::default(),
            ingest_failures: Counter::default(),
            log_bytes: Gauge::default(),
            log_block: Family::default(),
            final_block: Family::default(),
            horizon_block: Family::default(),
            horizon_timestamp: Family::default(),
            sequence: Family::default(),
            rollbacks: Family::default(),
            ready: Gauge::default(),
        }
    }
}

/// Counts as one for as long as it is there.
pub(crate) struct Gauged(Gauge);

impl Drop for Gauged {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl FeedMetrics {
    /// Puts them into a registry, whose prefix is the caller's.
    pub(crate) fn register(&self, r: &mut Registry) {
        r.register("streams", "Readers that follow the feed as a stream", self.streams.clone());
        let (name, help) = ("fold", "Seconds from a commit of the log to its being served");
        r.register_with_unit(name, help, Unit::Seconds, self.fold_secs.clone());
        r.register("fold_failures", "Times that the log could not be folded", self.fold_failures.clone());
        r.register(
            "ingest_failures",
            "Times that the ingest ended with an error",
            self.ingest_failures.clone(),
        );
        let (name, help) = ("log", "Bytes of the log's files");
        r.register_with_unit(name, help, Unit::Bytes, self.log_bytes.clone());
        r.register("log_block", "The last block that is served, by chain", self.log_block.clone());
        r.register("final_block", "The last block that no reorg can take back", self.final_block.clone());
        r.register("horizon_block", "The last L2 block that is folded", self.horizon_block.clone());
        let (name, help) = ("horizon_timestamp", "Its timestamp");
        r.register_with_unit(name, help, Unit::Seconds, self.horizon_timestamp.clone());
        r.register("sequence", "The sequence number of the feed's last fact", self.sequence.clone());
        r.register("rollbacks", "Rollbacks in the feed, since its beginning", self.rollbacks.clone());
        r.register("ready", "Whether answers are up to date, as /readyz says", self.ready.clone());
    }

    pub(crate) fn stream(&self) -> Gauged {
        self.streams.inc();
        Gauged(self.streams.clone())
    }

    pub(crate) fn fold_failed(&self) {
        self.fold_failures.inc();
    }

    pub(crate) fn ingest_failed(&self) {
        self.ingest_failures.inc();
    }

    pub(crate) fn set_ready(&self, is_ready: bool) {
        self.ready.set(i64::from(is_ready));
    }

    /// What was folded, and how long it took. `rollbacks` are those of each policy's feed.
    pub(crate) fn folded(&self, view: &View, took: Duration, rollbacks: &[usize]) {
        self.fold_secs.observe(took.as_secs_f64());
        if let Ok(bytes) = files_bytes(view.log.path()) {
            self.log_bytes.set(gauge(bytes));
        }
        for (family, reach) in [(&self.log_block, view.log.reach()), (&self.final_block, view.final_reach)] {
            let (l1, l2) = (reach.l1.map(|head| head.block.0), reach.l2.map(|head| head.block.0));
            for (chain, block) in [(Chain::L1, l1), (Chain::L2, l2)] {
                if let Some(block) = block {
                    family.get_or_create(&OfChain { chain: chain.name() }).set(gauge(block));
                }
            }
        }
        for (policy, rollbacks) in view.policies.iter().zip(rollbacks) {
            let served = &policy.replayed.policy;
            let label = OfPolicy { policy: served.name().into(), version: served.version().into() };
            if let Some(horizon) = policy.at.horizon {
                self.horizon_block.get_or_create(&label).set(gauge(horizon.l2_block));
                self.horizon_timestamp.get_or_create(&label).set(gauge(horizon.timestamp));
            }
            self.sequence.get_or_create(&label).set(gauge(policy.feed.last()));
            let counted = self.rollbacks.get_or_create(&label);
            let rollbacks = u64::try_from(*rollbacks).unwrap_or(u64::MAX);
            counted.inc_by(rollbacks.saturating_sub(counted.get()));
        }
    }
}

/// What the files of a directory take.
fn files_bytes(directory: &Path) -> std::io::Result<u64> {
    let mut bytes = 0_u64;
    for entry in std::fs::read_dir(directory)? {
        // One that has gone since takes nothing.
        if let Ok(found) = entry?.metadata()
            && found.is_file()
        {
            bytes = bytes.saturating_add(found.len());
        }
    }
    Ok(bytes)
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
