//! Whether answers are up to date.

use crate::view::View;
use std::sync::Mutex;
use std::time::Duration;
use tally_eventlog::Chain;
use tally_ingest::{Metrics, Progress};
use tally_wire::{ChainHead, Ingesting};
use tokio::time::Instant;

/// What the tasks say of themselves.
pub(crate) struct Health {
    /// The chains that are followed; `None` if they are not.
    ingest: Option<Metrics>,
    /// How far the log may be behind them.
    lag_secs_max: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the ingest failed, until it has written something since.
    ingest_failed: Option<Instant>,
    /// Whether the last fold failed.
    fold_failed: bool,
}

impl Health {
    pub(crate) fn new(ingest: Option<Metrics>, lag_secs_max: u64) -> Self {
        Self { ingest, lag_secs_max, state: Mutex::default() }
    }

    pub(crate) fn set_ingest_failed(&self) {
        self.with(|state| state.ingest_failed = Some(Instant::now()));
    }

    /// The ingest has written something then.
    pub(crate) fn ingest_works(&self, at: Option<Instant>) {
        self.with(|state| state.ingest_failed = state.ingest_failed.filter(|failed| at < Some(*failed)));
    }

    pub(crate) fn set_fold_failed(&self, has_failed: bool) {
        self.with(|state| state.fold_failed = has_failed);
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        // Whoever held it only ever sets a field.
        f(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Why answers of `view` are not up to date; `None` if they are.
    pub(crate) fn not_ready(&self, view: Option<&View>) -> Option<String> {
        let failed = self.with(|state| {
            let ingest = state.ingest_failed.map(|_| "the ingest failed, and is tried again");
            state.fold_failed.then_some("the log cannot be folded").or(ingest)
        });
        if let Some(failed) = failed {
            return Some(failed.into());
        }
        let Some(view) = view else {
            return Some("nothing is folded yet".into());
        };
        let (metrics, heads) = (self.ingest.as_ref()?, view.log.heads());
        let l1 = heads.l1.map(|head| head.block.0);
        let l2 = heads.l2.map(|head| head.block.0);
        [(Chain::L1, metrics.l1(), l1), (Chain::L2, metrics.l2(), l2)].into_iter().find_map(
            |(chain, progress, folded)| {
                let max = self.lag_secs_max;
                let Some(ago) = progress.heard_ago() else {
                    return Some(format!("no endpoint has told of {chain} yet"));
                };
                let Some(lag) = progress.lag_secs() else {
                    return Some(format!("nothing of {chain} is in the log yet"));
                };
                if ago > Duration::from_secs(max) {
                    let secs = ago.as_secs();
                    Some(format!("no endpoint has told of {chain} for {secs} s; {max} s are allowed"))
                } else if lag > max {
                    Some(format!("the log is {lag} s behind {chain}; {max} s are allowed"))
                } else if folded < Some(progress.at()) {
                    Some(format!("block {} of {chain} is in the log, and not folded yet", progress.at()))
                } else {
                    None
                }
            },
        )
    }

    /// How the chains are followed; `None` if they are not.
    pub(crate) fn ingesting(&self) -> Option<Ingesting> {
        let metrics = self.ingest.as_ref()?;
        let head = |progress: &Progress| {
            progress.chain_head().map(|(block, timestamp)| ChainHead { block, timestamp })
        };
        Some(Ingesting {
            is_running: self.with(|state| state.ingest_failed.is_none()),
            l1_chain_head: head(metrics.l1()),
            l2_chain_head: head(metrics.l2()),
            l1_lag_secs: metrics.l1().lag_secs(),
            l2_lag_secs: metrics.l2().lag_secs(),
            rollbacks: metrics.rollbacks(),
        })
    }
}
