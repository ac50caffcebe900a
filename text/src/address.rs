//! Addresses as people compare them, and as they write them.

use alloy_primitives::{Address, Bytes, hex};

/// How many characters of each end a short address keeps: `0x` and four digits, and four digits.
const SHORT_ENDS: (usize, usize) = (6, 4);

/// An address in the checksum form of EIP-55.
pub fn address(address: Address) -> String {
    address.to_checksum(None)
}

/// The two ends of an address, to recognise one that is known; not enough to tell addresses apart.
pub fn short_address(address: Address) -> String {
    let whole = self::address(address);
    let (first, last) = SHORT_ENDS;
    format!("{}…{}", &whole[..first], &whole[whole.len() - last..])
}

/// How many bytes a public key has, without the first one that says that it is not compressed.
const KEY_BYTES: usize = 64;
/// The first byte of a public key that is not compressed.
const UNCOMPRESSED: u8 = 4;

/// An address: 0x and 40 hexadecimal digits. Capital and small letters mixed have to be its checksum.
///
/// # Errors
///
/// Why it is none, in words for whoever wrote it.
pub fn given_address(text: &str) -> Result<Address, String> {
    let digits = text.strip_prefix("0x").unwrap_or_default();
    if digits.len() != 40 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!(
            "{text:?} is no address: 0x and 40 hexadecimal digits are, as 0xD54c868362C2098E0E46F12E7D924C6A332952Dd"
        ));
    }
    let address: Address = text.parse().map_err(|error| format!("{text:?} is no address: {error}"))?;
    let is_mixed = digits.bytes().any(|byte| byte.is_ascii_uppercase())
        && digits.bytes().any(|byte| byte.is_ascii_lowercase());
    if is_mixed && address.to_checksum(None) != text {
        return Err(format!(
            "{text} has a letter that is wrong: its capitals are not the checksum of these digits; copy the address again"
        ));
    }
    Ok(address)
}

/// A public key that is not compressed: its 64 bytes, without the 04 that may stand before them.
///
/// # Errors
///
/// Why it is none, in words for whoever wrote it.
pub fn given_pubkey(text: &str) -> Result<Bytes, String> {
    let bytes = hex::decode(text).map_err(|error| format!("it is not 0x and hexadecimal digits: {error}"))?;
    match bytes.split_first() {
        _ if bytes.len() == KEY_BYTES => Ok(bytes.into()),
        Some((&UNCOMPRESSED, key)) if key.len() == KEY_BYTES => Ok(key.to_vec().into()),
        _ => Err(format!(
            "a public key has {KEY_BYTES} bytes, or 65 that begin with 04, and this has {}; a compressed one has 33",
            bytes.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::address;

    /// The examples of EIP-55.
    #[test]
    fn addresses_carry_their_checksum() {
        let known = address!("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed");
        assert_eq!(super::address(known), "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
        assert_eq!(short_address(known), "0x5aAe…eAed");
    }

    #[test]
    fn a_mistyped_address_is_refused() {
        let right = "0xD54c868362C2098E0E46F12E7D924C6A332952Dd";
        let address = given_address(right).expect("it is the checksum");
        assert_eq!(given_address(&right.to_lowercase()), Ok(address));
        let digits = format!("0x{}", right[2..].to_uppercase());
        assert_eq!(given_address(&digits), Ok(address));
        for (wrong, why) in [
            ("0xD54c868362C2098E0E46F12E7D924C6A332952DD", "a letter that is wrong"),
            ("D54c868362C2098E0E46F12E7D924C6A332952Dd", "is no address"),
            ("0xD54c", "is no address"),
            ("0xD54c868362C2098E0E46F12E7D924C6A332952Dg", "is no address"),
            ("", "is no address"),
        ] {
            let error = given_address(wrong).expect_err(wrong);
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_public_key_has_64_bytes() {
        let key = "11".repeat(KEY_BYTES);
        let whole: Bytes = vec![0x11; KEY_BYTES].into();
        for given in [key.clone(), format!("0x{key}"), format!("0x04{key}")] {
            assert_eq!(given_pubkey(&given), Ok(whole.clone()), "{given}");
        }
        for wrong in ["", "0x", "0x02", &format!("0x05{key}"), &key[2..], "0xzz"] {
            assert!(given_pubkey(wrong).is_err(), "{wrong}");
        }
    }
}
