//! What has to hold of the parts of a log, one after the other, wherever they are read from.

use crate::chunk::column_digest;
use crate::chunk_header::{CHUNK_BLOCKS_MAX, ChunkHeader};
use crate::error::same;
use crate::heads::Heads;
use crate::keys::event_place;
use crate::options::{L1_EVENTS, SPAN_EVENTS};
use crate::producers::Producers;
use crate::signers::SIGNERS_MAX;
use crate::times::check_times;
use crate::{LogError, LogIdentity};
use alloy_primitives::{Address, B256};
use tally_engine::{L1Block, L1Record, L2Block, PoolState, SpanRecord, Spans, UnixTime};

/// The pool's records: they lie between the log's first block and its head, blocks have one hash and one time,
/// and the contracts' state takes each of them. That they are in order is the reader's to check.
pub(crate) struct L1Check<'a> {
    identity: &'a LogIdentity,
    heads: &'a Heads,
    pool: PoolState,
    before: Option<(L1Block, B256, UnixTime)>,
}

impl<'a> L1Check<'a> {
    pub(crate) fn new(identity: &'a LogIdentity, heads: &'a Heads) -> Self {
        Self { identity, heads, pool: PoolState::new(&identity.genesis), before: None }
    }

    pub(crate) fn check(&mut self, record: &L1Record) -> Result<(), LogError> {
        let place = event_place(L1_EVENTS, (record.block.0, record.log_index));
        let head = self.heads.l1;
        let bounds = head.map(|head| (head.block, head.timestamp));
        if bounds.is_none_or(|(block, time)| record.block > block || record.timestamp > time) {
            let expected =
                bounds.map_or("none".into(), |(block, time)| format!("at most block {block}, time {time}"));
            let found = format!("block {}, time {}", record.block, record.timestamp);
            return Err(LogError::Damaged { place, what: "block and time", expected, found });
        }
        if let Some(head) = head.filter(|head| head.block == record.block) {
            same(&place, "hash of the head's block", &head.hash, &record.block_hash)?;
            same(&place, "timestamp of the head's block", &head.timestamp, &record.timestamp)?;
        }
        let first = self.identity.l1_first_block;
        if record.block < first {
            let (expected, found) = (format!("at least {first}"), record.block.to_string());
            return Err(LogError::Damaged { place, what: "block", expected, found });
        }
        if let Some((block, hash, time)) = self.before {
            if record.timestamp < time || (record.timestamp == time && record.block != block) {
                let (expected, found) = (format!("at least {time}"), record.timestamp.to_string());
                return Err(LogError::Damaged { place, what: "timestamp", expected, found });
            }
            if record.block == block {
                same(&place, "hash of its block", &hash, &record.block_hash)?;
                same(&place, "timestamp of its block", &time, &record.timestamp)?;
            }
        }
        self.before = Some((record.block, record.block_hash, record.timestamp));
        self.pool.apply(record)?;
        Ok(())
    }
}

/// The span events: none is later than the head, and the spans take each of them.
pub(crate) struct SpanCheck {
    head: Option<L2Block>,
    spans: Spans,
}

impl SpanCheck {
    pub(crate) fn new(heads: &Heads) -> Self {
        Self { head: heads.l2.map(|head| head.block), spans: Spans::new() }
    }

    pub(crate) fn check(&mut self, record: &SpanRecord) -> Result<(), LogError> {
        if self.head.is_none_or(|head| record.block > head) {
            return Err(LogError::Damaged {
                place: event_place(SPAN_EVENTS, (record.block.0, record.log_index)),
                what: "block",
                expected: self.head.map_or("none".into(), |head| format!("at most {head}")),
                found: record.block.to_string(),
            });
        }
        Ok(self.spans.apply(record)?)
    }
}

/// The dictionary has every signer once.
pub(crate) fn check_signers(signers: &[Address]) -> Result<(), LogError> {
    let mut seen = std::collections::BTreeSet::new();
    for (code, signer) in (1..=SIGNERS_MAX).zip(signers) {
        if !seen.insert(signer) {
            let reason = format!("{signer} has a code already");
            return Err(LogError::Undecodable { place: format!("signer {code}"), reason });
        }
    }
    Ok(())
}

/// Chunks: a header says what its columns hold, and goes on from the one before it. That chunks follow one
/// another without a gap is the reader's to check.
#[derive(Default)]
pub(crate) struct ChunkCheck {
    last_time: UnixTime,
    signers: u16,
}

impl ChunkCheck {
    /// After the chunk with this header.
    pub(crate) fn after(header: &ChunkHeader) -> Self {
        Self { last_time: header.last_time, signers: header.signers }
    }

    pub(crate) fn check(
        &mut self,
        header: &ChunkHeader,
        producers: &Producers<'_>,
        times: &[u8],
    ) -> Result<(), LogError> {
        let place = format!("the chunk of L2 block {}", producers.first_block());
        same(&place, "first block", &producers.first_block(), &header.first_block)?;
        let rises = header.first_time >= self.last_time && header.signers >= self.signers;
        if !rises
            || header.last_block().map(|last| last.0 / CHUNK_BLOCKS_MAX)
                != Some(header.first_block.0 / CHUNK_BLOCKS_MAX)
        {
            return Err(LogError::Damaged {
                place,
                what: "time, signers and last block",
                expected: format!(
                    "at least {}, at least {}, and within the chunk",
                    self.last_time, self.signers
                ),
                found: format!("{}, {} and {:?}", header.first_time, header.signers, header.last_block()),
            });
        }
        *self = Self::after(header);
        same(&place, "digest of its producers", &header.producers_digest, &column_digest(producers.bytes()))?;
        same(&place, "number of blocks", &header.blocks, &producers.blocks())?;
        let (unsigned, largest) = producers.summary()?;
        same(&place, "number of unsigned blocks", &header.unsigned, &unsigned)?;
        same(&place, "number of unsigned blocks", &producers.unsigned(), &unsigned)?;
        if largest > header.signers {
            let (expected, found) = (format!("at most {}", header.signers), largest.to_string());
            return Err(LogError::Damaged { place, what: "largest code", expected, found });
        }
        same(&place, "digest of its times", &header.times_digest, &column_digest(times))?;
        check_times(header, times)
    }
}

/// Signers are numbered in the order of their first block.
#[derive(Default)]
pub(crate) struct CodeOrder {
    /// How many have had a block.
    known: u16,
}

impl CodeOrder {
    pub(crate) fn check(&mut self, header: &ChunkHeader, producers: &Producers<'_>) -> Result<(), LogError> {
        let mut is_in_order = true;
        producers.for_each_run(0..producers.blocks(), |code, _| {
            if code > self.known {
                is_in_order &= code - self.known == 1;
                self.known = code;
            }
        })?;
        if !is_in_order {
            let reason = "a signer has its first block before one of a smaller code".into();
            return Err(LogError::Undecodable { place: header.place(), reason });
        }
        same(&header.place(), "number of signers by its end", &self.known, &header.signers)
    }

    /// Whether all of the dictionary have had a block by the log's end.
    pub(crate) fn check_end(&self, heads: &Heads) -> Result<(), LogError> {
        same("the L2 head", "number of signers", &u64::from(self.known), &heads.signers.count)
    }
}
