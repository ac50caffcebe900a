//! Ranges of L2 blocks on the command line: `A`, `A:B`, `A:+N`, with `16M` for 16,000,000.

use anyhow::{Result, bail};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use tally_engine::L2Block;

/// How a range is written, for the help of a command.
pub(crate) const BLOCK_RANGE_HELP: &str = "RANGE is A:B (both included), A:+N (N blocks from A on), or one block A; \
                                           without A it begins at the first block there is, without B (or with \
                                           `latest`) it ends at the last. 16M is 16000000, 1.5k is 1500; k, M and G.";

/// The word for the last block there is.
const LATEST: &str = "latest";

/// A range of blocks, as asked for: which ones it means depends on which there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockRange {
    start: Start,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    First,
    At(u64),
    /// The last block there is: of a range that is it alone.
    Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Last,
    At(u64),
    /// So many blocks from the start on; never 0.
    Blocks(u64),
}

impl BlockRange {
    /// The blocks that are meant where those there are go from `first` to `last`.
    ///
    /// # Errors
    ///
    /// If some of them are not there; it names both ranges.
    pub(crate) fn within(self, first: L2Block, last: L2Block) -> Result<RangeInclusive<L2Block>> {
        let start = match self.start {
            Start::First => first.0,
            Start::At(block) => block,
            Start::Last => last.0,
        };
        let end = match self.end {
            End::Last => last.0,
            End::At(block) => block,
            // Past 64 bits is past the last block, too.
            End::Blocks(blocks) => start.saturating_add(blocks.saturating_sub(1)),
        };
        if start < first.0 || end > last.0 || start > end {
            bail!("blocks {self} are asked for, but there are blocks {first} to {last}");
        }
        Ok(L2Block(start)..=L2Block(end))
    }

    /// Its first block, if one is named.
    pub(crate) const fn start(self) -> Option<L2Block> {
        match self.start {
            Start::At(block) => Some(L2Block(block)),
            Start::First | Start::Last => None,
        }
    }
}

impl FromStr for BlockRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((start, end)) = text.split_once(':') else {
            return match text {
                LATEST => Ok(Self { start: Start::Last, end: End::Last }),
                block => number(block).map(|block| Self { start: Start::At(block), end: End::At(block) }),
            };
        };
        let start = if start.is_empty() { Start::First } else { Start::At(number(start)?) };
        let end = match (end, end.strip_prefix('+')) {
            ("" | LATEST, _) => End::Last,
            (_, Some(blocks)) => match number(blocks)? {
                0 => return Err("it has no blocks".into()),
                blocks => End::Blocks(blocks),
            },
            (block, None) => End::At(number(block)?),
        };
        if let (Start::At(start), End::At(end)) = (start, end)
            && end < start
        {
            return Err(format!("it ends at block {end}, before it begins at block {start}"));
        }
        Ok(Self { start, end })
    }
}

impl fmt::Display for BlockRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.start, self.end) {
            (Start::Last, _) => return f.write_str(LATEST),
            (Start::First, _) => write!(f, ":")?,
            (Start::At(start), _) => write!(f, "{start}:")?,
        }
        match self.end {
            End::Last => f.write_str(LATEST),
            End::At(end) => write!(f, "{end}"),
            End::Blocks(blocks) => write!(f, "+{blocks}"),
        }
    }
}

/// A number of digits, with at most one point and one of the suffixes k, M and G, if it is a whole one.
fn number(text: &str) -> Result<u64, String> {
    let (digits, zeros) = match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((digits, "k")) => (digits, 3),
        Some((digits, "M")) => (digits, 6),
        Some((digits, "G")) => (digits, 9),
        _ => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return Err(format!("{text:?} is not a block number such as 15214503, 16M or 1.5k"));
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > zeros {
        return Err(format!("{text} is not a whole number of blocks"));
    }
    format!("{whole}{fraction:0<zeros$}").parse().map_err(|_| format!("{text} is above 2^64 - 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a log of the blocks 1,000 to 20,000,000.
    fn within(text: &str) -> Result<String, String> {
        let range: BlockRange = text.parse()?;
        let blocks = range.within(L2Block(1_000), L2Block(20_000_000)).map_err(|error| error.to_string())?;
        Ok(format!("{} {}", blocks.start(), blocks.end()))
    }

    #[test]
    fn a_range_means_the_blocks_that_it_says() {
        for (text, expected) in [
            ("1000", "1000 1000"),
            ("16M:17M", "16000000 17000000"),
            ("15M:+1000", "15000000 15000999"),
            ("15M:+1", "15000000 15000000"),
            (":latest", "1000 20000000"),
            (":", "1000 20000000"),
            ("17M:", "17000000 20000000"),
            ("17M:latest", "17000000 20000000"),
            (":2k", "1000 2000"),
            (":+5", "1000 1004"),
            ("1.5M:1.500001M", "1500000 1500001"),
            ("0.01G", "10000000 10000000"),
            ("1.0000k", "1000 1000"),
            ("007000", "7000 7000"),
            ("latest", "20000000 20000000"),
            ("20M:+1", "20000000 20000000"),
        ] {
            assert_eq!(within(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for (text, expected) in [
            ("", "\"\" is not a block number"),
            ("+5", "\"+5\" is not a block number"),
            ("-5", "\"-5\" is not a block number"),
            ("1:-5", "\"-5\" is not a block number"),
            ("1:+-5", "\"-5\" is not a block number"),
            ("1:++5", "\"+5\" is not a block number"),
            ("1:2:3", "\"2:3\" is not a block number"),
            ("latest:", "\"latest\" is not a block number"),
            ("1:Latest", "\"Latest\" is not a block number"),
            ("1:+latest", "\"latest\" is not a block number"),
            ("0x10", "\"0x10\" is not a block number"),
            ("1e6", "\"1e6\" is not a block number"),
            ("1_000", "\"1_000\" is not a block number"),
            ("16m", "\"16m\" is not a block number"),
            ("16MM", "\"16MM\" is not a block number"),
            ("M", "\"M\" is not a block number"),
            (".5M", "\".5M\" is not a block number"),
            ("5.M", "\"5.M\" is not a block number"),
            ("1.2.3M", "\"1.2.3M\" is not a block number"),
            (" 1", "\" 1\" is not a block number"),
            ("٣", "\"٣\" is not a block number"),
            ("1é", "\"1é\" is not a block number"),
            ("1.5", "1.5 is not a whole number of blocks"),
            ("1.2345k", "1.2345k is not a whole number of blocks"),
            ("18446744073709551616", "18446744073709551616 is above 2^64 - 1"),
            ("99999999999G", "99999999999G is above 2^64 - 1"),
            ("2:1", "it ends at block 1, before it begins at block 2"),
            ("1:+0", "it has no blocks"),
        ] {
            let error = within(text).expect_err(text);
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn blocks_that_are_not_there_are_an_error() {
        for (text, asked) in [
            ("999", "999:999"),
            ("0:2k", "0:2000"),
            ("20000001", "20000001:20000001"),
            ("20M:+2", "20000000:+2"),
            ("18446744073709551615:+9", "18446744073709551615:+9"),
            (":999", ":999"),
            ("21M:", "21000000:latest"),
        ] {
            let expected = format!("blocks {asked} are asked for, but there are blocks 1000 to 20000000");
            assert_eq!(within(text), Err(expected), "{text}");
        }
    }
}
