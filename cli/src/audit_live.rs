//! `tally audit live`.

use crate::args::{AuditLiveArgs, PlainFormat};
use crate::compare::differ;
use crate::live::{endpoints, runtime};
use crate::state_json::{state_json, status_counts};
use crate::{DIFFERENT, DONE, Output};
use anyhow::{Result, bail};
use serde_json::{Value, json};
use tally_engine::L1Block;
use tally_eventlog::LogReader;
use tally_ingest::contract_state;
use tally_replay::{StateAt, state_at};

pub(crate) fn run(args: &AuditLiveArgs, output: &mut Output<'_>) -> Result<u8> {
    let log = LogReader::open(&args.log.log)?;
    let identity = log.identity();
    let StateAt { block, pool, .. } = state_at(&log, identity.l1_first_block, args.at_l1_block.map(L1Block))?;
    let Some(block) = block else {
        bail!("the log holds no L1 block to compare at");
    };
    let endpoints = endpoints(&args.l1_rpc, &args.rpc);
    let contracts = runtime()?.block_on(contract_state(&endpoints, identity, block, &pool))?;
    if let Some(head) = log.heads().l1.filter(|head| head.block == block)
        && head.hash != contracts.block_hash
    {
        let found = contracts.block_hash;
        bail!("L1 block {block} is {found} on the chain, but {} in the log: not compared", head.hash);
    }
    let mut theirs = state_json(&contracts.pool);
    // By their own count, not ours.
    theirs["seqStatuses"] = status_counts(contracts.statuses);
    let ours = state_json(&pool);
    let mut differences = Vec::new();
    differ(&mut String::new(), &theirs, &ours, &mut |field, contract, log| {
        differences.push(json!({ "field": field, "contract": contract, "log": log }));
        Ok(())
    })?;
    let verdict = if differences.is_empty() { "equal" } else { "DIFFERENT" };
    match args.format {
        PlainFormat::Json => {
            let result =
                json!({ "l1_block": block.0, "verdict": verdict.to_lowercase(), "differences": differences });
            writeln!(output.out, "{result:#}")?;
        }
        PlainFormat::Table => {
            for difference in &differences {
                let field = difference["field"].as_str().unwrap_or_default();
                let (contract, log): (&Value, &Value) = (&difference["contract"], &difference["log"]);
                writeln!(
                    output.out,
                    "L1 block {block}, {field}: the contract has {contract}, the log gives {log}"
                )?;
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
