//! The JSON of `tally claims`, as `docs/claims.md` describes it.

use crate::claims_args::RateArgs;
use crate::format::{address, mrr};
use crate::replay_json::{horizon_json, policy_id_json, rate_json as epoch_rate_json, stopped_json};
use anyhow::Result;
use serde_json::{Value, json};
use tally_claims::{NextBatch, NextRate, PreparedCall, RateHistory, RoundedWei};
use tally_engine::Wei;
use tally_eventlog::LogReader;

/// The next batch.
pub(crate) fn next_batch_json(batch: &NextBatch, log: &LogReader) -> Result<Value> {
    let entries = batch.entries.iter().map(|entry| {
        json!({
            "signer": address(entry.signer),
            "sequencer": entry.sequencer.0,
            "blocks": entry.blocks,
            "reward_wei": entry.reward.to_string(),
        })
    });
    let unpayable = batch.unpayable.iter().map(|blocks| {
        json!({
            "signer": address(blocks.signer),
            "sequencer": blocks.why.sequencer().map(|sequencer| sequencer.0),
            "blocks": blocks.blocks,
            "why": blocks.why.code(),
        })
    });
    Ok(json!({
        "log": log_json(log)?,
        "batch": batch.batch.0,
        "start_span": batch.start_span.0,
        "end_span": batch.end_span.0,
        "first_l2_block": batch.first_block.0,
        "last_l2_block": batch.last_block.0,
        "blocks": batch.blocks,
        "reward_per_block_wei": batch.reward_per_block.to_string(),
        "total_wei": batch.total.to_string(),
        "entries": entries.collect::<Vec<_>>(),
        "unpayable": unpayable.collect::<Vec<_>>(),
        "paused_since_l1_block": batch.paused_since.map(|block| block.0),
        "call": call_json(&batch.call),
    }))
}

/// The next rate, and the history of the rate.
pub(crate) fn next_rate_json(rate: &NextRate, log: &LogReader) -> Result<Value> {
    let NextRate { closed, policy, .. } = rate;
    let history: Result<Vec<Value>> = rate.history.iter().map(|epoch| history_json(rate, epoch)).collect();
    Ok(json!({
        "policy": policy_id_json(policy),
        "log": log_json(log)?,
        "horizon": horizon_json(Some(rate.horizon)),
        "stopped": stopped_json(rate.stop),
        "closed_epoch": {
            "epoch": closed.epoch.0,
            "start": closed.start.0,
            "end": closed.end.0,
            "stake_seconds": closed.stake_seconds.to_string(),
            "blocks": closed.blocks,
            "blocks_a_year": closed.blocks_a_year,
            "realised_mrr": closed.realised_mrr.map(mrr),
        },
        "target_mrr": rate.target.to_string(),
        "rate": epoch_rate_json(policy, rate.rate)?,
        "reward_per_block_wei": rate.reward.to_string(),
        "rounded": rounded_json(rate.rounded),
        "on_chain_reward_per_block_wei": rate.on_chain.to_string(),
        "difference_wei": rate.difference.to_string(),
        "call": rate.call.as_ref().map(call_json),
        "history": history?,
    }))
}

/// A reward per block for a given stake and pace.
pub(crate) fn rate_json(args: &RateArgs, reward: Wei, rounded: Option<RoundedWei>) -> Value {
    json!({
        "stake_wei": args.stake.to_string(),
        "block_secs": args.block_secs.to_string(),
        "mrr": args.mrr.to_string(),
        "reward_per_block_wei": reward.to_string(),
        "rounded": rounded_json(rounded),
    })
}

fn history_json(rate: &NextRate, epoch: &RateHistory) -> Result<Value> {
    let changes = epoch.changes.iter().map(|change| {
        json!({
            "l1_block": change.block.0,
            "timestamp": change.time.0,
            "reward_per_block_wei": change.reward_per_block.to_string(),
        })
    });
    Ok(json!({
        "epoch": epoch.epoch.0,
        "start": epoch.start.0,
        "until": epoch.until.0,
        "closed": epoch.is_closed,
        "blocks": epoch.blocks,
        "target_mrr": epoch.target.to_string(),
        "rate": epoch_rate_json(&rate.policy, epoch.rate)?,
        "realised_mrr": epoch.realised_mrr.map(mrr),
        "on_chain_reward_per_block_wei": epoch.on_chain.to_string(),
        "on_chain_changes": changes.collect::<Vec<_>>(),
        "paid_mrr": epoch.paid_mrr.map(mrr),
    }))
}

fn rounded_json(rounded: Option<RoundedWei>) -> Value {
    rounded.map_or(
        Value::Null,
        |rounded| json!({ "decimals": rounded.decimals, "reward_per_block_wei": rounded.amount.to_string() }),
    )
}

fn log_json(log: &LogReader) -> Result<Value> {
    let heads = log.heads();
    Ok(json!({
        "head_digest": log.head_digest()?,
        "l1_block": heads.l1.map(|head| head.block.0),
        "l2_block": heads.l2.map(|head| head.block.0),
    }))
}

fn call_json(call: &PreparedCall) -> Value {
    json!({
        "chain_id": call.chain_id,
        "contract": address(call.contract),
        "sender": call.sender.map(address),
        "function": call.function,
        "calldata": call.calldata.to_string(),
    })
}
