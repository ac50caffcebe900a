//! The feed of a policy as it is served: facts as text, by sequence number.

use crate::cursor::{Cursor, Tag, tag_of};
use crate::error::FeedError;
use crate::journal::{Journal, Link, Rollback, link};
use std::sync::Arc;
use tally_wire::{Fact, FactKind, FeedPlace};

/// A fact as it is served.
#[derive(Debug)]
pub(crate) struct Told {
    /// The place of the fact in the feed, from 1.
    pub(crate) sequence: u64,
    /// How far a reader is that has it.
    pub(crate) cursor: Cursor,
    /// The same on every server.
    pub(crate) id: String,
    /// The fact's type as JSON names it.
    pub(crate) kind: &'static str,
    /// The sequencers that it is about; `None` if it is about all.
    pub(crate) sequencers: Option<Arc<[u64]>>,
    /// All of it, as one line of JSON.
    pub(crate) json: String,
}

/// Where a reader is in a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It has everything up to this sequence number.
    After(u64),
    /// It has read more of this history than was told here so far.
    Behind,
    /// It has read another history.
    Other,
}

/// The facts that are settled and were told, in order. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed {
    told: Arc<Vec<Arc<Told>>>,
    /// By number of the fact among those that hold, from 1 on: its sequence number and its tag. Those are among them that
    /// were not told again yet.
    live: Arc<Vec<(u64, Tag)>>,
    /// Facts that are void, and rollbacks: their tags and sequence numbers.
    void: Arc<Vec<(Tag, u64)>>,
}

impl Feed {
    /// The facts after number `after`, the first `limit` of them.
    pub(crate) fn after(&self, after: u64, limit: usize) -> &[Arc<Told>] {
        let start = self.told.partition_point(|told| told.sequence <= after);
        let rest = self.told.get(start..).unwrap_or_default();
        rest.get(..limit).unwrap_or(rest)
    }

    /// The fact with this id, where it was told last.
    pub(crate) fn fact(&self, id: &str) -> Option<&Told> {
        self.told.iter().rev().find(|told| told.id == id).map(Arc::as_ref)
    }

    /// Where a reader with this cursor is.
    pub(crate) fn place(&self, cursor: &Cursor) -> Place {
        let after =
            |sequence: u64| if sequence <= self.last() { Place::After(sequence) } else { Place::Behind };
        // The same may have been told and taken back several times: the last counts.
        let void =
            |tag: Tag| self.void.iter().rev().find(|(void, _)| *void == tag).map(|(_, sequence)| *sequence);
        if let Some(sequence) = cursor.rollback.and_then(void) {
            return after(sequence);
        }
        let Some(index) = cursor.facts.checked_sub(1) else {
            return Place::After(0);
        };
        let here = usize::try_from(index).ok().and_then(|index| self.live.get(index));
        match here {
            Some((sequence, tag)) if *tag == cursor.tag => after(*sequence),
            _ => match void(cursor.tag) {
                Some(sequence) => after(sequence),
                None if here.is_none() => Place::Behind,
                None => Place::Other,
            },
        }
    }

    /// Whether what was told up to this cursor holds here: then the reader is after it. What was taken back does not, and never
    /// will; what is not there yet may.
    pub(crate) fn holding(&self, cursor: &Cursor) -> Place {
        let Some(index) = cursor.facts.checked_sub(1) else {
            return Place::After(0);
        };
        let is_void = self.void.iter().any(|(void, _)| *void == cursor.tag);
        match usize::try_from(index).ok().and_then(|index| self.live.get(index)) {
            Some((sequence, tag)) if *tag == cursor.tag && *sequence <= self.last() => {
                Place::After(*sequence)
            }
            Some((_, tag)) if *tag != cursor.tag => Place::Other,
            None if is_void => Place::Other,
            Some(_) | None => Place::Behind,
        }
    }

    /// The sequence number of the last fact that was told; 0 before the first. A log that was restored may not be as far
    /// as its journal.
    pub(crate) fn last(&self) -> u64 {
        self.told.last().map_or(0, |told| told.sequence)
    }

    /// How far a reader is that has all of it.
    pub(crate) fn end(&self) -> FeedPlace {
        let cursor = self.told.last().map(|told| told.cursor).unwrap_or_default();
        FeedPlace { sequence: self.last(), cursor: cursor.to_string() }
    }
}

/// A fact that follows from the log: its id, its type, whom it is about, and all of it as JSON.
struct Text {
    id: String,
    kind: &'static str,
    sequencers: Option<Arc<[u64]>>,
    fields: String,
}

/// Makes a feed of facts, by its journal.
pub(crate) struct Teller {
    journal: Journal,
    /// The facts that follow from the log, in order, and their links.
    texts: Vec<Text>,
    links: Vec<Link>,
    feed: Feed,
    /// How many rollbacks are in the feed.
    rollbacks: usize,
}

impl Teller {
    /// Nothing follows from the log yet.
    pub(crate) fn new(journal: Journal) -> Self {
        Self { journal, texts: Vec::new(), links: Vec::new(), feed: Feed::default(), rollbacks: 0 }
    }

    /// Forgets what followed from the log: it is told anew, and the journal finds out whether it is the same.
    pub(crate) fn restart(&mut self) {
        self.texts.clear();
        self.links.clear();
        self.journal.restart();
        self.feed = Feed::default();
        self.rollbacks = 0;
    }

    /// How many rollbacks the feed has.
    pub(crate) fn rollbacks(&self) -> usize {
        self.rollbacks
    }

    /// Takes what follows from the log beside what did before, writes that down, and gives the feed with it.
    pub(crate) fn tell(&mut self, facts: &[Fact]) -> Result<Feed, FeedError> {
        for fact in facts {
            let fields = serde_json::to_string(fact)?;
            let before = self.links.last().copied().unwrap_or_default();
            self.links.push(link(&before, fields.as_bytes()));
            let sequencers = fact.kind.sequencers().map(Into::into);
            self.texts.push(Text { id: fact.id.clone(), kind: fact.kind.name(), sequencers, fields });
        }
        self.journal.tell(&self.links)?;
        // What follows from a log that lies behind is told up to where it ends, and no rollback that comes after that.
        let end = self.journal.sequence_of(self.texts.len());
        let all = self.journal.rollbacks();
        let reached = all.partition_point(|back| end.is_none_or(|end| back.sequence < end));
        let rollbacks = all.get(..reached).unwrap_or_default();
        // After a rollback others hold.
        let is_same = self.rollbacks == rollbacks.len();
        let known = if is_same { self.feed.told.last().map_or(0, |told| told.sequence) } else { 0 };
        let mut new = Vec::new();
        for (index, Text { id, kind, sequencers, fields }) in self.texts.iter().enumerate().rev() {
            let Some(sequence) = self.journal.sequence_of(index) else { continue };
            if sequence <= known {
                break;
            }
            let link = self.links.get(index).copied().unwrap_or_default();
            let facts = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
            let cursor = Cursor::after(facts, &link);
            let json = numbered(sequence, &cursor, fields);
            let (id, sequencers) = (id.clone(), sequencers.clone());
            new.push(Arc::new(Told { sequence, cursor, id, kind, sequencers, json }));
        }
        if !is_same {
            for back in rollbacks {
                new.push(Arc::new(self.rollback(back)?));
            }
            self.rollbacks = rollbacks.len();
            self.feed.told = Arc::default();
        }
        if !new.is_empty() {
            new.sort_unstable_by_key(|told| told.sequence);
            Arc::make_mut(&mut self.feed.told).extend(new);
        }
        self.take_places();
        Ok(self.feed.clone())
    }

    /// Takes over what the journal has given a place since.
    fn take_places(&mut self) {
        let (live, tags) = (self.journal.live(), self.journal.tags());
        if self.feed.live.len() + self.feed.void.len() == tags.len() {
            return;
        }
        self.feed.live = Arc::new(live.iter().map(|(sequence, link)| (*sequence, tag_of(link))).collect());
        let holds = |sequence: u64| live.binary_search_by_key(&sequence, |(live, _)| *live).is_ok();
        let all = (1..).zip(tags).filter(|(sequence, _)| live.len() < tags.len() && !holds(*sequence));
        self.feed.void = Arc::new(all.map(|(sequence, link)| (tag_of(link), sequence)).collect());
    }

    /// A rollback as it is served. After it a reader has what held then, and knows of the rollback.
    fn rollback(&self, back: &Rollback) -> Result<Told, FeedError> {
        let tag = |sequence: u64| {
            let place = usize::try_from(sequence).ok().and_then(|sequence| sequence.checked_sub(1));
            place.and_then(|place| self.journal.tags().get(place)).map(tag_of)
        };
        let Rollback { sequence, to: to_sequence, facts } = *back;
        // What the sequence number 0 stands for has no tag.
        let (own, tag) = (tag(sequence).unwrap_or_default(), tag(to_sequence).unwrap_or_default());
        let facts = u64::try_from(facts).unwrap_or(u64::MAX);
        let cursor = Cursor { facts, tag, rollback: Some(own) };
        let kind = FactKind::Rollback { to_sequence };
        let name = kind.name();
        let id = format!("rollback:{own:016x}");
        let fact =
            Fact { id: id.clone(), time: None, l1_block: None, transaction: None, log_index: None, kind };
        let json = numbered(sequence, &cursor, &serde_json::to_string(&fact)?);
        Ok(Told { sequence, cursor, id, kind: name, sequencers: None, json })
    }
}

/// The text of a fact, with its place in the feed before its fields.
fn numbered(sequence: u64, cursor: &Cursor, text: &str) -> String {
    let fields = text.strip_prefix('{').expect("a fact is written as an object");
    format!("{{\"sequence\":{sequence},\"cursor\":\"{cursor}\",{fields}")
}
