//! HTTP as a client without any library says it: the server has to understand it, and no library hides anything.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

pub(crate) fn get(address: &str, path: &str) -> std::io::Result<Answer> {
    request(address, &format!("GET {path} HTTP/1.1\r\nHost: tally\r\nConnection: close\r\n\r\n"))
}

/// Sends these very bytes, and reads the answer to its end.
pub(crate) fn request(address: &str, text: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_mins(5)))?;
    stream.write_all(text.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let (status, headers) = head(&mut reader)?;
    let mut body = Vec::new();
    reader.read_to_end(&mut body)?;
    // What is no text is looked at by whoever asks for its bytes.
    Ok(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

/// The body of an answer that may be no text, with a client that knows no chunks.
pub(crate) fn get_bytes(address: &str, path: &str) -> std::io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_mins(5)))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: tally\r\n\r\n").as_bytes())?;
    let mut reader = BufReader::new(stream);
    let (status, _) = head(&mut reader)?;
    let mut body = Vec::new();
    reader.read_to_end(&mut body)?;
    Ok((status, body))
}

/// The status and the headers.
fn head(reader: &mut impl BufRead) -> std::io::Result<(u16, Vec<(String, String)>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no status: {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Ok((status, headers));
        };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
}

/// A server-sent event: its id, its kind, and its data.
#[derive(Debug, Default)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) data: String,
}

/// A stream of server-sent events.
pub(crate) struct Events {
    reader: BufReader<TcpStream>,
    /// What has come of the lines, without the chunks' sizes.
    text: String,
}

impl Events {
    /// Follows the feed after the cursor `last`, as a browser does that lost its connection there.
    pub(crate) fn open(address: &str, path: &str, last: &str) -> std::io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: tally\r\nAccept: text/event-stream\r\nLast-Event-ID: {last}\r\n\r\n"
        );
        stream.write_all(text.as_bytes())?;
        let mut reader = BufReader::new(stream);
        let (status, headers) = head(&mut reader)?;
        let kind = headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
        if status != 200 || kind != Some("text/event-stream") {
            return Err(std::io::Error::other(format!("no stream: {status}, {headers:?}")));
        }
        Ok(Self { reader, text: String::new() })
    }

    /// The next event; an error where the stream ends, or nothing comes.
    pub(crate) fn next(&mut self) -> std::io::Result<Event> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                        .map(str::to_owned)
                };
                // The first thing says when to come back, and others are signs of life. An event without a name is a message.
                if let Some(data) = field("data") {
                    let id = field("id").unwrap_or_default();
                    let kind = field("event").unwrap_or_else(|| "message".into());
                    return Ok(Event { id, kind, data });
                }
            }
            let mut size = String::new();
            self.reader.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16).map_err(std::io::Error::other)?;
            if size == 0 {
                return Err(std::io::Error::other("the stream has ended"));
            }
            let mut chunk = vec![0; size + 2];
            self.reader.read_exact(&mut chunk)?;
            self.text.push_str(std::str::from_utf8(&chunk[..size]).map_err(std::io::Error::other)?);
        }
    }
}
