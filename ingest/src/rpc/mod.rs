//! Asking nodes over JSON-RPC: with retries, from several endpoints, and never trusting an answer.
//!
//! alloy's client takes a batch that was answered in part, or by one error, for one that was not answered; its own
//! retry layer waits the same time again and again, and its fall-back layer asks several endpoints at once and does
//! not see an answer that is wrong. So an attempt here is everything that has to come from one endpoint together,
//! checks included: what fails them is tried again, elsewhere if there is an elsewhere.

mod attempt;
mod endpoint;
mod envelope;
mod error;
mod fault;
mod http;
mod mask;
mod size;
mod teller;

pub(crate) use attempt::Attempt;
pub(crate) use endpoint::{BATCH_CALLS_MAX, Endpoint, decoded};
pub(crate) use envelope::{Answer, Call, call};
pub use error::RpcError;
pub(crate) use fault::Fault;
pub use fault::FaultKind;
pub use mask::mask_urls;
pub(crate) use size::Size;

use crate::json::Quantity;
use crate::metrics::{ChainMetrics, Metrics};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tally_eventlog::{Chain, LogIdentity};
use teller::{Teller, WAIT_TOLD};
use tokio::time::Instant;

/// The first pause between two rounds over all endpoints. Each is twice the one before.
const PAUSE_FIRST: Duration = Duration::from_millis(250);

/// The longest pause: as long as a provider's short outage.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// From this pause on, whoever watches is told.
const PAUSE_TOLD: Duration = Duration::from_secs(1);

/// After so many rounds that fail in the same way something else is tried.
const PATIENT_ROUNDS: u32 = 3;

/// How many rounds of a busy node count as one: with 10 rounds, a single run waits for it for about 20 minutes.
const BUSY_ROUNDS: u32 = 4;

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

/// The endpoints of a chain, and which of them is asked first.
#[derive(Debug)]
pub(crate) struct Rpc {
    chain: Chain,
    chain_id: u64,
    endpoints: Vec<Arc<Endpoint>>,
    preferred: AtomicUsize,
    rounds_max: u32,
    /// Whether requests are tried until they succeed, unless every endpoint refuses them.
    is_forever: bool,
    /// Whether the chain is to be followed: then a refusal at the start is not taken for the last word.
    is_following: bool,
    metrics: ChainMetrics,
    teller: Teller,
}

/// A round in which no endpoint gave an answer.
struct Failed {
    /// The last fault, and whose it was; `None` if all endpoints are resting.
    last: Option<(Arc<Endpoint>, Fault)>,
    /// Whether all of them refused, and whether none can be used.
    is_refused: bool,
    is_unfit: bool,
}

impl Rpc {
    /// Looks at all endpoints of a chain. At least one has to answer, and each that does has to be of the
    /// chain; one that turns out to be of another chain later is not used. With `forever`, later requests are tried
    /// until they succeed.
    pub(crate) async fn connect(
        chain: Chain,
        identity: &LogIdentity,
        options: &Endpoints,
        forever: bool,
        metrics: &Metrics,
    ) -> Result<Self, RpcError> {
        let (chain_id, metrics) = (identity.chain_id(chain), metrics.chain(chain));
        let unusable = |reason| RpcError::Endpoints { chain, reason };
        if options.urls.is_empty() {
            return Err(unusable("it has no endpoint".into()));
        }
        let endpoints = options.urls.iter().map(|url| Endpoint::new(url, options.timeout).map(Arc::new));
        let endpoints = endpoints.collect::<Result<Vec<_>, _>>().map_err(unusable)?;
        let preferred = AtomicUsize::new(0);
        let rounds_max = options.rounds_max;
        let (is_following, is_forever) = (forever, false);
        let teller = Teller::default();
        let mut rpc = Self {
            chain,
            chain_id,
            endpoints,
            preferred,
            rounds_max,
            is_forever,
            is_following,
            metrics,
            teller,
        };
        let found = rpc.ask("its chain id", |_| async { Ok(()) }).await;
        for endpoint in &rpc.endpoints {
            // Those that do not answer are asked when they are needed.
            if found.is_ok()
                && endpoint.chain_id.get().is_none()
                && let Err(error) = rpc.check_chain(endpoint).await.map_err(|fault| endpoint.tame(fault))
            {
                tracing::warn!(chain = chain.name(), endpoint = endpoint.name, "not usable now: {error}");
            }
            if let Some(found) = endpoint.chain_id.get().filter(|found| **found != chain_id) {
                let (endpoint, expected) = (endpoint.name.clone(), chain_id);
                return Err(RpcError::OtherChain { chain, endpoint, expected, found: *found });
            }
        }
        found?;
        rpc.is_forever = forever;
        Ok(rpc)
    }

    /// The names of its endpoints.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
        names.join(", ")
    }

    /// Who is asked first.
    pub(crate) fn preferred(&self) -> usize {
        self.preferred.load(Ordering::Relaxed)
    }

    /// Asks this one first again.
    pub(crate) fn prefer(&self, endpoint: usize) {
        self.preferred.store(endpoint, Ordering::Relaxed);
    }

    /// What the endpoint that answered last gave does not fit together: another one is asked next, if there is one.
    pub(crate) fn doubt(&self) {
        let next = |index: usize| Some(index.wrapping_add(1) % self.endpoints.len());
        // It always says what is next, so that this cannot fail.
        let _ = self.preferred.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// How many endpoints there are.
    pub(crate) fn endpoints(&self) -> usize {
        self.endpoints.len()
    }

    pub(crate) fn chain(&self) -> Chain {
        self.chain
    }

    /// Checks the chain id of an endpoint, which it has to tell once.
    async fn check_chain(&self, endpoint: &Endpoint) -> Result<(), Fault> {
        let told = endpoint.chain_id.get_or_try_init(|| async {
            self.metrics.requests("eth_chainId", 1);
            let calls = [call("eth_chainId", Value::Array(Vec::new()))];
            let answer = endpoint.batch(&calls, &self.metrics).await?.pop();
            let answer = answer.ok_or_else(|| Fault::inconsistent("no answer".into()))?;
            let id: Option<Quantity> = decoded("its chain id", answer)?;
            id.map(|id| id.0).ok_or_else(|| Fault::inconsistent("its chain id is null".into()))
        });
        let (found, expected) = (*told.await?, self.chain_id);
        if found != expected {
            return Err(Fault::unfit(format!("it has chain id {found}, and the network {expected}")));
        }
        Ok(())
    }

    /// Makes attempts, each at one endpoint, until one succeeds.
    pub(crate) async fn ask<T, F, Fut>(&self, what: &str, attempt: F) -> Result<T, RpcError>
    where
        F: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        self.ask_until(1, false, what, attempt).await
    }

    /// The same for what is of `blocks` blocks, on the way to a chain's head. `None` if it is of several, and no endpoint
    /// gave it, for whatever reason: less has to be asked for, as `size` says by then. Who follows the chain has to look
    /// at its head anew where no endpoint has a block.
    pub(crate) async fn ask_of<T, F, Fut>(
        &self,
        size: &Size,
        blocks: u64,
        what: &str,
        attempt: F,
    ) -> Result<Option<T>, RpcError>
    where
        F: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        match self.ask_until(blocks, self.is_forever, what, attempt).await {
            Err(error @ RpcError::TooMuch { .. }) => {
                size.refused(blocks);
                tracing::debug!(chain = self.chain.name(), size = size.now(), "asking for less: {error}");
                Ok(None)
            }
            found => found.map(Some),
        }
    }

    async fn ask_until<T, F, Fut>(
        &self,
        blocks: u64,
        ends_behind: bool,
        what: &str,
        attempt: F,
    ) -> Result<T, RpcError>
    where
        F: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        let (mut attempts, mut rounds, mut busy_rounds) = (0_u32, 0_u32, 0_u32);
        let (mut unfit_rounds, mut refused_rounds) = (0_u32, 0_u32);
        let mut pause = PAUSE_FIRST;
        loop {
            let failed = match self.round(what, &attempt, &mut attempts).await {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            let failed_kind = failed.last.as_ref().map(|(_, fault)| fault.kind);
            if let Some((endpoint, Fault { kind, reason, .. })) = failed.last {
                let (chain, what, endpoint) = (self.chain, what.to_owned(), endpoint.name.clone());
                // Smaller requests are no help to a node that is down, or has too many of them.
                let is_patient =
                    kind == FaultKind::Connect || kind == FaultKind::Busy && busy_rounds < PATIENT_ROUNDS;
                if blocks > 1 && !is_patient {
                    return Err(RpcError::TooMuch { chain, what, endpoint, reason });
                }
                if ends_behind && kind == FaultKind::Behind && rounds >= PATIENT_ROUNDS {
                    return Err(RpcError::Behind { chain, what, endpoint, reason });
                }
                let endpoints = self.endpoints.len();
                unfit_rounds = if failed.is_unfit { unfit_rounds.saturating_add(1) } else { 0 };
                // Who follows a chain may see a node's bad hours, in which it refuses what it gave before; and of several
                // nodes behind one name some may be fit.
                refused_rounds = if failed.is_refused { refused_rounds.saturating_add(1) } else { 0 };
                let refused_max = if self.is_following && !failed.is_unfit { self.rounds_max } else { 1 };
                let is_over = if self.is_forever {
                    unfit_rounds >= self.rounds_max
                } else {
                    refused_rounds >= refused_max
                };
                if is_over {
                    return Err(RpcError::Refused { chain, what, endpoint, endpoints, reason });
                }
                // A busy node is not a broken one: it is given more time.
                let is_busy = kind == FaultKind::Busy;
                let rounds_now = if is_busy { &mut busy_rounds } else { &mut rounds };
                *rounds_now = rounds_now.saturating_add(1);
                let most = self.rounds_max.saturating_mul(if is_busy { BUSY_ROUNDS } else { 1 });
                if *rounds_now >= most && !self.is_forever {
                    let rounds = rounds.saturating_add(busy_rounds);
                    return Err(RpcError::GaveUp {
                        chain,
                        what,
                        attempts,
                        rounds,
                        endpoints,
                        endpoint,
                        kind,
                        reason,
                    });
                }
                if pause >= PAUSE_TOLD {
                    tracing::warn!(
                        chain = chain.name(),
                        endpoint,
                        "{what} failed {attempts} times, and is tried again: {reason}"
                    );
                }
            }
            if matches!(failed_kind, Some(FaultKind::Behind | FaultKind::Inconsistent)) && fastrand::bool() {
                self.skip_turn().await;
            }
            self.metrics.retry();
            let rests = self.endpoints.iter().map(|endpoint| endpoint.rest()).min().flatten();
            if let Some(rest) = rests {
                // All of them asked to be left alone for a while.
                if rest >= PAUSE_TOLD && self.teller.tells_wait(Instant::now()) {
                    let (chain, secs) = (self.chain.name(), rest.as_secs().saturating_add(1));
                    tracing::warn!(
                        chain,
                        "all endpoints ask to be left alone: waiting {secs} s before {what} is asked again"
                    );
                }
                tokio::time::sleep(rest + jitter(PAUSE_FIRST)).await;
            } else {
                tokio::time::sleep(pause / 2 + jitter(pause)).await;
                pause = pause.saturating_mul(2).min(PAUSE_MAX);
            }
        }
    }

    /// Makes one request too many. Where two nodes take turns behind one name, an attempt of an even number of requests
    /// would meet the same of them at the same place for ever.
    async fn skip_turn(&self) {
        let index = self.preferred.load(Ordering::Relaxed) % self.endpoints.len();
        if let Some(endpoint) = self.endpoints.get(index) {
            let calls = [call("eth_chainId", Value::Array(Vec::new()))];
            // Whatever it says.
            let _ = endpoint.batch(&calls, &self.metrics).await;
        }
    }

    /// One attempt at each endpoint, until one succeeds; else the last one's fault.
    pub(crate) async fn once<T, F, Fut>(&self, what: &str, attempt: F) -> Result<T, Fault>
    where
        F: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        let failed = match self.round(what, &attempt, &mut 0).await {
            Ok(value) => return Ok(value),
            Err(failed) => failed,
        };
        let resting = || Fault::busy("all endpoints asked to be left alone".into(), None);
        Err(failed.last.map_or_else(resting, |(_, fault)| fault))
    }

    /// What comes of an attempt; whoever watches is told if that takes long.
    async fn waited<T>(
        &self,
        what: &str,
        endpoint: &Endpoint,
        mut attempt: impl Future<Output = T> + Unpin,
    ) -> T {
        let began = Instant::now();
        loop {
            match tokio::time::timeout(WAIT_TOLD, &mut attempt).await {
                Ok(made) => return made,
                Err(_) if self.teller.tells_wait(Instant::now()) => {
                    let (chain, secs) = (self.chain.name(), began.elapsed().as_secs());
                    tracing::info!(chain, endpoint = endpoint.name, "waiting for {what}, {secs} s so far");
                }
                Err(_) => {}
            }
        }
    }

    async fn round<T, F, Fut>(&self, what: &str, attempt: &F, attempts: &mut u32) -> Result<T, Failed>
    where
        F: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        let count = self.endpoints.len();
        let first = self.preferred.load(Ordering::Relaxed);
        let (mut last, mut refused, mut unfit) = (None, 0, 0);
        for offset in 0..count {
            let index = first.wrapping_add(offset) % count;
            let endpoint = &self.endpoints[index];
            if endpoint.rest().is_some() {
                continue;
            }
            // Behind a pointer: an attempt holds much, and each future around it would hold that twice.
            let made = Box::pin(async {
                self.check_chain(endpoint).await?;
                attempt(Attempt { endpoint: endpoint.clone(), metrics: self.metrics.clone() }).await
            });
            let made = self.waited(what, endpoint, made).await;
            self.metrics.received_bytes(self.endpoints.iter().map(|endpoint| endpoint.received_bytes()));
            *attempts = attempts.saturating_add(1);
            let fault = match made {
                Ok(value) => {
                    self.teller.count(Instant::now(), None);
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(value);
                }
                // Also where it was found in an answer: an error of decoding repeats what it read.
                Err(fault) => endpoint.tame(fault),
            };
            self.metrics.fault(fault.kind);
            if let Some(told) = self.teller.count(Instant::now(), Some(&fault)) {
                tracing::warn!(chain = self.chain.name(), endpoint = endpoint.name, "{told}");
            }
            tracing::debug!(chain = self.chain.name(), endpoint = endpoint.name, "{what}: {fault}");
            refused += usize::from(matches!(
                fault.kind,
                FaultKind::Refused | FaultKind::Reverted | FaultKind::Unfit
            ));
            unfit += usize::from(fault.kind == FaultKind::Unfit);
            // One that cannot be reached says nothing of what was asked for: what another one says counts.
            let says_more = fault.kind != FaultKind::Connect;
            if last.is_none() || says_more {
                last = Some((endpoint.clone(), fault));
            }
        }
        Err(Failed { last, is_refused: refused == count, is_unfit: unfit == count })
    }
}

/// Anything up to `most`, so that those who wait do not all come back at once.
fn jitter(most: Duration) -> Duration {
    most.mul_f64(fastrand::f64())
}
