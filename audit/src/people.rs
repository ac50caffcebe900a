//! Who signers stand for, and who has begun an exit: what does not change once it is known.

use alloy_primitives::{Address, B256};
use std::collections::BTreeMap;
use tally_engine::{L1Block, L1Record, PoolEvent, SequencerId, UnixTime};

/// Where a sequencer began its exit.
#[derive(Clone, Copy)]
pub(crate) struct Unlock {
    pub(crate) block: L1Block,
    pub(crate) transaction: B256,
    pub(crate) time: UnixTime,
}

/// Everybody that some records name. A signer stands for one sequencer, for ever.
#[derive(Default)]
pub(crate) struct People {
    signers: BTreeMap<Address, SequencerId>,
    unlocks: BTreeMap<SequencerId, Unlock>,
}

impl People {
    pub(crate) fn of(records: &[L1Record]) -> Self {
        let mut people = Self::default();
        for record in records {
            people.meet(record);
        }
        people
    }

    /// Takes one more record.
    pub(crate) fn meet(&mut self, record: &L1Record) {
        let (block, transaction, time) = (record.block, record.transaction_hash, record.timestamp);
        if let PoolEvent::Locked { signer, sequencer, .. }
        | PoolEvent::SignerChange { new_signer: signer, sequencer, .. } = &record.event
        {
            self.signers.insert(*signer, *sequencer);
        } else if let PoolEvent::UnlockInit { sequencer, .. } = &record.event {
            self.unlocks.insert(*sequencer, Unlock { block, transaction, time });
        }
    }

    pub(crate) fn sequencer_of(&self, signer: &Address) -> Option<SequencerId> {
        self.signers.get(signer).copied()
    }

    pub(crate) fn unlock_of(&self, sequencer: SequencerId) -> Option<&Unlock> {
        self.unlocks.get(&sequencer)
    }
}
