//! One fact, by its id.

use super::input::{Asked, CommonParams, Word};
use super::text_of;
use crate::http::Problem;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use tally_wire::FactAnswer;

/// A fact of the feed, by the id that it has on every server.
#[utoipa::path(get, path = "/v1/facts/{fact}", operation_id = "fact", tag = "feed", params(("fact" = String, Path, description = "Its id, as the feed has it."), CommonParams), responses((status = 200, description = "The fact.", body = FactAnswer)))]
pub(super) async fn one(Word(id): Word, asked: Asked) -> Result<Response, Problem> {
    let Asked { moment, .. } = &asked;
    let policy = moment.policy();
    let Some(told) = policy.feed.fact(&id) else {
        let detail = "no fact with this id was told: it may never be, or not yet";
        return Err(Problem::new(StatusCode::NOT_FOUND, "unknown-fact", detail));
    };
    if let Some(response) = asked.not_modified() {
        return Ok(response);
    }
    let at = text_of(&policy.at)?;
    let text = [b"{\"at\":", &*at, b",\"fact\":", told.json.as_bytes(), b"}"].concat();
    Ok(moment.text(Bytes::from(text)))
}
