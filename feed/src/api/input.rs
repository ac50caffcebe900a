//! What requests say, taken strictly.

use super::{Moment, PAGE, PAGE_MAX, Shared};
use crate::http::Problem;
use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
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

/// Parameters that may name a policy.
pub(super) trait NamesPolicy {
    /// The name of the policy, if there is one.
    fn policy(&self) -> Option<&str>;
}

/// Says of parameters that their field `policy` names the policy.
macro_rules! names_policy {
    ($params:ty) => {
        impl $crate::api::input::NamesPolicy for $params {
            fn policy(&self) -> Option<&str> {
                self.policy.as_deref()
            }
        }
    };
}

pub(super) use names_policy;

/// A request with its parameters, and the moment that it is answered of, under the policy that they name.
pub(super) struct Question<P> {
    pub(super) api: Shared,
    pub(super) moment: Moment,
    pub(super) params: P,
}

impl<P: DeserializeOwned + NamesPolicy> FromRequestParts<Shared> for Question<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        let Params(params) = Params::<P>::from_request_parts(parts, api).await?;
        let moment = api.moment(params.policy())?.known_by(&parts.headers);
        Ok(Self { api: Shared::clone(api), moment, params })
    }
}

impl<P: Send + 'static> Question<P> {
    /// Works out an answer that takes long, in its turn. Only then is it known that there is one, so a client that has
    /// it already hears so after that.
    pub(super) async fn answer_in_turn<T: Serialize + Send + 'static>(
        self,
        work: impl FnOnce(&Moment, P) -> Result<T, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        let Self { api, moment, params } = self;
        let worked = moment.clone();
        let answer = api.heavy(move || work(&worked, params)).await?;
        moment.answer(&answer)
    }
}

pub(super) fn bad(kind: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, kind, detail)
}

/// A number in the path of a request.
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

names_policy!(PolicyParams);

/// The policy and the page that a request asks for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParams {
    /// The name of a policy that is served; the first of them, if none is named.
    pub(super) policy: Option<String>,
    /// The number of the first entry.
    #[serde(default)]
    #[param(required = false, default = 0, minimum = 0)]
    pub(super) from: u64,
    /// How many entries at most.
    #[serde(default)]
    #[param(required = false, value_type = u32, default = 100, minimum = 1, maximum = 1000)]
    pub(super) limit: Limit,
}

names_policy!(PageParams);

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
