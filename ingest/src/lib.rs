//! From the chains to the log: reads what a node (or a recording of one) says, strictly, takes out what
//! bears on rewards or moves the escrow's METIS, and appends it.
//!
//! - [`ingest_live`] does it for live chains, and goes on for as long as it is let;
//! - [`ingest_recording`] does it for a recording;
//! - [`contract_state`] asks the contracts themselves what the log has to add up to, [`batch_call_state`] what a batch
//!   that is ready to be sent depends on, and [`l2_accounts()`] what some addresses are on L2;
//! - [`owners_of_chain`] and [`owners_of_recording`] give what a log of an earlier format lacks;
//! - [`l1_blocks`] and [`l2_blocks`] ask for single blocks;
//! - [`L1Decoder`] and [`decode_span`] turn logs into the engine's records;
//! - [`recover_signer`] says who made an L2 block.
//!
//! No other crate knows JSON-RPC or the contracts' interfaces.
//!
//! # Errors
//!
//! Whatever fails here is an [`IngestError`]. Two of its parts have types of their own: a [`DecodeFault`] says what is
//! wrong with something that a chain or a recording gave, and an [`RpcError`] why a chain gave nothing. Nothing that a
//! node, a recording or a file says makes this crate panic: a panic is a fault of this crate.

#[allow(missing_docs, clippy::pedantic, reason = "the contracts' own words, expanded by a macro")]
mod abi;
mod batch_call;
mod calls;
mod contracts;
mod decode;
mod decode_fault;
mod error;
mod fetch;
mod json;
mod l2_accounts;
mod lines;
mod live;
mod manifest;
mod metrics;
mod network;
mod recording;
mod rpc;
mod sample;
mod signer;

pub use batch_call::{BatchCallState, batch_call_state};
pub use contracts::{ContractState, contract_state};
pub use decode::{BlockFacts, L1Decoder, UnknownTopic, decode_span};
pub use decode_fault::DecodeFault;
pub use error::IngestError;
pub use json::ChainLog;
pub use l2_accounts::{AccountKind, L2Account, L2Accounts, l2_accounts};
pub use live::{Finality, LiveIngested, LiveOptions, StateCheck, ingest_live, owners_of_chain};
pub use manifest::{RecordingManifest, contract_defaults, read_manifest};
pub use metrics::{Metrics, Progress};
pub use network::{Network, names as network_names};
pub use recording::{Ingested, Limits, ingest_recording, owners_of_recording};
pub use rpc::{Endpoints, FaultKind, RpcError, mask_urls};
pub use sample::{l1_blocks, l2_blocks};
pub use signer::{SequencerSignature, recover_signer};
