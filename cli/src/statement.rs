//! `tally accounts statement`.

use crate::accounts::{or_nothing, warn};
use crate::accounts_args::StatementArgs;
use crate::accounts_json::{Details, statement_json};
use crate::args::Format;
use crate::format::table;
use crate::names::Names;
use crate::{DONE, Output, policies};
use anyhow::Result;
use tally_claims::{LedgerAccount, MovementKind, Statement, StatementEntry, StatementRange, statement};
use tally_engine::{SequencerId, UnixTime};
use tally_eventlog::LogReader;
use tally_text::{address, metis, signed_metis, time};

/// The columns of CSV.
const CSV_HEADER: [&str; 15] = [
    "time",
    "l1_block",
    "transaction",
    "log_index",
    "kind",
    "batch",
    "epoch",
    "blocks",
    "reward_per_block_wei",
    "amount_wei",
    "debit",
    "credit",
    "stake_wei",
    "unclaimed_wei",
    "accrued_wei",
];

pub(crate) fn run(args: &StatementArgs, output: &mut Output<'_>) -> Result<u8> {
    let policy = args.policy.as_deref().map(policies::load_one).transpose()?;
    let log = LogReader::open(&args.log.log)?;
    let range = StatementRange { from: args.from.map(UnixTime), to: args.to.map(UnixTime) };
    let id = SequencerId(args.sequencer);
    let found = statement(&log, id, policy.as_ref(), range, args.threads.map(usize::from))?;
    warn(&found.discrepancies, output)?;
    match args.format {
        Format::Json => writeln!(output.out, "{:#}", statement_json(&log, &found)?)?,
        Format::Csv => print_csv(&found, output)?,
        Format::Table => print_tables(&found, &Names::load(output.registry, &log)?, output)?,
    }
    Ok(DONE)
}

/// What is told of a kind of movement beside its amount.
fn what(kind: MovementKind) -> String {
    let Details { batch, epoch, blocks, .. } = Details::of(kind);
    let batch = batch.map(|batch| format!(", batch {batch}"));
    let epoch = epoch.map(|epoch| format!(", epoch {epoch}"));
    let blocks = blocks.map(|blocks| format!(", {blocks} blocks"));
    let details: String = [batch, epoch, blocks].into_iter().flatten().collect();
    format!("{}{details}", kind.code())
}

/// An account as people read it: addresses carry their checksum.
fn shown(account: LedgerAccount) -> String {
    match account {
        LedgerAccount::Owner(owner) => format!("owner:{}", address(owner)),
        LedgerAccount::Recipient(recipient) => format!("recipient:{}", address(recipient)),
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
    let from = from.map_or("the beginning".into(), |from| time(from));
    let to = to.map_or("the end of the log".into(), |to| format!("{} (not included)", time(to)));
    writeln!(out, "sequencer {}, from {from} to {to}", names.label(statement.sequencer))?;
    if let Some(policy) = &statement.policy {
        writeln!(out, "policy {} {} ({})", policy.name(), policy.version(), policy.digest())?;
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
    for StatementEntry { movement, stake, unclaimed, accrued } in &statement.entries {
        rows.add_row([
            time(movement.time),
            movement.place.map_or("-".into(), |place| place.block.to_string()),
            what(movement.kind),
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
    let mut csv = csv::Writer::from_writer(&mut output.out);
    csv.write_record(CSV_HEADER)?;
    let id = statement.sequencer;
    let own = [LedgerAccount::Stake(id), LedgerAccount::Unclaimed(id), LedgerAccount::Accrued(id)];
    let line = |account: LedgerAccount| statement.accounts.iter().find(|line| line.account == account);
    let balances = |kind: &str, time: Option<UnixTime>, balances: [String; 3]| {
        let mut row = vec![String::new(); CSV_HEADER.len() - balances.len()];
        row[0] = or_nothing(time);
        row[4] = kind.into();
        row.extend(balances);
        row
    };
    let opening = own.map(|account| or_nothing(line(account).map(|line| line.opening)));
    csv.write_record(balances("opening", statement.range.from, opening))?;
    for StatementEntry { movement, stake, unclaimed, accrued } in &statement.entries {
        let details = Details::of(movement.kind);
        csv.write_record([
            movement.time.to_string(),
            or_nothing(movement.place.map(|place| place.block)),
            or_nothing(movement.place.map(|place| place.transaction_hash)),
            or_nothing(movement.place.map(|place| place.log_index)),
            movement.kind.code().into(),
            or_nothing(details.batch),
            or_nothing(details.epoch),
            or_nothing(details.blocks),
            or_nothing(details.reward_per_block),
            movement.amount.to_string(),
            movement.debit.to_string(),
            movement.credit.to_string(),
            stake.to_string(),
            unclaimed.to_string(),
            or_nothing(*accrued),
        ])?;
    }
    let closing = own.map(|account| or_nothing(line(account).map(|line| line.closing)));
    csv.write_record(balances("closing", statement.range.to, closing))?;
    csv.flush()?;
    Ok(())
}
