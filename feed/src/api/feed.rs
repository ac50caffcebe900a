//! The feed: what is settled, in order, from any place on.

use super::input::{Limit, Params, bad};
use super::{Moment, Shared, json, stream};
use crate::http::Problem;
use crate::json::FeedAnswer;
use crate::told::Told;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

/// How long a request may wait for the next fact.
const WAIT_SECS_MAX: u64 = 25;

/// From where on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FeedParams {
    /// The name of a policy that is served; the first of them, if none is named. Each has a feed of its own.
    policy: Option<String>,
    /// The sequence number of the last fact that the reader has; 0 is the beginning. A `Last-Event-ID` comes before it.
    after: Option<u64>,
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
/// each with its sequence number as its id.
///
/// A reader that keeps the number of the last fact it has dealt with gets every fact once. Facts after `to_sequence` of a
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
    let after = last_event_id(&headers)?.or(params.after).unwrap_or(0);
    let moment = api.moment(params.policy.as_deref())?;
    check(&moment, after)?;
    if accepts_events(&headers) {
        return stream::events(&api, moment.index, after);
    }
    let moment = match moment.policy().feed.after(after, 1) {
        [] if params.wait_secs > 0 => wait(&api, moment, after, params.wait_secs).await?,
        _ => moment,
    };
    let told = moment.policy().feed.after(after, params.limit.get());
    Ok(moment.text(page(&moment, after, told)?))
}

/// Whether the feed ever got as far as the reader has read.
pub(super) fn check(moment: &Moment, after: u64) -> Result<(), Problem> {
    let last = moment.policy().feed.last();
    if after <= last {
        return Ok(());
    }
    let detail = format!(
        "fact {after} is said to have been read, but the last of this feed is {last}: it is another feed, and has to be \
         read from the beginning"
    );
    Err(Problem::new(StatusCode::CONFLICT, "unknown-cursor", detail).with("last_sequence", last))
}

/// Until there is a fact after `after`, or time is up.
async fn wait(api: &Shared, moment: Moment, after: u64, secs: u64) -> Result<Moment, Problem> {
    let _permit = stream::permit(api)?;
    let (mut views, mut stop) = (api.views.clone(), api.stop.clone());
    let index = moment.index;
    let newer = async {
        loop {
            let Some(view) = views.borrow_and_update().clone() else { return None };
            if !view.policies[index].feed.after(after, 1).is_empty() {
                return Some(Moment { view, index });
            }
            tokio::select! {
                changed = views.changed() => changed.ok()?,
                _ = stop.wait_for(|stop| *stop) => return None,
            }
        }
    };
    Ok(tokio::time::timeout(Duration::from_secs(secs), newer).await.ok().flatten().unwrap_or(moment))
}

/// A page, put together from facts that are text already.
fn page(moment: &Moment, after: u64, told: &[Arc<Told>]) -> Result<Bytes, Problem> {
    let policy = moment.policy();
    let cursor = told.last().map_or(after, |told| told.sequence);
    let is_end = policy.feed.after(cursor, 1).is_empty();
    let at = json(&policy.at)?;
    let size = told.iter().map(|told| told.json.len() + 1).sum::<usize>() + at.len() + 128;
    let mut text = Vec::with_capacity(size);
    text.extend_from_slice(b"{\"at\":");
    text.extend_from_slice(&at);
    text.extend_from_slice(
        format!(",\"after\":{after},\"cursor\":{cursor},\"is_end\":{is_end},\"facts\":[").as_bytes(),
    );
    for (index, told) in told.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(told.json.as_bytes());
    }
    text.extend_from_slice(b"]}");
    Ok(text.into())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(id) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let number = id.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| bad("bad-last-event-id", "Last-Event-ID is not a sequence number"))
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accepted.flat_map(|value| value.split(','));
    kinds.any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "text/event-stream"))
}
