//! What many policies would have paid for one log.

use crate::activity::{ReplayedActivity, activity};
use crate::error::ReplayError;
use crate::horizon::Stop;
use crate::options::ReplayOptions;
use crate::threads::Threads;
use rayon::prelude::*;
use std::collections::BTreeMap;
use tally_engine::{Activity, Capped, Difference, Earned, Evaluation, FoldError, Policy, SequencerId};
use tally_eventlog::LogView;

/// How many policies are evaluated before the first of them is handed out. It bounds the memory, and
/// leaves each of many threads enough to do.
const POLICIES_PER_ROUND: usize = 1_024;

/// One pass over a log, to be priced under any number of variants of a base policy.
pub struct WhatIf {
    base: Policy,
    replayed: ReplayedActivity,
    paid: Evaluation,
    threads: Threads,
}

/// What a variant would pay, beside what the base policy does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variation<'a> {
    /// The policy of the variant.
    pub policy: &'a Policy,
    /// The sums over all sequencers.
    pub total: Compared,
    /// Each sequencer with rewarded blocks, by id: the same for every variant.
    pub sequencers: BTreeMap<SequencerId, Compared>,
}

/// What is earned under a variant, and how much more that is than under the base policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Blocks and their reward under the variant.
    pub earned: Earned,
    /// Its reward less that of the base policy, in wei.
    pub difference: Difference,
}

impl Compared {
    pub(crate) fn new(earned: Earned, base: Earned) -> Self {
        Self { earned, difference: Difference::new(earned.reward, base.reward) }
    }
}

impl WhatIf {
    /// Reads the log, once, and prices it under `base`.
    ///
    /// # Errors
    ///
    /// As [`activity()`], and [`ReplayError::Fold`] if an amount does not fit.
    pub fn new<L: LogView>(log: &L, base: Policy, options: ReplayOptions<'_>) -> Result<Self, ReplayError> {
        let replayed = activity(log, &base, options)?;
        let paid = replayed.activity.under_cap(base.cap()).and_then(|capped| capped.evaluate(&base));
        let paid = paid.map_err(|error| ReplayError::of_policy(&base, error))?;
        Ok(Self { base, replayed, paid, threads: Threads::new(options.threads)? })
    }

    /// The policy that variants are compared with.
    pub const fn base(&self) -> &Policy {
        &self.base
    }

    /// What happened in the log.
    pub const fn activity(&self) -> &Activity {
        &self.replayed.activity
    }

    /// Why the activity ends where it does.
    pub const fn stop(&self) -> Stop {
        self.replayed.stop
    }

    /// What the base policy pays.
    pub const fn paid(&self) -> &Evaluation {
        &self.paid
    }

    /// Prices the log under each of `variants`, on all threads, and calls `each` with what it gives, in
    /// their order. What depends on the cap alone is done once for all that have it and come one after the
    /// other (once a thousand of them).
    ///
    /// # Errors
    ///
    /// [`ReplayError::Fold`] for a variant with another genesis, epoch length or attribution than the
    /// base policy, or whose amounts do not fit; and what `each` says. It is always the first such error,
    /// and `each` may have been called before.
    pub fn evaluate<E: From<ReplayError>>(
        &self,
        variants: &[Policy],
        mut each: impl FnMut(&Variation<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for round in variants.chunks(POLICIES_PER_ROUND) {
            for (policy, found) in round.iter().zip(self.evaluate_round(round)) {
                let found = found.map_err(|error| ReplayError::of_policy(policy, error))?;
                each(&self.compare(policy, &found))?;
            }
        }
        Ok(())
    }

    /// Evaluates some policies, the activity once under each run of caps.
    fn evaluate_round(&self, policies: &[Policy]) -> Vec<Result<Evaluation, FoldError>> {
        let runs: Vec<&[Policy]> = policies.chunk_by(|left, right| left.cap() == right.cap()).collect();
        let under_cap = |run: &&[Policy]| run.first().map(|policy| self.activity().under_cap(policy.cap()));
        self.threads.run(|| {
            let capped: Vec<Result<Capped, FoldError>> = runs.par_iter().filter_map(under_cap).collect();
            let pairs: Vec<(&Policy, &Result<Capped, FoldError>)> = runs
                .iter()
                .zip(&capped)
                .flat_map(|(run, capped)| run.iter().map(move |policy| (policy, capped)))
                .collect();
            let evaluate = |(policy, capped): &(&Policy, &Result<Capped, FoldError>)| match capped {
                Ok(capped) => capped.evaluate(policy),
                Err(error) => Err(error.clone()),
            };
            pairs.par_iter().map(evaluate).collect()
        })
    }

    fn compare<'a>(&self, policy: &'a Policy, found: &Evaluation) -> Variation<'a> {
        let of_base = &self.paid.sequencers;
        assert!(found.sequencers.keys().eq(of_base.keys()), "one activity has the same sequencers always");
        let compared = found.sequencers.iter().zip(of_base.values());
        Variation {
            policy,
            total: Compared::new(found.total, self.paid.total),
            sequencers: compared.map(|((id, earned), base)| (*id, Compared::new(*earned, *base))).collect(),
        }
    }
}
