//! The log's dictionary: who signed L2 blocks, in the order of their first one.
//!
//! The columns speak of signers by small numbers, their codes, that are the same in the whole log: so a
//! fold can count codes over any stretch of blocks and look nobody up.

use crate::error::LogError;
use alloy_primitives::Address;
use std::collections::BTreeMap;
use tally_engine::L2Block;

/// The most signers that a log can tell apart: codes have 16 bits, and 0 is nobody.
pub const SIGNERS_MAX: u16 = u16::MAX;

/// The signers so far, and their codes, which are their places counted from 1.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signers {
    addresses: Vec<Address>,
    codes: BTreeMap<Address, u16>,
}

impl Signers {
    pub(crate) fn new(addresses: Vec<Address>) -> Self {
        let codes = addresses.iter().copied().zip(1..=SIGNERS_MAX).collect();
        Self { addresses, codes }
    }

    /// How many there are, and so the last code.
    pub(crate) fn len(&self) -> u16 {
        u16::try_from(self.addresses.len()).expect("`code_of` lets no more in")
    }

    /// The code of the signer of `block`, and whether it is a new one.
    pub(crate) fn code_of(&mut self, signer: Address, block: L2Block) -> Result<(u16, bool), LogError> {
        if let Some(code) = self.codes.get(&signer) {
            return Ok((*code, false));
        }
        let too_many = LogError::TooManySigners { block, max: SIGNERS_MAX };
        let code = self.len().checked_add(1).ok_or(too_many)?;
        self.addresses.push(signer);
        self.codes.insert(signer, code);
        Ok((code, true))
    }

    pub(crate) fn into_addresses(self) -> Vec<Address> {
        self.addresses
    }
}
