//! Receipts: what a replay gave, of which log and under which policy, as one file that anybody can compare.
//!
//! `docs/receipt.md` has every field. A receipt is read strictly: its bytes have to be those that this module
//! writes, and its digests those that its numbers have.

mod check;
mod ledger;
mod log;
mod text;

pub use log::{ReceiptChain, ReceiptHead, ReceiptInitial, ReceiptLog};

use crate::error::ReplayError;
use crate::run::Replayed;
use alloy_primitives::{Address, B256, U256};
use check::{check, check_canonical};
use serde::{Deserialize, Serialize};
use tally_engine::{L2Block, Ledger, Policy};
use tally_eventlog::{Heads, LogError, LogIdentity};

/// The format that this program writes, and the only one that it reads.
pub const RECEIPT_FORMAT: &str = "tally.receipt.1";

/// How long a receipt may be. That of a billion blocks and 32 sequencers has 13 MB.
pub const RECEIPT_BYTES_MAX: usize = 256 << 20;

/// What a replay gave. All times are unix times; `_wei` is wei; lists are in order of their first field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Always [`RECEIPT_FORMAT`], in this format.
    pub format: String,
    /// The version of the engine that made it. Of no matter to the result.
    pub engine_version: String,
    /// The policy that was replayed, whole.
    pub policy: ReceiptPolicy,
    /// The log that was replayed.
    pub log: ReceiptLog,
    /// The last block to be folded, if one was given.
    pub to: Option<u64>,
    /// The last block that was folded, if any was.
    pub horizon: Option<ReceiptHorizon>,
    /// Why it is the last.
    pub stopped: ReceiptStop,
    /// When epoch 0 begins, if it does by the horizon.
    pub genesis: Option<u64>,
    /// The epochs up to the horizon.
    pub epochs: Vec<ReceiptEpoch>,
    /// Every sequencer that had locked by the horizon or earned.
    pub sequencers: Vec<ReceiptSequencer>,
    /// Blocks without reward, by reason.
    pub unrewarded: ReceiptUnrewarded,
    /// Under `on-chain`: the paid batches that blocks up to the horizon belong to.
    pub batches: Vec<ReceiptBatch>,
    /// Under `on-chain`: what no batch has paid yet, a part of the total.
    pub pending: ReceiptEarned,
    /// The sum of all rewards.
    #[serde(with = "text")]
    pub total_wei: U256,
    /// The ledger root (`docs/rules.md`).
    #[serde(with = "text")]
    pub ledger_root: B256,
}

/// A policy, with its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptPolicy {
    /// The name of the policy.
    pub name: String,
    /// The version of the policy.
    pub version: u32,
    /// The digest of the policy (`docs/rules.md`).
    #[serde(with = "text")]
    pub digest: B256,
    /// The policy file, as [`Policy::to_toml`] writes it.
    pub text: String,
}

/// The last block that was folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptHorizon {
    /// The number of the block.
    pub l2_block: u64,
    /// The timestamp of the block.
    pub timestamp: u64,
}

/// Why no more was folded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptStop {
    /// `log_end`, `as_asked`, `l1_behind` or `unsettled`.
    pub reason: String,
    /// The block that could not be folded yet, if that is why.
    pub next_l2_block: Option<u64>,
}

/// An epoch, with its own sums.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptEpoch {
    /// The index of the epoch, from 0.
    pub epoch: u64,
    /// When the epoch begins, in Unix seconds.
    pub start: u64,
    /// The stake-seconds Q, in wei·s.
    #[serde(with = "text")]
    pub stake_seconds: U256,
    /// How many blocks were rewarded (N).
    pub blocks: u64,
    /// The stake-blocks W, in wei·blocks.
    #[serde(with = "text")]
    pub stake_blocks: U256,
    /// The sum of its rewards.
    #[serde(with = "text")]
    pub reward_wei: U256,
    /// The target in force when it begins, as a decimal fraction.
    pub target_mrr: String,
    /// What sets the reward of its blocks.
    pub rate: ReceiptRate,
    /// The sequencers with rewarded blocks in it.
    pub rows: Vec<ReceiptRow>,
    /// The digest of the epoch (`docs/rules.md`).
    #[serde(with = "text")]
    pub digest: B256,
}

/// Where an epoch's rate comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case", deny_unknown_fields)]
pub enum ReceiptRate {
    /// The initial reward of the policy.
    Initial {},
    /// The stake and the blocks of an earlier epoch.
    Window {
        /// The epoch whose sums they are.
        window_epoch: u64,
        /// The target that it was set with, as a decimal fraction.
        mrr: String,
    },
    /// The reward per block of the contract.
    Chain {},
    /// The formula of the pool's operators.
    Operators {
        /// What was locked when the epoch began.
        #[serde(with = "text")]
        total_locked_wei: U256,
        /// The percentage of it that a year of rewards is to be.
        percent: u64,
        /// The seconds from one block to the next.
        block_secs: u64,
    },
    /// A reward that the policy fixes.
    Fixed {
        /// What every block of the epoch earns, in wei.
        #[serde(with = "text")]
        reward_per_block_wei: U256,
    },
}

/// A sequencer in an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptRow {
    /// The sequencer that the row is of.
    pub sequencer: u64,
    /// Its capped stake over the epoch, in wei·s.
    #[serde(with = "text")]
    pub stake_seconds: U256,
    /// Its rewarded blocks, never 0.
    pub blocks: u64,
    /// The reward of these blocks.
    #[serde(with = "text")]
    pub reward_wei: U256,
}

/// A sequencer over the whole replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptSequencer {
    /// The id of the sequencer.
    pub id: u64,
    /// Its signer at the horizon; `None` if it locked only later.
    #[serde(with = "text::optional_address")]
    pub signer: Option<Address>,
    /// How many of its blocks were rewarded.
    pub blocks: u64,
    /// The reward of these blocks.
    #[serde(with = "text")]
    pub reward_wei: U256,
}

/// Blocks without reward, by the first reason that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptUnrewarded {
    /// Blocks from before epoch 0.
    pub before_genesis: u64,
    /// Unsigned and before the first span.
    pub no_producer: u64,
    /// No sequencer had introduced the signer by then.
    pub unknown_signer: u64,
    /// The sequencer was not active any more.
    pub after_unlock: u64,
}

/// A batch that the contract paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptBatch {
    /// The number of the batch.
    pub batch: u64,
    /// What a block of it earned.
    #[serde(with = "text")]
    pub reward_per_block_wei: U256,
    /// What each sequencer earned by its schedule.
    pub rows: Vec<ReceiptBatchRow>,
}

/// A sequencer in a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptBatchRow {
    /// The sequencer that was credited.
    pub sequencer: u64,
    /// How many of its blocks were credited.
    pub blocks: u64,
    /// The reward of these blocks.
    #[serde(with = "text")]
    pub reward_wei: U256,
}

/// Blocks and what they earned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptEarned {
    /// How many blocks are pending.
    pub blocks: u64,
    /// The reward of these blocks.
    #[serde(with = "text")]
    pub reward_wei: U256,
}

/// The format of a receipt, whatever else it says.
#[derive(Deserialize)]
struct Tag {
    format: String,
}

impl Receipt {
    /// The receipt of a replay of the log with this identity and these heads, up to block `to` if one was given.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the log has no digest, which none is known to cause.
    pub fn new(
        identity: &LogIdentity,
        heads: &Heads,
        to: Option<L2Block>,
        replayed: &Replayed,
    ) -> Result<Self, LogError> {
        let Replayed { policy, ledger, stop } = replayed;
        Ok(Self {
            format: RECEIPT_FORMAT.into(),
            engine_version: tally_engine::VERSION.into(),
            policy: ReceiptPolicy {
                name: policy.name().into(),
                version: policy.version(),
                digest: policy.digest(),
                text: policy.to_toml(),
            },
            log: ReceiptLog::new(identity, heads)?,
            to: to.map(|to| to.0),
            horizon: ledger
                .horizon
                .map(|horizon| ReceiptHorizon { l2_block: horizon.block.0, timestamp: horizon.timestamp.0 }),
            stopped: ReceiptStop {
                reason: stop.code().into(),
                next_l2_block: stop.next_block().map(|block| block.0),
            },
            genesis: ledger.genesis.map(|genesis| genesis.0),
            epochs: ledger::epochs(ledger),
            sequencers: ledger::sequencers(ledger),
            unrewarded: ledger.unrewarded.into(),
            batches: ledger::batches(ledger),
            pending: ledger.pending.into(),
            total_wei: ledger.total.get(),
            ledger_root: ledger.root,
        })
    }

    /// The receipt as a file: indented JSON with a line feed at its end.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("numbers, texts and lists of them are JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a receipt, and checks that its bytes are those that [`Receipt::to_bytes`] writes, and its digests
    /// those that its numbers have.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] naming the line, or the digest with both values.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReplayError> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(ReplayError::ReceiptTooLong { found: bytes.len(), max: RECEIPT_BYTES_MAX });
        }
        let Tag { format } = serde_json::from_slice(bytes)?;
        if format != RECEIPT_FORMAT {
            return Err(ReplayError::ReceiptFormat { found: format, known: RECEIPT_FORMAT });
        }
        let receipt: Self = serde_json::from_slice(bytes)?;
        check_canonical(bytes, &receipt.to_bytes())?;
        receipt.check_digests()?;
        Ok(receipt)
    }

    /// BLAKE3 of the receipt's bytes.
    pub fn digest(&self) -> B256 {
        B256::from(*blake3::hash(&self.to_bytes()).as_bytes())
    }

    /// The policy of its text.
    ///
    /// # Errors
    ///
    /// [`ReplayError::ReceiptPolicy`] if the text is no policy.
    pub fn policy(&self) -> Result<Policy, ReplayError> {
        Ok(Policy::from_toml(&self.policy.text)?)
    }

    /// The ledger that its numbers are, with the digests that it states.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] naming what is no ledger's.
    pub fn ledger(&self) -> Result<Ledger, ReplayError> {
        ledger::ledger(self)
    }

    fn check_digests(&self) -> Result<(), ReplayError> {
        let policy = self.policy()?;
        check("policy.digest", &policy.digest(), &self.policy.digest)?;
        check("policy.text", &policy.to_toml(), &self.policy.text)?;
        check("log.head_digest", &self.log.computed_digest()?, &self.log.head_digest)?;
        let ledger = self.ledger()?;
        for epoch in &ledger.epochs {
            let place = format!("the digest of epoch {}", epoch.epoch);
            check(&place, &epoch.computed_digest(), &epoch.digest)?;
        }
        check("ledger_root", &ledger.computed_root(), &ledger.root)
    }
}
