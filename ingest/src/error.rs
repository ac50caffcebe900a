//! What can go wrong between a chain and the log.

use alloy::primitives::{Address, B256, U256};
use std::path::PathBuf;
use tally_eventlog::LogError;

/// An ingest that stopped. The log is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// A file that cannot be read to its end.
    #[error("{}, line {line}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// How far it was read; 0 if it could not be opened.
        line: u64,
        /// The system's own words.
        source: std::io::Error,
    },
    /// A line that is longer than any real one.
    #[error("{}, line {line}: it is longer than the {max} bytes allowed", path.display())]
    LineTooLong {
        /// In which file.
        path: PathBuf,
        /// Which line.
        line: u64,
        /// The limit.
        max: u64,
    },
    /// A line that is not the JSON object it has to be.
    #[error("{}, line {line}: {source}", path.display())]
    Json {
        /// In which file.
        path: PathBuf,
        /// Which line.
        line: u64,
        /// Which field, and what is wrong with it.
        source: serde_json::Error,
    },
    /// A line whose contents do not hold together.
    #[error("{}, line {line}: {fault}", path.display())]
    Line {
        /// In which file.
        path: PathBuf,
        /// Which line.
        line: u64,
        /// What is wrong.
        fault: DecodeFault,
    },
    /// A line that the log cannot take.
    #[error("{}, line {line}: {source}", path.display())]
    Append {
        /// In which file.
        path: PathBuf,
        /// Which line.
        line: u64,
        /// What the log says.
        source: LogError,
    },
    /// The log cannot be opened or written.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What is wrong with an object that a chain (or a recording of one) gave.
#[derive(Debug, thiserror::Error)]
pub enum DecodeFault {
    /// A number too large for what it counts.
    #[error("{what} is {value}, above {max}")]
    TooLarge {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: U256,
        /// The largest it may be.
        max: u64,
    },
    /// Event data that are not the event's.
    #[error(
        "log {log_index} of block {block} (transaction {transaction}) is not the event that its topic says: {reason}"
    )]
    Abi {
        /// Where.
        block: u64,
        /// Where in the block.
        log_index: u64,
        /// In which transaction.
        transaction: B256,
        /// What the decoder says.
        reason: String,
    },
    /// A log that was removed by a reorg.
    #[error("log {log_index} of block {block} was removed by a reorg")]
    Removed {
        /// Where.
        block: u64,
        /// Where in the block.
        log_index: u64,
    },
    /// Two sources say different things of one block.
    #[error("block {block}: {what} is {found} here, but {expected} in its header")]
    OtherBlock {
        /// Which.
        block: u64,
        /// What differs.
        what: &'static str,
        /// The header's value.
        expected: String,
        /// This one.
        found: String,
    },
    /// A block that does not come after the one before it.
    #[error("block {found} follows block {previous}: out of order")]
    OutOfOrder {
        /// The one before.
        previous: u64,
        /// This one.
        found: u64,
    },
    /// A log that does not come after the one before it.
    #[error("log {found:?} follows log {previous:?} (block, log index): out of order")]
    LogOutOfOrder {
        /// The one before.
        previous: (u64, u64),
        /// This one.
        found: (u64, u64),
    },
    /// A block on another branch.
    #[error("block {block} has the parent {found}, but the block before it is {expected}")]
    Parent {
        /// Which.
        block: u64,
        /// The hash of the block before it.
        expected: B256,
        /// The parent it names.
        found: B256,
    },
    /// A block older than the one before it.
    #[error(
        "block {block} has the timestamp {found}, which does not come after the {previous} of the block before it"
    )]
    Time {
        /// Which.
        block: u64,
        /// The timestamp before.
        previous: u64,
        /// This one.
        found: u64,
    },
    /// The log has another block at its head.
    #[error("block {block} is {found} here, but {expected} in the log")]
    OtherBranch {
        /// Which.
        block: u64,
        /// The log's hash.
        expected: B256,
        /// This one.
        found: B256,
    },
    /// A span event that does not fit those before it.
    #[error("an event is missing, in what was given or in the log before it: {0}")]
    Span(tally_engine::SpanError),
    /// A log in a block that there is no header for.
    #[error("block {block} has a log, but no header")]
    NoHeader {
        /// Which.
        block: u64,
    },
    /// A transaction that an event needs and that is not there.
    #[error("the {event} in block {block} needs transaction {transaction}, which is missing")]
    NoTransaction {
        /// Which event.
        event: &'static str,
        /// Where.
        block: u64,
        /// Which transaction.
        transaction: B256,
    },
    /// A paid batch whose call is not in the transaction.
    #[error(
        "batch {batch} in block {block}: {found} calls of batchSubmitRewards in the input of transaction {transaction} \
         fit its event (spans {start_span} to {end_span}, {amount} wei at {reward_per_block} wei a block), where one has to"
    )]
    NoBatchCall {
        /// Which batch.
        batch: u64,
        /// Where.
        block: u64,
        /// In which transaction.
        transaction: B256,
        /// Its first span.
        start_span: u64,
        /// Its last span.
        end_span: u64,
        /// Its total.
        amount: U256,
        /// Its reward per block.
        reward_per_block: U256,
        /// How many calls fit.
        found: usize,
    },
    /// A raised stake of which it cannot be said what came from rewards.
    #[error(
        "sequencer {sequencer} in block {block}: neither a METIS transfer to the escrow nor a call of relock in \
         transaction {transaction} tells what of {amount} wei came from its rewards"
    )]
    NoRelockSource {
        /// Whose stake.
        sequencer: u64,
        /// Where.
        block: u64,
        /// In which transaction.
        transaction: B256,
        /// By how much it was raised.
        amount: U256,
    },
    /// More was transferred than locked.
    #[error(
        "sequencer {sequencer} in block {block}: {transferred} wei were transferred, but {amount} wei relocked"
    )]
    RelockedLess {
        /// Whose stake.
        sequencer: u64,
        /// Where.
        block: u64,
        /// What was transferred.
        transferred: U256,
        /// What was relocked.
        amount: U256,
    },
    /// A transaction without the fields that tell who signed its block.
    #[error(
        "L2 block {block}: transaction {transaction} comes without seqR, seqS and seqV, which l2geth gives with every \
         transaction: this node is another one, and cannot tell who made a block"
    )]
    NotL2geth {
        /// The number of the block.
        block: u64,
        /// The hash of its first transaction.
        transaction: B256,
    },
    /// A block that comes without the transactions that it has.
    #[error(
        "L2 block {block}: it comes without a transaction, and its transactionsRoot does not say that it has none"
    )]
    NoTransactions {
        /// The number of the block.
        block: u64,
    },
    /// A signature that only half is there.
    #[error(
        "L2 block {block}: seqR, seqS and seqV of transaction {transaction} are {found}, where all or none have to be there"
    )]
    HalfSigned {
        /// Which block.
        block: u64,
        /// Which transaction.
        transaction: B256,
        /// The three fields.
        found: String,
    },
    /// A signature that no key made.
    #[error(
        "L2 block {block}: the sequencer's signature of transaction {transaction} (r {r}, s {s}, v {v}) cannot be recovered: {reason}"
    )]
    Unrecoverable {
        /// Which block.
        block: u64,
        /// Which transaction.
        transaction: B256,
        /// The signature's r.
        r: U256,
        /// The signature's s.
        s: U256,
        /// The signature's recovery id.
        v: u64,
        /// libsecp256k1's own words.
        reason: String,
    },
    /// A file that ends before the manifest says, or holds other lines.
    #[error("the {what} is {found}, but {expected} by the manifest: the recording is not whole")]
    Incomplete {
        /// What was compared.
        what: &'static str,
        /// The manifest's number.
        expected: u64,
        /// The file's.
        found: u64,
    },
    /// More transaction input than a recording may have.
    #[error("the inputs of the transactions up to here have {found} bytes, above {max}")]
    InputsTooLong {
        /// How many so far.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A recording that goes on somewhere else than where the log ends.
    #[error(
        "the log ends at block {head}, and the recording goes on at block {found} without having that one"
    )]
    Seam {
        /// The log's last block.
        head: u64,
        /// The recording's first block after it.
        found: u64,
    },
    /// A log with more topics than an event can have.
    #[error("log {log_index} of block {block} has {topics} topics, and 4 is the most there can be")]
    Topics {
        /// Where.
        block: u64,
        /// Where in the block.
        log_index: u64,
        /// How many.
        topics: usize,
    },
    /// A manifest that contradicts itself.
    #[error("{what} is {found}, not {expected}")]
    Manifest {
        /// Which value.
        what: &'static str,
        /// What it has to be.
        expected: String,
        /// What it is.
        found: String,
    },
}

/// A log of one of the pool's contracts whose topic nobody here knows. It is left out of the log, so
/// whoever ingests has to hear of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTopic {
    /// Which contract.
    pub contract: Address,
    /// In which block.
    pub block: u64,
    /// In which transaction.
    pub transaction: B256,
    /// The topic, or `None` if the log has none.
    pub topic: Option<B256>,
}
