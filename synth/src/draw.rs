//! What is random: BLAKE3 of the seed, of what is drawn, and of its place.

use alloy_primitives::B256;

/// Numbers drawn for one place.
pub(crate) struct Draw(blake3::OutputReader);

impl Draw {
    pub(crate) fn new(seed: u64, what: &str, place: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"tally.synth.1\n");
        hasher.update(&seed.to_be_bytes());
        hasher.update(&place.to_be_bytes());
        hasher.update(what.as_bytes());
        Self(hasher.finalize_xof())
    }

    /// Fills `bytes` with drawn ones.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    /// A number below `end`, which is more than 0: the product's high half, so that all are as likely as 64
    /// bits allow.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        let product = u128::from(u64::from_le_bytes(bytes)) * u128::from(end);
        u64::try_from(product >> 64).expect("it is less than `end`")
    }
}

/// A hash for a place.
pub(crate) fn hash(seed: u64, what: &str, place: u64) -> B256 {
    let mut bytes = [0; 32];
    Draw::new(seed, what, place).fill(&mut bytes);
    B256::new(bytes)
}
