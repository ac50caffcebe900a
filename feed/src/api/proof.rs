//! What lets a stranger check an answer, offline: receipts and bundles.

use super::input::Asked;
use super::{Moment, broken, in_turn_held};
use crate::error::FeedError;
use crate::http::Problem;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use std::io::{self, Write};
use tally_eventlog::{LogError, LogView, write_archive};
use tally_replay::Receipt;
use tokio::sync::mpsc;

/// How many bytes of a bundle go out at a time.
const PIECE_BYTES: usize = 128 * 1024;

/// How many pieces are made before the client has taken those before.
const PIECES_AHEAD: usize = 2;

/// The receipt of the present state, with the ledger's digest.
fn receipt_of(moment: &Moment) -> Result<Receipt, Problem> {
    let log = &moment.view.log;
    let made = Receipt::new(log.identity(), log.heads(), None, &moment.policy().replayed);
    made.map_err(|error| broken(&error.into()))
}

/// An answer to be kept as a file: its name says of what it is.
fn file(moment: &Moment, body: Body, media_type: &'static str, ending: &str) -> Response {
    let policy = &moment.policy().replayed.policy;
    // A name of a policy has letters, digits, `-` and `_` only.
    let state = moment.policy().state();
    let name = format!("attachment; filename=\"tally-{}-{state}.{ending}\"", policy.name());
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::ETAG, moment.policy().etag.clone());
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

/// The receipt of the state: what the policy gives of this log, with digests of both. It is the file that `tally replay
/// --receipt` writes, byte for byte.
#[utoipa::path(get, path = "/v1/receipt", operation_id = "receipt", tag = "proof", params(super::input::CommonParams), responses((status = 200, description = "The receipt, of the form tally.receipt.1.", body = serde_json::Value)))]
pub(super) async fn receipt(asked: Asked) -> Result<Response, Problem> {
    if let Some(response) = asked.not_modified() {
        return Ok(response);
    }
    let worked = asked.moment.clone();
    let bytes = asked.api.heavy(move || Ok(receipt_of(&worked)?.to_bytes())).await?;
    Ok(file(&asked.moment, Body::from(bytes), "application/json", "receipt.json"))
}

/// The bundle of the state: the whole log, the policy and the receipt in one file, by which anybody can work out again
/// what the server says (`tally audit bundle`). It is streamed while it is made, one bundle at a time; each of its bytes
/// is checked on the way, and the answer breaks off where the log is damaged. A bundle that breaks off is refused by who
/// reads it.
#[utoipa::path(get, path = "/v1/bundle", operation_id = "bundle", tag = "proof", params(super::input::CommonParams), responses((status = 200, description = "The bundle.", body = Vec<u8>, content_type = "application/octet-stream")))]
pub(super) async fn bundle(method: Method, asked: Asked) -> Result<Response, Problem> {
    let Asked { api, moment, .. } = &asked;
    if let Some(response) = asked.not_modified() {
        return Ok(response);
    }
    let answer = |body| file(moment, body, "application/octet-stream", "bundle");
    if method == Method::HEAD {
        return Ok(answer(Body::empty()));
    }
    let worked = moment.clone();
    let receipt = api.heavy(move || Ok(receipt_of(&worked)?.to_bytes())).await?;
    let (pieces, taken) = mpsc::channel(PIECES_AHEAD);
    let worked = moment.clone();
    in_turn_held(&api.bundles, move || {
        match write(&worked, &receipt, Pieces { piece: Vec::new(), pieces }) {
            Ok(()) => {}
            Err(FeedError::Log(LogError::BundleWrite(_))) => {
                tracing::debug!("the client did not take all of a bundle");
            }
            Err(error) => tracing::error!("a bundle broke off: {error}"),
        }
    })
    .await?;
    let state = Some((taken, api.stop.clone()));
    let whole = futures_util::stream::unfold(state, async |state| {
        let (mut taken, mut stop) = state?;
        let piece = tokio::select! {
            piece = taken.recv() => piece,
            _ = stop.wait_for(|stop| *stop) => None,
        };
        match piece {
            Some(Some(bytes)) => Some((Ok(bytes), Some((taken, stop)))),
            Some(None) => None,
            // Nobody may take what was sent for the whole.
            None => Some((Err(io::Error::other("the bundle broke off")), None)),
        }
    });
    Ok(answer(Body::from_stream(whole)))
}

/// Writes a bundle from beginning to end.
fn write(moment: &Moment, receipt: &[u8], mut out: Pieces) -> Result<(), FeedError> {
    let prefix = moment.view.log.prefix(None)?;
    write_archive(&prefix, &moment.policy().replayed.policy.to_toml(), receipt, &mut out)?;
    out.send().and_then(|()| out.pass(None)).map_err(LogError::from)?;
    Ok(())
}

/// Sends what is written in pieces, as the client takes them.
struct Pieces {
    piece: Vec<u8>,
    /// Each is some of it, and after the last comes `None`.
    pieces: mpsc::Sender<Option<Bytes>>,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.piece);
        self.pass(Some(piece.into()))
    }

    fn pass(&self, piece: Option<Bytes>) -> io::Result<()> {
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone");
        self.pieces.blocking_send(piece).map_err(gone)
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
