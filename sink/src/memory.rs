//! A store in memory, for tests, and to show how little a store has to do.

use crate::error::SinkError;
use crate::store::{Batch, Entry, Standing, Store};
use std::collections::BTreeMap;
use std::future::{Future, ready};
use tally_feed::Link;
use tally_wire::{At, Policy};

/// What is kept of a feed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// How far it is.
    pub standing: Standing,
    /// Every entry, with the rollback that made it void, if one did.
    pub entries: Vec<(Entry, Option<u64>)>,
}

/// Feeds in memory, by the digest of their policies.
#[derive(Debug, Default)]
pub struct MemoryStore {
    feeds: BTreeMap<String, Kept>,
}

impl MemoryStore {
    /// What is kept of the feed of `policy`.
    pub fn kept(&self, policy: &Policy) -> Option<&Kept> {
        self.feeds.get(policy.digest.as_str())
    }
}

/// A transaction: a copy, which takes the place of what was copied.
#[derive(Debug)]
pub struct MemoryBatch<'a> {
    feed: &'a mut Kept,
    copy: Kept,
    policy: String,
}

impl Store for MemoryStore {
    type Batch<'a> = MemoryBatch<'a>;

    fn standing(&mut self, policy: &Policy) -> impl Future<Output = Result<Standing, SinkError>> + Send {
        // Nothing is kept of a feed of which nothing was told.
        let kept = self.kept(policy).map_or_else(Standing::default, |kept| kept.standing);
        ready(Ok(kept))
    }

    fn begin(&mut self, policy: &Policy) -> impl Future<Output = Result<Self::Batch<'_>, SinkError>> + Send {
        let feed = self.feeds.entry(policy.digest.as_str().into()).or_default();
        let copy = feed.clone();
        ready(Ok(MemoryBatch { feed, copy, policy: policy.name.clone() }))
    }
}

impl Batch for MemoryBatch<'_> {
    fn link_at(&mut self, position: u64) -> impl Future<Output = Result<Option<Link>, SinkError>> + Send {
        let holds = self.copy.entries.iter().filter(|(_, void_by)| void_by.is_none());
        let mut places = holds.filter_map(|(entry, _)| entry.place);
        ready(Ok(places.find(|(place, _)| *place == position).map(|(_, link)| link)))
    }

    fn append(&mut self, entries: &[Entry]) -> impl Future<Output = Result<(), SinkError>> + Send {
        self.copy.entries.extend(entries.iter().map(|entry| (entry.clone(), None)));
        ready(Ok(()))
    }

    fn void_after(&mut self, position: u64, by: u64) -> impl Future<Output = Result<(), SinkError>> + Send {
        for (entry, void_by) in &mut self.copy.entries {
            if void_by.is_none() && entry.place.is_some_and(|(place, _)| place > position) {
                *void_by = Some(by);
            }
        }
        ready(Ok(()))
    }

    fn commit(
        mut self,
        from: &Standing,
        to: &Standing,
        _at: &At,
    ) -> impl Future<Output = Result<(), SinkError>> + Send {
        if self.feed.standing != *from {
            return ready(Err(SinkError::Changed { policy: self.policy }));
        }
        self.copy.standing = *to;
        *self.feed = self.copy;
        ready(Ok(()))
    }
}
