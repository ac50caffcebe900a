//! The ledger root: one digest of everything a fold decides.

use crate::ledger::{Earned, Ledger, Rate};
use alloy_primitives::{B256, U256};

/// BLAKE3 over the ledger's numbers in a fixed order; `docs/rules.md` lists them. It depends on the
/// history up to the horizon and on the policy (and, under `on-chain`, on which batches were paid by
/// the end of the log), but not on how the log was filled or read.
pub(crate) fn ledger_root(ledger: &Ledger) -> B256 {
    let mut hasher = Canonical(blake3::Hasher::new());
    hasher.bytes(b"tally.ledger.1");
    hasher.option(ledger.genesis.map(|genesis| genesis.0));
    hasher.option(ledger.horizon.map(|horizon| horizon.block.0));
    hasher.option(ledger.horizon.map(|horizon| horizon.timestamp.0));
    hasher.length(ledger.epochs.len());
    for epoch in &ledger.epochs {
        hasher.number(epoch.epoch.0);
        hasher.number(epoch.start.0);
        hasher.amount(epoch.stake_seconds.get());
        hasher.earned(&epoch.earned);
        hasher.amount(epoch.stake_blocks.get());
        match epoch.rate {
            Rate::Initial => hasher.number(0),
            Rate::FromWindow(window) => {
                hasher.number(1);
                hasher.number(window.epoch);
                hasher.number(window.target.numerator());
                hasher.amount(window.target.denominator());
            }
            Rate::OnChain => hasher.number(2),
        }
        hasher.length(epoch.rows.len());
        for row in &epoch.rows {
            hasher.number(row.sequencer.0);
            hasher.earned(&row.earned);
        }
    }
    let earning = ledger.sequencers.iter().filter(|(_, total)| total.earned.blocks > 0);
    hasher.length(earning.clone().count());
    for (sequencer, total) in earning {
        hasher.number(sequencer.0);
        hasher.earned(&total.earned);
    }
    hasher.number(ledger.unrewarded.before_genesis);
    hasher.number(ledger.unrewarded.no_producer);
    hasher.number(ledger.unrewarded.unknown_signer);
    hasher.number(ledger.unrewarded.after_unlock);
    hasher.amount(ledger.total.get());
    hasher.length(ledger.batches.len());
    for batch in &ledger.batches {
        hasher.number(batch.batch.0);
        hasher.amount(batch.reward_per_block.get());
        hasher.length(batch.rows.len());
        for (sequencer, earned) in &batch.rows {
            hasher.number(sequencer.0);
            hasher.earned(earned);
        }
    }
    hasher.earned(&ledger.pending);
    B256::from(*hasher.0.finalize().as_bytes())
}

/// Writes values in a way that no two sequences of values share.
struct Canonical(blake3::Hasher);

impl Canonical {
    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.update(bytes);
    }

    /// 8 bytes, big-endian.
    fn number(&mut self, value: u64) {
        self.0.update(&value.to_be_bytes());
    }

    /// A count of things that follow.
    fn length(&mut self, value: usize) {
        self.number(u64::try_from(value).expect("no count of things in memory passes 64 bits"));
    }

    /// 32 bytes, big-endian.
    fn amount(&mut self, value: U256) {
        self.0.update(&value.to_be_bytes::<32>());
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
}
