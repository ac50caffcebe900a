//! Who gets the sequencers' rewards on L2, and what those miss that have named nobody.

use super::chain::{ChainAccount, ChainAccounts};
use crate::error::ClaimsError;
use alloy_primitives::Address;
use std::collections::BTreeMap;
use tally_engine::{SequencerId, Status, Wei};

/// The recipients of all sequencers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipients {
    /// By address on L2.
    pub named: BTreeMap<Address, Recipient>,
    /// The sequencers that have named no recipient and are not gone, by id.
    pub missing: Vec<MissingRecipient>,
}

/// An address on L2 that gets rewards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipient {
    /// The sequencers that have named it, by id, with their statuses: several may share one.
    pub sequencers: Vec<(SequencerId, Status)>,
    /// What they have unclaimed together, which their next claims send there.
    pub unclaimed: Wei,
}

/// A sequencer that has named no recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingRecipient {
    /// The sequencer, which is not gone.
    pub sequencer: SequencerId,
    /// Whether it has begun its exit.
    pub status: Status,
    /// The unclaimed rewards that it cannot have paid out.
    pub withheld: Wei,
    /// The stake that it cannot take out.
    pub stake: Wei,
}

impl MissingRecipient {
    /// What the contract refuses for want of a recipient, of what a sequencer of this status may do: claim its rewards,
    /// begin its exit, or take its stake out. One that is leaving cannot name a recipient any more either.
    pub const fn cannot(&self) -> &'static [&'static str] {
        match self.status {
            Status::Active => &["claim", "unlock", "leave"],
            Status::Inactive => &["leave"],
            Status::Unlocked => &[],
        }
    }
}

impl Recipients {
    /// Those of some accounts.
    ///
    /// # Errors
    ///
    /// [`ClaimsError::Amount`] if what one recipient's sequencers have unclaimed does not fit.
    pub fn of(accounts: &ChainAccounts) -> Result<Self, ClaimsError> {
        let mut named: BTreeMap<Address, Recipient> = BTreeMap::new();
        let mut missing = Vec::new();
        for (id, ChainAccount { status, sums, recipient, .. }) in &accounts.sequencers {
            if let Some(recipient) = recipient {
                let shared = named.entry(*recipient).or_default();
                shared.sequencers.push((*id, *status));
                let failed = ClaimsError::amount("the unclaimed of a recipient of all sequencers");
                shared.unclaimed = shared.unclaimed.checked_add(sums.unclaimed).map_err(failed)?;
            } else if *status != Status::Unlocked {
                let (withheld, stake) = (sums.unclaimed, sums.stake);
                missing.push(MissingRecipient { sequencer: *id, status: *status, withheld, stake });
            }
        }
        Ok(Self { named, missing })
    }
}
