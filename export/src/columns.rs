//! The columns of some blocks, as Parquet takes them.

use crate::error::ExportError;
use parquet::data_type::ByteArray;
use tally_engine::{Assessed, L2Block, Wei};
use tally_replay::BlockRun;

/// The first number that has 39 digits.
const DECIMAL_END: u128 = 10_u128.pow(38);

/// Whether rows have a value, in runs: 1 for a value and 0 for none, as Parquet's levels are, and how many rows.
#[derive(Default)]
pub(crate) struct Levels(pub(crate) Vec<(i16, usize)>);

impl Levels {
    const fn new() -> Self {
        Self(Vec::new())
    }

    fn push(&mut self, level: i16, rows: usize) {
        match self.0.last_mut() {
            Some((last, before)) if *last == level => *before = before.saturating_add(rows),
            _ => self.0.push((level, rows)),
        }
    }
}

/// A column whose values may be missing: those that are there, and whether rows have one.
pub(crate) struct Column<T> {
    pub(crate) values: Vec<T>,
    pub(crate) levels: Levels,
}

impl<T: Clone> Column<T> {
    const fn new() -> Self {
        Self { values: Vec::new(), levels: Levels::new() }
    }

    /// The same value, or none, for so many rows.
    fn push(&mut self, value: Option<T>, rows: usize) {
        self.levels.push(i16::from(value.is_some()), rows);
        if let Some(value) = value {
            self.values.resize(self.values.len().saturating_add(rows), value);
        }
    }

    fn clear(&mut self) {
        self.values.clear();
        self.levels.0.clear();
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
    pub(crate) rewarded: Levels,
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
            rewarded: Levels::new(),
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
        self.rewarded.0.clear();
        self.unrewarded.clear();
    }

    /// Adds a row for each block of a run.
    pub(crate) fn push(&mut self, run: &BlockRun<'_>) -> Result<(), ExportError> {
        let (block, rows) = (run.first_block, run.times.len());
        let number = |number: u64| signed(block, number);
        let (first, len) = (number(block.0)?, i64::try_from(rows).unwrap_or(i64::MAX));
        self.blocks.extend(first..first.saturating_add(len));
        for time in run.times {
            self.timestamps.push(number(time.0)?);
        }
        self.epochs.push(run.epoch.map(|epoch| number(epoch.0)).transpose()?, rows);
        self.spans.push(run.span.map(|span| number(span.id.0)).transpose()?, rows);
        self.sequencers.push(run.sequencer().map(|sequencer| number(sequencer.0)).transpose()?, rows);
        match run.assessed {
            Assessed::Rewarded { effective, reward, batch, .. } => {
                self.batches.push(batch.map(|batch| number(batch.0)).transpose()?, rows);
                self.unrewarded.push(None, rows);
                self.rewarded.push(1, rows);
                let amount = |amount: Wei| decimal(block, amount);
                let (effective, reward) = (amount(effective)?, amount(reward)?);
                let paid = self.effective.len().saturating_add(rows);
                self.effective.resize(paid, effective);
                self.rewards.resize(paid, reward);
                let mut total = amount(run.total_before)?;
                for _ in 0..rows {
                    let sum = total.checked_add(reward).filter(|sum| *sum < DECIMAL_END);
                    total = sum.ok_or(ExportError::TotalTooLarge { block, total, reward })?;
                    self.totals.push(total);
                }
            }
            Assessed::Unrewarded { reason, .. } => {
                self.batches.push(None, rows);
                self.unrewarded.push(Some(reason.code().into()), rows);
                self.rewarded.push(0, rows);
            }
        }
        Ok(())
    }
}

#[inline]
fn signed(block: L2Block, number: u64) -> Result<i64, ExportError> {
    i64::try_from(number).map_err(|_| ExportError::NumberTooLarge { block, number })
}

fn decimal(block: L2Block, amount: Wei) -> Result<u128, ExportError> {
    let narrow = u128::try_from(amount.get()).ok().filter(|amount| *amount < DECIMAL_END);
    narrow.ok_or(ExportError::AmountTooLarge { block, amount })
}
