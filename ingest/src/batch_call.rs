//! What L1 itself says, at one block, of the call that pays a batch: whether it would succeed, and what it needs.

use crate::abi::LockingInfo::rewardPayerCall;
use crate::abi::LockingPool::{mpcAddressCall, pausedCall, rewardPerBlockCall};
use crate::abi::Metis::{allowanceCall, balanceOfCall};
use crate::contracts::{View, batch_state};
use crate::error::IngestError;
use crate::fetch;
use crate::json::WideQuantity;
use crate::live::tip;
use crate::metrics::Metrics;
use crate::rpc::{Attempt, Endpoints, Fault, FaultKind, Rpc, call, decoded};
use alloy::primitives::{Address, B256, Bytes};
use futures_util::future::BoxFuture;
use serde_json::json;
use tally_engine::{BatchState, L1Block, UnixTime, Wei};
use tally_eventlog::{Chain, L1Head, LogIdentity};

/// What L1 says of a batch's call, all of it after the same block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchCallState {
    /// The block that it is after: the endpoint's latest.
    pub block: L1Block,
    /// The hash of that block.
    pub block_hash: B256,
    /// When the block was made.
    pub timestamp: UnixTime,
    /// What the chain has at the number of the log's head.
    pub log_head_hash: B256,
    /// The batch that the contract holds as paid last.
    pub batch: BatchState,
    /// The reward per block in force.
    pub reward_per_block: Wei,
    /// Who may submit batches.
    pub mpc_address: Address,
    /// Who pays the rewards; zero for nobody.
    pub reward_payer: Address,
    /// Whether the pool is paused.
    pub is_paused: bool,
    /// The METIS that the payer has.
    pub payer_balance: Wei,
    /// The METIS of the payer that the escrow may take.
    pub payer_allowance: Wei,
    /// The ETH that the sender has.
    pub sender_balance: Wei,
    /// Why the call would revert, in the node's words; `None` if it would succeed.
    pub reverts: Option<String>,
}

/// Asks L1 what it says of a call with this input to the pool's contract, sent by `sender`, after its latest block. `head`
/// is the log's, which the chain has to reach.
///
/// # Errors
///
/// [`IngestError`] if the endpoints cannot be used, or do not tell all of it.
pub fn batch_call_state<'a>(
    endpoints: &'a Endpoints,
    identity: &'a LogIdentity,
    head: L1Head,
    sender: Address,
    input: &'a Bytes,
) -> BoxFuture<'a, Result<BatchCallState, IngestError>> {
    // Behind a pointer for the same reason as `ingest_live`.
    Box::pin(async move {
        let rpc = Rpc::connect(Chain::L1, identity, endpoints, false, &Metrics::new()).await?;
        let attempt = |attempt: Attempt| async move { asked(&attempt, identity, head, sender, input).await };
        Ok(rpc.ask("what a batch's call depends on", attempt).await?)
    })
}

async fn asked(
    attempt: &Attempt,
    identity: &LogIdentity,
    head: L1Head,
    sender: Address,
    input: &Bytes,
) -> Result<BatchCallState, Fault> {
    let (latest, log_head_hash) = tip::look_beyond(attempt, head.into()).await?;
    let block = L1Block(latest.number.0);
    let view = |contract| View { attempt, contract, block };
    let pool = view(identity.locking_pool);
    let reward_payer = view(identity.locking_info).one(rewardPayerCall {}).await?;
    let metis = view(identity.metis_token);
    let allowance = allowanceCall { owner: reward_payer, spender: identity.locking_info };
    let state = BatchCallState {
        block,
        block_hash: latest.hash,
        timestamp: UnixTime(latest.timestamp.0),
        log_head_hash,
        batch: batch_state(&pool).await?,
        reward_per_block: Wei::new(pool.one(rewardPerBlockCall {}).await?),
        mpc_address: pool.one(mpcAddressCall {}).await?,
        reward_payer,
        is_paused: pool.one(pausedCall {}).await?,
        payer_balance: Wei::new(metis.one(balanceOfCall { account: reward_payer }).await?),
        payer_allowance: Wei::new(metis.one(allowance).await?),
        sender_balance: balance(attempt, sender, block).await?,
        reverts: reverts(attempt, identity.locking_pool, sender, input, block).await?,
    };
    fetch::check_stands(attempt, latest.number.0, latest.hash).await?;
    Ok(state)
}

/// The ETH of an address after a block.
async fn balance(attempt: &Attempt, of: Address, block: L1Block) -> Result<Wei, Fault> {
    let calls = [call("eth_getBalance", json!([of, fetch::quantity(block.0)]))];
    let told = attempt.all::<WideQuantity>("a balance", &calls).await?.pop().flatten();
    told.map(|told| Wei::new(told.0)).ok_or_else(|| Fault::inconsistent("a balance is null".into()))
}

/// Why a call would revert after a block; `None` if it would succeed. That the node does not tell is a fault.
async fn reverts(
    attempt: &Attempt,
    to: Address,
    from: Address,
    input: &Bytes,
    block: L1Block,
) -> Result<Option<String>, Fault> {
    let transaction = json!({ "from": from, "to": to, "input": input, "data": input });
    let calls = [call("eth_call", json!([transaction, fetch::quantity(block.0)]))];
    let answer = attempt.batch(&calls).await?.pop();
    match answer.ok_or_else(|| Fault::inconsistent("no answer".into()))? {
        Err(fault) if fault.kind == FaultKind::Reverted => Ok(Some(fault.reason)),
        answer => {
            let given: Option<Bytes> = decoded("the call of the batch", answer)?;
            given.ok_or_else(|| Fault::inconsistent("the call of the batch gives null".into()))?;
            Ok(None)
        }
    }
}
