//! The feed as a stream of server-sent events.
//!
//! A stream holds no facts of its own: it remembers how far it is, and takes the next from what all share once the
//! reader has taken those before. So a slow reader costs no memory, and cannot miss a fact.

use super::feed::Filter;
use super::{Api, Shared};
use crate::cursor::Cursor;
use crate::http::Problem;
use crate::metrics::Gauged;
use crate::told::{Place, Told};
use crate::view::{PolicyView, View};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt;
use std::convert::Infallible;
use std::fmt::Write;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tally_wire::CaughtUp;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// How many bytes of events go out at a time, about.
const PIECE_BYTES: usize = 64 * 1024;

/// How many facts a piece is made of, at most.
const PIECE_FACTS: usize = 256;

/// How often something is sent when nothing happens, so that both ends notice if the other is gone.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a stream may last: a reader goes on where it was, perhaps at another server.
pub(super) const STREAM_MAX: Duration = Duration::from_hours(1);

/// A place among those who wait for facts.
pub(super) fn permit(api: &Api) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(&api.streams).try_acquire_owned().map_err(|_| {
        let detail = "too many readers follow the feed; a page of it can be read without waiting";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-streams", detail).retry_after(10)
    })
}

/// A reader, and how far it is.
struct Reader {
    views: watch::Receiver<Option<Arc<View>>>,
    stop: watch::Receiver<bool>,
    policy: usize,
    /// How far the reader is.
    cursor: Cursor,
    filter: Filter,
    /// Whether events have the types of facts as their names.
    is_named: bool,
    has_begun: bool,
    /// Whether the reader knows that it has everything up to its cursor.
    is_caught_up: bool,
    ends_at: tokio::time::Instant,
    _permit: OwnedSemaphorePermit,
    _counted: Gauged,
}

/// The stream of the wanted facts that a reader with this cursor does not have. A server that is behind it says nothing
/// until it has got there.
pub(super) fn events(
    api: &Shared,
    policy: usize,
    cursor: Cursor,
    filter: Filter,
    is_named: bool,
) -> Result<Response, Problem> {
    let reader = Reader {
        views: api.views.clone(),
        stop: api.stop.clone(),
        policy,
        cursor,
        filter,
        is_named,
        has_begun: false,
        is_caught_up: false,
        ends_at: tokio::time::Instant::now() + STREAM_MAX,
        _permit: permit(api)?,
        _counted: api.metrics.stream(),
    };
    Ok(response(reader, async |mut reader: Reader| Some((reader.next().await?, reader))))
}

/// An answer of events, that goes on as long as there is a `next` piece of them.
pub(super) fn response<T, F>(state: T, next: impl Fn(T) -> F + Send + 'static) -> Response
where
    T: Send + 'static,
    F: Future<Output = Option<(Bytes, T)>> + Send + 'static,
{
    let pieces = futures_util::stream::unfold(state, next).map(Ok::<Bytes, Infallible>);
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies would gather events before they pass them on.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

impl Reader {
    /// The next events, once there are some, or a sign of life; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.has_begun {
            self.has_begun = true;
            // Headers go out with the first piece.
            return Some(Bytes::from_static(b"retry: 2000\n\n"));
        }
        loop {
            if *self.stop.borrow() || tokio::time::Instant::now() >= self.ends_at {
                return None;
            }
            let view = self.views.borrow_and_update().clone()?;
            let policy = view.policies.get(self.policy)?;
            match policy.feed.place(&self.cursor) {
                Place::After(after) => {
                    let piece = self.piece(policy, after)?;
                    if !piece.is_empty() {
                        return Some(piece);
                    }
                    if !self.is_caught_up {
                        // None of these was wanted; others have a turn before the next.
                        drop(view);
                        tokio::task::yield_now().await;
                        continue;
                    }
                }
                Place::Behind => {}
                // Whoever comes back is told.
                Place::Other => return None,
            }
            drop(view);
            tokio::select! {
                changed = self.views.changed() => changed.ok()?,
                _ = self.stop.wait_for(|stop| *stop) => return None,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(Bytes::from_static(b": still here\n\n")),
            }
        }
    }

    /// The events of the facts after number `after`, and that there are no more, if there are none; `None` if that cannot be
    /// said.
    fn piece(&mut self, policy: &PolicyView, after: u64) -> Option<Bytes> {
        let (mut text, mut last) = (String::new(), after);
        for told in policy.feed.after(after, PIECE_FACTS) {
            let Told { sequence, cursor, kind, json, .. } = &**told;
            (last, self.cursor, self.is_caught_up) = (*sequence, *cursor, false);
            // Writing to a string does not fail.
            if self.filter.admits(told) {
                let _ = writeln!(text, "id: {cursor}");
                if self.is_named {
                    let _ = writeln!(text, "event: {kind}");
                }
                let _ = write!(text, "data: {json}\n\n");
            }
            if text.len() >= PIECE_BYTES {
                break;
            }
        }
        if !self.is_caught_up && policy.feed.after(last, 1).is_empty() {
            self.is_caught_up = true;
            let caught_up = CaughtUp { cursor: self.cursor.to_string(), at: policy.at.clone() };
            let json = serde_json::to_string(&caught_up).ok()?;
            let _ = write!(text, "id: {}\nevent: caught_up\ndata: {json}\n\n", caught_up.cursor);
        }
        Some(Bytes::from(text))
    }
}
