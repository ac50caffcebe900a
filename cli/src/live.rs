//! `tally ingest --network`: from live chains, once or for as long as it is let.

use crate::Output;
use crate::args::{IngestArgs, LiveArgs, Progress, RpcArgs};
use crate::watch::{Watch, tell};
use anyhow::{Context, Result};
use tally_ingest::{Endpoints, Limits, LiveIngested, LiveOptions, Metrics, Network, ingest_live};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The endpoints of a chain.
pub(crate) fn endpoints(urls: &[String], rpc: &RpcArgs) -> Endpoints {
    let RpcArgs { rpc_timeout_secs, rpc_rounds } = rpc;
    Endpoints { urls: urls.to_vec(), timeout: *rpc_timeout_secs, rounds_max: *rpc_rounds }
}

/// The threads and timers that asking a node takes.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting threads")
}

pub(crate) fn run(args: &IngestArgs, network: &str, output: &mut Output<'_>) -> Result<Option<LiveIngested>> {
    let live: &LiveArgs = &args.live;
    let options = LiveOptions {
        network: Network::load(network)?,
        l1: endpoints(&live.l1_rpc, &live.rpc),
        l2: endpoints(&live.l2_rpc, &live.rpc),
        log: args.log.log.clone(),
        limits: Limits { l1_to: args.l1_to, l2_to: args.l2_to },
        l1_finality: live.l1_finality,
        l2_confirmations: live.l2_confirmations,
        follow: live.follow,
        poll: live.poll_secs,
    };
    let metrics = Metrics::new();
    let bars = tell(live.progress, live.level);
    runtime()?.block_on(async {
        let stop = stopped_by_signals()?;
        let watch = Watch::start(&metrics, live.metrics_listen, bars).await?;
        if let Some(address) = watch.metrics_at() {
            let told = format!("metrics at http://{address}/metrics");
            // Whoever reads lines of JSON reads nothing else.
            if live.progress == Progress::Json {
                tracing::info!("{told}");
            } else {
                writeln!(output.err, "{told}")?;
            }
        }
        let ingested = ingest_live(&options, &metrics, stop).await;
        watch.end().await;
        Ok(ingested?)
    })
}

/// Becomes true with the first signal to end. The second ends the process at once: the log is as after its
/// last batch.
fn stopped_by_signals() -> Result<watch::Receiver<bool>> {
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).context("listening for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for signals")?;
    tokio::spawn(async move {
        for is_last in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if is_last {
                std::process::exit(i32::from(crate::FAILED));
            }
            tracing::info!("stopping: what has come in is being written");
            stop.send_replace(true);
        }
    });
    Ok(stopped)
}
