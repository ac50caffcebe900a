//! Several ledgers of one log, block by block beside each other.

use super::{BlockLedger, BlockReader};
use crate::error::ReplayError;
use alloy_primitives::Address;
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use tally_engine::{Assessed, EpochIndex, L2Block};
use tally_eventlog::LogView;

/// What one ledger says of consecutive blocks, all of which it has alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alike {
    /// The epoch that they are in, or `None` before epoch 0.
    pub epoch: Option<EpochIndex>,
    /// Who made them by the policy's attribution.
    pub producer: Option<Address>,
    /// What each of them earned.
    pub assessed: Assessed,
}

/// Goes along the blocks of `ledgers`, which are of one log and end at the same block. Of consecutive blocks that each of
/// them has alike, `each` gets how many there are, and what every ledger says of them.
///
/// # Errors
///
/// [`ReplayError`] if the log cannot be read, or a ledger has other blocks than the first; and what `each` says.
pub fn for_each_together<L: LogView, E: From<ReplayError>>(
    ledgers: &[BlockLedger<'_, L>],
    mut each: impl FnMut(u64, &[Alike]) -> Result<(), E>,
) -> Result<(), E> {
    let Some(range) = ledgers.first().and_then(BlockLedger::range) else {
        return Ok(());
    };
    let mut sides = Vec::with_capacity(ledgers.len());
    for ledger in ledgers {
        let found = ledger.range();
        if found.as_ref() != Some(&range) {
            return Err(E::from(ReplayError::NotTheLedger {
                what: "the blocks of a ledger beside another",
                expected: format!("{range:?}"),
                found: format!("{found:?}"),
            }));
        }
        sides.push(Side { reader: ledger.reader(), rest: found, ready: VecDeque::new() });
    }
    let mut next = Some(*range.start());
    let mut together = Vec::with_capacity(sides.len());
    while let Some(block) = next.filter(|block| range.contains(block)) {
        let mut blocks = u64::MAX;
        for side in &mut sides {
            blocks = blocks.min(side.left(block)?);
        }
        together.clear();
        together.extend(sides.iter_mut().map(|side| side.take(blocks)));
        each(blocks, &together)?;
        next = block.0.checked_add(blocks).map(L2Block);
    }
    Ok(())
}

/// A ledger, as far as it has been read.
struct Side<'l, 'a, L> {
    reader: BlockReader<'l, 'a, L>,
    /// What has not been read yet.
    rest: Option<RangeInclusive<L2Block>>,
    /// What has been read and not handed out: how many blocks, and what is said of them.
    ready: VecDeque<(u64, Alike)>,
}

impl<L: LogView> Side<'_, '_, L> {
    /// How many blocks from `block` on, the next of this ledger, it has alike. Never 0.
    fn left(&mut self, block: L2Block) -> Result<u64, ReplayError> {
        loop {
            if let Some((blocks, _)) = self.ready.front() {
                return Ok(*blocks);
            }
            let Some(range) = self.rest.take() else {
                return Err(ReplayError::NotTheLedger {
                    what: "the blocks of a ledger beside another",
                    expected: format!("block {block}"),
                    found: "none".into(),
                });
            };
            let ready = &mut self.ready;
            self.rest = self.reader.next_chunk(&range, &mut |run| {
                let blocks = u64::try_from(run.times.len()).expect("they lie in one chunk");
                let alike = Alike { epoch: run.epoch, producer: run.producer(), assessed: run.assessed };
                if blocks > 0 {
                    ready.push_back((blocks, alike));
                }
            })?;
        }
    }

    /// Hands out the next `blocks`, which it has alike.
    fn take(&mut self, blocks: u64) -> Alike {
        let (left, alike) = self.ready.front_mut().expect("there are as many as were asked for");
        let alike = *alike;
        *left = left.saturating_sub(blocks);
        if *left == 0 {
            self.ready.pop_front();
        }
        alike
    }
}
