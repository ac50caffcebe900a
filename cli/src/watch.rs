//! What an operator sees of a live ingest: bars or lines on the standard error, and metrics over HTTP.

use crate::ingest_args::{LevelArg, ProgressArg};
use anyhow::{Context, Result};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use prometheus_client::registry::Registry;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tally_ingest::Metrics;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// How often bars are drawn, and how often a line tells how far it is.
const BARS_EVERY: Duration = Duration::from_millis(200);
const LINES_EVERY: Duration = Duration::from_secs(10);

/// Sets up how events are told, once in a process, and returns the bars if there are to be any.
pub(crate) fn tell(progress: ProgressArg, level: LevelArg) -> Option<MultiProgress> {
    let is_terminal = std::io::stderr().is_terminal();
    let with_bars = match progress {
        ProgressArg::Auto => is_terminal,
        ProgressArg::Bars => true,
        ProgressArg::Lines | ProgressArg::Json => false,
    };
    let bars = with_bars.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
    let level = match level {
        LevelArg::Error => LevelFilter::ERROR,
        LevelArg::Warn => LevelFilter::WARN,
        LevelArg::Info => LevelFilter::INFO,
        LevelArg::Debug => LevelFilter::DEBUG,
    };
    // Only what this program itself says: its libraries would name whole URLs.
    let own = Targets::new()
        .with_target("tally_ingest", level)
        .with_target("tally_cli", level)
        .with_target("tally_feed", level)
        .with_target("tally_sink", level);
    let lines = tracing_subscriber::fmt::layer().with_target(false).with_ansi(is_terminal);
    let lines = lines.with_writer(Above(bars.clone()));
    // Only the first in a process is heard; there is one command in a process, but for tests.
    let _ = if progress == ProgressArg::Json {
        tracing::subscriber::set_global_default(
            tracing_subscriber::registry().with(lines.json().with_filter(own)),
        )
    } else {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines.with_filter(own)))
    };
    bars
}

/// Writes lines to the standard error, above the bars if there are any.
#[derive(Clone)]
struct Above(Option<MultiProgress>);

impl Write for Above {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        match &self.0 {
            None => std::io::stderr().write(line),
            Some(bars) => bars.suspend(|| std::io::stderr().write(line)),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

impl MakeWriter<'_> for Above {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The task that draws progress, and the address where metrics are served.
pub(crate) struct Watch {
    teller: JoinHandle<()>,
    done: oneshot::Sender<()>,
    metrics_at: Option<SocketAddr>,
}

impl Watch {
    /// Starts to draw bars or tell lines, and to serve metrics at `listen`.
    pub(crate) async fn start(
        metrics: &Metrics,
        listen: Option<SocketAddr>,
        bars: Option<MultiProgress>,
    ) -> Result<Self> {
        let mut metrics_at = None;
        if let Some(address) = listen {
            let listener = TcpListener::bind(address).await;
            let listener = listener.with_context(|| format!("--metrics-listen {address}"))?;
            metrics_at = Some(listener.local_addr()?);
            let registry = Arc::new(metrics.registry());
            let router = Router::new().route("/metrics", get(async move || answer(&registry)));
            // Whatever becomes of it, the ingest goes on.
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        let (done, is_done) = oneshot::channel();
        let metrics = metrics.clone();
        let teller = tokio::spawn(async move {
            match bars {
                Some(bars) => draw(&metrics, &bars, is_done).await,
                None => tell_lines(&metrics, is_done).await,
            }
        });
        Ok(Self { teller, done, metrics_at })
    }

    /// Where metrics are served.
    pub(crate) fn metrics_at(&self) -> Option<SocketAddr> {
        self.metrics_at
    }

    /// Stops drawing progress and waits for the last line.
    pub(crate) async fn end(self) {
        drop(self.done);
        // It draws a last time; if it cannot, there is nothing to tell any more.
        let _ = self.teller.await;
    }
}

fn answer(registry: &Registry) -> impl IntoResponse + use<> {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text)
        }
        Err(error) => {
            let kind = "text/plain; charset=utf-8";
            (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, kind)], error.to_string())
        }
    }
}

async fn draw(metrics: &Metrics, bars: &MultiProgress, mut is_done: oneshot::Receiver<()>) {
    let style = "{prefix} {wide_bar} {pos}/{len} blocks, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = |name: &'static str| bars.add(ProgressBar::new(0)).with_style(style.clone()).with_prefix(name);
    let (l1, l2) = (bar("L1"), bar("L2"));
    let mut timer = tokio::time::interval(BARS_EVERY);
    loop {
        let is_last = tokio::select! {
            _ = timer.tick() => false,
            _ = &mut is_done => true,
        };
        for (bar, progress) in [(&l1, metrics.l1()), (&l2, metrics.l2())] {
            let (from, at, to) = (progress.from(), progress.at(), progress.to());
            bar.set_length(to.saturating_sub(from));
            bar.set_position(at.saturating_sub(from));
        }
        if is_last {
            l1.abandon();
            l2.abandon();
            return;
        }
    }
}

/// How many blocks a second it took from block `was` to block `at`.
fn per_sec(was: u64, at: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    at.saturating_sub(was).saturating_mul(1_000) / millis
}

async fn tell_lines(metrics: &Metrics, mut is_done: oneshot::Receiver<()>) {
    let mut timer = tokio::time::interval(LINES_EVERY);
    // The first tick is at once, when there is nothing to tell.
    timer.tick().await;
    let mut before = [metrics.l1(), metrics.l2()].map(|progress| (progress.from(), Instant::now()));
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            _ = &mut is_done => return,
        }
        for (index, (chain, progress)) in [("L1", metrics.l1()), ("L2", metrics.l2())].into_iter().enumerate()
        {
            let (at, to, (was, since)) = (progress.at(), progress.to(), before[index]);
            if at == was && at >= to {
                continue;
            }
            // Where the ingest begins is not known when the telling does.
            let per_sec = per_sec(was.max(progress.from()), at, since.elapsed());
            let left_secs = to.saturating_sub(at).checked_div(per_sec);
            let left = left_secs.map_or("unknown".into(), |secs| format!("{secs} s"));
            tracing::info!(chain, "block {at} of {to}, {per_sec} blocks/s, {left} left");
            before[index] = (at, Instant::now());
        }
    }
}
