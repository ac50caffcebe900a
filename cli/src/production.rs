//! `tally production`: who made the blocks that it was to make.

use crate::format::{or_dash, or_nothing, table};
use crate::names::{Names, find};
use crate::shared_args::{Format, LogArg, PolicyArg};
use crate::{DONE, Output, WrongUsage, json};
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::ops::RangeInclusive;
use tally_engine::{EpochIndex, L2Block, SequencerId};
use tally_eventlog::{LogReader, LogView};
use tally_replay::{
    BlockLedger, Gap, Made, Maker, Production, ProductionReader, ProductionRow, ReplayOptions, replay,
};
use tally_text::{address, duration, time};
use tally_wire::{EpochProduction, ProductionOfLog};

#[derive(Debug, Args)]
pub(crate) struct ProductionArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// Only this sequencer: its id, its name by the registry, or any address of it
    #[arg(long, env = "TALLY_SEQUENCER", value_name = "N|NAME|ADDRESS")]
    pub(crate) sequencer: Option<String>,
    /// Only the blocks of this epoch of the policy
    #[arg(long, env = "TALLY_EPOCH", value_name = "N", conflicts_with = "last_blocks")]
    pub(crate) epoch: Option<u64>,
    /// Only the last so many blocks of the log
    #[arg(long, env = "TALLY_LAST_BLOCKS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) last_blocks: Option<u64>,
    /// What each row is of
    #[arg(long, env = "TALLY_BY", value_enum, default_value_t = By::Sequencer)]
    pub(crate) by: By,
    #[command(flatten)]
    pub(crate) policy: PolicyArg,
    /// How to print it
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// What a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// A sequencer, over all of the blocks
    Sequencer,
    /// A sequencer in an epoch of the policy
    Epoch,
    /// A span
    Span,
}

const CSV_HEADER: &str = "sequencer,unknown_signer,epoch,span,first_l2_block,last_l2_block,scheduled_blocks,own_blocks,\
                          blocks_by_others,unsigned_blocks,blocks_for_others,recommits_from,recommits_to,\
                          longest_gap_secs,longest_gap_l2_block,last_made_l2_block,last_made_timestamp";

/// What was asked for.
struct Found {
    all: Production,
    /// By epoch, if that was asked for.
    epochs: Vec<(Option<EpochIndex>, Production)>,
    only: Option<SequencerId>,
}

pub(crate) fn run(args: &ProductionArgs, output: &mut Output<'_>) -> Result<u8> {
    let log = args.log.open()?;
    let only = args.sequencer.as_deref().map(|asked| find(asked, &log, output)).transpose()?;
    let reader = ProductionReader::new(&log)?;
    let range = range_of(args, &log)?;
    let all = match &range {
        Some(range) => reader.of(range.clone())?,
        None => Production::default(),
    };
    let epochs = match (&range, args.by) {
        (Some(range), By::Epoch) => by_epoch(args, &log, &reader, range)?,
        _ => Vec::new(),
    };
    let found = Found { all, epochs, only };
    match args.format {
        Format::Json => print_json(args, &found, &log, output)?,
        Format::Csv => print_csv(args, &found, output)?,
        Format::Table => print_tables(args, &found, &Names::load(output, &log)?, output)?,
    }
    Ok(DONE)
}

/// The blocks that are asked for; `None` if there are none.
fn range_of(args: &ProductionArgs, log: &LogReader) -> Result<Option<RangeInclusive<L2Block>>> {
    let Some(head) = log.reach().l2.map(|head| head.block) else {
        return Ok(None);
    };
    let first = log.identity().l2_first_block;
    if let Some(count) = args.last_blocks {
        let from = head.0.saturating_sub(count.saturating_sub(1));
        return Ok(Some(first.max(L2Block(from))..=head));
    }
    let Some(epoch) = args.epoch else {
        return Ok(Some(first..=head));
    };
    let policy = args.policy.load()?;
    let name = policy.name().to_owned();
    let replayed = replay(log, &[policy], ReplayOptions::default())?;
    let ranges =
        replayed.first().map(|replayed| BlockLedger::new(log, replayed)?.blocks_of(Some(EpochIndex(epoch))));
    let range = ranges.transpose()?.flatten();
    let last = replayed.first().and_then(|replayed| replayed.ledger.epochs.last());
    range.map(Some).ok_or_else(|| {
        let known =
            last.map_or("has no epoch yet".into(), |last| format!("has the epochs 0 to {}", last.epoch));
        WrongUsage(format!("--epoch {epoch}: policy {name} {known} in this log")).into()
    })
}

/// The same by epoch, the time before epoch 0 included.
fn by_epoch(
    args: &ProductionArgs,
    log: &LogReader,
    reader: &ProductionReader<'_, LogReader>,
    range: &RangeInclusive<L2Block>,
) -> Result<Vec<(Option<EpochIndex>, Production)>> {
    let replayed = replay(log, &[args.policy.load()?], ReplayOptions::default())?;
    let mut found = Vec::new();
    for replayed in &replayed {
        let ledger = BlockLedger::new(log, replayed)?;
        let epochs = replayed.ledger.epochs.iter().map(|epoch| Some(epoch.epoch));
        for epoch in std::iter::once(None).chain(epochs) {
            let Some(blocks) = ledger.blocks_of(epoch)? else { continue };
            let (first, last) = (*blocks.start().max(range.start()), *blocks.end().min(range.end()));
            if first <= last {
                found.push((epoch, reader.of(first..=last)?));
            }
        }
    }
    Ok(found)
}

fn print_json(args: &ProductionArgs, found: &Found, log: &LogReader, output: &mut Output<'_>) -> Result<()> {
    let of = |made: &Production| tally_wire::Production::of(made, found.only);
    let is_shown = |maker: Maker| found.only.is_none_or(|only| maker.sequencer() == Some(only));
    let spans = found.all.spans.iter().filter(|span| args.by == By::Span && is_shown(span.scheduled));
    let epochs = found.epochs.iter().map(|(epoch, made)| {
        Ok(EpochProduction { epoch: epoch.map(|epoch| epoch.0), production: of(made)? })
    });
    let shape = ProductionOfLog {
        log: log.try_into()?,
        epoch: args.epoch,
        production: of(&found.all)?,
        spans: spans.map(Into::into).collect(),
        epochs: epochs.collect::<Result<_>>()?,
    };
    json::print(&shape, output)
}

/// A row: of whom, where, and what.
struct Line<'a> {
    maker: Maker,
    epoch: Option<EpochIndex>,
    span: Option<u64>,
    range: Option<(Made, Made)>,
    row: &'a ProductionRow,
}

/// The rows that were asked for.
fn lines<'a>(args: &ProductionArgs, found: &'a Found) -> Vec<Line<'a>> {
    let rows = |made: &'a Production, epoch: Option<EpochIndex>| {
        made.rows.iter().map(move |(maker, row)| Line {
            maker: *maker,
            epoch,
            span: None,
            range: made.range,
            row,
        })
    };
    let epoch = args.epoch.map(EpochIndex);
    let all: Vec<Line<'_>> = match args.by {
        By::Sequencer => rows(&found.all, epoch).collect(),
        By::Epoch => found.epochs.iter().flat_map(|(epoch, made)| rows(made, *epoch)).collect(),
        By::Span => found
            .all
            .spans
            .iter()
            .map(|of| Line {
                maker: of.scheduled,
                epoch,
                span: Some(of.span.id.0),
                range: Some((of.first, of.last)),
                row: &of.row,
            })
            .collect(),
    };
    all.into_iter()
        .filter(|line| found.only.is_none_or(|only| line.maker.sequencer() == Some(only)))
        .collect()
}

fn print_csv(args: &ProductionArgs, found: &Found, output: &mut Output<'_>) -> Result<()> {
    let mut csv = csv::Writer::from_writer(&mut output.out);
    csv.write_record(CSV_HEADER.split(','))?;
    for Line { maker, epoch, span, range, row } in lines(args, found) {
        let unknown = match maker {
            Maker::Unknown(signer) => crate::format::address(signer),
            Maker::Sequencer(_) => String::new(),
        };
        csv.write_record([
            or_nothing(maker.sequencer()),
            unknown,
            or_nothing(epoch),
            or_nothing(span),
            or_nothing(range.map(|(first, _)| first.block)),
            or_nothing(range.map(|(_, last)| last.block)),
            row.scheduled.to_string(),
            row.by_itself.to_string(),
            row.by_others_total()?.to_string(),
            row.unsigned.to_string(),
            row.for_others.to_string(),
            row.recommits_from.to_string(),
            row.recommits_to.to_string(),
            or_nothing(row.longest_gap.map(|gap| gap.secs)),
            or_nothing(row.longest_gap.map(|gap| gap.before)),
            or_nothing(row.last_made.map(|made| made.block)),
            or_nothing(row.last_made.map(|made| made.time)),
        ])?;
    }
    csv.flush()?;
    Ok(())
}

/// Who one is, for people.
fn label(maker: Maker, names: &Names) -> String {
    match maker {
        Maker::Sequencer(id) => names.label(id),
        Maker::Unknown(signer) => format!("no sequencer: {}", address(signer)),
    }
}

fn print_tables(args: &ProductionArgs, found: &Found, names: &Names, output: &mut Output<'_>) -> Result<()> {
    let out = &mut output.out;
    let all = &found.all;
    let Some((first, last)) = all.range else {
        writeln!(out, "no block was made")?;
        return Ok(());
    };
    writeln!(
        out,
        "L2 blocks  {} to {}, {} to {}: {} made, {} of them signed by nobody, {} in no span",
        first.block,
        last.block,
        time(first.time),
        time(last.time),
        all.blocks,
        all.unsigned,
        all.unscheduled
    )?;
    writeln!(out)?;
    let place = match args.by {
        By::Sequencer => None,
        By::Epoch => Some("epoch"),
        By::Span => Some("span"),
    };
    // Of a span neither is counted.
    let is_of_span = args.by == By::Span;
    let is_shown = |column: &str| !is_of_span || !["for others", "recommits"].contains(&column);
    let columns = [
        "scheduled",
        "by itself",
        "by others",
        "unsigned",
        "for others",
        "recommits",
        "longest gap",
        "last made",
    ];
    let shown = columns.into_iter().filter(|column| is_shown(column));
    let header: Vec<&str> = std::iter::once("sequencer").chain(place).chain(shown).collect();
    let mut rows = table(&header, 1);
    let lines = lines(args, found);
    if let (Some(only), true) = (found.only, lines.is_empty()) {
        writeln!(
            out,
            "sequencer {}: no block of these was scheduled for it, and it made none",
            names.label(only)
        )?;
        return Ok(());
    }
    for Line { maker, epoch, span, row, .. } in lines {
        let place = match args.by {
            By::Sequencer => None,
            By::Epoch => Some(epoch.map_or("before 0".into(), |epoch| epoch.to_string())),
            By::Span => Some(or_dash(span)),
        };
        let cells = [
            row.scheduled.to_string(),
            row.by_itself.to_string(),
            row.by_others_total()?.to_string(),
            row.unsigned.to_string(),
            row.for_others.to_string(),
            format!("-{} +{}", row.recommits_from, row.recommits_to),
            row.longest_gap.map_or("-".into(), |Gap { secs, .. }| duration(secs)),
            row.last_made.map_or("-".into(), |made| time(made.time)),
        ];
        let cells = columns.into_iter().zip(cells).filter(|(column, _)| is_shown(column));
        rows.add_row(std::iter::once(label(maker, names)).chain(place).chain(cells.map(|(_, cell)| cell)));
    }
    writeln!(out, "{rows}")?;
    let mut by_whom = table(&["scheduled for", "signed by", "blocks"], 2);
    for (maker, row) in &found.all.rows {
        if found.only.is_none_or(|only| maker.sequencer() == Some(only)) {
            for (by, blocks) in &row.by_others {
                by_whom.add_row([label(*maker, names), label(*by, names), blocks.to_string()]);
            }
        }
    }
    if by_whom.row_count() > 0 {
        writeln!(out, "\n{by_whom}")?;
    }
    Ok(())
}
