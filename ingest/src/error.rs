//! What can go wrong between a chain and the log.

use crate::decode_fault::DecodeFault;
use crate::rpc::RpcError;
use alloy::primitives::{Address, B256};
use std::path::PathBuf;
use tally_engine::L1Block;
use tally_eventlog::{Chain, LogError};

/// An ingest that stopped, or an answer that a chain, a recording or a file of a network does not give. What it says is
/// not in the log; whatever was committed before is.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// A file that cannot be read to its end.
    #[error("{}{}: {source}", path.display(), after(*line))]
    File {
        /// The path of the file.
        path: PathBuf,
        /// How far it was read; 0 if it could not be opened.
        line: u64,
        /// The system's own words.
        source: std::io::Error,
    },
    /// A line that is longer than any real one.
    #[error("{}, line {line}: it is longer than the {max} bytes allowed", path.display())]
    LineTooLong {
        /// The path of the file.
        path: PathBuf,
        /// The number of the line, from 1 on.
        line: u64,
        /// How many bytes a line may have.
        max: u64,
    },
    /// A line that is not the JSON object it has to be.
    #[error("{}, line {line}: {source}", path.display())]
    Json {
        /// The path of the file.
        path: PathBuf,
        /// The number of the line, from 1 on.
        line: u64,
        /// Which field, and what is wrong with it.
        source: serde_json::Error,
    },
    /// A line whose contents do not hold together.
    #[error("{}, line {line}: {fault}", path.display())]
    Line {
        /// The path of the file.
        path: PathBuf,
        /// The number of the line, from 1 on.
        line: u64,
        /// What does not hold together.
        fault: DecodeFault,
    },
    /// A line that the log cannot take.
    #[error("{}, line {line}: {source}", path.display())]
    Append {
        /// The path of the file.
        path: PathBuf,
        /// The number of the line, from 1 on.
        line: u64,
        /// What the log says.
        source: LogError,
    },
    /// A recording of other chains or contracts than the log is of.
    #[error("the recording at {} is of another network than the log: its {what} is {found}, not {expected}", path.display())]
    OtherRecording {
        /// The path of the recording.
        path: PathBuf,
        /// The name of what differs.
        what: &'static str,
        /// The value that the recording has.
        found: String,
        /// The value that the log has.
        expected: String,
    },
    /// A recording that does not reach as far as the log.
    #[error("the recording at {} has no L1 block {block}, which is the log's last", path.display())]
    RecordingEnds {
        /// The path of the recording.
        path: PathBuf,
        /// The log's last block.
        block: L1Block,
    },
    /// The log cannot be opened, read or written, or cannot take what a chain gave.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A network that is neither built in nor a file.
    #[error("{name} is neither a built-in network ({}) nor a file: {source}", known.join(", "))]
    NoNetwork {
        /// What was asked for.
        name: String,
        /// The names of those that are built in.
        known: Vec<&'static str>,
        /// The system's own words.
        source: std::io::Error,
    },
    /// A file that is no network.
    #[error("the network file {}: {reason}", path.display())]
    Network {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// An endpoint that could not be used, or an answer that could not be had.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// What a chain gave, in several answers, does not hold together, also when it is asked again.
    #[error("{chain}: {what} of {endpoints} do not fit each other: {fault}")]
    Decode {
        /// The chain that it is of.
        chain: Chain,
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
    /// A reorg that reaches below what is final.
    #[error(
        "{chain} block {block} is {found} on the chain, but {expected} in the log, where it is final: nothing was \
         changed. Either the endpoint is of another branch, or the log has to be made again"
    )]
    BelowSealed {
        /// The chain that it is of.
        chain: Chain,
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
        /// The chain that it is of.
        chain: Chain,
        /// The last block asked for.
        to: u64,
        /// The last block that there is, as final as was asked for.
        settled: String,
    },
    /// An address without a contract.
    #[error("{chain}: there is no contract at {address}, where the network has the {contract}")]
    NoContract {
        /// The chain that it is of.
        chain: Chain,
        /// The name of the contract.
        contract: &'static str,
        /// The network's address of it.
        address: Address,
    },
    /// Blocks that do not follow the log's last one, which the chain has all the same.
    #[error("{chain}: in {attempts} attempts, what {endpoints} gave after block {block} did not follow it")]
    Stalled {
        /// The chain that it is of.
        chain: Chain,
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
         or they are behind: run it again"
    )]
    OtherBlock {
        /// The chain that it is of.
        chain: Chain,
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

/// Where in a file that is, if any of it could be read.
fn after(line: u64) -> String {
    if line == 0 { String::new() } else { format!(", line {line}") }
}
