//! The columns of some blocks, as Parquet takes them.

use crate::error::ExportError;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use tally_engine::{Assessed, L2Block, Wei};
use tally_replay::BlockRow;

/// How many bytes a decimal takes: `DECIMAL(38, 0)` fits in 16.
pub(crate) const DECIMAL_BYTES: usize = 16;

/// The first number that has 39 digits.
const DECIMAL_END: u128 = 10_u128.pow(38);

/// A column whose values may be missing: those that are there, and for each row whether it has one.
pub(crate) struct Column<T> {
    pub(crate) values: Vec<T>,
    pub(crate) levels: Vec<i16>,
}

impl<T> Column<T> {
    const fn new() -> Self {
        Self { values: Vec::new(), levels: Vec::new() }
    }

    #[inline]
    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    fn clear(&mut self) {
        self.values.clear();
        self.levels.clear();
    }
}

/// Some rows, column by column.
pub(crate) struct Columns {
    pub(crate) blocks: Vec<i64>,
    pub(crate) timestamps: Vec<i64>,
    pub(crate) epochs: Column<i64>,
    pub(crate) spans: Column<i64>,
    pub(crate) sequencers: Column<i64>,
    /// Of rows that earned, as the two below.
    pub(crate) effective: Vec<u128>,
    pub(crate) rewards: Vec<u128>,
    pub(crate) totals: Vec<u128>,
    /// Whether a row earned.
    pub(crate) rewarded: Vec<i16>,
    pub(crate) batches: Column<i64>,
    pub(crate) unrewarded: Column<ByteArray>,
}

impl Columns {
    pub(crate) const fn new() -> Self {
        Self {
            blocks: Vec::new(),
            timestamps: Vec::new(),
            epochs: Column::new(),
            spans: Column::new(),
            sequencers: Column::new(),
            effective: Vec::new(),
            rewards: Vec::new(),
            totals: Vec::new(),
            rewarded: Vec::new(),
            batches: Column::new(),
            unrewarded: Column::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn clear(&mut self) {
        self.blocks.clear();
        self.timestamps.clear();
        for column in [&mut self.epochs, &mut self.spans, &mut self.sequencers, &mut self.batches] {
            column.clear();
        }
        for amounts in [&mut self.effective, &mut self.rewards, &mut self.totals] {
            amounts.clear();
        }
        self.rewarded.clear();
        self.unrewarded.clear();
    }

    #[inline]
    pub(crate) fn push(&mut self, row: &BlockRow<'_>) -> Result<(), ExportError> {
        let block = row.block;
        let number = |number: u64| signed(block, number);
        self.blocks.push(number(block.0)?);
        self.timestamps.push(number(row.timestamp.0)?);
        self.epochs.push(row.epoch.map(|epoch| number(epoch.0)).transpose()?);
        self.spans.push(row.span.map(|span| number(span.id.0)).transpose()?);
        self.sequencers.push(row.sequencer().map(|sequencer| number(sequencer.0)).transpose()?);
        match (row.assessed, row.running_total) {
            (Assessed::Rewarded { effective, reward, batch, .. }, Some(total)) => {
                self.effective.push(decimal(block, *effective)?);
                self.rewards.push(decimal(block, *reward)?);
                self.totals.push(decimal(block, *total)?);
                self.rewarded.push(1);
                self.batches.push(batch.map(|batch| number(batch.0)).transpose()?);
                self.unrewarded.push(None);
            }
            (Assessed::Unrewarded { reason, .. }, _) => {
                self.rewarded.push(0);
                self.batches.push(None);
                self.unrewarded.push(Some(reason.code().into()));
            }
            (Assessed::Rewarded { .. }, None) => unreachable!("whoever earns has a total"),
        }
        Ok(())
    }
}

#[inline]
fn signed(block: L2Block, number: u64) -> Result<i64, ExportError> {
    i64::try_from(number).map_err(|_| ExportError::NumberTooLarge { block, number })
}

#[inline]
fn decimal(block: L2Block, amount: Wei) -> Result<u128, ExportError> {
    let narrow = u128::try_from(amount.get()).ok().filter(|amount| *amount < DECIMAL_END);
    narrow.ok_or(ExportError::AmountTooLarge { block, amount })
}

/// Amounts as Parquet has them: 16 bytes each, big-endian. They share one buffer, and equal neighbours its bytes.
pub(crate) fn decimals(amounts: &[u128]) -> Vec<FixedLenByteArray> {
    let runs = || amounts.chunk_by(|left, right| left == right);
    let mut bytes = Vec::with_capacity(runs().count().saturating_mul(DECIMAL_BYTES));
    for amount in runs().filter_map(|run| run.first()) {
        bytes.extend_from_slice(&amount.to_be_bytes());
    }
    let bytes = ByteArray::from(bytes);
    let mut decimals = Vec::with_capacity(amounts.len());
    for (index, run) in runs().enumerate() {
        let value = bytes.slice(index.saturating_mul(DECIMAL_BYTES), DECIMAL_BYTES);
        decimals.resize(decimals.len().saturating_add(run.len()), value.into());
    }
    decimals
}
