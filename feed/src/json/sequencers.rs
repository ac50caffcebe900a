//! Sequencers and what is owed to them.

use super::{AddressJson, Amount, At};
use serde::Serialize;
use tally_claims::{ChainAccount, NotClaimable, PolicyAccount, SequencerFacts};
use tally_engine::{SequencerId, Status, Wei};
use utoipa::ToSchema;

/// The contract's name of a status.
const fn status_name(status: Status) -> &'static str {
    match status {
        Status::Inactive => "Inactive",
        Status::Active => "Active",
        Status::Unlocked => "Unlocked",
    }
}

/// All sequencers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SequencersAnswer {
    pub(crate) at: At,
    /// By id.
    pub(crate) sequencers: Vec<SequencerJson>,
}

/// One sequencer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SequencerAnswer {
    pub(crate) at: At,
    pub(crate) sequencer: SequencerJson,
}

/// A sequencer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SequencerJson {
    /// Its id.
    sequencer: u64,
    /// What it is called, by the registry that the server was given.
    name: Option<String>,
    /// `Active`, `Inactive` (it has begun its exit) or `Unlocked` (it has taken its stake out).
    status: &'static str,
    /// When it locked.
    since: u64,
    /// Who controls the stake.
    owner: AddressJson,
    /// Who signs its blocks now, or did last.
    signer: Option<AddressJson>,
    /// Who gets its rewards on L2.
    recipient: Option<AddressJson>,
    /// What the contracts owe.
    contract: ContractAccount,
    /// What the policy has it earn.
    policy: PolicyAccountJson,
}

/// What the contracts owe a sequencer, by everything in the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContractAccount {
    /// What is locked.
    stake_wei: Amount,
    /// What batches credited.
    credited_wei: Amount,
    /// What was paid out to L2.
    claimed_wei: Amount,
    /// What was moved from rewards into the stake.
    relocked_wei: Amount,
    /// What is left: credited less claimed and relocked.
    unclaimed_wei: Amount,
    /// What of it the owner can have paid out now.
    claimable_wei: Amount,
    /// Why that is nothing: `gone`, `leaving`, `no_recipient`, `paused` or `nothing_unclaimed`.
    not_claimable: Option<&'static str>,
    /// Its exit, if it has begun one.
    exit: Option<ExitJson>,
}

/// An exit that has begun.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExitJson {
    /// When it began.
    since: u64,
    /// From when on the stake can be taken out.
    stake_free_at: u64,
    /// The seconds between.
    delay_secs: u64,
}

/// What a policy has a sequencer earn.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyAccountJson {
    /// Rewarded blocks up to the horizon.
    blocks: u64,
    /// What they earned.
    accrued_wei: Amount,
    /// What of it lies in closed epochs up to the final horizon: it does not change any more. `null` under `on-chain`.
    settled_wei: Option<Amount>,
    /// Under `on-chain`: how many of the blocks no batch has paid yet.
    pending_blocks: Option<u64>,
    /// Under `on-chain`: what these are worth at the present reward per block.
    pending_wei: Option<Amount>,
}

impl From<&ChainAccount> for ContractAccount {
    fn from(account: &ChainAccount) -> Self {
        let sums = &account.sums;
        Self {
            stake_wei: sums.stake.into(),
            credited_wei: sums.credited.into(),
            claimed_wei: sums.claimed.into(),
            relocked_wei: sums.relocked.into(),
            unclaimed_wei: sums.unclaimed.into(),
            claimable_wei: sums.claimable.into(),
            not_claimable: account.not_claimable.map(NotClaimable::code),
            exit: account.exit.map(|exit| ExitJson {
                since: exit.since.0,
                stake_free_at: exit.stake_free_at.0,
                delay_secs: exit.delay_secs,
            }),
        }
    }
}

impl SequencerJson {
    /// A sequencer as the contracts and a policy have it; `settled` is what of the accrued does not change any more.
    pub(crate) fn new(
        id: SequencerId,
        name: Option<&str>,
        facts: &SequencerFacts,
        contract: &ChainAccount,
        policy: &PolicyAccount,
        settled: Option<Wei>,
    ) -> Self {
        Self {
            sequencer: id.0,
            name: name.map(Into::into),
            status: status_name(facts.status),
            since: facts.since.0,
            owner: facts.owner.into(),
            signer: facts.signer().map(Into::into),
            recipient: facts.recipient.map(Into::into),
            contract: contract.into(),
            policy: PolicyAccountJson {
                blocks: policy.accrued.blocks,
                accrued_wei: policy.accrued.reward.into(),
                settled_wei: settled.map(Into::into),
                pending_blocks: policy.pending.map(|pending| pending.blocks),
                pending_wei: policy.pending.map(|pending| pending.reward.into()),
            },
        }
    }
}
