//! `tally owners`: who owns the contracts, and who did before.

use crate::format::table;
use crate::shared_args::{LogArg, PlainFormat};
use crate::{DONE, Output, json};
use alloy_primitives::Address;
use anyhow::Result;
use clap::Args;
use tally_engine::L1Block;
use tally_eventlog::{LogReader, LogView, Owners};
use tally_replay::state_at;
use tally_text::{address, time};
use tally_wire::ContractOwners;

#[derive(Debug, Args)]
pub(crate) struct OwnersArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The owners after this L1 block [default: the log's last]
    #[arg(long, env = "TALLY_AT_L1_BLOCK", value_name = "BLOCK")]
    pub(crate) at_l1_block: Option<u64>,
    /// How to print them
    #[arg(long, env = "TALLY_FORMAT", value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,
}

pub(crate) fn run(args: &OwnersArgs, output: &mut Output<'_>) -> Result<u8> {
    let log = args.log.open()?;
    let at = state_at(&log, args.at_l1_block.map(L1Block))?.block;
    let owners = log.owners()?;
    match args.format {
        PlainFormat::Json => {
            let shape = ContractOwners::from(((&log).try_into()?, log.identity(), &owners, at));
            json::print(&shape, output)?;
        }
        PlainFormat::Table => print_table(&log, &owners, at, output)?,
    }
    Ok(DONE)
}

fn print_table(log: &LogReader, owners: &Owners, at: Option<L1Block>, output: &mut Output<'_>) -> Result<()> {
    if let Some(block) = owners.missing_to {
        writeln!(
            output.out,
            "unknown: the log lacks the events of owners up to L1 block {block}; the next ingest fetches them"
        )?;
        return Ok(());
    }
    let shown = |owner| if owner == Address::ZERO { "nobody".into() } else { address(owner) };
    let mut rows = table(&["contract", "owner", "before", "since", "L1 block"], 4);
    for record in owners.up_to(at) {
        let is_info = record.contract == log.identity().locking_info;
        rows.add_row([
            if is_info { "LockingInfo" } else { "LockingPool" }.into(),
            shown(record.new_owner),
            shown(record.previous_owner),
            time(record.timestamp),
            record.block.to_string(),
        ]);
    }
    writeln!(output.out, "{rows}")?;
    Ok(())
}
