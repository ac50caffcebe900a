//! Why a sequencer earned what it did in an epoch.

use super::places::{Records, RewardSource, StakeFacts};
use crate::by_block::{BlockLedger, Outcome};
use crate::error::ReplayError;
use std::collections::BTreeMap;
use tally_engine::{
    Allocation, BatchId, Division, Earned, EpochIndex, EpochLedger, FoldError, SequencerId, StakeSeconds,
    UnixTime, Unrewarded, Wei, reward_division,
};
use tally_eventlog::LogView;

/// Everything that decides what a sequencer earned in an epoch.
#[derive(Clone, Debug)]
pub struct EpochExplanation {
    /// The sequencer that is explained.
    pub sequencer: SequencerId,
    /// The epoch, with the rate and the window that this comes from.
    pub epoch: EpochLedger,
    /// Where it ends: the next begins, or the replay's horizon lies.
    pub until: UnixTime,
    /// The parts of the epoch over which the sequencer's stake and status were the same, in order.
    pub segments: Vec<Segment>,
    /// What it earned in all of them.
    pub earned: Earned,
    /// Its capped stake over the epoch, in wei·s: its part of Q.
    pub stake_seconds: StakeSeconds,
    /// Its blocks that earned nothing, by reason.
    pub unrewarded: BTreeMap<Unrewarded, u64>,
}

/// A part of an epoch over which a sequencer's stake and status were the same.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The first second of the segment.
    pub from: UnixTime,
    /// The second after its last.
    pub until: UnixTime,
    /// The stake, and the events that set it.
    pub stake: StakeFacts,
    /// The effective stake times the seconds.
    pub stake_seconds: StakeSeconds,
    /// The rewarded blocks, by what each earned.
    pub paid: Vec<Paid>,
}

/// Blocks that earned the same.
#[derive(Clone, Debug)]
pub struct Paid {
    /// The reward of each of these blocks.
    pub reward: Wei,
    /// How many, and what they earned together.
    pub earned: Earned,
    /// How the reward of one is computed; `None` if it is not divided.
    pub division: Option<Division>,
    /// Under `on-chain`: where the reward per block comes from.
    pub paid_by: Option<RewardSource>,
}

/// Explains what a sequencer earned in an epoch; `None` if there is no such epoch.
///
/// # Errors
///
/// [`ReplayError`] if the log cannot be read, or does not give the sums that the ledger has.
pub fn explain_epoch<L: LogView>(
    ledger: &BlockLedger<'_, L>,
    sequencer: SequencerId,
    epoch: EpochIndex,
) -> Result<Option<EpochExplanation>, ReplayError> {
    let replayed = ledger.replayed();
    let index = usize::try_from(epoch.0).unwrap_or(usize::MAX);
    let Some((found, horizon)) = replayed.ledger.epochs.get(index).zip(replayed.ledger.horizon) else {
        return Ok(None);
    };
    let policy = &replayed.policy;
    let of_policy = |error: FoldError| ReplayError::of_policy(policy, error);
    let next = index.checked_add(1).and_then(|next| replayed.ledger.epochs.get(next));
    let until = next.map_or(horizon.timestamp, |next| next.start);
    let records = Records::new(ledger.log())?;
    let mut explanation = EpochExplanation {
        sequencer,
        epoch: found.clone(),
        until,
        segments: Vec::new(),
        earned: Earned::default(),
        stake_seconds: StakeSeconds::ZERO,
        unrewarded: BTreeMap::new(),
    };
    let mut from = found.start;
    let changes = records.stake_changes(sequencer, found.start, until);
    for end in changes.into_iter().chain([until]) {
        let stake = records.stake(sequencer, from, policy.cap());
        let backwards = of_policy(FoldError::TimeRunsBack { from, to: end });
        let secs = end.0.checked_sub(from.0).ok_or(backwards)?;
        let stake_seconds = stake.effective.over_secs(secs).map_err(|error| of_policy(error.into()))?;
        let sum = explanation.stake_seconds.checked_add(stake_seconds);
        explanation.stake_seconds = sum.map_err(|error| of_policy(error.into()))?;
        explanation.segments.push(Segment { from, until: end, stake, stake_seconds, paid: Vec::new() });
        from = end;
    }
    // By segment, and then by what a block earned and by which batch.
    let mut counted: BTreeMap<(usize, Option<BatchId>, Wei, Wei), u64> = BTreeMap::new();
    if let Some(range) = ledger.blocks_of(Some(epoch))? {
        ledger.reader().for_each(range, |entry| {
            if entry.sequencer != Some(sequencer) {
                return;
            }
            match &entry.outcome {
                Outcome::Unrewarded(why) => *explanation.unrewarded.entry(*why).or_default() += 1,
                Outcome::Rewarded(rewarded) => {
                    // The horizon's own second is in the last segment.
                    let later =
                        explanation.segments.partition_point(|segment| segment.from <= entry.timestamp);
                    let key = (later.saturating_sub(1), rewarded.batch, rewarded.reward, rewarded.effective);
                    *counted.entry(key).or_default() += 1;
                }
            }
        })?;
    }
    for ((segment, batch, reward, effective), blocks) in counted {
        let earned = reward.times(blocks).map_err(|error| of_policy(error.into()))?;
        let is_on_chain = policy.allocation() == Allocation::OnChain;
        let paid = Paid {
            reward,
            earned: Earned { blocks, reward: earned },
            division: reward_division(policy, found.rate, effective)
                .map_err(|error| of_policy(error.into()))?,
            paid_by: is_on_chain.then(|| records.reward_source(batch)),
        };
        let sum = explanation.earned.blocks.checked_add(blocks);
        explanation.earned.blocks = sum.expect("they are blocks of one epoch");
        let sum = explanation.earned.reward.checked_add(earned);
        explanation.earned.reward = sum.map_err(|error| of_policy(error.into()))?;
        if let Some(segment) = explanation.segments.get_mut(segment) {
            segment.paid.push(paid);
        }
    }
    explanation.check(found)?;
    Ok(Some(explanation))
}

impl EpochExplanation {
    /// Whether these are the sums that the ledger has.
    fn check(&self, epoch: &EpochLedger) -> Result<(), ReplayError> {
        let row = epoch.rows.iter().find(|row| row.sequencer == self.sequencer);
        let expected = row.map_or(Earned::default(), |row| row.earned);
        let has_row = row.is_none_or(|row| row.stake_seconds == self.stake_seconds);
        if expected == self.earned && has_row {
            return Ok(());
        }
        Err(ReplayError::NotTheLedger {
            what: "what a sequencer earned in an epoch",
            expected: format!("{expected:?} for sequencer {} in epoch {}", self.sequencer, epoch.epoch),
            found: format!("{:?}, with {} wei·s", self.earned, self.stake_seconds),
        })
    }
}
