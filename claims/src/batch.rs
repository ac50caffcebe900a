//! The next batch: who is to be paid for how many blocks.

use crate::call::PreparedCall;
use crate::credits::{BlockingSigner, CreditRule, SPANS_MIN, Uncreditable, present_signer};
use crate::error::ClaimsError;
use alloy_primitives::Address;
use std::collections::BTreeMap;
use tally_engine::{
    BatchId, CheckDifference, Discrepancy, L1Block, L1Record, L2Block, PoolEvent, PoolState, ScheduledBlocks,
    SequencerId, SignerBook, Span, SpanId, Spans, UnixTime, Wei,
};
use tally_eventlog::{EventCursor, L1Head, LogView};
use tally_replay::{StateAt, state_at, timestamp_of};

/// An entry of the call: what one sequencer is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchEntry {
    /// Its present signer, under which the contract credits it.
    pub signer: Address,
    /// The sequencer that is paid.
    pub sequencer: SequencerId,
    /// The blocks of its spans, whichever of its signers they name; 0 if all these spans were emptied.
    pub blocks: u64,
    /// The reward of these blocks.
    pub reward: Wei,
}

/// Blocks that are in no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnpayableBlocks {
    /// The signer that their spans name.
    pub signer: Address,
    /// How many blocks they are.
    pub blocks: u64,
    /// Why they cannot be paid: the signer is unknown, or its sequencer is gone.
    pub why: Uncreditable,
}

/// The next batch, as the contract would take it after the log's last L1 block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextBatch {
    /// When the log's last L1 block was made.
    pub l1_time: UnixTime,
    /// The last L2 block of the log.
    pub l2_head: L2Block,
    /// When the last batch was paid; `None` if none ever was.
    pub last_batch_time: Option<UnixTime>,
    /// The batch: that after the last one paid.
    pub batch: BatchId,
    /// Its first span: that after the last one paid.
    pub start_span: SpanId,
    /// The last span of the batch.
    pub end_span: SpanId,
    /// The first block of the first span.
    pub first_block: L2Block,
    /// The last block of the last span.
    pub last_block: L2Block,
    /// Whom it credits for the blocks of a span.
    pub credit: CreditRule,
    /// Who is paid, by sequencer.
    pub entries: Vec<BatchEntry>,
    /// The blocks that cannot be paid, by reason, sequencer and signer.
    pub unpayable: Vec<UnpayableBlocks>,
    /// The signers of finished spans that no batch can pay by both checks, in the order of their first spans: the batch
    /// ends before the first of these. None are looked for under [`CreditRule::PresentSigner`].
    pub blocking: Vec<BlockingSigner>,
    /// What keeps the published check of Themis from signing it, by signer; empty if it would.
    pub check_differences: Vec<CheckDifference>,
    /// All blocks of the entries.
    pub blocks: u64,
    /// What a block earns: the contract takes the reward in force when the batch is paid.
    pub reward_per_block: Wei,
    /// What all entries earn.
    pub total: Wei,
    /// The call that pays it.
    pub call: PreparedCall,
    /// Since which L1 block the pool is paused, if it is: the contract takes the batch all the same.
    pub paused_since: Option<L1Block>,
    /// Where the log's records claim what the records before them do not add up to.
    pub discrepancies: Vec<Discrepancy>,
}

/// The next batch, up to span `to_span`, or for `None` up to the last that is finished.
///
/// Counted are the spans as the contract holds them now. A span is *finished* when its last block is in the log and the
/// span after it is announced: until then a recommit can still change it. By [`CreditRule::SpanSigner`] the batch passes
/// both checks that it meets: that which the published Themis makes before it is signed, and the contract's.
///
/// # Errors
///
/// [`ClaimsError`] if no batch would be signed and taken now, or if the log does not reach far enough to tell.
pub fn next_batch<L: LogView>(
    log: &L,
    to_span: Option<SpanId>,
    credit: CreditRule,
) -> Result<NextBatch, ClaimsError> {
    let StateAt { pool, discrepancies, .. } = state_at(log, None)?;
    let records = log.l1_records()?;
    let l1_head = log.reach().l1.ok_or(ClaimsError::NoL1)?;
    let (batch, start_span) = next_of(&pool)?;
    if pool.mpc_address.is_zero() {
        return Err(ClaimsError::NoSender { batch, head: l1_head.block });
    }
    let book = SignerBook::from_records(&records);
    let spans = spans_of(log)?;
    let l2_head = log.reach().l2.map(|head| head.block);
    let finished = spans_to_pay(spans.as_slice(), l2_head, start_span, to_span)?;
    let blocking = match credit {
        CreditRule::SpanSigner => blocking_signers(log, l1_head, finished, &pool, &book)?,
        CreditRule::PresentSigner => Vec::new(),
    };
    let paid = before_blocking(finished, &blocking);
    if paid.len() < finished.len() && (paid.len() < SPANS_MIN || to_span.is_some()) {
        return Err(ClaimsError::Blocked { start: start_span, payable: paid.len(), blocking });
    }
    let ([first, .., last], Some(l2_head)) = (paid, l2_head) else {
        return Err(ClaimsError::TooFewSpans { start: start_span, spans: paid.len() });
    };
    check_l1_reaches(log, l1_head, last)?;
    let Counted { entries, unpayable, blocks } = count(paid, &pool, &book)?;
    let reward_per_block = pool.reward_per_block;
    let mut total = Wei::ZERO;
    let mut priced = Vec::with_capacity(entries.len());
    for (sequencer, (signer, blocks)) in entries {
        let reward =
            reward_per_block.times(blocks).map_err(ClaimsError::amount("the reward of a sequencer"))?;
        total = total.checked_add(reward).map_err(ClaimsError::amount("the total of the batch"))?;
        priced.push(BatchEntry { signer, sequencer, blocks, reward });
    }
    let credits: Vec<(Address, u64)> = priced.iter().map(|entry| (entry.signer, entry.blocks)).collect();
    let check_differences = CheckDifference::all(paid, credits.iter().copied());
    let check_differences = check_differences.ok_or_else(|| too_many_blocks(paid))?;
    assert!(
        credit == CreditRule::PresentSigner || check_differences.is_empty(),
        "a batch of creditable signers alone credits exactly these: {check_differences:?}"
    );
    Ok(NextBatch {
        l1_time: l1_head.timestamp,
        l2_head,
        last_batch_time: last_of(&records, |event| matches!(event, PoolEvent::DistributeReward { .. }))
            .map(|record| record.timestamp),
        batch,
        start_span,
        end_span: last.id,
        first_block: first.start,
        last_block: last.end,
        credit,
        entries: priced,
        unpayable,
        blocking,
        check_differences,
        blocks,
        reward_per_block,
        total,
        call: PreparedCall::batch_submit_rewards(
            log.identity(),
            pool.mpc_address,
            batch,
            (start_span, last.id),
            &credits,
        ),
        paused_since: last_of(&records, |event| matches!(event, PoolEvent::Paused { .. }))
            .filter(|_| pool.paused)
            .map(|record| record.block),
        discrepancies,
    })
}

/// The last record of an event that `is_it`.
fn last_of(records: &[L1Record], is_it: impl Fn(&PoolEvent) -> bool) -> Option<&L1Record> {
    records.iter().rev().find(|record| is_it(&record.event))
}

/// The batch after the last one paid, and its first span.
fn next_of(pool: &PoolState) -> Result<(BatchId, SpanId), ClaimsError> {
    let none = ClaimsError::NoNext { batch: pool.batch.id, end_span: pool.batch.end_span };
    pool.batch.id.next().zip(pool.batch.end_span.next()).ok_or(none)
}

fn spans_of<L: LogView>(log: &L) -> Result<Spans, ClaimsError> {
    let mut spans = Spans::new();
    log.for_each_span_record::<ClaimsError>(&mut EventCursor::default(), |record| {
        spans.apply(&record)?;
        Ok(())
    })?;
    Ok(spans)
}

/// The spans from `start` up to `to`, or up to the last finished; none of them can change any more. `all` is in the
/// order of ids, from 0 on.
fn spans_to_pay(
    all: &[Span],
    head: Option<L2Block>,
    start: SpanId,
    to: Option<SpanId>,
) -> Result<&[Span], ClaimsError> {
    let first = all.partition_point(|span| span.id < start);
    let from_start = all.get(first..).unwrap_or_default();
    let Some(to) = to else {
        // Blocks of later spans come later, so what is finished is a beginning.
        let ended = from_start.partition_point(|span| head.is_some_and(|head| span.end <= head));
        let finished = ended.min(from_start.len().saturating_sub(1));
        return Ok(from_start.get(..finished).unwrap_or_default());
    };
    if to < start {
        return Err(ClaimsError::BeforeStart { asked: to, start });
    }
    let paid = from_start.get(..from_start.partition_point(|span| span.id <= to)).unwrap_or_default();
    let Some(last) = paid.last().filter(|last| last.id == to) else {
        let last = all.last().map_or("none".into(), |span| span.id.to_string());
        return Err(ClaimsError::NotAnnounced { asked: to, last });
    };
    let Some(head) = head else {
        return Err(ClaimsError::Unfinished { span: last.id, end: last.end, head: "none".into() });
    };
    if let Some(Span { id, end, .. }) = paid.iter().find(|span| span.end > head) {
        return Err(ClaimsError::Unfinished { span: *id, end: *end, head: head.to_string() });
    }
    if paid.len() == from_start.len() {
        let next = to.next().unwrap_or(to);
        return Err(ClaimsError::Unsettled { span: to, end: last.end, next, head });
    }
    Ok(paid)
}

/// The signers of finished spans that are in the way. One that no sequencer has had is so only where L1 is known up to the
/// end of its first span: until then a lock may be there that the log does not know of.
fn blocking_signers<L: LogView>(
    log: &L,
    l1_head: L1Head,
    finished: &[Span],
    pool: &PoolState,
    book: &SignerBook,
) -> Result<Vec<BlockingSigner>, ClaimsError> {
    let mut told = Vec::new();
    for signer in BlockingSigner::all(finished, pool, book).ok_or_else(|| too_many_blocks(finished))? {
        let first = finished.iter().find(|span| signer.first_span() == Some(span.id));
        if let (Uncreditable::UnknownSigner, Some(first)) = (signer.why, first)
            && timestamp_of(log, first.end)? > l1_head.timestamp
        {
            continue;
        }
        told.push(signer);
    }
    Ok(told)
}

/// Those of the finished spans that come before the first of a blocking signer.
fn before_blocking<'a>(finished: &'a [Span], blocking: &[BlockingSigner]) -> &'a [Span] {
    let stop = blocking.first().and_then(BlockingSigner::first_span);
    let before = finished.partition_point(|span| stop.is_none_or(|stop| span.id < stop));
    finished.get(..before).unwrap_or_default()
}

/// Whether L1 is known up to the end of the last span: before that a batch may have been paid, or a signer changed, that
/// the log does not know of.
fn check_l1_reaches<L: LogView>(log: &L, l1_head: L1Head, last: &Span) -> Result<(), ClaimsError> {
    let l2_time = timestamp_of(log, last.end)?;
    if l1_head.timestamp < l2_time {
        return Err(ClaimsError::L1Behind {
            span: last.id,
            l2_block: last.end,
            l2_time,
            l1_block: l1_head.block,
            l1_time: l1_head.timestamp,
        });
    }
    Ok(())
}

fn too_many_blocks(spans: &[Span]) -> ClaimsError {
    let (start, end) = ends(spans);
    ClaimsError::TooManyBlocks { start, end }
}

/// The first and the last of some spans.
fn ends(spans: &[Span]) -> (SpanId, SpanId) {
    let id = |span: Option<&Span>| span.map_or(SpanId(0), |span| span.id);
    (id(spans.first()), id(spans.last()))
}

/// The blocks of some spans, by whom they are paid to.
struct Counted {
    entries: BTreeMap<SequencerId, (Address, u64)>,
    unpayable: Vec<UnpayableBlocks>,
    /// Those of the entries.
    blocks: u64,
}

/// Counts the blocks of the spans, and puts each sequencer's under its present signer. Where all the spans' signers can
/// be credited, these are the present ones.
fn count(spans: &[Span], pool: &PoolState, book: &SignerBook) -> Result<Counted, ClaimsError> {
    let too_many = || too_many_blocks(spans);
    let ScheduledBlocks { payable, unpayable } = ScheduledBlocks::of(spans, book).ok_or_else(too_many)?;
    let sum = |all: u64, blocks: &u64| all.checked_add(*blocks).ok_or_else(too_many);
    let paid = payable.values().try_fold(0, sum)?;
    let unpaid = unpayable.values().try_fold(0, sum)?;
    if payable.is_empty() {
        let (start, end) = ends(spans);
        return Err(ClaimsError::NobodyToPay { start, end, unpayable: unpaid });
    }
    let entries = payable.into_iter().map(|(id, blocks)| (id, (present_signer(pool, id), blocks)));
    let unpayable = unpayable.into_iter().map(|((sequencer, signer), blocks)| {
        let why = sequencer.map_or(Uncreditable::UnknownSigner, Uncreditable::SequencerGone);
        UnpayableBlocks { signer, blocks, why }
    });
    Ok(Counted { entries: entries.collect(), unpayable: unpayable.collect(), blocks: paid })
}
