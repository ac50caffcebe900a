//! The ledger by block as CSV.

use crate::error::ExportError;
use std::io::Write;
use std::ops::RangeInclusive;
use tally_engine::L2Block;
use tally_eventlog::LogView;
use tally_replay::{BlockEntry, BlockLedger, Outcome};

/// The names of the columns, in order.
pub const CSV_HEADER: [&str; 10] = [
    "block",
    "timestamp",
    "epoch",
    "span",
    "sequencer",
    "effective_stake_wei",
    "reward_wei",
    "running_total_wei",
    "batch",
    "unrewarded",
];

/// A block under [`CSV_HEADER`]; what it does not have is empty.
pub fn csv_row(entry: &BlockEntry) -> [String; 10] {
    fn text<T: ToString>(value: Option<T>) -> String {
        value.map_or(String::new(), |value| value.to_string())
    }
    let rewarded = entry.rewarded();
    let why = match &entry.outcome {
        Outcome::Rewarded(_) => None,
        Outcome::Unrewarded(why) => Some(why.code()),
    };
    [
        entry.block.to_string(),
        entry.timestamp.to_string(),
        text(entry.epoch),
        text(entry.span),
        text(entry.sequencer),
        text(rewarded.map(|rewarded| rewarded.effective)),
        text(rewarded.map(|rewarded| rewarded.reward)),
        text(rewarded.map(|rewarded| rewarded.running_total)),
        text(rewarded.and_then(|rewarded| rewarded.batch)),
        text(why),
    ]
}

/// Writes the blocks of `range`; returns how many there were.
pub(crate) fn write_csv<L: LogView>(
    ledger: &BlockLedger<'_, L>,
    range: RangeInclusive<L2Block>,
    file: &mut (dyn Write + Send),
) -> Result<u64, ExportError> {
    let mut csv = csv::Writer::from_writer(file);
    csv.write_record(CSV_HEADER)?;
    let mut rows = 0;
    for entry in ledger.iter(range) {
        csv.write_record(csv_row(&entry?))?;
        rows += 1;
    }
    csv.flush()?;
    Ok(rows)
}
