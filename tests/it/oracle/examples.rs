//! The oracle's own truth: examples small enough to work out by hand.

use super::*;
use alloy_primitives::{B256, Bytes, U256};
use engine::{BatchId, L1Block, L2Block, SequencerId, SpanId, UnixTime};

const A: Address = Address::repeat_byte(0xa);
const B: Address = Address::repeat_byte(0xb);
const STRANGER: Address = Address::repeat_byte(0xc);

fn wei(amount: u128) -> Wei {
    Wei::new(U256::from(amount))
}

fn metis(amount: u64) -> BigUint {
    BigUint::from(amount) * 1_000_000_000_000_000_000_u64
}

/// An event in an L1 block of its own second.
fn l1(timestamp: u64, event: PoolEvent) -> L1Record {
    L1Record {
        block: L1Block(timestamp),
        block_hash: B256::ZERO,
        timestamp: UnixTime(timestamp),
        transaction_hash: B256::ZERO,
        log_index: 0,
        event,
    }
}

fn lock(timestamp: u64, id: u64, signer: Address, stake_metis: u128) -> L1Record {
    let event = PoolEvent::Locked {
        signer,
        sequencer: SequencerId(id),
        nonce: 1,
        activation_batch: BatchId(1),
        amount: wei(stake_metis * 10_u128.pow(18)),
        total: Wei::ZERO,
        signer_pubkey: Bytes::new(),
    };
    l1(timestamp, event)
}

fn stake(timestamp: u64, id: u64, new_amount: Wei) -> L1Record {
    l1(timestamp, PoolEvent::LockUpdate { sequencer: SequencerId(id), nonce: 2, new_amount })
}

fn unlock_init(timestamp: u64, id: u64, user: Address) -> L1Record {
    let event = PoolEvent::UnlockInit {
        user,
        sequencer: SequencerId(id),
        nonce: 2,
        deactivation_batch: BatchId(1),
        deactivation_time: UnixTime(timestamp),
        unlock_claim_time: UnixTime(timestamp),
        amount: Wei::ZERO,
    };
    l1(timestamp, event)
}

fn unlocked(timestamp: u64, id: u64) -> L1Record {
    let sequencer = SequencerId(id);
    let (user, amount, total) = (Address::ZERO, Wei::ZERO, Wei::ZERO);
    l1(timestamp, PoolEvent::Unlocked { user, sequencer, amount, total })
}

fn batch(timestamp: u64, start_span: u64, end_span: u64, reward_per_block: u128) -> L1Record {
    let event = PoolEvent::DistributeReward {
        batch: BatchId(2),
        start_span: SpanId(start_span),
        end_span: SpanId(end_span),
        amount: Wei::ZERO,
        reward_per_block: wei(reward_per_block),
        credits: Vec::new(),
    };
    l1(timestamp, event)
}

fn span_record(event: SpanEvent) -> SpanRecord {
    SpanRecord {
        block: L2Block(0),
        block_hash: B256::ZERO,
        transaction_hash: B256::ZERO,
        log_index: 0,
        event,
    }
}

fn new_epoch(span: u64, start: u64, end: u64, signer: Address) -> SpanRecord {
    let (span, start, end) = (SpanId(span), L2Block(start), L2Block(end));
    span_record(SpanEvent::NewEpoch { span, start, end, signer })
}

fn recommit(old: u64, new: u64, current: u64, start: u64, end: u64) -> SpanRecord {
    span_record(SpanEvent::ReCommitEpoch {
        old_span: SpanId(old),
        new_span: SpanId(new),
        current_span: SpanId(current),
        start: L2Block(start),
        end: L2Block(end),
        new_signer: STRANGER,
    })
}

fn block(number: u64, timestamp: u64, signed_by: Option<Address>) -> Block {
    Block { number, timestamp, signed_by }
}

fn policy(allocation: Allocation) -> Policy {
    Policy {
        allocation,
        attribution: Attribution::Signed,
        cap: metis(100_000),
        epoch_secs: 100,
        genesis: Genesis::FirstLock,
        initial_reward: BigUint::from(761_000_000_000_000_u64),
        mrr: vec![(0, 1, 5), (1_100, 1, 10)],
        initial_reward_per_block_on_chain: BigUint::from(761_000_000_000_000_u64),
        practice: Practice::default(),
    }
}

/// Sequencer 1 (signer A) locks 150,000 METIS at 1000, of which 100,000 count; sequencer 2 (B)
/// locks 40,000 METIS at 1050 and begins its exit at 1150. Epoch 0 is [1000, 1100), epoch 1
/// [1100, 1200). Batch 2 pays spans 1 and 2.
fn example() -> History {
    let reward_update = PoolEvent::RewardUpdate { new_reward: wei(7), old_reward: wei(1_000) };
    History {
        l1: vec![
            lock(1_000, 1, A, 150_000),
            lock(1_050, 2, B, 40_000),
            batch(1_149, 1, 2, 1_000),
            unlock_init(1_150, 2, B),
            l1(1_160, reward_update),
        ],
        l1_head_timestamp: 2_000,
        spans: vec![
            new_epoch(0, 11, 12, A),
            new_epoch(1, 13, 14, B),
            new_epoch(2, 15, 16, A),
            new_epoch(3, 17, 19, B),
        ],
        blocks: vec![
            block(9, 990, Some(A)),
            block(10, 1_000, None),
            block(11, 1_010, None),
            block(12, 1_020, Some(A)),
            block(13, 1_060, Some(B)),
            block(14, 1_090, Some(STRANGER)),
            block(15, 1_100, Some(A)),
            block(16, 1_140, Some(B)),
            block(17, 1_150, Some(B)),
            block(18, 1_160, None),
            block(19, 1_170, Some(A)),
            block(20, 1_180, None),
        ],
    }
}

/// Each block's reward if it has one, else the initials of the reason.
fn in_short(ledger: &Ledger) -> Vec<String> {
    let entries = ledger.per_block.iter();
    let words = entries.map(|entry| match &entry.outcome {
        Outcome::Rewarded { sequencer, reward } => format!("{sequencer}:{reward}"),
        Outcome::BeforeGenesis => "bg".to_owned(),
        Outcome::NoProducer => "np".to_owned(),
        Outcome::UnknownSigner => "us".to_owned(),
        Outcome::AfterUnlock => "au".to_owned(),
    });
    words.collect()
}

#[test]
fn the_flat_example_comes_out_as_worked_by_hand() {
    let ledger = fold(&example(), &policy(Allocation::Flat), None);
    // Block 20 is unsigned and no span covers it.
    assert_eq!((ledger.genesis, ledger.horizon), (Some(1_000), Some((19, 1_170))));
    // Epoch 0 pays the initial reward. Blocks 11, 12 and 13 are its N = 3; its
    //   Q = 100,000 METIS · 100 s + 40,000 METIS · 50 s = 12,000,000 METIS·s.
    // Epoch 1 begins at 1100, when the MRR has become 1/10, so a block of it earns
    //   floor(12 · 10^24 / (10 · 31,536,000 · 3)) = floor(12,683,916,793,505,834.6…).
    assert_eq!(
        in_short(&ledger),
        [
            "bg",
            "np",
            "1:761000000000000",
            "1:761000000000000",
            "2:761000000000000",
            "us",
            "1:12683916793505834",
            "2:12683916793505834",
            "au",
            "au",
            "1:12683916793505834",
        ]
    );
    assert_eq!(
        (ledger.before_genesis, ledger.no_producer, ledger.unknown_signer, ledger.after_unlock),
        (1, 1, 1, 2)
    );
    let [first, second] = &ledger.epochs[..] else { panic!("two epochs") };
    assert_eq!((&first.q, first.n, &first.w), (&metis(12_000_000), 3, &metis(240_000)));
    // Epoch 1 up to the horizon: 100,000 METIS · 70 s, and 40,000 METIS · 50 s until B's exit.
    assert_eq!((&second.q, second.n, &second.w), (&metis(9_000_000), 3, &metis(240_000)));
    assert_eq!((first.target_mrr, second.target_mrr), ((1, 5), (1, 10)));
    assert_eq!(second.q_by_sequencer, BTreeMap::from([(1, metis(7_000_000)), (2, metis(2_000_000))]));
    // 2 · 761,000,000,000,000 + 2 · 12,683,916,793,505,834, and once each.
    assert_eq!(
        ledger.sequencers,
        BTreeMap::from([
            (1, (4, BigUint::from(26_889_833_587_011_668_u64))),
            (2, (2, BigUint::from(13_444_916_793_505_834_u64))),
        ])
    );
    assert_eq!(ledger.total, BigUint::from(40_334_750_380_517_502_u64));
}

#[test]
fn the_stake_weighted_example_comes_out_as_worked_by_hand() {
    let ledger = fold(&example(), &policy(Allocation::StakeWeighted), None);
    // B has 40,000 of 100,000 METIS: 0.4 · 761,000 gwei in epoch 0. In epoch 1, with
    // W = 2 · 100,000 + 40,000 METIS, A's block earns
    //   floor(12 · 10^24 · 100,000 / (10 · 31,536,000 · 240,000)) = floor(15,854,895,991,882,293.2…)
    // and B's floor(6,341,958,396,752,917.3…).
    assert_eq!(
        in_short(&ledger),
        [
            "bg",
            "np",
            "1:761000000000000",
            "1:761000000000000",
            "2:304400000000000",
            "us",
            "1:15854895991882293",
            "2:6341958396752917",
            "au",
            "au",
            "1:15854895991882293",
        ]
    );
}

#[test]
fn the_scheduled_example_goes_by_the_spans() {
    let scheduled = Policy { attribution: Attribution::Scheduled, ..policy(Allocation::Flat) };
    // N of epoch 0 is 4 now, with block 14: floor(12 · 10^24 / (10 · 31,536,000 · 4)).
    assert_eq!(
        in_short(&fold(&example(), &scheduled, None)),
        [
            "bg",
            "np",
            "1:761000000000000",
            "1:761000000000000",
            "2:761000000000000",
            "2:761000000000000",
            "1:9512937595129375",
            "1:9512937595129375",
            "au",
            "au",
            "au",
        ]
    );
}

#[test]
fn the_on_chain_example_pays_what_the_contract_pays() {
    // Span 0 is never paid; batch 2 pays spans 1 and 2 at 1000 wei; span 3 is pending at 7 wei,
    // active or not.
    let mut history = example();
    let ledger = fold(&history, &policy(Allocation::OnChain), None);
    let paid = ["bg", "np", "bg", "bg", "2:1000", "2:1000", "1:1000", "1:1000"];
    assert_eq!(in_short(&ledger)[..8], paid);
    assert_eq!(in_short(&ledger)[8..], ["2:7", "2:7", "2:7"]);
    // B counts for nothing in W after its exit.
    assert_eq!((ledger.epochs[1].n, &ledger.epochs[1].w), (5, &metis(200_000)));
    // Once B is gone, only what was credited before stays.
    history.l1.push(unlocked(1_170, 2));
    let ledger = fold(&history, &policy(Allocation::OnChain), None);
    assert_eq!(in_short(&ledger)[..8], paid);
    assert_eq!(in_short(&ledger)[8..], ["au", "au", "au"]);
    // A signer that locks after the batch was not known to it.
    history.l1[1] = lock(1_149, 2, B, 40_000);
    history.l1.swap(1, 2);
    history.l1.truncate(3);
    history.l1[1].timestamp = UnixTime(1_149);
    let ledger = fold(&history, &policy(Allocation::OnChain), None);
    assert_eq!(in_short(&ledger)[4..6], ["us", "us"]);
    assert_eq!(in_short(&ledger)[8..], ["2:761000000000000", "2:761000000000000", "2:761000000000000"]);
}

/// The same, but every block was made 100 seconds earlier: those of span 1 before anybody had locked.
#[test]
fn the_on_chain_example_pays_blocks_from_before_the_first_lock() {
    let mut history = example();
    for block in &mut history.blocks {
        block.timestamp -= 100;
    }
    let from_first_lock = policy(Allocation::OnChain);
    let from_first_payable = Policy { genesis: Genesis::FirstPayable, ..from_first_lock.clone() };
    // Block 13, the first of span 1, is made at 960.
    let ledger = fold(&history, &from_first_payable, None);
    assert_eq!(
        in_short(&ledger),
        ["bg", "bg", "bg", "bg", "2:1000", "2:1000", "1:1000", "1:1000", "2:7", "2:7", "2:7"]
    );
    assert_eq!((ledger.genesis, ledger.epochs[0].n, ledger.epochs[1].start), (Some(960), 5, 1_060));
    // 100,000 METIS from 1000 on and 40,000 from 1050 on, until 1060. W has A's blocks at
    // 1000 and 1040, and B's at 1050.
    assert_eq!((&ledger.epochs[0].q, &ledger.epochs[0].w), (&metis(6_400_000), &metis(240_000)));
    // By the first lock the two blocks of span 1 lie before the genesis.
    let ledger = fold(&history, &from_first_lock, None);
    assert_eq!(in_short(&ledger)[..7], ["bg", "bg", "bg", "bg", "bg", "bg", "1:1000"]);
    // With a horizon before block 13 nothing has begun, and with no later lock either.
    let ledger = fold(&history, &from_first_payable, Some(12));
    assert_eq!((ledger.genesis, ledger.before_genesis, ledger.epochs.len()), (None, 4, 0));
    // Where somebody locked first, epochs begin with that.
    let ledger = fold(&example(), &from_first_payable, None);
    assert_eq!(ledger, fold(&example(), &from_first_lock, None));
}

/// The first thing that ever happens on L1 is a batch, which can credit nobody.
#[test]
fn a_batch_before_anything_else_pays_nobody_and_begins_the_epochs() {
    let mut history = example();
    history.blocks.iter_mut().for_each(|block| block.timestamp -= 100);
    history.l1 = vec![batch(940, 1, 2, 1_000), lock(1_000, 1, A, 150_000), lock(1_050, 2, B, 40_000)];
    let policy = Policy { genesis: Genesis::FirstPayable, ..policy(Allocation::OnChain) };
    let ledger = fold(&history, &policy, None);
    let pending = "2:761000000000000";
    assert_eq!(
        in_short(&ledger),
        ["bg", "bg", "bg", "bg", "us", "us", "us", "us", pending, pending, pending]
    );
    assert_eq!(ledger.genesis, Some(960));
}

#[test]
fn a_window_that_gives_no_rate_leaves_the_last_in_force() {
    // From 1100 to 1200 nobody makes a block; from 1200 to 1300 sequencer 1 does, with stake 0
    // while sequencer 2 has the stake: N > 0 and Q > 0, but W = 0.
    let history = History {
        l1: vec![
            lock(1_000, 1, A, 1),
            lock(1_000, 2, B, 1),
            stake(1_200, 1, Wei::ZERO),
            stake(1_300, 1, wei(10_u128.pow(18))),
        ],
        l1_head_timestamp: 2_000,
        spans: Vec::new(),
        blocks: vec![block(1, 1_000, Some(A)), block(2, 1_200, Some(A)), block(3, 1_300, Some(A))],
    };
    let ledger = fold(&history, &policy(Allocation::StakeWeighted), None);
    // Q0 = 200 METIS·s and W0 = 1 METIS, at the MRR of epoch 1: 200 · 10^18 / 315,360,000. In
    // epoch 2 that times a stake of 0, and in epoch 3 the same rate again.
    assert_eq!(in_short(&ledger), ["1:7610000000", "1:0", "1:634195839675"]);
    let ns: Vec<u64> = ledger.epochs.iter().map(|epoch| epoch.n).collect();
    assert_eq!(ns, [1, 0, 1, 1]);
    // Flat: epoch 2 goes by epoch 0's window, epoch 3 by epoch 2's, of 100 METIS·s.
    let ledger = fold(&history, &policy(Allocation::Flat), None);
    assert_eq!(in_short(&ledger), ["1:761000000000000", "1:634195839675", "1:317097919837"]);
}

#[test]
fn the_horizon_is_before_the_first_block_that_is_not_settled() {
    let number = |history: &History, attribution, to| {
        let policy = Policy { attribution, ..policy(Allocation::Flat) };
        fold(history, &policy, to).horizon.map(|(number, _)| number)
    };
    let (signed, scheduled) = (Attribution::Signed, Attribution::Scheduled);
    let mut history = example();
    assert_eq!(number(&history, signed, Some(15)), Some(15));
    assert_eq!(number(&history, signed, Some(8)), None);
    history.l1_head_timestamp = 1_169;
    assert_eq!(number(&history, signed, None), Some(18));
    history.spans.truncate(3);
    assert_eq!((number(&history, signed, None), number(&history, scheduled, None)), (Some(17), Some(16)));
    // With no span at all only a signature settles a block.
    history.spans.clear();
    assert_eq!((number(&history, signed, None), number(&history, scheduled, None)), (Some(9), None));
    history.l1.clear();
    let ledger = fold(&history, &policy(Allocation::Flat), None);
    assert_eq!((ledger.genesis, ledger.before_genesis, ledger.epochs.len()), (None, 1, 0));
}

#[test]
fn recommits_cut_extend_and_overwrite_spans() {
    let check = |recommits: &[SpanRecord], expected: &[(u64, u64)]| {
        let mut records = vec![new_epoch(0, 10, 19, A), new_epoch(1, 20, 29, B)];
        records.extend_from_slice(recommits);
        let spans = final_spans(&records);
        let ranges: Vec<(u64, u64)> = spans.iter().map(|span| (span.start, span.end)).collect();
        assert_eq!(ranges, expected, "{recommits:?}");
    };
    // The last span: cut, emptied on its first block, extended over a gap.
    check(&[recommit(1, 2, 1, 25, 40)], &[(10, 19), (20, 24), (25, 40)]);
    check(&[recommit(1, 2, 1, 20, 40)], &[(10, 19), (20, 19), (20, 40)]);
    check(&[recommit(1, 2, 1, 33, 40)], &[(10, 19), (20, 32), (33, 40)]);
    // The last but one: cut, emptied, and left alone when it is over. The last is overwritten.
    check(&[recommit(0, 1, 1, 15, 50)], &[(10, 14), (15, 50)]);
    check(&[recommit(0, 1, 1, 10, 12)], &[(10, 9), (10, 12)]);
    check(&[recommit(0, 1, 1, 20, 50)], &[(10, 19), (20, 50)]);
}
