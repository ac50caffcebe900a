//! Decoding made-up logs: what each event becomes, and what is refused.

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
    let moved = |from, to, wei: u64| PoolEvent::MetisTransfer { from, to, amount: Wei::new(U256::from(wei)) };
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
    assert!(matches!(error, DecodeFault::NoRelockSource { sequencer: SequencerId(1), .. }), "{error}");
    let error = decode(&[transfer(INFO, 11), relock(1, 10)], &[]).expect_err("too much");
    assert!(matches!(error, DecodeFault::RelockedLess { .. }), "{error}");
}

fn batch(id: u64, amount: u64) -> (Address, LogData) {
    let n = U256::from::<u64>;
    let event =
        DistributeReward { batchId: n(id), startEpoch: n(1), endEpoch: n(5), amount: n(amount), rpb: n(2) };
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

/// The story: data that looks like another call stands behind the one that the transaction made.
#[test]
fn a_call_at_the_beginning_is_the_one_that_was_made() {
    let of = |signer| [[Credit { signer, blocks: 8 }]];
    for (first, second) in [(A, B), (B, A)] {
        let input = [submit(2, &[(first, 8)]), submit(2, &[(second, 8)])].concat();
        assert_eq!(credits(&[batch(2, 16)], &input).expect("the first was made"), of(first));
    }
    let call = |wei: u64| {
        relockCall { _seqId: U256::from(1), _amount: U256::from(wei), _lockReward: true }.abi_encode()
    };
    assert_eq!(from_rewards(&[relock(1, 10)], &[call(3), call(4)].concat()), ["7"]);
    let error = decode(&[relock(1, 10)], &[&[0; 36][..], &call(3), &call(4)].concat()).expect_err("either");
    assert!(matches!(error, DecodeFault::NoRelockSource { sequencer: SequencerId(1), .. }), "{error}");
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
    let two = [submit(2, &[(A, 8)]), submit(2, &[(B, 8)])].concat();
    assert_eq!(found(&[&[0; 36][..], &two].concat()), 2, "two that fit, within another call");
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
