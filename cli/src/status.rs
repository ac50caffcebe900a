//! `tally status`: where a log stands, in a few lines for people. Programs read `tally log info` and `tally state`.

use crate::shared_args::{LogArg, PolicyArg};
use crate::{DONE, Output, kept};
use anyhow::Result;
use clap::Args;
use tally_claims::MemberBasis;
use tally_engine::{PoolEvent, Status, UnixTime};
use tally_eventlog::LogView;
use tally_text::{duration, metis, time};

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) log: LogArg,
    #[command(flatten)]
    pub(crate) policy: PolicyArg,
}

pub(crate) fn run(args: &StatusArgs, output: &mut Output<'_>) -> Result<u8> {
    let policy = args.policy.load()?;
    let log = args.log.open()?;
    let reach = log.reach();
    let out = &mut output.out;
    match reach.l1 {
        Some(head) => writeln!(out, "L1           block {}, {}", head.block, time(head.timestamp))?,
        None => writeln!(out, "L1           nothing yet: tally ingest")?,
    }
    let Some(l2) = reach.l2 else {
        writeln!(out, "L2           nothing yet: tally ingest")?;
        return Ok(DONE);
    };
    writeln!(out, "L2           block {}, {}", l2.block, time(l2.timestamp))?;
    let Some(l1) = reach.l1 else { return Ok(DONE) };
    let ahead = |one: UnixTime, other: UnixTime| one.0.checked_sub(other.0).filter(|secs| *secs > 0);
    if let Some(secs) = ahead(l2.timestamp, l1.timestamp) {
        writeln!(
            out,
            "             L1 is {} behind L2: what happened there since is not known",
            duration(secs)
        )?;
    }
    if let Some(secs) = ahead(l1.timestamp, l2.timestamp) {
        writeln!(out, "             L2 is {} behind L1", duration(secs))?;
    }
    let replayed = kept::replayed(&log, &policy)?;
    match replayed.ledger.horizon {
        Some(horizon) => {
            let (block, at) = (horizon.block, time(horizon.timestamp));
            writeln!(
                out,
                "counted      up to L2 block {block}, {at}, by {}: {}",
                policy.name(),
                replayed.stop
            )?;
        }
        None => writeln!(out, "counted      no block yet, by {}: {}", policy.name(), replayed.stop)?,
    }
    if let Some(epoch) = replayed.ledger.epochs.last() {
        writeln!(out, "epoch        {}, since {}", epoch.epoch, time(epoch.start))?;
    }
    let basis = MemberBasis::of(&log)?;
    let pool = &basis.pool;
    let records = log.l1_records()?;
    let batches = records.iter().filter(|record| matches!(record.event, PoolEvent::DistributeReward { .. }));
    let paid = batches.last().map(|record| record.timestamp);
    match paid {
        Some(at) => writeln!(
            out,
            "last batch   {}, spans {} to {}, paid {}",
            pool.batch.id,
            pool.batch.start_span,
            pool.batch.end_span,
            time(at)
        )?,
        None => writeln!(out, "last batch   none is paid yet")?,
    }
    let [active, leaving, gone] =
        [Status::Active, Status::Inactive, Status::Unlocked].map(|status| pool.count(status));
    writeln!(out, "sequencers   {active} active, {leaving} leaving, {gone} gone")?;
    writeln!(out, "locked       {} METIS", metis(pool.total_locked))?;
    writeln!(out, "reward       {} METIS a block", tally_text::exact_metis(pool.reward_per_block))?;
    if pool.paused {
        writeln!(out, "             the pool is PAUSED")?;
    }
    let discrepancies = basis.discrepancies.len();
    if discrepancies > 0 {
        writeln!(
            out,
            "odd          {discrepancies} events say what those before them do not add up to: tally audit chain"
        )?;
    }
    Ok(DONE)
}
