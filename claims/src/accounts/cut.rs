//! Up to when accounts go.

use crate::error::ClaimsError;
use tally_engine::{L1Block, L1Record, Policy, UnixTime};
use tally_eventlog::LogView;
use tally_replay::{ReplayOptions, Replayed, Stop, check_l1_block, last_block_by, replay};

/// Up to when the accounts go, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Everything in the log.
    End,
    /// The records of L1 up to and including this block. Policies go up to its time, as far as L2 does.
    L1Block(L1Block),
    /// Records of L1 and blocks of L2 up to and including this second.
    Time(UnixTime),
}

/// Up to when accounts go, as far as the log can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// The L1 block asked for, or else the last that the log knows of by then. `None` if it knows none.
    pub l1_block: Option<L1Block>,
    /// How far policies go.
    pub until: Until,
}

/// How far policies go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Up to their horizon.
    Horizon,
    /// Up to the last L2 block at or before this time.
    Time(UnixTime),
    /// To no block: the log knows of nothing that had happened by then.
    Nothing,
}

impl Until {
    /// The last second, if there is one.
    pub const fn time(self) -> Option<UnixTime> {
        match self {
            Self::Time(time) => Some(time),
            Self::Horizon | Self::Nothing => None,
        }
    }
}

/// The records of L1 up to `cut`, and how far that is. The log keeps the times of L1 blocks with records and of the
/// last one, so the time of an L1 block is that of the last such at or before it.
pub(crate) fn records_by<L: LogView>(log: &L, cut: Cut) -> Result<(AsOf, Vec<L1Record>), ClaimsError> {
    let head = log.reach().l1;
    let mut records = log.l1_records()?;
    let as_of = match cut {
        Cut::End => AsOf { l1_block: head.map(|head| head.block), until: Until::Horizon },
        Cut::L1Block(asked) => {
            check_l1_block(log, asked)?;
            records.truncate(records.partition_point(|record| record.block <= asked));
            let at_head = head.filter(|head| head.block == asked).map(|head| head.timestamp);
            let time = at_head.or_else(|| records.last().map(|record| record.timestamp));
            AsOf { l1_block: Some(asked), until: time.map_or(Until::Nothing, Until::Time) }
        }
        Cut::Time(asked) => {
            if head.is_none_or(|head| asked > head.timestamp) {
                return Err(beyond(log, asked));
            }
            records.truncate(records.partition_point(|record| record.timestamp <= asked));
            let at_head = head.filter(|head| head.timestamp == asked).map(|head| head.block);
            let l1_block = at_head.or_else(|| records.last().map(|record| record.block));
            AsOf { l1_block, until: Until::Time(asked) }
        }
    };
    Ok((as_of, records))
}

fn beyond<L: LogView>(log: &L, asked: UnixTime) -> ClaimsError {
    let heads = log.reach();
    let text = |time: Option<UnixTime>| time.map_or("none".into(), |time| time.to_string());
    ClaimsError::BeyondLog {
        asked,
        l1: text(heads.l1.map(|head| head.timestamp)),
        l2: text(heads.l2.map(|head| head.timestamp)),
    }
}

/// What policies make of the log up to `cut`, as was known then; `None` if that is not a block. A time, unlike an L1
/// block, has to be one that they reach.
pub(crate) fn replayed_by<L: LogView>(
    log: &L,
    as_of: AsOf,
    cut: Cut,
    policies: &[Policy],
    threads: Option<usize>,
) -> Result<Option<Vec<Replayed>>, ClaimsError> {
    let time = match as_of.until {
        Until::Horizon => {
            let options = ReplayOptions { threads, ..ReplayOptions::default() };
            return Ok(Some(replay(log, policies, options)?));
        }
        Until::Nothing => return Ok(None),
        Until::Time(time) => time,
    };
    let is_exact = matches!(cut, Cut::Time(_));
    if is_exact && log.reach().l2.is_none_or(|head| time > head.timestamp) {
        return Err(beyond(log, time));
    }
    let Some(to) = last_block_by(log, time)? else {
        return Ok(None);
    };
    let options = ReplayOptions { to: Some(to), known_by: Some(time), threads, ..ReplayOptions::default() };
    let replayed = replay(log, policies, options)?;
    if let Some(short) = replayed.iter().find(|replayed| !reaches(replayed)).filter(|_| is_exact) {
        let horizon = short.ledger.horizon;
        return Err(ClaimsError::BeyondHorizon {
            asked: time,
            policy: short.policy.name().into(),
            horizon: horizon.map_or("none".into(), |horizon| horizon.timestamp.to_string()),
            stop: short.stop,
        });
    }
    Ok(Some(replayed))
}

/// Whether a replay went as far as it was asked to, or to the last block of the log.
fn reaches(replayed: &Replayed) -> bool {
    match replayed.stop {
        Stop::AsAsked | Stop::LogEnd => true,
        Stop::L1Behind { .. } | Stop::Unsettled { .. } => false,
    }
}
