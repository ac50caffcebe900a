//! `tally audit bundle`: what a bundle's log gives, against its receipt.

use crate::args::PlainFormat;
use crate::bundle::Bundle;
use crate::bundle_args::AuditBundleArgs;
use crate::receipt_difference::{Difference, differences, first_place, telling, tops};
use crate::{DIFFERENT, DONE, Output};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use tally_engine::L2Block;
use tally_eventlog::LogView;
use tally_replay::Receipt;

pub(crate) fn run(args: &AuditBundleArgs, output: &mut Output<'_>) -> Result<u8> {
    let bundle = Bundle::open(&args.bundle)?;
    let replayed = replay_bundle(&bundle, args.threads)
        .with_context(|| format!("{} cannot be verified", args.bundle.display()))?;
    // Another engine gives the same, or it is found here.
    let found: Vec<Difference> = differences(&bundle.receipt, &replayed)?
        .into_iter()
        .filter(|difference| difference.field != "engine_version")
        .collect();
    let is_equal = found.is_empty();
    match args.format {
        PlainFormat::Json => writeln!(output.out, "{:#}", result_json(&bundle, &replayed, &found))?,
        PlainFormat::Table => print(&bundle, &replayed, &found, output)?,
    }
    Ok(if is_equal { DONE } else { DIFFERENT })
}

/// The receipt that the bundle's log has under its policy.
fn replay_bundle(bundle: &Bundle, threads: Option<u16>) -> Result<Receipt> {
    let to = bundle.receipt.to.map(L2Block);
    let archive = &bundle.archive;
    Ok(Receipt::new(archive.identity(), archive.heads(), to, &bundle.replay(threads)?)?)
}

fn print(bundle: &Bundle, replayed: &Receipt, found: &[Difference], output: &mut Output<'_>) -> Result<()> {
    let Bundle { archive, policy, receipt } = bundle;
    let out = &mut output.out;
    if receipt.engine_version != replayed.engine_version {
        writeln!(
            out,
            "the receipt was made by engine {}, and replayed by {}",
            receipt.engine_version, replayed.engine_version
        )?;
    }
    for Difference { field, a, b } in telling(found) {
        writeln!(out, "{field}: the receipt has {a}, the replay gives {b}")?;
    }
    if found.is_empty() {
        let end = receipt.horizon.map_or("no block".into(), |end| format!("block {}", end.l2_block));
        writeln!(
            out,
            "equal: policy {} {} up to {end}, {} wei, ledger root {}\nreceipt digest {}\nbundle digest {}",
            policy.name(),
            policy.version(),
            receipt.total_wei,
            receipt.ledger_root,
            receipt.digest(),
            archive.digest(),
        )?;
        return Ok(());
    }
    writeln!(out, "fields that differ: {}", tops(found).join(", "))?;
    match first_place(found) {
        None => writeln!(out, "DIFFERENT: no epoch, but what is told above")?,
        Some((epoch, None)) => writeln!(out, "DIFFERENT: from epoch {epoch} on")?,
        Some((epoch, Some(sequencer))) => {
            writeln!(out, "DIFFERENT: from epoch {epoch}, sequencer {sequencer} on")?;
        }
    }
    Ok(())
}

fn result_json(bundle: &Bundle, replayed: &Receipt, found: &[Difference]) -> Value {
    let Bundle { archive, receipt, .. } = bundle;
    let told: Vec<Value> = telling(found)
        .into_iter()
        .map(|Difference { field, a, b }| json!({ "field": field, "receipt": a, "replay": b }))
        .collect();
    json!({
        "verdict": if found.is_empty() { "equal" } else { "different" },
        "bundle_digest": archive.digest().to_string(),
        "receipt_digest": receipt.digest().to_string(),
        "engine_version": { "receipt": receipt.engine_version, "replay": replayed.engine_version },
        "policy": { "name": receipt.policy.name, "version": receipt.policy.version, "digest": receipt.policy.digest.to_string() },
        "horizon": receipt.horizon,
        "total_wei": receipt.total_wei.to_string(),
        "ledger_root": receipt.ledger_root.to_string(),
        "fields": tops(found),
        "first_difference": place_json(found),
        "differences": told,
    })
}

/// The first epoch that differs, and the first sequencer in it.
pub(crate) fn place_json(found: &[Difference]) -> Value {
    let number = |text: &str| text.parse::<u64>().ok();
    first_place(found).map_or(
        Value::Null,
        |(epoch, sequencer)| json!({ "epoch": number(epoch), "sequencer": sequencer.and_then(number) }),
    )
}
