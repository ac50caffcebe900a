//! The `OpenAPI` file: generated from the handlers and the types that they answer with.

use super::{
    blocks, calls, changes, claims, distributions, epochs, facts, feed, pool, production, proof, sequencers,
    status, whatif,
};
use crate::cursor::CURSOR_PATTERN;
use crate::http::{COOKIE_PLAIN, COOKIE_SECURE, STREAMS, session};
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use std::sync::OnceLock;
use tally_wire::{CaughtUp, Changed, FactKind, FeedPlace, Head, Horizon, name_facts, require_all};
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
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
        blocks::ledger,
        claims::statement,
        claims::claim,
        claims::accounts_at,
        epochs::list,
        epochs::one,
        epochs::of_sequencer,
        epochs::block,
        blocks::list,
        pool::one,
        pool::batches,
        pool::batch,
        pool::next_batch,
        pool::next_rate,
        pool::rates,
        pool::audit,
        whatif::one,
        production::all,
        production::of_sequencer,
        production::all_by_epoch,
        production::of_sequencer_by_epoch,
        calls::one,
        calls::safe,
        distributions::list,
        distributions::one,
        distributions::leaves,
        feed::feed,
        changes::changes,
        proof::receipt,
        proof::bundle,
        facts::one,
        session::begin,
        session::end,
        session::ticket,
        serve,
    ),
    components(schemas(CaughtUp, Changed, Problem)),
    modifiers(&Common),
)]
struct Described;

/// The kinds of problems: what follows `urn:tally:problem:` in their types.
const PROBLEMS: [&str; 34] = [
    "bad-combination",
    "bad-cursor",
    "bad-form",
    "bad-last-event-id",
    "bad-path",
    "bad-query",
    "bad-range",
    "behind",
    "body-too-large",
    "broken",
    "busy",
    "cross-site",
    "gap",
    "internal",
    "method-not-allowed",
    "moved",
    "no-tokens",
    "not-flat",
    "not-found",
    "not-payable",
    "not-ready",
    "other-feed",
    "paid-by-contract",
    "timeout",
    "too-many-requests",
    "too-many-streams",
    "unauthorized",
    "unknown-action",
    "unknown-batch",
    "unknown-block",
    "unknown-fact",
    "unknown-policy",
    "unknown-root",
    "unknown-sequencer",
];

/// A problem, after RFC 9457. The members after `detail` are there for some kinds only.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "only its schema is used: `http::Problem` writes it")]
struct Problem {
    /// `urn:tally:problem:` and a word for the kind, which stays the same.
    r#type: String,
    /// The kind in words.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What is the matter with this one request.
    detail: String,
    /// Of `gap`: what is missing.
    missing: Option<Missing>,
    /// Of `gap`: the last L2 block that is folded, or that is final if that is what counts.
    horizon: Option<Horizon>,
    /// Of `gap`: the last L1 block in the log, or that is final if that is what counts.
    l1_head: Option<Head>,
    /// Of `gap`: the last L2 block in the log, or that is final if that is what counts.
    l2_head: Option<Head>,
    /// Of `behind`, `moved` and `other-feed`: how far the feed was told here.
    feed: Option<FeedPlace>,
    /// Of `unknown-policy`: the names of the policies that are served.
    policies: Option<Vec<String>>,
}

/// What is missing for an answer.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "only its schema is used: `http::Problem` writes it")]
struct Missing {
    /// The first L2 block that would be needed; `null` if that is not known.
    from_l2_block: Option<u64>,
    /// Why it is not there: as in `stopped`, or `not_final`.
    reason: MissingReason,
}

/// Why a block is not there.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "only its schema is used")]
enum MissingReason {
    LogEnd,
    AsAsked,
    L1Behind,
    Unsettled,
    NotFinal,
}

/// Whether a path answers with a list, which is to be had as CSV, too.
pub(super) fn is_list(path: &str) -> bool {
    let lists = [
        "/v1/sequencers",
        "/v1/sequencers/{id}/epochs",
        "/v1/sequencers/{id}/ledger",
        "/v1/sequencers/{id}/statement",
        "/v1/sequencers/{id}/production",
        "/v1/sequencers/{id}/production/epochs",
        "/v1/production",
        "/v1/production/epochs",
        "/v1/blocks",
        "/v1/epochs",
        "/v1/epochs/{n}",
        "/v1/batches",
        "/v1/batches/{n}",
        "/v1/distributions",
        "/v1/distributions/{n}/leaves",
    ];
    lists.contains(&path)
}

/// Adds the rows of a list as CSV, and where its next page is then.
fn add_csv(operation: &mut Operation) {
    let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") else { return };
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    response.content.insert("text/csv".into(), ContentBuilder::new().schema(Some(text)).build().into());
    let (name, header) =
        header_of(("Link", "Of CSV: where the next page is, if there is one, as rel=\"next\"."));
    response.headers.insert(name.into(), header.into());
    let about = "`csv` or `json`, for who cannot say so by `Accept`, as a link in a page.";
    let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["csv", "json"])).build();
    let format = ParameterBuilder::new().name("format").parameter_in(ParameterIn::Query);
    let format = format.required(Required::False).description(Some(about)).schema(Some(words));
    operation.parameters.get_or_insert_default().push(RefOr::T(format.build()));
}

/// What every request can be answered with.
struct Common;

impl Modify for Common {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut openapi.paths.paths {
            if let Some(operation) = item.get.as_mut() {
                operation.parameters.iter_mut().flatten().for_each(finish);
                add_answers(path, operation);
                if is_list(path) {
                    add_csv(operation);
                }
            }
            if let Some(operation) = item.post.as_mut() {
                add_posted_answers(path, operation);
            }
        }
        if let Some(components) = openapi.components.as_mut() {
            name_facts(&mut components.schemas);
            for (name, schema) in &mut components.schemas {
                if name == "Problem" {
                    finish_problem(schema);
                } else {
                    require_all(schema);
                }
            }
            let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
            components.add_security_scheme("token", SecurityScheme::Http(bearer));
            for (name, cookie) in [("session", COOKIE_PLAIN), ("secure_session", COOKIE_SECURE)] {
                let about = "The session of a browser, which POST /session begins.";
                let cookie = ApiKey::Cookie(ApiKeyValue::with_description(cookie, about));
                components.add_security_scheme(name, SecurityScheme::ApiKey(cookie));
            }
        }
        // A server that is for everybody, or for its own machine alone, asks for none.
        let shown = ["token", "session", "secure_session"]
            .map(|name| SecurityRequirement::new(name, [] as [&str; 0]));
        openapi.security = Some(std::iter::once(SecurityRequirement::default()).chain(shown).collect());
    }
}

/// Adds what a question of this path can be answered with besides what it says itself.
fn add_answers(path: &str, operation: &mut Operation) {
    add(operation, "413", "The request has a body, and none is taken.", &[]);
    add(operation, "500", "The answer could not be worked out: the operator was told why.", &[]);
    if path == "/healthz" {
        operation.security = Some(Vec::new());
        return;
    }
    let scheme = ("WWW-Authenticate", "How to show a token: `Bearer`.");
    add(operation, "401", "A token is needed, and none or a wrong one was given.", &[scheme]);
    let retry = ("Retry-After", "In how many seconds to ask again.");
    add(operation, "429", "This client asks too often.", &[retry]);
    add(operation, "503", "The server is not there yet, or too much is being asked: ask again.", &[retry]);
    if !path.starts_with("/v1/") || path == "/v1/status" {
        return;
    }
    add(operation, "400", "A parameter is unknown, or out of its range.", &[]);
    add(operation, "404", "There is nothing of that name or number.", &[]);
    if STREAMS.contains(&path) {
        let about = "A ticket, instead of a token.";
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        let ticket = ParameterBuilder::new().name("ticket").parameter_in(ParameterIn::Query);
        let ticket = ticket.required(Required::False).description(Some(about)).schema(Some(text));
        operation.parameters.get_or_insert_default().push(RefOr::T(ticket.build()));
    }
    if path == "/v1/changes" {
        return;
    }
    let about =
        "What is asked for lies beyond what is folded or final, or the reader has read another history.";
    add(operation, "409", about, &[]);
    let (name, about, pattern) = if path == "/v1/feed" {
        let about = "The cursor of the last event that was read; it comes before `after`.";
        ("Last-Event-ID", about, Some(CURSOR_PATTERN))
    } else {
        let about = "The answer that the client has, by `If-None-Match`, is still the same.";
        let same = ResponseBuilder::new().description(about).build();
        operation.responses.responses.insert("304".into(), same.into());
        let etag = (
            "ETag",
            "What tells the answer from others: give it as `If-None-Match` to be told if it is still the same.",
        );
        for status in ["200", "304"] {
            if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(status) {
                response.headers.insert(etag.0.into(), header_of(etag).1.into());
            }
        }
        ("If-None-Match", "The `ETag` of the answer that the client has.", None)
    };
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(pattern).build();
    let header = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
    let header = header.required(Required::False).description(Some(about)).schema(Some(text));
    operation.parameters.get_or_insert_default().push(RefOr::T(header.build()));
}

/// Adds what is answered to a POST besides what it says itself.
fn add_posted_answers(path: &str, operation: &mut Operation) {
    let scheme = ("WWW-Authenticate", "How to show a token: `Bearer`.");
    let retry = ("Retry-After", "In how many seconds to ask again.");
    if path == "/session" {
        add(operation, "400", "There is no form, or it has other fields than `token`.", &[]);
    }
    if path != "/session/end" {
        add(operation, "401", "A token is needed, and none or a wrong one was given.", &[scheme]);
        add(operation, "409", "This server answers everybody, and has no tokens.", &[]);
    }
    if path == "/v1/tickets" {
        // A session is for pages of the server itself, and they need no ticket.
        operation.security = Some(vec![SecurityRequirement::new("token", [] as [&str; 0])]);
    } else {
        operation.security = Some(Vec::new());
        add(operation, "403", "A page of another site asks.", &[]);
    }
    add(operation, "413", "The request has a body that is too long, or that is none of its kind.", &[]);
    add(operation, "429", "This client asks too often.", &[retry]);
    add(operation, "500", "The operator was told why.", &[]);
    add(operation, "503", "The server is busy: ask again.", &[retry]);
}

/// A header of an answer: its name, and what it says.
fn header_of((name, about): (&'static str, &str)) -> (&'static str, Header) {
    let kind = if name == "Retry-After" { Type::Integer } else { Type::String };
    let schema = ObjectBuilder::new().schema_type(kind).build();
    (name, HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build())
}

fn add(operation: &mut Operation, status: &str, description: &str, headers: &[(&'static str, &str)]) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let mut response =
        ResponseBuilder::new().description(description).content("application/problem+json", problem);
    for (name, header) in headers.iter().map(|header| header_of(*header)) {
        response = response.header(name, header);
    }
    operation.responses.responses.insert(status.into(), response.build().into());
}

/// Names all types of problems.
fn finish_problem(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    let words = PROBLEMS.map(|kind| format!("urn:tally:problem:{kind}"));
    if let Some(RefOr::T(Schema::Object(kind))) = object.properties.get_mut("type") {
        kind.enum_values = Some(words.into_iter().map(Into::into).collect());
    }
}

/// Numbers are unsigned, 64 bits without a sign, and types of facts are those that there are.
fn finish(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(parameter) = parameter else { return };
    let Some(RefOr::T(Schema::Object(object))) = parameter.schema.as_mut() else { return };
    if object.format == Some(SchemaFormat::KnownFormat(KnownFormat::Int64)) {
        object.format = Some(SchemaFormat::Custom("uint64".into()));
        object.minimum = Some(0_usize.into());
        object.maximum.get_or_insert(usize::MAX.into());
    }
    if parameter.name == "types" {
        let types = FactKind::NAMES.join("|");
        object.pattern = Some(format!("^({types})(,({types}))*$"));
    }
}

/// Each route that is described, with the statuses of its answers.
pub(crate) fn answers() -> impl Iterator<Item = (String, Vec<u16>)> {
    let statuses = |item: PathItem| {
        let described = item.get.or(item.post);
        let responses = described.map(|operation| operation.responses.responses).unwrap_or_default();
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
