//! Where on the chains a fact comes from.

use crate::by_block::spans_of;
use crate::error::ReplayError;
use alloy_primitives::{Address, B256};
use tally_engine::{
    BatchId, ChangeKind, L1Block, L1Record, L2Block, PoolEvent, SequencerId, Span, SpanRecord, UnixTime, Wei,
};
use tally_eventlog::LogView;

/// An event of the pool on L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The event's name, as the contract has it.
    pub event: &'static str,
    /// The L1 block of the event.
    pub block: L1Block,
    /// Its timestamp: the event holds from then on.
    pub timestamp: UnixTime,
    /// The transaction that emitted it.
    pub transaction_hash: B256,
    /// The log's index in the block.
    pub log_index: u64,
}

/// A span, and the event on L2 that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanPlace {
    /// The span as it was in the end.
    pub span: Span,
    /// The event's name, as the contract has it.
    pub event: &'static str,
    /// The L2 block of the event.
    pub block: L2Block,
    /// The transaction that emitted it.
    pub transaction_hash: B256,
    /// The log's index in the block.
    pub log_index: u64,
}

/// A sequencer's stake at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StakeFacts {
    /// What is locked, in wei.
    pub stake: Wei,
    /// The event that set it.
    pub stake_event: Option<Place>,
    /// Whether it was active: from `Locked` to `UnlockInit`.
    pub active: bool,
    /// The event that said so.
    pub status_event: Option<Place>,
    /// What counts of it: `min(stake, cap)` while active, else 0.
    pub effective: Wei,
}

/// Where the reward of a block comes from under `on-chain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewardSource {
    /// The batch that paid it, or `None` while it is pending.
    pub batch: Option<BatchId>,
    /// The event that set the reward per block: that of the batch, or the last change; `None` if it is still what
    /// the contract began with.
    pub event: Option<Place>,
}

impl Place {
    fn of(record: &L1Record) -> Self {
        Self {
            event: record.event.name(),
            block: record.block,
            timestamp: record.timestamp,
            transaction_hash: record.transaction_hash,
            log_index: record.log_index,
        }
    }
}

/// The pool's records, to be asked where something comes from.
pub(crate) struct Records(Vec<L1Record>);

impl Records {
    pub(crate) fn new<L: LogView>(log: &L) -> Result<Self, ReplayError> {
        Ok(Self(log.l1_records()?))
    }

    /// The last record up to `time` of which `is_it` holds.
    fn last(&self, time: UnixTime, is_it: impl Fn(&PoolEvent) -> bool) -> Option<&L1Record> {
        let until = self.0.partition_point(|record| record.timestamp <= time);
        self.0.get(..until).unwrap_or_default().iter().rev().find(|record| is_it(&record.event))
    }

    /// The stake of a sequencer at `time`, and whether it counts.
    pub(crate) fn stake(&self, sequencer: SequencerId, time: UnixTime, cap: Wei) -> StakeFacts {
        let stake_event = self.last(time, |event| sets_stake(event, sequencer).is_some());
        let status_event = self.last(time, |event| sets_status(event, sequencer).is_some());
        // Before any event there is no stake.
        let stake = stake_event.and_then(|record| sets_stake(&record.event, sequencer)).unwrap_or(Wei::ZERO);
        let active = status_event.and_then(|record| sets_status(&record.event, sequencer)).unwrap_or(false);
        StakeFacts {
            stake,
            stake_event: stake_event.map(Place::of),
            active,
            status_event: status_event.map(Place::of),
            effective: if active { stake.min(cap) } else { Wei::ZERO },
        }
    }

    /// The times after `from` and before `until` at which a sequencer's stake or status changes, each once.
    pub(crate) fn stake_changes(
        &self,
        sequencer: SequencerId,
        from: UnixTime,
        until: UnixTime,
    ) -> Vec<UnixTime> {
        let own = self.0.iter().filter(|record| {
            sets_stake(&record.event, sequencer).is_some() || sets_status(&record.event, sequencer).is_some()
        });
        let mut times: Vec<UnixTime> =
            own.map(|record| record.timestamp).filter(|time| *time > from && *time < until).collect();
        times.dedup();
        times
    }

    /// The event by which `signer` came to stand for its sequencer. There is one at most, and under `on-chain` it
    /// may come after the block, as long as it comes before the batch.
    pub(crate) fn introduction(&self, signer: &Address) -> Option<Place> {
        let introduces =
            |event: &PoolEvent| event.changes().any(|(_, change)| change == ChangeKind::Signer(*signer));
        self.last(UnixTime(u64::MAX), introduces).map(Place::of)
    }

    /// Where the reward of a block comes from under `on-chain`.
    pub(crate) fn reward_source(&self, batch: Option<BatchId>) -> RewardSource {
        let sets = |event: &PoolEvent| match batch {
            Some(batch) => matches!(event, PoolEvent::DistributeReward { batch: paid, .. } if *paid == batch),
            None => matches!(event, PoolEvent::RewardUpdate { .. }),
        };
        RewardSource { batch, event: self.last(UnixTime(u64::MAX), sets).map(Place::of) }
    }
}

/// The stake that an event gives a sequencer.
fn sets_stake(event: &PoolEvent, id: SequencerId) -> Option<Wei> {
    let stake = |change| match change {
        ChangeKind::Stake(stake) => Some(stake),
        ChangeKind::Left => Some(Wei::ZERO),
        ChangeKind::Activated | ChangeKind::Deactivated | ChangeKind::Signer(_) => None,
    };
    event.changes().filter(|(sequencer, _)| *sequencer == id).find_map(|(_, change)| stake(change))
}

/// Whether a sequencer is active after an event that says so.
fn sets_status(event: &PoolEvent, id: SequencerId) -> Option<bool> {
    let active = |change| match change {
        ChangeKind::Activated => Some(true),
        ChangeKind::Deactivated => Some(false),
        ChangeKind::Stake(_) | ChangeKind::Left | ChangeKind::Signer(_) => None,
    };
    event.changes().filter(|(sequencer, _)| *sequencer == id).find_map(|(_, change)| active(change))
}

/// The span that covers `block`, and the event that it comes from.
pub(crate) fn span_place<L: LogView>(log: &L, block: L2Block) -> Result<Option<SpanPlace>, ReplayError> {
    let records = log.span_records_over(&(block..=block))?;
    let Some(span) = spans_of(&records)?.covering(block).copied() else {
        return Ok(None);
    };
    // The last event that gave this span this signer and start.
    let gives = |record: &&SpanRecord| {
        let (start, signer) = (record.event.blocks().map(|(start, _)| start), record.event.signer());
        record.event.span() == Some(span.id) && start == Some(span.start) && signer == Some(span.signer)
    };
    let from = records.iter().rev().find(gives);
    Ok(from.map(|record| SpanPlace {
        span,
        event: record.event.name(),
        block: record.block,
        transaction_hash: record.transaction_hash,
        log_index: record.log_index,
    }))
}
