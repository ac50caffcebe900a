//! The feed: what is settled, in order, from any place on.

use super::accept::{Form, wanted};
use super::input::{Limit, Params, bad, checked_wait};
use super::{Moment, Shared, stream, text_of};
use crate::cursor::Cursor;
use crate::http::Problem;
use crate::told::{Feed, Place, Told};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use tally_wire::{FactKind, FeedAnswer};
use utoipa::{IntoParams, ToSchema};

/// How long a request may wait for the next fact.
pub(super) const WAIT_SECS_MAX: u64 = 25;

/// When to ask a server again that is behind.
const BEHIND_SECS: u64 = 5;

/// How many facts are looked through for a page, at most.
const FACTS_SCANNED_MAX: usize = 65_536;

/// Where in the feed to begin, and which facts to tell.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FeedParams {
    /// The name of a policy that is served; the first of them, if none is named. Each has a feed of its own.
    policy: Option<String>,
    /// The cursor of the last fact that the reader has; 0 is the beginning. A `Last-Event-ID` comes before it.
    #[param(required = false, value_type = String, pattern = "^(0|[0-9]{1,19}-[0-9a-f]{16}(-[0-9a-f]{16})?)$", default = "0")]
    after: Option<Cursor>,
    /// Only facts of these types, with commas between, and rollbacks. The cursor goes on over the others.
    #[param(required = false, value_type = String)]
    types: Option<Types>,
    /// Only facts about this sequencer, and those that are about all of them.
    sequencer: Option<u64>,
    /// How many facts at most; 100, if nothing is said. Not for a stream.
    #[param(required = false, value_type = u32, minimum = 1, maximum = 1000)]
    limit: Option<Limit>,
    /// How many seconds to wait if there are no such facts yet, or the server has not got as far as `after`. Not for a
    /// stream, which waits by itself.
    #[param(required = false, minimum = 0, maximum = 25)]
    wait_secs: Option<u64>,
    /// `named`: each event of a stream has the type of its fact as its name. Else they have none, so that all come to
    /// whoever listens for messages. Only for a stream.
    #[param(required = false, inline)]
    events: Option<EventNames>,
}

/// What events of a stream are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum EventNames {
    Named,
}

/// The types of facts that a reader wants.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Types(Vec<&'static str>);

impl TryFrom<String> for Types {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = |word: &str| {
            let found = FactKind::NAMES.into_iter().find(|name| *name == word);
            found.ok_or_else(|| {
                format!("`types` are words with commas between, and one of these is none: {text}")
            })
        };
        text.split(',').map(known).collect::<Result<_, _>>().map(Self)
    }
}

/// Which facts a reader wants.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    types: Option<Types>,
    sequencer: Option<u64>,
}

impl Filter {
    /// Whether it lets a fact through. Nobody can do without a rollback.
    pub(super) fn admits(&self, told: &Told) -> bool {
        let Self { types, sequencer } = self;
        let is_of_type = types.as_ref().is_none_or(|Types(types)| types.contains(&told.kind));
        let is_about = |id: &u64| told.sequencers.as_ref().is_none_or(|about| about.contains(id));
        told.kind == "rollback" || (is_of_type && sequencer.as_ref().is_none_or(is_about))
    }
}

/// Settled facts in order: as a page of JSON or, for who accepts `text/event-stream`, as a stream of events without end.
/// Each event has the cursor of its fact as its id; `caught_up` says that there are no more facts yet, with the cursor to
/// go on with.
///
/// A reader that keeps the cursor of the last fact it has dealt with gets every fact once. Facts after `to_sequence` of a
/// `rollback` are void.
#[utoipa::path(get, path = "/v1/feed", tag = "feed", params(FeedParams), responses(
    (status = 200, description = "Facts.", content((FeedAnswer = "application/json"), (String = "text/event-stream"))),
))]
pub(super) async fn feed(
    State(api): State<Shared>,
    method: Method,
    Params(params): Params<FeedParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wait_secs = checked_wait(params.wait_secs.unwrap_or(0), &method)?;
    let is_stream = wanted(&headers, &[Form::Json, Form::Events]) == Form::Events;
    if is_stream && (params.limit.is_some() || params.wait_secs.is_some()) {
        return Err(bad(
            "bad-combination",
            "`limit` and `wait_secs` are for pages: a stream waits by itself",
        ));
    }
    if !is_stream && params.events.is_some() {
        return Err(bad(
            "bad-combination",
            "`events` is for a stream, which is asked for by `Accept: text/event-stream`",
        ));
    }
    let cursor = last_event_id(&headers)?.or(params.after).unwrap_or_default();
    let filter = Filter { types: params.types, sequencer: params.sequencer };
    let moment = api.moment(params.policy.as_deref())?;
    if is_stream {
        refuse_other(&moment, &cursor)?;
        return stream::events(&api, moment.index, cursor, filter, params.events.is_some());
    }
    let has_more = |feed: &Feed| match feed.place(&cursor) {
        Place::After(after) => feed.after(after, FACTS_SCANNED_MAX).iter().any(|told| filter.admits(told)),
        Place::Behind => false,
        Place::Other => true,
    };
    let moment = if wait_secs > 0 && !has_more(&moment.policy().feed) {
        let index = moment.index;
        // Nobody holds on to an old moment while they wait.
        drop(moment);
        api.wait(wait_secs, index, has_more).await?;
        api.moment(params.policy.as_deref())?
    } else {
        moment
    };
    refuse_other(&moment, &cursor)?;
    let Place::After(after) = moment.policy().feed.place(&cursor) else {
        return Err(behind(&moment, &cursor));
    };
    let text = page(&moment, after, cursor, &filter, params.limit.unwrap_or_default().get())?;
    let mut response = Response::new(text.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// That what the reader has read is of another history, if it is.
fn refuse_other(moment: &Moment, cursor: &Cursor) -> Result<(), Problem> {
    if moment.policy().feed.place(cursor) == Place::Other { Err(other_feed(moment, cursor)) } else { Ok(()) }
}

/// That what the reader has read does not hold here.
pub(super) fn other_feed(moment: &Moment, cursor: &Cursor) -> Problem {
    let detail = format!(
        "the {} facts that were read up to {cursor} are not those that are told here: this feed has to be read from the \
         beginning",
        cursor.facts
    );
    Problem::new(StatusCode::CONFLICT, "other-feed", detail).with("feed", json!(moment.policy().at.feed))
}

/// That this server has not got as far as the reader.
pub(super) fn behind(moment: &Moment, cursor: &Cursor) -> Problem {
    let at = &moment.policy().at;
    let detail = format!("{cursor} was read, and {} is how far this server is: it is behind", at.feed.cursor);
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "behind", detail);
    problem.with("feed", json!(at.feed)).retry_after(BEHIND_SECS)
}

/// A page, put together from facts that are text already: of those after number `after`, where the reader with `cursor` is,
/// the first that are wanted.
fn page(
    moment: &Moment,
    after: u64,
    cursor: Cursor,
    filter: &Filter,
    limit: usize,
) -> Result<Bytes, Problem> {
    let policy = moment.policy();
    let (mut last, mut cursor) = (after, cursor);
    let mut told: Vec<&Told> = Vec::new();
    for next in policy.feed.after(after, FACTS_SCANNED_MAX) {
        (last, cursor) = (next.sequence, next.cursor);
        if filter.admits(next) {
            told.push(next);
            if told.len() == limit {
                break;
            }
        }
    }
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
