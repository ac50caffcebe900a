//! `tally audit compare`: where two results part.

use crate::audit_args::AuditCompareArgs;
use crate::audit_bundle::{first_difference, verdict};
use crate::bundle::Bundle;
use crate::receipt_difference::{FieldDifference, differences, first_place, telling, tops};
use crate::shared_args::PlainFormat;
use crate::{DIFFERENT, DONE, Output, json};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tally_engine::{EpochIndex, L2Block, SequencerId};
use tally_eventlog::Archive;
use tally_replay::{BlockLedger, RECEIPT_BYTES_MAX, Receipt, first_block_that_differs};
use tally_wire::{ComparedDifference, ComparedResult, ReceiptComparison};

/// How many bytes tell a bundle from a receipt.
const START_BYTES: u64 = 64;

/// One of the two results that are compared.
struct Side {
    name: String,
    receipt: Receipt,
    /// The bundle, unless the result is a receipt alone.
    bundle: Option<Bundle>,
}

impl Side {
    /// Reads a receipt or a bundle: every byte of it is checked, but not what it says against a replay.
    fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let context = || format!("{} cannot be verified", path.display());
        let mut bytes = Vec::new();
        let mut file = File::open(path).with_context(context)?;
        (&mut file).take(START_BYTES).read_to_end(&mut bytes).with_context(context)?;
        if Archive::is_bundle(&bytes) {
            let bundle = Bundle::open(path)?;
            return Ok(Self { name, receipt: bundle.receipt.clone(), bundle: Some(bundle) });
        }
        if !bytes.starts_with(b"{") {
            bail!("{name} cannot be verified: it is neither a receipt nor a bundle");
        }
        // One more than allowed, so that a longer one is refused as such.
        let limit = u64::try_from(RECEIPT_BYTES_MAX)?.saturating_add(1);
        file.take(limit).read_to_end(&mut bytes).with_context(context)?;
        let receipt = Receipt::from_bytes(&bytes).with_context(context)?;
        Ok(Self { name, receipt, bundle: None })
    }

    fn kind(&self) -> &'static str {
        if self.bundle.is_some() { "bundle" } else { "receipt" }
    }
}

pub(crate) fn run(args: &AuditCompareArgs, output: &mut Output<'_>) -> Result<u8> {
    let (a, b) = (Side::open(&args.a)?, Side::open(&args.b)?);
    let (around, found): (Vec<_>, Vec<_>) =
        differences(&a.receipt, &b.receipt)?.into_iter().partition(FieldDifference::is_circumstance);
    let block = match (first_place(&found), &a.bundle, &b.bundle) {
        (Some((epoch, Some(sequencer))), Some(a), Some(b)) => block_that_differs(a, b, epoch, sequencer)?,
        _ => None,
    };
    match args.format {
        PlainFormat::Json => {
            let comparison = ReceiptComparison {
                verdict: verdict(&found).into(),
                a: (&a).into(),
                b: (&b).into(),
                fields: tops(&found).into_iter().map(Into::into).collect(),
                first_difference: first_difference(&found, block),
                differences: telling(&found).into_iter().map(Into::into).collect(),
                circumstances: around.iter().map(Into::into).collect(),
            };
            json::print(&comparison, output)?;
        }
        PlainFormat::Table => print(&a, &b, &around, &found, block, output)?,
    }
    Ok(if found.is_empty() { DONE } else { DIFFERENT })
}

/// The first block of a sequencer's in an epoch that the two have differently, by what their logs give.
fn block_that_differs(a: &Bundle, b: &Bundle, epoch: &str, sequencer: &str) -> Result<Option<L2Block>> {
    let (a_replayed, b_replayed) = (a.replay(None)?, b.replay(None)?);
    let a = BlockLedger::new(&a.archive, &a_replayed)?;
    let b = BlockLedger::new(&b.archive, &b_replayed)?;
    let (epoch, sequencer) = (EpochIndex(epoch.parse()?), SequencerId(sequencer.parse()?));
    Ok(first_block_that_differs(&a, &b, epoch, sequencer)?)
}

fn print(
    a: &Side,
    b: &Side,
    around: &[FieldDifference],
    found: &[FieldDifference],
    block: Option<L2Block>,
    output: &mut Output<'_>,
) -> Result<()> {
    let out = &mut output.out;
    for (letter, side) in [("A", a), ("B", b)] {
        let Receipt { policy, horizon, total_wei, ledger_root, .. } = &side.receipt;
        let end = horizon.map_or("no block".into(), |end| format!("block {}", end.l2_block));
        writeln!(
            out,
            "{letter}: {} {}, policy {} {} up to {end}, {total_wei} wei, ledger root {ledger_root}",
            side.kind(),
            side.name,
            policy.name,
            policy.version,
        )?;
    }
    for FieldDifference { field, a, b } in around {
        writeln!(out, "(not of the result) {field}: A has {a}, B has {b}")?;
    }
    if found.is_empty() {
        writeln!(out, "equal: the same policy gives the same ledger")?;
        return Ok(());
    }
    for FieldDifference { field, a, b } in telling(found) {
        writeln!(out, "{field}: A has {a}, B has {b}")?;
    }
    writeln!(out, "fields that differ: {}", tops(found).join(", "))?;
    match first_place(found) {
        None => writeln!(out, "DIFFERENT: no epoch, but what is told above")?,
        Some((epoch, None)) => writeln!(out, "DIFFERENT: they part in epoch {epoch}")?,
        Some((epoch, Some(sequencer))) => {
            let block = match (block, a.bundle.is_some() && b.bundle.is_some()) {
                (Some(block), _) => format!("block {block}"),
                (None, true) => "its blocks earn the same in both".into(),
                (None, false) => "the block needs two bundles".into(),
            };
            writeln!(out, "DIFFERENT: they part in epoch {epoch}, sequencer {sequencer}; {block}")?;
        }
    }
    Ok(())
}

impl From<&Side> for ComparedResult {
    fn from(side: &Side) -> Self {
        (side.name.as_str(), side.kind(), &side.receipt).into()
    }
}

impl From<&FieldDifference> for ComparedDifference {
    fn from(FieldDifference { field, a, b }: &FieldDifference) -> Self {
        Self { field: field.clone(), a: a.clone(), b: b.clone() }
    }
}
