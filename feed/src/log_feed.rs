//! The feed of a log for a reader in the same process, without a server between.

use crate::cursor::Cursor;
use crate::error::FeedError;
use crate::facts::Facts;
use crate::folder::Folder;
use crate::told::Place;
use crate::view::View;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tally_engine::Policy;
use tally_eventlog::LogReader;
use tally_replay::{Replay, ReplayOptions};
use tally_wire::{Fact, FeedAnswer};

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
}

/// The facts that are settled by what is final of a log, for each policy: what its feed tells, without the numbers and without
/// what is void, and without a journal.
///
/// # Errors
///
/// [`FeedError`] if the log cannot be read or does not add up.
pub fn settled_facts(log: &Path, policies: &[Policy]) -> Result<Vec<Vec<Fact>>, FeedError> {
    let log = LogReader::open(log)?;
    let is_final = log.final_part()?;
    let mut replay = Replay::new(policies);
    replay.advance(&is_final, ReplayOptions::default())?;
    let of = |(policy, ledger, _): (&Policy, _, _)| Facts::new(policy, &is_final).advance(&is_final, ledger);
    replay.ledgers().map(of).collect()
}
