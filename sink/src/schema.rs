//! The schema of the tables: its lock, its version, and how it comes to the version that is known here.

use crate::database::{Connected, Database, within};
use crate::error::SinkError;
use crate::rows::TABLES;
use std::fmt;
use std::fmt::Write;
use std::time::Duration;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// The migrations, in order: the version that each brings the schema to is its place, from 1 on. What was published is never
/// changed; what is to be otherwise is another migration.
const MIGRATIONS: [(&str, &str); 2] = [
    ("0001_tables", include_str!("../migrations/0001_tables.sql")),
    ("0002_views", include_str!("../migrations/0002_views.sql")),
];

const ROLES: &str = include_str!("../migrations/roles.sql");

/// What tells the locks of sinks from those of other programs: `TALY`.
const LOCK_CLASS: i32 = 0x5441_4c59;

/// How often a sink that starts tries to get the lock: whoever was killed right before holds it until the database notices.
const LOCK_ATTEMPTS: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(200);

/// The longest name of a schema: the names of the roles are longer, and PostgreSQL takes 63 bytes.
const NAME_BYTES_MAX: usize = 50;

/// The name of a schema: small letters, digits and `_`, so that it never has to be quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema(String);

impl Schema {
    /// The schema of this name.
    ///
    /// # Errors
    ///
    /// [`SinkError::Usage`] if it has other characters, or too many.
    pub fn new(name: &str) -> Result<Self, SinkError> {
        let is_usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let begins_well = name.starts_with(|first: char| first.is_ascii_lowercase());
        // PostgreSQL keeps such names for itself.
        let is_free = !name.starts_with("pg_");
        if begins_well && is_free && name.len() <= NAME_BYTES_MAX && name.bytes().all(is_usual) {
            return Ok(Self(name.into()));
        }
        let what = format!(
            "--schema {name:?}: a schema is named by at most {NAME_BYTES_MAX} of a-z, 0-9 and _, a letter first, and not pg_"
        );
        Err(SinkError::Usage(what))
    }

    /// The number of its lock.
    fn lock(&self) -> i32 {
        let digest = blake3::hash(self.0.as_bytes());
        i32::from_be_bytes(*digest.as_bytes().first_chunk().expect("a digest has 32 bytes"))
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The last version that is known here.
pub(crate) fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("there are few")
}

/// All migrations as one script.
pub fn migrations_sql(schema: &Schema) -> String {
    let mut script =
        format!("BEGIN;\nCREATE SCHEMA {schema};\nSET LOCAL search_path = {schema};\n{VERSIONS}\n");
    for (version, (name, sql)) in (1..).zip(MIGRATIONS) {
        let _ = write!(script, "\n-- {name}\n{sql}\n{};\n", applied(version, name));
    }
    script + "COMMIT;\n"
}

/// A script that makes the roles of a schema and gives them their rights.
pub fn roles_sql(schema: &Schema) -> String {
    let mut tables = vec!["fact"];
    tables.extend(TABLES.iter().map(|table| table.name));
    let with_schema = |table: &&str| format!("{schema}.{table}");
    let all: Vec<String> = std::iter::once(&"feed").chain(&tables).map(with_schema).collect();
    let voids = tables.iter().map(with_schema);
    let voids: Vec<String> =
        voids.map(|table| format!("GRANT UPDATE (void_by) ON {table} TO {schema}_writer;")).collect();
    ROLES
        .replace("{schema}", &schema.0)
        .replace("{tables}", &all.join(", "))
        .replace("{voids}", &voids.join("\n"))
}

const VERSIONS: &str = "CREATE TABLE schema_version (
    version bigint PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE schema_version IS 'The migrations that made this schema.';
COMMENT ON COLUMN schema_version.version IS 'The version that the schema had after it.';
COMMENT ON COLUMN schema_version.name IS 'What the migration is called.';
COMMENT ON COLUMN schema_version.applied_at IS 'When it was applied, by the clock of the database.';";

fn applied(version: i64, name: &str) -> String {
    format!("INSERT INTO schema_version (version, name) VALUES ({version}, '{name}')")
}

/// A connection whose statements are about the tables of a schema.
pub(crate) struct Session {
    pub(crate) connected: Connected,
    pub(crate) schema: Schema,
}

impl Session {
    /// Connects, to read.
    pub(crate) async fn open(database: &Database, schema: &Schema) -> Result<Self, SinkError> {
        let connected = database.connect().await?;
        // Nothing else is found by a bare name, and no time or text depends on how the server was set up.
        let set = format!("SET search_path = {schema}; SET timezone = 'UTC'; SET client_encoding = 'UTF8'");
        within("setting up", connected.client.batch_execute(&set)).await?;
        Ok(Self { connected, schema: schema.clone() })
    }

    /// Connects, to write: as the only one until the connection ends.
    pub(crate) async fn open_alone(database: &Database, schema: &Schema) -> Result<Self, SinkError> {
        let session = Self::open(database, schema).await?;
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
        Ok(session)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.connected.client
    }

    async fn try_lock(&self) -> Result<bool, SinkError> {
        let statement = "SELECT pg_try_advisory_lock($1, $2)";
        let lock = self.schema.lock();
        let row = within("locking", self.client().query_one(statement, &[&LOCK_CLASS, &lock])).await?;
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
        let row = within("asking who locked", self.client().query_opt(statement, &[&class, &lock])).await?;
        let nobody = "one that has just gone: try again".to_owned();
        Ok(row.map_or(Ok(nobody), |row| row.try_get(0))?)
    }

    /// The version of the schema; 0 if there is none.
    pub(crate) async fn version(&self) -> Result<i64, SinkError> {
        let table = format!("{}.schema_version", self.schema);
        if !within(
            "looking for the schema",
            self.client().query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]),
        )
        .await?
        .try_get::<_, bool>(0)?
        {
            return Ok(0);
        }
        Ok(within(
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
        if !within(
            "looking for the schema",
            self.client().query_one("SELECT to_regnamespace($1) IS NOT NULL", &[&schema.0]),
        )
        .await?
        .try_get::<_, bool>(0)?
        {
            let _ = writeln!(script, "CREATE SCHEMA {schema};");
        }
        if found == 0 {
            script += VERSIONS;
        }
        for (version, (name, sql)) in (1..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
            let _ = write!(script, "\n{sql}\n{};\n", applied(version, name));
        }
        // Whatever goes wrong before it, the transaction ends with the connection.
        script += "COMMIT";
        match within("migrating", self.client().batch_execute(&script)).await {
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
    let session = Session::open_alone(database, schema).await?;
    Ok((session.migrate().await?, known_version()))
}
