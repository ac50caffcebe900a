//! `tally sequencers`: names, addresses and stakes.

use crate::format::{address, or_nothing, table};
use crate::names::Names;
use crate::shared_args::{Format, LogArg};
use crate::{DONE, Output, json};
use anyhow::Result;
use clap::Args;
use std::collections::BTreeMap;
use tally_claims::{SequencerFacts, sequencers};
use tally_engine::SequencerId;
use tally_text::metis;
use tally_wire::{Sequencer, Sequencers, status_name};

#[derive(Debug, Args)]
pub(crate) struct SequencersArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// How to print them
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

const CSV_HEADER: &str = "sequencer,status,since,owner,signer,signers,recipient,stake_wei";

pub(crate) fn run(args: &SequencersArgs, output: &mut Output<'_>) -> Result<u8> {
    let log = args.log.open()?;
    let found = sequencers(&log)?;
    match args.format {
        Format::Json => {
            let names = Names::of(output, &found)?;
            let sequencers = found.iter().map(|(id, facts)| Sequencer::from((*id, names.get(*id), facts)));
            json::print(&Sequencers { log: (&log).try_into()?, sequencers: sequencers.collect() }, output)?;
        }
        Format::Csv => print_csv(&found, output)?,
        Format::Table => print_table(&found, output)?,
    }
    Ok(DONE)
}

fn print_table(found: &BTreeMap<SequencerId, SequencerFacts>, output: &mut Output<'_>) -> Result<()> {
    let names = Names::of(output, found)?;
    let header = [
        "sequencer",
        "status",
        "owner",
        "recipient on L2",
        "signers, last the present",
        "since",
        "stake METIS",
    ];
    let mut rows = table(&header, 5);
    for (id, facts) in found {
        let signers: Vec<String> =
            facts.signers.iter().map(|(signer, _)| tally_text::address(*signer)).collect();
        rows.add_row([
            names.label(*id),
            status_name(facts.status).into(),
            tally_text::address(facts.owner),
            facts.recipient.map_or("-".into(), tally_text::address),
            signers.join("\n"),
            tally_text::time(facts.since),
            metis(facts.stake),
        ]);
    }
    writeln!(output.out, "{rows}")?;
    Ok(())
}

/// Signers are separated by blanks.
fn print_csv(found: &BTreeMap<SequencerId, SequencerFacts>, output: &mut Output<'_>) -> Result<()> {
    let mut csv = csv::Writer::from_writer(&mut output.out);
    csv.write_record(CSV_HEADER.split(','))?;
    for (id, facts) in found {
        let signers: Vec<String> = facts.signers.iter().map(|(signer, _)| address(*signer)).collect();
        csv.write_record([
            id.to_string(),
            status_name(facts.status).into(),
            facts.since.to_string(),
            address(facts.owner),
            or_nothing(facts.signer().map(address)),
            signers.join(" "),
            or_nothing(facts.recipient.map(address)),
            facts.stake.to_string(),
        ])?;
    }
    csv.flush()?;
    Ok(())
}
