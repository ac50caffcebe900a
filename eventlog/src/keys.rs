//! Keys and values of the column families: big-endian numbers, so that order of keys is order of
//! blocks; values begin with their link of the digest chain where there is one.

use crate::LogError;
use alloy_primitives::B256;

/// The key of an event: block and log index.
pub(crate) fn event_key(block: u64, log_index: u64) -> [u8; 16] {
    (u128::from(block) << 64 | u128::from(log_index)).to_be_bytes()
}

/// The block and log index of an event's key.
pub(crate) fn event_of(key: &[u8]) -> Result<(u64, u64), LogError> {
    let bytes: [u8; 16] = key.try_into().map_err(|_| bad_key(key))?;
    let key = u128::from_be_bytes(bytes);
    let half = |half: u128| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    Ok((half(key >> 64), half(key)))
}

/// How an event is named in errors.
pub(crate) fn event_place(family: &str, (block, log): (u64, u64)) -> String {
    format!("{family}, block {block}, log {log}")
}

/// The first block of a chunk's key.
pub(crate) fn chunk_of(key: &[u8]) -> Result<u64, LogError> {
    let bytes: [u8; 8] = key.try_into().map_err(|_| bad_key(key))?;
    Ok(u64::from_be_bytes(bytes))
}

pub(crate) fn bad_key(key: &[u8]) -> LogError {
    LogError::Undecodable { place: format!("the key {key:02x?}"), reason: "it has a wrong length".into() }
}

/// A link and the bytes it is of, as one value.
pub(crate) fn linked(link: &B256, bytes: &[u8]) -> Vec<u8> {
    [link.as_slice(), bytes].concat()
}

/// The link and the bytes of a value.
pub(crate) fn unlinked<'a>(place: &str, value: &'a [u8]) -> Result<(B256, &'a [u8]), LogError> {
    let (link, bytes) = value.split_first_chunk::<32>().ok_or_else(|| LogError::Undecodable {
        place: place.into(),
        reason: format!("{} bytes are too few", value.len()),
    })?;
    Ok((B256::new(*link), bytes))
}
