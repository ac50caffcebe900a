//! What one policy, or what the contract credited, gives more than another policy, by sequencer and epoch, and what the
//! difference is made of. Block by block: each block of both ledgers, and of one between them, is priced by its policy,
//! and goes to a part by rules that look at that block alone. So the parts are the difference, to the wei.

use super::chain::{ChainAccounts, Player};
use super::movement::{blocks_credited, failed};
use super::parts::{ComparedSums, Part};
use crate::error::ClaimsError;
use std::collections::{BTreeMap, BTreeSet};
use tally_engine::{
    Allocation, AmountError, Assessed, Difference, Earned, EpochIndex, Fold, Horizon, L2Block, Ledger,
    Policy, PoolEvent, Rate, RateRule, SequencerId, SpanId, Spans, UnixTime, Unrewarded, Wei,
};
use tally_eventlog::LogView;
use tally_replay::{
    Alike, BlockLedger, ReplayError, ReplayOptions, Replayed, Stop, for_each_together, replay,
};

/// What a policy is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Against {
    /// Another policy, by its rules.
    Policy(Box<Policy>),
    /// What the contract has credited.
    Credited,
}

/// A comparison. The epochs are those of the first policy.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The policy that is compared.
    pub first: Policy,
    /// What it is compared with.
    pub second: Against,
    /// The last block that both can fold; `None` if there is none.
    pub horizon: Option<Horizon>,
    /// By epoch and sequencer, those for which there is anything.
    pub rows: Vec<ComparedRow>,
    /// The sums of the epochs for which there is anything.
    pub epochs: Vec<(ComparedEpoch, ComparedSums)>,
    /// The sums of every sequencer for which there is anything, by id.
    pub sequencers: BTreeMap<SequencerId, ComparedSums>,
    /// The sums of all.
    pub totals: ComparedSums,
}

/// An epoch of the first policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ComparedEpoch {
    /// The index of the epoch; `None` for the time before epoch 0.
    pub epoch: Option<EpochIndex>,
    /// When it begins; `None` for the time before epoch 0.
    pub start: Option<UnixTime>,
}

/// A sequencer in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComparedRow {
    /// The epoch of the first policy.
    pub epoch: ComparedEpoch,
    /// The sequencer that the row is of.
    pub sequencer: SequencerId,
    /// What both give it in that epoch.
    pub sums: ComparedSums,
}

/// Compares what `first` gives with what `second` does, over the blocks that both can fold. `threads` count blocks
/// (`None`: one a core), and the result is the same for any number.
///
/// # Errors
///
/// [`ClaimsError`] if the log cannot be read or folded, a sum does not fit, or what is found is not what the ledgers
/// and the contracts' accounts have.
pub fn compare<L: LogView>(
    log: &L,
    first: &Policy,
    second: &Against,
    threads: Option<usize>,
) -> Result<Comparison, ClaimsError> {
    let other = match second {
        Against::Policy(policy) => Policy::clone(policy),
        Against::Credited => Policy::built_in("locking-pool").expect("it is built in"),
    };
    let between = Between::of(first, &other);
    let mut policies = vec![first.clone(), other];
    policies.extend(between.as_ref().map(|between| between.policy.clone()));
    let replayed = replayed_alike(log, &policies, threads)?;
    let [of_first, of_second, of_between @ ..] = &replayed[..] else {
        unreachable!("there is a ledger for each policy");
    };
    let mut found = Found {
        first,
        genesis: of_first.ledger.genesis,
        between: between.zip(of_between.first().map(|between| &between.ledger)),
        is_credited: *second == Against::Credited,
        rows: BTreeMap::new(),
    };
    let ledgers: Result<Vec<_>, ReplayError> =
        replayed.iter().map(|replayed| BlockLedger::new(log, replayed)).collect();
    for_each_together(&ledgers?, |blocks, alike| found.take(blocks, alike))?;
    if found.is_credited {
        found.take_posted(log, &of_second.ledger)?;
    }
    let comparison = found.into_comparison(second, of_first.ledger.horizon)?;
    match second {
        Against::Policy(_) => comparison.check(&of_first.ledger, |id| earned(&of_second.ledger, id))?,
        Against::Credited => {
            let accounts = ChainAccounts::after(&log.identity().genesis, &log.l1_records()?)?;
            let credited =
                |id| accounts.sequencers.get(&id).map_or(Wei::ZERO, |account| account.sums.credited);
            comparison.check(&of_first.ledger, credited)?;
        }
    }
    Ok(comparison)
}

/// Replays that end at the same block, the last that all of them reach.
fn replayed_alike<L: LogView>(
    log: &L,
    policies: &[Policy],
    threads: Option<usize>,
) -> Result<Vec<Replayed>, ReplayError> {
    let options = ReplayOptions { threads, ..ReplayOptions::default() };
    let replayed = replay(log, policies, options)?;
    let ends: Vec<Option<L2Block>> =
        replayed.iter().map(|replayed| replayed.ledger.horizon.map(|horizon| horizon.block)).collect();
    // One without a horizon comes first, and has nothing to be compared.
    let least = ends.iter().min().copied().flatten();
    match least {
        Some(to) if ends.iter().any(|end| *end != Some(to)) => {
            replay(log, policies, ReplayOptions { to: Some(to), ..options })
        }
        None if ends.iter().any(Option::is_some) => {
            let nothing = |policy: &Policy| Replayed {
                policy: policy.clone(),
                ledger: Fold::new(policy.clone()).into_ledger(),
                stop: Stop::AsAsked,
            };
            Ok(policies.iter().map(nothing).collect())
        }
        Some(_) | None => Ok(replayed),
    }
}

fn earned(ledger: &Ledger, id: SequencerId) -> Wei {
    ledger.sequencers.get(&id).map_or(Wei::ZERO, |total| total.earned.reward)
}

/// The policy between the two: one of them with the other's cap, so that what the cap is worth can be told.
struct Between {
    policy: Policy,
    /// Whether it is the first one, whose cap is another: else the second, without its own.
    is_of_first: bool,
}

impl Between {
    /// `None` if their caps are the same, or neither sets a rate under one.
    fn of(first: &Policy, second: &Policy) -> Option<Self> {
        let cap = |policy: &Policy| {
            let by_window =
                policy.allocation() != Allocation::OnChain && policy.rate_rule() == RateRule::Window;
            by_window.then(|| policy.cap())
        };
        let (policy, own, other, is_of_first) = match (cap(first), cap(second)) {
            (Some(own), other) => (first, own, other.unwrap_or(Policy::NO_CAP), true),
            (None, Some(own)) => (second, own, Policy::NO_CAP, false),
            (None, None) => return None,
        };
        // No cap is 0, so this cannot fail.
        (own != other)
            .then(|| policy.with_cap(other).ok())
            .flatten()
            .map(|policy| Self { policy, is_of_first })
    }
}

/// What has been found so far.
struct Found<'a> {
    first: &'a Policy,
    genesis: Option<UnixTime>,
    /// The policy between the two and its ledger, if there is one.
    between: Option<(Between, &'a Ledger)>,
    is_credited: bool,
    rows: BTreeMap<(Option<EpochIndex>, SequencerId), ComparedSums>,
}

impl Found<'_> {
    fn change(
        &mut self,
        epoch: Option<EpochIndex>,
        sequencer: SequencerId,
        change: impl FnOnce(&mut ComparedSums) -> Result<(), AmountError>,
    ) -> Result<(), ClaimsError> {
        let sums = self.rows.entry((epoch, sequencer)).or_default();
        change(sums).map_err(failed("a difference", sequencer))
    }

    /// Takes `blocks` blocks that the first, the second and the ledger between them have alike.
    fn take(&mut self, blocks: u64, alike: &[Alike]) -> Result<(), ClaimsError> {
        let [first, second, between @ ..] = alike else {
            unreachable!("there is a ledger for each policy");
        };
        let epoch = first.epoch;
        match (first.assessed, second.assessed) {
            (Assessed::Unrewarded { .. }, Assessed::Unrewarded { .. }) => return Ok(()),
            (Assessed::Rewarded { sequencer, reward, .. }, Assessed::Unrewarded { reason, .. }) => {
                self.change(epoch, sequencer, |sums| {
                    let reward = reward.times(blocks)?;
                    sums.add_first(blocks, reward)?;
                    sums.change_mut(part_of(reason, first, second)).take(reward)
                })?;
            }
            (Assessed::Unrewarded { reason, .. }, Assessed::Rewarded { sequencer, reward, .. }) => {
                self.change(epoch, sequencer, |sums| {
                    sums.change_mut(part_of(reason, first, second)).add(reward.times(blocks)?)
                })?;
            }
            (
                Assessed::Rewarded { sequencer: from, reward: was, .. },
                Assessed::Rewarded { sequencer: to, reward: is, .. },
            ) => {
                self.change(epoch, from, |sums| sums.add_first(blocks, was.times(blocks)?))?;
                if from != to {
                    // The block moves with what the first gives for it.
                    self.change(epoch, from, |sums| {
                        sums.change_mut(Part::Schedule).take(was.times(blocks)?)
                    })?;
                    self.change(epoch, to, |sums| sums.change_mut(Part::Schedule).add(was.times(blocks)?))?;
                }
                let (before, middle, after) = self.steps(was, between.first(), is);
                self.change(epoch, to, |sums| {
                    sums.change_mut(before).replace(was.times(blocks)?, middle.times(blocks)?)?;
                    sums.change_mut(after).replace(middle.times(blocks)?, is.times(blocks)?)
                })?;
            }
        }
        if let Assessed::Rewarded { sequencer, reward, batch, .. } = second.assessed {
            let is_unpaid = self.is_credited && batch.is_none();
            self.change(epoch, sequencer, |sums| {
                let reward = reward.times(blocks)?;
                if is_unpaid {
                    sums.change_mut(Part::Unpaid).take(reward)
                } else {
                    sums.add_second(blocks, reward)
                }
            })?;
        }
        Ok(())
    }

    /// The way from what the first gives for a block to what the second does: a part, the price between, and a part.
    fn steps(&self, was: Wei, between: Option<&Alike>, is: Wei) -> (Part, Wei, Part) {
        let Some(((Between { is_of_first, .. }, ledger), block)) = self.between.as_ref().zip(between) else {
            return (Part::Cap, was, Part::Rate);
        };
        let own = if *is_of_first { was } else { is };
        let index = block.epoch.and_then(|epoch| usize::try_from(epoch.0).ok());
        let rate = index.and_then(|index| ledger.epochs.get(index)).map(|epoch| epoch.rate);
        let middle = match block.assessed {
            // The initial reward is set under no cap, though by stake it is shared by it.
            Assessed::Rewarded { reward, .. } if rate != Some(Rate::Initial) => reward,
            Assessed::Rewarded { .. } | Assessed::Unrewarded { .. } => own,
        };
        if *is_of_first { (Part::Cap, middle, Part::Rate) } else { (Part::Rate, middle, Part::Cap) }
    }

    /// Takes what batches posted otherwise than the schedule gives, or for blocks beyond the horizon, in the epoch in
    /// which they were paid.
    fn take_posted<L: LogView>(&mut self, log: &L, by_schedule: &Ledger) -> Result<(), ClaimsError> {
        let records = log.l1_records()?;
        let spans = Spans::from_records(&log.span_records()?).map_err(ReplayError::from)?;
        let spans = spans.as_slice();
        // Until the span after it is announced, a recommit can still change how far a span goes.
        let settled_to = |id: SpanId| {
            let index = spans.binary_search_by_key(&id, |span| span.id).ok()?;
            spans.get(index.checked_add(1)?)?;
            spans.get(index).map(|span| span.end)
        };
        let mut player = Player::new(&log.identity().genesis, &records);
        while let Some((record, _)) = player.play()? {
            let PoolEvent::DistributeReward { batch, end_span, reward_per_block, credits, .. } =
                &record.event
            else {
                continue;
            };
            let is_compared = settled_to(*end_span)
                .zip(by_schedule.horizon)
                .is_some_and(|(last, horizon)| last <= horizon.block);
            let part = if is_compared { Part::Posted } else { Part::BeyondHorizon };
            let posted = blocks_credited(&player.pool, credits)?;
            let found = by_schedule.batches.iter().find(|found| found.batch == *batch);
            let scheduled: BTreeMap<SequencerId, Earned> =
                found.map(|found| found.rows.clone()).unwrap_or_default();
            let epoch = self.epoch_at(record.timestamp);
            let ids: BTreeSet<SequencerId> = posted.keys().chain(scheduled.keys()).copied().collect();
            for id in ids {
                let was = scheduled.get(&id).map_or(Wei::ZERO, |earned| earned.reward);
                let blocks = posted.get(&id).copied();
                let is = blocks.map_or(Ok(Wei::ZERO), |blocks| reward_per_block.times(blocks));
                let is = is.map_err(failed("a batch's reward", id))?;
                if was != is {
                    self.change(epoch, id, |sums| {
                        sums.second.replace(was, is)?;
                        sums.change_mut(part).replace(was, is)
                    })?;
                }
            }
        }
        Ok(())
    }

    /// The epoch of the first policy that `time` is in; `None` before epoch 0. Rounds down.
    fn epoch_at(&self, time: UnixTime) -> Option<EpochIndex> {
        let since = time.0.checked_sub(self.genesis?.0)?;
        since.checked_div(self.first.epoch_secs()).map(EpochIndex)
    }

    /// What was found, summed up and checked.
    fn into_comparison(self, second: &Against, horizon: Option<Horizon>) -> Result<Comparison, ClaimsError> {
        let mut comparison = Comparison {
            first: self.first.clone(),
            second: second.clone(),
            horizon,
            rows: Vec::with_capacity(self.rows.len()),
            epochs: Vec::new(),
            sequencers: BTreeMap::new(),
            totals: ComparedSums::default(),
        };
        for ((epoch, sequencer), sums) in &self.rows {
            if sums.is_empty() {
                continue;
            }
            let amount = |error| failed("a difference", *sequencer)(error);
            let difference = sums.difference().map_err(amount)?;
            let parts = sums.sum_of_parts().map_err(amount)?;
            if difference != parts {
                return Err(unbalanced("the parts of a difference", *sequencer, &difference, &parts));
            }
            let start = epoch.zip(self.genesis).and_then(|(epoch, genesis)| {
                let since = epoch.0.checked_mul(self.first.epoch_secs())?;
                genesis.0.checked_add(since).map(UnixTime)
            });
            let epoch = ComparedEpoch { epoch: *epoch, start };
            if comparison.epochs.last().is_none_or(|(last, _)| *last != epoch) {
                comparison.epochs.push((epoch, ComparedSums::default()));
            }
            if let Some((_, of_epoch)) = comparison.epochs.last_mut() {
                of_epoch.plus(sums).map_err(amount)?;
            }
            comparison.sequencers.entry(*sequencer).or_default().plus(sums).map_err(amount)?;
            comparison.totals.plus(sums).map_err(amount)?;
            comparison.rows.push(ComparedRow { epoch, sequencer: *sequencer, sums: *sums });
        }
        Ok(comparison)
    }
}

/// The part that a block belongs to which only one of the two rewards, the other not for this `reason`.
fn part_of(reason: Unrewarded, first: &Alike, second: &Alike) -> Part {
    match reason {
        Unrewarded::BeforeGenesis => Part::BeforeLock,
        _ if first.producer != second.producer => Part::Schedule,
        Unrewarded::NoProducer => Part::Schedule,
        Unrewarded::UnknownSigner => Part::BeforeLock,
        Unrewarded::AfterUnlock => Part::AfterUnlock,
    }
}

impl Comparison {
    /// Whether the sequencers' sums are those of the ledger that was compared, and what the second gives each.
    fn check(&self, first: &Ledger, second: impl Fn(SequencerId) -> Wei) -> Result<(), ClaimsError> {
        let ids: BTreeSet<SequencerId> =
            self.sequencers.keys().chain(first.sequencers.keys()).copied().collect();
        for id in ids {
            let sums = self.sequencers.get(&id).copied().unwrap_or_default();
            let expected = first.sequencers.get(&id).map_or(Earned::default(), |total| total.earned);
            if sums.first != expected {
                let what = "what the first policy gives";
                return Err(unbalanced(what, id, &expected.reward, &sums.first.reward));
            }
            let (expected, found) = (Difference::new(second(id), Wei::ZERO), sums.second.net());
            if found != expected {
                return Err(unbalanced("what the second gives", id, &expected, &found));
            }
        }
        Ok(())
    }
}

fn unbalanced(
    what: &'static str,
    id: SequencerId,
    expected: &impl ToString,
    found: &impl ToString,
) -> ClaimsError {
    let whose = format!("sequencer {id}");
    ClaimsError::Unbalanced { what, whose, expected: expected.to_string(), found: found.to_string() }
}
