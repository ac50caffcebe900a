//! What a policy would have paid if a sequencer had had more or less stake.

use crate::error::ReplayError;
use crate::horizon::Stop;
use crate::options::ReplayOptions;
use crate::run::replay;
use crate::whatif::Compared;
use alloy_primitives::{Address, B256};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use tally_engine::{
    ChangeKind, Difference, Earned, Horizon, L1Record, L2Block, Policy, PoolEvent, SequencerId, SpanRecord,
    UnixTime, Wei,
};
use tally_eventlog::{
    ChunkHeader, EventCursor, IndexEntry, Links, LogError, LogIdentity, LogView, Producers, Reach, Times,
};

/// A stake that is to be another one than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StakeChange {
    /// The sequencer whose stake it is.
    pub sequencer: SequencerId,
    /// How much more it is to be, or less.
    pub more: Difference,
    /// From when on; `None` for all the time.
    pub from: Option<UnixTime>,
}

/// What a policy would have paid with that stake. The blocks are those that were made: that a larger stake is given more spans
/// is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StakeWhatIf {
    /// The change that was tried.
    pub change: StakeChange,
    /// The last block that counts, or `None` if none does.
    pub horizon: Option<Horizon>,
    /// Why it is the last.
    pub stop: Stop,
    /// The sums over all sequencers, with the other stake.
    pub total: Compared,
    /// Each sequencer that earned, by id.
    pub sequencers: BTreeMap<SequencerId, Compared>,
}

/// Replays `log` under `policy` as it is and with `change`, and compares.
///
/// # Errors
///
/// [`ReplayError`] if the log cannot be folded, and [`ReplayError::NoSuchStake`] if the sequencer never had a stake, or less
/// than is to be taken from it.
pub fn what_if_stake<L: LogView>(
    log: &L,
    policy: &Policy,
    change: StakeChange,
    options: ReplayOptions<'_>,
) -> Result<StakeWhatIf, ReplayError> {
    let changed = WithStake { log, records: changed_records(log.l1_records()?, change)? };
    let policies = std::slice::from_ref(policy);
    let (is, would) = (replay(log, policies, options)?, replay(&changed, policies, options)?);
    let (is, would) =
        (is.first().expect("one policy, one ledger"), would.first().expect("one policy, one ledger"));
    let total = |ledger: &tally_engine::Ledger| Earned {
        blocks: ledger.epochs.iter().map(|epoch| epoch.earned.blocks).sum(),
        reward: ledger.total,
    };
    let sequencers = would.ledger.sequencers.iter().map(|(id, would)| {
        let was = is.ledger.sequencers.get(id).map_or(Earned::default(), |was| was.earned);
        (*id, Compared::new(would.earned, was))
    });
    Ok(StakeWhatIf {
        change,
        horizon: would.ledger.horizon,
        stop: would.stop,
        total: Compared::new(total(&would.ledger), total(&is.ledger)),
        sequencers: sequencers.collect(),
    })
}

/// The records as they would have been. Only what they change of stakes counts for a fold.
fn changed_records(records: Vec<L1Record>, change: StakeChange) -> Result<Vec<L1Record>, ReplayError> {
    let id = change.sequencer;
    let is_later = |time: UnixTime| change.from.is_none_or(|from| time >= from);
    let missing = |found: Option<Wei>| ReplayError::NoSuchStake { sequencer: id, more: change.more, found };
    let apply = |stake: Wei| {
        let size = change.more.size();
        let changed =
            if change.more.is_negative() { stake.checked_sub(size) } else { stake.checked_add(size) };
        changed.map_err(|_| missing(Some(stake)))
    };
    let mut stake: Option<Wei> = None;
    let mut is_changed = false;
    let mut found = Vec::with_capacity(records.len().saturating_add(1));
    for mut record in records {
        if let (Some(own), Some(from), false, true) =
            (stake, change.from, is_changed, is_later(record.timestamp))
        {
            let nonce = 0;
            let event = PoolEvent::LockUpdate { sequencer: id, nonce, new_amount: apply(own)? };
            let last: Option<&L1Record> = found.last();
            let (block, block_hash) =
                last.map_or((record.block, record.block_hash), |last| (last.block, last.block_hash));
            found.push(L1Record {
                block,
                block_hash,
                timestamp: from,
                transaction_hash: B256::ZERO,
                // After everything in the block before it.
                log_index: u64::MAX,
                event,
            });
            is_changed = true;
        }
        let is_counted = is_later(record.timestamp);
        if let PoolEvent::Locked { sequencer, amount: own, .. }
        | PoolEvent::LockUpdate { sequencer, new_amount: own, .. } = &mut record.event
            && *sequencer == id
        {
            stake = Some(*own);
            if is_counted {
                *own = apply(*own)?;
                is_changed = true;
            }
        } else if record.event.changes().any(|(of, kind)| of == id && kind == ChangeKind::Left) {
            stake = None;
        }
        found.push(record);
    }
    if let (Some(own), Some(from), false) = (stake, change.from, is_changed)
        && let Some(last) = found.last().cloned()
    {
        let event = PoolEvent::LockUpdate { sequencer: id, nonce: 0, new_amount: apply(own)? };
        found.push(L1Record {
            timestamp: from,
            log_index: u64::MAX,
            transaction_hash: B256::ZERO,
            event,
            ..last
        });
        is_changed = true;
    }
    if is_changed { Ok(found) } else { Err(missing(None)) }
}

/// A log with other records of L1.
struct WithStake<'a, L> {
    log: &'a L,
    records: Vec<L1Record>,
}

impl<L: LogView> LogView for WithStake<'_, L> {
    fn identity(&self) -> &LogIdentity {
        self.log.identity()
    }

    fn reach(&self) -> Reach {
        self.log.reach()
    }

    fn l1_records_after(&self, cursor: &mut EventCursor) -> Result<Vec<L1Record>, LogError> {
        let place = |record: &L1Record| Some((record.block.0, record.log_index));
        let later = self.records.partition_point(|record| place(record) <= cursor.last());
        let new = self.records.get(later..).unwrap_or_default().to_vec();
        *cursor = EventCursor::new(new.last().map_or(cursor.last(), place), Links::default());
        Ok(new)
    }

    fn for_each_span_record<E: From<LogError>>(
        &self,
        cursor: &mut EventCursor,
        each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        self.log.for_each_span_record(cursor, each)
    }

    fn signers(&self) -> Result<Vec<Address>, LogError> {
        self.log.signers()
    }

    fn chunk_index(&self, from: L2Block) -> Result<Vec<IndexEntry>, LogError> {
        self.log.chunk_index(from)
    }

    fn chunk_link(&self, first_block: L2Block) -> Result<B256, LogError> {
        self.log.chunk_link(first_block)
    }

    fn for_each_times<E: From<LogError>>(
        &self,
        first_blocks: &[L2Block],
        each: impl FnMut(&Times<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.log.for_each_times(first_blocks, each)
    }

    fn scan_producers<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        each: impl FnMut(&Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.log.scan_producers(range, each)
    }

    fn scan_verified<E: From<LogError>>(
        &self,
        range: RangeInclusive<L2Block>,
        each: impl FnMut(&ChunkHeader, &Producers<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.log.scan_verified(range, each)
    }
}
