//! `tally whatif --stake`: what a policy would have paid if a sequencer had had more or less stake.

use crate::format::{policy_line, table};
use crate::names::{Names, given_by};
use crate::shared_args::{Format, second};
use crate::whatif::WhatIfArgs;
use crate::{DONE, Output, WrongUsage, json};
use anyhow::Result;
use tally_engine::{Difference, L2Block, Policy, Wei};
use tally_eventlog::LogReader;
use tally_replay::{Compared, ReplayError, ReplayOptions, StakeChange, StakeWhatIf, what_if_stake};
use tally_text::{AmountUnit, given_amount, metis, metis_difference, time};

/// A stake that is to be another one, as it is written: whose, and how much more or less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StakeArg {
    sequencer: String,
    more: Difference,
}

/// `7=+10000` or `7=-5k`; a name or an address may stand before the sign.
pub(crate) fn stake_arg(text: &str) -> Result<StakeArg, String> {
    let example = || format!("{text:?} is no change of a stake: write it as 7=+10000 or 7=-5k");
    let (sequencer, change) =
        text.rsplit_once('=').filter(|(who, _)| !who.trim().is_empty()).ok_or_else(example)?;
    let (more, less) = (change.strip_prefix('+'), change.strip_prefix('-'));
    let amount = Wei::new(given_amount(more.or(less).ok_or_else(example)?, AmountUnit::Metis)?);
    let more = match less {
        Some(_) => Difference::new(Wei::ZERO, amount),
        None => Difference::new(amount, Wei::ZERO),
    };
    Ok(StakeArg { sequencer: sequencer.trim().into(), more })
}

pub(crate) fn run(
    args: &WhatIfArgs,
    stake: &StakeArg,
    policy: &Policy,
    output: &mut Output<'_>,
) -> Result<u8> {
    let log = args.log.open()?;
    let sequencer = given_by("--stake", &stake.sequencer, &log, output)?;
    let from = args.from.map(|from| second("--from", from, &log)).transpose()?;
    let options =
        ReplayOptions { to: args.to.map(L2Block), threads: args.threads.count(), ..ReplayOptions::default() };
    let change = StakeChange { sequencer, more: stake.more, from };
    let found = what_if_stake(&log, policy, change, options).map_err(|error| {
        let is_usage = matches!(error, ReplayError::NoSuchStake { .. });
        if is_usage { WrongUsage(format!("--stake: {error}")).into() } else { anyhow::Error::from(error) }
    })?;
    match args.format {
        Format::Json => {
            json::print(&tally_wire::WhatIfStake::from(((&log).try_into()?, policy, &found)), output)?;
        }
        Format::Csv => print_csv(&found, output)?,
        Format::Table => print_table(&found, policy, &log, output)?,
    }
    Ok(DONE)
}

fn print_table(found: &StakeWhatIf, policy: &Policy, log: &LogReader, output: &mut Output<'_>) -> Result<()> {
    let names = Names::load(output, log)?;
    let StakeChange { sequencer, more, from } = found.change;
    let from = from.map_or("all the time".into(), |from| format!("from {} on", time(from)));
    let out = &mut output.out;
    writeln!(out, "{}", policy_line(policy))?;
    match found.horizon {
        Some(horizon) => writeln!(out, "up to block {} of {}", horizon.block, time(horizon.timestamp))?,
        None => writeln!(out, "no block yet")?,
    }
    let (label, more) = (names.label(sequencer), metis_difference(more));
    writeln!(out, "if sequencer {label} had had {more} METIS of stake, {from};")?;
    writeln!(
        out,
        "the blocks are those that were made: that a larger stake is given more spans is not in it\n"
    )?;
    let mut rows = table(&["sequencer", "blocks", "would earn METIS", "instead of", "difference METIS"], 1);
    for (id, compared) in &found.sequencers {
        rows.add_row(row(names.label(*id), compared)?);
    }
    rows.add_row(row("total".into(), &found.total)?);
    writeln!(out, "{rows}")?;
    Ok(())
}

fn row(label: String, compared: &Compared) -> Result<[String; 5]> {
    let Compared { earned, difference } = *compared;
    let size = difference.size();
    let is = if difference.is_negative() {
        earned.reward.checked_add(size)?
    } else {
        earned.reward.checked_sub(size)?
    };
    Ok([label, earned.blocks.to_string(), metis(earned.reward), metis(is), metis_difference(difference)])
}

fn print_csv(found: &StakeWhatIf, output: &mut Output<'_>) -> Result<()> {
    let mut csv = csv::Writer::from_writer(&mut output.out);
    csv.write_record(["sequencer", "blocks", "reward_wei", "difference_wei"])?;
    for (id, own) in &found.sequencers {
        csv.write_record([
            id.to_string(),
            own.earned.blocks.to_string(),
            own.earned.reward.to_string(),
            own.difference.to_string(),
        ])?;
    }
    csv.flush()?;
    Ok(())
}
