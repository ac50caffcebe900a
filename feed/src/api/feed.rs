//! The feed: what is settled, in order, from any place on.

use super::accept::{Form, wanted};
use super::input::{Limit, Params, bad};
use super::{Moment, Shared, stream, text_of};
use crate::cursor::Cursor;
use crate::http::Problem;
use crate::told::{Feed, Place, Told};
use crate::view::View;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use tally_wire::FeedAnswer;
use utoipa::IntoParams;

/// How long a request may wait for the next fact.
pub(super) const WAIT_SECS_MAX: u64 = 25;

/// When to ask a server again that is behind.
const BEHIND_SECS: u64 = 5;

/// Where in the feed to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FeedParams {
    /// The name of a policy that is served; the first of them, if none is named. Each has a feed of its own.
    policy: Option<String>,
    /// The cursor of the last fact that the reader has; 0 is the beginning. A `Last-Event-ID` comes before it.
    #[param(required = false, value_type = String, pattern = "^(0|[0-9]{1,19}-[0-9a-f]{16}(-[0-9a-f]{16})?)$", default = "0")]
    after: Option<Cursor>,
    /// How many facts at most.
    #[serde(default)]
    #[param(required = false, value_type = u32, default = 100, minimum = 1, maximum = 1000)]
    limit: Limit,
    /// How many seconds to wait if there are no more facts yet, or the server has not got as far as `after`.
    #[serde(default)]
    #[param(required = false, default = 0, minimum = 0, maximum = 25)]
    wait_secs: u64,
}

/// Settled facts in order: as a page of JSON or, for who accepts `text/event-stream`, as a stream of events without end,
/// each with its cursor as its id.
///
/// A reader that keeps the cursor of the last fact it has dealt with gets every fact once. Facts after `to_sequence` of a
/// `rollback` are void.
#[utoipa::path(get, path = "/v1/feed", tag = "feed", params(FeedParams), responses(
    (status = 200, description = "Facts.", content((FeedAnswer = "application/json"), (String = "text/event-stream"))),
))]
pub(super) async fn feed(
    State(api): State<Shared>,
    Params(params): Params<FeedParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if params.wait_secs > WAIT_SECS_MAX {
        let detail = format!("wait_secs is {}, but may be up to {WAIT_SECS_MAX}", params.wait_secs);
        return Err(bad("bad-query", detail));
    }
    let cursor = last_event_id(&headers)?.or(params.after).unwrap_or_default();
    let moment = api.moment(params.policy.as_deref())?;
    if wanted(&headers, &[Form::Json, Form::Events]) == Form::Events {
        refuse_other(&moment, &cursor)?;
        return stream::events(&api, moment.index, cursor);
    }
    let has_more = |feed: &Feed| match feed.place(&cursor) {
        Place::After(after) => !feed.after(after, 1).is_empty(),
        Place::Behind => false,
        Place::Other => true,
    };
    let moment = if params.wait_secs > 0 && !has_more(&moment.policy().feed) {
        let index = moment.index;
        // Nobody holds on to an old moment while they wait.
        drop(moment);
        let is_there = |view: &View| view.policies.get(index).is_none_or(|policy| has_more(&policy.feed));
        api.wait(params.wait_secs, is_there).await?;
        api.moment(params.policy.as_deref())?
    } else {
        moment
    };
    refuse_other(&moment, &cursor)?;
    let feed = &moment.policy().feed;
    let Place::After(after) = feed.place(&cursor) else {
        return Err(behind(&moment, &cursor));
    };
    let told = feed.after(after, params.limit.get());
    let mut response = Response::new(page(&moment, after, &cursor, told)?.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// That what the reader has read is of another history, if it is.
pub(super) fn refuse_other(moment: &Moment, cursor: &Cursor) -> Result<(), Problem> {
    if moment.policy().feed.place(cursor) != Place::Other {
        return Ok(());
    }
    let detail = format!(
        "the {} facts that were read up to {cursor} are not those that are told here: this feed has to be read from the \
         beginning",
        cursor.facts
    );
    Err(Problem::new(StatusCode::CONFLICT, "other-feed", detail).with("feed", json!(moment.policy().at.feed)))
}

/// That this server has not got as far as the reader.
pub(super) fn behind(moment: &Moment, cursor: &Cursor) -> Problem {
    let at = &moment.policy().at;
    let detail = format!("{cursor} was read, and {} is how far this server is: it is behind", at.feed.cursor);
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "behind", detail);
    problem.with("feed", json!(at.feed)).retry_after(BEHIND_SECS)
}

/// A page, put together from facts that are text already: those after number `after`, where the reader with `cursor` is.
fn page(moment: &Moment, after: u64, cursor: &Cursor, told: &[Arc<Told>]) -> Result<Bytes, Problem> {
    let policy = moment.policy();
    let (last, cursor) = told.last().map_or((after, cursor), |told| (told.sequence, &told.cursor));
    let is_end = policy.feed.after(last, 1).is_empty();
    let at = text_of(&policy.at)?;
    let size = told.iter().map(|told| told.json.len() + 1).sum::<usize>() + at.len() + 128;
    let mut text = Vec::with_capacity(size);
    text.extend_from_slice(b"{\"at\":");
    text.extend_from_slice(&at);
    text.extend_from_slice(format!(",\"cursor\":\"{cursor}\",\"is_end\":{is_end},\"facts\":[").as_bytes());
    for (index, told) in told.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(told.json.as_bytes());
    }
    text.extend_from_slice(b"]}");
    Ok(text.into())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Cursor>, Problem> {
    let Some(id) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let cursor = id.to_str().ok().and_then(Cursor::parse);
    let none = || bad("bad-last-event-id", "Last-Event-ID is no cursor of the feed");
    cursor.map(Some).ok_or_else(none)
}
