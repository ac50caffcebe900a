//! Where two receipts differ.

use crate::compare::differ;
use anyhow::Result;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use tally_replay::Receipt;

/// What the entries of a receipt's lists are known by.
const KEYS: [&str; 4] = ["epoch", "sequencer", "id", "batch"];

/// What says how a result came to be, and not what it is: who made it, how far the log happened to reach, and how
/// far it was asked to be folded. The heads of the log are in it; which log it is is not.
const CIRCUMSTANCES: [&str; 10] = [
    "engine_version",
    "to",
    "stopped",
    "log.l1_head",
    "log.l2_head",
    "log.l1_events",
    "log.span_events",
    "log.signers",
    "log.chunks",
    "log.head_digest",
];

/// A field of two receipts with its two values, `null` where one has none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldDifference {
    /// Its path, with the entries of lists by what they are known by: `epochs.3.rows.2.reward_wei`.
    pub(crate) field: String,
    /// The value in the first receipt.
    pub(crate) a: Value,
    /// The value in the second receipt.
    pub(crate) b: Value,
}

impl FieldDifference {
    /// Whether it is in no result.
    pub(crate) fn is_circumstance(&self) -> bool {
        let belongs = |name: &str| {
            self.field.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        CIRCUMSTANCES.iter().any(|name| belongs(name))
    }

    /// The field of the receipt that it lies in.
    pub(crate) fn top(&self) -> &str {
        self.field.split('.').next().unwrap_or_default()
    }

    /// Whether it is of what a row says was earned; also where one side has no such row.
    fn is_earning(&self) -> bool {
        let name = self.field.rsplit('.').next().unwrap_or_default();
        ["blocks", "reward_wei"].contains(&name) || self.a.is_null() || self.b.is_null()
    }

    /// The epoch that it lies in, and the sequencer, if it lies in one's row.
    pub(crate) fn place(&self) -> Option<(&str, Option<&str>)> {
        let parts: Vec<&str> = self.field.split('.').collect();
        match parts[..] {
            ["epochs", epoch, "rows", sequencer, ..] => Some((epoch, Some(sequencer))),
            ["epochs", epoch, ..] => Some((epoch, None)),
            _ => None,
        }
    }
}

/// All fields in which two receipts differ, in order.
pub(crate) fn differences(a: &Receipt, b: &Receipt) -> Result<Vec<FieldDifference>> {
    let (a, b) = (keyed(serde_json::to_value(a)?), keyed(serde_json::to_value(b)?));
    let mut found = Vec::new();
    differ(&mut String::new(), &a, &b, &mut |field, a, b| {
        found.push(FieldDifference { field: field.into(), a: a.clone(), b: b.clone() });
        Ok::<(), anyhow::Error>(())
    })?;
    Ok(found)
}

/// Of many differences those that are worth telling: of the lists, what differs in the first epoch that does, and
/// of its rows in the first.
pub(crate) fn telling(differences: &[FieldDifference]) -> Vec<&FieldDifference> {
    let first = first_place(differences);
    let tells = |difference: &&FieldDifference| match difference.place() {
        Some((epoch, None)) => first.is_some_and(|(first, _)| epoch == first),
        place @ Some(_) => place == first,
        None => first.is_none() || !["sequencers", "batches"].contains(&difference.top()),
    };
    differences.iter().filter(tells).collect()
}

/// The first epoch that differs, and the first sequencer in it whose blocks or reward do; if there is none, the first
/// whose row does at all.
pub(crate) fn first_place(differences: &[FieldDifference]) -> Option<(&str, Option<&str>)> {
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let (epoch, _) =
        differences.iter().filter_map(FieldDifference::place).min_by_key(|(epoch, _)| number(epoch))?;
    let rows = differences.iter().filter_map(|difference| match difference.place() {
        Some((other, Some(sequencer))) if other == epoch => Some((difference.is_earning(), sequencer)),
        _ => None,
    });
    // What was earned comes first, as does `false`.
    let row = rows.min_by_key(|(is_earning, sequencer)| (!is_earning, number(sequencer)));
    Some((epoch, row.map(|(_, sequencer)| sequencer)))
}

/// The receipt's fields that differ, each once, in order.
pub(crate) fn tops(differences: &[FieldDifference]) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    differences.iter().map(FieldDifference::top).filter(|top| seen.insert(*top)).collect()
}

/// A value with its lists as tables, by what their entries are known by.
fn keyed(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, member)| (name, keyed(member))).collect())
        }
        Value::Array(entries) => {
            let mut table = Map::new();
            for (index, entry) in entries.into_iter().enumerate() {
                let known = KEYS.iter().find_map(|key| entry.get(key).and_then(Value::as_u64));
                let mut name = known.map_or_else(|| format!("[{index}]"), |known| known.to_string());
                if table.contains_key(&name) {
                    // Two of one name would hide each other.
                    name = format!("{name}[{index}]");
                }
                table.insert(name, keyed(entry));
            }
            Value::Object(table)
        }
        leaf @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => leaf,
    }
}
