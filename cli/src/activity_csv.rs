//! `tally replay --activity`: blocks and stakes by epoch, as CSV.

use crate::out_file::write_file;
use anyhow::{Context, Result};
use std::path::Path;
use tally_engine::Activity;

/// Writes who made how many rewarded blocks in each epoch, at which stake (not capped), as CSV.
pub(crate) fn write_activity(path: &Path, activity: &Activity) -> Result<()> {
    let written = write_file::<(), anyhow::Error>(path, |out| {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(["epoch", "sequencer", "stake_wei", "blocks"])?;
        for epoch in &activity.epochs {
            for row in epoch.rows.iter().filter(|row| row.blocks > 0) {
                csv.write_record([
                    epoch.epoch.to_string(),
                    row.sequencer.to_string(),
                    row.stake.to_string(),
                    row.blocks.to_string(),
                ])?;
            }
        }
        Ok(csv.flush()?)
    });
    written.with_context(|| format!("--activity {}", path.display()))
}
