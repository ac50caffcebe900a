//! What is served: a log as it was at some moment, with all that follows from it.

use crate::error::FeedError;
use crate::facts::Frozen;
use crate::told::Feed;
use alloy_primitives::B256;
use axum::body::Bytes;
use axum::http::HeaderValue;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tally_audit::ChainAudit;
use tally_claims::{
    ChainAccounts, Distribution, DistributionHead, Names, NextBatch, NextRate, PolicyAccounts, SequencerFacts,
};
use tally_engine::{Allocation, EpochIndex, L1Record, PoolState, SequencerId, Wei};
use tally_eventlog::{LogReader, LogView, Reach};
use tally_replay::{BlockEntry, Replayed, WhatIf};
use tally_wire::{At, Log, PaidBatch, Sequencer, SequencerWithAccounts, SettledAccount};

/// How many distributions of earlier epochs a view keeps once somebody asked.
const DISTRIBUTIONS_KEPT: usize = 8;

/// A log as it was at some moment. Nothing of it changes; whoever answers from it answers of one moment.
pub(crate) struct View {
    pub(crate) log: LogReader,
    pub(crate) digest: B256,
    /// How far the log is final.
    pub(crate) final_reach: Reach,
    pub(crate) contracts: Arc<PoolContracts>,
    /// The same, but only of L1 blocks that are final.
    pub(crate) final_contracts: Arc<PoolContracts>,
    /// In the order of the command line; there is at least one.
    pub(crate) policies: Vec<PolicyView>,
    /// The audit of all of it, once somebody asked.
    pub(crate) audit: OnceLock<ChainAudit>,
    /// What is to be sent next, by what is final; views with the same share it.
    pub(crate) upcoming: Arc<Upcoming>,
    /// What happened, to be priced by other rules, for each policy and once somebody asked.
    pub(crate) what_ifs: Vec<OnceLock<WhatIf>>,
}

/// What is to be sent next, by what is final, once somebody asked: to know it, everything is replayed.
pub(crate) struct Upcoming {
    pub(crate) batch: OnceLock<NextBatch>,
    /// For each policy, in their order.
    pub(crate) rates: Vec<OnceLock<NextRate>>,
}

impl Upcoming {
    pub(crate) fn new(policies: usize) -> Self {
        Self { batch: OnceLock::new(), rates: cells(policies) }
    }
}

/// So many cells with nothing in them.
pub(crate) fn cells<T>(count: usize) -> Vec<OnceLock<T>> {
    std::iter::repeat_with(OnceLock::new).take(count).collect()
}

/// The pool's contracts by L1 up to some block, and what follows from them.
pub(crate) struct PoolContracts {
    /// All L1 events of the log.
    pub(crate) records: Vec<L1Record>,
    /// The state of the contracts after these events.
    pub(crate) pool: PoolState,
    /// What the contracts owe each sequencer.
    pub(crate) accounts: ChainAccounts,
    /// The sequencers, with their addresses and stakes.
    pub(crate) sequencers: BTreeMap<SequencerId, SequencerFacts>,
    /// The names of the sequencers, from the registry.
    pub(crate) names: Names,
    /// The batches that were paid, in order.
    pub(crate) batches: Vec<PaidBatch>,
}

/// What a policy makes of a log.
pub(crate) struct PolicyView {
    pub(crate) replayed: Replayed,
    /// What it makes of what is final.
    pub(crate) settled: Replayed,
    pub(crate) accounts: PolicyAccounts,
    pub(crate) at: At,
    /// The digest of everything that answers follow from.
    pub(crate) etag: HeaderValue,
    pub(crate) feed: Feed,
    /// The answer about all sequencers, and those about single ones, once somebody asked.
    pub(crate) all: OnceLock<Bytes>,
    pub(crate) answers: BTreeMap<SequencerId, OnceLock<Bytes>>,
    /// What of sequencers' rewards lies in closed epochs that are final; `None` under `on-chain`.
    settled_rewards: Option<BTreeMap<SequencerId, Wei>>,
    frozen: Frozen,
    /// Distributions of earlier epochs that were asked for; the last that was is in front.
    earlier: Mutex<VecDeque<Arc<Distribution>>>,
}

impl PolicyView {
    /// What a policy makes of a log, of which nothing was told yet: see [`PolicyView::tell`].
    pub(crate) fn new(
        log: Log,
        final_reach: Reach,
        contracts: &PoolContracts,
        (replayed, settled): (Replayed, Replayed),
        frozen: Frozen,
    ) -> Result<Self, FeedError> {
        let feed = Feed::default();
        let at = At::from((log, final_reach, &replayed, &settled, feed.end()));
        let accounts = PolicyAccounts::new(&replayed, tally_claims::Until::Horizon)?;
        let answers = contracts.sequencers.keys().map(|id| (*id, OnceLock::new())).collect();
        let settled_rewards = settled_rewards(&settled)?;
        Ok(Self {
            replayed,
            settled,
            accounts,
            at,
            etag: HeaderValue::from_static("\"\""),
            feed,
            all: OnceLock::new(),
            answers,
            settled_rewards,
            frozen,
            earlier: Mutex::default(),
        })
    }

    /// Takes the feed that was told of it, which is the last thing that is done: with that, it is known what answers follow
    /// from. `names_digest` is that of the registry of names.
    pub(crate) fn tell(&mut self, names_digest: B256, feed: Feed) -> Result<(), FeedError> {
        self.at.feed = feed.end();
        let mut hasher = blake3::Hasher::new();
        hasher.update(tally_engine::VERSION.as_bytes());
        hasher.update(names_digest.as_slice());
        hasher.update(serde_json::to_string(&self.at)?.as_bytes());
        let tag = format!("\"{}\"", &hasher.finalize().to_hex()[..32]);
        self.etag = HeaderValue::from_str(&tag).expect("hex digits can be in a header");
        self.feed = feed;
        Ok(())
    }

    /// What tells the state from others, in short: the beginning of the tag.
    pub(crate) fn state(&self) -> &str {
        self.etag.to_str().ok().and_then(|tag| tag.get(1..17)).unwrap_or_default()
    }

    /// A sequencer as it is served; `None` if there is none with this id.
    pub(crate) fn sequencer(
        &self,
        contracts: &PoolContracts,
        id: SequencerId,
    ) -> Option<SequencerWithAccounts> {
        let known = contracts.sequencers.get(&id).zip(contracts.accounts.sequencers.get(&id));
        let (facts, account) = known?;
        // Who is not among them has earned nothing yet.
        let settled = self.settled_rewards.as_ref().map(|all| all.get(&id).copied().unwrap_or(Wei::ZERO));
        Some(SequencerWithAccounts {
            sequencer: Sequencer::from((id, contracts.names.get(id), facts)),
            contract: account.into(),
            policy: SettledAccount {
                account: (&self.accounts.of(id)).into(),
                settled_wei: settled.map(Into::into),
            },
        })
    }

    /// Whether what a block earned cannot change any more. Under `on-chain` that takes a batch that pays its span, and is
    /// final.
    pub(crate) fn is_final(&self, view: &View, entry: &BlockEntry) -> bool {
        let is_folded = self.settled.ledger.horizon.is_some_and(|last| entry.block <= last.block);
        let paid = view.final_contracts.pool.batch.end_span;
        let is_paid = !self.is_on_chain() || entry.span.is_none_or(|span| span <= paid);
        is_folded && is_paid
    }

    /// Whether what an epoch paid cannot change any more: what is final reaches into a later one. Under `on-chain` batches
    /// are what is settled, and no epoch is.
    pub(crate) fn is_epoch_final(&self, epoch: EpochIndex) -> bool {
        let last = self.settled.ledger.epochs.last();
        !self.is_on_chain() && last.is_some_and(|last| last.epoch > epoch)
    }

    /// Whether the blocks of an epoch are all final: a final block lies in a later one.
    pub(crate) fn has_final_after(&self, epoch: EpochIndex, final_reach: Reach) -> bool {
        let mut epochs = self.replayed.ledger.epochs.iter();
        let next = epochs.find(|other| other.epoch > epoch).map(|next| next.start);
        next.zip(final_reach.l2).is_some_and(|(next, head)| head.timestamp >= next)
    }

    /// Whether the contract pays what the policy gives, so that there are no distributions.
    pub(crate) fn is_on_chain(&self) -> bool {
        self.replayed.policy.allocation() == Allocation::OnChain
    }

    /// The distributions of the settled epochs in short, by epoch from 0 on; none under `on-chain`.
    pub(crate) fn distributions(&self) -> &[DistributionHead] {
        &self.frozen.heads
    }

    /// The distribution of the last settled epoch; `None` where none is settled yet, and under `on-chain`.
    pub(crate) fn last_distribution(&self) -> Option<&Arc<Distribution>> {
        self.frozen.last.as_ref()
    }

    /// A distribution, whole. Making one again that is not the last takes a while: all epochs up to it are summed up.
    pub(crate) fn distribution(
        &self,
        view: &View,
        head: &DistributionHead,
    ) -> Result<Arc<Distribution>, FeedError> {
        let is_it = |made: &&Arc<Distribution>| made.head == *head;
        // Whoever held it has put one in, or taken one out.
        let earlier = || self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = self.frozen.last.iter().chain(earlier().iter()).find(is_it) {
            return Ok(Arc::clone(made));
        }
        let settled = &self.settled;
        let (genesis, records) = (&view.log.identity().genesis, &view.final_contracts.records);
        let made = Distribution::new(&settled.policy, &settled.ledger, genesis, records, Some(head.epoch))?;
        if made.head != *head {
            let epoch = head.epoch;
            return Err(FeedError::Broken(format!("the distribution of epoch {epoch} is not what was told")));
        }
        let made = Arc::new(made);
        let mut kept = earlier();
        kept.truncate(DISTRIBUTIONS_KEPT - 1);
        kept.push_front(Arc::clone(&made));
        Ok(made)
    }
}

/// What of each sequencer's rewards lies in closed epochs; `None` under `on-chain`.
fn settled_rewards(settled: &Replayed) -> Result<Option<BTreeMap<SequencerId, Wei>>, FeedError> {
    if settled.policy.allocation() == Allocation::OnChain {
        return Ok(None);
    }
    let mut sums: BTreeMap<SequencerId, Wei> = BTreeMap::new();
    let closed = settled.ledger.epochs.split_last().map_or(&[][..], |(_, closed)| closed);
    for row in closed.iter().flat_map(|epoch| epoch.rows.iter()) {
        let sum = sums.entry(row.sequencer).or_default();
        *sum = sum.checked_add(row.earned.reward).map_err(|error| FeedError::Amount {
            place: format!("the settled rewards of sequencer {}", row.sequencer),
            error,
        })?;
    }
    Ok(Some(sums))
}
