//! `tally accounts compare`: what one policy gives more than another.

use crate::accounts_args::CompareArgs;
use crate::format::{is_shown, or_nothing, policy_line, table};
use crate::names::{Names, given};
use crate::shared_args::Format;
use crate::{DONE, Output, WrongUsage, json};
use anyhow::{Result, bail};
use std::io::Write;
use tally_claims::{Against, ComparedEpoch, ComparedSums, Comparison, Part, compare, sequencers};
use tally_engine::{AmountError, SequencerId};
use tally_text::{metis, metis_difference, signed_metis, time};

/// The columns of CSV: a row for each epoch and sequencer.
const CSV_HEADER: &str = "\
    epoch,start,sequencer,first_blocks,first_wei,second_blocks,second_wei,difference_wei,schedule_wei,\
    before_lock_wei,after_unlock_wei,cap_wei,rate_wei,unpaid_wei,posted_wei,\
    beyond_horizon_wei";

pub(crate) fn run(args: &CompareArgs, output: &mut Output<'_>) -> Result<u8> {
    let policies = args.policies.load()?;
    let (first, second) = match &policies[..] {
        [first] => (first, Against::Credited),
        [first, second] => (first, Against::Policy(Box::new(second.clone()))),
        _ => {
            let count = policies.len();
            let text =
                format!("--policy: one is compared with another or with the contract, and {count} are given");
            return Err(WrongUsage(text).into());
        }
    };
    let log = args.log.open()?;
    let only = args.sequencer.as_deref().map(|asked| given(asked, &log, output)).transpose()?;
    if let Some(id) = only {
        let known = sequencers(&log)?;
        if !known.contains_key(&id) {
            bail!("sequencer {id} is asked for, but in the log there are {}, from 1 on", known.len());
        }
    }
    let found = compare(&log, first, &second, args.threads.count())?;
    match args.format {
        Format::Json => {
            json::print(
                &tally_wire::AccountsComparison::try_from(((&log).try_into()?, &found, only))?,
                output,
            )?;
        }
        Format::Csv => print_csv(&found, only, output)?,
        Format::Table => print_tables(&found, only, &Names::load(output, &log)?, output)?,
    }
    Ok(DONE)
}

/// What a column is called that has a part of the difference.
const fn title(part: Part) -> &'static str {
    match part {
        Part::Schedule => "schedule",
        Part::BeforeLock => "before lock",
        Part::AfterUnlock => "after unlock",
        Part::Cap => "cap",
        Part::Rate => "rate",
        Part::Unpaid => "not paid yet",
        Part::Posted => "posted",
        Part::BeyondHorizon => "beyond horizon",
    }
}

fn print_tables(
    found: &Comparison,
    only: Option<SequencerId>,
    names: &Names,
    output: &mut Output<'_>,
) -> Result<()> {
    let out = &mut output.out;
    writeln!(out, "first   {}", policy_line(&found.first))?;
    match &found.second {
        Against::Policy(policy) => writeln!(out, "second  {}", policy_line(policy))?,
        Against::Credited => writeln!(out, "second  what the contract credited")?,
    }
    match found.horizon {
        Some(horizon) => writeln!(out, "up to block {} of {}", horizon.block, time(horizon.timestamp))?,
        None => writeln!(out, "no block that both can fold")?,
    }
    writeln!(out, "all in METIS; the parts after \"difference\" add up to it, to the wei\n")?;
    // Between two policies no batch comes in, and a log of which L2 is the longer one has every paid block.
    let is_credited = found.second == Against::Credited;
    let has_beyond = found.rows.iter().any(|row| !row.sums.part(Part::BeyondHorizon).size().is_zero());
    let is_column = |part: &Part| match part {
        Part::Unpaid | Part::Posted => is_credited,
        Part::BeyondHorizon => has_beyond,
        Part::Schedule | Part::BeforeLock | Part::AfterUnlock | Part::Cap | Part::Rate => true,
    };
    let parts: Vec<Part> = Part::ALL.into_iter().filter(is_column).collect();
    let sums = ["first", "second", "difference"].into_iter().chain(parts.iter().copied().map(title));
    let sums: Vec<&str> = sums.collect();
    let cells = |label: Vec<String>, sums: &ComparedSums| {
        let mut row = label;
        row.extend([metis(sums.first.reward), signed_metis(sums.second.net())]);
        row.push(metis_difference(sums.difference()?));
        row.extend(parts.iter().map(|part| metis_difference(sums.part(*part))));
        Ok::<_, AmountError>(row)
    };
    let label = |epoch: &ComparedEpoch| {
        let number = epoch.epoch.map_or("before 0".into(), |epoch| epoch.to_string());
        vec![number, epoch.start.map_or("-".into(), time)]
    };
    let mut epochs = table(&[&["epoch", "begins"], &sums[..]].concat(), 0);
    match only {
        Some(id) => {
            writeln!(out, "sequencer {}", names.label(id))?;
            for row in found.rows.iter().filter(|row| row.sequencer == id) {
                epochs.add_row(cells(label(&row.epoch), &row.sums)?);
            }
        }
        None => {
            for (epoch, sums) in &found.epochs {
                epochs.add_row(cells(label(epoch), sums)?);
            }
        }
    }
    writeln!(out, "{epochs}\n")?;
    let mut by_sequencer = table(&[&["sequencer"], &sums[..]].concat(), 1);
    for (id, sums) in found.sequencers.iter().filter(|(id, _)| is_shown(only, **id)) {
        by_sequencer.add_row(cells(vec![names.label(*id)], sums)?);
    }
    if only.is_none() {
        by_sequencer.add_row(cells(vec!["total".into()], &found.totals)?);
    }
    writeln!(out, "{by_sequencer}")?;
    Ok(())
}

fn print_csv(found: &Comparison, only: Option<SequencerId>, output: &mut Output<'_>) -> Result<()> {
    let mut csv = csv::Writer::from_writer(&mut output.out);
    csv.write_record(CSV_HEADER.split(','))?;
    for row in found.rows.iter().filter(|row| is_shown(only, row.sequencer)) {
        let sums = &row.sums;
        let mut cells = vec![
            or_nothing(row.epoch.epoch),
            or_nothing(row.epoch.start),
            row.sequencer.to_string(),
            sums.first.blocks.to_string(),
            sums.first.reward.to_string(),
            sums.second_blocks.to_string(),
            sums.second.net().to_string(),
            sums.difference()?.to_string(),
        ];
        cells.extend(Part::ALL.map(|part| sums.part(part).to_string()));
        csv.write_record(cells)?;
    }
    csv.flush()?;
    Ok(())
}
