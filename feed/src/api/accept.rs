//! Which form of an answer a client wants, by its `Accept` (RFC 9110, section 12.5.1).

use super::input::bad;
use super::openapi::is_list;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// A form that an answer can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Csv,
    Events,
}

impl Form {
    /// The media type: its type and its subtype.
    const fn media_type(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application", "json"),
            Self::Csv => ("text", "csv"),
            Self::Events => ("text", "event-stream"),
        }
    }
}

/// How much a client wants a form: its weight in thousandths, and how exactly the client named the form.
type Wish = (u16, u8);

/// The form of `offered` that a client wants most; of several the one that it names most exactly, and then the first. A
/// client that wants none of them gets the first: an answer of another form than was hoped for says more than a refusal.
pub(super) fn wanted(headers: &HeaderMap, offered: &[Form]) -> Form {
    let mut best: Option<(Wish, Form)> = None;
    for form in offered {
        let wish = wish(headers, *form).unwrap_or((0, 0));
        if wish.0 > 0 && best.is_none_or(|(most, _)| wish > most) {
            best = Some((wish, *form));
        }
    }
    let first = offered.first().copied().unwrap_or(Form::Json);
    best.map_or(first, |(_, form)| form)
}

/// What the most exact range says of a form; `None` if none is of it.
fn wish(headers: &HeaderMap, form: Form) -> Option<Wish> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges = values.flat_map(|value| value.split(','));
    let wishes = ranges.filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let exactness = exactness(parts.next()?, form)?;
        let weight = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()))
        });
        // A weight that is none makes the range one that nobody wrote.
        Some((weight.unwrap_or(Some(1_000))?, exactness))
    });
    wishes.max_by_key(|(_, exactness)| *exactness)
}

/// How exactly a media range names a form; `None` if it does not.
fn exactness(range: &str, form: Form) -> Option<u8> {
    let (kind, subtype) = range.split_once('/')?;
    let (ours, our_subtype) = form.media_type();
    match (kind, subtype) {
        ("*", "*") => Some(0),
        (kind, "*") if kind.eq_ignore_ascii_case(ours) => Some(1),
        (kind, subtype) if kind.eq_ignore_ascii_case(ours) && subtype.eq_ignore_ascii_case(our_subtype) => {
            Some(2)
        }
        _ => None,
    }
}

/// A weight from 0 to 1 with up to three decimals, in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = format!("{decimals:0<3}").parse::<u16>().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1_000),
        _ => None,
    }
}

/// Takes `format=csv` or `format=json` out of the query of a list, and has the request accept that alone: a link in a page
/// cannot say what it accepts.
pub(super) async fn take_format(mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let is_format = |part: &&str| part.starts_with("format=");
    let query = request.uri().query().unwrap_or_default();
    let given: Vec<&str> = query.split('&').filter(is_format).collect();
    let form = match given[..] {
        [] => return next.run(request).await,
        ["format=csv"] => "text/csv",
        ["format=json"] => "application/json",
        _ => return bad("bad-query", "`format` is `csv` or `json`, and given once").into_response(),
    };
    if !path.is_some_and(|path| is_list(path.as_str())) {
        return bad("bad-query", "`format` is for lists alone").into_response();
    }
    let rest: Vec<&str> = query.split('&').filter(|part| !is_format(part)).collect();
    let rest = format!("{}?{}", request.uri().path(), rest.join("&"));
    let Ok(uri) = rest.parse() else {
        return bad("bad-query", "the query is none").into_response();
    };
    *request.uri_mut() = uri;
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(form));
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use Form::{Csv, Events, Json};

    #[test]
    fn the_form_that_is_wanted_most_is_given() {
        for (accept, offered, expected) in [
            (&[][..], [Json, Events], Json),
            (&["text/event-stream"], [Json, Events], Events),
            (&["Text/Event-Stream; Q=0.5"], [Json, Events], Events),
            (&["text/event-stream;q=0"], [Json, Events], Json),
            (&["text/event-stream;q=0.000"], [Json, Events], Json),
            (&["text/event-stream; charset=utf-8"], [Json, Events], Events),
            (&["*/*"], [Json, Events], Json),
            (&["text/event-stream, */*"], [Json, Events], Events),
            (&["application/json, text/event-stream;q=0.9"], [Json, Events], Json),
            (&["application/json;q=0.1", "text/event-stream;q=0.2"], [Json, Events], Events),
            (&["text/*"], [Json, Csv], Csv),
            (&["text/*;q=0.5, text/csv;q=0, */*;q=0.1"], [Json, Csv], Json),
            (&["TEXT/CSV"], [Json, Csv], Csv),
            (&["text/csv;q=2"], [Json, Csv], Json),
            (&["text/csv;q=0.5555"], [Json, Csv], Json),
            (&["image/png"], [Json, Csv], Json),
            (&["text/html,application/xhtml+xml,*/*;q=0.8"], [Json, Csv], Json),
            (&["nonsense, ,;q=,/"], [Json, Csv], Json),
        ] {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(header::ACCEPT, value.parse().unwrap());
            }
            assert_eq!(wanted(&headers, &offered), expected, "{accept:?}");
        }
    }
}
