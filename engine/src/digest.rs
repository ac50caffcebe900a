//! The ledger root: one digest of everything a fold decides. `docs/rules.md` lists what is in it.
//!
//! Each epoch has a digest of its own, and the root has them as a chain of links, so that an epoch
//! that is over is digested once, however often the ledger goes on.

use crate::ledger::{Earned, EpochLedger, Ledger};
use crate::rate::Rate;
use alloc::vec::Vec;
use alloy_primitives::{B256, U256};

/// The link before epoch 0.
pub(crate) const FIRST_LINK: B256 = B256::ZERO;

/// BLAKE3 over an epoch's numbers.
pub(crate) fn epoch_digest(epoch: &EpochLedger) -> B256 {
    let mut bytes = Canonical::new(epoch.rows.len());
    bytes.text("tally.epoch.2");
    bytes.number(epoch.epoch.0);
    bytes.number(epoch.start.0);
    bytes.amount(epoch.stake_seconds.get());
    bytes.earned(&epoch.earned);
    bytes.amount(epoch.stake_blocks.get());
    match epoch.rate {
        Rate::Initial => bytes.number(0),
        Rate::FromWindow(window) => {
            bytes.number(1);
            bytes.number(window.epoch.0);
            bytes.number(window.target.numerator());
            bytes.amount(window.target.denominator());
        }
        Rate::OnChain => bytes.number(2),
        Rate::Operators(entered) => {
            bytes.number(3);
            bytes.amount(entered.total_locked.get());
            bytes.number(entered.percent);
            bytes.number(entered.block_secs);
        }
        Rate::Fixed(reward) => {
            bytes.number(4);
            bytes.amount(reward.get());
        }
    }
    bytes.length(epoch.rows.len());
    for row in &epoch.rows {
        bytes.number(row.sequencer.0);
        bytes.earned(&row.earned);
    }
    bytes.digest()
}

/// The link of an epoch: BLAKE3 over the one before it and the epoch's digest.
pub(crate) fn link(before: B256, epoch: B256) -> B256 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before.as_slice());
    hasher.update(epoch.as_slice());
    B256::from(*hasher.finalize().as_bytes())
}

/// BLAKE3 over the link of the ledger's last epoch and the ledger's other numbers. It depends on the
/// history up to the horizon and on the policy (and, under `on-chain`, on which batches were paid by
/// the end of the log), but not on how the log was filled or read.
pub(crate) fn ledger_root(ledger: &Ledger, last_link: B256) -> B256 {
    let mut bytes = Canonical::new(ledger.sequencers.len());
    bytes.text("tally.ledger.2");
    bytes.option(ledger.genesis.map(|genesis| genesis.0));
    bytes.option(ledger.horizon.map(|horizon| horizon.block.0));
    bytes.option(ledger.horizon.map(|horizon| horizon.timestamp.0));
    bytes.length(ledger.epochs.len());
    bytes.0.extend_from_slice(last_link.as_slice());
    let earning = ledger.sequencers.iter().filter(|(_, total)| total.earned.blocks > 0);
    bytes.length(earning.clone().count());
    for (sequencer, total) in earning {
        bytes.number(sequencer.0);
        bytes.earned(&total.earned);
    }
    bytes.number(ledger.unrewarded.before_genesis);
    bytes.number(ledger.unrewarded.no_producer);
    bytes.number(ledger.unrewarded.unknown_signer);
    bytes.number(ledger.unrewarded.after_unlock);
    bytes.amount(ledger.total.get());
    bytes.length(ledger.batches.len());
    for batch in &ledger.batches {
        bytes.number(batch.batch.0);
        bytes.amount(batch.reward_per_block.get());
        bytes.length(batch.rows.len());
        for (sequencer, earned) in &batch.rows {
            bytes.number(sequencer.0);
            bytes.earned(earned);
        }
    }
    bytes.earned(&ledger.pending);
    bytes.digest()
}

impl EpochLedger {
    /// The digest that its other fields have: [`EpochLedger::digest`], unless somebody changed one.
    pub fn computed_digest(&self) -> B256 {
        epoch_digest(self)
    }
}

impl Ledger {
    /// The root that its other fields and its epochs' digests have: [`Ledger::root`], unless somebody changed one.
    pub fn computed_root(&self) -> B256 {
        let last_link = self.epochs.iter().fold(FIRST_LINK, |before, epoch| link(before, epoch.digest));
        ledger_root(self, last_link)
    }
}

/// Values, written in a way that no two sequences of values share.
struct Canonical(Vec<u8>);

impl Canonical {
    /// Nothing yet; `rows` is how many there will be, about.
    fn new(rows: usize) -> Self {
        // A row has 48 bytes, and all else together a few hundred.
        Self(Vec::with_capacity(rows.saturating_mul(48).saturating_add(512)))
    }

    /// Its length in bytes, and the bytes.
    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Takes a number as 8 bytes, big-endian.
    fn number(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    /// A count of things that follow.
    fn length(&mut self, value: usize) {
        self.number(u64::try_from(value).expect("no count of things in memory passes 64 bits"));
    }

    /// Takes an amount as 32 bytes, big-endian.
    fn amount(&mut self, value: U256) {
        self.0.extend_from_slice(&value.to_be_bytes::<32>());
    }

    /// 0, or 1 and the value.
    fn option(&mut self, value: Option<u64>) {
        match value {
            None => self.number(0),
            Some(value) => {
                self.number(1);
                self.number(value);
            }
        }
    }

    fn earned(&mut self, earned: &Earned) {
        self.number(earned.blocks);
        self.amount(earned.reward.get());
    }

    fn digest(&self) -> B256 {
        B256::from(*blake3::hash(&self.0).as_bytes())
    }
}
