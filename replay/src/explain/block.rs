//! Why a block earned what it did.

use super::places::{Place, Records, RewardSource, SpanPlace, StakeFacts, span_place};
use crate::by_block::{BlockEntry, BlockLedger};
use crate::error::ReplayError;
use tally_engine::{Allocation, Division, EpochLedger, FoldError, L2Block, reward_division};
use tally_eventlog::LogView;

/// Everything that decides what a block earned.
#[derive(Clone, Debug)]
pub struct BlockExplanation {
    /// The block as the ledger has it.
    pub entry: BlockEntry,
    /// The span that covers it.
    pub span: Option<SpanPlace>,
    /// The event by which its producer came to stand for its sequencer.
    pub introduced_by: Option<Place>,
    /// The stake of its sequencer at its timestamp.
    pub stake: Option<StakeFacts>,
    /// The epoch that it is in, with the rate and the window that this comes from.
    pub epoch: Option<EpochLedger>,
    /// How its reward is computed; `None` if it has none, or it is not divided.
    pub division: Option<Division>,
    /// Under `on-chain`: where the reward per block comes from.
    pub paid_by: Option<RewardSource>,
}

/// Explains a block; `None` if the ledger does not have it.
///
/// # Errors
///
/// [`ReplayError`] if the log cannot be read, or does not give the reward that the ledger has.
pub fn explain_block<L: LogView>(
    ledger: &BlockLedger<'_, L>,
    block: L2Block,
) -> Result<Option<BlockExplanation>, ReplayError> {
    let Some(entry) = ledger.reader().entry(block)? else {
        return Ok(None);
    };
    let policy = &ledger.replayed().policy;
    let records = Records::new(ledger.log())?;
    let epoch = entry.epoch.and_then(|epoch| usize::try_from(epoch.0).ok());
    let epoch = epoch.and_then(|epoch| ledger.replayed().ledger.epochs.get(epoch));
    let stake = entry.sequencer.map(|id| records.stake(id, entry.timestamp, policy.cap()));
    let rewarded = entry.rewarded();
    let mut division = None;
    if let (Some(rewarded), Some(epoch)) = (rewarded, epoch) {
        division = reward_division(policy, epoch.rate, rewarded.effective)
            .map_err(|error| ReplayError::of_policy(policy, FoldError::from(error)))?;
        let computed = division.as_ref().map(|division| division.quotient);
        let effective = stake.as_ref().map(|stake| stake.effective);
        if computed.is_some_and(|reward| reward != rewarded.reward.get())
            || effective != Some(rewarded.effective)
        {
            return Err(ReplayError::NotTheLedger {
                what: "the reward and the effective stake of a block",
                expected: format!("{} and {} wei for block {block}", rewarded.reward, rewarded.effective),
                found: format!("{computed:?} and {effective:?}"),
            });
        }
    }
    let is_on_chain = policy.allocation() == Allocation::OnChain;
    let introduced = entry.producer.filter(|_| entry.sequencer.is_some());
    Ok(Some(BlockExplanation {
        span: span_place(ledger.log(), block)?,
        introduced_by: introduced.and_then(|signer| records.introduction(&signer)),
        stake,
        epoch: epoch.cloned(),
        division,
        paid_by: rewarded.filter(|_| is_on_chain).map(|rewarded| records.reward_source(rewarded.batch)),
        entry,
    }))
}
