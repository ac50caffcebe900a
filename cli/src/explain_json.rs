//! The JSON of `tally explain`, as `docs/json.md` describes it.

use crate::format::mrr;
use crate::ledger_json::block_json;
use crate::replay_json::{log_json, policy_id_json, rate_json};
use anyhow::Result;
use serde_json::{Map, Value, json};
use tally_engine::{Division, EpochLedger, Policy, Rate};
use tally_eventlog::LogReader;
use tally_replay::{
    BlockExplanation, EpochExplanation, Paid, Place, Replayed, RewardSource, SpanPlace, StakeFacts,
};

/// What was asked of, and by which rules.
fn head(log: &LogReader, replayed: &Replayed) -> Result<Map<String, Value>> {
    let mut object = Map::new();
    object.insert("policy".into(), policy_id_json(&replayed.policy));
    object.insert("engine_version".into(), env!("CARGO_PKG_VERSION").into());
    object.insert("log".into(), log_json(log)?);
    object.insert("ledger_root".into(), replayed.ledger.root.to_string().into());
    Ok(object)
}

pub(crate) fn block_explanation_json(
    log: &LogReader,
    replayed: &Replayed,
    explained: &BlockExplanation,
) -> Result<Value> {
    let policy = &replayed.policy;
    let mut object = head(log, replayed)?;
    object.insert("block".into(), block_json(&explained.entry));
    object.insert("span".into(), explained.span.as_ref().map_or(Value::Null, span_json));
    object.insert("signer_introduced_by".into(), or_null(explained.introduced_by.as_ref()));
    object.insert(
        "stake".into(),
        explained.stake.as_ref().map_or(Value::Null, |stake| stake_json(policy, stake)),
    );
    let epoch = explained.epoch.as_ref().map(|epoch| epoch_facts_json(policy, epoch)).transpose()?;
    object.insert("epoch".into(), epoch.unwrap_or_default());
    object.insert("division".into(), explained.division.as_ref().map_or(Value::Null, division_json));
    object.insert("paid_by".into(), explained.paid_by.as_ref().map_or(Value::Null, reward_source_json));
    Ok(Value::Object(object))
}

pub(crate) fn epoch_explanation_json(
    log: &LogReader,
    replayed: &Replayed,
    explained: &EpochExplanation,
) -> Result<Value> {
    let policy = &replayed.policy;
    let mut object = head(log, replayed)?;
    let segments = explained.segments.iter().map(|segment| {
        json!({
            "from": segment.from.0,
            "until": segment.until.0,
            "stake": stake_json(policy, &segment.stake),
            "stake_seconds": segment.stake_seconds.to_string(),
            "paid": segment.paid.iter().map(paid_json).collect::<Vec<_>>(),
        })
    });
    let unrewarded: Map<String, Value> = explained
        .unrewarded
        .iter()
        .map(|(reason, blocks)| (reason.code().to_owned(), (*blocks).into()))
        .collect();
    object.insert("sequencer".into(), explained.sequencer.0.into());
    object.insert("epoch".into(), epoch_facts_json(policy, &explained.epoch)?);
    object.insert("until".into(), explained.until.0.into());
    object.insert("segments".into(), segments.collect());
    object.insert("blocks".into(), explained.earned.blocks.into());
    object.insert("reward_wei".into(), explained.earned.reward.to_string().into());
    object.insert("stake_seconds".into(), explained.stake_seconds.to_string().into());
    let realised = tally_engine::realised_mrr(explained.earned.reward, explained.stake_seconds)?;
    object.insert("realised_mrr".into(), realised.map(mrr).into());
    object.insert("unrewarded".into(), unrewarded.into());
    Ok(Value::Object(object))
}

fn or_null(place: Option<&Place>) -> Value {
    place.map_or(Value::Null, place_json)
}

fn place_json(place: &Place) -> Value {
    json!({
        "event": place.event,
        "l1_block": place.block.0,
        "timestamp": place.timestamp.0,
        "transaction": place.transaction_hash,
        "log_index": place.log_index,
    })
}

fn span_json(place: &SpanPlace) -> Value {
    json!({
        "span": place.span.id.0,
        "start": place.span.start.0,
        "end": place.span.end.0,
        "signer": crate::format::address(place.span.signer),
        "event": {
            "event": place.event,
            "l2_block": place.block.0,
            "transaction": place.transaction_hash,
            "log_index": place.log_index,
        },
    })
}

fn stake_json(policy: &Policy, stake: &StakeFacts) -> Value {
    json!({
        "stake_wei": stake.stake.to_string(),
        "stake_event": or_null(stake.stake_event.as_ref()),
        "active": stake.active,
        "status_event": or_null(stake.status_event.as_ref()),
        "cap_wei": policy.cap().to_string(),
        "effective_stake_wei": stake.effective.to_string(),
    })
}

/// The epoch's rate and what it comes from.
fn epoch_facts_json(policy: &Policy, epoch: &EpochLedger) -> Result<Value> {
    let window = match epoch.rate {
        Rate::FromWindow(window) => json!({
            "epoch": window.epoch,
            "mrr": window.target.to_string(),
            "stake_seconds": window.stake_seconds.to_string(),
            "blocks": window.blocks,
            "stake_blocks": window.stake_blocks.to_string(),
        }),
        Rate::Initial | Rate::OnChain => Value::Null,
    };
    Ok(json!({
        "epoch": epoch.epoch.0,
        "start": epoch.start.0,
        "target_mrr": epoch.target.to_string(),
        "rate": rate_json(policy, epoch.rate)?,
        "window": window,
    }))
}

fn division_json(division: &Division) -> Value {
    let factors = |factors: &[alloy_primitives::U256]| -> Vec<String> {
        factors.iter().map(ToString::to_string).collect()
    };
    json!({
        "numerators": factors(&division.numerators),
        "denominators": factors(&division.denominators),
        "quotient_wei": division.quotient.to_string(),
        "remainder": division.remainder.to_string(),
        "rounds": "down",
    })
}

fn reward_source_json(source: &RewardSource) -> Value {
    json!({ "batch": source.batch.map(|batch| batch.0), "event": or_null(source.event.as_ref()) })
}

fn paid_json(paid: &Paid) -> Value {
    json!({
        "reward_each_wei": paid.reward.to_string(),
        "blocks": paid.earned.blocks,
        "reward_wei": paid.earned.reward.to_string(),
        "division": paid.division.as_ref().map_or(Value::Null, division_json),
        "paid_by": paid.paid_by.as_ref().map_or(Value::Null, reward_source_json),
    })
}
