//! `tally audit live`.

use crate::args::{AuditLiveArgs, PlainFormat};
use crate::compare::differ;
use crate::live::{endpoints, runtime};
use crate::state_json::{state_json, status_counts};
use crate::{DIFFERENT, DONE, Output};
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::fmt;
use tally_engine::{L1Block, PoolState};
use tally_eventlog::{LogReader, LogView};
use tally_ingest::{ContractState, contract_state};
use tally_replay::{StateAt, state_at};

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
            let json = |Difference { field, contract, log }: &Difference| json!({ "field": field, "contract": contract, "log": log });
            let differences: Vec<Value> = differences.iter().map(json).collect();
            let result =
                json!({ "l1_block": block.0, "verdict": verdict.to_lowercase(), "differences": differences });
            writeln!(output.out, "{result:#}")?;
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

/// A field of the contracts' state in which they and the log differ.
pub(crate) struct Difference {
    field: String,
    contract: Value,
    log: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, contract, log } = self;
        write!(f, "{field}: the contract has {contract}, the log gives {log}")
    }
}

/// Each field in which the contracts' state, as they tell it, differs from what the log gives.
pub(crate) fn differences(contracts: &ContractState, pool: &PoolState) -> Vec<Difference> {
    let mut theirs = state_json(&contracts.pool);
    // By their own count, not ours.
    theirs["seqStatuses"] = status_counts(contracts.statuses);
    let mut differences = Vec::new();
    let Ok(()) = differ(&mut String::new(), &theirs, &state_json(pool), &mut |field, contract, log| {
        let (field, contract, log) = (field.to_owned(), contract.clone(), log.clone());
        differences.push(Difference { field, contract, log });
        Ok::<(), Infallible>(())
    });
    differences
}
