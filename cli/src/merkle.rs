//! `tally claims merkle`: a tree to pay a policy by.

use crate::claims_args::MerkleArgs;
use crate::format::{or_none, policy_line, table};
use crate::names::Names;
use crate::out_file::write_file;
use crate::shared_args::PlainFormat;
use crate::{DONE, Output, json};
use anyhow::{Context, Result};
use std::io::Write;
use std::path::Path;
use tally_claims::{Distribution, distribution};
use tally_engine::EpochIndex;
use tally_eventlog::LogReader;
use tally_text::metis;

pub(crate) fn run(args: &MerkleArgs, output: &mut Output<'_>) -> Result<u8> {
    let policy = args.policy.load()?;
    let log = args.log.open()?;
    let epoch = args.epoch.map(EpochIndex);
    let found = distribution(&log, &policy, epoch, args.threads.count())?;
    write(&args.out, &found.tree.to_json())?;
    if let Some(path) = &args.proofs {
        write(path, &found.proofs_json())?;
    }
    match args.format {
        PlainFormat::Json => {
            json::print(&tally_wire::Distribution::from(((&log).try_into()?, &found)), output)?;
        }
        PlainFormat::Table => print_tables(&log, &found, output)?,
    }
    Ok(DONE)
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_file::<(), std::io::Error>(path, |out| out.write_all(text.as_bytes()))
        .with_context(|| format!("writing {}", path.display()))
}

fn print_tables(log: &LogReader, found: &Distribution, output: &mut Output<'_>) -> Result<()> {
    let names = Names::load(output, log)?;
    let (out, policy) = (&mut output.out, &found.policy);
    writeln!(out, "{}", policy_line(policy))?;
    writeln!(out, "log head {}", log.head_digest()?)?;
    let l1_block = or_none(found.l1_block);
    writeln!(out, "up to the end of epoch {}, {}", found.epoch, tally_text::time(found.end))?;
    writeln!(out, "recipients as of L1 block {l1_block}: addresses on L2, where the tree is to be paid\n")?;
    let mut rows = table(&["sequencer", "recipient on L2", "cumulative METIS"], 2);
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
