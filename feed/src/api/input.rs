//! What requests say, taken strictly.

use super::{Moment, PAGE, PAGE_MAX, Shared};
use crate::http::Problem;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::IntoParams;

/// The query: parameters that are not known, given twice, or out of their range are refused.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(params) = query.map_err(|error| bad("bad-query", error.body_text()))?;
        Ok(Self(params))
    }
}

/// What is asked of one moment.
pub(super) struct Asked<T> {
    pub(super) api: Shared,
    pub(super) moment: Moment,
    pub(super) params: T,
    headers: HeaderMap,
}

/// Parameters that may name a policy.
pub(super) trait OfPolicy {
    fn policy(&self) -> Option<&str>;
}

/// Parameters of which `policy` names one.
macro_rules! of_policy {
    ($params:ident) => {
        impl super::input::OfPolicy for $params {
            fn policy(&self) -> Option<&str> {
                self.policy.as_deref()
            }
        }
    };
}
pub(super) use of_policy;

impl<T: DeserializeOwned + OfPolicy> FromRequestParts<Shared> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        let Params(params) = Params::<T>::from_request_parts(parts, api).await?;
        let moment = api.moment(params.policy())?;
        Ok(Self { api: Arc::clone(api), moment, params, headers: parts.headers.clone() })
    }
}

impl<T> Asked<T> {
    /// The answer of somebody who has it already.
    pub(super) fn not_modified(&self) -> Option<Response> {
        self.moment.not_modified(&self.headers)
    }

    /// An answer of which it is only known now that there is one: who has it already is told so.
    pub(super) fn answer(&self, answer: &impl Serialize) -> Result<Response, Problem> {
        self.not_modified().map_or_else(|| self.moment.answer(answer), Ok)
    }
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

/// Digits alone: `u64::from_str` takes a sign, too.
pub(super) fn parse(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The policy that an answer is worked out by.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PolicyParams {
    /// The name of a policy that is served; the first of them, if none is named.
    pub(super) policy: Option<String>,
}

/// A page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParams {
    /// The name of a policy that is served; the first of them, if none is named.
    pub(super) policy: Option<String>,
    /// The number to begin with.
    #[serde(default)]
    #[param(required = false, default = 0, minimum = 0)]
    pub(super) from: u64,
    /// How many entries at most.
    #[serde(default)]
    #[param(required = false, value_type = u32, default = 100, minimum = 1, maximum = 1000)]
    pub(super) limit: Limit,
}

of_policy!(PolicyParams);
of_policy!(PageParams);

/// How many entries a page may have: from 1 to [`PAGE_MAX`].
#[derive(Clone, Copy, Debug, Deserialize)]
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
