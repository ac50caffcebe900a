//! Whether a receipt is what it says.

use crate::error::ReplayError;

/// How much of a line an error repeats.
const SHOWN_CHARS_MAX: usize = 120;

/// Whether the receipt states what follows from its numbers.
pub(super) fn check<T: PartialEq + ToString>(
    place: &str,
    expected: &T,
    found: &T,
) -> Result<(), ReplayError> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (expected.to_string(), found.to_string());
    Err(ReplayError::NotSound { place: place.into(), expected, found })
}

/// Whether a receipt's bytes are those that one which says the same has.
pub(super) fn check_canonical(found: &[u8], expected: &[u8]) -> Result<(), ReplayError> {
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
    Err(ReplayError::NotCanonical { line: alike + 1, expected: shown(&expected), found: shown(&found) })
}
