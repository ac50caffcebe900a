//! The fold itself: counts in, ledger out.

use crate::batch::{Batches, PaidBatch, Payment};
use crate::digest::ledger_root;
use crate::error::FoldError;
use crate::grid::{Counts, Grid, epoch_at, epoch_start, genesis_time};
use crate::ids::{BatchId, EpochIndex, L2Block, SequencerId, UnixTime};
use crate::ledger::{
    BatchLedger, Earned, EpochLedger, Horizon, Ledger, Rate, Row, SequencerTotal, Unrewarded,
    UnrewardedBlocks,
};
use crate::money::{StakeBlocks, Wei};
use crate::policy::{Allocation, Attribution, Genesis, Policy};
use crate::rate::{Window, initial_stake_weighted_reward};
use crate::spans::{Span, Spans};
use crate::stake::StakeIntegrals;
use crate::timeline::{Roster, Timeline};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256};

/// What a fold reads. The counts reach over the whole grid; each policy takes what lies up to its
/// own horizon.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// Stakes, signers and statuses over time.
    pub timeline: &'a Timeline,
    /// Who was to produce what.
    pub spans: &'a Spans,
    /// What the contract paid.
    pub batches: &'a Batches,
    /// The stretches of blocks, cut at every policy's horizon.
    pub grid: &'a Grid,
    /// The blocks of each stretch by producer.
    pub counts: &'a Counts,
}

/// Folds `history` up to `horizon` under one policy.
///
/// # Errors
///
/// [`FoldError`] if an amount does not fit in 256 bits, or if the history lacks what its horizon
/// promises. There is no partial ledger.
pub fn fold(policy: &Policy, history: &History<'_>, horizon: Option<Horizon>) -> Result<Ledger, FoldError> {
    let genesis = genesis_time(policy, history.timeline);
    let mut fold = Fold::new(policy, history, genesis, horizon)?;
    if let Some(horizon) = horizon {
        for index in 0..history.grid.len() {
            match history.grid.stretch(index) {
                Some((first, last)) if first <= horizon.block => fold.stretch(index, first, last)?,
                _ => break,
            }
        }
    }
    fold.finish(horizon)
}

/// How a group of blocks ends up.
enum Outcome {
    /// Each block earns `each` for a sequencer whose effective stake is `effective`.
    Rewarded { sequencer: SequencerId, effective: Wei, each: Wei, payer: Payer },
    /// They earn nothing.
    Unrewarded(Unrewarded),
}

/// Where a reward comes from.
enum Payer {
    Policy,
    Batch(PaidBatch),
    Pending,
}

struct Fold<'a> {
    policy: &'a Policy,
    history: &'a History<'a>,
    genesis: Option<UnixTime>,
    /// The horizon's timestamp.
    until: UnixTime,
    integrals: StakeIntegrals,
    /// The changes that no stretch has reached yet.
    changes: &'a [crate::timeline::Change],
    roster: Roster,
    epochs: Vec<OpenEpoch>,
    sequencers: BTreeMap<SequencerId, Earned>,
    unrewarded: UnrewardedBlocks,
    batches: BTreeMap<BatchId, BatchLedger>,
    pending: Earned,
    total: Wei,
    blocks: u64,
}

/// An epoch while it is folded.
struct OpenEpoch {
    start: UnixTime,
    rate: Rate,
    /// The reward of each block, where it does not depend on the producer.
    flat_reward: Wei,
    earned: Earned,
    stake_blocks: StakeBlocks,
    rows: BTreeMap<SequencerId, Earned>,
}

impl<'a> Fold<'a> {
    fn new(
        policy: &'a Policy,
        history: &'a History<'a>,
        genesis: Option<UnixTime>,
        horizon: Option<Horizon>,
    ) -> Result<Self, FoldError> {
        let integrals = match (genesis, horizon) {
            (Some(genesis), Some(horizon)) => {
                StakeIntegrals::new(policy, history.timeline, genesis, horizon.timestamp)?
            }
            _ => StakeIntegrals::default(),
        };
        Ok(Self {
            policy,
            history,
            genesis,
            until: horizon.map_or(UnixTime(0), |horizon| horizon.timestamp),
            integrals,
            changes: history.timeline.changes(),
            roster: Roster::default(),
            epochs: Vec::new(),
            sequencers: BTreeMap::new(),
            unrewarded: UnrewardedBlocks::default(),
            batches: BTreeMap::new(),
            pending: Earned::default(),
            total: Wei::ZERO,
            blocks: 0,
        })
    }

    /// Whether the first block at or after an instant lies at or before `block`. Later instants than the
    /// horizon need not have been looked up.
    fn begins_by(&self, time: UnixTime, block: L2Block) -> Result<bool, FoldError> {
        match self.history.grid.first_block_at(time) {
            Some(first) => Ok(first <= block),
            None if time > self.until => Ok(false),
            None => Err(FoldError::MissingBoundary { time }),
        }
    }

    /// Folds one stretch, over which only the producer varies.
    fn stretch(&mut self, index: usize, first: L2Block, last: L2Block) -> Result<(), FoldError> {
        while let Some((change, later)) = self.changes.split_first() {
            if !self.begins_by(change.time, first)? {
                break;
            }
            self.roster.apply(change);
            self.changes = later;
        }
        let in_epoch = self.open_epochs(first)?;
        match self.policy.attribution() {
            Attribution::Signed => {
                for (producer, blocks) in self.history.counts.stretch(index) {
                    let outcome = match producer {
                        _ if !in_epoch => Outcome::Unrewarded(Unrewarded::BeforeGenesis),
                        None => Outcome::Unrewarded(Unrewarded::NoProducer),
                        Some(signer) => self.by_roster(&signer)?,
                    };
                    self.record(&outcome, blocks)?;
                }
            }
            Attribution::Scheduled => {
                for (span, blocks) in pieces(self.history.spans, first, last)? {
                    let outcome = match span {
                        _ if !in_epoch => Outcome::Unrewarded(Unrewarded::BeforeGenesis),
                        None => Outcome::Unrewarded(Unrewarded::NoProducer),
                        Some(span) if self.policy.allocation() == Allocation::OnChain => {
                            self.by_contract(span)?
                        }
                        Some(span) => self.by_roster(&span.signer)?,
                    };
                    self.record(&outcome, blocks)?;
                }
            }
        }
        Ok(())
    }

    /// How many epochs are open, and so the index of the next.
    fn opened(&self) -> u64 {
        u64::try_from(self.epochs.len()).expect("no count of things in memory passes 64 bits")
    }

    /// Opens the epochs that begin by `block`, each with its rate, and says whether there is one.
    fn open_epochs(&mut self, block: L2Block) -> Result<bool, FoldError> {
        let Some(genesis) = self.genesis else {
            return Ok(false);
        };
        loop {
            let start = epoch_start(self.policy, genesis, self.opened())?;
            if !self.begins_by(start, block)? {
                return Ok(!self.epochs.is_empty());
            }
            self.open_epoch(start)?;
        }
    }

    fn open_epoch(&mut self, start: UnixTime) -> Result<(), FoldError> {
        let rate = self.next_rate(start);
        let flat_reward = match (self.policy.allocation(), rate) {
            (Allocation::Flat, Rate::Initial) => self.policy.initial_reward(),
            (Allocation::Flat, Rate::FromWindow(window)) => window.flat_reward()?,
            (Allocation::StakeWeighted | Allocation::OnChain, _) | (_, Rate::OnChain) => Wei::ZERO,
        };
        self.epochs.push(OpenEpoch {
            start,
            rate,
            flat_reward,
            earned: Earned::default(),
            stake_blocks: StakeBlocks::ZERO,
            rows: BTreeMap::new(),
        });
        Ok(())
    }

    /// The rate of the epoch that begins at `start`: by the epoch before it, if that had stake and
    /// rewarded blocks (under `stake-weighted`: of producers with stake), else the one before.
    fn next_rate(&self, start: UnixTime) -> Rate {
        if self.policy.allocation() == Allocation::OnChain {
            return Rate::OnChain;
        }
        let Some(before) = self.epochs.last() else {
            return Rate::Initial;
        };
        let epoch = self.opened().checked_sub(1).expect("there is an epoch before");
        let window = Window {
            epoch,
            target: self.policy.target_at(start),
            stake_seconds: self.integrals.total(epoch),
            blocks: before.earned.blocks,
            stake_blocks: before.stake_blocks,
        };
        let by_stake = self.policy.allocation() == Allocation::StakeWeighted;
        let is_empty = window.blocks == 0
            || window.stake_seconds.is_zero()
            || (by_stake && window.stake_blocks.is_zero());
        if is_empty { before.rate } else { Rate::FromWindow(window) }
    }

    /// Blocks of `signer` under a mining reward rate, by the sequencers' standing at this stretch.
    fn by_roster(&self, signer: &Address) -> Result<Outcome, FoldError> {
        let Some(sequencer) = self.roster.sequencer_of(signer) else {
            return Ok(Outcome::Unrewarded(Unrewarded::UnknownSigner));
        };
        let standing = match self.roster.get(sequencer) {
            Some(standing) if standing.active => standing,
            _ => return Ok(Outcome::Unrewarded(Unrewarded::AfterUnlock)),
        };
        let cap = self.policy.cap();
        let effective = standing.effective(cap);
        let (rate, flat) =
            self.epochs.last().map_or((Rate::Initial, Wei::ZERO), |epoch| (epoch.rate, epoch.flat_reward));
        let each = match (self.policy.allocation(), rate) {
            (Allocation::StakeWeighted, Rate::FromWindow(window)) => {
                window.stake_weighted_reward(effective)?
            }
            (Allocation::StakeWeighted, _) => {
                initial_stake_weighted_reward(self.policy.initial_reward(), effective, cap)?
            }
            (Allocation::Flat | Allocation::OnChain, _) => flat,
        };
        Ok(Outcome::Rewarded { sequencer, effective, each, payer: Payer::Policy })
    }

    /// Blocks of `span` as the contract pays them: whether their sequencer was active is nothing to
    /// it, but it can credit nobody who is gone.
    fn by_contract(&self, span: &Span) -> Result<Outcome, FoldError> {
        if !self.history.spans.holds(span) {
            // The contract has forgotten who was to make them.
            return Ok(Outcome::Unrewarded(Unrewarded::NoProducer));
        }
        let batches = self.history.batches;
        let (batch, each) = match batches.payment(span.id) {
            Payment::Never => return Ok(Outcome::Unrewarded(Unrewarded::BeforeGenesis)),
            Payment::Skipped => return Err(FoldError::SpanInNoBatch { span: span.id }),
            Payment::Paid(batch) => (Some(batch), batch.reward_per_block),
            Payment::Pending(reward) => (None, reward),
        };
        let Some(sequencer) = batches.sequencer_of(&span.signer, batch.as_ref()) else {
            return Ok(Outcome::Unrewarded(Unrewarded::UnknownSigner));
        };
        if batches.is_gone(sequencer, batch.as_ref()) {
            return Ok(Outcome::Unrewarded(Unrewarded::AfterUnlock));
        }
        let standing = self.roster.get(sequencer);
        let effective = standing.map_or(Wei::ZERO, |standing| standing.effective(self.policy.cap()));
        let payer = batch.map_or(Payer::Pending, Payer::Batch);
        Ok(Outcome::Rewarded { sequencer, effective, each, payer })
    }

    fn record(&mut self, outcome: &Outcome, blocks: u64) -> Result<(), FoldError> {
        let too_many = FoldError::TooManyBlocks { left: self.blocks, right: blocks };
        self.blocks = self.blocks.checked_add(blocks).ok_or(too_many)?;
        let (sequencer, effective, each, payer) = match outcome {
            Outcome::Unrewarded(reason) => return self.unrewarded.add(*reason, blocks),
            Outcome::Rewarded { sequencer, effective, each, payer } => (*sequencer, *effective, *each, payer),
        };
        let reward = each.times(blocks)?;
        self.total = self.total.checked_add(reward)?;
        self.sequencers.entry(sequencer).or_default().add(blocks, reward)?;
        if let Some(epoch) = self.epochs.last_mut() {
            epoch.earned.add(blocks, reward)?;
            epoch.stake_blocks = epoch.stake_blocks.checked_add(effective.over_blocks(blocks)?)?;
            epoch.rows.entry(sequencer).or_default().add(blocks, reward)?;
        }
        match payer {
            Payer::Policy => {}
            Payer::Pending => self.pending.add(blocks, reward)?,
            Payer::Batch(batch) => {
                let ledger = self.batches.entry(batch.id).or_insert_with(|| BatchLedger {
                    batch: batch.id,
                    reward_per_block: batch.reward_per_block,
                    rows: BTreeMap::new(),
                });
                ledger.rows.entry(sequencer).or_default().add(blocks, reward)?;
            }
        }
        Ok(())
    }

    fn finish(mut self, horizon: Option<Horizon>) -> Result<Ledger, FoldError> {
        self.close_epochs(horizon)?;
        self.check(horizon)?;
        let mut sequencers: BTreeMap<SequencerId, SequencerTotal> = BTreeMap::new();
        for (id, standing) in self.roster.iter() {
            sequencers.entry(id).or_default().signer = Some(standing.signer);
        }
        for (id, earned) in self.sequencers {
            sequencers.entry(id).or_default().earned = earned;
        }
        let mut epochs = Vec::new();
        for (index, open) in (0_u64..).zip(self.epochs) {
            let row = |(sequencer, earned)| Row {
                sequencer,
                earned,
                stake_seconds: self.integrals.of(index, sequencer),
            };
            epochs.push(EpochLedger {
                epoch: EpochIndex(index),
                start: open.start,
                stake_seconds: self.integrals.total(index),
                earned: open.earned,
                stake_blocks: open.stake_blocks,
                target: self.policy.target_at(open.start),
                rate: open.rate,
                rows: open.rows.into_iter().map(row).collect(),
            });
        }
        let mut ledger = Ledger {
            // A first lock after the horizon is none yet: what is said of these blocks must not change
            // with what comes later.
            genesis: self.genesis.filter(|genesis| {
                self.policy.genesis() != Genesis::FirstLock || (horizon.is_some() && *genesis <= self.until)
            }),
            horizon,
            epochs,
            sequencers,
            unrewarded: self.unrewarded,
            total: self.total,
            batches: self.batches.into_values().collect(),
            pending: self.pending,
            root: B256::ZERO,
        };
        ledger.root = ledger_root(&ledger);
        Ok(ledger)
    }

    /// Opens the epochs that begin by the horizon and have no block.
    fn close_epochs(&mut self, horizon: Option<Horizon>) -> Result<(), FoldError> {
        let (Some(genesis), Some(horizon)) = (self.genesis, horizon) else {
            return Ok(());
        };
        let Some(last) = epoch_at(self.policy, genesis, horizon.timestamp)? else {
            return Ok(());
        };
        while self.opened() <= last {
            self.open_epoch(epoch_start(self.policy, genesis, self.opened())?)?;
        }
        Ok(())
    }

    /// Conservation: every block up to the horizon is counted once, and the rows sum to the totals.
    fn check(&self, horizon: Option<Horizon>) -> Result<(), FoldError> {
        let mut rewarded = Earned::default();
        for epoch in &self.epochs {
            let mut rows = Earned::default();
            for row in epoch.rows.values() {
                rows.add(row.blocks, row.reward)?;
            }
            assert_eq!(rows, epoch.earned, "the rows of the epoch at {} sum to its totals", epoch.start);
            rewarded.add(rows.blocks, rows.reward)?;
        }
        assert_eq!(rewarded.reward, self.total, "the epochs sum to the total");
        let blocks = match (self.history.grid.stretch(0), horizon) {
            (Some((first, _)), Some(horizon)) => blocks_in(first, horizon.block)?,
            _ => 0,
        };
        let too_many = FoldError::TooManyBlocks { left: self.blocks, right: 0 };
        let unrewarded = self.unrewarded.total().ok_or_else(|| too_many.clone())?;
        let sum = unrewarded.checked_add(rewarded.blocks).ok_or(too_many)?;
        if sum != blocks || self.blocks != blocks {
            return Err(FoldError::NotConserved { rewarded: rewarded.blocks, unrewarded, blocks });
        }
        Ok(())
    }
}

/// How many blocks `first..=last` are.
fn blocks_in(first: L2Block, last: L2Block) -> Result<u64, FoldError> {
    let blocks = last.0.checked_sub(first.0).and_then(|blocks| blocks.checked_add(1));
    blocks.ok_or(FoldError::Unsettled { block: first })
}

/// The blocks `first..=last` by span, in order.
fn pieces(spans: &Spans, first: L2Block, last: L2Block) -> Result<Vec<(Option<&Span>, u64)>, FoldError> {
    let mut pieces = Vec::new();
    let mut from = first;
    loop {
        let span = spans.covering(from);
        let end = match span {
            Some(span) => span.end,
            // Only blocks before the first span lie in none up to the horizon.
            None => match spans.next_covered(from).and_then(L2Block::previous) {
                Some(end) => end,
                None => return Err(FoldError::Unsettled { block: from }),
            },
        }
        .min(last);
        pieces.push((span, blocks_in(from, end)?));
        match end.next() {
            Some(next) if next <= last => from = next,
            _ => return Ok(pieces),
        }
    }
}
