//! Who owned the pool's contracts: their `OwnershipTransferred` events.
//!
//! They bear on no reward, so the head digest does not cover them: a log has the same with and without them. They have
//! a digest chain of their own.

use crate::LogError;
use crate::heads::{L1Head, Links};
use crate::identity::LogIdentity;
use crate::keys::event_place;
use crate::options::OWNER_EVENTS;
use crate::recent::{RecentBlock, RecentBlocks};
use crate::record::{decode, encode};
use crate::stored::{address, hash, l1_block, l1_block_or_none, time};
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use tally_engine::{L1Block, L1Record, UnixTime};

/// A contract of the pool got another owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRecord {
    /// The L1 block that the event is in.
    #[serde(with = "l1_block")]
    pub block: L1Block,
    /// The hash of the block.
    #[serde(with = "hash")]
    pub block_hash: B256,
    /// The timestamp of the block.
    #[serde(with = "time")]
    pub timestamp: UnixTime,
    /// The transaction that made the event.
    #[serde(with = "hash")]
    pub transaction_hash: B256,
    /// The place of the event in its block.
    pub log_index: u64,
    /// The contract: `LockingInfo` or `LockingPool`.
    #[serde(with = "address")]
    pub contract: Address,
    /// Who owned it before, by the event; zeros for nobody.
    #[serde(with = "address")]
    pub previous_owner: Address,
    /// Who owns it from then on; zeros for nobody.
    #[serde(with = "address")]
    pub new_owner: Address,
}

impl OwnerRecord {
    pub(crate) fn place(&self) -> (u64, u64) {
        (self.block.0, self.log_index)
    }
}

/// The bytes of an owner record.
///
/// # Errors
///
/// The same errors as [`crate::encode_l1`] has.
pub fn encode_owner(record: &OwnerRecord) -> Result<Vec<u8>, LogError> {
    encode(&event_place(OWNER_EVENTS, record.place()), record)
}

/// The owner record of these bytes; `place` goes into the error.
///
/// # Errors
///
/// The same errors as [`crate::decode_l1`] has.
pub fn decode_owner(place: &str, bytes: &[u8]) -> Result<OwnerRecord, LogError> {
    decode(place, bytes)
}

/// The owner events of a log, as its meta data have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnersHead {
    /// The links of the events that are in the log.
    pub events: Links,
    /// The last L1 block up to which the log has no owner events, as what it was made of held none; `None` if it has
    /// all of them. As long as there is such a block, the log has none of later blocks either.
    #[serde(with = "l1_block_or_none")]
    pub missing_to: Option<L1Block>,
}

impl OwnersHead {
    /// Of a log that was made without owner events, and reaches up to L1 block `head`.
    pub(crate) fn missing(head: Option<L1Block>) -> Self {
        Self { events: Links::default(), missing_to: head }
    }
}

/// The owner events that a log has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// All of them, in order; none as long as some are missing.
    pub records: Vec<OwnerRecord>,
    /// The last L1 block up to which they are missing; `None` if none is.
    pub missing_to: Option<L1Block>,
}

impl Owners {
    /// Who owns `contract` after L1 block `at` (after the last, for `None`); `None` if the log does not tell.
    pub fn owner_of(&self, contract: Address, at: Option<L1Block>) -> Option<Address> {
        self.up_to(at).filter(|record| record.contract == contract).last().map(|record| record.new_owner)
    }

    /// The events up to L1 block `at` (all, for `None`).
    pub fn up_to(&self, at: Option<L1Block>) -> impl Iterator<Item = &OwnerRecord> {
        self.records.iter().take_while(move |record| at.is_none_or(|at| record.block <= at))
    }
}

/// What has to hold of owner events, one after the other.
#[derive(Debug, Default)]
pub(crate) struct OwnerCheck {
    /// The block of the last event, and its place in that block.
    last: Option<(RecentBlock, u64)>,
}

impl OwnerCheck {
    /// The block of the last event, if there is one.
    pub(crate) fn last_block(&self) -> Option<RecentBlock> {
        self.last.map(|(block, _)| block)
    }

    pub(crate) fn check(&mut self, identity: &LogIdentity, record: &OwnerRecord) -> Result<(), LogError> {
        let OwnerRecord { block, block_hash, timestamp, log_index, contract, .. } = *record;
        let misfit = |what, expected: String, found: String| {
            Err(LogError::Owner { place: event_place(OWNER_EVENTS, record.place()), what, expected, found })
        };
        let LogIdentity { locking_info, locking_pool, l1_first_block, .. } = *identity;
        if ![locking_info, locking_pool].contains(&contract) {
            return misfit("contract", format!("{locking_info} or {locking_pool}"), contract.to_string());
        }
        if block < l1_first_block {
            return misfit("block", format!("at least {l1_first_block}"), block.to_string());
        }
        if let Some((last, last_index)) = self.last {
            if (block.0, log_index) <= (last.number, last_index) {
                let after = format!("after block {}, log {last_index}", last.number);
                return misfit("place", after, format!("block {block}, log {log_index}"));
            }
            check_same_block(record, &last)?;
            if block.0 > last.number && timestamp <= last.timestamp {
                return misfit("timestamp", format!("after {}", last.timestamp), timestamp.to_string());
            }
        }
        self.last = Some((RecentBlock { number: block.0, hash: block_hash, timestamp }, log_index));
        Ok(())
    }
}

/// Whether an owner event is of no later block than the log's last, and of that very block if it has its number.
pub(crate) fn check_by_head(record: &OwnerRecord, head: Option<L1Head>) -> Result<(), LogError> {
    let fits = head.is_some_and(|head| match record.block.cmp(&head.block) {
        Ordering::Less => record.timestamp < head.timestamp,
        Ordering::Equal => (record.block_hash, record.timestamp) == (head.hash, head.timestamp),
        Ordering::Greater => false,
    });
    if fits {
        return Ok(());
    }
    let of = |block: L1Block, hash: B256, time: UnixTime| format!("block {block} ({hash}) of {time}");
    Err(LogError::Owner {
        place: event_place(OWNER_EVENTS, record.place()),
        what: "block",
        expected: head
            .map_or("none".into(), |head| format!("by {}", of(head.block, head.hash, head.timestamp))),
        found: of(record.block, record.block_hash, record.timestamp),
    })
}

/// Whether the block of an owner event is the one that is known of its number among those that may still be replaced.
pub(crate) fn check_by_recent(record: &OwnerRecord, recent: &RecentBlocks) -> Result<(), LogError> {
    recent.blocks().iter().try_for_each(|block| check_same_block(record, block))
}

/// Whether the block of an owner event is the one that the pool's records, which are in order, have of its number.
pub(crate) fn check_by_pool(record: &OwnerRecord, pool: &[L1Record]) -> Result<(), LogError> {
    let at = pool.partition_point(|other| other.block < record.block);
    pool.get(at).map_or(Ok(()), |other| check_same_block(record, &other.into()))
}

/// Whether an owner event is of this block, unless that has another number.
pub(crate) fn check_same_block(record: &OwnerRecord, other: &RecentBlock) -> Result<(), LogError> {
    let RecentBlock { number, hash, timestamp } = *other;
    if number != record.block.0 || (hash, timestamp) == (record.block_hash, record.timestamp) {
        return Ok(());
    }
    Err(LogError::Owner {
        place: event_place(OWNER_EVENTS, record.place()),
        what: "block",
        expected: format!("{hash} of {timestamp}"),
        found: format!("{} of {}", record.block_hash, record.timestamp),
    })
}
