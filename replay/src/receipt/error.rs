//! Why a receipt cannot be relied on.

use tally_engine::PolicyError;
use tally_eventlog::LogError;

/// How much of a line an error repeats.
const SHOWN_CHARS_MAX: usize = 120;

/// A receipt that is none, or is not sound.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// It is too long to be a receipt.
    #[error("a receipt of {found} bytes is longer than the {max} allowed")]
    TooLong {
        /// How many bytes it has.
        found: usize,
        /// How many bytes a receipt may have.
        max: usize,
    },
    /// Not a receipt's JSON: the parser's own words, with line and column.
    #[error("it is no receipt: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It is of another format than this program's.
    #[error("it has the format {found:?}, and this program knows {known:?}")]
    Format {
        /// The format that the receipt states.
        found: String,
        /// The format that this program reads.
        known: &'static str,
    },
    /// Its bytes are not the ones that a receipt which says the same has.
    #[error("the receipt is not written as Tally writes it: its line {line} is {found}, not {expected}")]
    NotCanonical {
        /// The number of the line, from 1.
        line: usize,
        /// What a receipt that says the same has there.
        expected: String,
        /// What the file has in that line.
        found: String,
    },
    /// The policy's text is no policy.
    #[error("the receipt's policy: {0}")]
    Policy(#[from] PolicyError),
    /// Something that follows from the receipt's own numbers is not what it states.
    #[error("the receipt is not sound: {place} is {found}, but by its own numbers {expected}")]
    NotSound {
        /// The part of the receipt.
        place: String,
        /// What follows from the numbers.
        expected: String,
        /// What the receipt states there.
        found: String,
    },
    /// A value that no ledger can have.
    #[error("the receipt is not sound: {place} is {found}, which has to be {expected}")]
    Value {
        /// The part of the receipt.
        place: String,
        /// The values that are allowed.
        expected: &'static str,
        /// What the receipt states there.
        found: String,
    },
    /// The log that it speaks of has no digest.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Whether the receipt states what follows from its numbers.
pub(super) fn check<T: PartialEq + ToString>(
    place: &str,
    expected: &T,
    found: &T,
) -> Result<(), ReceiptError> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (expected.to_string(), found.to_string());
    Err(ReceiptError::NotSound { place: place.into(), expected, found })
}

/// Whether a receipt's bytes are those that one which says the same has.
pub(super) fn check_canonical(found: &[u8], expected: &[u8]) -> Result<(), ReceiptError> {
    if found == expected {
        return Ok(());
    }
    let lines = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (found, expected) = (lines(found), lines(expected));
    let alike = found.iter().zip(&expected).take_while(|(found, expected)| found == expected).count();
    let shown = |lines: &[Vec<u8>]| match lines.get(alike) {
        None => "missing".into(),
        Some(line) => {
            let text = String::from_utf8_lossy(line);
            format!("{:?}", text.chars().take(SHOWN_CHARS_MAX).collect::<String>())
        }
    };
    Err(ReceiptError::NotCanonical { line: alike + 1, expected: shown(&expected), found: shown(&found) })
}
