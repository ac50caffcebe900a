//! How far a reader of a feed is, as a text that any server with the same history understands.

use crate::journal::Link;
use serde::Deserialize;
use std::fmt;

/// What tells a fact, with all that holds up to it, from any other: the first bytes of its link.
pub type Tag = u64;

/// The tag of a link.
pub(crate) fn tag_of(link: &Link) -> Tag {
    link.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// How far a reader is: how many facts hold up to where it has read, and the tag of the last of them. Both follow from
/// the history alone, so that they are the same on every server that keeps it, whatever sequence numbers it has given.
///
/// After a rollback there is a second tag, of the rollback itself, which only the server that told it knows: to another one
/// the reader is where the rollback took it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Cursor {
    /// How many facts hold up to there.
    pub facts: u64,
    /// The tag of the last of them; 0 if there is none.
    pub tag: Tag,
    /// The tag of the rollback that took the reader there, if one did.
    pub rollback: Option<Tag>,
}

/// The form of a cursor, for the API's description.
pub(crate) const CURSOR_PATTERN: &str = "^(0|[0-9]{1,19}-[0-9a-f]{16}(-[0-9a-f]{16})?)$";

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { facts, tag, rollback } = self;
        match rollback {
            None if *facts == 0 => f.write_str("0"),
            None => write!(f, "{facts}-{tag:016x}"),
            Some(rollback) => write!(f, "{facts}-{tag:016x}-{rollback:016x}"),
        }
    }
}

impl TryFrom<String> for Cursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a cursor is one that the feed gave, or 0 for its beginning")
    }
}

impl Cursor {
    /// The cursor of a reader that has so many facts, the last of them with this link.
    pub fn after(facts: u64, link: &Link) -> Self {
        Self { facts, tag: tag_of(link), rollback: None }
    }

    /// The cursor that a text is, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self::default());
        }
        let mut parts = text.split('-');
        let facts = parts.next().filter(|digits| (1..20).contains(&digits.len()))?;
        let is_number = facts.bytes().all(|byte| byte.is_ascii_digit());
        let tag = tag_in(parts.next()?)?;
        let rollback = parts.next().map(tag_in);
        // A rollback that is given has to be one, and nothing follows it.
        let is_whole = is_number && parts.next().is_none() && rollback != Some(None);
        is_whole.then_some(Self { facts: facts.parse().ok()?, tag, rollback: rollback.flatten() })
    }
}

fn tag_in(text: &str) -> Option<Tag> {
    let is_tag = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_tag.then(|| Tag::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_feed_gives_is_taken_and_nothing_else() {
        for text in [
            "0",
            "1-00000000000000ab",
            "0-0000000000000000-0123456789abcdef",
            "9223372036854775807-ffffffffffffffff",
        ] {
            assert_eq!(Cursor::parse(text).map(|cursor| cursor.to_string()).as_deref(), Some(text));
        }
        for text in [
            "",
            "1",
            "00",
            "-",
            "1-",
            "1-ab",
            "1-00000000000000AB",
            "+1-00000000000000ab",
            "1-00000000000000ab-",
            "1-00000000000000ab-1",
            "1-00000000000000ab-00000000000000ab-00000000000000ab",
            "99999999999999999999-00000000000000ab",
            " 1-00000000000000ab",
            "1-+0000000000000ab",
        ] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
