//! `tally synth`: makes a log of any size from a seed.

use crate::shared_args::LogArg;
use crate::{DONE, Output, WrongUsage};
use anyhow::Result;
use clap::Args;
use tally_synth::{Pattern, Plan, make_log};

#[derive(Debug, Args)]
pub(crate) struct SynthArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// How many L2 blocks
    #[arg(long, env = "TALLY_BLOCKS", value_name = "N")]
    pub(crate) blocks: u64,
    /// How many sequencers make them
    #[arg(long, env = "TALLY_SEQUENCERS", value_name = "N", default_value_t = 32)]
    pub(crate) sequencers: u16,
    /// Who makes which block: spans:N, the signer of its span of N blocks; random; or mixed, some of both
    #[arg(long, env = "TALLY_PATTERN", value_name = "PATTERN", default_value = "spans:200")]
    pub(crate) pattern: Pattern,
    /// How often some stake changes, over all the blocks
    #[arg(long, env = "TALLY_STAKE_CHANGES", value_name = "N", default_value_t = 0)]
    pub(crate) stake_changes: u64,
    /// The same seed gives the same log
    #[arg(long, env = "TALLY_SEED", value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
}

pub(crate) fn run(args: &SynthArgs, output: &mut Output<'_>) -> Result<u8> {
    let plan = Plan::new(args.blocks, args.sequencers, args.pattern, args.stake_changes, args.seed);
    let plan = plan.map_err(|error| WrongUsage(error.to_string()))?;
    let heads = make_log(&args.log.log, &plan)?;
    writeln!(
        output.out,
        "{} blocks in {} chunks, {} pool events, {} span events",
        args.blocks, heads.chunks.count, heads.l1_events.count, heads.span_events.count
    )?;
    Ok(DONE)
}
