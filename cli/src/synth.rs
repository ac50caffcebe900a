//! `tally synth`: makes a log of any size from a seed.

use crate::args::SynthArgs;
use crate::{DONE, Output, WrongUsage};
use anyhow::Result;
use tally_synth::{Plan, make_log};

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
