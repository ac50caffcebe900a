//! The threads that work is spread over.

use crate::error::ReplayError;
use rayon::ThreadPool;

/// So many threads, or rayon's own: one a core.
pub(crate) struct Threads(Option<ThreadPool>);

impl Threads {
    pub(crate) fn new(threads: Option<usize>) -> Result<Self, ReplayError> {
        let Some(threads) = threads else {
            return Ok(Self(None));
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| ReplayError::Threads { threads, reason: error.to_string() })?;
        Ok(Self(Some(pool)))
    }

    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.0 {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}
