//! The events of `LockingInfo` and `LockingPool`, on L1, and the METIS token's transfers into the escrow and out
//! of it.

use super::{BlockFacts, abi_fault, check_block, decode_owner, narrow};
use crate::abi::LockingInfo::LockingInfoEvents as Info;
use crate::abi::LockingPool::LockingPoolEvents as Pool;
use crate::abi::LockingPool::{DistributeReward, batchSubmitRewardsCall, relockCall};
use crate::abi::{Housekeeping::HousekeepingEvents, LockingInfo::Relocked, Metis};
use crate::calls::calls_in;
use crate::error::{DecodeFault, UnknownTopic};
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
    let sequencer = narrow("sequencerId", event.sequencerId)?;
    let (block, transaction) = (log.block, log.transaction_hash);
    let owner = pool.sequencers.get(&SequencerId(sequencer)).map(|sequencer| sequencer.owner);
    let transferred = if let Some((_, transferred)) = transferred.filter(|(from, _)| Some(*from) == owner) {
        transferred
    } else {
        let calls = calls_in::<relockCall>(&input()?)?;
        let mut own = calls.iter().filter(|call| call._seqId == event.sequencerId);
        let (Some(call), None) = (own.next(), own.next()) else {
            let amount = event.amount;
            return Err(DecodeFault::NoRelockSource { sequencer, block, transaction, amount });
        };
        call._amount
    };
    let less = DecodeFault::RelockedLess { sequencer, block, transferred, amount: event.amount };
    let from_reward = event.amount.checked_sub(transferred).ok_or(less)?;
    Ok(PoolEvent::Relocked {
        sequencer: SequencerId(sequencer),
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
    let mut calls = calls_in::<batchSubmitRewardsCall>(input)?;
    calls.retain(fits);
    let batch = narrow("batchId", event.batchId)?;
    let start_span = narrow("startEpoch", event.startEpoch)?;
    let end_span = narrow("endEpoch", event.endEpoch)?;
    let [call] = &calls[..] else {
        return Err(DecodeFault::NoBatchCall {
            batch,
            block: log.block,
            transaction: log.transaction_hash,
            start_span,
            end_span,
            amount: event.amount,
            reward_per_block: event.rpb,
            found: calls.len(),
        });
    };
    let mut credits = Vec::with_capacity(call._seqs.len());
    for (signer, blocks) in call._seqs.iter().zip(&call._blocks) {
        credits.push(Credit { signer: *signer, blocks: narrow("blocks of a signer", *blocks)? });
    }
    Ok(PoolEvent::DistributeReward {
        batch: BatchId(batch),
        start_span: SpanId(start_span),
        end_span: SpanId(end_span),
        amount: Wei::new(event.amount),
        reward_per_block: Wei::new(event.rpb),
        credits,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::LockingPool::batchSubmitRewardsCall as Submit;
    use alloy::primitives::{LogData, keccak256};
    use alloy::sol_types::SolCall;
    use tally_engine::{L2Block, PoolGenesis};

    const INFO: Address = Address::repeat_byte(1);
    const POOL: Address = Address::repeat_byte(2);
    const METIS: Address = Address::repeat_byte(3);
    const A: Address = Address::repeat_byte(0xa);
    const B: Address = Address::repeat_byte(0xb);
    const STRANGER: Address = Address::repeat_byte(0xc);

    fn identity() -> LogIdentity {
        LogIdentity {
            l1_chain_id: 1,
            l2_chain_id: 1_088,
            locking_info: INFO,
            locking_pool: POOL,
            metis_token: METIS,
            sequencer_set: INFO,
            l1_first_block: L1Block(1),
            l2_first_block: L2Block(1),
            genesis: genesis(),
        }
    }

    fn genesis() -> PoolGenesis {
        crate::contract_defaults(L1Block(1))
    }

    /// A pool with the sequencers of signers A and B.
    fn pool() -> PoolState {
        let mut pool = PoolState::new(&genesis());
        for (id, signer) in [(1, A), (2, B)] {
            let sequencer = SequencerId(id);
            let locked = PoolEvent::Locked {
                signer,
                sequencer,
                nonce: 1,
                activation_batch: BatchId(1),
                amount: Wei::new(U256::from(10)),
                total: Wei::new(U256::from(10 * id)),
                signer_pubkey: Bytes::new(),
            };
            // Each signs for itself.
            let owned = PoolEvent::SequencerOwnerChanged { sequencer, owner: signer };
            for (log_index, event) in [(2 * id, locked), (2 * id + 1, owned)] {
                let record = L1Record {
                    block: L1Block(1),
                    block_hash: B256::ZERO,
                    timestamp: UnixTime(1),
                    transaction_hash: B256::ZERO,
                    log_index,
                    event,
                };
                assert_eq!(pool.apply(&record), Ok(Vec::new()));
            }
        }
        pool
    }

    /// Decodes the logs of one transaction with this input.
    fn decode(logs: &[(Address, LogData)], input: &[u8]) -> Result<Vec<PoolEvent>, DecodeFault> {
        let identity = identity();
        let mut decoder = L1Decoder::new(&identity);
        let facts = BlockFacts { number: 9, hash: B256::ZERO, timestamp: 5 };
        let mut events = Vec::new();
        for (log_index, (address, data)) in (0_u64..).zip(logs) {
            let log = ChainLog {
                address: *address,
                topics: data.topics().to_vec(),
                data: data.data.clone(),
                block: 9,
                block_hash: B256::ZERO,
                block_timestamp: None,
                transaction_hash: B256::ZERO,
                log_index,
            };
            let input = |_| Some(Bytes::copy_from_slice(input));
            events.extend(decoder.decode(&log, &facts, &pool(), input)?.map(|record| record.event));
        }
        Ok(events)
    }

    fn transfer(to: Address, wei: u64) -> (Address, LogData) {
        transfer_of(METIS, A, to, wei)
    }

    fn transfer_of(token: Address, from: Address, to: Address, wei: u64) -> (Address, LogData) {
        (token, Metis::Transfer { from, to, value: U256::from(wei) }.encode_log_data())
    }

    fn relock(id: u64, wei: u64) -> (Address, LogData) {
        let event = Relocked { sequencerId: U256::from(id), amount: U256::from(wei), total: U256::ZERO };
        (INFO, event.encode_log_data())
    }

    /// What of each raised stake came from rewards.
    fn from_rewards(logs: &[(Address, LogData)], input: &[u8]) -> Vec<String> {
        let mut events = decode(logs, input).expect("decodes");
        events.retain(|event| !matches!(event, PoolEvent::MetisTransfer { .. }));
        let from_reward = |event: &PoolEvent| {
            let PoolEvent::Relocked { from_reward, .. } = event else { panic!("{event:?}") };
            from_reward.to_string()
        };
        events.iter().map(from_reward).collect()
    }

    #[test]
    fn every_transfer_of_the_token_into_or_out_of_the_escrow_is_a_record() {
        let decoy = Address::repeat_byte(4);
        let approval = [keccak256("Approval(address,address,uint256)"), INFO.into_word(), A.into_word()];
        let logs = [
            transfer_of(METIS, A, INFO, 4),
            transfer_of(METIS, INFO, B, 3),
            transfer_of(METIS, B, INFO, 0),
            transfer_of(METIS, INFO, INFO, 2),
            transfer_of(METIS, A, B, 5),
            transfer_of(decoy, A, INFO, 6),
            transfer_of(decoy, INFO, A, 7),
            (METIS, LogData::new_unchecked(approval.to_vec(), U256::from(8).to_be_bytes_vec().into())),
        ];
        let moved =
            |from, to, wei: u64| PoolEvent::MetisTransfer { from, to, amount: Wei::new(U256::from(wei)) };
        let expected = [moved(A, INFO, 4), moved(INFO, B, 3), moved(B, INFO, 0), moved(INFO, INFO, 2)];
        assert_eq!(decode(&logs, &[]).expect("decodes"), expected);
    }

    #[test]
    fn the_transfer_just_before_a_relock_is_its_own() {
        assert_eq!(from_rewards(&[transfer(INFO, 4), relock(1, 10)], &[]), ["6"]);
        assert_eq!(from_rewards(&[transfer(INFO, 0), relock(1, 10)], &[]), ["10"]);
        // A donation before it, and a payment to somebody else after it.
        let logs = [transfer(INFO, 99), transfer(INFO, 4), transfer(A, 7), relock(1, 10)];
        assert_eq!(from_rewards(&logs, &[]), ["6"]);
        // Two in one transaction, each with its own.
        let logs = [transfer(INFO, 4), relock(1, 10), transfer_of(METIS, B, INFO, 2), relock(2, 2)];
        assert_eq!(from_rewards(&logs, &[]), ["6", "0"]);
    }

    #[test]
    fn without_a_transfer_the_call_tells() {
        let call = |id: u64, wei: u64| {
            relockCall { _seqId: U256::from(id), _amount: U256::from(wei), _lockReward: true }.abi_encode()
        };
        assert_eq!(from_rewards(&[relock(1, 10)], &call(1, 3)), ["7"]);
        // A gift is not the owner's, and does not become a part of the stake.
        let gift = transfer_of(METIS, STRANGER, INFO, 5);
        assert_eq!(from_rewards(&[gift.clone(), relock(1, 10)], &call(1, 0)), ["10"]);
        assert_eq!(from_rewards(&[gift, transfer(INFO, 4), relock(1, 10)], &[]), ["6"]);
        let error = decode(&[relock(1, 10)], &call(2, 3)).expect_err("of another sequencer");
        assert!(matches!(error, DecodeFault::NoRelockSource { sequencer: 1, .. }), "{error}");
        let error = decode(&[transfer(INFO, 11), relock(1, 10)], &[]).expect_err("too much");
        assert!(matches!(error, DecodeFault::RelockedLess { .. }), "{error}");
    }

    fn batch(id: u64, amount: u64) -> (Address, LogData) {
        let n = U256::from::<u64>;
        let event = DistributeReward {
            batchId: n(id),
            startEpoch: n(1),
            endEpoch: n(5),
            amount: n(amount),
            rpb: n(2),
        };
        (POOL, event.encode_log_data())
    }

    fn submit(id: u64, entries: &[(Address, u64)]) -> Vec<u8> {
        let n = U256::from::<u64>;
        let call = Submit {
            _batchId: n(id),
            _startEpoch: n(1),
            _endEpoch: n(5),
            _seqs: entries.iter().map(|(signer, _)| *signer).collect(),
            _blocks: entries.iter().map(|(_, blocks)| n(*blocks)).collect(),
        };
        call.abi_encode()
    }

    fn credits(logs: &[(Address, LogData)], input: &[u8]) -> Result<Vec<Vec<Credit>>, DecodeFault> {
        let credits = |event| {
            let PoolEvent::DistributeReward { credits, .. } = event else { panic!("{event:?}") };
            credits
        };
        Ok(decode(logs, input)?.into_iter().map(credits).collect())
    }

    #[test]
    fn of_several_calls_the_one_that_fits_the_event_is_taken() {
        let of = |signer, blocks| Credit { signer, blocks };
        // Two batches in one transaction, and an address twice in one of them.
        let input = [&[0; 36][..], &submit(2, &[(A, 3), (B, 4), (A, 1)]), &submit(3, &[(B, 5)])].concat();
        let two = credits(&[batch(2, 16), batch(3, 10)], &input).expect("both are there");
        assert_eq!(two, [vec![of(A, 3), of(B, 4), of(A, 1)], vec![of(B, 5)]]);
        // The same batch sent to a decoy pool, with signers that this pool does not know.
        let input = [submit(2, &[(STRANGER, 8)]), submit(2, &[(A, 8)])].concat();
        assert_eq!(credits(&[batch(2, 16)], &input).expect("one can be credited"), [[of(A, 8)]]);
    }

    #[test]
    fn calls_that_do_not_decide_are_an_error() {
        let found = |input: &[u8]| match credits(&[batch(2, 16)], input) {
            Err(DecodeFault::NoBatchCall { found, .. }) => found,
            other => panic!("{other:?}"),
        };
        assert_eq!(found(&[]), 0);
        assert_eq!(found(&submit(2, &[(A, 9)])), 0, "another sum");
        assert_eq!(found(&submit(3, &[(A, 8)])), 0, "another batch");
        assert_eq!(found(&[submit(2, &[(A, 8)]), submit(2, &[(B, 8)])].concat()), 2, "two that fit");
        let too_many = U256::MAX / U256::from(2) + U256::from(9);
        let call = Submit {
            _batchId: U256::from(2),
            _startEpoch: U256::from(1),
            _endEpoch: U256::from(5),
            _seqs: vec![A],
            _blocks: vec![too_many],
        };
        assert_eq!(found(&call.abi_encode()), 0, "a product that wraps around to the sum");
    }
}
