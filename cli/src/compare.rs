//! Comparing two states of the contracts, field by field.

use crate::json;
use serde_json::Value;
use std::convert::Infallible;
use tally_engine::PoolState;
use tally_ingest::ContractState;
use tally_wire::StateDifference;

/// The contracts' mappings to numbers: what was never set in one is 0, so an entry of 0 may be left out.
const MAPPINGS: [&str; 3] = ["seqOwners", "seqSigners", "seqStatuses"];

/// Calls `report` for every field of `ours` that `recorded` has otherwise or not at all, and for every
/// entry of its tables that `ours` lacks, but for those of mappings that are 0.
pub(crate) fn differ<E>(
    path: &mut String,
    recorded: &Value,
    ours: &Value,
    report: &mut impl FnMut(&str, &Value, &Value) -> Result<(), E>,
) -> Result<(), E> {
    let (Value::Object(theirs), Value::Object(members)) = (recorded, ours) else {
        return if recorded == ours { Ok(()) } else { report(path, recorded, ours) };
    };
    let len = path.len();
    // The recordings hold balances of other contracts beside the state; within it nothing may lack.
    let extra = theirs.keys().filter(|name| len > 0 && !members.contains_key(*name));
    let may_lack = MAPPINGS.contains(&path.as_str());
    for name in members.keys().chain(extra) {
        let is_default = |value: Option<&Value>| value.is_none_or(|value| *value == 0);
        if may_lack && is_default(theirs.get(name)) && is_default(members.get(name)) {
            continue;
        }
        let dot = if path.is_empty() { "" } else { "." };
        path.push_str(dot);
        path.push_str(name);
        let of = |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or_default();
        differ(path, &of(theirs), &of(members), report)?;
        path.truncate(len);
    }
    Ok(())
}

/// Each field in which the contracts' state, as they tell it themselves, differs from what the log gives.
pub(crate) fn differences(contracts: &ContractState, pool: &PoolState) -> Vec<StateDifference> {
    // The counts of statuses are the contracts' own, not ours.
    let seq_statuses = contracts.statuses.into();
    let theirs = tally_wire::ContractState { seq_statuses, ..(&contracts.pool).into() };
    let [theirs, ours] = [theirs, pool.into()].map(json::value);
    let mut differences = Vec::new();
    let Ok(()) = differ(&mut String::new(), &theirs, &ours, &mut |field, contract, log| {
        let (field, contract, log) = (field.to_owned(), contract.clone(), log.clone());
        differences.push(StateDifference { field, contract, log });
        Ok::<(), Infallible>(())
    });
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(recorded: &Value, ours: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let Ok(()) = differ(&mut String::new(), recorded, ours, &mut |field, _, _| {
            found.push(field.to_owned());
            Ok::<_, Infallible>(())
        });
        found
    }

    #[test]
    fn entries_of_mappings_may_lack_where_they_are_0_and_nothing_else_may() {
        let state = |owners: Value, more: Value| json!({ "seqOwners": owners, "paused": more });
        let with = state(json!({ "a": 1, "b": 0 }), json!(0));
        let without = state(json!({ "a": 1 }), json!(0));
        assert_eq!(fields(&with, &without), [""; 0]);
        assert_eq!(fields(&without, &with), [""; 0]);
        let other = state(json!({ "a": 1, "b": 2 }), json!(0));
        assert_eq!(fields(&other, &without), ["seqOwners.b"]);
        assert_eq!(fields(&without, &other), ["seqOwners.b"]);
        assert_eq!(fields(&with, &other), ["seqOwners.b"]);
        // A field is no entry of a mapping, and null is no 0.
        assert_eq!(fields(&json!({ "seqOwners": {} }), &without), ["seqOwners.a", "paused"]);
        assert_eq!(fields(&state(json!({ "a": 1, "b": null }), json!(0)), &with), ["seqOwners.b"]);
    }
}
