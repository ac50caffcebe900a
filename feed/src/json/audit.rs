//! What an audit of the chain found.

use super::{Amount, At, HashJson};
use serde::Serialize;
use tally_audit::{ChainAudit, Finding, Severity, Verdict};
use utoipa::ToSchema;

/// The audit of everything in the log, and a page of its findings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditAnswer {
    at: At,
    /// `verified`: everything was checked, and nothing is wrong. `different`: something is. `unverified`: nothing was
    /// found wrong, but not everything could be checked.
    verdict: &'static str,
    /// What kept it from going on to the end.
    stopped: Option<String>,
    /// Which blocks were not looked at although more is known of them.
    unsettled: Option<String>,
    /// How many findings there are of each severity.
    errors: u64,
    warnings: u64,
    notes: u64,
    /// How many batches were audited.
    batches: u64,
    totals: AuditTotals,
    /// In the order of the chains, errors, warnings and notes alike.
    findings: Vec<FindingJson>,
    /// Where the next page begins: give it as `cursor`. `null` after the last.
    next: Option<u64>,
}

/// The pool's money after the last event.
#[derive(Debug, Serialize, ToSchema)]
#[allow(clippy::struct_field_names, reason = "they are the names of what is served, and say their unit")]
pub(crate) struct AuditTotals {
    distributed_wei: Amount,
    liquidated_wei: Amount,
    relocked_wei: Amount,
    open_wei: Amount,
    locked_wei: Amount,
    donated_wei: Amount,
    /// What METIS the escrow holds, where the log tells.
    escrow_wei: Option<Amount>,
}

/// Something that was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FindingJson {
    /// A word for what it is, which stays the same.
    code: &'static str,
    /// `error`, `warning` or `note`.
    severity: &'static str,
    batch: Option<u64>,
    sequencer: Option<u64>,
    span: Option<u64>,
    l1_block: Option<u64>,
    transaction: Option<HashJson>,
    l2_transaction: Option<HashJson>,
    /// The first and the last L2 block that it is about.
    #[schema(min_items = 2, max_items = 2)]
    l2_blocks: Option<Vec<u64>>,
    /// The contract's name of the value.
    field: Option<&'static str>,
    /// What it should be.
    expected: Option<String>,
    /// What it is.
    found: Option<String>,
    /// What the other rule counts, for counted blocks.
    other_count: Option<u64>,
}

impl From<&Finding> for FindingJson {
    fn from(finding: &Finding) -> Self {
        Self {
            code: finding.code.as_str(),
            severity: finding.code.severity().as_str(),
            batch: finding.batch.map(|batch| batch.0),
            sequencer: finding.sequencer.map(|sequencer| sequencer.0),
            span: finding.span.map(|span| span.0),
            l1_block: finding.l1_block.map(|block| block.0),
            transaction: finding.transaction.map(Into::into),
            l2_transaction: finding.l2_transaction.map(Into::into),
            l2_blocks: finding.l2_blocks.as_ref().map(|blocks| vec![blocks.start().0, blocks.end().0]),
            field: finding.field,
            expected: finding.expected.clone(),
            found: finding.found.clone(),
            other_count: finding.other_count,
        }
    }
}

impl AuditAnswer {
    /// The findings from number `cursor` on, `limit` at most.
    pub(crate) fn new(at: At, audit: &ChainAudit, cursor: u64, limit: usize) -> Self {
        let count = |severity| number(audit.count(severity));
        let skipped = usize::try_from(cursor).unwrap_or(usize::MAX);
        let page: Vec<FindingJson> =
            audit.findings.iter().skip(skipped).take(limit).map(Into::into).collect();
        let end = cursor.saturating_add(number(page.len()));
        let totals = &audit.totals;
        Self {
            at,
            verdict: match audit.verdict() {
                Verdict::Verified => "verified",
                Verdict::Different => "different",
                Verdict::Unverified => "unverified",
            },
            stopped: audit.stopped.clone(),
            unsettled: audit.unsettled.clone(),
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
            batches: number(audit.batches.len()),
            totals: AuditTotals {
                distributed_wei: totals.distributed.into(),
                liquidated_wei: totals.liquidated.into(),
                relocked_wei: totals.relocked.into(),
                open_wei: totals.open.into(),
                locked_wei: totals.locked.into(),
                donated_wei: totals.donated.into(),
                escrow_wei: totals.escrow.map(Into::into),
            },
            findings: page,
            next: (end < number(audit.findings.len())).then_some(end),
        }
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).expect("what is in memory can be counted")
}
