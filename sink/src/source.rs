//! Where the facts come from: a log, or a server.

use crate::error::SinkError;
use crate::server::{FACTS_MAX, ServerFeed};
use futures_util::future::select_all;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tally_feed::{Cursor, LogFeed};
use tally_wire::{At, FeedAnswer, Policy, SequencerWithAccounts};

/// Where the facts come from.
pub struct Source(Kind);

enum Kind {
    Log { feed: Arc<Mutex<LogFeed>>, policies: usize, poll: Duration },
    Server(ServerFeed),
}

/// What the source says of all sequencers at one moment.
pub(crate) struct Accounts {
    pub(crate) at: At,
    pub(crate) sequencers: Vec<SequencerWithAccounts>,
    /// Up to when events count in what the contracts owe; `None` if events of blocks that are not final may be among them.
    pub(crate) final_until: Option<u64>,
}

impl Source {
    /// A log that nobody serves, whose journals this keeps: see [`LogFeed::new`]. It is looked at again after `poll`.
    pub fn log(
        log: PathBuf,
        feed_dir: Option<PathBuf>,
        policies: Vec<tally_engine::Policy>,
        poll: Duration,
    ) -> Self {
        let count = policies.len();
        let feed = Arc::new(Mutex::new(LogFeed::new(log, feed_dir, policies)));
        Self(Kind::Log { feed, policies: count, poll })
    }

    /// Facts are asked of a server.
    pub fn server(server: ServerFeed) -> Self {
        Self(Kind::Server(server))
    }

    /// The feed of the log, if it is one: only a log has the ledger by block.
    pub(crate) fn log_feed(&self) -> Option<&Arc<Mutex<LogFeed>>> {
        match &self.0 {
            Kind::Log { feed, .. } => Some(feed),
            Kind::Server(_) => None,
        }
    }

    pub(crate) fn policies(&self) -> usize {
        match &self.0 {
            Kind::Log { policies, .. } => *policies,
            Kind::Server(server) => server.policies(),
        }
    }

    /// Whether an answer is of the policy that was asked for. What a log tells is of those that it was given.
    pub(crate) fn check_policy(&self, index: usize, told: &Policy) -> Result<(), SinkError> {
        match &self.0 {
            Kind::Server(server) => server.check_policy(index, told),
            Kind::Log { .. } => Ok(()),
        }
    }

    /// Reads what is new in a log.
    pub(crate) async fn refresh(&self) -> Result<(), SinkError> {
        let Kind::Log { feed, .. } = &self.0 else { return Ok(()) };
        let feed = Arc::clone(feed);
        // A thread that panicked has left nothing half done that folding anew would not replace.
        let folding = move || feed.lock().unwrap_or_else(PoisonError::into_inner).advance();
        tokio::task::spawn_blocking(folding).await??;
        Ok(())
    }

    /// What comes after `cursor`; `None` if there is nothing to read from yet.
    pub(crate) async fn page(&self, policy: usize, cursor: Cursor) -> Result<Option<FeedAnswer>, SinkError> {
        let page = match &self.0 {
            Kind::Server(server) => Some(server.page(policy, cursor, false).await?),
            Kind::Log { feed, .. } => {
                let feed = feed.lock().unwrap_or_else(PoisonError::into_inner);
                feed.page(policy, cursor, FACTS_MAX)?
            }
        };
        page.map(goes_on).transpose()
    }

    /// Waits until there may be more in one of the feeds, and returns what there is if that is known by then.
    pub(crate) async fn wait(&self, cursors: &[Cursor]) -> Result<Option<(usize, FeedAnswer)>, SinkError> {
        match &self.0 {
            Kind::Log { poll, .. } => {
                tokio::time::sleep(*poll).await;
                self.refresh().await?;
                Ok(None)
            }
            Kind::Server(server) => {
                let pages = cursors.iter().enumerate();
                let pages = pages.map(|(index, cursor)| Box::pin(server.page(index, *cursor, true)));
                let (page, index, _) = select_all(pages).await;
                Ok(Some((index, goes_on(page?)?)))
            }
        }
    }

    /// What all sequencers have, as the source adds it up; `None` if it moves on meanwhile, or has nothing yet.
    pub(crate) async fn accounts(&self, policy: usize) -> Result<Option<Accounts>, SinkError> {
        match &self.0 {
            Kind::Server(server) => server.accounts(policy).await,
            Kind::Log { feed, .. } => {
                let feed = feed.lock().unwrap_or_else(PoisonError::into_inner);
                let found = feed.sequencers(policy);
                Ok(found.map(|(at, last, sequencers)| {
                    // Before the first event nothing counts.
                    Accounts { at, sequencers, final_until: Some(last.unwrap_or(0)) }
                }))
            }
        }
    }
}

/// Refuses a page after which the same would be asked again, at once and for ever.
fn goes_on(page: FeedAnswer) -> Result<FeedAnswer, SinkError> {
    if page.facts.is_empty() && !page.is_end {
        return Err(SinkError::NoAnswer("a page of the feed without a fact, that is not the last".into()));
    }
    Ok(page)
}
