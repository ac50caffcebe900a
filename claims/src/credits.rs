//! Whom a batch credits: by the check that Themis makes before the batch is signed, and by what the contract takes.

use alloy_primitives::Address;
use std::collections::BTreeMap;
use std::fmt;
use tally_engine::{Payee, PoolState, SequencerId, SignerBook, Span, SpanId};

/// How many spans a batch has at least: the contract demands `startEpoch < endEpoch`.
pub(crate) const SPANS_MIN: usize = 2;

/// How many ranges of spans a text names.
const RANGES_TOLD_MAX: usize = 5;

/// Whom a batch credits for the blocks of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditRule {
    /// The span's own signer, as the published check of Themis wants it. A batch ends before the first span whose
    /// signer the contract cannot credit: with that span no batch passes both.
    SpanSigner,
    /// The present signer of the sequencer that the span's signer stands for. The contract takes that, and where it is
    /// another address the published check would not sign it.
    PresentSigner,
}

impl CreditRule {
    /// A word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::SpanSigner => "span_signer",
            Self::PresentSigner => "present_signer",
        }
    }
}

/// Why the contract credits nothing to a signer: a call that names it reverts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncreditable {
    /// No sequencer ever had this signer.
    UnknownSigner,
    /// Its sequencer has taken its stake out.
    SequencerGone(SequencerId),
    /// Its sequencer has replaced it by another.
    SignerReplaced {
        /// The sequencer that had this signer.
        sequencer: SequencerId,
        /// The signer that the sequencer has now.
        present: Address,
    },
}

impl Uncreditable {
    /// Why the contract credits nothing to `signer` now; `None` if it can. Pool and book are of the same records.
    pub(crate) fn of(signer: &Address, pool: &PoolState, book: &SignerBook) -> Option<Self> {
        if pool.creditable(signer).is_some() {
            return None;
        }
        Some(match book.payee(signer) {
            Payee::Unknown => Self::UnknownSigner,
            Payee::Gone(sequencer) => Self::SequencerGone(sequencer),
            Payee::Sequencer(sequencer) => {
                Self::SignerReplaced { sequencer, present: present_signer(pool, sequencer) }
            }
        })
    }

    /// A word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownSigner => "unknown_signer",
            Self::SequencerGone(_) => "sequencer_gone",
            Self::SignerReplaced { .. } => "signer_replaced",
        }
    }

    /// The sequencer that had the signer, if there ever was one.
    pub const fn sequencer(self) -> Option<SequencerId> {
        match self {
            Self::UnknownSigner => None,
            Self::SequencerGone(sequencer) | Self::SignerReplaced { sequencer, .. } => Some(sequencer),
        }
    }

    /// The signer that the sequencer has instead, if it has another one.
    pub const fn present_signer(self) -> Option<Address> {
        match self {
            Self::UnknownSigner | Self::SequencerGone(_) => None,
            Self::SignerReplaced { present, .. } => Some(present),
        }
    }
}

impl fmt::Display for Uncreditable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSigner => f.write_str("which no sequencer has had so far"),
            Self::SequencerGone(sequencer) => {
                write!(f, "the signer of sequencer {sequencer}, which has taken its stake out")
            }
            Self::SignerReplaced { sequencer, present } => {
                write!(f, "which sequencer {sequencer} has replaced by {present}")
            }
        }
    }
}

/// The signer that a sequencer of the pool's own records has now.
pub(crate) fn present_signer(pool: &PoolState, sequencer: SequencerId) -> Address {
    pool.sequencers.get(&sequencer).expect("the book is of the pool's records").signer
}

/// A signer of finished spans that the contract cannot credit: no batch with these spans passes both checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockingSigner {
    /// The signer that the spans name.
    pub signer: Address,
    /// Why the contract cannot credit it.
    pub why: Uncreditable,
    /// The finished spans that name it and are not paid, in order; there is at least one.
    pub spans: Vec<SpanId>,
    /// How many blocks these spans give.
    pub blocks: u64,
}

impl BlockingSigner {
    /// The first of the spans.
    pub fn first_span(&self) -> Option<SpanId> {
        self.spans.first().copied()
    }

    /// The signers of `spans` that the contract cannot credit, in the order of their first spans; `None` if their blocks
    /// are more than can be counted. A span that a recommit emptied blocks, too: the published check wants an entry for it.
    pub(crate) fn all(spans: &[Span], pool: &PoolState, book: &SignerBook) -> Option<Vec<Self>> {
        let mut found: Vec<Self> = Vec::new();
        let mut places: BTreeMap<Address, Option<usize>> = BTreeMap::new();
        for span in spans {
            let place = *places.entry(span.signer).or_insert_with(|| {
                let why = Uncreditable::of(&span.signer, pool, book)?;
                found.push(Self { signer: span.signer, why, spans: Vec::new(), blocks: 0 });
                found.len().checked_sub(1)
            });
            if let Some(blocking) = place.and_then(|place| found.get_mut(place)) {
                blocking.spans.push(span.id);
                blocking.blocks = blocking.blocks.checked_add(span.blocks()?)?;
            }
        }
        Some(found)
    }
}

impl fmt::Display for BlockingSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signer, why, spans, blocks } = self;
        let names = if spans.len() == 1 { "names" } else { "name" };
        write!(f, "{} ({blocks} blocks) {names} {signer}, {why}", spans_text(spans))
    }
}

/// Spans as a text, those that follow one another as a range.
fn spans_text(spans: &[SpanId]) -> String {
    let ranges: Vec<&[SpanId]> = spans.chunk_by(|left, right| left.next() == Some(*right)).collect();
    let text = |range: &&[SpanId]| match range {
        [first, .., last] => format!("{first} to {last}"),
        one => one.iter().map(ToString::to_string).collect(),
    };
    let told: Vec<String> = ranges.iter().take(RANGES_TOLD_MAX).map(text).collect();
    let rest: usize = ranges.iter().skip(RANGES_TOLD_MAX).map(|range| range.len()).sum();
    let more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
    let noun = if spans.len() == 1 { "span" } else { "spans" };
    format!("{noun} {}{more}", told.join(", "))
}

/// How many signers a refusal names.
const SIGNERS_TOLD_MAX: usize = 3;

/// Why no batch passes both checks: what each of them says of which spans and signers, and the ways out.
pub(crate) fn blocked(start: SpanId, payable: usize, blocking: &[BlockingSigner]) -> String {
    let told: Vec<String> = blocking.iter().take(SIGNERS_TOLD_MAX).map(ToString::to_string).collect();
    let more = match blocking.len().saturating_sub(SIGNERS_TOLD_MAX) {
        0 => String::new(),
        more => format!("; and so with {more} more signers"),
    };
    let stop = blocking.first().and_then(BlockingSigner::first_span).unwrap_or(start);
    let last = stop.0.checked_sub(1).filter(|_| payable >= SPANS_MIN);
    let (what, before) = match last {
        Some(last) => {
            ("the batch that was asked for does not pass", format!("only spans {start} to {last} would"))
        }
        None => {
            ("no batch passes", format!("it needs {SPANS_MIN} spans, and has {payable} before span {stop}"))
        }
    };
    let mut ways = Vec::new();
    ways.extend(last.map(|last| format!("--to-span {last} pays what lies before")));
    if blocking.iter().any(|signer| signer.why == Uncreditable::UnknownSigner) {
        ways.push("a signer that no sequencer has had can be credited as soon as one locks with it".into());
    }
    ways.push(
        "--credit present-signer prepares the batch that the contract takes, if it can pay any block, which credits a \
         sequencer's present signer and leaves out what can be paid to nobody, for an MPC whose members sign it although \
         the published check does not"
            .into(),
    );
    ways.push("or the operators have one of the two checks changed".into());
    format!(
        "{what} both of the checks that it meets: {before}. In the way: {}{more}. The published check of \
         Themis (CheckBatchRewardTxLogic) signs a batch only with one entry for each signer of its spans, of exactly that \
         signer's blocks; the contract reverts (NoSuchSeq) for an address that is no sequencer's present signer. Ways out: {}",
        told.join("; "),
        ways.join("; "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_as_ranges() {
        let text = |ids: &[u64]| spans_text(&ids.iter().copied().map(SpanId).collect::<Vec<_>>());
        assert_eq!(text(&[7]), "span 7");
        assert_eq!(text(&[7, 8]), "spans 7 to 8");
        assert_eq!(text(&[1, 3, 4, 5, 9]), "spans 1, 3 to 5, 9");
        assert_eq!(text(&[1, 3, 5, 7, 9, 11, 13, 14]), "spans 1, 3, 5, 7, 9 and 3 more");
    }
}
