//! Passes that a server makes up itself: sessions of browsers, and tickets for streams.

use crate::error::FeedError;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How many passes of a kind are valid at a time. Whoever gets one has a token, so this many are never needed.
const COUNT_MAX: usize = 4_096;

/// Passes of one kind: random secrets, each valid for a while. Only their digests are kept, in memory, so they end with
/// the process.
pub(super) struct Passes {
    /// What the digests are derived with, so that a pass of one kind is none of another.
    context: &'static str,
    lifetime: Duration,
    /// When each pass ends, by its digest.
    ends: Mutex<BTreeMap<[u8; 32], Instant>>,
}

impl Passes {
    /// No passes yet. Each will be valid for `lifetime`.
    pub(super) fn new(context: &'static str, lifetime: Duration) -> Self {
        Self { context, lifetime, ends: Mutex::default() }
    }

    /// How long a pass is valid, in whole seconds.
    pub(super) fn lifetime_secs(&self) -> u64 {
        self.lifetime.as_secs()
    }

    /// Makes up a pass. If there are too many, the one that would end first ends now.
    ///
    /// # Errors
    ///
    /// A system without randomness.
    pub(super) fn issue(&self) -> Result<String, FeedError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(FeedError::Randomness)?;
        let mut pass = String::new();
        for byte in bytes {
            // A String takes whatever is written to it.
            let _ = write!(pass, "{byte:02x}");
        }
        let now = Instant::now();
        // Whoever panicked in here left a whole map.
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.retain(|_, end| *end > now);
        if ends.len() >= COUNT_MAX {
            let first = ends.iter().min_by_key(|(_, end)| **end).map(|(digest, _)| *digest);
            first.and_then(|digest| ends.remove(&digest));
        }
        ends.insert(self.digest(pass.as_bytes()), now + self.lifetime);
        Ok(pass)
    }

    /// Whether this is a pass that is valid now.
    pub(super) fn admits(&self, pass: &[u8]) -> bool {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.get(&self.digest(pass)).is_some_and(|end| *end > Instant::now())
    }

    /// Ends a pass, if it is one.
    pub(super) fn revoke(&self, pass: &[u8]) {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.digest(pass));
    }

    /// How long a look-up takes tells something of this digest at most, and nothing of the pass.
    fn digest(&self, pass: &[u8]) -> [u8; 32] {
        blake3::derive_key(self.context, pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_valid_until_it_ends() {
        let passes = Passes::new("test", Duration::from_hours(1));
        let (first, second) = (passes.issue().unwrap(), passes.issue().unwrap());
        assert_eq!(first.len(), 64);
        assert!(passes.admits(first.as_bytes()) && passes.admits(second.as_bytes()));
        assert!(!passes.admits(b"") && !passes.admits(&first.as_bytes()[1..]));
        passes.revoke(first.as_bytes());
        assert!(!passes.admits(first.as_bytes()) && passes.admits(second.as_bytes()));
        let ended = Passes::new("test", Duration::ZERO);
        assert!(!ended.admits(ended.issue().unwrap().as_bytes()));
    }

    #[test]
    fn there_are_never_too_many() {
        let passes = Passes::new("test", Duration::from_hours(1));
        let first = passes.issue().unwrap();
        let rest: Vec<String> = (0..COUNT_MAX).map(|_| passes.issue().unwrap()).collect();
        assert!(!passes.admits(first.as_bytes()));
        assert!(rest.iter().all(|pass| passes.admits(pass.as_bytes())));
        assert_eq!(passes.ends.lock().unwrap().len(), COUNT_MAX);
    }

    #[test]
    fn a_pass_of_one_kind_is_none_of_another() {
        let lifetime = Duration::from_mins(1);
        let (sessions, tickets) = (Passes::new("a", lifetime), Passes::new("b", lifetime));
        let pass = sessions.issue().unwrap();
        assert!(sessions.admits(pass.as_bytes()) && !tickets.admits(pass.as_bytes()));
    }
}
