//! The process of a run that writes the log.

use super::plan::{Command, Plan};
use crate::process::{self, Process};
use crate::serve::{Served, http};
use crate::support::wait_for;
use replay_node::ReplayNode;
use std::path::Path;

/// `tally ingest --follow`, or `tally serve` that ingests.
pub(super) struct Writer {
    process: Process,
    /// Where it serves, if it does.
    pub(super) address: Option<String>,
}

/// The arguments of a plan's command.
pub(super) fn args(
    plan: &Plan,
    nodes: &[ReplayNode],
    network: &Path,
    log: &Path,
    feed: &Path,
) -> Vec<String> {
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let mut args: Vec<String> = Vec::new();
    let mut put = |flag: &str, value: String| args.extend([flag.to_owned(), value]);
    put("--network", path(network));
    put("--log", path(log));
    for index in &plan.order[0] {
        put("--l1-rpc", nodes[*index].l1_url());
    }
    for index in &plan.order[1] {
        put("--l2-rpc", nodes[*index].l2_url());
    }
    put("--l1-finality", plan.margins.0.to_string());
    put("--l2-confirmations", plan.margins.1.to_string());
    put("--poll-secs", "0.02".into());
    put("--rpc-rounds", "20".into());
    put("--rpc-timeout-secs", "5".into());
    put("--progress", "lines".into());
    put("--level", "debug".into());
    match plan.command {
        Command::Ingest => {
            put("--l1-to", plan.to.0.to_string());
            put("--l2-to", plan.to.1.to_string());
        }
        Command::Serve => {
            put("--requests-per-sec", "0".into());
            put("--listen", "127.0.0.1:0".into());
            put("--feed-dir", path(feed));
        }
    }
    let command = if plan.command == Command::Ingest { "ingest" } else { "serve" };
    [command.to_owned(), "--follow".into()].into_iter().chain(args).collect()
}

impl Writer {
    /// Starts it, where need be so that no file can be larger.
    pub(super) fn start(command: Command, args: &[String], file_limit_kib: Option<u64>) -> Self {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let process = match file_limit_kib {
            Some(limit_kib) => process::start_with_file_limit(&args, limit_kib),
            None => process::start(&args, &[]),
        };
        if command == Command::Ingest {
            return Self { process, address: None };
        }
        let Served { process, address } = Served::of(process);
        Self { process, address: Some(address) }
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    pub(super) fn kill(self) {
        self.process.kill();
    }

    /// Whether it serves, and says that it cannot write.
    pub(super) fn says_that_it_failed(&self) -> bool {
        let answer = self.address.as_ref().and_then(|address| http::get(address, "/readyz").ok());
        answer.is_some_and(|answer| answer.body.contains("failed"))
    }

    /// Asks it to end, so many times, and returns its status and what it said.
    pub(super) fn end(mut self, signals: usize) -> (Option<i32>, String, String) {
        for _ in 0..signals {
            if !self.process.has_ended() {
                self.process.terminate();
            }
        }
        wait_for("a process to end", || {
            if self.process.has_ended() { Ok(()) } else { Err(format!("it was told to, {signals} times")) }
        });
        let (status, out, err) = self.process.end();
        (status.code(), out, err)
    }
}
