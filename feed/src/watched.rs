//! Metrics of another process than a server, by the rules that its own are served by.

use crate::error::FeedError;
use crate::http::{Access, Bound, HttpMetrics, HttpOptions, bind};
use axum::Router;
use axum::http::header;
use axum::routing::get;
use std::net::SocketAddr;
use tokio::sync::watch;

/// A socket at which metrics are asked for, under `/metrics`.
pub struct MetricsServer {
    bound: Bound,
}

impl MetricsServer {
    /// Opens the socket.
    ///
    /// # Errors
    ///
    /// [`FeedError`] if it cannot listen there.
    pub async fn bind(listen: SocketAddr, access: Access) -> Result<Self, FeedError> {
        Ok(Self { bound: bind(HttpOptions::watched(listen, access)).await? })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.bound.local_addr()
    }

    /// Answers with what `text` gives, until `stop` is true; and under `/healthz` that the process answers.
    ///
    /// # Errors
    ///
    /// [`FeedError::Serve`] if the socket fails.
    pub async fn serve(
        self,
        text: impl Fn() -> String + Clone + Send + Sync + 'static,
        stop: watch::Receiver<bool>,
    ) -> Result<(), FeedError> {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let metrics = get(async move || ([(header::CONTENT_TYPE, kind)], text()));
        let router = Router::new().route("/metrics", metrics).route("/healthz", get(async || "ok\n"));
        self.bound.serve(router, None, &HttpMetrics::default(), stop).await
    }
}
