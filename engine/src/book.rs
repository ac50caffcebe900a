//! The book of a fold: the epochs of a [`Walk`], priced and added up.

use crate::digest::{FIRST_LINK, epoch_digest, ledger_root, link};
use crate::epoch::{ActivityRow, EpochActivity};
use crate::error::FoldError;
use crate::ids::SequencerId;
use crate::ledger::{Earned, EpochLedger, Ledger, Row, SequencerTotal, UnrewardedBlocks};
use crate::money::{StakeSeconds, Wei};
use crate::policy::{Allocation, Policy};
use crate::rate::{Past, Price, Rate, Sums, next_rate};
use crate::spread::Spread;
use crate::walk::Walk;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::B256;

/// How many epochs are priced together: enough to keep all cores busy, and few enough that what is held
/// of them does not show.
const PRICED_TOGETHER: usize = 64;

/// What a fold has written down.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    /// As of the last horizon. Its last epoch is the open one.
    ledger: Ledger,
    /// Epochs closed since then.
    closed: Vec<EpochLedger>,
    /// Epochs closed after those, with their rates.
    unpriced: Vec<Unpriced>,
    /// What each sequencer earned in closed epochs.
    earned: BTreeMap<SequencerId, Earned>,
    total: Earned,
    /// The last closed epoch, priced or not.
    past: Option<Past>,
    /// The link of the last priced epoch in the chain of epochs' digests.
    link: B256,
}

/// An epoch that is known but for its rewards.
#[derive(Clone, Debug)]
struct Unpriced {
    activity: EpochActivity,
    rate: Rate,
    sums: Sums,
    /// What the contract pays, for the allocation `on-chain`.
    paid: BTreeMap<SequencerId, Wei>,
}

impl Book {
    /// An empty book. `walk` has not begun.
    pub(crate) fn new(policy: &Policy, walk: &Walk) -> Self {
        let mut ledger = Ledger {
            genesis: walk.genesis(policy),
            horizon: None,
            epochs: Vec::new(),
            sequencers: BTreeMap::new(),
            unrewarded: UnrewardedBlocks::default(),
            total: Wei::ZERO,
            batches: Vec::new(),
            pending: Earned::default(),
            root: B256::ZERO,
        };
        ledger.root = ledger_root(&ledger, FIRST_LINK);
        Self {
            ledger,
            closed: Vec::new(),
            unpriced: Vec::new(),
            earned: BTreeMap::new(),
            total: Earned::default(),
            past: None,
            link: FIRST_LINK,
        }
    }

    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn into_ledger(self) -> Ledger {
        self.ledger
    }

    /// Writes down an epoch that is over.
    pub(crate) fn close(
        &mut self,
        policy: &Policy,
        activity: EpochActivity,
        paid: &BTreeMap<SequencerId, Wei>,
        spread: &impl Spread,
    ) -> Result<(), FoldError> {
        let epoch = Unpriced::new(policy, self.past, activity, paid)?;
        self.past = Some(Past { epoch: epoch.activity.epoch, sums: epoch.sums, rate: epoch.rate });
        self.unpriced.push(epoch);
        if self.unpriced.len() >= PRICED_TOGETHER { self.price(policy, spread) } else { Ok(()) }
    }

    /// Prices the epochs that are over. Rates depend on what happened, not on rewards, so they need not
    /// wait for each other.
    fn price(&mut self, policy: &Policy, spread: &impl Spread) -> Result<(), FoldError> {
        for epoch in spread.map(core::mem::take(&mut self.unpriced), |epoch| epoch.price(policy)) {
            let epoch = epoch?;
            for row in &epoch.rows {
                self.earned.entry(row.sequencer).or_default().add(row.earned.blocks, row.earned.reward)?;
            }
            self.total.add(epoch.earned.blocks, epoch.earned.reward)?;
            self.link = link(self.link, epoch.digest);
            self.closed.push(epoch);
        }
        Ok(())
    }

    /// Brings the ledger to the horizon of `walk`. It stays as it was on an error.
    pub(crate) fn settle(
        &mut self,
        policy: &Policy,
        walk: &Walk,
        spread: &impl Spread,
    ) -> Result<(), FoldError> {
        self.price(policy, spread)?;
        let contract = walk.contract();
        let open = match walk.open_epoch()? {
            Some(epoch) => Some(Unpriced::new(policy, self.past, epoch, contract.epoch())?.price(policy)?),
            None => None,
        };
        let signer = |standing| SequencerTotal { signer: Some(standing), earned: Earned::default() };
        let mut sequencers: BTreeMap<SequencerId, SequencerTotal> =
            walk.roster().iter().map(|(id, standing)| (id, signer(standing.signer))).collect();
        for (id, earned) in &self.earned {
            sequencers.entry(*id).or_default().earned = *earned;
        }
        let mut total = self.total;
        if let Some(open) = &open {
            for Row { sequencer, earned, .. } in &open.rows {
                sequencers.entry(*sequencer).or_default().earned.add(earned.blocks, earned.reward)?;
            }
            total.add(open.earned.blocks, open.earned.reward)?;
        }
        let (batches, pending) = (contract.batches(), contract.pending());
        check(policy, walk, total, sequencers.values().map(|sequencer| sequencer.earned))?;
        let last_link = open.as_ref().map_or(self.link, |open| link(self.link, open.digest));
        // After this point nothing fails.
        let ledger = &mut self.ledger;
        ledger.epochs.pop();
        ledger.epochs.append(&mut self.closed);
        ledger.epochs.extend(open);
        ledger.genesis = walk.genesis(policy);
        ledger.horizon = walk.horizon();
        ledger.sequencers = sequencers;
        ledger.unrewarded = walk.unrewarded();
        ledger.total = total.reward;
        (ledger.batches, ledger.pending) = (batches, pending);
        ledger.root = ledger_root(ledger, last_link);
        Ok(())
    }
}

/// Conservation: what the sequencers earned, and under `on-chain` what the batches paid, is the total.
fn check(
    policy: &Policy,
    walk: &Walk,
    total: Earned,
    sequencers: impl Iterator<Item = Earned>,
) -> Result<(), FoldError> {
    assert_eq!(total.blocks, walk.rewarded(), "the epochs have all rewarded blocks");
    assert_eq!(Earned::sum(sequencers)?, total, "the sequencers sum to the total");
    if policy.allocation() == Allocation::OnChain {
        let contract = walk.contract();
        let batches = contract.batches();
        let paid = batches.iter().flat_map(|batch| batch.rows.values().copied());
        assert_eq!(Earned::sum(paid.chain([contract.pending()]))?, total, "the batches sum to the total");
    }
    Ok(())
}

impl Unpriced {
    /// An epoch's activity, with what follows from it and from the epoch before, `past`. `paid` is what
    /// the contract pays, for the allocation `on-chain`.
    fn new(
        policy: &Policy,
        past: Option<Past>,
        activity: EpochActivity,
        paid: &BTreeMap<SequencerId, Wei>,
    ) -> Result<Self, FoldError> {
        let mut sums = Sums::default();
        for ActivityRow { stake, blocks, secs, .. } in &activity.rows {
            sums.add((*stake).min(policy.cap()), *blocks, *secs)?;
        }
        let rate = next_rate(policy, past, activity.start, activity.total_locked);
        Ok(Self { activity, rate, sums, paid: paid.clone() })
    }

    /// What the epoch earns.
    fn price(self, policy: &Policy) -> Result<EpochLedger, FoldError> {
        let Self { activity, rate, sums, paid } = self;
        let mut price = Price::new(policy, rate);
        let mut epoch = EpochLedger {
            epoch: activity.epoch,
            start: activity.start,
            stake_seconds: sums.stake_seconds,
            earned: Earned::default(),
            stake_blocks: sums.stake_blocks,
            target: policy.target_at(activity.start),
            rate,
            rows: Vec::with_capacity(activity.rows.len()),
            digest: B256::ZERO,
        };
        for own in activity.rows.chunk_by(|left, right| left.sequencer == right.sequencer) {
            let Some(ActivityRow { sequencer, .. }) = own.first().copied() else {
                continue;
            };
            let mut row = Row { sequencer, earned: Earned::default(), stake_seconds: StakeSeconds::ZERO };
            for ActivityRow { stake, blocks, secs, .. } in own {
                let effective = (*stake).min(policy.cap());
                row.stake_seconds = row.stake_seconds.checked_add(effective.over_secs(*secs)?)?;
                if *blocks > 0 {
                    row.earned.add(*blocks, price.each(effective)?.times(*blocks)?)?;
                }
            }
            if row.earned.blocks == 0 {
                continue;
            }
            if policy.allocation() == Allocation::OnChain {
                row.earned.reward = *paid.get(&sequencer).expect("whoever has blocks was paid for them");
            }
            epoch.earned.add(row.earned.blocks, row.earned.reward)?;
            epoch.rows.push(row);
        }
        assert_eq!(epoch.earned.blocks, sums.blocks, "the rows have the epoch's blocks");
        epoch.digest = epoch_digest(&epoch);
        Ok(epoch)
    }
}
