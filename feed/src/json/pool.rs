//! Batches and rates: what was paid, and what is to be paid next.

use super::{AddressJson, Amount, At, BatchRow, HashJson, PolicyId, RateFraction, RateJson, SignedAmount};
use serde::Serialize;
use tally_claims::{ClaimsError, NextBatch, NextRate, PreparedCall};
use utoipa::ToSchema;

/// A page of the batches that were paid.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchesAnswer {
    pub(crate) at: At,
    /// In order.
    pub(crate) batches: Vec<PaidBatchJson>,
    /// Where the next page begins: give it as `from`. `null` after the last.
    pub(crate) next: Option<u64>,
}

/// A batch that was paid.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PaidBatchJson {
    pub(crate) batch: u64,
    pub(crate) start_span: u64,
    pub(crate) end_span: u64,
    pub(crate) l1_block: u64,
    pub(crate) timestamp: u64,
    pub(crate) transaction: HashJson,
    pub(crate) reward_per_block_wei: Amount,
    /// What the event says it paid.
    pub(crate) amount_wei: Amount,
    /// Who was credited, by sequencer.
    pub(crate) rows: Vec<BatchRow>,
    /// Whether no reorg can take it back.
    pub(crate) is_final: bool,
}

/// The batch that can be paid next.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NextBatchAnswer {
    at: At,
    batch: u64,
    start_span: u64,
    end_span: u64,
    /// The first block of the first span, and the last of the last.
    first_l2_block: u64,
    last_l2_block: u64,
    /// All blocks that are paid.
    blocks: u64,
    reward_per_block_wei: Amount,
    total_wei: Amount,
    /// Who is paid, by sequencer.
    entries: Vec<BatchEntryJson>,
    /// Blocks that the contract can pay to nobody.
    unpayable: Vec<UnpayableJson>,
    /// Since when the pool is paused, if it is.
    paused_since_l1_block: Option<u64>,
    call: CallJson,
}

/// A sequencer that is to be paid.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchEntryJson {
    signer: AddressJson,
    sequencer: u64,
    blocks: u64,
    reward_wei: Amount,
}

/// Blocks that cannot be paid.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnpayableJson {
    signer: AddressJson,
    sequencer: Option<u64>,
    blocks: u64,
    /// `unknown_signer` or `sequencer_gone`.
    why: &'static str,
}

/// A call that somebody has to send.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallJson {
    chain_id: u64,
    contract: AddressJson,
    /// Who has to send it; `null` for the contract's owner.
    sender: Option<AddressJson>,
    function: &'static str,
    /// The transaction's input.
    #[schema(pattern = "^0x([0-9a-f]{2})*$")]
    calldata: String,
}

impl From<&PreparedCall> for CallJson {
    fn from(call: &PreparedCall) -> Self {
        Self {
            chain_id: call.chain_id,
            contract: call.contract.into(),
            sender: call.sender.map(Into::into),
            function: call.function,
            calldata: call.calldata.to_string(),
        }
    }
}

impl NextBatchAnswer {
    pub(crate) fn new(at: At, next: &NextBatch) -> Self {
        let entries = next.entries.iter().map(|entry| BatchEntryJson {
            signer: entry.signer.into(),
            sequencer: entry.sequencer.0,
            blocks: entry.blocks,
            reward_wei: entry.reward.into(),
        });
        let unpayable = next.unpayable.iter().map(|blocks| UnpayableJson {
            signer: blocks.signer.into(),
            sequencer: blocks.why.sequencer().map(|sequencer| sequencer.0),
            blocks: blocks.blocks,
            why: blocks.why.code(),
        });
        Self {
            at,
            batch: next.batch.0,
            start_span: next.start_span.0,
            end_span: next.end_span.0,
            first_l2_block: next.first_block.0,
            last_l2_block: next.last_block.0,
            blocks: next.blocks,
            reward_per_block_wei: next.reward_per_block.into(),
            total_wei: next.total.into(),
            entries: entries.collect(),
            unpayable: unpayable.collect(),
            paused_since_l1_block: next.paused_since.map(|block| block.0),
            call: (&next.call).into(),
        }
    }
}

/// What the reward per block has to be from the end of the last closed epoch on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NextRateAnswer {
    at: At,
    /// By which rules: those of `at`.
    policy: PolicyId,
    /// The last epoch that is over.
    closed_epoch: ClosedEpochJson,
    target_mrr: RateFraction,
    rate: RateJson,
    /// Exact, rounded down.
    reward_per_block_wei: Amount,
    /// The reward per block in force on chain.
    on_chain_reward_per_block_wei: Amount,
    /// How much more than that is proposed.
    difference_wei: SignedAmount,
    /// The call that sets it; `null` if it is in force already.
    call: Option<CallJson>,
}

/// An epoch that is over.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClosedEpochJson {
    epoch: u64,
    start: u64,
    /// The first second of the next.
    end: u64,
    /// `Q`, in wei·s.
    stake_seconds: Amount,
    /// `N`.
    blocks: u64,
    /// As many blocks a year, rounded down.
    blocks_a_year: u64,
    realised_mrr: Option<RateFraction>,
}

impl NextRateAnswer {
    pub(crate) fn new(at: At, next: &NextRate) -> Result<Self, ClaimsError> {
        let failed = |error| ClaimsError::Amount { what: "the reward per block", error };
        let closed = &next.closed;
        Ok(Self {
            at,
            policy: (&next.policy).into(),
            closed_epoch: ClosedEpochJson {
                epoch: closed.epoch.0,
                start: closed.start.0,
                end: closed.end.0,
                stake_seconds: closed.stake_seconds.into(),
                blocks: closed.blocks,
                blocks_a_year: closed.blocks_a_year,
                realised_mrr: closed.realised_mrr.map(RateFraction::realised),
            },
            target_mrr: RateFraction::target(next.target),
            rate: RateJson::new(&next.policy, next.rate).map_err(failed)?,
            reward_per_block_wei: next.reward.into(),
            on_chain_reward_per_block_wei: next.on_chain.into(),
            difference_wei: next.difference.into(),
            call: next.call.as_ref().map(Into::into),
        })
    }
}
