//! The report of `tally audit chain` for programs.

use crate::audit_chain::rule_name;
use anyhow::Result;
use serde_json::{Map, Value, json};
use tally_audit::{BatchAudit, ChainAudit, CountRule, Finding, Severity, Verdict};
use tally_eventlog::{LogReader, LogView};

/// `docs/audit.md` has the shape.
pub(crate) fn report_json(log: &LogReader, audit: &ChainAudit, rule: CountRule) -> Result<Value> {
    let totals = &audit.totals;
    let verdict = match audit.verdict() {
        Verdict::Verified => "verified",
        Verdict::Different => "different",
        Verdict::Unverified => "unverified",
    };
    Ok(json!({
        "verdict": verdict,
        "count_rule": rule_name(rule),
        "log_digest": log.heads().digest(log.identity())?.to_string(),
        "l1_block": audit.l1_block.map(|block| block.0),
        "l2_block": audit.l2_block.map(|block| block.0),
        "stopped": audit.stopped,
        "unsettled": audit.unsettled,
        "errors": audit.count(Severity::Error),
        "warnings": audit.count(Severity::Warning),
        "notes": audit.count(Severity::Note),
        "findings": audit.findings.iter().map(finding_json).collect::<Vec<_>>(),
        "batches": audit.batches.iter().map(batch_json).collect::<Vec<_>>(),
        "totals": {
            "distributed_wei": totals.distributed.to_string(),
            "liquidated_wei": totals.liquidated.to_string(),
            "relocked_wei": totals.relocked.to_string(),
            "open_wei": totals.open.to_string(),
            "locked_wei": totals.locked.to_string(),
            "donated_wei": totals.donated.to_string(),
            "escrow_wei": totals.escrow.map(|escrow| escrow.to_string()),
        },
    }))
}

fn finding_json(finding: &Finding) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(name.into(), value);
        }
    };
    put("code", Some(finding.code.as_str().into()));
    put("severity", Some(finding.code.severity().as_str().into()));
    put("batch", finding.batch.map(|batch| batch.0.into()));
    put("sequencer", finding.sequencer.map(|sequencer| sequencer.0.into()));
    put("span", finding.span.map(|span| span.0.into()));
    put("l1_block", finding.l1_block.map(|block| block.0.into()));
    put("transaction", finding.transaction.map(|hash| hash.to_string().into()));
    put("l2_transaction", finding.l2_transaction.map(|hash| hash.to_string().into()));
    put("l2_blocks", finding.l2_blocks.as_ref().map(|blocks| json!([blocks.start().0, blocks.end().0])));
    put("field", finding.field.map(Into::into));
    put("expected", finding.expected.clone().map(Into::into));
    put("found", finding.found.clone().map(Into::into));
    put("other_count", finding.other_count.map(Into::into));
    Value::Object(object)
}

fn batch_json(batch: &BatchAudit) -> Value {
    let share = |(sequencer, share): (&tally_engine::SequencerId, &tally_audit::BatchShare)| {
        json!({
            "sequencer": sequencer.0,
            "posted_blocks": share.posted,
            "scheduled_blocks": share.scheduled,
            "signed_blocks": share.signed,
            "unpayable_blocks": share.unpayable,
        })
    };
    json!({
        "batch": batch.batch.0,
        "l1_block": batch.l1_block.0,
        "transaction": batch.transaction.to_string(),
        "start_span": batch.start_span.0,
        "end_span": batch.end_span.0,
        "l2_blocks": batch.l2_blocks.as_ref().map(|blocks| [blocks.start().0, blocks.end().0]),
        "reward_per_block_wei": batch.reward_per_block.to_string(),
        "amount_wei": batch.amount.to_string(),
        "errors": batch.errors,
        "unchecked": batch.unchecked,
        "sequencers": batch.sequencers.iter().map(share).collect::<Vec<_>>(),
    })
}
