//! `--registry FILE`: names beside the ids of sequencers, in tables for people.

use crate::{Output, WrongUsage};
use alloy_primitives::{B256, keccak256};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use tally_claims::{REGISTRY_BYTES_MAX, Registry, SequencerFacts, find_sequencer, sequencers};
use tally_engine::SequencerId;
use tally_eventlog::LogReader;

/// What sequencers are called; nothing without a registry.
#[derive(Default)]
pub(crate) struct Names(tally_claims::Names);

impl Names {
    /// The names of the sequencers of `log`, by the registry that was given, if one was.
    pub(crate) fn load(output: &mut Output<'_>, log: &LogReader) -> Result<Self> {
        match output.registry {
            None => Ok(Self::default()),
            Some(_) => Self::of(output, &sequencers(log)?),
        }
    }

    /// The names of these sequencers.
    pub(crate) fn of(
        output: &mut Output<'_>,
        sequencers: &BTreeMap<SequencerId, SequencerFacts>,
    ) -> Result<Self> {
        let Some(path) = output.registry else {
            return Ok(Self::default());
        };
        let (registry, _) = read(path, output.err)?;
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

/// The sequencer that `--sequencer` means by an id, a name of the registry, or an address.
pub(crate) fn find(asked: &str, log: &LogReader, output: &Output<'_>) -> Result<SequencerId> {
    find_by("--sequencer", asked, log, output)
}

/// The same of another argument, whose name an error gives.
pub(crate) fn find_by(
    argument: &str,
    asked: &str,
    log: &LogReader,
    output: &Output<'_>,
) -> Result<SequencerId> {
    let sequencers = sequencers(log)?;
    // What is wrong with entries is told with the table that names are for.
    let mut quiet =
        Output { out: &mut std::io::sink(), err: &mut std::io::sink(), registry: output.registry };
    let names = Names::of(&mut quiet, &sequencers)?;
    find_sequencer(asked, &sequencers, &names.0)
        .map_err(|error| WrongUsage(format!("{argument}: {error}")).into())
}

/// As [`find`], but a number is an id, whether or not there is such a sequencer: the command itself says what there is.
pub(crate) fn given(asked: &str, log: &LogReader, output: &Output<'_>) -> Result<SequencerId> {
    given_by("--sequencer", asked, log, output)
}

/// The same of another argument, whose name an error gives.
pub(crate) fn given_by(
    argument: &str,
    asked: &str,
    log: &LogReader,
    output: &Output<'_>,
) -> Result<SequencerId> {
    asked.parse().map_or_else(|_| find_by(argument, asked, log, output), |id| Ok(SequencerId(id)))
}

/// The registry in a file, and the digest of its bytes. Entries that cannot be used are told as warnings.
pub(crate) fn read(path: &Path, err: &mut dyn Write) -> Result<(Registry, B256)> {
    let read = || {
        // One byte more than it may have shows that it is too long.
        let limit = u64::try_from(REGISTRY_BYTES_MAX)?.saturating_add(1);
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        Ok::<_, anyhow::Error>((Registry::from_json(&bytes)?, keccak256(&bytes)))
    };
    let (registry, digest) = read().with_context(|| format!("--registry {}", path.display()))?;
    for fault in registry.left_out() {
        writeln!(err, "warning: --registry {}: {fault}", path.display())?;
    }
    Ok((registry, digest))
}
