//! Pages for people beside the API: what serves them, and how they ask the API.
//!
//! Pages have no numbers of their own. Each asks the API within the process, as a client would over HTTP, and all answers
//! of one page are of one state of the log. Requests for pages pass the same gate as those for the API.

use crate::api::{Pin, Shared, router};
use crate::error::FeedError;
use crate::http::Problem;
use crate::view::View;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tally_claims::find_sequencer;
use tower::ServiceExt;

/// What serves pages for people.
pub trait Pages: Send + Sync {
    /// The routes of the pages. None of them may be one of the API's.
    fn router(&self, api: InProcess) -> Router;

    /// What a browser is shown in place of a problem; `path` is what it asked for, and `has_sessions` whether one can log in.
    fn problem(&self, refusal: &Refusal, path: &str, has_sessions: bool) -> Response;
}

/// Why a question has no other answer, as the API says it. As a response it is a problem, which browsers are shown as
/// [`Pages::problem`] shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(Problem);

/// The API, asked within the process.
#[derive(Clone)]
pub struct InProcess {
    api: Shared,
    router: Router,
    has_sessions: bool,
}

impl InProcess {
    pub(crate) fn new(api: &Shared, has_sessions: bool) -> Self {
        Self { api: Arc::clone(api), router: router(Arc::clone(api)), has_sessions }
    }

    /// Whether the server asks for tokens, so that browsers log in and out.
    pub fn has_sessions(&self) -> bool {
        self.has_sessions
    }

    /// The present state: what is asked of it stays of it, while the log grows.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if nothing is folded yet.
    pub fn now(&self) -> Result<Pinned, Refusal> {
        Ok(Pinned { view: self.api.view()?, router: self.router.clone() })
    }
}

/// The API as of one state of the log.
#[derive(Clone)]
pub struct Pinned {
    view: Arc<View>,
    router: Router,
}

impl Pinned {
    /// What tells the state from others: the tag of answers under the first policy.
    pub fn tag(&self) -> Option<&HeaderValue> {
        self.view.policies.first().map(|policy| &policy.etag)
    }

    /// The answer to a question, which is a path with a query.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] with which the API answers.
    pub async fn ask<T: DeserializeOwned>(&self, question: &str) -> Result<T, Refusal> {
        let broken = |error: FeedError| Refusal::from(crate::api::broken(&error));
        let uri: Uri = question.parse().map_err(|_| Refusal::bad_question())?;
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri;
        request.extensions_mut().insert(Pin(Arc::clone(&self.view)));
        let Ok(mut response) = self.router.clone().oneshot(request).await;
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            return Err(problem.into());
        }
        if response.status() != StatusCode::OK {
            let detail = format!("{question} was answered with {}", response.status());
            return Err(broken(FeedError::Broken(detail)));
        }
        let bytes: Bytes = to_bytes(response.into_body(), usize::MAX)
            .await
            .map_err(|error| broken(FeedError::Broken(format!("{question}: {error}"))))?;
        serde_json::from_slice(&bytes).map_err(|error| broken(error.into()))
    }

    /// The sequencer that somebody means by an id, a name of the registry, or an address.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if none or more than one is meant.
    pub fn find(&self, asked: &str) -> Result<u64, Refusal> {
        let contracts = &self.view.contracts;
        let found = find_sequencer(asked, &contracts.sequencers, &contracts.names);
        found.map(|id| id.0).map_err(|error| {
            Problem::new(StatusCode::NOT_FOUND, "unknown-sequencer", error.to_string()).into()
        })
    }
}

impl Refusal {
    /// A refusal of a page's own, of a `kind` that the API has, too.
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self(Problem::new(status, kind, detail))
    }

    fn bad_question() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-query", "the question is no path with a query")
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// A word for the kind, which never changes: what follows `urn:tally:problem:`.
    pub fn kind(&self) -> &'static str {
        self.0.kind()
    }

    /// The kind in words.
    pub fn title(&self) -> String {
        self.0.title()
    }

    /// What is the matter with this one question.
    pub fn detail(&self) -> &str {
        self.0.detail()
    }

    /// In how many seconds to ask again, if that helps.
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.0.retry_after_secs()
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

/// Whether a client reads pages: it says so, and programs do not.
pub(crate) fn reads_pages(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted.flat_map(|value| value.as_bytes().windows(9)).any(|part| part.eq_ignore_ascii_case(b"text/html"))
}

/// What shows problems to people, and whether one can log in.
#[derive(Clone)]
pub(crate) struct ShownProblems {
    pub(crate) pages: Arc<dyn Pages>,
    pub(crate) has_sessions: bool,
}

impl ShownProblems {
    /// The problem of a response as a page, if it has one.
    pub(crate) fn show(&self, response: Response, path: &str) -> Response {
        let Some(problem) = response.extensions().get::<Problem>() else { return response };
        let refusal = Refusal::from(problem.clone());
        let mut shown = self.pages.problem(&refusal, path, self.has_sessions);
        *shown.status_mut() = response.status();
        for name in [header::RETRY_AFTER, header::ALLOW] {
            if let Some(value) = response.headers().get(&name) {
                shown.headers_mut().insert(name, value.clone());
            }
        }
        shown
    }
}
