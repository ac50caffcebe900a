//! A connection that works on one schema: its lock, and how the schema comes to the version that is known here.

use crate::database::{Connected, Database};
use crate::error::SinkError;
use crate::schema::{Schema, VERSIONS, applied, known_version, migrations_after};
use std::fmt::Write;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// What tells the locks of sinks from those of other programs: `TALY`.
const LOCK_CLASS: i32 = 0x5441_4c59;

/// How often a sink that starts tries to get the lock: whoever was killed right before holds it until the database notices.
const LOCK_ATTEMPTS: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(200);

/// How long a connection may be silent before it is asked whether it is still one.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(15);

/// What the database does by itself with a connection whose other end went without a word, so that its lock is not held for
/// hours: it ends one that is silent for much longer than a sink ever is, and looks every ten seconds whether anybody still
/// waits for a statement.
const END_BY_ITSELF: &str = "SET idle_session_timeout = '5min'; SET idle_in_transaction_session_timeout = '5min'; \
    SET client_connection_check_interval = '10s'; SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; \
    SET tcp_keepalives_count = 3";

/// The process of the database that serves a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backend {
    pid: i32,
    /// When it began, by the clock of the database: numbers of processes are used again.
    began: String,
}

/// A connection whose statements are about the tables of a schema.
pub(crate) struct Session {
    pub(crate) connected: Connected,
    pub(crate) schema: Schema,
    /// The process of the database that serves the connection, once it is known.
    pub(crate) backend: Option<Backend>,
    heard: Instant,
}

impl Session {
    /// Connects to read only, without the lock.
    pub(crate) async fn open(database: &Database, schema: &Schema) -> Result<Self, SinkError> {
        let connected = database.connect().await?;
        // Nothing else is found by a bare name, and no time or text depends on how the server was set up.
        let set = format!(
            "SET search_path = {}; SET timezone = 'UTC'; SET client_encoding = 'UTF8'",
            schema.quoted()
        );
        connected.patience.within("setting up", connected.client.batch_execute(&set)).await?;
        Ok(Self { connected, schema: schema.clone(), backend: None, heard: Instant::now() })
    }

    /// Connects, to write: as the only one until the connection ends. `former` is who served this sink before: a connection
    /// that hangs is still one to the database, and is ended.
    pub(crate) async fn open_alone(
        database: &Database,
        schema: &Schema,
        former: Option<&Backend>,
    ) -> Result<Self, SinkError> {
        let mut session = Self::open(database, schema).await?;
        session.within("setting up", session.client().batch_execute(END_BY_ITSELF)).await?;
        if let Some(former) = former {
            session.end_former(former).await?;
        }
        for attempt in 1.. {
            if session.try_lock().await? {
                break;
            }
            if attempt >= LOCK_ATTEMPTS {
                let holder = session.holder().await?;
                return Err(SinkError::Held { schema: schema.to_string(), holder });
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        let own = "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";
        let row = session.within("asking who serves", session.client().query_one(own, &[])).await?;
        session.backend = Some(Backend { pid: row.try_get(0)?, began: row.try_get(1)? });
        Ok(session)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.connected.client
    }

    /// What a statement gives, unless the database hangs.
    pub(crate) async fn within<T>(
        &self,
        doing: &'static str,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>> + Send,
    ) -> Result<T, SinkError> {
        self.connected.patience.within(doing, statement).await
    }

    /// Finds out that the connection has ended or hangs before there is something to write, by asking where it was silent.
    pub(crate) async fn check(&mut self) -> Result<(), SinkError> {
        if self.client().is_closed() {
            return Err(SinkError::Lost);
        }
        if self.heard.elapsed() >= SILENCE_MAX {
            self.within("asking whether it is there", self.client().batch_execute("")).await?;
            self.hear();
        }
        Ok(())
    }

    /// Notes that the database has answered.
    pub(crate) fn hear(&mut self) {
        self.heard = Instant::now();
    }

    /// Ends the connection that this sink had before, if it is still there and holds the lock.
    async fn end_former(&self, former: &Backend) -> Result<(), SinkError> {
        let statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2";
        if self
            .within(
                "ending the former connection",
                self.client().query_opt(statement, &[&former.pid, &former.began]),
            )
            .await?
            .is_some()
        {
            tracing::warn!("the former connection to the database still stood, and was ended");
        }
        Ok(())
    }

    async fn try_lock(&self) -> Result<bool, SinkError> {
        let statement = "SELECT pg_try_advisory_lock($1, $2)";
        let lock = self.schema.lock();
        let row = self.within("locking", self.client().query_one(statement, &[&LOCK_CLASS, &lock])).await?;
        Ok(row.try_get(0)?)
    }

    /// Who has the lock, for people.
    async fn holder(&self) -> Result<String, SinkError> {
        // PostgreSQL tells the numbers of a lock without their signs.
        let statement = "SELECT format('%s (backend %s, user %s%s%s)', coalesce(nullif(application_name, ''), 'a program'), pid, \
                usename, ' from ' || host(client_addr), ', connected since ' || to_char(backend_start, 'YYYY-MM-DD HH24:MI:SS') || ' UTC') \
             FROM pg_locks JOIN pg_stat_activity USING (pid) \
             WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                AND classid = $1 AND objid = $2 AND objsubid = 2 AND granted";
        let [class, lock] =
            [LOCK_CLASS, self.schema.lock()].map(|number| u32::from_be_bytes(number.to_be_bytes()));
        let row =
            self.within("asking who locked", self.client().query_opt(statement, &[&class, &lock])).await?;
        let nobody = "one that has just gone: try again".to_owned();
        Ok(row.map_or(Ok(nobody), |row| row.try_get(0))?)
    }

    /// The version of the schema; 0 if there is none.
    pub(crate) async fn version(&self) -> Result<i64, SinkError> {
        let table = format!("{}.schema_version", self.schema.quoted());
        if !self
            .within(
                "looking for the schema",
                self.client().query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]),
            )
            .await?
            .try_get::<_, bool>(0)?
        {
            return Ok(0);
        }
        Ok(self
            .within(
                "reading the version",
                self.client().query_one("SELECT coalesce(max(version), 0) FROM schema_version", &[]),
            )
            .await?
            .try_get(0)?)
    }

    /// Whether the schema is of the version that is known here.
    pub(crate) async fn check_version(&self) -> Result<(), SinkError> {
        let (schema, found, known) = (self.schema.to_string(), self.version().await?, known_version());
        match found {
            _ if found > known => Err(SinkError::Newer { schema, found, known }),
            _ if found < known => Err(SinkError::Older { schema, found, known }),
            _ => Ok(()),
        }
    }

    /// Brings the schema to the version that is known here, in one transaction; returns the one that it had. Nobody writes
    /// meanwhile: this connection has the lock.
    pub(crate) async fn migrate(&self) -> Result<i64, SinkError> {
        let (schema, known) = (&self.schema, known_version());
        let found = self.version().await?;
        if found > known {
            return Err(SinkError::Newer { schema: schema.to_string(), found, known });
        }
        if found == known {
            return Ok(found);
        }
        let mut script = "BEGIN;\n".to_owned();
        if !self
            .within(
                "looking for the schema",
                self.client().query_one("SELECT to_regnamespace($1) IS NOT NULL", &[&schema.name()]),
            )
            .await?
            .try_get::<_, bool>(0)?
        {
            let _ = writeln!(script, "CREATE SCHEMA {};", schema.quoted());
        }
        if found == 0 {
            script += VERSIONS;
        }
        for (version, name, sql) in migrations_after(found) {
            let _ = write!(script, "\n{sql}\n{};\n", applied(version, name));
        }
        // Whatever goes wrong before it, the transaction ends with the connection.
        script += "COMMIT";
        match self.within("migrating", self.client().batch_execute(&script)).await {
            // A writer may not: it needs somebody who does.
            Err(SinkError::Database(error)) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                Err(SinkError::Older { schema: schema.to_string(), found, known })
            }
            done => done.map(|()| found),
        }
    }
}

/// Brings a schema to the version that is known here, and returns which it had and which it has.
///
/// # Errors
///
/// [`SinkError`] if a sink writes to it, it is of a newer version, or the database refuses.
pub async fn migrate(database: &Database, schema: &Schema) -> Result<(i64, i64), SinkError> {
    let session = Session::open_alone(database, schema, None).await?;
    Ok((session.migrate().await?, known_version()))
}
