//! Answers over HTTP/2, which leave in pieces, as the client takes them.
//!
//! A connection of HTTP/2 carries many answers, and a client can stop one of them while it goes on with the others. The
//! timeout of the connection does not see that, and hyper would keep the rest of the answer for as long as the client likes.

use axum::body::{Body, Bytes};
use futures_util::StreamExt;
use std::io;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// How many bytes a piece has at most. So much of an answer stays behind for a client that stopped it.
const PIECE_BYTES: usize = 8 * 1024;

/// A part of an answer.
enum Piece {
    Bytes(Bytes),
    /// There is no more. What ends otherwise was cut off.
    End,
}

/// The same body in pieces. It is dropped, with its permit, as soon as the client takes nothing of it for `wait`.
pub(super) fn pumped(body: Body, permit: OwnedSemaphorePermit, wait: Duration) -> Body {
    let (pieces, taken) = mpsc::channel(1);
    tokio::spawn(async move {
        let _permit = permit;
        // Whoever takes the pieces sees that it was cut off, or is gone.
        let _ = pump(body, &pieces, wait).await;
    });
    let whole = futures_util::stream::unfold(Some(taken), async |taken| {
        let mut taken = taken?;
        match taken.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(taken))),
            Some(Piece::End) => None,
            None => Some((Err(io::Error::other("the answer was cut off")), None)),
        }
    });
    Body::from_stream(whole)
}

/// Passes the body on; `None` if the client does not take it, or it breaks off.
async fn pump(body: Body, pieces: &mpsc::Sender<Piece>, wait: Duration) -> Option<()> {
    let send = async |piece| tokio::time::timeout(wait, pieces.send(piece)).await.ok()?.ok();
    let mut body = body.into_data_stream();
    loop {
        let next = tokio::select! {
            next = body.next() => next,
            () = pieces.closed() => return None,
        };
        let Some(bytes) = next else { return send(Piece::End).await };
        let mut bytes = bytes.ok()?;
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
            send(Piece::Bytes(piece)).await?;
        }
    }
}
