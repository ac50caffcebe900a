//! Where a task that follows a chain stands, and how it goes on.

use super::Piece;
use crate::error::IngestError;
use crate::metrics::ChainMetrics;
use alloy::primitives::B256;
use std::time::Duration;
use tally_eventlog::{Chain, RecentBlock, RecentBlocks};
use tokio::sync::{mpsc, oneshot, watch};

/// How often in a row blocks may fail to join the log's end before that is an error.
const STALLS_MAX: u32 = 10;

/// The pause after blocks failed to join, and the longest: each is twice the one before once they failed
/// too often.
const STALL_PAUSE: Duration = Duration::from_millis(500);
const STALL_PAUSE_MAX: Duration = Duration::from_secs(30);

/// The log cannot take anything any more.
const LOG_ENDED: IngestError = IngestError::Broken("the task that writes the log has ended");

/// What to do after catching up with the chain.
pub(super) enum Pace {
    /// It is ingested as far as was asked for.
    Done,
    /// Look at it again.
    Poll,
}

/// Where a task that follows a chain stands.
pub(super) struct Follower {
    pub(super) chain: Chain,
    pub(super) limit: Option<u64>,
    pub(super) is_following: bool,
    pub(super) poll: Duration,
    pub(super) recent: RecentBlocks,
    /// Who is asked, for whoever reads an error.
    pub(super) endpoints: String,
    /// The head when blocks last failed to join it, and how often that was.
    pub(super) stalled: (Option<u64>, u32),
    pub(super) pieces: mpsc::Sender<Piece>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) metrics: ChainMetrics,
}

impl Follower {
    pub(super) fn head(&self) -> Option<RecentBlock> {
        self.recent.blocks().last().copied()
    }

    pub(super) fn recent(&self) -> &RecentBlocks {
        &self.recent
    }

    pub(super) fn push(&mut self, block: RecentBlock, sealed: u64) {
        self.recent.push(block, sealed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    pub(super) fn stopped(&self) -> impl Future<Output = ()> + use<> {
        stopped(self.stop.clone())
    }

    pub(super) async fn send(&self, piece: Piece) -> Result<(), IngestError> {
        let sent = self.pieces.send(piece).await;
        sent.map_err(|_| LOG_ENDED)
    }

    /// Takes the log back to `ancestor`, as the chain has `found` where the log's head is, and returns what stands there.
    pub(super) async fn roll_back<T>(
        &mut self,
        ancestor: RecentBlock,
        found: B256,
        piece: impl FnOnce(oneshot::Sender<T>) -> Piece,
    ) -> Result<T, IngestError> {
        if let Some(head) = self.head() {
            tracing::warn!(
                chain = self.chain.name(),
                "a reorg: block {} is {found} now, and was {}; the log goes back to block {}",
                head.number,
                head.hash,
                ancestor.number
            );
        }
        self.metrics.rollback();
        self.take_back(ancestor, piece).await
    }

    /// Takes the log back to `block`, to go on from there, and returns what stands there.
    pub(super) async fn take_back<T>(
        &mut self,
        block: RecentBlock,
        piece: impl FnOnce(oneshot::Sender<T>) -> Piece,
    ) -> Result<T, IngestError> {
        let (sender, taken_back) = oneshot::channel();
        self.recent.truncate(block.number);
        self.send(piece(sender)).await?;
        taken_back.await.map_err(|_| LOG_ENDED)
    }

    /// Says how to go on, and waits where there is something to wait for. `target` is the last block that
    /// the chain has to give now.
    pub(super) async fn pace(&mut self, target: u64) -> Result<Pace, IngestError> {
        if self.is_stopped() {
            return Ok(Pace::Done);
        }
        let head = self.head().map(|head| head.number);
        let reaches = |block: u64| head.is_some_and(|head| head >= block);
        if self.limit.is_some_and(reaches) {
            return Ok(Pace::Done);
        }
        let is_behind = head.is_some() && !reaches(self.limit.map_or(target, |limit| limit.min(target)));
        let pause = if is_behind {
            // What was fetched did not join: another branch, which the next look finds.
            let stalls = if self.stalled.0 == head { self.stalled.1.saturating_add(1) } else { 1 };
            self.stalled = (head, stalls);
            let excess = stalls.saturating_sub(STALLS_MAX);
            if excess > 0 {
                let block = head.unwrap_or_default();
                let endpoints = self.endpoints.clone();
                let stalled = IngestError::Stalled { chain: self.chain, block, attempts: stalls, endpoints };
                if !self.is_following {
                    return Err(stalled);
                }
                // Several nodes behind one name may be of two branches for a while.
                tracing::warn!(chain = self.chain.name(), "{stalled}; it is tried again");
            }
            STALL_PAUSE.saturating_mul(2_u32.saturating_pow(excess)).min(STALL_PAUSE_MAX)
        } else if self.is_following {
            self.poll
        } else {
            return match self.limit {
                None => Ok(Pace::Done),
                Some(to) => {
                    let settled = head.map_or("none".into(), |head| format!("block {head}"));
                    Err(IngestError::NotReached { chain: self.chain, to, settled })
                }
            };
        };
        tokio::select! {
            () = self.stopped() => Ok(Pace::Done),
            () = tokio::time::sleep(pause) => Ok(Pace::Poll),
        }
    }
}

/// Waits until `stop` is true.
pub(super) async fn stopped(mut stop: watch::Receiver<bool>) {
    // Whoever could stop it is gone: then nobody will.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
