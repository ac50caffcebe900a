//! Whether the contracts' own state is what the log gives. It is not where an endpoint left out an event that
//! nothing else told of.

use crate::contracts::{ContractState, asked};
use crate::error::IngestError;
use crate::fetch::check_stands;
use crate::rpc::{Attempt, Fault, FaultKind, Rpc};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tally_engine::{L1Block, PoolState};
use tally_eventlog::{Chain, LogIdentity, RecentBlock};
use tokio::time::Instant;

/// How many differences an error names.
const TOLD_MAX: usize = 3;

/// How often all endpoints are asked before a difference counts, or before it is told that none tells, and the pause
/// between.
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

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
    ) -> Result<(), IngestError> {
        let Some(StateCheck { every, differences }) = self.check else {
            return Ok(());
        };
        // Before the pool was initialised the contracts hold nothing, and the log what they will begin with.
        let is_due = self.last.is_none_or(|last| last.elapsed() >= every);
        if !is_due || head.number < identity.genesis.batch_block.0 {
            return Ok(());
        }
        let block = head.number;
        let mut looks = 0;
        let (fault, differences) = loop {
            let (fault, found) = match compared(rpc, identity, head, pool, differences).await {
                Ok(()) => {
                    self.last = Some(Instant::now());
                    tracing::info!(
                        chain = Chain::L1.name(),
                        "the contracts' state after block {block} is what the log gives"
                    );
                    return Ok(());
                }
                Err(other) => other,
            };
            looks += 1;
            // A node that keeps no state will not have it in a moment.
            let is_refused = tells_no_state(&fault);
            if looks == LOOKS || found.is_empty() && is_refused {
                break (fault, found);
            }
            tokio::time::sleep(PAUSE).await;
        };
        if differences.is_empty() {
            if tells_no_state(&fault) {
                self.last = Some(Instant::now());
            }
            tracing::warn!(
                chain = Chain::L1.name(),
                "the contracts' state after block {block} was not compared with the log, as no endpoint tells it: {fault}"
            );
            return Ok(());
        }
        let more = differences.len().saturating_sub(TOLD_MAX);
        let mut told: Vec<String> = differences.into_iter().take(TOLD_MAX).collect();
        told.extend((more > 0).then(|| format!("and {more} more")));
        Err(IngestError::OtherState { block, differences: told.join("; "), looks, endpoints: rpc.names() })
    }
}

/// Whether an endpoint does not tell the state, now or in a moment: many keep none.
fn tells_no_state(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Refused | FaultKind::Reverted | FaultKind::Rpc)
}

/// Asks each endpoint in turn for the contracts' state, until one has the log's. Else the last fault, and the differences
/// that were found last.
async fn compared(
    rpc: &Rpc,
    identity: &LogIdentity,
    head: RecentBlock,
    pool: &PoolState,
    differences: fn(&ContractState, &PoolState) -> Vec<String>,
) -> Result<(), (Fault, Vec<String>)> {
    let block = head.number;
    let found = Mutex::new(Vec::new());
    let attempt = |attempt: Attempt| {
        let found = &found;
        async move {
            let state = asked(&attempt, identity, L1Block(block), pool).await?;
            // Of a block that is not final, the state may be of another branch meanwhile.
            if state.block_hash != head.hash {
                return Err(Fault::temporary(FaultKind::Behind, format!("block {block} is another one")));
            }
            check_stands(&attempt, block, head.hash).await?;
            let differences = differences(&state, pool);
            let Some(first) = differences.first() else {
                return Ok(());
            };
            let fault = Fault::inconsistent(first.clone());
            *found.lock().unwrap_or_else(PoisonError::into_inner) = differences;
            Err(fault)
        }
    };
    let told = rpc.once("the contracts' state", attempt).await;
    told.map_err(|fault| (fault, found.into_inner().unwrap_or_else(PoisonError::into_inner)))
}
