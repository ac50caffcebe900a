//! The store in PostgreSQL.

use crate::database::{Database, within};
use crate::error::SinkError;
use crate::rows::{Cell, Kind, TABLES, raw, rows, signed, unsigned};
use crate::schema::{Schema, Session};
use crate::store::{Batch, Entry, Standing, Store};
use alloy_primitives::U256;
use std::collections::BTreeMap;
use std::fmt::Write;
use tally_feed::{Cursor, Link};
use tally_wire::{At, Policy};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement, Transaction};

const ADD_FACTS: &str = "INSERT INTO fact \
    (policy, entry, position, sequence, cursor, link, id, type, time, l1_block, transaction, log_index, body) \
    SELECT $1, entry, position, sequence, cursor, link, id, type, time, l1_block, transaction, log_index, body::json \
    FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bytea[], $7::text[], $8::text[], $9::bigint[], \
        $10::bigint[], $11::bytea[], $12::bigint[], $13::text[]) \
    AS told (entry, position, sequence, cursor, link, id, type, time, l1_block, transaction, log_index, body)";

const VOID_FACTS: &str =
    "UPDATE fact SET void_by = $2 WHERE policy = $1 AND void_by IS NULL AND position > $3";

const LINK_AT: &str = "SELECT link FROM fact WHERE policy = $1 AND void_by IS NULL AND position = $2";

const STAND: &str = "UPDATE feed SET entry = $4, sequence = $5, facts = $6, link = $7::bytea, cursor = $8, log_digest = $9::bytea, \
    final_l1_block = $10, final_l2_block = $11, committed_at = now() \
    WHERE policy = $1 AND entry = $2 AND cursor = $3";

/// The facts of feeds in the tables of a schema, which no other sink writes while this is there.
pub struct PostgresStore {
    session: Session,
    statements: Statements,
    /// By the digest of each policy, the number by which the tables know it.
    policies: BTreeMap<String, i32>,
}

/// The statements that every batch takes, as the database has prepared them.
struct Statements {
    add_facts: Statement,
    void_facts: Statement,
    link_at: Statement,
    stand: Statement,
    /// Of each table, what adds rows and what makes them void.
    tables: Vec<(Statement, Statement)>,
}

impl PostgresStore {
    /// Connects, takes the lock of the schema, and brings it to the version that is known here.
    ///
    /// # Errors
    ///
    /// [`SinkError::Held`] if another sink writes there, [`SinkError::Newer`] if the tables are of a newer version, and
    /// whatever the database says.
    pub async fn open(database: &Database, schema: &Schema) -> Result<Self, SinkError> {
        let session = Session::open_alone(database, schema).await?;
        session.migrate().await?;
        let client = session.client();
        let prepare = async |text: &str| within("preparing", client.prepare(text)).await;
        let mut tables = Vec::new();
        for table in &TABLES {
            let (mut columns, mut arrays) = (String::new(), String::new());
            for (place, (name, kind)) in (3..).zip(table.columns) {
                let of = match kind {
                    Kind::Number => "bigint",
                    Kind::Wide => "numeric",
                    Kind::Bytes => "bytea",
                    Kind::Text => "text",
                    Kind::Flag => "boolean",
                };
                let _ = write!(columns, ", {name}");
                let _ = write!(arrays, ", ${place}::{of}[]");
            }
            let name = table.name;
            let add = format!(
                "INSERT INTO {name} (policy, entry{columns}) SELECT $1, entry{columns} \
                 FROM unnest($2::bigint[]{arrays}) AS told (entry{columns})"
            );
            let void = format!(
                "UPDATE {name} SET void_by = $2 WHERE policy = $1 AND void_by IS NULL \
                 AND entry IN (SELECT entry FROM fact WHERE policy = $1 AND void_by = $2)"
            );
            tables.push((prepare(&add).await?, prepare(&void).await?));
        }
        let statements = Statements {
            add_facts: prepare(ADD_FACTS).await?,
            void_facts: prepare(VOID_FACTS).await?,
            link_at: prepare(LINK_AT).await?,
            stand: prepare(STAND).await?,
            tables,
        };
        Ok(Self { session, statements, policies: BTreeMap::new() })
    }
}

impl PostgresStore {
    /// Finds out that the connection ended, and the lock with it, before there is something to write.
    pub(crate) fn check_connection(&self) -> Result<(), SinkError> {
        if self.session.client().is_closed() { Err(SinkError::Lost) } else { Ok(()) }
    }
}

/// How far a feed is, of a row with `entry, sequence, facts, link, cursor` from this column on.
pub(crate) fn standing_of(row: &Row, first: usize) -> Result<Standing, SinkError> {
    let number = |column: usize, field| unsigned(row.try_get(first + column)?, field);
    let cursor: String = row.try_get(first + 4)?;
    let none =
        || SinkError::Value { field: "cursor", found: cursor.clone(), expected: "a cursor of the feed" };
    Ok(Standing {
        entry: number(0, "entry")?,
        sequence: number(1, "sequence")?,
        facts: number(2, "facts")?,
        link: link_of(row.try_get(first + 3)?)?,
        cursor: Cursor::parse(&cursor).ok_or_else(none)?,
    })
}

pub(crate) fn link_of(bytes: &[u8]) -> Result<Link, SinkError> {
    let none = |_| SinkError::Value { field: "link", found: format!("{bytes:02x?}"), expected: "32 bytes" };
    bytes.try_into().map_err(none)
}

impl Store for PostgresStore {
    type Batch<'a> = PostgresBatch<'a>;

    async fn standing(&mut self, policy: &Policy) -> Result<Standing, SinkError> {
        let digest = raw(policy.digest.as_str(), "digest")?;
        let statement =
            "SELECT policy, entry, sequence, facts, link, cursor FROM feed WHERE policy_digest = $1";
        let Some(row) =
            within("reading where the feed stands", self.session.client().query_opt(statement, &[&digest]))
                .await?
        else {
            return Ok(Standing::default());
        };
        self.policies.insert(policy.digest.as_str().into(), row.try_get(0)?);
        standing_of(&row, 1)
    }

    async fn begin(&mut self, policy: &Policy) -> Result<PostgresBatch<'_>, SinkError> {
        let Self { session, statements, policies } = self;
        let known = policies.get(policy.digest.as_str()).copied();
        let transaction = within("beginning", session.connected.client.transaction()).await?;
        let number = if let Some(number) = known {
            number
        } else {
            let digest = raw(policy.digest.as_str(), "digest")?;
            let (add, name, version) = (
                "INSERT INTO feed (name, version, policy_digest) VALUES ($1, $2, $3::bytea) RETURNING policy",
                &policy.name,
                i64::from(policy.version),
            );
            within("adding a feed", transaction.query_one(add, &[name, &version, &digest]))
                .await?
                .try_get(0)?
        };
        let (name, digest) = (policy.name.clone(), policy.digest.as_str().to_owned());
        Ok(PostgresBatch { transaction, statements, policies, policy: number, name, digest })
    }
}

/// A transaction of the database.
pub struct PostgresBatch<'a> {
    transaction: Transaction<'a>,
    statements: &'a Statements,
    policies: &'a mut BTreeMap<String, i32>,
    policy: i32,
    name: String,
    digest: String,
}

/// Values of one column, as the database takes them.
enum Column {
    Numbers(Vec<Option<i64>>),
    Wide(Vec<Option<U256>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Texts(Vec<Option<String>>),
    Flags(Vec<Option<bool>>),
}

impl Column {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Number => Self::Numbers(Vec::new()),
            Kind::Wide => Self::Wide(Vec::new()),
            Kind::Bytes => Self::Bytes(Vec::new()),
            Kind::Text => Self::Texts(Vec::new()),
            Kind::Flag => Self::Flags(Vec::new()),
        }
    }

    fn push(&mut self, cell: Cell) {
        match (self, cell) {
            (Self::Numbers(values), Cell::Null) => values.push(None),
            (Self::Numbers(values), Cell::Number(value)) => values.push(Some(value)),
            (Self::Wide(values), Cell::Null) => values.push(None),
            (Self::Wide(values), Cell::Wide(value)) => values.push(Some(value)),
            (Self::Bytes(values), Cell::Null) => values.push(None),
            (Self::Bytes(values), Cell::Bytes(value)) => values.push(Some(value)),
            (Self::Texts(values), Cell::Null) => values.push(None),
            (Self::Texts(values), Cell::Text(value)) => values.push(Some(value)),
            (Self::Flags(values), Cell::Null) => values.push(None),
            (Self::Flags(values), Cell::Flag(value)) => values.push(Some(value)),
            (_, cell) => unreachable!("{cell:?} is of another column"),
        }
    }

    fn as_parameter(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Numbers(values) => values,
            Self::Wide(values) => values,
            Self::Bytes(values) => values,
            Self::Texts(values) => values,
            Self::Flags(values) => values,
        }
    }
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
        within(
            "adding facts",
            self.transaction.execute(
                &self.statements.add_facts,
                &[
                    &self.policy,
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
        let new = |table: &crate::rows::Table| {
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
        for ((numbers, columns), (add, _)) in tables.iter().zip(&self.statements.tables) {
            if numbers.is_empty() {
                continue;
            }
            let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&self.policy, numbers];
            parameters.extend(columns.iter().map(Column::as_parameter));
            within("adding rows", self.transaction.execute(add, &parameters)).await?;
        }
        Ok(())
    }
}

impl Batch for PostgresBatch<'_> {
    async fn link_at(&mut self, position: u64) -> Result<Option<Link>, SinkError> {
        let position = signed(position, "position")?;
        let found = within(
            "looking for a fact",
            self.transaction.query_opt(&self.statements.link_at, &[&self.policy, &position]),
        )
        .await?;
        found.map(|row| link_of(row.try_get(0)?)).transpose()
    }

    async fn append(&mut self, entries: &[Entry]) -> Result<(), SinkError> {
        self.add_facts(entries).await?;
        self.add_rows(entries).await
    }

    async fn void_after(&mut self, position: u64, by: u64) -> Result<(), SinkError> {
        let (position, by) = (signed(position, "position")?, signed(by, "entry")?);
        let Statements { void_facts, tables, .. } = self.statements;
        within("making facts void", self.transaction.execute(void_facts, &[&self.policy, &by, &position]))
            .await?;
        for (_, void) in tables {
            within("making rows void", self.transaction.execute(void, &[&self.policy, &by])).await?;
        }
        Ok(())
    }

    async fn commit(self, from: &Standing, to: &Standing, at: &At) -> Result<(), SinkError> {
        let maybe = |head: &Option<tally_wire::Head>, field| {
            head.as_ref().map(|head| signed(head.block, field)).transpose()
        };
        let (l1, l2) =
            (maybe(&at.final_l1_head, "final_l1_block")?, maybe(&at.final_l2_head, "final_l2_block")?);
        if within(
            "moving the cursor",
            self.transaction.execute(
                &self.statements.stand,
                &[
                    &self.policy,
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
            return Err(SinkError::Changed { policy: self.name });
        }
        within("committing", self.transaction.commit()).await?;
        // Only now is the feed there for sure.
        self.policies.insert(self.digest, self.policy);
        Ok(())
    }
}
