//! What has to hold for folds of whatever history: that it does not matter where they stop in
//! between, and that an evaluation says what a fold says.

use crate::*;
use alloc::string::String;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256};
use proptest::collection::vec;
use proptest::prelude::*;

const START: u64 = 1_000;
const FIRST_BLOCK: u64 = 50;
const SPAN_BLOCKS: u64 = 7;

/// Something that happens, with small numbers that pick whom it happens to.
#[derive(Clone, Copy, Debug)]
enum Action {
    /// Blocks by one signer, or by nobody, each so many seconds after the one before.
    Blocks {
        count: u64,
        gap_secs: u64,
        signer: Option<u64>,
    },
    Wait(u64),
    Lock(u64),
    Stake(u64, u64),
    Signer(u64),
    Exit(u64),
}

#[derive(Clone, Debug)]
struct World {
    l1: Vec<L1Record>,
    spans: Spans,
    /// When each block was made, and who signed it.
    blocks: Vec<(UnixTime, Option<Address>)>,
}

fn signer(index: u64) -> Address {
    Address::with_last_byte(u8::try_from(index % 10).expect("fewer than 10") + 1)
}

fn wei(amount: u64) -> Wei {
    Wei::new(U256::from(amount))
}

fn world(first_span: u64, actions: &[Action]) -> World {
    let mut world = World { l1: Vec::new(), spans: Spans::new(), blocks: Vec::new() };
    let (mut time, mut sequencers, mut signers) = (START, 0, 0);
    for action in actions {
        let id = |pick: u64| SequencerId(pick % sequencers + 1);
        let event = match *action {
            Action::Blocks { count, gap_secs, signer: by } => {
                for _ in 0..count {
                    time += gap_secs;
                    world.blocks.push((UnixTime(time), by.map(signer)));
                }
                continue;
            }
            Action::Wait(secs) => {
                time += secs;
                continue;
            }
            Action::Lock(stake) => {
                sequencers += 1;
                signers += 1;
                PoolEvent::Locked {
                    signer: signer(signers),
                    sequencer: SequencerId(sequencers),
                    nonce: 1,
                    activation_batch: BatchId(1),
                    amount: wei(stake),
                    total: Wei::ZERO,
                    signer_pubkey: Bytes::new(),
                }
            }
            _ if sequencers == 0 => continue,
            Action::Stake(pick, stake) => {
                PoolEvent::LockUpdate { sequencer: id(pick), nonce: 2, new_amount: wei(stake) }
            }
            Action::Signer(pick) => {
                signers += 1;
                let (old_signer, new_signer) = (Address::ZERO, signer(signers));
                let signer_pubkey = Bytes::new();
                PoolEvent::SignerChange {
                    sequencer: id(pick),
                    nonce: 2,
                    old_signer,
                    new_signer,
                    signer_pubkey,
                }
            }
            Action::Exit(pick) => PoolEvent::UnlockInit {
                user: Address::ZERO,
                sequencer: id(pick),
                nonce: 2,
                deactivation_batch: BatchId(1),
                deactivation_time: UnixTime(time),
                unlock_claim_time: UnixTime(time),
                amount: Wei::ZERO,
            },
        };
        world.l1.push(L1Record {
            block: L1Block(time),
            block_hash: B256::ZERO,
            timestamp: UnixTime(time),
            transaction_hash: B256::ZERO,
            log_index: 0,
            event,
        });
    }
    let mut start = FIRST_BLOCK + first_span;
    for span in (0..).take_while(|span| *span < 200) {
        let end = start + SPAN_BLOCKS - 1;
        let (block, transaction_hash) = (L2Block(FIRST_BLOCK), B256::ZERO);
        let event = SpanEvent::NewEpoch {
            span: SpanId(span),
            start: L2Block(start),
            end: L2Block(end),
            signer: signer(span * 3),
        };
        let record = SpanRecord { block, block_hash: B256::ZERO, transaction_hash, log_index: span, event };
        world.spans.apply(&record).unwrap();
        start = end + 1;
    }
    world
}

/// A grid with its counts, and who made what.
struct Seen {
    timeline: Timeline,
    batches: Batches,
    grid: Grid,
    counts: Counts,
}

impl World {
    fn horizon(&self, index: usize) -> Horizon {
        let block = L2Block(FIRST_BLOCK + u64::try_from(index).unwrap());
        Horizon { block, timestamp: self.blocks[index].0 }
    }

    /// What is looked up and counted after `last` and up to `to`, when L1 is known up to `to`.
    fn seen(&self, policy: &Policy, last: Option<Horizon>, to: Horizon) -> Seen {
        let timeline =
            Timeline::from_records(self.l1.iter().filter(|record| record.timestamp <= to.timestamp));
        let after = last.map(|last| last.timestamp);
        let boundary = |time| {
            let index =
                self.blocks.iter().position(|(at, _)| *at >= time).expect("it is not after the horizon");
            Boundary { time, first_block: self.horizon(index).block }
        };
        let boundaries = instants(policy, &timeline, None, after, to.timestamp).unwrap();
        let first = last.map_or(L2Block(FIRST_BLOCK), |last| last.block.next().unwrap());
        let grid = Grid::new(first, to.block, boundaries.into_iter().map(boundary).collect(), &[to.block]);
        let mut counts = Counts::new((0..10).map(|index| Some(signer(index))).chain([None]).collect());
        for (index, (_, signed)) in self.blocks.iter().enumerate() {
            let block = self.horizon(index).block;
            if (first..=to.block).contains(&block) {
                let producer = signed.or_else(|| self.spans.covering(block).map(|span| span.signer));
                let code = (0..10).position(|index| Some(signer(index)) == producer).unwrap_or(10);
                counts.add(grid.stretch_of(block), code, 1).unwrap();
            }
        }
        Seen { timeline, batches: Batches::new(wei(1)), grid, counts }
    }

    fn once(&self, policy: &Policy, to: Horizon) -> Ledger {
        let seen = self.seen(policy, None, to);
        fold(policy, &seen.history(&self.spans), Some(to)).unwrap()
    }
}

impl Seen {
    fn history<'a>(&'a self, spans: &'a Spans) -> History<'a> {
        let Self { timeline, batches, grid, counts } = self;
        History { timeline, spans, batches, first_payable: None, grid, counts }
    }
}

fn policy_text(allocation: &str, attribution: &str, genesis: &str, cap: u64, mrr: &str) -> String {
    alloc::format!(
        "name = \"test\"\nversion = 1\nallocation = \"{allocation}\"\nattribution = \"{attribution}\"\n\
         cap_wei = \"{cap}\"\nepoch_secs = 60\ngenesis = {genesis}\n\
         initial_reward_wei = \"1000\"\ntarget_mrr = \"{mrr}\"\n"
    )
}

fn worlds() -> impl Strategy<Value = World> {
    let stake = || prop_oneof![1 => Just(0_u64), 4 => 1..5_000_000_000_u64, 4 => 1..5_u64];
    let signer = prop_oneof![1 => Just(None), 4 => (0..10_u64).prop_map(Some)];
    let blocks = (1..20_u64, 0..15_u64, signer);
    let action = prop_oneof![
        8 => blocks.prop_map(|(count, gap_secs, signer)| Action::Blocks { count, gap_secs, signer }),
        2 => (1..200_u64).prop_map(Action::Wait),
        4 => stake().prop_map(Action::Lock),
        4 => (0..10_u64, stake()).prop_map(|(pick, stake)| Action::Stake(pick, stake)),
        2 => (0..10_u64).prop_map(Action::Signer),
        1 => (0..10_u64).prop_map(Action::Exit),
    ];
    let last = Action::Blocks { count: 1, gap_secs: 1, signer: None };
    (0..20_u64, vec(action, 0..40)).prop_map(move |(first_span, mut actions)| {
        actions.push(last);
        world(first_span, &actions)
    })
}

fn policies() -> impl Strategy<Value = Policy> {
    let allocation = prop_oneof![Just("flat"), Just("stake-weighted")];
    let attribution = prop_oneof![Just("signed"), Just("scheduled")];
    let genesis = prop_oneof![2 => Just("\"first-lock\""), 1 => Just("1100"), 1 => Just("900")];
    let cap = prop_oneof![Just(1_u64), 2..10_u64, 1_000..6_000_000_000_u64];
    let mrr = prop_oneof![Just("0"), Just("0.2"), Just("31.536"), Just("9999999.000000000001")];
    let change = prop_oneof![
        2 => Just(""),
        1 => Just("[[target_mrr_change]]\nfrom = 1150\nmrr = \"5000\"\n"),
    ];
    let parts = (allocation, attribution, genesis, cap, mrr, change);
    parts.prop_map(|(allocation, attribution, genesis, cap, mrr, change)| {
        let text = policy_text(allocation, attribution, genesis, cap, mrr) + change;
        Policy::from_toml(&text).expect("valid")
    })
}

/// Policies under which the operators set the rate.
fn practice() -> impl Strategy<Value = Policy> {
    let genesis = prop_oneof![2 => Just("\"first-lock\""), 1 => Just("1100"), 1 => Just("900")];
    let cap = prop_oneof![Just(1_u64), 1_000..6_000_000_000_u64];
    let percent = prop_oneof![Just("0"), Just("0.2"), Just("99")];
    let rate = prop_oneof![
        3 => (1..100_000_u64).prop_map(|secs| alloc::format!(
            "rate = \"operators\"\nblock_secs = {secs}\n[[block_secs_change]]\nfrom = 1120\nsecs = 9\n"
        )),
        1 => Just(String::new()),
    ];
    let fixed = prop_oneof![
        1 => Just(""),
        1 => Just("[[fixed_reward]]\nfrom = 1130\nreward_wei = \"7\"\n"),
        1 => Just("[[fixed_reward]]\nfrom = 0\nreward_wei = \"0\"\n"),
    ];
    let parts = (any::<bool>(), genesis, cap, percent, rate, fixed);
    parts.prop_map(|(is_scheduled, genesis, cap, percent, rate, fixed)| {
        let attribution = if is_scheduled { "scheduled" } else { "signed" };
        let text = policy_text("flat", attribution, genesis, cap, percent) + &rate + fixed;
        Policy::from_toml(&text).expect("valid")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn a_fold_may_stop_anywhere(
        world in worlds(),
        policy in prop_oneof![2 => policies(), 1 => practice()],
        cuts in vec(any::<prop::sample::Index>(), 0..6),
        at_each_block in prop::bool::weighted(0.2),
    ) {
        let blocks = world.blocks.len();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(blocks)).collect();
        if at_each_block {
            ends.extend(0..blocks);
        }
        ends.push(blocks - 1);
        ends.sort_unstable();
        ends.dedup();
        let mut fold = Fold::new(policy.clone());
        for end in ends {
            let to = world.horizon(end);
            let seen = world.seen(&policy, fold.ledger().horizon, to);
            fold.advance(&seen.history(&world.spans), to).unwrap();
            prop_assert_eq!(fold.ledger(), &world.once(&policy, to));
        }
    }

    #[test]
    fn an_evaluation_of_practice_says_what_a_fold_says(world in worlds(), policy in practice()) {
        let to = world.horizon(world.blocks.len() - 1);
        let seen = world.seen(&policy, None, to);
        let activity = Activity::new(&policy, &seen.history(&world.spans), Some(to)).unwrap();
        let found = activity.under_cap(policy.cap()).unwrap().evaluate(&policy).unwrap();
        prop_assert_eq!(found.total.reward, world.once(&policy, to).total);
    }

    #[test]
    fn an_evaluation_says_what_a_fold_says(
        world in worlds(),
        base in policies(),
        others in vec((0..7_usize, 1..6_000_000_000_u64, any::<bool>()), 1..6),
    ) {
        let to = world.horizon(world.blocks.len() - 1);
        let seen = world.seen(&base, None, to);
        let activity = Activity::new(&base, &seen.history(&world.spans), Some(to)).unwrap();
        let rates = ["0", "0.001", "0.2", "1", "77.7", "123456789", "9999999.000000000001"];
        let mut variants = Vec::from([base.clone()]);
        for (rate, cap, by_stake) in others {
            let allocation = if by_stake { Allocation::StakeWeighted } else { Allocation::Flat };
            let target = Mrr::from_decimal(rates[rate]).unwrap();
            // Large caps and small ones, as stakes are.
            for cap in [cap, cap % 7 + 1] {
                variants.push(base.variant(Some(target), wei(cap), allocation).unwrap());
            }
        }
        for policy in variants {
            let found = activity.under_cap(policy.cap()).unwrap().evaluate(&policy).unwrap();
            let ledger = world.once(&policy, to);
            prop_assert_eq!((activity.genesis, activity.unrewarded), (ledger.genesis, ledger.unrewarded));
            prop_assert_eq!(activity.epochs.len(), ledger.epochs.len());
            let earning = ledger.sequencers.iter().filter(|(_, total)| total.earned.blocks > 0);
            let earning: Vec<_> = earning.map(|(id, total)| (*id, total.earned)).collect();
            prop_assert_eq!(found.sequencers.into_iter().collect::<Vec<_>>(), earning);
            prop_assert_eq!(found.total.reward, ledger.total);
        }
    }
}

/// Sequencer 1 locks 5 wei at 1000 and signs a block each 10 s; from 1030 on its stake is 3 wei.
fn example() -> World {
    let blocks = |count| Action::Blocks { count, gap_secs: 10, signer: Some(1) };
    world(0, &[Action::Lock(5), blocks(3), Action::Stake(0, 3), blocks(5)])
}

fn flat() -> Policy {
    Policy::from_toml(&policy_text("flat", "signed", "\"first-lock\"", 4, "0.2")).expect("valid")
}

#[test]
fn an_activity_has_a_row_for_each_stake() {
    let (world, policy) = (example(), flat());
    let to = world.horizon(7);
    let seen = world.seen(&policy, None, to);
    let activity = Activity::new(&policy, &seen.history(&world.spans), Some(to)).unwrap();
    let row =
        |stake, blocks, secs| ActivityRow { sequencer: SequencerId(1), stake: wei(stake), blocks, secs };
    // The block at 1030 is made at the stake of that second.
    let rows: Vec<_> = activity.epochs.iter().map(|epoch| (epoch.start.0, epoch.rows.clone())).collect();
    assert_eq!(
        rows,
        [(1_000, Vec::from([row(3, 3, 30), row(5, 2, 30)])), (1_060, Vec::from([row(3, 3, 20)])),]
    );
}

#[test]
fn a_fold_goes_on_only_from_where_it_is_and_not_after_an_error() {
    let (world, policy) = (example(), flat());
    let (early, late) = (world.horizon(3), world.horizon(7));
    let mut fold = Fold::new(policy.clone());
    let seen = world.seen(&policy, None, early);
    fold.advance(&seen.history(&world.spans), early).unwrap();
    let ledger = fold.ledger().clone();
    let error = |last: Option<Horizon>, to| {
        let mut fold = fold.clone();
        let seen = world.seen(&policy, last, late);
        let error = fold.advance(&seen.history(&world.spans), to).unwrap_err();
        assert_eq!(fold.ledger(), &ledger, "the ledger stays as it was");
        let again = fold.advance(&seen.history(&world.spans), late);
        assert_eq!(again, Err(FoldError::Unusable));
        error
    };
    assert_eq!(error(Some(early), early), FoldError::HorizonNotAhead { last: early.block, to: early.block });
    let follow =
        |found: Horizon| FoldError::GridDoesNotFollow { last: Some(early.block), found: found.block.next() };
    assert_eq!(error(Some(world.horizon(4)), late), follow(world.horizon(4)));
    // A grid of all blocks has no stretch that begins right after block 53: block 54 at 1050 lies in
    // the one from the change at 1030 to the epoch at 1060.
    assert_eq!(error(None, late), follow(world.horizon(1)));
    let seen = world.seen(&policy, Some(early), late);
    fold.advance(&seen.history(&world.spans), late).unwrap();
    assert_eq!(fold.into_ledger(), world.once(&policy, late));
}

#[test]
fn what_the_contract_pays_is_folded_at_once_and_has_no_activity() {
    let world = example();
    let text = policy_text("on-chain", "scheduled", "\"first-lock\"", 4, "0.2");
    let policy = Policy::from_toml(&text).expect("valid");
    assert!(!policy.can_continue() && flat().can_continue());
    let (early, late) = (world.horizon(3), world.horizon(7));
    let mut fold = Fold::new(policy.clone());
    let seen = world.seen(&policy, None, early);
    fold.advance(&seen.history(&world.spans), early).unwrap();
    let seen = world.seen(&policy, Some(early), late);
    let by_contract = FoldError::ByContract { policy: "test".into() };
    assert_eq!(fold.advance(&seen.history(&world.spans), late), Err(by_contract.clone()));
    let activity = Activity::new(&policy, &seen.history(&world.spans), Some(late));
    assert_eq!(activity.err(), Some(by_contract));
}

#[test]
fn an_activity_is_evaluated_only_under_policies_that_see_it_so() {
    let (world, policy) = (example(), flat());
    let to = world.horizon(7);
    let seen = world.seen(&policy, None, to);
    let activity = Activity::new(&policy, &seen.history(&world.spans), Some(to)).unwrap();
    let capped = activity.under_cap(wei(4)).unwrap();
    let error = |text: String| capped.evaluate(&Policy::from_toml(&text).expect("valid")).unwrap_err();
    let other_cap = FoldError::OtherCap { policy: "test".into(), wanted: wei(5), found: wei(4) };
    assert_eq!(error(policy_text("flat", "signed", "\"first-lock\"", 5, "0.2")), other_cap);
    for text in [
        policy_text("flat", "scheduled", "\"first-lock\"", 4, "0.2"),
        policy_text("flat", "signed", "1000", 4, "0.2"),
        policy_text("flat", "signed", "\"first-lock\"", 4, "0.2").replace("60", "61"),
    ] {
        assert!(matches!(error(text), FoldError::OtherRules { .. }));
    }
    let on_chain = policy_text("on-chain", "scheduled", "\"first-lock\"", 4, "0.2");
    assert_eq!(error(on_chain), FoldError::ByContract { policy: "test".into() });
}

/// The story: rewards of 2^64 wei and more leave the fast way of adding, and the sum has to be the
/// same.
#[test]
fn rewards_that_do_not_fit_in_64_bits_are_added_all_the_same() {
    let (world, policy) = (example(), flat());
    let to = world.horizon(7);
    let text = policy_text("flat", "signed", "\"first-lock\"", 4, "0.2");
    let text = text.replace("\"1000\"", &alloc::format!("\"{}\"", U256::from(7) << 200));
    let huge = Policy::from_toml(&text).expect("valid");
    let seen = world.seen(&policy, None, to);
    let activity = Activity::new(&policy, &seen.history(&world.spans), Some(to)).unwrap();
    let found = activity.under_cap(wei(4)).unwrap().evaluate(&huge).unwrap();
    assert_eq!(found.total.reward, world.once(&huge, to).total);
    assert!(found.total.reward.get() > U256::from(1) << 200);
}
