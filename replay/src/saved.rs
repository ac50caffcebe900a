//! A replay's result kept in a file, so that the next question about the same log and policy need not replay it: its
//! receipt, after a line that says what made it, and before a digest of both.
//!
//! It is a copy, to be thrown away at will: whoever reads it asks for one log (by its head digest), one policy and
//! one version of the engine, and gets nothing if it is of others, or damaged.

use crate::horizon::Stop;
use crate::receipt::{RECEIPT_BYTES_MAX, Receipt};
use crate::run::Replayed;
use alloy_primitives::B256;
use tally_engine::{L2Block, Policy, UnixTime};
use tally_eventlog::{Heads, LogIdentity};

/// The form of these bytes.
const FORM: &str = "tally.saved.2";

/// Raised with each line "Results change" of the changelog.
const RESULTS: u32 = 2;

/// No saved replay is longer.
pub const SAVED_BYTES_MAX: usize = RECEIPT_BYTES_MAX;

/// The line before the receipt: what made it.
fn maker() -> String {
    format!("{FORM} {} {RESULTS}\n", env!("CARGO_PKG_VERSION"))
}

/// The bytes to keep of a replay of the log with this identity and these heads. `None` if the log has no digest, or they
/// would be too many.
pub fn save(replayed: &Replayed, identity: &LogIdentity, heads: &Heads) -> Option<Vec<u8>> {
    let mut bytes = maker().into_bytes();
    bytes.extend(Receipt::new(identity, heads, None, replayed).ok()?.to_bytes());
    bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
    (bytes.len() <= SAVED_BYTES_MAX).then_some(bytes)
}

/// What was kept, if it is of this policy and of the log with this head digest.
pub fn restore(bytes: &[u8], policy: &Policy, log: B256) -> Option<Replayed> {
    let (body, found) = bytes.split_last_chunk::<32>()?;
    if bytes.len() > SAVED_BYTES_MAX || blake3::hash(body).as_bytes() != found {
        return None;
    }
    let receipt: Receipt = serde_json::from_slice(body.strip_prefix(maker().as_bytes())?).ok()?;
    if receipt.policy.digest != policy.digest() || receipt.log.head_digest != log {
        return None;
    }
    Some(Replayed { policy: policy.clone(), ledger: receipt.ledger().ok()?, stop: stop(&receipt)? })
}

/// Why the replay of a receipt ends where it does.
fn stop(receipt: &Receipt) -> Option<Stop> {
    let next = receipt.stopped.next_l2_block.map(L2Block);
    let l1_timestamp = receipt.log.l1_head.map(|head| UnixTime(head.timestamp));
    let stops = [Stop::LogEnd, Stop::AsAsked].into_iter().chain(
        next.into_iter().flat_map(|next| [Stop::L1Behind { next, l1_timestamp }, Stop::Unsettled { next }]),
    );
    stops.into_iter().find(|stop| stop.code() == receipt.stopped.reason)
}
