//! Whether the tables hold what follows from a log: all of it, nothing else, and nothing that was changed since.
//!
//! The table of facts is walked in its order, as the sink wrote it: each fact has to have the digest of all before it, and each
//! rollback has to have made void what it says. What holds in the end is compared with what the log tells now, and the rows of
//! all other tables with what their facts say.

use crate::check_derived::{Derived, Told};
use crate::database::Database;
use crate::error::SinkError;
use crate::postgres::{link_of, standing_of};
use crate::rows::{Cell, Kind, TABLES, hex_of, rows, signed, unsigned};
use crate::schema::Schema;
use crate::session::Session;
use crate::store::{Standing, after_rollback};
use std::path::Path;
use std::sync::Arc;
use tally_engine::Policy;
use tally_feed::{Cursor, Link, SettledLog, link};
use tally_wire::{Fact, FactKind};
use tokio_postgres::Row;

/// How many facts are looked at together.
const FACTS_AT_ONCE: i64 = 500;

/// What was found of a policy's feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The name of the policy.
    pub policy: String,
    /// How many facts hold in the tables.
    pub facts: u64,
    /// How many are void.
    pub void: u64,
    /// How many follow from the log that the tables do not have yet.
    pub missing: u64,
    /// How many rows each of the other tables has, void ones among them.
    pub rows: Vec<(&'static str, u64)>,
    /// How many epochs hold whose ledger by block the tables do not have, where they have that of others.
    pub without_blocks: u64,
    /// The first row that is not what it should be, and what is wrong with it.
    pub difference: Option<String>,
}

/// Compares the tables with what `log` says under each policy, as of one moment.
///
/// # Errors
///
/// [`SinkError`] if the log or the database cannot be read, or the log is not as far as the tables.
pub async fn check(
    database: &Database,
    schema: &Schema,
    log: &Path,
    policies: &[Policy],
) -> Result<Vec<Checked>, SinkError> {
    let (path, known) = (log.to_owned(), policies.to_vec());
    let folding = tokio::task::spawn_blocking(move || {
        let log = SettledLog::open(&path, &known)?;
        let facts = log.facts()?;
        Ok::<_, SinkError>((Arc::new(log), facts))
    });
    let (log, facts) = folding.await??;
    let session = Session::open(database, schema).await?;
    session.check_version().await?;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    session.within("beginning", session.client().batch_execute(begin)).await?;
    let mut all = Vec::new();
    for ((index, policy), facts) in policies.iter().enumerate().zip(&facts) {
        all.push(check_feed(&session, policy, &Told { log: Arc::clone(&log), index, facts }).await?);
    }
    Ok(all)
}

async fn check_feed(session: &Session, policy: &Policy, told: &Told<'_>) -> Result<Checked, SinkError> {
    let statement = "SELECT policy, entry, sequence, facts, link, cursor, name, version FROM feed WHERE policy_digest = $1";
    let name = policy.name().to_owned();
    let digest = policy.digest();
    let digest = digest.as_slice();
    let Some(row) = session
        .within("reading where the feed stands", session.client().query_opt(statement, &[&digest]))
        .await?
    else {
        return Err(SinkError::NoFeed { schema: session.schema.to_string(), policy: name });
    };
    let number = row.try_get(0)?;
    let mut walk = Walk::new(session, number);
    let stands = standing_of(&row, 1)?;
    let (its_name, its_version): (&str, i64) = (row.try_get(6)?, row.try_get(7)?);
    if (its_name, its_version) == (policy.name(), i64::from(policy.version())) {
        walk.all(&stands).await?;
    } else {
        walk.difference = Some(format!(
            "feed: it is called {its_name}@{its_version}, and the policy of its digest is {name}@{}",
            policy.version()
        ));
    }
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let mut rows: Vec<(&'static str, u64)> = TABLES.iter().map(|table| table.name).zip(walk.rows).collect();
    let (mut missing, mut without_blocks) = (0, 0);
    if walk.difference.is_none() {
        let links = links(told.facts)?;
        let differs = walk.holds.iter().zip(&links).find(|((_, held), link)| held != *link);
        walk.difference = differs
            .map(|((entry, _), _)| format!("fact, entry {entry}: what the log tells there is another fact"));
        let (tables, log) = (walk.holds.len(), links.len());
        if walk.difference.is_none() && log < tables {
            return Err(SinkError::LogBehind { policy: name, log: count(log), tables: count(tables) });
        }
        missing = count(log.saturating_sub(tables));
    }
    if walk.difference.is_none() {
        let entries = walk.holds.iter().map(|(entry, _)| *entry).collect();
        let derived = Derived::check(session, number, told, entries).await?;
        rows.extend([("leaf", derived.leaves), ("ledger", derived.blocks)]);
        without_blocks = derived.epochs_without_blocks;
        walk.difference = derived.difference;
    }
    let (facts, void) = (count(walk.holds.len()), walk.void());
    Ok(Checked { policy: name, facts, void, missing, rows, without_blocks, difference: walk.difference })
}

fn links(facts: &[Fact]) -> Result<Vec<Link>, SinkError> {
    let mut last = Link::default();
    let next = |fact: &Fact| {
        last = link(&last, serde_json::to_string(fact)?.as_bytes());
        Ok(last)
    };
    facts.iter().map(next).collect()
}

/// A walk along the table of facts.
struct Walk<'a> {
    session: &'a Session,
    policy: i32,
    /// The facts that hold by now: their entries and links.
    holds: Vec<(u64, Link)>,
    /// Of each entry, the rollback that made it void, as the table says and as it should be.
    voids: Vec<(Option<i64>, Option<i64>)>,
    /// How many rows were seen of each of the other tables.
    rows: [u64; TABLES.len()],
    difference: Option<String>,
}

/// A row of the table of facts.
struct FactRow {
    entry: i64,
    fact: Fact,
    void_by: Option<i64>,
}

impl<'a> Walk<'a> {
    fn new(session: &'a Session, policy: i32) -> Self {
        let (holds, voids, rows) = (Vec::new(), Vec::new(), [0; TABLES.len()]);
        Self { session, policy, holds, voids, rows, difference: None }
    }

    fn void(&self) -> u64 {
        let void = self.voids.iter().filter(|(_, expected)| expected.is_some()).count();
        u64::try_from(void).unwrap_or(u64::MAX)
    }

    /// Walks to the end, or to the first row that is not what it should be.
    async fn all(&mut self, stands: &Standing) -> Result<(), SinkError> {
        const FACTS: &str = "SELECT entry, position, sequence, cursor, link, id, type, time, l1_block, transaction, log_index, \
                body::text, void_by \
            FROM fact WHERE policy = $1 AND entry > $2 ORDER BY entry LIMIT $3";
        let (mut last, mut at) = (0, Standing::default());
        loop {
            let found = self
                .session
                .within(
                    "reading facts",
                    self.session.client().query(FACTS, &[&self.policy, &last, &FACTS_AT_ONCE]),
                )
                .await?;
            let mut facts = Vec::new();
            for row in &found {
                match self.take(row, &mut at)? {
                    Ok(fact) => facts.push(fact),
                    Err(difference) => {
                        let entry: i64 = row.try_get(0)?;
                        self.difference = Some(format!("fact, entry {entry}: {difference}"));
                        return Ok(());
                    }
                }
            }
            let Some(end) = facts.last().map(|fact| fact.entry) else { break };
            for (index, seen) in TABLES.iter().enumerate() {
                let (count, difference) = self.compare_rows(index, &facts, (last, end)).await?;
                if let Some(sum) = self.rows.get_mut(index) {
                    *sum = sum.saturating_add(count);
                }
                if let Some(difference) = difference {
                    self.difference = Some(format!("{}, {difference}", seen.name));
                    return Ok(());
                }
            }
            last = end;
        }
        // Which rollback made what void is only known in the end.
        let mut numbered = (1_u64..).zip(&self.voids);
        let wrong = numbered.find(|(_, (found, expected))| found != expected);
        self.difference = wrong.map(|(entry, (found, expected))| {
            format!("fact, entry {entry}: void_by is {}, and should be {}", shown(*found), shown(*expected))
        });
        if self.difference.is_none() && at != *stands {
            let text =
                |of: &Standing| format!("entry {}, {} facts, cursor {}", of.entry, of.facts, of.cursor);
            self.difference = Some(format!(
                "feed: it says {}, and the table of facts comes to {}",
                text(stands),
                text(&at)
            ));
        }
        Ok(())
    }

    /// Takes a row of the table of facts; says what is wrong with it, if anything is.
    fn take(&mut self, row: &Row, at: &mut Standing) -> Result<Result<FactRow, String>, SinkError> {
        let (entry, position): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        let (sequence, cursor): (i64, &str) = (row.try_get(2)?, row.try_get(3)?);
        let (found_link, body): (Option<&[u8]>, &str) = (row.try_get(4)?, row.try_get(11)?);
        let void_by: Option<i64> = row.try_get(12)?;
        at.entry = at.entry.saturating_add(1);
        if signed(at.entry, "entry")? != entry {
            return Ok(Err(format!("entry {} should come before it", at.entry)));
        }
        let Ok(fact) = serde_json::from_str::<Fact>(body) else {
            return Ok(Err("its body is no fact".into()));
        };
        let maybe = |value: Option<u64>, field| value.map(|value| signed(value, field)).transpose();
        let transaction = fact.transaction.as_ref().map(|hash| hash.as_str().to_owned());
        let found: Option<&[u8]> = row.try_get(9)?;
        let found = found.map(hex_of);
        let checks = [
            ("id", row.try_get::<_, &str>(5)? == fact.id),
            ("type", row.try_get::<_, &str>(6)? == fact.kind.name()),
            ("time", row.try_get::<_, Option<i64>>(7)? == maybe(fact.time, "time")?),
            ("l1_block", row.try_get::<_, Option<i64>>(8)? == maybe(fact.l1_block, "l1_block")?),
            ("transaction", found == transaction),
            ("log_index", row.try_get::<_, Option<i64>>(10)? == maybe(fact.log_index, "log_index")?),
        ];
        if let Some((column, _)) = checks.iter().find(|(_, is_right)| !is_right) {
            return Ok(Err(format!("{column} is not what the body says")));
        }
        let Some(told) = Cursor::parse(cursor) else {
            return Ok(Err(format!("cursor {cursor} is none")));
        };
        at.sequence = unsigned(sequence, "sequence")?;
        self.voids.push((void_by, None));
        if matches!(fact.kind, FactKind::Rollback { .. }) {
            if position.is_some() || found_link.is_some() || told.rollback.is_none() {
                return Ok(Err("it is a rollback, and has the place of a fact".into()));
            }
            let kept = Cursor { rollback: None, ..told };
            let is_of_it = told.facts <= at.facts;
            self.roll_back(told.facts, entry, at);
            // One of facts that were never told here cannot be looked at.
            if is_of_it && kept != Cursor::after(at.facts, &at.link) {
                let should_be = Cursor::after(at.facts, &at.link);
                return Ok(Err(format!(
                    "its cursor {cursor} does not begin with {should_be}, to which it goes back"
                )));
            }
            at.cursor = after_rollback(at.facts, &at.link, &told);
        } else {
            at.facts = at.facts.saturating_add(1);
            at.link = link(&at.link, body.as_bytes());
            if found_link.map(link_of).transpose()? != Some(at.link) {
                return Ok(Err("its link is not the digest of it and the facts before it".into()));
            }
            if position != Some(signed(at.facts, "position")?) {
                return Ok(Err(format!("its position is {}, and should be {}", shown(position), at.facts)));
            }
            if told != Cursor::after(at.facts, &at.link) {
                return Ok(Err(format!("its cursor is not {}", Cursor::after(at.facts, &at.link))));
            }
            at.cursor = told;
            self.holds.push((at.entry, at.link));
        }
        Ok(Ok(FactRow { entry, fact, void_by }))
    }

    fn roll_back(&mut self, facts: u64, by: i64, at: &mut Standing) {
        let keep = usize::try_from(facts).unwrap_or(usize::MAX).min(self.holds.len());
        for (entry, _) in self.holds.split_off(keep) {
            let index = usize::try_from(entry).ok().and_then(|entry| entry.checked_sub(1));
            if let Some((_, expected)) = index.and_then(|index| self.voids.get_mut(index)) {
                *expected = Some(by);
            }
        }
        at.facts = u64::try_from(keep).unwrap_or(u64::MAX);
        at.link = self.holds.last().map_or(Link::default(), |(_, link)| *link);
    }

    /// Compares the rows of a table that go with `facts`, which are those of the entries after the first number up to the second.
    async fn compare_rows(
        &self,
        index: usize,
        facts: &[FactRow],
        (after, to): (i64, i64),
    ) -> Result<(u64, Option<String>), SinkError> {
        let mut expected = Vec::new();
        for FactRow { entry, fact, void_by } in facts {
            let of_it = rows(fact)?.into_iter().filter(|(table, _)| *table == index);
            expected.extend(of_it.map(|(_, cells)| (*entry, cells, *void_by)));
        }
        let table = TABLES.get(index).expect("it is the index of a table");
        let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        let statement = format!(
            "SELECT entry, void_by, {} FROM {} WHERE policy = $1 AND entry > $2 AND entry <= $3",
            columns.join(", "),
            table.name
        );
        let mut rows = Vec::new();
        for row in self
            .session
            .within("reading rows", self.session.client().query(&statement, &[&self.policy, &after, &to]))
            .await?
        {
            let mut cells = Vec::new();
            for (column, (_, kind)) in (2..).zip(table.columns) {
                cells.push(cell(&row, column, *kind)?);
            }
            rows.push((row.try_get::<_, i64>(0)?, cells, row.try_get::<_, Option<i64>>(1)?));
        }
        rows.sort_unstable();
        expected.sort_unstable();
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let place = rows.iter().zip(&expected).position(|(row, wanted)| row != wanted);
        let place = place.or_else(|| (rows.len() != expected.len()).then(|| rows.len().min(expected.len())));
        Ok((count, place.map(|place| difference(table.columns, rows.get(place), expected.get(place)))))
    }
}

/// A row of a table that goes with a fact: its entry, its values, and what made it void.
type Found = (i64, Vec<Cell>, Option<i64>);

fn difference(columns: &[(&str, Kind)], found: Option<&Found>, expected: Option<&Found>) -> String {
    match (found, expected) {
        (Some(found), Some(expected)) if found.0 == expected.0 => {
            let mut cells = found.1.iter().zip(&expected.1).zip(columns);
            let other = cells.find(|((found, expected), _)| found != expected);
            let (column, is, should_be) = match other {
                Some(((found, expected), (column, _))) => (*column, text(found), text(expected)),
                None => ("void_by", shown(found.2), shown(expected.2)),
            };
            format!("entry {}: {column} is {is}, and should be {should_be}", found.0)
        }
        (Some(found), Some(expected)) if found.0 < expected.0 => {
            format!("entry {}: there is a row that no fact says", found.0)
        }
        (Some(found), None) => format!("entry {}: there is a row that no fact says", found.0),
        (_, Some(expected)) => format!("entry {}: a row is missing", expected.0),
        (None, None) => "nothing differs".into(),
    }
}

fn cell(row: &Row, column: usize, kind: Kind) -> Result<Cell, SinkError> {
    let cell = match kind {
        Kind::Number => row.try_get::<_, Option<i64>>(column)?.map(Cell::Number),
        Kind::Wide => row.try_get(column).map(|value: Option<_>| value.map(Cell::Wide))?,
        Kind::Bytes => row.try_get(column).map(|value: Option<_>| value.map(Cell::Bytes))?,
        Kind::Text => row.try_get(column).map(|value: Option<_>| value.map(Cell::Text))?,
        Kind::Flag => row.try_get(column).map(|value: Option<_>| value.map(Cell::Flag))?,
    };
    Ok(cell.unwrap_or(Cell::Null))
}

pub(crate) fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".into(),
        Cell::Number(value) => value.to_string(),
        Cell::Wide(value) => value.to_string(),
        Cell::Bytes(value) => hex_of(value),
        Cell::Text(value) => value.clone(),
        Cell::Flag(value) => value.to_string(),
    }
}

pub(crate) fn shown(value: Option<i64>) -> String {
    value.map_or_else(|| "null".into(), |value| value.to_string())
}
