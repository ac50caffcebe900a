//! A transaction of the store in PostgreSQL.

use crate::column::Column;
use crate::database::Patience;
use crate::derived::{self, Closed};
use crate::error::SinkError;
use crate::postgres::link_of;
use crate::rows::{TABLES, Table, raw, rows, signed};
use crate::store::{Batch, Entry, Standing};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tally_feed::{Link, LogFeed};
use tally_wire::{At, FactKind, Policy};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Statement, Transaction};

/// The statements that batches take, as the database has prepared them.
pub(crate) struct Statements {
    pub(crate) add_facts: Statement,
    pub(crate) void_facts: Statement,
    pub(crate) link_at: Statement,
    pub(crate) stand: Statement,
    /// Of each table, what adds rows.
    pub(crate) add_rows: Vec<Statement>,
    /// Of each table, and of those that follow from several facts, what makes rows void.
    pub(crate) void_rows: Vec<Statement>,
}

/// What is written beside the facts and their rows.
pub(crate) struct Writing {
    /// The channel that others listen at.
    pub(crate) channel: Option<String>,
    /// Where the ledger by block comes from, if it is kept.
    pub(crate) ledger: Option<Arc<Mutex<LogFeed>>>,
    /// Whether a policy is taken up under a name that the tables have with other rules.
    pub(crate) adds_versions: bool,
}

/// A transaction of the database.
pub struct PostgresBatch<'a> {
    pub(crate) transaction: Transaction<'a>,
    pub(crate) statements: &'a Statements,
    pub(crate) policies: &'a mut BTreeMap<String, i32>,
    pub(crate) writing: &'a Writing,
    pub(crate) patience: Patience,
    /// The number by which the tables know the policy.
    pub(crate) number: i32,
    pub(crate) policy: Policy,
}

impl PostgresBatch<'_> {
    async fn add_facts(&self, entries: &[Entry]) -> Result<(), SinkError> {
        let (mut numbers, mut places, mut sequences) = (Vec::new(), Vec::new(), Vec::new());
        let (mut links, mut transactions, mut events): (Vec<Option<Vec<u8>>>, Vec<_>, Vec<_>) =
            (Vec::new(), Vec::new(), Vec::new());
        let (mut times, mut blocks) = (Vec::new(), Vec::new());
        let maybe = |value: Option<u64>, field| value.map(|value| signed(value, field)).transpose();
        for Entry { entry, place, fact, .. } in entries {
            let fact_itself = &fact.fact;
            numbers.push(signed(*entry, "entry")?);
            places.push(maybe(place.map(|(position, _)| position), "position")?);
            sequences.push(signed(fact.sequence, "sequence")?);
            links.push(place.map(|(_, link)| link.to_vec()));
            times.push(maybe(fact_itself.time, "time")?);
            blocks.push(maybe(fact_itself.l1_block, "l1_block")?);
            let transaction = fact_itself.transaction.as_ref();
            transactions.push(transaction.map(|hash| raw(hash.as_str(), "transaction")).transpose()?);
            events.push(maybe(fact_itself.log_index, "log_index")?);
        }
        let texts = |of: fn(&Entry) -> &str| entries.iter().map(of).collect::<Vec<&str>>();
        let cursors = texts(|entry| &entry.fact.cursor);
        let ids = texts(|entry| &entry.fact.fact.id);
        let types = texts(|entry| entry.fact.fact.kind.name());
        let bodies = texts(|entry| &entry.text);
        self.patience
            .within(
                "adding facts",
                self.transaction.execute(
                    &self.statements.add_facts,
                    &[
                        &self.number,
                        &numbers,
                        &places,
                        &sequences,
                        &cursors,
                        &links,
                        &ids,
                        &types,
                        &times,
                        &blocks,
                        &transactions,
                        &events,
                        &bodies,
                    ],
                ),
            )
            .await?;
        Ok(())
    }

    async fn add_rows(&self, entries: &[Entry]) -> Result<(), SinkError> {
        let new = |table: &Table| {
            let columns = table.columns.iter().map(|(_, kind)| Column::new(*kind));
            (Vec::<i64>::new(), columns.collect::<Vec<_>>())
        };
        let mut tables: Vec<_> = TABLES.iter().map(new).collect();
        for entry in entries {
            let number = signed(entry.entry, "entry")?;
            for (table, cells) in rows(&entry.fact.fact)? {
                let (numbers, columns) = tables.get_mut(table).expect("a row is of one of the tables");
                numbers.push(number);
                for (column, cell) in columns.iter_mut().zip(cells) {
                    column.push(cell);
                }
            }
        }
        for ((numbers, columns), add) in tables.iter().zip(&self.statements.add_rows) {
            if numbers.is_empty() {
                continue;
            }
            let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&self.number, numbers];
            parameters.extend(columns.iter().map(Column::as_parameter));
            self.patience.within("adding rows", self.transaction.execute(add, &parameters)).await?;
        }
        Ok(())
    }
}

impl PostgresBatch<'_> {
    /// Adds what follows from several facts: the leaves of distributions, and the ledger by block of epochs.
    async fn add_derived(&self, entries: &[Entry]) -> Result<(), SinkError> {
        let policy = (self.number, self.policy.name.as_str());
        let is_epoch = |entry: &&Entry| matches!(entry.fact.fact.kind, FactKind::EpochClosed { .. });
        if let Some(first) = entries.iter().find(is_epoch) {
            derived::check_sums(&self.transaction, self.patience, policy, signed(first.entry, "entry")?)
                .await?;
        }
        let is_distribution =
            |entry: &&Entry| matches!(entry.fact.fact.kind, FactKind::DistributionReady { .. });
        if let Some(first) = entries.iter().find(is_distribution) {
            derived::add_leaves(&self.transaction, self.patience, policy, signed(first.entry, "entry")?)
                .await?;
        }
        let Some(feed) = &self.writing.ledger else { return Ok(()) };
        for entry in entries {
            if let Some(closed) = Closed::of(entry.entry, &entry.fact.fact)? {
                let policy = (self.number, &self.policy);
                derived::add_blocks(&self.transaction, self.patience, policy, &closed, feed).await?;
            }
        }
        Ok(())
    }
}

impl Batch for PostgresBatch<'_> {
    async fn link_at(&mut self, position: u64) -> Result<Option<Link>, SinkError> {
        let position = signed(position, "position")?;
        let found = self
            .patience
            .within(
                "looking for a fact",
                self.transaction.query_opt(&self.statements.link_at, &[&self.number, &position]),
            )
            .await?;
        found.map(|row| link_of(row.try_get(0)?)).transpose()
    }

    async fn append(&mut self, entries: &[Entry]) -> Result<(), SinkError> {
        self.add_facts(entries).await?;
        self.add_rows(entries).await?;
        self.add_derived(entries).await
    }

    async fn void_after(&mut self, position: u64, by: u64) -> Result<(), SinkError> {
        let (position, by) = (signed(position, "position")?, signed(by, "entry")?);
        let Statements { void_facts, void_rows, .. } = self.statements;
        self.patience
            .within(
                "making facts void",
                self.transaction.execute(void_facts, &[&self.number, &by, &position]),
            )
            .await?;
        for void in void_rows {
            self.patience
                .within("making rows void", self.transaction.execute(void, &[&self.number, &by]))
                .await?;
        }
        Ok(())
    }

    async fn commit(self, from: &Standing, to: &Standing, at: &At) -> Result<(), SinkError> {
        let maybe = |head: &Option<tally_wire::Head>, field| {
            head.as_ref().map(|head| signed(head.block, field)).transpose()
        };
        let (l1, l2) =
            (maybe(&at.final_l1_head, "final_l1_block")?, maybe(&at.final_l2_head, "final_l2_block")?);
        if self
            .patience
            .within(
                "moving the cursor",
                self.transaction.execute(
                    &self.statements.stand,
                    &[
                        &self.number,
                        &signed(from.entry, "entry")?,
                        &from.cursor.to_string(),
                        &signed(to.entry, "entry")?,
                        &signed(to.sequence, "sequence")?,
                        &signed(to.facts, "facts")?,
                        &to.link.as_slice(),
                        &to.cursor.to_string(),
                        &raw(at.log.head_digest.as_str(), "head_digest")?,
                        &l1,
                        &l2,
                    ],
                ),
            )
            .await?
            != 1
        {
            return Err(SinkError::Changed { policy: self.policy.name });
        }
        if let Some(channel) = &self.writing.channel
            && to.entry != from.entry
        {
            let Policy { name, version, .. } = &self.policy;
            let told = serde_json::json!({ "policy": name, "version": version, "sequence": to.sequence });
            let told = told.to_string();
            self.patience
                .within(
                    "telling others",
                    self.transaction.execute("SELECT pg_notify($1, $2)", &[channel, &told]),
                )
                .await?;
        }
        self.patience.within("committing", self.transaction.commit()).await?;
        // Only now is the feed there for sure.
        self.policies.insert(self.policy.digest.as_str().into(), self.number);
        Ok(())
    }
}
