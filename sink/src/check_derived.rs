//! Whether what follows from several facts is what the log gives: the leaves of distributions, and the ledger by block.

use crate::blocks::{BlockSums, COLUMNS, HEADER, column_names, encode};
use crate::check::{shown, text};
use crate::error::SinkError;
use crate::leaves::Owed;
use crate::rows::{Cell, Kind, hex_of, signed, unsigned};
use crate::session::Session;
use alloy_primitives::U256;
use blake3::Hasher;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::TryStreamExt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tally_feed::{Link, SettledLog};
use tally_wire::{Fact, FactKind};
use tokio::sync::mpsc;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{CopyOutStream, Row};

/// What a log says under one of its policies.
pub(crate) struct Told<'a> {
    pub(crate) log: Arc<SettledLog>,
    /// Which of the log's policies it is.
    pub(crate) index: usize,
    pub(crate) facts: &'a [Fact],
}

/// What was compared of the rows that follow from facts, and the first difference.
#[derive(Default)]
pub(crate) struct Derived {
    pub(crate) leaves: u64,
    pub(crate) blocks: u64,
    pub(crate) epochs_without_blocks: u64,
    pub(crate) difference: Option<String>,
}

/// Rows whose mark is not that of their fact, or whose fact is of another type.
const ASTRAY: [(&str, &str); 2] = [
    (
        "leaf",
        "SELECT l.entry, l.void_by, f.void_by, f.type = 'distribution_ready' FROM leaf l JOIN fact f USING (policy, entry) \
         WHERE policy = $1 AND (l.void_by IS DISTINCT FROM f.void_by OR f.type <> 'distribution_ready') ORDER BY entry LIMIT 1",
    ),
    (
        "ledger_epoch",
        "SELECT l.entry, l.void_by, f.void_by, f.type = 'epoch_closed' FROM ledger_epoch l JOIN fact f USING (policy, entry) \
         WHERE policy = $1 AND (l.void_by IS DISTINCT FROM f.void_by OR f.type <> 'epoch_closed') ORDER BY entry LIMIT 1",
    ),
];

const LEAVES: &str = "SELECT sequencer, recipient, cumulative_wei, proof, epoch FROM leaf \
    WHERE policy = $1 AND entry = $2 ORDER BY sequencer";

/// The parts of the ledger and what is noted of each; one of both may be missing.
const PARTS: &str = "SELECT coalesce(l.entry, part.entry), l.entry IS NOT NULL, part.entry IS NOT NULL, l.void_by, l.epoch, \
        l.first_block, l.last_block, l.blocks, l.rewarded_blocks, l.reward_wei, l.digest \
    FROM (SELECT * FROM ledger_epoch WHERE policy = $1) l FULL JOIN ( \
        SELECT split_part(c.relname, '_', 3)::bigint AS entry \
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
        WHERE i.inhparent = 'ledger'::regclass AND c.relname LIKE format('ledger\\_%s\\_%%', $1::integer)) part \
        ON part.entry = l.entry ORDER BY 1";

impl Derived {
    /// Checks all of it; `entries` are the places of the facts that hold, which are the first that the log tells.
    pub(crate) async fn check(
        session: &Session,
        policy: i32,
        told: &Told<'_>,
        entries: Vec<u64>,
    ) -> Result<Self, SinkError> {
        let mut found = Self::default();
        for (table, statement) in ASTRAY {
            if let Some(row) =
                session.within("reading marks", session.client().query_opt(statement, &[&policy])).await?
            {
                let (entry, is, should_be): (i64, _, _) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                let of_it: bool = row.try_get(3)?;
                found.difference = Some(if of_it {
                    format!(
                        "{table}, entry {entry}: void_by is {}, and should be {}",
                        shown(is),
                        shown(should_be)
                    )
                } else {
                    format!("{table}, entry {entry}: there is a row that no fact says")
                });
                return Ok(found);
            }
        }
        found.check_leaves(session, policy, told, &entries).await?;
        if found.difference.is_none() {
            found.check_blocks(session, policy, told, &entries).await?;
        }
        Ok(found)
    }

    async fn check_leaves(
        &mut self,
        session: &Session,
        policy: i32,
        told: &Told<'_>,
        entries: &[u64],
    ) -> Result<(), SinkError> {
        self.leaves = unsigned(
            session
                .within(
                    "counting leaves",
                    session.client().query_one("SELECT count(*) FROM leaf WHERE policy = $1", &[&policy]),
                )
                .await?
                .try_get(0)?,
            "leaves",
        )?;
        let mut owed = Owed::default();
        for (fact, entry) in told.facts.iter().zip(entries) {
            let FactKind::DistributionReady { epoch, .. } = &fact.kind else {
                owed.take(fact)?;
                continue;
            };
            let epoch = signed(*epoch, "epoch")?;
            let mut expected = Vec::new();
            for (leaf, proof) in owed.take(fact)?.unwrap_or_default() {
                let sequencer = signed(leaf.sequencer.0, "sequencer")?;
                expected.push((sequencer, leaf.recipient.to_vec(), leaf.cumulative.get(), proof, epoch));
            }
            let entry = signed(*entry, "entry")?;
            let mut rows = Vec::new();
            for row in
                session.within("reading leaves", session.client().query(LEAVES, &[&policy, &entry])).await?
            {
                let cumulative: U256 = row.try_get(2)?;
                rows.push((row.try_get(0)?, row.try_get(1)?, cumulative, row.try_get(3)?, row.try_get(4)?));
            }
            if rows == expected {
                continue;
            }
            let place = rows.iter().zip(&expected).position(|(row, expected)| row != expected);
            let place = place.unwrap_or(rows.len().min(expected.len()));
            let said = |leaf: &(i64, Vec<u8>, U256, Vec<u8>, i64)| {
                format!("{} wei for {} of sequencer {}", leaf.2, hex_of(&leaf.1), leaf.0)
            };
            self.difference = Some(match (rows.get(place), expected.get(place)) {
                (Some(row), Some(expected)) if said(row) == said(expected) => {
                    format!("leaf, entry {entry}: the proof or the epoch of sequencer {} is another", row.0)
                }
                (Some(row), Some(expected)) => {
                    format!("leaf, entry {entry}: it is {}, and should be {}", said(row), said(expected))
                }
                (Some(row), None) => {
                    format!("leaf, entry {entry}: there is {}, and should be none", said(row))
                }
                (None, expected) => {
                    let expected = expected.map_or_else(String::new, said);
                    format!("leaf, entry {entry}: a row is missing, of {expected}")
                }
            });
            return Ok(());
        }
        Ok(())
    }

    async fn check_blocks(
        &mut self,
        session: &Session,
        policy: i32,
        told: &Told<'_>,
        entries: &[u64],
    ) -> Result<(), SinkError> {
        let parts = session.within("reading parts", session.client().query(PARTS, &[&policy])).await?;
        let closed = told.facts.iter().zip(entries).filter_map(|(fact, entry)| {
            let FactKind::EpochClosed { epoch, digest, .. } = &fact.kind else { return None };
            Some((*entry, *epoch, digest.as_str()))
        });
        let closed: Vec<(u64, u64, &str)> = closed.collect();
        let mut holding = 0_usize;
        for row in &parts {
            let entry: i64 = row.try_get(0)?;
            let (is_noted, is_there): (bool, bool) = (row.try_get(1)?, row.try_get(2)?);
            if !is_noted || !is_there {
                let missing = if is_there { "ledger_epoch has no row" } else { "there are no rows" };
                self.difference = Some(format!("ledger, entry {entry}: {missing} of this epoch"));
                return Ok(());
            }
            let place = unsigned(entry, "entry")?;
            let epoch = closed.iter().find(|(closed, ..)| *closed == place);
            holding = holding.saturating_add(usize::from(epoch.is_some()));
            let wanted = epoch.map(|(_, epoch, digest)| (*epoch, *digest));
            self.difference = self.check_part(session, (policy, entry), row, told, wanted).await?;
            if self.difference.is_some() {
                return Ok(());
            }
        }
        if !parts.is_empty() {
            self.epochs_without_blocks =
                u64::try_from(closed.len().saturating_sub(holding)).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    /// Compares the rows of an epoch with those that follow from the log, or, of a void one, with what is noted of them.
    async fn check_part(
        &mut self,
        session: &Session,
        (policy, entry): (i32, i64),
        noted: &Row,
        told: &Told<'_>,
        wanted: Option<(u64, &str)>,
    ) -> Result<Option<String>, SinkError> {
        let names = column_names();
        let copy = format!(
            "COPY (SELECT {names} FROM ledger WHERE policy = {policy} AND entry = {entry} ORDER BY block) TO STDOUT (FORMAT binary)"
        );
        let stream = session.within("copying blocks", session.client().copy_out(&copy)).await?;
        let mut found = Rows { source: Pieces::Tables(Box::pin(stream), session), buffer: BytesMut::new() };
        found.skip_header().await?;
        let (mut blocks, mut hasher) = (0_u64, Hasher::new());
        let place = |block: u64| format!("ledger, entry {entry}, block {block}");
        let sums = if let Some((epoch, digest)) = wanted {
            let (log, index, digest) = (Arc::clone(&told.log), told.index, digest.to_owned());
            let (pieces, sums) =
                encode(move |each| log.for_each_block(index, (epoch, &digest), &mut |run| each(run)));
            let mut expected = Rows { source: Pieces::Log(pieces), buffer: BytesMut::new() };
            loop {
                let (is, should_be) = (found.next().await?, expected.next().await?);
                let differs = match (&is, &should_be) {
                    (None, None) => break,
                    (Some(is), Some(should_be)) if is == should_be => None,
                    (Some(is), Some(should_be)) => Some(difference(entry, &cells(is)?, &cells(should_be)?)),
                    (Some(is), None) => {
                        Some(format!("{}: there is a row that the log does not give", place(block_of(is)?)))
                    }
                    (None, Some(should_be)) => {
                        Some(format!("{}: a row is missing", place(block_of(should_be)?)))
                    }
                };
                if differs.is_some() {
                    return Ok(differs);
                }
                blocks = blocks.saturating_add(1);
                hasher.update(is.as_deref().unwrap_or_default());
            }
            Some(sums.await??)
        } else {
            while let Some(row) = found.next().await? {
                blocks = blocks.saturating_add(1);
                hasher.update(&row);
            }
            None
        };
        self.blocks = self.blocks.saturating_add(blocks);
        check_note(
            entry,
            noted,
            blocks,
            hasher.finalize().as_bytes(),
            wanted.map(|(epoch, _)| epoch).zip(sums),
        )
    }
}

/// In what a row differs from the one that should be there.
fn difference(entry: i64, is: &[Cell], should_be: &[Cell]) -> String {
    let block = |cells: &[Cell]| cells.first().map(text).unwrap_or_default();
    let (found, expected) = (block(is), block(should_be));
    if found != expected {
        return format!("ledger, entry {entry}: block {found} is there where block {expected} should be");
    }
    let mut columns = COLUMNS.iter().zip(is.iter().zip(should_be));
    let differs = columns.find(|(_, (is, should_be))| is != should_be);
    let what = differs.map(|((name, _), (is, should_be))| {
        format!("{name} is {}, and should be {}", text(is), text(should_be))
    });
    format!("ledger, entry {entry}, block {found}: {}", what.unwrap_or_else(|| "its bytes are others".into()))
}

/// Compares what is noted of an epoch with what its rows come to.
fn check_note(
    entry: i64,
    noted: &Row,
    blocks: u64,
    digest: &Link,
    expected: Option<(u64, BlockSums)>,
) -> Result<Option<String>, SinkError> {
    let number = |column: usize, field| {
        let value: Option<i64> = noted.try_get(column)?;
        value.map(|value| unsigned(value, field)).transpose()
    };
    let mut checks = vec![
        ("blocks", number(7, "blocks")? == Some(blocks)),
        ("digest", noted.try_get::<_, &[u8]>(10)? == digest.as_slice()),
    ];
    if let Some((epoch, sums)) = expected {
        let (rewarded, reward) = sums.total()?;
        let (first, last) = sums.range.unzip();
        checks.extend([
            ("epoch", number(4, "epoch")? == Some(epoch)),
            ("first_block", number(5, "first_block")? == first),
            ("last_block", number(6, "last_block")? == last),
            ("rewarded_blocks", number(8, "rewarded_blocks")? == Some(rewarded)),
            ("reward_wei", noted.try_get::<_, U256>(9)? == reward),
        ]);
    }
    let wrong = checks.iter().find(|(_, is_right)| !is_right);
    Ok(wrong.map(|(column, _)| format!("ledger_epoch, entry {entry}: {column} is not what its rows come to")))
}

/// Where the bytes of rows come from.
enum Pieces<'a> {
    Tables(Pin<Box<CopyOutStream>>, &'a Session),
    Log(mpsc::Receiver<Bytes>),
}

/// Rows of a binary COPY, one after the other.
struct Rows<'a> {
    source: Pieces<'a>,
    buffer: BytesMut,
}

impl Rows<'_> {
    /// Whether there were more bytes.
    async fn read(&mut self) -> Result<bool, SinkError> {
        let piece = match &mut self.source {
            Pieces::Tables(stream, session) => {
                session.within("copying blocks", pin!(stream.try_next())).await?
            }
            Pieces::Log(pieces) => pieces.recv().await,
        };
        if let Some(piece) = &piece {
            self.buffer.extend_from_slice(piece);
        }
        Ok(piece.is_some())
    }

    async fn skip_header(&mut self) -> Result<(), SinkError> {
        while self.buffer.len() < HEADER.len() {
            if !self.read().await? {
                return Err(SinkError::Lost);
            }
        }
        self.buffer.advance(HEADER.len());
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Bytes>, SinkError> {
        loop {
            if let Some(length) = row_length(&self.buffer) {
                // A number of fields below 0 is the trailer, which is no row.
                return Ok((length > 2).then(|| self.buffer.split_to(length).freeze()));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }
}

/// How many bytes the first row has, if it is there as a whole; 2 for the trailer.
fn row_length(buffer: &[u8]) -> Option<usize> {
    let (count, mut rest) = buffer.split_first_chunk::<2>()?;
    for _ in 0..i16::from_be_bytes(*count).max(0) {
        let (length, field) = rest.split_first_chunk::<4>()?;
        // -1 for null, which has no bytes.
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        rest = field.get(length..)?;
    }
    buffer.len().checked_sub(rest.len())
}

/// The number of the block of a row.
fn block_of(row: &[u8]) -> Result<u64, SinkError> {
    match cells(row)?.first() {
        Some(Cell::Number(block)) => unsigned(*block, "block"),
        _ => Err(SinkError::Value { field: "block", found: "null".into(), expected: "a number" }),
    }
}

/// The values of a row.
fn cells(row: &[u8]) -> Result<Vec<Cell>, SinkError> {
    let none = |field| SinkError::Value { field, found: hex_of(row), expected: "a row of the ledger" };
    let mut rest = row.get(2..).ok_or_else(|| none("a row"))?;
    let mut cells = Vec::new();
    for (name, kind) in COLUMNS {
        let (length, field) = rest.split_first_chunk::<4>().ok_or_else(|| none(name))?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            cells.push(Cell::Null);
            rest = field;
            continue;
        };
        let (value, after) = field.split_at_checked(length).ok_or_else(|| none(name))?;
        rest = after;
        cells.push(match kind {
            Kind::Number => Cell::Number(i64::from_be_bytes(value.try_into().map_err(|_| none(name))?)),
            Kind::Wide => Cell::Wide(U256::from_sql(&Type::NUMERIC, value).map_err(|_| none(name))?),
            Kind::Text => Cell::Text(String::from_utf8_lossy(value).into_owned()),
            Kind::Bytes | Kind::Flag => return Err(none(name)),
        });
    }
    Ok(cells)
}
