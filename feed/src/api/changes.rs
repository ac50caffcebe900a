//! Each new state as it comes, final or not, as a stream of server-sent events.

use super::input::{Params, PolicyParams};
use super::stream::{KEEP_ALIVE, STREAM_MAX, permit, response};
use super::{Shared, text_of};
use crate::http::Problem;
use crate::metrics::Gauged;
use crate::view::View;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::response::Response;
use std::sync::Arc;
use tally_wire::Changed;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// A reader, and the state that was told last.
struct Watcher {
    views: watch::Receiver<Option<Arc<View>>>,
    stop: watch::Receiver<bool>,
    policy: usize,
    told: Option<HeaderValue>,
    ends_at: tokio::time::Instant,
    _permit: OwnedSemaphorePermit,
    _counted: Gauged,
}

/// The state that answers are of: the present one at once, and each new one as soon as there is one, whether it is final
/// or not. Each event has an `at` like all answers. States that come faster than the reader takes them are left out.
#[utoipa::path(get, path = "/v1/changes", tag = "feed", params(PolicyParams), responses((status = 200, description = "States, as events without names.", content((String = "text/event-stream")))))]
pub(super) async fn changes(
    State(api): State<Shared>,
    Params(params): Params<PolicyParams>,
) -> Result<Response, Problem> {
    let policy = api.moment(params.policy.as_deref())?.index;
    let watcher = Watcher {
        views: api.views.clone(),
        stop: api.stop.clone(),
        policy,
        told: None,
        ends_at: tokio::time::Instant::now() + STREAM_MAX,
        _permit: permit(&api)?,
        _counted: api.metrics.stream(),
    };
    Ok(response(watcher, async |mut watcher: Watcher| Some((watcher.next().await?, watcher))))
}

impl Watcher {
    /// The next event, once there is one, or a sign of life; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if *self.stop.borrow() || tokio::time::Instant::now() >= self.ends_at {
                return None;
            }
            if let Some(piece) = self.newer() {
                return Some(piece);
            }
            tokio::select! {
                changed = self.views.changed() => changed.ok()?,
                _ = self.stop.wait_for(|stop| *stop) => return None,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(Bytes::from_static(b": still here\n\n")),
            }
        }
    }

    /// The event of the present state, if it was not told yet.
    fn newer(&mut self) -> Option<Bytes> {
        let view = self.views.borrow_and_update().clone()?;
        let policy = view.policies.get(self.policy)?;
        if self.told.as_ref() == Some(&policy.etag) {
            return None;
        }
        let is_first = self.told.replace(policy.etag.clone()).is_none();
        // The operator is told what is wrong with it, if anything ever is.
        let at = text_of(&Changed { at: policy.at.clone() }).ok()?;
        let begin: &[u8] = if is_first { b"retry: 2000\n\ndata: " } else { b"data: " };
        Some([begin, &at, b"\n\n"].concat().into())
    }
}
