//! Who made an L2 block: the sequencer's signature over the hash of its first transaction.

use crate::decode_fault::DecodeFault;
use crate::json::{Field, L2Block, L2Transaction};
use alloy::primitives::{Address, B256, U256, b256, keccak256};
use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};

/// The root of a tree of nothing: of the transactions of a block, or of its receipts.
pub(crate) const EMPTY_ROOT: B256 =
    b256!("0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");

/// A sequencer's signature as l2geth gives it: `seqR`, `seqS`, `seqV`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequencerSignature {
    /// The r of the signature, `seqR`.
    pub r: U256,
    /// The s of the signature, `seqS`.
    pub s: U256,
    /// The parity of its point, `seqV`: 0 or 1.
    pub v: u64,
}

/// The address that signed `transaction`, the first of L2 block `block`.
///
/// # Errors
///
/// [`DecodeFault::Unrecoverable`] if no key can have made the signature.
pub fn recover_signer(
    block: u64,
    transaction: B256,
    signature: SequencerSignature,
) -> Result<Address, DecodeFault> {
    let SequencerSignature { r, s, v } = signature;
    let unrecoverable = |reason: String| DecodeFault::Unrecoverable { block, transaction, r, s, v, reason };
    let id = match v {
        0 => RecoveryId::Zero,
        1 => RecoveryId::One,
        _ => return Err(unrecoverable("v is neither 0 nor 1".into())),
    };
    let mut compact = [0; 64];
    compact[..32].copy_from_slice(&r.to_be_bytes::<32>());
    compact[32..].copy_from_slice(&s.to_be_bytes::<32>());
    let recovered = RecoverableSignature::from_compact(&compact, id)
        .and_then(|signature| signature.recover_ecdsa(Message::from_digest(transaction.0)));
    let key = recovered.map_err(|error| unrecoverable(error.to_string()))?;
    let hash = keccak256(&key.serialize_uncompressed()[1..]);
    Ok(Address::from_slice(&hash[12..]))
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or("null".into(), |value| value.to_string())
}

/// Who signed a block, or `None` if nobody did: deposits (and blocks from before the pool) bear no
/// sequencer's signature, given as null or as zeros.
///
/// # Errors
///
/// [`DecodeFault::NotL2geth`] if the fields of the signature are not there at all: then the node cannot tell who
/// signed. Other faults if they contradict each other, or no key made the signature.
pub(crate) fn signer_of(block: &L2Block) -> Result<Option<Address>, DecodeFault> {
    let Some(L2Transaction { hash, seq_r, seq_s, seq_v }) = &block.transactions.0 else {
        // l2geth makes no block without a transaction: a proxy may have left them out.
        return match block.transactions_root {
            Some(EMPTY_ROOT) => Ok(None),
            _ => Err(DecodeFault::NoTransactions { block: block.number.0 }),
        };
    };
    if [*seq_r, *seq_s].contains(&Field::Absent) || *seq_v == Field::Absent {
        return Err(DecodeFault::NotL2geth { block: block.number.0, transaction: *hash });
    }
    let (r, s, v) = (seq_r.given().map(|r| r.0), seq_s.given().map(|s| s.0), seq_v.given().map(|v| v.0));
    let is_zero = |value: Option<U256>| value.is_none_or(|value| value.is_zero());
    match (r, s, v) {
        (r, s, v) if is_zero(r) && is_zero(s) && is_zero(v.map(U256::from)) => Ok(None),
        (Some(r), Some(s), Some(v)) if !r.is_zero() && !s.is_zero() => {
            recover_signer(block.number.0, *hash, SequencerSignature { r, s, v }).map(Some)
        }
        (r, s, v) => Err(DecodeFault::HalfSigned {
            block: block.number.0,
            transaction: *hash,
            found: format!("{}, {} and {}", shown(r), shown(s), shown(v)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{address, uint};

    /// The two signatures of Andromeda, by the signer of sequencer 5.
    #[test]
    fn signers_of_mainnet_blocks_are_recovered() {
        let signer = address!("0x36f10B20781bb1E78278e84f3e1E97Acf92FA302");
        let cases = [
            (
                18_827_416,
                b256!("0x5b2e1b2f2822e96cdfeb2103443fef2a7de8794eabe94b44c842bfcc7010431d"),
                uint!(0x4b0a81dbf348f8aeecec9e466a2be684ba6eac0ec29f9e753ad4bdb77e909823_U256),
                uint!(0x3a560f5ef2cce68c550fda5bd264504acfe44a8600e760e575d5bc094b957bc1_U256),
            ),
            (
                18_827_392,
                b256!("0x98affa80b5e5bcec38793376d7f61a6df1614b150e319af82d13f8d0c29ab83c"),
                uint!(0x72ea3eddb963950dec6f2a4c16dafb38687df19dd5c530f7a35f8f0e611740bf_U256),
                uint!(0x3616ff0dbccc5e0413e82ce660a4c20339d627d23df411ee7f16257a44b54a56_U256),
            ),
        ];
        for (block, transaction, r, s) in cases {
            let signature = SequencerSignature { r, s, v: 1 };
            assert_eq!(recover_signer(block, transaction, signature).expect("recovers"), signer);
            let other = recover_signer(block, transaction, SequencerSignature { v: 0, ..signature });
            assert_ne!(other.expect("recovers to another key"), signer);
        }
    }

    #[test]
    fn signatures_that_no_key_made_are_errors() {
        let hash = B256::repeat_byte(1);
        for (r, s, v) in [(1, 0, 0), (0, 1, 0), (1, 1, 2), (5, 1, 0)] {
            let signature = SequencerSignature { r: U256::from(r), s: U256::from(s), v };
            let error = recover_signer(9, hash, signature).expect_err("no such key");
            assert!(error.to_string().starts_with("L2 block 9: the sequencer's signature"), "{error}");
        }
        let above = SequencerSignature { r: U256::MAX, s: U256::from(1), v: 0 };
        assert!(recover_signer(9, hash, above).is_err());
    }
}
