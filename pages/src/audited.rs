//! What the audit found last. It reads the whole log, which takes longer than a page may: a page shows the last one that is
//! done, which says how far it reaches, while the next one is on its way.

use std::sync::{Arc, Mutex, PoisonError};
use tally_feed::{Pinned, Refusal};
use tally_wire::AuditAnswer;

/// The question whose answer is kept.
pub(crate) const QUESTION: &str = "/v1/audit?limit=100";

/// The last audit, and whether another is on its way.
#[derive(Default)]
pub(crate) struct Audited(Mutex<Last>);

#[derive(Default)]
struct Last {
    found: Option<Arc<Found>>,
    is_asking: bool,
}

/// What an audit found, and of which state it is.
pub(crate) struct Found {
    tag: Vec<u8>,
    pub(crate) answer: AuditAnswer,
}

impl Audited {
    fn with<T>(&self, f: impl FnOnce(&mut Last) -> T) -> T {
        // Whoever held it only ever sets a field.
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What tells the last audit from others, while it is of another state than this: a page shows another once it is of this
    /// one. Nothing otherwise, and before the first, which is waited for.
    pub(crate) fn stale(&self, pinned: &Pinned) -> Vec<u8> {
        let tag = tag_of(pinned);
        let found = self.with(|last| last.found.as_ref().map(|found| found.tag.clone()));
        found.filter(|found| *found != tag).unwrap_or_default()
    }

    /// The last audit. Only the first is waited for; if it is not of this state, the next one is begun.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if there is none yet, and none could be made.
    pub(crate) async fn last(self: &Arc<Self>, pinned: &Pinned) -> Result<Arc<Found>, Refusal> {
        let tag = tag_of(pinned);
        let known = self.with(|last| last.found.clone());
        let Some(found) = known else {
            return self.ask(pinned, tag).await;
        };
        let has_to_ask = found.tag != tag && !self.with(|last| std::mem::replace(&mut last.is_asking, true));
        if has_to_ask {
            let (audited, pinned) = (Arc::clone(self), pinned.clone());
            let asking = Asking(audited);
            tokio::spawn(async move {
                // What went wrong is told to the operator by whoever answers, and asked again for the next page.
                let _ = asking.0.ask(&pinned, tag).await;
            });
        }
        Ok(found)
    }

    async fn ask(&self, pinned: &Pinned, tag: Vec<u8>) -> Result<Arc<Found>, Refusal> {
        let found = Arc::new(Found { tag, answer: pinned.ask(QUESTION).await? });
        self.with(|last| last.found = Some(Arc::clone(&found)));
        Ok(found)
    }
}

/// An audit that is on its way, until this is dropped, however it ends.
struct Asking(Arc<Audited>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.with(|last| last.is_asking = false);
    }
}

fn tag_of(pinned: &Pinned) -> Vec<u8> {
    pinned.tag().map(|tag| tag.as_bytes().to_vec()).unwrap_or_default()
}
