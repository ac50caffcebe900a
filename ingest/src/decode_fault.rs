//! What is wrong with an object that a chain, or a recording of one, gave.

use alloy::primitives::{B256, U256};
use tally_engine::{BatchId, SequencerId, SpanId};

/// What is wrong with an object that a chain (or a recording of one) gave.
#[derive(Debug, thiserror::Error)]
pub enum DecodeFault {
    /// A number too large for what it counts.
    #[error("{what} is {value}, above {max}")]
    TooLarge {
        /// What the number counts.
        what: &'static str,
        /// The number as it was given.
        value: U256,
        /// The largest it may be.
        max: u64,
    },
    /// Event data that are not the event's.
    #[error(
        "log {log_index} of block {block} (transaction {transaction}) is not the event that its topic says: {reason}"
    )]
    Abi {
        /// The block that the log is in.
        block: u64,
        /// The index of the log in its block.
        log_index: u64,
        /// The transaction that made the log.
        transaction: B256,
        /// What the decoder says.
        reason: String,
    },
    /// A log that was removed by a reorg.
    #[error("log {log_index} of block {block} was removed by a reorg")]
    Removed {
        /// The block that the log was in.
        block: u64,
        /// The index of the log in its block.
        log_index: u64,
    },
    /// Two sources say different things of one block.
    #[error("block {block}: {what} is {found} here, but {expected} in its header")]
    OtherBlock {
        /// The number of the block.
        block: u64,
        /// The field in which the two differ.
        what: &'static str,
        /// The value in the header of the block.
        expected: String,
        /// The value that was found beside it.
        found: String,
    },
    /// A block that does not come after the one before it.
    #[error("block {found} follows block {previous}: out of order")]
    OutOfOrder {
        /// The block that came before.
        previous: u64,
        /// The block that came after it.
        found: u64,
    },
    /// A log that does not come after the one before it.
    #[error("log {found:?} follows log {previous:?} (block, log index): out of order")]
    LogOutOfOrder {
        /// The log that came before, by block and index.
        previous: (u64, u64),
        /// The log that came after it, by block and index.
        found: (u64, u64),
    },
    /// A block on another branch.
    #[error("block {block} has the parent {found}, but the block before it is {expected}")]
    Parent {
        /// The block whose parent is wrong.
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
        /// The block whose timestamp is wrong.
        block: u64,
        /// The timestamp of the block before it.
        previous: u64,
        /// The timestamp of this block.
        found: u64,
    },
    /// The log has another block at its head.
    #[error("block {block} is {found} here, but {expected} in the log")]
    OtherBranch {
        /// The number of the block.
        block: u64,
        /// The hash that the log has for it.
        expected: B256,
        /// The hash that was found.
        found: B256,
    },
    /// A span event that does not fit those before it.
    #[error("an event is missing, in what was given or in the log before it: {0}")]
    Span(tally_engine::SpanError),
    /// A log in a block that there is no header for.
    #[error("block {block} has a log, but no header")]
    NoHeader {
        /// The block that the log is in.
        block: u64,
    },
    /// A transaction that an event needs and that is not there.
    #[error("the {event} in block {block} needs transaction {transaction}, which is missing")]
    NoTransaction {
        /// The name of the event.
        event: &'static str,
        /// The block that the event is in.
        block: u64,
        /// The transaction that is missing.
        transaction: B256,
    },
    /// A paid batch whose call is not in the transaction.
    #[error(
        "batch {batch} in block {block}: {found} calls of batchSubmitRewards in the input of transaction {transaction} \
         fit its event (spans {start_span} to {end_span}, {amount} wei at {reward_per_block} wei a block), where one has to"
    )]
    NoBatchCall {
        /// The batch that was paid.
        batch: BatchId,
        /// The block that the event is in.
        block: u64,
        /// The transaction that made the event.
        transaction: B256,
        /// The first span of the batch.
        start_span: SpanId,
        /// The last span of the batch.
        end_span: SpanId,
        /// What the batch paid in all, in wei.
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
        /// The sequencer whose stake was raised.
        sequencer: SequencerId,
        /// The block that the event is in.
        block: u64,
        /// The transaction that made the event.
        transaction: B256,
        /// By how much it was raised.
        amount: U256,
    },
    /// More was transferred than locked.
    #[error(
        "sequencer {sequencer} in block {block}: {transferred} wei were transferred, but {amount} wei relocked"
    )]
    RelockedLess {
        /// The sequencer whose stake was raised.
        sequencer: SequencerId,
        /// The block that the event is in.
        block: u64,
        /// What was transferred to the escrow, in wei.
        transferred: U256,
        /// By how much the stake was raised, in wei.
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
        /// The block that the transaction is in.
        block: u64,
        /// The transaction that carries the signature.
        transaction: B256,
        /// The three fields as they were given.
        found: String,
    },
    /// A signature that no key made.
    #[error(
        "L2 block {block}: the sequencer's signature of transaction {transaction} (r {r}, s {s}, v {v}) cannot be recovered: {reason}"
    )]
    Unrecoverable {
        /// The block that the transaction is in.
        block: u64,
        /// The transaction that carries the signature.
        transaction: B256,
        /// The r of the signature.
        r: U256,
        /// The s of the signature.
        s: U256,
        /// The signature's recovery id.
        v: u64,
        /// What libsecp256k1 says of it.
        reason: String,
    },
    /// A file that ends before the manifest says, or holds other lines.
    #[error("the {what} is {found}, but {expected} by the manifest: the recording is not whole")]
    Incomplete {
        /// What the file has too few or too many of.
        what: &'static str,
        /// How many the manifest says there are.
        expected: u64,
        /// How many the file has.
        found: u64,
    },
    /// An input that looks like a call in more places than can be tried: a transaction that was made to delay its readers.
    #[error(
        "the input of {bytes} bytes looks like {function} in {places} places or more, too many to try them all"
    )]
    CallEverywhere {
        /// The signature of the function.
        function: &'static str,
        /// How long the input is.
        bytes: usize,
        /// How many places were tried.
        places: usize,
    },
    /// More transaction input than a recording may have.
    #[error("the inputs of the transactions up to here have {found} bytes, above {max}")]
    InputsTooLong {
        /// How many bytes there are so far.
        found: usize,
        /// How many bytes are allowed.
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
        /// The block that the log is in.
        block: u64,
        /// The index of the log in its block.
        log_index: u64,
        /// How many were found.
        topics: usize,
    },
    /// A manifest that contradicts itself.
    #[error("{what} is {found}, not {expected}")]
    Manifest {
        /// The name of the value.
        what: &'static str,
        /// What it has to be.
        expected: String,
        /// The value as it was given.
        found: String,
    },
}
