//! The schema of the tables, as scripts: its migrations, its roles, and the views by which another schema shows it.

use crate::error::SinkError;
use crate::rows::{DERIVED, TABLES};
use std::fmt;
use std::fmt::Write;

/// The migrations, in order: the version that each brings the schema to is its place, from 1 on. What was published is never
/// changed; what is to be otherwise is another migration.
const MIGRATIONS: [(&str, &str); 5] = [
    ("0001_tables", include_str!("../migrations/0001_tables.sql")),
    ("0002_views", include_str!("../migrations/0002_views.sql")),
    ("0003_leaves", include_str!("../migrations/0003_leaves.sql")),
    ("0004_ledger", include_str!("../migrations/0004_ledger.sql")),
    ("0005_payouts", include_str!("../migrations/0005_payouts.sql")),
];

const ROLES: &str = include_str!("../migrations/roles.sql");
const PUBLISH: &str = include_str!("../migrations/publish.sql");
const TAKE_OVER: &str = include_str!("../migrations/take_over.sql");

/// The longest name of a schema: the names of the roles are longer, and PostgreSQL takes 63 bytes.
const NAME_BYTES_MAX: usize = 50;

/// The name of a schema: small letters, digits and `_`. Words of SQL such as `user` are among them, so that scripts quote it.
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

    /// The name of the schema.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Its name as scripts have it.
    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }

    /// The number of its lock.
    pub(crate) fn lock(&self) -> i32 {
        let digest = blake3::hash(self.0.as_bytes());
        i32::from_be_bytes(*digest.as_bytes().first_chunk().expect("a digest has 32 bytes"))
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The migrations that bring a schema of some version to the last one, with their numbers and names.
pub(crate) fn migrations_after(found: i64) -> impl Iterator<Item = (i64, &'static str, &'static str)> {
    let numbered = (1..).zip(MIGRATIONS).map(|(version, (name, sql))| (version, name, sql));
    numbered.filter(move |(version, ..)| *version > found)
}

/// The last version that is known here.
pub(crate) fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("there are few")
}

/// The migrations of a schema of version `found` as one script; with 0 it makes the schema.
///
/// # Errors
///
/// [`SinkError::Usage`] if there is no such version.
pub fn migrations_sql(schema: &Schema, found: i64) -> Result<String, SinkError> {
    let known = known_version();
    if !(0..=known).contains(&found) {
        let what = format!("--from-version {found}: the versions that are known here are 0 to {known}");
        return Err(SinkError::Usage(what));
    }
    let mut script = "BEGIN;\n".to_owned();
    let quoted = schema.quoted();
    if found == 0 {
        let _ = writeln!(script, "CREATE SCHEMA {quoted};");
    }
    let _ = writeln!(script, "SET LOCAL search_path = {quoted};");
    if found == 0 {
        let _ = writeln!(script, "{VERSIONS}");
    }
    for (version, name, sql) in migrations_after(found) {
        let _ = write!(script, "\n-- {name}\n{sql}\n{};\n", applied(version, name));
    }
    Ok(script + "COMMIT;\n")
}

/// A script that makes the roles of a schema and gives them their rights.
pub fn roles_sql(schema: &Schema) -> String {
    let mut tables = vec!["fact"];
    tables.extend(TABLES.iter().map(|table| table.name).chain(DERIVED));
    let with_schema = |table: &&str| format!("{}.{table}", schema.quoted());
    let all: Vec<String> = std::iter::once(&"feed").chain(&tables).map(with_schema).collect();
    let voids = tables.iter().map(with_schema);
    let voids: Vec<String> =
        voids.map(|table| format!("GRANT UPDATE (void_by) ON {table} TO \"{schema}_writer\";")).collect();
    ROLES
        .replace("{schema}", &schema.0)
        .replace("{tables}", &all.join(", "))
        .replace("{voids}", &voids.join("\n"))
}

/// A script that makes views in the schema `shown` of everything that is for readers in `schema`, in place of those that show
/// another schema until then. `former` is a schema whose payments are taken over in the same transaction.
pub fn publish_sql(schema: &Schema, shown: &Schema, former: Option<&Schema>) -> String {
    let take_over = former.map_or_else(String::new, |former| TAKE_OVER.replace("{former}", &former.0));
    PUBLISH.replace("{take_over}", &take_over).replace("{schema}", &schema.0).replace("{shown}", &shown.0)
}

pub(crate) const VERSIONS: &str = "CREATE TABLE schema_version (
    version bigint PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE schema_version IS 'The migrations that made this schema.';
COMMENT ON COLUMN schema_version.version IS 'The version that the schema had after it.';
COMMENT ON COLUMN schema_version.name IS 'What the migration is called.';
COMMENT ON COLUMN schema_version.applied_at IS 'When it was applied, by the clock of the database.';";

pub(crate) fn applied(version: i64, name: &str) -> String {
    format!("INSERT INTO schema_version (version, name) VALUES ({version}, '{name}')")
}
