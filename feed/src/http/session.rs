//! Sessions for browsers, and tickets for streams of pages from elsewhere: the only requests that are not GET.

use super::guard::{
    COOKIE_PLAIN, COOKIE_SECURE, Guard, SESSION_END_PATH, SESSION_PATH, TICKETS_PATH, bearer, is_same_site,
    session_cookies,
};
use super::passes::Passes;
use super::{Problem, Tokens};
use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Form, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// How many bytes the form of a session may have; a token has 70.
pub(super) const FORM_BYTES_MAX: u16 = 1_024;

/// Who wants a session.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionForm {
    /// A token of the server's token file.
    #[schema(max_length = 512)]
    token: String,
}

/// A ticket, with which one stream after another can be opened for a while.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ticket {
    /// What a stream is to be asked for with, as `ticket=`.
    ticket: String,
    /// For how many seconds streams can be opened with it.
    lifetime_secs: u64,
}

/// The routes, each for POST alone.
pub(super) fn router(guard: Arc<Guard>) -> Router {
    let limit = DefaultBodyLimit::max(usize::from(FORM_BYTES_MAX));
    Router::new()
        .route(SESSION_PATH, post(begin).fallback(only_post).layer(limit))
        .route(SESSION_END_PATH, post(end).fallback(only_post))
        .route(TICKETS_PATH, post(ticket).fallback(only_post))
        .with_state(guard)
}

async fn only_post(method: Method) -> Response {
    let detail = format!("only POST is answered here, not {method}");
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail);
    ([(axum::http::header::ALLOW, "POST")], problem).into_response()
}

/// Begins the session of a browser: with a token of the server, a cookie is set that lets its requests in for 12 hours, or
/// until the server ends. A page of another site cannot do this.
#[utoipa::path(post, path = "/session", operation_id = "begin_session", tag = "session", request_body(content = SessionForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 204, description = "The session has begun.", headers(("Set-Cookie" = String, description = "The session."))),
    (status = 303, description = "The same, for a form that a person sent: the first page comes next.", headers(("Set-Cookie" = String, description = "The session."), ("Location" = String, description = "The first page."))),
))]
pub(crate) async fn begin(
    State(guard): State<Arc<Guard>>,
    headers: HeaderMap,
    uri: Uri,
    form: Result<Form<SessionForm>, FormRejection>,
) -> Result<Response, Problem> {
    refuse_other_site(&headers, &uri)?;
    let tokens = tokens(&guard)?;
    let Form(form) = form.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let detail = format!("the form of a session has at most {FORM_BYTES_MAX} bytes");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail);
        }
        let detail = "a form with the one field `token` is expected, as application/x-www-form-urlencoded";
        Problem::new(StatusCode::BAD_REQUEST, "bad-form", detail)
    })?;
    if !tokens.has(form.token.as_bytes()) {
        let detail = "the token is none that is known";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail));
    }
    let pass = issue(&guard.sessions)?;
    let mut response = next(&headers);
    let cookie = cookie(&guard, &headers, &pass, guard.sessions.lifetime_secs());
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

/// Ends the session of a browser, if there is one.
#[utoipa::path(post, path = "/session/end", operation_id = "end_session", tag = "session", responses(
    (status = 204, description = "There is no session any more.", headers(("Set-Cookie" = String, description = "The end of the cookie."))),
    (status = 303, description = "The same, for a form that a person sent: the first page comes next.", headers(("Set-Cookie" = String, description = "The end of the cookie."), ("Location" = String, description = "The first page."))),
))]
pub(crate) async fn end(
    State(guard): State<Arc<Guard>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    refuse_other_site(&headers, &uri)?;
    session_cookies(&headers).for_each(|pass| guard.sessions.revoke(pass.as_bytes()));
    let mut response = next(&headers);
    response.headers_mut().insert(SET_COOKIE, cookie(&guard, &headers, "", 0));
    Ok(response)
}

/// Gives a ticket to who shows a token: with it, a page from elsewhere can open streams, since an `EventSource` cannot
/// show a token. The ticket is valid for a minute, and for streams alone.
#[utoipa::path(post, path = "/v1/tickets", operation_id = "ticket", tag = "session", responses((status = 200, description = "The ticket.", body = Ticket)))]
pub(crate) async fn ticket(State(guard): State<Arc<Guard>>, headers: HeaderMap) -> Result<Response, Problem> {
    let tokens = tokens(&guard)?;
    if !bearer(&headers).is_some_and(|token| tokens.has(token)) {
        let detail = "a ticket is for who shows a token, as `Authorization: Bearer TOKEN`";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail));
    }
    let lifetime_secs = guard.tickets.lifetime_secs();
    let ticket = Ticket { ticket: issue(&guard.tickets)?, lifetime_secs };
    let text = serde_json::to_string(&ticket).map_err(|error| failed(&error.into()))?;
    Ok(([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], text).into_response())
}

/// The tokens of a server that has some.
fn tokens(guard: &Guard) -> Result<&Tokens, Problem> {
    guard.tokens().ok_or_else(|| {
        let detail = "this server answers everybody: there are no tokens, and so no sessions and no tickets";
        Problem::new(StatusCode::CONFLICT, "no-tokens", detail)
    })
}

fn issue(passes: &Passes) -> Result<String, Problem> {
    passes.issue().map_err(|error| failed(&error))
}

fn failed(error: &crate::error::FeedError) -> Problem {
    tracing::error!("no session or ticket could be made: {error}");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something is wrong with this server")
}

fn refuse_other_site(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    if is_same_site(headers, uri) {
        return Ok(());
    }
    let detail = "a page of another site cannot begin or end a session here";
    Err(Problem::new(StatusCode::FORBIDDEN, "cross-site", detail))
}

/// What comes after a session began or ended: for a person the first page, and for a program nothing.
fn next(headers: &HeaderMap) -> Response {
    // Browsers say where a request comes from to hosts with TLS alone, but always what they can show.
    let accepted = headers.get(ACCEPT).map_or(&[][..], |accepted| accepted.as_bytes());
    let is_person = accepted.windows(9).any(|part| part == b"text/html");
    let mut response = if is_person {
        (StatusCode::SEE_OTHER, [(LOCATION, "/")]).into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A cookie that scripts cannot read and that is sent for pages of this site alone. It is for TLS alone if the browser
/// uses that: with this server, or with a proxy before it.
fn cookie(guard: &Guard, headers: &HeaderMap, pass: &str, age_secs: u64) -> HeaderValue {
    let is_tls_of_proxy = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https")
        || headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let is_secure = guard.is_tls || is_tls_of_proxy;
    let (name, secure) = if is_secure { (COOKIE_SECURE, "; Secure") } else { (COOKIE_PLAIN, "") };
    let text = format!("{name}={pass}; Path=/; Max-Age={age_secs}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).expect("letters and digits can be in a header")
}
