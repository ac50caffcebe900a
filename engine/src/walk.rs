//! The walk along the chain: it takes the stretches of blocks in order, lets the sequencers change
//! and the epochs begin in between, and reports, for each epoch, who made how many blocks at which
//! stake.
//!
//! It can stop at any horizon and go on later. An epoch that is over is handed out and forgotten, so
//! that what a walk holds, and what going on costs, does not grow with what lies behind.

use crate::contract::{Contract, Payout};
use crate::epoch::{ActivityRow, EpochActivity};
use crate::error::FoldError;
use crate::grid::{Counts, Grid, epoch_start, genesis_time, sum_blocks};
use crate::history::History;
use crate::ids::{EpochIndex, L2Block, SequencerId, UnixTime};
use crate::ledger::{Horizon, Unrewarded, UnrewardedBlocks};
use crate::money::Wei;
use crate::policy::{Allocation, Attribution, Genesis, Policy};
use crate::schedule::{SpanCursor, blocks_between};
use crate::signers::SignerSlots;
use crate::timeline::{Change, ChangeKind, Roster, Standing};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Takes an epoch that is over, and what the contract pays in it (under `on-chain`).
pub(crate) type Close<'a> =
    dyn FnMut(EpochActivity, &BTreeMap<SequencerId, Wei>) -> Result<(), FoldError> + 'a;

/// A walk, between two horizons.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    genesis: Option<UnixTime>,
    first_block: Option<L2Block>,
    horizon: Option<Horizon>,
    /// How many of the timeline's changes have been played.
    played: usize,
    roster: Roster,
    /// All stakes, active or not.
    total_locked: Wei,
    /// What each sequencer has done since its stake last changed or the epoch began, by slot.
    steps: Vec<Step>,
    open: Option<OpenEpoch>,
    rewarded: u64,
    unrewarded: UnrewardedBlocks,
    contract: Contract,
}

/// A part of an epoch over which a sequencer's stake and status are the same.
#[derive(Clone, Copy, Debug)]
struct Step {
    since: UnixTime,
    blocks: u64,
}

#[derive(Clone, Debug)]
struct OpenEpoch {
    index: EpochIndex,
    start: UnixTime,
    /// What is locked when it begins.
    total_locked: Wei,
    rewarded: u64,
    /// The steps that are over, in no order.
    rows: Vec<ActivityRow>,
}

impl Walk {
    pub(crate) fn new(policy: &Policy) -> Self {
        let genesis = match policy.genesis() {
            Genesis::FirstLock | Genesis::FirstPayable => None,
            Genesis::At(time) => Some(time),
        };
        Self {
            genesis,
            first_block: None,
            horizon: None,
            played: 0,
            roster: Roster::default(),
            total_locked: Wei::ZERO,
            steps: Vec::new(),
            open: None,
            rewarded: 0,
            unrewarded: UnrewardedBlocks::default(),
            contract: Contract::default(),
        }
    }

    /// Walks on to `horizon`, and hands each epoch that ends on the way to `close`.
    pub(crate) fn advance(
        &mut self,
        policy: &Policy,
        history: &History<'_>,
        horizon: Horizon,
        close: &mut Close<'_>,
    ) -> Result<(), FoldError> {
        let mut index = self.first_stretch(history.grid, horizon.block)?;
        let first_payable = history.first_payable.and_then(|first| first.up_to(horizon.block));
        self.genesis = self.genesis.or_else(|| genesis_time(policy, history.timeline, first_payable));
        self.horizon = Some(horizon);
        let mut signers = SignerSlots::new(history.counts);
        while let Some((first, last)) =
            history.grid.stretch(index).filter(|(first, _)| *first <= horizon.block)
        {
            self.reach(policy, history, first, &mut signers, close)?;
            match policy.attribution() {
                Attribution::Signed => self.take_counted(history.counts, index, &mut signers)?,
                Attribution::Scheduled => self.take_scheduled(policy, history, first, last)?,
            }
            index = index.checked_add(1).expect("a grid has no more stretches than there is memory");
        }
        self.check()
    }

    /// The first stretch after the last horizon.
    fn first_stretch(&mut self, grid: &Grid, to: L2Block) -> Result<usize, FoldError> {
        let last = self.horizon.map(|horizon| horizon.block);
        if let Some(last) = last.filter(|last| to <= *last) {
            return Err(FoldError::HorizonNotAhead { last, to });
        }
        let Some(expected) = last.map_or(grid.stretch(0).map(|(first, _)| first), L2Block::next) else {
            return Err(FoldError::GridDoesNotFollow { last, found: None });
        };
        let index = grid.stretch_of(expected);
        let found = grid.stretch(index).map(|(first, _)| first);
        if found != Some(expected) {
            return Err(FoldError::GridDoesNotFollow { last, found });
        }
        self.first_block = self.first_block.or(Some(expected));
        Ok(index)
    }

    /// Plays the changes and begins the epochs that begin by `block`, in order of time.
    fn reach(
        &mut self,
        policy: &Policy,
        history: &History<'_>,
        block: L2Block,
        signers: &mut SignerSlots<'_>,
        close: &mut Close<'_>,
    ) -> Result<(), FoldError> {
        loop {
            let change = history.timeline.changes().get(self.played);
            let epoch = self.next_epoch(policy)?;
            // In the same second either order gives the same sums.
            let epoch = epoch.filter(|(_, start)| change.is_none_or(|change| *start <= change.time));
            if let Some((index, start)) = epoch {
                if !self.begins_by(history.grid, start, block)? {
                    return Ok(());
                }
                self.begin_epoch(index, start, close)?;
            } else if let Some(change) = change {
                if !self.begins_by(history.grid, change.time, block)? {
                    return Ok(());
                }
                self.play(change, signers)?;
            } else {
                return Ok(());
            }
        }
    }

    /// The epoch after the open one and when it begins, or `None` while there is no genesis.
    fn next_epoch(&self, policy: &Policy) -> Result<Option<(EpochIndex, UnixTime)>, FoldError> {
        let Some(genesis) = self.genesis else {
            return Ok(None);
        };
        let next = match &self.open {
            None => EpochIndex(0),
            Some(open) => open.index.next().expect("there are fewer epochs than seconds"),
        };
        Ok(Some((next, epoch_start(policy, genesis, next)?)))
    }

    /// Whether the first block at or after an instant lies at or before `block`. Later instants than the
    /// horizon need not have been looked up.
    fn begins_by(&self, grid: &Grid, time: UnixTime, block: L2Block) -> Result<bool, FoldError> {
        match grid.first_block_at(time) {
            Some(first) => Ok(first <= block),
            None if self.horizon.is_some_and(|horizon| time > horizon.timestamp) => Ok(false),
            None => Err(FoldError::MissingBoundary { time }),
        }
    }

    fn begin_epoch(
        &mut self,
        index: EpochIndex,
        start: UnixTime,
        close: &mut Close<'_>,
    ) -> Result<(), FoldError> {
        if let Some(over) = self.open.take() {
            close(self.activity(over, start)?, self.contract.epoch())?;
        }
        self.contract.begin_epoch();
        self.steps.fill(Step { since: start, blocks: 0 });
        let total_locked = self.total_locked;
        self.open = Some(OpenEpoch { index, start, total_locked, rewarded: 0, rows: Vec::new() });
        Ok(())
    }

    fn play(&mut self, change: &Change, signers: &mut SignerSlots<'_>) -> Result<(), FoldError> {
        if let ChangeKind::Signer(signer) = change.kind {
            signers.forget(&signer);
        } else if let Some(slot) = self.roster.slot_of(change.sequencer) {
            // Its stake may change here: a step ends and another begins.
            let member = self.roster.members().get(slot).zip(self.steps.get_mut(slot));
            let ((id, standing), step) = member.expect("a sequencer with a slot has a step");
            let over = core::mem::replace(step, Step { since: change.time, blocks: 0 });
            if let Some(open) = &mut self.open {
                open.rows.extend(over.row(*id, standing, change.time)?);
            }
        }
        let (before, after) = self.roster.apply(change);
        if before != after {
            self.total_locked = self.total_locked.checked_sub(before)?.checked_add(after)?;
            // It holds from the very second on, though an epoch that begins in it has begun.
            if let Some(open) = self.open.as_mut().filter(|open| open.start == change.time) {
                open.total_locked = self.total_locked;
            }
        }
        self.steps.resize(self.roster.members().len(), Step { since: change.time, blocks: 0 });
        self.played =
            self.played.checked_add(1).expect("a timeline has no more changes than there is memory");
        Ok(())
    }

    /// Takes a stretch by who made its blocks.
    fn take_counted(
        &mut self,
        counts: &Counts,
        index: usize,
        signers: &mut SignerSlots<'_>,
    ) -> Result<(), FoldError> {
        for (code, producer, blocks) in counts.by_code(index) {
            match producer {
                _ if self.open.is_none() => self.unrewarded.add(Unrewarded::BeforeGenesis, blocks)?,
                None => self.unrewarded.add(Unrewarded::NoProducer, blocks)?,
                Some(signer) => self.take(signers.slot(code, signer, &self.roster), blocks)?,
            }
        }
        Ok(())
    }

    /// Takes a stretch by who was to make its blocks.
    fn take_scheduled(
        &mut self,
        policy: &Policy,
        history: &History<'_>,
        first: L2Block,
        last: L2Block,
    ) -> Result<(), FoldError> {
        for piece in SpanCursor::new(history.spans).pieces(first, last) {
            let blocks = blocks_in(piece.first, piece.last)?;
            match piece.span {
                // Only blocks before the first span lie in none up to the horizon.
                None if history.spans.next_covered(piece.last).is_none() => {
                    return Err(FoldError::Unsettled { block: piece.first });
                }
                _ if self.open.is_none() => self.unrewarded.add(Unrewarded::BeforeGenesis, blocks)?,
                None => self.unrewarded.add(Unrewarded::NoProducer, blocks)?,
                Some(span) if policy.allocation() == Allocation::OnChain => {
                    self.take_paid(&Payout::of(history.batches, history.spans, span)?, blocks)?;
                }
                Some(span) => self.take(self.roster.slot_of_signer(&span.signer), blocks)?,
            }
        }
        Ok(())
    }

    /// Takes blocks of the sequencer in this slot (`None`: of an unknown signer), by its standing.
    fn take(&mut self, slot: Option<usize>, blocks: u64) -> Result<(), FoldError> {
        let Some(slot) = slot else {
            return self.unrewarded.add(Unrewarded::UnknownSigner, blocks);
        };
        let is_active = self.roster.members().get(slot).is_some_and(|(_, standing)| standing.active);
        match self.steps.get_mut(slot).filter(|_| is_active) {
            None => self.unrewarded.add(Unrewarded::AfterUnlock, blocks),
            Some(step) => {
                step.blocks = sum_blocks(step.blocks, blocks)?;
                self.reward(blocks)
            }
        }
    }

    /// Takes blocks that the contract pays, or does not.
    fn take_paid(&mut self, payout: &Payout, blocks: u64) -> Result<(), FoldError> {
        let (sequencer, each, batch) = match payout {
            Payout::Nothing(reason) => return self.unrewarded.add(*reason, blocks),
            Payout::To { sequencer, each, batch } => (*sequencer, *each, batch),
        };
        self.contract.pay(sequencer, each, batch.as_ref(), blocks)?;
        // The contract also credits who is not active, or not even locked: with no stake.
        let stake = self.roster.get(sequencer).map_or(Wei::ZERO, stake_of);
        if let Some(open) = &mut self.open {
            open.rows.push(ActivityRow { sequencer, stake, blocks, secs: 0 });
        }
        self.reward(blocks)
    }

    fn reward(&mut self, blocks: u64) -> Result<(), FoldError> {
        self.rewarded = sum_blocks(self.rewarded, blocks)?;
        if let Some(open) = &mut self.open {
            open.rewarded = sum_blocks(open.rewarded, blocks)?;
        }
        Ok(())
    }

    /// What `epoch`, the open one, has seen up to `until`.
    fn activity(&self, epoch: OpenEpoch, until: UnixTime) -> Result<EpochActivity, FoldError> {
        let OpenEpoch { index, start, total_locked, rewarded, mut rows } = epoch;
        rows.reserve(self.steps.len());
        for ((id, standing), step) in self.roster.members().iter().zip(&self.steps) {
            rows.extend(step.row(*id, standing, until)?);
        }
        let blocks = rows.iter().try_fold(0, |blocks, row| sum_blocks(blocks, row.blocks))?;
        assert_eq!(blocks, rewarded, "the rows of epoch {index} have its rewarded blocks");
        let key = |row: &ActivityRow| (row.sequencer, row.stake);
        rows.sort_unstable_by_key(key);
        rows.dedup_by(|row, before| {
            let is_same = key(row) == key(before);
            if is_same {
                before.blocks = before.blocks.checked_add(row.blocks).expect("all blocks together fit");
                before.secs = before.secs.checked_add(row.secs).expect("the seconds of an epoch fit");
            }
            is_same
        });
        Ok(EpochActivity { epoch: index, start, total_locked, rows })
    }

    /// What the open epoch has seen up to the horizon, or `None` before genesis.
    pub(crate) fn open_epoch(&self) -> Result<Option<EpochActivity>, FoldError> {
        let Some((open, horizon)) = self.open.clone().zip(self.horizon) else {
            return Ok(None);
        };
        self.activity(open, horizon.timestamp).map(Some)
    }

    /// When epoch 0 begins. A first lock after the horizon is none yet: what is said of these blocks
    /// must not change with what comes later.
    pub(crate) fn genesis(&self, policy: &Policy) -> Option<UnixTime> {
        self.genesis.filter(|genesis| {
            matches!(policy.genesis(), Genesis::At(_))
                || self.horizon.is_some_and(|horizon| *genesis <= horizon.timestamp)
        })
    }

    /// The sequencers at the horizon.
    pub(crate) const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// How far it has come.
    pub(crate) const fn horizon(&self) -> Option<Horizon> {
        self.horizon
    }

    /// Blocks rewarded so far.
    pub(crate) const fn rewarded(&self) -> u64 {
        self.rewarded
    }

    /// Blocks not rewarded so far.
    pub(crate) const fn unrewarded(&self) -> UnrewardedBlocks {
        self.unrewarded
    }

    /// What the contract paid.
    pub(crate) const fn contract(&self) -> &Contract {
        &self.contract
    }

    /// Conservation: every block up to the horizon is rewarded or not, once.
    fn check(&self) -> Result<(), FoldError> {
        let blocks = match (self.first_block, self.horizon) {
            (Some(first), Some(horizon)) => blocks_in(first, horizon.block)?,
            _ => 0,
        };
        let rewarded = self.rewarded;
        let too_many = FoldError::TooManyBlocks { left: rewarded, right: blocks };
        let unrewarded = self.unrewarded.total().ok_or(too_many)?;
        if sum_blocks(rewarded, unrewarded)? != blocks {
            return Err(FoldError::NotConserved { rewarded, unrewarded, blocks });
        }
        Ok(())
    }
}

impl Step {
    /// The step as it ends at `until`, or `None` if there is nothing in it.
    fn row(
        self,
        sequencer: SequencerId,
        standing: &Standing,
        until: UnixTime,
    ) -> Result<Option<ActivityRow>, FoldError> {
        let Some(passed) = until.0.checked_sub(self.since.0) else {
            return Err(FoldError::TimeRunsBack { from: self.since, to: until });
        };
        let secs = if standing.active { passed } else { 0 };
        let row = ActivityRow { sequencer, stake: stake_of(standing), blocks: self.blocks, secs };
        Ok((row.blocks > 0 || secs > 0).then_some(row))
    }
}

/// The stake while active, else nothing.
pub(crate) fn stake_of(standing: &Standing) -> Wei {
    if standing.active { standing.stake } else { Wei::ZERO }
}

/// How many blocks `first..=last` are.
fn blocks_in(first: L2Block, last: L2Block) -> Result<u64, FoldError> {
    blocks_between(first, last).ok_or(FoldError::Unsettled { block: first })
}
