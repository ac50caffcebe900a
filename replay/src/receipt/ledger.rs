//! Ledgers, to receipts and back.

use super::{
    Receipt, ReceiptBatch, ReceiptBatchRow, ReceiptEarned, ReceiptEpoch, ReceiptRate, ReceiptRow,
    ReceiptSequencer, ReceiptUnrewarded,
};
use crate::error::ReplayError;
use alloy_primitives::U256;
use tally_engine::{
    BatchId, BatchLedger, Earned, EpochIndex, EpochLedger, Horizon, L2Block, Ledger, Mrr, OperatorsRate,
    Rate, Row, SequencerId, SequencerTotal, StakeBlocks, StakeSeconds, UnixTime, UnrewardedBlocks, Wei,
    Window,
};

pub(super) fn epochs(ledger: &Ledger) -> Vec<ReceiptEpoch> {
    let row = |row: &Row| ReceiptRow {
        sequencer: row.sequencer.0,
        stake_seconds: row.stake_seconds.get(),
        blocks: row.earned.blocks,
        reward_wei: row.earned.reward.get(),
    };
    let epoch = |epoch: &EpochLedger| ReceiptEpoch {
        epoch: epoch.epoch.0,
        start: epoch.start.0,
        stake_seconds: epoch.stake_seconds.get(),
        blocks: epoch.earned.blocks,
        stake_blocks: epoch.stake_blocks.get(),
        reward_wei: epoch.earned.reward.get(),
        target_mrr: epoch.target.to_string(),
        rate: match epoch.rate {
            Rate::Initial => ReceiptRate::Initial {},
            Rate::FromWindow(window) => {
                ReceiptRate::Window { window_epoch: window.epoch.0, mrr: window.target.to_string() }
            }
            Rate::OnChain => ReceiptRate::Chain {},
            Rate::Operators(OperatorsRate { total_locked, percent, block_secs }) => {
                ReceiptRate::Operators { total_locked_wei: total_locked.get(), percent, block_secs }
            }
            Rate::Fixed(reward) => ReceiptRate::Fixed { reward_per_block_wei: reward.get() },
        },
        rows: epoch.rows.iter().map(row).collect(),
        digest: epoch.digest,
    };
    ledger.epochs.iter().map(epoch).collect()
}

pub(super) fn sequencers(ledger: &Ledger) -> Vec<ReceiptSequencer> {
    let sequencer = |(id, total): (&SequencerId, &SequencerTotal)| ReceiptSequencer {
        id: id.0,
        signer: total.signer,
        blocks: total.earned.blocks,
        reward_wei: total.earned.reward.get(),
    };
    ledger.sequencers.iter().map(sequencer).collect()
}

pub(super) fn batches(ledger: &Ledger) -> Vec<ReceiptBatch> {
    let row = |(id, earned): (&SequencerId, &Earned)| ReceiptBatchRow {
        sequencer: id.0,
        blocks: earned.blocks,
        reward_wei: earned.reward.get(),
    };
    let batch = |batch: &BatchLedger| ReceiptBatch {
        batch: batch.batch.0,
        reward_per_block_wei: batch.reward_per_block.get(),
        rows: batch.rows.iter().map(row).collect(),
    };
    ledger.batches.iter().map(batch).collect()
}

impl From<UnrewardedBlocks> for ReceiptUnrewarded {
    fn from(blocks: UnrewardedBlocks) -> Self {
        let UnrewardedBlocks { before_genesis, no_producer, unknown_signer, after_unlock } = blocks;
        Self { before_genesis, no_producer, unknown_signer, after_unlock }
    }
}

impl From<Earned> for ReceiptEarned {
    fn from(earned: Earned) -> Self {
        Self { blocks: earned.blocks, reward_wei: earned.reward.get() }
    }
}

fn earned(blocks: u64, reward_wei: U256) -> Earned {
    Earned { blocks, reward: Wei::new(reward_wei) }
}

/// The ledger that a receipt's numbers are, with the digests that it states.
pub(super) fn ledger(receipt: &Receipt) -> Result<Ledger, ReplayError> {
    let mut epochs: Vec<EpochLedger> = Vec::with_capacity(receipt.epochs.len());
    for epoch in &receipt.epochs {
        epochs.push(epoch_ledger(epoch, &epochs)?);
    }
    let ReceiptUnrewarded { before_genesis, no_producer, unknown_signer, after_unlock } = receipt.unrewarded;
    let sequencer = |sequencer: &ReceiptSequencer| {
        let earned = earned(sequencer.blocks, sequencer.reward_wei);
        (SequencerId(sequencer.id), SequencerTotal { signer: sequencer.signer, earned })
    };
    let batch = |batch: &ReceiptBatch| {
        let row = |row: &ReceiptBatchRow| (SequencerId(row.sequencer), earned(row.blocks, row.reward_wei));
        check_order(&format!("batch {}", batch.batch), batch.rows.iter().map(|row| row.sequencer))?;
        Ok(BatchLedger {
            batch: BatchId(batch.batch),
            reward_per_block: Wei::new(batch.reward_per_block_wei),
            rows: batch.rows.iter().map(row).collect(),
        })
    };
    check_order("sequencers", receipt.sequencers.iter().map(|sequencer| sequencer.id))?;
    let batches: Result<Vec<BatchLedger>, ReplayError> = receipt.batches.iter().map(batch).collect();
    Ok(Ledger {
        genesis: receipt.genesis.map(UnixTime),
        horizon: receipt.horizon.map(|horizon| Horizon {
            block: L2Block(horizon.l2_block),
            timestamp: UnixTime(horizon.timestamp),
        }),
        epochs,
        sequencers: receipt.sequencers.iter().map(sequencer).collect(),
        unrewarded: UnrewardedBlocks { before_genesis, no_producer, unknown_signer, after_unlock },
        total: Wei::new(receipt.total_wei),
        batches: batches?,
        pending: earned(receipt.pending.blocks, receipt.pending.reward_wei),
        root: receipt.ledger_root,
    })
}

/// An epoch of a receipt; `before` are those before it.
fn epoch_ledger(epoch: &ReceiptEpoch, before: &[EpochLedger]) -> Result<EpochLedger, ReplayError> {
    let place = |what: &str| format!("{what} of epoch {}", epoch.epoch);
    let target = |what: &str, text: &str| {
        let mrr = Mrr::from_decimal(text).ok().filter(|mrr| mrr.to_string() == text);
        let expected = "a decimal fraction without trailing zeros";
        mrr.ok_or_else(|| ReplayError::ReceiptValue { place: place(what), expected, found: text.into() })
    };
    let rate = match &epoch.rate {
        ReceiptRate::Initial {} => Rate::Initial,
        ReceiptRate::Chain {} => Rate::OnChain,
        ReceiptRate::Operators { total_locked_wei, percent, block_secs } => Rate::Operators(OperatorsRate {
            total_locked: Wei::new(*total_locked_wei),
            percent: *percent,
            block_secs: *block_secs,
        }),
        ReceiptRate::Fixed { reward_per_block_wei } => Rate::Fixed(Wei::new(*reward_per_block_wei)),
        ReceiptRate::Window { window_epoch, mrr } => {
            // Its sums are not stated again. Epochs are numbered by their places.
            let window = usize::try_from(*window_epoch).ok().and_then(|place| before.get(place));
            let window = window.ok_or_else(|| ReplayError::ReceiptValue {
                place: place("rate.window_epoch"),
                expected: "an epoch before it",
                found: window_epoch.to_string(),
            })?;
            Rate::FromWindow(Window {
                epoch: EpochIndex(*window_epoch),
                target: target("rate.mrr", mrr)?,
                stake_seconds: window.stake_seconds,
                blocks: window.earned.blocks,
                stake_blocks: window.stake_blocks,
            })
        }
    };
    let row = |row: &ReceiptRow| Row {
        sequencer: SequencerId(row.sequencer),
        earned: earned(row.blocks, row.reward_wei),
        stake_seconds: StakeSeconds::new(row.stake_seconds),
    };
    Ok(EpochLedger {
        epoch: EpochIndex(epoch.epoch),
        start: UnixTime(epoch.start),
        stake_seconds: StakeSeconds::new(epoch.stake_seconds),
        earned: earned(epoch.blocks, epoch.reward_wei),
        stake_blocks: StakeBlocks::new(epoch.stake_blocks),
        target: target("target_mrr", &epoch.target_mrr)?,
        rate,
        rows: epoch.rows.iter().map(row).collect(),
        digest: epoch.digest,
    })
}

/// Tables of a ledger have each sequencer once, so a list with one twice would lose what it says of it.
fn check_order(place: &str, ids: impl Iterator<Item = u64>) -> Result<(), ReplayError> {
    let mut last = None;
    for id in ids {
        if last.is_some_and(|last| id <= last) {
            return Err(ReplayError::ReceiptValue {
                place: format!("sequencer {id} in {place}"),
                expected: "after those of smaller numbers, and once",
                found: "out of order".into(),
            });
        }
        last = Some(id);
    }
    Ok(())
}
