// Reads Merkle trees with OpenZeppelin's own library.
//
// `merkle.mjs check TREE PROOFS` loads the tree's file, which validates it, checks each leaf's proof, and that a proof,
// an amount or a recipient that was tampered with is refused; it prints the root and the number of leaves.
// `merkle.mjs dump` makes the trees of the lists of leaves on the standard input, and prints their files' bytes.
import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

const encoding = ['uint256', 'address', 'uint256']
const read = file => JSON.parse(readFileSync(file, 'utf8'))

// Another hash, by its last digit.
const another = hash => hash.slice(0, -1) + (hash.endsWith('0') ? '1' : '0')

function check(treeFile, proofsFile) {
  const dump = read(treeFile)
  const tree = StandardMerkleTree.load(dump)
  assert.deepEqual(dump.leafEncoding, encoding)
  const { root, proofs } = read(proofsFile)
  assert.equal(root, tree.root)
  assert.equal(proofs.length, tree.length)
  for (const [index, value] of tree.entries()) {
    const { sequencer, recipient, cumulative_wei: wei, proof } = proofs[index]
    assert.deepEqual([`${sequencer}`, recipient, wei], value)
    assert.deepEqual(proof, tree.getProof(index))
    const holds = (leaf, proof) => StandardMerkleTree.verify(root, encoding, leaf, proof)
    assert(holds(value, proof))
    const tampered = proof.length > 0 ? [another(proof[0]), ...proof.slice(1)] : [root]
    assert(!holds(value, tampered))
    assert(!holds([value[0], recipient, `${BigInt(wei) + 1n}`], proof))
    for (const other of proofs) {
      if (other.recipient !== recipient) assert(!holds([value[0], other.recipient, wei], proof))
      if (other.sequencer !== sequencer) assert(!holds([`${other.sequencer}`, recipient, wei], proof))
    }
    assert(!holds([value[0], another(recipient), wei], proof))
  }
  console.log(JSON.stringify({ root, leaves: tree.length }))
}

const [command, ...files] = process.argv.slice(2)
if (command === 'check') {
  check(...files)
} else {
  const dumps = JSON.parse(readFileSync(0, 'utf8')).map(leaves => {
    const tree = StandardMerkleTree.of(leaves, encoding)
    const proofs = leaves.map((_, index) => tree.getProof(index))
    return { root: tree.root, file: JSON.stringify(tree.dump()), proofs }
  })
  console.log(JSON.stringify(dumps))
}
