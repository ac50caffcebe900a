//! Who reads the feed of a run, over kills of its own and of the server.
#![allow(
    clippy::disallowed_methods,
    reason = "when a reader dies is told by a clock; no result depends on it"
)]

use crate::serve::consumer::{Table, consume};
use fastrand::Rng;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A reader that keeps facts and cursor in a file, and dies and comes back again and again.
pub(super) struct Reader {
    path: PathBuf,
    /// Where the server listens now, if one does.
    address: Arc<Mutex<Option<String>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<(u64, u64)>>,
}

impl Reader {
    pub(super) fn start(path: &Path, seed: u64) -> Self {
        let address = Arc::new(Mutex::new(None));
        let is_over = Arc::new(AtomicBool::new(false));
        let (kept, told, over) = (path.to_owned(), Arc::clone(&address), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let mut rng = Rng::with_seed(seed ^ 1);
            let (mut facts, mut lives) = (0, 0);
            while !over.load(Ordering::Relaxed) {
                let address: Option<String> = told.lock().unwrap().clone();
                let until = Instant::now() + Duration::from_millis(rng.u64(50..1_500));
                if let Some(address) = address {
                    let news = consume(&address, &kept, rng.usize(1..6), rng.bool(), until);
                    (facts, lives) = (facts + u64::try_from(news).unwrap(), lives + 1);
                }
                // A server that is gone is not asked again at once.
                std::thread::sleep(Duration::from_millis(5));
            }
            (facts, lives)
        });
        Self { path: path.to_owned(), address, is_over, thread: Some(thread) }
    }

    /// Tells where the server is from now on.
    pub(super) fn set_address(&self, address: Option<String>) {
        *self.address.lock().unwrap() = address;
    }

    /// Ends it. Returns what it kept, how many facts it was told, and how often it began.
    pub(super) fn end(mut self) -> (Table, u64, u64) {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        let (facts, lives) = ended.unwrap_or_else(|panic| panic!("the reader: {}", super::text_of(&*panic)));
        (Table::load(&self.path), facts, lives)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}
