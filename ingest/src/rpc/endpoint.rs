//! One endpoint: how many requests it takes at once, how many calls in each, and when it is asked again.

use super::fault::{Fault, FaultKind};
use super::http::Http;
use super::mask::name_of;
use crate::live::metrics::ChainMetrics;
use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::RpcError;
use alloy::transports::{TransportError, TransportErrorKind};
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// After so many good answers a batch that was too much is tried again.
const FORGET_AFTER: usize = 64;

/// How often a batch is sent, the pause after the first failure, and the longest: an endpoint that asks for
/// a longer one is left to whoever knows the others.
const BATCH_ATTEMPTS: u32 = 4;
const BATCH_PAUSE: Duration = Duration::from_millis(100);
const BATCH_PAUSE_MAX: Duration = Duration::from_secs(2);

/// How much of a server's words is told.
const REASON_CHARS_MAX: usize = 400;

/// A call of JSON-RPC.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) params: Value,
}

/// What came of one call: what it gave, or how the node refused it.
pub(crate) type Answer = Result<Box<RawValue>, Fault>;

/// An endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Its scheme, host and port: all of a URL that holds no secret.
    pub(crate) name: String,
    client: RpcClient,
    http: Http,
    /// What must not be printed, should a server repeat it.
    secrets: Vec<String>,
    /// How many requests it takes at once: fewer after it complained of too many.
    slots: Semaphore,
    slots_open: AtomicUsize,
    good_answers: AtomicUsize,
    /// How many calls it takes in one batch, as far as was seen lately.
    batch_calls: AtomicUsize,
    /// It asked not to be asked before.
    rests_until: Mutex<Option<Instant>>,
    /// Its chain id, once it told.
    pub(crate) chain_id: OnceCell<u64>,
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
        Ok(Self {
            name,
            client: RpcClient::new(http.clone(), true),
            http,
            secrets,
            slots: Semaphore::new(IN_FLIGHT_MAX),
            slots_open: AtomicUsize::new(IN_FLIGHT_MAX),
            good_answers: AtomicUsize::new(0),
            batch_calls: AtomicUsize::new(BATCH_CALLS_MAX),
            rests_until: Mutex::new(None),
            chain_id: OnceCell::new(),
            keeps_logs: OnceCell::new(),
        })
    }

    pub(crate) fn received_bytes(&self) -> u64 {
        self.http.received_bytes()
    }

    /// How much longer the endpoint asked to be left alone.
    pub(crate) fn rest(&self) -> Option<Duration> {
        let until = *self.rests_until.lock().expect("nobody panics while holding it");
        until.and_then(|until| until.checked_duration_since(Instant::now())).filter(|rest| !rest.is_zero())
    }

    /// Several calls, in as many batches as it takes. The answers come in the order of the calls. A batch
    /// that fails is sent again a few times: of many batches one always may, and all of them would have
    /// to be sent again.
    pub(crate) async fn batch(&self, calls: &[Call], metrics: &ChainMetrics) -> Result<Vec<Answer>, Fault> {
        let mut answers = Vec::with_capacity(calls.len());
        let mut failed = 0;
        while answers.len() < calls.len() {
            let most = self.batch_calls.load(Ordering::Relaxed).max(1);
            let rest = &calls[answers.len()..];
            let part = &rest[..rest.len().min(most)];
            let fault = match self.send(part).await {
                Ok(part) => {
                    answers.extend(part);
                    failed = 0;
                    continue;
                }
                Err(fault) => fault,
            };
            if matches!(fault.kind, FaultKind::TooMuch | FaultKind::Timeout) && part.len() > 1 {
                // As a whole: it was the batch that was too much, not what a call asked for.
                self.batch_calls.fetch_min(part.len().div_ceil(2), Ordering::Relaxed);
                if fault.kind == FaultKind::TooMuch {
                    continue;
                }
            }
            failed += 1;
            let rest = self.rest();
            let is_long = rest.is_some_and(|rest| rest > BATCH_PAUSE_MAX);
            if failed >= BATCH_ATTEMPTS || is_long || !fault.kind.is_passing() {
                return Err(fault);
            }
            tracing::debug!(endpoint = self.name, "{} calls, sent again: {fault}", part.len());
            metrics.fault(fault.kind);
            metrics.retry();
            let pause = rest.unwrap_or(BATCH_PAUSE * failed);
            tokio::time::sleep(pause + BATCH_PAUSE.mul_f64(fastrand::f64())).await;
        }
        Ok(answers)
    }

    async fn send(&self, calls: &[Call]) -> Result<Vec<Answer>, Fault> {
        let slot = self.slots.acquire().await.map_err(|_| Fault::refused("it was closed".into()))?;
        let sent = match calls {
            [] => Ok(Vec::new()),
            [call] => {
                let answer = self.client.request::<_, Box<RawValue>>(call.method, &call.params).await;
                self.sorted(answer).map(|answer| vec![answer])
            }
            calls => self.send_batch(calls).await,
        };
        // A node in trouble may refuse only some calls of a batch: then the batch has to be sent again.
        let sent = sent.and_then(|answers| match answers.iter().find(|answer| is_passing(answer)) {
            Some(Err(fault)) => Err(fault.clone()),
            _ => Ok(answers),
        });
        match &sent {
            Ok(_) => {
                let good = self.good_answers.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
                if good.is_multiple_of(GROW_AFTER) && self.slots_open.load(Ordering::Relaxed) < IN_FLIGHT_MAX
                {
                    self.slots_open.fetch_add(1, Ordering::Relaxed);
                    self.slots.add_permits(1);
                }
                if good.is_multiple_of(FORGET_AFTER) {
                    let twice = |calls: usize| Some(calls.saturating_mul(2).min(BATCH_CALLS_MAX));
                    // It always says what is next, so that this cannot fail.
                    let _ = self.batch_calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, twice);
                }
            }
            Err(fault) if fault.kind == FaultKind::Busy => {
                if let Some(after) = fault.after {
                    let until = Instant::now() + after;
                    let mut rests = self.rests_until.lock().expect("nobody panics while holding it");
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

    async fn send_batch(&self, calls: &[Call]) -> Result<Vec<Answer>, Fault> {
        let unwritten = |error: TransportError| Fault::refused(format!("a call cannot be written: {error}"));
        let mut batch = self.client.new_batch();
        let mut waiters = Vec::with_capacity(calls.len());
        for call in calls {
            let waiter = batch.add_call::<_, Box<RawValue>>(call.method, &call.params);
            waiters.push(waiter.map_err(unwritten)?);
        }
        batch.send().await.map_err(|error| self.fault(error))?;
        let mut answers = Vec::with_capacity(calls.len());
        for waiter in waiters {
            answers.push(self.sorted(waiter.await)?);
        }
        Ok(answers)
    }

    /// Tells how a call was refused from how the request failed.
    fn sorted(&self, answer: Result<Box<RawValue>, TransportError>) -> Result<Answer, Fault> {
        match answer {
            Ok(value) => Ok(Ok(value)),
            Err(RpcError::ErrorResp(error)) => Ok(Err(self.tame(Fault::of_call(&error)))),
            // A result of `null`, which is an answer too.
            Err(RpcError::NullResp) => Ok(Ok(null())),
            Err(error) => Err(self.fault(error)),
        }
    }

    fn fault(&self, error: TransportError) -> Fault {
        let fault = match error {
            RpcError::Transport(TransportErrorKind::Custom(error)) => match error.downcast::<Fault>() {
                Ok(fault) => *fault,
                Err(error) => Fault::temporary(FaultKind::Broken, error.to_string()),
            },
            RpcError::Transport(TransportErrorKind::MissingBatchResponse(_)) => {
                Fault::temporary(FaultKind::NotJson, "a batch was answered in part".into())
            }
            RpcError::ErrorResp(error) => Fault::of_call(&error),
            // Their words may hold the answer as a whole.
            RpcError::DeserError { err, .. } => Fault::temporary(FaultKind::NotJson, err.to_string()),
            RpcError::Transport(error) => Fault::temporary(FaultKind::Broken, error.to_string()),
            RpcError::NullResp | RpcError::UnsupportedFeature(_) => {
                Fault::temporary(FaultKind::NotJson, "no answer".into())
            }
            RpcError::LocalUsageError(error) => Fault::refused(error.to_string()),
            RpcError::SerError(error) => Fault::refused(error.to_string()),
        };
        self.tame(fault)
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

fn is_passing(answer: &Answer) -> bool {
    answer.as_ref().is_err_and(|fault| fault.kind.is_passing())
}

fn null() -> Box<RawValue> {
    RawValue::from_string("null".into()).expect("is JSON")
}

/// What an answer says, strictly decoded; `None` for `null`.
pub(crate) fn decoded<T: DeserializeOwned>(what: &str, answer: Answer) -> Result<Option<T>, Fault> {
    let value = answer?;
    let odd = |error: serde_json::Error| {
        Fault::temporary(FaultKind::NotJson, format!("{what} does not decode: {error}"))
    };
    serde_json::from_str(value.get()).map_err(odd)
}

/// The parts of a URL that may be secret: user, password, path and query, as a whole and by their parts.
fn secrets_of(url: &Url) -> Vec<String> {
    let path = url.path().split('/');
    let query = url.query().unwrap_or_default();
    let pairs = query.split('&').flat_map(|pair| pair.split('='));
    let user = [url.username(), url.password().unwrap_or_default()];
    let parts = path.chain(pairs).chain(user).chain([query, url.path()]);
    // Short ones, such as `v3`, are no secrets, and would make gaps in every other word.
    let mut secrets: Vec<String> = parts.filter(|part| part.len() >= 6).map(String::from).collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
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
