//! `tally explain`: why a block or an epoch earned what it did.

use crate::format::mrr_percent;
use crate::ledger::check_locked;
use crate::names::{Names, given};
use crate::sequencer::print_reason;
use crate::shared_args::{LogArg, PlainFormat, PolicyArg};
use crate::{DONE, Output, json, kept};
use anyhow::{Context, Result};
use clap::Args;
use std::io::Write;
use tally_engine::{
    Allocation, Division, EpochIndex, EpochLedger, L2Block, OperatorsRate, Policy, Rate, Wei, realised_mrr,
};
use tally_replay::{
    BlockExplanation, BlockLedger, EpochExplanation, Outcome, Place, RateReason, Replayed, RewardSource,
    SpanPlace, StakeFacts, explain_block, explain_epoch,
};
use tally_text::{address, exact_metis, time};

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) policy: PolicyArg,
    /// Explain what this block earned
    #[arg(long, env = "TALLY_BLOCK", value_name = "BLOCK", required_unless_present = "sequencer", conflicts_with_all = ["sequencer", "epoch"])]
    pub(crate) block: Option<u64>,
    /// This sequencer, in the epoch given: its id, its name by the registry, or any address of it
    #[arg(long, env = "TALLY_SEQUENCER", value_name = "N|NAME|ADDRESS", requires = "epoch")]
    pub(crate) sequencer: Option<String>,
    /// The epoch in which to explain the sequencer's reward
    #[arg(long, env = "TALLY_EPOCH", value_name = "N", requires = "sequencer")]
    pub(crate) epoch: Option<u64>,
    /// How to print it
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

pub(crate) fn run(args: &ExplainArgs, output: &mut Output<'_>) -> Result<u8> {
    let policy = args.policy.load()?;
    let log = args.log.open()?;
    let replayed = kept::replayed(&log, &policy)?;
    let ledger = BlockLedger::new(&log, &replayed)?;
    let head = ((&log).try_into()?, &replayed).into();
    if let Some(block) = args.block {
        let explained = explain_block(&ledger, L2Block(block))?.with_context(|| match ledger.range() {
            Some(range) => {
                format!(
                    "block {block} is asked for, but the ledger has blocks {} to {}",
                    range.start(),
                    range.end()
                )
            }
            None => format!("block {block} is asked for, but the ledger has none"),
        })?;
        match args.format {
            PlainFormat::Json => {
                let explanation = (&replayed.policy, &explained).try_into()?;
                json::print(&tally_wire::ExplainBlock { head, explanation }, output)?;
            }
            PlainFormat::Table => {
                print_block(&replayed, &explained, &Names::load(output, &log)?, output.out)?;
            }
        }
        return Ok(DONE);
    }
    let (sequencer, epoch) =
        args.sequencer.as_deref().zip(args.epoch).context("neither a block nor a sequencer is given")?;
    let sequencer = given(sequencer, &log, output)?;
    check_locked(sequencer, &replayed)?;
    let epochs = replayed.ledger.epochs.len();
    let explained = explain_epoch(&ledger, sequencer, EpochIndex(epoch))?
        .with_context(|| format!("epoch {epoch} is asked for, but there are {epochs}, from 0 on"))?;
    let reason = RateReason::of(&explained, replayed.policy.allocation())?;
    match args.format {
        PlainFormat::Json => {
            let explanation = (&replayed.policy, &explained).try_into()?;
            json::print(&tally_wire::ExplainEpoch { head, explanation, reason: (&reason).into() }, output)?;
        }
        PlainFormat::Table => {
            let names = Names::load(output, &log)?;
            print_epoch(&replayed, &explained, &names, output.out)?;
            print_reason(&explained, &reason, output.out)?;
        }
    }
    Ok(DONE)
}

/// A fact: what it is, and what is known of it.
fn line(out: &mut dyn Write, what: &str, text: impl std::fmt::Display) -> Result<()> {
    Ok(writeln!(out, "{what:<18} {text}")?)
}

fn metis(wei: Wei) -> String {
    format!("{} METIS", exact_metis(wei))
}

fn print_policy(replayed: &Replayed, out: &mut dyn Write) -> Result<()> {
    let policy = &replayed.policy;
    line(out, "policy", format_args!("{} {} ({})", policy.name(), policy.version(), policy.digest()))?;
    line(out, "allocation", policy.allocation().name())?;
    line(out, "engine", env!("CARGO_PKG_VERSION"))?;
    line(out, "ledger root", replayed.ledger.root)
}

fn place(place: Option<&Place>) -> String {
    place.map_or("no event".into(), |place| {
        let Place { event, block, transaction_hash, log_index, timestamp } = place;
        format!(
            "{event} in L1 block {block} of {}, transaction {transaction_hash}, log {log_index}",
            time(*timestamp)
        )
    })
}

fn print_stake(policy: &Policy, stake: &StakeFacts, out: &mut dyn Write) -> Result<()> {
    line(out, "stake", format_args!("{} by {}", metis(stake.stake), place(stake.stake_event.as_ref())))?;
    let status = if stake.active { "active" } else { "not active" };
    line(out, "status", format_args!("{status} by {}", place(stake.status_event.as_ref())))?;
    line(
        out,
        "effective stake",
        format_args!(
            "{} (the stake while active, at most the cap of {})",
            metis(stake.effective),
            if policy.cap() == Policy::NO_CAP { "none".into() } else { metis(policy.cap()) }
        ),
    )
}

fn print_rate(policy: &Policy, epoch: &EpochLedger, out: &mut dyn Write) -> Result<()> {
    line(out, "epoch", format_args!("{}, from {}", epoch.epoch, time(epoch.start)))?;
    match epoch.rate {
        Rate::Initial => line(
            out,
            "rate",
            format_args!(
                "initial: {} (no epoch before had stake and blocks)",
                metis(policy.initial_reward())
            ),
        ),
        Rate::FromWindow(window) => {
            line(out, "rate", format_args!("MRR {} on the window, epoch {}", window.target, window.epoch))?;
            line(out, "window Q", format_args!("{} wei·s of capped stake", window.stake_seconds))?;
            line(out, "window N", format_args!("{} rewarded blocks", window.blocks))?;
            line(out, "window W", format_args!("{} wei·blocks", window.stake_blocks))
        }
        Rate::OnChain => line(out, "rate", "what the contract pays"),
        Rate::Operators(OperatorsRate { total_locked, percent, block_secs }) => {
            line(
                out,
                "rate",
                format_args!("the operators' formula: {percent} %, a block every {block_secs} s"),
            )?;
            line(
                out,
                "total locked",
                format_args!("{} when the epoch began, not capped", metis(total_locked)),
            )
        }
        Rate::Fixed(reward) => line(out, "rate", format_args!("fixed: {}", metis(reward))),
    }
}

fn print_division(division: &Division, policy: &Policy, rate: Rate, out: &mut dyn Write) -> Result<()> {
    let by_stake = policy.allocation() == Allocation::StakeWeighted;
    let formula = match (rate, by_stake) {
        (Rate::FromWindow(_), true) => "m · Q · eff / (d · YEAR · W)",
        (Rate::FromWindow(_), false) => "m · Q / (d · YEAR · N)",
        (Rate::Operators(_), _) => "floor(total locked · percent / 100) / floor(YEAR / seconds)",
        _ => "initial · eff / cap",
    };
    let product = |factors: &[alloy_primitives::U256]| {
        factors.iter().map(ToString::to_string).collect::<Vec<_>>().join(" · ")
    };
    line(out, "formula", format_args!("{formula}, rounded down"))?;
    line(out, "  numerator", product(&division.numerators))?;
    line(out, "  denominator", product(&division.denominators))?;
    line(out, "  quotient", format_args!("{} wei", division.quotient))?;
    line(out, "  remainder", division.remainder)
}

fn print_source(source: &RewardSource, out: &mut dyn Write) -> Result<()> {
    let event = source.event.as_ref();
    match source.batch {
        Some(batch) => line(out, "paid by", format_args!("batch {batch}, {}", place(event))),
        None if event.is_none() => {
            line(out, "paid by", "no batch yet; at the contract's first reward per block")
        }
        None => line(out, "paid by", format_args!("no batch yet; reward per block by {}", place(event))),
    }
}

fn print_block(
    replayed: &Replayed,
    explained: &BlockExplanation,
    names: &Names,
    out: &mut dyn Write,
) -> Result<()> {
    let (entry, policy) = (&explained.entry, &replayed.policy);
    print_policy(replayed, out)?;
    line(out, "block", format_args!("{} of {}", entry.block, time(entry.timestamp)))?;
    match &explained.span {
        None => line(out, "span", "none covers it")?,
        Some(SpanPlace { span, event, block, transaction_hash, log_index }) => {
            let range =
                format!("{}, blocks {} to {} by {}", span.id, span.start, span.end, address(span.signer));
            let from =
                format!("{event} in L2 block {block}, transaction {transaction_hash}, log {log_index}");
            line(out, "span", format_args!("{range}; {from}"))?;
        }
    }
    line(out, "signed by", entry.signer.map_or("nobody".into(), address))?;
    let known = if entry.signer.is_some() && entry.producer == entry.signer { "signature" } else { "span" };
    line(
        out,
        "producer",
        entry.producer.map_or("nobody".into(), |producer| format!("{}, by its {known}", address(producer))),
    )?;
    match entry.sequencer {
        None => line(out, "sequencer", "none that is known")?,
        Some(id) => {
            let place = place(explained.introduced_by.as_ref());
            line(out, "sequencer", format_args!("{}, by {place}", names.label(id)))?;
        }
    }
    if let Some(stake) = &explained.stake {
        print_stake(policy, stake, out)?;
    }
    match &explained.epoch {
        None => line(out, "epoch", "none: it lies before genesis")?,
        Some(epoch) => {
            print_rate(policy, epoch, out)?;
            if let Some(division) = &explained.division {
                print_division(division, policy, epoch.rate, out)?;
            }
        }
    }
    if let Some(source) = &explained.paid_by {
        print_source(source, out)?;
    }
    match &entry.outcome {
        Outcome::Unrewarded(why) => line(out, "reward", format_args!("none: {}", why.code())),
        Outcome::Rewarded(rewarded) => {
            line(out, "reward", format_args!("{} wei = {}", rewarded.reward, metis(rewarded.reward)))?;
            let total = rewarded.running_total;
            line(out, "running total", format_args!("{total} wei = {}", metis(total)))
        }
    }
}

fn print_epoch(
    replayed: &Replayed,
    explained: &EpochExplanation,
    names: &Names,
    out: &mut dyn Write,
) -> Result<()> {
    let policy = &replayed.policy;
    print_policy(replayed, out)?;
    line(out, "sequencer", names.label(explained.sequencer))?;
    print_rate(policy, &explained.epoch, out)?;
    for segment in &explained.segments {
        writeln!(out)?;
        line(out, "segment", format_args!("{} to {}", time(segment.from), time(segment.until)))?;
        print_stake(policy, &segment.stake, out)?;
        line(out, "part of Q", format_args!("{} wei·s", segment.stake_seconds))?;
        for paid in &segment.paid {
            if let Some(division) = &paid.division {
                print_division(division, policy, explained.epoch.rate, out)?;
            }
            if let Some(source) = &paid.paid_by {
                print_source(source, out)?;
            }
            let (blocks, reward) = (paid.earned.blocks, paid.earned.reward);
            line(out, "earned", format_args!("{blocks} blocks · {} wei = {reward} wei", paid.reward))?;
        }
    }
    writeln!(out)?;
    for (reason, blocks) in &explained.unrewarded {
        line(out, "without reward", format_args!("{blocks} blocks: {}", reason.code()))?;
    }
    let (earned, secs) = (explained.earned, explained.stake_seconds);
    line(out, "blocks", earned.blocks)?;
    line(out, "reward", format_args!("{} wei = {}", earned.reward, metis(earned.reward)))?;
    line(out, "capped stake", format_args!("{secs} wei·s"))?;
    line(out, "realised MRR", mrr_percent(realised_mrr(earned.reward, secs)?))?;
    Ok(writeln!(out)?)
}
