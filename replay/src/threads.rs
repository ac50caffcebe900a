//! The threads that work is spread over.

use crate::error::ReplayError;
use rayon::ThreadPool;
use rayon::prelude::*;
use tally_engine::Spread;

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

/// Independent parts, on the threads that the caller runs on.
pub(crate) struct OnAllThreads;

impl Spread for OnAllThreads {
    fn map<T: Send, R: Send>(&self, items: Vec<T>, each: impl Fn(T) -> R + Send + Sync) -> Vec<R> {
        items.into_par_iter().map(each).collect()
    }
}
