//! What one policy, or what the contract credited, gives more than another policy.

use crate::{Amount, Horizon, Log, Policy, SignedAmount};
use std::collections::BTreeMap;
use tally_claims::{Against, Comparison, Part};
use tally_engine::{AmountError, SequencerId};

shapes! {
    /// How much more a second policy, or the contract, gives than a first policy, and what the difference is made of.
    pub struct AccountsComparison try_from
        (log, found, only): (Log, &Comparison, Option<SequencerId>)
    {
        /// The log that it is of.
        log: Log = log,
        /// The policy that is compared; its epochs are those of the rows.
        first: Policy = (&found.first).into(),
        /// The policy that it is compared with; `null` if that is what the contract credited.
        second: Option<Policy> = match &found.second {
            Against::Policy(policy) => Some((&**policy).into()),
            Against::Credited => None,
        },
        /// The last block that counts: the last that both can fold; `null` if there is none.
        horizon: Option<Horizon> = found.horizon.map(Into::into),
        /// Every sequencer in every epoch for which there is anything, in order.
        rows: Vec<ComparedRow> = rows(found, only)?,
        /// The sums of every epoch for which there is anything, in order; empty if only one sequencer was asked for.
        epochs: Vec<ComparedEpoch> = if only.is_none() { epochs(found)? } else { Vec::new() },
        /// The sums of every sequencer for which there is anything, by id.
        sequencers: Vec<ComparedSequencer> = sequencers(&found.sequencers, only)?,
        /// The sums of all; `null` if only one sequencer was asked for.
        totals: Option<ComparedSums> = if only.is_none() { Some((&found.totals).try_into()?) } else { None },
    }

    /// What the first policy gives, what the second (or the contract) gives, and the parts of the difference, whose sum it
    /// is. `docs/policies.md` says which block counts for which part.
    pub struct ComparedSums try_from sums: &tally_claims::ComparedSums {
        /// How many blocks the first policy rewards.
        first_blocks: u64 = sums.first.blocks,
        /// What it gives for them, in wei.
        first_wei: Amount = sums.first.reward.into(),
        /// How many blocks the second policy rewards, or a batch pays by schedule.
        second_blocks: u64 = sums.second_blocks,
        /// What the second policy gives, or the contract credited, in wei. Below 0 where a batch that was paid in the epoch
        /// posted fewer blocks than the schedule gives.
        second_wei: SignedAmount = sums.second.net().into(),
        /// How much more the second gives, in wei.
        difference_wei: SignedAmount = sums.difference()?.into(),
        /// Of that: another producer has the block, or none has.
        schedule_wei: SignedAmount = sums.part(Part::Schedule).into(),
        /// Of that: one has the block before its epoch 0 or in a span that is never paid, or knew no such signer yet.
        before_lock_wei: SignedAmount = sums.part(Part::BeforeLock).into(),
        /// Of that: one no longer rewards the sequencer, which was leaving or gone.
        after_unlock_wei: SignedAmount = sums.part(Part::AfterUnlock).into(),
        /// Of that: the cap on stakes under which a rate is set.
        cap_wei: SignedAmount = sums.part(Part::Cap).into(),
        /// Of that: all else that sets what a block earns.
        rate_wei: SignedAmount = sums.part(Part::Rate).into(),
        /// Of that: no batch has paid the block yet. 0 between two policies.
        unpaid_wei: SignedAmount = sums.part(Part::Unpaid).into(),
        /// Of that: a batch that was paid in the epoch posted another number of blocks than the schedule gives. 0 between
        /// two policies.
        posted_wei: SignedAmount = sums.part(Part::Posted).into(),
        /// Of that: a batch that was paid in the epoch paid blocks beyond the last one that is compared. 0 between two
        /// policies.
        beyond_horizon_wei: SignedAmount = sums.part(Part::BeyondHorizon).into(),
    }

    /// A sequencer in an epoch, as two policies have it.
    pub struct ComparedRow try_from row: &tally_claims::ComparedRow {
        /// The number of the epoch; `null` before epoch 0.
        epoch: Option<u64> = row.epoch.epoch.map(|epoch| epoch.0),
        /// When the epoch begins, in Unix seconds; `null` before epoch 0.
        start: Option<u64> = row.epoch.start.map(|start| start.0),
        /// The id of the sequencer.
        sequencer: u64 = row.sequencer.0,
        /// What both policies give to the sequencer in this epoch.
        #[serde(flatten)]
        sums: ComparedSums = (&row.sums).try_into()?,
    }

    /// An epoch, as two policies have it.
    pub struct ComparedEpoch try_from
        (epoch, sums): &(tally_claims::ComparedEpoch, tally_claims::ComparedSums)
    {
        /// The number of the epoch; `null` before epoch 0.
        epoch: Option<u64> = epoch.epoch.map(|epoch| epoch.0),
        /// When the epoch begins, in Unix seconds; `null` before epoch 0.
        start: Option<u64> = epoch.start.map(|start| start.0),
        /// What both give all sequencers in it.
        #[serde(flatten)]
        sums: ComparedSums = sums.try_into()?,
    }

    /// A sequencer, as two policies have it.
    pub struct ComparedSequencer {
        /// The id of the sequencer.
        sequencer: u64,
        /// What both policies give to the sequencer.
        #[serde(flatten)]
        sums: ComparedSums,
    }
}

fn rows(found: &Comparison, only: Option<SequencerId>) -> Result<Vec<ComparedRow>, AmountError> {
    let asked = found.rows.iter().filter(|row| only.is_none_or(|only| only == row.sequencer));
    asked.map(TryInto::try_into).collect()
}

fn epochs(found: &Comparison) -> Result<Vec<ComparedEpoch>, AmountError> {
    found.epochs.iter().map(TryInto::try_into).collect()
}

fn sequencers(
    found: &BTreeMap<SequencerId, tally_claims::ComparedSums>,
    only: Option<SequencerId>,
) -> Result<Vec<ComparedSequencer>, AmountError> {
    let asked = found.iter().filter(|(id, _)| only.is_none_or(|only| only == **id));
    asked.map(|(id, sums)| Ok(ComparedSequencer { sequencer: id.0, sums: sums.try_into()? })).collect()
}
