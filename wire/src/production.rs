//! Who made the blocks that it was to make.

use crate::shape::list;
use crate::{Address, At, Log};
use tally_engine::SequencerId;
use tally_replay::{Gap, Made, Maker, ReplayError};

shapes! {
    /// Who made the blocks of a range, as the command says it.
    pub struct ProductionOfLog {
        /// The log that it is of.
        log: Log,
        /// The epoch whose blocks they are, by the policy that was given; `null` unless one was asked for.
        epoch: Option<u64>,
        /// The fields of the production itself.
        #[serde(flatten)]
        production: Production,
        /// The spans that cover blocks of the range, in order of their blocks; empty unless they were asked for.
        spans: Vec<SpanProduction>,
        /// The same by epoch, in order; empty unless that was asked for.
        epochs: Vec<EpochProduction>,
    }

    /// Who made the blocks of a range.
    pub struct ProductionAnswer {
        /// The state that the answer is of.
        at: At,
        /// The epoch of the policy that the blocks are of, if one was asked for; else `null`.
        epoch: Option<u64>,
        /// Whether all of the blocks are final.
        is_final: bool,
        /// All blocks of the range, and by whom they were made; `makers` has only the sequencer, if one was asked for.
        production: Production,
        /// A page of the spans that cover these blocks, in order of their blocks.
        spans: Vec<SpanProduction>,
        /// The spans that reach beyond the log's last block, in order: the one that runs, and those that were announced. A
        /// recommit can still change them. Of the sequencer only, if one was asked for.
        announced: Vec<AnnouncedSpan>,
        /// Where the next page of spans begins: give it as `cursor`. `null` after the last.
        next: Option<String>,
    }

    /// Who made the blocks of each epoch.
    pub struct ProductionEpochsAnswer {
        /// The state that the answer is of.
        at: At,
        /// A page of epochs, in order; `makers` has only the sequencer, if one was asked for. Blocks before epoch 0 and
        /// beyond the horizon are of no epoch.
        epochs: Vec<ServedEpochProduction>,
        /// Where the next page begins: give it as `cursor`. `null` after the last.
        next: Option<String>,
    }

    /// Who made the blocks of an epoch, and whether that can change.
    pub struct ServedEpochProduction {
        /// The fields of the production itself.
        #[serde(flatten)]
        production: EpochProduction,
        /// Whether the epoch is over and all of its blocks are final.
        is_final: bool,
    }

    /// Who made the blocks of an epoch.
    pub struct EpochProduction {
        /// The number of the epoch, from 0; `null` for the blocks before epoch 0.
        epoch: Option<u64>,
        /// The fields of the production itself.
        #[serde(flatten)]
        production: Production,
    }

    /// Who made the blocks of a range. A block is scheduled for the sequencer whose signer its span names.
    pub struct Production {
        /// The first block of the range that the log has; `null` if it has none.
        first: Option<MadeBlock>,
        /// The last block of the range that the log has; `null` if it has none.
        last: Option<MadeBlock>,
        /// How many blocks they are.
        blocks: u64,
        /// How many of them no span gave to anybody.
        unscheduled_blocks: u64,
        /// How many of them nobody signed, in a span or in none.
        unsigned_blocks: u64,
        /// The longest time from one block to the next; `null` where there is one block at most.
        longest_gap: Option<BlockGap>,
        /// By who was to make blocks or made some: sequencers by id, then signers that no sequencer ever had.
        makers: Vec<Produced>,
    }

    /// What one was to make, and made.
    pub struct Produced {
        /// The sequencer or signer whose blocks are counted.
        #[serde(flatten)]
        maker: BlockMaker,
        /// The blocks that spans gave to it.
        scheduled_blocks: u64,
        /// Those of them that it signed itself.
        own_blocks: u64,
        /// Those of them that others signed in its place.
        blocks_by_others: u64,
        /// By whom these were signed.
        others: Vec<BlocksBy>,
        /// Those of the scheduled blocks that nobody signed.
        unsigned_blocks: u64,
        /// Blocks that it signed though a span gave them to another, or none did.
        blocks_for_others: u64,
        /// How many recommits took blocks from it that were to come, and gave them to another.
        recommits_from: u64,
        /// How many recommits gave blocks of others to it.
        recommits_to: u64,
        /// The longest time before one of its scheduled blocks; `null` where it has none.
        longest_gap: Option<BlockGap>,
        /// The last block that it signed, for itself or another; `null` if it signed none.
        last_made: Option<MadeBlock>,
    }

    /// Who makes blocks, or is to.
    pub struct BlockMaker from maker: Maker {
        /// The id of the sequencer; `null` if no sequencer ever had the signer.
        sequencer: Option<u64> = maker.sequencer().map(|id| id.0),
        /// The signer, where no sequencer ever had it; else `null`.
        unknown_signer: Option<Address> = unknown(maker),
    }

    /// How many blocks one signed.
    pub struct BlocksBy from (maker, blocks): (Maker, u64) {
        /// The sequencer or signer that signed them.
        #[serde(flatten)]
        maker: BlockMaker = maker.into(),
        /// How many blocks they are.
        blocks: u64 = blocks,
    }

    /// What was made of a span, as far as its blocks lie in the range.
    pub struct SpanProduction from of: &tally_replay::SpanProduction {
        /// The number of the span.
        span: u64 = of.span.id.0,
        /// Who was to make it.
        #[serde(flatten)]
        maker: BlockMaker = of.scheduled.into(),
        /// The signer that the span names.
        signer: Address = of.span.signer.into(),
        /// The first block of the span in the range.
        first: MadeBlock = of.first.into(),
        /// The last block of the span in the range.
        last: MadeBlock = of.last.into(),
        /// Whether the contract holds this span: `false` for what was made of one that a late recommit overwrote.
        is_held: bool = of.is_held,
        /// How many blocks they are.
        scheduled_blocks: u64 = of.row.scheduled,
        /// Those of them that its sequencer signed itself.
        own_blocks: u64 = of.row.by_itself,
        /// Who signed the others, and how many.
        others: Vec<BlocksBy> = list(&of.row.by_others, |(maker, blocks)| (*maker, *blocks).into()),
        /// Those of them that nobody signed.
        unsigned_blocks: u64 = of.row.unsigned,
        /// The longest time before one of these blocks; `null` for the first block of the log alone.
        longest_gap: Option<BlockGap> = of.row.longest_gap.map(Into::into),
    }

    /// A span that has blocks which are still to be made.
    pub struct AnnouncedSpan from (span, maker): (tally_engine::Span, Maker) {
        /// The number of the span.
        span: u64 = span.id.0,
        /// Who is to make it.
        #[serde(flatten)]
        maker: BlockMaker = maker.into(),
        /// The signer that the span names.
        signer: Address = span.signer.into(),
        /// The first block of the span, which may be made already.
        first_l2_block: u64 = span.start.0,
        /// The last block of the span.
        last_l2_block: u64 = span.end.0,
    }

    /// A block that was made.
    pub struct MadeBlock from made: Made {
        /// The number of the L2 block.
        l2_block: u64 = made.block.0,
        /// The timestamp of the block, in Unix seconds.
        timestamp: u64 = made.time.0,
    }

    /// A time in which no block was made.
    pub struct BlockGap from gap: Gap {
        /// How many seconds it took.
        secs: u64 = gap.secs,
        /// The block that ended it.
        l2_block: u64 = gap.before.0,
    }
}

fn unknown(maker: Maker) -> Option<Address> {
    match maker {
        Maker::Unknown(signer) => Some(signer.into()),
        Maker::Sequencer(_) => None,
    }
}

impl Production {
    /// The production of a range; of one sequencer only, if one is named.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if blocks cannot be counted in 64 bits.
    pub fn of(made: &tally_replay::Production, only: Option<SequencerId>) -> Result<Self, ReplayError> {
        let shown = made.rows.iter().filter(|(maker, _)| only.is_none_or(|id| maker.sequencer() == Some(id)));
        let makers =
            shown.map(|(maker, row)| Produced::of(*maker, row)).collect::<Result<_, ReplayError>>()?;
        Ok(Self {
            first: made.range.map(|(first, _)| first.into()),
            last: made.range.map(|(_, last)| last.into()),
            blocks: made.blocks,
            unscheduled_blocks: made.unscheduled,
            unsigned_blocks: made.unsigned,
            longest_gap: made.longest_gap.map(Into::into),
            makers,
        })
    }
}

impl Produced {
    /// What `maker` was to make, and made.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if blocks cannot be counted in 64 bits.
    pub fn of(maker: Maker, row: &tally_replay::ProductionRow) -> Result<Self, ReplayError> {
        Ok(Self {
            maker: maker.into(),
            scheduled_blocks: row.scheduled,
            own_blocks: row.by_itself,
            blocks_by_others: row.by_others_total()?,
            others: list(&row.by_others, |(maker, blocks)| (*maker, *blocks).into()),
            unsigned_blocks: row.unsigned,
            blocks_for_others: row.for_others,
            recommits_from: row.recommits_from,
            recommits_to: row.recommits_to,
            longest_gap: row.longest_gap.map(Into::into),
            last_made: row.last_made.map(Into::into),
        })
    }
}
