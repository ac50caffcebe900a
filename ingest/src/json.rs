//! JSON-RPC objects, read strictly: a missing field, a number without `0x`, or one too large for what
//! it counts is an error. Fields that nobody here needs are skipped, whatever they hold.

use crate::decode_fault::DecodeFault;
use alloy::primitives::{Address, B256, Bloom, Bytes, U256};
use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A `0x` number of at most 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantity(pub(crate) u64);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let WideQuantity(value) = WideQuantity::deserialize(input)?;
        let narrow = u64::try_from(value);
        narrow.map(Self).map_err(|_| D::Error::custom(format_args!("{value} is above {}", u64::MAX)))
    }
}

/// A `0x` number of at most 256 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WideQuantity(pub(crate) U256);

impl<'de> Deserialize<'de> for WideQuantity {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        let digits = text.strip_prefix("0x").unwrap_or_default();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(D::Error::custom(format_args!("{text:?} is not a number such as \"0x1f\"")));
        }
        let value = U256::from_str_radix(digits, 16);
        value.map(Self).map_err(|_| D::Error::custom(format_args!("{text} is above 2^256 - 1")))
    }
}

/// A field of an object. That it is not there says something else than that it is `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Field<T> {
    /// The object does not have it.
    #[default]
    Absent,
    Null,
    Given(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(input)?.map_or(Self::Null, Self::Given))
    }
}

impl<T> Field<T> {
    pub(crate) fn given(self) -> Option<T> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Given(value) => Some(value),
        }
    }
}

/// A bloom, which some nodes leave out, or give as `null` or `0x`.
fn bloom<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Bloom>, D::Error> {
    let Some(bytes) = Option::<Bytes>::deserialize(input)?.filter(|bytes| !bytes.is_empty()) else {
        return Ok(None);
    };
    let bloom = Bloom::try_from(bytes.as_ref());
    bloom.map(Some).map_err(|_| D::Error::custom(format_args!("a bloom of {} bytes", bytes.len())))
}

/// A block header of either chain.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Header {
    pub(crate) number: Quantity,
    pub(crate) hash: B256,
    pub(crate) parent_hash: B256,
    pub(crate) timestamp: Quantity,
    #[serde(default, deserialize_with = "bloom")]
    pub(crate) logs_bloom: Option<Bloom>,
    /// The root of the tree of its receipts.
    #[serde(default)]
    pub(crate) receipts_root: Option<B256>,
}

/// A block with the hashes of its transactions.
#[derive(Deserialize)]
pub(crate) struct Hashes {
    pub(crate) number: Quantity,
    pub(crate) hash: B256,
    pub(crate) transactions: Vec<B256>,
}

/// A transaction of L1.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct L1Transaction {
    pub(crate) hash: B256,
    pub(crate) input: Bytes,
}

/// A block of L2, with its first transaction.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct L2Block {
    pub(crate) number: Quantity,
    pub(crate) hash: B256,
    pub(crate) parent_hash: B256,
    pub(crate) timestamp: Quantity,
    #[serde(default, deserialize_with = "bloom")]
    pub(crate) logs_bloom: Option<Bloom>,
    pub(crate) transactions: FirstTransaction,
    /// The root of the tree of its transactions.
    #[serde(default)]
    pub(crate) transactions_root: Option<B256>,
}

/// The first transaction of a block decides who made it; the others are skipped.
#[derive(Clone, Debug)]
pub(crate) struct FirstTransaction(pub(crate) Option<L2Transaction>);

/// A transaction of L2, with the fields that l2geth adds. It gives them with every transaction, as `null` where
/// nobody signed.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct L2Transaction {
    pub(crate) hash: B256,
    #[serde(rename = "seqR", default)]
    pub(crate) seq_r: Field<WideQuantity>,
    #[serde(rename = "seqS", default)]
    pub(crate) seq_s: Field<WideQuantity>,
    #[serde(rename = "seqV", default)]
    pub(crate) seq_v: Field<Quantity>,
}

impl<'de> Deserialize<'de> for FirstTransaction {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct First;
        impl<'de> Visitor<'de> for First {
            type Value = FirstTransaction;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of whole transactions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<FirstTransaction, A::Error> {
                let first = list.next_element()?;
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(FirstTransaction(first))
            }
        }
        input.deserialize_seq(First)
    }
}

/// A log of either chain, in a block.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "LogObject")]
pub struct ChainLog {
    /// The contract that it is of.
    pub address: Address,
    /// At most four words.
    pub topics: Vec<B256>,
    /// What the topics do not have.
    pub data: Bytes,
    /// The number of its block.
    pub block: u64,
    /// The hash of its block.
    pub block_hash: B256,
    /// The time of its block, if the node tells.
    pub block_timestamp: Option<u64>,
    /// The transaction that made it.
    pub transaction_hash: B256,
    /// Its place in the block.
    pub log_index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogObject {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
    block_hash: B256,
    block_number: Quantity,
    #[serde(default)]
    block_timestamp: Option<Quantity>,
    transaction_hash: B256,
    log_index: Quantity,
    #[serde(default)]
    removed: Option<bool>,
}

impl TryFrom<LogObject> for ChainLog {
    type Error = DecodeFault;

    fn try_from(log: LogObject) -> Result<Self, DecodeFault> {
        let (block, log_index, topics) = (log.block_number.0, log.log_index.0, log.topics.len());
        if topics > 4 {
            return Err(DecodeFault::Topics { block, log_index, topics });
        }
        if log.removed == Some(true) {
            return Err(DecodeFault::Removed { block, log_index });
        }
        Ok(Self {
            address: log.address,
            topics: log.topics,
            data: log.data,
            block,
            block_hash: log.block_hash,
            // No block of either chain is of 1970: nodes that do not know the time give zero.
            block_timestamp: log.block_timestamp.map(|time| time.0).filter(|time| *time != 0),
            transaction_hash: log.transaction_hash,
            log_index,
        })
    }
}
