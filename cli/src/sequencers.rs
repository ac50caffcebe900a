//! `tally sequencers`.

use crate::accounts::or_nothing;
use crate::args::{Format, SequencersArgs};
use crate::format::{address, table};
use crate::names::Names;
use crate::replay_json::log_json;
use crate::state_json::status_name;
use crate::{DONE, Output};
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tally_claims::{SequencerFacts, sequencers};
use tally_engine::SequencerId;
use tally_eventlog::LogReader;
use tally_text::metis;

const CSV_HEADER: [&str; 8] =
    ["sequencer", "status", "since", "owner", "signer", "signers", "recipient", "stake_wei"];

pub(crate) fn run(args: &SequencersArgs, output: &mut Output<'_>) -> Result<u8> {
    let log = LogReader::open(&args.log.log)?;
    let found = sequencers(&log)?;
    match args.format {
        Format::Json => {
            let names = Names::of(output.registry, &found)?;
            let sequencers: Vec<Value> =
                found.iter().map(|(id, facts)| json_of(*id, facts, &names)).collect();
            writeln!(output.out, "{:#}", json!({ "log": log_json(&log)?, "sequencers": sequencers }))?;
        }
        Format::Csv => print_csv(&found, output)?,
        Format::Table => print_table(&found, output)?,
    }
    Ok(DONE)
}

fn json_of(id: SequencerId, facts: &SequencerFacts, names: &Names) -> Value {
    let signers: Vec<Value> = facts
        .signers
        .iter()
        .map(|(signer, since)| json!({ "signer": address(*signer), "since": since.0 }))
        .collect();
    json!({
        "sequencer": id.0,
        "name": names.get(id),
        "status": status_name(facts.status),
        "since": facts.since.0,
        "owner": address(facts.owner),
        "signer": facts.signer().map(address),
        "signers": signers,
        "recipient": facts.recipient.map(address),
        "stake_wei": facts.stake.to_string(),
    })
}

fn print_table(found: &BTreeMap<SequencerId, SequencerFacts>, output: &mut Output<'_>) -> Result<()> {
    let names = Names::of(output.registry, found)?;
    let header =
        ["sequencer", "status", "owner", "recipient", "signers, last the present", "since", "stake METIS"];
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
    csv.write_record(CSV_HEADER)?;
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
