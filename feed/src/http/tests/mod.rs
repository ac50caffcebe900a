//! The whole stack over sockets, by what bytes come back for bytes.

mod browsers;
mod http2;

use super::{Access, HttpMetrics, HttpOptions, Timeouts, TlsFiles, Tokens, bind};
use crate::error::FeedError;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use prometheus_client::registry::Registry;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::convert::Infallible;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Whatever takes longer than this never ends, however busy the machine is.
const NEVER: Duration = Duration::from_mins(5);
/// What a test waits for to pass. No client is asked to do anything within it, or it may try again.
const SHORT: Duration = Duration::from_millis(300);

/// A handler that says when it is reached, and answers when it is told to.
#[derive(Default)]
struct Held {
    reached: Notify,
    go_on: Notify,
}

fn router(held: Arc<Held>) -> Router {
    let held = move || {
        let held = Arc::clone(&held);
        async move {
            held.reached.notify_one();
            held.go_on.notified().await;
            "held"
        }
    };
    let forever = std::future::pending::<&str>;
    let soon = || async {
        tokio::time::sleep(SHORT).await;
        "soon"
    };
    let endless = || async {
        let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
        Body::from_stream(stream::repeat(Ok::<_, Infallible>(chunk)))
    };
    let events = || async { ([(header::CONTENT_TYPE, "text/event-stream")], "data: x\n\n".repeat(1000)) };
    Router::new()
        .route("/healthz", get(|| async { "well" }))
        .route("/v1/things/{id}", get(things))
        .route("/v1/held", get(held))
        .route("/v1/forever", get(forever))
        .route("/v1/soon", get(soon))
        .route("/v1/endless", get(endless))
        .route("/v1/events", get(events))
        .route("/v1/panic", get(panics))
}

async fn things(headers: HeaderMap) -> Response {
    let tag = [(header::ETAG, "\"x\"")];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|held| held == "\"x\"") {
        return (StatusCode::NOT_MODIFIED, tag).into_response();
    }
    (tag, "thing ".repeat(1000)).into_response()
}

async fn panics() -> &'static str {
    panic!("a handler that fails")
}

fn options() -> HttpOptions {
    HttpOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: None,
        access: Access::Public,
        requests_per_sec: None,
        connections_max: 100,
        timeouts: Timeouts { handshake: NEVER, headers: NEVER, handler: NEVER, write: NEVER, stop: NEVER },
        is_h2c: false,
        cors_origins: Vec::new(),
        is_ready_public: false,
        has_sessions: true,
    }
}

/// The same with other timeouts.
fn with_timeouts(change: impl FnOnce(&mut Timeouts)) -> HttpOptions {
    let mut options = options();
    change(&mut options.timeouts);
    options
}

struct Feed {
    runtime: Runtime,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<Result<(), FeedError>>,
    registry: Registry,
    held: Arc<Held>,
}

impl Feed {
    fn start(options: HttpOptions) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let bound = runtime.block_on(bind(options)).unwrap();
        let address = bound.local_addr();
        let metrics = HttpMetrics::default();
        let mut registry = Registry::with_prefix("tally_feed");
        metrics.register(&mut registry);
        let (stop, stopped) = watch::channel(false);
        let held = Arc::new(Held::default());
        let router = router(Arc::clone(&held));
        let serving = runtime.spawn(async move { bound.serve(router, None, &metrics, stopped).await });
        Self { runtime, address, stop, serving, registry, held }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(NEVER)).unwrap();
        stream
    }

    /// What one connection gets for these bytes, until it is closed.
    fn send(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut stream = self.connect();
        // It may be closed before it has taken everything.
        let _ = stream.write_all(bytes.as_ref());
        Answer::of(&until_closed(&mut stream))
    }

    fn ask(&self, method: &str, target: &str, headers: &str) -> Answer {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n"))
    }

    fn get(&self, target: &str, headers: &str) -> Answer {
        self.ask("GET", target, headers)
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    fn wait_for_metric(&self, line: &str) {
        let since = Instant::now();
        while !self.metrics().lines().any(|told| told == line) {
            assert!(since.elapsed() < NEVER, "no `{line}` in\n{}", self.metrics());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops it, and says how long that took.
    fn stop(self) -> Duration {
        let since = Instant::now();
        self.stop.send_replace(true);
        self.runtime.block_on(self.serving).unwrap().unwrap();
        since.elapsed()
    }
}

fn until_closed(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return bytes,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return bytes,
            Err(error) => panic!("{error}, after {:?}", String::from_utf8_lossy(&bytes)),
        }
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn of(bytes: &[u8]) -> Self {
        let at = bytes.windows(4).position(|end| end == b"\r\n\r\n");
        let at = at.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = std::str::from_utf8(&bytes[..at]).unwrap().to_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[at + 4..].to_vec() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Checks that it is a problem of this status and kind.
    fn is_problem(&self, status: u16, kind: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("urn:tally:problem:{kind}"));
    }
}

#[test]
fn nothing_but_get_and_head_is_answered() {
    let feed = Feed::start(options());
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"] {
        for path in ["/healthz", "/v1/things/1", "/nothing", "*"] {
            let answer = feed.ask(method, path, "Content-Length: 0\r\n");
            if path == "*" && method != "OPTIONS" {
                assert!([400, 405].contains(&answer.status), "{method} {path}: {answer:?}");
                continue;
            }
            answer.is_problem(405, "method-not-allowed");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        }
    }
    feed.ask("CONNECT", "example.org:443", "").is_problem(405, "method-not-allowed");
    feed.ask("POST", "/v1/things/1", "Content-Length: 100000\r\n").is_problem(405, "method-not-allowed");
    let head = feed.ask("HEAD", "/v1/things/1", "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some("6000"));
    feed.stop();
}

#[test]
fn without_a_token_nothing_but_health_is_answered() {
    let made = Tokens::generate("a").unwrap();
    let tokens = Tokens::parse(&made.line).unwrap();
    let access = Access::check("0.0.0.0:1".parse().unwrap(), Some(tokens), false).unwrap();
    let feed = Feed::start(HttpOptions { access, ..options() });
    let other = Tokens::generate("a").unwrap().token;
    for headers in [String::new(), format!("Authorization: Bearer {other}\r\n")] {
        for (method, path) in [
            ("GET", "/v1/things/1"),
            ("HEAD", "/v1/things/1"),
            ("GET", "/"),
            ("GET", "//healthz"),
            ("POST", "/x"),
        ] {
            let answer = feed.ask(method, path, &headers);
            assert_eq!(answer.status, 401, "{method} {path}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        feed.get("/nothing", &headers).is_problem(401, "unauthorized");
        assert_eq!(feed.get("/healthz", &headers).status, 200);
    }
    let bearer = format!("Authorization: Bearer {}\r\n", made.token);
    assert_eq!(feed.get("/v1/things/1", &bearer).status, 200);
    feed.get("/nothing", &bearer).is_problem(404, "not-found");
    feed.ask("POST", "/v1/things/1", &bearer).is_problem(405, "method-not-allowed");
    feed.wait_for_metric("tally_feed_requests_unauthorized_total 12");
    feed.stop();
}

#[test]
fn no_request_has_a_body() {
    let feed = Feed::start(options());
    let with = |headers: &str, body: &str| {
        feed.send(format!("GET /v1/things/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n{body}"))
    };
    assert_eq!(with("Content-Length: 0\r\n", "").status, 200);
    with("Content-Length: 1\r\n", "x").is_problem(413, "body-too-large");
    with("Content-Length: 99999999999999\r\n", "").is_problem(413, "body-too-large");
    with("Transfer-Encoding: chunked\r\n", "1\r\nx\r\n0\r\n\r\n").is_problem(413, "body-too-large");
    // A body that was announced and does not come keeps nobody waiting.
    with("Content-Length: 5\r\nExpect: 100-continue\r\n", "").is_problem(413, "body-too-large");
    feed.stop();
}

#[test]
fn what_is_not_http_is_refused_and_others_are_answered() {
    let feed = Feed::start(options());
    let mut other = feed.connect();
    let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(101));
    let long = format!("GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(20_000));
    let target = format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(20_000));
    for (bytes, statuses) in [
        (b"\0\x01\x02\xff\r\n\r\n".to_vec(), &[400][..]),
        (b"GET\r\n\r\n".to_vec(), &[400]),
        (b"GET /healthz HTTP/9.9\r\n\r\n".to_vec(), &[400]),
        (b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n".to_vec(), &[400]),
        (b"GET /healthz HTTP/1.1\r\nContent-Length: x\r\n\r\n".to_vec(), &[400]),
        (b"GET /healthz HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_vec(), &[400]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &[400]),
        (many.into_bytes(), &[431]),
        (long.into_bytes(), &[431]),
        (target.into_bytes(), &[400, 414, 431]),
    ] {
        let answer = feed.send(&bytes);
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
        assert!(statuses.contains(&answer.status), "{start:?}: {answer:?}");
    }
    let mut http2 = feed.connect();
    http2.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    assert!(until_closed(&mut http2).is_empty());
    other.write_all(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(Answer::of(&until_closed(&mut other)).status, 200);
    // So are several requests at once, together larger than one may be.
    let one = format!("GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(5_000));
    let last = "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n";
    let mut stream = feed.connect();
    stream.write_all((one.repeat(9) + last).as_bytes()).unwrap();
    let answers = until_closed(&mut stream);
    assert_eq!(answers.windows(15).filter(|part| part == b"HTTP/1.1 200 OK").count(), 10);
    feed.stop();
}

#[test]
fn a_connection_that_asks_nothing_ends() {
    let feed = Feed::start(with_timeouts(|timeouts| timeouts.headers = SHORT));
    let since = Instant::now();
    let mut silent = feed.connect();
    assert!(until_closed(&mut silent).is_empty());
    assert!(since.elapsed() >= SHORT);

    // On a busy machine even a request that is sent at once may come too late.
    let idle = || {
        let mut idle = feed.connect();
        let _ = idle.write_all(b"GET /healthz HTTP/1.1\r\n\r\n");
        until_closed(&mut idle)
    };
    let answered = (0..100).map(|_| idle()).find(|answer| !answer.is_empty());
    assert_eq!(Answer::of(&answered.unwrap()).status, 200);

    // One that always sends a little more.
    let mut slow = feed.connect();
    slow.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    let since = Instant::now();
    while slow.write_all(b"X: y\r\n").is_ok() {
        assert!(since.elapsed() < NEVER, "still open");
        std::thread::sleep(SHORT / 10);
    }
    feed.wait_for_metric("tally_feed_connections 0");
    feed.stop();
}

#[test]
fn a_client_that_asks_too_often_has_to_wait() {
    let feed = Feed::start(HttpOptions { requests_per_sec: NonZeroU32::new(1), ..options() });
    assert_eq!(feed.get("/v1/things/1", "").status, 200);
    assert_eq!(feed.get("/nothing", "").status, 404);
    // However slowly a busy machine asks, some time it is too soon.
    let limited = (0..1_000).map(|_| feed.get("/v1/things/1", "")).find(|answer| answer.status != 200);
    let limited = limited.expect("one of many is refused");
    limited.is_problem(429, "too-many-requests");
    assert_eq!(limited.header("retry-after"), Some("1"));
    assert_eq!(feed.get("/healthz", "").status, 200);
    feed.wait_for_metric("tally_feed_requests_limited_total 1");
    feed.stop();
}

#[test]
fn a_connection_too_many_is_closed_at_once() {
    let feed = Feed::start(HttpOptions { connections_max: 2, ..options() });
    let mut open: Vec<_> = (0..2).map(|_| feed.connect()).collect();
    feed.wait_for_metric("tally_feed_connections 2");
    assert!(until_closed(&mut feed.connect()).is_empty());
    feed.wait_for_metric("tally_feed_connections_refused_total 1");
    for stream in &mut open {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        assert_eq!(Answer::of(&until_closed(stream)).status, 200);
    }
    feed.wait_for_metric("tally_feed_connections 0");
    assert_eq!(feed.get("/healthz", "").status, 200);
    feed.stop();
}

#[test]
fn a_reader_that_takes_nothing_is_cut_off() {
    let feed = Feed::start(with_timeouts(|timeouts| timeouts.write = SHORT));
    let mut stuck = feed.connect();
    stuck.write_all(b"GET /v1/endless HTTP/1.1\r\n\r\n").unwrap();
    feed.wait_for_metric("tally_feed_requests_total{route=\"/v1/endless\",status=\"200\"} 1");
    feed.wait_for_metric("tally_feed_connections 0");
    // One that goes on reading gets more than what fits into the buffers between the two. On a busy machine it may not
    // come to read in time, and tries again.
    let reads_on = || {
        let mut reader = feed.connect();
        reader.write_all(b"GET /v1/endless HTTP/1.1\r\n\r\n").unwrap();
        let (since, mut bytes, mut buffer) = (Instant::now(), 0, vec![0; 64 * 1024]);
        while since.elapsed() < SHORT * 3 {
            match reader.read(&mut buffer) {
                Ok(0) | Err(_) => return false,
                Ok(count) => bytes += count,
            }
            std::thread::sleep(SHORT / 100);
        }
        bytes > 1024 * 1024
    };
    assert!((0..100).any(|_| reads_on()), "it is cut off each time");
    feed.stop();
}

#[test]
fn a_compressed_answer_has_a_tag_of_its_own() {
    let feed = Feed::start(options());
    let plain = feed.get("/v1/things/1", "");
    assert_eq!((plain.header("etag"), plain.header("content-encoding")), (Some("\"x\""), None));
    assert_eq!(plain.header("vary"), Some("accept-encoding"));
    assert_eq!(plain.header("cache-control"), Some("no-cache"));
    assert_eq!(plain.body.len(), 6000);

    let gzip = feed.get("/v1/things/1", "Accept-Encoding: br, gzip\r\n");
    assert_eq!((gzip.header("etag"), gzip.header("content-encoding")), (Some("\"x-gzip\""), Some("gzip")));
    assert_eq!(gzip.header("vary"), Some("accept-encoding"));
    assert!(gzip.body.len() < 1000, "{gzip:?}");
    let head = feed.ask("HEAD", "/v1/things/1", "Accept-Encoding: gzip\r\n");
    assert_eq!((head.header("etag"), head.header("content-encoding")), (Some("\"x-gzip\""), Some("gzip")));
    assert_eq!((head.header("content-length"), head.body.len()), (None, 0));

    for tag in ["\"x\"", "\"x-gzip\""] {
        let asked = format!("Accept-Encoding: gzip\r\nIf-None-Match: {tag}\r\n");
        let answer = feed.get("/v1/things/1", &asked);
        assert_eq!((answer.status, answer.header("etag")), (304, Some(tag)));
    }
    for (path, coding) in [("/v1/events", "gzip"), ("/healthz", "gzip"), ("/v1/things/1", "gzip;q=0")] {
        let answer = feed.get(path, &format!("Accept-Encoding: {coding}\r\n"));
        assert_eq!((answer.status, answer.header("content-encoding")), (200, None), "{path}");
    }
    feed.stop();
}

#[test]
fn a_handler_that_fails_or_does_not_end_is_answered_for() {
    let feed = Feed::start(options());
    let failed = feed.get("/v1/panic", "");
    failed.is_problem(500, "internal");
    assert!(!String::from_utf8(failed.body).unwrap().contains("handler"));
    feed.get("/nothing", "").is_problem(404, "not-found");
    assert_eq!(feed.get("/v1/soon", "").status, 200);
    assert_eq!(feed.get("/v1/things/%ff", "").status, 200);
    for line in [
        "tally_feed_requests_total{route=\"/v1/panic\",status=\"500\"} 1",
        "tally_feed_requests_total{route=\"/v1/things/{id}\",status=\"200\"} 1",
        "tally_feed_requests_total{route=\"other\",status=\"404\"} 1",
        "tally_feed_request_seconds_count{route=\"/v1/soon\"} 1",
        "tally_feed_request_seconds_bucket{le=\"0.25\",route=\"/v1/soon\"} 0",
    ] {
        feed.wait_for_metric(line);
    }
    feed.stop();
    let feed = Feed::start(with_timeouts(|timeouts| timeouts.handler = SHORT));
    feed.get("/v1/forever", "").is_problem(503, "timeout");
    feed.wait_for_metric("tally_feed_requests_total{route=\"/v1/forever\",status=\"503\"} 1");
    feed.stop();
}

#[test]
fn what_is_under_way_is_answered_when_serving_ends() {
    let feed = Feed::start(options());
    let (mut idle, mut held) = (feed.connect(), feed.connect());
    held.write_all(b"GET /v1/held HTTP/1.1\r\n\r\n").unwrap();
    feed.wait_for_metric("tally_feed_connections 2");
    feed.runtime.block_on(feed.held.reached.notified());
    feed.stop.send_replace(true);
    assert!(until_closed(&mut idle).is_empty());
    feed.held.go_on.notify_one();
    assert_eq!(Answer::of(&until_closed(&mut held)).status, 200);
    let address = feed.address;
    feed.stop();
    assert!(TcpStream::connect(address).is_err());

    let feed = Feed::start(with_timeouts(|timeouts| timeouts.stop = SHORT));
    let mut held = feed.connect();
    held.write_all(b"GET /v1/held HTTP/1.1\r\n\r\n").unwrap();
    feed.runtime.block_on(feed.held.reached.notified());
    let took = feed.stop();
    assert!(took >= SHORT && took < NEVER, "{took:?}");
    assert!(until_closed(&mut held).is_empty());
}

fn tls_files() -> TlsFiles {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/http/testdata");
    TlsFiles { cert: directory.join("cert.pem"), key: directory.join("key.pem") }
}

#[test]
fn tls_is_spoken_with_a_certificate() {
    let tls = tls_files();
    let feed = Feed::start(HttpOptions { tls: Some(tls.clone()), ..options() });
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&tls.cert).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::StreamOwned::new(client, feed.connect());
    stream.write_all(b"GET /v1/things/1 HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let answer = Answer::of(&until_closed(&mut stream));
    assert_eq!((answer.status, answer.body.len()), (200, 6000));
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    feed.stop();

    let options = with_timeouts(|timeouts| timeouts.handshake = SHORT);
    let feed = Feed::start(HttpOptions { tls: Some(tls), ..options });
    // Who does not begin a handshake, or speaks something else, is not waited for.
    assert!(until_closed(&mut feed.connect()).is_empty());
    let mut plain = feed.connect();
    plain.write_all(b"GET /v1/things/1 HTTP/1.1\r\n\r\n").unwrap();
    assert!(!until_closed(&mut plain).starts_with(b"HTTP"));
    feed.wait_for_metric("tally_feed_connections 0");
    feed.stop();
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let error = |tls: TlsFiles| {
        let bound = runtime.block_on(bind(HttpOptions { tls: Some(tls), ..options() }));
        bound.err().unwrap().to_string()
    };
    let TlsFiles { cert, key } = tls_files();
    let said = error(TlsFiles { cert: "nowhere.pem".into(), key: key.clone() });
    assert!(said.starts_with("certificate of nowhere.pem: "), "{said}");
    let said = error(TlsFiles { cert: key.clone(), key: key.clone() });
    assert!(said.starts_with("certificate of ") && said.contains("key.pem"), "{said}");
    let said = error(TlsFiles { cert: cert.clone(), key: cert });
    assert!(said.starts_with("key of "), "{said}");
}
