//! What a log knows of what members' calls depend on.

use crate::error::ClaimsError;
use alloy_primitives::Address;
use std::collections::BTreeSet;
use tally_engine::{BatchId, Discrepancy, PoolEvent, PoolState, SequencerId, SequencerState};
use tally_eventlog::{L1Head, LogIdentity, LogView};

/// What a log knows of what members' calls depend on, after its last L1 block. One basis serves any number of calls.
#[derive(Clone, Debug)]
pub struct MemberBasis {
    /// The chains and contracts that the log is of.
    pub identity: LogIdentity,
    /// The log's last L1 block.
    pub head: L1Head,
    /// The state of the contracts after the log's last L1 block.
    pub pool: PoolState,
    /// Who is on the contract's white list.
    pub white_list: BTreeSet<Address>,
    /// Every address to which rewards were ever paid out.
    pub paid_recipients: BTreeSet<Address>,
    /// Where records claim what the records before them do not add up to.
    pub discrepancies: Vec<Discrepancy>,
}

impl MemberBasis {
    /// What `log` knows.
    ///
    /// # Errors
    ///
    /// [`ClaimsError`] if the log cannot be read, holds nothing of L1, or is of no history of the contracts.
    pub fn of<L: LogView>(log: &L) -> Result<Self, ClaimsError> {
        let identity = log.identity().clone();
        let head = log.reach().l1.ok_or(ClaimsError::NoL1)?;
        let mut basis = Self {
            pool: PoolState::new(&identity.genesis),
            identity,
            head,
            white_list: BTreeSet::new(),
            paid_recipients: BTreeSet::new(),
            discrepancies: Vec::new(),
        };
        for record in log.l1_records()? {
            basis.discrepancies.extend(basis.pool.apply(&record)?);
            basis.note(&record.event);
        }
        Ok(basis)
    }

    /// Takes what an event tells that is not in the contracts' state.
    fn note(&mut self, event: &PoolEvent) {
        if let PoolEvent::SetWhitelist { user, allowed } = event {
            if *allowed {
                self.white_list.insert(*user);
            } else {
                self.white_list.remove(user);
            }
        }
        if let PoolEvent::ClaimRewards { recipient, amount, .. } = event
            && !amount.is_zero()
        {
            self.paid_recipients.insert(*recipient);
        }
    }

    /// The id that the contract gives to the next sequencer.
    pub(super) fn next_id(&self) -> Result<SequencerId, ClaimsError> {
        let last = self.pool.sequencers.last_key_value().map_or(SequencerId(0), |(last, _)| *last);
        last.next().ok_or_else(|| self.unknown(last))
    }

    pub(crate) fn sequencer(&self, id: SequencerId) -> Result<&SequencerState, ClaimsError> {
        self.pool.sequencers.get(&id).ok_or_else(|| self.unknown(id))
    }

    pub(crate) fn unknown(&self, asked: SequencerId) -> ClaimsError {
        let known = self.pool.sequencers.len();
        ClaimsError::UnknownSequencer { asked, block: self.head.block, known }
    }

    /// The first batch in which a sequencer may change its signer again; `None` if there is none that fits in 64 bits.
    pub(super) fn signer_change_from(&self, state: &SequencerState) -> Option<BatchId> {
        state.updated_batch.0.checked_add(self.pool.signer_update_throttle_batches).map(BatchId)
    }
}
