//! What requests say, taken strictly.

use super::accept::{Form, wanted};
use super::feed::{WAIT_SECS_MAX, behind, other_feed};
use super::table::{Columns, csv};
use super::{Api, Moment, PAGE, PAGE_MAX, Shared, broken};
use crate::cursor::Cursor;
use crate::http::Problem;
use crate::told::{Feed, Place};
use crate::view::View;
use axum::extract::{FromRequestParts, Query};
use axum::http::header::{LINK, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::IntoParams;

/// What a question can say besides its own parameters: see [`CommonParams`].
const OF_ALL: [&str; 3] = ["policy", "at_least", "wait_secs"];

/// The parameters of a question: those that are not known, given twice, or out of their range are refused.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        query(parts, |_| true).map(Self)
    }
}

/// What the parameters of a query say whose names, as they are written, are `meant`.
fn query<T: DeserializeOwned>(parts: &Parts, meant: impl Fn(&str) -> bool) -> Result<T, Problem> {
    let all = parts.uri.query().unwrap_or_default().split('&');
    let named = all.filter(|part| !part.is_empty() && meant(part.split('=').next().unwrap_or_default()));
    let text = named.collect::<Vec<_>>().join("&");
    let uri = format!("/?{text}").parse().map_err(|_| bad("bad-query", "the query is none"))?;
    let found = Query::<T>::try_from_uri(&uri).map_err(|error| bad("bad-query", error.body_text()))?;
    Ok(found.0)
}

/// No parameters but those that all questions have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoParams {}

/// By which policy, where nothing else can be said.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PolicyParams {
    /// The name of a policy that is served; the first of them, if none is named.
    pub(super) policy: Option<String>,
}

/// The moment that a question of this process itself is of: several questions get answers of one.
#[derive(Clone)]
pub(crate) struct Pin(pub(crate) Arc<View>);

/// What all questions can say: by which policy, and of a state with what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CommonParams {
    /// The name of a policy that is served; the first of them, if none is named.
    policy: Option<String>,
    /// A cursor of the policy's feed: the answer is of a state that has what was told up to there.
    #[param(required = false, value_type = String, pattern = "^(0|[0-9]{1,19}-[0-9a-f]{16}(-[0-9a-f]{16})?)$")]
    at_least: Option<Cursor>,
    /// How many seconds to wait for such a state if the server has not got there yet. Only with `at_least`.
    #[param(required = false, minimum = 0, maximum = 25)]
    wait_secs: Option<u64>,
}

impl CommonParams {
    /// The moment that the answer is to be of.
    async fn moment(self, api: &Api, method: &Method, pin: Option<&Pin>) -> Result<Moment, Problem> {
        let wait_secs = checked_wait(self.wait_secs.unwrap_or(0), method)?;
        let policy = self.policy.as_deref();
        let moment = match pin {
            Some(Pin(view)) => Api::moment_in(Arc::clone(view), policy)?,
            None => api.moment(policy)?,
        };
        let Some(cursor) = self.at_least else {
            return match self.wait_secs {
                None => Ok(moment),
                Some(_) => Err(bad(
                    "bad-combination",
                    "`wait_secs` is to wait for a state with `at_least`, which is not given",
                )),
            };
        };
        let is_behind = |feed: &Feed| feed.holding(&cursor) == Place::Behind;
        let moment = if wait_secs > 0 && is_behind(&moment.policy().feed) {
            let index = moment.index;
            // Nobody holds on to an old moment while they wait.
            drop(moment);
            api.wait(wait_secs, index, |feed| !is_behind(feed)).await?;
            api.moment(self.policy.as_deref())?
        } else {
            moment
        };
        if moment.policy().feed.holding(&cursor) == Place::Other {
            return Err(other_feed(&moment, &cursor));
        }
        if is_behind(&moment.policy().feed) {
            return Err(behind(&moment, &cursor));
        }
        Ok(moment)
    }
}

/// What is asked of one moment.
pub(super) struct Asked<T = NoParams> {
    pub(super) api: Shared,
    pub(super) moment: Moment,
    /// The question's own parameters.
    pub(super) params: T,
    pub(super) headers: HeaderMap,
    uri: Uri,
}

impl<T: DeserializeOwned + Send> FromRequestParts<Shared> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        let params = query(parts, |name| !OF_ALL.contains(&name))?;
        let common: CommonParams = query(parts, |name| OF_ALL.contains(&name))?;
        let moment = common.moment(api, &parts.method, parts.extensions.get()).await?;
        Ok(Self {
            api: Arc::clone(api),
            moment,
            params,
            headers: parts.headers.clone(),
            uri: parts.uri.clone(),
        })
    }
}

impl<T> Asked<T> {
    /// Where the page begins: at `first`, unless `cursor` goes on where another page ended. It is then asked of that
    /// page's moment.
    pub(super) fn page_from(&mut self, cursor: Option<PageCursor>, first: u64) -> Result<u64, Problem> {
        let Some(cursor) = cursor else { return Ok(first) };
        self.moment = self.api.moment_of(&self.moment, &cursor)?;
        Ok(cursor.position)
    }

    /// The answer of somebody who has it already.
    pub(super) fn not_modified(&self) -> Option<Response> {
        self.moment.not_modified(&self.headers, Form::Json)
    }

    /// The form in which the client wants a list.
    pub(super) fn list_form(&self) -> Form {
        wanted(&self.headers, &[Form::Json, Form::Csv])
    }

    /// The answer of somebody who has the list already, in the form that is wanted.
    pub(super) fn list_not_modified(&self) -> Option<Response> {
        self.moment.not_modified(&self.headers, self.list_form()).map(varies)
    }

    /// A page of a list: as `answer` in JSON, or only its rows as CSV. Then a header says where the `next` page is.
    pub(super) fn list<R: Serialize>(
        &self,
        answer: &impl Serialize,
        columns: Columns,
        rows: &[R],
        next: Option<&str>,
    ) -> Result<Response, Problem> {
        if self.list_form() != Form::Csv {
            return self.moment.answer(answer).map(varies);
        }
        let mut response = self.moment.csv(csv(columns, rows).map_err(|error| broken(&error))?);
        if let Some(link) = next.and_then(|next| self.link(next)) {
            response.headers_mut().insert(LINK, link);
        }
        Ok(varies(response))
    }

    /// Where the page is that begins at a cursor, with the other parameters as they were.
    fn link(&self, next: &str) -> Option<HeaderValue> {
        let parts = self.uri.query().unwrap_or_default().split('&');
        let others = parts.filter(|part| !part.is_empty() && !part.starts_with("cursor="));
        let query: Vec<&str> = others.collect();
        let begin = if query.is_empty() { String::new() } else { query.join("&") + "&" };
        HeaderValue::from_str(&format!("<{}?{begin}cursor={next}>; rel=\"next\"", self.uri.path())).ok()
    }

    /// An answer of which it is only known now that there is one: who has it already is told so.
    pub(super) fn answer(&self, answer: &impl Serialize) -> Result<Response, Problem> {
        self.not_modified().map_or_else(|| self.moment.answer(answer), Ok)
    }
}

/// An answer that has another form for who accepts another.
pub(super) fn varies(mut response: Response) -> Response {
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// How many seconds a request may wait. Who asks for the head alone wants to know what there is, and never waits.
pub(super) fn checked_wait(secs: u64, method: &Method) -> Result<u64, Problem> {
    if secs > WAIT_SECS_MAX {
        let detail = format!("wait_secs is {secs}, but may be up to {WAIT_SECS_MAX}");
        return Err(bad("bad-query", detail));
    }
    Ok(if method == Method::HEAD { 0 } else { secs })
}

pub(super) fn bad(kind: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, kind, detail)
}

/// A number in a path.
pub(super) struct Number(pub(super) u64);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let number = path.ok().and_then(|axum::extract::Path(text)| parse(&text));
        number
            .map(Self)
            .ok_or_else(|| bad("bad-path", "the path has no number from 0 to 18446744073709551615"))
    }
}

/// A word in a path.
pub(super) struct Word(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Word {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let word = path.ok().map(|axum::extract::Path(word)| Self(word));
        word.ok_or_else(|| bad("bad-path", "the path is no text in UTF-8"))
    }
}

/// Digits alone: `u64::from_str` takes a sign, too.
pub(super) fn parse(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParams {
    /// The number of the first entry.
    #[serde(default)]
    #[param(required = false, default = 0, minimum = 0)]
    pub(super) from: u64,
    /// Where a page begins, instead of `from`: the `next` of the page before.
    #[param(required = false, value_type = String, pattern = "^[0-9]{1,19}-[0-9a-f]{16}$")]
    pub(super) cursor: Option<PageCursor>,
    /// How many entries at most.
    #[serde(default)]
    #[param(required = false, value_type = u32, default = 100, minimum = 1, maximum = 1000)]
    pub(super) limit: Limit,
}

/// Where a page of a list begins: at which place, in the list of which state.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct PageCursor {
    pub(super) position: u64,
    pub(super) state: String,
}

impl TryFrom<String> for PageCursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_state = |state: &str| {
            state.len() == 16 && state.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let parts = text.split_once('-').filter(|(_, state)| is_state(state));
        parts
            .and_then(|(position, state)| Some(Self { position: parse(position)?, state: state.into() }))
            .ok_or("a cursor is the `next` of a page")
    }
}

/// How many entries a page may have: from 1 to [`PAGE_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub(super) struct Limit(u32);

impl Default for Limit {
    fn default() -> Self {
        Self(PAGE)
    }
}

impl TryFrom<u32> for Limit {
    type Error = String;

    fn try_from(limit: u32) -> Result<Self, String> {
        if (1..=PAGE_MAX).contains(&limit) {
            Ok(Self(limit))
        } else {
            Err(format!("limit is {limit}, but may be from 1 to {PAGE_MAX}"))
        }
    }
}

impl Limit {
    pub(super) fn get(self) -> usize {
        usize::try_from(self.0).expect("a page fits in memory")
    }
}

/// What page of `items` begins at number `from`, by the number of each, and where the next begins.
pub(super) fn page<T>(
    items: &[T],
    from: u64,
    limit: Limit,
    number: impl Fn(&T) -> u64,
) -> (&[T], Option<u64>) {
    let start = items.partition_point(|item| number(item) < from);
    let rest = items.get(start..).unwrap_or_default();
    match rest.get(..limit.get()) {
        Some(page) => (page, rest.get(limit.get()).map(number)),
        None => (rest, None),
    }
}
