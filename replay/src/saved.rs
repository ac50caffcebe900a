//! A replay's result kept in a file, so that the next question about the same log and policy need not replay it.
//!
//! It is a copy, to be thrown away at will: whoever reads it asks for one log (by its head digest), one policy and
//! one version of the engine, and gets nothing if it is of others, or damaged.

use crate::horizon::Stop;
use crate::run::Replayed;
use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tally_engine::{
    BatchId, BatchLedger, Earned, EpochIndex, EpochLedger, Horizon, L2Block, Ledger, Mrr, OperatorsRate,
    Policy, Rate, Row, SequencerId, SequencerTotal, StakeBlocks, StakeSeconds, UnixTime, UnrewardedBlocks,
    Wei, Window,
};

/// The form of these bytes.
const FORM: &str = "tally.saved.1";

/// Raised with each line "Results change" of the changelog.
const RESULTS: u32 = 2;

/// No saved replay is longer: 10^9 blocks with 32 sequencers take 3 MB.
pub const SAVED_BYTES_MAX: usize = 1 << 30;

/// The log, policy and version that a kept replay was made with.
#[derive(Serialize, Deserialize, PartialEq)]
struct Of {
    form: String,
    engine_version: String,
    results: u32,
    policy: [u64; 4],
    log: [u64; 4],
}

impl Of {
    fn new(policy: &Policy, log: B256) -> Self {
        Self {
            form: FORM.into(),
            engine_version: env!("CARGO_PKG_VERSION").into(),
            results: RESULTS,
            policy: digest(policy.digest()),
            log: digest(log),
        }
    }
}

type Amount = [u64; 4];

#[derive(Serialize, Deserialize)]
struct Saved {
    of: Of,
    stop: SavedStop,
    genesis: Option<u64>,
    horizon: Option<(u64, u64)>,
    epochs: Vec<SavedEpoch>,
    sequencers: Vec<(u64, Option<[u8; 20]>, SavedEarned)>,
    unrewarded: [u64; 4],
    total: Amount,
    batches: Vec<SavedBatch>,
    pending: SavedEarned,
    root: Amount,
}

#[derive(Serialize, Deserialize)]
enum SavedStop {
    LogEnd,
    AsAsked,
    L1Behind(u64, Option<u64>),
    Unsettled(u64),
}

type SavedEarned = (u64, Amount);

/// Id, reward per block, and what each sequencer earned.
type SavedBatch = (u64, Amount, Vec<(u64, SavedEarned)>);

#[derive(Serialize, Deserialize)]
struct SavedEpoch {
    start: u64,
    stake_seconds: Amount,
    earned: SavedEarned,
    stake_blocks: Amount,
    target: String,
    rate: SavedRate,
    rows: Vec<(u64, SavedEarned, Amount)>,
    digest: Amount,
}

#[derive(Serialize, Deserialize)]
enum SavedRate {
    Initial,
    FromWindow { epoch: u64, target: String, stake_seconds: Amount, blocks: u64, stake_blocks: Amount },
    OnChain,
    Operators { total_locked: Amount, percent: u64, block_secs: u64 },
    Fixed(Amount),
}

/// The bytes to keep: `replayed`, which came of the log with this head digest. `None` if they cannot be encoded.
pub fn save(replayed: &Replayed, log: B256) -> Option<Vec<u8>> {
    let ledger = &replayed.ledger;
    let saved = Saved {
        of: Of::new(&replayed.policy, log),
        stop: match replayed.stop {
            Stop::LogEnd => SavedStop::LogEnd,
            Stop::AsAsked => SavedStop::AsAsked,
            Stop::L1Behind { next, l1_timestamp } => {
                SavedStop::L1Behind(next.0, l1_timestamp.map(|time| time.0))
            }
            Stop::Unsettled { next } => SavedStop::Unsettled(next.0),
        },
        genesis: ledger.genesis.map(|time| time.0),
        horizon: ledger.horizon.map(|horizon| (horizon.block.0, horizon.timestamp.0)),
        epochs: ledger.epochs.iter().map(SavedEpoch::of).collect(),
        sequencers: ledger
            .sequencers
            .iter()
            .map(|(id, total)| (id.0, total.signer.map(Address::into_array), of_earned(total.earned)))
            .collect(),
        unrewarded: [
            ledger.unrewarded.before_genesis,
            ledger.unrewarded.no_producer,
            ledger.unrewarded.unknown_signer,
            ledger.unrewarded.after_unlock,
        ],
        total: amount(ledger.total.get()),
        batches: ledger
            .batches
            .iter()
            .map(|batch| {
                let rows = batch.rows.iter().map(|(id, earned)| (id.0, of_earned(*earned))).collect();
                (batch.batch.0, amount(batch.reward_per_block.get()), rows)
            })
            .collect(),
        pending: of_earned(ledger.pending),
        root: digest(ledger.root),
    };
    let mut bytes = bincode::serde::encode_to_vec(&saved, bincode::config::standard()).ok()?;
    bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
    Some(bytes)
}

/// What was kept, if it is of this policy and of the log with this head digest.
pub fn restore(bytes: &[u8], policy: &Policy, log: B256) -> Option<Replayed> {
    let (body, found) = bytes.split_last_chunk::<32>()?;
    if bytes.len() > SAVED_BYTES_MAX || blake3::hash(body).as_bytes() != found {
        return None;
    }
    let config = bincode::config::standard().with_limit::<SAVED_BYTES_MAX>();
    // What it is of comes first, and what comes after it may have another form.
    let (of, _): (Of, usize) = bincode::serde::decode_from_slice(body, config).ok()?;
    if of != Of::new(policy, log) {
        return None;
    }
    let (saved, read): (Saved, usize) = bincode::serde::decode_from_slice(body, config).ok()?;
    (read == body.len()).then_some(())?;
    let [before_genesis, no_producer, unknown_signer, after_unlock] = saved.unrewarded;
    let epochs =
        (0..).zip(&saved.epochs).map(|(index, epoch)| epoch.restore(index)).collect::<Option<_>>()?;
    let signer = |signer: Option<[u8; 20]>| signer.map(Address::new);
    let sequencers = saved.sequencers.into_iter().map(|(id, address, earned)| {
        (SequencerId(id), SequencerTotal { signer: signer(address), earned: to_earned(earned) })
    });
    let batches = saved.batches.into_iter().map(|(batch, reward, rows)| BatchLedger {
        batch: BatchId(batch),
        reward_per_block: Wei::new(to_amount(reward)),
        rows: rows.into_iter().map(|(id, earned)| (SequencerId(id), to_earned(earned))).collect(),
    });
    Some(Replayed {
        policy: policy.clone(),
        stop: match saved.stop {
            SavedStop::LogEnd => Stop::LogEnd,
            SavedStop::AsAsked => Stop::AsAsked,
            SavedStop::L1Behind(next, time) => {
                Stop::L1Behind { next: L2Block(next), l1_timestamp: time.map(UnixTime) }
            }
            SavedStop::Unsettled(next) => Stop::Unsettled { next: L2Block(next) },
        },
        ledger: Ledger {
            genesis: saved.genesis.map(UnixTime),
            horizon: saved
                .horizon
                .map(|(block, timestamp)| Horizon { block: L2Block(block), timestamp: UnixTime(timestamp) }),
            epochs,
            sequencers: sequencers.collect::<BTreeMap<_, _>>(),
            unrewarded: UnrewardedBlocks { before_genesis, no_producer, unknown_signer, after_unlock },
            total: Wei::new(to_amount(saved.total)),
            batches: batches.collect(),
            pending: to_earned(saved.pending),
            root: to_digest(saved.root),
        },
    })
}

impl SavedEpoch {
    fn of(epoch: &EpochLedger) -> Self {
        let row = |row: &Row| (row.sequencer.0, of_earned(row.earned), amount(row.stake_seconds.get()));
        Self {
            start: epoch.start.0,
            stake_seconds: amount(epoch.stake_seconds.get()),
            earned: of_earned(epoch.earned),
            stake_blocks: amount(epoch.stake_blocks.get()),
            target: epoch.target.to_string(),
            rate: match epoch.rate {
                Rate::Initial => SavedRate::Initial,
                Rate::FromWindow(window) => SavedRate::FromWindow {
                    epoch: window.epoch,
                    target: window.target.to_string(),
                    stake_seconds: amount(window.stake_seconds.get()),
                    blocks: window.blocks,
                    stake_blocks: amount(window.stake_blocks.get()),
                },
                Rate::OnChain => SavedRate::OnChain,
                Rate::Operators(OperatorsRate { total_locked, percent, block_secs }) => {
                    SavedRate::Operators { total_locked: amount(total_locked.get()), percent, block_secs }
                }
                Rate::Fixed(reward) => SavedRate::Fixed(amount(reward.get())),
            },
            rows: epoch.rows.iter().map(row).collect(),
            digest: digest(epoch.digest),
        }
    }

    fn restore(&self, index: u64) -> Option<EpochLedger> {
        let row = |(id, earned, secs): &(u64, SavedEarned, Amount)| Row {
            sequencer: SequencerId(*id),
            earned: to_earned(*earned),
            stake_seconds: StakeSeconds::new(to_amount(*secs)),
        };
        Some(EpochLedger {
            epoch: EpochIndex(index),
            start: UnixTime(self.start),
            stake_seconds: StakeSeconds::new(to_amount(self.stake_seconds)),
            earned: to_earned(self.earned),
            stake_blocks: StakeBlocks::new(to_amount(self.stake_blocks)),
            target: Mrr::from_decimal(&self.target).ok()?,
            rate: match &self.rate {
                SavedRate::Initial => Rate::Initial,
                SavedRate::FromWindow { epoch, target, stake_seconds, blocks, stake_blocks } => {
                    Rate::FromWindow(Window {
                        epoch: *epoch,
                        target: Mrr::from_decimal(target).ok()?,
                        stake_seconds: StakeSeconds::new(to_amount(*stake_seconds)),
                        blocks: *blocks,
                        stake_blocks: StakeBlocks::new(to_amount(*stake_blocks)),
                    })
                }
                SavedRate::OnChain => Rate::OnChain,
                SavedRate::Operators { total_locked, percent, block_secs } => {
                    Rate::Operators(OperatorsRate {
                        total_locked: Wei::new(to_amount(*total_locked)),
                        percent: *percent,
                        block_secs: *block_secs,
                    })
                }
                SavedRate::Fixed(reward) => Rate::Fixed(Wei::new(to_amount(*reward))),
            },
            rows: self.rows.iter().map(row).collect(),
            digest: to_digest(self.digest),
        })
    }
}

/// Limbs, from the lowest: most are 0, and take a byte.
const fn amount(value: U256) -> Amount {
    *value.as_limbs()
}

const fn to_amount(limbs: Amount) -> U256 {
    U256::from_limbs(limbs)
}

fn digest(value: B256) -> Amount {
    amount(value.into())
}

fn to_digest(limbs: Amount) -> B256 {
    to_amount(limbs).into()
}

fn of_earned(earned: Earned) -> SavedEarned {
    (earned.blocks, amount(earned.reward.get()))
}

fn to_earned((blocks, reward): SavedEarned) -> Earned {
    Earned { blocks, reward: Wei::new(to_amount(reward)) }
}
