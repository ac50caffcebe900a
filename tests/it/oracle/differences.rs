//! The difference of two ledgers, taken apart block by block, as `docs/policies.md` says it.

use super::{
    Allocation, Attribution, Block, Epoch, History, Ledger, Outcome, Policy, Span, big, final_spans, fold,
};
use alloy_primitives::Address;
use engine::PoolEvent;
use num_bigint::{BigInt, BigUint};
use std::collections::BTreeMap;

/// What both give, and the parts, in the order of `tally_claims::Part::ALL`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// The blocks that the first rewards.
    pub(crate) first_blocks: u64,
    /// What it gives for them, in wei.
    pub(crate) first: BigInt,
    /// The blocks that the second rewards, or a batch has paid.
    pub(crate) second_blocks: u64,
    /// What that gives, in wei.
    pub(crate) second: BigInt,
    /// What the difference is made of, in wei.
    pub(crate) parts: [BigInt; 8],
}

/// By epoch of the first policy (`None`: before its first) and sequencer.
pub(crate) type Rows = BTreeMap<(Option<u64>, u64), Sums>;

/// Where a part is among them.
const SCHEDULE: usize = 0;
const BEFORE_LOCK: usize = 1;
const AFTER_UNLOCK: usize = 2;
const CAP: usize = 3;
const RATE: usize = 4;
const UNPAID: usize = 5;
const POSTED: usize = 6;
const BEYOND_HORIZON: usize = 7;

/// A policy and its ledger.
#[derive(Clone)]
pub(crate) struct Side {
    /// The policy.
    pub(crate) policy: Policy,
    /// What it makes of a history.
    pub(crate) ledger: Ledger,
}

impl Side {
    /// What the policy makes of the history, up to block `to`.
    pub(crate) fn new(history: &History, policy: &Policy, to: Option<u64>) -> Self {
        Self { policy: policy.clone(), ledger: fold(history, policy, to) }
    }

    /// The cap under which it sets rates, if it does.
    fn cap(&self) -> Option<&BigUint> {
        let by_window =
            self.policy.allocation != Allocation::OnChain && self.policy.practice.seconds.is_empty();
        by_window.then_some(&self.policy.cap)
    }

    fn epoch_at(&self, time: u64) -> Option<u64> {
        Some(time.checked_sub(self.ledger.genesis?)? / self.policy.epoch_secs)
    }

    /// Whether no window has given a rate before this epoch.
    fn is_initial(&self, epoch: u64) -> bool {
        let gives_rate = |epoch: &&Epoch| {
            let by_stake = self.policy.allocation == Allocation::StakeWeighted;
            epoch.n > 0 && epoch.q > BigUint::ZERO && (!by_stake || epoch.w > BigUint::ZERO)
        };
        self.ledger.epochs.iter().find(gives_rate).is_none_or(|window| epoch <= window.index)
    }

    fn producer(&self, block: &Block, spans: &[Span]) -> Option<Address> {
        let scheduled = spans.iter().find(|span| span.covers(block.number)).map(|span| span.signer);
        let is_signed =
            self.policy.allocation != Allocation::OnChain && self.policy.attribution == Attribution::Signed;
        if is_signed { block.signed_by.or(scheduled) } else { scheduled }
    }
}

/// No stake is above it.
pub(crate) fn no_cap() -> BigUint {
    BigUint::from_bytes_be(&[0xff; 32])
}

/// The policy between two, and whether it is of the first.
pub(crate) fn between(first: &Side, second: &Side) -> Option<(Policy, bool)> {
    match (first.cap(), second.cap()) {
        (Some(own), other) => {
            let cap = other.cloned().unwrap_or_else(no_cap);
            (*own != cap).then(|| (Policy { cap, ..first.policy.clone() }, true))
        }
        (None, Some(own)) => {
            (*own != no_cap()).then(|| (Policy { cap: no_cap(), ..second.policy.clone() }, false))
        }
        (None, None) => None,
    }
}

fn earned(outcome: &Outcome) -> Option<(u64, BigInt)> {
    match outcome {
        Outcome::Rewarded { sequencer, reward } => Some((*sequencer, BigInt::from(reward.clone()))),
        Outcome::BeforeGenesis | Outcome::NoProducer | Outcome::UnknownSigner | Outcome::AfterUnlock => None,
    }
}

fn row(rows: &mut Rows, epoch: Option<u64>, sequencer: u64) -> &mut Sums {
    rows.entry((epoch, sequencer)).or_default()
}

/// The parts, by `docs/policies.md` alone. The ledgers end at the same block.
pub(crate) fn decompose(
    history: &History,
    first: &Side,
    second: &Side,
    middle: Option<(&Side, bool)>,
) -> Rows {
    let spans = final_spans(&history.spans);
    let mut rows = Rows::new();
    assert_eq!(first.ledger.per_block.len(), second.ledger.per_block.len());
    for (at, (a, b)) in first.ledger.per_block.iter().zip(&second.ledger.per_block).enumerate() {
        let block = &history.blocks[at];
        assert_eq!((a.number, b.number), (block.number, block.number));
        let epoch = first.epoch_at(block.timestamp);
        let (was, is) = (earned(&a.outcome), earned(&b.outcome));
        if let Some((sequencer, reward)) = &was {
            let row = row(&mut rows, epoch, *sequencer);
            row.first_blocks += 1;
            row.first += reward;
        }
        if let Some((sequencer, reward)) = &is {
            let row = row(&mut rows, epoch, *sequencer);
            row.second_blocks += 1;
            row.second += reward;
        }
        let same_producer = first.producer(block, &spans) == second.producer(block, &spans);
        let part_of = |outcome: &Outcome| match outcome {
            Outcome::BeforeGenesis => BEFORE_LOCK,
            _ if !same_producer => SCHEDULE,
            Outcome::NoProducer => SCHEDULE,
            Outcome::UnknownSigner => BEFORE_LOCK,
            Outcome::AfterUnlock => AFTER_UNLOCK,
            Outcome::Rewarded { .. } => panic!("one of the two does not reward it"),
        };
        match (was, is) {
            (None, None) => {}
            (Some((sequencer, reward)), None) => {
                row(&mut rows, epoch, sequencer).parts[part_of(&b.outcome)] -= reward;
            }
            (None, Some((sequencer, reward))) => {
                row(&mut rows, epoch, sequencer).parts[part_of(&a.outcome)] += reward;
            }
            (Some((from, was)), Some((to, is))) => {
                if from != to {
                    row(&mut rows, epoch, from).parts[SCHEDULE] -= &was;
                    row(&mut rows, epoch, to).parts[SCHEDULE] += &was;
                }
                let (by_cap, by_rate) = match middle {
                    None => (BigInt::ZERO, &is - &was),
                    Some((side, is_of_first)) => {
                        let own = if is_of_first { &was } else { &is };
                        let is_initial = side.is_initial(side.epoch_at(block.timestamp).unwrap());
                        let found = &side.ledger.per_block[at].outcome;
                        let price = earned(found).expect("a cap changes nobody's blocks").1;
                        let price = if is_initial { own.clone() } else { price };
                        if is_of_first {
                            (&price - &was, &is - &price)
                        } else {
                            (&is - &price, &price - &was)
                        }
                    }
                };
                row(&mut rows, epoch, to).parts[CAP] += by_cap;
                row(&mut rows, epoch, to).parts[RATE] += by_rate;
            }
        }
    }
    rows
}

/// Takes what no batch has paid out of what the second gives, and puts in what batches posted otherwise.
pub(crate) fn as_credited(history: &History, first: &Side, second: &Side, rows: &mut Rows) {
    let spans = final_spans(&history.spans);
    let id_of = |number: u64| spans.iter().position(|span| span.covers(number));
    let mut members: BTreeMap<Address, u64> = BTreeMap::new();
    let mut paid_up_to = 0;
    for record in &history.l1 {
        if let PoolEvent::Locked { signer, sequencer, .. }
        | PoolEvent::SignerChange { new_signer: signer, sequencer, .. } = &record.event
        {
            members.insert(*signer, sequencer.0);
        }
        let PoolEvent::DistributeReward { start_span, end_span, reward_per_block, credits, .. } =
            &record.event
        else {
            continue;
        };
        paid_up_to = usize::try_from(end_span.0).unwrap();
        let mut otherwise: BTreeMap<u64, BigInt> = BTreeMap::new();
        for credit in credits {
            let reward = reward_per_block.times(credit.blocks).unwrap();
            *otherwise.entry(members[&credit.signer]).or_default() += BigInt::from(big(reward));
        }
        let range = usize::try_from(start_span.0).unwrap()..=paid_up_to;
        for entry in &second.ledger.per_block {
            if let Some((sequencer, reward)) = earned(&entry.outcome)
                && id_of(entry.number).is_some_and(|id| range.contains(&id))
            {
                *otherwise.entry(sequencer).or_default() -= reward;
            }
        }
        let compared = second.ledger.per_block.last().map(|entry| entry.number);
        let is_settled = spans.get(paid_up_to + 1).is_some();
        let is_compared = spans.get(paid_up_to).zip(compared).is_some_and(|(span, last)| span.end <= last);
        let part = if is_settled && is_compared { POSTED } else { BEYOND_HORIZON };
        for (sequencer, more) in otherwise.into_iter().filter(|(_, more)| *more != BigInt::ZERO) {
            let row = rows.entry((first.epoch_at(record.timestamp.0), sequencer)).or_default();
            row.second += &more;
            row.parts[part] += more;
        }
    }
    for (block, entry) in history.blocks.iter().zip(&second.ledger.per_block) {
        if let Some((sequencer, reward)) = earned(&entry.outcome)
            && id_of(entry.number).is_some_and(|id| id > paid_up_to)
        {
            let row = rows.entry((first.epoch_at(block.timestamp), sequencer)).or_default();
            row.second_blocks -= 1;
            row.second -= &reward;
            row.parts[UNPAID] -= reward;
        }
    }
}
