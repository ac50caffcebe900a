//! Who signers stand for, and who has begun an exit: what does not change once it is known.

use alloy_primitives::{Address, B256};
use std::collections::BTreeMap;
use tally_engine::{Batches, L1Block, L1Record, PoolEvent, SequencerId, UnixTime, Wei};

/// Where a sequencer began its exit.
#[derive(Clone, Copy)]
pub(crate) struct Unlock {
    pub(crate) block: L1Block,
    pub(crate) transaction: B256,
    pub(crate) time: UnixTime,
}

/// Everybody that some records name. A signer stands for one sequencer, for ever.
pub(crate) struct People {
    known: Batches,
    unlocks: BTreeMap<SequencerId, Unlock>,
}

impl People {
    /// Nobody yet.
    pub(crate) const fn new() -> Self {
        // What a block earns is not asked here.
        Self { known: Batches::new(Wei::ZERO), unlocks: BTreeMap::new() }
    }

    pub(crate) fn of(records: &[L1Record]) -> Self {
        let mut people = Self::new();
        for record in records {
            people.meet(record);
        }
        people
    }

    /// Takes one more record.
    pub(crate) fn meet(&mut self, record: &L1Record) {
        let (block, transaction, time) = (record.block, record.transaction_hash, record.timestamp);
        self.known.apply(record);
        if let PoolEvent::UnlockInit { sequencer, .. } = &record.event {
            self.unlocks.insert(*sequencer, Unlock { block, transaction, time });
        }
    }

    pub(crate) fn sequencer_of(&self, signer: &Address) -> Option<SequencerId> {
        self.known.sequencer_of(signer, None)
    }

    pub(crate) fn unlock_of(&self, sequencer: SequencerId) -> Option<&Unlock> {
        self.unlocks.get(&sequencer)
    }
}
