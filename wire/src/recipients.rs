//! Who gets the sequencers' rewards on L2.

use crate::accounts::status_name;
use crate::shape::list;
use crate::{Address, Amount, Head, Log, SequencerStatus};

shapes! {
    /// The recipients: the addresses on L2 that get the rewards, and the sequencers that have named none.
    pub struct Recipients {
        /// The log that they are of.
        log: Log,
        /// The L2 block after which the addresses were looked at; `null` if no endpoint was given.
        asked_at: Option<Head>,
        /// The recipients, in the order of their addresses.
        recipients: Vec<Recipient>,
        /// The sequencers that have named no recipient and are not gone, by id.
        missing: Vec<MissingRecipient>,
    }

    /// A recipient: an address on L2 that gets the rewards of one sequencer or of several.
    pub struct Recipient from
        (address, recipient, account):
        (alloy_primitives::Address, &tally_claims::Recipient, Option<L2Account>)
    {
        /// The address on L2; the address of the same digits on L1 may be another's.
        recipient: Address = address.into(),
        /// The ids of the sequencers that have named it.
        sequencers: Vec<u64> = list(&recipient.sequencers, |(id, _)| id.0),
        /// What they have unclaimed together, in wei.
        unclaimed_wei: Amount = recipient.unclaimed.into(),
        /// What the address is on L2; `null` if nobody was asked.
        l2_account: Option<L2Account> = account,
    }

    /// An address as L2 has it.
    pub struct L2Account {
        /// `contract`: it has code. `account`: it has none, and has sent a transaction or holds METIS. `unused`: nothing
        /// of all that.
        kind: String,
        /// How many bytes of code it has.
        code_bytes: u64,
        /// How many transactions it has sent, or of a contract how many contracts it has made.
        nonce: u64,
        /// The METIS that it holds on L2, in wei.
        balance_wei: Amount,
    }

    /// A sequencer that has named no recipient.
    pub struct MissingRecipient from missing: &tally_claims::MissingRecipient {
        /// The id of the sequencer.
        sequencer: u64 = missing.sequencer.0,
        /// `Active`, or `Inactive` (it has begun its exit, and cannot name a recipient any more).
        status: SequencerStatus = status_name(missing.status).into(),
        /// What the contract refuses it: `claim`, `unlock` (begin its exit), `leave` (take its stake out).
        cannot: Vec<String> = list(missing.cannot(), |what| (*what).into()),
        /// The unclaimed rewards that it cannot have paid out, in wei.
        withheld_wei: Amount = missing.withheld.into(),
        /// The stake that it cannot take out, in wei.
        stake_wei: Amount = missing.stake.into(),
    }
}
