//! What is counted of one maker of blocks, and of one span.

use super::{Made, Timed, add};
use crate::error::ReplayError;
use alloy_primitives::Address;
use std::collections::BTreeMap;
use tally_engine::{L2Block, SequencerId, SignerBook, Span};

/// Who makes blocks, or is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Maker {
    /// The sequencer that the signer stands for.
    Sequencer(SequencerId),
    /// A signer that no sequencer ever had.
    Unknown(Address),
}

impl Maker {
    pub(super) fn of(signer: &Address, book: &SignerBook) -> Self {
        book.sequencer_of(signer).map_or(Self::Unknown(*signer), Self::Sequencer)
    }

    /// The sequencer, if it is one.
    pub const fn sequencer(self) -> Option<SequencerId> {
        match self {
            Self::Sequencer(id) => Some(id),
            Self::Unknown(_) => None,
        }
    }
}

/// A time in which no block was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The block that came after it.
    pub before: L2Block,
    /// How many seconds after the block before.
    pub secs: u64,
}

impl Gap {
    /// The longer of two; the first of equals.
    pub(super) fn longer(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) if other.secs > one.secs => Some(other),
            (Some(one), _) => Some(one),
            (None, other) => other,
        }
    }
}

/// What one was to make, and made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductionRow {
    /// The blocks that spans gave to it.
    pub scheduled: u64,
    /// Those of them that it signed itself, with any of its signers.
    pub by_itself: u64,
    /// Those of them that others signed, by whom.
    pub by_others: BTreeMap<Maker, u64>,
    /// Those of them that nobody signed.
    pub unsigned: u64,
    /// Blocks that it signed though a span gave them to another, or none did.
    pub for_others: u64,
    /// How many recommits took blocks from it that were to come.
    pub recommits_from: u64,
    /// How many recommits gave the rest of another's span, or another's next span, to it.
    pub recommits_to: u64,
    /// The longest time before one of its scheduled blocks.
    pub longest_gap: Option<Gap>,
    /// The last block that it signed, for itself or for another.
    pub last_made: Option<Made>,
}

impl ProductionRow {
    /// The blocks that others signed in its place.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if they cannot be counted in 64 bits.
    pub fn by_others_total(&self) -> Result<u64, ReplayError> {
        let mut total = 0;
        self.by_others.values().try_for_each(|blocks| add(&mut total, *blocks))?;
        Ok(total)
    }

    /// Blocks that are scheduled for `this`.
    pub(super) fn scheduled_for(
        &mut self,
        this: Maker,
        by: Option<Maker>,
        blocks: u64,
        timed: Timed,
    ) -> Result<(), ReplayError> {
        self.longest_gap = Gap::longer(self.longest_gap, timed.longest);
        add(&mut self.scheduled, blocks)?;
        match by {
            None => add(&mut self.unsigned, blocks),
            Some(by) if by == this => add(&mut self.by_itself, blocks),
            Some(by) => add(self.by_others.entry(by).or_default(), blocks),
        }
    }

    /// Blocks that it signed.
    pub(super) fn made(&mut self, is_own: bool, blocks: u64, last: Made) -> Result<(), ReplayError> {
        self.last_made = Some(last);
        if is_own { Ok(()) } else { add(&mut self.for_others, blocks) }
    }
}

/// What was made of a span, as far as its blocks lie in the range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanProduction {
    /// The span that is counted.
    pub span: Span,
    /// Whom its signer stands for.
    pub scheduled: Maker,
    /// Whether the contract holds it; one that a late recommit overwrote when it had begun it does not.
    pub is_held: bool,
    /// The first block of the range that it covers.
    pub first: Made,
    /// The last block of the range that it covers.
    pub last: Made,
    /// How many they are, and who made them; of recommits nothing is counted here.
    pub row: ProductionRow,
}

impl SpanProduction {
    pub(super) fn new(span: Span, scheduled: Maker, is_held: bool, first: Made) -> Self {
        Self { span, scheduled, is_held, first, last: first, row: ProductionRow::default() }
    }

    pub(super) fn take(&mut self, blocks: u64, by: Option<Maker>, timed: Timed) -> Result<(), ReplayError> {
        self.last = timed.last;
        self.row.scheduled_for(self.scheduled, by, blocks, timed)?;
        if by == Some(self.scheduled) {
            self.row.made(true, blocks, timed.last)?;
        }
        Ok(())
    }
}
