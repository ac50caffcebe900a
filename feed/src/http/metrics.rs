//! What is counted of requests and connections.

use axum::extract::MatchedPath;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// From what a cache answers in to what a handler may take and more.
const SECONDS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// A route, as it was given to the router. There are as many as routes, whatever is asked for.
#[derive(Clone, Debug)]
pub(super) enum Route {
    /// A route that a request matched.
    Matched(MatchedPath),
    /// One that the API's description has.
    Described(String),
    /// A request that fits no route.
    Other,
}

impl Route {
    /// The route that a request matched, if any.
    pub(super) fn of(matched: Option<&MatchedPath>) -> Self {
        matched.map_or(Self::Other, |matched| Self::Matched(matched.clone()))
    }

    pub(super) fn label(&self) -> &str {
        match self {
            Self::Matched(path) => path.as_str(),
            Self::Described(path) => path,
            Self::Other => "other",
        }
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.label() == other.label()
    }
}

impl Eq for Route {}

impl Hash for Route {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.label().hash(state);
    }
}

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        self.label().encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    route: Route,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: Route,
    status: u16,
}

/// The metrics of requests and connections.
#[derive(Clone, Debug)]
pub(crate) struct HttpMetrics {
    requests: Family<Answered, Counter>,
    request_secs: Family<Asked, Histogram>,
    limited: Counter,
    unauthorized: Counter,
    connections: Gauge,
    connections_refused: Counter,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            request_secs: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            limited: Counter::default(),
            unauthorized: Counter::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
        }
    }
}

impl HttpMetrics {
    /// Registers the metrics, so that they are served.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let r = registry;
        r.register("requests", "Requests answered, by route and status", self.requests.clone());
        let (name, help) =
            ("request", "Seconds until an answer began, by route; refused requests are left out");
        r.register_with_unit(name, help, Unit::Seconds, self.request_secs.clone());
        r.register("requests_limited", "Requests beyond their client's rate", self.limited.clone());
        r.register(
            "requests_unauthorized",
            "Requests without a token that is known",
            self.unauthorized.clone(),
        );
        r.register("connections", "Connections that are open", self.connections.clone());
        let (name, help) = ("connections_refused", "Connections closed at once since too many were open");
        r.register(name, help, self.connections_refused.clone());
    }

    /// Makes the counters of a route begin at 0: a graph would miss the first answer of a kind otherwise.
    pub(crate) fn expect(&self, route: &str, statuses: impl Iterator<Item = u16>) {
        let route = Route::Described(route.into());
        drop(self.request_secs.get_or_create(&Asked { route: route.clone() }));
        for status in statuses {
            drop(self.requests.get_or_create(&Answered { route: route.clone(), status }));
        }
    }

    /// Counts an answer, and the time until it began if a handler gave it.
    pub(super) fn answered(&self, route: Route, status: u16, elapsed: Option<Duration>) {
        if let Some(elapsed) = elapsed {
            let asked = Asked { route: route.clone() };
            self.request_secs.get_or_create(&asked).observe(elapsed.as_secs_f64());
        }
        self.requests.get_or_create(&Answered { route, status }).inc();
    }

    pub(super) fn limited(&self) {
        self.limited.inc();
    }

    pub(super) fn unauthorized(&self) {
        self.unauthorized.inc();
    }

    pub(super) fn connection_opened(&self) {
        self.connections.inc();
    }

    pub(super) fn connection_closed(&self) {
        self.connections.dec();
    }

    pub(super) fn connection_refused(&self) {
        self.connections_refused.inc();
    }
}
