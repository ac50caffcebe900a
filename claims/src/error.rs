//! What can keep a claim from being made.

use crate::batch::SPANS_MIN;
use crate::credits::{BlockingSigner, Uncreditable};
use tally_engine::{AmountError, BatchId, EpochIndex, FoldError, L1Block, L2Block, SpanId, UnixTime};
use tally_eventlog::LogError;
use tally_replay::ReplayError;

/// A claim that could not be made. There is no partial one.
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
    /// An amount does not fit.
    #[error("{what}: {error}")]
    Amount {
        /// The amount that was being computed.
        what: &'static str,
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
    /// The time after an epoch does not fit in 64 bits.
    #[error("epoch {epoch} begins at {start} and would end after the year 500 billion")]
    NoEnd {
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
    /// The picture could not be drawn.
    #[error("the history cannot be drawn: {0}")]
    Drawing(String),
}

impl ClaimsError {
    /// For `map_err`: an amount that does not fit.
    pub(crate) fn amount(what: &'static str) -> impl FnOnce(AmountError) -> Self {
        move |error| Self::Amount { what, error }
    }
}

impl From<FoldError> for ClaimsError {
    fn from(error: FoldError) -> Self {
        Self::Replay(error.into())
    }
}

/// How many signers a refusal names.
const SIGNERS_TOLD_MAX: usize = 3;

/// Why no batch passes both checks: what each of them says of which spans and signers, and the ways out.
fn blocked(start: SpanId, payable: usize, blocking: &[BlockingSigner]) -> String {
    let told: Vec<String> = blocking.iter().take(SIGNERS_TOLD_MAX).map(ToString::to_string).collect();
    let more = match blocking.len().saturating_sub(SIGNERS_TOLD_MAX) {
        0 => String::new(),
        more => format!("; and so with {more} more signers"),
    };
    let stop = blocking.first().and_then(BlockingSigner::first_span).unwrap_or(start);
    let last = stop.0.checked_sub(1).filter(|_| payable >= SPANS_MIN);
    let (what, before) = match last {
        Some(last) => {
            ("the batch that was asked for does not pass", format!("only spans {start} to {last} would"))
        }
        None => {
            ("no batch passes", format!("it needs {SPANS_MIN} spans, and has {payable} before span {stop}"))
        }
    };
    let mut ways = Vec::new();
    ways.extend(last.map(|last| format!("--to-span {last} pays what lies before")));
    if blocking.iter().any(|signer| signer.why == Uncreditable::UnknownSigner) {
        ways.push("a signer that no sequencer has had can be credited as soon as one locks with it".into());
    }
    ways.push(
        "--credit present-signer prepares the batch that the contract takes, if it can pay any block, which credits a sequencer's present signer \
         and leaves out what can be paid to nobody, for an MPC whose members sign it although the published check does \
         not"
            .into(),
    );
    ways.push("or the operators have one of the two checks changed".into());
    format!(
        "{what} both of the checks that it meets: {before}. In the way: {}{more}. The published check of \
         Themis (CheckBatchRewardTxLogic) signs a batch only with one entry for each signer of its spans, of exactly that \
         signer's blocks; the contract reverts (NoSuchSeq) for an address that is no sequencer's present signer. Ways out: {}",
        told.join("; "),
        ways.join("; "),
    )
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
