//! The ledger: epochs, single blocks, and why a block earned what it did.

use super::{AddressJson, Amount, At, HashJson, RateFraction};
use alloy_primitives::U256;
use serde::Serialize;
use tally_engine::{Allocation, AmountError, Division, EpochLedger, Policy, Rate, Row};
use tally_replay::{BlockEntry, BlockExplanation, Outcome, Place, RewardSource, SpanPlace, StakeFacts};
use utoipa::ToSchema;

/// A page of epochs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EpochsAnswer {
    pub(crate) at: At,
    /// In order.
    pub(crate) epochs: Vec<EpochJson>,
    /// Where the next page begins: give it as `from`. `null` after the last.
    pub(crate) next: Option<u64>,
}

/// One epoch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EpochAnswer {
    pub(crate) at: At,
    pub(crate) epoch: EpochJson,
    /// Its sequencers that earned, by id.
    pub(crate) rows: Vec<RowJson>,
}

/// An epoch. The last one's sums reach up to the horizon.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EpochJson {
    epoch: u64,
    /// When it begins.
    start: u64,
    /// Whether it is over: a later block is folded.
    is_closed: bool,
    /// Whether it is over and nothing of it can change any more; never under `on-chain`, where batches settle what blocks
    /// earn.
    is_final: bool,
    /// `Q`: all capped stake over the epoch, in wei·s.
    stake_seconds: Amount,
    /// `N`: its rewarded blocks.
    blocks: u64,
    /// `W`: the producers' capped stakes, summed over these blocks.
    stake_blocks: Amount,
    /// What they earned.
    reward_wei: Amount,
    rate: RateJson,
    /// The mining reward rate in force when it begins.
    target_mrr: RateFraction,
    /// What the pool reached, rounded down; `null` without stake.
    realised_mrr: Option<RateFraction>,
    /// The digest of the epoch.
    digest: HashJson,
}

/// Where the reward of an epoch's blocks comes from.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RateJson {
    /// `initial`: the policy's initial reward. `window`: what an earlier epoch's stake and blocks told. `chain`: the
    /// contract's reward per block.
    from: &'static str,
    /// Which earlier epoch.
    window_epoch: Option<u64>,
    /// The target that was in force when the rate was set.
    mrr: Option<RateFraction>,
    /// What every block earns, under `flat`.
    reward_per_block_wei: Option<Amount>,
}

/// A sequencer in an epoch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RowJson {
    sequencer: u64,
    /// Its rewarded blocks.
    blocks: u64,
    /// What they earned.
    reward_wei: Amount,
    /// Its capped stake over the epoch, in wei·s.
    stake_seconds: Amount,
    /// The mining reward rate that it reached, rounded down; `null` without stake.
    realised_mrr: Option<RateFraction>,
}

impl RateJson {
    pub(crate) fn new(policy: &Policy, rate: Rate) -> Result<Self, AmountError> {
        let is_flat = policy.allocation() == Allocation::Flat;
        let (from, window) = match rate {
            Rate::Initial => ("initial", None),
            Rate::FromWindow(window) => ("window", Some(window)),
            Rate::OnChain => ("chain", None),
        };
        let each = match rate {
            Rate::Initial if is_flat => Some(policy.initial_reward()),
            Rate::FromWindow(window) if is_flat => Some(window.flat_reward()?),
            Rate::Initial | Rate::FromWindow(_) | Rate::OnChain => None,
        };
        Ok(Self {
            from,
            window_epoch: window.map(|window| window.epoch),
            mrr: window.map(|window| RateFraction::target(window.target)),
            reward_per_block_wei: each.map(Into::into),
        })
    }
}

impl EpochJson {
    pub(crate) fn new(
        policy: &Policy,
        epoch: &EpochLedger,
        is_closed: bool,
        is_final: bool,
    ) -> Result<Self, AmountError> {
        Ok(Self {
            epoch: epoch.epoch.0,
            start: epoch.start.0,
            is_closed,
            is_final,
            stake_seconds: epoch.stake_seconds.into(),
            blocks: epoch.earned.blocks,
            stake_blocks: epoch.stake_blocks.into(),
            reward_wei: epoch.earned.reward.into(),
            rate: RateJson::new(policy, epoch.rate)?,
            target_mrr: RateFraction::target(epoch.target),
            realised_mrr: epoch.realised_mrr()?.map(RateFraction::realised),
            digest: epoch.digest.into(),
        })
    }
}

impl RowJson {
    pub(crate) fn new(row: &Row) -> Result<Self, AmountError> {
        Ok(Self {
            sequencer: row.sequencer.0,
            blocks: row.earned.blocks,
            reward_wei: row.earned.reward.into(),
            stake_seconds: row.stake_seconds.into(),
            realised_mrr: row.realised_mrr()?.map(RateFraction::realised),
        })
    }
}

/// A page of a sequencer's blocks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerAnswer {
    pub(crate) at: At,
    pub(crate) sequencer: u64,
    /// The blocks that were looked through for this page, the first and the last.
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The sequencer's among them, rewarded or not.
    pub(crate) blocks: Vec<LedgerBlock>,
    /// Where the next page begins: give it as `cursor`. `null` after the last.
    pub(crate) next: Option<u64>,
}

/// A block of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerBlock {
    l2_block: u64,
    timestamp: u64,
    /// The epoch that it is in; `null` before epoch 0.
    epoch: Option<u64>,
    /// The span that covers it, if one does.
    span: Option<u64>,
    /// Who signed it, if somebody did.
    signer: Option<AddressJson>,
    /// Who made it by the policy's attribution.
    producer: Option<AddressJson>,
    /// The sequencer that the producer stands for, if it is known.
    sequencer: Option<u64>,
    /// The sequencer's stake at that time, capped.
    effective_stake_wei: Option<Amount>,
    /// What it earned.
    reward_wei: Option<Amount>,
    /// What the sequencer has earned up to this block, with it.
    running_total_wei: Option<Amount>,
    /// Under `on-chain`: the batch that paid it; `null` if it is pending.
    batch: Option<u64>,
    /// Why it earned nothing: `before_genesis`, `no_producer`, `unknown_signer` or `after_unlock`.
    unrewarded: Option<&'static str>,
    /// Whether what it earned cannot change any more. (A signed block may still come to lie in a span that is announced
    /// late.)
    is_final: bool,
}

impl LedgerBlock {
    pub(crate) fn new(entry: &BlockEntry, is_final: bool) -> Self {
        let rewarded = entry.rewarded();
        Self {
            l2_block: entry.block.0,
            timestamp: entry.timestamp.0,
            epoch: entry.epoch.map(|epoch| epoch.0),
            span: entry.span.map(|span| span.0),
            signer: entry.signer.map(Into::into),
            producer: entry.producer.map(Into::into),
            sequencer: entry.sequencer.map(|sequencer| sequencer.0),
            effective_stake_wei: rewarded.map(|rewarded| rewarded.effective.into()),
            reward_wei: rewarded.map(|rewarded| rewarded.reward.into()),
            running_total_wei: rewarded.map(|rewarded| rewarded.running_total.into()),
            batch: rewarded.and_then(|rewarded| rewarded.batch).map(|batch| batch.0),
            unrewarded: match &entry.outcome {
                Outcome::Rewarded(_) => None,
                Outcome::Unrewarded(why) => Some(why.code()),
            },
            is_final,
        }
    }
}

/// A block, and why it earned what it did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BlockAnswer {
    pub(crate) at: At,
    block: LedgerBlock,
    /// The span that covers it.
    span: Option<SpanJson>,
    /// The event by which its producer came to stand for its sequencer.
    signer_introduced_by: Option<PlaceJson>,
    /// The stake of its sequencer at its timestamp.
    stake: Option<StakeJson>,
    /// The rate of its epoch.
    rate: Option<RateJson>,
    /// The target of its epoch.
    target_mrr: Option<RateFraction>,
    /// How its reward is computed; `null` if it has none, or nothing is divided.
    division: Option<DivisionJson>,
    /// Under `on-chain`: where the reward per block comes from.
    paid_by: Option<PaidBy>,
}

impl BlockAnswer {
    pub(crate) fn new(
        at: At,
        policy: &Policy,
        explained: &BlockExplanation,
        is_final: bool,
    ) -> Result<Self, AmountError> {
        let epoch = explained.epoch.as_ref();
        Ok(Self {
            at,
            block: LedgerBlock::new(&explained.entry, is_final),
            span: explained.span.as_ref().map(SpanJson::new),
            signer_introduced_by: explained.introduced_by.as_ref().map(PlaceJson::new),
            stake: explained.stake.as_ref().map(|stake| StakeJson::new(policy, stake)),
            rate: epoch.map(|epoch| RateJson::new(policy, epoch.rate)).transpose()?,
            target_mrr: epoch.map(|epoch| RateFraction::target(epoch.target)),
            division: explained.division.as_ref().map(DivisionJson::new),
            paid_by: explained.paid_by.as_ref().map(PaidBy::new),
        })
    }
}

/// An event of the pool on L1.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlaceJson {
    event: &'static str,
    l1_block: u64,
    timestamp: u64,
    transaction: HashJson,
    log_index: u64,
}

impl PlaceJson {
    fn new(place: &Place) -> Self {
        Self {
            event: place.event,
            l1_block: place.block.0,
            timestamp: place.timestamp.0,
            transaction: place.transaction_hash.into(),
            log_index: place.log_index,
        }
    }
}

/// A span, and the event on L2 that it comes from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpanJson {
    span: u64,
    /// Its first and last L2 block.
    start: u64,
    end: u64,
    /// Who was to produce it.
    signer: AddressJson,
    event: &'static str,
    l2_block: u64,
    transaction: HashJson,
    log_index: u64,
}

impl SpanJson {
    fn new(place: &SpanPlace) -> Self {
        Self {
            span: place.span.id.0,
            start: place.span.start.0,
            end: place.span.end.0,
            signer: place.span.signer.into(),
            event: place.event,
            l2_block: place.block.0,
            transaction: place.transaction_hash.into(),
            log_index: place.log_index,
        }
    }
}

/// A sequencer's stake at some time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StakeJson {
    stake_wei: Amount,
    /// The event that set it.
    stake_event: Option<PlaceJson>,
    /// Whether it was active.
    active: bool,
    /// The event that said so.
    status_event: Option<PlaceJson>,
    /// Stake above this does not count.
    cap_wei: Amount,
    effective_stake_wei: Amount,
}

impl StakeJson {
    fn new(policy: &Policy, stake: &StakeFacts) -> Self {
        Self {
            stake_wei: stake.stake.into(),
            stake_event: stake.stake_event.as_ref().map(PlaceJson::new),
            active: stake.active,
            status_event: stake.status_event.as_ref().map(PlaceJson::new),
            cap_wei: policy.cap().into(),
            effective_stake_wei: stake.effective.into(),
        }
    }
}

/// A division of products, rounded down.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DivisionJson {
    numerators: Vec<Amount>,
    denominators: Vec<Amount>,
    quotient_wei: Amount,
    remainder: Amount,
}

impl DivisionJson {
    fn new(division: &Division) -> Self {
        let factors = |factors: &[U256]| factors.iter().map(|factor| Amount::from(*factor)).collect();
        Self {
            numerators: factors(&division.numerators),
            denominators: factors(&division.denominators),
            quotient_wei: division.quotient.into(),
            remainder: division.remainder.into(),
        }
    }
}

/// Where a reward per block of the contract comes from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaidBy {
    /// The batch; `null` while the block is pending.
    batch: Option<u64>,
    /// The event that set the reward per block; `null` if it is what the contract began with.
    event: Option<PlaceJson>,
}

impl PaidBy {
    fn new(source: &RewardSource) -> Self {
        Self { batch: source.batch.map(|batch| batch.0), event: source.event.as_ref().map(PlaceJson::new) }
    }
}
