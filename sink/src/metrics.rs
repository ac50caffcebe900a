//! What a sink counts, as Prometheus metrics under names that begin with `tally_sink`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tally_wire::Policy;
use tokio::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPolicy {
    policy: String,
    version: u64,
}

impl From<&Policy> for OfPolicy {
    fn from(policy: &Policy) -> Self {
        Self { policy: policy.name.clone(), version: policy.version.into() }
    }
}

/// The metrics of a sink. Cloning shares them.
#[derive(Clone, Debug)]
pub struct SinkMetrics {
    registry: Arc<Registry>,
    facts: Family<OfPolicy, Counter>,
    rollbacks: Family<OfPolicy, Counter>,
    lag_facts: Family<OfPolicy, Gauge>,
    sequence: Family<OfPolicy, Gauge>,
    lag_secs: Gauge<f64, AtomicU64>,
    transaction_secs: Histogram,
    retries: Counter,
    comparisons: Family<OfPolicy, Counter>,
    /// Since when not everything that the source tells is in the tables, as far as is known; `None` if everything is.
    behind_since: Arc<Mutex<Option<Instant>>>,
}

impl Default for SinkMetrics {
    fn default() -> Self {
        // From a millisecond to ten minutes, which an epoch's ledger by block may take on a slow disk.
        let buckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 20.0, 60.0, 600.0];
        let (facts, rollbacks) = (Family::default(), Family::default());
        let (lag_facts, sequence): (Family<OfPolicy, Gauge>, _) = (Family::default(), Family::default());
        let (lag_secs, transaction_secs) = (Gauge::default(), Histogram::new(buckets));
        let (retries, comparisons): (_, Family<OfPolicy, Counter>) = (Counter::default(), Family::default());
        let mut r = Registry::with_prefix("tally_sink");
        r.register("facts", "Facts that were written", Family::clone(&facts));
        r.register("rollbacks", "Rollbacks that were written", Family::clone(&rollbacks));
        r.register("lag_facts", "Facts that the source tells and the tables do not have", lag_facts.clone());
        r.register(
            "sequence",
            "The sequence number of the last fact in the tables",
            Family::clone(&sequence),
        );
        let help = "Seconds since the tables had everything that the source tells; 0 if they have it";
        r.register_with_unit("lag", help, Unit::Seconds, lag_secs.clone());
        let help = "Seconds that the transaction of a page took";
        r.register_with_unit("transaction", help, Unit::Seconds, transaction_secs.clone());
        r.register("retries", "Times that something was tried again after an outage", retries.clone());
        r.register("comparisons", "Times that all sums were those of the source", comparisons.clone());
        let behind_since = Arc::new(Mutex::new(Some(Instant::now())));
        Self {
            registry: Arc::new(r),
            facts,
            rollbacks,
            lag_facts,
            sequence,
            lag_secs,
            transaction_secs,
            retries,
            comparisons,
            behind_since,
        }
    }
}

impl SinkMetrics {
    /// All of them, in the text format that Prometheus reads.
    pub fn text(&self) -> String {
        let since = *self.behind_since.lock().unwrap_or_else(PoisonError::into_inner);
        self.lag_secs.set(since.map_or(0.0, |since| since.elapsed().as_secs_f64()));
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string does not fail");
        text
    }

    /// A policy is about to be followed: its counters begin at 0, since a graph would miss the first of them otherwise.
    pub(crate) fn expect(&self, policy: &Policy) {
        let label = OfPolicy::from(policy);
        drop((self.facts.get_or_create(&label), self.rollbacks.get_or_create(&label)));
        drop(self.comparisons.get_or_create(&label));
    }

    /// A page was written.
    pub(crate) fn wrote(&self, policy: &Policy, facts: u64, rollbacks: u64, took: Duration) {
        let label = OfPolicy::from(policy);
        self.facts.get_or_create(&label).inc_by(facts);
        self.rollbacks.get_or_create(&label).inc_by(rollbacks);
        self.transaction_secs.observe(took.as_secs_f64());
    }

    /// The tables are so far, and lack so many facts of those that the source tells.
    pub(crate) fn stands(&self, policy: &Policy, sequence: u64, lag_facts: u64) {
        let (label, gauge) = (OfPolicy::from(policy), |value| i64::try_from(value).unwrap_or(i64::MAX));
        self.sequence.get_or_create(&label).set(gauge(sequence));
        self.lag_facts.get_or_create(&label).set(gauge(lag_facts));
    }

    /// Whether everything that the source tells is in the tables.
    pub(crate) fn set_up_to_date(&self, is_up_to_date: bool) {
        let mut since = self.behind_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if is_up_to_date { None } else { since.or_else(|| Some(Instant::now())) };
    }

    pub(crate) fn retried(&self) {
        self.retries.inc();
    }

    pub(crate) fn compared(&self, policy: &Policy) {
        self.comparisons.get_or_create(&OfPolicy::from(policy)).inc();
    }
}
