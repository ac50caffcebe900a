//! `tally accounts statement`: the movements of one sequencer.

use crate::accounts_args::StatementArgs;
use crate::format::{or_nothing, policy_line, table};
use crate::names::{Names, given};
use crate::shared_args::{Format, second};
use crate::{DONE, Output, json, policies};
use anyhow::Result;
use tally_claims::{ClaimsError, LedgerAccount, Statement, StatementEntry, StatementRange, statement};
use tally_engine::UnixTime;
use tally_text::{GivenTime, address, metis, signed_metis, time};
use tally_wire::Movement;

/// The columns of CSV.
const CSV_HEADER: &str = "\
    time,l1_block,transaction,log_index,kind,batch,epoch,blocks,reward_per_block_wei,amount_wei,\
    debit,credit,stake_wei,unclaimed_wei,accrued_wei";

pub(crate) fn run(args: &StatementArgs, output: &mut Output<'_>) -> Result<u8> {
    let policy = args.policy.as_deref().map(policies::load_one).transpose()?;
    let log = args.log.open()?;
    let from = args.from.map(|from| second("--from", from, &log)).transpose()?;
    // Up to the latest is everything.
    let to = args.to.filter(|to| *to != GivenTime::BeforeLatest(0));
    let to = to.map(|to| second("--to", to, &log)).transpose()?;
    let range = StatementRange { from, to };
    let id = given(&args.sequencer, &log, output)?;
    let found = statement(&log, id, policy.as_ref(), range, args.threads.count()).map_err(|error| {
        let is_beyond = matches!(error, ClaimsError::BeyondLog { .. }) && range.to.is_some();
        let error = anyhow::Error::from(error);
        if is_beyond {
            error
                .context("--to lies after the end of the log: leave it out, and everything in the log counts")
        } else {
            error
        }
    })?;
    output.warn(&found.discrepancies)?;
    match args.format {
        Format::Json => {
            json::print(&tally_wire::Statement::from(((&log).try_into()?, &found)), output)?;
        }
        Format::Csv => print_csv(&found, output)?,
        Format::Table => print_tables(&found, &Names::load(output, &log)?, output)?,
    }
    Ok(DONE)
}

/// What is told of a kind of movement beside its amount.
fn what(entry: &StatementEntry) -> String {
    let Movement { kind, batch, epoch, blocks, .. } = entry.into();
    let batch = batch.map(|batch| format!(", batch {batch}"));
    let epoch = epoch.map(|epoch| format!(", epoch {epoch}"));
    let blocks = blocks.map(|blocks| format!(", {blocks} blocks"));
    let details: String = [batch, epoch, blocks].into_iter().flatten().collect();
    format!("{kind}{details}")
}

/// An account as people read it: addresses carry their checksum.
fn shown(account: LedgerAccount) -> String {
    match account {
        LedgerAccount::Owner(owner) => format!("owner:{}", address(owner)),
        LedgerAccount::Recipient(recipient) => format!("recipient:{} on L2", address(recipient)),
        LedgerAccount::Stake(_)
        | LedgerAccount::Unclaimed(_)
        | LedgerAccount::Accrued(_)
        | LedgerAccount::Rewards
        | LedgerAccount::Policy => account.to_string(),
    }
}

fn print_tables(statement: &Statement, names: &Names, output: &mut Output<'_>) -> Result<()> {
    let out = &mut output.out;
    let StatementRange { from, to } = statement.range;
    let from = from.map_or("the beginning".into(), time);
    let to = to.map_or("the end of the log".into(), |to| format!("{} (not included)", time(to)));
    writeln!(out, "sequencer {}, from {from} to {to}", names.label(statement.sequencer))?;
    if let Some(policy) = &statement.policy {
        writeln!(out, "{}", policy_line(policy))?;
        match statement.horizon {
            Some(horizon) => writeln!(out, "up to block {} of {}", horizon.block, time(horizon.timestamp))?,
            None => writeln!(out, "no block yet")?,
        }
    }
    writeln!(out)?;
    let header = [
        "time",
        "L1 block",
        "what",
        "debit",
        "credit",
        "amount METIS",
        "stake METIS",
        "unclaimed METIS",
        "accrued METIS",
    ];
    let mut rows = table(&header, 5);
    for entry in &statement.entries {
        let StatementEntry { movement, stake, unclaimed, accrued } = entry;
        rows.add_row([
            time(movement.time),
            movement.place.map_or("-".into(), |place| place.block.to_string()),
            what(entry),
            shown(movement.debit),
            shown(movement.credit),
            metis(movement.amount),
            metis(*stake),
            metis(*unclaimed),
            accrued.map_or("-".into(), metis),
        ]);
    }
    writeln!(out, "{rows}\n")?;
    let mut accounts = table(&["account", "opening METIS", "debits", "credits", "closing METIS"], 1);
    for line in &statement.accounts {
        accounts.add_row([
            shown(line.account),
            signed_metis(line.opening),
            metis(line.debits),
            metis(line.credits),
            signed_metis(line.closing),
        ]);
    }
    writeln!(out, "{accounts}")?;
    Ok(())
}

/// A row for each movement, between one of kind `opening` and one of kind `closing` with the balances alone.
fn print_csv(statement: &Statement, output: &mut Output<'_>) -> Result<()> {
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(&mut output.out);
    csv.write_record(CSV_HEADER.split(','))?;
    let id = statement.sequencer;
    let own = [LedgerAccount::Stake(id), LedgerAccount::Unclaimed(id), LedgerAccount::Accrued(id)];
    let line = |account: LedgerAccount| statement.accounts.iter().find(|line| line.account == account);
    let balances = |kind: &str, time: Option<UnixTime>, balances: [String; 3]| {
        let mut row = vec![String::new(); CSV_HEADER.split(',').count() - balances.len()];
        row[0] = or_nothing(time);
        row[4] = kind.into();
        row.extend(balances);
        row
    };
    let opening = own.map(|account| or_nothing(line(account).map(|line| line.opening)));
    csv.write_record(balances("opening", statement.range.from, opening))?;
    for entry in &statement.entries {
        csv.serialize(Movement::from(entry))?;
    }
    let closing = own.map(|account| or_nothing(line(account).map(|line| line.closing)));
    csv.write_record(balances("closing", statement.range.to, closing))?;
    csv.flush()?;
    Ok(())
}
