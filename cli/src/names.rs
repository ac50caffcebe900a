//! `--registry FILE`: names beside the ids of sequencers, in tables for people.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use tally_claims::{REGISTRY_BYTES_MAX, Registry, SequencerFacts, sequencers};
use tally_engine::SequencerId;
use tally_eventlog::LogReader;

/// What sequencers are called; nothing without a registry.
#[derive(Default)]
pub(crate) struct Names(tally_claims::Names);

impl Names {
    /// The names of the sequencers of `log`, by the registry at this path, if there is one.
    pub(crate) fn load(registry: Option<&Path>, log: &LogReader) -> Result<Self> {
        match registry {
            None => Ok(Self::default()),
            Some(path) => Self::of(Some(path), &sequencers(log)?),
        }
    }

    /// The names of these sequencers.
    pub(crate) fn of(
        registry: Option<&Path>,
        sequencers: &BTreeMap<SequencerId, SequencerFacts>,
    ) -> Result<Self> {
        let Some(path) = registry else {
            return Ok(Self::default());
        };
        let registry = read(path).with_context(|| format!("--registry {}", path.display()))?;
        Ok(Self(tally_claims::Names::new(&registry, sequencers)))
    }

    /// The name of a sequencer, if it has one.
    pub(crate) fn get(&self, sequencer: SequencerId) -> Option<&str> {
        self.0.get(sequencer)
    }

    /// A sequencer's id, and its name if it has one.
    pub(crate) fn label(&self, sequencer: SequencerId) -> String {
        self.get(sequencer).map_or(sequencer.to_string(), |name| format!("{sequencer} {name}"))
    }
}

fn read(path: &Path) -> Result<Registry> {
    Ok(Registry::from_json(&read_bytes(path)?)?)
}

/// The bytes of a registry's file, and one more than it may have where it has more.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let limit = u64::try_from(REGISTRY_BYTES_MAX)?.saturating_add(1);
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
