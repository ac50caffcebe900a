//! One endpoint: how many requests it takes at once, how many calls in each, and when it is asked again.

use super::envelope::{Answer, Call, answers_in, body_of};
use super::fault::{Fault, FaultKind};
use super::http::{ANSWER_BYTES_MAX, Http, HttpAnswer};
use super::mask::{name_of, secrets_of};
use super::size::Size;
use crate::metrics::ChainMetrics;
use reqwest::Url;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

/// How many requests are in flight at most.
const IN_FLIGHT_MAX: usize = 8;

/// After so many good answers one more request is let fly again.
const GROW_AFTER: usize = 32;

/// How many calls a batch holds at most. A block with its transactions has about 10 kB, so that a full
/// batch is a megabyte.
pub(crate) const BATCH_CALLS_MAX: usize = 100;

/// How many bytes the answers to one list of calls may have in all: they are held in memory together.
const ANSWERS_BYTES_MAX: usize = 2 * ANSWER_BYTES_MAX;

/// How often a request that cannot be made smaller is sent, the pause after the first failure, and the longest: an
/// endpoint that asks for a longer one is left to whoever knows the others.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How much of a server's words is told.
const REASON_CHARS_MAX: usize = 400;

/// An endpoint, and what was learned of it by asking.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Its scheme, host and port: all of a URL that holds no secret.
    pub(crate) name: String,
    http: Http,
    /// What must not be printed, should a server repeat it.
    secrets: Vec<String>,
    /// How many requests it takes at once: fewer after it complained of too many.
    slots: Semaphore,
    slots_open: AtomicUsize,
    good_answers: AtomicUsize,
    /// How many calls it takes in one batch.
    batch_calls: Size,
    /// It asked not to be asked before.
    rests_until: Mutex<Option<Instant>>,
    /// Its chain id, once it told.
    pub(crate) chain_id: OnceCell<u64>,
    /// Whether its head was looked at before.
    is_seen: AtomicBool,
    /// Whether several nodes were seen to answer the calls of one request.
    is_several: AtomicBool,
    /// Set once it showed that it keeps old logs.
    pub(crate) keeps_logs: OnceCell<()>,
}

impl Endpoint {
    pub(crate) fn new(url: &str, timeout: Duration) -> Result<Self, String> {
        // A URL that does not parse may be a secret one with a slip in it.
        let url: Url = url.parse().map_err(|error| format!("a URL of an endpoint is wrong: {error}"))?;
        let name = name_of(&url);
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{name}: only http and https are supported"));
        }
        let secrets = secrets_of(&url);
        let http = Http::new(url, timeout).map_err(|error| format!("{name}: {}", error.without_url()))?;
        let calls_max = to_u64(BATCH_CALLS_MAX);
        Ok(Self {
            name,
            http,
            secrets,
            slots: Semaphore::new(IN_FLIGHT_MAX),
            slots_open: AtomicUsize::new(IN_FLIGHT_MAX),
            good_answers: AtomicUsize::new(0),
            batch_calls: Size::new(calls_max, calls_max),
            rests_until: Mutex::new(None),
            chain_id: OnceCell::new(),
            is_seen: AtomicBool::new(false),
            is_several: AtomicBool::new(false),
            keeps_logs: OnceCell::new(),
        })
    }

    pub(crate) fn received_bytes(&self) -> u64 {
        self.http.received_bytes()
    }

    /// How much longer the endpoint asked to be left alone.
    pub(crate) fn rest(&self) -> Option<Duration> {
        let until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.and_then(|until| until.checked_duration_since(Instant::now())).filter(|rest| !rest.is_zero())
    }

    /// Whether its head is looked at for the first time.
    pub(crate) fn is_seen_first(&self) -> bool {
        !self.is_seen.swap(true, Ordering::Relaxed)
    }

    /// The calls of one request were answered by several nodes: from now on nothing counts as coming together.
    pub(crate) fn is_of_several_nodes(&self) {
        if !self.is_several.swap(true, Ordering::Relaxed) {
            tracing::info!(endpoint = self.name, "several nodes answer the calls of one request");
        }
    }

    /// How many calls it takes in one batch, by what was seen so far.
    fn batch_calls(&self) -> usize {
        usize::try_from(self.batch_calls.now()).unwrap_or(BATCH_CALLS_MAX).max(1)
    }

    /// Several calls, in as many batches as it takes. The answers come in the order of the calls.
    ///
    /// What a batch of several calls leaves open, for whatever reason and in whatever words, is asked again in batches
    /// of half the size, down to single calls; only the answer to a single call is a refusal of that call. Where it may
    /// have had a passing reason, the same is sent once more before.
    pub(crate) async fn batch(&self, calls: &[Call], metrics: &ChainMetrics) -> Result<Vec<Answer>, Fault> {
        let mut answers: Vec<Option<Answer>> = calls.iter().map(|_| None).collect();
        let mut open: Vec<usize> = (0..calls.len()).collect();
        let mut most = usize::MAX;
        let (mut failures, mut is_second) = (0, false);
        // The size of a batch that failed twice: it may have been too large, if a smaller one is answered.
        let mut blamed = None;
        let mut bytes = 0_usize;
        while !open.is_empty() {
            let size = open.len().min(self.batch_calls()).min(most);
            let part: Vec<&Call> = open[..size].iter().map(|place| &calls[*place]).collect();
            let (found, fault) = match self.send(&part).await {
                Ok(found) => (found, None),
                Err(fault) => (Vec::new(), Some(fault)),
            };
            let mut first_refused = None;
            let mut still_open = Vec::new();
            let found = found.into_iter().chain(std::iter::repeat_with(|| None));
            for (place, answer) in open[..size].iter().zip(found) {
                match answer {
                    Some(Ok(value)) => {
                        if let Some(blamed) = blamed.take_if(|blamed| size < *blamed) {
                            self.batch_calls.failed(to_u64(blamed));
                        }
                        bytes = bytes.saturating_add(value.get().len());
                        answers[*place] = Some(Ok(value));
                    }
                    // In a larger batch it may have been the batch that was refused.
                    Some(Err(fault)) => {
                        still_open.push(*place);
                        first_refused.get_or_insert(fault);
                    }
                    None => still_open.push(*place),
                }
            }
            if bytes > ANSWERS_BYTES_MAX {
                return Err(too_many_bytes());
            }
            if still_open.is_empty() {
                self.batch_calls.given(to_u64(size));
                (most, failures, is_second) = (most.saturating_mul(2), 0, false);
                open.drain(..size);
                continue;
            }
            let refused = fault.is_none();
            let fault = fault.or(first_refused);
            let fault = fault.unwrap_or_else(|| not_answered(still_open.len(), size));
            let has_progress = still_open.len() < size;
            open.splice(..size, still_open);
            if has_progress {
                failures = 0;
            }
            if size > 1 {
                let is_too_much = fault.kind == FaultKind::TooMuch;
                if is_too_much {
                    self.batch_calls.refused(to_u64(size));
                } else if fault.kind == FaultKind::Timeout {
                    self.batch_calls.failed(to_u64(size));
                }
                // Half of it may take as long.
                if fault.kind == FaultKind::Timeout && !refused {
                    return Err(fault);
                }
                let is_busy = fault.kind == FaultKind::Busy;
                is_second = !is_second && !has_progress && fault.kind.is_passing() && !is_busy;
                if !is_second {
                    most = (size / 2).max(1);
                    if !has_progress && !is_too_much {
                        blamed.get_or_insert(size);
                    }
                    if fault.kind != FaultKind::Connect {
                        failures = 0;
                    }
                }
            } else if !fault.kind.is_passing() || failures + 1 >= ATTEMPTS {
                if !refused {
                    return Err(fault);
                }
                // The call itself is refused.
                answers[open.remove(0)] = Some(Err(fault));
                failures = 0;
                continue;
            }
            // Smaller batches are tried at once, unless it is no matter of their size.
            if size == 1 || is_second || matches!(fault.kind, FaultKind::Busy | FaultKind::Connect) {
                failures += 1;
                self.pause(&fault, failures, metrics).await?;
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Groups of calls, each of which is sent in one request, as whoever answers it is then one node. `None` if the
    /// endpoint does not take so many calls in one, or gives them to several nodes. The answers to a group come in the order
    /// of its calls. Where nothing else will do (`insists`), an endpoint that did not take so many before is tried again.
    pub(crate) async fn together(
        &self,
        groups: &[Vec<Call>],
        insists: bool,
        metrics: &ChainMetrics,
    ) -> Result<Option<Vec<Vec<Answer>>>, Fault> {
        let mut answers = Vec::with_capacity(groups.len());
        let mut most = usize::MAX;
        let (mut failures, mut is_second) = (0, false);
        let mut bytes = 0_usize;
        while let Some(first) = groups.get(answers.len()) {
            let calls_max = if insists { self.batch_calls().max(first.len()) } else { self.batch_calls() };
            if first.len() > calls_max || self.is_several.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let mut calls = 0;
            let fits = |group: &&Vec<Call>| {
                calls += group.len();
                calls <= calls_max
            };
            let part: Vec<&Vec<Call>> = groups[answers.len()..].iter().take(most).take_while(fits).collect();
            let calls: Vec<&Call> = part.iter().copied().flatten().collect();
            let sent = self.send(&calls).await;
            let fault = match sent {
                Ok(found) if found.iter().all(|answer| matches!(answer, Some(Ok(_)))) => {
                    self.batch_calls.given(to_u64(calls.len()));
                    let lens = found.iter().flatten().flatten().map(|value| value.get().len());
                    bytes = lens.fold(bytes, usize::saturating_add);
                    if bytes > ANSWERS_BYTES_MAX {
                        return Err(too_many_bytes());
                    }
                    let mut found = found.into_iter().flatten();
                    answers.extend(part.iter().map(|group| found.by_ref().take(group.len()).collect()));
                    (most, failures, is_second) = (most.saturating_mul(2), 0, false);
                    continue;
                }
                Ok(found) => {
                    let open = found.iter().filter(|answer| answer.is_none()).count();
                    let refused = found.into_iter().flatten().find_map(Result::err);
                    refused.unwrap_or_else(|| not_answered(open, calls.len()))
                }
                Err(fault) => fault,
            };
            failures += 1;
            if part.len() > 1 {
                if fault.kind == FaultKind::TooMuch {
                    self.batch_calls.refused(to_u64(calls.len()));
                }
                is_second = !is_second && fault.kind.is_passing();
                if !is_second {
                    most = part.len() / 2;
                    failures = 0;
                }
            } else if failures >= ATTEMPTS || !fault.kind.is_passing() {
                // It may be the batch that is refused, or what is asked for in it.
                self.answers_apart(&calls).await?;
                tracing::debug!(endpoint = self.name, "no batches of {} calls: {fault}", calls.len());
                // Tried four times, with pauses, while each call alone was answered: that is no chance.
                self.batch_calls.is_too_much(to_u64(calls.len()));
                return Ok(None);
            }
            if part.len() == 1 || is_second || matches!(fault.kind, FaultKind::Busy | FaultKind::Connect) {
                self.pause(&fault, failures, metrics).await?;
            }
        }
        Ok(Some(answers))
    }

    /// Checks that each of some calls is answered by itself.
    async fn answers_apart(&self, calls: &[&Call]) -> Result<(), Fault> {
        for call in calls {
            match self.send(&[call]).await?.pop().flatten() {
                Some(answer) => drop(answer?),
                None => return Err(not_answered(1, 1)),
            }
        }
        Ok(())
    }

    /// Waits before the same is sent again; a fault if that would take longer than it takes to ask another endpoint.
    async fn pause(&self, fault: &Fault, failures: u32, metrics: &ChainMetrics) -> Result<(), Fault> {
        let rest = self.rest();
        if failures >= ATTEMPTS || rest.is_some_and(|rest| rest > PAUSE_MAX) {
            return Err(fault.clone());
        }
        tracing::debug!(endpoint = self.name, "sent again: {fault}");
        metrics.fault(fault.kind);
        metrics.retry();
        tokio::time::sleep(rest.unwrap_or(PAUSE * failures) + PAUSE.mul_f64(fastrand::f64())).await;
        Ok(())
    }

    /// Sends one request. `None` is a call that was not answered.
    async fn send(&self, calls: &[&Call]) -> Result<Vec<Option<Answer>>, Fault> {
        let slot = self.slots.acquire().await.map_err(|_| Fault::refused("it was closed".into()))?;
        let sent = self.post(calls).await;
        match &sent {
            Ok(_) => {
                let good = self.good_answers.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
                if good.is_multiple_of(GROW_AFTER) && self.slots_open.load(Ordering::Relaxed) < IN_FLIGHT_MAX
                {
                    self.slots_open.fetch_add(1, Ordering::Relaxed);
                    self.slots.add_permits(1);
                }
            }
            Err(fault) if fault.kind == FaultKind::Busy => {
                if let Some(after) = fault.after {
                    let until = Instant::now() + after;
                    let mut rests = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
                    *rests = Some(rests.map_or(until, |rests| rests.max(until)));
                }
                // Take one slot away, but never the last.
                let fewer = |open: usize| if open > 1 { Some(open - 1) } else { None };
                if self.slots_open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok() {
                    slot.forget();
                }
            }
            Err(_) => {}
        }
        sent
    }

    async fn post(&self, calls: &[&Call]) -> Result<Vec<Option<Answer>>, Fault> {
        let answered = async {
            let HttpAnswer { body, otherwise } = self.http.post(body_of(calls)?).await?;
            let answers = answers_in(&body, calls);
            // A status that says why it does not answer says more than the words of an error beside it.
            let is_busy = otherwise.kind == FaultKind::Busy;
            let is_whole = |answers: &Vec<Option<Answer>>| answers.iter().flatten().all(Result::is_ok);
            match answers {
                Err(fault) if fault.kind == FaultKind::NotJson => Err(otherwise),
                answers if is_busy && !answers.as_ref().is_ok_and(is_whole) => Err(otherwise),
                answers => answers,
            }
        };
        let mut answers = answered.await.map_err(|fault| self.tame(fault))?;
        for answer in answers.iter_mut().flatten() {
            if let Err(fault) = answer {
                *fault = self.tame(fault.clone());
            }
        }
        Ok(answers)
    }

    /// Takes out what of the URL a server may have repeated, and cuts what is left: whoever answers is not
    /// trusted to be brief, or to send text that a terminal takes well.
    pub(crate) fn tame(&self, mut fault: Fault) -> Fault {
        for secret in &self.secrets {
            fault.reason = fault.reason.replace(secret.as_str(), "…");
        }
        fault.reason =
            fault.reason.chars().filter(|char| !char.is_control()).take(REASON_CHARS_MAX).collect();
        fault
    }
}

fn too_many_bytes() -> Fault {
    Fault::too_much(format!("answers above the {ANSWERS_BYTES_MAX} bytes that they may have together"))
}

fn not_answered(open: usize, calls: usize) -> Fault {
    Fault::temporary(
        FaultKind::NotJson,
        format!("{open} of the {calls} calls in a request were not answered"),
    )
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// What an answer says, strictly decoded; `None` for `null`.
pub(crate) fn decoded<T: DeserializeOwned>(what: &str, answer: Answer) -> Result<Option<T>, Fault> {
    let value = answer?;
    let odd = |error: serde_json::Error| {
        Fault::temporary(FaultKind::NotJson, format!("{what} does not decode: {error}"))
    };
    serde_json::from_str(value.get()).map_err(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_host_and_port_of_a_url_are_ever_shown() {
        let url = "https://user:hunter22@rpc.example.org:8443/v3/0123456789abcdef?token=s3cr3ts3cr3t";
        let endpoint = Endpoint::new(url, Duration::from_secs(1)).expect("is a URL");
        assert_eq!(endpoint.name, "https://rpc.example.org:8443");
        let echoed = Fault::refused("cannot POST /v3/0123456789abcdef (token s3cr3ts3cr3t, hunter22)".into());
        assert_eq!(endpoint.tame(echoed).reason, "cannot POST … (token …, …)");
        let hostile = Fault::refused(format!("\u{1b}[2J{}", "x".repeat(1_000_000)));
        let tamed = endpoint.tame(hostile).reason;
        assert!(tamed.len() <= REASON_CHARS_MAX && !tamed.contains('\u{1b}'));
        let late = Fault::refused(format!("{}hunter22", "x".repeat(REASON_CHARS_MAX - 4)));
        assert!(!endpoint.tame(late).reason.contains("hunt"), "nor a part of it");
        let error =
            Endpoint::new("htps//rpc.example.org/secret-key", Duration::from_secs(1)).expect_err("wrong");
        assert!(!error.contains("secret"), "{error}");
        let error =
            Endpoint::new("ftp://rpc.example.org/secret-key", Duration::from_secs(1)).expect_err("wrong");
        assert_eq!(error, "ftp://rpc.example.org: only http and https are supported");
    }
}
