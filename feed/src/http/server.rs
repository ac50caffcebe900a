//! Listens, and serves a router until it is told to stop.

use super::door::Door;
use super::gate::{GateLayer, GateRules};
use super::guard::Guard;
use super::limiter::Limiter;
use super::origin::{Origin, cors};
use super::prompt::Prompt;
use super::{Access, HttpMetrics, Problem, TlsFiles, files, session};
use crate::error::FeedError;
use crate::pages::ShownProblems;
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
use tokio::sync::{Semaphore, watch};
use tower::util::option_layer;

/// What hyper reads before it knows a request: its line and all its headers, of which there may be 100.
const HEAD_BYTES_MAX: u16 = 16 * 1024;

/// How many requests may be under way on a connection of HTTP/2: more than a browser's tabs have at a time.
const REQUESTS_MAX: u32 = 32;

/// How many forms of sessions may be under way.
const FORMS_MAX: usize = 64;

/// How many connections may ask for metrics.
const WATCHING_CONNECTIONS_MAX: usize = 64;

/// How many bytes of an answer are taken in advance for a client of HTTP/2.
const SENT_BYTES_MAX: usize = 64 * 1024;

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
    /// Whether to speak HTTP/2 without TLS, too, to clients that begin with it. Over TLS it is always spoken.
    pub is_h2c: bool,
    /// The origins whose pages may ask, from browsers; none but the server's own if there are none.
    pub cors_origins: Vec<Origin>,
    /// Whether everybody may ask for `/readyz`, as for `/healthz`.
    pub is_ready_public: bool,
    /// Whether browsers get sessions here, and their pages tickets.
    pub has_sessions: bool,
}

impl HttpOptions {
    /// For whoever watches a process: few connections, plain HTTP, and nothing for browsers.
    pub fn watched(listen: SocketAddr, access: Access) -> Self {
        Self {
            listen,
            tls: None,
            access,
            requests_per_sec: None,
            connections_max: WATCHING_CONNECTIONS_MAX,
            timeouts: Timeouts::default(),
            is_h2c: false,
            cors_origins: Vec::new(),
            is_ready_public: false,
            has_sessions: false,
        }
    }
}

/// How long the parts of a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A handshake of TLS: 10 s.
    pub handshake: Duration,
    /// The headers of a request, from when its connection was ready for it: 10 s. So a connection of HTTP/1 on which
    /// nothing is asked ends after that, too. A client of HTTP/2 is pinged as often, and has as long to answer.
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
    /// answered with 404. Where there are `pages`, these show problems to browsers.
    ///
    /// # Errors
    ///
    /// [`FeedError::Serve`] if the socket fails.
    pub(crate) async fn serve(
        self,
        router: Router,
        pages: Option<ShownProblems>,
        metrics: &HttpMetrics,
        stop: watch::Receiver<bool>,
    ) -> Result<(), FeedError> {
        let HttpOptions { timeouts, connections_max, .. } = self.options;
        let limiter = self.options.requests_per_sec.map(|rate| Limiter::new(rate, DefaultClock::default()));
        let is_tls = self.tls.is_some();
        let guard = Arc::new(Guard::new(self.options.access, self.options.is_ready_public, is_tls));
        let rules = GateRules {
            guard: Arc::clone(&guard),
            limiter,
            handler: timeouts.handler,
            form: timeouts.headers,
            write: timeouts.write,
            metrics: metrics.clone(),
            answers: Arc::new(Semaphore::new(connections_max)),
            forms: Arc::new(Semaphore::new(FORMS_MAX)),
            pages,
        };
        let router = if self.options.has_sessions { router.merge(session::router(guard)) } else { router };
        let router = router.fallback(not_found);
        let service =
            router.layer(GateLayer(Arc::new(rules))).layer(option_layer(cors(&self.options.cors_origins)));
        let service = service.into_make_service_with_connect_info::<SocketAddr>();

        let door = Door::new(connections_max, timeouts.write, metrics);
        let handle: Handle<SocketAddr> = Handle::new();
        let mut server = Server::from_listener(self.listener).handle(handle.clone());
        let http = server.http_builder();
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(timeouts.headers)
            .max_buf_size(usize::from(HEAD_BYTES_MAX));
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(timeouts.headers)
            .keep_alive_timeout(timeouts.headers)
            .max_concurrent_streams(REQUESTS_MAX)
            .max_header_list_size(u32::from(HEAD_BYTES_MAX))
            .max_send_buf_size(SENT_BYTES_MAX);
        let serving = async {
            match self.tls {
                None => {
                    let server = server.acceptor(Prompt::new(door, timeouts.headers));
                    // An acceptor makes it forget which versions it speaks, so they are said after it.
                    let server = if self.options.is_h2c { server } else { server.http1_only() };
                    server.serve(service).await
                }
                Some(tls) => {
                    let tls = RustlsAcceptor::new(tls).handshake_timeout(timeouts.handshake);
                    let acceptor = Prompt::new(tls.acceptor(door), timeouts.headers);
                    server.acceptor(acceptor).serve(service).await
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
