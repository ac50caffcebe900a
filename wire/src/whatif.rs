//! What other targets, caps and allocations would have paid.

use crate::shape::list;
use crate::{
    Amount, Fraction, Hash, Horizon, Log, Policy, SequencerEarned, SignedAmount, Stopped, Unrewarded,
};
use tally_engine::{Mrr, SequencerId};
use tally_replay::{Compared, Variation};

shapes! {
    /// The base of a what-if: the policy that it starts from, and what that pays.
    pub struct WhatIfHead from (log, what_if): (Log, &tally_replay::WhatIf) {
        /// The log that was replayed.
        log: Log = log,
        /// The last block that is folded; `null` if there is none.
        horizon: Option<Horizon> = what_if.activity().horizon.map(Into::into),
        /// Why no block after the horizon is folded.
        stopped: Stopped = what_if.stop().into(),
        /// When epoch 0 begins, in Unix seconds; `null` while no sequencer has locked by the horizon.
        genesis: Option<u64> = what_if.activity().genesis.map(|genesis| genesis.0),
        /// The blocks that earned nothing, whatever the combination.
        unrewarded: Unrewarded = what_if.activity().unrewarded.into(),
        /// The policy that the combinations start from.
        base: Base = what_if.into(),
    }

    /// The policy that a what-if starts from, and what it pays.
    pub struct Base from what_if: &tally_replay::WhatIf {
        /// The policy that the combinations start from.
        policy: Policy = what_if.base().into(),
        /// Its target; `null` if it has several, by date.
        mrr: Option<Fraction> = sole_target(what_if.base()).map(Into::into),
        /// Its cap: stake above it does not count, in wei.
        cap_wei: Amount = what_if.base().cap().into(),
        /// Its allocation: `flat` or `stake-weighted`.
        allocation: String = what_if.base().allocation().name().into(),
        /// How many blocks it rewards.
        blocks: u64 = what_if.paid().total.blocks,
        /// What these blocks earn, in wei.
        total_wei: Amount = what_if.paid().total.reward.into(),
        /// What each sequencer with rewarded blocks earns, by id.
        sequencers: Vec<SequencerEarned> = list(&what_if.paid().sequencers, Into::into),
    }

    /// A combination of target, cap and allocation, and what it would have paid.
    pub struct Combination from variation: &Variation<'_> {
        /// The target; `null` where the base policy's targets are kept and it has several, by date.
        mrr: Option<Fraction> = sole_target(variation.policy).map(Into::into),
        /// The cap: stake above it does not count, in wei.
        cap_wei: Amount = variation.policy.cap().into(),
        /// The allocation: `flat` or `stake-weighted`.
        allocation: String = variation.policy.allocation().name().into(),
        /// The digest of the policy that says so; `tally replay` under a file that says the same gives its ledger.
        policy_digest: Hash = variation.policy.digest().into(),
        /// How many blocks it rewards.
        blocks: u64 = variation.total.earned.blocks,
        /// What these blocks earn, in wei.
        total_wei: Amount = variation.total.earned.reward.into(),
        /// How much more that is than under the base policy, in wei.
        difference_wei: SignedAmount = variation.total.difference.into(),
        /// What each sequencer with rewarded blocks earns, by id.
        sequencers: Vec<SequencerDifference> = list(&variation.sequencers, Into::into),
    }

    /// What a sequencer would have earned under a combination.
    pub struct SequencerDifference from (id, own): (&SequencerId, &Compared) {
        /// The id of the sequencer.
        sequencer: u64 = id.0,
        /// How many of its blocks are rewarded.
        blocks: u64 = own.earned.blocks,
        /// What these blocks earn, in wei.
        reward_wei: Amount = own.earned.reward.into(),
        /// How much more that is than under the base policy, in wei.
        difference_wei: SignedAmount = own.difference.into(),
    }

    /// What a policy would have paid if a sequencer had had more or less stake. The blocks are those that were made.
    pub struct WhatIfStake from
        (log, policy, found): (Log, &tally_engine::Policy, &tally_replay::StakeWhatIf)
    {
        /// The log that was replayed.
        log: Log = log,
        /// The policy by which rewards are computed.
        policy: Policy = policy.into(),
        /// The sequencer whose stake is another one.
        sequencer: u64 = found.change.sequencer.0,
        /// How much more its stake is, in wei.
        more_wei: SignedAmount = found.change.more.into(),
        /// From when on, in Unix seconds; `null` for all the time.
        from: Option<u64> = found.change.from.map(|from| from.0),
        /// The last block that is folded; `null` if there is none.
        horizon: Option<Horizon> = found.horizon.map(Into::into),
        /// Why no block after the horizon is folded.
        stopped: Stopped = found.stop.into(),
        /// How many blocks are rewarded.
        blocks: u64 = found.total.earned.blocks,
        /// What these blocks would have earned, in wei.
        total_wei: Amount = found.total.earned.reward.into(),
        /// How much more that is than with the stake that there was, in wei.
        difference_wei: SignedAmount = found.total.difference.into(),
        /// What each sequencer with rewarded blocks would have earned, by id.
        sequencers: Vec<SequencerDifference> = list(&found.sequencers, Into::into),
    }

    /// What other targets, caps and allocations would have paid. Each combination is written as one line when it is known;
    /// if the exit status is not 0, the output is incomplete.
    pub struct WhatIf {
        /// What the combinations start from.
        #[serde(flatten)]
        head: WhatIfHead,
        /// The combinations by cap, then by target, then by allocation, each in the order asked for.
        combinations: Vec<Combination>,
    }
}

/// The target of a policy for the mining reward rate, or `None` if it has several, by date.
pub fn sole_target(policy: &tally_engine::Policy) -> Option<Mrr> {
    match policy.targets() {
        [only] => Some(only.value),
        _ => None,
    }
}
