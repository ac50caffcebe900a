//! The columns of some blocks, as Parquet takes them.

use crate::error::ExportError;
use parquet::data_type::ByteArray;
use tally_engine::Assessed;
use tally_replay::BlockRow;

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
    /// The first value that does not fit.
    fault: Option<ExportError>,
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
            fault: None,
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

    /// Adds a row. What does not fit is told by [`Columns::check`], once for many rows.
    #[inline]
    pub(crate) fn push(&mut self, row: &BlockRow<'_>) {
        let block = row.block;
        let mut wide = None;
        let mut number = |number: u64| {
            i64::try_from(number).unwrap_or_else(|_| {
                wide = Some(number);
                i64::MAX
            })
        };
        self.blocks.push(number(block.0));
        self.timestamps.push(number(row.timestamp.0));
        self.epochs.push(row.epoch.map(|epoch| number(epoch.0)));
        self.spans.push(row.span.map(|span| number(span.id.0)));
        self.sequencers.push(row.sequencer().map(|sequencer| number(sequencer.0)));
        match (row.assessed, row.running_total) {
            (Assessed::Rewarded { effective, reward, batch, .. }, Some(total)) => {
                self.batches.push(batch.map(|batch| number(batch.0)));
                for (amounts, amount) in
                    [(&mut self.effective, effective), (&mut self.rewards, reward), (&mut self.totals, total)]
                {
                    let narrow = u128::try_from(amount.get()).unwrap_or(u128::MAX);
                    amounts.push(narrow);
                    if narrow >= DECIMAL_END && self.fault.is_none() {
                        self.fault = Some(ExportError::AmountTooLarge { block, amount: *amount });
                    }
                }
                self.rewarded.push(1);
                self.unrewarded.push(None);
            }
            (Assessed::Unrewarded { reason, .. }, _) => {
                self.rewarded.push(0);
                self.batches.push(None);
                self.unrewarded.push(Some(reason.code().into()));
            }
            (Assessed::Rewarded { .. }, None) => unreachable!("whoever earns has a total"),
        }
        if let Some(number) = wide
            && self.fault.is_none()
        {
            self.fault = Some(ExportError::NumberTooLarge { block, number });
        }
    }

    /// Whether all that was pushed fits.
    pub(crate) fn check(&mut self) -> Result<(), ExportError> {
        self.fault.take().map_or(Ok(()), Err)
    }
}
