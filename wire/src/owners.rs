//! Who owns the pool's contracts.

use crate::shape::list;
use crate::{Address, Hash, Log};
use tally_engine::L1Block;
use tally_eventlog::{LogIdentity, OwnerRecord, Owners};

shapes! {
    /// Who owns the contracts after an L1 block, and who did before.
    pub struct ContractOwners from
        (log, identity, owners, at): (Log, &LogIdentity, &Owners, Option<L1Block>)
    {
        /// The log that the answer is of.
        log: Log = log,
        /// The number of the L1 block; `null` if the log has none.
        l1_block: Option<u64> = at.map(|block| block.0),
        /// The owner of `LockingInfo`; `null` if the log does not tell.
        locking_info: Option<Address> = owners.owner_of(identity.locking_info, at).map(Into::into),
        /// The owner of `LockingPool`; `null` if the log does not tell.
        locking_pool: Option<Address> = owners.owner_of(identity.locking_pool, at).map(Into::into),
        /// The last block up to which the log lacks the events of owners; `null` if it lacks none.
        missing_to: Option<u64> = owners.missing_to.map(|block| block.0),
        /// The events of owners up to the block, in order.
        history: Vec<OwnerChange> = list(owners.up_to(at), Into::into),
    }

    /// An event by which a contract got another owner.
    pub struct OwnerChange from record: &OwnerRecord {
        /// The L1 block of the event.
        l1_block: u64 = record.block.0,
        /// The timestamp of the block, in Unix seconds.
        timestamp: u64 = record.timestamp.0,
        /// The transaction that made the event.
        transaction: Hash = record.transaction_hash.into(),
        /// The place of the event in its block.
        log_index: u64 = record.log_index,
        /// The contract that it is of.
        contract: Address = record.contract.into(),
        /// The owner before, by the event; zeros for none.
        previous_owner: Address = record.previous_owner.into(),
        /// The owner from then on; zeros for none.
        new_owner: Address = record.new_owner.into(),
    }
}
