//! What is settled, in order: the facts of a policy's feed, from what is final of a log.
//!
//! Facts are in the order of their times. An epoch that ends with the second in which something happens on L1 comes
//! first, and events come in the order of L1. So where a fact stands depends on the log alone: a fact is told once no
//! other can come before it any more, and what is told is a beginning of what will ever be told.
//!
//! The distribution of an epoch is told right after the epoch. By then all events before the epoch's end were told and no
//! later one was, so that the recipients are those of the epoch's end.

use crate::error::FeedError;
use std::collections::VecDeque;
use std::sync::Arc;
use tally_claims::{Distribution, DistributionHead, Owed, blocks_credited};
use tally_engine::{
    Allocation, EpochIndex, EpochLedger, Genesis, L1Block, L1Record, Ledger, Policy, PoolEvent, PoolState,
    SequencerId, UnixTime, Wei,
};
use tally_eventlog::{EventCursor, LogPart, LogView};
use tally_replay::ReplayError;
use tally_wire::{ClosedRow, CreditedRow, Fact, FactKind};

/// Goes along what is final of a log, and tells what is settled.
pub(crate) struct Facts {
    policy: Policy,
    cursor: EventCursor,
    /// The contracts after the last event that was told, and its block.
    pool: PoolState,
    l1_block: Option<L1Block>,
    /// Events that an epoch has to close before.
    waiting: VecDeque<L1Record>,
    /// How many epochs were told, and what each sequencer is owed for them.
    closed: usize,
    owed: Owed,
    frozen: Frozen,
    /// When epoch 0 begins, once that is known.
    first_lock: Option<UnixTime>,
}

/// The distributions of a policy's settled epochs, in order. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frozen {
    pub(crate) heads: Arc<Vec<DistributionHead>>,
    /// The last of them, whole; the others are made again when they are asked for.
    pub(crate) last: Option<Arc<Distribution>>,
}

impl Facts {
    /// The facts of a policy before the log's first event.
    pub(crate) fn new(policy: &Policy, log: &LogPart<'_>) -> Self {
        Self {
            policy: policy.clone(),
            cursor: EventCursor::default(),
            pool: PoolState::new(&log.identity().genesis),
            l1_block: None,
            waiting: VecDeque::new(),
            closed: 0,
            owed: Owed::default(),
            frozen: Frozen::default(),
            first_lock: None,
        }
    }

    /// What is settled by now, and was not before. `ledger` is what the policy makes of `log`.
    pub(crate) fn advance(&mut self, log: &LogPart<'_>, ledger: &Ledger) -> Result<Vec<Fact>, FeedError> {
        self.waiting.extend(log.l1_records_after(&mut self.cursor)?);
        let mut facts = Vec::new();
        loop {
            let end = self.open_epoch_end()?;
            match self.waiting.front() {
                Some(record) if end.is_none_or(|end| record.timestamp < end) => {}
                // An epoch without an event after it closes as well.
                _ => {
                    let told = self.close_epoch(ledger, end)?;
                    if told.is_empty() {
                        return Ok(facts);
                    }
                    facts.extend(told);
                    continue;
                }
            }
            let Some(record) = self.waiting.pop_front() else { return Ok(facts) };
            facts.extend(self.take(&record)?);
        }
    }

    /// When the first epoch ends that was not told; `None` if there is none yet, or the policy's epochs are not told.
    fn open_epoch_end(&self) -> Result<Option<UnixTime>, FeedError> {
        let genesis = match self.policy.genesis() {
            Genesis::At(time) => Some(time),
            Genesis::FirstLock => self.first_lock,
            // Only what the contract pays begins so.
            Genesis::FirstPayable => None,
        };
        // What the contract pays is told by its batches.
        let Some(genesis) = genesis.filter(|_| self.policy.allocation() != Allocation::OnChain) else {
            return Ok(None);
        };
        let epochs = u64::try_from(self.closed).ok().and_then(|closed| closed.checked_add(1));
        let end = epochs
            .and_then(|epochs| self.policy.epoch_secs().checked_mul(epochs))
            .and_then(|secs| genesis.0.checked_add(secs));
        end.map(|end| Some(UnixTime(end))).ok_or_else(|| FeedError::NoEnd {
            policy: self.policy.name().into(),
            epoch: EpochIndex(u64::try_from(self.closed).unwrap_or(u64::MAX)),
        })
    }

    /// The distributions that are told by now.
    pub(crate) fn frozen(&self) -> Frozen {
        self.frozen.clone()
    }

    /// Tells the next epoch and its distribution, if the ledger has a block of a later one: then it has all of this.
    fn close_epoch(&mut self, ledger: &Ledger, end: Option<UnixTime>) -> Result<Vec<Fact>, FeedError> {
        let (Some(end), Some(epoch)) = (end, ledger.epochs.get(self.closed)) else {
            return Ok(Vec::new());
        };
        if self.closed.saturating_add(1) >= ledger.epochs.len() {
            return Ok(Vec::new());
        }
        self.owed.add(epoch)?;
        let fact = |what: &str, l1_block: Option<L1Block>, kind| Fact {
            id: format!("{what}:{}:{}", self.policy.digest(), epoch.epoch),
            time: Some(end.0),
            l1_block: l1_block.map(|block| block.0),
            transaction: None,
            log_index: None,
            kind,
        };
        let mut told = vec![fact("epoch", None, self.epoch_closed(epoch, end)?)];
        let made = self.owed.distribute(&self.policy, end, &self.pool, self.l1_block)?;
        // Where nobody can claim anything there is no root to publish.
        if let Some(root) = made.head.root {
            let kind = FactKind::DistributionReady {
                epoch: epoch.epoch.0,
                root: root.into(),
                leaves_wei: made.head.total_leaves.into(),
                withheld_wei: made.head.total_withheld.into(),
            };
            told.push(fact("distribution", self.l1_block, kind));
        }
        self.closed = self.closed.saturating_add(1);
        Arc::make_mut(&mut self.frozen.heads).push(made.head);
        self.frozen.last = Some(Arc::new(made));
        Ok(told)
    }

    fn epoch_closed(&self, epoch: &EpochLedger, end: UnixTime) -> Result<FactKind, FeedError> {
        let failed = |error| FeedError::Amount { place: format!("epoch {}", epoch.epoch), error };
        let rows = epoch.rows.iter().map(|row| ClosedRow::from((row, self.owed.of(row.sequencer)))).collect();
        Ok(FactKind::EpochClosed {
            policy: (&self.policy).into(),
            epoch: epoch.epoch.0,
            start: epoch.start.0,
            end: end.0,
            rate: (&self.policy, epoch.rate).try_into().map_err(failed)?,
            blocks: epoch.earned.blocks,
            reward_wei: epoch.earned.reward.into(),
            digest: epoch.digest.into(),
            rows,
        })
    }

    /// Takes an event, and tells what it says if that is anybody's money or right.
    fn take(&mut self, record: &L1Record) -> Result<Option<Fact>, FeedError> {
        // Ingest has played it before it let it in; what does not add up is the audit's matter.
        let _discrepancies = self.pool.apply(record).map_err(ReplayError::from)?;
        self.l1_block = Some(record.block);
        let kind = event_fact(&self.pool, record)?;
        if matches!(record.event, PoolEvent::Locked { .. }) {
            self.first_lock.get_or_insert(record.timestamp);
        }
        Ok(kind.map(|kind| Fact {
            id: format!("event:{}:{}", record.transaction_hash, record.log_index),
            time: Some(record.timestamp.0),
            l1_block: Some(record.block.0),
            transaction: Some(record.transaction_hash.into()),
            log_index: Some(record.log_index),
            kind,
        }))
    }
}

/// What a sequencer has in the contracts: its stake and its unclaimed reward.
fn held(pool: &PoolState, sequencer: SequencerId) -> (Wei, Wei) {
    let state = pool.sequencers.get(&sequencer).expect("the pool has just taken an event of it");
    (state.amount, state.reward)
}

/// What an event says; `pool` is the state after it.
fn event_fact(pool: &PoolState, record: &L1Record) -> Result<Option<FactKind>, FeedError> {
    Ok(Some(match &record.event {
        PoolEvent::Locked { sequencer, signer, amount, .. } => {
            FactKind::Locked { sequencer: sequencer.0, signer: (*signer).into(), stake_wei: (*amount).into() }
        }
        PoolEvent::Relocked { sequencer, amount, from_reward, .. } => {
            let (stake, unclaimed) = held(pool, *sequencer);
            FactKind::Relocked {
                sequencer: sequencer.0,
                amount_wei: (*amount).into(),
                from_reward_wei: (*from_reward).into(),
                stake_wei: stake.into(),
                unclaimed_wei: unclaimed.into(),
            }
        }
        PoolEvent::Withdraw { sequencer, amount } => FactKind::Withdrawn {
            sequencer: sequencer.0,
            amount_wei: (*amount).into(),
            stake_wei: held(pool, *sequencer).0.into(),
        },
        PoolEvent::ClaimRewards { sequencer, recipient, amount, .. } => FactKind::Claimed {
            sequencer: sequencer.0,
            recipient: (*recipient).into(),
            amount_wei: (*amount).into(),
            unclaimed_wei: held(pool, *sequencer).1.into(),
        },
        PoolEvent::UnlockInit { sequencer, unlock_claim_time, .. } => FactKind::UnlockStarted {
            sequencer: sequencer.0,
            stake_free_at: unlock_claim_time.0,
            stake_wei: held(pool, *sequencer).0.into(),
        },
        PoolEvent::Unlocked { sequencer, amount, .. } => {
            FactKind::Unlocked { sequencer: sequencer.0, amount_wei: (*amount).into() }
        }
        PoolEvent::SignerChange { sequencer, old_signer, new_signer, .. } => FactKind::SignerChanged {
            sequencer: sequencer.0,
            signer: (*new_signer).into(),
            before: (*old_signer).into(),
        },
        PoolEvent::DistributeReward { batch, start_span, end_span, amount, reward_per_block, .. } => {
            FactKind::BatchCredited {
                batch: batch.0,
                start_span: start_span.0,
                end_span: end_span.0,
                reward_per_block_wei: (*reward_per_block).into(),
                amount_wei: (*amount).into(),
                rows: batch_rows(pool, record)?,
            }
        }
        PoolEvent::RewardUpdate { new_reward, old_reward } => FactKind::RateChanged {
            reward_per_block_wei: (*new_reward).into(),
            before_wei: (*old_reward).into(),
        },
        PoolEvent::SequencerOwnerChanged { sequencer, owner } => {
            FactKind::OwnerChanged { sequencer: sequencer.0, owner: (*owner).into() }
        }
        PoolEvent::SequencerRewardRecipientChanged { sequencer, recipient } => FactKind::RecipientChanged {
            sequencer: sequencer.0,
            recipient: Some(*recipient).filter(|recipient| !recipient.is_zero()).map(Into::into),
        },
        PoolEvent::Paused { .. } => FactKind::Paused,
        PoolEvent::Unpaused { .. } => FactKind::Unpaused,
        // LockUpdate and the transfers say again what the others do; the rest sets the contracts up.
        PoolEvent::LockUpdate { .. }
        | PoolEvent::BatchSubmitReward { .. }
        | PoolEvent::SetMinLock { .. }
        | PoolEvent::SetMaxLock { .. }
        | PoolEvent::SetRewardPayer { .. }
        | PoolEvent::WithrawDelayTimeChange { .. }
        | PoolEvent::UpdateMpc { .. }
        | PoolEvent::SetSignerUpdateThrottle { .. }
        | PoolEvent::SetWhitelist { .. }
        | PoolEvent::MetisTransfer { .. } => return Ok(None),
    }))
}

/// Whom a batch credited; none for another event. `pool` is the state after it.
pub(crate) fn batch_rows(pool: &PoolState, record: &L1Record) -> Result<Vec<CreditedRow>, FeedError> {
    let PoolEvent::DistributeReward { batch, reward_per_block, credits, .. } = &record.event else {
        return Ok(Vec::new());
    };
    let failed = |error| FeedError::Amount { place: format!("batch {batch}"), error };
    let mut rows = Vec::new();
    for (sequencer, blocks) in blocks_credited(pool, credits)? {
        rows.push(CreditedRow {
            sequencer: sequencer.0,
            blocks,
            reward_wei: reward_per_block.times(blocks).map_err(failed)?.into(),
            unclaimed_wei: held(pool, sequencer).1.into(),
        });
    }
    Ok(rows)
}
