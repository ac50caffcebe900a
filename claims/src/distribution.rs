//! A cumulative distribution: what a policy that the contract does not pay owes at the end of an epoch.

use crate::error::ClaimsError;
use crate::merkle::{Leaf, MerkleTree};
use alloy_primitives::{Address, B256};
use serde::Serialize;
use std::collections::BTreeMap;
use tally_engine::{Allocation, EpochIndex, L1Block, Ledger, Policy, PoolState, SequencerId, UnixTime, Wei};
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

/// What `policy` owes at the end of `epoch` (`None`: the last that is closed), by everything in the log.
///
/// # Errors
///
/// [`ClaimsError`] if the contract pays that policy, the epoch is not closed, nobody can claim anything, or the
/// log cannot be read or folded.
pub fn distribution<L: LogView>(
    log: &L,
    policy: &Policy,
    epoch: Option<EpochIndex>,
    threads: Option<usize>,
) -> Result<Distribution, ClaimsError> {
    check_policy(policy)?;
    let StateAt { block, pool, .. } = state_at(log, None)?;
    let options = ReplayOptions { threads, ..ReplayOptions::default() };
    let replayed = replay(log, std::slice::from_ref(policy), options)?;
    let ledger = replayed.first().map(|Replayed { ledger, .. }| ledger).expect("one policy gives one ledger");
    Distribution::new(policy, ledger, &pool, block, epoch)
}

fn check_policy(policy: &Policy) -> Result<(), ClaimsError> {
    if policy.allocation() == Allocation::OnChain {
        return Err(ClaimsError::PaidByContract { policy: policy.name().into() });
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
    ) -> Result<Self, ClaimsError> {
        check_policy(policy)?;
        // An epoch is closed once a block of a later one is folded.
        let closed = ledger.epochs.split_last().map_or(&[][..], |(_, closed)| closed);
        let none_closed = || ClaimsError::NoneClosed { policy: policy.name().into() };
        let last = closed.last().map(|epoch| epoch.epoch).ok_or_else(none_closed)?;
        let epoch = epoch.unwrap_or(last);
        let not_closed = || ClaimsError::NotClosed { asked: epoch, policy: policy.name().into(), last };
        let count = usize::try_from(epoch.0).ok().and_then(|index| index.checked_add(1));
        let counted = count.and_then(|count| closed.get(..count)).ok_or_else(not_closed)?;
        let next = count.and_then(|count| ledger.epochs.get(count)).ok_or_else(not_closed)?;

        let failed = |error| ClaimsError::amount(format_args!("the distribution of epoch {epoch}"))(error);
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
            let unknown = ClaimsError::NeverLocked { sequencer, epoch };
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
            return Err(ClaimsError::Undistributed { epoch, accrued, distributed });
        }
        let tree = MerkleTree::new(&leaves).ok_or_else(|| ClaimsError::NoLeaf {
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
