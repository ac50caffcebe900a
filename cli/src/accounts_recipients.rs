//! `tally accounts recipients`: the addresses on L2 that get the rewards.

use crate::accounts_args::RecipientsArgs;
use crate::format::table;
use crate::live::runtime;
use crate::names::Names;
use crate::shared_args::PlainFormat;
use crate::{DONE, Output, json};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::io::Write;
use tally_claims::{Cut, MissingRecipient, Recipient, Recipients, accounts};
use tally_engine::{SequencerId, Status};
use tally_eventlog::{LogReader, LogView};
use tally_ingest::{L2Account, L2Accounts, l2_accounts};
use tally_text::{address, metis, time};
use tally_wire::{Head, status_name};

pub(crate) fn run(args: &RecipientsArgs, output: &mut Output<'_>) -> Result<u8> {
    let log = args.log.open()?;
    let chain = accounts(&log, Cut::End, &[], None)?.chain;
    output.warn(&chain.discrepancies)?;
    let found = Recipients::of(&chain)?;
    let live = ask_l2(&log, &found, args)?;
    match args.format {
        PlainFormat::Json => json::print(&shape(&log, &found, live.as_ref())?, output)?,
        PlainFormat::Table => {
            let names = Names::load(output, &log)?;
            print_tables(&log, &found, live.as_ref(), &names, output.out)?;
        }
    }
    Ok(DONE)
}

/// What the recipients are on L2, if an endpoint is given.
fn ask_l2(log: &LogReader, found: &Recipients, args: &RecipientsArgs) -> Result<Option<L2Accounts>> {
    let Some(endpoints) = args.l2.endpoints(&args.rpc) else {
        return Ok(None);
    };
    let head = log.heads().l2.context("the log holds nothing of L2, by which the chain could be known")?;
    let addresses: BTreeSet<_> = found.named.keys().copied().collect();
    let live = runtime()?.block_on(l2_accounts(&endpoints, log.identity(), head, &addresses))?;
    if live.log_head_hash != head.hash {
        let (block, found) = (head.block, live.log_head_hash);
        bail!("L2 block {block} is {found} on the chain, but {} in the log: nobody was looked at", head.hash);
    }
    Ok(Some(live))
}

fn shape(log: &LogReader, found: &Recipients, live: Option<&L2Accounts>) -> Result<tally_wire::Recipients> {
    let account = |account: &L2Account| -> Result<tally_wire::L2Account> {
        Ok(tally_wire::L2Account {
            kind: account.kind().code().into(),
            code_bytes: u64::try_from(account.code_bytes)?,
            nonce: account.nonce,
            balance_wei: account.balance.into(),
        })
    };
    let recipients = found.named.iter().map(|(address, recipient)| {
        let account = live.and_then(|live| live.accounts.get(address)).map(account).transpose()?;
        Ok((*address, recipient, account).into())
    });
    Ok(tally_wire::Recipients {
        log: log.try_into()?,
        asked_at: live.map(|live| Head {
            block: live.block.0,
            hash: live.block_hash.into(),
            timestamp: live.timestamp.0,
        }),
        recipients: recipients.collect::<Result<_>>()?,
        missing: found.missing.iter().map(Into::into).collect(),
    })
}

fn print_tables(
    log: &LogReader,
    found: &Recipients,
    live: Option<&L2Accounts>,
    names: &Names,
    out: &mut dyn Write,
) -> Result<()> {
    let chain = log.identity().l2_chain_id;
    match live {
        Some(live) => {
            writeln!(
                out,
                "addresses on L2, chain {chain}, after block {} of {}\n",
                live.block,
                time(live.timestamp)
            )?;
        }
        None => writeln!(out, "addresses on L2, chain {chain}; what they are there was not asked\n")?,
    }
    let header = ["recipient on L2", "sequencers", "is", "unclaimed METIS", "transactions", "holds METIS"];
    let mut rows = table(&header, 3);
    for (recipient, Recipient { sequencers, unclaimed }) in &found.named {
        let sequencer = |(id, status): &(SequencerId, Status)| match status {
            Status::Unlocked => format!("{} (gone)", names.label(*id)),
            Status::Active | Status::Inactive => names.label(*id),
        };
        let sequencers: Vec<String> = sequencers.iter().map(sequencer).collect();
        let account = live.and_then(|live| live.accounts.get(recipient));
        rows.add_row([
            address(*recipient),
            sequencers.join(", "),
            account.map_or("not asked", |account| account.kind().code()).into(),
            metis(*unclaimed),
            account.map_or("-".into(), |account| account.nonce.to_string()),
            account.map_or("-".into(), |account| metis(account.balance)),
        ]);
    }
    writeln!(out, "{rows}")?;
    if found.missing.is_empty() {
        return Ok(writeln!(out, "\nevery sequencer has named a recipient")?);
    }
    let mut rows = table(&["without a recipient", "status", "cannot", "withheld METIS", "stake METIS"], 3);
    for missing in &found.missing {
        let MissingRecipient { sequencer, status, withheld, stake } = *missing;
        rows.add_row([
            names.label(sequencer),
            status_name(status).into(),
            missing.cannot().join(", "),
            metis(withheld),
            metis(stake),
        ]);
    }
    Ok(writeln!(out, "\n{rows}")?)
}
