//! The JSON of `tally whatif`, as `docs/json.md` describes it.

use crate::Output;
use crate::replay_json::{horizon_json, log_json, policy_id_json, stopped_json, unrewarded_json};
use crate::whatif::sole_target;
use anyhow::Result;
use serde_json::{Value, json};
use tally_engine::{Earned, Policy};
use tally_eventlog::LogReader;
use tally_replay::{Variation, WhatIf};

/// How an indented object ends.
const END: &str = "\n}";

/// One object. The combinations are its last field, written one by one: together they can be many
/// times what fits in memory.
pub(crate) fn print_json(
    log: &LogReader,
    what_if: &WhatIf,
    variants: &[Policy],
    output: &mut Output<'_>,
) -> Result<()> {
    let head = format!("{:#}", head_json(log, what_if)?);
    let head = head.strip_suffix(END).expect("it is an object with fields");
    write!(output.out, "{head},\n  \"combinations\": [")?;
    let mut separator = "\n    ";
    what_if.evaluate::<anyhow::Error>(variants, |variation| {
        write!(output.out, "{separator}{}", variation_json(variation))?;
        separator = ",\n    ";
        Ok(())
    })?;
    writeln!(output.out, "\n  ]{END}")?;
    Ok(())
}

fn head_json(log: &LogReader, what_if: &WhatIf) -> Result<Value> {
    let (base, activity, paid) = (what_if.base(), what_if.activity(), what_if.paid());
    let sequencers: Vec<Value> =
        paid.sequencers.iter().map(|(id, earned)| earned_json(id.0, earned)).collect();
    Ok(json!({
        "log": log_json(log)?,
        "horizon": horizon_json(activity.horizon),
        "stopped": stopped_json(what_if.stop()),
        "genesis": activity.genesis.map(|genesis| genesis.0),
        "unrewarded": unrewarded_json(activity.unrewarded),
        "base": {
            "policy": policy_id_json(base),
            "mrr": mrr_json(base),
            "cap_wei": base.cap().to_string(),
            "allocation": base.allocation().name(),
            "blocks": paid.total.blocks,
            "total_wei": paid.total.reward.to_string(),
            "sequencers": sequencers,
        },
    }))
}

fn variation_json(variation: &Variation<'_>) -> Value {
    let Variation { policy, total, sequencers } = variation;
    let sequencers = sequencers.iter().map(|(id, own)| {
        let mut object = earned_json(id.0, &own.earned);
        object["difference_wei"] = own.difference.to_string().into();
        object
    });
    json!({
        "mrr": mrr_json(policy),
        "cap_wei": policy.cap().to_string(),
        "allocation": policy.allocation().name(),
        "policy_digest": policy.digest(),
        "blocks": total.earned.blocks,
        "total_wei": total.earned.reward.to_string(),
        "difference_wei": total.difference.to_string(),
        "sequencers": sequencers.collect::<Vec<Value>>(),
    })
}

fn earned_json(id: u64, earned: &Earned) -> Value {
    json!({ "id": id, "blocks": earned.blocks, "reward_wei": earned.reward.to_string() })
}

fn mrr_json(policy: &Policy) -> Option<String> {
    sole_target(policy).map(|mrr| mrr.to_string())
}
