//! Random histories that could have happened: a list of small actions, carried out in order by a
//! builder that knows what the contracts allow and passes over what they would refuse. Shrinking
//! drops actions, so what is left of a failure is short and still a history.

mod builder;
mod checks;

use super::oracle::{Allocation, Attribution, Block, Genesis, History, Policy, Practice};
use alloy_primitives::{Address, B256, Bytes, U256};
use builder::Builder;
use engine::{
    BatchId, Credit, L1Block, L1Record, L2Block, PoolEvent, SequencerId, SpanEvent, SpanId, SpanRecord,
    UnixTime, Wei,
};
use num_bigint::BigUint;
use proptest::collection;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use std::collections::BTreeMap;

/// When histories begin; policies take their dates from it.
pub(crate) const START: u64 = 1_700_000_000;

/// The most L2 blocks of a history: enough for many spans and epochs, few enough for the oracle.
const BLOCKS_MAX: usize = 400;

/// The escrow, as the logs of histories name it.
const ESCROW: Address = Address::repeat_byte(1);

/// The most sequencers of a history.
const SEQUENCERS_MAX: usize = 6;

/// What histories set the contract's `maxLock` to: above the rules' cap, so that the cap binds.
const MAX_LOCK_WEI: u128 = 150_000 * METIS;

/// One METIS in wei.
const METIS: u128 = 1_000_000_000_000_000_000;

/// The contract's reward per block before any `RewardUpdate`, 761000 gwei.
const INITIAL_REWARD_PER_BLOCK_WEI: u128 = 761_000_000_000_000;

/// The contract's exit delay before any `WithrawDelayTimeChange`, 21 days.
const INITIAL_EXIT_DELAY_SECS: u64 = 1_814_400;

/// An address, by what it is to the pool at that moment. The number picks one of several.
#[derive(Clone, Copy, Debug)]
enum Who {
    /// A sequencer's signer.
    Present(u8),
    /// A signer that was replaced, if any was; else as `Present`.
    Retired(u8),
    /// A signer that is yet to be introduced, by a lock or by a change of signer.
    Future(u8),
    /// Nobody's signer, ever.
    Stranger(u8),
}

/// Who signs a block.
#[derive(Clone, Copy, Debug)]
enum Signing {
    /// The signer of its span, as announced then; nobody if there is none.
    Schedule,
    /// Nobody: a block of deposits only.
    Nobody,
    /// Somebody, whatever the span says.
    By(Who),
}

/// When a recommit comes. The builder makes blocks until then.
#[derive(Clone, Copy, Debug)]
enum When {
    /// In the next block.
    Now,
    /// On the first block of the last span but one.
    FirstBlockOfLastButOne,
    /// On the first block of the last span.
    FirstBlockOfLast,
    /// So many blocks after the end of the last span.
    AfterLast(u8),
}

/// Where an L1 call lands.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// In the L1 block of the call before, if there is one.
    same_block: bool,
    /// Else in a new one, so many seconds after the last L2 block.
    later_secs: u8,
}

/// A call to the L1 contracts. The numbers pick one of the sequencers that may make it.
#[derive(Clone, Copy, Debug)]
enum Call {
    /// A new sequencer locks so many wei.
    Lock(u128),
    /// A stake is raised by so many wei, and by the unclaimed reward if asked to.
    Relock(u8, u128, bool),
    /// A stake is lowered, by this modulo what it can be lowered by.
    Withdraw(u8, u128),
    /// A signer is replaced.
    ChangeSigner(u8),
    /// Rewards are claimed.
    Claim(u8),
    /// An exit begins.
    BeginExit(u8),
    /// An exit ends.
    FinishExit(u8),
    /// Rewards go elsewhere.
    ChangeRecipient(u8),
    /// The reward per block is set.
    SetReward(u64),
    /// A batch of at least two spans is paid, after the reward per block was set if asked to.
    PayBatch(u8, Option<u64>),
    /// The pool is paused and goes on.
    Pause,
}

/// A step of a history.
#[derive(Clone, Copy, Debug)]
enum Action {
    /// `count` blocks, `gap_secs` apart.
    Blocks { count: u8, gap_secs: u8, signing: Signing },
    /// No block for a while.
    Wait { secs: u16 },
    /// The next span, announced in a block of its own or in the last one.
    Announce { length_blocks: u8, signer: Who, in_new_block: bool },
    /// A recommit in a block of its own, of the last span but one if it can be and is asked to.
    Recommit { when: When, last_but_one: bool, length_blocks: u8, signer: Who, signing: Signing },
    /// A call to the L1 contracts.
    Pool(Place, Call),
}

/// How span 0 comes.
#[derive(Clone, Copy, Debug)]
enum FirstSpan {
    /// Not at all, and no other span.
    Never,
    /// With the first action that announces one.
    ByAction,
    /// After the leading blocks, so many blocks before its first one (after it, if negative).
    Ahead { blocks: i8, length_blocks: u8 },
}

/// How a history begins and ends.
#[derive(Clone, Copy, Debug)]
struct Frame {
    first_block: u64,
    /// Blocks before anything else.
    lead_blocks: u8,
    exit_delay_secs: u16,
    first_span: FirstSpan,
    /// Whether spans are announced at the end, late, until every block is covered.
    catches_up: bool,
    /// Whether the METIS that moves is told, as a log before format 4 did not.
    tells_transfers: bool,
    /// Where L1 is known to, after the last L2 block (before, if negative; but never before the last
    /// event).
    head_offset_secs: i16,
}

/// A random history.
pub(crate) fn history() -> impl Strategy<Value = History> {
    let locks = collection::vec(
        (place(), stake_wei()).prop_map(|(place, stake)| Action::Pool(place, Call::Lock(stake))),
        0..=4,
    );
    (frame(), locks, collection::vec(action(), 0..=120)).prop_map(|(frame, locks, actions)| {
        let mut builder = Builder::new(frame);
        for action in locks.iter().chain(&actions) {
            builder.act(action);
        }
        builder.finish(frame)
    })
}

/// A random policy, with epochs that are short beside a history.
pub(crate) fn policy() -> impl Strategy<Value = Policy> {
    let allocation =
        prop_oneof![Just(Allocation::Flat), Just(Allocation::StakeWeighted), Just(Allocation::OnChain)];
    let cap = prop_oneof![
        4 => Just(100_000 * METIS),
        2 => (1..120_000 * METIS).prop_map(|cap| cap | 1),
        1 => Just(1_u128),
        1 => (1_u128..1_000).prop_map(|cap| cap | 1),
    ];
    let genesis = prop_oneof![
        3 => Just(Genesis::FirstPayable),
        2 => (START - 500..START + 4_000).prop_map(Genesis::At),
    ];
    let reward = prop_oneof![4 => Just(INITIAL_REWARD_PER_BLOCK_WEI), 1 => 1..METIS];
    // Over powers of ten, as policy files have them.
    let odd =
        (1_u64..=99_999, 0_u32..=18).prop_map(|(numerator, decimals)| (numerator, 10_u64.pow(decimals)));
    let rate = || prop_oneof![3 => Just((20_u64, 100_u64)), 1 => Just((2, 10)), 2 => odd.clone()];
    let dates = collection::vec((1_u64..3_000, rate()), 0..=4);
    let parts = (allocation, any::<bool>(), cap, 50_u64..=5_000, 0_u8..3, genesis, reward, rate(), dates);
    parts.prop_map(|(allocation, by_schedule, cap, epoch_secs, shorter, genesis, reward, first, dates)| {
        let is_on_chain = allocation == Allocation::OnChain;
        let genesis = match genesis {
            // Of what the contract pays, half begins as the first version did.
            Genesis::FirstPayable if !is_on_chain || by_schedule => Genesis::FirstLock,
            Genesis::FirstLock | Genesis::FirstPayable | Genesis::At(_) => genesis,
        };
        let by_schedule = by_schedule || is_on_chain;
        let mut mrr = vec![(0, first.0, first.1)];
        let mut from = START;
        for (later_secs, (numerator, denominator)) in dates {
            from += later_secs;
            mrr.push((from, numerator, denominator));
        }
        Policy {
            allocation,
            attribution: if by_schedule { Attribution::Scheduled } else { Attribution::Signed },
            cap: BigUint::from(cap),
            // Short epochs more often than long ones, so that most histories have several.
            epoch_secs: 50.max(epoch_secs >> (2 * shorter)),
            genesis,
            initial_reward: BigUint::from(reward),
            mrr,
            initial_reward_per_block_on_chain: BigUint::from(INITIAL_REWARD_PER_BLOCK_WEI),
            practice: Practice::default(),
        }
    })
}

/// A random policy under which the operators set the rate: by their formula, at will, or the one after the other.
pub(crate) fn practice_policy() -> impl Strategy<Value = Policy> {
    let seconds = || prop_oneof![3 => 1_u64..60, 1 => 1_u64..=31_536_000];
    let seconds = collection::vec((1_u64..3_000, seconds()), 0..=3);
    let fixed = collection::vec((0_u64..5_000, prop_oneof![Just(0_u128), 1..METIS]), 0..=2);
    let percents = collection::vec(prop_oneof![Just(20_u64), 0_u64..=300], 5);
    let cap = prop_oneof![2 => Just(None), 1 => (1..120_000 * METIS).prop_map(Some)];
    (policy(), seconds, fixed, percents, cap).prop_map(|(base, seconds, fixed, percents, cap)| {
        // As a policy file: the first seconds hold from 0, and dates ascend.
        let dated = |changes: Vec<(u64, u64)>| {
            let mut from = START;
            let first = changes.first().map(|(_, secs)| (0, *secs));
            let later = changes.into_iter().skip(1).map(move |(later_secs, secs)| {
                from += later_secs;
                (from, secs)
            });
            first.into_iter().chain(later).collect::<Vec<_>>()
        };
        let seconds = dated(seconds);
        let mut from = START - 500;
        let mut fixed_rewards = Vec::new();
        for (later_secs, wei) in fixed {
            from += later_secs + 1;
            fixed_rewards.push((from, BigUint::from(wei)));
        }
        let mrr = base.mrr.iter().zip(percents);
        Policy {
            allocation: Allocation::Flat,
            genesis: if base.genesis == Genesis::FirstPayable { Genesis::FirstLock } else { base.genesis },
            cap: cap.map_or_else(|| BigUint::from_bytes_be(&[0xff; 32]), BigUint::from),
            // Only the formula asks for whole percents.
            mrr: if seconds.is_empty() {
                base.mrr
            } else {
                mrr.map(|((from, ..), percent)| (*from, percent, 100)).collect()
            },
            practice: Practice { seconds, fixed_rewards },
            ..base
        }
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    let first_span = prop_oneof![
        1 => Just(FirstSpan::Never),
        2 => Just(FirstSpan::ByAction),
        12 => (-4_i8..12, 2_u8..50).prop_map(|(blocks, length_blocks)| FirstSpan::Ahead { blocks, length_blocks }),
    ];
    let head = prop_oneof![3 => 0_i16..2_000, 2 => -2_000_i16..0];
    let catches_up = prop_oneof![1 => Just(false), 4 => Just(true)];
    let parts = (5_u64..20_000_000, 0_u8..12, 1_u16..3_000, first_span, catches_up, any::<bool>(), head);
    parts.prop_map(|parts| {
        let (first_block, lead_blocks, exit_delay_secs, first_span, ..) = parts;
        let (.., catches_up, tells_transfers, head_offset_secs) = parts;
        Frame {
            first_block,
            lead_blocks,
            exit_delay_secs,
            first_span,
            catches_up,
            tells_transfers,
            head_offset_secs,
        }
    })
}

fn action() -> impl Strategy<Value = Action> {
    let blocks = (1_u8..25, gap_secs(), signing()).prop_map(|(count, gap_secs, signing)| Action::Blocks {
        count,
        gap_secs,
        signing,
    });
    let wait = prop_oneof![1_u16..100, 100_u16..4_000].prop_map(|secs| Action::Wait { secs });
    let announce = (2_u8..50, who(), any::<bool>()).prop_map(|(length_blocks, signer, in_new_block)| {
        Action::Announce { length_blocks, signer, in_new_block }
    });
    let when = prop_oneof![
        4 => Just(When::Now),
        2 => Just(When::FirstBlockOfLastButOne),
        2 => Just(When::FirstBlockOfLast),
        2 => (0_u8..10).prop_map(When::AfterLast),
    ];
    let recommit = (when, any::<bool>(), 2_u8..50, who(), signing()).prop_map(
        |(when, last_but_one, length_blocks, signer, signing)| Action::Recommit {
            when,
            last_but_one,
            length_blocks,
            signer,
            signing,
        },
    );
    let pool = (place(), call()).prop_map(|(place, call)| Action::Pool(place, call));
    prop_oneof![8 => blocks, 1 => wait, 5 => announce, 2 => recommit, 8 => pool]
}

fn gap_secs() -> impl Strategy<Value = u8> {
    prop_oneof![1 => Just(0_u8), 1 => Just(1), 2 => Just(2), 3 => Just(12), 3 => 0_u8..60]
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        12 => any::<u8>().prop_map(Who::Present),
        2 => any::<u8>().prop_map(Who::Retired),
        1 => any::<u8>().prop_map(Who::Future),
        1 => (0_u8..3).prop_map(Who::Stranger),
    ]
}

fn signing() -> impl Strategy<Value = Signing> {
    prop_oneof![6 => Just(Signing::Schedule), 2 => Just(Signing::Nobody), 4 => who().prop_map(Signing::By)]
}

fn place() -> impl Strategy<Value = Place> {
    let later_secs = prop_oneof![2 => Just(0_u8), 1 => 0_u8..30];
    (0_u8..4, later_secs).prop_map(|(kind, later_secs)| Place { same_block: kind == 3, later_secs })
}

/// From dust to above the cap, odd more often than round.
fn stake_wei() -> impl Strategy<Value = u128> {
    prop_oneof![
        1 => (1_u128..100).prop_map(|wei| wei | 1),
        2 => (METIS..20_000 * METIS).prop_map(|wei| wei | 1),
        2 => (20_000_u128..=100_000).prop_map(|metis| metis * METIS),
        3 => (20_000 * METIS..100_000 * METIS).prop_map(|wei| wei | 1),
        3 => 100_000 * METIS..=MAX_LOCK_WEI,
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let id = any::<u8>;
    let reward = || prop_oneof![1_u64..10_000, 1_u64..50_000_000_000_000_000];
    let new_reward = prop_oneof![2 => Just(None), 3 => reward().prop_map(Some)];
    prop_oneof![
        3 => stake_wei().prop_map(Call::Lock),
        3 => (id(), stake_wei(), any::<bool>()).prop_map(|(id, wei, reward)| Call::Relock(id, wei, reward)),
        4 => (id(), any::<u128>()).prop_map(|(id, wei)| Call::Withdraw(id, wei)),
        4 => id().prop_map(Call::ChangeSigner),
        2 => id().prop_map(Call::Claim),
        3 => id().prop_map(Call::BeginExit),
        4 => id().prop_map(Call::FinishExit),
        1 => id().prop_map(Call::ChangeRecipient),
        1 => reward().prop_map(Call::SetReward),
        6 => (id(), new_reward).prop_map(|(spans, reward)| Call::PayBatch(spans, reward)),
        1 => Just(Call::Pause),
    ]
}
