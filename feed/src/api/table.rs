//! Lists as CSV: the fields that the rows have in JSON, in columns that never depend on what the rows say.

use crate::error::FeedError;
use serde::Serialize;
use serde_json::Value;

/// The columns of a list: each is a field of a row, or one of an object in it, as `contract.unclaimed_wei`.
pub(super) type Columns = &'static [&'static str];

pub(super) const SEQUENCERS: Columns = &[
    "sequencer",
    "name",
    "status",
    "since",
    "owner",
    "signer",
    "recipient",
    "stake_wei",
    "contract.credited_wei",
    "contract.claimed_wei",
    "contract.relocked_wei",
    "contract.unclaimed_wei",
    "contract.claimable_wei",
    "contract.not_claimable",
    "contract.exit.since",
    "contract.exit.stake_free_at",
    "policy.blocks",
    "policy.accrued_wei",
    "policy.settled_wei",
    "policy.pending_blocks",
    "policy.pending_wei",
];

pub(super) const SEQUENCER_EPOCHS: Columns =
    &["epoch", "start", "is_final", "blocks", "reward_wei", "cumulative_wei"];

pub(super) const EPOCHS: Columns = &[
    "epoch",
    "start",
    "is_closed",
    "is_final",
    "stake_seconds",
    "blocks",
    "stake_blocks",
    "reward_wei",
    "rate.from",
    "target_mrr",
    "realised_mrr",
    "digest",
];

pub(super) const EPOCH_ROWS: Columns =
    &["sequencer", "blocks", "reward_wei", "stake_seconds", "realised_mrr"];

pub(super) const BLOCKS: Columns = &[
    "l2_block",
    "timestamp",
    "epoch",
    "span",
    "signer",
    "producer",
    "sequencer",
    "effective_stake_wei",
    "reward_wei",
    "running_total_wei",
    "batch",
    "unrewarded",
    "is_final",
];

pub(super) const MOVEMENTS: Columns = &[
    "time",
    "l1_block",
    "transaction",
    "log_index",
    "kind",
    "batch",
    "epoch",
    "blocks",
    "reward_per_block_wei",
    "amount_wei",
    "debit",
    "credit",
    "stake_wei",
    "unclaimed_wei",
    "accrued_wei",
];

pub(super) const BATCHES: Columns = &[
    "batch",
    "start_span",
    "end_span",
    "l1_block",
    "timestamp",
    "transaction",
    "reward_per_block_wei",
    "amount_wei",
    "is_final",
];

pub(super) const BATCH_ROWS: Columns = &["sequencer", "blocks", "reward_wei", "unclaimed_wei"];

pub(super) const SPANS: Columns = &[
    "span",
    "sequencer",
    "unknown_signer",
    "signer",
    "first.l2_block",
    "first.timestamp",
    "last.l2_block",
    "last.timestamp",
    "is_held",
    "scheduled_blocks",
    "own_blocks",
    "unsigned_blocks",
    "longest_gap.secs",
    "longest_gap.l2_block",
];

pub(super) const PRODUCTION_EPOCHS: Columns = &[
    "epoch",
    "is_final",
    "first.l2_block",
    "first.timestamp",
    "last.l2_block",
    "last.timestamp",
    "blocks",
    "unscheduled_blocks",
    "unsigned_blocks",
    "longest_gap.secs",
    "longest_gap.l2_block",
];

pub(super) const DISTRIBUTIONS: Columns = &[
    "epoch",
    "epoch_end",
    "l1_block",
    "root",
    "leaf_count",
    "withheld_count",
    "leaves_wei",
    "withheld_wei",
    "total_wei",
];

pub(super) const LEAVES: Columns =
    &["sequencer", "recipient", "cumulative_wei", "present_recipient", "proof"];

/// Rows as CSV, with a header: the names of the columns, with `_` for each dot.
///
/// # Errors
///
/// [`FeedError::Broken`] if a row has no such field, which is a fault of the list of columns.
pub(super) fn csv<T: Serialize>(columns: Columns, rows: &[T]) -> Result<Vec<u8>, FeedError> {
    let unwritten = |error: csv::Error| FeedError::Broken(format!("CSV could not be written: {error}"));
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(columns.iter().map(|column| column.replace('.', "_"))).map_err(unwritten)?;
    for row in rows {
        let row = serde_json::to_value(row)?;
        let cells = columns.iter().map(|column| cell(&row, column)).collect::<Result<Vec<_>, _>>()?;
        table.write_record(cells).map_err(unwritten)?;
    }
    table.into_inner().map_err(|error| FeedError::Broken(format!("CSV could not be written: {error}")))
}

/// The cell of a row in a column: empty for `null`, and for what an object that is `null` would have.
fn cell(row: &Value, column: &str) -> Result<String, FeedError> {
    let mut value = row;
    for name in column.split('.') {
        if value.is_null() {
            break;
        }
        let none = || FeedError::Broken(format!("a row has no field {column}: {row}"));
        value = value.get(name).ok_or_else(none)?;
    }
    match value {
        Value::Array(parts) => {
            let text = |part: &Value| part.as_str().map(str::to_owned).ok_or(());
            let parts: Result<Vec<String>, ()> = parts.iter().map(text).collect();
            let parts = parts
                .map_err(|()| FeedError::Broken(format!("the field {column} is no list of texts: {row}")));
            Ok(parts?.join(" "))
        }
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Object(_) => Err(FeedError::Broken(format!("the field {column} is an object: {row}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cells_are_what_json_has() {
        let rows = [
            json!({"a": 1, "b": {"c": "x, \"y\""}, "d": ["p", "q"], "e": true}),
            json!({"a": null, "b": null, "d": [], "e": false}),
        ];
        let text = csv(&["a", "b.c", "d", "e"], &rows).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "a,b_c,d,e\n1,\"x, \"\"y\"\"\",p q,true\n,,,false\n");
        assert!(csv(&["nonesuch"], &rows).is_err() && csv(&["b"], &rows).is_err());
    }
}
