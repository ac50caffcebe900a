//! The feed: what is settled, in order, from any place on.

use super::input::{Limit, Params, bad, parse};
use super::{Moment, Shared, stream, text_of};
use crate::http::Problem;
use crate::told::Told;
use crate::view::View;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tally_wire::FeedAnswer;
use utoipa::IntoParams;

/// How long a request may wait for the next fact.
const WAIT_SECS_MAX: u64 = 25;

/// Where in the feed to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FeedParams {
    /// The name of a policy that is served; the first of them, if none is named. Each has a feed of its own.
    policy: Option<String>,
    /// The cursor of the last fact that the reader has, or its sequence number alone, which is not checked; 0 is the
    /// beginning. A `Last-Event-ID` comes before it.
    #[param(required = false, value_type = String, pattern = "^[0-9]{1,19}(-[0-9a-f]{16})?$", default = "0")]
    after: Option<Cursor>,
    /// How many facts at most.
    #[serde(default)]
    #[param(required = false, value_type = u32, default = 100, minimum = 1, maximum = 1000)]
    limit: Limit,
    /// How many seconds to wait if there are no more facts yet.
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
    check(&moment, &cursor)?;
    let after = cursor.sequence;
    if accepts_events(&headers) {
        return stream::events(&api, moment.index, after, cursor.tag);
    }
    let moment = if params.wait_secs > 0 && moment.policy().feed.after(after, 1).is_empty() {
        let index = moment.index;
        // Nobody holds on to an old moment while they wait.
        drop(moment);
        wait(&api, index, after, params.wait_secs).await?;
        let moment = api.moment(params.policy.as_deref())?;
        check(&moment, &cursor)?;
        moment
    } else {
        moment
    };
    let told = moment.policy().feed.after(after, params.limit.get());
    let mut response = Response::new(page(&moment, &cursor, told)?.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Where a reader is: a sequence number, and which fact is there for it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Cursor {
    sequence: u64,
    tag: Option<String>,
}

impl TryFrom<String> for Cursor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (number, tag) = match text.split_once('-') {
            Some((number, tag)) => (number, Some(tag)),
            None => (text.as_str(), None),
        };
        let is_tag =
            |tag: &str| tag.len() == 16 && tag.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match parse(number) {
            Some(sequence) if tag.is_none_or(is_tag) => Ok(Self { sequence, tag: tag.map(Into::into) }),
            _ => Err("a cursor is a sequence number, or one with - and 16 hex digits".into()),
        }
    }
}

/// Whether what the reader has read is of this feed, as far as its cursor tells.
fn check(moment: &Moment, cursor: &Cursor) -> Result<(), Problem> {
    let feed = &moment.policy().feed;
    let (sequence, last) = (cursor.sequence, feed.last());
    if sequence > last {
        let detail = format!(
            "fact {sequence} was read, but the last here is {last}: this server is behind, or its feed is another one"
        );
        let problem = Problem::new(StatusCode::CONFLICT, "unknown-cursor", detail);
        return Err(problem.with("last_sequence", last).retry_after(5));
    }
    if let Some((here, read)) = feed.tag(sequence).zip(cursor.tag.as_ref())
        && here != *read
    {
        let detail = format!(
            "the fact {sequence} that was read is {read}, and here it is {here}: another feed was read, and this one has \
             to be read from the beginning"
        );
        return Err(Problem::new(StatusCode::CONFLICT, "other-feed", detail));
    }
    Ok(())
}

/// Until there is a fact after `after`, or time is up.
async fn wait(api: &Shared, index: usize, after: u64, secs: u64) -> Result<(), Problem> {
    let _permit = stream::permit(api)?;
    let (mut views, mut stop) = (api.views.clone(), api.stop.clone());
    let has_more =
        |view: &View| view.policies.get(index).is_some_and(|policy| !policy.feed.after(after, 1).is_empty());
    let newer = async {
        loop {
            if views.borrow_and_update().as_deref().is_none_or(has_more) {
                return;
            }
            tokio::select! {
                changed = views.changed() => if changed.is_err() { return },
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    };
    // Either is an answer: with what there is.
    let _ = tokio::time::timeout(Duration::from_secs(secs), newer).await;
    Ok(())
}

/// A page, put together from facts that are text already.
fn page(moment: &Moment, cursor: &Cursor, told: &[Arc<Told>]) -> Result<Bytes, Problem> {
    let policy = moment.policy();
    let (last, cursor) = if let Some(told) = told.last() {
        (told.sequence, format!("{}-{}", told.sequence, told.tag))
    } else {
        let tag = cursor.tag.as_ref().map(|tag| format!("-{tag}")).unwrap_or_default();
        (cursor.sequence, format!("{}{tag}", cursor.sequence))
    };
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
    let cursor = id.to_str().ok().map(|text| Cursor::try_from(text.to_owned()));
    match cursor {
        Some(Ok(cursor)) => Ok(Some(cursor)),
        _ => Err(bad("bad-last-event-id", "Last-Event-ID is no cursor of the feed")),
    }
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accepted.flat_map(|value| value.split(','));
    kinds.any(|kind| {
        let mut parts = kind.split(';').map(str::trim);
        parts.next() == Some("text/event-stream") && !parts.any(|part| part == "q=0")
    })
}
