//! Why following the chains stopped.

use crate::error::DecodeFault;
use crate::rpc::RpcError;
use alloy::primitives::{Address, B256};
use tally_eventlog::LogError;

/// A live ingest that stopped. What it says is not in the log; whatever was committed before is.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// An endpoint that could not be used, or an answer that could not be had.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// What a chain gave, in several answers, does not hold together, also when it is asked again.
    #[error("{chain}: {what} of {endpoints} do not fit each other: {fault}")]
    Decode {
        /// The chain, `L1` or `L2`.
        chain: &'static str,
        /// What was asked for.
        what: String,
        /// The endpoints that were asked.
        endpoints: String,
        /// What does not fit.
        fault: DecodeFault,
    },
    /// The contracts' own state is another one than the log gives.
    #[error(
        "L1: the contracts' state after block {block} is not what the log gives, by {endpoints} in {looks} looks: \
         {differences}. Either the log lacks events, which its endpoints never gave: compare with `tally audit live` at \
         another endpoint, and make the log again there; or what they say now is wrong: --state-check-hours 0 goes on \
         without it"
    )]
    OtherState {
        /// After which block they were compared.
        block: u64,
        /// The first fields that differ, with both values.
        differences: String,
        /// How often all endpoints were asked.
        looks: u32,
        /// The endpoints that were asked.
        endpoints: String,
    },
    /// The log could not be opened, read or written, or cannot take what a chain gave.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A reorg that reaches below what is final.
    #[error(
        "{chain} block {block} is {found} on the chain, but {expected} in the log, where it is final: nothing was \
         changed. Either the endpoint is of another branch, or the log has to be made again"
    )]
    BelowSealed {
        /// The chain, `L1` or `L2`.
        chain: &'static str,
        /// The last block that the log could be rolled back to.
        block: u64,
        /// The hash that the log has for it.
        expected: B256,
        /// The hash that the chain has for it.
        found: B256,
    },
    /// A chain that does not reach up to where it was to be ingested.
    #[error("{chain}: block {to} was asked for, but the chain's blocks are settled up to {settled} only")]
    NotReached {
        /// The chain, `L1` or `L2`.
        chain: &'static str,
        /// The last block asked for.
        to: u64,
        /// The last block that there is, as final as was asked for.
        settled: String,
    },
    /// An address without a contract.
    #[error("{chain}: there is no contract at {address}, where the network has the {contract}")]
    NoContract {
        /// The chain, `L1` or `L2`.
        chain: &'static str,
        /// The name of the contract.
        contract: &'static str,
        /// The network's address of it.
        address: Address,
    },
    /// Blocks that do not follow the log's last one, which the chain has all the same.
    #[error("{chain}: in {attempts} attempts, what {endpoints} gave after block {block} did not follow it")]
    Stalled {
        /// The chain, `L1` or `L2`.
        chain: &'static str,
        /// The log's last block.
        block: u64,
        /// How often it was tried.
        attempts: u32,
        /// The endpoints that were asked.
        endpoints: String,
    },
    /// A block of the log that the endpoints do not have (now) where it was to be.
    #[error(
        "{chain} block {block} is {found} at {endpoints}, but {expected} in the log: the chain was reorganised meanwhile, \
         or they are behind. Nothing was changed: run it again"
    )]
    OtherBlock {
        /// The chain, `L1` or `L2`.
        chain: &'static str,
        /// The number of the block.
        block: u64,
        /// The hash that the log has for it.
        expected: B256,
        /// The hash that was told last.
        found: B256,
        /// The endpoints that were asked.
        endpoints: String,
    },
    /// A task of the ingest that ended before it should.
    #[error("{0}")]
    Broken(&'static str),
}
