//! The rule by which a request is let in: by a token, a browser's session, or a ticket for a stream.

use super::passes::Passes;
use super::{Access, Tokens};
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use std::time::Duration;

/// How long a browser's session lasts.
const SESSION: Duration = Duration::from_hours(12);

/// How long a ticket can be used, which is how long it takes to open a stream.
const TICKET: Duration = Duration::from_mins(1);

/// Where streams are, which a ticket opens.
pub(crate) const STREAMS: [&str; 2] = ["/v1/feed", "/v1/changes"];

/// The name of the cookie of a session over plain HTTP.
pub(crate) const COOKIE_PLAIN: &str = "tally_session";

/// The name of the same cookie over TLS. Browsers take a name that begins like this from the site itself alone, with
/// `Secure`, and for all of its paths.
pub(crate) const COOKIE_SECURE: &str = "__Host-tally_session";

/// How many cookies of these names are looked at: a browser sends one of each.
const COOKIES_MAX: usize = 8;

/// Asked for by whoever watches the process: everybody may, as often as they like.
pub(super) const HEALTH: &str = "/healthz";

const READY: &str = "/readyz";

/// Below this are style sheets and scripts, which are the same for everybody: also for who is to log in yet.
const ASSETS: &str = "/assets/";

/// Where a session is begun.
pub(super) const SESSION_PATH: &str = "/session";

/// Where a session is ended.
pub(super) const SESSION_END_PATH: &str = "/session/end";

/// Where a ticket is to be had.
pub(super) const TICKETS_PATH: &str = "/v1/tickets";

/// Who is let in, with the sessions and tickets that there are.
pub(crate) struct Guard {
    access: Access,
    is_ready_public: bool,
    /// Whether the server speaks TLS itself.
    pub(super) is_tls: bool,
    pub(super) sessions: Passes,
    pub(super) tickets: Passes,
}

impl Guard {
    pub(super) fn new(access: Access, is_ready_public: bool, is_tls: bool) -> Self {
        Self {
            access,
            is_ready_public,
            is_tls,
            sessions: Passes::new("tally 2026 claim feed session", SESSION),
            tickets: Passes::new("tally 2026 claim feed ticket", TICKET),
        }
    }

    /// The tokens that let somebody in; `None` where everybody may ask.
    pub(super) fn tokens(&self) -> Option<&Tokens> {
        match &self.access {
            Access::Public => None,
            Access::Tokens(tokens) => Some(tokens),
        }
    }

    /// Whether a request may be answered. Its ticket is taken out, so that handlers see only what is theirs.
    pub(super) fn admits(&self, request: &mut Request) -> bool {
        // Wherever it is shown, a handler would not know what it is.
        let is_stream = STREAMS.contains(&request.uri().path());
        let ticket = is_stream.then(|| take_ticket(request.uri_mut())).flatten();
        let Some(tokens) = self.tokens() else { return true };
        let path = request.uri().path();
        // Whoever begins a session shows the token in the form, and an end takes nothing.
        let is_free = path == HEALTH || (self.is_ready_public && path == READY) || path.starts_with(ASSETS);
        let is_login = [SESSION_PATH, SESSION_END_PATH].contains(&path) && request.method() == Method::POST;
        if is_free || is_login || bearer(request.headers()).is_some_and(|token| tokens.has(token)) {
            return true;
        }
        if session_cookies(request.headers()).any(|pass| self.sessions.admits(pass.as_bytes())) {
            return true;
        }
        ticket.is_some_and(|ticket| self.tickets.admits(ticket.as_bytes()))
    }
}

/// The token that a request shows, if it shows just one.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii_start())
}

/// What a request's cookies say of its session. Another host of the same domain can plant the plain one, but not the one
/// that is for TLS: where that is shown, it alone counts.
pub(super) fn session_cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let pairs = || {
        let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='))
    };
    let is_secure = pairs().any(|(name, _)| name == COOKIE_SECURE);
    let name = if is_secure { COOKIE_SECURE } else { COOKIE_PLAIN };
    pairs().filter(move |(found, _)| *found == name).map(|(_, pass)| pass).take(COOKIES_MAX)
}

/// Takes the ticket out of a query, if there is just one.
fn take_ticket(uri: &mut Uri) -> Option<String> {
    let query = uri.query()?;
    let is_ticket = |part: &&str| part.starts_with("ticket=");
    let mut tickets = query.split('&').filter(is_ticket);
    let (Some(ticket), None) = (tickets.next(), tickets.next()) else {
        return None;
    };
    let ticket = ticket.strip_prefix("ticket=")?.to_owned();
    let rest: Vec<&str> = query.split('&').filter(|part| !is_ticket(part)).collect();
    *uri = format!("{}?{}", uri.path(), rest.join("&")).parse().ok()?;
    Some(ticket)
}

/// Whether a request comes from a page of this site, or from no page at all. Browsers say where it comes from, and pages
/// cannot change what they say.
pub(super) fn is_same_site(headers: &HeaderMap, uri: &Uri) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let host = uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = host.or(headers.get(HOST).map(HeaderValue::as_bytes));
    let origin = origin.as_bytes();
    let origin = origin.strip_prefix(b"https://").or(origin.strip_prefix(b"http://"));
    origin.is_some() && origin == host
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
        let request =
            headers.iter().fold(Request::get(uri), |made, (name, value)| made.header(*name, *value));
        request.body(Body::empty()).unwrap()
    }

    fn guarded() -> (Guard, String) {
        let made = Tokens::generate("a").unwrap();
        let access = Access::Tokens(Tokens::parse(&made.line).unwrap());
        (Guard::new(access, false, false), made.token)
    }

    #[test]
    fn a_token_is_shown_in_one_header_as_bearer() {
        let (guard, token) = guarded();
        let admits = |values: &[String]| {
            let headers: Vec<(&str, &str)> = values.iter().map(|value| ("authorization", &**value)).collect();
            guard.admits(&mut request("/v1/status", &headers))
        };
        for good in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER   {token}")] {
            assert!(admits(std::slice::from_ref(&good)), "{good}");
            assert!(!admits(&[good.clone(), good]), "twice");
        }
        let bad =
            [token.clone(), format!("Basic {token}"), format!("Bearer{token}"), format!("Bearer {token}x")];
        for bad in bad.into_iter().chain(["Bearer ".into(), "Bearer".into(), String::new()]) {
            assert!(!admits(std::slice::from_ref(&bad)), "{bad}");
        }
        assert!(!admits(&[]));
    }

    #[test]
    fn a_session_is_shown_as_a_cookie_of_either_name() {
        let (guard, token) = guarded();
        let pass = guard.sessions.issue().unwrap();
        let admits = |cookie: &str| guard.admits(&mut request("/v1/status", &[("cookie", cookie)]));
        for name in [COOKIE_PLAIN, COOKIE_SECURE] {
            assert!(admits(&format!("{name}={pass}")));
            assert!(admits(&format!("a=b; {name}=x; {name}={pass}; c=d")));
        }
        assert!(!admits(&format!("session={pass}")) && !admits(&pass));
        assert!(!admits(&format!("{COOKIE_PLAIN}={token}")), "a token is no session");
        let many = format!("{COOKIE_PLAIN}=x; ").repeat(COOKIES_MAX);
        assert!(!admits(&format!("{many}{COOKIE_PLAIN}={pass}")));
        guard.sessions.revoke(pass.as_bytes());
        assert!(!admits(&format!("{COOKIE_PLAIN}={pass}")));
    }

    #[test]
    fn a_ticket_opens_streams_and_is_taken_out() {
        let (guard, _) = guarded();
        let ticket = guard.tickets.issue().unwrap();
        for (uri, rest) in [
            (format!("/v1/feed?ticket={ticket}"), ""),
            (format!("/v1/changes?policy=guide&ticket={ticket}"), "policy=guide"),
            (format!("/v1/feed?ticket={ticket}&after=0&types=claimed"), "after=0&types=claimed"),
        ] {
            let mut asked = request(&uri, &[]);
            assert!(guard.admits(&mut asked), "{uri}");
            assert_eq!(asked.uri().query(), Some(rest), "{uri}");
        }
        for uri in [
            format!("/v1/status?ticket={ticket}"),
            format!("/v1/feed?ticket={ticket}&ticket={ticket}"),
            format!("/v1/feed?ticket={ticket}x"),
            "/v1/feed?ticket=".into(),
            "/v1/feed".into(),
        ] {
            assert!(!guard.admits(&mut request(&uri, &[])), "{uri}");
        }
        let session = guard.sessions.issue().unwrap();
        assert!(!guard.admits(&mut request(&format!("/v1/feed?ticket={session}"), &[])));
    }

    #[test]
    fn readiness_is_for_everybody_by_choice() {
        let (guard, _) = guarded();
        assert!(guard.admits(&mut request("/healthz", &[])) && !guard.admits(&mut request("/readyz", &[])));
        let guard = Guard { is_ready_public: true, ..guard };
        assert!(guard.admits(&mut request("/readyz", &[])) && !guard.admits(&mut request("/v1/status", &[])));
    }

    #[test]
    fn a_request_of_another_site_is_told_by_what_browsers_say() {
        let is_same = |headers: &[(&str, &str)]| {
            let asked = request("/session", headers);
            is_same_site(asked.headers(), asked.uri())
        };
        assert!(is_same(&[]) && is_same(&[("sec-fetch-site", "same-origin")]));
        assert!(is_same(&[("host", "a.example:8700"), ("origin", "https://a.example:8700")]));
        for other in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("host", "a.example"), ("origin", "https://b.example")],
            &[("host", "a.example"), ("origin", "null")],
            &[("host", "a.example"), ("origin", "a.example")],
            &[("origin", "https://a.example")],
        ] {
            assert!(!is_same(other), "{other:?}");
        }
    }
}
