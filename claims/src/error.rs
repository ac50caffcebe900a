//! What can keep the questions of this crate from being answered.

use crate::credits::{BlockingSigner, blocked};
use std::fmt::Display;
use tally_engine::{
    AmountError, BatchId, EpochIndex, FoldError, L1Block, L2Block, PoolError, SequencerId, SpanId, UnixTime,
    Wei,
};
use tally_eventlog::LogError;
use tally_replay::{ReplayError, Stop};

/// What could not be worked out, and why. There is no partial answer.
#[derive(Debug, thiserror::Error)]
pub enum ClaimsError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A span event does not fit.
    #[error(transparent)]
    Span(#[from] tally_engine::SpanError),
    /// The contracts' state cannot take a record.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// An amount does not fit, or is taken from less.
    #[error("{what}: {error}")]
    Amount {
        /// The amount that was being computed, and whose it is.
        what: String,
        /// The operation that failed, and both values.
        error: AmountError,
    },
    /// Nobody can send a batch.
    #[error(
        "no MPC address is set up to L1 block {head}, the last in the log: nobody can submit batch {batch}"
    )]
    NoSender {
        /// The number of the next batch.
        batch: BatchId,
        /// The log's last block.
        head: L1Block,
    },
    /// The log has nothing of L1.
    #[error("the log holds nothing of L1")]
    NoL1,
    /// There is no batch or span after the last that fits in 64 bits.
    #[error("batch {batch}, up to span {end_span}, is the last that can be numbered")]
    NoNext {
        /// The number of the last batch.
        batch: BatchId,
        /// The last span that it paid.
        end_span: SpanId,
    },
    /// A span is asked for that is paid already.
    #[error("a batch up to span {asked} is asked for, but the next batch begins at span {start}")]
    BeforeStart {
        /// The span asked for.
        asked: SpanId,
        /// The first that is not paid.
        start: SpanId,
    },
    /// A span is asked for that is not announced.
    #[error("a batch up to span {asked} is asked for, but the last announced in the log is {last}")]
    NotAnnounced {
        /// The span asked for.
        asked: SpanId,
        /// The last that is, or "none".
        last: String,
    },
    /// A span of the batch goes on.
    #[error("span {span} is not finished: it ends at L2 block {end}, and the log reaches block {head}")]
    Unfinished {
        /// The span that was asked for.
        span: SpanId,
        /// The last block of the span.
        end: L2Block,
        /// The log's last, or "none".
        head: String,
    },
    /// A span may still change, although its last block is made.
    #[error(
        "span {span} is not settled: it ends at L2 block {end}, but span {next} is not announced up to block \
         {head}, and until then a recommit can change it"
    )]
    Unsettled {
        /// The span that was asked for.
        span: SpanId,
        /// The last block of the span.
        end: L2Block,
        /// The one after it.
        next: SpanId,
        /// The log's last block.
        head: L2Block,
    },
    /// The contract takes no batch of a single span.
    #[error("a batch from span {start} on needs at least 2 finished spans, and has {spans}")]
    TooFewSpans {
        /// The first span of the batch.
        start: SpanId,
        /// How many are finished, or asked for.
        spans: usize,
    },
    /// No batch of two spans passes both checks that it meets, or not that which was asked for.
    #[error("{}", blocked(*.start, *.payable, .blocking))]
    Blocked {
        /// The first span that is not paid.
        start: SpanId,
        /// How many finished spans come before the first that blocks.
        payable: usize,
        /// The signers of finished spans that the contract cannot credit, in the order of their first spans.
        blocking: Vec<BlockingSigner>,
    },
    /// A newer batch or signer may be there, and not in the log.
    #[error(
        "the log's L1 ends at block {l1_block}, time {l1_time}, before the last block of span {span}: {l2_block}, \
         time {l2_time}: ingest L1 first"
    )]
    L1Behind {
        /// The batch's last span.
        span: SpanId,
        /// The last block of the span.
        l2_block: L2Block,
        /// When that was made.
        l2_time: UnixTime,
        /// The log's last L1 block.
        l1_block: L1Block,
        /// The timestamp of that L1 block.
        l1_time: UnixTime,
    },
    /// More blocks than can be counted.
    #[error("spans {start} to {end} have more than 2^64 - 1 blocks")]
    TooManyBlocks {
        /// The first span of the batch.
        start: SpanId,
        /// The last span of the batch.
        end: SpanId,
    },
    /// No entry is left, and the contract takes no batch without any.
    #[error(
        "of the {unpayable} blocks of spans {start} to {end} none can be paid, and the contract takes no empty batch"
    )]
    NobodyToPay {
        /// The first span of the batch.
        start: SpanId,
        /// The last span of the batch.
        end: SpanId,
        /// How many blocks they have.
        unpayable: u64,
    },
    /// The operators' formula is given what is no whole number.
    #[error("the operators' formula takes whole numbers: {what} is {found}, but has to be {expected}")]
    NotWhole {
        /// What is not whole.
        what: &'static str,
        /// What it may be.
        expected: &'static str,
        /// The number that was found.
        found: String,
    },
    /// The policy has no single reward per block.
    #[error(
        "policy {policy} pays by the allocation \"{allocation}\", under which an epoch has no single reward per \
         block: take one that is \"flat\""
    )]
    NotFlat {
        /// The name of the policy.
        policy: String,
        /// The allocation by which it pays.
        allocation: &'static str,
    },
    /// No epoch is over.
    #[error("no epoch is over yet under policy {policy}: {}", open_epoch(.until.as_ref(), .end.as_ref()))]
    NoClosedEpoch {
        /// The name of the policy.
        policy: String,
        /// How far it is replayed; `None` if no block can be folded, or none is in an epoch.
        until: Option<UnixTime>,
        /// When epoch 0 is over; `None` while it has not begun.
        end: Option<UnixTime>,
    },
    /// An epoch that ends after the last second there is.
    #[error(
        "epoch {epoch} of policy {policy} begins at time {start} and ends after time {}, the last there is",
        u64::MAX
    )]
    NoEnd {
        /// The name of the policy.
        policy: String,
        /// The index of the epoch.
        epoch: EpochIndex,
        /// When the epoch begins.
        start: UnixTime,
    },
    /// More blocks a year than can be counted.
    #[error("{blocks} blocks in {epoch_secs} s are more than 2^64 - 1 a year")]
    TooFast {
        /// So many blocks …
        blocks: u64,
        /// … in so many seconds.
        epoch_secs: u64,
    },
    /// The contract takes no reward of nothing.
    #[error(
        "the reward per block comes to 0 (before rounding: {exact_wei} wei), which the contract does not take"
    )]
    NoReward {
        /// The exact reward, in wei.
        exact_wei: String,
    },
    /// Decimals that a METIS does not have.
    #[error("{decimals} decimals are asked for, but a METIS has {max}")]
    TooManyDecimals {
        /// How many decimals were asked for.
        decimals: u8,
        /// How many there are.
        max: u8,
    },
    /// A text that is no time between blocks.
    #[error("{text:?} is no number of seconds from 0.000001 to 1000000000, with at most 6 decimals")]
    NoBlockSecs {
        /// The text as it was given.
        text: String,
    },
    /// The time of the log's head, in ms, does not fit in 64 bits.
    #[error("the log's L1 ends at time {l1_time}, which in milliseconds is above 2^64 - 1")]
    HeadTime {
        /// The time of the L1 block, in Unix seconds.
        l1_time: UnixTime,
    },
    /// It is not known how much ETH a call takes along.
    #[error(
        "{function} takes ETH along for the bridge to L2, and a log does not know how much: say it, as 0.005 ETH, and \
         let a node try the call with it before you send it"
    )]
    NoValue {
        /// The name of the function.
        function: &'static str,
    },
    /// ETH is to go along with a call that takes none.
    #[error(
        "{function} takes no ETH, and {eth} wei of it are given: only claim, unlock and finish pay the bridge to L2"
    )]
    TakesNoEth {
        /// The name of the function.
        function: &'static str,
        /// The ETH that was given, in wei.
        eth: Wei,
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
    /// No sequencer is called so, or has that address.
    #[error("no sequencer is {asked:?}: {known}; an owner's, signer's or recipient's address does, too")]
    NoSuchSequencer {
        /// The text that was given for a sequencer.
        asked: String,
        /// What there is, in words.
        known: String,
    },
    /// More than one sequencer is called so, or has that address.
    #[error("{asked} is of sequencers {ids}: say which by its id")]
    SeveralSequencers {
        /// The text that was given for a sequencer.
        asked: String,
        /// The ids of those that fit.
        ids: String,
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
    /// The contract pays by itself what the policy gives.
    #[error(
        "policy {policy} pays what the contract pays (allocation \"on-chain\"), and would be paid twice: take a \
         policy that is \"flat\" or \"stake-weighted\""
    )]
    PaidByContract {
        /// The name of the policy.
        policy: String,
    },
    /// No epoch is over, as far as the log tells.
    #[error("no epoch of policy {policy} is closed yet: the log has no block of epoch 1")]
    NoneClosed {
        /// The name of the policy.
        policy: String,
    },
    /// The epoch is not over, as far as the log tells.
    #[error("epoch {asked} of policy {policy} is asked for, but the last that is closed is {last}")]
    NotClosed {
        /// The epoch that was asked for.
        asked: EpochIndex,
        /// The name of the policy.
        policy: String,
        /// The last closed epoch.
        last: EpochIndex,
    },
    /// There is nothing to claim.
    #[error(
        "nobody can claim anything of policy {policy} up to the end of epoch {epoch}: {accrued} wei were accrued, of \
         which {withheld} wei are withheld, and a tree has at least one leaf"
    )]
    NoLeaf {
        /// The name of the policy.
        policy: String,
        /// The last epoch that counts.
        epoch: EpochIndex,
        /// What all sequencers have accrued.
        accrued: Wei,
        /// What of it is withheld.
        withheld: Wei,
    },
    /// Leaves and withheld amounts are not what was accrued.
    #[error(
        "epochs up to {epoch} accrued {accrued} wei, but leaves and withheld amounts add up to {distributed} wei"
    )]
    Undistributed {
        /// The last epoch that counts.
        epoch: EpochIndex,
        /// The sum over epochs.
        accrued: Wei,
        /// The sum over sequencers.
        distributed: Wei,
    },
    /// A sequencer earned that never locked.
    #[error("sequencer {sequencer} accrued rewards by epoch {epoch}, but the contracts know none of that id")]
    NeverLocked {
        /// The sequencer whose sum it is.
        sequencer: SequencerId,
        /// The last epoch that counts.
        epoch: EpochIndex,
    },
    /// A registry of names that is too long.
    #[error("it has {found} bytes or more, and {max} are allowed")]
    RegistryTooLong {
        /// How long it is, as far as it was read.
        found: usize,
        /// How long it may be.
        max: usize,
    },
    /// A registry of names that is not a JSON array.
    #[error("it is no JSON list: {reason}")]
    NoRegistry {
        /// What the JSON reader said.
        reason: String,
    },
    /// The picture could not be drawn.
    #[error("the history cannot be drawn: {0}")]
    Drawing(String),
}

impl ClaimsError {
    /// For `map_err`: an amount that does not fit.
    pub(crate) fn amount(what: impl Display) -> impl FnOnce(AmountError) -> Self {
        move |error| Self::Amount { what: what.to_string(), error }
    }

    /// Fails unless two ways to the same amount give the same.
    pub(crate) fn check_balance<T: Copy + PartialEq + ToString>(
        what: &'static str,
        whose: impl Display,
        expected: T,
        found: T,
    ) -> Result<(), Self> {
        if expected == found {
            return Ok(());
        }
        let (whose, expected, found) = (whose.to_string(), expected.to_string(), found.to_string());
        Err(Self::Unbalanced { what, whose, expected, found })
    }
}

impl From<FoldError> for ClaimsError {
    fn from(error: FoldError) -> Self {
        Self::Replay(error.into())
    }
}

fn open_epoch(until: Option<&UnixTime>, end: Option<&UnixTime>) -> String {
    match (until, end) {
        (Some(until), Some(end)) => {
            format!("the log can be replayed up to time {until}, and epoch 0 ends at {end}")
        }
        (Some(until), None) => {
            format!("the log can be replayed up to time {until}, and epoch 0 has not begun")
        }
        (None, _) => "no block of the log can be folded".into(),
    }
}
