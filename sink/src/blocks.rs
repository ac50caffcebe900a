//! The ledger by block as rows of PostgreSQL's binary COPY, worked out by one thread while another one sends them.

use crate::error::SinkError;
use crate::rows::{Kind, signed};
use crate::running::Running;
use alloy_primitives::U256;
use blake3::Hasher;
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::BTreeMap;
use tally_engine::{Assessed, SequencerId};
use tally_feed::{FeedError, Link};
use tally_replay::BlockRun;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::types::{ToSql, Type};

/// The columns, in the order of their fields.
pub(crate) const COLUMNS: [(&str, Kind); 8] = [
    ("block", Kind::Number),
    ("time", Kind::Number),
    ("span", Kind::Number),
    ("sequencer", Kind::Number),
    ("effective_stake_wei", Kind::Wide),
    ("reward_wei", Kind::Wide),
    ("running_total_wei", Kind::Wide),
    ("unrewarded", Kind::Text),
];

/// How many fields a row has, as COPY writes it before each.
const FIELDS: i16 = 8;

/// What a binary COPY begins with: its signature, no flags, no extension; and what it ends with.
pub(crate) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
pub(crate) const TRAILER: &[u8] = &[0xff, 0xff];

/// How many bytes are sent together, and how many such pieces may wait.
const PIECE_BYTES: usize = 256 << 10;
const PIECES: usize = 4;

/// The names of the columns, as statements have them.
pub(crate) fn column_names() -> String {
    COLUMNS.map(|(name, _)| name).join(", ")
}

/// What the rows of an epoch come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockSums {
    /// Its first and last block.
    pub(crate) range: Option<(u64, u64)>,
    /// How many blocks it has.
    pub(crate) blocks: u64,
    /// Of each sequencer that earned: how many blocks, and how much.
    pub(crate) earned: BTreeMap<u64, (u64, U256)>,
    /// The digest of the rows.
    pub(crate) digest: Link,
}

impl BlockSums {
    /// How many blocks earned, and how much.
    pub(crate) fn total(&self) -> Result<(u64, U256), SinkError> {
        self.earned.values().try_fold((0, U256::ZERO), |sum, earned| plus(sum, *earned))
    }
}

fn plus(sum: (u64, U256), more: (u64, U256)) -> Result<(u64, U256), SinkError> {
    let both = sum.0.checked_add(more.0).zip(sum.1.checked_add(more.1));
    both.ok_or_else(|| SinkError::Value {
        field: "reward_wei",
        found: format!("{} and {}", sum.1, more.1),
        expected: "amounts whose sum is below 2^256",
    })
}

/// Works out the rows of an epoch in a thread of its own: `walk` goes along its blocks. The rows come in pieces, without header
/// and trailer; the sums come once the last was taken.
pub(crate) fn encode<F>(walk: F) -> (mpsc::Receiver<Bytes>, JoinHandle<Result<BlockSums, SinkError>>)
where
    F: FnOnce(&mut dyn FnMut(&BlockRun<'_>)) -> Result<(), FeedError> + Send + 'static,
{
    let (pieces, taken) = mpsc::channel(PIECES);
    let encoding = tokio::task::spawn_blocking(move || {
        let mut encoder = Encoder::new(pieces);
        let mut failed = None;
        walk(&mut |run| {
            if failed.is_none() {
                failed = encoder.push(run).err();
            }
        })?;
        failed.map_or_else(|| Ok(encoder.end()), Err)
    });
    (taken, encoding)
}

struct Encoder {
    pieces: mpsc::Sender<Bytes>,
    rows: BytesMut,
    hasher: Hasher,
    range: Option<(u64, u64)>,
    blocks: u64,
    earned: BTreeMap<u64, (u64, U256)>,
    /// Fields that the rows of a run have in common.
    before: BytesMut,
    after: BytesMut,
}

impl Encoder {
    fn new(pieces: mpsc::Sender<Bytes>) -> Self {
        Self {
            pieces,
            rows: BytesMut::new(),
            hasher: Hasher::new(),
            range: None,
            blocks: 0,
            earned: BTreeMap::new(),
            before: BytesMut::new(),
            after: BytesMut::new(),
        }
    }

    /// Adds a row for each block of a run.
    fn push(&mut self, run: &BlockRun<'_>) -> Result<(), SinkError> {
        let Some(last) = run.times.len().checked_sub(1) else { return Ok(()) };
        // A run lies in one chunk, which has some thousand blocks.
        let last = u64::try_from(last).unwrap_or(u64::MAX);
        let too_many = || SinkError::Value {
            field: "block",
            found: format!("{} and {last} more", run.first_block),
            expected: "blocks below 2^64",
        };
        let (first, count) = (run.first_block.0, last.checked_add(1).ok_or_else(too_many)?);
        let end = first.checked_add(last).ok_or_else(too_many)?;
        self.range = Some((self.range.map_or(first, |(start, _)| start), end));
        self.blocks = self.blocks.checked_add(count).ok_or_else(too_many)?;
        self.before.clear();
        self.after.clear();
        number(&mut self.before, run.span.map(|span| span.id.0), "span")?;
        number(&mut self.before, run.sequencer().map(|SequencerId(id)| id), "sequencer")?;
        let paid = match run.assessed {
            Assessed::Rewarded { sequencer, effective, reward, .. } => {
                wide(&mut self.before, effective.get())?;
                wide(&mut self.before, reward.get())?;
                bytes(&mut self.after, None)?;
                let of_one = self.earned.entry(sequencer.0).or_default();
                let all = reward.get().checked_mul(U256::from(count)).ok_or_else(too_many)?;
                *of_one = plus(*of_one, (count, all))?;
                // All of them fit, so each sum on the way does.
                plus((0, run.total_before.get()), (0, all))?;
                Some(Running::new(run.total_before.get(), reward.get()))
            }
            Assessed::Unrewarded { reason, .. } => {
                bytes(&mut self.before, None)?;
                bytes(&mut self.before, None)?;
                bytes(&mut self.after, None)?;
                bytes(&mut self.after, Some(reason.code().as_bytes()))?;
                None
            }
        };
        let mut total = paid;
        for (block, time) in (first..=end).zip(run.times) {
            self.rows.put_i16(FIELDS);
            number(&mut self.rows, Some(block), "block")?;
            number(&mut self.rows, Some(time.0), "time")?;
            self.rows.put_slice(&self.before);
            if let Some(total) = &mut total {
                total.add();
                total.put(&mut self.rows);
            }
            self.rows.put_slice(&self.after);
        }
        if self.rows.len() >= PIECE_BYTES {
            self.send();
        }
        Ok(())
    }

    fn send(&mut self) {
        self.hasher.update(&self.rows);
        // Whoever was to take it has gone, and knows why.
        let _ = self.pieces.blocking_send(self.rows.split().freeze());
    }

    fn end(mut self) -> BlockSums {
        if !self.rows.is_empty() {
            self.send();
        }
        let digest = *self.hasher.finalize().as_bytes();
        BlockSums { range: self.range, blocks: self.blocks, earned: self.earned, digest }
    }
}

/// A field: how many bytes, and which; -1 for null.
fn bytes(row: &mut BytesMut, value: Option<&[u8]>) -> Result<(), SinkError> {
    let Some(value) = value else {
        row.put_i32(-1);
        return Ok(());
    };
    row.put_i32(length(value.len())?);
    row.put_slice(value);
    Ok(())
}

fn number(row: &mut BytesMut, value: Option<u64>, field: &'static str) -> Result<(), SinkError> {
    let value = value.map(|value| signed(value, field)).transpose()?;
    bytes(row, value.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice))
}

/// An amount, as NUMERIC.
fn wide(row: &mut BytesMut, value: U256) -> Result<(), SinkError> {
    let start = row.len();
    row.put_i32(0);
    let failed = |error| SinkError::Value {
        field: "an amount",
        found: format!("{value}: {error}"),
        expected: "a NUMERIC",
    };
    let _ = value.to_sql(&Type::NUMERIC, row).map_err(failed)?;
    let body = row.len().saturating_sub(start).saturating_sub(4);
    let length = length(body)?.to_be_bytes();
    if let Some(place) = row.get_mut(start..).and_then(|rest| rest.first_chunk_mut()) {
        *place = length;
    }
    Ok(())
}

fn length(bytes: usize) -> Result<i32, SinkError> {
    let expected = "a length below 2^31";
    i32::try_from(bytes).map_err(|_| SinkError::Value {
        field: "a field",
        found: bytes.to_string(),
        expected,
    })
}
