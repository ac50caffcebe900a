//! The JSON of `tally state`: the contracts' own names and shapes.

use crate::format::address;
use serde_json::{Map, Value, json};
use tally_engine::{PoolState, SequencerState, SignerState, Status};

/// The contract's name of a status.
pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Inactive => "Inactive",
        Status::Active => "Active",
        Status::Unlocked => "Unlocked",
    }
}

const STATUSES: [Status; 3] = [Status::Inactive, Status::Active, Status::Unlocked];

/// How many sequencers there are of each status: inactive, active, unlocked.
pub(crate) fn status_counts<T: Into<Value>>(counts: [T; 3]) -> Value {
    let named =
        STATUSES.into_iter().zip(counts).map(|(status, count)| (status_name(status).into(), count.into()));
    Value::Object(named.collect())
}

/// The state, under the contracts' names.
pub(crate) fn state_json(pool: &PoolState) -> Value {
    let statuses = status_counts(STATUSES.map(|status| pool.count(status)));
    let owners: Map<String, Value> =
        pool.owners.iter().map(|(owner, id)| (address(*owner), json!(id.map_or(0, |id| id.0)))).collect();
    let signers: Map<String, Value> = pool
        .signers
        .iter()
        .map(|(signer, state)| {
            let value = match state {
                SignerState::Of(id) => json!(id.0),
                SignerState::Invalid => json!("invalid"),
            };
            (address(*signer), value)
        })
        .collect();
    let sequencers: Map<String, Value> =
        pool.sequencers.iter().map(|(id, sequencer)| (id.to_string(), sequencer_json(sequencer))).collect();
    json!({
        "totalSequencers": pool.sequencers.len(),
        "totalLocked": pool.total_locked.to_string(),
        "totalRewardsLiquidated": pool.total_rewards_liquidated.to_string(),
        "curBatchState": {
            "id": pool.batch.id.0,
            "number": pool.batch.number.0,
            "startEpoch": pool.batch.start_span.0,
            "endEpoch": pool.batch.end_span.0,
        },
        "rewardPerBlock": pool.reward_per_block.to_string(),
        "minLock": pool.min_lock.to_string(),
        "maxLock": pool.max_lock.to_string(),
        "exitDelayPeriod": pool.exit_delay_secs,
        "signerUpdateThrottle": pool.signer_update_throttle_batches,
        "mpcAddress": address(pool.mpc_address),
        "rewardPayer": address(pool.reward_payer),
        "paused": pool.paused,
        "seqStatuses": statuses,
        "seqOwners": owners,
        "seqSigners": signers,
        "sequencers": sequencers,
    })
}

fn sequencer_json(sequencer: &SequencerState) -> Value {
    json!({
        "amount": sequencer.amount.to_string(),
        "reward": sequencer.reward.to_string(),
        "activationBatch": sequencer.activation_batch.0,
        "updatedBatch": sequencer.updated_batch.0,
        "deactivationBatch": sequencer.deactivation_batch.0,
        "deactivationTime": sequencer.deactivation_time.0,
        "unlockClaimTime": sequencer.unlock_claim_time.0,
        "nonce": sequencer.nonce,
        "owner": address(sequencer.owner),
        "signer": address(sequencer.signer),
        "pubkey": sequencer.pubkey.to_string(),
        "rewardRecipient": address(sequencer.reward_recipient),
        "status": status_name(sequencer.status),
    })
}
