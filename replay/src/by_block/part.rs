//! Where two ledgers by block part.

use super::{BlockEntry, BlockIter, BlockLedger, Outcome};
use crate::error::ReplayError;
use tally_engine::{BatchId, EpochIndex, L2Block, SequencerId, Wei};
use tally_eventlog::LogView;

/// The first block of an epoch that the two have differently for a sequencer: one has it as the sequencer's and the
/// other not, or it earned something else. `None` if there is none.
///
/// # Errors
///
/// [`ReplayError`] if a log cannot be read.
pub fn first_block_that_differs<A: LogView, B: LogView>(
    a: &BlockLedger<'_, A>,
    b: &BlockLedger<'_, B>,
    epoch: EpochIndex,
    sequencer: SequencerId,
) -> Result<Option<L2Block>, ReplayError> {
    let (mut a, mut b) = (Own::new(a, epoch, sequencer)?, Own::new(b, epoch, sequencer)?);
    let (mut left, mut right) = (a.next()?, b.next()?);
    loop {
        match (&left, &right) {
            (None, None) => return Ok(None),
            (Some(left), Some(right)) if facts(left) != facts(right) => {
                return Ok(Some(left.block.min(right.block)));
            }
            (Some(_), Some(_)) => (left, right) = (a.next()?, b.next()?),
            (Some(only), None) | (None, Some(only)) => return Ok(Some(only.block)),
        }
    }
}

/// What is compared of a block: what was earned before it is another block's matter.
fn facts(entry: &BlockEntry) -> (L2Block, Option<(Wei, Wei, Option<BatchId>)>) {
    let earned = match &entry.outcome {
        Outcome::Rewarded(rewarded) => Some((rewarded.effective, rewarded.reward, rewarded.batch)),
        Outcome::Unrewarded(_) => None,
    };
    (entry.block, earned)
}

/// The blocks of an epoch that a sequencer was rewarded for.
struct Own<'l, 'a, L> {
    blocks: Option<BlockIter<'l, 'a, L>>,
    sequencer: SequencerId,
}

impl<'l, 'a, L: LogView> Own<'l, 'a, L> {
    fn new(
        ledger: &'l BlockLedger<'a, L>,
        epoch: EpochIndex,
        sequencer: SequencerId,
    ) -> Result<Self, ReplayError> {
        let range = ledger.blocks_of(Some(epoch))?;
        Ok(Self { blocks: range.map(|range| ledger.iter(range)), sequencer })
    }

    fn next(&mut self) -> Result<Option<BlockEntry>, ReplayError> {
        for entry in self.blocks.iter_mut().flatten() {
            let entry = entry?;
            if entry.sequencer == Some(self.sequencer) && entry.rewarded().is_some() {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}
