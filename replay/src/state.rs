//! The contracts' state at an L1 block, from the log alone.

use crate::error::ReplayError;
use tally_engine::{Discrepancy, L1Block, PoolState};
use tally_eventlog::LogView;

/// The contracts' state after an L1 block.
#[derive(Clone, Debug)]
pub struct StateAt {
    /// Which block; `None` in a log without L1.
    pub block: Option<L1Block>,
    /// The state of both contracts.
    pub pool: PoolState,
    /// Where records claim what the records before them do not add up to.
    pub discrepancies: Vec<Discrepancy>,
}

/// Plays the log's records up to and including L1 block `at` (all, for `None`).
///
/// # Errors
///
/// [`ReplayError::L1OutOfRange`] if the log does not hold that block, and if it cannot be read.
pub fn state_at<L: LogView>(log: &L, at: Option<L1Block>) -> Result<StateAt, ReplayError> {
    at.map_or(Ok(()), |asked| check_l1_block(log, asked))?;
    let head = log.reach().l1.map(|head| head.block);
    let mut pool = PoolState::new(&log.identity().genesis);
    let mut discrepancies = Vec::new();
    for record in log.l1_records()?.iter().take_while(|record| at.is_none_or(|at| record.block <= at)) {
        discrepancies.extend(pool.apply(record)?);
    }
    Ok(StateAt { block: at.or(head), pool, discrepancies })
}

/// Fails unless the log holds the L1 block `asked`.
///
/// # Errors
///
/// [`ReplayError::L1OutOfRange`], which says what it holds.
pub fn check_l1_block<L: LogView>(log: &L, asked: L1Block) -> Result<(), ReplayError> {
    let (first, head) = (log.identity().l1_first_block, log.reach().l1.map(|head| head.block));
    if asked >= first && head.is_some_and(|head| asked <= head) {
        return Ok(());
    }
    let last = head.map_or("none".into(), |head| head.to_string());
    Err(ReplayError::L1OutOfRange { asked, first, last })
}
