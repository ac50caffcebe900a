//! `tally ingest --network`: from live chains, once or for as long as it is let.

use crate::compare::differences;
use crate::ingest_args::{IngestArgs, LevelArg, LiveArgs, ProgressArg};
use crate::shared_args::LogArg;
use crate::watch::{Watch, tell};
use crate::{Output, WrongUsage};
use anyhow::{Context, Result};
use std::time::Duration;
use tally_ingest::{Endpoints, Limits, LiveIngested, LiveOptions, Metrics, Network, StateCheck, ingest_live};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The threads and timers that asking a node takes. Who waits for it is told so, in lines, unless a command has set up
/// another way to tell before.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    let _bars = tell(ProgressArg::Lines, LevelArg::Info);
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting threads")
}

/// What to ingest into `log`, and how.
pub(crate) fn live_options(
    log: &LogArg,
    limits: Limits,
    live: &LiveArgs,
    network: &str,
) -> Result<LiveOptions> {
    let given = |flag: &str, endpoints: Option<Endpoints>| {
        endpoints.ok_or_else(|| WrongUsage(format!("--network {network} needs {flag} URL")))
    };
    Ok(LiveOptions {
        network: Network::load(network)?,
        l1: given("--l1-rpc", live.l1.endpoints(&live.rpc))?,
        l2: given("--l2-rpc", live.l2.endpoints(&live.rpc))?,
        log: log.log.clone(),
        limits,
        l1_finality: live.l1_finality,
        l2_confirmations: live.l2_confirmations,
        follow: live.follow,
        poll: live.poll_secs,
        state_check: state_check(live.state_check_hours),
    })
}

fn state_check(hours: u32) -> Option<StateCheck> {
    let differences =
        |contracts: &_, pool: &_| differences(contracts, pool).iter().map(ToString::to_string).collect();
    (hours > 0).then_some(StateCheck { every: Duration::from_hours(hours.into()), differences })
}

pub(crate) fn run(args: &IngestArgs, network: &str, output: &mut Output<'_>) -> Result<Option<LiveIngested>> {
    let live: &LiveArgs = &args.live;
    let limits = Limits { l1_to: args.l1_to, l2_to: args.l2_to };
    let options = live_options(&args.log, limits, live, network)?;
    let metrics = Metrics::new();
    let bars = tell(live.progress, live.level);
    runtime()?.block_on(async {
        let stop = stopped_by_signals()?;
        let watch = Watch::start(&metrics, live.metrics_listen, bars).await?;
        if let Some(address) = watch.metrics_at() {
            announce(live, &format!("metrics at http://{address}/metrics"), output)?;
        }
        let ingested = ingest_live(&options, &metrics, stop).await;
        watch.end().await;
        Ok(ingested?)
    })
}

/// Says where something can be reached. Whoever reads lines of JSON reads nothing else.
pub(crate) fn announce(live: &LiveArgs, text: &str, output: &mut Output<'_>) -> Result<()> {
    if live.progress == ProgressArg::Json {
        tracing::info!("{text}");
    } else {
        writeln!(output.err, "{text}")?;
    }
    Ok(())
}

/// Becomes true with the first signal to end. The second ends the process at once: the log is as after its
/// last batch.
pub(crate) fn stopped_by_signals() -> Result<watch::Receiver<bool>> {
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
