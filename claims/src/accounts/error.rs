//! What can go wrong with accounts and statements.

use tally_engine::{AmountError, L1Block, PoolError, SequencerId, UnixTime};
use tally_eventlog::LogError;
use tally_replay::{ReplayError, Stop};

/// Accounts that cannot be given. There are no partial ones.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The log cannot be read or folded.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The contracts' state cannot take a record.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// An amount that does not fit, or is taken from less.
    #[error("{what} of sequencer {sequencer}: {error}")]
    Amount {
        /// The amount that was being computed.
        what: &'static str,
        /// The sequencer whose sum it is.
        sequencer: SequencerId,
        /// Why it cannot be.
        error: AmountError,
    },
    /// A sum over sequencers that does not fit.
    #[error("{what} of all sequencers: {error}")]
    Total {
        /// The amount that was being computed.
        what: &'static str,
        /// Why it cannot be.
        error: AmountError,
    },
    /// Two ways to the same amount give different ones.
    #[error("{what} of {whose}: {expected} wei, but {found} wei by the movements")]
    Unbalanced {
        /// What does not balance.
        what: &'static str,
        /// Of which sequencer or account.
        whose: String,
        /// What the contracts' state or the policy's ledger says.
        expected: String,
        /// What the movements add up to.
        found: String,
    },
    /// The log does not reach the time asked for.
    #[error(
        "time {asked} is asked for, but the log holds L1 up to time {l1} and L2 up to time {l2}: what happened by \
         then is not known yet"
    )]
    BeyondLog {
        /// The time that was asked for.
        asked: UnixTime,
        /// That of the last L1 block, or "none".
        l1: String,
        /// That of the last L2 block, or "none".
        l2: String,
    },
    /// A policy's ledger does not reach the time asked for.
    #[error("time {asked} is asked for, but policy {policy} can be folded up to time {horizon} only: {stop}")]
    BeyondHorizon {
        /// The time that was asked for.
        asked: UnixTime,
        /// The name of the policy.
        policy: String,
        /// That of the last block that can be folded, or "none".
        horizon: String,
        /// Why its replay goes no further.
        stop: Stop,
    },
    /// A statement that ends before it begins.
    #[error("a statement from time {from} to time {to} is asked for, which ends before it begins")]
    Backwards {
        /// The first second of the range.
        from: UnixTime,
        /// The second after its last.
        to: UnixTime,
    },
    /// No sequencer has this id.
    #[error("sequencer {asked} is asked for, but up to L1 block {block} there are {known}, from 1 on")]
    UnknownSequencer {
        /// The sequencer that was asked for.
        asked: SequencerId,
        /// The last L1 block looked at.
        block: L1Block,
        /// How many there are.
        known: usize,
    },
    /// An exit that ends before it begins.
    #[error(
        "sequencer {sequencer} left at time {since}, but its stake is free at time {free_at}, before that"
    )]
    ExitBackwards {
        /// The sequencer that is leaving.
        sequencer: SequencerId,
        /// When the exit began.
        since: UnixTime,
        /// When the stake becomes free.
        free_at: UnixTime,
    },
    /// An epoch that ends after the last second there is.
    #[error("epoch {epoch} of policy {policy} ends after time {last}")]
    EpochEnd {
        /// The index of the epoch.
        epoch: u64,
        /// The name of the policy.
        policy: String,
        /// The last second that a number of 64 bits holds.
        last: u64,
    },
}

impl From<LogError> for AccountsError {
    fn from(error: LogError) -> Self {
        Self::Replay(error.into())
    }
}
