//! `tally audit live`: compares the log's state with the contracts'.

use crate::audit_args::AuditLiveArgs;
use crate::compare::differences;
use crate::live::runtime;
use crate::shared_args::PlainFormat;
use crate::{DIFFERENT, DONE, Output, WrongUsage, json};
use anyhow::{Context, Result, bail};
use tally_audit::Sample;
use tally_engine::{L1Block, PoolState};
use tally_eventlog::{LogReader, LogView};
use tally_ingest::{Endpoints, IngestError, contract_state, l1_blocks, l2_blocks};
use tally_replay::{StateAt, state_at};
use tally_wire::{BlockSample, LiveAudit, SampledDifference, StateDifference};

pub(crate) fn run(args: &AuditLiveArgs, output: &mut Output<'_>) -> Result<u8> {
    let log = args.log.open()?;
    let StateAt { block, pool, .. } = state_at(&log, args.at_l1_block.map(L1Block))?;
    let Some(block) = block else {
        bail!("the log holds no L1 block to compare at");
    };
    let endpoints = args.l1.endpoints(&args.rpc).context("no L1 endpoint is given")?;
    let compared = compare_state(&log, &endpoints, block, &pool);
    // What was drawn is told also where no node keeps the contracts' state of that block.
    let (differences, failed) = match compared {
        Ok(differences) => (differences, None),
        Err(error) if args.check_blocks > 0 => (Vec::new(), Some(error)),
        Err(error) => return Err(error),
    };
    let sample = sample(args, &log, &endpoints)?;
    let is_equal =
        differences.is_empty() && sample.as_ref().is_none_or(|sample| sample.differences.is_empty());
    let verdict = match (is_equal, &failed) {
        (true, None) => "equal",
        (true, Some(_)) => "not compared",
        (false, _) => "DIFFERENT",
    };
    match args.format {
        PlainFormat::Json => {
            let verdict = verdict.to_lowercase().replace(' ', "_");
            json::print(&LiveAudit { l1_block: block.0, verdict, differences, sample }, output)?;
        }
        PlainFormat::Table => {
            for difference in &differences {
                writeln!(output.out, "L1 block {block}, {difference}")?;
            }
            let of_state = match (differences.len(), &failed) {
                (_, Some(_)) => format!("not compared: the contracts' state after L1 block {block}"),
                (0, None) => format!("equal: the contracts' state after L1 block {block}, 0 differences"),
                (some, None) => {
                    format!("DIFFERENT: the contracts' state after L1 block {block}, {some} differences")
                }
            };
            writeln!(output.out, "{of_state}")?;
            if let Some(sample) = sample {
                print_sample(&sample, output)?;
            }
        }
    }
    match failed {
        Some(error) if is_equal => Err(error),
        Some(error) => {
            writeln!(output.err, "warning: {error:#}")?;
            Ok(DIFFERENT)
        }
        None => Ok(if is_equal { DONE } else { DIFFERENT }),
    }
}

/// In what the contracts' state after L1 block `block` differs from the log's.
fn compare_state(
    log: &LogReader,
    endpoints: &Endpoints,
    block: L1Block,
    pool: &PoolState,
) -> Result<Vec<StateDifference>> {
    let contracts = runtime()?.block_on(contract_state(endpoints, log.identity(), block, pool))?;
    if let Some(head) = log.heads().l1.filter(|head| head.block == block)
        && head.hash != contracts.block_hash
    {
        let found = contracts.block_hash;
        bail!("L1 block {block} is {found} on the chain, but {} in the log: not compared", head.hash);
    }
    Ok(differences(&contracts, pool))
}

/// A sample of the log's blocks, compared with those of the chains, if one is asked for.
fn sample(args: &AuditLiveArgs, log: &LogReader, l1: &Endpoints) -> Result<Option<BlockSample>> {
    if args.check_blocks == 0 {
        return Ok(None);
    }
    let l2 = args.l2.endpoints(&args.rpc);
    let l2 = l2.ok_or_else(|| WrongUsage("--check-blocks needs --l2-rpc URL".into()))?;
    let seed = match args.check_seed {
        Some(seed) => seed,
        // Whoever made the log up must not know which blocks it will be.
        None => getrandom::u32().context("drawing a seed")?.into(),
    };
    let sample = Sample::draw(log, args.check_blocks, seed)?;
    let l1_numbers: Vec<u64> = sample.l1.iter().map(|block| block.number).collect();
    let l2_numbers: Vec<u64> = sample.l2.iter().map(|block| block.number.0).collect();
    let identity = log.identity();
    let (l1, l2) = runtime()?.block_on(async {
        let l1 = l1_blocks(l1, identity, &l1_numbers).await?;
        Ok::<_, IngestError>((l1, l2_blocks(&l2, identity, &l2_numbers).await?))
    })?;
    let differences = sample.differences(&l1, &l2);
    Ok(Some(BlockSample {
        seed,
        l1_blocks: u64::try_from(l1.len())?,
        l2_blocks: u64::try_from(l2.len())?,
        differences: differences.iter().map(Into::into).collect(),
    }))
}

fn print_sample(sample: &BlockSample, output: &mut Output<'_>) -> Result<()> {
    let BlockSample { seed, l1_blocks, l2_blocks, differences } = sample;
    for SampledDifference { chain, block, field, found, log } in differences {
        writeln!(output.out, "{chain} block {block}, {field}: the chain has {found}, the log {log}")?;
    }
    let verdict = if differences.is_empty() { "equal" } else { "DIFFERENT" };
    writeln!(
        output.out,
        "{verdict}: {l1_blocks} blocks of L1 and {l2_blocks} of L2, drawn with seed {seed}, {} differences",
        differences.len()
    )?;
    Ok(())
}
