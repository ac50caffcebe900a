//! `tally log upgrade`: a log of this format of one of an earlier format.

use crate::live::runtime;
use crate::log::reach;
use crate::log_args::UpgradeArgs;
use crate::{DONE, Output};
use anyhow::Result;
use tally_eventlog::{FORMAT, LogReader, LogView, OwnerRecord, Upgraded, upgrade};
use tally_ingest::{owners_of_chain, owners_of_recording};

pub(crate) fn run(args: &UpgradeArgs, output: &mut Output<'_>) -> Result<u8> {
    let Upgraded { from_format, heads, head_digest, owner_events, missing_to } =
        upgrade(&args.log.log, &args.to, |log| missing(args, log))?;
    let (to, reach) = (args.to.display(), reach(&heads));
    writeln!(
        output.out,
        "made of format {from_format} at {to}: format {FORMAT}, {reach}, every byte checked"
    )?;
    match missing_to {
        None => writeln!(output.out, "{owner_events} events of the contracts' owners")?,
        Some(to) => writeln!(
            output.out,
            "the events of the contracts' owners up to L1 block {to} are missing: the next ingest fetches them"
        )?,
    }
    writeln!(output.out, "head digest {head_digest}")?;
    Ok(DONE)
}

/// The owner events that a log lacks, from where the arguments say; `None` if they do not.
fn missing(args: &UpgradeArgs, log: &LogReader) -> Result<Option<Vec<OwnerRecord>>> {
    let Some(head) = log.heads().l1 else {
        return Ok(None);
    };
    let identity = log.identity();
    if let Some(recording) = &args.recording {
        return Ok(Some(owners_of_recording(recording, identity, head)?));
    }
    let Some(endpoints) = args.l1.endpoints(&args.rpc) else {
        return Ok(None);
    };
    Ok(Some(runtime()?.block_on(owners_of_chain(&endpoints, identity, head))?))
}
