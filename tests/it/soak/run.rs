//! Carrying out a plan.

use super::disk::Disk;
use super::figures::Figures;
use super::plan::{Act, Command, DiskFault, Plan};
use super::reader::Reader;
use super::writer::{self, Writer};
use crate::serve::{Served, http};
use crate::support::{fixture, tally, wait_for};
use replay_node::ReplayNode;
use std::path::PathBuf;
use tally_eventlog::{LogError, LogReader, verify};
use tempfile::TempDir;

/// After so many requests a disk that still does for what is written is made smaller.
const DISK_REQUESTS: u64 = 150;

/// After so many looks a run is taken to hang, before [`wait_for`] gives up: some minutes.
const LOOKS_MAX: u32 = 25_000;

/// A run that goes on.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    dir: TempDir,
    pub(super) disk: Disk,
    pub(super) nodes: Vec<ReplayNode>,
    args: Vec<String>,
    /// The process, until the log is whole.
    writer: Option<Writer>,
    /// The server beside an ingest.
    server: Option<Served>,
    pub(super) reader: Option<Reader>,
    pub(super) figures: Figures,
    /// What has yet to happen.
    next_acts: &'a [(u64, Act)],
    /// How many reorgs were gone through.
    reorgs: usize,
    /// Where L2's head was set.
    l2_head: u64,
    /// What happened so far.
    story: Vec<String>,
}

/// Carries out a plan, and compares what comes of it with what a perfect observer has.
pub(super) fn carry_out(plan: &Plan) -> Figures {
    let mut run = Run::start(plan);
    run.start_writer(None);
    for (index, (requests, act)) in plan.acts.iter().enumerate() {
        run.next_acts = &plan.acts[index + 1..];
        run.story.push(format!("{act:?} after {requests} requests"));
        if !run.wait_requests(*requests) {
            break;
        }
        run.act(*act);
    }
    run.finish();
    run.compare();
    run.figured()
}

impl<'a> Run<'a> {
    fn start(plan: &'a Plan) -> Self {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::new());
        let recording = fixture(plan.recording);
        let (_, network, _) = tally(&["network", "from-recording", recording.to_str().unwrap()]);
        let network_path = dir.path().join("network.toml");
        std::fs::write(&network_path, network).unwrap();
        let nodes: Vec<ReplayNode> =
            plan.nodes.iter().map(|options| ReplayNode::start(&recording, options)).collect();
        let args = writer::args(plan, &nodes, &network_path, &disk.log(), &dir.path().join("feed"));
        let reader = Some(Reader::start(&dir.path().join("table.json"), plan.seed));
        Self {
            plan,
            dir,
            disk,
            nodes,
            args,
            writer: None,
            server: None,
            reader,
            figures: Figures::default(),
            next_acts: &[],
            reorgs: 0,
            l2_head: 0,
            story: Vec::new(),
        }
    }

    pub(super) fn feed(&self) -> PathBuf {
        self.dir.path().join("feed")
    }

    fn set_address(&self, address: Option<String>) {
        self.reader.as_ref().expect("it reads until the end").set_address(address);
    }

    fn start_writer(&mut self, file_limit_kib: Option<u64>) {
        let writer = Writer::start(self.plan.command, &self.args, file_limit_kib);
        if let Some(address) = &writer.address {
            self.set_address(Some(address.clone()));
        }
        self.writer = Some(writer);
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.as_mut().expect("the log is not whole")
    }

    /// The last blocks in the log.
    fn heads(&self) -> Option<(u64, u64)> {
        let heads = LogReader::open_once(&self.disk.log()).ok().map(|log| *log.heads())?;
        Some((heads.l1?.block.0, heads.l2?.block.0))
    }

    pub(super) fn requests(&self) -> u64 {
        self.nodes.iter().flat_map(ReplayNode::requests).map(|(requests, _)| requests).sum()
    }

    /// Starts the server beside an ingest, once there is something to serve.
    fn serve_beside(&mut self) {
        if self.plan.command == Command::Serve {
            return;
        }
        if self.server.as_mut().is_some_and(|server| server.process.has_ended()) {
            let (status, _, err) = self.server.take().expect("it is there").process.end();
            panic!("the server ended by itself, with {status}: {err}\n{}", self.told());
        }
        if self.server.is_none() && self.heads().is_some() {
            let (log, feed) = (self.disk.log(), self.feed());
            let paths = ["--log", log.to_str().unwrap(), "--feed-dir", feed.to_str().unwrap()];
            let more = ["--requests-per-sec", "0", "--poll-secs", "0.05"];
            let served = Served::with_args(&[&["serve"], &paths[..], &more].concat());
            self.set_address(Some(served.address.clone()));
            self.server = Some(served);
        }
    }

    /// Waits, and where that is in vain says what the process said.
    fn wait<T>(&mut self, what: &str, mut attempt: impl FnMut(&mut Self) -> Option<T>) -> T {
        let mut looks = 0;
        wait_for(what, || {
            if let Some(found) = attempt(self) {
                return Ok(found);
            }
            looks += 1;
            if looks == LOOKS_MAX {
                let said = self.writer.take().map(|writer| writer.end(2));
                panic!("it hangs; waited for {what}: {}\n{}", tail(&format!("{said:#?}")), self.told());
            }
            Err(self.told())
        })
    }

    /// What happened so far.
    pub(super) fn told(&self) -> String {
        let played: Vec<Vec<u64>> = self.nodes.iter().map(ReplayNode::played).collect();
        let (heads, requests) = (self.heads(), self.requests());
        format!("the log has {heads:?}; {requests} requests; played {played:?}; {:#?}", self.story)
    }

    /// Whether the process has ended because the log is whole. Panics if it ended otherwise.
    fn has_ended(&mut self) -> bool {
        let Some(writer) = &mut self.writer else {
            return true;
        };
        if !writer.has_ended() {
            return false;
        }
        let (status, out, err) = self.writer.take().expect("it is there").end(0);
        let is_whole = status == Some(0) && self.heads() == Some(self.plan.to);
        assert!(is_whole, "the process ended with {status:?}: {out}{}\n{}", tail(&err), self.told());
        true
    }

    /// Waits for so many more requests. Returns false if the log is whole before.
    fn wait_requests(&mut self, count: u64) -> bool {
        let target = self.requests() + count;
        self.wait("more requests", |run| {
            if run.has_ended() {
                return Some(false);
            }
            run.serve_beside();
            (run.requests() >= target).then_some(true)
        })
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Heads { l1, l2, behind } => {
                self.l2_head = l2;
                for (index, node) in (0..).zip(&self.nodes) {
                    let behind = behind * index;
                    node.set_heads(l1 - behind, l2 - behind);
                }
            }
            Act::Reorganize { requests_between } => self.reorganize(requests_between),
            Act::Kill => self.kill(),
            Act::KillServer if self.plan.command == Command::Serve => self.kill(),
            Act::KillServer => {
                if let Some(server) = self.server.take() {
                    self.set_address(None);
                    server.process.kill();
                    self.figures.count("kills of a server beside an ingest", 1);
                }
            }
            Act::Disk(fault) => self.fail_disk(fault),
        }
    }

    fn reorganize(&mut self, requests_between: u64) {
        let reorg = self.plan.reorgs[self.reorgs];
        self.reorgs += 1;
        for node in &self.nodes {
            node.set_heads(reorg.at, self.l2_head);
        }
        let is_in_log = self.heads().is_some_and(|(l1, _)| l1 > reorg.at - reorg.depth);
        self.figures.count("reorgs", 1);
        self.figures.count("reorgs of blocks that the log had", u64::from(is_in_log));
        for index in 0..self.nodes.len() {
            self.nodes[index].reorganize();
            self.wait_requests(requests_between);
        }
    }

    fn kill(&mut self) {
        self.hide_writer();
        self.writer.take().expect("the log is not whole").kill();
        self.figures.count("kills of what writes the log", 1);
        self.check_log();
        self.start_writer(None);
    }

    /// Tells the reader that what it read from is gone, where that is what writes the log.
    fn hide_writer(&self) {
        if self.plan.command == Command::Serve {
            self.set_address(None);
        }
    }

    /// Panics unless each byte of the log is right. Nobody writes it now.
    fn check_log(&mut self) {
        if !LogReader::exists(&self.disk.log()).unwrap() {
            return;
        }
        match LogReader::open_once(&self.disk.log()) {
            Ok(log) => {
                verify(&log).unwrap_or_else(|error| panic!("{error}\n{}", self.told()));
                self.figures.count("logs verified after a kill or a full disk", 1);
            }
            // RocksDB was just making its families.
            Err(LogError::Empty { .. } | LogError::NotALog { .. }) => {}
            Err(error) => panic!("{error}\n{}", self.told()),
        }
    }

    /// Lets the disk fail until the process has said so; then there is space again.
    fn fail_disk(&mut self, fault: DiskFault) {
        let (words, limit_kib) = match fault {
            DiskFault::Full(but_kib) if self.disk.is_mounted() => {
                self.disk.fill(but_kib);
                ("No space left on device", None)
            }
            DiskFault::Full(kib) | DiskFault::FileLimit(kib) => ("File too large", Some(kib)),
        };
        if limit_kib.is_some() {
            self.hide_writer();
            self.writer.take().expect("the log is not whole").kill();
            self.start_writer(limit_kib);
        }
        // Now there is something to write.
        let (_, act) = self.next_acts[0];
        self.act(act);
        let (mut looks, mut next) = (0, self.requests() + DISK_REQUESTS);
        let is_told = self.wait("a process to find its disk full", |run| {
            if run.writer().has_ended() || run.writer().says_that_it_failed() {
                return Some(true);
            }
            if run.requests() > next {
                // What was to be written had space enough. When the log is opened anew there is less.
                looks += 1;
                next = run.requests() + DISK_REQUESTS;
                run.writer.take().expect("the log is not whole").kill();
                if limit_kib.is_none() {
                    run.disk.fill(0);
                }
                run.start_writer(limit_kib.map(|_| 0));
            }
            (looks > 2).then_some(false)
        });
        if !is_told {
            self.disk.empty();
            self.kill();
            self.figures.count("full disks on which there was space enough", 1);
            return;
        }
        self.hide_writer();
        let (status, out, err) = self.writer.take().expect("the log is not whole").end(1);
        self.disk.empty();
        if status == Some(0) && self.heads() == Some(self.plan.to) && !err.contains(words) {
            self.figures.count("full disks on which there was space enough", 1);
            return;
        }
        let is_right = status == Some(i32::from(self.plan.command == Command::Ingest));
        // A server that cannot even begin to keep its journal ends.
        let is_right = is_right || status == Some(1);
        let is_told = err.lines().any(|line| line.contains(words));
        assert!(is_right && is_told, "on a full disk: {status:?}: {out}{}\n{}", tail(&err), self.told());
        self.figures.count(
            if limit_kib.is_none() { "full disks (tmpfs)" } else { "full disks (no file may be larger)" },
            1,
        );
        self.check_log();
        self.start_writer(None);
    }

    /// Waits until the log is whole, and ends the process.
    fn finish(&mut self) {
        self.story.push("to the end".into());
        let (l1, l2) = self.plan.to;
        self.wait("the log to be whole", |run| {
            if run.plan.command == Command::Ingest {
                run.serve_beside();
                return run.has_ended().then_some(());
            }
            assert!(!run.writer().has_ended(), "the server ended by itself: {}", run.told());
            let address = run.writer().address.clone().expect("it serves");
            let status = http::get(&address, "/v1/status").ok().filter(|answer| answer.status == 200)?.json();
            let at = &status["policies"][0]["at"];
            ((at["log"]["l1_head"]["block"].as_u64(), at["log"]["l2_head"]["block"].as_u64())
                == (Some(l1), Some(l2)))
                .then_some(())
        });
        self.set_address(None);
        if let Some(writer) = self.writer.take() {
            let (status, _, err) = writer.end(1);
            assert_eq!(status, Some(0), "{}\n{}", tail(&err), self.told());
        }
        drop(self.server.take());
    }
}

/// The last of what was said.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
