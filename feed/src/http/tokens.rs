//! Tokens: who may ask, by digests of what they know.

use crate::error::FeedError;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What the digests of tokens are derived with, so that they are digests of nothing else.
const CONTEXT: &str = "tally 2026 claim feed token";
/// Far more than so many tokens need; all of them are compared for each request.
const FILE_BYTES_MAX: u64 = 64 * 1024;
const COUNT_MAX: usize = 256;
const NAME_CHARS_MAX: usize = 64;
/// What a token begins with, so that it can be told from other secrets wherever it gets to.
const PREFIX: &str = "tally_";

/// The tokens that let somebody in. It holds their digests only.
#[derive(Clone, Debug)]
pub struct Tokens {
    digests: Vec<blake3::Hash>,
}

/// A token that was just made up.
pub struct NewToken {
    /// The token itself, which is kept nowhere.
    pub token: String,
    /// Its line in a file of tokens.
    pub line: String,
}

impl Tokens {
    /// Reads a file with a line `NAME HEX` for each token, where `HEX` is the BLAKE3 digest of it, derived
    /// with the context `tally 2026 claim feed token`. Lines that are blank or begin with `#` say nothing.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, has more than 64 KiB or 256 tokens or none at all, or a line that is not
    /// of that form, or a name or a digest twice.
    pub fn read(path: &Path) -> Result<Self, FeedError> {
        let unread = |source| FeedError::ReadTokens { path: path.to_owned(), source };
        let mut text = String::new();
        let mut file = File::open(path).map_err(unread)?.take(FILE_BYTES_MAX + 1);
        file.read_to_string(&mut text).map_err(unread)?;
        if file.limit() == 0 {
            return Err(FeedError::LongTokens { path: path.to_owned(), bytes_max: FILE_BYTES_MAX });
        }
        let tokens = Self::parse(&text).map_err(|(line, fault)| FeedError::TokenLine {
            path: path.to_owned(),
            line,
            fault,
        })?;
        if tokens.digests.is_empty() {
            return Err(FeedError::NoTokens { path: path.to_owned() });
        }
        Ok(tokens)
    }

    /// The tokens of a file, or the number of a line and what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut names = BTreeSet::new();
        let mut digests: Vec<blake3::Hash> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // What a line holds is not repeated: it may be a token, put there by mistake.
            let at = |fault: &str| (number, fault.to_owned());
            let mut words = line.split_ascii_whitespace();
            let (Some(name), Some(hex), None) = (words.next(), words.next(), words.next()) else {
                return Err(at("expected `NAME HEX`"));
            };
            if !is_name(name) {
                return Err(at("a name has 1 to 64 of the characters a-z, A-Z, 0-9, `.`, `_` and `-`"));
            }
            let Ok(digest) = blake3::Hash::from_hex(hex) else {
                return Err(at("a digest has 64 hexadecimal digits"));
            };
            if !names.insert(name) {
                return Err((number, format!("`{name}` is there twice")));
            }
            if digests.contains(&digest) {
                return Err((number, format!("`{name}` has the digest of another")));
            }
            if digests.len() == COUNT_MAX {
                return Err((number, format!("more than {COUNT_MAX} tokens")));
            }
            digests.push(digest);
        }
        Ok(Self { digests })
    }

    /// Whether a token is one of these. How long that takes does not depend on which, or on how much of one
    /// is right: digests compare in constant time, and all are compared.
    pub(super) fn has(&self, token: &[u8]) -> bool {
        let given = digest(token);
        self.digests.iter().filter(|known| **known == given).count() > 0
    }

    /// Makes up a token of 32 random bytes, and its line in a file.
    ///
    /// # Errors
    ///
    /// A `name` that none can have, or a system without randomness.
    pub fn generate(name: &str) -> Result<NewToken, FeedError> {
        if !is_name(name) {
            return Err(FeedError::TokenName { name: name.to_owned(), chars_max: NAME_CHARS_MAX });
        }
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(FeedError::Randomness)?;
        let mut token = PREFIX.to_owned();
        for byte in bytes {
            // A String takes whatever is written to it.
            let _ = write!(token, "{byte:02x}");
        }
        let line = format!("{name} {}", digest(token.as_bytes()).to_hex());
        Ok(NewToken { token, line })
    }
}

fn digest(token: &[u8]) -> blake3::Hash {
    blake3::Hash::from_bytes(blake3::derive_key(CONTEXT, token))
}

fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn a_generated_token_is_let_in_and_no_other() {
        let made = Tokens::generate("claims").unwrap();
        assert_eq!(made.token.len(), PREFIX.len() + 64);
        assert!(made.token.starts_with(PREFIX));
        let other = Tokens::generate("dashboard").unwrap();
        let tokens = Tokens::parse(&format!("# who\n\n{}\n{}\n", made.line, other.line)).unwrap();
        assert!(tokens.has(made.token.as_bytes()));
        assert!(tokens.has(other.token.as_bytes()));
        assert!(!tokens.has(&made.token.as_bytes()[1..]));
        assert!(!tokens.has(made.line.as_bytes()));
        assert!(!tokens.has(b""));
    }

    #[test]
    fn a_wrong_line_is_named_and_not_repeated() {
        for (text, line, fault) in [
            ("tally_secret", 1, "expected `NAME HEX`"),
            (&format!("# a\n\na {HEX} b"), 3, "expected `NAME HEX`"),
            (&format!("a/b {HEX}"), 1, "a name has"),
            (&format!("{} {HEX}", "a".repeat(65)), 1, "a name has"),
            (&format!("a {}", &HEX[1..]), 1, "64 hexadecimal digits"),
            (&format!("a {}g", &HEX[1..]), 1, "64 hexadecimal digits"),
            (&format!("a {HEX}\na {}", HEX.replace('0', "1")), 2, "`a` is there twice"),
            (&format!("a {HEX}\nb {HEX}"), 2, "`b` has the digest of another"),
        ] {
            let (at, why) = Tokens::parse(text).unwrap_err();
            assert!(at == line && why.contains(fault), "{text}: line {at}: {why}");
            assert!(!why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn no_more_tokens_than_can_be_compared_are_read() {
        let lines: Vec<_> = (0..=COUNT_MAX).map(|n| format!("n{n} {n:064x}")).collect();
        let (line, fault) = Tokens::parse(&lines.join("\n")).unwrap_err();
        assert_eq!((line, fault.as_str()), (257, "more than 256 tokens"));
    }

    #[test]
    fn a_file_that_is_too_large_or_empty_or_not_there_is_refused() {
        let path = std::env::temp_dir().join(format!("tally-tokens-{}", std::process::id()));
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Tokens::read(&path).unwrap_err().to_string()
        };
        assert!(read(&"#".repeat(64 * 1024 + 1)).ends_with("more than 65536 bytes"));
        assert!(read(&"#".repeat(64 * 1024)).ends_with("there is none"));
        assert!(read("x").ends_with("line 1: expected `NAME HEX`"));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(Tokens::read(&path), Err(FeedError::ReadTokens { .. })));
    }

    #[test]
    fn a_name_that_would_break_its_line_is_refused() {
        for name in ["", "a b", "a\nb", "#a", "ä"] {
            assert!(matches!(Tokens::generate(name), Err(FeedError::TokenName { .. })), "{name}");
        }
    }
}
