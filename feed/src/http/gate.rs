//! What every request passes on its way to a handler, and every answer on its way back.

use super::coding::{IfWorthIt, tag, take_suffixes};
use super::limiter::Limiter;
use super::metrics::Route;
use super::{Access, HttpMetrics, Problem};
use axum::body::HttpBody;
use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
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
use tokio::time::Instant;
use tower::{Layer, Service};
use tower_http::CompressionLevel;
use tower_http::compression::Compression;

/// Asked for by whoever watches the process: everybody may, as often as they like.
const HEALTH: &str = "/healthz";

/// The limits and permissions by which the gate lets requests in.
pub(super) struct GateRules {
    /// The rule by which requests are let in.
    pub(super) access: Access,
    /// How often, if that is limited.
    pub(super) limiter: Option<Limiter>,
    /// How long a handler may take to begin its answer.
    pub(super) handler: Duration,
    /// The counters of requests and refusals.
    pub(super) metrics: HttpMetrics,
}

impl GateRules {
    /// Whether a request gets to a handler, or else what it is answered. The first rule that it breaks is told.
    fn admit(&self, request: &mut Request) -> Result<(), Problem> {
        let is_health = request.uri().path() == HEALTH;
        if !is_health && !self.access.admits(request.headers()) {
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
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let detail = "nothing can be changed here: only GET and HEAD are answered";
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail));
        }
        // What is not read here is thrown away by hyper, or its connection closed.
        let body = std::mem::take(request.body_mut());
        if body.size_hint().upper() != Some(0) {
            let detail = "no request has a body";
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail));
        }
        Ok(())
    }
}

/// The address that a request comes from.
fn client(request: &Request) -> SocketAddr {
    let client = request.extensions().get::<ConnectInfo<SocketAddr>>();
    client.expect("each connection's service says whose it is").0
}

/// Sets what all answers have.
fn finish(response: &mut Response, suffixed: &[HeaderValue]) {
    let status = response.status();
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    } else if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
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
        if let Err(problem) = rules.admit(&mut request) {
            let mut response = problem.into_response();
            finish(&mut response, &[]);
            rules.metrics.answered(route, response.status().as_u16(), None);
            return Box::pin(ready(Ok(response)));
        }
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
            let mut response = match tokio::time::timeout(rules.handler, answer).await {
                Ok(Ok(Ok(response))) => response,
                Ok(Ok(Err(never))) => match never {},
                Ok(Err(panic)) => panicked(&route, panic.as_ref()).into_response(),
                Err(_) => {
                    let detail = format!("no answer within {} s", rules.handler.as_secs());
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail).into_response()
                }
            };
            finish(&mut response, &suffixed);
            rules.metrics.answered(route, response.status().as_u16(), Some(since.elapsed()));
            Ok(response)
        })
    }
}
