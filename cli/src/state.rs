//! `tally state`: the contracts' state by the log.

use crate::compare::differ;
use crate::format::{or_none, table};
use crate::names::Names;
use crate::shared_args::{LogArg, PlainFormat};
use crate::{DIFFERENT, DONE, Output, json};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use tally_engine::{L1Block, PoolState};
use tally_eventlog::LogReader;
use tally_replay::{StateAt, state_at};
use tally_text::{address, duration, exact_metis, metis};
use tally_wire::{ContractState, status_name};

#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The state after this L1 block [default: the log's last]
    #[arg(long, env = "TALLY_AT_L1_BLOCK", value_name = "BLOCK")]
    pub(crate) at_l1_block: Option<u64>,
    /// Compare with the recorded states of this file (up to that block) instead of printing; 3 if any differs
    #[arg(long, env = "TALLY_EXPECT", value_name = "FILE")]
    pub(crate) expect: Option<PathBuf>,
    /// How to print the state
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

/// No file of recorded states is longer; the recorded ones have 300 kB.
const EXPECTED_BYTES_MAX: u64 = 64 << 20;

pub(crate) fn run(args: &StateArgs, output: &mut Output<'_>) -> Result<u8> {
    let log = args.log.open()?;
    if let Some(path) = &args.expect {
        return compare(&log, path, args.at_l1_block, output);
    }
    let StateAt { block, pool, discrepancies } = state_at(&log, args.at_l1_block.map(L1Block))?;
    output.warn(discrepancies)?;
    match args.format {
        PlainFormat::Json => {
            let state = ContractState::from(&pool);
            json::print(&tally_wire::StateAt { l1_block: block.map(|block| block.0), state }, output)?;
        }
        PlainFormat::Table => print_tables(block, &pool, &Names::load(output, &log)?, output)?,
    }
    Ok(DONE)
}

fn print_tables(
    block: Option<L1Block>,
    pool: &PoolState,
    names: &Names,
    output: &mut Output<'_>,
) -> Result<()> {
    let block = or_none(block);
    let mut totals = table(&["after L1 block", &block], 1);
    let batch = pool.batch;
    totals.add_row(["locked METIS".to_owned(), metis(pool.total_locked)]);
    totals.add_row(["rewards paid out METIS".to_owned(), metis(pool.total_rewards_liquidated)]);
    totals.add_row(["reward per block METIS".to_owned(), exact_metis(pool.reward_per_block)]);
    totals.add_row(["last batch".to_owned(), batch.id.to_string()]);
    totals.add_row(["its spans".to_owned(), format!("{} to {}", batch.start_span, batch.end_span)]);
    totals.add_row(["least stake METIS".to_owned(), metis(pool.min_lock)]);
    totals.add_row(["greatest stake METIS".to_owned(), metis(pool.max_lock)]);
    totals.add_row(["exit delay".to_owned(), duration(pool.exit_delay_secs)]);
    totals.add_row(["paused".to_owned(), pool.paused.to_string()]);
    writeln!(output.out, "{totals}\n")?;
    let mut sequencers = table(&["sequencer", "status", "signer", "stake METIS", "unclaimed METIS"], 3);
    for (id, sequencer) in &pool.sequencers {
        sequencers.add_row([
            names.label(*id),
            status_name(sequencer.status).into(),
            address(sequencer.signer),
            metis(sequencer.amount),
            metis(sequencer.reward),
        ]);
    }
    writeln!(output.out, "{sequencers}")?;
    Ok(())
}

/// Compares every recorded state that the log reaches.
fn compare(log: &LogReader, path: &Path, up_to: Option<u64>, output: &mut Output<'_>) -> Result<u8> {
    let expected = read_json(path).with_context(|| format!("--expect {}", path.display()))?;
    let (Some(checkpoints), Some(last)) = (expected["checkpoints"].as_array(), expected.get("final")) else {
        bail!("--expect {}: it has no list of checkpoints, or no final state", path.display());
    };
    let head = log.heads().l1.map_or(0, |head| head.block.0);
    let head = up_to.map_or(head, |up_to| up_to.min(head));
    let (mut compared, mut beyond, mut differences) = (0_u64, 0_u64, 0_u64);
    for recorded in checkpoints.iter().chain([last]) {
        let Some(block) = recorded["l1_block"].as_u64() else {
            bail!("--expect {}: a recorded state has no l1_block", path.display());
        };
        if block > head {
            beyond += 1;
            continue;
        }
        let at = state_at(log, Some(L1Block(block)))?;
        compared += 1;
        differ(
            &mut String::new(),
            recorded,
            &json::value(ContractState::from(&at.pool)),
            &mut |field, recorded, ours| {
                differences += 1;
                writeln!(
                    output.out,
                    "L1 block {block}, {field}: the contract has {recorded}, the log gives {ours}"
                )
            },
        )?;
    }
    if compared == 0 {
        bail!("--expect {}: none of its states lies within the log", path.display());
    }
    let verdict = if differences == 0 { "equal" } else { "DIFFERENT" };
    let later = if beyond == 0 { String::new() } else { format!(" ({beyond} are later)") };
    writeln!(
        output.out,
        "{verdict}: {compared} recorded states of the contracts{later}, {differences} differences"
    )?;
    Ok(if differences == 0 { DONE } else { DIFFERENT })
}

fn read_json(path: &Path) -> Result<Value> {
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(EXPECTED_BYTES_MAX + 1).read_to_end(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|len| len > EXPECTED_BYTES_MAX) {
        bail!("it is longer than the {EXPECTED_BYTES_MAX} bytes allowed");
    }
    Ok(serde_json::from_slice(&text)?)
}
