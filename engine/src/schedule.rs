//! The schedule: which blocks the spans give, and whom their signers stand for. The fold, the next batch and the
//! audit all ask here.

use crate::event::L1Record;
use crate::ids::{L1Block, L2Block, SequencerId, UnixTime};
use crate::spans::{Span, Spans};
use crate::timeline::ChangeKind;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256};
use core::fmt;

/// Consecutive blocks that one span covers, or none does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The span that covers these blocks, if one does.
    pub span: Option<&'a Span>,
    /// The first of the blocks.
    pub first: L2Block,
    /// The last of the blocks, which is not before the first.
    pub last: L2Block,
}

impl Piece<'_> {
    /// How many blocks it has; `None` for 2^64.
    pub fn blocks(&self) -> Option<u64> {
        blocks_between(self.first, self.last)
    }
}

impl Span {
    /// How many blocks it gives: 0 if a recommit emptied it. `None` for 2^64, or if it ends before that.
    pub fn blocks(&self) -> Option<u64> {
        self.end.next()?.0.checked_sub(self.start.0)
    }
}

/// How many blocks `first..=last` are; `None` for 2^64, and if `last` comes first.
pub(crate) fn blocks_between(first: L2Block, last: L2Block) -> Option<u64> {
    last.0.checked_sub(first.0)?.checked_add(1)
}

/// Finds the spans of blocks that come in order: the next block is often in the span of the last.
#[derive(Clone, Copy, Debug)]
pub struct SpanCursor<'a> {
    spans: &'a Spans,
    last: Option<&'a Span>,
}

impl<'a> SpanCursor<'a> {
    /// A cursor that has looked nothing up yet.
    pub const fn new(spans: &'a Spans) -> Self {
        Self { spans, last: None }
    }

    /// The blocks from `first` on, up to `last` at most, that lie in the same span, or in none.
    #[inline]
    pub fn piece(&mut self, first: L2Block, last: L2Block) -> Piece<'a> {
        let held = self.last.filter(|span| span.start <= first && first <= span.end);
        let span = held.or_else(|| self.spans.covering(first));
        self.last = span;
        let end = match span {
            Some(span) => Some(span.end),
            None => self.spans.next_covered(first).and_then(L2Block::previous),
        };
        Piece { span, first, last: end.map_or(last, |end| end.min(last)) }
    }

    /// The blocks `first..=last` by span, in order; none if `last` comes first.
    pub fn pieces(&mut self, first: L2Block, last: L2Block) -> impl Iterator<Item = Piece<'a>> {
        let mut next = Some(first);
        core::iter::from_fn(move || {
            let first = next.filter(|first| *first <= last)?;
            let piece = self.piece(first, last);
            next = piece.last.next();
            Some(piece)
        })
    }
}

/// Where a sequencer began its exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStart {
    /// The L1 block of the event.
    pub block: L1Block,
    /// The transaction that emitted it.
    pub transaction: B256,
    /// The timestamp of the block: from then on the sequencer is not active.
    pub time: UnixTime,
}

/// Whom the contract can pay for a signer's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payee {
    /// This sequencer, which the signer stands for.
    Sequencer(SequencerId),
    /// Nobody: the sequencer that the signer stands for has taken its stake out.
    Gone(SequencerId),
    /// Nobody: no sequencer ever had this signer.
    Unknown,
}

/// Whom every signer stands for, and who has left. A signer stands for the sequencer that introduced it, from then on
/// and for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignerBook {
    /// Each with how many records there were before.
    signers: BTreeMap<Address, (SequencerId, usize)>,
    gone: BTreeMap<SequencerId, usize>,
    exits: BTreeMap<SequencerId, ExitStart>,
    records: usize,
}

impl SignerBook {
    /// A book in which nobody stands yet.
    pub const fn new() -> Self {
        Self { signers: BTreeMap::new(), gone: BTreeMap::new(), exits: BTreeMap::new(), records: 0 }
    }

    /// Everybody that the pool's records name, which are in (block, log index) order.
    pub fn from_records<'a>(records: impl IntoIterator<Item = &'a L1Record>) -> Self {
        let mut book = Self::new();
        for record in records {
            book.apply(record);
        }
        book
    }

    /// Takes one more record of the pool, the next in (block, log index) order.
    pub fn apply(&mut self, record: &L1Record) {
        for (sequencer, change) in record.event.changes() {
            match change {
                ChangeKind::Signer(signer) => {
                    self.signers.insert(signer, (sequencer, self.records));
                }
                ChangeKind::Deactivated => {
                    let (block, transaction, time) =
                        (record.block, record.transaction_hash, record.timestamp);
                    self.exits.insert(sequencer, ExitStart { block, transaction, time });
                }
                ChangeKind::Left => {
                    self.gone.insert(sequencer, self.records);
                }
                ChangeKind::Stake(_) | ChangeKind::Activated => {}
            }
        }
        self.records = self.records.saturating_add(1);
    }

    /// How many records it has taken.
    pub(crate) const fn records(&self) -> usize {
        self.records
    }

    /// The sequencer that `signer` stands for, or `None` if no record has introduced it.
    pub fn sequencer_of(&self, signer: &Address) -> Option<SequencerId> {
        self.signers.get(signer).map(|(sequencer, _)| *sequencer)
    }

    /// Whom the contract can pay for the blocks of `signer` now.
    pub fn payee(&self, signer: &Address) -> Payee {
        self.payee_after(signer, self.records)
    }

    /// Whom the contract could pay for the blocks of `signer` after the first `by` records.
    pub(crate) fn payee_after(&self, signer: &Address, by: usize) -> Payee {
        let known = self.signers.get(signer).filter(|(_, since)| *since < by);
        match known {
            None => Payee::Unknown,
            Some((sequencer, _)) if self.gone.get(sequencer).is_some_and(|since| *since < by) => {
                Payee::Gone(*sequencer)
            }
            Some((sequencer, _)) => Payee::Sequencer(*sequencer),
        }
    }

    /// Where `sequencer` began its exit, or `None` if it has not.
    pub fn exit_of(&self, sequencer: SequencerId) -> Option<&ExitStart> {
        self.exits.get(&sequencer)
    }
}

/// How many blocks some spans give, by whom the contract can pay for them now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduledBlocks {
    /// Those of each sequencer, whichever of its signers the spans name.
    pub payable: BTreeMap<SequencerId, u64>,
    /// Those that can be paid to nobody, by the sequencer (`None`: nobody knows the signer) and the signer.
    pub unpayable: BTreeMap<(Option<SequencerId>, Address), u64>,
}

impl ScheduledBlocks {
    /// Counts the blocks of `spans`; `None` if there are 2^64 or more.
    pub fn of(spans: &[Span], book: &SignerBook) -> Option<Self> {
        let mut counted = Self::default();
        let mut all = 0_u64;
        for span in spans {
            let blocks = span.blocks()?;
            all = all.checked_add(blocks)?;
            let count = match book.payee(&span.signer) {
                Payee::Sequencer(sequencer) => counted.payable.entry(sequencer).or_default(),
                Payee::Gone(sequencer) => {
                    counted.unpayable.entry((Some(sequencer), span.signer)).or_default()
                }
                Payee::Unknown => counted.unpayable.entry((None, span.signer)).or_default(),
            };
            *count = count.checked_add(blocks)?;
        }
        Some(counted)
    }
}

/// An address whose entry in a batch is not the one that the published check of Themis wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckDifference {
    /// The address of the entry.
    pub signer: Address,
    /// How many blocks its entry has to have; `None` if there may be none.
    pub wanted: Option<u64>,
    /// How many blocks its entry has; `None` if it has none.
    pub entry: Option<u64>,
}

impl CheckDifference {
    /// What keeps the published check from signing a batch of `spans` with these entries: it wants one entry for each
    /// distinct signer of the spans, with the blocks of exactly that signer. `None` if the blocks cannot be counted. Entries of one
    /// address are added.
    pub fn all(spans: &[Span], entries: impl Iterator<Item = (Address, u64)>) -> Option<Vec<Self>> {
        let mut found: BTreeMap<Address, (Option<u64>, Option<u64>)> = BTreeMap::new();
        for span in spans {
            let (wanted, _) = found.entry(span.signer).or_default();
            *wanted = Some(wanted.unwrap_or_default().checked_add(span.blocks()?)?);
        }
        for (signer, blocks) in entries {
            let (_, entry) = found.entry(signer).or_default();
            *entry = Some(entry.unwrap_or_default().checked_add(blocks)?);
        }
        let differs = |(signer, (wanted, entry))| {
            let is_other = wanted != entry;
            is_other.then_some(Self { signer, wanted, entry })
        };
        Some(found.into_iter().filter_map(differs).collect())
    }
}

impl fmt::Display for CheckDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signer, wanted, entry } = self;
        match (wanted, entry) {
            (Some(wanted), Some(entry)) => {
                write!(f, "an entry of {wanted} blocks for {signer}, which has one of {entry}")
            }
            (Some(wanted), None) => write!(f, "an entry of {wanted} blocks for {signer}, which has none"),
            (None, _) => write!(f, "no entry for {signer}, which has one"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SpanId;

    fn span(id: u64, blocks: (u64, u64), signer: u8) -> Span {
        let (start, end) = (L2Block(blocks.0), L2Block(blocks.1));
        Span { id: SpanId(id), start, end, signer: Address::repeat_byte(signer) }
    }

    /// What the published check wants is one entry for each signer of the spans, also of an emptied one.
    #[test]
    fn an_entry_that_the_check_does_not_want_is_found() {
        let spans = [span(1, (10, 19), 0xa), span(2, (20, 19), 0xb), span(3, (20, 24), 0xa)];
        let of = |entries: &[(u8, u64)]| {
            let entries = entries.iter().map(|(signer, blocks)| (Address::repeat_byte(*signer), *blocks));
            let found = CheckDifference::all(&spans, entries).expect("few blocks");
            found.iter().map(|it| (it.signer.as_slice()[0], it.wanted, it.entry)).collect::<Vec<_>>()
        };
        assert_eq!(of(&[(0xa, 15), (0xb, 0)]), []);
        assert_eq!(of(&[(0xa, 15)]), [(0xb, Some(0), None)]);
        assert_eq!(of(&[(0xa, 14), (0xb, 0), (0xc, 1)]), [(0xa, Some(15), Some(14)), (0xc, None, Some(1))]);
        assert_eq!(CheckDifference::all(&[span(1, (0, u64::MAX), 1)], core::iter::empty()), None);
    }
}
