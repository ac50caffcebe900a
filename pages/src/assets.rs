//! The style sheet, the scripts and the icon, embedded in the binary.
//!
//! All are served below a digest of all of them, so that browsers keep them for ever and pages never meet those of another
//! version. Scripts name one another by relative addresses, which keep the digest.

use crate::headers::guarded;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::OnceLock;
use tally_feed::Refusal;

/// A file, with its name and its media type.
type Asset = (&'static str, &'static str, &'static str);

const SCRIPT: &str = "text/javascript; charset=utf-8";

const ASSETS: [Asset; 9] = [
    ("style.css", "text/css; charset=utf-8", include_str!("../assets/style.css")),
    ("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
    ("main.js", SCRIPT, include_str!("../assets/main.js")),
    ("live.js", SCRIPT, include_str!("../assets/live.js")),
    ("copy.js", SCRIPT, include_str!("../assets/copy.js")),
    ("times.js", SCRIPT, include_str!("../assets/times.js")),
    ("tables.js", SCRIPT, include_str!("../assets/tables.js")),
    ("wallet.js", SCRIPT, include_str!("../assets/wallet.js")),
    ("chain.js", SCRIPT, include_str!("../assets/chain.js")),
];

/// A digest of all files.
pub(crate) fn digest() -> &'static str {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| {
        let mut hasher = blake3::Hasher::new();
        for (name, kind, text) in ASSETS {
            for part in [name, kind, text] {
                hasher.update(part.as_bytes()).update(&[0]);
            }
        }
        hasher.finalize().to_hex()[..16].to_owned()
    })
}

/// Where a file is.
pub(crate) fn url(name: &str) -> String {
    format!("/assets/{}/{name}", digest())
}

/// Answers with a file.
pub(crate) async fn serve(
    Path((asked, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let found = ASSETS.iter().find(|(known, _, _)| *known == name);
    let Some((_, kind, text)) = found.filter(|_| asked == digest()) else {
        let detail = "there is no such file in this version of the pages: load the page again";
        return Err(Refusal::new(StatusCode::NOT_FOUND, "not-found", detail));
    };
    let tag = format!("\"{}\"", digest());
    let has = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let mut response =
        if has { StatusCode::NOT_MODIFIED.into_response() } else { (StatusCode::OK, *text).into_response() };
    let kept = "public, max-age=31536000, immutable";
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(guarded(response))
}
