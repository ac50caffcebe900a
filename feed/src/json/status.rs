//! `/v1/status`.

use super::{At, BlockPlace};
use serde::Serialize;
use utoipa::ToSchema;

/// How far everything is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusAnswer {
    /// The version of the engine.
    pub(crate) engine_version: &'static str,
    /// The chain ids of L1 and L2.
    pub(crate) l1_chain_id: u64,
    pub(crate) l2_chain_id: u64,
    /// Whether the answers are up to date: what `/readyz` says.
    pub(crate) is_ready: bool,
    /// Why they are not.
    pub(crate) not_ready: Option<String>,
    /// How the chains are followed; `null` if they are not.
    pub(crate) ingest: Option<Ingesting>,
    /// The state of the log for each policy that is served; the first is the default one.
    pub(crate) policies: Vec<PolicyStatus>,
}

/// What a policy's feed and ledger are at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyStatus {
    pub(crate) at: At,
    /// The sequence number of the feed's last fact; 0 before the first.
    pub(crate) sequence: u64,
}

/// How the chains are followed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Ingesting {
    /// Whether it is at work; else it failed, and is tried again.
    pub(crate) is_running: bool,
    /// The newest L1 block that an endpoint told of, and its timestamp.
    pub(crate) l1_chain_head: Option<BlockPlace>,
    /// The newest L2 block that an endpoint told of, and its timestamp.
    pub(crate) l2_chain_head: Option<BlockPlace>,
    /// How far the log is behind that, in seconds between the blocks' timestamps.
    pub(crate) l1_lag_secs: Option<u64>,
    /// The same of L2.
    pub(crate) l2_lag_secs: Option<u64>,
    /// How many times a reorg took blocks out of the log, since the start.
    pub(crate) rollbacks: u64,
}
