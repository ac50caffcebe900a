//! Pages of other origins that may ask, from browsers (CORS).

use crate::error::FeedError;
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_DISPOSITION, ETAG, IF_NONE_MATCH, LINK, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use std::str::FromStr;
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// The header of an `EventSource` that goes on.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How long a browser may remember what pages of an origin may ask.
const REMEMBERED: Duration = Duration::from_hours(1);

/// An origin whose pages may ask: a scheme, a host and a port, as browsers write it, or `*` for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl FromStr for Origin {
    type Err = FeedError;

    fn from_str(text: &str) -> Result<Self, FeedError> {
        let wrong = || FeedError::Origin { text: text.to_owned() };
        let value = HeaderValue::from_str(text).map_err(|_| wrong())?;
        if text == "*" {
            return Ok(Self(value));
        }
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.authority().map(Authority::as_str));
        // A browser leaves out what follows from the scheme, and writes all in lower case.
        let port = if scheme == "https" { ":443" } else { ":80" };
        let is_one = host.is_some_and(|host| {
            text == format!("{scheme}://{host}") && !host.contains('@') && !host.ends_with(port)
        });
        let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        if is_one && is_lower && ["http", "https"].contains(&scheme) { Ok(Self(value)) } else { Err(wrong()) }
    }
}

/// What tells browsers that pages of these origins may ask; `None` if there are none. Cookies are not sent for them: they
/// show a token, or a ticket.
pub(super) fn cors(origins: &[Origin]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(|Origin(value)| value == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().map(|Origin(value)| value.clone()))
    };
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers([ACCEPT, AUTHORIZATION, IF_NONE_MATCH, LAST_EVENT_ID])
        .expose_headers([CONTENT_DISPOSITION, ETAG, LINK, RETRY_AFTER, WWW_AUTHENTICATE])
        .max_age(REMEMBERED);
    Some(layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_do() {
        for good in
            ["https://a.example", "http://localhost:3000", "http://[::1]:8080", "https://a.example:80", "*"]
        {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "a.example",
            "https://",
            "https://a.example/",
            "https://a.example/path",
            "https://A.example",
            "https://a.example:443",
            "http://a.example:80",
            "https://me@a.example",
            "ftp://a.example",
            "null",
            "https://a.example, https://b.example",
        ] {
            let error = bad.parse::<Origin>().unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("https://pool.example"), "{error}");
        }
    }
}
