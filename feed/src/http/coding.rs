//! Answers as gzip, and what becomes of their tags: one strong tag must not name two sequences of bytes.

use axum::body::HttpBody;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use tower_http::compression::Predicate;

/// What fits into one packet gains nothing.
const GZIP_BYTES_MIN: u64 = 1024;
/// What the tag of an answer ends with once it is compressed.
const SUFFIX: &[u8] = b"-gzip\"";

/// Which answers are compressed for those who ask for it: whole ones of a size that makes it worth it.
/// Events have to leave at once, so a stream of them is not.
#[derive(Clone, Copy, Debug)]
pub(super) struct IfWorthIt;

impl Predicate for IfWorthIt {
    fn should_compress<B: HttpBody>(&self, response: &axum::http::Response<B>) -> bool {
        response.status() == StatusCode::OK
            && !is_event_stream(response.headers())
            && !is_file(response.headers())
            && response.body().size_hint().exact().is_none_or(|bytes| bytes >= GZIP_BYTES_MIN)
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// Bundles are compressed already, in the parts where that gains something.
fn is_file(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/octet-stream")
}

/// Turns the tags that a request has of compressed answers into those that handlers give. Returns the values
/// of `If-None-Match` that it changed, as they were.
pub(super) fn take_suffixes(headers: &mut HeaderMap) -> Vec<HeaderValue> {
    let mut suffixed = Vec::new();
    if !headers.contains_key(header::IF_NONE_MATCH) {
        return suffixed;
    }
    if let header::Entry::Occupied(mut values) = headers.entry(header::IF_NONE_MATCH) {
        for value in values.iter_mut() {
            if let Some(plain) = without_suffixes(value) {
                suffixed.push(std::mem::replace(value, plain));
            }
        }
    }
    suffixed
}

/// A list of tags without the suffixes, if it has any.
fn without_suffixes(tags: &HeaderValue) -> Option<HeaderValue> {
    let mut rest = tags.as_bytes();
    let mut plain = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(SUFFIX) {
            plain.push(b'"');
            rest = after;
        } else {
            plain.push(*first);
            rest = after;
        }
    }
    if plain.len() == tags.len() { None } else { HeaderValue::from_bytes(&plain).ok() }
}

/// Gives an answer the tag of the bytes that leave: of the compressed ones if it was compressed, or if it says
/// that what the client has of them (as of `suffixed`, from its request) is still right. Says, too, that
/// answers differ by what codings are asked for.
pub(super) fn tag(status: StatusCode, headers: &mut HeaderMap, suffixed: &[HeaderValue]) {
    let varies = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"accept-encoding");
    if !headers.get_all(header::VARY).iter().any(varies) && !is_event_stream(headers) {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    let Some(with_suffix) = headers.get(header::ETAG).and_then(with_suffix) else {
        return;
    };
    let is_held = |value: &HeaderValue| {
        value.as_bytes().windows(with_suffix.len()).any(|tag| tag == with_suffix.as_bytes())
    };
    let is_gzip = headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding == "gzip");
    if is_gzip || (status == StatusCode::NOT_MODIFIED && suffixed.iter().any(is_held)) {
        headers.insert(header::ETAG, with_suffix);
    }
}

/// A strong tag with the suffix. A weak one names no bytes, and needs none.
fn with_suffix(tag: &HeaderValue) -> Option<HeaderValue> {
    let opaque = tag.as_bytes().strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    HeaderValue::from_bytes(&[b"\"", opaque, SUFFIX].concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(status: StatusCode, coding: Option<&'static str>, etag: &str, asked: &[&str]) -> String {
        let mut request = HeaderMap::new();
        for tags in asked {
            request.append(header::IF_NONE_MATCH, tags.parse().unwrap());
        }
        let suffixed = take_suffixes(&mut request);
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, etag.parse().unwrap());
        if let Some(coding) = coding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        tag(status, &mut headers, &suffixed);
        headers[header::ETAG].to_str().unwrap().to_owned()
    }

    #[test]
    fn the_strong_tag_of_a_compressed_answer_is_another() {
        let (ok, same) = (StatusCode::OK, StatusCode::NOT_MODIFIED);
        for (status, coding, etag, asked, expected) in [
            (ok, None, r#""x""#, &[][..], r#""x""#),
            (ok, Some("gzip"), r#""x""#, &[], r#""x-gzip""#),
            (ok, Some("gzip"), r#"W/"x""#, &[], r#"W/"x""#),
            (ok, None, r#""x""#, &[r#""x-gzip""#], r#""x""#),
            (same, None, r#""x""#, &[r#""x""#], r#""x""#),
            (same, None, r#""x""#, &[r#""x-gzip""#], r#""x-gzip""#),
            (same, None, r#""x""#, &[r#""a", W/"x-gzip""#], r#""x-gzip""#),
            (same, None, r#""x""#, &[r#""x""#, r#""y-gzip""#], r#""x""#),
        ] {
            assert_eq!(tagged(status, coding, etag, asked), expected, "{etag} {asked:?}");
        }
    }

    #[test]
    fn handlers_see_the_tags_they_gave() {
        for (tags, expected) in [
            (r#""x-gzip""#, r#""x""#),
            (r#"W/"x-gzip", "y", "z-gzip""#, r#"W/"x", "y", "z""#),
            (r#""x-gzip-y""#, r#""x-gzip-y""#),
            ("*", "*"),
            ("", ""),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, tags.parse().unwrap());
            take_suffixes(&mut headers);
            assert_eq!(headers[header::IF_NONE_MATCH], expected);
        }
    }

    #[test]
    fn what_handlers_say_of_varying_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
        tag(StatusCode::OK, &mut headers, &[]);
        tag(StatusCode::OK, &mut headers, &[]);
        let values: Vec<_> = headers.get_all(header::VARY).iter().collect();
        assert_eq!(values, ["accept", "accept-encoding"]);
    }
}
