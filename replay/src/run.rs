//! A replay, from a log to ledgers.

use crate::error::ReplayError;
use crate::horizon::Stop;
use crate::options::ReplayOptions;
use crate::survey::Surveyor;
use crate::tail::Tail;
use crate::threads::{OnAllThreads, Threads};
use alloy_primitives::B256;
use std::collections::BTreeMap;
use tally_engine::{Fold, Horizon, L2Block, Ledger, Policy};
use tally_eventlog::{CHUNK_BLOCKS_MAX, LogView};

/// One policy's part of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The policy that was folded under.
    pub policy: Policy,
    /// What they make of the log.
    pub ledger: Ledger,
    /// Why it ends where it does.
    pub stop: Stop,
}

/// Folds a log under several policies, counting the blocks once for all of them.
///
/// # Errors
///
/// [`ReplayError`] if the log cannot be read or folded.
pub fn replay<L: LogView>(
    log: &L,
    policies: &[Policy],
    options: ReplayOptions<'_>,
) -> Result<Vec<Replayed>, ReplayError> {
    let mut replay = Replay::new(policies);
    Threads::new(options.threads)?.run(|| replay.advance_here(log, options))?;
    Ok(replay.into_replayed())
}

/// A replay that can go on when the log has grown.
///
/// What an advance costs depends on what is new in the log, not on what lies behind; only policies that
/// [`Policy::can_continue`] denies it to are folded anew each time (they read no blocks). Whether in one advance
/// or in many, the ledgers are the same.
///
/// A clone goes on by itself: from a replay of what is final, one of what may still be taken back.
#[derive(Clone)]
pub struct Replay {
    parts: Vec<PolicyFold>,
    surveyor: Surveyor,
    /// The last chunk that was folded whole, and its link, which is a digest of everything up to its end.
    folded: Option<(L2Block, B256)>,
    /// The blocks of the chunk after that.
    tail: Option<Tail>,
    has_failed: bool,
}

#[derive(Clone)]
struct PolicyFold {
    fold: Fold,
    stop: Stop,
}

impl PolicyFold {
    fn horizon(&self) -> Option<Horizon> {
        self.fold.ledger().horizon
    }
}

impl Replay {
    /// A replay that has folded nothing yet.
    pub fn new(policies: &[Policy]) -> Self {
        let part = |policy: &Policy| PolicyFold { fold: Fold::new(policy.clone()), stop: Stop::LogEnd };
        let parts = policies.iter().map(part).collect();
        Self { parts, surveyor: Surveyor::default(), folded: None, tail: None, has_failed: false }
    }

    /// Folds what the log has beyond the last horizons. The log is that of the last advance, grown: after a
    /// rollback to before a horizon, replay anew. That is refused: where the log has become shorter, where a chunk that was
    /// folded whole is another, and where the last blocks have another producer or time. Span events and records of L1
    /// that were replaced are the caller's to know of.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the log cannot be read or folded, [`ReplayError::WentBack`] or [`ReplayError::Replaced`]
    /// if it is another; [`ReplayError::Unusable`] after such an error.
    pub fn advance<L: LogView>(&mut self, log: &L, options: ReplayOptions<'_>) -> Result<(), ReplayError> {
        if self.has_failed {
            return Err(ReplayError::Unusable);
        }
        // Poisoned until the whole step has succeeded.
        self.has_failed = true;
        Threads::new(options.threads)?.run(|| self.advance_here(log, options))?;
        let tail = self.reached().map(|reached| Tail::of(log, self.surveyor.signers(), reached));
        self.tail = tail.transpose()?;
        self.has_failed = false;
        Ok(())
    }

    /// Each policy, its ledger, and why it ends where it does.
    pub fn ledgers(&self) -> impl Iterator<Item = (&Policy, &Ledger, Stop)> {
        self.parts.iter().map(|part| (part.fold.policy(), part.fold.ledger(), part.stop))
    }

    /// Ends the replay, and returns each policy, its ledger, and why it ends where it does.
    pub fn into_replayed(self) -> Vec<Replayed> {
        let replayed = |part: PolicyFold| {
            let policy = part.fold.policy().clone();
            Replayed { policy, ledger: part.fold.into_ledger(), stop: part.stop }
        };
        self.parts.into_iter().map(replayed).collect()
    }

    fn advance_here<L: LogView>(&mut self, log: &L, options: ReplayOptions<'_>) -> Result<(), ReplayError> {
        let head = log.reach().l2.map(|head| head.block);
        if let Some(folded) = self.reached()
            && head.is_none_or(|head| head < folded)
        {
            return Err(ReplayError::WentBack { folded, found: head.unwrap_or_default() });
        }
        if let Some((chunk, folded)) = self.folded {
            let found = log.chunk_link(chunk)?;
            if found != folded {
                return Err(ReplayError::Replaced { chunk, folded, found });
            }
        }
        self.surveyor.read_on(log, options)?;
        if let Some(tail) = &self.tail {
            tail.check(log, self.surveyor.signers())?;
        }
        // Policies go on together from where they stand together.
        let mut groups: BTreeMap<Option<L2Block>, Vec<usize>> = BTreeMap::new();
        for (index, part) in self.parts.iter_mut().enumerate() {
            if !part.fold.policy().can_continue() {
                part.fold = Fold::new(part.fold.policy().clone());
            }
            groups.entry(part.horizon().map(|horizon| horizon.block)).or_default().push(index);
        }
        for group in groups.into_values() {
            self.advance_group(log, options, &group)?;
        }
        if let Some(chunk) =
            self.reached().and_then(|reached| last_whole_chunk(log.identity().l2_first_block, reached))
            && self.folded.is_none_or(|(before, _)| before != chunk)
        {
            self.folded = Some((chunk, log.chunk_link(chunk)?));
        }
        Ok(())
    }

    /// The furthest of the policies' horizons.
    fn reached(&self) -> Option<L2Block> {
        self.parts.iter().filter_map(PolicyFold::horizon).map(|horizon| horizon.block).max()
    }

    /// Advances policies with the same last horizon.
    fn advance_group<L: LogView>(
        &mut self,
        log: &L,
        options: ReplayOptions<'_>,
        group: &[usize],
    ) -> Result<(), ReplayError> {
        let parts = || group.iter().filter_map(|index| self.parts.get(*index));
        let last = parts().next().and_then(PolicyFold::horizon);
        let policies: Vec<&Policy> = parts().map(|part| part.fold.policy()).collect();
        let survey = self.surveyor.survey(log, options, last, &policies)?;
        for (index, (horizon, stop)) in group.iter().zip(&survey.ends) {
            let part = &mut self.parts[*index];
            part.stop = *stop;
            if let Some(horizon) = horizon {
                let advanced = part.fold.advance_spread(&survey.history(), *horizon, &OnAllThreads);
                advanced.map_err(|error| ReplayError::of_policy(part.fold.policy(), error))?;
            }
        }
        Ok(())
    }
}

/// The first block of the last chunk that ends by block `reached`, in a log that begins at `first`.
fn last_whole_chunk(first: L2Block, reached: L2Block) -> Option<L2Block> {
    // Chunks end before multiples of their size; rounds down.
    let end = reached.0.checked_add(1)? / CHUNK_BLOCKS_MAX * CHUNK_BLOCKS_MAX;
    let start = end.checked_sub(CHUNK_BLOCKS_MAX)?;
    (end > first.0).then(|| L2Block(start.max(first.0)))
}
