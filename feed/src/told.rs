//! The feed of a policy as it is served: facts as text, by sequence number.

use crate::error::FeedError;
use crate::journal::{Journal, Link, link};
use crate::json::{Fact, FactKind};
use std::sync::Arc;

/// A fact as it is served.
#[derive(Debug)]
pub(crate) struct Told {
    /// Its place in the feed.
    pub(crate) sequence: u64,
    /// Its word.
    pub(crate) kind: &'static str,
    /// All of it, as one line of JSON.
    pub(crate) json: String,
}

/// The facts that are settled and were told, in order. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed {
    told: Arc<Vec<Arc<Told>>>,
    /// The last sequence number that was ever given away.
    last: u64,
}

impl Feed {
    /// The facts after number `after`, the first `limit` of them.
    pub(crate) fn after(&self, after: u64, limit: usize) -> &[Arc<Told>] {
        let start = self.told.partition_point(|told| told.sequence <= after);
        let rest = self.told.get(start..).unwrap_or_default();
        rest.get(..limit).unwrap_or(rest)
    }

    /// The last sequence number that was ever given away; a log that was restored may not be there yet.
    pub(crate) fn last(&self) -> u64 {
        self.last
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
        // After a rollback others hold.
        let is_same = self.rollbacks == self.journal.rollbacks().len();
        let known = if is_same { self.feed.told.last().map_or(0, |told| told.sequence) } else { 0 };
        let mut new = Vec::new();
        for (index, (kind, text)) in self.texts.iter().enumerate().rev() {
            let Some(sequence) = self.journal.sequence_of(index) else { continue };
            if sequence <= known {
                break;
            }
            new.push(Arc::new(Told { sequence, kind, json: numbered(sequence, text) }));
        }
        if !is_same {
            for (sequence, to_sequence) in self.journal.rollbacks() {
                new.push(Arc::new(rollback(*sequence, *to_sequence)?));
            }
            self.rollbacks = self.journal.rollbacks().len();
            self.feed.told = Arc::default();
        }
        if !new.is_empty() {
            new.sort_unstable_by_key(|told| told.sequence);
            Arc::make_mut(&mut self.feed.told).extend(new);
        }
        self.feed.last = self.journal.sequence();
        Ok(self.feed.clone())
    }
}

fn rollback(sequence: u64, to_sequence: u64) -> Result<Told, FeedError> {
    let kind = FactKind::Rollback { to_sequence };
    let name = kind.name();
    let id = format!("rollback:{sequence}");
    let fact = Fact { id, time: None, l1_block: None, transaction: None, log_index: None, kind };
    Ok(Told { sequence, kind: name, json: numbered(sequence, &serde_json::to_string(&fact)?) })
}

/// The text of a fact, which is an object with fields, with its sequence number before them.
fn numbered(sequence: u64, text: &str) -> String {
    format!("{{\"sequence\":{sequence},{}", text.strip_prefix('{').unwrap_or(text))
}
