//! Writing what the tasks bring to the log, in whole batches.

use super::l1::L1Piece;
use super::l2::L2Piece;
use super::{Piece, on_disk};
use crate::decode::UnknownTopic;
use crate::error::IngestError;
use crate::metrics::Metrics;
use std::time::Duration;
use tally_engine::{L1Block, L2Block};
use tally_eventlog::{CHUNK_BLOCKS_MAX, Chain, L1Head, LogWriter, RecentBlock};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What was brought is written once nothing more came for so long,
const COMMIT_AFTER_IDLE: Duration = Duration::from_millis(100);

/// or it has waited for so long,
const COMMIT_AFTER: Duration = Duration::from_secs(2);

/// or it is so many L2 blocks.
const COMMIT_AFTER_BLOCKS: u64 = CHUNK_BLOCKS_MAX;

/// The one that writes.
pub(crate) struct Appender {
    writer: LogWriter,
    metrics: Metrics,
    /// Since when something is staged, and how many L2 blocks.
    staged_since: Option<Instant>,
    staged_blocks: u64,
}

impl Appender {
    pub(crate) fn new(writer: LogWriter, metrics: Metrics) -> Self {
        Self { writer, metrics, staged_since: None, staged_blocks: 0 }
    }

    /// Writes pieces until there will be no more, and gives back the writer.
    pub(crate) async fn run(mut self, mut pieces: mpsc::Receiver<Piece>) -> Result<LogWriter, IngestError> {
        loop {
            let piece = match self.staged_since {
                None => pieces.recv().await,
                Some(since) => {
                    let left = COMMIT_AFTER.saturating_sub(since.elapsed()).min(COMMIT_AFTER_IDLE);
                    let Ok(piece) = tokio::time::timeout(left, pieces.recv()).await else {
                        self = self.on_disk(Self::commit).await?;
                        continue;
                    };
                    piece
                }
            };
            let Some(piece) = piece else {
                return Ok(self.on_disk(Self::commit).await?.writer);
            };
            self = self.on_disk(move |appender| appender.stage(piece)).await?;
        }
    }

    async fn on_disk(
        mut self,
        work: impl FnOnce(&mut Self) -> Result<(), IngestError> + Send + 'static,
    ) -> Result<Self, IngestError> {
        on_disk(move || work(&mut self).map(|()| self)).await
    }

    fn commit(&mut self) -> Result<(), IngestError> {
        if self.staged_since.take().is_none() {
            return Ok(());
        }
        self.writer.commit()?;
        self.staged_blocks = 0;
        self.metrics.commit();
        self.report();
        Ok(())
    }

    fn report(&self) {
        let heads = self.writer.committed();
        let l1 = heads.l1.map(RecentBlock::from);
        let l2 = heads.l2.map(RecentBlock::from);
        for (chain, head) in [(Chain::L1, l1), (Chain::L2, l2)] {
            if let Some(head) = head {
                self.metrics.chain(chain).log_reaches(head.number, head.timestamp.0);
            }
        }
    }

    fn stage(&mut self, piece: Piece) -> Result<(), IngestError> {
        self.staged_since.get_or_insert_with(Instant::now);
        match piece {
            Piece::L1(piece) => self.stage_l1(&piece)?,
            Piece::L2(piece) => self.stage_l2(&piece)?,
            Piece::L1Rollback(to, pool) => {
                self.roll_back(|writer| writer.rollback_l1(L1Block(to.number)))?;
                // The task that asked for it may have been stopped.
                let _ = pool.send(self.writer.pool().clone());
            }
            Piece::L2Rollback(to, spans) => {
                self.roll_back(|writer| writer.rollback_l2(L2Block(to.number)))?;
                let _ = spans.send(self.writer.spans().clone());
            }
        }
        if self.staged_blocks >= COMMIT_AFTER_BLOCKS {
            self.commit()?;
        }
        Ok(())
    }

    fn roll_back(
        &mut self,
        roll_back: impl FnOnce(&mut LogWriter) -> Result<(), tally_eventlog::LogError>,
    ) -> Result<(), IngestError> {
        roll_back(&mut self.writer)?;
        self.staged_since = None;
        self.staged_blocks = 0;
        self.metrics.commit();
        self.report();
        Ok(())
    }

    fn stage_l1(&mut self, piece: &L1Piece) -> Result<(), IngestError> {
        let mut records = piece.records.iter().peekable();
        let mut owners = piece.owners.iter().peekable();
        self.writer.seal_l1(L1Block(piece.sealed));
        for RecentBlock { number, hash, timestamp } in piece.heads.iter().copied() {
            while let Some(record) = records.next_if(|record| record.block.0 <= number) {
                for discrepancy in self.writer.stage_l1(record)? {
                    self.metrics.warning();
                    tracing::warn!(chain = Chain::L1.name(), block = record.block.0, "{discrepancy}");
                }
            }
            while let Some(owner) = owners.next_if(|owner| owner.block.0 <= number) {
                self.writer.stage_owner(owner)?;
            }
            self.writer.stage_l1_head(L1Head { block: L1Block(number), hash, timestamp })?;
        }
        if records.next().is_some() || owners.next().is_some() {
            return Err(IngestError::Broken("events of L1 blocks came without the heads of these blocks"));
        }
        self.report_unknown(Chain::L1, &piece.unknown);
        Ok(())
    }

    fn stage_l2(&mut self, piece: &L2Piece) -> Result<(), IngestError> {
        self.writer.seal_l2(L2Block(piece.sealed));
        for span in &piece.spans {
            self.writer.stage_span(span)?;
        }
        for block in &piece.blocks {
            self.writer.stage_block(block)?;
            self.staged_blocks += 1;
        }
        self.report_unknown(Chain::L2, &piece.unknown);
        Ok(())
    }

    fn report_unknown(&self, chain: Chain, unknown: &[UnknownTopic]) {
        for UnknownTopic { contract, block, transaction, topic } in unknown {
            self.metrics.warning();
            let topic = topic.map_or("(none)".into(), |topic| topic.to_string());
            tracing::warn!(
                chain = chain.name(),
                block,
                "left out a log of {contract} (transaction {transaction}): its topic {topic} is unknown"
            );
        }
    }
}
