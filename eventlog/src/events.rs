//! Reading records and span events in order, from where one stopped before.

use crate::LogError;
use crate::error::same;
use crate::heads::{Heads, Links};
use crate::keys::{event_key, event_of, event_place};
use crate::options::{L1_EVENTS, OWNER_EVENTS, SPAN_EVENTS};
use crate::owners::{OwnerRecord, OwnersHead, decode_owner};
use crate::record::{decode_l1, decode_span};
use crate::store::Store;
use tally_engine::{L1Block, L1Record, L2Block, SpanRecord};

/// Up to where a family of events was read. The default is its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCursor {
    /// The last event, as block and log index.
    last: Option<(u64, u64)>,
    /// The digest chain up to there.
    chain: Links,
}

impl EventCursor {
    /// After the event `last` (block and log index), up to which the digest chain is `chain`.
    pub const fn new(last: Option<(u64, u64)>, chain: Links) -> Self {
        Self { last, chain }
    }

    /// The last event before it, as block and log index.
    pub const fn last(&self) -> Option<(u64, u64)> {
        self.last
    }
}

/// Up to where events are read.
#[derive(Clone, Copy)]
enum End {
    /// To the last, which has to be this link.
    Head(Links),
    /// To the last of this block.
    Block(u64),
}

impl End {
    fn new(until: Option<u64>, head: Links) -> Self {
        until.map_or(Self::Head(head), Self::Block)
    }
}

impl Store {
    /// Calls `each` with the pool's records after `cursor`, up to block `until` if there is one, in order; each link
    /// is checked, and without `until` that the last is the one in the heads.
    pub(crate) fn l1_records<E: From<LogError>>(
        &self,
        heads: &Heads,
        until: Option<L1Block>,
        cursor: &mut EventCursor,
        each: impl FnMut(L1Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let place_of = |record: &L1Record| (record.block.0, record.log_index);
        let end = End::new(until.map(|last| last.0), heads.l1_events);
        self.events(L1_EVENTS, end, cursor, decode_l1, place_of, each)
    }

    /// Calls `each` with the span events after `cursor`, as [`Store::l1_records`] does with records.
    pub(crate) fn span_records<E: From<LogError>>(
        &self,
        heads: &Heads,
        until: Option<L2Block>,
        cursor: &mut EventCursor,
        each: impl FnMut(SpanRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let place_of = |record: &SpanRecord| (record.block.0, record.log_index);
        let end = End::new(until.map(|last| last.0), heads.span_events);
        self.events(SPAN_EVENTS, end, cursor, decode_span, place_of, each)
    }

    /// The owner events up to block `until` if there is one, in order; each link is checked, and without `until` that
    /// the last is the head's.
    pub(crate) fn owner_records(
        &self,
        head: &OwnersHead,
        until: Option<L1Block>,
    ) -> Result<Vec<OwnerRecord>, LogError> {
        let end = End::new(until.map(|last| last.0), head.events);
        let mut records = Vec::new();
        let cursor = &mut EventCursor::default();
        self.events(OWNER_EVENTS, end, cursor, decode_owner, OwnerRecord::place, |record| {
            records.push(record);
            Ok::<(), LogError>(())
        })?;
        Ok(records)
    }

    fn events<T, E: From<LogError>>(
        &self,
        family: &'static str,
        end: End,
        cursor: &mut EventCursor,
        decode: fn(&str, &[u8]) -> Result<T, LogError>,
        place_of: fn(&T) -> (u64, u64),
        mut each: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        // Records are in order of their keys, and the next key is not before this one.
        let from = cursor.last.map_or([0; 16], |(block, log)| event_key(block, log));
        let next = match end {
            End::Head(_) => None,
            End::Block(last) => last.checked_add(1).map(|next| event_key(next, 0)),
        };
        self.scan(family, &from, next.as_ref().map(<[u8; 16]>::as_slice), |key, value| {
            let place = event_of(key)?;
            if cursor.last == Some(place) {
                return Ok(());
            }
            let read = |name: &str| {
                let (chain, bytes) = cursor.chain.follow(name, key, value)?;
                let record = decode(name, bytes)?;
                same(name, "block", &place.0, &place_of(&record).0)?;
                same(name, "log index", &place.1, &place_of(&record).1)?;
                Ok((chain, record))
            };
            // Naming a place costs more than the rest, so it is named for an error only.
            let (chain, record) = read("").or_else(|_: LogError| read(&event_place(family, place)))?;
            (cursor.chain, cursor.last) = (chain, Some(place));
            each(record)
        })?;
        match end {
            End::Block(_) => Ok(()),
            End::Head(head) => Ok(cursor.chain.check_end(family, head)?),
        }
    }
}
