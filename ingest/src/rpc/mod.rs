//! Asking nodes over JSON-RPC: with retries, from several endpoints, and never trusting an answer.
//!
//! alloy's client writes and matches requests; its own retry layer waits the same time again and again,
//! and its fall-back layer asks several endpoints at once and does not see an answer that is wrong. So an
//! attempt here is everything that has to come from one endpoint together, checks included: what fails
//! them is tried again, elsewhere if there is an elsewhere.

mod endpoint;
mod fault;
mod http;
mod mask;

pub(crate) use endpoint::{Answer, BATCH_CALLS_MAX, Call, Endpoint, decoded};
pub(crate) use fault::Fault;
pub use fault::FaultKind;
pub use mask::mask_urls;

use crate::json::Quantity;
use crate::live::metrics::ChainMetrics;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The first pause between two rounds over all endpoints. Each is twice the one before.
const PAUSE_FIRST: Duration = Duration::from_millis(250);

/// The longest pause: as long as a provider's short outage.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// From this pause on, whoever watches is told.
const PAUSE_TOLD: Duration = Duration::from_secs(4);

/// How many rounds of a busy node count as one.
const BUSY_ROUNDS: u32 = 30;

/// An answer that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The endpoints of a chain cannot be used.
    #[error("{chain}: {reason}")]
    Endpoints {
        /// Which chain.
        chain: &'static str,
        /// Why.
        reason: String,
    },
    /// An endpoint of another chain.
    #[error("{chain}: {endpoint} has chain id {found}, and the network {expected}")]
    OtherChain {
        /// Which chain.
        chain: &'static str,
        /// Which endpoint.
        endpoint: String,
        /// The network's chain id.
        expected: u64,
        /// The endpoint's.
        found: u64,
    },
    /// Every attempt failed.
    #[error("{chain}: {what} failed {attempts} times, the last time at {endpoint}: {reason}")]
    GaveUp {
        /// Which chain.
        chain: &'static str,
        /// What was asked for.
        what: String,
        /// How often.
        attempts: u32,
        /// Of whom, the last time.
        endpoint: String,
        /// What kind of fault it was.
        kind: FaultKind,
        /// How it failed.
        reason: String,
    },
    /// Every endpoint refused it, and would again.
    #[error("{chain}: {endpoint} refused {what}: {reason}")]
    Refused {
        /// Which chain.
        chain: &'static str,
        /// What was asked for.
        what: String,
        /// Of whom.
        endpoint: String,
        /// In its own words.
        reason: String,
    },
    /// More was asked for than an endpoint gives at once.
    #[error("{chain}: {endpoint} does not give {what} at once: {reason}")]
    TooMuch {
        /// Which chain.
        chain: &'static str,
        /// What was asked for.
        what: String,
        /// Of whom.
        endpoint: String,
        /// In its own words.
        reason: String,
        /// How many blocks it would give, if it says so.
        blocks_max: Option<u64>,
    },
}

/// How to reach a chain.
#[derive(Clone)]
pub struct Endpoints {
    /// The URLs, the preferred one first. They may hold secrets.
    pub urls: Vec<String>,
    /// How long to wait for an answer.
    pub timeout: Duration,
    /// How many rounds over all endpoints to try, with pauses of up to 30 s between them.
    pub rounds_max: u32,
}

/// A chain's endpoints.
#[derive(Debug)]
pub(crate) struct Rpc {
    chain: &'static str,
    chain_id: u64,
    endpoints: Vec<Arc<Endpoint>>,
    preferred: AtomicUsize,
    /// `None`: for ever.
    rounds_max: Option<u32>,
    metrics: ChainMetrics,
}

impl Rpc {
    /// Looks at all endpoints of a chain. At least one has to answer, and each that does has to be of the
    /// chain. With `forever`, later requests are tried until they succeed.
    pub(crate) async fn connect(
        chain: &'static str,
        chain_id: u64,
        options: &Endpoints,
        forever: bool,
        metrics: ChainMetrics,
    ) -> Result<Self, RpcError> {
        let unusable = |reason| RpcError::Endpoints { chain, reason };
        if options.urls.is_empty() {
            return Err(unusable("it has no endpoint".into()));
        }
        let endpoints = options.urls.iter().map(|url| Endpoint::new(url, options.timeout).map(Arc::new));
        let endpoints = endpoints.collect::<Result<Vec<_>, _>>().map_err(unusable)?;
        let preferred = AtomicUsize::new(0);
        let rounds_max = Some(options.rounds_max);
        let mut rpc = Self { chain, chain_id, endpoints, preferred, rounds_max, metrics };
        rpc.ask("its chain id", |_| async { Ok(()) }).await?;
        for endpoint in &rpc.endpoints {
            // Those that do not answer are asked when they are needed.
            if endpoint.chain_id.get().is_none()
                && let Err(error) = rpc.check_chain(endpoint).await?.map_err(|fault| endpoint.tame(fault))
            {
                tracing::warn!(chain, endpoint = endpoint.name, "not usable now: {error}");
            }
        }
        if forever {
            rpc.rounds_max = None;
        }
        Ok(rpc)
    }

    pub(crate) fn chain(&self) -> &'static str {
        self.chain
    }

    /// Checks the chain id of an endpoint, once. The inner error is of an endpoint that could not tell.
    async fn check_chain(&self, endpoint: &Endpoint) -> Result<Result<(), Fault>, RpcError> {
        let told = endpoint.chain_id.get_or_try_init(|| async {
            self.metrics.requests("eth_chainId", 1);
            let mut answers =
                endpoint.batch(&[call("eth_chainId", Value::Array(Vec::new()))], &self.metrics).await?;
            let Some(answer) = answers.pop() else {
                return Err(Fault::inconsistent("no answer".into()));
            };
            let id: Option<Quantity> = decoded("its chain id", answer)?;
            id.map(|id| id.0).ok_or_else(|| Fault::inconsistent("its chain id is null".into()))
        });
        match told.await {
            Err(fault) => Ok(Err(fault)),
            Ok(found) if *found == self.chain_id => Ok(Ok(())),
            Ok(found) => Err(RpcError::OtherChain {
                chain: self.chain,
                endpoint: endpoint.name.clone(),
                expected: self.chain_id,
                found: *found,
            }),
        }
    }

    /// Makes attempts, each at one endpoint, until one succeeds.
    pub(crate) async fn ask<T, F, Fut>(&self, what: &str, attempt: F) -> Result<T, RpcError>
    where
        F: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        self.ask_of(1, what, attempt).await
    }

    /// The same for what is of `blocks` blocks. If it is of several, and too much for an endpoint or not
    /// given in time by any, that is an error at once: less can be asked for.
    pub(crate) async fn ask_of<T, F, Fut>(&self, blocks: u64, what: &str, attempt: F) -> Result<T, RpcError>
    where
        F: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        let count = self.endpoints.len();
        let (mut attempts, mut rounds, mut busy_rounds) = (0_u32, 0_u32, 0_u32);
        let mut pause = PAUSE_FIRST;
        loop {
            let mut last = None;
            let mut late = None;
            let mut refused = 0_usize;
            for offset in 0..count {
                let index = (self.preferred.load(Ordering::Relaxed) + offset) % count;
                let endpoint = &self.endpoints[index];
                if endpoint.rest().is_some() {
                    continue;
                }
                let made = match self.check_chain(endpoint).await? {
                    Ok(()) => {
                        let (endpoint, metrics) = (endpoint.clone(), self.metrics.clone());
                        attempt(Attempt { endpoint, metrics }).await
                    }
                    Err(fault) => Err(fault),
                };
                self.metrics.received_bytes(self.endpoints.iter().map(|endpoint| endpoint.received_bytes()));
                attempts = attempts.saturating_add(1);
                let fault = match made {
                    Ok(value) => {
                        self.preferred.store(index, Ordering::Relaxed);
                        return Ok(value);
                    }
                    // Also where it was found in an answer: an error of decoding repeats what it read.
                    Err(fault) => endpoint.tame(fault),
                };
                self.metrics.fault(fault.kind);
                tracing::debug!(chain = self.chain, endpoint = endpoint.name, "{what}: {fault}");
                if blocks > 1 && fault.kind == FaultKind::TooMuch {
                    return Err(self.too_much(what, endpoint, fault));
                }
                if blocks > 1 && fault.kind == FaultKind::Timeout {
                    late = Some((endpoint, fault.clone()));
                }
                refused += usize::from(fault.kind == FaultKind::Refused);
                last = Some((endpoint, fault));
            }
            // Some nodes do not say that it was too much, but run out of time.
            if let Some((endpoint, fault)) = late {
                return Err(self.too_much(what, endpoint, fault));
            }
            if let Some((endpoint, Fault { kind, reason, .. })) = last {
                let (chain, what, endpoint) = (self.chain, what.to_owned(), endpoint.name.clone());
                if refused == count {
                    return Err(RpcError::Refused { chain, what, endpoint, reason });
                }
                // A busy node is not a broken one: it is given more time.
                let rounds = if kind == FaultKind::Busy { &mut busy_rounds } else { &mut rounds };
                *rounds = rounds.saturating_add(1);
                let most = if kind == FaultKind::Busy { BUSY_ROUNDS } else { 1 };
                if self.rounds_max.is_some_and(|max| *rounds >= max.saturating_mul(most)) {
                    return Err(RpcError::GaveUp { chain, what, attempts, endpoint, kind, reason });
                }
                if pause >= PAUSE_TOLD {
                    tracing::warn!(
                        chain,
                        endpoint,
                        "{what} failed {attempts} times, and is tried again: {reason}"
                    );
                }
            }
            self.metrics.retry();
            let rests = self.endpoints.iter().map(|endpoint| endpoint.rest()).min().flatten();
            if let Some(rest) = rests {
                // All of them asked to be left alone for a while.
                tokio::time::sleep(rest + jitter(PAUSE_FIRST)).await;
            } else {
                tokio::time::sleep(pause / 2 + jitter(pause)).await;
                pause = pause.saturating_mul(2).min(PAUSE_MAX);
            }
        }
    }

    fn too_much(&self, what: &str, endpoint: &Endpoint, fault: Fault) -> RpcError {
        let (chain, what, endpoint) = (self.chain, what.to_owned(), endpoint.name.clone());
        let Fault { reason, blocks_max, .. } = fault;
        RpcError::TooMuch { chain, what, endpoint, reason, blocks_max }
    }
}

/// One attempt, at one endpoint.
pub(crate) struct Attempt {
    pub(crate) endpoint: Arc<Endpoint>,
    metrics: ChainMetrics,
}

impl Attempt {
    /// Makes calls; their answers come in the same order.
    pub(crate) async fn batch(&self, calls: &[Call]) -> Result<Vec<Answer>, Fault> {
        for part in calls.chunk_by(|left, right| left.method == right.method) {
            let count = u64::try_from(part.len()).unwrap_or(u64::MAX);
            self.metrics.requests(part.first().map_or("", |call| call.method), count);
        }
        let answers = self.endpoint.batch(calls, &self.metrics).await?;
        if answers.len() != calls.len() {
            return Err(Fault::inconsistent(format!("{} answers to {} calls", answers.len(), calls.len())));
        }
        Ok(answers)
    }

    /// Makes calls of one kind, none of which may be refused, and decodes what they give.
    pub(crate) async fn all<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        calls: &[Call],
    ) -> Result<Vec<Option<T>>, Fault> {
        self.batch(calls).await?.into_iter().map(|answer| decoded(what, answer)).collect()
    }
}

/// A call.
pub(crate) fn call(method: &'static str, params: Value) -> Call {
    Call { method, params }
}

/// Anything up to `most`, so that those who wait do not all come back at once.
fn jitter(most: Duration) -> Duration {
    most.mul_f64(fastrand::f64())
}
