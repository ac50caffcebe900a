//! The columns of some blocks, as Parquet takes them.

use crate::error::ExportError;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use tally_engine::{L2Block, Wei};
use tally_replay::{BlockEntry, Outcome};

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
    pub(crate) effective: Column<u128>,
    pub(crate) rewards: Column<u128>,
    pub(crate) totals: Column<u128>,
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
            effective: Column::new(),
            rewards: Column::new(),
            totals: Column::new(),
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
        for column in [&mut self.effective, &mut self.rewards, &mut self.totals] {
            column.clear();
        }
        self.unrewarded.clear();
    }

    pub(crate) fn push(&mut self, entry: &BlockEntry) -> Result<(), ExportError> {
        let block = entry.block;
        let number = |number: u64| signed(block, number);
        self.blocks.push(number(block.0)?);
        self.timestamps.push(number(entry.timestamp.0)?);
        self.epochs.push(entry.epoch.map(|epoch| number(epoch.0)).transpose()?);
        self.spans.push(entry.span.map(|span| number(span.0)).transpose()?);
        self.sequencers.push(entry.sequencer.map(|sequencer| number(sequencer.0)).transpose()?);
        match &entry.outcome {
            Outcome::Rewarded(rewarded) => {
                self.effective.push(Some(decimal(block, rewarded.effective)?));
                self.rewards.push(Some(decimal(block, rewarded.reward)?));
                self.totals.push(Some(decimal(block, rewarded.running_total)?));
                self.batches.push(rewarded.batch.map(|batch| number(batch.0)).transpose()?);
                self.unrewarded.push(None);
            }
            Outcome::Unrewarded(why) => {
                self.effective.push(None);
                self.rewards.push(None);
                self.totals.push(None);
                self.batches.push(None);
                self.unrewarded.push(Some(why.code().into()));
            }
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

/// Amounts as Parquet has them: 16 bytes each, big-endian. They share one buffer.
pub(crate) fn decimals(amounts: &[u128]) -> Vec<FixedLenByteArray> {
    let mut bytes = Vec::with_capacity(amounts.len().saturating_mul(DECIMAL_BYTES));
    for amount in amounts {
        bytes.extend_from_slice(&amount.to_be_bytes());
    }
    let bytes = ByteArray::from(bytes);
    let starts = (0..amounts.len()).map(|index| index.saturating_mul(DECIMAL_BYTES));
    starts.map(|start| bytes.slice(start, DECIMAL_BYTES).into()).collect()
}
