//! Listens, and serves a router until it is told to stop.

use super::door::Door;
use super::gate::{GateLayer, GateRules};
use super::limiter::Limiter;
use super::{Access, HttpMetrics, Problem, TlsFiles, files};
use crate::error::FeedError;
use axum::Router;
use axum::http::{StatusCode, Uri};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use governor::clock::DefaultClock;
use hyper_util::rt::TokioTimer;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What hyper reads before it knows a request: its line and all its headers, of which there may be 100.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The addresses, limits and access of a server.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The files by which to speak TLS; `None` for plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The rule by which requests are let in.
    pub access: Access,
    /// How many requests a client may make in a second, and twice as many at once; `None`: any number. A
    /// client is an IPv4 address or an IPv6 network of 64 bits.
    pub requests_per_sec: Option<NonZeroU32>,
    /// How many connections may be open; more are closed at once.
    pub connections_max: usize,
    /// How long the parts of a request may take.
    pub timeouts: Timeouts,
}

/// How long the parts of a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A handshake of TLS: 10 s.
    pub handshake: Duration,
    /// The headers of a request, from when its connection was ready for it: 10 s. So a connection on which
    /// nothing is asked ends after that, too.
    pub headers: Duration,
    /// A handler, until its answer begins: 30 s.
    pub handler: Duration,
    /// A client, until it takes some more of its answer: 30 s.
    pub write: Duration,
    /// The answers that are under way when serving ends: 10 s.
    pub stop: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let [ten, thirty] = [10, 30].map(Duration::from_secs);
        Self { handshake: ten, headers: ten, handler: thirty, write: thirty, stop: ten }
    }
}

/// An open socket, and what to serve on it by.
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<RustlsConfig>,
    options: HttpOptions,
}

/// Opens the socket, reads the certificate, and makes room for the connections.
///
/// # Errors
///
/// An address that cannot be listened at, a certificate or key that cannot be used, or too few files that may
/// be open.
pub(crate) async fn bind(mut options: HttpOptions) -> Result<Bound, FeedError> {
    let tls = options.tls.as_ref().map(TlsFiles::load).transpose()?;
    options.connections_max = files::connections_max(options.connections_max)?;
    let unbound = |source| FeedError::Listen { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(unbound)?;
    let address = listener.local_addr().map_err(unbound)?;
    Ok(Bound { listener, address, tls, options })
}

impl Bound {
    /// Where it listens: with the port that it was given if none was asked for.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is true, and then until the answers that are under way are given, but not longer
    /// than [`Timeouts::stop`]: handlers end their streams themselves. Whatever fits no route of the router is
    /// answered with 404.
    ///
    /// # Errors
    ///
    /// [`FeedError::Serve`] if the socket fails.
    pub(crate) async fn serve(
        self,
        router: Router,
        metrics: &HttpMetrics,
        stop: watch::Receiver<bool>,
    ) -> Result<(), FeedError> {
        let HttpOptions { timeouts, connections_max, .. } = self.options;
        let limiter = self.options.requests_per_sec.map(|rate| Limiter::new(rate, DefaultClock::default()));
        let rules = GateRules {
            access: self.options.access,
            limiter,
            handler: timeouts.handler,
            metrics: metrics.clone(),
        };
        let service = router.fallback(not_found).layer(GateLayer(Arc::new(rules)));
        let service = service.into_make_service_with_connect_info::<SocketAddr>();

        let door = Door::new(connections_max, timeouts.write, metrics);
        let handle: Handle<SocketAddr> = Handle::new();
        let mut server = Server::from_listener(self.listener).handle(handle.clone());
        let http = server.http_builder();
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(timeouts.headers)
            .max_buf_size(HEAD_BYTES_MAX);
        let serving = async {
            match self.tls {
                None => server.acceptor(door).http1_only().serve(service).await,
                Some(tls) => {
                    let tls = RustlsAcceptor::new(tls).handshake_timeout(timeouts.handshake);
                    server.acceptor(tls.acceptor(door)).http1_only().serve(service).await
                }
            }
        };
        tokio::pin!(serving);
        let ended = tokio::select! {
            ended = &mut serving => ended,
            () = stopped(stop) => {
                handle.graceful_shutdown(Some(timeouts.stop));
                serving.await
            }
        };
        ended.map_err(FeedError::Serve)
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // Whoever could stop it is gone: then nobody will.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn not_found(uri: Uri) -> Problem {
    // Its length is limited by that of headers.
    Problem::new(StatusCode::NOT_FOUND, "not-found", format!("there is nothing at {}", uri.path()))
}
