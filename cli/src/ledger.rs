//! `tally ledger show`: what each block earned.

use crate::format::{or_dash, policy_line};
use crate::ledger_args::LedgerShowArgs;
use crate::names::{Names, given};
use crate::shared_args::{Format, second};
use crate::{DONE, Output, json, kept};
use anyhow::{Context, Result, bail};
use std::ops::RangeInclusive;
use tally_engine::{EpochIndex, L2Block, SequencerId};
use tally_eventlog::LogReader;
use tally_export::{CSV_HEADER, csv_row};
use tally_replay::{BlockEntry, BlockLedger, Outcome, Replayed};
use tally_text::{metis_to_the_wei, time};

/// How wide the column of sequencers is at least.
const LABEL_WIDTH: usize = "sequencer".len();

/// The blocks that were asked for.
pub(crate) struct Selection {
    /// None, if nothing is asked for that there is.
    pub(crate) range: Option<RangeInclusive<L2Block>>,
    sequencer: Option<SequencerId>,
}

pub(crate) fn show(args: &LedgerShowArgs, output: &mut Output<'_>) -> Result<u8> {
    let policy = args.policy.load()?;
    let log = args.log.open()?;
    let replayed = kept::replayed(&log, &policy)?;
    let ledger = BlockLedger::new(&log, &replayed)?;
    let sequencer = args.sequencer.as_deref().map(|asked| given(asked, &log, output)).transpose()?;
    let selection = Selection::new(args, sequencer, &log, &ledger)?;
    match args.format {
        Format::Json => {
            let head = tally_wire::LedgerHead::from(((&log).try_into()?, &replayed));
            json::print_streamed(&head, "blocks", output, |write| {
                selection.for_each(&ledger, |entry| write(tally_wire::BlockEntry::from(entry)))
            })?;
        }
        Format::Csv => print_csv(&ledger, &selection, output)?,
        Format::Table => {
            print_table(&ledger, &selection, &Names::load(output, &log)?, output)?;
        }
    }
    Ok(DONE)
}

/// Fails if `sequencer` is none that the ledger can have anything of.
pub(crate) fn check_locked(sequencer: SequencerId, replayed: &Replayed) -> Result<()> {
    if !replayed.ledger.sequencers.contains_key(&sequencer) {
        bail!("sequencer {sequencer} is asked for, but up to the horizon none of that id has locked");
    }
    Ok(())
}

/// An epoch that the ledger has.
pub(crate) fn known_epoch(epoch: u64, replayed: &Replayed) -> Result<EpochIndex> {
    let epochs = replayed.ledger.epochs.len();
    if !usize::try_from(epoch).is_ok_and(|epoch| epoch < epochs) {
        bail!("epoch {epoch} is asked for, but there are {epochs}, from 0 on");
    }
    Ok(EpochIndex(epoch))
}

impl Selection {
    fn new(
        args: &LedgerShowArgs,
        sequencer: Option<SequencerId>,
        log: &LogReader,
        ledger: &BlockLedger<'_, LogReader>,
    ) -> Result<Self> {
        if let Some(id) = sequencer {
            check_locked(id, ledger.replayed())?;
        }
        let Some(all) = ledger.range() else {
            return Ok(Self { range: None, sequencer });
        };
        let mut range = Some(match args.blocks {
            None => all,
            Some(blocks) => blocks.within(*all.start(), *all.end())?,
        });
        let mut keep = |kept: Option<RangeInclusive<L2Block>>| {
            range = range
                .take()
                .zip(kept)
                .map(|(range, own)| *range.start().max(own.start())..=*range.end().min(own.end()));
        };
        if let Some(epoch) = args.epoch {
            keep(ledger.blocks_of(Some(known_epoch(epoch, ledger.replayed())?))?);
        }
        if args.from.is_some() || args.to.is_some() {
            let from = args.from.map(|from| second("--from", from, log)).transpose()?;
            let to = args.to.map(|to| second("--to", to, log)).transpose()?;
            let horizon = ledger.replayed().ledger.horizon.map(|horizon| horizon.timestamp);
            if let (Some(to), Some(horizon)) = (to, horizon)
                && to > horizon
            {
                bail!(
                    "--to {} lies after the last block that is counted, of {}: leave it out for all that there is",
                    time(to),
                    time(horizon)
                );
            }
            keep(ledger.blocks_between(from, to)?);
        }
        Ok(Self { range: range.filter(|range| !range.is_empty()), sequencer })
    }

    /// Calls `each` for the blocks, in order, up to its first error.
    pub(crate) fn for_each(
        &self,
        ledger: &BlockLedger<'_, LogReader>,
        mut each: impl FnMut(&BlockEntry) -> Result<()>,
    ) -> Result<()> {
        let Some(range) = self.range.clone() else {
            return Ok(());
        };
        for entry in ledger.iter(range) {
            let entry = entry?;
            if self.sequencer.is_none() || entry.sequencer == self.sequencer {
                each(&entry)?;
            }
        }
        Ok(())
    }
}

fn print_table(
    ledger: &BlockLedger<'_, LogReader>,
    selection: &Selection,
    names: &Names,
    output: &mut Output<'_>,
) -> Result<()> {
    let policy = &ledger.replayed().policy;
    writeln!(output.out, "{}", policy_line(policy))?;
    let ids = ledger.replayed().ledger.sequencers.keys();
    let labels = ids.map(|id| names.label(*id).chars().count());
    let width = labels.max().map_or(LABEL_WIDTH, |longest| longest.max(LABEL_WIDTH));
    writeln!(
        output.out,
        "{:>12} {:>20} {:>6} {:>9} {:>width$} {:>28} {:>26} {:>30}",
        "block",
        "time",
        "epoch",
        "span",
        "sequencer",
        "effective stake METIS",
        "reward METIS",
        "running total METIS"
    )?;
    // Rows come one by one: there may be more of them than fit in memory.
    selection.for_each(ledger, |entry| {
        let (effective, reward, total) = match &entry.outcome {
            Outcome::Rewarded(rewarded) => (
                metis_to_the_wei(rewarded.effective),
                metis_to_the_wei(rewarded.reward),
                metis_to_the_wei(rewarded.running_total),
            ),
            Outcome::Unrewarded(why) => ("-".into(), why.code().into(), "-".into()),
        };
        Ok(writeln!(
            output.out,
            "{:>12} {:>20} {:>6} {:>9} {:>width$} {effective:>28} {reward:>26} {total:>30}",
            entry.block.0,
            time(entry.timestamp),
            or_dash(entry.epoch),
            or_dash(entry.span),
            or_dash(entry.sequencer.map(|id| names.label(id))),
        )?)
    })
}

fn print_csv(
    ledger: &BlockLedger<'_, LogReader>,
    selection: &Selection,
    output: &mut Output<'_>,
) -> Result<()> {
    let mut csv = csv::Writer::from_writer(&mut output.out);
    csv.write_record(CSV_HEADER)?;
    selection.for_each(ledger, |entry| Ok(csv.write_record(csv_row(entry))?))?;
    csv.flush().context("writing")?;
    Ok(())
}
