//! Who the sequencers are.

use crate::accounts::{Cut, records_by};
use crate::error::ClaimsError;
use alloy_primitives::Address;
use std::collections::BTreeMap;
use tally_engine::{ChangeKind, PoolState, SequencerId, Status, UnixTime, Wei};
use tally_eventlog::LogView;

/// A sequencer, as the contracts have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequencerFacts {
    /// Where it is between locking and leaving.
    pub status: Status,
    /// When the sequencer locked its first stake.
    pub since: UnixTime,
    /// Who controls the stake; the last owner, if it is gone.
    pub owner: Address,
    /// All its signers, from the first on, each with when it was introduced; the last is the present one.
    pub signers: Vec<(Address, UnixTime)>,
    /// Who gets its rewards on L2; `None` if nobody is named.
    pub recipient: Option<Address>,
    /// What is locked, in wei.
    pub stake: Wei,
}

impl SequencerFacts {
    /// Who signs its blocks now, or did last.
    pub fn signer(&self) -> Option<Address> {
        self.signers.last().map(|(signer, _)| *signer)
    }
}

/// All sequencers that there are by the end of the log.
///
/// # Errors
///
/// [`ClaimsError`] if the log cannot be read, or is of no history of the contracts.
pub fn sequencers<L: LogView>(log: &L) -> Result<BTreeMap<SequencerId, SequencerFacts>, ClaimsError> {
    let (_, records) = records_by(log, Cut::End)?;
    let mut pool = PoolState::new(&log.identity().genesis);
    let mut signers: BTreeMap<SequencerId, Vec<(Address, UnixTime)>> = BTreeMap::new();
    for record in &records {
        pool.apply(record)?;
        for (id, change) in record.event.changes() {
            if let ChangeKind::Signer(signer) = change {
                signers.entry(id).or_default().push((signer, record.timestamp));
            }
        }
    }
    let facts = pool.sequencers.into_iter().map(|(id, state)| {
        let signers = signers.remove(&id).unwrap_or_default();
        let since = signers.first().map_or(UnixTime(0), |(_, since)| *since);
        let recipient = Some(state.reward_recipient).filter(|recipient| !recipient.is_zero());
        let (status, owner, stake) = (state.status, state.owner, state.amount);
        (id, SequencerFacts { status, since, owner, signers, recipient, stake })
    });
    Ok(facts.collect())
}
