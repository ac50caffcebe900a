//! The names that a registry gives sequencers.
//!
//! The pool's operators publish one (the repository `metis-sequencer-resources`, `sequencers/1088/all.json`): a JSON
//! array of objects with a `name`, the sequencer's signer (`seq_addr`) and its owner (`address`), and more that does
//! not matter here. Nothing that is paid depends on a name.

use crate::error::ClaimsError;
use crate::sequencers::SequencerFacts;
use alloy_primitives::{Address, hex};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use tally_engine::SequencerId;

/// A registry is no longer than this; that of the pool has 4 kB.
pub const REGISTRY_BYTES_MAX: usize = 1 << 20;

/// A name is cut to so many characters.
pub const NAME_CHARS_MAX: usize = 32;

/// Of what stands in place of an address, so many characters are told: an address has 42.
const TOLD_CHARS_MAX: usize = 100;

/// Who is called what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    entries: Vec<Entry>,
    left_out: Vec<EntryError>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    owner: Address,
    signer: Address,
}

/// An entry as it is written. Other fields do not matter.
#[derive(Deserialize)]
struct Written {
    name: String,
    address: String,
    seq_addr: String,
}

/// An entry of a registry that is left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} (from 0) is left out: {fault}")]
pub struct EntryError {
    /// The index of the entry, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub fault: EntryFault,
}

/// What is wrong with an entry of a registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// It is not an object with a name and two addresses.
    #[error("it is no object with the texts name, address and seq_addr: {reason}")]
    Syntax {
        /// What the JSON reader said.
        reason: String,
    },
    /// An address is none.
    #[error("{field} is not 0x and 40 hexadecimal digits, but {found:?}")]
    Address {
        /// The field of the entry.
        field: &'static str,
        /// What is there, cut where it is far longer than an address.
        found: String,
    },
    /// A name has nothing in it that can be shown.
    #[error("it has no name that can be shown")]
    NoName,
    /// An entry before it is of the same address.
    #[error("{second:?} has the same {field} as {first:?}, {address:#x}")]
    Twice {
        /// The field that has the address.
        field: &'static str,
        /// The address that is there twice.
        address: Address,
        /// The name of the entry that counts.
        first: String,
        /// The name of the one that is left out.
        second: String,
    },
}

impl Registry {
    /// Reads a registry. Control characters, and those that would change how the rest of a line is shown, are taken out of
    /// names, and names are cut to [`NAME_CHARS_MAX`] characters. An entry that cannot be used is left out, and so is one
    /// whose owner or signer an entry before it has: see [`Self::left_out`].
    ///
    /// # Errors
    ///
    /// [`ClaimsError`] if it is too long or is not a JSON list.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ClaimsError> {
        if bytes.len() > REGISTRY_BYTES_MAX {
            return Err(ClaimsError::RegistryTooLong { found: bytes.len(), max: REGISTRY_BYTES_MAX });
        }
        let written: Vec<&RawValue> = serde_json::from_slice(bytes)
            .map_err(|error| ClaimsError::NoRegistry { reason: error.to_string() })?;
        let mut registry = Self::default();
        let mut known = Known::default();
        for (index, written) in written.into_iter().enumerate() {
            match known.entry(written) {
                Ok(entry) => registry.entries.push(entry),
                Err(fault) => registry.left_out.push(EntryError { index, fault }),
            }
        }
        Ok(registry)
    }

    /// The entries that are left out, and why, in order.
    pub fn left_out(&self) -> &[EntryError] {
        &self.left_out
    }
}

/// The addresses that entries had so far, with their names.
#[derive(Default)]
struct Known {
    owners: BTreeMap<Address, String>,
    signers: BTreeMap<Address, String>,
}

impl Known {
    /// Reads an entry, which may have no address that one before it has.
    fn entry(&mut self, written: &RawValue) -> Result<Entry, EntryFault> {
        let Written { name, address, seq_addr } = serde_json::from_str(written.get())
            .map_err(|error| EntryFault::Syntax { reason: error.to_string() })?;
        let name = shown(&name).ok_or(EntryFault::NoName)?;
        let owner = parse(&address, "address")?;
        let signer = parse(&seq_addr, "seq_addr")?;
        for (field, address, known) in [("address", owner, &self.owners), ("seq_addr", signer, &self.signers)]
        {
            if let Some(first) = known.get(&address) {
                return Err(EntryFault::Twice { field, address, first: first.clone(), second: name });
            }
        }
        self.owners.insert(owner, name.clone());
        self.signers.insert(signer, name.clone());
        Ok(Entry { name, owner, signer })
    }
}

/// Reads an address: 40 hexadecimal digits after `0x`, nothing else.
fn parse(text: &str, field: &'static str) -> Result<Address, EntryFault> {
    let digits = text.strip_prefix("0x").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let bytes = digits.and_then(|digits| hex::decode(digits).ok());
    let bytes = bytes.and_then(|bytes| <[u8; 20]>::try_from(bytes).ok());
    bytes
        .map(Address::from)
        .ok_or_else(|| EntryFault::Address { field, found: text.chars().take(TOLD_CHARS_MAX).collect() })
}

/// A name as it can be shown, or `None` if nothing is left of it.
fn shown(name: &str) -> Option<String> {
    let visible: String = name.chars().filter(|char| !is_hidden(*char) || char.is_whitespace()).collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    let name: String = words.join(" ").chars().take(NAME_CHARS_MAX).collect();
    Some(name.trim_end().to_owned()).filter(|name| !name.is_empty())
}

/// Whether a character is not seen, or changes how others are: controls, zero widths, marks and overrides of
/// direction.
fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The names of sequencers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<SequencerId, String>);

impl Names {
    /// What `registry` calls the sequencers. An entry is the sequencer's whose signer it has, or had: a signer stands for
    /// one sequencer for ever. Of several entries for one sequencer that of the latest signer counts. An entry whose
    /// signer is nobody's is of the last sequencer that its owner has, or had, unless this has a name by its signers.
    pub fn new(registry: &Registry, sequencers: &BTreeMap<SequencerId, SequencerFacts>) -> Self {
        let by_signer: BTreeMap<Address, &Entry> =
            registry.entries.iter().map(|entry| (entry.signer, entry)).collect();
        let mut names = BTreeMap::new();
        let mut matched = BTreeSet::new();
        for (id, facts) in sequencers {
            for entry in facts.signers.iter().filter_map(|(signer, _)| by_signer.get(signer)) {
                matched.insert(entry.signer);
                // The latest signer comes last.
                names.insert(*id, entry.name.clone());
            }
        }
        let last_of: BTreeMap<Address, SequencerId> =
            sequencers.iter().map(|(id, facts)| (facts.owner, *id)).collect();
        for entry in registry.entries.iter().filter(|entry| !matched.contains(&entry.signer)) {
            if let Some(id) = last_of.get(&entry.owner) {
                names.entry(*id).or_insert_with(|| entry.name.clone());
            }
        }
        Self(names)
    }

    /// The name of a sequencer, if it has one.
    pub fn get(&self, sequencer: SequencerId) -> Option<&str> {
        self.0.get(&sequencer).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tally_engine::{Status, UnixTime, Wei};

    fn entry(name: &str, owner: u8, signer: u8) -> String {
        let address = |byte| format!("{:#x}", Address::with_last_byte(byte));
        let (owner, signer) = (address(owner), address(signer));
        let name = serde_json::to_string(name).expect("a text");
        format!(r#"{{"name":{name},"address":"{owner}","seq_addr":"{signer}","url":7}}"#)
    }

    fn registry(entries: &[String]) -> Result<Registry, ClaimsError> {
        Registry::from_json(format!("[{}]", entries.join(",")).as_bytes())
    }

    fn facts(owner: u8, signers: &[u8]) -> SequencerFacts {
        SequencerFacts {
            status: Status::Active,
            since: UnixTime(1),
            owner: Address::with_last_byte(owner),
            signers: signers.iter().map(|byte| (Address::with_last_byte(*byte), UnixTime(1))).collect(),
            recipient: None,
            stake: Wei::ZERO,
        }
    }

    #[test]
    fn names_come_by_signers_first_and_then_by_owners() {
        let sequencers: BTreeMap<SequencerId, SequencerFacts> = [
            (SequencerId(1), facts(1, &[11, 12])),
            (SequencerId(2), facts(2, &[21])),
            (SequencerId(3), facts(1, &[31])),
            (SequencerId(4), facts(4, &[41, 42])),
        ]
        .into();
        let named = |entries: &[String]| {
            let names = Names::new(&registry(entries).expect("it can be read"), &sequencers);
            [1, 2, 3, 4].map(|id| names.get(SequencerId(id)).unwrap_or("-").to_owned()).join(" ")
        };
        assert_eq!(named(&[]), "- - - -");
        // By the present signer, by a former one, and by both.
        assert_eq!(named(&[entry("A", 9, 12), entry("B", 8, 21)]), "A B - -");
        assert_eq!(named(&[entry("A", 9, 11)]), "A - - -");
        assert_eq!(named(&[entry("new", 9, 42), entry("old", 8, 41)]), "- - - new");
        assert_eq!(named(&[entry("old", 9, 41), entry("new", 8, 42)]), "- - - new");
        // By the owner: the last sequencer that it has, and only if the signer is nobody's.
        assert_eq!(named(&[entry("A", 1, 99)]), "- - A -");
        assert_eq!(named(&[entry("A", 1, 11)]), "A - - -");
        assert_eq!(named(&[entry("A", 1, 99), entry("C", 7, 31)]), "- - C -");
    }

    #[test]
    fn names_cannot_break_a_line() {
        let shown = |name: &str| {
            let registry = registry(&[entry(name, 1, 2)]).expect("it is a list");
            registry.entries[0].name.clone()
        };
        assert_eq!(shown(" Metis\tGenesis1\r\n"), "Metis Genesis1");
        assert_eq!(shown("a\u{1b}[31mb\u{202e}c\u{200b}d"), "a[31mbcd");
        assert_eq!(shown(&"ä".repeat(40)), "ä".repeat(NAME_CHARS_MAX));
        let nameless = registry(&[entry("\u{1b}\u{0} \n", 1, 2)]).expect("it is a list");
        assert_eq!(nameless.left_out(), [EntryError { index: 0, fault: EntryFault::NoName }]);
    }

    #[test]
    fn what_is_no_registry_is_refused() {
        for text in ["", "{}", "[]]", "[1"] {
            let error = Registry::from_json(text.as_bytes()).expect_err(text).to_string();
            assert!(error.starts_with("it is no JSON list: "), "{text}");
        }
        let long = " ".repeat(REGISTRY_BYTES_MAX + 1);
        let error = Registry::from_json(long.as_bytes()).expect_err("it is too long").to_string();
        assert_eq!(error, "it has 1048577 bytes or more, and 1048576 are allowed");
    }

    #[test]
    fn an_entry_that_cannot_be_used_is_left_out_and_told() {
        let good = entry("good", 1, 2);
        let beside_good = |bad: &str| {
            let read = Registry::from_json(format!("[{good},{bad}]").as_bytes()).expect("it is a list");
            assert_eq!(read.entries.len(), 1, "{bad}");
            let [left_out] = read.left_out() else { panic!("{bad}: {:?}", read.left_out()) };
            left_out.to_string()
        };
        let no_object =
            "entry 1 (from 0) is left out: it is no object with the texts name, address and seq_addr: ";
        let twice = entry("A", 3, 4).replace("\"url\"", "\"name\":\"B\",\"url\"");
        for bad in ["1", "null", "{}", r#"{"name":1,"address":"","seq_addr":""}"#, &twice] {
            assert!(beside_good(bad).starts_with(no_object), "{bad}");
        }
        let whole = format!("0x{}g", "1".repeat(39));
        for address in ["", "0x", "0x12", &"1".repeat(42), &format!("0x0x{}", "1".repeat(38)), &whole] {
            let told = beside_good(&format!(r#"{{"name":"A","address":"{address}","seq_addr":""}}"#));
            let expected = format!("left out: address is not 0x and 40 hexadecimal digits, but {address:?}");
            assert!(told.ends_with(&expected), "{told}");
        }
        let long = beside_good(&format!(r#"{{"name":"A","address":"{}","seq_addr":""}}"#, "9".repeat(5_000)));
        assert!(long.len() < 250, "{long}");
        let same_signer = beside_good(&entry("other", 9, 2));
        assert!(same_signer.contains(r#""other" has the same seq_addr as "good", 0x"#), "{same_signer}");
        assert!(beside_good(&entry("other", 1, 9)).contains("the same address as"));
    }
}
