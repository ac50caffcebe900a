//! The `OpenAPI` file: generated from the handlers and the types that they answer with.

use super::{claims, epochs, feed, pool, sequencers, status};
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use std::sync::OnceLock;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tally, the claim feed",
        version = "1",
        description = "What sequencers of the Metis pool earned, are owed and can claim. Amounts are wei as decimal \
                       strings, times are Unix seconds. Every answer names the state of the log that it was computed at.",
    ),
    paths(
        status::healthz,
        status::readyz,
        status::status,
        sequencers::list,
        sequencers::one,
        sequencers::ledger,
        claims::statement,
        claims::claim,
        epochs::list,
        epochs::one,
        epochs::block,
        pool::batches,
        pool::next_batch,
        pool::next_rate,
        pool::audit,
        feed::feed,
        serve,
    ),
    components(schemas(ProblemJson)),
    modifiers(&Common),
)]
struct Described;

/// A problem, after RFC 9457. Some kinds have further members.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "only its schema is used: `http::Problem` writes it")]
struct ProblemJson {
    /// `urn:tally:problem:` and a word for the kind, which stays the same.
    r#type: String,
    title: String,
    status: u16,
    /// What is the matter with this one request.
    detail: String,
}

/// What every request can be answered with.
struct Common;

impl Modify for Common {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut openapi.paths.paths {
            let Some(operation) = item.get.as_mut() else { continue };
            if path == "/healthz" {
                continue;
            }
            add(operation, "401", "A token is needed, and none or a wrong one was given.");
            add(operation, "429", "This client asks too often: `Retry-After` says when to ask again.");
            add(operation, "503", "Nothing is folded yet, or too much is being asked.");
            if path.starts_with("/v1/") && path != "/v1/status" {
                let about = "The answer that the client has, by `If-None-Match`, is still the same.";
                operation
                    .responses
                    .responses
                    .insert("304".into(), ResponseBuilder::new().description(about).build().into());
                add(operation, "400", "A parameter is unknown, or out of its range.");
                add(operation, "404", "There is nothing of that name or number.");
                add(
                    operation,
                    "409",
                    "What is asked for lies beyond what is folded: `detail` says what is missing.",
                );
                add(operation, "500", "The answer could not be worked out.");
            }
        }
        if let Some(components) = openapi.components.as_mut() {
            let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
            components.add_security_scheme("token", SecurityScheme::Http(bearer));
        }
    }
}

fn add(operation: &mut Operation, status: &str, description: &str) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemJson"))).build();
    let response =
        ResponseBuilder::new().description(description).content("application/problem+json", problem).build();
    operation.responses.responses.insert(status.into(), response.into());
}

/// The description of the API: `OpenAPI` 3.1, as JSON.
///
/// # Panics
///
/// Not that anybody knew: it is the same each time.
pub fn openapi_json() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let text = Described::openapi().to_pretty_json().expect("a description can be written");
        format!("{text}\n")
    })
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "status", responses((status = 200, description = "It.", body = serde_json::Value)))]
pub(super) async fn serve() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json())
}
