//! `tally ingest`: from a recording, or from live chains.

use crate::format::or_none;
use crate::ingest_args::IngestArgs;
use crate::{DONE, Output, WrongUsage, live};
use alloy_primitives::B256;
use anyhow::Result;
use std::path::Path;
use tally_eventlog::Heads;
use tally_ingest::{Limits, ingest_recording};

pub(crate) fn run(args: &IngestArgs, output: &mut Output<'_>) -> Result<u8> {
    match (&args.recording, &args.live.network) {
        (Some(recording), _) => from_recording(args, recording, output)?,
        (None, Some(network)) => match live::run(args, network, output)? {
            Some(ingested) => {
                summarize(&ingested.before, &ingested.after, ingested.head_digest, output)?;
            }
            None => writeln!(output.out, "stopped before it began: nothing was changed")?,
        },
        (None, None) => {
            let usage = "what to ingest: --recording DIR, or --network NAME|FILE with --l1-rpc and --l2-rpc";
            return Err(WrongUsage(usage.into()).into());
        }
    }
    Ok(DONE)
}

fn from_recording(args: &IngestArgs, recording: &Path, output: &mut Output<'_>) -> Result<()> {
    let limits = Limits { l1_to: args.l1_to, l2_to: args.l2_to };
    let ingested = ingest_recording(recording, &args.log.log, limits)?;
    output.warn(&ingested.discrepancies)?;
    output.warn(&ingested.warnings)?;
    for unknown in &ingested.unknown {
        writeln!(
            output.err,
            "warning: left out a log of {} in block {} (transaction {}): its topic {} is unknown",
            unknown.contract,
            unknown.block,
            unknown.transaction,
            unknown.topic.map_or("(none)".into(), |topic| topic.to_string()),
        )?;
    }
    summarize(&ingested.before, &ingested.after, ingested.head_digest, output)
}

fn summarize(before: &Heads, after: &Heads, head_digest: B256, output: &mut Output<'_>) -> Result<()> {
    let l1_head = or_none(after.l1.map(|head| head.block));
    let l2_head = or_none(after.l2.map(|head| head.block));
    writeln!(
        output.out,
        "L1 up to block {l1_head}: {} new events, {} in all",
        after.l1_events.count.saturating_sub(before.l1_events.count),
        after.l1_events.count,
    )?;
    let was = or_none(before.l2.map(|head| head.block));
    writeln!(
        output.out,
        "L2 up to block {l2_head} (before: {was}): {} new span events, {} in all",
        after.span_events.count.saturating_sub(before.span_events.count),
        after.span_events.count,
    )?;
    writeln!(output.out, "head digest {head_digest}")?;
    Ok(())
}
