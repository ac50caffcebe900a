//! The store in PostgreSQL.

use crate::batch::{PostgresBatch, Statements, Writing};
use crate::column::Column;
use crate::database::Database;
use crate::derived;
use crate::error::SinkError;
use crate::rows::{DERIVED, TABLES, hex_of, raw, unsigned};
use crate::schema::Schema;
use crate::session::{Backend, Session};
use crate::store::{Standing, Store};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use tally_feed::{Cursor, Link, LogFeed};
use tally_wire::Policy;
use tokio_postgres::{Client, Row, Statement};

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
    writing: Writing,
}

impl PostgresStore {
    /// Connects, takes the lock of the schema, and brings it to the version that is known here.
    ///
    /// # Errors
    ///
    /// [`SinkError::Held`] if another sink writes there, [`SinkError::Newer`] if the tables are of a newer version, and
    /// whatever the database says.
    pub async fn open(database: &Database, schema: &Schema) -> Result<Self, SinkError> {
        Self::open_after(database, schema, None).await
    }

    /// The same; `former` is who served this sink before.
    pub(crate) async fn open_after(
        database: &Database,
        schema: &Schema,
        former: Option<&Backend>,
    ) -> Result<Self, SinkError> {
        let session = Session::open_alone(database, schema, former).await?;
        session.migrate().await?;
        let statements = Statements::prepare(&session).await?;
        let writing = Writing { channel: None, ledger: None, adds_versions: false };
        let mut store = Self { session, statements, policies: BTreeMap::new(), writing };
        store.fill_leaves().await?;
        Ok(store)
    }

    /// The same, which tells others of each commit that brings facts: a `NOTIFY` to the channel that has the name of the schema.
    #[must_use]
    pub fn with_notify(mut self) -> Self {
        self.writing.channel = Some(self.session.schema.name().to_owned());
        self
    }

    /// The same, which also keeps the ledger by block of each epoch, out of the log that its facts come from.
    #[must_use]
    pub fn with_blocks(mut self, feed: Arc<Mutex<LogFeed>>) -> Self {
        self.writing.ledger = Some(feed);
        self
    }

    /// The same, which also takes up a policy under a name that the tables have with other rules.
    #[must_use]
    pub fn with_versions(mut self) -> Self {
        self.writing.adds_versions = true;
        self
    }

    /// Whether it keeps the ledger by block.
    pub(crate) fn keeps_blocks(&self) -> bool {
        self.writing.ledger.is_some()
    }

    /// Finds out that the connection ended or hangs, and the lock with it, before there is something to write.
    pub(crate) async fn check_connection(&mut self) -> Result<(), SinkError> {
        self.session.check().await
    }

    /// Who serves the connection.
    pub(crate) fn backend(&self) -> Option<&Backend> {
        self.session.backend.as_ref()
    }

    /// A connection for questions, and the number of a policy that was asked for before.
    pub(crate) fn of(&self, policy: &Policy) -> Option<(&Session, i32)> {
        let number = self.policies.get(policy.digest.as_str())?;
        Some((&self.session, *number))
    }

    /// Adds the leaves that older versions have left out, of all feeds, before anything else is written or asked for.
    async fn fill_leaves(&mut self) -> Result<(), SinkError> {
        let Session { connected, .. } = &mut self.session;
        let patience = connected.patience;
        let transaction = patience.within("beginning", connected.client.transaction()).await?;
        let all = "SELECT policy, name FROM feed ORDER BY policy";
        for row in patience.within("asking for feeds", transaction.query(all, &[])).await? {
            let policy: (i32, &str) = (row.try_get(0)?, row.try_get(1)?);
            derived::add_leaves(&transaction, patience, policy, 0).await?;
        }
        patience.within("committing", transaction.commit()).await
    }

    /// Adds the ledger by block that a sink without it has left out of what holds. Each epoch is a transaction of its own.
    pub(crate) async fn fill_blocks(&mut self, policy: &Policy) -> Result<(), SinkError> {
        let Some(number) = self.policies.get(policy.digest.as_str()).copied() else { return Ok(()) };
        let Self { session, writing, .. } = self;
        let patience = session.connected.patience;
        let Some(feed) = &writing.ledger else { return Ok(()) };
        for closed in derived::epochs_without_blocks(&session.connected.client, patience, number).await? {
            let transaction = patience.within("beginning", session.connected.client.transaction()).await?;
            derived::add_blocks(&transaction, patience, (number, policy), &closed, feed).await?;
            patience.within("committing", transaction.commit()).await?;
        }
        Ok(())
    }
}

impl Statements {
    /// Has the database prepare them.
    async fn prepare(session: &Session) -> Result<Self, SinkError> {
        let client: &Client = session.client();
        let prepare = async |text: &str| session.within("preparing", client.prepare(text)).await;
        let mut add_rows = Vec::new();
        for table in &TABLES {
            let (mut columns, mut arrays) = (String::new(), String::new());
            for (place, (name, kind)) in (3..).zip(table.columns) {
                let _ = write!(columns, ", {name}");
                let _ = write!(arrays, ", ${place}::{}[]", Column::type_of(*kind));
            }
            let name = table.name;
            let add = format!(
                "INSERT INTO {name} (policy, entry{columns}) SELECT $1, entry{columns} \
                 FROM unnest($2::bigint[]{arrays}) AS told (entry{columns})"
            );
            add_rows.push(prepare(&add).await?);
        }
        let mut void_rows: Vec<Statement> = Vec::new();
        for name in TABLES.iter().map(|table| table.name).chain(DERIVED) {
            let void = format!(
                "UPDATE {name} SET void_by = $2 WHERE policy = $1 AND void_by IS NULL \
                 AND entry IN (SELECT entry FROM fact WHERE policy = $1 AND void_by = $2)"
            );
            void_rows.push(prepare(&void).await?);
        }
        Ok(Self {
            add_facts: prepare(ADD_FACTS).await?,
            void_facts: prepare(VOID_FACTS).await?,
            link_at: prepare(LINK_AT).await?,
            stand: prepare(STAND).await?,
            add_rows,
            void_rows,
        })
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
        let Some(row) = self
            .session
            .within("reading where the feed stands", self.session.client().query_opt(statement, &[&digest]))
            .await?
        else {
            return Ok(Standing::default());
        };
        self.policies.insert(policy.digest.as_str().into(), row.try_get(0)?);
        standing_of(&row, 1)
    }

    async fn begin(&mut self, policy: &Policy) -> Result<PostgresBatch<'_>, SinkError> {
        let Self { session, statements, policies, writing } = self;
        let known = policies.get(policy.digest.as_str()).copied();
        let patience = session.connected.patience;
        session.hear();
        let transaction = patience.within("beginning", session.connected.client.transaction()).await?;
        let number = if let Some(number) = known {
            number
        } else {
            let digest = raw(policy.digest.as_str(), "digest")?;
            if !writing.adds_versions {
                let same = "SELECT version, policy_digest FROM feed WHERE name = $1 ORDER BY policy LIMIT 1";
                if let Some(row) =
                    patience.within("asking for feeds", transaction.query_opt(same, &[&policy.name])).await?
                {
                    return Err(SinkError::SameName {
                        policy: policy.name.clone(),
                        version: row.try_get(0)?,
                        digest: hex_of(row.try_get(1)?),
                        told_version: policy.version.into(),
                        told: policy.digest.as_str().into(),
                    });
                }
            }
            let (add, name, version) = (
                "INSERT INTO feed (name, version, policy_digest) VALUES ($1, $2, $3::bytea) RETURNING policy",
                &policy.name,
                i64::from(policy.version),
            );
            patience
                .within("adding a feed", transaction.query_one(add, &[name, &version, &digest]))
                .await?
                .try_get(0)?
        };
        Ok(PostgresBatch {
            transaction,
            statements,
            policies,
            writing,
            patience,
            number,
            policy: policy.clone(),
        })
    }
}
