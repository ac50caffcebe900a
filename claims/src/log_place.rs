//! Which log a claim is of.

use alloy_primitives::B256;
use tally_engine::{L1Block, L2Block};
use tally_eventlog::{LogError, LogIdentity};
use tally_replay::Source;

/// A log, and how far it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// The digest of everything in it.
    pub head_digest: B256,
    /// Its last L1 block; `None` if it has none.
    pub l1_block: Option<L1Block>,
    /// Its last L2 block; `None` if it has none.
    pub l2_block: Option<L2Block>,
}

impl LogPlace {
    /// That of `source`, which is of `identity`.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the identity cannot be encoded, which none is known to cause.
    pub fn new<S: Source>(source: &S, identity: &LogIdentity) -> Result<Self, LogError> {
        let heads = source.heads();
        Ok(Self {
            head_digest: heads.digest(identity)?,
            l1_block: heads.l1.map(|head| head.block),
            l2_block: heads.l2.map(|head| head.block),
        })
    }
}
