//! What a feed has told, by digests: so that a fact keeps its sequence number, and nothing is taken back silently.
//!
//! The facts themselves follow from the log. The journal holds one entry for each that was ever told, in order: its
//! place is its sequence number. As long as the log only grows, what follows from it begins with what was told, and the
//! journal is as long as the feed. Where it does not (the log was replaced, or a reorg went below what had been final),
//! an entry says back to which fact the feed goes, and what follows from the log now is told after it.
//!
//! ```text
//! "TALLYFD2"                      8 bytes: the version of the feed, which facts there are and how they are written
//! entry: kind, 1 byte             1: a fact        2: a rollback
//!        payload, 32 bytes        its link         the sequence number it goes back to, big-endian; zeros
//!        check, 4 bytes           the first bytes of BLAKE3 of the entry's place (8 bytes, big-endian), kind and payload
//! ```
//!
//! A fact's link is BLAKE3 of the link of the fact before it (zeros for the first) and the fact's text. An entry is
//! written and synced before its fact is served, so what is incomplete at the end was never served, and is cut off. If
//! it was (a disk that lies), the facts that follow from the log get their numbers again; where these would be others,
//! the tags in readers' cursors show it.
//!
//! A journal of another version of the feed has other numbers for the same facts. It is put aside, and the feed is told anew
//! from the log: that is no rollback, since nothing is void, and the tags show readers that they read another feed.

use crate::error::FeedError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"TALLYFD2";
/// The first version, which had no `distribution_ready`, and what is put after the name of its journals.
const OLD: (&[u8; 8], &str) = (b"TALLYFD1", "facts.v1");
const ENTRY_BYTES: usize = 37;
const FACT: u8 = 1;
const ROLLBACK: u8 = 2;

/// The digest of a fact and of all facts up to it, which tells two histories apart.
pub type Link = [u8; 32];

/// The link of a fact after one with the link `before` (zeros for the first). Its text is the fact as JSON, without its place
/// in the feed.
pub fn link(before: &Link, text: &[u8]) -> Link {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before);
    hasher.update(text);
    *hasher.finalize().as_bytes()
}

/// Facts that were told and are void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rollback {
    /// Its own sequence number.
    pub(crate) sequence: u64,
    /// The sequence number of the last fact that held after it; 0 if none did.
    pub(crate) to: u64,
    /// How many facts held after it.
    pub(crate) facts: usize,
}

/// The journal of a policy's feed, locked against other servers.
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    /// Of each entry, by its place, what tells it from another feed's: a fact's link, or what stands for a rollback's.
    tags: Vec<Link>,
    /// The facts that hold, in order: sequence number and link.
    live: Vec<(u64, Link)>,
    /// The rollbacks, in order.
    rollbacks: Vec<Rollback>,
    /// How many of the facts that hold are known to follow from the log.
    same: usize,
}

impl Journal {
    /// Opens the journal at `path`, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, FeedError> {
        let failed = |what| {
            let path = path.to_owned();
            move |source| FeedError::Files { path, what, source }
        };
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = options.map_err(failed("opening it"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FeedError::InUse { path: path.into() }),
            Err(TryLockError::Error(source)) => return Err(failed("locking it")(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("reading it"))?;
        let (old, extension) = OLD;
        if bytes.starts_with(old) {
            let aside = path.with_extension(extension);
            std::fs::rename(path, &aside).map_err(failed("putting it aside"))?;
            let (name, aside) = (path.display(), aside.display());
            tracing::warn!(
                "{name} is of an older version: it was moved to {aside}, and the feed is told anew"
            );
            // It stays locked until there is a new one.
            return Self::open(path);
        }
        if bytes.len() < MAGIC.len() && MAGIC.starts_with(&bytes) {
            file.rewind().and_then(|()| file.write_all(MAGIC)).map_err(failed("writing it"))?;
            file.sync_all().map_err(failed("syncing it"))?;
            let dir = path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all());
            dir.map_err(failed("syncing its directory"))?;
            bytes = MAGIC.to_vec();
        }
        let mut journal = Self {
            file,
            path: path.into(),
            tags: Vec::new(),
            live: Vec::new(),
            rollbacks: Vec::new(),
            same: 0,
        };
        let whole = journal.read(&bytes)?;
        if whole < bytes.len() {
            let (path, cut) = (path.display(), bytes.len() - whole);
            tracing::warn!("{path}: its last {cut} bytes are no entries, as after a crash, and are cut off");
            // Whoever looks into it has all of it.
            let kept = journal.path.with_extension("cut");
            std::fs::write(&kept, &bytes).map_err(failed("keeping what is cut off"))?;
        }
        let end = u64::try_from(whole).expect("it is in memory");
        journal.file.set_len(end).map_err(failed("cutting it"))?;
        journal.file.seek(SeekFrom::Start(end)).map_err(failed("going to its end"))?;
        Ok(journal)
    }

    /// Takes in what the file holds; returns where its last whole entry ends.
    fn read(&mut self, bytes: &[u8]) -> Result<usize, FeedError> {
        let wrong = |path: &Path, offset: usize, expected: &str, found: String| FeedError::Journal {
            path: path.into(),
            offset: u64::try_from(offset).unwrap_or(u64::MAX),
            expected: expected.into(),
            found,
        };
        let Some(entries) = bytes.strip_prefix(MAGIC) else {
            let found = format!("{:02x?}", bytes.get(..MAGIC.len()).unwrap_or(bytes));
            return Err(wrong(&self.path, 0, "TALLYFD2", found));
        };
        let mut offset = MAGIC.len();
        for entry in entries.chunks_exact(ENTRY_BYTES) {
            let (body, check) = entry.split_at(ENTRY_BYTES - 4);
            // What was being written when it was cut short; its pages may have come to the disk in any order.
            let sequence = self.sequence() + 1;
            if check != check_of(sequence, body) {
                break;
            }
            let payload: Link = body[1..].try_into().expect("an entry has 32 bytes after its kind");
            match body[0] {
                FACT => {
                    self.live.push((sequence, payload));
                    self.tags.push(payload);
                }
                ROLLBACK => {
                    let to = payload.first_chunk().map_or(0, |to| u64::from_be_bytes(*to));
                    self.live.retain(|(sequence, _)| *sequence <= to);
                    self.rollbacks.push(Rollback { sequence, to, facts: self.live.len() });
                    self.tags.push(rollback_tag(self.live.last(), to));
                }
                kind => return Err(wrong(&self.path, offset, "kind 1 or 2", kind.to_string())),
            }
            offset += ENTRY_BYTES;
        }
        Ok(offset)
    }

    /// What follows from the log is told from the beginning again.
    pub(crate) fn restart(&mut self) {
        self.same = 0;
    }

    /// The last sequence number.
    pub(crate) fn sequence(&self) -> u64 {
        u64::try_from(self.tags.len()).expect("they are in memory")
    }

    /// By sequence number less 1: what tells each entry from another feed's. A fact's is a digest of everything that
    /// holds up to it.
    pub(crate) fn tags(&self) -> &[Link] {
        &self.tags
    }

    /// The facts that hold, in order, those among them that were not told again yet: sequence number and link.
    pub(crate) fn live(&self) -> &[(u64, Link)] {
        &self.live
    }

    /// The rollbacks, in order.
    pub(crate) fn rollbacks(&self) -> &[Rollback] {
        &self.rollbacks
    }

    /// The sequence number of the fact number `index` (from 0) of those that hold; `None` if it was not told yet.
    pub(crate) fn sequence_of(&self, index: usize) -> Option<u64> {
        self.live.get(index).map(|(sequence, _)| *sequence)
    }

    /// Makes the journal say that `links` is what follows from the log: appends what is new, after a rollback where
    /// something else was told. Where it is less than was told, the log lies behind, and nothing is appended. Whatever is
    /// appended is on disk when this returns; after an error it has to be opened again. As long as it is open, `links`
    /// only grow, but for [`Journal::restart`].
    pub(crate) fn tell(&mut self, links: &[Link]) -> Result<(), FeedError> {
        let rest = self.live.iter().zip(links).skip(self.same);
        let same = self.same + rest.take_while(|((_, told), link)| told == *link).count();
        if same == links.len() {
            self.same = same;
            return Ok(());
        }
        let mut entries = Vec::new();
        let (mut sequence, mut live, mut rollback) = (self.sequence(), Vec::new(), None);
        if same < self.live.len() {
            let to = same.checked_sub(1).and_then(|last| self.live.get(last)).map_or(0, |(last, _)| *last);
            let mut payload = [0; 32];
            payload[..8].copy_from_slice(&to.to_be_bytes());
            sequence += 1;
            push(&mut entries, sequence, ROLLBACK, &payload);
            rollback = Some(Rollback { sequence, to, facts: same });
        }
        for link in links.iter().skip(same) {
            sequence += 1;
            push(&mut entries, sequence, FACT, link);
            live.push((sequence, *link));
        }
        let written = self.file.write_all(&entries).and_then(|()| self.file.sync_data());
        let path = self.path.clone();
        written.map_err(|source| FeedError::Files { path, what: "writing it", source })?;
        self.live.truncate(same);
        if let Some(Rollback { to, .. }) = rollback {
            self.tags.push(rollback_tag(self.live.last(), to));
        }
        self.tags.extend(live.iter().map(|(_, link)| *link));
        self.live.extend(live);
        self.rollbacks.extend(rollback);
        self.same = self.live.len();
        Ok(())
    }
}

/// What stands for a rollback to number `to`, after which `last` is the last fact that holds.
fn rollback_tag(last: Option<&(u64, Link)>, to: u64) -> Link {
    let before = last.map_or(Link::default(), |(_, link)| *link);
    link(&before, format!("rollback to {to}").as_bytes())
}

fn push(entries: &mut Vec<u8>, place: u64, kind: u8, payload: &Link) {
    let start = entries.len();
    entries.push(kind);
    entries.extend_from_slice(payload);
    let check = check_of(place, &entries[start..]);
    entries.extend_from_slice(&check);
}

fn check_of(place: u64, body: &[u8]) -> [u8; 4] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&place.to_be_bytes());
    hasher.update(body);
    let digest = hasher.finalize();
    *digest.as_bytes().first_chunk().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What follows from the log, the sequence numbers of what holds, the rollbacks.
    type Step<'a> = (&'a str, &'a [u64], &'a [(u64, u64)]);

    /// The links of facts with these texts.
    fn links(texts: &str) -> Vec<Link> {
        let mut last = Link::default();
        texts
            .bytes()
            .map(|text| {
                last = link(&last, &[text]);
                last
            })
            .collect()
    }

    fn sequences(journal: &Journal) -> Vec<u64> {
        (0..).map_while(|index| journal.sequence_of(index)).collect()
    }

    #[test]
    fn facts_keep_their_numbers_over_restarts_and_what_is_void_is_said_to_be() {
        let dir = std::env::temp_dir().join(format!("tally-journal-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let path = dir.join("a.facts");
        let steps: [Step<'_>; 8] = [
            ("", &[], &[]),
            ("ab", &[1, 2], &[]),
            ("abc", &[1, 2, 3], &[]),
            // A log that was restored from a backup: it will come to the same again.
            ("a", &[1, 2, 3], &[]),
            ("abcd", &[1, 2, 3, 4], &[]),
            ("abxy", &[1, 2, 6, 7], &[(5, 2)]),
            ("zb", &[9, 10], &[(5, 2), (8, 0)]),
            ("zbc", &[9, 10, 11], &[(5, 2), (8, 0)]),
        ];
        for (texts, expected, rollbacks) in steps {
            let mut journal = Journal::open(&path).expect("opens");
            journal.tell(&links(texts)).expect("is written");
            assert_eq!(sequences(&journal), expected, "{texts}");
            let told: Vec<_> = journal.rollbacks().iter().map(|back| (back.sequence, back.to)).collect();
            assert_eq!(told, rollbacks, "{texts}");
            let taken = Journal::open(&path).map(|_| ()).expect_err("it is locked").to_string();
            assert!(taken.contains("in use by another server"), "{taken}");
            drop(journal);
            let journal = Journal::open(&path).expect("opens again");
            assert_eq!(sequences(&journal), expected, "{texts}");
        }
        // Whatever was being written when it was cut short, it goes on from the last whole entry.
        let whole = std::fs::read(&path).expect("is there");
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("is written");
            let journal = Journal::open(&path).expect("opens");
            let entries = cut.saturating_sub(MAGIC.len()) / ENTRY_BYTES;
            assert_eq!(journal.sequence(), u64::try_from(entries).expect("fits"), "cut at {cut}");
        }
        // From a bit that flipped on, it is told from the log again.
        for at in MAGIC.len()..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).expect("is written");
            let journal = Journal::open(&path).expect("opens");
            let entries = (at - MAGIC.len()) / ENTRY_BYTES;
            assert_eq!(journal.sequence(), u64::try_from(entries).expect("fits"), "flipped at {at}");
        }
        std::fs::write(&path, b"not a journal").expect("is written");
        let error = Journal::open(&path).map(|_| ()).expect_err("it is none").to_string();
        assert!(error.contains("expected TALLYFD2"), "{error}");
        // One of an older version is kept beside a new one.
        let old = [OLD.0, &whole[MAGIC.len()..]].concat();
        std::fs::write(&path, &old).expect("is written");
        let mut journal = Journal::open(&path).expect("opens");
        assert_eq!(journal.sequence(), 0);
        journal.tell(&links("ab")).expect("is written");
        assert_eq!(std::fs::read(dir.join("a.facts.v1")).expect("is there"), old);
        drop(journal);
        assert_eq!(sequences(&Journal::open(&path).expect("opens again")), [1, 2]);
        std::fs::remove_dir_all(&dir).expect("goes");
    }
}
