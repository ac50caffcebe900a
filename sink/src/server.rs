//! The feed of a server, page by page.

use crate::error::SinkError;
use reqwest::{Client, StatusCode, Url, header, redirect};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tally_feed::Cursor;
use tally_wire::FeedAnswer;

/// No page may be larger.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// How many facts a page may have. One of an epoch has a line for each sequencer.
pub(crate) const FACTS_MAX: usize = 250;

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
        url.path_segments_mut().map_err(|()| none())?.pop_if_empty().extend(["v1", "feed"]);
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
        let mut url = self.url.clone();
        let name = self.policies.get(policy).map_or("", String::as_str);
        url.query_pairs_mut()
            .append_pair("policy", name)
            .append_pair("after", &cursor.to_string())
            .append_pair("limit", &FACTS_MAX.to_string())
            .append_pair("wait_secs", &if waits { WAIT_SECS } else { 0 }.to_string());
        let mut request = self.client.get(url).header(header::ACCEPT, "application/json");
        if let Some(path) = &self.token_file {
            request = request.bearer_auth(read_token(path)?);
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
        serde_json::from_slice(&body).map_err(|error| SinkError::NoAnswer(error.to_string()))
    }
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
