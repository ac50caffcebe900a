//! What the contracts themselves say of their state, asked of a node.

use crate::abi::LockingInfo::{
    maxLockCall, minLockCall, rewardPayerCall, totalLockedCall, totalRewardsLiquidatedCall,
};
use crate::abi::LockingPool::{
    curBatchStateCall, exitDelayPeriodCall, mpcAddressCall, pausedCall, rewardPerBlockCall, seqOwnersCall,
    seqSignersCall, seqStatusesCall, sequencersCall, sequencersReturn, signerUpdateThrottleCall,
    totalSequencersCall,
};
use crate::error::IngestError;
use crate::fetch;
use crate::json::Header;
use crate::metrics::Metrics;
use crate::rpc::{Attempt, Call, Endpoints, Fault, FaultKind, Rpc, call, decoded};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;
use futures_util::future::BoxFuture;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tally_engine::{
    BatchId, BatchState, L1Block, PoolState, SequencerId, SequencerState, SignerState, SpanId, Status,
    UnixTime, Wei,
};
use tally_eventlog::{Chain, LogIdentity};

/// No pool has more sequencers: mainnet's has a few dozen.
const SEQUENCERS_MAX: u64 = 10_000;

/// What `seqSigners` gives for a signer that cannot be used any more.
const INVALID: U256 = U256::MAX;

/// The contracts' state as they tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractState {
    /// The block it is after.
    pub block: L1Block,
    /// The hash of that block.
    pub block_hash: B256,
    /// What they hold. Of owners and signers it has those that were asked for, or that a sequencer names.
    pub pool: PoolState,
    /// How many sequencers there are of each status, by their own count: inactive, active, unlocked.
    pub statuses: [u64; 3],
}

/// Asks the contracts of `identity` for their state after L1 block `block`. `known` is the state to compare
/// it with: the owners and signers to ask for.
///
/// # Errors
///
/// [`IngestError`] if the endpoints cannot be used, or do not tell: a node may not keep states from so long
/// ago.
pub fn contract_state<'a>(
    endpoints: &'a Endpoints,
    identity: &'a LogIdentity,
    block: L1Block,
    known: &'a PoolState,
) -> BoxFuture<'a, Result<ContractState, IngestError>> {
    // Behind a pointer for the same reason as `ingest_live`.
    Box::pin(async move {
        let rpc = Rpc::connect(Chain::L1, identity, endpoints, false, &Metrics::new()).await?;
        let what = format!("the contracts' state after block {block}");
        let attempt = |attempt: Attempt| async move { asked(&attempt, identity, block, known).await };
        Ok(rpc.ask(&what, attempt).await?)
    })
}

/// One attempt at all of it, from one endpoint, at one block.
pub(crate) async fn asked(
    attempt: &Attempt,
    identity: &LogIdentity,
    block: L1Block,
    known: &PoolState,
) -> Result<ContractState, Fault> {
    let header = attempt.all::<Header>("a header", &[fetch::header_call(block.0)]).await?.pop().flatten();
    let header = fetch::numbered(header, block.0)?;
    let pool = View { attempt, contract: identity.locking_pool, block };
    let info = View { attempt, contract: identity.locking_info, block };
    let count = number("totalSequencers", pool.one(totalSequencersCall {}).await?)?;
    if count > SEQUENCERS_MAX {
        return Err(Fault::refused(format!("totalSequencers is {count}, above {SEQUENCERS_MAX}")));
    }
    let ids: Vec<u64> = (1..=count).collect();
    let calls: Vec<_> = ids.iter().map(|id| sequencersCall { seqId: U256::from(*id) }).collect();
    let mut sequencers = BTreeMap::new();
    for (id, told) in ids.into_iter().zip(pool.all(&calls).await?) {
        sequencers.insert(SequencerId(id), sequencer(told)?);
    }
    let of = |address: fn(&SequencerState) -> Address| sequencers.values().map(address);
    let owners: BTreeSet<Address> = known.owners.keys().copied().chain(of(|state| state.owner)).collect();
    let signers: BTreeSet<Address> = known.signers.keys().copied().chain(of(|state| state.signer)).collect();
    let calls: Vec<_> = owners.iter().map(|owner| seqOwnersCall { owner: *owner }).collect();
    let owners = owners.into_iter().zip(pool.all(&calls).await?);
    let id = |id: U256| number("seqId", id).map(SequencerId);
    let owners = owners.map(|(owner, told)| Ok((owner, (!told.is_zero()).then(|| id(told)).transpose()?)));
    let owners = owners.collect::<Result<_, Fault>>()?;
    let calls: Vec<_> = signers.iter().map(|signer| seqSignersCall { signer: *signer }).collect();
    let signers = signers.into_iter().zip(pool.all(&calls).await?).filter(|(_, told)| !told.is_zero());
    let signers = signers.map(|(signer, told)| {
        Ok((signer, if told == INVALID { SignerState::Invalid } else { SignerState::Of(id(told)?) }))
    });
    let signers = signers.collect::<Result<_, Fault>>()?;
    let mut statuses = [0; 3];
    for (status, count) in [0, 1, 2].into_iter().zip(&mut statuses) {
        *count = number("seqStatuses", pool.one(seqStatusesCall { status }).await?)?;
    }
    let state = PoolState {
        sequencers,
        total_locked: Wei::new(info.one(totalLockedCall {}).await?),
        total_rewards_liquidated: Wei::new(info.one(totalRewardsLiquidatedCall {}).await?),
        batch: batch_state(&pool).await?,
        reward_per_block: Wei::new(pool.one(rewardPerBlockCall {}).await?),
        min_lock: Wei::new(info.one(minLockCall {}).await?),
        max_lock: Wei::new(info.one(maxLockCall {}).await?),
        exit_delay_secs: number("exitDelayPeriod", pool.one(exitDelayPeriodCall {}).await?)?,
        signer_update_throttle_batches: number(
            "signerUpdateThrottle",
            pool.one(signerUpdateThrottleCall {}).await?,
        )?,
        mpc_address: pool.one(mpcAddressCall {}).await?,
        reward_payer: info.one(rewardPayerCall {}).await?,
        paused: pool.one(pausedCall {}).await?,
        owners,
        signers,
    };
    Ok(ContractState { block, block_hash: header.hash, pool: state, statuses })
}

/// The batch paid last, as the pool's contract tells it.
pub(crate) async fn batch_state(pool: &View<'_>) -> Result<BatchState, Fault> {
    let told = pool.one(curBatchStateCall {}).await?;
    Ok(BatchState {
        id: BatchId(number("id", told.id)?),
        number: L1Block(number("number", told.number)?),
        start_span: SpanId(number("startEpoch", told.startEpoch)?),
        end_span: SpanId(number("endEpoch", told.endEpoch)?),
    })
}

fn sequencer(told: sequencersReturn) -> Result<SequencerState, Fault> {
    Ok(SequencerState {
        amount: Wei::new(told.amount),
        reward: Wei::new(told.reward),
        activation_batch: BatchId(number("activationBatch", told.activationBatch)?),
        updated_batch: BatchId(number("updatedBatch", told.updatedBatch)?),
        deactivation_batch: BatchId(number("deactivationBatch", told.deactivationBatch)?),
        deactivation_time: UnixTime(number("deactivationTime", told.deactivationTime)?),
        unlock_claim_time: UnixTime(number("unlockClaimTime", told.unlockClaimTime)?),
        nonce: number("nonce", told.nonce)?,
        owner: told.owner,
        signer: told.signer,
        pubkey: told.pubkey,
        reward_recipient: told.rewardRecipient,
        status: match told.status {
            0 => Status::Inactive,
            1 => Status::Active,
            2 => Status::Unlocked,
            other => return Err(Fault::refused(format!("status {other} is none of a sequencer"))),
        },
    })
}

fn number(what: &str, value: U256) -> Result<u64, Fault> {
    u64::try_from(value).map_err(|_| Fault::refused(format!("{what} is {value}, above {}", u64::MAX)))
}

/// A contract as it was after a block.
pub(crate) struct View<'a> {
    pub(crate) attempt: &'a Attempt,
    pub(crate) contract: Address,
    pub(crate) block: L1Block,
}

impl View<'_> {
    pub(crate) async fn one<C: SolCall>(&self, asked: C) -> Result<C::Return, Fault> {
        let mut told = self.all(&[asked]).await?;
        told.pop().ok_or_else(|| Fault::inconsistent("no answer".into()))
    }

    async fn all<C: SolCall>(&self, asked: &[C]) -> Result<Vec<C::Return>, Fault> {
        let request = |asked: &C| {
            let input = Bytes::from(asked.abi_encode());
            let block = fetch::quantity(self.block.0);
            call("eth_call", json!([{ "to": self.contract, "input": input, "data": input }, block]))
        };
        let calls: Vec<Call> = asked.iter().map(request).collect();
        let answers = self.attempt.batch(&calls).await?;
        let told = answers.into_iter().map(|answer| {
            let data: Bytes = decoded(C::SIGNATURE, answer)?
                .ok_or_else(|| Fault::temporary(FaultKind::Rpc, format!("{} gives null", C::SIGNATURE)))?;
            let odd = |error| {
                let reason =
                    format!("{} of {} gives {} bytes: {error}", C::SIGNATURE, self.contract, data.len());
                Fault::refused(reason)
            };
            C::abi_decode_returns(&data).map_err(odd)
        });
        told.collect()
    }
}
