//! The feed of a policy as it is served: facts as text, by sequence number.

use crate::error::FeedError;
use crate::journal::{Journal, Link, link};
use std::sync::Arc;
use tally_wire::{Fact, FactKind};

/// A fact as it is served.
#[derive(Debug)]
pub(crate) struct Told {
    /// The place of the fact in the feed, from 1.
    pub(crate) sequence: u64,
    /// Tells it from a fact of another feed in the same place: hex digits of a digest of all that holds up to it.
    pub(crate) tag: String,
    /// The fact's type as JSON names it.
    pub(crate) kind: &'static str,
    /// All of it, as one line of JSON.
    pub(crate) json: String,
}

/// The facts that are settled and were told, in order. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed {
    told: Arc<Vec<Arc<Told>>>,
    /// Of everything that was ever told, void or not told again yet: what tells it from another feed's.
    tags: Arc<Vec<Link>>,
}

impl Feed {
    /// The facts after number `after`, the first `limit` of them.
    pub(crate) fn after(&self, after: u64, limit: usize) -> &[Arc<Told>] {
        let start = self.told.partition_point(|told| told.sequence <= after);
        let rest = self.told.get(start..).unwrap_or_default();
        rest.get(..limit).unwrap_or(rest)
    }

    /// What tells what was told at number `sequence` from another feed's; `None` if nothing was.
    pub(crate) fn tag(&self, sequence: u64) -> Option<String> {
        let index = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.tags.get(index).map(tag_of)
    }

    /// The last sequence number that was ever given away; a log that was restored may not be there yet.
    pub(crate) fn last(&self) -> u64 {
        u64::try_from(self.tags.len()).expect("they are in memory")
    }
}

/// Makes a feed of facts, by its journal.
pub(crate) struct Teller {
    journal: Journal,
    /// The facts that follow from the log, in order, with their words and links.
    texts: Vec<(&'static str, String)>,
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
            let text = serde_json::to_string(fact)?;
            let before = self.links.last().copied().unwrap_or_default();
            self.links.push(link(&before, text.as_bytes()));
            self.texts.push((fact.kind.name(), text));
        }
        self.journal.tell(&self.links)?;
        // What follows from a log that lies behind is told up to where it ends, and no rollback that comes after that.
        let end = self.journal.sequence_of(self.texts.len());
        let all = self.journal.rollbacks();
        let reached = all.partition_point(|(sequence, _)| end.is_none_or(|end| *sequence < end));
        let rollbacks = all.get(..reached).unwrap_or_default();
        // After a rollback others hold.
        let is_same = self.rollbacks == rollbacks.len();
        let known = if is_same { self.feed.told.last().map_or(0, |told| told.sequence) } else { 0 };
        let mut new = Vec::new();
        for (index, (kind, text)) in self.texts.iter().enumerate().rev() {
            let Some(sequence) = self.journal.sequence_of(index) else { continue };
            if sequence <= known {
                break;
            }
            let tag = self.links.get(index).map(tag_of).unwrap_or_default();
            let json = numbered(sequence, &tag, text);
            new.push(Arc::new(Told { sequence, tag, kind, json }));
        }
        if !is_same {
            for (sequence, to_sequence) in rollbacks {
                let tag =
                    usize::try_from(*sequence).ok().and_then(|place| self.journal.tags().get(place - 1));
                new.push(Arc::new(rollback(*sequence, *to_sequence, tag.map(tag_of).unwrap_or_default())?));
            }
            self.rollbacks = rollbacks.len();
            self.feed.told = Arc::default();
        }
        if !new.is_empty() {
            new.sort_unstable_by_key(|told| told.sequence);
            Arc::make_mut(&mut self.feed.told).extend(new);
        }
        if self.feed.tags.len() != self.journal.tags().len() {
            self.feed.tags = Arc::new(self.journal.tags().to_vec());
        }
        Ok(self.feed.clone())
    }
}

fn tag_of(link: &Link) -> String {
    let digits = blake3::Hash::from_bytes(*link).to_hex();
    digits.chars().take(16).collect()
}

fn rollback(sequence: u64, to_sequence: u64, tag: String) -> Result<Told, FeedError> {
    let kind = FactKind::Rollback { to_sequence };
    let name = kind.name();
    let id = format!("rollback:{tag}");
    let fact = Fact { id, time: None, l1_block: None, transaction: None, log_index: None, kind };
    let json = numbered(sequence, &tag, &serde_json::to_string(&fact)?);
    Ok(Told { sequence, tag, kind: name, json })
}

/// The text of a fact, with its place in the feed before its fields.
fn numbered(sequence: u64, tag: &str, text: &str) -> String {
    let fields = text.strip_prefix('{').expect("a fact is written as an object");
    format!("{{\"sequence\":{sequence},\"cursor\":\"{sequence}-{tag}\",{fields}")
}
