//! The bytes of a bundle: what it begins with, its sections, and the table at its end.

use crate::LogError;
use alloy_primitives::B256;
use std::ops::Range;

/// How a bundle begins, in this format.
pub(super) const MAGIC: &[u8] = b"tally.bundle.1\n";

/// How a bundle begins, in any format.
pub(super) const MAGIC_OF_ANY: &[u8] = b"tally.bundle.";

/// The sections, in order: each is there, once.
pub(super) const SECTIONS: [&str; 8] =
    ["policy", "receipt", "identity", "heads", "l1_events", "span_events", "signers", "chunks"];

/// Where each is in [`SECTIONS`].
pub(super) const POLICY: usize = 0;
pub(super) const RECEIPT: usize = 1;
pub(super) const IDENTITY: usize = 2;
pub(super) const HEADS: usize = 3;
pub(super) const L1_EVENTS: usize = 4;
pub(super) const SPAN_EVENTS: usize = 5;
pub(super) const SIGNERS: usize = 6;
pub(super) const CHUNKS: usize = 7;

/// A section's name in the table, with zeros after it.
const NAME_BYTES: usize = 16;

/// Name, length (8 bytes, big-endian) and BLAKE3 of a section.
const ENTRY_BYTES: usize = NAME_BYTES + 8 + DIGEST_BYTES;

/// How long the table is.
pub(super) const TABLE_BYTES: usize = SECTIONS.len() * ENTRY_BYTES;

/// The digest that a bundle ends with.
pub(super) const DIGEST_BYTES: usize = 32;

/// No bundle is shorter.
pub(super) const BUNDLE_BYTES_MIN: usize = MAGIC.len() + TABLE_BYTES + DIGEST_BYTES;

/// A section, as the table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveSection {
    /// The name of the section.
    pub name: &'static str,
    /// Its length in bytes.
    pub bytes: u64,
    /// The BLAKE3 digest of its bytes.
    pub digest: B256,
}

/// A name as the table has it.
fn padded(name: &str) -> [u8; NAME_BYTES] {
    let mut padded = [0; NAME_BYTES];
    for (to, from) in padded.iter_mut().zip(name.as_bytes()) {
        *to = *from;
    }
    padded
}

/// The table of sections, as bytes.
pub(super) fn encode_table(sections: &[ArchiveSection]) -> Vec<u8> {
    let mut table = Vec::with_capacity(TABLE_BYTES);
    for section in sections {
        table.extend(padded(section.name));
        table.extend(section.bytes.to_be_bytes());
        table.extend(section.digest);
    }
    table
}

/// BLAKE3 over the bundle's first bytes and its table, which has the digests of all between: so over all of it.
pub(super) fn bundle_digest(table: &[u8]) -> B256 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(MAGIC).update(table);
    B256::from(*hasher.finalize().as_bytes())
}

/// Whether this is how a bundle begins, as far as it goes.
pub(super) fn check_magic(start: &[u8]) -> Result<(), LogError> {
    if start.starts_with(MAGIC) {
        return Ok(());
    }
    let shown: String = String::from_utf8_lossy(start).chars().take(MAGIC.len()).collect();
    if start.starts_with(MAGIC_OF_ANY) {
        return Err(LogError::BundleFormat { found: shown, known: MAGIC });
    }
    Err(LogError::NotABundle { found: shown })
}

/// What a bundle's table says.
pub(super) struct Table {
    pub(super) sections: Vec<ArchiveSection>,
    /// Where in the bundle each section lies.
    pub(super) places: Vec<Range<usize>>,
    /// The digest that the bundle ends with.
    pub(super) digest: B256,
}

/// The table of a bundle, of which every byte is checked against a digest.
pub(super) fn read_table(bundle: &[u8]) -> Result<Table, LogError> {
    check_magic(bundle)?;
    let cut = || LogError::BundleCut { found: bundle.len(), min: BUNDLE_BYTES_MIN };
    if bundle.len() < BUNDLE_BYTES_MIN {
        return Err(cut());
    }
    let (rest, end) = bundle.split_last_chunk::<DIGEST_BYTES>().ok_or_else(cut)?;
    let (rest, table) = rest.split_last_chunk::<TABLE_BYTES>().ok_or_else(cut)?;
    let digest = bundle_digest(table);
    if digest != B256::new(*end) {
        return Err(LogError::bundle_damaged(
            "its end",
            "digest over its table (it is cut, or was changed)",
            &digest,
            &B256::new(*end),
        ));
    }
    let (mut sections, mut places) = (Vec::new(), Vec::new());
    let mut from = MAGIC.len();
    for (entry, name) in table.as_chunks::<ENTRY_BYTES>().0.iter().zip(SECTIONS) {
        let (found, after) = entry.split_first_chunk::<NAME_BYTES>().ok_or_else(cut)?;
        if *found != padded(name) {
            let found = String::from_utf8_lossy(found).trim_end_matches('\0').to_owned();
            let place = format!("section {}", sections.len() + 1);
            return Err(LogError::bundle_damaged(
                &place,
                "name",
                &format!("{name:?}"),
                &format!("{found:?}"),
            ));
        }
        let (len, stated) = after.split_first_chunk::<8>().ok_or_else(cut)?;
        let len = u64::from_be_bytes(*len);
        let left = rest.len().saturating_sub(from);
        let end = usize::try_from(len).ok().filter(|len| *len <= left).map(|len| from + len);
        let place = format!("the section {name}");
        let end = end.ok_or_else(|| {
            LogError::bundle_damaged(
                &place,
                "length",
                &format!("at most {left}, which is what is left"),
                &len,
            )
        })?;
        let section = rest.get(from..end).ok_or_else(cut)?;
        let digest = B256::from(*blake3::hash(section).as_bytes());
        let stated = B256::try_from(stated).map_err(|_| cut())?;
        if digest != stated {
            return Err(LogError::bundle_damaged(&place, "digest", &stated, &digest));
        }
        sections.push(ArchiveSection { name, bytes: len, digest });
        places.push(from..end);
        from = end;
    }
    if from != rest.len() {
        return Err(LogError::bundle_damaged("its end", "last byte of the sections", &rest.len(), &from));
    }
    Ok(Table { sections, places, digest })
}

/// How long something in a section is, in front of it: 4 bytes, big-endian.
pub(super) const LENGTH_BYTES: usize = 4;

/// What `rest` begins with: something after its length. `rest` is then what follows.
pub(super) fn take_blob<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let cut = |least: usize| format!("{} bytes are left, which is fewer than {least}", rest.len());
    let (len, after) = rest.split_first_chunk::<LENGTH_BYTES>().ok_or_else(|| cut(LENGTH_BYTES))?;
    let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| cut(usize::MAX))?;
    let (blob, after) = after.split_at_checked(len).ok_or_else(|| cut(len.saturating_add(LENGTH_BYTES)))?;
    *rest = after;
    Ok(blob)
}
