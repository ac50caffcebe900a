//! A replay's result kept in a file, so that the next question about the same log and policy need not replay it.
//!
//! What is kept is the replay's receipt, with a digest of its bytes after it. It is a copy, to be thrown away at will:
//! whoever reads it asks for one log (by its head digest), one policy and one version of the engine, and gets nothing if it
//! is of others, or damaged.

use crate::horizon::Stop;
use crate::receipt::{RECEIPT_BYTES_MAX, Receipt};
use crate::run::Replayed;
use alloy_primitives::B256;
use tally_engine::{L2Block, Policy, UnixTime};

/// The form of these bytes, and of the fold that made them: its number is raised with each line "Results change" of the
/// changelog.
const FORM: &[u8] = b"tally.saved.3";

/// How many bytes a digest has.
const DIGEST_BYTES: usize = 32;

/// No kept replay has more bytes.
pub const SAVED_BYTES_MAX: usize = RECEIPT_BYTES_MAX + DIGEST_BYTES;

/// The bytes to keep of a replay: its receipt, and a digest of that.
pub fn save(receipt: &Receipt) -> Vec<u8> {
    let mut bytes = receipt.to_bytes();
    let digest = digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

/// What was kept, if it is of this policy and of all of the log with this head digest.
pub fn restore(bytes: &[u8], policy: &Policy, log: B256) -> Option<Replayed> {
    let (body, found) = bytes.split_last_chunk::<DIGEST_BYTES>()?;
    if bytes.len() > SAVED_BYTES_MAX || digest(body) != *found {
        return None;
    }
    let receipt: Receipt = serde_json::from_slice(body).ok()?;
    let is_of_these = receipt.engine_version == tally_engine::VERSION
        && receipt.policy.digest == policy.digest()
        && receipt.log.head_digest == log
        && receipt.to.is_none();
    let stop = is_of_these.then(|| stop_of(&receipt))??;
    Some(Replayed { policy: policy.clone(), ledger: receipt.ledger().ok()?, stop })
}

/// Why the replay of a receipt went no further.
fn stop_of(receipt: &Receipt) -> Option<Stop> {
    let next = receipt.stopped.next_l2_block.map(L2Block);
    let l1_timestamp = receipt.log.l1_head.map(|head| UnixTime(head.timestamp));
    let stops = [
        Some(Stop::LogEnd),
        next.map(|next| Stop::L1Behind { next, l1_timestamp }),
        next.map(|next| Stop::Unsettled { next }),
    ];
    stops.into_iter().flatten().find(|stop| stop.code() == receipt.stopped.reason)
}

fn digest(receipt: &[u8]) -> [u8; DIGEST_BYTES] {
    *blake3::Hasher::new().update(FORM).update(receipt).finalize().as_bytes()
}
