//! Made-up logs of any size: for whoever wants to know what a log of so many blocks takes, and the input of
//! every benchmark.
//!
//! Everything follows from a [`Plan`]: each thing that is random is drawn from BLAKE3 of the seed and of its
//! place, so that any part can be made by itself, on any thread, and the same plan gives the same bytes. What
//! comes out is a log like any other: it verifies, and replays under every policy.
//!
//! A plan that cannot be carried out is a [`PlanError`]; what fails while the log is written is a [`LogError`]. A panic is
//! a fault of this crate.

mod blocks;
mod draw;
mod events;

use crate::blocks::chunks;
use crate::events::{l1_records, span_records};
use alloy_primitives::{Address, U256, keccak256};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use tally_engine::{BatchId, L1Block, L2Block, PoolGenesis, UnixTime, Wei};
use tally_eventlog::{Heads, L1Head, LogError, LogIdentity, SIGNERS_MAX, bulk_load};

/// When the first block of L2 is made: the second in which the sequencers lock.
pub const FIRST_TIME: UnixTime = UnixTime(1_700_000_000);

/// How long two blocks of L2 take together. How they share it is drawn.
pub const PAIR_SECS: u64 = 5;

/// The most blocks: 2^40, at 2.5 s a block some 87,000 years.
pub const BLOCKS_MAX: u64 = 1 << 40;

/// How many blocks a span has where the producers do not follow them.
const LONG_SPAN_BLOCKS: u64 = 100_000;

/// Who produces which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The signer of the block's span; spans have so many blocks.
    Spans(u64),
    /// Anybody, anew for each block.
    Random,
    /// Spans of 200 blocks with deposit-only blocks in between for 131,072 blocks, then as many at random,
    /// and so on.
    Mixed,
}

impl Pattern {
    /// How many blocks a span has.
    pub(crate) fn span_blocks(self) -> u64 {
        match self {
            Self::Spans(blocks) => blocks,
            Self::Random => LONG_SPAN_BLOCKS,
            Self::Mixed => 200,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spans(blocks) => write!(f, "spans:{blocks}"),
            Self::Random => f.write_str("random"),
            Self::Mixed => f.write_str("mixed"),
        }
    }
}

impl FromStr for Pattern {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        match text {
            "random" => return Ok(Self::Random),
            "mixed" => return Ok(Self::Mixed),
            _ => {}
        }
        let blocks = text.strip_prefix("spans:").and_then(|blocks| blocks.parse().ok());
        blocks.filter(|blocks| (1..=BLOCKS_MAX).contains(blocks)).map(Self::Spans).ok_or_else(|| {
            PlanError(format!("{text:?} is not random, mixed or spans:N, with N from 1 to {BLOCKS_MAX}"))
        })
    }
}

/// A plan that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(String);

/// What kind of log to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    blocks: u64,
    sequencers: u16,
    pattern: Pattern,
    stake_changes: u64,
    seed: u64,
}

impl Plan {
    /// A log of so many L2 `blocks`, made by so many `sequencers`, whose stakes change so many times in all,
    /// at equal distances.
    ///
    /// # Errors
    ///
    /// [`PlanError`] unless there is at least one block (and at most [`BLOCKS_MAX`]), one sequencer (and
    /// no more than a log has codes for), and no more stake changes than blocks.
    pub fn new(
        blocks: u64,
        sequencers: u16,
        pattern: Pattern,
        stake_changes: u64,
        seed: u64,
    ) -> Result<Self, PlanError> {
        if blocks == 0 || blocks > BLOCKS_MAX {
            return Err(PlanError(format!("{blocks} blocks are not 1 to {BLOCKS_MAX}")));
        }
        if sequencers == 0 {
            return Err(PlanError(format!("0 sequencers are not 1 to {SIGNERS_MAX}")));
        }
        // A block takes 2.5 s, so each change has a second of its own.
        if stake_changes > blocks {
            return Err(PlanError(format!(
                "{stake_changes} stake changes are more than the {blocks} blocks"
            )));
        }
        Ok(Self { blocks, sequencers, pattern, stake_changes, seed })
    }

    /// The last L2 block; the first is 0.
    pub fn last_block(&self) -> L2Block {
        L2Block(self.blocks - 1)
    }

    /// The signer of a sequencer, which are counted from 0.
    pub fn signer(&self, sequencer: u64) -> Address {
        let mut bytes = self.seed.to_be_bytes().to_vec();
        bytes.extend(sequencer.to_be_bytes());
        Address::from_slice(&keccak256(bytes)[12..])
    }
}

/// What a made-up log is of: chains and contracts that are none.
fn identity() -> LogIdentity {
    let metis = |count: u64| Wei::new(U256::from(count) * U256::from(10_u64).pow(U256::from(18)));
    LogIdentity {
        l1_chain_id: 1_337,
        l2_chain_id: 1_338,
        locking_info: Address::repeat_byte(1),
        locking_pool: Address::repeat_byte(2),
        metis_token: Address::repeat_byte(3),
        sequencer_set: Address::repeat_byte(4),
        l1_first_block: L1Block(1),
        l2_first_block: L2Block(0),
        genesis: PoolGenesis {
            batch_block: L1Block(1),
            batch: BatchId(1),
            reward_per_block: Wei::new(U256::from(761_000_000_000_000_u64)),
            min_lock: metis(20_000),
            max_lock: metis(120_000),
            exit_delay_secs: 1_814_400,
            signer_update_throttle_batches: 1,
        },
    }
}

/// Makes the log of a plan at `path`, where nothing may be yet.
///
/// # Errors
///
/// What [`bulk_load`] says.
pub fn make_log(path: &Path, plan: &Plan) -> Result<Heads, LogError> {
    bulk_load::<LogError>(path, &identity(), |log| {
        let mut last = None;
        for record in l1_records(plan) {
            log.l1(&record)?;
            last = Some((record.block, record.timestamp));
        }
        let end = FIRST_TIME.0 + plan.blocks.div_ceil(2) * PAIR_SECS;
        let (block, time) = last.unwrap_or((L1Block(1), FIRST_TIME));
        let timestamp = UnixTime(end.max(time.0) + 12);
        log.l1_head(L1Head {
            block: L1Block(block.0 + 1),
            hash: draw::hash(plan.seed, "l1", block.0 + 1),
            timestamp,
        });
        for sequencer in 0..u64::from(plan.sequencers).min(blocks::sequencers_by(plan, plan.last_block())) {
            log.signer(plan.signer(sequencer))?;
        }
        for record in span_records(plan) {
            log.span(&record)?;
        }
        chunks(plan, |chunk| log.chunk(chunk))
    })
}
