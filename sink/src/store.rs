//! What keeps facts: where it stands, and a transaction that takes a batch of them.

use crate::error::SinkError;
use std::future::Future;
use tally_feed::{Cursor, Link, link};
use tally_wire::{At, FactKind, FeedAnswer, NumberedFact, Policy};

/// How far a store is in the feed of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many entries it has: facts, void ones among them, and rollbacks.
    pub entry: u64,
    /// The sequence number of the last of them.
    pub sequence: u64,
    /// How many facts hold.
    pub facts: u64,
    /// The link of the last of these; zeros before the first.
    pub link: Link,
    /// The cursor to go on with.
    pub cursor: Cursor,
}

/// A fact, or a rollback, as a store takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its place in the store, from 1 on without a gap.
    pub entry: u64,
    /// Which fact it is among those that hold, and its link; `None` for a rollback.
    pub place: Option<(u64, Link)>,
    /// The fact and its place in the feed.
    pub fact: NumberedFact,
    /// The fact as JSON, without its place: the text that its link is of.
    pub text: String,
}

/// What keeps the facts of feeds.
///
/// A store has to keep what a batch writes, and the standing that it is committed with, together or not at all: then every fact
/// is in it once, whoever crashes. Everything else is done by [`apply`], which checks what comes and says what to write.
pub trait Store: Send {
    /// A transaction of the store.
    type Batch<'a>: Batch
    where
        Self: 'a;

    /// How far the store is in the feed of `policy`: [`Standing::default`] if it has nothing of it.
    fn standing(&mut self, policy: &Policy) -> impl Future<Output = Result<Standing, SinkError>> + Send;

    /// Begins a transaction for the feed of `policy`.
    fn begin(&mut self, policy: &Policy) -> impl Future<Output = Result<Self::Batch<'_>, SinkError>> + Send;
}

/// A transaction of a [`Store`]. Nothing of it is kept unless it is committed.
pub trait Batch: Send {
    /// The link of the fact with this position among those that hold.
    fn link_at(&mut self, position: u64) -> impl Future<Output = Result<Option<Link>, SinkError>> + Send;

    /// Adds entries, in their order.
    fn append(&mut self, entries: &[Entry]) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Marks as void the facts that hold and have a greater position than `position`, by the rollback that is entry `by`.
    fn void_after(&mut self, position: u64, by: u64) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Commits, with where the store stands after it and what the facts were told of. `from` is where it stood: if it stands
    /// elsewhere by now, somebody else has written, and nothing is kept.
    fn commit(
        self,
        from: &Standing,
        to: &Standing,
        at: &At,
    ) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// The cursor of a reader of a rollback, which has so many facts with this link. The rollback may be of facts that the reader
/// never had: then it has fewer than the cursor of the rollback says, and another server has to know how many.
pub(crate) fn after_rollback(facts: u64, link: &Link, told: &Cursor) -> Cursor {
    Cursor { rollback: told.rollback, ..Cursor::after(facts, link) }
}

/// Applies a page of a feed in one transaction, and returns where the store stands after it. Each fact has to go on from the
/// one before: the digest in its cursor is worked out here, of the text of all facts that hold.
///
/// # Errors
///
/// [`SinkError::Broken`] if the page does not go on from where the store stands, and whatever the store says. Nothing is kept
/// then.
pub async fn apply<S: Store>(
    store: &mut S,
    from: &Standing,
    page: &FeedAnswer,
) -> Result<Standing, SinkError> {
    let policy = &page.at.policy;
    let mut batch = store.begin(policy).await?;
    let (mut to, mut entries) = (*from, Vec::new());
    let mut last = None;
    for fact in &page.facts {
        let broken =
            |what: String| SinkError::Broken { policy: policy.name.clone(), sequence: fact.sequence, what };
        if last.is_some_and(|last| fact.sequence <= last) {
            return Err(broken(format!("it comes after one with number {}", last.unwrap_or_default())));
        }
        last = Some(fact.sequence);
        let cursor = Cursor::parse(&fact.cursor)
            .ok_or_else(|| broken(format!("its cursor is none: {:?}", fact.cursor)))?;
        let text = serde_json::to_string(&fact.fact)?;
        to.entry = to.entry.checked_add(1).ok_or_else(|| broken("there are too many".into()))?;
        let other =
            |found: Cursor| broken(format!("its cursor is {cursor}, but what is kept here comes to {found}"));
        if matches!(fact.fact.kind, FactKind::Rollback { .. }) {
            let kept = Cursor { rollback: None, ..cursor };
            if cursor.rollback.is_none() {
                return Err(broken(format!("its cursor {cursor} is none of a rollback")));
            }
            entries.push(Entry { entry: to.entry, place: None, fact: fact.clone(), text });
            // What is void and was never told here needs no undoing.
            if kept.facts <= to.facts {
                batch.append(&entries).await?;
                entries.clear();
                let link = match kept.facts {
                    0 => Link::default(),
                    facts if facts == to.facts => to.link,
                    facts => {
                        let link = batch.link_at(facts).await?;
                        link.ok_or_else(|| broken(format!("there is no fact {facts} that holds")))?
                    }
                };
                let found = Cursor::after(kept.facts, &link);
                if found != kept {
                    return Err(other(found));
                }
                if kept.facts < to.facts {
                    batch.void_after(kept.facts, to.entry).await?;
                }
                (to.facts, to.link) = (kept.facts, link);
            }
            to.cursor = after_rollback(to.facts, &to.link, &cursor);
        } else {
            to.facts = to.facts.checked_add(1).ok_or_else(|| broken("there are too many".into()))?;
            to.link = link(&to.link, text.as_bytes());
            let found = Cursor::after(to.facts, &to.link);
            if found != cursor {
                return Err(other(found));
            }
            let place = Some((to.facts, to.link));
            entries.push(Entry { entry: to.entry, place, fact: fact.clone(), text });
            to.cursor = cursor;
        }
        to.sequence = fact.sequence;
    }
    if !entries.is_empty() {
        batch.append(&entries).await?;
    }
    batch.commit(from, &to, &page.at).await?;
    Ok(to)
}
