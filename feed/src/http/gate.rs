//! What every request passes on its way to a handler, and every answer on its way back.

use super::coding::{IfWorthIt, tag, take_suffixes};
use super::guard::{Guard, HEALTH, SESSION_END_PATH, SESSION_PATH, TICKETS_PATH};
use super::limiter::Limiter;
use super::metrics::Route;
use super::pump::pumped;
use super::session::FORM_BYTES_MAX;
use super::{HttpMetrics, Problem};
use crate::pages::{ShownProblems, reads_pages};
use axum::body::HttpBody;
use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::{HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::{Either, FutureExt, TryFutureExt};
use std::any::Any;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tower::{Layer, Service};
use tower_http::CompressionLevel;
use tower_http::compression::Compression;

/// What is answered to POST; everything else is only read.
const POSTED: [&str; 3] = [SESSION_PATH, SESSION_END_PATH, TICKETS_PATH];

/// The limits and permissions by which the gate lets requests in.
pub(super) struct GateRules {
    /// The rule by which requests are let in.
    pub(super) guard: Arc<Guard>,
    /// How often, if that is limited.
    pub(super) limiter: Option<Limiter>,
    /// How long a handler may take to begin its answer.
    pub(super) handler: Duration,
    /// How long a form may take to come, with its answer.
    pub(super) form: Duration,
    /// How long a client may take nothing of an answer.
    pub(super) write: Duration,
    /// The counters of requests and refusals.
    pub(super) metrics: HttpMetrics,
    /// Permits for answers under way over HTTP/2, where a connection can have many: there are as many as connections, so
    /// that they take no more memory than those over HTTP/1.
    pub(super) answers: Arc<Semaphore>,
    /// Permits to send a form, for which nobody has to show a token.
    pub(super) forms: Arc<Semaphore>,
    /// What shows problems to browsers; `None` for problems as they are, to everybody.
    pub(super) pages: Option<ShownProblems>,
}

/// Whether a request brings the form of a session.
fn is_form(request: &Request) -> bool {
    request.uri().path() == SESSION_PATH && request.method() == Method::POST
}

impl GateRules {
    /// Whether a request gets to a handler, or else what it is answered. The first rule that it breaks is told.
    fn admit(&self, request: &mut Request) -> Result<(), Problem> {
        let is_health = request.uri().path() == HEALTH;
        if !self.guard.admits(request) {
            self.metrics.unauthorized();
            let detail = "show a token that is known, as `Authorization: Bearer TOKEN`";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail));
        }
        if let Some(limiter) = self.limiter.as_ref().filter(|_| !is_health)
            && let Err(wait_secs) = limiter.check(client(request).ip())
        {
            self.metrics.limited();
            let detail = format!("too many requests: the next one may come in {wait_secs} s");
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail);
            return Err(problem.retry_after(wait_secs));
        }
        let path = request.uri().path();
        let is_posted = POSTED.contains(&path);
        let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
        if !is_read && !is_posted {
            let detail = "nothing can be changed here: only GET and HEAD are answered";
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail));
        }
        let is_form = is_form(request);
        let bytes = request.body().size_hint();
        let bytes_max = if is_form { u64::from(FORM_BYTES_MAX) } else { 0 };
        if bytes.lower() > bytes_max || (!is_form && bytes.upper() != Some(0)) {
            let detail = if is_form {
                "the form of a session is too long"
            } else {
                "no request of this kind has a body"
            };
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail));
        }
        if !is_form {
            // What is not read here is thrown away by hyper, or its connection closed.
            drop(std::mem::take(request.body_mut()));
        }
        Ok(())
    }

    /// A permit for a request that needs one, and whether it is for the answer.
    fn permit(&self, request: &Request) -> Result<Option<(OwnedSemaphorePermit, bool)>, Problem> {
        let is_form = is_form(request);
        let permits = if is_form {
            &self.forms
        } else if request.version() == Version::HTTP_2 && request.uri().path() != HEALTH {
            &self.answers
        } else {
            return Ok(None);
        };
        Arc::clone(permits).try_acquire_owned().map(|permit| Some((permit, !is_form))).map_err(|_| {
            let detail = "too many answers are under way";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(1)
        })
    }
}

/// The address that a request comes from.
fn client(request: &Request) -> SocketAddr {
    let client = request.extensions().get::<ConnectInfo<SocketAddr>>();
    client.expect("each connection's service says whose it is").0
}

/// Sets what all answers have.
fn finish(response: &mut Response, suffixed: &[HeaderValue], is_public: bool) {
    let status = response.status();
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    } else if status == StatusCode::METHOD_NOT_ALLOWED && !headers.contains_key(header::ALLOW) {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        // What a cookie lets in, a cache that others share must not keep.
        let kept = if is_public { "no-cache" } else { "private, no-cache" };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    }
    tag(status, headers, suffixed);
}

/// Tells of a handler that panicked; its client learns nothing of it.
fn panicked(route: &Route, panic: &(dyn Any + Send)) -> Problem {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text");
    tracing::error!("the handler of {} panicked: {text}", route.label());
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something is wrong with this server")
}

/// Puts a [`Gate`] before each route, and before what answers when there is none.
#[derive(Clone)]
pub(super) struct GateLayer(pub(super) Arc<GateRules>);

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, route: S) -> Gate<S> {
        // Answers are made anew with each block, so they are not worth more time than this.
        let route = Compression::new(route).quality(CompressionLevel::Fastest);
        let route = route.no_br().no_deflate().no_zstd().compress_when(IfWorthIt);
        Gate { route, rules: Arc::clone(&self.0) }
    }
}

/// A route behind its gate.
#[derive(Clone)]
pub(super) struct Gate<S> {
    route: Compression<S, IfWorthIt>,
    rules: Arc<GateRules>,
}

impl<S> Service<Request> for Gate<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.route.get_mut().poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let since = Instant::now();
        let route = Route::of(request.extensions().get::<MatchedPath>());
        let rules = Arc::clone(&self.rules);
        let is_public = rules.guard.tokens().is_none();
        let reader = rules.pages.as_ref().filter(|_| reads_pages(request.headers()));
        let shown_to = reader.map(|pages| (pages.clone(), request.uri().path().to_owned()));
        let show = move |response: Response| match &shown_to {
            Some((pages, path)) => pages.show(response, path),
            None => response,
        };
        let admitted = rules.admit(&mut request).and_then(|()| rules.permit(&request));
        let permit = match admitted {
            Ok(permit) => permit,
            Err(problem) => {
                let mut response = show(problem.into_response());
                finish(&mut response, &[], is_public);
                rules.metrics.answered(route, response.status().as_u16(), None);
                return Box::pin(ready(Ok(response)));
            }
        };
        let wait = if is_form(&request) { rules.form } else { rules.handler };
        let suffixed = take_suffixes(request.headers_mut());
        // Who asks for no coding is not to pay for it.
        let answer = if request.headers().contains_key(header::ACCEPT_ENCODING) {
            let answer = self.route.call(request);
            Either::Left(answer.map_ok(|response| response.map(axum::body::Body::new)))
        } else {
            Either::Right(self.route.get_mut().call(request))
        };
        Box::pin(async move {
            let answer = AssertUnwindSafe(answer).catch_unwind();
            let mut response = match tokio::time::timeout(wait, answer).await {
                Ok(Ok(Ok(response))) => response,
                Ok(Ok(Err(never))) => match never {},
                Ok(Err(panic)) => panicked(&route, panic.as_ref()).into_response(),
                Err(_) => {
                    let detail = format!("no answer within {} s", wait.as_secs());
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail).into_response()
                }
            };
            response = show(response);
            finish(&mut response, &suffixed, is_public);
            if let Some((permit, true)) = permit {
                if let Some(bytes) = response.body().size_hint().exact() {
                    response.headers_mut().entry(header::CONTENT_LENGTH).or_insert_with(|| bytes.into());
                }
                response = response.map(|body| pumped(body, permit, rules.write));
            }
            rules.metrics.answered(route, response.status().as_u16(), Some(since.elapsed()));
            Ok(response)
        })
    }
}
