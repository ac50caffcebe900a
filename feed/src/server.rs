//! The process: ingest, folding and serving beside one another.

use crate::api::{Api, described_answers, health_router, router};
use crate::error::FeedError;
use crate::folder::Folder;
use crate::health::Health;
use crate::http::{Access, Bound, HttpMetrics, HttpOptions, bind};
use crate::metrics::FeedMetrics;
use crate::pages::{InProcess, Pages, ShownProblems};
use crate::view::View;
use alloy_primitives::B256;
use axum::Router;
use axum::http::header;
use axum::routing::get;
use futures_util::future::BoxFuture;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry as MetricsRegistry;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tally_claims::Registry;
use tally_engine::Policy;
use tally_ingest::{LiveOptions, Metrics, ingest_live};
use tokio::sync::watch;
use tokio::time::Instant;

/// How long to wait before an ingest that failed is tried again: what it failed of may go away (a full disk), and
/// until then answers are given of what there is.
const INGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long to wait before a log that could not be folded is tried again.
const FOLD_PAUSE: Duration = Duration::from_secs(2);

/// What to serve, and how.
pub struct FeedOptions {
    /// The directory of the log to serve.
    pub log: PathBuf,
    /// Where the feed's journals are kept; `None` for the directory `feed` in the log's.
    pub feed_dir: Option<PathBuf>,
    /// The policies, at least one; the first is the one that is meant where none is named.
    pub policies: Vec<Policy>,
    /// What sequencers are called, and a digest of that.
    pub registry: Option<(Registry, B256)>,
    /// Where and how to listen.
    pub http: HttpOptions,
    /// Where to serve metrics and health, and to whom.
    pub metrics: Option<(SocketAddr, Access)>,
    /// How many readers may follow the feed.
    pub streams_max: usize,
    /// How far the log may be behind the chains while it counts as up to date, in seconds.
    pub ready_lag_secs: u64,
    /// How often to look whether somebody else has written to the log.
    pub poll: Duration,
    /// The chains to follow; `None` if another process ingests.
    pub ingest: Option<LiveOptions>,
    /// What shows people what is served; `None` for the API alone.
    pub pages: Option<Arc<dyn Pages>>,
}

/// A server that listens, and has something to answer with: what was folded before.
pub struct Server {
    bound: Bound,
    metrics_bound: Option<Bound>,
    folder: Folder,
    api: Arc<Api>,
    views: watch::Sender<Option<Arc<View>>>,
    ingest: Option<(LiveOptions, Metrics)>,
    poll: Duration,
    pages: Option<ShownProblems>,
    stop: watch::Receiver<bool>,
}

impl Server {
    /// Folds the log, and then opens the sockets: whoever can connect finds answers, every lock is held, and the log was
    /// found sound. Only where there is no log yet, which the ingest is to make, there is nothing to fold. The server ends
    /// once `stop` is true; `None` if that was before it listened. `metrics` are those of the ingest.
    ///
    /// # Errors
    ///
    /// [`FeedError`] if the log cannot be read or does not add up, another server keeps its feed, or it cannot listen.
    pub fn bind(
        options: FeedOptions,
        metrics: Metrics,
        stop: watch::Receiver<bool>,
    ) -> BoxFuture<'static, Result<Option<Self>, FeedError>> {
        // Behind a pointer, the code of this future is compiled here, and not in the crate that awaits it.
        Box::pin(Self::listen(options, metrics, stop))
    }

    async fn listen(
        options: FeedOptions,
        metrics: Metrics,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Option<Self>, FeedError> {
        let FeedOptions { log, feed_dir, policies, registry, http, metrics: watched, .. } = options;
        let feed_dir = feed_dir.unwrap_or_else(|| log.join("feed"));
        let ingest = options.ingest.map(|options| (options, metrics));
        let began = Instant::now();
        let mut folder = Folder::new(log, feed_dir, policies, registry, ingest.is_some());
        let folding = tokio::task::spawn_blocking(move || {
            let advanced = folder.advance();
            (folder, advanced)
        });
        let (folder, first) = tokio::select! {
            ended = folding => ended?,
            _ = stop.wait_for(|stop| *stop) => return Ok(None),
        };
        let first = match first {
            Err(error @ FeedError::NotFinal(_)) => {
                tracing::error!("{error}");
                None
            }
            first => first?,
        };
        let is_ready_public = http.is_ready_public;
        let has_sessions = http.has_sessions && matches!(http.access, Access::Tokens(_));
        let pages = options.pages.map(|pages| ShownProblems { pages, has_sessions });
        let bound = bind(http).await?;
        let metrics_bound = match watched {
            None => None,
            Some((listen, access)) => {
                let options = HttpOptions { is_ready_public, ..HttpOptions::watched(listen, access) };
                Some(bind(options).await?)
            }
        };
        let health = Health::new(ingest.as_ref().map(|(_, metrics)| metrics.clone()), options.ready_lag_secs);
        let (views, viewed) = watch::channel(first);
        let api = Api::new(viewed, health, FeedMetrics::default(), options.streams_max, stop.clone());
        if let Some(view) = &*views.borrow() {
            api.metrics.folded(view, began.elapsed(), &folder.rollbacks());
        }
        Ok(Some(Self {
            bound,
            metrics_bound,
            folder,
            api: Arc::new(api),
            views,
            ingest,
            poll: options.poll,
            pages,
            stop,
        }))
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.bound.local_addr()
    }

    /// The address at which the server serves metrics, if it does.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_bound.as_ref().map(Bound::local_addr)
    }

    /// Ingests, folds and serves, until it is stopped.
    ///
    /// # Errors
    ///
    /// [`FeedError`] if a socket fails, or the first fold of a log that was not there before. What fails later is told,
    /// counted and tried again, and the server is not ready meanwhile.
    pub fn run(self) -> BoxFuture<'static, Result<(), FeedError>> {
        // Behind a pointer for the same reason.
        Box::pin(self.serve())
    }

    async fn serve(self) -> Result<(), FeedError> {
        let committed = self.ingest.as_ref().map(|(_, metrics)| (metrics.committed(), metrics.clone()));
        let http_metrics = HttpMetrics::default();
        for (route, statuses) in described_answers() {
            http_metrics.expect(&route, statuses.into_iter());
        }
        let registries = Arc::new(self.registries(&http_metrics));
        let Self { bound, metrics_bound, folder, api, views, ingest, poll, pages, stop } = self;
        let folding = Folding { folder, views, api: Arc::clone(&api), poll, stop: stop.clone() };
        let followed = Arc::clone(&api);
        let ingesting = async {
            match ingest {
                Some((options, metrics)) => follow(&options, &metrics, &followed, stop.clone()).await,
                None => Ok(()),
            }
        };
        let watching = async {
            match metrics_bound {
                Some(bound) => {
                    let router = metrics_router(registries, Arc::clone(&api));
                    bound.serve(router, None, &HttpMetrics::default(), stop.clone()).await
                }
                None => Ok(()),
            }
        };
        let mut served = router(Arc::clone(&api));
        if let Some(shown) = &pages {
            served = served.merge(shown.pages.router(InProcess::new(&api, shown.has_sessions)));
        }
        let serving = bound.serve(served, pages, &http_metrics, stop.clone());
        tokio::try_join!(folding.run(committed), ingesting, watching, serving)?;
        Ok(())
    }
}

impl Server {
    /// The metrics of everything, under names that begin with `tally_feed` and `tally_ingest`.
    fn registries(&self, http_metrics: &HttpMetrics) -> Vec<MetricsRegistry> {
        let mut own = MetricsRegistry::with_prefix("tally_feed");
        self.api.metrics.register(&mut own);
        http_metrics.register(&mut own);
        let ingest = self.ingest.as_ref().map(|(_, metrics)| metrics.registry());
        std::iter::once(own).chain(ingest).collect()
    }
}

/// Follows the chains until it is told to stop; whatever ends it before is told, and it is tried again.
async fn follow(
    options: &LiveOptions,
    metrics: &Metrics,
    api: &Api,
    mut stop: watch::Receiver<bool>,
) -> Result<(), FeedError> {
    loop {
        let Err(error) = ingest_live(options, metrics, stop.clone()).await else {
            return Ok(());
        };
        tracing::error!("the ingest ended, and is tried again in {} s: {error}", INGEST_PAUSE.as_secs());
        api.metrics.ingest_failed();
        api.health.set_ingest_failed();
        tokio::select! {
            () = tokio::time::sleep(INGEST_PAUSE) => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
    }
}

/// Folds each commit of the log, and gives what comes of it to those who answer.
struct Folding {
    folder: Folder,
    views: watch::Sender<Option<Arc<View>>>,
    api: Arc<Api>,
    poll: Duration,
    stop: watch::Receiver<bool>,
}

impl Folding {
    async fn run(
        mut self,
        mut committed: Option<(watch::Receiver<Option<Instant>>, Metrics)>,
    ) -> Result<(), FeedError> {
        let (mut is_first, mut since) = (self.views.borrow().is_none(), None);
        loop {
            // From the first commit on that is not folded yet, if there is one.
            since = since.or(committed.as_ref().and_then(|(_, metrics)| metrics.take_commit()));
            let began = since.take().unwrap_or_else(Instant::now);
            let mut folder = self.folder;
            let advanced = tokio::task::spawn_blocking(move || {
                let advanced = folder.advance();
                (folder, advanced)
            });
            let (folder, advanced) = advanced.await?;
            self.folder = folder;
            let pause = match advanced {
                Ok(view) => {
                    if let Some(view) = view {
                        is_first = false;
                        let before = self.views.send_replace(Some(Arc::clone(&view)));
                        self.api.metrics.folded(&view, began.elapsed(), &self.folder.rollbacks());
                        let forgotten = self.api.keep(before);
                        // The last to let go of a view closes its files.
                        drop(tokio::task::spawn_blocking(move || drop(forgotten)));
                    }
                    self.api.health.set_fold_failed(false);
                    self.poll
                }
                // A log that cannot be folded from the start is one to look at.
                Err(error) if is_first && !matches!(error, FeedError::NotFinal(_)) => return Err(error),
                Err(error) => {
                    tracing::error!("the log cannot be folded: {error}");
                    self.api.metrics.fold_failed();
                    self.api.health.set_fold_failed(true);
                    FOLD_PAUSE
                }
            };
            tokio::select! {
                at = commit(&mut committed) => {
                    self.api.health.ingest_works(at);
                    since = at;
                }
                () = tokio::time::sleep(pause) => {}
                _ = self.stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }
}

/// When the first commit of the ingest was that is not folded yet, once there is one; never, without an ingest.
async fn commit(committed: &mut Option<(watch::Receiver<Option<Instant>>, Metrics)>) -> Option<Instant> {
    if let Some((committed, metrics)) = committed
        && committed.changed().await.is_ok()
    {
        return metrics.take_commit();
    }
    std::future::pending().await
}

fn metrics_router(registries: Arc<Vec<MetricsRegistry>>, api: Arc<Api>) -> Router {
    let told = Arc::clone(&api);
    let metrics = get(async move || {
        let not_ready = told.health.not_ready(told.views.borrow().as_deref());
        told.metrics.set_ready(not_ready.is_none());
        let mut text = String::new();
        let written = registries.iter().try_for_each(|registry| encode_registry(&mut text, registry));
        written.and_then(|()| encode_eof(&mut text)).expect("writing to a string does not fail");
        ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
    });
    health_router(api).route("/metrics", metrics)
}
