//! Whether the contracts' own state is what the log gives. It is not where an endpoint left out an event that
//! nothing else told of.

use super::error::LiveError;
use super::fetch::headers;
use crate::contracts::{ContractState, asked};
use crate::rpc::{Attempt, Fault, FaultKind, Rpc};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tally_engine::{L1Block, PoolState};
use tally_eventlog::{LogIdentity, RecentBlock};
use tokio::time::Instant;

/// How many differences an error names.
const TOLD_MAX: usize = 3;

/// How the log is compared with the contracts' own state: when an ingest has first come to the end of L1, and now and
/// then while it follows.
#[derive(Clone, Copy, Debug)]
pub struct StateCheck {
    /// How long after one comparison the next is due.
    pub every: Duration,
    /// Each field in which the two differ, in words, with both values.
    pub differences: fn(&ContractState, &PoolState) -> Vec<String>,
}

/// A check, and when it is due.
pub(crate) struct StateChecks {
    check: Option<StateCheck>,
    last: Option<Instant>,
}

impl StateChecks {
    pub(crate) fn new(check: Option<StateCheck>) -> Self {
        Self { check, last: None }
    }

    /// Compares `pool`, the contracts' state after the log's last L1 block by the log, with their own, if that is due.
    /// Where no endpoint tells of their state, as many keep none, that is told, and no error.
    pub(crate) async fn check(
        &mut self,
        rpc: &Rpc,
        identity: &LogIdentity,
        head: RecentBlock,
        pool: &PoolState,
    ) -> Result<(), LiveError> {
        let Some(StateCheck { every, differences }) = self.check else {
            return Ok(());
        };
        if self.last.is_some_and(|last| last.elapsed() < every) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        let block = head.number;
        let found = Mutex::new(Vec::new());
        let attempt = |attempt: Attempt| {
            let found = &found;
            async move {
                let state = asked(&attempt, identity, L1Block(block), pool).await?;
                let now = headers(&attempt, &[block]).await?;
                // Of a block that is not final, the state may be of another branch meanwhile.
                if state.block_hash != head.hash || now.first().is_none_or(|now| now.hash != head.hash) {
                    return Err(Fault::temporary(FaultKind::Behind, format!("block {block} is another one")));
                }
                let differences = differences(&state, pool);
                let Some(first) = differences.first() else {
                    return Ok(());
                };
                let fault = Fault::inconsistent(first.clone());
                *found.lock().unwrap_or_else(PoisonError::into_inner) = differences;
                Err(fault)
            }
        };
        let fault = match rpc.once("the contracts' state", attempt).await {
            Ok(()) => {
                tracing::info!(
                    chain = "L1",
                    "the contracts' state after block {block} is what the log gives"
                );
                return Ok(());
            }
            Err(fault) => fault,
        };
        let mut differences = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if differences.is_empty() {
            tracing::info!(
                chain = "L1",
                "the contracts' state after block {block} was not compared with the log, as no endpoint tells it: {fault}"
            );
            return Ok(());
        }
        let more = differences.len().saturating_sub(TOLD_MAX);
        differences.truncate(TOLD_MAX);
        if more > 0 {
            differences.push(format!("and {more} more"));
        }
        let (differences, endpoints) = (differences.join("; "), rpc.endpoints());
        Err(LiveError::OtherState { block, differences, endpoints })
    }
}
