//! Bundles: what is in them, taken apart and put together again by this file's own account of the bytes.

mod audit;
mod compare;
mod hostile;
pub(crate) mod restore;

use crate::support::{fixture, ingested, tally};
use alloy_primitives::B256;
use std::path::{Path, PathBuf};
use tally_eventlog::{Archive, LogError};
use tally_replay::Receipt;
use tempfile::TempDir;

const MAGIC: &[u8] = b"tally.bundle.1\n";
const NAMES: [&str; 8] =
    ["policy", "receipt", "identity", "heads", "l1_events", "span_events", "signers", "chunks"];
const RECEIPT: usize = 1;
const HEADS: usize = 3;
const L1_EVENTS: usize = 4;
const CHUNKS: usize = 7;

fn blake3(parts: &[&[u8]]) -> B256 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    B256::from(*hasher.finalize().as_bytes())
}

/// A bundle with these sections.
fn assemble(sections: &[Vec<u8>]) -> Vec<u8> {
    let entries: Vec<_> =
        NAMES.into_iter().zip(sections).map(|(name, section)| entry(name, section)).collect();
    with_table(sections, &entries.concat())
}

/// A section's entry in the table.
fn entry(name: &str, section: &[u8]) -> Vec<u8> {
    let mut entry = name.as_bytes().to_vec();
    entry.resize(16, 0);
    entry.extend(u64::try_from(section.len()).unwrap().to_be_bytes());
    entry.extend(blake3(&[section]));
    entry
}

/// A bundle with these sections and this table, and the digest that goes with it.
fn with_table(sections: &[Vec<u8>], table: &[u8]) -> Vec<u8> {
    [MAGIC, &sections.concat(), table, blake3(&[MAGIC, table]).as_slice()].concat()
}

/// The sections of a bundle.
fn sections(bundle: &[u8]) -> Vec<Vec<u8>> {
    let table = &bundle[bundle.len() - 32 - 8 * 56..bundle.len() - 32];
    let mut from = MAGIC.len();
    let mut sections = Vec::new();
    for entry in table.chunks(56) {
        let len = usize::try_from(u64::from_be_bytes(entry[16..24].try_into().unwrap())).unwrap();
        sections.push(bundle[from..from + len].to_vec());
        from += len;
    }
    sections
}

/// What a section holds, each after its length.
fn blobs(mut section: &[u8]) -> Vec<Vec<u8>> {
    let mut blobs = Vec::new();
    while let Some((len, rest)) = section.split_first_chunk::<4>() {
        let (blob, rest) = rest.split_at(usize::try_from(u32::from_be_bytes(*len)).unwrap());
        blobs.push(blob.to_vec());
        section = rest;
    }
    blobs
}

/// The section that holds these.
fn section_of(blobs: &[Vec<u8>]) -> Vec<u8> {
    let with_len = |blob: &Vec<u8>| [&u32::try_from(blob.len()).unwrap().to_be_bytes(), &blob[..]].concat();
    blobs.iter().flat_map(with_len).collect()
}

/// A receipt with the digests that its numbers have.
fn resealed(mut receipt: Receipt) -> Receipt {
    receipt.policy.digest = receipt.policy().unwrap().digest();
    receipt.log.head_digest = receipt.log.computed_digest().unwrap();
    let ledger = receipt.ledger().unwrap();
    for (epoch, own) in receipt.epochs.iter_mut().zip(&ledger.epochs) {
        epoch.digest = own.computed_digest();
    }
    receipt.ledger_root = receipt.ledger().unwrap().computed_root();
    receipt
}

/// A bundle of a recording, under a policy.
pub(crate) fn bundle_of(recording: &str, policy: &str, more: &[&str]) -> (TempDir, PathBuf) {
    let (dir, _) = ingested(recording);
    let path = dir.path().join("made.bundle");
    let args = ["bundle", "create", "--log", dir.path().to_str().unwrap(), "--policy", policy, "--out"];
    let (status, out, err) = tally(&[&args[..], &[path.to_str().unwrap()], more].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    (dir, path)
}

/// The bundle in `fixtures/`.
fn fixture_bundle() -> Vec<u8> {
    std::fs::read(fixture("small-a.bundle")).unwrap()
}

/// Writes a bundle and audits it.
fn audit(dir: &Path, bundle: &[u8], more: &[&str]) -> (u8, String, String) {
    let path = dir.join("audited.bundle");
    std::fs::write(&path, bundle).unwrap();
    tally(&[&["audit", "bundle", path.to_str().unwrap()], more].concat())
}

fn open_error(bundle: Vec<u8>) -> LogError {
    Archive::from_bytes(bundle).err().expect("it is not what was written")
}
