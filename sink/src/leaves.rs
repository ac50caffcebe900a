//! The leaves of distributions: who is owed what at the end of an epoch and who gets it, by the facts alone. Their root has to
//! be the one that was published.

use crate::error::SinkError;
use crate::rows::amount_of;
use alloy_primitives::{Address, B256, U256};
use std::collections::BTreeMap;
use tally_claims::{Leaf, MerkleTree};
use tally_engine::{SequencerId, Wei};
use tally_wire::{Fact, FactKind};

/// A leaf, and the hashes that prove it one after the other.
pub(crate) type ProvenLeaf = (Leaf, Vec<u8>);

/// The leaves of what is owed, by sequencer, with the root of their tree; `None` where nobody can claim anything.
pub(crate) fn prove(
    owed: impl IntoIterator<Item = (u64, U256, Option<Address>)>,
) -> (Option<B256>, Vec<ProvenLeaf>) {
    // Who has named no recipient is withheld.
    let leaf = |(sequencer, cumulative, recipient): (u64, U256, Option<Address>)| {
        let recipient = recipient.filter(|_| !cumulative.is_zero())?;
        Some(Leaf { sequencer: SequencerId(sequencer), recipient, cumulative: Wei::new(cumulative) })
    };
    let leaves: Vec<Leaf> = owed.into_iter().filter_map(leaf).collect();
    let tree = MerkleTree::new(&leaves);
    let proofs = tree.iter().flat_map(MerkleTree::proofs);
    let proven = proofs.map(|(leaf, proof)| (*leaf, proof.iter().flat_map(|hash| hash.0).collect()));
    (tree.as_ref().map(MerkleTree::root), proven.collect())
}

/// What is owed, and who gets it, as facts come one after the other.
#[derive(Default)]
pub(crate) struct Owed {
    sums: BTreeMap<u64, U256>,
    recipients: BTreeMap<u64, Option<Address>>,
}

impl Owed {
    /// Takes a fact; of a distribution it gives the leaves.
    pub(crate) fn take(&mut self, fact: &Fact) -> Result<Option<Vec<ProvenLeaf>>, SinkError> {
        let wrong = |field, found: &str, expected| SinkError::Value { field, found: found.into(), expected };
        if let FactKind::EpochClosed { rows, .. } = &fact.kind {
            for row in rows {
                self.sums.insert(row.sequencer, amount_of(&row.cumulative_wei, "cumulative_wei")?);
            }
        }
        if let FactKind::RecipientChanged { sequencer, recipient } = &fact.kind {
            let text = recipient.as_ref().map(tally_wire::Address::as_str);
            let parse = |text: &str| text.parse().map_err(|_| wrong("recipient", text, "an address"));
            self.recipients.insert(*sequencer, text.map(parse).transpose()?);
        }
        let FactKind::DistributionReady { .. } = &fact.kind else { return Ok(None) };
        let recipient = |sequencer: &u64| self.recipients.get(sequencer).copied().flatten();
        let owed = self.sums.iter().map(|(sequencer, sum)| (*sequencer, *sum, recipient(sequencer)));
        Ok(Some(prove(owed).1))
    }
}
