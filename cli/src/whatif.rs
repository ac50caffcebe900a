//! `tally whatif`: what other rules would have paid.

use crate::format::table;
use crate::names::Names;
use crate::range::{Amounts, Range};
use crate::replay::print_extent;
use crate::shared_args::{Format, LogArg, PoliciesArg, ThreadsArg};
use crate::what_if_stake::{self, StakeArg, stake_arg};
use crate::{DONE, Output, WrongUsage, json, policies};
use alloy_primitives::U256;
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::collections::BTreeSet;
use tally_engine::{Allocation, L2Block, Mrr, Policy, Wei};
use tally_replay::{ReplayOptions, Variation, WhatIf};
use tally_text::{GivenTime, exact_metis, given_time, metis, metis_difference, trimmed};
use tally_wire::sole_target;

#[derive(Debug, Args)]
#[command(mut_arg("threads", |arg| arg.help("How many threads count and evaluate [default: one a core]")))]
#[command(mut_arg("policy", |arg| arg.help(
    "The base policy: a built-in one (guide, stake-weighted) or a policy file. All but what is given \
     here is taken from it, and the results are compared with what it pays"
)))]
#[command(
    after_help = "RANGE is a value A, or A:B:STEP for A, A + STEP and so on up to B, or a list of these, with \
                        commas; rates are written as 15% or 0.15, amounts as 100000 or 100k. One run evaluates at most \
                        100,000 combinations."
)]
pub(crate) struct WhatIfArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) policies: PoliciesArg,
    /// Target mining reward rates, as 0.10:0.30:0.005; each holds at all times [default: the base
    /// policy's, with their dates]
    #[arg(long, env = "TALLY_MRR", value_name = "RANGE", value_delimiter = ',', value_parser = Range::of_rates)]
    pub(crate) mrr: Vec<Range>,
    /// Caps in METIS, as 50000:150000:10000: stake above it does not count [default: the base policy's]
    #[arg(long, env = "TALLY_CAP", value_name = "RANGE", value_parser = Amounts::of)]
    pub(crate) cap: Vec<Amounts>,
    /// How the rewards of an epoch are shared [default: as the base policy does]
    #[arg(long, env = "TALLY_ALLOCATION", value_enum, value_delimiter = ',')]
    pub(crate) allocation: Vec<AllocationArg>,
    /// Instead: what if a sequencer had had more or less stake, as 7=+10000 or 7=-5k
    #[arg(long, env = "TALLY_WHATIF_STAKE", value_name = "ID=+METIS", value_parser = stake_arg, conflicts_with_all = ["mrr", "cap", "allocation"])]
    pub(crate) stake: Option<StakeArg>,
    /// With --stake: from when on, as 2024-07-01 or -30d [default: all the time]
    #[arg(
        long,
        env = "TALLY_WHATIF_FROM",
        value_name = "TIME",
        value_parser = given_time,
        allow_hyphen_values = true,
        requires = "stake"
    )]
    pub(crate) from: Option<GivenTime>,
    /// The last L2 block to count [default: as far as the log allows]
    #[arg(long, env = "TALLY_TO", value_name = "BLOCK")]
    pub(crate) to: Option<u64>,
    #[command(flatten)]
    pub(crate) threads: ThreadsArg,
    /// Add a table by sequencer (as for a single combination); JSON and CSV always have it
    #[arg(long, env = "TALLY_BY_SEQUENCER", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) by_sequencer: bool,
    /// How to print the result
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AllocationArg {
    /// Every rewarded block of an epoch earns the same
    Flat,
    /// In proportion to its producer's capped stake
    StakeWeighted,
}

/// How many combinations one run evaluates.
pub(crate) const COMBINATIONS_MAX: u64 = 100_000;

pub(crate) fn run(args: &WhatIfArgs, output: &mut Output<'_>) -> Result<u8> {
    // A list may come from the variable or the config file of a replay.
    let [base] = args.policies.policy.as_slice() else {
        let text = format!("--policy: a what-if has one base policy, not {}", args.policies.policy.len());
        return Err(WrongUsage(text).into());
    };
    let base = policies::load_one(base)?;
    policies::check_has_activity(&base)?;
    if let Some(stake) = &args.stake {
        return what_if_stake::run(args, stake, &base, output);
    }
    let variants = variants(&base, args)?;
    let log = args.log.open()?;
    let options =
        ReplayOptions { to: args.to.map(L2Block), threads: args.threads.count(), ..ReplayOptions::default() };
    let what_if = WhatIf::new(&log, base, options)?;
    match args.format {
        Format::Json => {
            let head = tally_wire::WhatIfHead::from(((&log).try_into()?, &what_if));
            json::print_streamed(&head, "combinations", output, |write| {
                what_if.evaluate(&variants, |variation| write(tally_wire::Combination::from(variation)))
            })?;
        }
        Format::Csv => print_csv(&what_if, &variants, output)?,
        Format::Table => {
            let names = Names::load(output, &log)?;
            print_tables(&what_if, &variants, args.by_sequencer || variants.len() == 1, &names, output)?;
        }
    }
    Ok(DONE)
}

/// All combinations, by cap, then by target, then by allocation, each in the order asked for.
fn variants(base: &Policy, args: &WhatIfArgs) -> Result<Vec<Policy>> {
    let mut allocations = Vec::new();
    for allocation in &args.allocation {
        let allocation = match allocation {
            AllocationArg::Flat => Allocation::Flat,
            AllocationArg::StakeWeighted => Allocation::StakeWeighted,
        };
        if allocations.contains(&allocation) {
            return Err(WrongUsage("--allocation: the same is given twice".into()).into());
        }
        allocations.push(allocation);
    }
    if allocations.is_empty() {
        allocations.push(base.allocation());
    }
    let cap: Vec<Range> = args.cap.iter().flat_map(|ranges| ranges.0.iter().copied()).collect();
    let count = count(&args.mrr)
        .and_then(|mrrs| mrrs.checked_mul(count(&cap)?))
        .and_then(|pairs| pairs.checked_mul(u64::try_from(allocations.len()).ok()?));
    if count.is_none_or(|count| count > COMBINATIONS_MAX) {
        let count = count.map_or("more than 2^64 - 1".into(), |count| count.to_string());
        let text =
            format!("{count} combinations are more than the {COMBINATIONS_MAX} that one run evaluates");
        return Err(WrongUsage(text).into());
    }
    let mut targets = Vec::new();
    for value in values("--mrr", &args.mrr)? {
        let target = Mrr::from_decimal(&trimmed(value));
        targets.push(Some(target.map_err(|error| WrongUsage(format!("--mrr: {error}")))?));
    }
    if targets.is_empty() {
        // Those of the base policy, with their dates.
        targets.push(None);
    }
    let mut caps: Vec<Wei> = values("--cap", &cap)?.into_iter().map(Wei::new).collect();
    if caps.is_empty() {
        caps.push(base.cap());
    }
    let mut variants = Vec::new();
    for cap in caps {
        for target in &targets {
            for allocation in &allocations {
                let variant = base.variant(*target, cap, *allocation);
                variants.push(variant.map_err(|error| WrongUsage(error.to_string()))?);
            }
        }
    }
    Ok(variants)
}

/// How many values ranges have, or one if there is no range; `None` above 2^64 - 1.
fn count(ranges: &[Range]) -> Option<u64> {
    let count = ranges.iter().try_fold(0_u64, |count, range| count.checked_add(range.count()))?;
    Some(count.max(1))
}

/// The values of ranges, in units of 10^-18.
fn values(flag: &str, ranges: &[Range]) -> Result<Vec<U256>> {
    let values: Vec<U256> = ranges.iter().flat_map(|range| range.values()).collect();
    let mut seen = BTreeSet::new();
    if let Some(twice) = values.iter().find(|value| !seen.insert(**value)) {
        return Err(WrongUsage(format!("{flag}: {} is given twice", trimmed(*twice))).into());
    }
    Ok(values)
}

fn print_tables(
    what_if: &WhatIf,
    variants: &[Policy],
    by_sequencer: bool,
    names: &Names,
    output: &mut Output<'_>,
) -> Result<()> {
    let (base, activity, paid) = (what_if.base(), what_if.activity(), what_if.paid());
    let out = &mut output.out;
    writeln!(out, "base policy {} {} ({})", base.name(), base.version(), base.digest())?;
    print_extent(activity.horizon, what_if.stop(), activity.unrewarded, out)?;
    let [mrr, cap, allocation] = terms(base);
    let reward = metis(paid.total.reward);
    writeln!(
        out,
        "at an MRR of {mrr} and a cap of {cap} METIS, {allocation}, it pays {reward} METIS for {} blocks\n",
        paid.total.blocks
    )?;
    let header = ["MRR", "cap METIS", "allocation", "total METIS", "difference METIS"];
    let mut totals = table(&header, 0);
    let header =
        ["MRR", "cap METIS", "allocation", "sequencer", "blocks", "reward METIS", "difference METIS"];
    let mut sequencers = table(&header, 0);
    what_if.evaluate::<anyhow::Error>(variants, |variation| {
        let [mrr, cap, allocation] = terms(variation.policy);
        let Variation { total, .. } = variation;
        let (reward, difference) = (metis(total.earned.reward), metis_difference(total.difference));
        totals.add_row([mrr.clone(), cap.clone(), allocation.clone(), reward, difference]);
        if by_sequencer {
            for (id, own) in &variation.sequencers {
                sequencers.add_row([
                    mrr.clone(),
                    cap.clone(),
                    allocation.clone(),
                    names.label(*id),
                    own.earned.blocks.to_string(),
                    metis(own.earned.reward),
                    metis_difference(own.difference),
                ]);
            }
        }
        Ok(())
    })?;
    writeln!(out, "{totals}")?;
    if by_sequencer {
        writeln!(out, "\n{sequencers}")?;
    }
    Ok(())
}

/// Target, cap in METIS, and allocation.
fn terms(policy: &Policy) -> [String; 3] {
    let mrr = sole_target(policy).map_or("by date".into(), |mrr| mrr.to_string());
    let cap = if policy.cap() == Policy::NO_CAP { "none".into() } else { exact_metis(policy.cap()) };
    [mrr, cap, policy.allocation().name().into()]
}

fn print_csv(what_if: &WhatIf, variants: &[Policy], output: &mut Output<'_>) -> Result<()> {
    let mut csv = csv::Writer::from_writer(&mut output.out);
    csv.write_record(
        "mrr,cap_wei,allocation,policy_digest,sequencer,blocks,reward_wei,difference_wei".split(','),
    )?;
    what_if.evaluate::<anyhow::Error>(variants, |variation| {
        let policy = variation.policy;
        let mrr = sole_target(policy).map_or(String::new(), |mrr| mrr.to_string());
        let (cap, allocation) = (policy.cap().to_string(), policy.allocation().name());
        let digest = policy.digest().to_string();
        for (id, own) in &variation.sequencers {
            csv.write_record([
                &mrr,
                &cap,
                allocation,
                &digest,
                &id.to_string(),
                &own.earned.blocks.to_string(),
                &own.earned.reward.to_string(),
                &own.difference.to_string(),
            ])?;
        }
        Ok(())
    })?;
    csv.flush()?;
    Ok(())
}
