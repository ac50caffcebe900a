//! One HTTP endpoint: an answer of any size, shape or status becomes a body or a [`Fault`], and never more
//! memory than the limit.

use super::fault::{Fault, FaultKind};
use reqwest::{Client, StatusCode, Url, header, redirect};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// No answer may be larger: a batch of a hundred full blocks has about 1 MB.
pub(crate) const ANSWER_BYTES_MAX: usize = 32 << 20;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a server may ask us to wait at most.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(10);

/// One endpoint over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
    url: Url,
    received_bytes: Arc<AtomicU64>,
}

/// The body of an answer, and what to make of its status.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) body: Vec<u8>,
    /// What to make of it if the body is no JSON-RPC.
    pub(crate) otherwise: Fault,
}

impl Http {
    /// An endpoint at `url`, each of whose answers has to come within `timeout`.
    pub(crate) fn new(url: Url, timeout: Duration) -> Result<Self, reqwest::Error> {
        // The first to set it wins; which one is of no matter, as all are this one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect would carry the secrets of a URL to another host.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("tally/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, url, received_bytes: Arc::default() })
    }

    /// How many bytes of answers came so far, unpacked.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    /// Sends a request of JSON-RPC. Some servers send its errors with a status of their own, and some proxies change the
    /// status of sound answers, so that the body counts whatever the status is.
    pub(crate) async fn post(&self, body: Vec<u8>) -> Result<HttpAnswer, Fault> {
        let sent = self.client.post(self.url.clone()).header(header::CONTENT_TYPE, "application/json");
        let response = sent.body(body).send().await.map_err(|error| connection(&error))?;
        let (status, headers) = (response.status(), response.headers());
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or("no content type").to_owned();
        // In seconds; the other form, a date, would need a clock that both sides share.
        let retry_after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let retry_after = retry_after.map(|after| after.min(RETRY_AFTER_MAX));
        let body = self.read(response).await?;
        let otherwise = if status.is_success() {
            let reason = format!("an answer of {} bytes that is not JSON-RPC ({content_type})", body.len());
            Fault::temporary(FaultKind::NotJson, reason)
        } else {
            of_status(status, retry_after)
        };
        Ok(HttpAnswer { body, otherwise })
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Vec<u8>, Fault> {
        let too_large =
            || Fault::too_much(format!("an answer above the {ANSWER_BYTES_MAX} bytes that it may have"));
        let announced = response.content_length().unwrap_or_default();
        if usize::try_from(announced).map_or(true, |len| len > ANSWER_BYTES_MAX) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| connection(&error))? {
            if body.len().saturating_add(piece.len()) > ANSWER_BYTES_MAX {
                return Err(too_large());
            }
            body.extend_from_slice(&piece);
            let len = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            self.received_bytes.fetch_add(len, Ordering::Relaxed);
        }
        Ok(body)
    }
}

fn of_status(status: StatusCode, retry_after: Option<Duration>) -> Fault {
    let reason = format!("HTTP status {status}");
    match status {
        StatusCode::TOO_MANY_REQUESTS => Fault::busy(reason, retry_after),
        StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => Fault::busy(reason, retry_after),
        // Some proxies answer so now and then, whatever the size was: what fails again is made smaller all the same.
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => {
            Fault::temporary(FaultKind::Status, reason)
        }
        status if status.is_server_error() => Fault::temporary(FaultKind::Status, reason),
        _ => Fault::refused(reason),
    }
}

/// The fault of a connection, without the URL that reqwest would name.
fn connection(error: &reqwest::Error) -> Fault {
    let (kind, what) = if error.is_timeout() {
        (FaultKind::Timeout, "no answer in time")
    } else if error.is_connect() {
        (FaultKind::Connect, "no connection")
    } else {
        (FaultKind::Broken, "the connection broke")
    };
    // Its causes say more than it does, and only it names the URL.
    let mut text = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    Fault::temporary(kind, if text.is_empty() { what.into() } else { format!("{what}: {text}") })
}
