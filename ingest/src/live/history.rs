//! Whether an endpoint keeps old logs: one that dropped them gives empty lists of them, and the log would
//! lack events without a word.

use crate::error::IngestError;
use crate::fetch::{Filter, logs_of_any, logs_of_one};
use crate::json::ChainLog;
use crate::rpc::{Attempt, Fault, FaultKind, Rpc};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What each endpoint of a chain has to show before it is relied on.
#[derive(Debug)]
pub(crate) struct LogHistory {
    /// What logs are asked for by.
    filters: Vec<Filter>,
    /// The last final block known to have such a log: an endpoint that gives none of it would give none of the
    /// next blocks either.
    has_log: Mutex<Option<u64>>,
}

impl LogHistory {
    pub(crate) fn new(filters: Vec<Filter>) -> Self {
        Self { filters, has_log: Mutex::new(None) }
    }

    /// Finds an endpoint that still has the logs of `block`, in which there is one. Each that is asked
    /// later has to have them too.
    pub(crate) async fn check(&self, rpc: &Rpc, block: u64) -> Result<(), IngestError> {
        self.saw_log_in(Some(block));
        let attempt = move |attempt: Attempt| async move { self.check_endpoint(&attempt).await };
        Ok(rpc.ask(&format!("the logs of block {block}"), attempt).await?)
    }

    /// The last final block known to have a log.
    pub(crate) fn has_log(&self) -> Option<u64> {
        *self.has_log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks an endpoint, once.
    pub(crate) async fn check_endpoint(&self, attempt: &Attempt) -> Result<(), Fault> {
        let Some(block) = self.has_log() else {
            return Ok(());
        };
        let check = async || {
            let of_one = logs_of_one(attempt, &self.filters, None, block, block).await?;
            let is_of_one = of_one.is_some();
            let (logs, _) = match of_one {
                Some(found) => found,
                None => logs_of_any(attempt, &self.filters, block, block).await?,
            };
            if logs.iter().any(|log| self.block_of(log).is_some()) {
                return Ok(());
            }
            let contracts: BTreeSet<_> = self.filters.iter().flat_map(|filter| &filter.addresses).collect();
            let contracts: Vec<String> = contracts.into_iter().map(ToString::to_string).collect();
            let contracts = contracts.join(" or ");
            // Where several nodes answer, another of them may keep them.
            let kind = if is_of_one { FaultKind::Unfit } else { FaultKind::Inconsistent };
            Err(Fault::temporary(
                kind,
                format!(
                    "it gives no log of {contracts} in block {block}, where there has to be one: it does not keep logs \
                 from so long ago, or the network is wrong"
                ),
            ))
        };
        attempt.endpoint.keeps_logs.get_or_try_init(check).await.copied()
    }

    /// Some final blocks were ingested, with these logs, in order.
    pub(crate) fn saw(&self, logs: &[ChainLog]) {
        self.saw_log_in(logs.iter().rev().find_map(|log| self.block_of(log)));
    }

    /// The block of a log, if it is one that is asked for.
    fn block_of(&self, log: &ChainLog) -> Option<u64> {
        let fits = self.filters.iter().any(|filter| filter.fits(&log.address, &log.topics));
        fits.then_some(log.block)
    }

    fn saw_log_in(&self, block: Option<u64>) {
        if block.is_some() {
            *self.has_log.lock().unwrap_or_else(PoisonError::into_inner) = block;
        }
    }
}
