//! `tally audit live`: compares the log's state with the contracts'.

use crate::args::{AuditLiveArgs, PlainFormat};
use crate::compare::differ;
use crate::live::{endpoints, runtime};
use crate::{DIFFERENT, DONE, Output, json};
use anyhow::{Result, bail};
use std::convert::Infallible;
use tally_engine::{L1Block, PoolState};
use tally_eventlog::{LogReader, LogView};
use tally_ingest::{ContractState, contract_state};
use tally_replay::{StateAt, state_at};
use tally_wire::{LiveAudit, StateDifference};

pub(crate) fn run(args: &AuditLiveArgs, output: &mut Output<'_>) -> Result<u8> {
    let log = LogReader::open(&args.log.log)?;
    let StateAt { block, pool, .. } = state_at(&log, args.at_l1_block.map(L1Block))?;
    let Some(block) = block else {
        bail!("the log holds no L1 block to compare at");
    };
    let endpoints = endpoints(&args.l1_rpc, &args.rpc);
    let contracts = runtime()?.block_on(contract_state(&endpoints, log.identity(), block, &pool))?;
    if let Some(head) = log.heads().l1.filter(|head| head.block == block)
        && head.hash != contracts.block_hash
    {
        let found = contracts.block_hash;
        bail!("L1 block {block} is {found} on the chain, but {} in the log: not compared", head.hash);
    }
    let differences = differences(&contracts, &pool);
    let verdict = if differences.is_empty() { "equal" } else { "DIFFERENT" };
    match args.format {
        PlainFormat::Json => {
            let verdict = verdict.to_lowercase();
            json::print(&LiveAudit { l1_block: block.0, verdict, differences: differences.clone() }, output)?;
        }
        PlainFormat::Table => {
            for difference in &differences {
                writeln!(output.out, "L1 block {block}, {difference}")?;
            }
            writeln!(
                output.out,
                "{verdict}: the contracts' state after L1 block {block}, {} differences",
                differences.len()
            )?;
        }
    }
    Ok(if differences.is_empty() { DONE } else { DIFFERENT })
}

/// Each field in which the contracts' state, as they tell it, differs from what the log gives.
pub(crate) fn differences(contracts: &ContractState, pool: &PoolState) -> Vec<StateDifference> {
    // The counts of statuses are the contracts' own, not ours.
    let seq_statuses = contracts.statuses.into();
    let theirs = tally_wire::ContractState { seq_statuses, ..(&contracts.pool).into() };
    let [theirs, ours] = [theirs, pool.into()].map(json::value);
    let mut differences = Vec::new();
    let Ok(()) = differ(&mut String::new(), &theirs, &ours, &mut |field, contract, log| {
        let (field, contract, log) = (field.to_owned(), contract.clone(), log.clone());
        differences.push(StateDifference { field, contract, log });
        Ok::<(), Infallible>(())
    });
    differences
}
