//! A cumulative distribution: what a policy that the contract does not pay owes at the end of an epoch.

use crate::error::ClaimsError;
use crate::merkle::{Leaf, MerkleTree};
use alloy_primitives::{Address, B256};
use serde::Serialize;
use std::collections::BTreeMap;
use tally_engine::{
    Allocation, EpochIndex, EpochLedger, L1Block, L1Record, Ledger, Policy, PoolGenesis, PoolState,
    SequencerId, UnixTime, Wei,
};
use tally_eventlog::LogView;
use tally_replay::{ReplayOptions, Replayed, replay};

/// What is owed at the end of an epoch, since the beginning. It follows from the epochs and from the L1 events before
/// that end alone, so it stays what it is however far the log goes on: a root that was published stays provable.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// The policy that the rewards follow.
    pub policy: Policy,
    /// The distribution in short.
    pub head: DistributionHead,
    /// Those who can claim, by sequencer.
    pub leaves: Vec<Leaf>,
    /// Those who cannot, by sequencer.
    pub withheld: Vec<Withheld>,
    /// The tree of the leaves; `None` where nobody can claim anything.
    tree: Option<MerkleTree>,
}

/// A distribution in short: of which epoch it is, its root and its sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DistributionHead {
    /// The last epoch that counts.
    pub epoch: EpochIndex,
    /// When the epoch ended: the first second of the next. Recipients are those of the events before it.
    pub end: UnixTime,
    /// The L1 block of the last event before that end; `None` if there is none. The contracts stay as they are after it
    /// up to the end, so whoever asks them as of this block sees the recipients that count.
    pub l1_block: Option<L1Block>,
    /// The root of the tree; `None` where nobody can claim anything.
    pub root: Option<B256>,
    /// How many leaves there are.
    pub leaves: usize,
    /// How many sequencers are withheld.
    pub withheld: usize,
    /// What the policy has accrued in the epochs that count: the sum of leaves and withheld.
    pub total: Wei,
    /// The sum of the leaves.
    pub total_leaves: Wei,
    /// The sum of what is withheld.
    pub total_withheld: Wei,
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

/// What `policy` owes at the end of `epoch` (`None`: the last that is closed), by `log`. Of what is final of a log it is
/// the same for ever: see `tally_eventlog::LogReader::final_part`.
///
/// # Errors
///
/// [`ClaimsError`] if the contract pays that policy, the epoch is not closed, or the log cannot be read or folded.
pub fn distribution<L: LogView>(
    log: &L,
    policy: &Policy,
    epoch: Option<EpochIndex>,
    threads: Option<usize>,
) -> Result<Distribution, ClaimsError> {
    check_policy(policy)?;
    let options = ReplayOptions { threads, ..ReplayOptions::default() };
    let replayed = replay(log, std::slice::from_ref(policy), options)?;
    let ledger = replayed.first().map(|Replayed { ledger, .. }| ledger).expect("one policy gives one ledger");
    let records = log.l1_records()?;
    Distribution::new(policy, ledger, &log.identity().genesis, &records, epoch)
}

fn check_policy(policy: &Policy) -> Result<(), ClaimsError> {
    if policy.allocation() == Allocation::OnChain {
        return Err(ClaimsError::PaidByContract { policy: policy.name().into() });
    }
    Ok(())
}

/// What a policy owes since the beginning, as its epochs close one after the other.
#[derive(Clone, Debug, Default)]
pub struct Owed {
    /// The last epoch that was added.
    epoch: EpochIndex,
    sums: BTreeMap<SequencerId, Wei>,
    total: Wei,
}

impl Owed {
    /// Adds the next epoch that is closed.
    ///
    /// # Errors
    ///
    /// [`ClaimsError::Amount`] if a sum does not fit.
    pub fn add(&mut self, closed: &EpochLedger) -> Result<(), ClaimsError> {
        self.epoch = closed.epoch;
        self.total = plus(self.epoch, self.total, closed.earned.reward)?;
        for row in &closed.rows {
            let sum = self.sums.entry(row.sequencer).or_default();
            *sum = plus(self.epoch, *sum, row.earned.reward)?;
        }
        Ok(())
    }

    /// What a sequencer is owed by now.
    pub fn of(&self, sequencer: SequencerId) -> Wei {
        // Who is not among them has earned nothing.
        self.sums.get(&sequencer).copied().unwrap_or(Wei::ZERO)
    }

    /// The distribution at the end of the last epoch that was added, which is at `end`. `pool` is the state after all
    /// events before that, the last of them in `l1_block`.
    ///
    /// # Errors
    ///
    /// [`ClaimsError`] if a sequencer is owed something that never locked, or the sums are not what was accrued.
    pub fn distribute(
        &self,
        policy: &Policy,
        end: UnixTime,
        pool: &PoolState,
        l1_block: Option<L1Block>,
    ) -> Result<Distribution, ClaimsError> {
        let epoch = self.epoch;
        let (mut leaves, mut withheld) = (Vec::new(), Vec::new());
        let (mut total_leaves, mut total_withheld) = (Wei::ZERO, Wei::ZERO);
        for (sequencer, cumulative) in self.sums.iter().filter(|(_, cumulative)| !cumulative.is_zero()) {
            let (sequencer, cumulative) = (*sequencer, *cumulative);
            let unknown = ClaimsError::NeverLocked { sequencer, epoch };
            let recipient = pool.sequencers.get(&sequencer).ok_or(unknown)?.reward_recipient;
            if recipient == Address::ZERO {
                total_withheld = plus(epoch, total_withheld, cumulative)?;
                withheld.push(Withheld { sequencer, cumulative, reason: WithheldReason::NoRecipient });
            } else {
                total_leaves = plus(epoch, total_leaves, cumulative)?;
                leaves.push(Leaf { sequencer, recipient, cumulative });
            }
        }
        let (accrued, distributed) = (self.total, plus(epoch, total_leaves, total_withheld)?);
        if distributed != accrued {
            return Err(ClaimsError::Undistributed { epoch, accrued, distributed });
        }
        let tree = MerkleTree::new(&leaves);
        let head = DistributionHead {
            epoch,
            end,
            l1_block,
            root: tree.as_ref().map(MerkleTree::root),
            leaves: leaves.len(),
            withheld: withheld.len(),
            total: accrued,
            total_leaves,
            total_withheld,
        };
        Ok(Distribution { policy: policy.clone(), head, leaves, withheld, tree })
    }
}

fn plus(epoch: EpochIndex, sum: Wei, amount: Wei) -> Result<Wei, ClaimsError> {
    sum.checked_add(amount)
        .map_err(|error| ClaimsError::amount(format_args!("the distribution of epoch {epoch}"))(error))
}

impl Distribution {
    /// The same as [`distribution`], of a ledger and of L1 records that are there already.
    ///
    /// # Errors
    ///
    /// As [`distribution`].
    pub fn new(
        policy: &Policy,
        ledger: &Ledger,
        genesis: &PoolGenesis,
        records: &[L1Record],
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
        let end = count.and_then(|count| ledger.epochs.get(count)).ok_or_else(not_closed)?.start;
        let mut owed = Owed::default();
        counted.iter().try_for_each(|closed| owed.add(closed))?;
        // The block that closed the epoch is folded, so L1 is known up to a later second: no event before the end is
        // missing, and none will come.
        let mut pool = PoolState::new(genesis);
        let mut l1_block = None;
        for record in records.iter().take_while(|record| record.timestamp < end) {
            let _discrepancies = pool.apply(record)?;
            l1_block = Some(record.block);
        }
        owed.distribute(policy, end, &pool, l1_block)
    }

    /// The tree of the leaves.
    ///
    /// # Errors
    ///
    /// [`ClaimsError::NoLeaf`] where nobody can claim anything.
    pub fn tree(&self) -> Result<&MerkleTree, ClaimsError> {
        self.tree.as_ref().ok_or_else(|| ClaimsError::NoLeaf {
            policy: self.policy.name().into(),
            epoch: self.head.epoch,
            accrued: self.head.total,
            withheld: self.head.total_withheld,
        })
    }

    /// Each leaf with its proof, in the order of sequencers: the hashes to pair it with, from its own level up.
    pub fn proofs(&self) -> impl Iterator<Item = (&Leaf, Vec<B256>)> {
        self.tree.iter().flat_map(MerkleTree::proofs)
    }

    /// The proofs of all leaves, as JSON: one object with the `root` and, by sequencer, what has to be shown to claim.
    ///
    /// # Errors
    ///
    /// [`ClaimsError::NoLeaf`] where nobody can claim anything.
    pub fn proofs_json(&self) -> Result<String, ClaimsError> {
        let proof = |(leaf, proof): (&Leaf, Vec<B256>)| LeafProof {
            sequencer: leaf.sequencer.0,
            recipient: format!("{:#x}", leaf.recipient),
            cumulative_wei: leaf.cumulative.to_string(),
            proof: proof.iter().map(ToString::to_string).collect(),
        };
        let root = self.tree()?.root().to_string();
        let proofs = Proofs { root, proofs: self.proofs().map(proof).collect() };
        let text = serde_json::to_string_pretty(&proofs).expect("texts and numbers can be written");
        Ok(format!("{text}\n"))
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
