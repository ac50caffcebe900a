//! Sequencers: who they are.

use crate::accounts::status_name;
use crate::shape::list;
use crate::{Address, Amount, ContractAccount, Log, PolicyAccount, SequencerStatus};
use tally_claims::SequencerFacts;
use tally_engine::{SequencerId, UnixTime};

shapes! {
    /// A sequencer: a member of the pool.
    pub struct Sequencer from
        (id, name, facts): (SequencerId, Option<&str>, &SequencerFacts)
    {
        /// The id of the sequencer.
        sequencer: u64 = id.0,
        /// What it is called, by the registry that was given; `null` if it has no name there.
        name: Option<String> = name.map(Into::into),
        /// `Active`, `Inactive` (it has begun its exit) or `Unlocked` (it has taken its stake out).
        status: SequencerStatus = status_name(facts.status).into(),
        /// When it locked its stake, in Unix seconds.
        since: u64 = facts.since.0,
        /// The address that controls its stake.
        owner: Address = facts.owner.into(),
        /// The address that signs its blocks, or did last; `null` if it never had one.
        signer: Option<Address> = facts.signer().map(Into::into),
        /// All addresses that ever signed its blocks, in order.
        signers: Vec<Signer> = list(&facts.signers, Into::into),
        /// The address on L2 that gets its rewards; `null` while none is named.
        recipient: Option<Address> = facts.recipient.map(Into::into),
        /// What is locked, in wei.
        stake_wei: Amount = facts.stake.into(),
    }

    /// A signer: an address that signs, or signed, a sequencer's blocks.
    pub struct Signer from
        (signer, since): &(alloy_primitives::Address, UnixTime)
    {
        /// The address that signs blocks.
        signer: Address = (*signer).into(),
        /// From when on it stands for the sequencer, in Unix seconds.
        since: u64 = since.0,
    }

    /// All sequencers that a log knows.
    pub struct Sequencers {
        /// The log that they are of.
        log: Log,
        /// The sequencers, in the order of their ids.
        sequencers: Vec<Sequencer>,
    }

    /// A sequencer, and what is owed to it.
    pub struct SequencerWithAccounts {
        /// The fields of the sequencer itself.
        #[serde(flatten)]
        sequencer: Sequencer,
        /// What the contracts owe, by everything in the log.
        contract: ContractAccount,
        /// What the policy has it earn.
        policy: SettledAccount,
    }

    /// An account under a policy, with what is settled of it.
    pub struct SettledAccount {
        /// The fields of the account itself.
        #[serde(flatten)]
        account: PolicyAccount,
        /// What of the accrued rewards lies in closed epochs up to the final horizon, in wei: it does not change any more.
        /// `null` under `on-chain`.
        settled_wei: Option<Amount>,
    }
}
