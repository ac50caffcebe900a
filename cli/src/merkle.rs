//! `tally claims merkle`.

use crate::args::PlainFormat;
use crate::claims_args::MerkleArgs;
use crate::format::{address, table};
use crate::names::Names;
use crate::replay_json::{log_json, policy_id_json};
use crate::{DONE, Output, policies};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use tally_claims::{Distribution, Leaf, Withheld, distribution};
use tally_engine::EpochIndex;
use tally_eventlog::LogReader;
use tally_export::write_whole;
use tally_text::metis;

pub(crate) fn run(args: &MerkleArgs, output: &mut Output<'_>) -> Result<u8> {
    let policy = policies::load_one(&args.policy)?;
    let log = LogReader::open(&args.log.log)?;
    let epoch = args.epoch.map(EpochIndex);
    let found = distribution(&log, &policy, epoch, args.threads.map(usize::from))?;
    write(&args.out, &found.tree.to_json())?;
    if let Some(path) = &args.proofs {
        write(path, &found.proofs_json())?;
    }
    match args.format {
        PlainFormat::Json => writeln!(output.out, "{:#}", summary_json(&log, &found)?)?,
        PlainFormat::Table => print_tables(&log, &found, output)?,
    }
    Ok(DONE)
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_whole::<(), std::io::Error>(path, |out| out.write_all(text.as_bytes()))
        .with_context(|| format!("writing {}", path.display()))
}

fn summary_json(log: &LogReader, found: &Distribution) -> Result<Value> {
    let leaf = |leaf: &Leaf| {
        json!({
            "sequencer": leaf.sequencer.0,
            "recipient": address(leaf.recipient),
            "cumulative_wei": leaf.cumulative.to_string(),
        })
    };
    let withheld = |withheld: &Withheld| {
        json!({
            "sequencer": withheld.sequencer.0,
            "cumulative_wei": withheld.cumulative.to_string(),
            "reason": withheld.reason.code(),
        })
    };
    Ok(json!({
        "policy": policy_id_json(&found.policy),
        "log": log_json(log)?,
        "epoch": found.epoch.0,
        "epoch_end": found.end.0,
        "root": found.tree.root(),
        "leaves": found.leaves.iter().map(leaf).collect::<Vec<_>>(),
        "withheld": found.withheld.iter().map(withheld).collect::<Vec<_>>(),
        "leaves_wei": found.total_leaves.to_string(),
        "withheld_wei": found.total_withheld.to_string(),
        "total_wei": found.total.to_string(),
    }))
}

fn print_tables(log: &LogReader, found: &Distribution, output: &mut Output<'_>) -> Result<()> {
    let names = Names::load(output.registry, log)?;
    let (out, policy) = (&mut output.out, &found.policy);
    writeln!(out, "policy {} {} ({})", policy.name(), policy.version(), policy.digest())?;
    writeln!(out, "log head {}", log.head_digest()?)?;
    let l1_block = found.l1_block.map_or("none".into(), |block| block.to_string());
    writeln!(out, "up to the end of epoch {}, {}", found.epoch, tally_text::time(found.end))?;
    writeln!(out, "recipients as of L1 block {l1_block}\n")?;
    let mut rows = table(&["sequencer", "recipient", "cumulative METIS"], 2);
    for leaf in &found.leaves {
        rows.add_row([
            names.label(leaf.sequencer),
            tally_text::address(leaf.recipient),
            metis(leaf.cumulative),
        ]);
    }
    for withheld in &found.withheld {
        let why = format!("withheld: {}", withheld.reason.code());
        rows.add_row([names.label(withheld.sequencer), why, metis(withheld.cumulative)]);
    }
    writeln!(out, "{rows}\n")?;
    writeln!(out, "{} leaves of {} wei", found.leaves.len(), found.total_leaves)?;
    writeln!(out, "{} withheld of {} wei", found.withheld.len(), found.total_withheld)?;
    writeln!(out, "total {} wei\nroot {}", found.total, found.tree.root())?;
    Ok(())
}
