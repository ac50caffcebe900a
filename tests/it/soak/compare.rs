//! What a run ends with, against what a perfect observer has.

use super::faults::name_of;
use super::figures::Figures;
use super::plan::Command;
use super::run::Run;
use crate::live::verified_digest;
use crate::serve::Served;
use crate::support::{fixture, tally};
use serde_json::Value;
use std::path::Path;
use tally_ingest::{Limits, ingest_recording};
use tempfile::TempDir;

impl Run<'_> {
    /// The log, the audit of it and its facts, against those of a perfect observer.
    pub(super) fn compare(&mut self) {
        let log = self.disk.log();
        let perfect = recorded(self.plan.recording, self.plan.to);
        assert_eq!(verified_digest(&log), verified_digest(perfect.path()), "{}", self.told());
        self.figures.count("digests compared", 1);
        let (status, _, err) = tally(&["log", "verify", "--log", log.to_str().unwrap()]);
        assert_eq!(status, 0, "{err}\n{}", self.told());
        assert_eq!(audit(&log), audit(perfect.path()), "{}", self.told());
        self.figures.count("audits compared", 1);

        let (mut table, told, lives) = self.reader.take().expect("it reads until now").end();
        let feed = self.feed();
        let served = Served::start(&log, &["--feed-dir", feed.to_str().unwrap()]);
        let at = served.json("/v1/status")["policies"][0]["at"].take();
        for fact in served.facts("guide", &table.cursor) {
            table.apply(fact);
        }
        let final_blocks = (at["final_l1_head"]["block"].as_u64(), at["final_l2_head"]["block"].as_u64());
        let (Some(l1), Some(l2)) = final_blocks else { panic!("nothing is final: {at}\n{}", self.told()) };
        let expected = Served::start(recorded(self.plan.recording, (l1, l2)).path(), &[]).facts("guide", "0");
        assert_eq!(table.facts, expected, "{}", self.told());
        self.figures.count("facts compared", u64::try_from(expected.len()).unwrap());
        self.figures.count("facts told to readers that died now and then", told);
        self.figures.count("lives of readers", lives);
    }

    pub(super) fn figured(mut self) -> Figures {
        for (options, node) in self.plan.nodes.iter().zip(&self.nodes) {
            for (odd, count) in options.odd.iter().zip(node.played()) {
                *self.figures.played.entry(name_of(odd.kind)).or_default() += count;
            }
            self.figures.count("endpoints of two nodes", u64::from(options.second_node.is_some()));
            self.figures.count("endpoints", 1);
        }
        let requests = self.requests();
        self.figures.count("requests", requests);
        let is_ingest = self.plan.command == Command::Ingest;
        self.figures.count(if is_ingest { "runs of `ingest`" } else { "runs of `serve`" }, 1);
        self.figures
            .count(if self.plan.recording == "small-a" { "runs of small-a" } else { "runs of pool-a" }, 1);
        self.figures.seeds.push(self.plan.seed);
        self.figures
    }
}

/// The log of a perfect observer, up to some blocks.
fn recorded(recording: &str, (l1, l2): (u64, u64)) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { l1_to: Some(l1), l2_to: Some(l2) };
    ingest_recording(&fixture(recording), dir.path(), limits).unwrap();
    dir
}

/// What `tally audit chain` says of a log.
fn audit(log: &Path) -> (u8, Value) {
    let (status, out, err) =
        tally(&["audit", "chain", "--log", log.to_str().unwrap(), "--report-format", "json"]);
    let told = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    (status, told)
}
