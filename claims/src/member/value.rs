//! Values that conditions and changes are told with.

use alloy_primitives::Address;
use tally_engine::{BatchId, SequencerId, Status, UnixTime, Wei};
use tally_text::{address, exact_metis, time};

/// A value with its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallValue {
    /// An amount of METIS.
    Metis(Wei),
    /// An amount of ETH.
    Eth(Wei),
    /// A time of L1.
    Time(UnixTime),
    /// The number of a batch.
    Batch(BatchId),
    /// The id of a sequencer.
    Sequencer(SequencerId),
    /// A number of bytes.
    Bytes(u64),
    /// An address on either chain.
    Address(Address),
    /// Where a sequencer is between locking and leaving.
    Status(Status),
}

impl CallValue {
    /// A word for the unit, for programs.
    pub const fn unit(&self) -> &'static str {
        match self {
            Self::Metis(_) => "metis_wei",
            Self::Eth(_) => "eth_wei",
            Self::Time(_) => "unix_secs",
            Self::Batch(_) => "batch",
            Self::Sequencer(_) => "sequencer",
            Self::Bytes(_) => "bytes",
            Self::Address(_) => "address",
            Self::Status(_) => "status",
        }
    }

    /// The value as programs read it.
    pub fn exact(&self) -> String {
        match self {
            Self::Metis(wei) | Self::Eth(wei) => wei.to_string(),
            Self::Time(time) => time.to_string(),
            Self::Batch(batch) => batch.to_string(),
            Self::Sequencer(id) => id.to_string(),
            Self::Bytes(number) => number.to_string(),
            Self::Address(address) => format!("{address:#x}"),
            Self::Status(status) => status_word(*status).into(),
        }
    }

    /// The value as people read it, with its unit.
    pub fn shown(&self) -> String {
        match self {
            Self::Metis(wei) => format!("{} METIS", exact_metis(*wei)),
            Self::Eth(wei) => format!("{} ETH", exact_metis(*wei)),
            Self::Time(at) => time(*at),
            Self::Batch(batch) => format!("batch {batch}"),
            Self::Sequencer(id) => format!("sequencer {id}"),
            Self::Bytes(number) => format!("{number} bytes"),
            Self::Address(of) => address(*of),
            Self::Status(status) => status_word(*status).into(),
        }
    }
}

/// The contract's word for a status.
const fn status_word(status: Status) -> &'static str {
    match status {
        Status::Active => "Active",
        Status::Inactive => "Inactive",
        Status::Unlocked => "Unlocked",
    }
}
