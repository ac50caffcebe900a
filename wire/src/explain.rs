//! Why a block, or a sequencer in an epoch, earned what it did.

use crate::ledger::{operators, window};
use crate::shape::list;
use crate::{
    Address, Amount, BlockEntry, Fraction, Hash, Log, MrrReason, OperatorsRate, Policy, Rate, Unrewarded,
};
use tally_engine::{AmountError, EpochLedger, UnrewardedBlocks};
use tally_replay::{Paid, Replayed, SpanPlace, StakeFacts};

shapes! {
    /// Which ledger an explanation is of.
    pub struct ExplanationHead from (log, replayed): (Log, &Replayed) {
        /// The policy by which rewards are computed.
        policy: Policy = (&replayed.policy).into(),
        /// The version of the Tally that explains.
        engine_version: String = tally_engine::VERSION.into(),
        /// The log that was replayed.
        log: Log = log,
        /// The ledger root: the digest of the whole ledger.
        ledger_root: Hash = replayed.ledger.root.into(),
    }

    /// Why a block earned what it did, as the command says it.
    pub struct ExplainBlock {
        /// The ledger that the explanation belongs to.
        #[serde(flatten)]
        head: ExplanationHead,
        /// Everything that decides what the block earned.
        #[serde(flatten)]
        explanation: BlockExplanation,
    }

    /// Why a sequencer earned what it did in an epoch, as the command says it.
    pub struct ExplainEpoch {
        /// The ledger that the explanation belongs to.
        #[serde(flatten)]
        head: ExplanationHead,
        /// Everything that decides what the sequencer earned.
        #[serde(flatten)]
        explanation: EpochExplanation,
        /// Why its rate is what it is.
        reason: MrrReason,
    }

    /// An explanation: a block, and everything that decides what it earned.
    pub struct BlockExplanation try_from
        (policy, explained): (&tally_engine::Policy, &tally_replay::BlockExplanation)
    {
        /// The block and what it earned.
        block: BlockEntry = (&explained.entry).into(),
        /// The span that covers the block; `null` if none does.
        span: Option<Span> = explained.span.as_ref().map(Into::into),
        /// The event by which the producer came to stand for its sequencer; `null` if it is not known.
        signer_introduced_by: Option<Place> = explained.introduced_by.as_ref().map(Into::into),
        /// The stake of the sequencer at the block's timestamp; `null` if it is not known.
        stake: Option<Stake> = explained.stake.as_ref().map(|stake| (policy, stake).into()),
        /// The epoch that the block is in; `null` before epoch 0.
        epoch: Option<EpochRate> = explained.epoch.as_ref().map(|epoch| (policy, epoch).try_into()).transpose()?,
        /// How the reward is computed; `null` if the block earned nothing, or nothing is divided (the initial reward under
        /// `flat`, a fixed one, and everything under `on-chain`).
        division: Option<Division> = explained.division.as_ref().map(Into::into),
        /// Under `on-chain`: where the reward per block comes from; else, or if the block earned nothing, `null`.
        paid_by: Option<RewardSource> = explained.paid_by.as_ref().map(Into::into),
    }

    /// An explanation: a sequencer in an epoch, and everything that decides what it earned.
    pub struct EpochExplanation try_from
        (policy, explained): (&tally_engine::Policy, &tally_replay::EpochExplanation)
    {
        /// The id of the sequencer.
        sequencer: u64 = explained.sequencer.0,
        /// The epoch and its rate.
        epoch: EpochRate = (policy, &explained.epoch).try_into()?,
        /// When this ends, in Unix seconds: where the next epoch begins, or the timestamp of the horizon.
        until: u64 = explained.until.0,
        /// The parts of the epoch between the events that set the stake or the status of the sequencer, in order.
        segments: Vec<Segment> = list(&explained.segments, |segment| (policy, segment).into()),
        /// How many of the sequencer's blocks were rewarded in the whole epoch.
        blocks: u64 = explained.earned.blocks,
        /// What these blocks earned, in wei.
        reward_wei: Amount = explained.earned.reward.into(),
        /// The sequencer's part of `Q`: its capped stake over the epoch, in wei·s.
        stake_seconds: Amount = explained.stake_seconds.into(),
        /// The mining reward rate that it reached, rounded down to 18 decimals; `null` without stake.
        realised_mrr: Option<Fraction> = realised_mrr(explained)?,
        /// The sequencer's blocks that earned nothing, by reason.
        unrewarded: Unrewarded = unrewarded(explained).into(),
    }

    /// A part of an epoch over which the stake and the status of a sequencer stayed the same.
    pub struct Segment from
        (policy, segment): (&tally_engine::Policy, &tally_replay::Segment)
    {
        /// The first second of the part, in Unix seconds.
        from: u64 = segment.from.0,
        /// The second after its last, in Unix seconds.
        until: u64 = segment.until.0,
        /// The stake of the sequencer over it.
        stake: Stake = (policy, &segment.stake).into(),
        /// The part of `Q` that this gives: capped stake over time, in wei·s.
        stake_seconds: Amount = segment.stake_seconds.into(),
        /// The sequencer's rewarded blocks in it, by batch (pending ones first) and by what one block earned.
        paid: Vec<PaidBlocks> = list(&segment.paid, Into::into),
    }

    /// Rewarded blocks of one sequencer that earned the same for the same reason.
    pub struct PaidBlocks from paid: &Paid {
        /// What each of these blocks earned, in wei.
        reward_each_wei: Amount = paid.reward.into(),
        /// How many blocks earned the same.
        blocks: u64 = paid.earned.blocks,
        /// What they earned together, in wei.
        reward_wei: Amount = paid.earned.reward.into(),
        /// How the reward of each is computed; `null` where nothing is divided.
        division: Option<Division> = paid.division.as_ref().map(Into::into),
        /// Under `on-chain`: where the reward per block comes from; else `null`.
        paid_by: Option<RewardSource> = paid.paid_by.as_ref().map(Into::into),
    }

    /// A place: an event of the pool's contracts on L1.
    pub struct Place from place: &tally_replay::Place {
        /// The name that the contract gives the event.
        event: String = place.event.into(),
        /// The number of the L1 block.
        l1_block: u64 = place.block.0,
        /// The timestamp of the L1 block, in Unix seconds: the event holds from then on.
        timestamp: u64 = place.timestamp.0,
        /// The hash of the L1 transaction.
        transaction: Hash = place.transaction_hash.into(),
        /// The index of the event among the logs of the block.
        log_index: u64 = place.log_index,
    }

    /// A span as it was in the end: a range of L2 blocks given to one signer.
    pub struct Span from place: &SpanPlace {
        /// The id of the span.
        span: u64 = place.span.id.0,
        /// The first L2 block of the span.
        start: u64 = place.span.start.0,
        /// The last L2 block of the span.
        end: u64 = place.span.end.0,
        /// The address that was to produce the span's blocks.
        signer: Address = place.span.signer.into(),
        /// The event that gave the span this signer and this start.
        event: SpanEvent = place.into(),
    }

    /// An event of the sequencer set on L2, which announces or changes a span.
    pub struct SpanEvent from place: &SpanPlace {
        /// The name that the contract gives the event.
        event: String = place.event.into(),
        /// The number of the L2 block.
        l2_block: u64 = place.block.0,
        /// The hash of the L2 transaction.
        transaction: Hash = place.transaction_hash.into(),
        /// The index of the event among the logs of the block.
        log_index: u64 = place.log_index,
    }

    /// The stake of a sequencer at some time, and what counts of it.
    pub struct Stake from (policy, stake): (&tally_engine::Policy, &StakeFacts) {
        /// What is locked, in wei.
        stake_wei: Amount = stake.stake.into(),
        /// The `Locked` or `LockUpdate` that set it, or the `Unlocked` that took it to 0; `null` without such an event.
        stake_event: Option<Place> = stake.stake_event.as_ref().map(Into::into),
        /// Whether the sequencer was active: from `Locked` to `UnlockInit`.
        active: bool = stake.active,
        /// The `Locked` or `UnlockInit` that said so; `null` without such an event.
        status_event: Option<Place> = stake.status_event.as_ref().map(Into::into),
        /// The cap of the policy: stake above it does not count, in wei.
        cap_wei: Amount = policy.cap().into(),
        /// The effective stake: what counts of the stake, in wei.
        effective_stake_wei: Amount = stake.effective.into(),
    }

    /// An epoch and what its rate comes from.
    pub struct EpochRate try_from
        (policy, epoch): (&tally_engine::Policy, &EpochLedger)
    {
        /// The number of the epoch, from 0.
        epoch: u64 = epoch.epoch.0,
        /// When the epoch begins, in Unix seconds.
        start: u64 = epoch.start.0,
        /// The target for the mining reward rate that is in force when the epoch begins.
        target_mrr: Fraction = epoch.target.into(),
        /// What sets the reward of the epoch's blocks.
        rate: Rate = (policy, epoch.rate).try_into()?,
        /// The sums of the earlier epoch that set the rate; `null` unless an earlier epoch set it.
        window: Option<Window> = window(epoch.rate).map(Into::into),
        /// What the operators enter into their formula; `null` unless that sets the rate.
        operators: Option<OperatorsRate> = operators(epoch.rate),
    }

    /// A window: the epoch whose sums set the rate of another.
    pub struct Window from window: tally_engine::Window {
        /// The number of the epoch.
        epoch: u64 = window.epoch.0,
        /// The target that the rate was set with.
        mrr: Fraction = window.target.into(),
        /// `Q`: the capped stake of all sequencers over the epoch, in wei·s.
        stake_seconds: Amount = window.stake_seconds.into(),
        /// `N`: how many blocks of the epoch were rewarded.
        blocks: u64 = window.blocks,
        /// `W`: the capped stake of the producer of each rewarded block, added up, in wei·blocks.
        stake_blocks: Amount = window.stake_blocks.into(),
    }

    /// A division: a product of numerators over a product of denominators.
    pub struct Division from division: &tally_engine::Division {
        /// The factors above the line, in the order of `docs/rules.md`: m, Q and, by stake, eff; or initial and eff.
        numerators: Vec<Amount> = list(&division.numerators, |factor| (*factor).into()),
        /// The factors below the line, in the order of `docs/rules.md`: d, YEAR and N or W; or the cap.
        denominators: Vec<Amount> = list(&division.denominators, |factor| (*factor).into()),
        /// The quotient, rounded down, in wei.
        quotient_wei: Amount = division.quotient.into(),
        /// What the division leaves: a number below the product of the denominators.
        remainder: Amount = division.remainder.into(),
        /// How the quotient is rounded, which is `down`.
        rounds: String = "down".into(),
    }

    /// Where a reward per block of the contract comes from.
    pub struct RewardSource from source: &tally_replay::RewardSource {
        /// The number of the batch that paid the block; `null` while it is pending.
        batch: Option<u64> = source.batch.map(|batch| batch.0),
        /// The `DistributeReward` of the batch or, while the block is pending, the last `RewardUpdate`; `null` if the reward
        /// per block is still what the contract began with.
        event: Option<Place> = source.event.as_ref().map(Into::into),
    }
}

fn realised_mrr(explained: &tally_replay::EpochExplanation) -> Result<Option<Fraction>, AmountError> {
    let reached = tally_engine::realised_mrr(explained.earned.reward, explained.stake_seconds)?;
    Ok(reached.map(Fraction::realised))
}

fn unrewarded(explained: &tally_replay::EpochExplanation) -> UnrewardedBlocks {
    let of = |reason| explained.unrewarded.get(&reason).copied().unwrap_or_default();
    UnrewardedBlocks {
        before_genesis: of(tally_engine::Unrewarded::BeforeGenesis),
        no_producer: of(tally_engine::Unrewarded::NoProducer),
        unknown_signer: of(tally_engine::Unrewarded::UnknownSigner),
        after_unlock: of(tally_engine::Unrewarded::AfterUnlock),
    }
}
