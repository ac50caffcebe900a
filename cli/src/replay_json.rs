//! The JSON of `tally replay`, as `docs/json.md` describes it.

use crate::format::{address, mrr};
use anyhow::Result;
use serde_json::{Value, json};
use tally_engine::{Allocation, Earned, EpochLedger, Horizon, Ledger, Policy, Rate, UnrewardedBlocks};
use tally_eventlog::LogReader;
use tally_replay::{Replayed, Stop};

/// One object for each policy.
pub(crate) fn replay_json(log: &LogReader, replayed: &[Replayed]) -> Result<Value> {
    let policies: Result<Vec<Value>> = replayed.iter().map(|replayed| policy_json(log, replayed)).collect();
    Ok(Value::Array(policies?))
}

fn policy_json(log: &LogReader, replayed: &Replayed) -> Result<Value> {
    let Replayed { policy, ledger, stop } = replayed;
    let epochs: Result<Vec<Value>> = ledger.epochs.iter().map(|epoch| epoch_json(policy, epoch)).collect();
    let sequencers: Vec<Value> = ledger
        .sequencers
        .iter()
        .map(|(id, total)| {
            json!({
                "id": id.0,
                "signer": total.signer.map(address),
                "blocks": total.earned.blocks,
                "reward_wei": total.earned.reward.to_string(),
            })
        })
        .collect();
    let mut object = json!({
        "policy": policy_id_json(policy),
        "log": log_json(log)?,
        "horizon": horizon_json(ledger.horizon),
        "stopped": stopped_json(*stop),
        "genesis": ledger.genesis.map(|genesis| genesis.0),
        "epochs": epochs?,
        "sequencers": sequencers,
        "unrewarded": unrewarded_json(ledger.unrewarded),
        "total_wei": ledger.total.to_string(),
        "ledger_root": ledger.root,
    });
    if policy.allocation() == Allocation::OnChain
        && let Some(object) = object.as_object_mut()
    {
        object.insert("batches".into(), batches_json(ledger));
        object.insert("pending".into(), earned_json(&ledger.pending));
    }
    Ok(object)
}

/// What a policy is known by.
pub(crate) fn policy_id_json(policy: &Policy) -> Value {
    json!({ "name": policy.name(), "version": policy.version(), "digest": policy.digest() })
}

/// Which log, and how far it reaches.
pub(crate) fn log_json(log: &LogReader) -> Result<Value> {
    let heads = log.heads();
    Ok(json!({
        "head_digest": log.head_digest()?,
        "l1_block": heads.l1.map(|head| head.block.0),
        "l2_block": heads.l2.map(|head| head.block.0),
    }))
}

/// The last block folded.
pub(crate) fn horizon_json(horizon: Option<Horizon>) -> Value {
    horizon.map_or(
        Value::Null,
        |horizon| json!({ "l2_block": horizon.block.0, "timestamp": horizon.timestamp.0 }),
    )
}

/// Why no more is folded.
pub(crate) fn stopped_json(stop: Stop) -> Value {
    json!({ "reason": stop.code(), "next_l2_block": stop.next_block().map(|block| block.0) })
}

/// Blocks without reward, by reason.
pub(crate) fn unrewarded_json(unrewarded: UnrewardedBlocks) -> Value {
    let UnrewardedBlocks { before_genesis, no_producer, unknown_signer, after_unlock } = unrewarded;
    json!({
        "before_genesis": before_genesis,
        "no_producer": no_producer,
        "unknown_signer": unknown_signer,
        "after_unlock": after_unlock,
    })
}

fn earned_json(earned: &Earned) -> Value {
    json!({ "blocks": earned.blocks, "reward_wei": earned.reward.to_string() })
}

fn epoch_json(policy: &Policy, epoch: &EpochLedger) -> Result<Value> {
    let mut rows = Vec::new();
    for row in &epoch.rows {
        rows.push(json!({
            "sequencer": row.sequencer.0,
            "blocks": row.earned.blocks,
            "reward_wei": row.earned.reward.to_string(),
            "realised_mrr": row.realised_mrr()?.map(mrr),
        }));
    }
    Ok(json!({
        "epoch": epoch.epoch.0,
        "start": epoch.start.0,
        "stake_seconds": epoch.stake_seconds.to_string(),
        "blocks": epoch.earned.blocks,
        "stake_blocks": epoch.stake_blocks.to_string(),
        "reward_wei": epoch.earned.reward.to_string(),
        "rate": rate_json(policy, epoch.rate)?,
        "target_mrr": epoch.target.to_string(),
        "realised_mrr": epoch.realised_mrr()?.map(mrr),
        "rows": rows,
    }))
}

/// Where an epoch's rate comes from, and, under `flat`, what a block earns.
pub(crate) fn rate_json(policy: &Policy, rate: Rate) -> Result<Value> {
    let is_flat = policy.allocation() == Allocation::Flat;
    Ok(match rate {
        Rate::Initial => json!({
            "from": "initial",
            "reward_per_block_wei": is_flat.then(|| policy.initial_reward().to_string()),
        }),
        Rate::FromWindow(window) => json!({
            "from": "window",
            "window_epoch": window.epoch,
            "mrr": window.target.to_string(),
            "reward_per_block_wei": if is_flat { Some(window.flat_reward()?.to_string()) } else { None },
        }),
        Rate::OnChain => json!({ "from": "chain", "reward_per_block_wei": null }),
    })
}

fn batches_json(ledger: &Ledger) -> Value {
    let batches = ledger.batches.iter().map(|batch| {
        let rows: Vec<Value> = batch
            .rows
            .iter()
            .map(|(sequencer, earned)| {
                json!({
                    "sequencer": sequencer.0,
                    "blocks": earned.blocks,
                    "reward_wei": earned.reward.to_string(),
                })
            })
            .collect();
        json!({
            "batch": batch.batch.0,
            "reward_per_block_wei": batch.reward_per_block.to_string(),
            "rows": rows,
        })
    });
    Value::Array(batches.collect())
}
