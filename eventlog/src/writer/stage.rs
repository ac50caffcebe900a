//! Staging: what is appended next, checked against everything before it.

use super::LogWriter;
use crate::LogError;
use crate::chunk::{ChunkBuilder, ProducedBlock};
use crate::heads::{L1Head, L2Head};
use crate::keys::{event_key, linked};
use crate::options::{L1_EVENTS, SIGNERS, SPAN_EVENTS};
use crate::producers::UNSIGNED;
use crate::recent::RecentBlock;
use crate::record::{encode_l1, encode_span};
use alloy_primitives::Address;
use tally_engine::{Discrepancy, L1Block, L1Record, L2Block, PoolEvent, SpanRecord};

impl LogWriter {
    fn check_begun(&self, found: L1Block) -> Result<(), LogError> {
        let first = self.identity.l1_first_block;
        if found < first { Err(LogError::L1BeforeFirst { found, first }) } else { Ok(()) }
    }

    /// Stages an L1 record and returns what it claims beside the facts that the records before it do
    /// not add up to.
    ///
    /// # Errors
    ///
    /// [`LogError::L1BeforeFirst`] if it lies before the log's first block,
    /// [`LogError::L1OutOfOrder`] unless it comes after every record and head before,
    /// [`LogError::L1Time`] if it is earlier than they are,
    /// [`LogError::L1Differs`] if a record of its block has another hash or time,
    /// [`LogError::Pool`] if the contracts' state cannot take it.
    pub fn stage_l1(&mut self, record: &L1Record) -> Result<Vec<Discrepancy>, LogError> {
        self.check_begun(record.block)?;
        let place = (record.block.0, record.log_index);
        let behind_head = self.heads.l1.is_some_and(|head| record.block <= head.block);
        if behind_head || self.last_l1.is_some_and(|last| place <= last) {
            let head = self.heads.l1.map(|head| format!("block {}", head.block));
            let last = self.last_l1.map(|(block, log)| format!("block {block}, log {log}"));
            return Err(LogError::L1OutOfOrder {
                found: format!("block {}, log {}", record.block, record.log_index),
                reached: if behind_head { head } else { last }.unwrap_or_default(),
            });
        }
        let block = RecentBlock::from(record);
        let known = [self.heads.l1.map(RecentBlock::from), self.last_l1_block];
        // Owner events of later blocks may be staged already.
        let owner = self.owner_check.last_block().filter(|owner| owner.number <= block.number);
        check_follows(&block, known.into_iter().flatten().chain(owner))?;
        let (key, bytes) = (event_key(place.0, place.1), encode_l1(record)?);
        let discrepancies = self.pool.apply(record)?;
        if matches!(record.event, PoolEvent::MetisTransfer { .. }) {
            self.last_transfer = Some(place);
        }
        let chain = self.heads.l1_events.extended(&key, &bytes);
        self.batch.put_cf(self.store.family(L1_EVENTS)?, key, linked(&chain.last, &bytes));
        self.heads.l1_events = chain;
        self.last_l1 = Some(place);
        self.last_l1_block = Some(block);
        if self.staged_l1_blocks.last() != Some(&block) {
            self.staged_l1_blocks.push(block);
        }
        Ok(discrepancies)
    }

    /// Stages how far L1 is ingested: every record up to this block is in the log.
    ///
    /// # Errors
    ///
    /// [`LogError::L1HeadOutOfOrder`] if it lies below the head or a record before, [`LogError::OwnersMissing`] if owner
    /// events of earlier blocks are missing, [`LogError::L1Time`] if it is not later than the head before, [`LogError::L1Differs`] if what was staged has
    /// another hash or time of its block.
    pub fn stage_l1_head(&mut self, head: L1Head) -> Result<(), LogError> {
        self.check_begun(head.block)?;
        let record = self.last_l1.map(|(block, _)| L1Block(block));
        let reached = self.heads.l1.map(|before| before.block).max(record);
        if let Some(reached) = reached
            && head.block < reached
        {
            return Err(LogError::L1HeadOutOfOrder { found: head.block, reached });
        }
        if let Some(to) = self.owners.missing_to.filter(|to| *to < head.block) {
            return Err(LogError::OwnersMissing { to });
        }
        let known = [self.heads.l1.map(RecentBlock::from), self.last_l1_block, self.owner_check.last_block()];
        check_follows(&head.into(), known.into_iter().flatten())?;
        self.heads.l1 = Some(head);
        self.recent_l1.push(head.into(), self.sealed_l1);
        Ok(())
    }

    /// Stages a span event. Its block has to be staged in the same batch, before or after it.
    ///
    /// # Errors
    ///
    /// [`LogError::SpanOutOfOrder`] unless it comes after every span event and committed block before,
    /// [`LogError::Span`] if it does not fit the spans before it.
    pub fn stage_span(&mut self, record: &SpanRecord) -> Result<(), LogError> {
        let place = (record.block.0, record.log_index);
        let committed = self.committed.l2.map(|head| head.block);
        let is_committed = committed.is_some_and(|head| record.block <= head);
        if is_committed || self.last_span.is_some_and(|last| place <= last) {
            let last = self.last_span.map(|(block, log)| format!("block {block}, log {log}"));
            let after = if is_committed { committed.map(|head| format!("block {head}")) } else { last };
            return Err(self.span_out_of_order(place, after.unwrap_or_default()));
        }
        let (key, bytes) = (event_key(place.0, place.1), encode_span(record)?);
        self.spans.apply(record)?;
        let chain = self.heads.span_events.extended(&key, &bytes);
        self.batch.put_cf(self.store.family(SPAN_EVENTS)?, key, linked(&chain.last, &bytes));
        self.heads.span_events = chain;
        self.last_span = Some(place);
        Ok(())
    }

    pub(super) fn span_out_of_order(&self, (block, log): (u64, u64), after: String) -> LogError {
        let by = self.heads.l2.map_or("none".into(), |head| head.block.to_string());
        LogError::SpanOutOfOrder { found: format!("block {block}, log {log}"), after, by }
    }

    /// Stages the next L2 block.
    ///
    /// # Errors
    ///
    /// [`LogError::L2OutOfOrder`], [`LogError::L2Parent`] or [`LogError::L2Time`] if it does not
    /// follow the block before it.
    pub fn stage_block(&mut self, block: &ProducedBlock) -> Result<(), LogError> {
        let expected = match self.heads.l2 {
            None => Some(self.identity.l2_first_block),
            Some(head) => head.block.next(),
        };
        if Some(block.number) != expected {
            let expected = expected.unwrap_or(self.identity.l2_first_block);
            return Err(LogError::L2OutOfOrder { expected, found: block.number });
        }
        if let Some(head) = self.heads.l2 {
            if block.parent_hash != head.hash {
                let (expected, found) = (head.hash, block.parent_hash);
                return Err(LogError::L2Parent { block: block.number, expected, found });
            }
            if block.timestamp < head.timestamp {
                let (parent, found) = (head.timestamp, block.timestamp);
                return Err(LogError::L2Time { block: block.number, parent, found });
            }
        }
        if self.open.as_ref().is_some_and(|open| open.is_before(block.number)) {
            self.sealed = self.put_chunk()?;
            self.open = None;
        }
        let code = match block.signer {
            None => UNSIGNED,
            Some(signer) => self.code_of(signer, block.number)?,
        };
        let open = self.open.get_or_insert_with(|| ChunkBuilder::new(block.number));
        open.push(code, block.timestamp, block.hash);
        self.open_is_staged = true;
        let head = L2Head { block: block.number, hash: block.hash, timestamp: block.timestamp };
        self.heads.l2 = Some(head);
        self.recent_l2.push(head.into(), self.sealed_l2);
        Ok(())
    }

    /// The code of a block's signer, who may be new to the log.
    fn code_of(&mut self, signer: Address, block: L2Block) -> Result<u16, LogError> {
        let (code, is_new) = self.signers.code_of(signer, block)?;
        if is_new {
            let key = code.to_be_bytes();
            let chain = self.heads.signers.extended(&key, signer.as_slice());
            self.batch.put_cf(self.store.family(SIGNERS)?, key, linked(&chain.last, signer.as_slice()));
            self.heads.signers = chain;
        }
        Ok(code)
    }
}

/// Checks that an L1 block comes after others in time, or is the very one that has its number. The timestamps of L1
/// blocks rise: what an L2 block's second holds is known once one is reached.
fn check_follows(block: &RecentBlock, others: impl Iterator<Item = RecentBlock>) -> Result<(), LogError> {
    let number = L1Block(block.number);
    for other in others {
        if other.number == block.number {
            let differs = |what, expected: String, found: String| {
                Err(LogError::L1Differs { block: number, what, expected, found })
            };
            if other.hash != block.hash {
                return differs("hash", other.hash.to_string(), block.hash.to_string());
            }
            if other.timestamp != block.timestamp {
                return differs("timestamp", other.timestamp.to_string(), block.timestamp.to_string());
            }
        } else if other.timestamp >= block.timestamp {
            let (previous, found) = (other.timestamp, block.timestamp);
            return Err(LogError::L1Time { block: number, previous, found });
        }
    }
    Ok(())
}
