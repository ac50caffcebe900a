//! The feed of a log for a reader in the same process, without a server between.

use crate::cursor::Cursor;
use crate::error::FeedError;
use crate::facts::Facts;
use crate::folder::Folder;
use crate::told::Place;
use crate::view::{PolicyView, View};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tally_engine::{EpochIndex, Policy};
use tally_eventlog::{LogReader, LogView};
use tally_replay::{BlockLedger, BlockRun, Replay, ReplayOptions, Replayed};
use tally_wire::{At, Fact, FeedAnswer, SequencerWithAccounts};

/// The feeds of a log, as a server tells them: with the same journals, so that facts have the same numbers and what is void
/// is told to be. It holds the locks of the journals.
pub struct LogFeed {
    folder: Folder,
    view: Option<Arc<View>>,
}

impl LogFeed {
    /// The feeds of these policies from `log`, of which nothing is read yet; `feed_dir` is where the journals are kept, `None`
    /// for the directory `feed` in the log's.
    pub fn new(log: PathBuf, feed_dir: Option<PathBuf>, policies: Vec<Policy>) -> Self {
        let feed_dir = feed_dir.unwrap_or_else(|| log.join("feed"));
        Self { folder: Folder::new(log, feed_dir, policies, None, false), view: None }
    }

    /// Reads what is new in the log; whether there was anything. After an error it can be tried again.
    ///
    /// # Errors
    ///
    /// [`FeedError`] if the log cannot be read or does not add up, or a server keeps its feed.
    pub fn advance(&mut self) -> Result<bool, FeedError> {
        let news = self.folder.advance()?;
        let is_new = news.is_some();
        self.view = news.or(self.view.take());
        Ok(is_new)
    }

    /// What comes after `cursor` in the feed of the policy with this index, the first `limit` facts of it: what a server
    /// answers under `/v1/feed`. `None` if there is nothing in the log yet.
    ///
    /// # Errors
    ///
    /// [`FeedError::OtherFeed`] and [`FeedError::Behind`] if the reader with `cursor` has read something else, or more.
    pub fn page(&self, policy: usize, cursor: Cursor, limit: usize) -> Result<Option<FeedAnswer>, FeedError> {
        let Some(policy) = self.view.as_ref().and_then(|view| view.policies.get(policy)) else {
            return Ok(None);
        };
        let (at, feed) = (policy.at.clone(), &policy.feed);
        let (name, read) = (at.policy.name.clone(), cursor.to_string());
        let after = match feed.place(&cursor) {
            Place::After(after) => after,
            Place::Behind => {
                return Err(FeedError::Behind { policy: name, cursor: read, told: at.feed.cursor });
            }
            Place::Other => return Err(FeedError::OtherFeed { policy: name, cursor: read }),
        };
        let told = feed.after(after, limit);
        let facts = told.iter().map(|told| serde_json::from_str(&told.json)).collect::<Result<_, _>>()?;
        let last = told.last().map_or(after, |told| told.sequence);
        let cursor = told.last().map_or(cursor, |told| told.cursor).to_string();
        Ok(Some(FeedAnswer { at, cursor, is_end: feed.after(last, 1).is_empty(), facts }))
    }

    /// What the sequencers have under the policy with this index, by everything that is final of the log, with the state that
    /// it is of and the time of the last event that counts. `None` if there is nothing in the log yet.
    pub fn sequencers(&self, policy: usize) -> Option<(At, Option<u64>, Vec<SequencerWithAccounts>)> {
        let view = self.view.as_ref()?;
        let policy = view.policies.get(policy)?;
        let contracts = &view.final_contracts;
        let all = contracts.sequencers.keys().filter_map(|id| policy.sequencer(contracts, *id)).collect();
        let last = contracts.records.last().map(|record| record.timestamp.0);
        Some((policy.at.clone(), last, all))
    }

    /// The ledger by block of the epochs that the feed of the policy with this digest has told. `None` if there is nothing in
    /// the log yet, or no such policy. It stays what it is when the log goes on.
    pub fn epoch_blocks(&self, policy_digest: &str) -> Option<EpochBlocks> {
        let view = self.view.as_ref()?;
        let is_it = |policy: &PolicyView| policy.at.policy.digest.as_str() == policy_digest;
        let policy = view.policies.iter().position(is_it)?;
        Some(EpochBlocks { view: Arc::clone(view), policy })
    }
}

/// The ledger by block of the epochs that a feed has told.
pub struct EpochBlocks {
    view: Arc<View>,
    policy: usize,
}

impl EpochBlocks {
    /// Calls `each` for all blocks of an epoch, in order, in runs of blocks that have all but their times in common. `digest`
    /// is that of the epoch in the ledger, as its fact says.
    ///
    /// # Errors
    ///
    /// [`FeedError::Behind`] if the log does not have the epoch yet, [`FeedError::OtherFeed`] if it has another one, or
    /// whatever keeps it from being read.
    pub fn for_each(
        &self,
        epoch: u64,
        digest: &str,
        each: &mut impl FnMut(&BlockRun<'_>),
    ) -> Result<(), FeedError> {
        let policy = self.view.policies.get(self.policy);
        let policy = policy.ok_or_else(|| FeedError::Broken("there is no such policy".into()))?;
        runs_of_epoch(&self.view.log.final_part()?, &policy.settled, (epoch, digest), each)
    }
}

/// What is settled of a log, for a reader that needs no journal: the facts without their numbers and without what is void, and
/// the ledger by block.
pub struct SettledLog {
    log: LogReader,
    replayed: Vec<Replayed>,
}

impl SettledLog {
    /// Opens a log and folds what is final of it.
    ///
    /// # Errors
    ///
    /// [`FeedError`] if the log cannot be read or folded.
    pub fn open(log: &Path, policies: &[Policy]) -> Result<Self, FeedError> {
        let log = LogReader::open(log)?;
        let mut replay = Replay::new(policies);
        replay.advance(&log.final_part()?, ReplayOptions::default())?;
        let replayed = replay.into_replayed();
        Ok(Self { log, replayed })
    }

    /// The facts of each policy, in order.
    ///
    /// # Errors
    ///
    /// [`FeedError`] if the log does not add up.
    pub fn facts(&self) -> Result<Vec<Vec<Fact>>, FeedError> {
        let is_final = self.log.final_part()?;
        let of = |replayed: &Replayed| {
            Facts::new(&replayed.policy, &is_final).advance(&is_final, &replayed.ledger)
        };
        self.replayed.iter().map(of).collect()
    }

    /// The same as [`EpochBlocks::for_each`], of the policy with this index.
    ///
    /// # Errors
    ///
    /// As [`EpochBlocks::for_each`].
    pub fn for_each_block(
        &self,
        policy: usize,
        (epoch, digest): (u64, &str),
        each: &mut impl FnMut(&BlockRun<'_>),
    ) -> Result<(), FeedError> {
        let replayed = self.replayed.get(policy);
        let replayed = replayed.ok_or_else(|| FeedError::Broken("there is no such policy".into()))?;
        runs_of_epoch(&self.log.final_part()?, replayed, (epoch, digest), each)
    }
}

/// Goes along the blocks of a closed epoch, which has to have this digest.
fn runs_of_epoch<L: LogView>(
    log: &L,
    settled: &Replayed,
    (epoch, digest): (u64, &str),
    each: &mut impl FnMut(&BlockRun<'_>),
) -> Result<(), FeedError> {
    // The last epoch of a ledger is not closed.
    let closed = settled.ledger.epochs.split_last().map_or(&[][..], |(_, closed)| closed);
    let (policy, read) = (settled.policy.name().to_owned(), format!("epoch {epoch}"));
    let index = usize::try_from(epoch).ok();
    let Some(found) = index.and_then(|index| closed.get(index)) else {
        let told = format!("the end of epoch {}", closed.len().saturating_sub(1));
        let told = if closed.is_empty() { "its beginning".into() } else { told };
        return Err(FeedError::Behind { policy, cursor: read, told });
    };
    if found.digest.to_string() != digest {
        return Err(FeedError::OtherFeed { policy, cursor: read });
    }
    let ledger = BlockLedger::new(log, settled)?;
    let mut reader = ledger.reader();
    let mut rest = ledger.blocks_of(Some(EpochIndex(epoch)))?;
    while let Some(range) = rest {
        rest = reader.next_chunk(&range, each)?;
    }
    Ok(())
}
