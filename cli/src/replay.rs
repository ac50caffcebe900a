//! `tally replay`: the reward ledger of a log.

use crate::activity_csv::write_activity;
use crate::format::{mrr, mrr_percent, policy_line, table};
use crate::names::Names;
use crate::out_file::write_file;
use crate::shared_args::{Format, LogArg, PoliciesArg, ThreadsArg};
use crate::{DONE, Output, WrongUsage, json, policies};
use alloy_primitives::{B256, U256};
use anyhow::{Context, Result};
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tally_engine::{
    Horizon, L2Block, REALISED_MRR_DECIMALS, Rate, UnrewardedBlocks, flat_reward, floor_fraction,
};
use tally_eventlog::{LogReader, LogView};
use tally_replay::{Receipt, ReplayOptions, Replayed, Stop, replay, replay_with_activity};
use tally_text::metis;

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) policies: PoliciesArg,
    /// The last L2 block to fold [default: as far as the log allows]
    #[arg(long, env = "TALLY_TO", value_name = "BLOCK")]
    pub(crate) to: Option<u64>,
    #[command(flatten)]
    pub(crate) threads: ThreadsArg,
    /// Check every byte on the way, as `tally log verify` does
    #[arg(long, env = "TALLY_VERIFY", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) verify: bool,
    /// Also write, as CSV, who made how many rewarded blocks in each epoch at which stake, as the first
    /// policy (not on-chain) sees it; the blocks are still read once
    #[arg(long, env = "TALLY_ACTIVITY", value_name = "FILE")]
    pub(crate) activity: Option<PathBuf>,
    /// Also write a receipt, by which others can compare their result (of one policy)
    #[arg(long, env = "TALLY_RECEIPT", value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
    /// Say on standard error how long reading and folding took
    #[arg(long, env = "TALLY_TIMING", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) timing: bool,
    /// How to print the result
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

pub(crate) fn run(args: &ReplayArgs, output: &mut Output<'_>) -> Result<u8> {
    let policies = args.policies.load()?;
    if args.activity.is_some() {
        policies.first().map_or(Ok(()), policies::check_has_activity)?;
    }
    if args.receipt.is_some() && policies.len() != 1 {
        let count = policies.len();
        return Err(
            WrongUsage(format!("--receipt: a receipt is of one policy, and {count} are given")).into()
        );
    }
    let log = args.log.open()?;
    let options = ReplayOptions {
        to: args.to.map(L2Block),
        threads: args.threads.count(),
        verify: args.verify,
        ..ReplayOptions::default()
    };
    #[expect(clippy::disallowed_methods, reason = "it is told, and is in no result")]
    let start = Instant::now();
    let (replayed, activity) = match &args.activity {
        None => (replay(&log, &policies, options)?, None),
        Some(path) => {
            let (replayed, activity) = replay_with_activity(&log, &policies, options)?;
            (replayed, activity.map(|activity| (path, activity)))
        }
    };
    if args.timing {
        let last =
            replayed.iter().filter_map(|replayed| replayed.ledger.horizon).map(|end| end.block.0).max();
        let blocks = last.map_or(0, |last| last - log.identity().l2_first_block.0 + 1);
        writeln!(output.err, "{blocks} blocks in {:.6} s", start.elapsed().as_secs_f64())?;
    }
    if let Some((path, activity)) = activity {
        write_activity(path, &activity.activity)?;
    }
    let receipt = match (&args.receipt, replayed.first()) {
        (Some(path), Some(replayed)) => Some(write_receipt(path, &log, options.to, replayed)?),
        _ => None,
    };
    match args.format {
        Format::Json => {
            let log = tally_wire::Log::try_from(&log)?;
            let policies = replayed.iter().map(|replayed| tally_wire::Replay::try_from((&log, replayed)));
            json::print(&policies.collect::<Result<Vec<_>, _>>()?, output)?;
        }
        Format::Csv => print_csv(&replayed, output)?,
        Format::Table => {
            let names = Names::load(output, &log)?;
            for replayed in &replayed {
                print_tables(replayed, &names, output)?;
            }
        }
    }
    if let Some(digest) = receipt {
        // What programs read has nothing else in it.
        let to_people = if args.format == Format::Table { &mut *output.out } else { &mut *output.err };
        writeln!(to_people, "receipt digest {digest}")?;
    }
    Ok(DONE)
}

/// Writes a receipt, and returns its digest.
fn write_receipt(path: &Path, log: &LogReader, to: Option<L2Block>, replayed: &Replayed) -> Result<B256> {
    let receipt = Receipt::new(log.identity(), log.heads(), to, replayed)?;
    write_file::<(), std::io::Error>(path, |out| out.write_all(&receipt.to_bytes()))
        .with_context(|| format!("writing the receipt {}", path.display()))?;
    Ok(receipt.digest())
}

fn print_tables(replayed: &Replayed, names: &Names, output: &mut Output<'_>) -> Result<()> {
    let Replayed { policy, ledger, stop } = replayed;
    let out = &mut output.out;
    writeln!(out, "{}", policy_line(policy))?;
    print_extent(ledger.horizon, *stop, ledger.unrewarded, out)?;
    writeln!(out)?;
    let header = ["epoch", "begins", "blocks", "reward METIS", "per block", "target", "realised"];
    let mut epochs = table(&header, 0);
    for epoch in &ledger.epochs {
        let per_block = match flat_reward(policy, epoch.rate)? {
            Some(reward) => metis(reward),
            None if epoch.rate == Rate::OnChain => "by batch".into(),
            None => "by stake".into(),
        };
        epochs.add_row([
            epoch.epoch.to_string(),
            tally_text::time(epoch.start),
            epoch.earned.blocks.to_string(),
            metis(epoch.earned.reward),
            per_block,
            mrr_percent(Some(target(epoch.target)?)),
            mrr_percent(epoch.realised_mrr()?),
        ]);
    }
    writeln!(out, "{epochs}\n")?;
    let mut sequencers = table(&["sequencer", "signer", "blocks", "reward METIS"], 2);
    for (id, total) in &ledger.sequencers {
        sequencers.add_row([
            names.label(*id),
            total.signer.map_or("-".into(), tally_text::address),
            total.earned.blocks.to_string(),
            metis(total.earned.reward),
        ]);
    }
    writeln!(out, "{sequencers}\n")?;
    if ledger.pending.blocks > 0 {
        let pending = metis(ledger.pending.reward);
        writeln!(out, "of which no batch has paid yet: {} blocks, {pending} METIS", ledger.pending.blocks)?;
    }
    writeln!(out, "total {} wei\nledger root {}\n", ledger.total, ledger.root)?;
    Ok(())
}

/// A target in units of 10^-18, which it has no decimals below.
fn target(mrr: tally_engine::Mrr) -> Result<U256> {
    let unit = U256::from(10_u64).pow(U256::from(REALISED_MRR_DECIMALS));
    Ok(floor_fraction(&[U256::from(mrr.numerator()), unit], &[mrr.denominator()])?)
}

/// How far a replay went, why no further, and which blocks on the way earn nothing.
pub(crate) fn print_extent(
    horizon: Option<Horizon>,
    stop: Stop,
    unrewarded: UnrewardedBlocks,
    out: &mut dyn Write,
) -> Result<()> {
    let Some(horizon) = horizon else {
        return Ok(writeln!(out, "no block can be folded: {stop}")?);
    };
    let total = unrewarded.total().context("more than 2^64 - 1 blocks are unrewarded")?;
    let UnrewardedBlocks { before_genesis, no_producer, unknown_signer, after_unlock } = unrewarded;
    writeln!(out, "up to block {} of {}: {stop}", horizon.block, tally_text::time(horizon.timestamp))?;
    writeln!(
        out,
        "{total} blocks without reward: {before_genesis} before genesis, {no_producer} no producer, \
         {unknown_signer} unknown signer, {after_unlock} after unlock"
    )?;
    Ok(())
}

fn print_csv(replayed: &[Replayed], output: &mut Output<'_>) -> Result<()> {
    let mut csv = csv::Writer::from_writer(&mut output.out);
    csv.write_record(
        "policy,policy_version,epoch,start,sequencer,blocks,reward_wei,realised_mrr".split(','),
    )?;
    for Replayed { policy, ledger, .. } in replayed {
        for epoch in &ledger.epochs {
            for row in &epoch.rows {
                csv.write_record([
                    policy.name().to_owned(),
                    policy.version().to_string(),
                    epoch.epoch.to_string(),
                    epoch.start.to_string(),
                    row.sequencer.to_string(),
                    row.earned.blocks.to_string(),
                    row.earned.reward.to_string(),
                    row.realised_mrr()?.map_or(String::new(), mrr),
                ])?;
            }
        }
    }
    csv.flush()?;
    Ok(())
}
