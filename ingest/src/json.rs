//! JSON-RPC objects, read strictly: a missing field, a number without `0x`, or one too large for what
//! it counts is an error. Fields that nobody here needs are skipped, whatever they hold.

use crate::error::DecodeFault;
use alloy::primitives::{Address, B256, Bloom, Bytes, LogData, U256};
use alloy::rpc::types::Log;
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

/// A block header of L1.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Header {
    pub(crate) number: Quantity,
    pub(crate) hash: B256,
    pub(crate) parent_hash: B256,
    pub(crate) timestamp: Quantity,
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
    /// Some nodes leave it out.
    #[serde(default)]
    pub(crate) logs_bloom: Option<Bloom>,
    pub(crate) transactions: FirstTransaction,
}

/// The first transaction of a block decides who made it; the others are skipped.
#[derive(Clone, Debug)]
pub(crate) struct FirstTransaction(pub(crate) Option<L2Transaction>);

/// A transaction of L2, with the fields that l2geth adds.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct L2Transaction {
    pub(crate) hash: B256,
    #[serde(rename = "seqR", default)]
    pub(crate) seq_r: Option<WideQuantity>,
    #[serde(rename = "seqS", default)]
    pub(crate) seq_s: Option<WideQuantity>,
    #[serde(rename = "seqV", default)]
    pub(crate) seq_v: Option<Quantity>,
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

/// A log of either chain.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogObject {
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
    removed: bool,
}

impl LogObject {
    /// As alloy has it.
    pub(crate) fn into_log(self) -> Result<Log, DecodeFault> {
        let (block, log_index, topics) = (self.block_number.0, self.log_index.0, self.topics.len());
        let data = LogData::new(self.topics, self.data);
        let data = data.ok_or(DecodeFault::Topics { block, log_index, topics })?;
        Ok(Log {
            inner: alloy::primitives::Log { address: self.address, data },
            block_hash: Some(self.block_hash),
            block_number: Some(self.block_number.0),
            block_timestamp: self.block_timestamp.map(|time| time.0),
            transaction_hash: Some(self.transaction_hash),
            transaction_index: None,
            log_index: Some(self.log_index.0),
            removed: self.removed,
        })
    }
}
