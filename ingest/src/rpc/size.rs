//! How much an endpoint gives at once, found out by asking: blocks in a range, calls in a batch.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// After so many good answers of a full size, once one was refused, more is asked for again.
const PATIENCE_FIRST: u32 = 16;

/// The most good answers to wait for. Of an endpoint with a hard limit about one request in 30 is wasted.
const PATIENCE_MAX: u32 = 1_024;

/// So many failures in a row are of the size, whatever their words.
const FAILURES_IN_A_ROW: u32 = 3;

/// So many refusals of a size are of the size, if smaller ones are answered between them. One in three requests may fail for
/// other reasons, without this being reached often.
const REFUSALS: u32 = 5;

/// A size that is halved when it was too much, and grows again while all is well, by halves of the way to what
/// failed before.
#[derive(Debug)]
pub(crate) struct Size(Mutex<State>);

#[derive(Debug)]
struct State {
    now: u64,
    max: u64,
    /// What failed, and made it smaller.
    failed: Option<u64>,
    /// How many answers of the size of now were good.
    good: u32,
    /// How many requests in a row failed, and of what size the last was.
    bad: u32,
    bad_size: u64,
    /// After how many good answers it grows.
    patience: u32,
    /// Whether anything was given since it was made smaller.
    is_proven: bool,
    /// A size that failed for what may have been another reason, and how often it did without being given between.
    suspected: Option<(u64, u32)>,
    /// What was asked for before the first of such failures; it is asked for again as soon as less is given.
    before: Option<u64>,
    /// The size that is being tried though so much, or less, was taken for too much before.
    trial: Option<u64>,
}

impl Size {
    /// A size that begins with `first` and never exceeds `max`.
    pub(crate) fn new(first: u64, max: u64) -> Self {
        let state = State {
            now: first,
            max,
            failed: None,
            good: 0,
            bad: 0,
            bad_size: 0,
            patience: 1,
            is_proven: true,
            suspected: None,
            before: None,
            trial: None,
        };
        Self(Mutex::new(state))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much to ask for now; at least 1.
    pub(crate) fn now(&self) -> u64 {
        self.state().now
    }

    /// So much was given.
    pub(crate) fn given(&self, size: u64) {
        let mut state = self.state();
        state.is_proven = true;
        if size >= state.bad_size {
            state.bad = 0;
        }
        if state.suspected.is_some_and(|(suspected, _)| size >= suspected) {
            state.suspected = None;
        }
        if state.trial.is_some_and(|trial| size >= trial) {
            state.trial = None;
        }
        if let Some(before) = state.before {
            // Also an answer that was under way when less was asked for shows that the endpoint gives so much.
            if size >= before {
                (state.before, state.now) = (None, state.now.max(before));
            } else if size >= state.now {
                state.now = size.saturating_mul(2).min(before);
            }
            return;
        }
        // Only a full size shows that the endpoint gives so much.
        if size < state.now {
            return;
        }
        state.good = state.good.saturating_add(1);
        if state.good < state.patience {
            return;
        }
        state.good = 0;
        let now = state.now;
        let next = match state.failed {
            Some(failed) if failed.saturating_sub(now) / 2 > now / 8 => now + (failed - now) / 2,
            // As near as it matters. What failed may have had another reason, so that it is tried again one day.
            Some(_) => {
                state.failed = None;
                return;
            }
            None => now.saturating_mul(2),
        };
        state.now = next.min(state.max);
        state.trial = (state.patience > 1).then_some(state.now);
        if state.patience > PATIENCE_FIRST {
            state.patience /= 2;
        }
    }

    /// So much was asked for, and failed: now half of it is. That need not be for the size, whatever the words are. So the same
    /// is asked for again as soon as smaller requests are answered, and only several such failures make it too much.
    pub(crate) fn refused(&self, size: u64) {
        let mut state = self.state();
        if size > state.now || size <= 1 {
            return;
        }
        let times = match state.suspected {
            Some((suspected, times)) if suspected == size => times.saturating_add(1),
            _ => 1,
        };
        if state.trial == Some(size) || times >= REFUSALS {
            state.make_smaller(size);
        } else {
            state.suspected = Some((size, times));
            state.before = state.before.or(Some(state.now));
            state.now = size / 2;
        }
    }

    /// So much was asked for, and is too much beyond doubt.
    pub(crate) fn is_too_much(&self, size: u64) {
        let mut state = self.state();
        if size <= state.now && size > 1 {
            state.make_smaller(size);
        }
    }

    /// So much was asked for, and failed for a reason that is hardly the size. Only after several failures in a row less is
    /// asked for.
    pub(crate) fn failed(&self, size: u64) {
        let mut state = self.state();
        // Of an earlier request, for more; of a much smaller one, which was hardly too much; or of the least, which has
        // another reason.
        if size > state.now || size < state.now / 4 || size <= 1 {
            return;
        }
        state.bad = state.bad.saturating_add(1);
        state.bad_size = size;
        if state.bad >= FAILURES_IN_A_ROW {
            state.make_smaller(size);
        }
    }
}

impl State {
    /// Takes `size` for too much.
    fn make_smaller(&mut self, size: u64) {
        // Several failures without a good answer between them are one.
        if self.is_proven {
            self.patience = self.patience.saturating_mul(2).clamp(PATIENCE_FIRST, PATIENCE_MAX);
        }
        (self.failed, self.suspected, self.before, self.trial) = (Some(size), None, None, None);
        self.now = (size / 2).max(1);
        self.is_proven = false;
        (self.good, self.bad) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks so often, of an endpoint that gives `limit` at most; returns how many requests were refused.
    fn ask(size: &Size, times: u32, limit: u64) -> u32 {
        let mut refused = 0;
        for _ in 0..times {
            let now = size.now();
            if now > limit {
                size.refused(now);
                refused += 1;
            } else {
                size.given(now);
            }
        }
        refused
    }

    #[test]
    fn it_comes_near_a_limit_and_seldom_tries_more() {
        for limit in [1, 2, 3, 10, 200, 1_000, 10_000] {
            let size = Size::new(2_000, 100_000);
            ask(&size, 1_000, limit);
            let refused = ask(&size, 10_000, limit);
            assert!(size.now() * 10 >= limit * 4, "{} of {limit}", size.now());
            assert!(refused < 300, "{refused} of 10,000 requests were refused at a limit of {limit}");
        }
    }

    /// Asks so often, of an endpoint that fails by itself in one of `chances` requests; returns how much it gave in all.
    fn ask_unreliable(size: &Size, times: u32, limit: u64, chances: u32) -> u64 {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut given = 0;
        for _ in 0..times {
            let now = size.now();
            if now > limit || rng.u32(..chances) == 0 {
                size.refused(now);
            } else {
                size.given(now);
                given += now;
            }
        }
        given
    }

    #[test]
    fn an_unreliable_endpoint_is_asked_for_much_all_the_same() {
        for chances in [3, 4, 8, 20] {
            let size = Size::new(2_000, 2_000);
            let given = ask_unreliable(&size, 1_000, u64::MAX, chances);
            assert!(given > 400_000, "{given} with one failure in {chances}");
        }
    }

    #[test]
    fn what_was_under_way_when_less_was_asked_for_counts() {
        let size = Size::new(100, 100);
        // Once a hard limit was met, growing takes many answers.
        for _ in 0..REFUSALS {
            size.refused(100);
            size.given(50);
        }
        while size.now() < 100 {
            size.given(size.now());
        }
        // What was on trial is given.
        size.given(100);
        size.refused(100);
        assert_eq!(size.now(), 50);
        size.given(100);
        assert_eq!(size.now(), 100, "another asker got so much meanwhile");
        size.refused(100);
        size.refused(50);
        size.given(100);
        assert_eq!(size.now(), 100);
    }

    #[test]
    fn a_smaller_request_that_fails_says_nothing_of_the_one_on_trial() {
        let size = Size::new(100, 100);
        for _ in 0..REFUSALS {
            size.refused(100);
            size.given(50);
        }
        while size.now() == 50 {
            size.given(50);
        }
        let tried = size.now();
        size.refused(20);
        size.given(10);
        size.given(20);
        assert!(size.now() > 20, "{} after {tried}", size.now());
    }

    #[test]
    fn a_limit_in_words_that_nobody_knows_is_found_out() {
        for limit in [1, 10, 700] {
            let size = Size::new(2_000, 100_000);
            let given = ask_unreliable(&size, 3_000, limit, 20);
            assert!(given > 3_000 * limit / 3, "{given} at a limit of {limit}");
            assert!(size.now() <= 2 * limit, "{}", size.now());
        }
    }

    #[test]
    fn it_grows_at_once_where_nothing_is_refused() {
        let size = Size::new(2_000, 100_000);
        assert_eq!(ask(&size, 10, u64::MAX), 0);
        assert_eq!(size.now(), 100_000);
        size.given(5);
        assert_eq!(size.now(), 100_000);
    }

    #[test]
    fn an_outage_is_forgotten() {
        let size = Size::new(100, 100);
        for _ in 0..50 {
            size.refused(size.now());
        }
        assert_eq!(size.now(), 1);
        ask(&size, 500, u64::MAX);
        assert_eq!(size.now(), 100);
    }

    #[test]
    fn what_fails_by_itself_does_not_keep_it_small() {
        let size = Size::new(64, 64);
        while size.now() > 1 {
            size.refused(size.now());
        }
        for _ in 0..20 {
            size.given(1);
            size.refused(1);
        }
        let answers = (1..1_000).find(|_| {
            size.given(size.now());
            size.now() == 64
        });
        assert!(answers.is_some_and(|answers| answers < 200), "{answers:?}");
    }

    #[test]
    fn one_failure_among_good_answers_changes_nothing_unless_it_was_refused() {
        let size = Size::new(100, 100);
        for _ in 0..100 {
            size.given(100);
            size.given(100);
            size.failed(100);
        }
        assert_eq!(size.now(), 100);
        for _ in 0..FAILURES_IN_A_ROW {
            size.failed(100);
        }
        assert_eq!(size.now(), 50, "several in a row do");
        size.refused(100);
        assert_eq!(size.now(), 50, "a failure of an earlier, larger request tells nothing");
        size.refused(50);
        assert_eq!(size.now(), 25, "what was refused is asked for in halves at once");
        size.given(25);
        assert_eq!(size.now(), 50, "and whole as soon as a half is answered");
    }
}
