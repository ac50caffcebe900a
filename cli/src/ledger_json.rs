//! The JSON of `tally ledger show`, as `docs/json.md` describes it.

use crate::Output;
use crate::format::address;
use crate::ledger::Selection;
use crate::replay_json::{horizon_json, log_json, policy_id_json, stopped_json};
use anyhow::Result;
use serde_json::{Value, json};
use tally_eventlog::LogReader;
use tally_replay::{BlockEntry, BlockLedger, Outcome};

/// How an indented object ends.
const END: &str = "\n}";

/// One object. The blocks are its last field, written one by one.
pub(crate) fn print_json(
    log: &LogReader,
    ledger: &BlockLedger<'_, LogReader>,
    selection: &Selection,
    output: &mut Output<'_>,
) -> Result<()> {
    let replayed = ledger.replayed();
    let head = json!({
        "policy": policy_id_json(&replayed.policy),
        "log": log_json(log)?,
        "horizon": horizon_json(replayed.ledger.horizon),
        "stopped": stopped_json(replayed.stop),
        "ledger_root": replayed.ledger.root,
    });
    let head = format!("{head:#}");
    let head = head.strip_suffix(END).expect("it is an object with fields");
    write!(output.out, "{head},\n  \"blocks\": [")?;
    let mut separator = "\n    ";
    selection.for_each(ledger, |entry| {
        write!(output.out, "{separator}{}", block_json(entry))?;
        separator = ",\n    ";
        Ok(())
    })?;
    writeln!(output.out, "\n  ]{END}")?;
    Ok(())
}

/// A block of the ledger.
pub(crate) fn block_json(entry: &BlockEntry) -> Value {
    let rewarded = entry.rewarded();
    let unrewarded = match &entry.outcome {
        Outcome::Rewarded(_) => None,
        Outcome::Unrewarded(why) => Some(why.code()),
    };
    json!({
        "l2_block": entry.block.0,
        "timestamp": entry.timestamp.0,
        "epoch": entry.epoch.map(|epoch| epoch.0),
        "span": entry.span.map(|span| span.0),
        "signer": entry.signer.map(address),
        "producer": entry.producer.map(address),
        "sequencer": entry.sequencer.map(|sequencer| sequencer.0),
        "effective_stake_wei": rewarded.map(|rewarded| rewarded.effective.to_string()),
        "reward_wei": rewarded.map(|rewarded| rewarded.reward.to_string()),
        "running_total_wei": rewarded.map(|rewarded| rewarded.running_total.to_string()),
        "batch": rewarded.and_then(|rewarded| rewarded.batch).map(|batch| batch.0),
        "unrewarded": unrewarded,
    })
}
