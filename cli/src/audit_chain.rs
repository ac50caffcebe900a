//! `tally audit chain`: what the chain claims, against the log.

use crate::audit_args::{AuditChainArgs, ReportFormat, RuleArg};
use crate::format::table;
use crate::names::{Names, find};
use crate::out_file::write_file;
use crate::{DIFFERENT, DONE, FAILED, Output, WrongUsage};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use tally_audit::{
    AuditOptions, BatchAudit, ChainAudit, Code, CountRule, Finding, Severity, Verdict, audit_chain,
};
use tally_engine::{BatchId, SequencerId};
use tally_text::metis;

pub(crate) fn run(args: &AuditChainArgs, output: &mut Output<'_>) -> Result<u8> {
    if let (Some(from), Some(to)) = (args.from_batch, args.to_batch)
        && to < from
    {
        return Err(WrongUsage(format!("--to-batch {to} is before --from-batch {from}")).into());
    }
    let log = args.log.open()?;
    let rule = match args.count_rule {
        RuleArg::Scheduled => CountRule::Scheduled,
        RuleArg::Signed => CountRule::Signed,
    };
    let from_batch = args.batch.or(args.from_batch).map(BatchId);
    let to_batch = args.batch.or(args.to_batch).map(BatchId);
    let options = AuditOptions { rule, from_batch, to_batch };
    let mut audit = audit_chain(&log, options)?;
    check_batches(args, &audit)?;
    let only = args.sequencer.as_deref().map(|asked| find(asked, &log, output)).transpose()?;
    // The verdict and its counts are of all that was checked, whatever of it is shown.
    let verdict = (audit.verdict(), verdict_line(&audit));
    let head = tally_wire::ChainAudit::from((&audit, rule));
    let names = Names::load(output, &log)?;
    let scope = only.map_or(String::new(), |only| scope_line(&audit, only, &names));
    let least = args.severity.map_or_else(|| args.report_format.least(), Severity::from);
    let hidden = keep(&mut audit, only, least);
    let report = match args.report_format {
        ReportFormat::Text => {
            let mut text = format!("{scope}{}\n", verdict.1);
            text.push_str(&report_text(&audit, rule, &names)?);
            text.push_str(&hidden_line(hidden));
            text
        }
        ReportFormat::Json => {
            let report = tally_wire::ChainAuditReport::from(((&log).try_into()?, head, &audit));
            serde_json::to_string_pretty(&report)? + "\n"
        }
    };
    match &args.report {
        None => output.out.write_all(report.as_bytes())?,
        Some(path) => {
            let written = write_file(path, |file| file.write_all(report.as_bytes()));
            written.with_context(|| format!("--report {}", path.display()))?;
            writeln!(output.out, "{scope}{}", verdict.1)?;
        }
    }
    Ok(match verdict.0 {
        Verdict::Verified => DONE,
        Verdict::Different => DIFFERENT,
        Verdict::Unverified => FAILED,
    })
}

/// A batch that the log has not is a mistake: nothing would be wrong with it. What came after the last batch is of the one
/// that is to come.
fn check_batches(args: &AuditChainArgs, audit: &ChainAudit) -> Result<()> {
    let known = audit.paid.as_ref();
    let (first, last) = (known.map(|known| known.start().0), known.map(|known| known.end().0));
    let is_paid =
        |batch: u64| first.is_some_and(|first| first <= batch) && last.is_some_and(|last| batch <= last);
    let next = last.map_or(Some(0), |last| last.checked_add(1));
    let wrong = [
        ("--batch", args.batch.filter(|batch| !is_paid(*batch))),
        ("--from-batch", args.from_batch.filter(|batch| next.is_none_or(|next| next < *batch))),
        ("--to-batch", args.to_batch.filter(|batch| first.is_none_or(|first| *batch < first))),
    ];
    let wrong = wrong.into_iter().find_map(|(flag, batch)| Some((flag, batch?)));
    // An audit that could not go on does not know all batches, and says so by its verdict.
    let Some((flag, batch)) = wrong.filter(|_| audit.stopped.is_none()) else {
        return Ok(());
    };
    let has =
        first.zip(last).map_or("no batch".into(), |(first, last)| format!("the batches {first} to {last}"));
    Err(WrongUsage(format!("{flag} {batch}: the log has {has}")).into())
}

/// That what is shown is not all that was found.
fn scope_line(audit: &ChainAudit, only: SequencerId, names: &Names) -> String {
    let others = audit.findings.iter().filter(|finding| finding.sequencer != Some(only)).count();
    format!("only what is about sequencer {}; {others} findings of others are not shown\n", names.label(only))
}

impl ReportFormat {
    /// The least severity that is reported unless another one is asked for: people ask for notes when they want them.
    const fn least(self) -> Severity {
        match self {
            Self::Text => Severity::Warning,
            Self::Json => Severity::Note,
        }
    }
}

/// Keeps what is about this sequencer and severe enough; returns how many findings are not shown for their severity.
fn keep(audit: &mut ChainAudit, only: Option<SequencerId>, least: Severity) -> usize {
    if let Some(only) = only {
        audit.findings.retain(|finding| finding.sequencer == Some(only));
        for batch in &mut audit.batches {
            batch.sequencers.retain(|id, _| *id == only);
        }
    }
    let before = audit.findings.len();
    audit.findings.retain(|finding| finding.code.severity() >= least);
    before.saturating_sub(audit.findings.len())
}

/// What is not shown.
fn hidden_line(hidden: usize) -> String {
    match hidden {
        0 => String::new(),
        hidden => format!("{hidden} less severe findings are not shown: --severity note shows all\n"),
    }
}

fn report_text(audit: &ChainAudit, rule: CountRule, names: &Names) -> Result<String> {
    let mut text = String::new();
    let totals = &audit.totals;
    let of_rewards = [totals.distributed, totals.liquidated, totals.relocked, totals.open].map(metis);
    let [distributed, liquidated, relocked, open] = of_rewards;
    writeln!(
        text,
        "METIS distributed {distributed}: paid out {liquidated}, relocked {relocked}, open {open}"
    )?;
    if let Some(escrow) = totals.escrow {
        let [locked, open, donated] = [totals.locked, totals.open, totals.donated].map(metis);
        let escrow = metis(escrow);
        writeln!(
            text,
            "METIS in the escrow {escrow}: stakes {locked}, open rewards {open}, gifts {donated}"
        )?;
    }
    writeln!(text)?;
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        for finding in audit.findings.iter().filter(|finding| finding.code.severity() == severity) {
            writeln!(text, "{}", finding_line(finding, audit, rule, names)?)?;
        }
    }
    for batch in audit.batches.iter().filter(|batch| batch.errors > 0 && !batch.sequencers.is_empty()) {
        write!(text, "\n{}\n", batch_table(batch, names))?;
    }
    for batch in &audit.batches {
        if let Some(why) = &batch.unchecked {
            writeln!(text, "not checked: batch {}: {why}", batch.batch)?;
        }
    }
    if let Some(unsettled) = &audit.unsettled {
        writeln!(text, "not checked: {unsettled}")?;
    }
    if let Some(stopped) = &audit.stopped {
        writeln!(text, "stopped: {stopped}")?;
    }
    Ok(text)
}

/// What a batch paid in blocks, in words and with the money that is short or too much; `None` for other findings.
fn in_words(finding: &Finding, audit: &ChainAudit, names: &Names) -> Result<Option<String>> {
    let is_of_blocks = matches!(finding.code, Code::PostedBlocks | Code::SignerLeftOut);
    let batch = audit.batches.iter().find(|batch| Some(batch.batch) == finding.batch);
    let (true, Some(batch), Some(sequencer)) = (is_of_blocks, batch, finding.sequencer) else {
        return Ok(None);
    };
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<u64>().ok());
    let (Some(counted), Some(paid)) = (number(&finding.expected), number(&finding.found)) else {
        return Ok(None);
    };
    let money = metis(batch.reward_per_block.times(counted.abs_diff(paid))?);
    let short = if paid < counted { "short" } else { "too much" };
    let label = names.label(sequencer);
    Ok(Some(format!(
        "batch {} paid sequencer {label} for {paid} blocks, and {counted} are counted: {money} METIS {short}",
        batch.batch
    )))
}

fn finding_line(finding: &Finding, audit: &ChainAudit, rule: CountRule, names: &Names) -> Result<String> {
    let words = in_words(finding, audit, names)?;
    let mut places = Vec::new();
    if words.is_none() {
        places.extend(finding.batch.map(|batch| format!("batch {batch}")));
        places.extend(finding.sequencer.map(|sequencer| format!("sequencer {}", names.label(sequencer))));
    }
    places.extend(finding.span.map(|span| format!("span {span}")));
    places.extend(finding.l2_blocks.as_ref().map(|blocks| match (blocks.start(), blocks.end()) {
        (first, last) if first == last => format!("L2 block {first}"),
        (first, last) => format!("L2 blocks {first} to {last}"),
    }));
    places.extend(finding.l1_block.map(|block| format!("L1 block {block}")));
    places.extend(finding.transaction.map(|hash| format!("transaction {hash}")));
    places.extend(finding.l2_transaction.map(|hash| format!("L2 transaction {hash}")));
    let mut values = Vec::new();
    values.extend(finding.field.map(ToOwned::to_owned));
    if words.is_none() {
        values.extend(finding.expected.as_ref().map(|expected| format!("expected {expected}")));
        values.extend(finding.found.as_ref().map(|found| format!("found {found}")));
    }
    values.extend(finding.other_count.map(|count| {
        let other = match rule {
            CountRule::Scheduled => "signed",
            CountRule::Signed => "scheduled",
        };
        format!("{other} {count}")
    }));
    let (severity, code) = (finding.code.severity().as_str(), finding.code.as_str());
    let meaning = words.unwrap_or_else(|| finding.code.meaning().into());
    let mut line = format!("{severity} {code}: {meaning}");
    for part in [places, values].into_iter().filter(|part| !part.is_empty()) {
        line = format!("{line}; {}", part.join(", "));
    }
    Ok(line)
}

fn batch_table(batch: &BatchAudit, names: &Names) -> String {
    let title = format!("batch {}", batch.batch);
    let mut rows = table(&[&title, "posted", "scheduled", "signed", "unpayable"], 1);
    for (sequencer, share) in &batch.sequencers {
        let or_dash = |blocks: Option<u64>| blocks.map_or("-".into(), |blocks| blocks.to_string());
        rows.add_row([
            format!("sequencer {}", names.label(*sequencer)),
            or_dash(share.posted),
            share.scheduled.to_string(),
            or_dash(share.signed),
            share.unpayable.to_string(),
        ]);
    }
    rows.to_string()
}

fn verdict_line(audit: &ChainAudit) -> String {
    let verdict = match audit.verdict() {
        Verdict::Verified => "verified",
        Verdict::Different => "DIFFERENT",
        Verdict::Unverified => "NOT VERIFIED",
    };
    let ids = |batches: &mut dyn Iterator<Item = &BatchAudit>| {
        batches.map(|batch| batch.batch.to_string()).collect::<Vec<_>>().join(", ")
    };
    let wrong = ids(&mut audit.batches.iter().filter(|batch| batch.errors > 0));
    let unchecked = audit.batches.iter().filter(|batch| batch.unchecked.is_some()).count();
    let wrong = if wrong.is_empty() { "none with errors".into() } else { format!("errors in {wrong}") };
    let [errors, warnings, notes] =
        [Severity::Error, Severity::Warning, Severity::Note].map(|severity| audit.count(severity));
    let to = |block: Option<String>| block.map_or("none".into(), |block| format!("up to {block}"));
    format!(
        "{verdict}: {} batches, {wrong}, {unchecked} not checked; {errors} errors, {warnings} warnings, {notes} \
         notes; L1 {}, L2 {}",
        audit.batches.len(),
        to(audit.l1_block.map(|block| block.to_string())),
        to(audit.l2_block.map(|block| block.to_string())),
    )
}
