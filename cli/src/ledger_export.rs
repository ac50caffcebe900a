//! `tally ledger export`.

use crate::args::{ExportFormat, LedgerExportArgs};
use crate::{DONE, Output, kept, policies};
use anyhow::Result;
use std::time::Instant;
use tally_eventlog::LogReader;
use tally_export::{Exported, export};
use tally_replay::{BlockLedger, Receipt};

pub(crate) fn run(args: &LedgerExportArgs, output: &mut Output<'_>) -> Result<u8> {
    let policy = policies::load_one(&args.policy)?;
    let log = LogReader::open(&args.log.log)?;
    #[expect(clippy::disallowed_methods, reason = "it is told, and is in no result")]
    let start = Instant::now();
    let replayed = kept::replayed(&log, &policy)?;
    let ledger = BlockLedger::new(&log, &replayed)?;
    let format = match args.format {
        ExportFormat::Parquet => tally_export::ExportFormat::Parquet,
        ExportFormat::Csv => tally_export::ExportFormat::Csv,
    };
    let receipt = Receipt::new(log.identity(), log.heads(), None, &replayed)?;
    let Exported { files, rows, kept } = export(&ledger, &args.out, format, &receipt.to_bytes())?;
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
