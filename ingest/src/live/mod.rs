//! Ingest from live chains: one task follows each, and one writes what they bring to the log.

mod append;
mod blooms;
mod branch;
mod follower;
mod history;
mod l1;
mod l2;
mod produced;
mod receipts;
mod state_check;
pub(crate) mod tip;

pub use l1::owners_of_chain;
pub use state_check::StateCheck;

use crate::error::IngestError;
use crate::metrics::Metrics;
use crate::network::Network;
use crate::recording::Limits;
use crate::rpc::{Endpoints, Rpc, RpcError};
use alloy::primitives::B256;
use append::Appender;
use follower::{Follower, stopped};
use futures_util::future::BoxFuture;
use l1::{L1, L1Piece};
pub(crate) use l2::L2;
use l2::L2Piece;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tally_engine::{L1Block, PoolState, Spans};
use tally_eventlog::{
    Chain, EventCursor, Heads, L1Head, LogError, LogReader, LogView, LogWriter, RecentBlock, RecentBlocks,
};
use tip::check_contracts;
use tokio::sync::{mpsc, oneshot, watch};

/// How many pieces wait for the log at most. With [`l2`]'s stretches they are a few thousand blocks.
const PIECES_WAITING: usize = 8;

/// Up to where L1 is ingested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// The last block that the chain calls final.
    Finalized,
    /// The last one that it calls safe.
    Safe,
    /// So many blocks below the head.
    Confirmations(u64),
}

/// What to ingest, and how.
#[derive(Clone)]
pub struct LiveOptions {
    /// The chains and contracts.
    pub network: Network,
    /// Where L1 is asked.
    pub l1: Endpoints,
    /// Where L2 is asked.
    pub l2: Endpoints,
    /// The directory of the log.
    pub log: PathBuf,
    /// How far to ingest; `None` is to the end, or for ever.
    pub limits: Limits,
    /// Up to where L1 is ingested.
    pub l1_finality: Finality,
    /// How many blocks below its head L2 is ingested.
    pub l2_confirmations: u64,
    /// Whether to wait for new blocks at the chains' ends.
    pub follow: bool,
    /// How long to wait before looking for new ones.
    pub poll: Duration,
    /// How the log is compared with the contracts' own state, if it is.
    pub state_check: Option<StateCheck>,
}

/// What a live ingest did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveIngested {
    /// How far the log reached before.
    pub before: Heads,
    /// How far it reaches now.
    pub after: Heads,
    /// The digest of everything in it.
    pub head_digest: B256,
}

/// What the tasks bring to the log, in order for each chain.
#[derive(Debug)]
enum Piece {
    L1(L1Piece),
    /// Back to this block; whoever asks for it is given the contracts' state after it.
    L1Rollback(RecentBlock, oneshot::Sender<PoolState>),
    L2(L2Piece),
    /// The same, and the spans after it.
    L2Rollback(RecentBlock, oneshot::Sender<Spans>),
}

/// The block of the log's last L1 event that no reorg can have taken back since.
fn last_final_event(writer: &LogWriter, log: &Path) -> Result<Option<u64>, IngestError> {
    let sealed = writer.recent_l1().blocks().first().map(|block| block.number);
    let last = writer.last_l1_record().map(|(block, _)| block);
    // A log of nothing yet cannot be read, and only few events are not final.
    if last.is_none() || last <= sealed {
        return Ok(last);
    }
    let records = LogReader::open(log)?.l1_records_after(&mut EventCursor::default())?;
    Ok(records.iter().rev().map(|record| record.block.0).find(|block| Some(*block) <= sealed))
}

/// The block of the log's last span event that no reorg can have taken back since.
fn last_final_span(writer: &LogWriter, log: &Path) -> Result<Option<u64>, IngestError> {
    let sealed = writer.recent_l2().blocks().first().map(|block| block.number);
    let mut last = None;
    // A log of nothing yet cannot be read.
    if writer.committed().span_events.count > 0 {
        LogReader::open(log)?.for_each_span_record::<LogError>(&mut EventCursor::default(), |span| {
            last = Some(span.block.0).filter(|block| Some(*block) <= sealed).or(last);
            Ok(())
        })?;
    }
    Ok(last)
}

/// Appends what the chains have beyond the log, up to the limits, or follows them until `stop` is true.
///
/// Both chains' ids are checked before anything is written. The log is written in whole batches, so that
/// wherever this ends, also by a crash, the next ingest goes on from there. `None`: it was stopped before it
/// had found endpoints to begin with.
///
/// # Errors
///
/// [`IngestError`] naming the chain, the place and what was found there. The log is as it was after the last
/// batch.
pub fn ingest_live<'a>(
    options: &'a LiveOptions,
    metrics: &'a Metrics,
    stop: watch::Receiver<bool>,
) -> BoxFuture<'a, Result<Option<LiveIngested>, IngestError>> {
    // Behind a pointer, the code of this future and of all that it awaits is compiled here, and not once more in
    // each crate that awaits it.
    Box::pin(ingest(options, metrics, stop))
}

/// Does what waits for the disk on a thread of its own, so that a signal is heard meanwhile, also where a runtime has one
/// thread only.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IngestError> + Send + 'static,
) -> Result<T, IngestError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| IngestError::Broken("a thread that works on the log has ended"))?
}

/// Finds endpoints that can be used, and opens the log.
async fn begin(options: &LiveOptions, metrics: &Metrics) -> Result<(L1, L2, LogWriter), IngestError> {
    let identity = &options.network.identity;
    let connect = |chain, endpoints| Rpc::connect(chain, identity, endpoints, options.follow, metrics);
    let l1 = Arc::new(connect(Chain::L1, &options.l1).await?);
    let l2 = Arc::new(connect(Chain::L2, &options.l2).await?);
    let l1_contracts = [
        ("LockingInfo", identity.locking_info),
        ("LockingPool", identity.locking_pool),
        ("METIS token", identity.metis_token),
    ];
    check_contracts(&l1, &l1_contracts).await?;
    check_contracts(&l2, &[("MetisSequencerSet", identity.sequencer_set)]).await?;
    let l2 = L2::new(l2, identity, options.l2_confirmations);
    let l1 = L1::new(l1, identity, options.l1_finality, options.state_check, metrics);
    // The pool's initialiser emits events. Where they lack, later ones may too.
    let first_span = options.network.first_span();
    if !LogReader::exists(&options.log)? {
        l1.check_history(identity.genesis.batch_block.0).await?;
        if let Some(block) = first_span {
            l2.check_history(block).await?;
        }
    }
    let opened = on_disk({
        let (log, identity) = (options.log.clone(), identity.clone());
        move || {
            let writer = LogWriter::open(&log, &identity)?;
            writer.check_transfers()?;
            let (event, span) = (last_final_event(&writer, &log)?, last_final_span(&writer, &log)?);
            Ok((writer, event, span))
        }
    });
    let (writer, last_event, last_span) = opened.await?;
    // What a reorg may have taken back since need not be there; and of the pool's first block there always is a log.
    l1.check_history(last_event.unwrap_or(identity.genesis.batch_block.0)).await?;
    let writer = put_missing_owners(&l1, writer, options, metrics).await?;
    if let Some(block) = last_span.or(first_span) {
        l2.check_history(block).await?;
    }
    Ok((l1, l2, writer))
}

/// Fetches the owner events that the log lacks, and puts them in.
async fn put_missing_owners(
    l1: &L1,
    mut writer: LogWriter,
    options: &LiveOptions,
    metrics: &Metrics,
) -> Result<LogWriter, IngestError> {
    while let (Some(head), Some(_)) = (writer.committed().l1, writer.owners().missing_to) {
        // The last blocks may have been replaced since.
        let ancestor = l1.common_ancestor(writer.recent_l1()).await?;
        let RecentBlock { number, hash, timestamp } = ancestor;
        if number < head.block.0 {
            tracing::warn!(
                chain = Chain::L1.name(),
                "a reorg: block {} was {}; the log goes back to block {number}",
                head.block,
                head.hash
            );
            metrics.chain(Chain::L1).rollback();
            writer = on_disk(move || {
                writer.rollback_l1(L1Block(number))?;
                Ok(writer)
            })
            .await?;
        }
        tracing::info!(
            chain = Chain::L1.name(),
            "the log lacks the events of the contracts' owners up to block {number}: they are fetched"
        );
        let owners = match l1.owners(L1Head { block: L1Block(number), hash, timestamp }).await {
            // Another branch while they were fetched.
            Err(error @ (IngestError::OtherBlock { .. } | IngestError::Rpc(RpcError::Behind { .. })))
                if options.follow =>
            {
                tracing::warn!(chain = Chain::L1.name(), "{error}; it is tried again");
                tokio::time::sleep(options.poll).await;
                continue;
            }
            owners => owners?,
        };
        writer = on_disk(move || {
            writer.stage_missing_owners(&owners)?;
            writer.commit()?;
            Ok(writer)
        })
        .await?;
    }
    Ok(writer)
}

async fn ingest(
    options: &LiveOptions,
    metrics: &Metrics,
    stop: watch::Receiver<bool>,
) -> Result<Option<LiveIngested>, IngestError> {
    let identity = &options.network.identity;
    let (l1, l2, writer) = tokio::select! {
        started = begin(options, metrics) => started?,
        () = stopped(stop.clone()) => return Ok(None),
    };
    let before = *writer.committed();
    let (sender, pieces) = mpsc::channel(PIECES_WAITING);
    let (failed, has_failed) = watch::channel(false);
    let follower = |chain, endpoints, limit, recent: &RecentBlocks| {
        let follower = Follower {
            chain,
            endpoints,
            limit,
            is_following: options.follow,
            poll: options.poll,
            recent: recent.clone(),
            stalled: (None, 0),
            pieces: sender.clone(),
            stop: stop.clone(),
            metrics: metrics.chain(chain),
        };
        if let Some(head) = follower.head() {
            follower.metrics.begins_after(head.number, head.timestamp.0);
        }
        follower
    };
    let mut follow_l1 = follower(Chain::L1, l1.endpoints(), options.limits.l1_to, writer.recent_l1());
    let mut follow_l2 = follower(Chain::L2, l2.endpoints(), options.limits.l2_to, writer.recent_l2());
    let (pool, spans) = (writer.pool().clone(), writer.spans().clone());
    if follow_l1.head().is_none() {
        follow_l1.metrics.begins_after(identity.l1_first_block.0.saturating_sub(1), 0);
    }
    if follow_l2.head().is_none() {
        follow_l2.metrics.begins_after(identity.l2_first_block.0.saturating_sub(1), 0);
    }
    drop(sender);
    // One that ends in an error stops the other, and what both brought is written.
    let guarded = |task: futures_util::future::BoxFuture<'static, Result<(), IngestError>>| {
        let (failed, has_failed, stop) = (failed.clone(), has_failed.clone(), stop.clone());
        tokio::spawn(async move {
            let done = tokio::select! {
                done = task => done,
                () = stopped(stop) => Ok(()),
                () = stopped(has_failed) => Ok(()),
            };
            if done.is_err() {
                failed.send_replace(true);
            }
            done
        })
    };
    let l1 = guarded(Box::pin(async move { l1.follow(&mut follow_l1, pool).await }));
    let l2 = guarded(Box::pin(async move { l2.follow(&mut follow_l2, spans).await }));
    let appended = Appender::new(writer, metrics.clone()).run(pieces).await;
    if appended.is_err() {
        failed.send_replace(true);
    }
    let ended = |_| IngestError::Broken("a task that follows a chain was cut short");
    let (l1, l2) = (l1.await.map_err(ended)?, l2.await.map_err(ended)?);
    let writer = appended?;
    l1?;
    l2?;
    Ok(Some(LiveIngested { before, after: *writer.committed(), head_digest: writer.head_digest()? }))
}
