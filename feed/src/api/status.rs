//! How far everything is, and whether it works.

use super::Shared;
use super::input::Pin;
use crate::http::Problem;
use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tally_eventlog::LogView;
use tally_wire::{Ingesting, PolicyStatus, StatusAnswer};

/// Whether the server answers at all.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "It does.", body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], "ok\n")
}

/// Whether its answers are up to date: not while it is behind the chains, cannot fold, or the ingest fails.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "They are.", body = String, content_type = "text/plain"),
    (status = 503, description = "They are not, and why."),
))]
pub(super) async fn readyz(State(api): State<Shared>) -> Response {
    let not_ready = api.health.not_ready(api.views.borrow().as_deref());
    match not_ready {
        None => healthz().await.into_response(),
        Some(why) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", why).retry_after(5).into_response()
        }
    }
}

/// How far the log, the chains and each policy are. It changes as they do, so it has no `ETag`.
#[utoipa::path(get, path = "/v1/status", tag = "status", responses((status = 200, description = "How far.", body = StatusAnswer)))]
pub(super) async fn status(
    State(api): State<Shared>,
    pinned: Option<Extension<Pin>>,
) -> Result<Response, Problem> {
    let moment = match pinned {
        Some(Extension(Pin(view))) => super::Api::moment_in(view, None)?,
        None => api.moment(None)?,
    };
    let not_ready = api.health.not_ready(Some(&moment.view));
    let identity = moment.view.log.identity();
    let ingest: Option<Ingesting> = api.health.ingesting();
    let policies = moment.view.policies.iter().map(|policy| PolicyStatus { at: policy.at.clone() });
    let answer = StatusAnswer {
        engine_version: tally_engine::VERSION.into(),
        l1_chain_id: identity.l1_chain_id,
        l2_chain_id: identity.l2_chain_id,
        contracts: identity.into(),
        is_ready: not_ready.is_none(),
        not_ready,
        ingest,
        policies: policies.collect(),
    };
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, super::text_of(&answer)?).into_response())
}
