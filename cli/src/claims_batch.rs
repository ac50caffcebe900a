//! `tally claims next-batch`.

use crate::args::PlainFormat;
use crate::claims_args::NextBatchArgs;
use crate::format::table;
use crate::names::Names;
use crate::{DONE, Output, json};
use anyhow::{Context, Result};
use std::path::Path;
use tally_claims::{NextBatch, PreparedCall, next_batch, safe_file};
use tally_engine::{SpanId, UnixTime};
use tally_eventlog::LogReader;
use tally_export::write_whole;
use tally_text::{address, exact_metis, metis, trimmed};

pub(crate) fn run(args: &NextBatchArgs, output: &mut Output<'_>) -> Result<u8> {
    let log = LogReader::open(&args.log.log)?;
    let batch = next_batch(&log, args.to_span.map(SpanId))?;
    for discrepancy in &batch.discrepancies {
        writeln!(output.err, "warning: {discrepancy}")?;
    }
    if let Some(since) = batch.paused_since {
        writeln!(output.err, "warning: the pool is paused since L1 block {since}: ask why before you pay")?;
    }
    if let Some(path) = &args.safe {
        let name = format!("Metis sequencer pool: batch {}", batch.batch);
        let description = format!(
            "Pays spans {} to {}: {} blocks of {} METIS, {} METIS in all. Prepared by Tally from the log {}.",
            batch.start_span,
            batch.end_span,
            batch.blocks,
            trimmed(batch.reward_per_block.get()),
            trimmed(batch.total.get()),
            log.head_digest()?,
        );
        write_safe_file(path, &batch.call, &name, &description, batch.l1_time)?;
    }
    match args.format {
        PlainFormat::Json => {
            let next = (&batch).into();
            json::print(&tally_wire::NextBatchOfLog { log: (&log).try_into()?, next }, output)?;
        }
        PlainFormat::Table => print_tables(&batch, &Names::load(output.registry, &log)?, output)?,
    }
    Ok(DONE)
}

/// Writes a call for a `Safe` wallet, whole or not at all.
pub(crate) fn write_safe_file(
    path: &Path,
    call: &PreparedCall,
    name: &str,
    description: &str,
    at: UnixTime,
) -> Result<()> {
    let file = safe_file(call, name, description, at)?;
    write_whole::<(), std::io::Error>(path, |out| writeln!(out, "{file:#}"))
        .with_context(|| format!("writing the Safe file {}", path.display()))
}

fn print_tables(batch: &NextBatch, names: &Names, output: &mut Output<'_>) -> Result<()> {
    let out = &mut output.out;
    let NextBatch { start_span, end_span, first_block, last_block, call, .. } = batch;
    writeln!(out, "batch            {}", batch.batch)?;
    writeln!(out, "spans            {start_span} to {end_span}")?;
    writeln!(out, "L2 blocks        {first_block} to {last_block}")?;
    writeln!(out, "reward per block {} METIS", exact_metis(batch.reward_per_block))?;
    writeln!(out, "total            {} METIS for {} blocks", exact_metis(batch.total), batch.blocks)?;
    print_call(call, out)?;
    writeln!(out)?;
    let mut entries = table(&["signer", "sequencer", "blocks", "reward METIS"], 1);
    for entry in &batch.entries {
        entries.add_row([
            address(entry.signer),
            names.label(entry.sequencer),
            entry.blocks.to_string(),
            metis(entry.reward),
        ]);
    }
    writeln!(out, "{entries}")?;
    if !batch.unpayable.is_empty() {
        let mut unpayable = table(&["cannot be paid", "why", "sequencer", "blocks"], 2);
        for blocks in &batch.unpayable {
            unpayable.add_row([
                address(blocks.signer),
                blocks.why.code().into(),
                blocks.why.sequencer().map_or("-".into(), |sequencer| names.label(sequencer)),
                blocks.blocks.to_string(),
            ]);
        }
        writeln!(out, "\n{unpayable}")?;
    }
    Ok(())
}

/// Where a call goes, who sends it, and what it says.
pub(crate) fn print_call(call: &PreparedCall, out: &mut dyn std::io::Write) -> Result<()> {
    let sender = match call.sender {
        None => format!("the contract's {}, whom the log does not tell", call.role),
        Some(sender) if sender.is_zero() => format!("nobody: the contract has no {}", call.role),
        Some(sender) => format!("{} ({})", address(sender), call.role),
    };
    writeln!(out, "send to          {} on chain {}", address(call.contract), call.chain_id)?;
    writeln!(out, "by               {sender}")?;
    writeln!(out, "calldata         {}", call.calldata)?;
    Ok(())
}
