//! `tally audit bundle`: what a bundle's log gives, against its receipt.

use crate::audit_args::AuditBundleArgs;
use crate::bundle::Bundle;
use crate::receipt_difference::{FieldDifference, differences, first_place, telling, tops};
use crate::shared_args::PlainFormat;
use crate::{DIFFERENT, DONE, Output, json};
use anyhow::{Context, Result};
use std::path::Path;
use tally_engine::L2Block;
use tally_eventlog::LogView;
use tally_replay::Receipt;
use tally_wire::{BundleAudit, BundleDifference, EngineVersions, FirstDifference};

pub(crate) fn run(args: &AuditBundleArgs, output: &mut Output<'_>) -> Result<u8> {
    let bundle = Bundle::open(&args.bundle)?;
    let (replayed, found) = compare(&bundle, &args.bundle, args.threads.count())?;
    let is_equal = found.is_empty();
    match args.format {
        PlainFormat::Json => json::print(&result(&bundle, &replayed, &found), output)?,
        PlainFormat::Table => print(&bundle, &replayed, &found, output)?,
    }
    Ok(if is_equal { DONE } else { DIFFERENT })
}

/// The receipt that the log of a bundle, which is at `path`, has under its policy, and where the bundle's differs.
pub(crate) fn compare(
    bundle: &Bundle,
    path: &Path,
    threads: Option<usize>,
) -> Result<(Receipt, Vec<FieldDifference>)> {
    let replayed =
        replay_bundle(bundle, threads).with_context(|| format!("{} cannot be verified", path.display()))?;
    let mut found = differences(&bundle.receipt, &replayed)?;
    // Another engine gives the same, or it is found here.
    found.retain(|difference| difference.field != "engine_version");
    Ok((replayed, found))
}

/// The receipt that the bundle's log has under its policy.
fn replay_bundle(bundle: &Bundle, threads: Option<usize>) -> Result<Receipt> {
    let to = bundle.receipt.to.map(L2Block);
    let archive = &bundle.archive;
    Ok(Receipt::new(archive.identity(), archive.heads(), to, &bundle.replay(threads)?)?)
}

/// Says for people whether the bundle's receipt is that of the replay, and where it is not.
pub(crate) fn print(
    bundle: &Bundle,
    replayed: &Receipt,
    found: &[FieldDifference],
    output: &mut Output<'_>,
) -> Result<()> {
    let Bundle { archive, policy, receipt } = bundle;
    let out = &mut output.out;
    if receipt.engine_version != replayed.engine_version {
        writeln!(
            out,
            "the receipt was made by engine {}, and replayed by {}",
            receipt.engine_version, replayed.engine_version
        )?;
    }
    for FieldDifference { field, a, b } in telling(found) {
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

fn result(bundle: &Bundle, replayed: &Receipt, found: &[FieldDifference]) -> BundleAudit {
    let Bundle { archive, receipt, .. } = bundle;
    let told = telling(found).into_iter().cloned();
    BundleAudit {
        verdict: verdict(found).into(),
        bundle_digest: archive.digest().into(),
        receipt_digest: receipt.digest().into(),
        engine_version: EngineVersions {
            receipt: receipt.engine_version.clone(),
            replay: replayed.engine_version.clone(),
        },
        policy: (&receipt.policy).into(),
        horizon: receipt.horizon.map(Into::into),
        total_wei: receipt.total_wei.into(),
        ledger_root: receipt.ledger_root.into(),
        fields: tops(found).into_iter().map(Into::into).collect(),
        first_difference: first_difference(found, None),
        differences: told
            .map(|FieldDifference { field, a, b }| BundleDifference { field, receipt: a, replay: b })
            .collect(),
    }
}

/// The word for whether anything differs.
pub(crate) fn verdict(found: &[FieldDifference]) -> &'static str {
    if found.is_empty() { "equal" } else { "different" }
}

/// The first epoch that differs, the first sequencer in it, and the first of its blocks, if that is known.
pub(crate) fn first_difference(found: &[FieldDifference], block: Option<L2Block>) -> Option<FirstDifference> {
    let number = |text: &str| text.parse::<u64>().ok();
    first_place(found).map(|(epoch, sequencer)| FirstDifference {
        epoch: number(epoch),
        sequencer: sequencer.and_then(number),
        l2_block: block.map(|block| block.0),
    })
}
