//! `tally claims next-batch`: the next payment of rewards, as a call.

use crate::checklist::{Check, checks, is_ready};
use crate::claims_args::NextBatchArgs;
use crate::format::table;
use crate::live::runtime;
use crate::names::Names;
use crate::out_file::write_file;
use crate::shared_args::PlainFormat;
use crate::{DONE, Output, json};
use anyhow::{Context, Result, bail};
use std::path::Path;
use tally_claims::{NextBatch, PreparedCall, next_batch, safe_file};
use tally_engine::{SpanId, UnixTime};
use tally_eventlog::{LogReader, LogView};
use tally_ingest::{BatchCallState, batch_call_state};
use tally_text::{address, exact_metis, metis, trimmed};
use tally_wire::{Head, NextBatchOfLog};

pub(crate) fn run(args: &NextBatchArgs, output: &mut Output<'_>) -> Result<u8> {
    let log = args.log.open()?;
    let batch = next_batch(&log, args.to_span.map(SpanId), args.credit.into())?;
    output.warn(&batch.discrepancies)?;
    if let Some(since) = batch.paused_since {
        writeln!(output.err, "warning: the pool is paused since L1 block {since}: ask why before you pay")?;
    }
    if let [first, rest @ ..] = &batch.check_differences[..] {
        let more = if rest.is_empty() {
            String::new()
        } else {
            format!("; {} more are not as it wants", rest.len())
        };
        writeln!(
            output.err,
            "warning: the published check of Themis would not sign this batch: it wants {first}{more}"
        )?;
    }
    let live = ask_l1(&log, &batch, args)?;
    let checks = checks(&batch, args, live.as_ref())?;
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
        write_safe_file(path, &[&batch.call], &name, &description, batch.l1_time)?;
    }
    match args.format {
        PlainFormat::Json => {
            let asked_at = live.map(|live| Head {
                block: live.block.0,
                hash: live.block_hash.into(),
                timestamp: live.timestamp.0,
            });
            let shape = NextBatchOfLog {
                log: (&log).try_into()?,
                next: (&batch).into(),
                asked_at,
                is_ready: is_ready(&checks),
                checks: checks.iter().map(Check::shape).collect(),
            };
            json::print(&shape, output)?;
        }
        PlainFormat::Table => {
            print_tables(&batch, &Names::load(output, &log)?, output)?;
            print_checks(&checks, live.as_ref(), output)?;
        }
    }
    Ok(DONE)
}

/// What L1 says of the batch's call, if an endpoint is given.
fn ask_l1(log: &LogReader, batch: &NextBatch, args: &NextBatchArgs) -> Result<Option<BatchCallState>> {
    let Some(endpoints) = args.l1.endpoints(&args.rpc) else {
        return Ok(None);
    };
    let head = log.heads().l1.context("the log holds nothing of L1")?;
    let sender = batch.call.sender.context("nobody can submit a batch")?;
    let asked = batch_call_state(&endpoints, log.identity(), head, sender, &batch.call.calldata);
    let live = runtime()?.block_on(asked)?;
    if live.log_head_hash != head.hash {
        let (block, found) = (head.block, live.log_head_hash);
        bail!("L1 block {block} is {found} on the chain, but {} in the log: nothing was checked", head.hash);
    }
    Ok(Some(live))
}

/// The checklist, and what it comes to.
fn print_checks(checks: &[Check], live: Option<&BatchCallState>, output: &mut Output<'_>) -> Result<()> {
    let out = &mut output.out;
    let mut rows = table(&["", "before it is sent", "wanted", "found"], 4);
    for check in checks {
        rows.add_row(check.row());
    }
    writeln!(out, "\n{rows}\n")?;
    if let Some(live) = live {
        writeln!(out, "L1 was asked after block {}, of {}", live.block, tally_text::time(live.timestamp))?;
    }
    let verdict = match is_ready(checks) {
        Some(true) => "ready to be sent",
        Some(false) => "NOT ready to be sent",
        None => "nothing is against sending it, but not all was asked",
    };
    writeln!(out, "{verdict}")?;
    Ok(())
}

/// Writes calls for a `Safe` wallet, whole or not at all.
pub(crate) fn write_safe_file(
    path: &Path,
    calls: &[&PreparedCall],
    name: &str,
    description: &str,
    at: UnixTime,
) -> Result<()> {
    write_as_safe(path, &safe_file(calls, name, description, at)?)
}

/// Writes a file for a `Safe` wallet.
pub(crate) fn write_as_safe(path: &Path, file: &serde_json::Value) -> Result<()> {
    write_file::<(), std::io::Error>(path, |out| writeln!(out, "{file:#}"))
        .with_context(|| format!("writing the Safe file {}", path.display()))
}

fn print_tables(batch: &NextBatch, names: &Names, output: &mut Output<'_>) -> Result<()> {
    let out = &mut output.out;
    let NextBatch { start_span, end_span, first_block, last_block, call, .. } = batch;
    writeln!(out, "batch            {}", batch.batch)?;
    writeln!(out, "spans            {start_span} to {end_span}")?;
    writeln!(out, "L2 blocks        {first_block} to {last_block}")?;
    if let [first, rest @ ..] = &batch.blocking[..] {
        let more = if rest.is_empty() { String::new() } else { format!("; and {} more signers", rest.len()) };
        writeln!(out, "stops before     {first}{more}")?;
    }
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
