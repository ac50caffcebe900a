//! What whoever watches is told of requests that take long or fail: not each time, but never nothing for long.

use super::fault::Fault;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// From when on somebody who waits for an answer is told so, and how often at most.
pub(super) const WAIT_TOLD: Duration = Duration::from_secs(2);
const WAITS_TOLD_EVERY: Duration = Duration::from_secs(10);

/// Over which time attempts that fail are counted together, from how many on they are told, and of which part of all.
const COUNTED: Duration = Duration::from_mins(1);
const FAILED_MIN: u64 = 10;
const ONE_IN: u64 = 10;

/// Counts attempts, and knows what was told last.
#[derive(Debug, Default)]
pub(super) struct Teller(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the minute began that is counted, and what was counted since.
    began: Option<Instant>,
    attempts: u64,
    failed: u64,
    /// When somebody was told last that an answer is waited for.
    waiting: Option<Instant>,
}

impl Teller {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it is to be told now that an answer is waited for.
    pub(super) fn tells_wait(&self, now: Instant) -> bool {
        self.with(|state| {
            let is_due = state.waiting.is_none_or(|told| now.duration_since(told) >= WAITS_TOLD_EVERY);
            if is_due {
                state.waiting = Some(now);
            }
            is_due
        })
    }

    /// Counts an attempt; what is to be told of the last minute if many of its attempts failed.
    pub(super) fn count(&self, now: Instant, fault: Option<&Fault>) -> Option<String> {
        self.with(|state| {
            let began = *state.began.get_or_insert(now);
            state.attempts = state.attempts.saturating_add(1);
            state.failed = state.failed.saturating_add(u64::from(fault.is_some()));
            let secs = now.duration_since(began);
            let fault = fault.filter(|_| secs >= COUNTED)?;
            let State { attempts, failed, .. } = *state;
            (state.began, state.attempts, state.failed) = (Some(now), 0, 0);
            let is_told = failed >= FAILED_MIN && failed.saturating_mul(ONE_IN) >= attempts;
            let secs = secs.as_secs();
            is_told.then(|| {
                format!("{failed} of {attempts} attempts failed in {secs} s, the last one so: {fault}")
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts an attempt each 100 ms, of which the last of each so many fails, for two minutes; returns what was told.
    fn two_minutes(fails: u64) -> Vec<String> {
        let (teller, began) = (Teller::default(), Instant::now());
        let fault = Fault::refused("no".into());
        let attempts = 0..1_300_u64;
        let told = attempts.filter_map(|at| {
            let now = began + Duration::from_millis(100 * at);
            teller.count(now, Some(&fault).filter(|_| at % fails == fails - 1))
        });
        told.collect()
    }

    #[test]
    fn many_failures_are_told_once_a_minute() {
        let told = ["201 of 603", "200 of 600"]
            .map(|part| format!("{part} attempts failed in 60 s, the last one so: no"));
        assert_eq!(two_minutes(3), told);
        assert_eq!(two_minutes(50), [""; 0]);
    }

    #[test]
    fn a_wait_is_told_at_once_and_then_not_too_often() {
        let (teller, began) = (Teller::default(), Instant::now());
        let told = (0..25).filter(|secs| teller.tells_wait(began + Duration::from_secs(*secs)));
        assert_eq!(told.collect::<Vec<_>>(), [0, 10, 20]);
    }
}
