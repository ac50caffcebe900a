//! Comparing two states of the contracts, field by field.

use serde_json::Value;

/// Calls `report` for every field of `ours` that `recorded` has otherwise or not at all, and for every
/// entry of its tables that `ours` lacks.
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
    for name in members.keys().chain(extra) {
        let dot = if path.is_empty() { "" } else { "." };
        path.push_str(dot);
        path.push_str(name);
        let of = |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or_default();
        differ(path, &of(theirs), &of(members), report)?;
        path.truncate(len);
    }
    Ok(())
}
