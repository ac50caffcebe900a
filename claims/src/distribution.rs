//! A cumulative distribution: what a policy that the contract does not pay owes at the end of an epoch.

use crate::accounts::AccountsError;
use crate::merkle::{Leaf, MerkleTree};
use alloy_primitives::{Address, B256};
use serde::Serialize;
use std::collections::BTreeMap;
use tally_engine::{
    Allocation, AmountError, EpochIndex, L1Block, Ledger, Policy, PoolState, SequencerId, UnixTime, Wei,
};
use tally_eventlog::LogView;
use tally_replay::{ReplayOptions, Replayed, StateAt, replay, state_at};

/// What is owed at the end of an epoch, since the beginning.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// The policy that the rewards follow.
    pub policy: Policy,
    /// The last epoch that counts.
    pub epoch: EpochIndex,
    /// When the epoch ended.
    pub end: UnixTime,
    /// The last L1 block of the log: who the recipients were by then.
    pub l1_block: Option<L1Block>,
    /// Those who can claim, by sequencer.
    pub leaves: Vec<Leaf>,
    /// Those who cannot, by sequencer.
    pub withheld: Vec<Withheld>,
    /// What the policy has accrued in the epochs that count: the sum of leaves and withheld.
    pub total: Wei,
    /// The sum of the leaves.
    pub total_leaves: Wei,
    /// The sum of what is withheld.
    pub total_withheld: Wei,
    /// The tree of the leaves.
    pub tree: MerkleTree,
}

/// What is owed to a sequencer that cannot claim it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The sequencer whose reward it is.
    pub sequencer: SequencerId,
    /// How much since the beginning.
    pub cumulative: Wei,
    /// Why it is withheld.
    pub reason: WithheldReason,
}

/// Why a sequencer cannot claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithheldReason {
    /// It has named no recipient.
    NoRecipient,
}

impl WithheldReason {
    /// A word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoRecipient => "no_recipient",
        }
    }
}

/// A distribution that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DistributionError {
    /// The log cannot be read or folded.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The contract pays by itself what the policy gives.
    #[error(
        "policy {policy} pays what the contract pays (allocation \"on-chain\"), and would be paid twice: take a \
         policy that is \"flat\" or \"stake-weighted\""
    )]
    PaidByContract {
        /// The name of the policy.
        policy: String,
    },
    /// No epoch is over, as far as the log tells.
    #[error("no epoch of policy {policy} is closed yet: the log has no block of epoch 1")]
    NoneClosed {
        /// The name of the policy.
        policy: String,
    },
    /// The epoch is not over, as far as the log tells.
    #[error("epoch {asked} of policy {policy} is asked for, but the last that is closed is {last}")]
    NotClosed {
        /// The epoch that was asked for.
        asked: u64,
        /// The name of the policy.
        policy: String,
        /// The last closed epoch.
        last: EpochIndex,
    },
    /// There is nothing to claim.
    #[error(
        "nobody can claim anything of policy {policy} up to the end of epoch {epoch}: {accrued} wei were accrued, of \
         which {withheld} wei are withheld, and a tree has at least one leaf"
    )]
    NoLeaf {
        /// The name of the policy.
        policy: String,
        /// The last epoch that counts.
        epoch: EpochIndex,
        /// What all sequencers have accrued.
        accrued: Wei,
        /// What of it is withheld.
        withheld: Wei,
    },
    /// A sum that does not fit.
    #[error("the distribution of epoch {epoch}: {error}")]
    Amount {
        /// The last epoch that counts.
        epoch: EpochIndex,
        /// Why it cannot be.
        error: AmountError,
    },
    /// Leaves and withheld amounts are not what was accrued.
    #[error(
        "epochs up to {epoch} accrued {accrued} wei, but leaves and withheld amounts add up to {distributed} wei"
    )]
    NotAll {
        /// The last epoch that counts.
        epoch: EpochIndex,
        /// The sum over epochs.
        accrued: Wei,
        /// The sum over sequencers.
        distributed: Wei,
    },
    /// A sequencer earned that never locked.
    #[error("sequencer {sequencer} accrued rewards by epoch {epoch}, but the contracts know none of that id")]
    Unknown {
        /// The sequencer whose sum it is.
        sequencer: SequencerId,
        /// The last epoch that counts.
        epoch: EpochIndex,
    },
}

/// What `policy` owes at the end of `epoch` (`None`: the last that is closed), by everything in the log.
///
/// # Errors
///
/// [`DistributionError`] if the contract pays that policy, the epoch is not closed, nobody can claim anything, or the
/// log cannot be read or folded.
pub fn distribution<L: LogView>(
    log: &L,
    policy: &Policy,
    epoch: Option<EpochIndex>,
    threads: Option<usize>,
) -> Result<Distribution, DistributionError> {
    check_policy(policy)?;
    let StateAt { block, pool, .. } = state_at(log, None).map_err(AccountsError::from)?;
    let options = ReplayOptions { threads, ..ReplayOptions::default() };
    let replayed = replay(log, std::slice::from_ref(policy), options).map_err(AccountsError::from)?;
    let ledger = replayed.first().map(|Replayed { ledger, .. }| ledger).expect("one policy gives one ledger");
    Distribution::new(policy, ledger, &pool, block, epoch)
}

fn check_policy(policy: &Policy) -> Result<(), DistributionError> {
    if policy.allocation() == Allocation::OnChain {
        return Err(DistributionError::PaidByContract { policy: policy.name().into() });
    }
    Ok(())
}

impl Distribution {
    /// The same, of a ledger and a state of the contracts that are there already.
    ///
    /// # Errors
    ///
    /// As [`distribution`].
    pub fn new(
        policy: &Policy,
        ledger: &Ledger,
        pool: &PoolState,
        l1_block: Option<L1Block>,
        epoch: Option<EpochIndex>,
    ) -> Result<Self, DistributionError> {
        check_policy(policy)?;
        // An epoch is closed once a block of a later one is folded.
        let closed = ledger.epochs.split_last().map_or(&[][..], |(_, closed)| closed);
        let none_closed = || DistributionError::NoneClosed { policy: policy.name().into() };
        let last = closed.last().map(|epoch| epoch.epoch).ok_or_else(none_closed)?;
        let epoch = epoch.unwrap_or(last);
        let not_closed =
            || DistributionError::NotClosed { asked: epoch.0, policy: policy.name().into(), last };
        let count = usize::try_from(epoch.0).ok().and_then(|index| index.checked_add(1));
        let counted = count.and_then(|count| closed.get(..count)).ok_or_else(not_closed)?;
        let next = count.and_then(|count| ledger.epochs.get(count)).ok_or_else(not_closed)?;

        let failed = |error| DistributionError::Amount { epoch, error };
        let plus = |sum: Wei, amount: Wei| sum.checked_add(amount).map_err(failed);
        let mut accrued = Wei::ZERO;
        let mut owed: BTreeMap<SequencerId, Wei> = BTreeMap::new();
        for counted in counted {
            accrued = plus(accrued, counted.earned.reward)?;
            for row in &counted.rows {
                let sum = owed.entry(row.sequencer).or_default();
                *sum = plus(*sum, row.earned.reward)?;
            }
        }
        let (mut leaves, mut withheld) = (Vec::new(), Vec::new());
        let (mut total_leaves, mut total_withheld) = (Wei::ZERO, Wei::ZERO);
        for (sequencer, cumulative) in owed.into_iter().filter(|(_, cumulative)| !cumulative.is_zero()) {
            let unknown = DistributionError::Unknown { sequencer, epoch };
            let recipient = pool.sequencers.get(&sequencer).ok_or(unknown)?.reward_recipient;
            if recipient == Address::ZERO {
                total_withheld = plus(total_withheld, cumulative)?;
                withheld.push(Withheld { sequencer, cumulative, reason: WithheldReason::NoRecipient });
            } else {
                total_leaves = plus(total_leaves, cumulative)?;
                leaves.push(Leaf { sequencer, recipient, cumulative });
            }
        }
        let distributed = plus(total_leaves, total_withheld)?;
        if distributed != accrued {
            return Err(DistributionError::NotAll { epoch, accrued, distributed });
        }
        let tree = MerkleTree::new(&leaves).ok_or_else(|| DistributionError::NoLeaf {
            policy: policy.name().into(),
            epoch,
            accrued,
            withheld: total_withheld,
        })?;
        Ok(Self {
            policy: policy.clone(),
            epoch,
            end: next.start,
            l1_block,
            leaves,
            withheld,
            total: accrued,
            total_leaves,
            total_withheld,
            tree,
        })
    }

    /// The proofs of all leaves, as JSON: one object with the `root` and, by sequencer, what has to be shown to claim.
    pub fn proofs_json(&self) -> String {
        let proof = |(leaf, proof): (&Leaf, Vec<B256>)| LeafProof {
            sequencer: leaf.sequencer.0,
            recipient: format!("{:#x}", leaf.recipient),
            cumulative_wei: leaf.cumulative.to_string(),
            proof: proof.iter().map(ToString::to_string).collect(),
        };
        let proofs =
            Proofs { root: self.tree.root().to_string(), proofs: self.tree.proofs().map(proof).collect() };
        let text = serde_json::to_string_pretty(&proofs).expect("texts and numbers can be written");
        format!("{text}\n")
    }
}

#[derive(Serialize)]
struct Proofs {
    root: String,
    proofs: Vec<LeafProof>,
}

#[derive(Serialize)]
struct LeafProof {
    sequencer: u64,
    recipient: String,
    cumulative_wei: String,
    proof: Vec<String>,
}
