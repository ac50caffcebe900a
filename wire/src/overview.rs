//! Everything that the owner of a sequencer asks first.

use crate::{Amount, ContractAccount, Fraction, Head, Log, MemberCall, Policy, PolicyAccount, Sequencer};
use tally_claims::{RunningEpoch, StakeRoom};
use tally_engine::Earned;
use tally_replay::RateReason;

shapes! {
    /// A sequencer, as its owner asks about it: what the contract has first, and then what a policy says.
    pub struct SequencerOverview from
        (log, name, found): (Log, Option<&str>, &tally_claims::Overview)
    {
        /// The log that it is of.
        log: Log = log,
        /// The last L1 block of the log, after which it is so.
        l1_head: Head = found.as_of.into(),
        /// The sequencer that it is about.
        #[serde(flatten)]
        sequencer: Sequencer = (found.id, name, &found.facts).into(),
        /// What the contract owes to it: what it really has.
        contract: ContractAccount = (&found.account).into(),
        /// How its stake lies between what the contract takes and what counts.
        stake: StakeLimits = found.stake.into(),
        /// The epoch that runs, and what the contract credited in it; `null` before epoch 0.
        running_epoch: Option<CreditedEpoch> = found.running.map(Into::into),
        /// Blocks that no batch has paid yet.
        unpaid: UnpaidBlocks = found.unpaid.into(),
        /// The policy by whose epochs this is told.
        policy: Policy = (&found.policy).into(),
        /// What that policy has it earn, whether or not the contract pays it.
        under_policy: PolicyAccount = (&found.under_policy).into(),
        /// Its way out: the call `unlock`, or `finish` where the exit has begun; `null` if it is gone.
        way_out: Option<MemberCall> = found.way_out.as_ref().map(Into::into),
        /// Why its rate is what it is; `null` if there is no epoch yet.
        rate: Option<EpochRateReason> = found.rate.as_ref().map(|(explained, reason)| EpochRateReason {
            epoch: explained.epoch.epoch.0,
            start: explained.epoch.start.0,
            until: explained.until.0,
            reason: reason.into(),
        }),
    }

    /// How a stake lies between the limits. All are amounts in wei.
    pub struct StakeLimits from room: StakeRoom {
        /// The least that the contract lets be locked, in wei.
        min_wei: Amount = room.min.into(),
        /// The greatest that the contract lets be locked, in wei.
        max_wei: Amount = room.max.into(),
        /// What of a stake counts at most by the policy, in wei; `null` if all of it counts.
        cap_wei: Option<Amount> = room.cap.map(Into::into),
        /// How much can be taken out and leave the least, in wei.
        above_min_wei: Amount = room.above_min.into(),
        /// How much more can be locked, in wei.
        below_max_wei: Amount = room.below_max.into(),
        /// How much more would count, in wei.
        below_cap_wei: Amount = room.below_cap.into(),
        /// How much is locked and does not count, in wei.
        above_cap_wei: Amount = room.above_cap.into(),
    }

    /// What the contract credited since an epoch began.
    pub struct CreditedEpoch from running: RunningEpoch {
        /// The number of the epoch, from 0.
        epoch: u64 = running.epoch.0,
        /// When the epoch began, in Unix seconds.
        start: u64 = running.start.0,
        /// What batches credited since then, in wei, for whichever blocks.
        credited_wei: Amount = running.credited.into(),
    }

    /// Blocks that no batch has paid yet.
    pub struct UnpaidBlocks from unpaid: Earned {
        /// How many blocks they are.
        blocks: u64 = unpaid.blocks,
        /// What they come to at the contract's present reward per block, in wei.
        reward_wei: Amount = unpaid.reward.into(),
    }

    /// Why a sequencer's rate in an epoch is what it is.
    pub struct EpochRateReason {
        /// The number of the epoch, from 0.
        epoch: u64,
        /// When the epoch began, in Unix seconds.
        start: u64,
        /// Where it ends, in Unix seconds: the next begins, or the horizon lies.
        until: u64,
        /// The parts from which the rate follows.
        #[serde(flatten)]
        reason: MrrReason,
    }

    /// Why a mining reward rate is not the target: the sequencer's own parts of blocks and stake, and the pool's pace. Shares
    /// and rates are rounded down to 18 decimals.
    pub struct MrrReason from reason: &RateReason {
        /// The target of the epoch.
        target_mrr: Fraction = reason.target.into(),
        /// The rate that the sequencer reached; `null` if it had no stake that counts.
        realised_mrr: Option<Fraction> = reason.realised.map(Fraction::realised),
        /// The rate that the pool reached; `null` without stake.
        pool_mrr: Option<Fraction> = reason.pool.map(Fraction::realised),
        /// The sequencer's rewarded blocks.
        blocks: u64 = reason.blocks,
        /// The pool's rewarded blocks.
        pool_blocks: u64 = reason.pool_blocks,
        /// The sequencer's part of the pool's blocks; `null` if there are none.
        share_of_blocks: Option<Fraction> = reason.share_of_blocks.map(Fraction::realised),
        /// The sequencer's part of the pool's capped stake; `null` if there is none.
        share_of_stake: Option<Fraction> = reason.share_of_stake.map(Fraction::realised),
        /// The first share over the second: where every block earns the same, the sequencer reached so many times the pool's
        /// rate; `null` without stake or blocks, and where blocks do not all earn the same.
        ratio: Option<Fraction> = reason.ratio.map(Fraction::realised),
        /// How many blocks the rate assumed for the epoch's stake: with so many the pool would have reached the target. `null`
        /// where the rate comes from no window, or blocks do not all earn the same.
        assumed_blocks: Option<Amount> = reason.assumed_blocks.map(Into::into),
    }
}
