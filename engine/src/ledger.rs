//! What a fold gives.

use crate::grid::sum_blocks;
use crate::ids::{BatchId, EpochIndex, L2Block, SequencerId, UnixTime};
use crate::money::{AmountError, StakeBlocks, StakeSeconds, Wei};
use crate::policy::Mrr;
use crate::rate::{Rate, realised_mrr};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256};

/// The last block of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// The number of the block.
    pub block: L2Block,
    /// The timestamp of the block.
    pub timestamp: UnixTime,
}

/// Blocks and what they earned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Earned {
    /// How many blocks were rewarded.
    pub blocks: u64,
    /// The sum of their rewards.
    pub reward: Wei,
}

/// Why a block earns nothing, in order of precedence: the first that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unrewarded {
    /// Before epoch 0; under `on-chain` also the blocks of span 0, which the contract never pays.
    BeforeGenesis,
    /// Unsigned and before the first span.
    NoProducer,
    /// No sequencer had introduced the signer by then.
    UnknownSigner,
    /// The producer's sequencer was not active any more (or, under `on-chain`, was gone).
    AfterUnlock,
}

impl Unrewarded {
    /// A word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BeforeGenesis => "before_genesis",
            Self::NoProducer => "no_producer",
            Self::UnknownSigner => "unknown_signer",
            Self::AfterUnlock => "after_unlock",
        }
    }
}

/// How many blocks earned nothing, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnrewardedBlocks {
    /// How many were [`Unrewarded::BeforeGenesis`].
    pub before_genesis: u64,
    /// How many were [`Unrewarded::NoProducer`].
    pub no_producer: u64,
    /// How many were [`Unrewarded::UnknownSigner`].
    pub unknown_signer: u64,
    /// How many were [`Unrewarded::AfterUnlock`].
    pub after_unlock: u64,
}

/// One sequencer in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The sequencer that the row is of.
    pub sequencer: SequencerId,
    /// Its rewarded blocks and what they earned. Never without blocks.
    pub earned: Earned,
    /// Its capped stake over the epoch, in wei·s.
    pub stake_seconds: StakeSeconds,
}

/// One epoch. All sums are of this epoch; the last epoch's reach up to the horizon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochLedger {
    /// The index of the epoch.
    pub epoch: EpochIndex,
    /// When the epoch begins.
    pub start: UnixTime,
    /// `Q`: all capped stake over the epoch, in wei·s.
    pub stake_seconds: StakeSeconds,
    /// `N` and the sum of the rewards.
    pub earned: Earned,
    /// `W`: the producers' capped stakes, summed over the rewarded blocks.
    pub stake_blocks: StakeBlocks,
    /// The target in force when the epoch begins.
    pub target: Mrr,
    /// What its blocks earn.
    pub rate: Rate,
    /// Its sequencers that earned, by id.
    pub rows: Vec<Row>,
    /// The digest of the epoch, as `docs/rules.md` describes it. The first that differs is where two
    /// ledgers part.
    pub digest: B256,
}

/// One batch of the `on-chain` allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchLedger {
    /// The number of the batch.
    pub batch: BatchId,
    /// What a block of it earned.
    pub reward_per_block: Wei,
    /// What each sequencer earned by its schedule, by id.
    pub rows: BTreeMap<SequencerId, Earned>,
}

/// One sequencer over the whole replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequencerTotal {
    /// Its signer at the horizon; `None` if it locked only later (and a batch pays it all the same).
    pub signer: Option<Address>,
    /// Its rewarded blocks and what they earned.
    pub earned: Earned,
}

/// What a policy makes of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// When epoch 0 begins, or `None` while (up to the horizon) nobody has locked.
    pub genesis: Option<UnixTime>,
    /// The last block folded, or `None` if none could be.
    pub horizon: Option<Horizon>,
    /// The epochs up to the horizon, those without blocks included.
    pub epochs: Vec<EpochLedger>,
    /// Every sequencer that had locked by the horizon or earned, by id.
    pub sequencers: BTreeMap<SequencerId, SequencerTotal>,
    /// Blocks that earned nothing.
    pub unrewarded: UnrewardedBlocks,
    /// The sum of all rewards.
    pub total: Wei,
    /// Under `on-chain`: the paid batches that blocks up to the horizon belong to.
    pub batches: Vec<BatchLedger>,
    /// Under `on-chain`: the part of `total` that no batch has paid yet.
    pub pending: Earned,
    /// The digest of everything above but the signers, as `docs/rules.md` describes it.
    pub root: B256,
}

impl Earned {
    pub(crate) fn sum(parts: impl IntoIterator<Item = Self>) -> Result<Self, crate::FoldError> {
        let mut sum = Self::default();
        for part in parts {
            sum.add(part.blocks, part.reward)?;
        }
        Ok(sum)
    }

    pub(crate) fn add(&mut self, blocks: u64, reward: Wei) -> Result<(), crate::FoldError> {
        self.blocks = sum_blocks(self.blocks, blocks)?;
        self.reward = self.reward.checked_add(reward)?;
        Ok(())
    }
}

impl UnrewardedBlocks {
    pub(crate) fn add(&mut self, reason: Unrewarded, blocks: u64) -> Result<(), crate::FoldError> {
        let count = match reason {
            Unrewarded::BeforeGenesis => &mut self.before_genesis,
            Unrewarded::NoProducer => &mut self.no_producer,
            Unrewarded::UnknownSigner => &mut self.unknown_signer,
            Unrewarded::AfterUnlock => &mut self.after_unlock,
        };
        *count = sum_blocks(*count, blocks)?;
        Ok(())
    }

    /// All of them, or `None` above 2^64 - 1.
    pub fn total(&self) -> Option<u64> {
        self.before_genesis
            .checked_add(self.no_producer)?
            .checked_add(self.unknown_signer)?
            .checked_add(self.after_unlock)
    }
}

impl Row {
    /// The mining reward rate that the sequencer reached in the epoch, in units of 10^-18, rounded
    /// down; `None` if it had no stake.
    ///
    /// # Errors
    ///
    /// [`AmountError`] if it does not fit.
    pub fn realised_mrr(&self) -> Result<Option<U256>, AmountError> {
        realised_mrr(self.earned.reward, self.stake_seconds)
    }
}

impl EpochLedger {
    /// The mining reward rate that the pool reached in the epoch, in units of 10^-18, rounded down;
    /// `None` if there was no stake.
    ///
    /// # Errors
    ///
    /// [`AmountError`] if it does not fit.
    pub fn realised_mrr(&self) -> Result<Option<U256>, AmountError> {
        realised_mrr(self.earned.reward, self.stake_seconds)
    }
}
