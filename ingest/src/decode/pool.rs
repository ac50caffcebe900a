//! The events of `LockingInfo` and `LockingPool`, on L1, and the METIS token's transfers into the escrow and out
//! of it.

use super::UnknownTopic;
use super::{BlockFacts, abi_fault, check_block, decode_owner, narrow};
use crate::abi::LockingInfo::LockingInfoEvents as Info;
use crate::abi::LockingPool::LockingPoolEvents as Pool;
use crate::abi::LockingPool::{DistributeReward, batchSubmitRewardsCall, relockCall};
use crate::abi::{Housekeeping::HousekeepingEvents, LockingInfo::Relocked, Metis};
use crate::calls::call_made;
use crate::decode_fault::DecodeFault;
use crate::json::ChainLog;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::{SolEvent, SolEventInterface};
use tally_engine::{
    BatchId, Credit, L1Block, L1Record, PoolEvent, PoolState, SequencerId, SpanId, UnixTime, Wei,
};
use tally_eventlog::{LogIdentity, OwnerRecord};

/// Decodes the L1 logs of one block after another.
#[derive(Debug)]
pub struct L1Decoder<'a> {
    identity: &'a LogIdentity,
    /// METIS transfers to the escrow in the transaction at hand that no event has used yet, with their senders.
    transfers: Vec<(Address, U256)>,
    transaction: Option<B256>,
    /// The events of the contracts' owners so far, in order.
    pub owners: Vec<OwnerRecord>,
    /// The logs of the pool's contracts that were left out.
    pub unknown: Vec<UnknownTopic>,
}

impl<'a> L1Decoder<'a> {
    /// A decoder for the contracts of `identity`.
    pub fn new(identity: &'a LogIdentity) -> Self {
        Self { identity, transfers: Vec::new(), transaction: None, owners: Vec::new(), unknown: Vec::new() }
    }

    /// The record of one log, or `None` if it bears on no reward and moves none of the escrow's METIS; events of owners
    /// are put into `owners`. Logs have to come in order; `pool` is the contracts' state before it, and `input` gives the input of a transaction,
    /// where an event needs it.
    ///
    /// # Errors
    ///
    /// [`DecodeFault`] if the log is not of `block`, is not what its topic says, or lacks what only
    /// its transaction tells.
    pub fn decode(
        &mut self,
        log: &ChainLog,
        block: &BlockFacts,
        pool: &PoolState,
        input: impl Fn(B256) -> Option<Bytes>,
    ) -> Result<Option<L1Record>, DecodeFault> {
        let LogIdentity { locking_info, locking_pool, metis_token, .. } = *self.identity;
        let address = log.address;
        if ![locking_info, locking_pool, metis_token].contains(&address) {
            return Ok(None);
        }
        check_block(log, block)?;
        if self.transaction != Some(log.transaction_hash) {
            self.transaction = Some(log.transaction_hash);
            self.transfers.clear();
        }
        let (topics, data) = (&log.topics, &log.data);
        let topic = topics.first().copied();
        let is_of = |selectors: &[[u8; 32]]| topic.is_some_and(|topic| selectors.contains(&topic.0));
        let input = |event| {
            let (block, transaction) = (log.block, log.transaction_hash);
            input(transaction).ok_or(DecodeFault::NoTransaction { event, block, transaction })
        };
        let event = if address == metis_token {
            if topic != Some(Metis::Transfer::SIGNATURE_HASH) {
                return Ok(None);
            }
            let transfer =
                Metis::Transfer::decode_raw_log(topics, data).map_err(|error| abi_fault(log, &error))?;
            let Metis::Transfer { from, to, value } = transfer;
            if ![from, to].contains(&locking_info) {
                return Ok(None);
            }
            if to == locking_info {
                self.transfers.push((from, value));
            }
            PoolEvent::MetisTransfer { from, to, amount: Wei::new(value) }
        } else if address == locking_info && is_of(Info::SELECTORS) {
            let event = Info::decode_raw_log(topics, data).map_err(|error| abi_fault(log, &error))?;
            // A transfer belongs to the first event of the escrow after it.
            let transferred = self.transfers.pop();
            self.transfers.clear();
            info_event(event, log, pool, transferred, || input("Relocked"))?
        } else if address == locking_pool && is_of(Pool::SELECTORS) {
            let event = Pool::decode_raw_log(topics, data).map_err(|error| abi_fault(log, &error))?;
            pool_event(event, log, pool, || input("DistributeReward"))?
        } else {
            if let Some(owner) = decode_owner(self.identity, log, block)? {
                self.owners.push(owner);
            } else if !is_of(HousekeepingEvents::SELECTORS) {
                let (block, transaction) = (log.block, log.transaction_hash);
                self.unknown.push(UnknownTopic { contract: address, block, transaction, topic });
            }
            return Ok(None);
        };
        Ok(Some(L1Record {
            block: L1Block(log.block),
            block_hash: log.block_hash,
            timestamp: UnixTime(block.timestamp),
            transaction_hash: log.transaction_hash,
            log_index: log.log_index,
            event,
        }))
    }
}

/// What of a raised stake came from rewards is what its owner did not transfer just before it. A transfer of somebody else's
/// is a gift to the escrow.
fn relocked(
    event: &Relocked,
    log: &ChainLog,
    pool: &PoolState,
    transferred: Option<(Address, U256)>,
    input: impl Fn() -> Result<Bytes, DecodeFault>,
) -> Result<PoolEvent, DecodeFault> {
    let sequencer = SequencerId(narrow("sequencerId", event.sequencerId)?);
    let (block, transaction) = (log.block, log.transaction_hash);
    let owner = pool.sequencers.get(&sequencer).map(|sequencer| sequencer.owner);
    let transferred = if let Some((_, transferred)) = transferred.filter(|(from, _)| Some(*from) == owner) {
        transferred
    } else {
        let call = call_made::<relockCall>(&input()?, |call| call._seqId == event.sequencerId)?;
        let amount = event.amount;
        let no_source = |_| DecodeFault::NoRelockSource { sequencer, block, transaction, amount };
        call.map_err(no_source)?._amount
    };
    let less = DecodeFault::RelockedLess { sequencer, block, transferred, amount: event.amount };
    let from_reward = event.amount.checked_sub(transferred).ok_or(less)?;
    Ok(PoolEvent::Relocked {
        sequencer,
        amount: Wei::new(event.amount),
        total: Wei::new(event.total),
        from_reward: Wei::new(from_reward),
    })
}

fn info_event(
    event: Info,
    log: &ChainLog,
    pool: &PoolState,
    transferred: Option<(Address, U256)>,
    input: impl Fn() -> Result<Bytes, DecodeFault>,
) -> Result<PoolEvent, DecodeFault> {
    let sequencer = |id| narrow("sequencerId", id).map(SequencerId);
    Ok(match event {
        Info::Locked(event) => PoolEvent::Locked {
            signer: event.signer,
            sequencer: sequencer(event.sequencerId)?,
            nonce: narrow("nonce", event.nonce)?,
            activation_batch: BatchId(narrow("activationBatch", event.activationBatch)?),
            amount: Wei::new(event.amount),
            total: Wei::new(event.total),
            signer_pubkey: event.signerPubkey,
        },
        Info::Relocked(event) => relocked(&event, log, pool, transferred, input)?,
        Info::Withdraw(event) => {
            PoolEvent::Withdraw { sequencer: sequencer(event.sequencerId)?, amount: Wei::new(event.amount) }
        }
        Info::LockUpdate(event) => PoolEvent::LockUpdate {
            sequencer: sequencer(event.sequencerId)?,
            nonce: narrow("nonce", event.nonce)?,
            new_amount: Wei::new(event.newAmount),
        },
        Info::ClaimRewards(event) => PoolEvent::ClaimRewards {
            sequencer: sequencer(event.sequencerId)?,
            recipient: event.recipient,
            amount: Wei::new(event.amount),
            total_amount: Wei::new(event.totalAmount),
        },
        Info::UnlockInit(event) => PoolEvent::UnlockInit {
            user: event.user,
            sequencer: sequencer(event.sequencerId)?,
            nonce: narrow("nonce", event.nonce)?,
            deactivation_batch: BatchId(narrow("deactivationBatch", event.deactivationBatch)?),
            deactivation_time: UnixTime(narrow("deactivationTime", event.deactivationTime)?),
            unlock_claim_time: UnixTime(narrow("unlockClaimTime", event.unlockClaimTime)?),
            amount: Wei::new(event.amount),
        },
        Info::Unlocked(event) => PoolEvent::Unlocked {
            user: event.user,
            sequencer: sequencer(event.sequencerId)?,
            amount: Wei::new(event.amount),
            total: Wei::new(event.total),
        },
        Info::SignerChange(event) => PoolEvent::SignerChange {
            sequencer: sequencer(event.sequencerId)?,
            nonce: narrow("nonce", event.nonce)?,
            old_signer: event.oldSigner,
            new_signer: event.newSigner,
            signer_pubkey: event.signerPubkey,
        },
        Info::BatchSubmitReward(event) => {
            PoolEvent::BatchSubmitReward { new_batch: BatchId(narrow("_newBatchId", event._newBatchId)?) }
        }
        Info::SetMinLock(event) => PoolEvent::SetMinLock { new_min_lock: Wei::new(event._newMinLock) },
        Info::SetMaxLock(event) => PoolEvent::SetMaxLock { new_max_lock: Wei::new(event._newMaxLock) },
        Info::SetRewardPayer(event) => PoolEvent::SetRewardPayer { payer: event._payer },
    })
}

fn pool_event(
    event: Pool,
    log: &ChainLog,
    pool: &PoolState,
    input: impl Fn() -> Result<Bytes, DecodeFault>,
) -> Result<PoolEvent, DecodeFault> {
    let sequencer = |id| narrow("_seqId", id).map(SequencerId);
    Ok(match event {
        Pool::DistributeReward(event) => distribute_reward(&event, log, pool, &input()?)?,
        Pool::RewardUpdate(event) => PoolEvent::RewardUpdate {
            new_reward: Wei::new(event.newReward),
            old_reward: Wei::new(event.oldReward),
        },
        Pool::WithrawDelayTimeChange(event) => PoolEvent::WithrawDelayTimeChange {
            current_secs: narrow("_cur", event._cur)?,
            previous_secs: narrow("_prev", event._prev)?,
        },
        Pool::UpdateMpc(event) => PoolEvent::UpdateMpc { new_mpc: event._newMpc },
        Pool::SetSignerUpdateThrottle(event) => {
            PoolEvent::SetSignerUpdateThrottle { batches: narrow("_n", event._n)? }
        }
        Pool::SetWhitelist(event) => PoolEvent::SetWhitelist { user: event._user, allowed: event._yes },
        Pool::SequencerOwnerChanged(event) => {
            PoolEvent::SequencerOwnerChanged { sequencer: sequencer(event._seqId)?, owner: event._owner }
        }
        Pool::SequencerRewardRecipientChanged(event) => PoolEvent::SequencerRewardRecipientChanged {
            sequencer: sequencer(event._seqId)?,
            recipient: event._recipient,
        },
        Pool::Paused(event) => PoolEvent::Paused { account: event.account },
        Pool::Unpaused(event) => PoolEvent::Unpaused { account: event.account },
    })
}

/// The credits of a batch are in the call that paid it: the one whose batch, spans and total are those
/// of the event, and whose signers the contract can credit.
fn distribute_reward(
    event: &DistributeReward,
    log: &ChainLog,
    pool: &PoolState,
    input: &[u8],
) -> Result<PoolEvent, DecodeFault> {
    let total_of = |call: &batchSubmitRewardsCall| {
        call._blocks.iter().try_fold(U256::ZERO, |total, blocks| {
            blocks.checked_mul(event.rpb).and_then(|reward| total.checked_add(reward))
        })
    };
    let fits = |call: &batchSubmitRewardsCall| {
        call._batchId == event.batchId
            && call._startEpoch == event.startEpoch
            && call._endEpoch == event.endEpoch
            && call._seqs.len() == call._blocks.len()
            && total_of(call) == Some(event.amount)
            && call._seqs.iter().all(|signer| pool.creditable(signer).is_some())
    };
    let call = call_made(input, fits)?;
    let batch = BatchId(narrow("batchId", event.batchId)?);
    let start_span = SpanId(narrow("startEpoch", event.startEpoch)?);
    let end_span = SpanId(narrow("endEpoch", event.endEpoch)?);
    let call = call.map_err(|found| DecodeFault::NoBatchCall {
        batch,
        block: log.block,
        transaction: log.transaction_hash,
        start_span,
        end_span,
        amount: event.amount,
        reward_per_block: event.rpb,
        found,
    })?;
    let mut credits = Vec::with_capacity(call._seqs.len());
    for (signer, blocks) in call._seqs.iter().zip(&call._blocks) {
        credits.push(Credit { signer: *signer, blocks: narrow("blocks of a signer", *blocks)? });
    }
    Ok(PoolEvent::DistributeReward {
        batch,
        start_span,
        end_span,
        amount: Wei::new(event.amount),
        reward_per_block: Wei::new(event.rpb),
        credits,
    })
}

#[cfg(test)]
mod tests;
