//! What every page forbids a browser to do.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

/// Nothing comes from elsewhere, and nothing is inline. Wallets show their icons by `data:` addresses.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Other sites are told nothing of where somebody was. To this one the form of a session says where it comes from: with
/// `no-referrer` its `Origin` would be `null`, and nobody could log in over plain HTTP from another machine.
const REFERRER: &str = "same-origin";

const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, REFERRER),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// A response with these headers.
pub(crate) fn guarded(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
