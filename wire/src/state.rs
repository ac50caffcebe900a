//! The state of the pool's contracts, under the contracts' own names.

use crate::accounts::status_name;
use crate::shape::count;
use crate::{Address, Amount, SequencerStatus};
use std::collections::BTreeMap;
use tally_engine::{BatchState, PoolState, SequencerState, SignerState, Status};

shapes! {
    /// The state of the contracts after an L1 block.
    pub struct StateAt {
        /// The number of the L1 block; `null` if the log has none.
        l1_block: Option<u64>,
        /// The fields of the state itself.
        #[serde(flatten)]
        state: ContractState,
    }

    /// The state of the contracts, under their own names.
    #[serde(rename_all = "camelCase")]
    pub struct ContractState from pool: &PoolState {
        /// How many sequencers ever locked a stake.
        total_sequencers: u64 = count(pool.sequencers.len()),
        /// All stakes together, in wei.
        total_locked: Amount = pool.total_locked.into(),
        /// The rewards that were paid out to L2, in wei.
        total_rewards_liquidated: Amount = pool.total_rewards_liquidated.into(),
        /// The last batch that was paid.
        cur_batch_state: CurrentBatch = pool.batch.into(),
        /// The reward per block, in wei.
        reward_per_block: Amount = pool.reward_per_block.into(),
        /// The least stake that can be locked, in wei.
        min_lock: Amount = pool.min_lock.into(),
        /// The greatest stake that can be locked, in wei.
        max_lock: Amount = pool.max_lock.into(),
        /// The delay between the beginning of an exit and its end, in seconds.
        exit_delay_period: u64 = pool.exit_delay_secs,
        /// How many batches have to pass between two changes of a signer.
        signer_update_throttle: u64 = pool.signer_update_throttle_batches,
        /// The address that may submit batches.
        mpc_address: Address = pool.mpc_address.into(),
        /// The address that the rewards come from.
        reward_payer: Address = pool.reward_payer.into(),
        /// Whether the pool is paused, so that nothing can be claimed.
        paused: bool = pool.paused,
        /// How many sequencers there are of each status.
        seq_statuses: StatusCounts = StatusCounts::of(pool),
        /// The id of the sequencer of each owner; 0 if its sequencer is gone.
        seq_owners: BTreeMap<String, u64> =
            pool.owners.iter().map(|(owner, id)| (key(owner), id.map_or(0, |id| id.0))).collect(),
        /// The id of the sequencer of each signer, or `invalid` for a signer that can be used no more.
        seq_signers: BTreeMap<String, SignerOf> =
            pool.signers.iter().map(|(signer, state)| (key(signer), state.into())).collect(),
        /// The sequencers, by id as text.
        sequencers: BTreeMap<String, SequencerTuple> =
            pool.sequencers.iter().map(|(id, sequencer)| (id.to_string(), sequencer.into())).collect(),
    }

    /// The last batch that was paid, as the contract keeps it.
    #[serde(rename_all = "camelCase")]
    pub struct CurrentBatch from batch: BatchState {
        /// The number of the batch.
        id: u64 = batch.id.0,
        /// The L1 block in which it was paid.
        number: u64 = batch.number.0,
        /// The first span of the batch.
        start_epoch: u64 = batch.start_span.0,
        /// The last span of the batch.
        end_epoch: u64 = batch.end_span.0,
    }

    /// How many sequencers there are of each status.
    #[serde(rename_all = "PascalCase")]
    pub struct StatusCounts from [inactive, active, unlocked]: [u64; 3] {
        /// How many have begun their exit.
        inactive: u64 = inactive,
        /// How many sequencers are active.
        active: u64 = active,
        /// How many have taken their stake out.
        unlocked: u64 = unlocked,
    }

    /// A sequencer as the contract keeps it.
    #[serde(rename_all = "camelCase")]
    pub struct SequencerTuple from sequencer: &SequencerState {
        /// The stake that is locked, in wei.
        amount: Amount = sequencer.amount.into(),
        /// The rewards that are unclaimed, in wei.
        reward: Amount = sequencer.reward.into(),
        /// The batch in which it locked.
        activation_batch: u64 = sequencer.activation_batch.0,
        /// The batch in which its signer was set last.
        updated_batch: u64 = sequencer.updated_batch.0,
        /// The batch in which it began its exit; 0 if it did not.
        deactivation_batch: u64 = sequencer.deactivation_batch.0,
        /// When it began its exit, in Unix seconds; 0 if it did not.
        deactivation_time: u64 = sequencer.deactivation_time.0,
        /// From when on its stake can be taken out, in Unix seconds; 0 if it did not begin its exit.
        unlock_claim_time: u64 = sequencer.unlock_claim_time.0,
        /// How many times the contract has changed it.
        nonce: u64 = sequencer.nonce,
        /// The address that controls its stake.
        owner: Address = sequencer.owner.into(),
        /// The address that signs its blocks.
        signer: Address = sequencer.signer.into(),
        /// The public key of its signer, as `0x` and hexadecimal digits.
        pubkey: String = sequencer.pubkey.to_string(),
        /// The address on L2 that gets its rewards.
        reward_recipient: Address = sequencer.reward_recipient.into(),
        /// `Active`, `Inactive` (it has begun its exit) or `Unlocked` (it has taken its stake out).
        status: SequencerStatus = status_name(sequencer.status).into(),
    }
}

impl StatusCounts {
    /// How many sequencers of a pool there are of each status.
    pub fn of(pool: &PoolState) -> Self {
        STATUSES.map(|status| count(pool.count(status))).into()
    }
}

/// The statuses in the order in which they are counted.
const STATUSES: [Status; 3] = [Status::Inactive, Status::Active, Status::Unlocked];

/// An address as the name of a member.
fn key(address: &alloy_primitives::Address) -> String {
    format!("{address:#x}")
}

/// What the contract has of a signer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum SignerOf {
    /// The id of the sequencer that the signer is of.
    Sequencer(u64),
    /// The text `invalid`: the signer was replaced or its sequencer is gone.
    Invalid(String),
}

impl From<&SignerState> for SignerOf {
    fn from(state: &SignerState) -> Self {
        match state {
            SignerState::Of(id) => Self::Sequencer(id.0),
            SignerState::Invalid => Self::Invalid("invalid".into()),
        }
    }
}
