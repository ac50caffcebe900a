//! Connections: how many there are, and the end of those that take nothing.

use super::HttpMetrics;
use axum_server::accept::Accept;
use std::future::{Ready, ready};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutWriter;

/// Lets connections in as long as there are seats, and closes the others at once.
#[derive(Clone)]
pub(super) struct Door {
    seats: Arc<Semaphore>,
    write: Duration,
    metrics: HttpMetrics,
}

impl Door {
    /// A door to so many seats, for connections that take something of their answer every `write`.
    pub(super) fn new(connections_max: usize, write: Duration, metrics: &HttpMetrics) -> Self {
        Self { seats: Arc::new(Semaphore::new(connections_max)), write, metrics: metrics.clone() }
    }

    fn seat(&self, stream: TcpStream) -> io::Result<Connection> {
        let Ok(permit) = Arc::clone(&self.seats).try_acquire_owned() else {
            self.metrics.connection_refused();
            return Err(io::Error::other("too many connections"));
        };
        stream.set_nodelay(true)?;
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(self.write));
        self.metrics.connection_opened();
        let seat = Seat { metrics: self.metrics.clone(), _permit: permit };
        Ok(Connection { stream: Box::pin(stream), _seat: seat })
    }
}

impl<S> Accept<TcpStream, S> for Door {
    type Stream = Connection;
    type Service = S;
    type Future = Ready<io::Result<(Connection, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(self.seat(stream).map(|connection| (connection, service)))
    }
}

/// What is given back when a connection ends, however it does.
struct Seat {
    metrics: HttpMetrics,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.metrics.connection_closed();
    }
}

/// A connection with a seat. Writing to one that takes nothing fails after a while.
pub(super) struct Connection {
    stream: Pin<Box<TimeoutWriter<TcpStream>>>,
    _seat: Seat,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}
