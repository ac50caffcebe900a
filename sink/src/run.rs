//! The sink: from a log or a server into the database, for as long as it is let.

use crate::database::Database;
use crate::error::SinkError;
use crate::postgres::PostgresStore;
use crate::schema::Schema;
use crate::server::{FACTS_MAX, ServerFeed};
use crate::store::{Standing, Store, apply};
use futures_util::future::select_all;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tally_feed::{Cursor, LogFeed};
use tally_wire::{At, FactKind, FeedAnswer};
use tokio::sync::watch;

/// The pauses after failures: the first, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How often a sink that does not follow tries what fails of an outage.
const ATTEMPTS_MAX: u32 = 8;

/// How often a sink that had the lock, and lost its connection, asks for it again: the database may not have noticed yet.
const LOCK_LOST_ATTEMPTS_MAX: u32 = 8;

/// Where the facts come from.
pub struct Source(Kind);

enum Kind {
    Log { feed: Arc<Mutex<LogFeed>>, policies: usize, poll: Duration },
    Server(ServerFeed),
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

    /// A server.
    pub fn server(server: ServerFeed) -> Self {
        Self(Kind::Server(server))
    }

    fn policies(&self) -> usize {
        match &self.0 {
            Kind::Log { policies, .. } => *policies,
            Kind::Server(server) => server.policies(),
        }
    }

    /// Reads what is new in a log.
    async fn refresh(&self) -> Result<(), SinkError> {
        let Kind::Log { feed, .. } = &self.0 else { return Ok(()) };
        let feed = Arc::clone(feed);
        // A thread that panicked has left nothing half done that folding anew would not replace.
        let folding = move || feed.lock().unwrap_or_else(PoisonError::into_inner).advance();
        tokio::task::spawn_blocking(folding).await??;
        Ok(())
    }

    /// What comes after `cursor`; `None` if there is nothing to read from yet.
    async fn page(&self, policy: usize, cursor: Cursor) -> Result<Option<FeedAnswer>, SinkError> {
        match &self.0 {
            Kind::Server(server) => server.page(policy, cursor, false).await.map(Some),
            Kind::Log { feed, .. } => {
                let feed = feed.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(feed.page(policy, cursor, FACTS_MAX)?)
            }
        }
    }

    /// Waits until there may be more in one of the feeds, and returns what there is if that is known by then.
    async fn wait(&self, cursors: &[Cursor]) -> Result<Option<(usize, FeedAnswer)>, SinkError> {
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
                Ok(Some((index, page?)))
            }
        }
    }
}

/// What a sink does.
pub struct SinkOptions {
    /// The database.
    pub database: Database,
    /// The schema of the tables.
    pub schema: Schema,
    /// Where the facts come from.
    pub source: Source,
    /// Whether it goes on once everything that there is was written.
    pub follow: bool,
}

/// What a sink has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// How many facts it wrote.
    pub facts: u64,
    /// How many rollbacks.
    pub rollbacks: u64,
    /// How often it had to try again.
    pub retries: u64,
}

/// Where one feed is.
#[derive(Clone)]
struct Feed {
    standing: Standing,
    /// What the last page was of.
    at: At,
    /// Whether that is in the tables, and there was nothing more.
    is_written: bool,
    is_end: bool,
}

struct Run<'a> {
    options: &'a SinkOptions,
    store: Option<PostgresStore>,
    has_had_store: bool,
    feeds: Vec<Feed>,
    applied: Applied,
}

/// Writes what the source tells into the database. Without `follow` it ends when that is done; else, and in any case, once
/// `stop` is true. What is being written then is kept whole or not at all.
///
/// # Errors
///
/// [`SinkError`] that does not pass by itself; without `follow` also one that did not pass in time.
pub async fn run(options: &SinkOptions, mut stop: watch::Receiver<bool>) -> Result<Applied, SinkError> {
    let mut run =
        Run { options, store: None, has_had_store: false, feeds: Vec::new(), applied: Applied::default() };
    let ended = tokio::select! {
        ended = run.go_on() => ended,
        _ = stop.wait_for(|stop| *stop) => Ok(()),
    };
    ended.map(|()| run.applied)
}

impl Run<'_> {
    async fn go_on(&mut self) -> Result<(), SinkError> {
        let (mut failures, mut pause) = (0_u32, PAUSE_MIN);
        loop {
            let before = self.applied;
            let error = match self.write_all().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if before != self.applied {
                (failures, pause) = (0, PAUSE_MIN);
            }
            failures = failures.saturating_add(1);
            let waits_for_lock = matches!(error, SinkError::Held { .. })
                && self.has_had_store
                && failures <= LOCK_LOST_ATTEMPTS_MAX;
            let may_go_on = error.is_passing() && (self.options.follow || failures < ATTEMPTS_MAX);
            if !may_go_on && !waits_for_lock {
                return Err(error);
            }
            self.applied.retries = self.applied.retries.saturating_add(1);
            // Not all at once, where many wait for the same.
            let pause_secs = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            tracing::warn!("{error}; trying again in {} ms", pause_secs.as_millis());
            tokio::time::sleep(pause_secs).await;
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }

    /// Writes page after page until an error, or the end of what there is.
    async fn write_all(&mut self) -> Result<(), SinkError> {
        let SinkOptions { source, follow, .. } = self.options;
        let mut store = if let Some(store) = self.store.take() {
            store
        } else {
            let store = PostgresStore::open(&self.options.database, &self.options.schema).await?;
            self.has_had_store = true;
            self.feeds.clear();
            store
        };
        // What the source says fails without harm to the connection; what the database says ends it.
        if let Err(error) = source.refresh().await {
            self.store = Some(store);
            return Err(error);
        }
        loop {
            store.check_connection()?;
            let page = match self.next_page(source, *follow).await {
                Ok(Next::Page(index, page)) => (index, *page),
                Ok(Next::Nothing) => continue,
                Ok(Next::End) => return Ok(()),
                Err(error) => {
                    self.store = Some(store);
                    return Err(error);
                }
            };
            self.write(&mut store, page).await?;
        }
    }

    /// What is to be written next.
    async fn next_page(&mut self, source: &Source, follow: bool) -> Result<Next, SinkError> {
        // Whose digest is not known yet: the first page tells it, and is read again from where the feed stands.
        if self.feeds.len() < source.policies() {
            let index = self.feeds.len();
            return match source.page(index, Cursor::default()).await? {
                Some(page) => Ok(Next::Page(index, Box::new(page))),
                None if follow => Ok(source.wait(&[]).await.map(|_| Next::Nothing)?),
                None => Ok(Next::End),
            };
        }
        if let Some(index) = self.feeds.iter().position(|feed| !feed.is_end) {
            let cursor = self.feeds.get(index).map(|feed| feed.standing.cursor).unwrap_or_default();
            let page = source.page(index, cursor).await?;
            return Ok(page.map_or(Next::Nothing, |page| Next::Page(index, Box::new(page))));
        }
        if !follow {
            return Ok(Next::End);
        }
        let cursors: Vec<Cursor> = self.feeds.iter().map(|feed| feed.standing.cursor).collect();
        if let Some((index, page)) = source.wait(&cursors).await? {
            return Ok(Next::Page(index, Box::new(page)));
        }
        for feed in &mut self.feeds {
            feed.is_end = false;
        }
        Ok(Next::Nothing)
    }

    async fn write(
        &mut self,
        store: &mut PostgresStore,
        (index, page): (usize, FeedAnswer),
    ) -> Result<(), SinkError> {
        let policy = &page.at.policy;
        let Some(feed) = self.feeds.get_mut(index) else {
            let standing = store.standing(policy).await?;
            let (name, cursor) = (&policy.name, standing.cursor);
            tracing::info!("policy {name}: {} facts are there, up to {cursor}", standing.facts);
            self.feeds.push(Feed { standing, at: page.at, is_written: false, is_end: false });
            return Ok(());
        };
        if feed.at.policy.digest != policy.digest {
            let what = format!(
                "the policy of this name has the digest {} now, and had {} before",
                policy.digest.as_str(),
                feed.at.policy.digest.as_str()
            );
            return Err(SinkError::Broken { policy: policy.name.clone(), sequence: 0, what });
        }
        if !page.facts.is_empty() || !feed.is_written || feed.at != page.at {
            feed.standing = apply(store, &feed.standing, &page).await?;
            let is_rollback =
                |fact: &&tally_wire::NumberedFact| matches!(fact.fact.kind, FactKind::Rollback { .. });
            let rollbacks = page.facts.iter().filter(is_rollback).count();
            let facts = page.facts.len().saturating_sub(rollbacks);
            let more = |sum: u64, count: usize| sum.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            self.applied.facts = more(self.applied.facts, facts);
            self.applied.rollbacks = more(self.applied.rollbacks, rollbacks);
            if page.is_end && !page.facts.is_empty() {
                let cursor = feed.standing.cursor;
                tracing::info!("policy {}: everything up to {cursor} is in the tables", page.at.policy.name);
            }
        }
        (feed.at, feed.is_written, feed.is_end) = (page.at, true, page.is_end);
        Ok(())
    }
}

/// What comes next.
enum Next {
    Page(usize, Box<FeedAnswer>),
    Nothing,
    End,
}
