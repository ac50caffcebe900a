//! How far a replay can go: up to the last block before the first that cannot be folded yet.

use crate::blocks::Blocks;
use crate::error::ReplayError;
use std::fmt;
use tally_engine::{Attribution, Horizon, L2Block, Spans, UnixTime};
use tally_eventlog::LogView;

/// Why a replay ends where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The log has no more L2 blocks.
    LogEnd,
    /// The caller asked for no later block.
    AsAsked,
    /// The next block is later than the last L1 block in the log: what it earns may depend on events
    /// that are not ingested yet.
    L1Behind {
        /// The block after the horizon.
        next: L2Block,
        /// The timestamp of the last L1 block, or `None` if there is none.
        l1_timestamp: Option<UnixTime>,
    },
    /// Nobody signed the next block (or signatures do not count), and no announced span covers it.
    Unsettled {
        /// The block after the horizon.
        next: L2Block,
    },
}

impl Stop {
    /// The reason as a word that programs read; it stays the same.
    pub const fn code(self) -> &'static str {
        match self {
            Self::LogEnd => "log_end",
            Self::AsAsked => "as_asked",
            Self::L1Behind { .. } => "l1_behind",
            Self::Unsettled { .. } => "unsettled",
        }
    }

    /// The block that could not be folded yet; `None` if the replay ended for another reason.
    pub const fn next_block(self) -> Option<L2Block> {
        match self {
            Self::L1Behind { next, .. } | Self::Unsettled { next } => Some(next),
            Self::LogEnd | Self::AsAsked => None,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogEnd => f.write_str("the log has no more blocks"),
            Self::AsAsked => f.write_str("as asked"),
            Self::L1Behind { next, l1_timestamp: Some(time) } => {
                write!(f, "block {next} is later than L1, which the log holds up to time {time}")
            }
            Self::L1Behind { next, l1_timestamp: None } => {
                write!(f, "block {next} is later than L1, of which the log holds nothing")
            }
            Self::Unsettled { next } => {
                write!(f, "no announced span tells who is to produce block {next}")
            }
        }
    }
}

/// The last block that can be folded, or `None` if there is none from `from` on (from the log's first, for
/// `None`), and why it is the last.
pub(crate) fn horizon<L: LogView>(
    blocks: &Blocks<'_, L>,
    spans: &Spans,
    attribution: Attribution,
    from: Option<L2Block>,
    to: Option<L2Block>,
) -> Result<(Option<Horizon>, Stop), ReplayError> {
    let Some((first, last)) = blocks.range() else {
        return Ok((None, Stop::LogEnd));
    };
    let first = from.map_or(first, |from| from.max(first));
    let mut end = Some(last);
    let mut stop = Stop::LogEnd;
    if let Some(to) = to
        && to < last
    {
        (end, stop) = (Some(to), Stop::AsAsked);
    }
    let l1_timestamp = blocks.log.reach().l1.map(|head| head.timestamp);
    let next = match l1_timestamp {
        None => first,
        Some(time) => match time.next() {
            Some(later) => {
                blocks.boundaries(&[later])?.first().map_or(first, |boundary| boundary.first_block)
            }
            None => L2Block(u64::MAX),
        },
    };
    if end.is_some_and(|end| next <= end) {
        (end, stop) = (next.previous(), Stop::L1Behind { next, l1_timestamp });
    }
    let reachable = end.filter(|end| *end >= first);
    if let Some(end_block) = reachable
        && let Some(next) = first_unsettled(blocks, spans, attribution, first, end_block)?
    {
        (end, stop) = (next.previous(), Stop::Unsettled { next });
    }
    let Some(block) = end.filter(|end| *end >= first) else {
        return Ok((None, stop));
    };
    Ok((Some(Horizon { block, timestamp: blocks.timestamp(block)? }), stop))
}

/// The first block of `first..=last` whose producer is not settled.
fn first_unsettled<L: LogView>(
    blocks: &Blocks<'_, L>,
    spans: &Spans,
    attribution: Attribution,
    first: L2Block,
    last: L2Block,
) -> Result<Option<L2Block>, ReplayError> {
    let mut from = first;
    loop {
        let Some(uncovered) = spans.first_uncovered(from).filter(|block| *block <= last) else {
            return Ok(None);
        };
        if attribution == Attribution::Scheduled {
            return Ok(Some(uncovered));
        }
        let covered = spans.next_covered(uncovered).filter(|block| *block <= last);
        let end = covered.and_then(L2Block::previous).unwrap_or(last);
        if let Some(unsigned) = blocks.first_unsigned(&(uncovered..=end))? {
            return Ok(Some(unsigned));
        }
        match covered {
            Some(covered) => from = covered,
            None => return Ok(None),
        }
    }
}
