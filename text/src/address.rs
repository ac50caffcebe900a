//! Addresses as people compare them.

use alloy_primitives::Address;

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
}
