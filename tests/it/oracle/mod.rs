//! A second fold, written to be read rather than to be fast. It shares nothing with the engine but
//! the input types: it goes block by block, replays whole lists where an index would do, and does
//! all its sums in unbounded integers. The differential tests hold the engine to it, so when the
//! two part, the plain reading of the rules is here.

mod differences;
mod examples;
mod practice;

pub(crate) use differences::{Rows, Side, Sums, as_credited, between, decompose, no_cap};
pub(crate) use practice::Practice;

use alloy_primitives::Address;
use engine::{L1Record, PoolEvent, SpanEvent, SpanRecord, Wei};
use num_bigint::BigUint;
use std::collections::{BTreeMap, BTreeSet};

/// The rules' year, 365 days.
const YEAR_SECS: u64 = 31_536_000;

/// The first span that a batch can pay: the contract starts with batch 1 ending at span 0.
const FIRST_PAYABLE_SPAN: u64 = 1;

/// An L2 block, as far as rewards go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its number.
    pub(crate) number: u64,
    /// Its timestamp; never less than that of the block before.
    pub(crate) timestamp: u64,
    /// Who signed it, `None` for a block of deposits only.
    pub(crate) signed_by: Option<Address>,
}

/// Everything that happened, on both chains.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// The pool's events, in (block, log index) order.
    pub(crate) l1: Vec<L1Record>,
    /// How far L1 is known; never before the last event.
    pub(crate) l1_head_timestamp: u64,
    /// The span events, in (block, log index) order.
    pub(crate) spans: Vec<SpanRecord>,
    /// Consecutive L2 blocks.
    pub(crate) blocks: Vec<Block>,
}

/// How a block's reward is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allocation {
    /// Every rewarded block of an epoch earns the same.
    Flat,
    /// Each block earns in proportion to its producer's capped stake.
    StakeWeighted,
    /// Each block earns what the contract paid, or would pay, for it.
    OnChain,
}

/// Who counts as a block's producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribution {
    /// Who signed it, else whom its span names.
    Signed,
    /// Whom its span names, whoever signed.
    Scheduled,
}

/// When epoch 0 begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Genesis {
    /// With the first lock.
    FirstLock,
    /// With the first lock or with the first block that the contract can ever pay, whichever is earlier.
    FirstPayable,
    /// At this time.
    At(u64),
}

/// The rules' settings.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// How a block's reward is found.
    pub(crate) allocation: Allocation,
    /// Who counts as a block's producer. On-chain allocation reads it as `Scheduled` whatever it says.
    pub(crate) attribution: Attribution,
    /// The stake above which more counts for nothing, in wei.
    pub(crate) cap: BigUint,
    /// How long an epoch is.
    pub(crate) epoch_secs: u64,
    /// When epoch 0 begins.
    pub(crate) genesis: Genesis,
    /// What a block earns before there is a window to compute a rate from, in wei.
    pub(crate) initial_reward: BigUint,
    /// (from this unix time, numerator, denominator), ascending, the first from 0.
    pub(crate) mrr: Vec<(u64, u64, u64)>,
    /// The contract's reward per block until its first `RewardUpdate`, in wei.
    pub(crate) initial_reward_per_block_on_chain: BigUint,
    /// How the operators set the rate, if they do.
    pub(crate) practice: Practice,
}

/// What became of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It earned `reward` wei (perhaps 0) for `sequencer`.
    Rewarded {
        /// For whom.
        sequencer: u64,
        /// How much, in wei.
        reward: BigUint,
    },
    /// It was made before rewards began.
    BeforeGenesis,
    /// It is unsigned and before the first span.
    NoProducer,
    /// Its producer is nobody's signer.
    UnknownSigner,
    /// Its producer no longer earns.
    AfterUnlock,
}

/// A block and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockEntry {
    /// The block.
    pub(crate) number: u64,
    /// What became of it.
    pub(crate) outcome: Outcome,
}

/// An epoch's own sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// Which, from 0.
    pub(crate) index: u64,
    /// Its first second.
    pub(crate) start: u64,
    /// Effective stake integrated over it, in wei·s, up to the horizon's timestamp.
    pub(crate) q: BigUint,
    /// Its rewarded blocks.
    pub(crate) n: u64,
    /// Effective stake of the producer summed over its rewarded blocks, in wei·blocks.
    pub(crate) w: BigUint,
    /// The MRR in force at its start, as listed (not in lowest terms).
    pub(crate) target_mrr: (u64, u64),
    /// Sequencer → (rewarded blocks, reward), for those with such blocks.
    pub(crate) rows: BTreeMap<u64, (u64, BigUint)>,
    /// `q` by sequencer, for those with a part in it.
    pub(crate) q_by_sequencer: BTreeMap<u64, BigUint>,
}

/// The result of a fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// When epoch 0 begins; `None` if it is the first lock and there is none.
    pub(crate) genesis: Option<u64>,
    /// The last block folded, with its timestamp.
    pub(crate) horizon: Option<(u64, u64)>,
    /// Every epoch up to the horizon's, also empty ones.
    pub(crate) epochs: Vec<Epoch>,
    /// Sequencer → (rewarded blocks, reward), for those with such blocks.
    pub(crate) sequencers: BTreeMap<u64, (u64, BigUint)>,
    /// Blocks unrewarded for this reason.
    pub(crate) before_genesis: u64,
    /// Blocks unrewarded for this reason.
    pub(crate) no_producer: u64,
    /// Blocks unrewarded for this reason.
    pub(crate) unknown_signer: u64,
    /// Blocks unrewarded for this reason.
    pub(crate) after_unlock: u64,
    /// All rewards, in wei.
    pub(crate) total: BigUint,
    /// Every block folded.
    pub(crate) per_block: Vec<BlockEntry>,
}

/// A span after all recommits. Empty if `end` is `start - 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Its first block.
    pub(crate) start: u64,
    /// Its last block.
    pub(crate) end: u64,
    /// Who was to produce it.
    pub(crate) signer: Address,
}

impl Span {
    /// Whether the block is one of its.
    pub(crate) fn covers(&self, block: u64) -> bool {
        self.start <= block && block <= self.end
    }
}

/// What the L1 events have said so far.
#[derive(Clone, Default)]
struct Pool {
    /// Sequencer → (stake, active).
    sequencers: BTreeMap<u64, (BigUint, bool)>,
    /// Signer → the sequencer that introduced it, for ever.
    signers: BTreeMap<Address, u64>,
    /// Sequencers that took their stake out.
    gone: BTreeSet<u64>,
}

impl Pool {
    /// The state after one more event. Events that bear on no block's reward change nothing.
    fn after(&self, event: &PoolEvent) -> Self {
        let mut next = self.clone();
        let known = "an event of a sequencer comes after its Locked";
        if let PoolEvent::Locked { signer, sequencer, amount, .. } = event {
            next.sequencers.insert(sequencer.0, (big(*amount), true));
            assert_eq!(next.signers.insert(*signer, sequencer.0), None, "a signer is introduced once");
        }
        if let PoolEvent::LockUpdate { sequencer, new_amount, .. } = event {
            next.sequencers.get_mut(&sequencer.0).expect(known).0 = big(*new_amount);
        }
        if let PoolEvent::SignerChange { sequencer, new_signer, .. } = event {
            assert_eq!(next.signers.insert(*new_signer, sequencer.0), None, "a signer is introduced once");
        }
        if let PoolEvent::UnlockInit { sequencer, .. } = event {
            next.sequencers.get_mut(&sequencer.0).expect(known).1 = false;
        }
        if let PoolEvent::Unlocked { sequencer, .. } = event {
            next.sequencers.get_mut(&sequencer.0).expect(known).0 = BigUint::ZERO;
            next.gone.insert(sequencer.0);
        }
        next
    }

    /// Everything that is locked, whoever is leaving, in wei.
    fn locked(&self) -> BigUint {
        self.sequencers.values().fold(BigUint::ZERO, |sum, (stake, _)| sum + stake)
    }

    /// `min(stake, cap)` while active, else 0, in wei; 0 also for a sequencer not yet known.
    fn effective_stake(&self, sequencer: u64, cap: &BigUint) -> BigUint {
        match self.sequencers.get(&sequencer) {
            Some((stake, true)) => stake.min(cap).clone(),
            Some((_, false)) | None => BigUint::ZERO,
        }
    }
}

/// The L1 events with the pool's state after each of them.
struct Timeline<'a> {
    records: &'a [L1Record],
    /// `states[k]` is the state after the first `k` records.
    states: Vec<Pool>,
}

impl<'a> Timeline<'a> {
    fn new(records: &'a [L1Record]) -> Self {
        assert!(records.is_sorted_by_key(|r| (r.block, r.log_index)), "L1 events are in order");
        assert!(records.is_sorted_by_key(|r| r.timestamp), "L1 timestamps never fall");
        let mut states = vec![Pool::default()];
        for (k, record) in records.iter().enumerate() {
            states.push(states[k].after(&record.event));
        }
        Self { records, states }
    }

    /// The state at a time: an event at τ holds from τ on.
    fn at(&self, time: u64) -> &Pool {
        &self.states[self.records.iter().filter(|r| r.timestamp.0 <= time).count()]
    }

    /// The state after the last event.
    fn at_the_end(&self) -> &Pool {
        &self.states[self.records.len()]
    }

    /// Effective stake of each sequencer integrated from `from` up to `until`, in wei·s.
    fn stake_integrals(&self, from: u64, until: u64, cap: &BigUint) -> BTreeMap<u64, BigUint> {
        let mut instants = BTreeSet::from([from, until]);
        for record in self.records {
            if from < record.timestamp.0 && record.timestamp.0 < until {
                instants.insert(record.timestamp.0);
            }
        }
        let instants: Vec<u64> = instants.into_iter().collect();
        let mut integrals = BTreeMap::new();
        for pair in instants.windows(2) {
            let (begin, end) = (pair[0], pair[1]);
            let pool = self.at(begin);
            for &sequencer in pool.sequencers.keys() {
                let part = pool.effective_stake(sequencer, cap) * (end - begin);
                if part > BigUint::ZERO {
                    *integrals.entry(sequencer).or_insert(BigUint::ZERO) += part;
                }
            }
        }
        integrals
    }
}

/// What the reward of a block is computed from.
enum Rate {
    /// No window has given a rate yet.
    Initial,
    /// This for every block.
    Each(BigUint),
    /// `numerator · q / (denominator · YEAR · divisor)`; the divisor is N or W of the window.
    Window { numerator: u64, denominator: u64, q: BigUint, divisor: BigUint },
}

/// What a block is, before its epoch's rate is known.
enum Verdict {
    /// It earns. `paid` is its reward if the chain has fixed it already.
    Earns { sequencer: u64, effective_stake: BigUint, paid: Option<BigUint> },
    /// It does not, for this reason.
    Not(Outcome),
}

/// Folds the blocks up to the horizon, or up to block `to` if that comes first.
pub(crate) fn fold(history: &History, policy: &Policy, to: Option<u64>) -> Ledger {
    let timeline = Timeline::new(&history.l1);
    let spans = final_spans(&history.spans);
    let blocks = foldable(history, policy, &spans, to);
    let horizon = blocks.last().map(|block| (block.number, block.timestamp));
    let genesis = match policy.genesis {
        Genesis::At(time) => Some(time),
        Genesis::FirstLock => first_lock(&history.l1),
        Genesis::FirstPayable => {
            let is_payable = |block: &&Block| {
                span_of(&spans, block.number).is_some_and(|(id, _)| id >= FIRST_PAYABLE_SPAN)
            };
            let first = blocks.iter().copied().find(is_payable).map(|block| block.timestamp);
            match (first_lock(&history.l1), first) {
                (Some(lock), Some(block)) => Some(lock.min(block)),
                (lock, block) => lock.or(block),
            }
        }
    };
    // A lock after the horizon is none yet: what is said of these blocks must not change with it.
    let is_there = |genesis: &u64| {
        matches!(policy.genesis, Genesis::At(_)) || horizon.is_some_and(|(_, time)| *genesis <= time)
    };
    let mut ledger = Ledger {
        genesis: genesis.filter(is_there),
        horizon,
        epochs: Vec::new(),
        sequencers: BTreeMap::new(),
        before_genesis: 0,
        no_producer: 0,
        unknown_signer: 0,
        after_unlock: 0,
        total: BigUint::ZERO,
        per_block: Vec::new(),
    };

    let is_before_genesis = |block: &Block| genesis.is_none_or(|genesis| block.timestamp < genesis);
    for block in blocks.iter().filter(|block| is_before_genesis(block)) {
        enter(&mut ledger, block, Outcome::BeforeGenesis);
    }
    if let (Some(genesis), Some((_, horizon_time))) = (genesis, horizon) {
        let mut rate = Rate::Initial;
        let mut start = genesis;
        while start <= horizon_time {
            let end = start + policy.epoch_secs;
            let target_mrr = mrr_at(policy, start);
            if let Some(fixed) = policy.practice.fixed_at(start) {
                rate = Rate::Each(fixed);
            } else if let Some(window) = ledger.epochs.last() {
                let locked = timeline.at(start).locked();
                rate = match policy.practice.seconds_at(start) {
                    None => rate_after(policy, window, target_mrr, rate),
                    Some(_) if locked == BigUint::ZERO => rate,
                    Some(seconds) => Rate::Each(practice::by_operators(locked, target_mrr, seconds)),
                };
            }
            let q_by_sequencer = timeline.stake_integrals(start, end.min(horizon_time), &policy.cap);
            let mut epoch = Epoch {
                index: u64::try_from(ledger.epochs.len()).expect("fewer than 2^64 epochs"),
                start,
                q: q_by_sequencer.values().fold(BigUint::ZERO, |sum, part| sum + part),
                n: 0,
                w: BigUint::ZERO,
                target_mrr,
                rows: BTreeMap::new(),
                q_by_sequencer,
            };
            for block in blocks.iter().filter(|b| start <= b.timestamp && b.timestamp < end) {
                match verdict(block, policy, &spans, &timeline) {
                    Verdict::Not(outcome) => enter(&mut ledger, block, outcome),
                    Verdict::Earns { sequencer, effective_stake, paid } => {
                        let reward = match paid {
                            Some(paid) => paid,
                            None => reward_at(&rate, policy, &effective_stake),
                        };
                        epoch.n += 1;
                        epoch.w += effective_stake;
                        add_block(&mut epoch.rows, sequencer, &reward);
                        enter(&mut ledger, block, Outcome::Rewarded { sequencer, reward });
                    }
                }
            }
            ledger.epochs.push(epoch);
            start = end;
        }
    }

    assert_eq!(ledger.per_block.len(), blocks.len(), "every block is entered once");
    assert!(ledger.per_block.is_sorted_by_key(|entry| entry.number), "and in order");
    ledger
}

/// Writes one block's outcome into the ledger.
fn enter(ledger: &mut Ledger, block: &Block, outcome: Outcome) {
    match &outcome {
        Outcome::Rewarded { sequencer, reward } => {
            add_block(&mut ledger.sequencers, *sequencer, reward);
            ledger.total += reward;
        }
        Outcome::BeforeGenesis => ledger.before_genesis += 1,
        Outcome::NoProducer => ledger.no_producer += 1,
        Outcome::UnknownSigner => ledger.unknown_signer += 1,
        Outcome::AfterUnlock => ledger.after_unlock += 1,
    }
    ledger.per_block.push(BlockEntry { number: block.number, outcome });
}

fn add_block(rows: &mut BTreeMap<u64, (u64, BigUint)>, sequencer: u64, reward: &BigUint) {
    let row = rows.entry(sequencer).or_insert((0, BigUint::ZERO));
    row.0 += 1;
    row.1 += reward;
}

fn big(amount: Wei) -> BigUint {
    BigUint::from_bytes_be(&amount.get().to_be_bytes::<32>())
}

fn first_lock(records: &[L1Record]) -> Option<u64> {
    let lock = records.iter().find(|r| matches!(r.event, PoolEvent::Locked { .. }));
    lock.map(|record| record.timestamp.0)
}

/// The spans as the events leave them; the position in the list is the span's id.
pub(crate) fn final_spans(records: &[SpanRecord]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let at = |id: u64| usize::try_from(id).expect("a span id fits in memory");
    for record in records {
        match record.event {
            SpanEvent::NewEpoch { span, start, end, signer } => {
                assert_eq!(at(span.0), spans.len(), "span ids have no gaps");
                spans.push(Span { start: start.0, end: end.0, signer });
            }
            SpanEvent::ReCommitEpoch { old_span, new_span, current_span, start, end, new_signer } => {
                assert_eq!(at(current_span.0) + 1, spans.len(), "the current span is the last announced");
                let new = Span { start: start.0, end: end.0, signer: new_signer };
                let old = at(old_span.0);
                if old_span == current_span {
                    // Cut, or extended forward over blocks that had no span.
                    spans[old].end = start.0 - 1;
                    assert_eq!(at(new_span.0), spans.len(), "the new span follows the current one");
                    spans.push(new);
                } else {
                    assert_eq!(old_span.0 + 1, current_span.0, "only the last two spans can be recommitted");
                    assert_eq!(new_span, current_span, "the announced span is overwritten");
                    if spans[old].end >= start.0 {
                        spans[old].end = start.0 - 1;
                    }
                    spans[old + 1] = new;
                }
            }
            SpanEvent::EpochUpdated { .. } | SpanEvent::MpcAddressUpdated { .. } => {}
        }
    }
    spans
}

/// The id and the span of a block.
fn span_of(spans: &[Span], block: u64) -> Option<(u64, &Span)> {
    let position = spans.iter().position(|span| span.covers(block))?;
    Some((u64::try_from(position).expect("a position fits in 64 bits"), &spans[position]))
}

/// The leading blocks that can be folded, up to `to`.
fn foldable<'a>(history: &'a History, policy: &Policy, spans: &[Span], to: Option<u64>) -> Vec<&'a Block> {
    let mut blocks = Vec::new();
    for block in &history.blocks {
        let is_wanted = to.is_none_or(|to| block.number <= to);
        let is_l1_known = block.timestamp <= history.l1_head_timestamp;
        let is_before_spans = spans.first().is_some_and(|first| block.number < first.start);
        let is_scheduled = is_before_spans || span_of(spans, block.number).is_some();
        let is_settled = match attribution(policy) {
            Attribution::Signed => block.signed_by.is_some() || is_scheduled,
            Attribution::Scheduled => is_scheduled,
        };
        if !(is_wanted && is_l1_known && is_settled) {
            break;
        }
        blocks.push(block);
    }
    blocks
}

fn attribution(policy: &Policy) -> Attribution {
    match policy.allocation {
        Allocation::OnChain => Attribution::Scheduled,
        Allocation::Flat | Allocation::StakeWeighted => policy.attribution,
    }
}

/// What a block at or after the genesis is.
fn verdict(block: &Block, policy: &Policy, spans: &[Span], timeline: &Timeline) -> Verdict {
    let span = span_of(spans, block.number);
    if policy.allocation == Allocation::OnChain {
        return verdict_on_chain(block, policy, span, timeline);
    }
    let scheduled = span.map(|(_, span)| span.signer);
    let producer = match policy.attribution {
        Attribution::Signed => block.signed_by.or(scheduled),
        Attribution::Scheduled => scheduled,
    };
    let Some(producer) = producer else {
        return Verdict::Not(Outcome::NoProducer);
    };
    let pool = timeline.at(block.timestamp);
    let Some(&sequencer) = pool.signers.get(&producer) else {
        return Verdict::Not(Outcome::UnknownSigner);
    };
    if !pool.sequencers[&sequencer].1 {
        return Verdict::Not(Outcome::AfterUnlock);
    }
    let effective_stake = pool.effective_stake(sequencer, &policy.cap);
    Verdict::Earns { sequencer, effective_stake, paid: None }
}

/// What a block at or after the genesis is by the contract: whether it earns depends on what the
/// contract knew when the batch was submitted, not on the block's own time.
fn verdict_on_chain(
    block: &Block,
    policy: &Policy,
    span: Option<(u64, &Span)>,
    timeline: &Timeline,
) -> Verdict {
    let Some((id, span)) = span else {
        return Verdict::Not(Outcome::NoProducer);
    };
    if id < FIRST_PAYABLE_SPAN {
        return Verdict::Not(Outcome::BeforeGenesis);
    }
    // Pending until a batch is found: valued, and judged, as the events end.
    let mut reward_per_block = policy.initial_reward_per_block_on_chain.clone();
    let mut pool = timeline.at_the_end();
    let mut last_paid_span = 0;
    let mut is_paid = false;
    for record in timeline.records {
        if let PoolEvent::RewardUpdate { new_reward, .. } = &record.event {
            reward_per_block = big(*new_reward);
        }
    }
    for (k, record) in timeline.records.iter().enumerate() {
        let PoolEvent::DistributeReward { start_span, end_span, reward_per_block: rpb, .. } = &record.event
        else {
            continue;
        };
        last_paid_span = end_span.0;
        if start_span.0 <= id && id <= end_span.0 {
            reward_per_block = big(*rpb);
            pool = &timeline.states[k];
            is_paid = true;
        }
    }
    assert!(is_paid || id > last_paid_span, "batches leave no span out");
    let Some(&sequencer) = pool.signers.get(&span.signer) else {
        return Verdict::Not(Outcome::UnknownSigner);
    };
    if pool.gone.contains(&sequencer) {
        return Verdict::Not(Outcome::AfterUnlock);
    }
    let effective_stake = timeline.at(block.timestamp).effective_stake(sequencer, &policy.cap);
    Verdict::Earns { sequencer, effective_stake, paid: Some(reward_per_block) }
}

/// The last listed MRR whose date has come.
fn mrr_at(policy: &Policy, time: u64) -> (u64, u64) {
    assert!(policy.mrr.is_sorted_by_key(|entry| entry.0), "MRR dates ascend");
    let entry = policy.mrr.iter().rfind(|(from, ..)| *from <= time);
    let &(_, numerator, denominator) = entry.expect("the first MRR is from 0");
    (numerator, denominator)
}

/// The rate after a complete window: a new one if the window can give one, else the `last`.
fn rate_after(policy: &Policy, window: &Epoch, (numerator, denominator): (u64, u64), last: Rate) -> Rate {
    let divisor = match policy.allocation {
        Allocation::Flat => BigUint::from(window.n),
        Allocation::StakeWeighted => window.w.clone(),
        Allocation::OnChain => return last,
    };
    // No rewarded block also means no W, so a zero divisor covers N = 0 for both allocations.
    if divisor == BigUint::ZERO || window.q == BigUint::ZERO {
        return last;
    }
    Rate::Window { numerator, denominator, q: window.q.clone(), divisor }
}

/// What a block earns, rounded down to the wei.
fn reward_at(rate: &Rate, policy: &Policy, effective_stake: &BigUint) -> BigUint {
    let share = match policy.allocation {
        Allocation::Flat => BigUint::from(1_u64),
        Allocation::StakeWeighted => effective_stake.clone(),
        Allocation::OnChain => panic!("the chain has fixed the reward of a block"),
    };
    match (rate, policy.allocation) {
        (Rate::Initial, Allocation::StakeWeighted) => &policy.initial_reward * share / &policy.cap,
        (Rate::Initial, Allocation::Flat | Allocation::OnChain) => policy.initial_reward.clone(),
        (Rate::Each(reward), _) => reward.clone(),
        (Rate::Window { numerator, denominator, q, divisor }, _) => {
            q * *numerator * share / (divisor * *denominator * YEAR_SECS)
        }
    }
}
