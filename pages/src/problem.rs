//! Pages for what went wrong: each says what to do. One of them asks for a token.

use crate::layout::document;
use maud::{Markup, html};
use tally_feed::Refusal;

/// How much of what was asked for is repeated.
const SHOWN_CHARS: usize = 300;

/// The page of a refusal.
pub(crate) fn page(refusal: &Refusal, path: &str, has_sessions: bool) -> Markup {
    let kind = refusal.kind();
    let is_login = kind == "unauthorized" && has_sessions;
    let title = if is_login { "Log in".to_owned() } else { refusal.title() };
    let status = refusal.status().as_u16();
    let main = html! {
        h1 { (title) }
        @if is_login {
            (login(path == "/session"))
        } @else {
            p.lead { (sentence(refusal.detail())) }
            p { (remedy(kind, refusal.retry_after_secs())) }
            p {
                a href="/" { "To the pool" }
                @if status >= 500 || status == 429 { " · " a href=(shown(path)) { "Try again" } }
            }
            p.small { "Status " (status) ", " code { "urn:tally:problem:" (kind) } }
        }
    };
    document(&title, &html! {}, &html! {}, &html! { main #main.narrow tabindex="-1" { (main) } })
}

/// The form by which a browser gets a session.
fn login(has_failed: bool) -> Markup {
    html! {
        @if has_failed {
            p.warning role="alert" {
                strong { "That token is not known. " } "Check that it was copied whole."
            }
        }
        p.lead {
            "This server answers those who have a token of it. Its operator makes one by "
            code { "tally token NAME" } "."
        }
        form.login method="post" action="/session" {
            // Keepers of passwords want a name beside one. Without a name of its own the field is not sent.
            input type="text" hidden autocomplete="username" value="tally";
            label for="token" { "Token" }
            input #token name="token" type="password" required autocomplete="current-password" maxlength="512" spellcheck="false";
            button { "Log in" }
        }
        p.small {
            "The session ends after 12 hours, when you log out, or when the server is started anew. The "
            "token itself is not kept in the browser."
        }
    }
}

/// A path that was asked for, cut where it is too long to be one.
fn shown(path: &str) -> String {
    let is_one = path.starts_with('/') && !path.starts_with("//") && path.chars().count() <= SHOWN_CHARS;
    if is_one { path.to_owned() } else { "/".to_owned() }
}

/// The detail as a sentence, cut where it is too long.
fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let text: String = first.into_iter().chain(letters).take(SHOWN_CHARS).collect();
    let end = if detail.chars().count() > SHOWN_CHARS { "…" } else { "." };
    format!("{}{end}", text.trim_end_matches('.'))
}

/// What to do about it.
fn remedy(kind: &str, retry_after_secs: Option<u64>) -> String {
    let again = retry_after_secs.map_or("in a moment".to_owned(), |secs| format!("in {secs} s"));
    match kind {
        "gap" => "The log does not reach that far, or what it has there is not final yet. Ask again once it does: the first \
                  page says how far it is."
            .into(),
        "moved" => "The list was of a state that is not kept any more. Begin the list again.".into(),
        "unauthorized" => "Show a token, as the server's operator gives it out.".into(),
        "cross-site" => "A page of another site tried to log you in or out. Do it from the pages here.".into(),
        "no-tokens" => "This server answers everybody: there is nothing to log in to.".into(),
        "too-many-requests" => format!("This client asks too often. Try again {again}."),
        "not-ready" | "busy" | "timeout" | "too-many-streams" | "behind" => {
            format!("The server is at work on something else, or not there yet. Try again {again}.")
        }
        "broken" | "internal" => {
            "The server's operator was told why. Other pages may still work; what these show is right."
            .into()
        }
        "not-flat" | "paid-by-contract" => "Choose another policy: this one has no such thing.".into(),
        "not-payable" => "There is nothing that could be paid now. The page of batches says what it waits for.".into(),
        "unknown-sequencer" => "The pool's page lists all sequencers that ever locked a stake.".into(),
        _ => "Check the address of the page, or go to the pool's page and find it from there.".into(),
    }
}
