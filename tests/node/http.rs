//! HTTP, as little of it as a node needs: one thread for each connection, and faults on demand.

use crate::Shared;
use crate::answer::{answer, refusal};
use crate::chain::Chain;
use crate::odd::{Oddities, Refusal};
use crate::odd_batches::Manner;
use crate::options::{Failure, Options, Turn};
use alloy_primitives::keccak256;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// An endpoint. Its connections end with their clients.
pub(crate) struct Server {
    address: SocketAddr,
    chain: Shared,
    state: Arc<State>,
}

struct State {
    options: Options,
    requests: AtomicU64,
    failed: AtomicU64,
    /// How many requests or calls were given to one of two nodes.
    turns: AtomicU64,
    oddities: Arc<Oddities>,
    is_over: AtomicBool,
    /// Calls that may be made now, and when that was counted.
    bucket: Mutex<(f64, Instant)>,
}

impl Server {
    pub(crate) fn start(chain: Chain, options: &Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let oddities = chain.oddities.clone();
        let chain = Arc::new(Mutex::new(chain));
        let state = Arc::new(State {
            options: options.clone(),
            requests: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            oddities,
            is_over: AtomicBool::new(false),
            bucket: Mutex::new((f64::from(options.calls_per_sec.unwrap_or_default()), now())),
        });
        let (shared, connected) = (chain.clone(), state.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if connected.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let (chain, state) = (shared.clone(), connected.clone());
                if let Ok(stream) = stream {
                    // A client that goes away is no concern of ours.
                    std::thread::spawn(move || drop(serve(&stream, &chain, &state)));
                }
            }
        });
        Self { address, chain, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().expect("no answer panicked")
    }

    pub(crate) fn oddities(&self) -> &Oddities {
        &self.state.oddities
    }

    pub(crate) fn requests(&self) -> (u64, u64) {
        (self.state.requests.load(Ordering::Relaxed), self.state.failed.load(Ordering::Relaxed))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        // It waits for a connection, and then looks whether it is over.
        drop(TcpStream::connect(self.address));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a limit of calls a second needs a clock; no result depends on it"
)]
fn now() -> Instant {
    Instant::now()
}

fn serve(stream: &TcpStream, chain: &Shared, state: &State) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(body) = request(&mut reader)? {
        if !state.options.latency.is_zero() {
            std::thread::sleep(state.options.latency);
        }
        let count = state.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let Ok(asked) = serde_json::from_slice::<Value>(&body) else {
            respond(stream, 200, "", &refusal(&Value::Null, -32700, "parse error"))?;
            continue;
        };
        if let Some(wait_secs) = state.wait_secs(&asked) {
            let body = refusal(&Value::Null, -32005, "project ID request rate exceeded");
            respond(stream, 429, &format!("Retry-After: {wait_secs}\r\n"), &body)?;
            continue;
        }
        let by_rule = || state.options.fails.as_ref().and_then(|rule| (rule.0)(&asked, &Value::Null));
        if let Some(failure) = state.failure(count).or_else(by_rule) {
            state.failed.fetch_add(1, Ordering::Relaxed);
            if !fail(stream, failure, &asked)? {
                return Ok(());
            }
            continue;
        }
        if let Some(refused) = state.oddities.refuses(&asked) {
            state.failed.fetch_add(1, Ordering::Relaxed);
            let stands = match refused {
                Refusal::Fails(failure) => fail(stream, failure, &asked)?,
                Refusal::Words(status, code, words) => {
                    let id = asked.get("id").cloned().unwrap_or_default();
                    respond(stream, status, "", &refusal(&id, code, words)).map(|()| true)?
                }
            };
            if !stands {
                return Ok(());
            }
            continue;
        }
        let body = answered(&mut chain.lock().expect("no answer panicked"), state, &asked);
        let manner = state.oddities.manner();
        send(stream, manner, &body)?;
        if manner.is_chunked {
            return Ok(());
        }
    }
    Ok(())
}

/// The body of the answer to a request.
fn answered(chain: &mut Chain, state: &State, asked: &Value) -> String {
    let most = state.options.batch_max.unwrap_or(usize::MAX);
    let Some(calls) = asked.as_array() else {
        chain.set_lag(state.lag(true));
        return answer(chain, asked);
    };
    if calls.len() > most {
        return refusal(&Value::Null, -32600, &format!("batch too large, limit {most}"));
    }
    let mut answers = Vec::with_capacity(calls.len());
    for (index, call) in calls.iter().enumerate() {
        chain.set_lag(state.lag(index == 0));
        answers.push(answer(chain, call));
    }
    state.oddities.arranged(calls, answers)
}

/// Sends an answer in a manner.
fn send(mut stream: &TcpStream, manner: Manner, body: &str) -> std::io::Result<()> {
    let Manner { status, is_plain_text, is_chunked } = manner;
    let body = if is_plain_text { format!("\r\n  {body}\n") } else { body.to_owned() };
    if !is_plain_text && !is_chunked {
        return respond(stream, status, "", &body);
    }
    let content_type = if is_plain_text { "text/plain" } else { "application/json; charset=utf-8" };
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n");
    if !is_chunked {
        return write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
    }
    write!(stream, "{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    for piece in body.as_bytes().chunks(10_000) {
        write!(stream, "{:x}\r\n", piece.len())?;
        stream.write_all(piece)?;
        stream.write_all(b"\r\n")?;
    }
    stream.write_all(b"0\r\n\r\n")
}

/// The body of the next request, or `None` when the client has gone.
fn request(reader: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(body))
}

fn respond(mut stream: &TcpStream, status: u16, headers: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// Lets a request fail; returns whether the connection stands.
fn fail(mut stream: &TcpStream, failure: Failure, asked: &Value) -> std::io::Result<bool> {
    let html = "<html><body>upstream error</body></html>";
    match failure {
        Failure::Status(status) => respond(stream, status, "", html).map(|()| true),
        Failure::Html => respond(stream, 200, "", html).map(|()| true),
        Failure::RpcError => {
            let id = asked.get("id").cloned().unwrap_or_default();
            respond(stream, 200, "", &refusal(&id, -32603, "internal error")).map(|()| true)
        }
        Failure::Reset => Ok(false),
        Failure::RetryAfter(secs) => {
            respond(stream, 429, &format!("Retry-After: {secs}\r\n"), html).map(|()| true)
        }
        Failure::Silent => stream.read(&mut [0]).map(|_| false),
        Failure::Truncate => {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"re",
            )?;
            Ok(false)
        }
        Failure::Giant => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            let piece = vec![b' '; 1 << 20];
            for _ in 0..1 << 10 {
                // The client will have hung up long before the end.
                write!(stream, "{:x}\r\n", piece.len())?;
                stream.write_all(&piece)?;
                stream.write_all(b"\r\n")?;
            }
            Ok(false)
        }
    }
}

impl State {
    /// How far behind the node is that answers the next call, which may be the first of its request.
    fn lag(&self, is_first: bool) -> u64 {
        let Some(second) = self.options.second_node else {
            return 0;
        };
        let is_next = is_first || second.turn == Turn::Call;
        let turn = self.turns.fetch_add(u64::from(is_next), Ordering::Relaxed) + u64::from(is_next);
        let is_second = match second.turn {
            Turn::Alternate => turn.is_multiple_of(2),
            // As it falls, and the same in each run: by the digest of the turn's number.
            Turn::Request | Turn::Call => keccak256(turn.to_be_bytes())[0] & 1 == 1,
        };
        if is_second { second.lag_blocks } else { 0 }
    }

    fn failure(&self, count: u64) -> Option<Failure> {
        let every = self.options.fail_every?;
        let turn = usize::try_from(count / every).ok()?;
        count.is_multiple_of(every).then(|| self.options.failures[turn % self.options.failures.len()])
    }

    /// How long to wait, if there are too many calls. One that is above what a second allows passes when
    /// nothing else did.
    fn wait_secs(&self, asked: &Value) -> Option<u64> {
        let most = f64::from(self.options.calls_per_sec?);
        let cost = asked.as_array().map_or(1, Vec::len);
        let cost = f64::from(u32::try_from(cost).expect("a batch is small")).min(most);
        let mut bucket = self.bucket.lock().expect("nobody panics while holding it");
        let (tokens, since) = *bucket;
        let tokens = most.min(tokens + since.elapsed().as_secs_f64() * most);
        *bucket = (tokens, now());
        if tokens < cost {
            return Some(Duration::from_secs_f64((cost - tokens) / most).as_secs() + 1);
        }
        bucket.0 -= cost;
        None
    }
}
