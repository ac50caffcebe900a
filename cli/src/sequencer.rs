//! `tally sequencer`: one page for the owner of a sequencer.

use crate::format::mrr_percent;
use crate::names::{Names, find_by};
use crate::shared_args::{LogArg, PlainFormat, PolicyArg, ThreadsArg};
use crate::{DONE, Output, WrongUsage, json, kept};
use alloy_primitives::U256;
use anyhow::Result;
use clap::Args;
use std::io::Write;
use tally_claims::{MemberCall, Overview, StakeRoom, overview};
use tally_engine::{EpochIndex, Status};
use tally_replay::{EpochExplanation, RateReason};
use tally_text::{address, exact_metis, fraction, metis, percent, time};
use tally_wire::{NotClaimable, SequencerOverview, status_name};

/// How many decimals of the ratio of two shares are shown.
const RATIO_DECIMALS: usize = 3;

#[derive(Debug, Args)]
pub(crate) struct SequencerArgs {
    /// The sequencer: its id, its name by the registry, or an address that owns it, signs for it or gets its rewards
    #[arg(value_name = "N|NAME|ADDRESS")]
    pub(crate) sequencer: String,
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) policy: PolicyArg,
    /// The epoch whose rate is explained [default: the last that is over]
    #[arg(long, env = "TALLY_EPOCH", value_name = "N")]
    pub(crate) epoch: Option<u64>,
    #[command(flatten)]
    pub(crate) threads: ThreadsArg,
    /// How to print it
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

pub(crate) fn run(args: &SequencerArgs, output: &mut Output<'_>) -> Result<u8> {
    let policy = args.policy.load()?;
    let log = args.log.open()?;
    let id = find_by("the sequencer", &args.sequencer, &log, output)?;
    let replayed = kept::replayed(&log, &policy)?;
    let found = overview(&log, id, &replayed, args.epoch.map(EpochIndex), args.threads.count())?;
    if let (Some(epoch), None) = (args.epoch, &found.rate) {
        let epochs = replayed.ledger.epochs.len();
        return Err(WrongUsage(format!("--epoch {epoch}: there are {epochs} epochs, from 0 on")).into());
    }
    let names = Names::load(output, &log)?;
    match args.format {
        PlainFormat::Json => {
            let shape = SequencerOverview::from(((&log).try_into()?, names.get(id), &found));
            json::print(&shape, output)?;
        }
        PlainFormat::Table => {
            let out = &mut *output.out;
            print_who(&found, &names, out)?;
            print_contract(&found, out)?;
            if let Some(way_out) = &found.way_out {
                print_way_out(way_out, out)?;
            }
            if let Some((explained, reason)) = &found.rate {
                writeln!(out)?;
                print_reason(explained, reason, out)?;
            }
        }
    }
    Ok(DONE)
}

/// A fact: what it is, and what is known of it.
fn line(out: &mut dyn Write, what: &str, text: impl std::fmt::Display) -> Result<()> {
    Ok(writeln!(out, "{what:<18} {text}")?)
}

fn print_who(found: &Overview, names: &Names, out: &mut dyn Write) -> Result<()> {
    let Overview { facts, stake, as_of, .. } = found;
    line(out, "sequencer", names.label(found.id))?;
    line(out, "as of", format_args!("L1 block {}, {}", as_of.block, time(as_of.timestamp)))?;
    line(out, "status", format_args!("{}, locked on {}", status_name(facts.status), time(facts.since)))?;
    line(out, "owner", address(facts.owner))?;
    line(out, "signer", facts.signer().map_or("-".into(), address))?;
    line(out, "stake", format_args!("{} METIS", metis(facts.stake)))?;
    if facts.status != Status::Active {
        return Ok(());
    }
    let StakeRoom { min, max, cap, above_min, below_max, below_cap, above_cap } = *stake;
    line(out, "  least, greatest", format_args!("{} and {} METIS", exact_metis(min), exact_metis(max)))?;
    line(out, "  may be taken out", format_args!("{} METIS", metis(above_min)))?;
    line(out, "  may be added", format_args!("{} METIS", metis(below_max)))?;
    let counts = match cap {
        None => format!("{} METIS: the policy has no cap", metis(below_cap)),
        Some(cap) if above_cap.is_zero() => {
            format!("{} METIS, up to {}", metis(below_cap), exact_metis(cap.min(max)))
        }
        Some(cap) => {
            format!("nothing: {} METIS are above {} and earn nothing", metis(above_cap), exact_metis(cap))
        }
    };
    line(out, "  more that counts", counts)
}

fn print_contract(found: &Overview, out: &mut dyn Write) -> Result<()> {
    let sums = &found.account.sums;
    writeln!(out, "\nwhat the contract has, in METIS: this is what is paid")?;
    if let Some(running) = found.running {
        let since = format!("since epoch {} began, {}", running.epoch, time(running.start));
        line(out, "credited", format_args!("{:>18} {since}", metis(running.credited)))?;
    }
    line(out, "credited", format_args!("{:>18} in total", metis(sums.credited)))?;
    line(out, "  claimed", format_args!("{:>18}", metis(sums.claimed)))?;
    line(out, "  relocked", format_args!("{:>18}", metis(sums.relocked)))?;
    let claimable = match (found.account.not_claimable, found.account.recipient) {
        (None, Some(recipient)) => format!("to {} on L2", address(recipient)),
        (Some(why), _) => {
            format!("of {} unclaimed: {}", metis(sums.unclaimed), NotClaimable::from(why.code()).text())
        }
        (None, None) => String::new(),
    };
    line(out, "claimable now", format_args!("{:>18} {claimable}", metis(sums.claimable)))?;
    let blocks = format!("{} blocks that no batch has paid, at the present reward", found.unpaid.blocks);
    line(out, "not paid yet", format_args!("{:>18} {blocks}", metis(found.unpaid.reward)))?;
    let policy = &found.policy;
    writeln!(out, "\nwhat the policy {} would give, in METIS: a rule, not what is paid", policy.name())?;
    line(out, "accrued", format_args!("{:>18}", metis(found.under_policy.accrued.reward)))?;
    if let Some(closed) = found.under_policy.claimable {
        line(out, "  closed", format_args!("{:>18} in epochs that are over", metis(closed)))?;
    }
    Ok(())
}

fn print_way_out(way_out: &MemberCall, out: &mut dyn Write) -> Result<()> {
    let may = match way_out.is_possible() {
        Some(false) => "not now",
        Some(true) | None => "nothing that the log knows is against it",
    };
    let action = way_out.action.code();
    writeln!(out)?;
    line(
        out,
        "leaving",
        format_args!("{may} (tally claims call {action} --sequencer {})", way_out.sequencer),
    )?;
    for condition in way_out.conditions.iter().filter(|it| it.verdict == tally_claims::Verdict::Fails) {
        line(out, "  missing", condition.kind.text())?;
    }
    line(out, "  what it does", &way_out.summary)
}

/// Why the rate is what it is.
pub(crate) fn print_reason(
    explained: &EpochExplanation,
    reason: &RateReason,
    out: &mut dyn Write,
) -> Result<()> {
    let epoch = &explained.epoch;
    writeln!(
        out,
        "why its rate is what it is, in epoch {}, {} to {}",
        epoch.epoch,
        time(epoch.start),
        time(explained.until)
    )?;
    line(
        out,
        "realised",
        format_args!("{}; the target is {}", mrr_percent(reason.realised), target(reason)),
    )?;
    let share = |share: Option<U256>| share.map_or("-".into(), percent);
    line(
        out,
        "  of the blocks",
        format_args!("{}: {} of {}", share(reason.share_of_blocks), reason.blocks, reason.pool_blocks),
    )?;
    line(out, "  of the stake", format_args!("{} that counts", share(reason.share_of_stake)))?;
    line(out, "  pool's rate", mrr_percent(reason.pool))?;
    if let Some(assumed) = reason.assumed_blocks {
        let made =
            format!("the rate assumed {assumed} blocks of the pool, and {} were made", reason.pool_blocks);
        line(out, "    because", made)?;
    }
    if let Some(ratio) = reason.ratio {
        let of = format!("x {} of the pool's {}", times(ratio), mrr_percent(reason.pool));
        line(out, "  so", format_args!("{of} = {}", mrr_percent(reason.realised)))?;
    }
    Ok(())
}

/// The target as people read it.
fn target(reason: &RateReason) -> String {
    let units = U256::from(10_u64).pow(U256::from(18_u64));
    let fraction = tally_engine::floor_fraction(
        &[U256::from(reason.target.numerator()), units],
        &[reason.target.denominator()],
    );
    fraction.map_or_else(|_| reason.target.to_string(), percent)
}

/// A number of times, rounded down to 3 decimals.
fn times(units: U256) -> String {
    let exact = fraction(units, 18);
    exact[..exact.len() - (18 - RATIO_DECIMALS)].to_owned()
}
