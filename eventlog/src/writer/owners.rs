//! Staging who owned the contracts.

use super::LogWriter;
use crate::LogError;
use crate::events::EventCursor;
use crate::keys::{event_key, linked};
use crate::options::OWNER_EVENTS;
use crate::owners::{
    OwnerRecord, check_by_head, check_by_pool, check_by_recent, check_same_block, encode_owner,
};

impl LogWriter {
    /// Stages an owner event. The head of L1 has to reach its block by the next commit.
    ///
    /// # Errors
    ///
    /// [`LogError::OwnersMissing`] if earlier ones are missing, [`LogError::L1OutOfOrder`] if its block is in the log
    /// already, [`LogError::Owner`] if it is of another contract, does not come after those before it, or is of another
    /// block than a record of the pool that is staged.
    pub fn stage_owner(&mut self, record: &OwnerRecord) -> Result<(), LogError> {
        if let Some(to) = self.owners.missing_to {
            return Err(LogError::OwnersMissing { to });
        }
        if let Some(head) = self.heads.l1.filter(|head| record.block <= head.block) {
            let found = format!("block {}, log {}", record.block, record.log_index);
            return Err(LogError::L1OutOfOrder { found, reached: format!("block {}", head.block) });
        }
        let at = self.staged_l1_blocks.partition_point(|block| block.number < record.block.0);
        if let Some(block) = self.staged_l1_blocks.get(at) {
            check_same_block(record, block)?;
        }
        self.put_owner(record)
    }

    /// Stages the owner events that are missing in the log, all of them. If none is missing, nothing is staged.
    ///
    /// # Errors
    ///
    /// [`LogError::Owner`] if one is of another contract, not in order, or of another block than the log has of its
    /// number; [`LogError::L1OutOfOrder`] if it is of a later block than those that lack.
    pub fn stage_missing_owners(&mut self, records: &[OwnerRecord]) -> Result<(), LogError> {
        let Some(to) = self.owners.missing_to else {
            return Ok(());
        };
        let mut pool = Vec::new();
        self.store.l1_records::<LogError>(&self.committed, None, &mut EventCursor::default(), |record| {
            pool.push(record);
            Ok(())
        })?;
        for record in records {
            check_by_head(record, self.heads.l1)?;
            check_by_pool(record, &pool)?;
            check_by_recent(record, &self.recent_l1)?;
            if record.block > to {
                let found = format!("block {}, log {}", record.block, record.log_index);
                return Err(LogError::L1OutOfOrder { found, reached: format!("block {to}") });
            }
            self.put_owner(record)?;
        }
        self.owners.missing_to = None;
        Ok(())
    }

    fn put_owner(&mut self, record: &OwnerRecord) -> Result<(), LogError> {
        self.owner_check.check(&self.identity, record)?;
        let (key, bytes) = (event_key(record.block.0, record.log_index), encode_owner(record)?);
        let chain = self.owners.events.extended(&key, &bytes);
        self.batch.put_cf(self.store.family(OWNER_EVENTS)?, key, linked(&chain.last, &bytes));
        self.owners.events = chain;
        Ok(())
    }
}
