//! `tally log restore`: a log of a bundle, to be followed from there.

use crate::bundle::Bundle;
use crate::log::reach;
use crate::log_args::RestoreArgs;
use crate::{DIFFERENT, DONE, Output, audit_bundle};
use anyhow::{Result, ensure};
use tally_eventlog::{LogView, Restored};

/// Nothing is written before the bundle's receipt is what its log gives.
pub(crate) fn run(args: &RestoreArgs, output: &mut Output<'_>) -> Result<u8> {
    let bundle = Bundle::open(&args.bundle)?;
    let archive = &bundle.archive;
    let digest = archive.heads().digest(archive.identity())?;
    if let Some(expected) = args.head_digest {
        ensure!(
            digest == expected,
            "the log in {} has the head digest {digest}, not {expected}: nothing was made",
            args.bundle.display()
        );
    }
    let (replayed, found) = audit_bundle::compare(&bundle, &args.bundle, args.threads.count())?;
    if !found.is_empty() {
        audit_bundle::print(&bundle, &replayed, &found, output)?;
        writeln!(output.out, "no log was made")?;
        return Ok(DIFFERENT);
    }
    let Restored { heads, lacks_transfers } = tally_eventlog::restore(archive, &args.log)?;
    if let Some(reason) = lacks_transfers {
        writeln!(output.err, "warning: {reason}")?;
    }
    let (log, reach) = (args.log.display(), reach(&heads));
    writeln!(output.out, "restored at {log}: {reach}, every byte checked\nhead digest {digest}")?;
    Ok(DONE)
}
