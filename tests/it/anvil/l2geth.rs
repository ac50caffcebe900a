//! A real node in the guise of l2geth, which gives each transaction the fields of a sequencer's signature: here `null`, as
//! of a deposit.

use super::node::Node;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// The URL of a node that answers as `node` does, but for these fields. It stands as long as the test's process.
pub(super) fn in_front_of(node: &Node) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let behind = node.address().to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let behind = behind.clone();
            // A client that goes away is no concern of ours, nor is the node's end.
            std::thread::spawn(move || serve(&stream.unwrap(), &behind).ok());
        }
    });
    url
}

fn serve(mut stream: &TcpStream, behind: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(body) = message(&mut reader)? {
        let mut node = TcpStream::connect(behind)?;
        let length = body.len();
        write!(
            node,
            "POST / HTTP/1.1\r\nHost: {behind}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n"
        )?;
        node.write_all(&body)?;
        let answer = message(&mut BufReader::new(node))?.unwrap_or_default();
        let mut answer: Value = serde_json::from_slice(&answer)?;
        if let Some(answers) = answer.as_array_mut() {
            answers.iter_mut().for_each(add_fields);
        } else {
            add_fields(&mut answer);
        }
        let answer = answer.to_string();
        let length = answer.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{answer}"
        )?;
    }
    Ok(())
}

/// The body of a request or an answer, or `None` at the end.
fn message(reader: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
        if line.trim_end().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(body))
}

fn add_fields(answer: &mut Value) {
    let transactions = answer.pointer_mut("/result/transactions").and_then(Value::as_array_mut);
    for transaction in transactions.into_iter().flatten().filter_map(Value::as_object_mut) {
        for field in ["seqR", "seqS", "seqV"] {
            transaction.insert(field.into(), Value::Null);
        }
    }
}
