//! The sink: from a log or a server into the database, for as long as it is let.

use crate::database::Database;
use crate::error::SinkError;
use crate::metrics::SinkMetrics;
use crate::postgres::PostgresStore;
use crate::schema::Schema;
use crate::session::{Backend, SILENCE_MAX};
use crate::source::Source;
use crate::store::{Standing, Store, apply};
use crate::sums::{check_payouts, compare};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tally_feed::Cursor;
use tally_wire::{At, FactKind, FeedAnswer, NumberedFact};
use tokio::sync::watch;
use tokio::time::Instant;

/// The pauses after failures: the first, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How often a sink that does not follow tries what fails of an outage.
const ATTEMPTS_MAX: u32 = 8;

/// How often a sink that had the lock, and lost its connection, asks for it again: the database may not have noticed yet.
const LOCK_LOST_ATTEMPTS_MAX: u32 = 8;

/// What a sink does.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line, and none follows from another"
)]
pub struct SinkOptions {
    /// The database that is written.
    pub database: Database,
    /// The schema of the tables.
    pub schema: Schema,
    /// Where the facts come from.
    pub source: Source,
    /// Whether it goes on once everything that there is was written.
    pub follow: bool,
    /// Whether it keeps the ledger by block of each epoch, which only a log has.
    pub blocks: bool,
    /// Whether it takes up a policy under a name that the tables have with other rules.
    pub add_version: bool,
    /// Whether it tells others of each commit that brings facts.
    pub notify: bool,
    /// How often it compares its sums with those of the source, and once in the end if it does not follow; `None` for never.
    pub compare_every: Option<Duration>,
}

/// What a sink has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// How many facts it wrote.
    pub facts: u64,
    /// How many rollbacks were applied.
    pub rollbacks: u64,
    /// How often it had to try again.
    pub retries: u64,
}

/// Where one feed is.
struct Feed {
    standing: Standing,
    /// What the last page was of.
    at: At,
    /// Whether that is in the tables, and there was nothing more.
    is_written: bool,
    is_end: bool,
    aside: Aside,
}

/// What is looked after beside the facts.
#[derive(Default)]
struct Aside {
    /// Whether the ledger by block that was left out before is in the tables.
    is_filled: bool,
    /// Whether payments were looked at since the last rollback.
    is_checked: bool,
}

struct Run<'a> {
    options: &'a SinkOptions,
    metrics: &'a SinkMetrics,
    store: Option<PostgresStore>,
    /// Who served the connection before, once there was one.
    former: Option<Backend>,
    feeds: Vec<Feed>,
    applied: Applied,
    compared: Option<Instant>,
}

/// Writes what the source tells into the database. Without `follow` it ends when that is done; else, and in any case, once
/// `stop` is true. What is being written then is kept whole or not at all.
///
/// # Errors
///
/// [`SinkError`] that does not pass by itself; without `follow` also one that did not pass in time.
pub async fn run(
    options: &SinkOptions,
    metrics: &SinkMetrics,
    mut stop: watch::Receiver<bool>,
) -> Result<Applied, SinkError> {
    if options.blocks && options.source.log_feed().is_none() {
        let why = "--blocks needs --log: a server gives the ledger by block only page by page for one sequencer, up to blocks that \
            are not settled, and without those of nobody";
        return Err(SinkError::Usage(why.into()));
    }
    let mut run = Run {
        options,
        metrics,
        store: None,
        former: None,
        feeds: Vec::new(),
        applied: Applied::default(),
        compared: None,
    };
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
            self.metrics.set_up_to_date(false);
            if before != self.applied {
                (failures, pause) = (0, PAUSE_MIN);
            }
            failures = failures.saturating_add(1);
            let waits_for_lock = matches!(error, SinkError::Held { .. })
                && self.former.is_some()
                && failures <= LOCK_LOST_ATTEMPTS_MAX;
            let may_go_on = error.is_passing() && (self.options.follow || failures < ATTEMPTS_MAX);
            if !may_go_on && !waits_for_lock {
                return Err(error);
            }
            self.applied.retries = self.applied.retries.saturating_add(1);
            self.metrics.retried();
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
        let mut store = match self.store.take() {
            Some(store) => store,
            None => self.open().await?,
        };
        // What the source says fails without harm to the connection; what the database says ends it.
        if let Err(error) = source.refresh().await {
            self.store = Some(store);
            return Err(error);
        }
        loop {
            store.check_connection().await?;
            if self.feeds.len() == source.policies() && self.feeds.iter().all(|feed| feed.is_end) {
                self.metrics.set_up_to_date(true);
                self.look_back(&store).await?;
            }
            match self.next_page(source, *follow, &mut store).await {
                Ok(Next::Page(index, page)) => {
                    self.metrics.set_up_to_date(page.facts.is_empty() && page.is_end);
                    self.write(&mut store, (index, *page)).await?;
                }
                Ok(Next::Nothing) => {}
                Ok(Next::End) => return Ok(()),
                // The connection is gone, or there is another reason to make a new one.
                Err(error @ (SinkError::Database(_) | SinkError::Hangs { .. } | SinkError::Lost)) => {
                    return Err(error);
                }
                Err(error) => {
                    self.store = Some(store);
                    return Err(error);
                }
            }
        }
    }

    async fn open(&mut self) -> Result<PostgresStore, SinkError> {
        let SinkOptions { database, schema, source, blocks, add_version, notify, .. } = self.options;
        let mut store = PostgresStore::open_after(database, schema, self.former.as_ref()).await?;
        self.former = store.backend().cloned();
        self.feeds.clear();
        if *add_version {
            store = store.with_versions();
        }
        if *notify {
            store = store.with_notify();
        }
        if let Some(feed) = source.log_feed().filter(|_| *blocks) {
            store = store.with_blocks(Arc::clone(feed));
        }
        Ok(store)
    }

    /// What is to be written next.
    async fn next_page(
        &mut self,
        source: &Source,
        follow: bool,
        store: &mut PostgresStore,
    ) -> Result<Next, SinkError> {
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
        let mut waiting = pin!(source.wait(&cursors));
        let found = loop {
            tokio::select! {
                found = &mut waiting => break found?,
                // A connection that ended or hangs is noticed before there is something to write.
                () = tokio::time::sleep(SILENCE_MAX) => store.check_connection().await?,
            }
        };
        if let Some((index, page)) = found {
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
        self.options.source.check_policy(index, policy)?;
        let Some(feed) = self.feeds.get_mut(index) else {
            return self.begin(store, page).await;
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
            for part in parts(&page, store.keeps_blocks()) {
                let began = Instant::now();
                feed.standing = apply(store, &feed.standing, &part).await?;
                let (facts, rollbacks) = counts(&part.facts);
                self.applied.facts = self.applied.facts.saturating_add(facts);
                self.applied.rollbacks = self.applied.rollbacks.saturating_add(rollbacks);
                feed.aside.is_checked &= rollbacks == 0;
                self.metrics.wrote(policy, facts, rollbacks, began.elapsed());
            }
            if page.is_end && !page.facts.is_empty() {
                let cursor = feed.standing.cursor;
                tracing::info!("policy {}: everything up to {cursor} is in the tables", policy.name);
            }
        }
        let told = Cursor::parse(&page.at.feed.cursor).map_or(feed.standing.facts, |cursor| cursor.facts);
        self.metrics.stands(policy, feed.standing.sequence, told.saturating_sub(feed.standing.facts));
        if page.is_end && !feed.aside.is_filled {
            store.fill_blocks(policy).await?;
            feed.aside.is_filled = true;
        }
        (feed.at, feed.is_written, feed.is_end) = (page.at, true, page.is_end);
        Ok(())
    }

    /// Takes a policy up, by the first page of its feed.
    async fn begin(&mut self, store: &mut PostgresStore, page: FeedAnswer) -> Result<(), SinkError> {
        let policy = &page.at.policy;
        if self.feeds.iter().any(|feed| feed.at.policy.digest == policy.digest) {
            let what = format!("policy {}@{} is given twice", policy.name, policy.version);
            return Err(SinkError::Usage(what));
        }
        let standing = store.standing(policy).await?;
        let (name, cursor) = (&policy.name, standing.cursor);
        tracing::info!("policy {name}: {} facts are there, up to {cursor}", standing.facts);
        self.metrics.expect(policy);
        let at = page.at;
        self.feeds.push(Feed { standing, at, is_written: false, is_end: false, aside: Aside::default() });
        Ok(())
    }

    /// When everything is written: whether what was paid is still owed, and, now and then, whether all sums are the source's.
    async fn look_back(&mut self, store: &PostgresStore) -> Result<(), SinkError> {
        let is_time = |every: Duration| self.compared.is_none_or(|last| last.elapsed() >= every);
        let compares = self.options.compare_every.is_some_and(is_time);
        for (index, feed) in self.feeds.iter_mut().enumerate() {
            let policy = &feed.at.policy;
            let Some((session, number)) = store.of(policy) else { continue };
            if !feed.aside.is_checked || compares {
                check_payouts(session, number, &policy.name).await?;
                feed.aside.is_checked = true;
            }
            if !compares {
                continue;
            }
            let equal = match self.options.source.accounts(index).await {
                Ok(Some(found)) => compare(session, number, &found).await?,
                Ok(None) => false,
                // The facts are what counts: that they come is tried again elsewhere.
                Err(error)
                    if error.is_passing()
                        || matches!(error, SinkError::Refused { .. } | SinkError::TooLarge { .. }) =>
                {
                    tracing::warn!("policy {}: the sums were not compared: {error}", policy.name);
                    false
                }
                Err(error) => return Err(error),
            };
            if equal {
                self.metrics.compared(policy);
                tracing::debug!("policy {}: all sums are those of the source", policy.name);
            }
        }
        if compares {
            self.compared = Some(Instant::now());
        }
        Ok(())
    }
}

/// What of a page is written in one transaction: all of it, or, where an epoch brings its ledger by block, up to each epoch.
fn parts(page: &FeedAnswer, keeps_blocks: bool) -> Vec<FeedAnswer> {
    let closes = |fact: &NumberedFact| matches!(fact.fact.kind, FactKind::EpochClosed { .. });
    let part = |facts: &[NumberedFact]| FeedAnswer {
        at: page.at.clone(),
        cursor: page.cursor.clone(),
        is_end: page.is_end,
        facts: facts.to_vec(),
    };
    if !keeps_blocks || page.facts.is_empty() {
        return vec![part(&page.facts)];
    }
    page.facts.split_inclusive(closes).map(part).collect()
}

/// How many facts and rollbacks there are.
fn counts(facts: &[NumberedFact]) -> (u64, u64) {
    let is_rollback = |fact: &&NumberedFact| matches!(fact.fact.kind, FactKind::Rollback { .. });
    let rollbacks = facts.iter().filter(is_rollback).count();
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    (number(facts.len().saturating_sub(rollbacks)), number(rollbacks))
}

/// What is to be done next.
enum Next {
    Page(usize, Box<FeedAnswer>),
    Nothing,
    End,
}
