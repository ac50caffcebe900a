//! `tally accounts`: what each sequencer is owed.

use crate::accounts_args::AccountsArgs;
use crate::format::{address, is_shown, or_dash, or_nothing, policy_line, table};
use crate::names::{Names, given};
use crate::shared_args::{Format, second};
use crate::{DONE, Output, json};
use anyhow::{Context, Result, bail};
use std::io::Write;
use tally_claims::{
    Accounts, AsOf, ChainTotals, Cut, PolicyAccount, PolicyAccounts, Recipients, Until, accounts,
};
use tally_engine::{L1Block, SequencerId};
use tally_eventlog::LogReader;
use tally_text::{duration, metis, time};
use tally_wire::status_name;

/// The columns of CSV: one row for each policy and sequencer.
const CSV_HEADER: &str = "\
    policy,policy_version,sequencer,status,stake_wei,credited_wei,claimed_wei,relocked_wei,\
    unclaimed_wei,claimable_wei,not_claimable,recipient,leaving_since,stake_free_at,\
    exit_delay_secs,policy_blocks,policy_accrued_wei,policy_claimable_wei,policy_pending_wei";

pub(crate) fn run(args: &AccountsArgs, output: &mut Output<'_>) -> Result<u8> {
    let policies = args.policies.load()?;
    let log = LogReader::open(args.log.as_deref().context("no log is given")?)?;
    let cut = match (args.at_l1_block, args.at_time) {
        (Some(block), _) => Cut::L1Block(L1Block(block)),
        (None, Some(time)) => Cut::Time(second("--at", time, &log)?),
        (None, None) => Cut::End,
    };
    let found = accounts(&log, cut, &policies, args.threads.count())?;
    let only = args.sequencer.as_deref().map(|asked| given(asked, &log, output)).transpose()?;
    if let Some(id) = only
        && !found.chain.sequencers.contains_key(&id)
    {
        bail!(
            "sequencer {id} is asked for, but by then there are {}, from 1 on",
            found.chain.sequencers.len()
        );
    }
    output.warn(&found.chain.discrepancies)?;
    match args.format {
        Format::Json => {
            json::print(&tally_wire::Accounts::from(((&log).try_into()?, &found, only)), output)?;
        }
        Format::Csv => print_csv(&found, only, output)?,
        Format::Table => print_tables(&found, only, &Names::load(output, &log)?, output)?,
    }
    Ok(DONE)
}

fn sums(totals: &ChainTotals) -> [String; 6] {
    let ChainTotals { stake, credited, claimed, relocked, unclaimed, claimable } = *totals;
    [stake, credited, claimed, relocked, unclaimed, claimable].map(metis)
}

fn print_tables(
    found: &Accounts,
    only: Option<SequencerId>,
    names: &Names,
    output: &mut Output<'_>,
) -> Result<()> {
    let out = &mut output.out;
    let AsOf { l1_block, until } = found.as_of;
    let l1_block = or_dash(l1_block);
    match until {
        Until::Horizon => writeln!(out, "after L1 block {l1_block}, the last of the log\n")?,
        Until::Time(time) => writeln!(out, "after L1 block {l1_block}, up to {}\n", tally_text::time(time))?,
        Until::Nothing => writeln!(out, "after L1 block {l1_block}, before anything happened\n")?,
    }
    let header = [
        "sequencer",
        "status",
        "stake METIS",
        "credited METIS",
        "claimed METIS",
        "relocked METIS",
        "unclaimed METIS",
        "claimable METIS",
    ];
    let mut chain = table(&header, 2);
    let mut claims =
        table(&["sequencer", "claimable", "recipient on L2", "leaving since", "stake free at", "delay"], 3);
    for (id, account) in found.chain.sequencers.iter().filter(|(id, _)| is_shown(only, **id)) {
        let [stake, credited, claimed, relocked, unclaimed, claimable] = sums(&account.sums);
        let status = status_name(account.status).to_owned();
        chain.add_row([names.label(*id), status, stake, credited, claimed, relocked, unclaimed, claimable]);
        claims.add_row([
            names.label(*id),
            account.not_claimable.map_or("yes", |why| why.code()).into(),
            account.recipient.map_or("-".into(), tally_text::address),
            or_dash(account.exit.map(|exit| time(exit.since))),
            or_dash(account.exit.map(|exit| time(exit.stake_free_at))),
            or_dash(account.exit.map(|exit| duration(exit.delay_secs))),
        ]);
    }
    if only.is_none() {
        let [stake, credited, claimed, relocked, unclaimed, claimable] = sums(&found.chain.totals);
        let total = "total".to_owned();
        chain.add_row([total, String::new(), stake, credited, claimed, relocked, unclaimed, claimable]);
    }
    writeln!(out, "{chain}\n\n{claims}")?;
    let missing = Recipients::of(&found.chain)?.missing;
    for missing in missing.iter().filter(|missing| is_shown(only, missing.sequencer)) {
        let cannot = missing.cannot().join(" or ");
        writeln!(
            out,
            "\nsequencer {} has named no recipient on L2: it cannot {cannot}, and {} METIS is withheld",
            names.label(missing.sequencer),
            metis(missing.withheld)
        )?;
    }
    for accounts in &found.policies {
        print_policy(found, accounts, only, names, out)?;
    }
    Ok(())
}

fn print_policy(
    found: &Accounts,
    accounts: &PolicyAccounts,
    only: Option<SequencerId>,
    names: &Names,
    out: &mut dyn Write,
) -> Result<()> {
    let PolicyAccounts { policy, horizon, stop, closed_epochs, totals, .. } = accounts;
    writeln!(out, "\n{}", policy_line(policy))?;
    writeln!(out, "what this rule gives; what is really owed is the contract's, above")?;
    match (horizon, stop) {
        (Some(horizon), Some(stop)) if found.as_of.until == Until::Horizon => {
            writeln!(out, "up to block {} of {}: {stop}", horizon.block, time(horizon.timestamp))?;
        }
        (Some(horizon), _) => writeln!(out, "up to block {} of {}", horizon.block, time(horizon.timestamp))?,
        (None, _) => writeln!(out, "no block yet")?,
    }
    writeln!(out, "{closed_epochs} epochs are closed\n")?;
    let is_on_chain = totals.pending.is_some();
    let last = if is_on_chain { "pending METIS" } else { "closed METIS" };
    let mut rows = table(&["sequencer", "blocks", "accrued METIS", last], 1);
    let row = |name: String, account: &PolicyAccount| {
        let last = account.pending.map(|pending| pending.reward).or(account.claimable);
        let (blocks, accrued) = (account.accrued.blocks.to_string(), metis(account.accrued.reward));
        [name, blocks, accrued, last.map_or("-".into(), metis)]
    };
    for id in found.chain.sequencers.keys().filter(|id| is_shown(only, **id)) {
        rows.add_row(row(names.label(*id), &accounts.of(*id)));
    }
    if only.is_none() {
        rows.add_row(row("total".into(), totals));
    }
    writeln!(out, "{rows}")?;
    Ok(())
}

fn print_csv(found: &Accounts, only: Option<SequencerId>, output: &mut Output<'_>) -> Result<()> {
    let mut csv = csv::Writer::from_writer(&mut output.out);
    csv.write_record(CSV_HEADER.split(','))?;
    for accounts in &found.policies {
        let policy = &accounts.policy;
        for (id, account) in found.chain.sequencers.iter().filter(|(id, _)| is_shown(only, **id)) {
            let ChainTotals { stake, credited, claimed, relocked, unclaimed, claimable } = account.sums;
            let under = accounts.of(*id);
            let mut row: Vec<String> = vec![
                policy.name().into(),
                policy.version().to_string(),
                id.to_string(),
                status_name(account.status).into(),
            ];
            row.extend([stake, credited, claimed, relocked, unclaimed, claimable].map(|sum| sum.to_string()));
            row.push(account.not_claimable.map_or(String::new(), |why| why.code().into()));
            row.push(account.recipient.map_or(String::new(), address));
            let exit = account.exit;
            row.push(or_nothing(exit.map(|exit| exit.since)));
            row.push(or_nothing(exit.map(|exit| exit.stake_free_at)));
            row.push(or_nothing(exit.map(|exit| exit.delay_secs)));
            row.push(under.accrued.blocks.to_string());
            row.push(under.accrued.reward.to_string());
            row.push(or_nothing(under.claimable));
            row.push(or_nothing(under.pending.map(|pending| pending.reward)));
            csv.write_record(row)?;
        }
    }
    csv.flush()?;
    Ok(())
}
