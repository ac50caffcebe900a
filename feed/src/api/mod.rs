//! The API: what can be asked, and how it is answered.
//!
//! Every answer is of one moment, a [`View`], and of one policy. It names both, and its `ETag` is a digest of them, so
//! that whoever has it is told so without anything being computed. What takes long is done by few at a time, apart from
//! the threads that answer.

mod accept;
mod blocks;
mod calls;
mod changes;
mod claims;
mod distributions;
mod epochs;
mod facts;
mod feed;
mod input;
mod openapi;
mod pool;
mod production;
mod proof;
mod sequencers;
mod status;
mod stream;
mod table;
mod whatif;

use accept::Form;
use input::PageCursor;

pub(crate) use input::Pin;
pub(crate) use openapi::answers as described_answers;
pub use openapi::openapi_json;

use crate::error::FeedError;
use crate::health::Health;
use crate::http::Problem;
use crate::metrics::FeedMetrics;
use crate::told::Feed;
use crate::view::{PolicyView, View};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use input::bad;
use serde::Serialize;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tally_claims::ClaimsError;
use tally_replay::ReplayError;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// How many answers that take long are worked out at a time.
const HEAVY_MAX: usize = 2;

/// How long a request waits for its turn.
const HEAVY_WAIT: Duration = Duration::from_secs(5);

/// How many moments are kept beside the present one, so that a list can be read to its end while the log grows. Each has
/// the files of its log open.
const EARLIER_KEPT: usize = 4;

/// How many entries a page has, unless asked otherwise, and at most.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;

/// What answers are made of.
pub(crate) struct Api {
    /// The moment to answer of; `None` before the first.
    pub(crate) views: watch::Receiver<Option<Arc<View>>>,
    pub(crate) health: Health,
    pub(crate) metrics: FeedMetrics,
    /// Permits to read the feed as a stream, or to wait for it.
    pub(crate) streams: Arc<Semaphore>,
    heavy: Arc<Semaphore>,
    /// The audit reads everything: it has a turn of its own.
    audits: Arc<Semaphore>,
    /// A bundle takes as long as its client does: it has a turn of its own.
    bundles: Arc<Semaphore>,
    /// Becomes true when streams have to end.
    pub(crate) stop: watch::Receiver<bool>,
    /// The last moments before the present one, the newest first: pages of their lists go on.
    earlier: Mutex<VecDeque<Arc<View>>>,
}

/// What answers are made of, shared.
pub(crate) type Shared = Arc<Api>;

impl Api {
    pub(crate) fn new(
        views: watch::Receiver<Option<Arc<View>>>,
        health: Health,
        metrics: FeedMetrics,
        streams_max: usize,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let streams = Arc::new(Semaphore::new(streams_max));
        let [heavy, audits, bundles] = [HEAVY_MAX, 1, 1].map(|turns| Arc::new(Semaphore::new(turns)));
        Self { views, health, metrics, streams, heavy, audits, bundles, stop, earlier: Mutex::default() }
    }

    /// Keeps a moment that is not the present one any more; returns those that are forgotten, which take a while to close.
    pub(crate) fn keep(&self, before: Option<Arc<View>>) -> Vec<Arc<View>> {
        let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = before {
            earlier.push_front(view);
        }
        let kept = earlier.len().min(EARLIER_KEPT);
        earlier.split_off(kept).into()
    }

    /// The state that answers are of from now on.
    pub(crate) fn view(&self) -> Result<Arc<View>, Problem> {
        self.views.borrow().clone().ok_or_else(|| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "nothing is folded yet").retry_after(1)
        })
    }

    /// The present moment, and which of its policies is asked for.
    fn moment(&self, policy: Option<&str>) -> Result<Moment, Problem> {
        Self::moment_in(self.view()?, policy)
    }

    /// A moment, with which of its policies is asked for.
    fn moment_in(view: Arc<View>, policy: Option<&str>) -> Result<Moment, Problem> {
        let index = match policy {
            None => 0,
            Some(name) => {
                let mut policies = view.policies.iter().map(|policy| &policy.replayed.policy);
                policies.position(|policy| policy.is_called(name)).ok_or_else(|| {
                    let served: Vec<&str> =
                        view.policies.iter().map(|policy| policy.replayed.policy.name()).collect();
                    Problem::new(StatusCode::NOT_FOUND, "unknown-policy", "no such policy is served")
                        .with("policies", served)
                })?
            }
        };
        Ok(Moment { view, index })
    }

    /// Until the feed of policy `index` is as it should be, or time is up: either is answered, with what there is.
    async fn wait(&self, secs: u64, index: usize, is_right: impl Fn(&Feed) -> bool) -> Result<(), Problem> {
        let _permit = stream::permit(self)?;
        let (mut views, mut stop) = (self.views.clone(), self.stop.clone());
        let is_there = |view: &View| view.policies.get(index).is_none_or(|policy| is_right(&policy.feed));
        let newer = async {
            loop {
                if views.borrow_and_update().as_deref().is_none_or(is_there) {
                    return;
                }
                tokio::select! {
                    changed = views.changed() => if changed.is_err() { return },
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        };
        // What is served in the end is looked at by whoever waited.
        let _ = tokio::time::timeout(Duration::from_secs(secs), newer).await;
        Ok(())
    }

    /// The moment of a page that ended at `cursor`: the present one, or one that is kept.
    fn moment_of(&self, now: &Moment, cursor: &PageCursor) -> Result<Moment, Problem> {
        if now.policy().state() == cursor.state {
            return Ok(now.clone());
        }
        let index = now.index;
        let is_it =
            |view: &&Arc<View>| view.policies.get(index).is_some_and(|policy| policy.state() == cursor.state);
        let earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = earlier.iter().find(is_it) {
            return Ok(Moment { view: Arc::clone(view), index });
        }
        let detail =
            "the page before was of a state that is not kept any more: begin again, without `cursor`";
        Err(Problem::new(StatusCode::CONFLICT, "moved", detail).with("feed", json!(now.policy().at.feed)))
    }

    /// Works something out that takes long.
    async fn heavy<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        in_turn(&self.heavy, work).await
    }
}

/// Works something out that takes long, in its turn. Who gives up waiting for it does not make room for another: the
/// work goes on.
async fn in_turn<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let worked = in_turn_held(turns, work).await?;
    worked.await.unwrap_or_else(|error| Err(broken(&FeedError::from(error))))
}

/// What is kept, or else what `work` gives, which is then kept.
fn kept_or<T>(kept: &OnceLock<T>, work: impl FnOnce() -> Result<T, Problem>) -> Result<&T, Problem> {
    if let Some(known) = kept.get() {
        return Ok(known);
    }
    let made = work()?;
    Ok(kept.get_or_init(|| made))
}

/// Begins to work something out in its turn, and does not wait for it.
async fn in_turn_held<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Problem> {
    let permit = tokio::time::timeout(HEAVY_WAIT, Arc::clone(turns).acquire_owned()).await;
    let Ok(Ok(permit)) = permit else {
        let detail = "too many such answers are being worked out";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(1));
    };
    Ok(tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    }))
}

/// A moment, and one of its policies.
#[derive(Clone)]
struct Moment {
    view: Arc<View>,
    index: usize,
}

impl Moment {
    fn policy(&self) -> &PolicyView {
        &self.view.policies[self.index]
    }

    /// The tag of an answer: one form of it is other bytes than another.
    fn etag(&self, form: Form) -> HeaderValue {
        let etag = &self.policy().etag;
        let named = match form {
            Form::Json | Form::Events => None,
            Form::Csv => etag.to_str().ok().and_then(|tag| {
                HeaderValue::from_str(&format!("{}-csv\"", tag.strip_suffix('"').unwrap_or(tag))).ok()
            }),
        };
        named.unwrap_or_else(|| etag.clone())
    }

    /// The answer of somebody who has it already, by the `If-None-Match` of the request.
    fn not_modified(&self, headers: &HeaderMap, form: Form) -> Option<Response> {
        let etag = self.etag(form);
        let has = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(
            |value| {
                let mut tags = value.split(',').map(str::trim);
                tags.any(|tag| {
                    tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag.as_bytes()
                })
            },
        );
        has.then(|| (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response())
    }

    /// An answer that is text already.
    fn text(&self, json: Bytes) -> Response {
        self.formed(json, Form::Json, "application/json")
    }

    /// An answer as CSV.
    fn csv(&self, text: Vec<u8>) -> Response {
        self.formed(text.into(), Form::Csv, "text/csv; charset=utf-8; header=present")
    }

    fn formed(&self, text: Bytes, form: Form, media_type: &'static str) -> Response {
        let mut response = Response::new(Body::from(text));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::ETAG, self.etag(form));
        response
    }

    fn answer(&self, answer: &impl Serialize) -> Result<Response, Problem> {
        Ok(self.text(text_of(answer)?))
    }
}

fn text_of(answer: &impl Serialize) -> Result<Bytes, Problem> {
    serde_json::to_vec(answer).map(Bytes::from).map_err(|error| broken(&error.into()))
}

/// Something that should not be: the operator is told what, and the client that it is so.
pub(crate) fn broken(error: &FeedError) -> Problem {
    tracing::error!("an answer could not be worked out: {error}");
    let detail = "the answer could not be worked out; the operator was told why";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "broken", detail)
}

/// That what is asked for lies beyond what is folded: what is missing, and how far that goes.
fn gap(policy: &PolicyView, detail: String) -> Problem {
    let at = &policy.at;
    let next = at.stopped.next_l2_block.or(at.horizon.and_then(|horizon| horizon.l2_block.checked_add(1)));
    Problem::new(StatusCode::CONFLICT, "gap", detail)
        .with("missing", json!({ "from_l2_block": next, "reason": at.stopped.reason }))
        .with("horizon", json!(at.horizon))
        .with("l1_head", json!(at.log.l1_head))
        .with("l2_head", json!(at.log.l2_head))
}

/// That what is asked for is not final yet, with how far that goes.
fn not_final(policy: &PolicyView, detail: String) -> Problem {
    let at = &policy.at;
    let next = at.final_horizon.and_then(|horizon| horizon.l2_block.checked_add(1));
    Problem::new(StatusCode::CONFLICT, "gap", detail)
        .with("missing", json!({ "from_l2_block": next, "reason": "not_final" }))
        .with("horizon", json!(at.final_horizon))
        .with("l1_head", json!(at.final_l1_head))
        .with("l2_head", json!(at.final_l2_head))
}

/// Why what was asked of the log's claims is not answered.
fn refusal(policy: &PolicyView, error: ClaimsError) -> Problem {
    match error {
        ClaimsError::Backwards { .. }
        | ClaimsError::TakesNoEth { .. }
        | ClaimsError::SeveralSequencers { .. } => bad("bad-range", error.to_string()),
        ClaimsError::Replay(ReplayError::L1OutOfRange { .. })
        | ClaimsError::BeyondLog { .. }
        | ClaimsError::BeyondHorizon { .. }
        | ClaimsError::NoSuchSequencer { .. }
        | ClaimsError::UnknownSequencer { .. } => gap(policy, error.to_string()),
        ClaimsError::NotFlat { .. } => Problem::new(StatusCode::CONFLICT, "not-flat", error.to_string()),
        ClaimsError::NoL1
        | ClaimsError::L1Behind { .. }
        | ClaimsError::NotAnnounced { .. }
        | ClaimsError::Unfinished { .. }
        | ClaimsError::Unsettled { .. }
        | ClaimsError::TooFewSpans { .. }
        | ClaimsError::NoClosedEpoch { .. } => not_final(policy, error.to_string()),
        ClaimsError::NoSender { .. }
        | ClaimsError::NoNext { .. }
        | ClaimsError::BeforeStart { .. }
        | ClaimsError::NobodyToPay { .. }
        | ClaimsError::Blocked { .. }
        | ClaimsError::NoReward { .. } => {
            Problem::new(StatusCode::CONFLICT, "not-payable", error.to_string())
        }
        ClaimsError::Log(_)
        | ClaimsError::Replay(_)
        | ClaimsError::Span(_)
        | ClaimsError::Pool(_)
        | ClaimsError::Amount { .. }
        | ClaimsError::Unbalanced { .. }
        | ClaimsError::ExitBackwards { .. }
        | ClaimsError::TooManyBlocks { .. }
        | ClaimsError::NoEnd { .. }
        | ClaimsError::TooFast { .. }
        | ClaimsError::TooManyDecimals { .. }
        | ClaimsError::NoBlockSecs { .. }
        | ClaimsError::NotWhole { .. }
        | ClaimsError::HeadTime { .. }
        | ClaimsError::NoValue { .. }
        | ClaimsError::PaidByContract { .. }
        | ClaimsError::NoneClosed { .. }
        | ClaimsError::NotClosed { .. }
        | ClaimsError::NoLeaf { .. }
        | ClaimsError::Undistributed { .. }
        | ClaimsError::NeverLocked { .. }
        | ClaimsError::RegistryTooLong { .. }
        | ClaimsError::NoRegistry { .. }
        | ClaimsError::Drawing(_) => broken(&error.into()),
    }
}

/// The routes that say whether the server works.
pub(crate) fn health_router(api: Shared) -> Router {
    let router = Router::new().route("/healthz", get(status::healthz)).route("/readyz", get(status::readyz));
    router.with_state(api)
}

/// Everything that can be asked.
pub(crate) fn router(api: Shared) -> Router {
    let asked = Router::new()
        .route("/openapi.json", get(openapi::serve))
        .route("/v1/status", get(status::status))
        .route("/v1/sequencers", get(sequencers::list))
        .route("/v1/sequencers/{id}", get(sequencers::one))
        .route("/v1/sequencers/{id}/epochs", get(epochs::of_sequencer))
        .route("/v1/sequencers/{id}/ledger", get(blocks::ledger))
        .route("/v1/sequencers/{id}/statement", get(claims::statement))
        .route("/v1/sequencers/{id}/claim", get(claims::claim))
        .route("/v1/accounts", get(claims::accounts_at))
        .route("/v1/sequencers/{id}/production", get(production::of_sequencer))
        .route("/v1/sequencers/{id}/production/epochs", get(production::of_sequencer_by_epoch))
        .route("/v1/production", get(production::all))
        .route("/v1/production/epochs", get(production::all_by_epoch))
        .route("/v1/calls/{action}", get(calls::one))
        .route("/v1/calls/{action}/safe", get(calls::safe))
        .route("/v1/epochs", get(epochs::list))
        .route("/v1/epochs/{n}", get(epochs::one))
        .route("/v1/blocks", get(blocks::list))
        .route("/v1/blocks/{n}", get(epochs::block))
        .route("/v1/pool", get(pool::one))
        .route("/v1/batches", get(pool::batches))
        .route("/v1/batches/{n}", get(pool::batch))
        .route("/v1/batches/next", get(pool::next_batch))
        .route("/v1/rates", get(pool::rates))
        .route("/v1/rates/next", get(pool::next_rate))
        .route("/v1/whatif", get(whatif::one))
        .route("/v1/audit", get(pool::audit))
        .route("/v1/distributions", get(distributions::list))
        .route("/v1/distributions/{n}", get(distributions::one))
        .route("/v1/distributions/{n}/leaves", get(distributions::leaves))
        .route("/v1/facts/{fact}", get(facts::one))
        .route("/v1/feed", get(feed::feed))
        .route("/v1/changes", get(changes::changes))
        .route("/v1/receipt", get(proof::receipt))
        .route("/v1/bundle", get(proof::bundle))
        .route_layer(from_fn(accept::take_format))
        .with_state(Arc::clone(&api));
    health_router(api).merge(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    #[test]
    fn who_gets_no_turn_is_told_to_come_back() {
        let turns = Arc::new(Semaphore::new(1));
        turns.close();
        let refused = runtime().block_on(in_turn(&turns, || Ok(1)));
        let response = refused.unwrap_err().into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }

    #[test]
    fn work_that_panics_is_told_as_a_fault_of_the_server() {
        let turns = Arc::new(Semaphore::new(1));
        let failed =
            runtime().block_on(in_turn(&turns, || -> Result<(), Problem> { panic!("of this test") }));
        assert_eq!(failed.unwrap_err().into_response().status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(turns.available_permits(), 1, "its turn is given back");
    }
}
