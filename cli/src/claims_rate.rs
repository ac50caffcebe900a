//! `tally claims next-rate` and `tally claims rate`.

use crate::claims_args::{FormulaArg, NextRateArgs, RateArgs};
use crate::claims_batch::{print_call, write_safe_file};
use crate::format::{mrr, mrr_percent, table};
use crate::out_file::write_file;
use crate::shared_args::{Format, PlainFormat};
use crate::{DONE, Output, WrongUsage, json};
use anyhow::{Context, Result};
use tally_claims::{ClaimsError, NextRate, RateFormula, RoundedWei, draw, next_rate};
use tally_engine::{L1Block, Mrr, OperatorsRate, Rate, UnixTime, Wei};
use tally_eventlog::LogReader;
use tally_replay::{StateAt, state_at};
use tally_text::{exact_metis, metis, metis_difference, time, trimmed};

pub(crate) fn next(args: &NextRateArgs, output: &mut Output<'_>) -> Result<u8> {
    let policy = args.policy.load()?;
    let policy = match args.mrr {
        None => policy,
        Some(mrr) => {
            let variant = policy.variant(Some(mrr), policy.cap(), policy.allocation());
            variant.map_err(|error| WrongUsage(format!("--mrr: {error}")))?
        }
    };
    let log = args.log.open()?;
    let rate = next_rate(&log, &policy, args.decimals).map_err(|error| {
        let is_usage = matches!(error, ClaimsError::NotFlat { .. });
        if is_usage { WrongUsage(error.to_string()).into() } else { anyhow::Error::from(error) }
    })?;
    output.warn(&rate.discrepancies)?;
    if let Some(path) = &args.plot {
        let svg = draw(&rate)?;
        write_file::<(), std::io::Error>(path, |out| out.write_all(svg.as_bytes()))
            .with_context(|| format!("writing the plot {}", path.display()))?;
    }
    match (&args.safe, &rate.call) {
        (Some(path), Some(call)) => {
            let reward = trimmed(rate.proposed().get());
            let name = format!("Metis sequencer pool: reward per block {reward} METIS");
            let purpose = match rate.rate {
                Rate::Fixed(_) => "Is the fixed reward".into(),
                Rate::Initial | Rate::FromWindow(_) | Rate::OnChain | Rate::Operators(_) => {
                    format!("Holds a mining reward rate of {}", rate.target)
                }
            };
            let description = format!(
                "{purpose} after epoch {} of policy {} {}; in force are {} METIS. Prepared by Tally from the log {}.",
                rate.closed.epoch,
                rate.policy.name(),
                rate.policy.version(),
                trimmed(rate.on_chain.get()),
                log.head_digest()?,
            );
            write_safe_file(path, &[call], &name, &description, rate.l1_time)?;
        }
        (Some(path), None) => {
            writeln!(output.err, "warning: nothing has to be set, so {} is not written", path.display())?;
        }
        (None, _) => {}
    }
    match args.format {
        Format::Json => {
            json::print(&tally_wire::NextRateOfLog::try_from(((&log).try_into()?, &rate))?, output)?;
        }
        Format::Csv => print_csv(&rate, output)?,
        Format::Table => print_tables(&rate, output)?,
    }
    Ok(DONE)
}

pub(crate) fn rate(args: &RateArgs, output: &mut Output<'_>) -> Result<u8> {
    let (stake, l1_block) = stake_of(args, output)?;
    let target = match (args.mrr, args.percent) {
        (Some(mrr), _) => mrr,
        (None, Some(percent)) => Mrr::from_percent(percent),
        (None, None) => return Err(WrongUsage("--mrr or --percent has to be given".into()).into()),
    };
    let formula = match args.formula {
        FormulaArg::Exact => RateFormula::Exact,
        FormulaArg::Operators => RateFormula::Operators,
    };
    let reward = formula.reward(stake, args.block_secs, target).map_err(|error| {
        let is_usage = matches!(error, ClaimsError::NotWhole { .. });
        if is_usage { WrongUsage(error.to_string()).into() } else { anyhow::Error::from(error) }
    })?;
    let rounded = args.decimals.map(|decimals| RoundedWei::nearest(reward, decimals)).transpose()?;
    match args.format {
        PlainFormat::Json => {
            let answer = tally_wire::RewardPerBlock {
                formula: formula.code().into(),
                l1_block: l1_block.map(|block| block.0),
                stake_wei: stake.into(),
                block_secs: args.block_secs.to_string(),
                mrr: target.into(),
                reward_per_block_wei: reward.into(),
                rounded: rounded.map(Into::into),
            };
            json::print(&answer, output)?;
        }
        PlainFormat::Table => {
            if let Some(block) = l1_block {
                writeln!(output.out, "locked           {} after L1 block {block}", both(stake))?;
            }
            writeln!(output.out, "reward per block {}", both(reward))?;
            if let Some(rounded) = rounded {
                writeln!(output.out, "rounded          {}", both(rounded.amount))?;
            }
        }
    }
    Ok(DONE)
}

/// The stake to find a reward for, and after which L1 block it is what is locked if a log says it.
fn stake_of(args: &RateArgs, output: &mut Output<'_>) -> Result<(Wei, Option<L1Block>)> {
    let given = args.stake.or(args.stake_wei);
    if let Some(stake) = given {
        return Ok((stake, None));
    }
    let path = args.log.as_ref().context("no stake and no log is given")?;
    let StateAt { block, pool, discrepancies } =
        state_at(&LogReader::open(path)?, args.at_l1_block.map(L1Block))?;
    output.warn(&discrepancies)?;
    let block = block.context("the log holds nothing of L1")?;
    Ok((pool.total_locked, Some(block)))
}

/// An amount in METIS and in wei.
fn both(amount: Wei) -> String {
    format!("{} METIS = {amount} wei", exact_metis(amount))
}

fn print_tables(rate: &NextRate, output: &mut Output<'_>) -> Result<()> {
    let out = &mut output.out;
    let NextRate { policy, closed, .. } = rate;
    writeln!(out, "policy           {} {} ({})", policy.name(), policy.version(), policy.digest())?;
    writeln!(out, "epoch            {}, from {} to {}", closed.epoch, time(closed.start), time(closed.end))?;
    if let Some(end) = closed.end.0.checked_add(policy.epoch_secs()).map(UnixTime) {
        let (epoch, from, end) = (closed.epoch.0.saturating_add(1), time(closed.end), time(end));
        writeln!(
            out,
            "sets the rate of epoch {epoch}, for blocks from {from} on; a newer window is there on {end}"
        )?;
    }
    writeln!(out, "stake Q          {} wei·s", closed.stake_seconds)?;
    writeln!(out, "blocks N         {}, {} a year", closed.blocks, closed.blocks_a_year)?;
    writeln!(out, "realised MRR     {}", mrr_percent(closed.realised_mrr))?;
    writeln!(out, "target MRR       {}", rate.target)?;
    // An epoch has the target of its beginning.
    for later in policy.targets().iter().filter(|later| later.from > closed.end) {
        writeln!(
            out,
            "later target     {}, for epochs that begin at {} or after",
            later.value,
            time(later.from)
        )?;
    }
    if let Rate::Operators(OperatorsRate { total_locked, percent, block_secs }) = rate.rate {
        let locked = metis(total_locked);
        writeln!(out, "operators        {percent} % of {locked} METIS locked, a block every {block_secs} s")?;
    }
    writeln!(out, "reward per block {}", both(rate.reward))?;
    if let Some(rounded) = rate.rounded {
        writeln!(out, "rounded          {}", both(rounded.amount))?;
    }
    writeln!(out, "on chain         {}", both(rate.on_chain))?;
    match &rate.call {
        None => writeln!(out, "nothing has to be set: that is in force")?,
        Some(call) => {
            writeln!(out, "difference       {} METIS", metis_difference(rate.difference))?;
            print_call(call, out)?;
        }
    }
    let header =
        ["epoch", "begins", "blocks", "per block", "on chain", "changes", "target", "realised", "paid"];
    let mut history = table(&header, 0);
    for epoch in &rate.history {
        history.add_row([
            epoch.epoch.to_string(),
            time(epoch.start),
            epoch.blocks.to_string(),
            metis(epoch.reward_per_block),
            metis(epoch.on_chain),
            epoch.changes.len().to_string(),
            epoch.target.to_string(),
            mrr_percent(epoch.realised_mrr),
            mrr_percent(epoch.paid_mrr),
        ]);
    }
    writeln!(out, "\n{history}")?;
    Ok(())
}

fn print_csv(rate: &NextRate, output: &mut Output<'_>) -> Result<()> {
    let mut csv = csv::Writer::from_writer(&mut output.out);
    let header = "epoch,start,until,closed,blocks,target_mrr,reward_per_block_wei,realised_mrr,\
                  on_chain_reward_per_block_wei,on_chain_changes,paid_mrr";
    csv.write_record(header.split(','))?;
    for epoch in &rate.history {
        let changes: Vec<String> = epoch
            .changes
            .iter()
            .map(|change| format!("{}:{}", change.time, change.reward_per_block))
            .collect();
        csv.write_record([
            epoch.epoch.to_string(),
            epoch.start.to_string(),
            epoch.until.to_string(),
            epoch.is_closed.to_string(),
            epoch.blocks.to_string(),
            epoch.target.to_string(),
            epoch.reward_per_block.to_string(),
            epoch.realised_mrr.map_or(String::new(), mrr),
            epoch.on_chain.to_string(),
            changes.join(" "),
            epoch.paid_mrr.map_or(String::new(), mrr),
        ])?;
    }
    csv.flush()?;
    Ok(())
}
