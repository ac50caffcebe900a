//! The feed of a server, page by page.

use crate::error::SinkError;
use crate::source::Accounts;
use reqwest::{Client, StatusCode, Url, header, redirect};
use serde::de::DeserializeOwned;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tally_feed::Cursor;
use tally_wire::{FeedAnswer, Policy, SequencersAnswer};

/// No page may be larger. One that is gets asked for again with fewer facts: one of an epoch has a line for each sequencer.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// How many facts a page may have.
pub(crate) const FACTS_MAX: usize = 1_000;

/// How many sequencers a page of them has, and how many such pages there may be.
const SEQUENCERS_MAX: usize = 1_000;
const PAGES_MAX: usize = 100;

/// How long a server may wait for a fact, which it answers at once when there is one.
const WAIT_SECS: u64 = 20;

/// How long a connection may take to be made, and an answer besides what the server waits.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// The longest token that is read.
const TOKEN_BYTES_MAX: usize = 4_096;

/// A server of the claim feed.
pub struct ServerFeed {
    client: Client,
    url: Url,
    policies: Vec<String>,
    token_file: Option<PathBuf>,
}

impl ServerFeed {
    /// The feeds of these policies (`NAME`, or `NAME@VERSION`) at the server with this URL. The token is read anew for each
    /// request, so that it can be exchanged while the sink runs.
    ///
    /// # Errors
    ///
    /// [`SinkError`] if the URL is none, or the token cannot be read.
    pub fn new(url: &str, policies: Vec<String>, token_file: Option<PathBuf>) -> Result<Self, SinkError> {
        // What the parser finds wrong may repeat a part of it, and so a secret.
        let none = || SinkError::Usage("--from: it is no URL of a server".into());
        let mut url: Url = url.parse().map_err(|_| none())?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(none());
        }
        url.path_segments_mut().map_err(|()| none())?.pop_if_empty().push("v1");
        // The first to set it wins; which one is of no matter, as all are this one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            // A redirect would carry the token to another host.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("tally/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SinkError::Unreachable(cause(&error)))?;
        if let Some(path) = &token_file {
            read_token(path)?;
            if goes_in_clear(&url) {
                let host = url.host_str().unwrap_or_default();
                tracing::warn!(
                    "the token goes to {host} without encryption: whoever is in between can read it; use https"
                );
            }
        }
        Ok(Self { client, url, policies, token_file })
    }

    pub(crate) fn policies(&self) -> usize {
        self.policies.len()
    }

    /// What comes after `cursor` in the feed of the policy with this index; with `waits`, not before there is something,
    /// or the server's time is over.
    pub(crate) async fn page(
        &self,
        policy: usize,
        cursor: Cursor,
        waits: bool,
    ) -> Result<FeedAnswer, SinkError> {
        let wait_secs = if waits { WAIT_SECS } else { 0 };
        let mut limit = FACTS_MAX;
        loop {
            let more = [
                ("after", cursor.to_string()),
                ("limit", limit.to_string()),
                ("wait_secs", wait_secs.to_string()),
            ];
            match self.ask("feed", policy, &more).await {
                // Rounds down, to 1 at last.
                Err(SinkError::TooLarge { .. }) if limit > 1 => limit /= 2,
                answered => return answered,
            }
        }
    }

    /// Whether an answer is of the policy with this index.
    pub(crate) fn check_policy(&self, index: usize, told: &Policy) -> Result<(), SinkError> {
        let asked = self.policies.get(index).map_or("", String::as_str);
        let full = format!("{}@{}", told.name, told.version);
        if asked == told.name || asked == full {
            return Ok(());
        }
        Err(SinkError::OtherPolicy { asked: asked.into(), told: full })
    }

    /// What all sequencers have, page by page of one state; `None` if the server does not keep that state so long.
    pub(crate) async fn accounts(&self, policy: usize) -> Result<Option<Accounts>, SinkError> {
        let mut found: Option<Accounts> = None;
        let mut more = vec![("limit", SEQUENCERS_MAX.to_string())];
        for _ in 0..PAGES_MAX {
            let page: SequencersAnswer = match self.ask("sequencers", policy, &more).await {
                Ok(page) => page,
                Err(SinkError::Refused { problem, .. }) if problem == "moved" => return Ok(None),
                Err(error) => return Err(error),
            };
            let is_final = page.at.log.l1_head == page.at.final_l1_head;
            let head = page.at.final_l1_head.as_ref().filter(|_| is_final);
            let final_until = head.map(|head| head.timestamp);
            match &mut found {
                None => found = Some(Accounts { at: page.at, sequencers: page.sequencers, final_until }),
                Some(found) if found.at != page.at => return Ok(None),
                Some(found) => found.sequencers.extend(page.sequencers),
            }
            let Some(next) = page.next else { return Ok(found) };
            more.truncate(1);
            more.push(("cursor", next));
        }
        Err(SinkError::NoAnswer(format!("more than {PAGES_MAX} pages of sequencers")))
    }

    /// What the server answers.
    async fn ask<T: DeserializeOwned>(
        &self,
        what: &str,
        policy: usize,
        more: &[(&str, String)],
    ) -> Result<T, SinkError> {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .map_err(|()| SinkError::Usage("--from: it is no URL of a server".into()))?
            .push(what);
        let name = self.policies.get(policy).map_or("", String::as_str);
        url.query_pairs_mut().append_pair("policy", name).extend_pairs(more);
        let mut request = self.client.get(url).header(header::ACCEPT, "application/json");
        if let Some(path) = &self.token_file {
            // Whoever exchanges it may leave it empty, or away, for a moment.
            let token = read_token(path).map_err(|error| SinkError::Unreachable(error.to_string()))?;
            request = request.bearer_auth(token);
        }
        let broken = |error: reqwest::Error| SinkError::Unreachable(cause(&error));
        let mut response = request.send().await.map_err(broken)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(broken)? {
            if body.len().saturating_add(piece.len()) > ANSWER_BYTES_MAX {
                return Err(SinkError::TooLarge { bytes_max: ANSWER_BYTES_MAX });
            }
            body.extend_from_slice(&piece);
        }
        if status != StatusCode::OK {
            return Err(refused(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| unread(&error))
    }
}

/// Why an answer cannot be read. What is not known here stays unknown, however often it is asked for; anything else may be of a
/// proxy, or have been cut off.
fn unread(error: &serde_json::Error) -> SinkError {
    let text = error.to_string();
    if error.is_data() && text.starts_with("unknown variant") {
        return SinkError::Unknown(text.chars().take(500).collect());
    }
    SinkError::NoAnswer(text)
}

/// Whether a token for this server could be read by those in between.
fn goes_in_clear(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_near = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    url.scheme() == "http" && !is_near
}

/// What a server says of why it does not answer.
fn refused(status: StatusCode, body: &[u8]) -> SinkError {
    let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    // It may be a proxy that says it, at any length.
    let text =
        |field: &str| -> Option<String> { Some(said.get(field)?.as_str()?.chars().take(500).collect()) };
    let problem = text("type").map(|kind| kind.trim_start_matches("urn:tally:problem:").to_owned());
    SinkError::Refused {
        status: status.as_u16(),
        problem: problem.unwrap_or_else(|| "no problem of a feed".into()),
        detail: text("detail").unwrap_or_default(),
    }
}

fn read_token(path: &Path) -> Result<String, SinkError> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|source| SinkError::File { path: path.into(), source })?;
    let token = text.trim();
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(SinkError::Usage(format!("{}: it holds no token, which is one word", path.display())));
    }
    Ok(token.into())
}

/// Why a request failed, without the URL that reqwest would name.
fn cause(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    let mut text = what.to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{what}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_in_clear_to_another_machine_over_http_alone() {
        for (url, expected) in [
            ("http://db.example.org:8700", true),
            ("http://192.0.2.1", true),
            ("http://[2001:db8::1]", true),
            ("https://db.example.org", false),
            ("http://localhost:8700", false),
            ("http://127.0.0.1:8700", false),
            ("http://[::1]:8700", false),
        ] {
            assert_eq!(goes_in_clear(&url.parse().expect("it is a URL")), expected, "{url}");
        }
    }

    /// What a newer server tells is not asked for again; what was cut off is.
    #[test]
    fn a_fact_of_an_unknown_type_does_not_pass() {
        let of = |text: &str| {
            let error = serde_json::from_str::<tally_wire::Fact>(text).expect_err("it is no fact");
            unread(&error)
        };
        let newer = of(
            r#"{"id":"a","time":null,"l1_block":null,"transaction":null,"log_index":null,"type":"minted"}"#,
        );
        assert!(!newer.is_passing() && newer.to_string().contains("take a newer `tally`"), "{newer}");
        let cut = of(r#"{"id":"a","type":"#);
        assert!(cut.is_passing(), "{cut}");
    }
}
