//! Merkle trees as OpenZeppelin's `StandardMerkleTree` has them (format `standard-v1`), so that its contracts and its
//! JavaScript check them.
//!
//! A leaf's hash is `keccak256(keccak256(abi.encode(sequencer, recipient, cumulative)))`. The array holds the tree
//! root first, the children of `i` at `2i + 1` and `2i + 2`; the leaves, in order of their hashes, fill it from the
//! end. An inner node is the hash of its two children, the lesser first.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::SolValue;
use serde::Serialize;
use tally_engine::{SequencerId, Wei};

/// The types of a leaf's values, as the ABI has them.
const LEAF_ENCODING: [&str; 3] = ["uint256", "address", "uint256"];

/// What a distribution owes a sequencer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The sequencer that may claim.
    pub sequencer: SequencerId,
    /// Who may claim it.
    pub recipient: Address,
    /// How much since the beginning, what was claimed before included.
    pub cumulative: Wei,
}

impl Leaf {
    fn hash(&self) -> B256 {
        let values = (U256::from(self.sequencer.0), self.recipient, self.cumulative.get());
        keccak256(keccak256(values.abi_encode()))
    }
}

/// A tree with at least one leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerkleTree {
    nodes: Vec<B256>,
    /// In the order given, each with its place among the nodes.
    leaves: Vec<(Leaf, usize)>,
}

/// The file, as `StandardMerkleTree.dump()` gives it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dump {
    format: &'static str,
    leaf_encoding: [&'static str; 3],
    tree: Vec<String>,
    values: Vec<DumpedValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DumpedValue {
    value: [String; 3],
    tree_index: usize,
}

impl MerkleTree {
    /// The tree of `leaves`; `None` if there are none.
    pub fn new(leaves: &[Leaf]) -> Option<Self> {
        let inner = leaves.len().checked_sub(1)?;
        let mut hashed: Vec<(B256, usize)> = leaves.iter().map(Leaf::hash).zip(0..).collect();
        hashed.sort_unstable();
        let mut nodes = vec![B256::ZERO; inner + leaves.len()];
        let mut places = vec![0; leaves.len()];
        let from_the_end = (0..nodes.len()).rev();
        for ((hash, given), place) in hashed.into_iter().zip(from_the_end) {
            nodes[place] = hash;
            places[given] = place;
        }
        for place in (0..inner).rev() {
            nodes[place] = pair(nodes[2 * place + 1], nodes[2 * place + 2]);
        }
        Some(Self { nodes, leaves: leaves.iter().copied().zip(places).collect() })
    }

    /// The root hash of the tree.
    pub fn root(&self) -> B256 {
        self.nodes[0]
    }

    /// Each leaf, in the order given, with its proof: the hashes to pair it with, from its own level up.
    pub fn proofs(&self) -> impl Iterator<Item = (&Leaf, Vec<B256>)> {
        self.leaves.iter().map(|(leaf, place)| (leaf, self.proof(*place)))
    }

    fn proof(&self, mut place: usize) -> Vec<B256> {
        let mut proof = Vec::new();
        while place > 0 {
            // Left children have odd places.
            proof.push(self.nodes[if place % 2 == 1 { place + 1 } else { place - 1 }]);
            // The parent's place, rounded down.
            place = (place - 1) / 2;
        }
        proof
    }

    /// The file that `StandardMerkleTree.load` reads: the bytes of its own `JSON.stringify(tree.dump())`.
    pub fn to_json(&self) -> String {
        let value = |(leaf, place): &(Leaf, usize)| {
            let Leaf { sequencer, recipient, cumulative } = leaf;
            DumpedValue {
                value: [sequencer.to_string(), format!("{recipient:#x}"), cumulative.to_string()],
                tree_index: *place,
            }
        };
        let dump = Dump {
            format: "standard-v1",
            leaf_encoding: LEAF_ENCODING,
            tree: self.nodes.iter().map(ToString::to_string).collect(),
            values: self.leaves.iter().map(value).collect(),
        };
        serde_json::to_string(&dump).expect("hashes, texts and numbers can be written")
    }
}

fn pair(left: B256, right: B256) -> B256 {
    let (lesser, greater) = if left <= right { (left, right) } else { (right, left) };
    keccak256([lesser.0, greater.0].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_has_a_proof_and_no_other_leaf_does() {
        assert_eq!(MerkleTree::new(&[]), None);
        for count in 1..=9_u64 {
            let leaf = |id: u64| Leaf {
                sequencer: SequencerId(id),
                recipient: Address::with_last_byte(7),
                cumulative: Wei::new(U256::from(id)),
            };
            let leaves: Vec<Leaf> = (1..=count).map(leaf).collect();
            let tree = MerkleTree::new(&leaves).expect("there are leaves");
            let climb =
                |leaf: &Leaf, proof: &[B256]| proof.iter().fold(leaf.hash(), |hash, by| pair(hash, *by));
            for (leaf, proof) in tree.proofs() {
                assert_eq!(climb(leaf, &proof), tree.root());
                let more = Leaf { cumulative: Wei::new(U256::from(1_000)), ..*leaf };
                assert_ne!(climb(&more, &proof), tree.root());
            }
            let reversed: Vec<Leaf> = leaves.iter().rev().copied().collect();
            assert_eq!(MerkleTree::new(&reversed).map(|tree| tree.root()), Some(tree.root()));
        }
    }
}
