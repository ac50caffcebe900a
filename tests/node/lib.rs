//! A node for tests and benchmarks: serves a recording as live L1 and L2 endpoints over JSON-RPC, with
//! the faults that real ones have.
//!
//! It is written apart from what it tests: its own HTTP, its own JSON, and no type of `tally-ingest`.

mod answer;
mod branch;
mod chain;
mod http;
mod odd;
mod odd_answers;
mod odd_batches;
mod options;
mod state;

pub use odd::{
    Amiss, BloomChange, HeaderChange, Kind, LogChange, Odd, On, ReceiptChange, Refusal, TransactionChange,
    When, Where,
};
pub use options::{Failure, Options, RangeStyle, Reorg, Rule, SecondNode, Turn, Unknown};

use chain::Chain;
use http::Server;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Two endpoints that serve a recording, until it is dropped.
pub struct ReplayNode {
    l1: Server,
    l2: Server,
}

impl ReplayNode {
    /// Serves the recording in `directory`.
    ///
    /// # Panics
    ///
    /// If there is none, or no port.
    pub fn start(directory: &Path, options: &Options) -> Self {
        let l1 = Chain::l1(directory, options);
        let l2 = Chain::l2(directory, options);
        Self { l1: Server::start(l1, options), l2: Server::start(l2, options) }
    }

    /// The URL of the L1 endpoint.
    pub fn l1_url(&self) -> String {
        self.l1.url()
    }

    /// The URL of the L2 endpoint.
    pub fn l2_url(&self) -> String {
        self.l2.url()
    }

    /// The last blocks that the endpoints know of.
    pub fn set_heads(&self, l1: u64, l2: u64) {
        self.l1.chain().set_head(l1);
        self.l2.chain().set_head(l2);
    }

    /// L1 gives up the branch beside the recorded one, if its head is there; the head stays where it is.
    pub fn reorganize(&self) {
        self.l1.chain().reorganize();
    }

    /// The last blocks of the recording.
    pub fn last_blocks(&self) -> (u64, u64) {
        (self.l1.chain().last(), self.l2.chain().last())
    }

    /// How many requests each endpoint got, and how many of them were made to fail.
    pub fn requests(&self) -> [(u64, u64); 2] {
        [self.l1.requests(), self.l2.requests()]
    }

    /// How often each oddity was played, on both endpoints together.
    pub fn played(&self) -> Vec<u64> {
        let [l1, l2] = [&self.l1, &self.l2].map(|server| server.oddities().played());
        l1.iter().zip(&l2).map(|(l1, l2)| l1 + l2).collect()
    }

    /// Whether each other branch was given up.
    pub fn has_reorganized(&self) -> bool {
        self.l1.chain().has_reorganized()
    }
}

/// A chain that all connections share.
type Shared = Arc<Mutex<Chain>>;
