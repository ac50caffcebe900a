//! From the answers of a node to L2 blocks with their signers.

use super::blooms::{Blooms, Hint};
use crate::decode_fault::DecodeFault;
use crate::json::L2Block as L2BlockObject;
use crate::rpc::{Answer, Fault, FaultKind, decoded};
use crate::signer::signer_of;
use tally_engine::{L2Block, UnixTime};
use tally_eventlog::ProducedBlock;

/// Some blocks, and what their blooms tell.
#[derive(Default)]
pub(crate) struct ProducedBlocks {
    pub(crate) produced: Vec<ProducedBlock>,
    pub(crate) hints: Vec<Hint>,
}

/// Decodes blocks from number `first` on, and recovers who signed them.
pub(crate) fn produced(first: u64, answers: Vec<Answer>, blooms: &Blooms) -> Result<ProducedBlocks, Fault> {
    let mut blocks: Vec<ProducedBlock> = Vec::with_capacity(answers.len());
    let mut hints = Vec::new();
    for (number, answer) in (first..).zip(answers) {
        let block: Option<L2BlockObject> = decoded("a block", answer)?;
        let Some(block) = block else {
            return Err(Fault::temporary(FaultKind::Behind, format!("it has no block {number}")));
        };
        if block.number.0 != number {
            let found = block.number.0;
            return Err(Fault::inconsistent(format!("asked for block {number}, it gave block {found}")));
        }
        if let Some(before) = blocks.last()
            && before.hash != block.parent_hash
        {
            let (parent, before) = (block.parent_hash, before.hash);
            let reason =
                format!("block {number} has the parent {parent}, but the block before it is {before}");
            return Err(Fault::inconsistent(reason));
        }
        let signer = signer_of(&block).map_err(|fault| {
            // What is of another kind of node will not be there when it is asked again.
            let is_other = matches!(fault, DecodeFault::NotL2geth { .. });
            let kind = if is_other { FaultKind::Unfit } else { FaultKind::Inconsistent };
            Fault::temporary(kind, fault.to_string())
        })?;
        hints.extend(blooms.hint(number, block.hash, block.logs_bloom.as_ref()));
        blocks.push(ProducedBlock {
            number: L2Block(number),
            hash: block.hash,
            parent_hash: block.parent_hash,
            timestamp: UnixTime(block.timestamp.0),
            signer,
        });
    }
    Ok(ProducedBlocks { produced: blocks, hints })
}
