//! The JSON of `tally accounts`, as `docs/accounts.md` describes it.

use crate::accounts::is_shown;
use crate::format::address;
use crate::replay_json::{horizon_json, log_json, policy_id_json};
use crate::state_json::status_name;
use anyhow::Result;
use serde_json::{Map, Value, json};
use tally_claims::{
    AccountLine, Accounts, ChainAccount, ChainTotals, Exit, MovementKind, NotClaimable, PolicyAccount,
    PolicyAccounts, Statement, StatementEntry,
};
use tally_engine::SequencerId;
use tally_eventlog::LogReader;

/// The accounts, of one sequencer or of all.
pub(crate) fn accounts_json(log: &LogReader, found: &Accounts, only: Option<SequencerId>) -> Result<Value> {
    let shown = || found.chain.sequencers.iter().filter(|(id, _)| is_shown(only, **id));
    let sequencers: Vec<Value> = shown().map(|(id, account)| chain_json(*id, account)).collect();
    let ids: Vec<SequencerId> = shown().map(|(id, _)| *id).collect();
    let policies: Vec<Value> =
        found.policies.iter().map(|accounts| policy_json(accounts, &ids, only)).collect();
    Ok(json!({
        "log": log_json(log)?,
        "l1_block": found.as_of.l1_block.map(|block| block.0),
        "time": found.as_of.until.time().map(|time| time.0),
        "sequencers": sequencers,
        "totals": only.is_none().then(|| Value::Object(totals_json(&found.chain.totals))),
        "policies": policies,
    }))
}

fn totals_json(totals: &ChainTotals) -> Map<String, Value> {
    let ChainTotals { stake, credited, claimed, relocked, unclaimed, claimable } = totals;
    let sums = [
        ("stake_wei", stake),
        ("credited_wei", credited),
        ("claimed_wei", claimed),
        ("relocked_wei", relocked),
        ("unclaimed_wei", unclaimed),
        ("claimable_wei", claimable),
    ];
    sums.into_iter().map(|(name, sum)| (name.into(), sum.to_string().into())).collect()
}

fn chain_json(id: SequencerId, account: &ChainAccount) -> Value {
    let ChainAccount { status, sums, not_claimable, recipient, exit } = account;
    let mut object = Map::new();
    object.insert("sequencer".into(), id.0.into());
    object.insert("status".into(), status_name(*status).into());
    object.extend(totals_json(sums));
    object.insert("not_claimable".into(), json!(not_claimable.map(NotClaimable::code)));
    object.insert("recipient".into(), json!(recipient.map(address)));
    let exit = exit.map(|Exit { since, stake_free_at, delay_secs }| {
        json!({ "since": since.0, "stake_free_at": stake_free_at.0, "delay_secs": delay_secs })
    });
    object.insert("exit".into(), json!(exit));
    Value::Object(object)
}

fn policy_json(accounts: &PolicyAccounts, ids: &[SequencerId], only: Option<SequencerId>) -> Value {
    let sequencers: Vec<Value> = ids
        .iter()
        .map(|id| {
            let mut object = Map::new();
            object.insert("sequencer".into(), id.0.into());
            object.extend(earned_json(&accounts.of(*id)));
            Value::Object(object)
        })
        .collect();
    json!({
        "policy": policy_id_json(&accounts.policy),
        "horizon": horizon_json(accounts.horizon),
        "closed_epochs": accounts.closed_epochs,
        "sequencers": sequencers,
        "totals": only.is_none().then(|| Value::Object(earned_json(&accounts.totals))),
    })
}

fn earned_json(account: &PolicyAccount) -> Map<String, Value> {
    let PolicyAccount { accrued, claimable, pending } = account;
    let mut object = Map::new();
    object.insert("blocks".into(), accrued.blocks.into());
    object.insert("accrued_wei".into(), accrued.reward.to_string().into());
    object.insert("claimable_wei".into(), json!(claimable.map(|wei| wei.to_string())));
    object.insert("pending_blocks".into(), json!(pending.map(|pending| pending.blocks)));
    object.insert("pending_wei".into(), json!(pending.map(|pending| pending.reward.to_string())));
    object
}

/// A statement.
pub(crate) fn statement_json(log: &LogReader, statement: &Statement) -> Result<Value> {
    let accounts: Vec<Value> = statement
        .accounts
        .iter()
        .map(|AccountLine { account, opening, debits, credits, closing }| {
            json!({
                "account": account.to_string(),
                "opening_wei": opening.to_string(),
                "debits_wei": debits.to_string(),
                "credits_wei": credits.to_string(),
                "closing_wei": closing.to_string(),
            })
        })
        .collect();
    let movements: Vec<Value> = statement.entries.iter().map(entry_json).collect();
    Ok(json!({
        "log": log_json(log)?,
        "sequencer": statement.sequencer.0,
        "from": statement.range.from.map(|from| from.0),
        "to": statement.range.to.map(|to| to.0),
        "policy": statement.policy.as_ref().map(policy_id_json),
        "horizon": horizon_json(statement.horizon),
        "accounts": accounts,
        "movements": movements,
    }))
}

/// A movement, with what its kind alone has.
pub(crate) fn entry_json(entry: &StatementEntry) -> Value {
    let movement = &entry.movement;
    let (place, details) = (movement.place.as_ref(), Details::of(movement.kind));
    json!({
        "time": movement.time.0,
        "l1_block": place.map(|place| place.block.0),
        "transaction": place.map(|place| place.transaction_hash),
        "log_index": place.map(|place| place.log_index),
        "kind": movement.kind.code(),
        "batch": details.batch,
        "epoch": details.epoch,
        "blocks": details.blocks,
        "reward_per_block_wei": details.reward_per_block,
        "amount_wei": movement.amount.to_string(),
        "debit": movement.debit.to_string(),
        "credit": movement.credit.to_string(),
        "stake_wei": entry.stake.to_string(),
        "unclaimed_wei": entry.unclaimed.to_string(),
        "accrued_wei": entry.accrued.map(|accrued| accrued.to_string()),
    })
}

/// What some kinds of movement have beside an amount.
#[derive(Default)]
pub(crate) struct Details {
    pub(crate) batch: Option<u64>,
    pub(crate) epoch: Option<u64>,
    pub(crate) blocks: Option<u64>,
    pub(crate) reward_per_block: Option<String>,
}

impl Details {
    pub(crate) fn of(kind: MovementKind) -> Self {
        match kind {
            MovementKind::Credited { batch, blocks, reward_per_block } => Self {
                batch: Some(batch.0),
                blocks: Some(blocks),
                reward_per_block: Some(reward_per_block.to_string()),
                ..Self::default()
            },
            MovementKind::Accrued { epoch, blocks } => {
                Self { epoch: Some(epoch.0), blocks: Some(blocks), ..Self::default() }
            }
            MovementKind::Revalued { epoch } => Self { epoch: Some(epoch.0), ..Self::default() },
            MovementKind::Locked
            | MovementKind::Relocked
            | MovementKind::RelockedReward
            | MovementKind::Withdrawn
            | MovementKind::Claimed
            | MovementKind::Unlocked => Self::default(),
        }
    }
}
