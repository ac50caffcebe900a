//! The bytes of records: serde and bincode 2 (`config::standard()`), and nowhere else.

use crate::error::LogError;
use crate::stored::{StoredL1, StoredSpan};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tally_engine::{L1Record, SpanRecord};

/// No record is longer: a public key has 64 bytes, and a batch credits a few dozen signers.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// Encodes one value. Fails for nothing that the log's types can hold.
pub(crate) fn encode<T: Serialize>(place: &str, value: &T) -> Result<Vec<u8>, LogError> {
    let encoded = bincode::serde::encode_to_vec(value, bincode::config::standard());
    encoded.map_err(|error| LogError::Undecodable { place: place.into(), reason: error.to_string() })
}

/// Decodes one value from exactly these bytes.
pub(crate) fn decode<T: DeserializeOwned>(place: &str, bytes: &[u8]) -> Result<T, LogError> {
    let undecodable = |reason: String| LogError::Undecodable { place: place.into(), reason };
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(undecodable(format!(
            "{} bytes are more than the {RECORD_BYTES_MAX} allowed",
            bytes.len()
        )));
    }
    // The limit keeps a length in hostile bytes from becoming an allocation; it does not change them.
    let config = bincode::config::standard().with_limit::<RECORD_BYTES_MAX>();
    let (value, read) =
        bincode::serde::decode_from_slice(bytes, config).map_err(|error| undecodable(error.to_string()))?;
    if read != bytes.len() {
        return Err(undecodable(format!("{} bytes follow the {read} of the record", bytes.len() - read)));
    }
    Ok(value)
}

/// The bytes of an L1 record.
///
/// # Errors
///
/// [`LogError::Undecodable`] if these bytes could not be read again, since they take more than [`RECORD_BYTES_MAX`]: a batch
/// of some 30,000 credits, or a public key of 1 MiB.
pub fn encode_l1(record: &L1Record) -> Result<Vec<u8>, LogError> {
    let place = format!("L1 block {}, log {}", record.block, record.log_index);
    let bytes = encode(&place, &StoredL1(record.clone()))?;
    // The limit is on what decoding takes, which only decoding knows.
    decode_l1(&place, &bytes)?;
    Ok(bytes)
}

/// The L1 record of these bytes; `place` goes into the error.
///
/// # Errors
///
/// [`LogError::Undecodable`] if the bytes are not exactly one record.
pub fn decode_l1(place: &str, bytes: &[u8]) -> Result<L1Record, LogError> {
    decode(place, bytes).map(|StoredL1(record)| record)
}

/// The bytes of a span record.
///
/// # Errors
///
/// As [`encode_l1`].
pub fn encode_span(record: &SpanRecord) -> Result<Vec<u8>, LogError> {
    let place = format!("span event in L2 block {}, log {}", record.block, record.log_index);
    encode(&place, &StoredSpan(record.clone()))
}

/// The span record of these bytes; `place` goes into the error.
///
/// # Errors
///
/// As [`decode_l1`].
pub fn decode_span(place: &str, bytes: &[u8]) -> Result<SpanRecord, LogError> {
    decode(place, bytes).map(|StoredSpan(record)| record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, B256};
    use tally_engine::{BatchId, Credit, L1Block, PoolEvent, SequencerId, SpanId, UnixTime, Wei};

    fn record(event: PoolEvent) -> L1Record {
        L1Record {
            block: L1Block(7),
            block_hash: B256::ZERO,
            timestamp: UnixTime(1),
            transaction_hash: B256::ZERO,
            log_index: 3,
            event,
        }
    }

    fn batch(credits: usize) -> L1Record {
        record(PoolEvent::DistributeReward {
            batch: BatchId(2),
            start_span: SpanId(1),
            end_span: SpanId(2),
            amount: Wei::ZERO,
            reward_per_block: Wei::ZERO,
            credits: vec![Credit { signer: Address::repeat_byte(0xff), blocks: u64::MAX }; credits],
        })
    }

    /// The story: such a record got into the log and never out of it, so that the log could not even be rolled back.
    #[test]
    fn what_could_not_be_read_again_is_not_encoded() {
        let key = |bytes: usize| {
            record(PoolEvent::Locked {
                signer: Address::ZERO,
                sequencer: SequencerId(1),
                nonce: 1,
                activation_batch: BatchId(1),
                amount: Wei::ZERO,
                total: Wei::ZERO,
                signer_pubkey: vec![4; bytes].into(),
            })
        };
        for small in [batch(10_000), key(1 << 19)] {
            let bytes = encode_l1(&small).expect("it has less than 1 MiB");
            assert_eq!(decode_l1("here", &bytes).expect("it was encoded"), small);
        }
        for large in [batch(40_000), key(1 << 21)] {
            let error = encode_l1(&large).expect_err("it is too long").to_string();
            assert!(error.contains("L1 block 7, log 3"), "{error}");
        }
    }
}
