//! The `OpenAPI` file: generated from the handlers and the types that they answer with.

use super::{claims, distributions, epochs, feed, pool, sequencers, status};
use crate::cursor::CURSOR_PATTERN;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use std::sync::OnceLock;
use tally_wire::require_all;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Required, ResponseBuilder, Schema};
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
        distributions::list,
        distributions::one,
        distributions::leaves,
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
            operation.parameters.iter_mut().flatten().for_each(unsigned);
            add(operation, "413", "The request has a body, and none is taken.");
            add(operation, "500", "The answer could not be worked out: the operator was told why.");
            if path == "/healthz" {
                operation.security = Some(Vec::new());
                continue;
            }
            add(operation, "401", "A token is needed, and none or a wrong one was given.");
            add(operation, "429", "This client asks too often: `Retry-After` says when to ask again.");
            add(operation, "503", "Nothing is folded yet, or too much is being asked: ask again.");
            if path.starts_with("/v1/") && path != "/v1/status" {
                add(operation, "400", "A parameter is unknown, or out of its range.");
                add(operation, "404", "There is nothing of that name or number.");
                add(
                    operation,
                    "409",
                    "What is asked for lies beyond what is folded: `detail` says what is missing.",
                );
                let is_feed = path == "/v1/feed";
                if !is_feed {
                    let about = "The answer that the client has, by `If-None-Match`, is still the same.";
                    let same = ResponseBuilder::new().description(about).build();
                    operation.responses.responses.insert("304".into(), same.into());
                }
                let (name, about) = if is_feed {
                    ("Last-Event-ID", "The cursor of the last event that was read; it comes before `after`.")
                } else {
                    ("If-None-Match", "The `ETag` of the answer that the client has.")
                };
                let text = ObjectBuilder::new().schema_type(Type::String);
                let text = text.pattern(is_feed.then_some(CURSOR_PATTERN)).build();
                let header = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
                let header = header.required(Required::False).description(Some(about)).schema(Some(text));
                operation.parameters.get_or_insert_default().push(RefOr::T(header.build()));
            }
        }
        if let Some(components) = openapi.components.as_mut() {
            components.schemas.values_mut().for_each(require_all);
            let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
            components.add_security_scheme("token", SecurityScheme::Http(bearer));
        }
        // A server that is for everybody, or for its own machine alone, asks for none.
        let token = SecurityRequirement::new("token", [] as [&str; 0]);
        openapi.security = Some(vec![SecurityRequirement::default(), token]);
    }
}

fn add(operation: &mut Operation, status: &str, description: &str) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemJson"))).build();
    let response =
        ResponseBuilder::new().description(description).content("application/problem+json", problem).build();
    operation.responses.responses.insert(status.into(), response.into());
}

/// Numbers are unsigned: 64 bits, without a sign.
fn unsigned(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(parameter) = parameter else { return };
    let Some(RefOr::T(Schema::Object(object))) = parameter.schema.as_mut() else { return };
    if object.format == Some(SchemaFormat::KnownFormat(KnownFormat::Int64)) {
        object.format = Some(SchemaFormat::Custom("uint64".into()));
        object.minimum = Some(0_usize.into());
        object.maximum.get_or_insert(usize::MAX.into());
    }
}

/// Each route that is described, with the statuses of its answers.
pub(crate) fn answers() -> impl Iterator<Item = (String, Vec<u16>)> {
    let statuses = |item: PathItem| {
        let responses = item.get.map(|operation| operation.responses.responses).unwrap_or_default();
        responses.keys().filter_map(|status| status.parse().ok()).collect()
    };
    Described::openapi().paths.paths.into_iter().map(move |(path, item)| (path, statuses(item)))
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

/// Answers with this description itself.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "status", responses((status = 200, description = "It.", body = serde_json::Value)))]
pub(super) async fn serve() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json())
}
