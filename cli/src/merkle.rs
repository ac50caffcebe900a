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
use tally_engine::{EpochIndex, PoolState};
use tally_eventlog::LogReader;
use tally_replay::state_at;
use tally_text::metis;

pub(crate) fn run(args: &MerkleArgs, output: &mut Output<'_>) -> Result<u8> {
    let policy = args.policy.load()?;
    let log = args.log.open()?;
    let epoch = args.epoch.map(EpochIndex);
    // What may still be taken back is in no distribution: a root that is published has to stay.
    let is_final = log.final_part()?;
    let found = distribution(&is_final, &policy, epoch, args.threads.count())?;
    let present = state_at(&is_final, None)?.pool;
    write(&args.out, &found.tree()?.to_json())?;
    if let Some(path) = &args.proofs {
        write(path, &found.proofs_json()?)?;
    }
    let summary = tally_wire::Distribution::from(((&log).try_into()?, &found, &present));
    match args.format {
        PlainFormat::Json => {
            json::print(&summary, output)?;
        }
        PlainFormat::Table => print_tables(&log, &found, &present, output)?,
    }
    Ok(DONE)
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_file::<(), std::io::Error>(path, |out| out.write_all(text.as_bytes()))
        .with_context(|| format!("writing {}", path.display()))
}

fn print_tables(
    log: &LogReader,
    found: &Distribution,
    present: &PoolState,
    output: &mut Output<'_>,
) -> Result<()> {
    let names = Names::load(output, log)?;
    let (out, policy, head) = (&mut output.out, &found.policy, &found.head);
    writeln!(out, "{}", policy_line(policy))?;
    writeln!(out, "log head {}", log.head_digest()?)?;
    let l1_block = or_none(head.l1_block);
    writeln!(out, "up to the end of epoch {}, {}", head.epoch, tally_text::time(head.end))?;
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
    let paid = found.leaves.iter().map(|leaf| (leaf.sequencer, Some(leaf.recipient)));
    for (id, recipient) in paid.chain(found.withheld.iter().map(|withheld| (withheld.sequencer, None))) {
        let now = present.sequencers.get(&id).map(|state| state.reward_recipient);
        if let Some(now) = now.filter(|now| !now.is_zero() && Some(*now) != recipient) {
            let (name, now) = (names.label(id), tally_text::address(now));
            writeln!(
                out,
                "since then sequencer {name} has named {now}: it is paid from the next epoch's on"
            )?;
        }
    }
    writeln!(out, "{} leaves of {} wei", head.leaves, head.total_leaves)?;
    writeln!(out, "{} withheld of {} wei", head.withheld, head.total_withheld)?;
    writeln!(out, "total {} wei\nroot {}", head.total, found.tree()?.root())?;
    Ok(())
}
