//! Which sequencer is meant: by id, by name, or by any address that it has or had.

use crate::error::ClaimsError;
use crate::names::Names;
use crate::sequencers::SequencerFacts;
use alloy_primitives::Address;
use std::collections::BTreeMap;
use tally_engine::{SequencerId, Status};

/// The sequencer that `asked` stands for: its id, its name (in letters of any case), or an address that owns it, gets its
/// rewards, or signs or signed its blocks. Where several fit, those that have left count only if there is no other.
///
/// # Errors
///
/// [`ClaimsError::NoSuchSequencer`] if none fits, and [`ClaimsError::SeveralSequencers`] if more than one does.
pub fn find_sequencer(
    asked: &str,
    sequencers: &BTreeMap<SequencerId, SequencerFacts>,
    names: &Names,
) -> Result<SequencerId, ClaimsError> {
    let asked = asked.trim();
    let fits = |id: &SequencerId, facts: &SequencerFacts| {
        if let Ok(number) = asked.parse::<u64>() {
            return id.0 == number;
        }
        match asked.parse::<Address>() {
            Ok(address) if asked.starts_with("0x") => {
                facts.owner == address
                    || facts.recipient == Some(address)
                    || facts.signers.iter().any(|(signer, _)| *signer == address)
            }
            _ => names.get(*id).is_some_and(|name| name.to_lowercase() == asked.to_lowercase()),
        }
    };
    let found: Vec<(SequencerId, Status)> = sequencers
        .iter()
        .filter(|(id, facts)| fits(id, facts))
        .map(|(id, facts)| (*id, facts.status))
        .collect();
    let staying: Vec<SequencerId> =
        found.iter().filter(|(_, status)| *status != Status::Unlocked).map(|(id, _)| *id).collect();
    let all: Vec<SequencerId> = found.iter().map(|(id, _)| *id).collect();
    match (&staying[..], &all[..]) {
        ([id], _) | ([], [id]) => Ok(*id),
        ([], []) => {
            Err(ClaimsError::NoSuchSequencer { asked: asked.into(), known: known(sequencers, names) })
        }
        ([], several) | (several, _) => {
            Err(ClaimsError::SeveralSequencers { asked: asked.into(), ids: list(several) })
        }
    }
}

fn list(ids: &[SequencerId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What there is to choose from, in words.
fn known(sequencers: &BTreeMap<SequencerId, SequencerFacts>, names: &Names) -> String {
    let Some((last, _)) = sequencers.last_key_value() else {
        return "the log knows no sequencer".into();
    };
    let called: Vec<&str> = sequencers.keys().filter_map(|id| names.get(*id)).collect();
    let of_names = if called.is_empty() {
        "no names, as no registry is given (--registry FILE)".into()
    } else {
        format!("the names {}", called.join(", "))
    };
    format!("the log knows the ids 1 to {last}, and {of_names}")
}
