//! A replay, from a log to ledgers.

use crate::error::ReplayError;
use crate::horizon::Stop;
use crate::source::Source;
use crate::survey::Surveyor;
use crate::threads::Threads;
use std::collections::BTreeMap;
use tally_engine::{Fold, Horizon, L2Block, Ledger, Policy};

/// One policy's part of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The rules.
    pub policy: Policy,
    /// What they make of the log.
    pub ledger: Ledger,
    /// Why it ends where it does.
    pub stop: Stop,
}

/// How to replay.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayOptions<'a> {
    /// The last block, if the log reaches further.
    pub to: Option<L2Block>,
    /// How many threads count, or `None` for one a core.
    pub threads: Option<usize>,
    /// Whether to check every byte that the log has of the blocks, on the way.
    pub verify: bool,
    /// Where to split the blocks: each part is counted by itself, and the counts are added. The result
    /// is the same for any split.
    pub splits: &'a [L2Block],
}

/// Folds a log under several policies, counting the blocks once for all of them.
///
/// # Errors
///
/// [`ReplayError`] if the log cannot be read or folded.
pub fn replay<S: Source>(
    source: &S,
    policies: &[Policy],
    options: ReplayOptions<'_>,
) -> Result<Vec<Replayed>, ReplayError> {
    let mut replay = Replay::new(policies);
    replay.advance(source, options)?;
    Ok(replay.into_replayed())
}

/// A replay that can go on when the log has grown.
///
/// What an advance costs depends on what is new in the log, not on what lies behind; only policies that
/// [`Policy::can_continue`] denies it to are folded anew each time (they read no blocks). Whether in one advance
/// or in many, the ledgers are the same.
pub struct Replay {
    parts: Vec<Part>,
    surveyor: Surveyor,
    has_failed: bool,
}

struct Part {
    fold: Fold,
    stop: Stop,
}

impl Part {
    fn horizon(&self) -> Option<Horizon> {
        self.fold.ledger().horizon
    }
}

impl Replay {
    /// Nothing replayed yet.
    pub fn new(policies: &[Policy]) -> Self {
        let part = |policy: &Policy| Part { fold: Fold::new(policy.clone()), stop: Stop::LogEnd };
        Self { parts: policies.iter().map(part).collect(), surveyor: Surveyor::default(), has_failed: false }
    }

    /// Folds what the log has beyond the last horizons. The log is that of the last advance, and has only grown:
    /// after a rollback to before a horizon, replay anew.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the log cannot be read or folded; [`ReplayError::Unusable`] after such an error.
    pub fn advance<S: Source>(&mut self, source: &S, options: ReplayOptions<'_>) -> Result<(), ReplayError> {
        if self.has_failed {
            return Err(ReplayError::Unusable);
        }
        // Stays so unless all of it succeeds.
        self.has_failed = true;
        Threads::new(options.threads)?.run(|| self.advance_here(source, options))?;
        self.has_failed = false;
        Ok(())
    }

    /// Each policy, its ledger, and why it ends where it does.
    pub fn ledgers(&self) -> impl Iterator<Item = (&Policy, &Ledger, Stop)> {
        self.parts.iter().map(|part| (part.fold.policy(), part.fold.ledger(), part.stop))
    }

    /// The same, by value.
    pub fn into_replayed(self) -> Vec<Replayed> {
        let replayed = |part: Part| {
            let policy = part.fold.policy().clone();
            Replayed { policy, ledger: part.fold.into_ledger(), stop: part.stop }
        };
        self.parts.into_iter().map(replayed).collect()
    }

    fn advance_here<S: Source>(&mut self, source: &S, options: ReplayOptions<'_>) -> Result<(), ReplayError> {
        self.surveyor.read_on(source, options)?;
        // Policies go on together from where they stand together.
        let mut groups: BTreeMap<Option<L2Block>, Vec<usize>> = BTreeMap::new();
        for (index, part) in self.parts.iter_mut().enumerate() {
            if !part.fold.policy().can_continue() {
                part.fold = Fold::new(part.fold.policy().clone());
            }
            groups.entry(part.horizon().map(|horizon| horizon.block)).or_default().push(index);
        }
        let head = source.heads().l2.map(|head| head.block);
        for (last, group) in groups {
            if let Some(folded) = last
                && head.is_none_or(|head| head < folded)
            {
                return Err(ReplayError::WentBack { folded, found: head.unwrap_or_default() });
            }
            self.advance_group(source, options, &group)?;
        }
        Ok(())
    }

    /// Advances policies with the same last horizon.
    fn advance_group<S: Source>(
        &mut self,
        source: &S,
        options: ReplayOptions<'_>,
        group: &[usize],
    ) -> Result<(), ReplayError> {
        let parts = || group.iter().filter_map(|index| self.parts.get(*index));
        let last = parts().next().and_then(Part::horizon);
        let policies: Vec<&Policy> = parts().map(|part| part.fold.policy()).collect();
        let survey = self.surveyor.survey(source, options, last, &policies)?;
        for (index, (horizon, stop)) in group.iter().zip(&survey.ends) {
            let part = &mut self.parts[*index];
            part.stop = *stop;
            if let Some(horizon) = horizon {
                let advanced = part.fold.advance(&survey.history(), *horizon);
                advanced.map_err(|error| ReplayError::of_policy(part.fold.policy(), error))?;
            }
        }
        Ok(())
    }
}
