//! `tally bundle`: makes bundles and looks into them.

use crate::bundle_args::{BundleCreateArgs, BundleShowArgs};
use crate::format::{or_none, policy_line, table};
use crate::out_file::write_file;
use crate::replay::print_extent;
use crate::{DONE, Output};
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use tally_engine::{L2Block, Policy, Wei};
use tally_eventlog::{Archive, LogError, LogReader, LogView, write_archive};
use tally_replay::{Receipt, ReplayOptions, Replayed, replay};
use tally_text::metis;

/// A bundle, of which every byte was checked, and what is in it beside the log. The receipt is sound in itself;
/// whether it is what a replay gives is another question.
pub(crate) struct Bundle {
    pub(crate) archive: Archive,
    pub(crate) policy: Policy,
    pub(crate) receipt: Receipt,
}

impl Bundle {
    /// Reads and decodes the bundle at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let read = || {
            let archive = Archive::open(path)?;
            let text = std::str::from_utf8(archive.policy()).context("the bundle's policy")?;
            let policy = Policy::from_toml(text).context("the bundle's policy")?;
            ensure!(policy.to_toml() == text, "the bundle's policy is not written as Tally writes it");
            let receipt = Receipt::from_bytes(archive.receipt()).context("the bundle's receipt")?;
            Ok(Self { archive, policy, receipt })
        };
        read().with_context(|| format!("{} cannot be verified", path.display()))
    }

    /// What the bundle's log gives under its policy, every byte checked once more.
    pub(crate) fn replay(&self, threads: Option<usize>) -> Result<Replayed> {
        let to = self.receipt.to.map(L2Block);
        let options = ReplayOptions { to, threads, verify: true, ..ReplayOptions::default() };
        let mut replayed = replay(&self.archive, std::slice::from_ref(&self.policy), options)?;
        replayed.pop().context("a replay of one policy gives one ledger")
    }
}

pub(crate) fn create(args: &BundleCreateArgs, output: &mut Output<'_>) -> Result<u8> {
    let policy = args.policy.load()?;
    let log = args.log.open()?;
    let to = last_block(args, &log)?;
    let prefix = log.prefix(to)?;
    let threads = args.threads.count();
    let options = ReplayOptions { to, threads, verify: true, ..ReplayOptions::default() };
    let replayed = replay(prefix.part(), std::slice::from_ref(&policy), options)?;
    let replayed = replayed.first().context("a replay of one policy gives one ledger")?;
    let receipt = Receipt::new(log.identity(), prefix.heads(), to, replayed)?;
    let bytes = receipt.to_bytes();
    let digest =
        write_file::<_, LogError>(&args.out, |out| write_archive(&prefix, &policy.to_toml(), &bytes, out))
            .with_context(|| format!("writing the bundle {}", args.out.display()))?;
    writeln!(output.out, "{}", policy_line(&policy))?;
    let ledger = &replayed.ledger;
    print_extent(ledger.horizon, replayed.stop, ledger.unrewarded, output.out)?;
    writeln!(output.out, "total {} wei\nledger root {}", ledger.total, ledger.root)?;
    writeln!(output.out, "receipt digest {}\nbundle digest {digest}", receipt.digest())?;
    Ok(DONE)
}

/// The last block to be folded, if one is asked for.
fn last_block(args: &BundleCreateArgs, log: &LogReader) -> Result<Option<L2Block>> {
    let Some(asked) = args.blocks else {
        return Ok(None);
    };
    let first = log.identity().l2_first_block;
    let Some(head) = log.heads().l2 else {
        bail!("blocks {asked} are asked for, but the log has none");
    };
    // From before the log's first block is from its first.
    let range = asked.within(asked.start().map_or(first, |start| start.min(first)), head.block)?;
    ensure!(
        *range.start() <= first,
        "blocks {asked} are asked for, but a bundle has to begin with the log's first block, {first}: rates and \
         running totals come of all blocks from there on"
    );
    Ok(Some(*range.end()))
}

pub(crate) fn show(args: &BundleShowArgs, output: &mut Output<'_>) -> Result<u8> {
    let Bundle { archive, policy, receipt } = Bundle::open(&args.bundle)?;
    if args.receipt || args.policy {
        output.out.write_all(if args.receipt { archive.receipt() } else { archive.policy() })?;
        return Ok(DONE);
    }
    let mut sections = table(&["section", "bytes", "BLAKE3"], 1);
    for section in archive.sections() {
        sections.add_row([section.name.into(), section.bytes.to_string(), section.digest.to_string()]);
    }
    let out = &mut output.out;
    writeln!(out, "{sections}\n")?;
    writeln!(out, "{}", policy_line(&policy))?;
    let (identity, heads) = (archive.identity(), archive.heads());
    writeln!(
        out,
        "log of chains {} and {}, up to L1 block {} and L2 block {} (head digest {})",
        identity.l1_chain_id,
        identity.l2_chain_id,
        or_none(heads.l1.map(|head| head.block)),
        or_none(heads.l2.map(|head| head.block)),
        heads.digest(identity)?,
    )?;
    writeln!(
        out,
        "receipt by engine {}: blocks up to {} in {} epochs, {} METIS\nledger root {}",
        receipt.engine_version,
        or_none(receipt.horizon.map(|horizon| horizon.l2_block)),
        receipt.epochs.len(),
        metis(Wei::new(receipt.total_wei)),
        receipt.ledger_root,
    )?;
    writeln!(out, "receipt digest {}\nbundle digest {}", receipt.digest(), archive.digest())?;
    Ok(DONE)
}
