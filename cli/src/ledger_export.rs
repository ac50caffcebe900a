//! `tally ledger export`: what each block earned, as files.

use crate::ledger::known_epoch;
use crate::ledger_args::{ExportFormatArg, LedgerExportArgs};
use crate::{DONE, Output};
use anyhow::{Context, Result};
use std::time::Instant;
use tally_eventlog::LogView;
use tally_export::{Exported, export};
use tally_replay::{BlockLedger, Receipt, ReplayOptions, replay};

pub(crate) fn run(args: &LedgerExportArgs, output: &mut Output<'_>) -> Result<u8> {
    let policy = args.policy.load()?;
    let log = args.log.open()?;
    #[expect(clippy::disallowed_methods, reason = "it is told, and is in no result")]
    let start = Instant::now();
    // An export is evidence: it comes of the log, and of nothing that was kept of it.
    let replayed = replay(&log, std::slice::from_ref(&policy), ReplayOptions::default())?;
    let replayed = replayed.first().context("a replay of one policy gives one ledger")?;
    let ledger = BlockLedger::new(&log, replayed)?;
    let format = match args.format {
        ExportFormatArg::Parquet => tally_export::ExportFormat::Parquet,
        ExportFormatArg::Csv => tally_export::ExportFormat::Csv,
    };
    let receipt = Receipt::new(log.identity(), log.heads(), None, replayed)?;
    let epoch = args.epoch.map(|epoch| known_epoch(epoch, replayed)).transpose()?;
    let Exported { files, rows, kept } = export(&ledger, epoch, &args.out, format, &receipt.to_bytes())?;
    if args.timing {
        writeln!(output.err, "{rows} blocks in {:.6} s", start.elapsed().as_secs_f64())?;
    }
    write!(output.out, "{}: {files} files with {rows} blocks", args.out.display())?;
    if kept > 0 {
        write!(output.out, ", beside {kept} that were there")?;
    }
    writeln!(output.out)?;
    Ok(DONE)
}
