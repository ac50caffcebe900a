//! Checking every byte of a log.
//!
//! # Invariants checked
//!
//! - identity and heads have the digest that is stored with them;
//! - each record's and chunk's link is BLAKE3 of the link before, the key and the bytes, and the last
//!   links and counts are those of the heads;
//! - every record decodes, is in order, lies between first block and head, and fits the records before
//!   it: the contracts' state takes every pool event, the spans take every span event;
//! - owner events decode, are in order, are of the pool's contracts and lie between first block and head; where they are
//!   missing there are none;
//! - chunks follow one another, each with its 8,192 blocks (the first and the last may have fewer), up to
//!   the head's block, hash and time;
//! - the blocks that a reorg may still take back are consecutive and end at the heads, and the records in
//!   them and the chunks that end in them have their hashes and times;
//! - each chunk's columns have the digests, the counts and the times that its header says, and no
//!   column is without a chunk;
//! - the dictionary has every signer once, in the order of their first block;
//! - the index says what the headers say.

use crate::LogError;
use crate::check::{CodeOrder, L1Check, SpanCheck, check_signers};
use crate::chunk_header::ChunkHeader;
use crate::error::same;
use crate::events::EventCursor;
use crate::keys::event_place;
use crate::options::{CHUNKS, INDEX, L1_EVENTS, PRODUCERS, SPAN_EVENTS, TIMES};
use crate::owners::{OwnerCheck, OwnersHead, check_by_head, check_by_pool, check_by_recent};
use crate::reader::LogReader;
use crate::times::Times;
use crate::view::LogView;
use alloy_primitives::B256;
use tally_engine::L2Block;

/// What a verification has counted, and the digest it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many pool events.
    pub l1_events: u64,
    /// How many span events.
    pub span_events: u64,
    /// How many chunks there are.
    pub chunks: u64,
    /// How many L2 blocks in them.
    pub l2_blocks: u64,
    /// The digest of it all.
    pub head_digest: B256,
}

/// Checks every byte of a log.
///
/// # Errors
///
/// [`LogError::Damaged`], [`LogError::Undecodable`], [`LogError::Pool`] or [`LogError::Span`] naming the
/// first place that is not as it was written; what RocksDB says if it cannot be read.
pub fn verify(log: &LogReader) -> Result<Verified, LogError> {
    verify_recent(log)?;
    verify_owners(log)?;
    check_signers(&log.signers()?)?;
    Ok(Verified {
        l1_events: verify_l1_events(log)?,
        span_events: verify_span_events(log)?,
        chunks: log.heads().chunks.count,
        l2_blocks: verify_chunks(log)?,
        head_digest: log.head_digest()?,
    })
}

/// The records decode and follow one another by the reader's own checks; here they are folded.
fn verify_l1_events(log: &LogReader) -> Result<u64, LogError> {
    let mut check = L1Check::new(log.identity(), log.heads());
    for record in log.l1_records()? {
        check.check(&record)?;
    }
    Ok(log.heads().l1_events.count)
}

/// The reader has checked their links; here they are compared with the blocks that the log knows.
fn verify_owners(log: &LogReader) -> Result<(), LogError> {
    let OwnersHead { events, missing_to } = log.owners_head();
    let head = log.heads().l1;
    if let Some(missing_to) = missing_to {
        let place = "the head of the owner events";
        same(place, "number of events", &0, &events.count)?;
        let last = head.map_or("none".into(), |head| head.block.to_string());
        // Whatever brings a log further brings what is missing first.
        return same(place, "last block without", &last, &missing_to.to_string());
    }
    let mut check = OwnerCheck::default();
    let pool = log.l1_records()?;
    let [recent, _] = log.recent()?;
    for record in log.owners()?.records {
        check.check(log.identity(), &record)?;
        check_by_head(&record, head)?;
        check_by_pool(&record, &pool)?;
        check_by_recent(&record, &recent)?;
    }
    Ok(())
}

/// The reader checks that they lead up to the heads; here they are compared with what they hold.
fn verify_recent(log: &LogReader) -> Result<(), LogError> {
    let [l1, l2] = log.recent()?;
    for record in log.l1_records()? {
        if let Some(block) = l1.blocks().iter().find(|block| block.number == record.block.0) {
            let place = event_place(L1_EVENTS, (record.block.0, record.log_index));
            same(&place, "hash of its block", &block.hash, &record.block_hash)?;
            same(&place, "timestamp of its block", &block.timestamp, &record.timestamp)?;
        }
    }
    log.for_each_span_record::<LogError>(&mut EventCursor::default(), |record| {
        if let Some(block) = l2.blocks().iter().find(|block| block.number == record.block.0) {
            let place = event_place(SPAN_EVENTS, (record.block.0, record.log_index));
            same(&place, "hash of its block", &block.hash, &record.block_hash)?;
        }
        Ok(())
    })?;
    let [Some(from), Some(to)] =
        [l2.blocks().first(), l2.blocks().last()].map(|block| block.map(|block| L2Block(block.number)))
    else {
        return Ok(());
    };
    log.scan_verified::<LogError>(from..=to, |header, _| {
        let column = log.column(TIMES, header.first_block)?;
        for (number, time) in (header.first_block.0..).zip(Times::new(header.first_block, &column)?.iter()) {
            if let Some(block) = l2.blocks().iter().find(|block| block.number == number) {
                same(&header.place(), "timestamp of a recent block", &block.timestamp, &time?)?;
                if Some(number) == header.last_block().map(|last| last.0) {
                    same(&header.place(), "hash of its last block", &block.hash, &header.last_hash)?;
                }
            }
        }
        Ok(())
    })
}

fn verify_span_events(log: &LogReader) -> Result<u64, LogError> {
    let mut check = SpanCheck::new(log.heads());
    log.for_each_span_record::<LogError>(&mut EventCursor::default(), |record| check.check(&record))?;
    Ok(log.heads().span_events.count)
}

fn verify_chunks(log: &LogReader) -> Result<u64, LogError> {
    let heads = log.heads();
    let Some(head) = heads.l2 else {
        for family in [CHUNKS, PRODUCERS, TIMES, INDEX] {
            same(family, "number of entries", &0, &log.count(family)?)?;
        }
        return Ok(0);
    };
    let first = log.identity().l2_first_block;
    let mut index = log.chunk_index(first)?.into_iter();
    let mut last: Option<ChunkHeader> = None;
    let mut chunks = 0_u64;
    let mut codes = CodeOrder::default();
    log.scan_verified::<LogError>(first..=head.block, |header, producers| {
        header.check_index_entry(index.next())?;
        codes.check(header, producers)?;
        chunks += 1;
        last = Some(header.clone());
        Ok(())
    })?;
    heads.check_last_chunk(last.as_ref())?;
    codes.check_end(heads)?;
    same("the L2 head", "number of chunks", &chunks, &heads.chunks.count)?;
    for family in [CHUNKS, PRODUCERS, TIMES] {
        same(family, "number of entries", &chunks, &log.count(family)?)?;
    }
    Ok(head.block.0 - first.0 + 1)
}
