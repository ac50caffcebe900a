//! The claim feed, over HTTP, as a process of its own.

mod answers;
mod changes;
pub(crate) mod consumer;
mod contract;
mod csv;
mod distributions;
mod following;
mod gate;
pub(crate) mod http;
mod lists;
mod problems;
mod proofs;
mod rollbacks;
mod service;
mod states;
mod streams;

use crate::process::{self, Process};
use crate::support::{wait_for, write_log};
use http::Answer;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A running `tally serve`. It is killed when dropped.
pub(crate) struct Served {
    /// Where it listens, as `127.0.0.1:PORT`.
    pub(crate) address: String,
    pub(crate) process: Process,
}

impl Served {
    /// Serves a log, and waits until it is ready.
    pub(crate) fn start(log: &Path, more: &[&str]) -> Self {
        let log = ["serve", "--log", log.to_str().unwrap(), "--requests-per-sec", "0"];
        let args: Vec<&str> = log.into_iter().chain(more.iter().copied()).collect();
        let served = Self::with_args(&args);
        served.wait_for("/readyz", |answer| answer.status == 200);
        served
    }

    /// Serves as told, on some port.
    pub(crate) fn with_args(args: &[&str]) -> Self {
        let listen = ["--listen", "127.0.0.1:0"];
        let args: Vec<&str> = args.iter().copied().chain(listen).collect();
        Self::of(process::start(&args, &[]))
    }

    /// A server that was started.
    pub(crate) fn of(mut process: Process) -> Self {
        let line = process.line_with("listening at ");
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        Self { address, process }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        http::get(&self.address, path).expect("it answers")
    }

    /// An answer that has to be one.
    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// Asks until the answer is as it should be.
    pub(crate) fn wait_for(&self, path: &str, is_right: impl Fn(&Answer) -> bool) -> Answer {
        wait_for(path, || {
            let answer = self.get(path);
            if is_right(&answer) { Ok(answer) } else { Err(answer.body) }
        })
    }

    /// All facts of the feed after the cursor `after`, page by page.
    pub(crate) fn facts(&self, policy: &str, after: &str) -> Vec<Value> {
        let mut facts = Vec::new();
        let mut cursor = after.to_owned();
        loop {
            let page = self.json(&format!("/v1/feed?policy={policy}&after={cursor}&limit=7"));
            facts.extend(page["facts"].as_array().unwrap().iter().cloned());
            page["cursor"].as_str().unwrap().clone_into(&mut cursor);
            if page["is_end"] == true {
                return facts;
            }
        }
    }
}

/// The log of a recording, in `dir`.
pub(crate) fn log_of(recording: &str, dir: &Path) -> PathBuf {
    let log = dir.join("log");
    write_log(recording, &log);
    log
}
