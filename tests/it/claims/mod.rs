//! What the pool owes and pays, against what was really sent and paid.

mod batch;
mod both_checks;
mod conditions;
mod credit;
mod cut;
mod live;
mod member;
mod rate;
mod refusals;

use crate::support::tally;
use serde_json::Value;

/// What a command prints, where it has nothing to warn of.
fn output_of(args: &[&str]) -> String {
    let (status, out, err) = tally(args);
    assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
    out
}

fn json_of(args: &[&str]) -> Value {
    serde_json::from_str(&output_of(&[args, &["--format", "json"]].concat())).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}
