//! Connections on which nothing is said, before it is known which HTTP they speak.

use axum_server::accept::Accept;
use futures_util::future::BoxFuture;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutReader;

/// With so many bytes HTTP/2 begins. Until a client has sent as many, or others, hyper waits for them without an end.
const PREFACE_BYTES: usize = 24;

/// Ends connections whose client takes too long with the first bytes. Whatever comes after is up to hyper.
#[derive(Clone)]
pub(super) struct Prompt<A> {
    inner: A,
    wait: Duration,
}

impl<A> Prompt<A> {
    /// Waits for so long for each of the first bytes of what `inner` accepts.
    pub(super) fn new(inner: A, wait: Duration) -> Self {
        Self { inner, wait }
    }
}

impl<A, S> Accept<TcpStream, S> for Prompt<A>
where
    A: Accept<TcpStream, S>,
    A::Stream: AsyncRead + AsyncWrite,
    A::Future: Send + 'static,
{
    type Stream = Prompted<A::Stream>;
    type Service = A::Service;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let (accepted, wait) = (self.inner.accept(stream, service), self.wait);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            let mut stream = TimeoutReader::new(stream);
            stream.set_timeout(Some(wait));
            Ok((Prompted { stream: Box::pin(stream), read_bytes: 0 }, service))
        })
    }
}

/// A connection that was accepted, with how much its client has said of the first bytes.
pub(super) struct Prompted<S> {
    stream: Pin<Box<TimeoutReader<S>>>,
    read_bytes: usize,
}

impl<S: AsyncRead> AsyncRead for Prompted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.stream.as_mut().poll_read(cx, buf);
        if self.read_bytes < PREFACE_BYTES && read.is_ready() {
            // A buffer has not that many bytes that their number could overflow.
            self.read_bytes += buf.filled().len() - before;
            if self.read_bytes >= PREFACE_BYTES {
                self.stream.as_mut().set_timeout_pinned(None);
            }
        }
        read
    }
}

impl<S: AsyncWrite> AsyncWrite for Prompted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
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
