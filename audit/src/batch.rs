//! A batch, against who was to make its blocks and who made them.

use crate::blocks::Production;
use crate::code::Code;
use crate::finding::Finding;
use alloy_primitives::{Address, B256};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use tally_engine::{
    BatchId, CheckDifference, Credit, L1Block, L1Record, L2Block, Payee, PoolEvent, PoolState,
    ScheduledBlocks, SequencerId, SignerBook, Span, SpanId, Status, Wei,
};

/// How the blocks of a batch are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountRule {
    /// By the spans, whoever signed: what Themis checks before a batch is signed.
    Scheduled,
    /// By who signed; blocks that nobody signed by the spans.
    Signed,
}

/// A batch as it was paid, and as it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchAudit {
    /// The number of the batch.
    pub batch: BatchId,
    /// The L1 block it was paid in.
    pub l1_block: L1Block,
    /// The transaction that paid it.
    pub transaction: B256,
    /// The first span that it pays.
    pub start_span: SpanId,
    /// The last span that it pays.
    pub end_span: SpanId,
    /// The first and the last block of its spans; `None` where the log has none of them.
    pub l2_blocks: Option<RangeInclusive<L2Block>>,
    /// What a block of it earned.
    pub reward_per_block: Wei,
    /// What it paid, as the event says.
    pub amount: Wei,
    /// Whom it pays, or could have.
    pub sequencers: BTreeMap<SequencerId, BatchShare>,
    /// Why it could not be compared with the blocks; `None` if it was.
    pub unchecked: Option<String>,
    /// How many errors were found in it.
    pub errors: usize,
}

/// A sequencer's part of a batch, in blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchShare {
    /// As the batch credits them; `None` if it does not name the sequencer.
    pub posted: Option<u64>,
    /// By the spans as the contract held them then.
    pub scheduled: u64,
    /// By who signed, unsigned ones by the spans; `None` if the log does not tell.
    pub signed: Option<u64>,
    /// Those of the scheduled that can't be paid any more, because the sequencer was gone.
    pub unpayable: u64,
}

/// What there is to compare a batch with.
pub(crate) struct Evidence<'a> {
    pub(crate) rule: CountRule,
    /// The contract just before.
    pub(crate) pool: &'a PoolState,
    /// Whom signers stood for just before.
    pub(crate) signers: &'a SignerBook,
    /// The batch's spans as the contract held them then.
    pub(crate) spans: &'a [Span],
    /// The spans as they are at the end of the log.
    pub(crate) final_spans: &'a [Span],
    pub(crate) production: &'a Production,
    /// The first L2 block made after the batch was paid, and whether the log reaches up to it.
    pub(crate) cut: L2Block,
    pub(crate) reaches_cut: bool,
}

impl Evidence<'_> {
    /// The signer that a sequencer had just before.
    fn present_signer(&self, sequencer: SequencerId) -> Option<Address> {
        self.pool.sequencers.get(&sequencer).map(|state| state.signer)
    }
}

impl BatchAudit {
    /// Compares a `DistributeReward`; `None` for another event.
    pub(crate) fn of(
        record: &L1Record,
        evidence: &Evidence<'_>,
        findings: &mut Vec<Finding>,
    ) -> Option<Self> {
        let PoolEvent::DistributeReward { batch, start_span, end_span, amount, reward_per_block, credits } =
            &record.event
        else {
            return None;
        };
        let first = evidence.spans.iter().map(|span| span.start).min();
        let last = evidence.spans.iter().map(|span| span.end).max();
        let mut audit = Self {
            batch: *batch,
            l1_block: record.block,
            transaction: record.transaction_hash,
            start_span: *start_span,
            end_span: *end_span,
            l2_blocks: first.zip(last).map(|(first, last)| first..=last),
            reward_per_block: *reward_per_block,
            amount: *amount,
            sequencers: BTreeMap::new(),
            unchecked: None,
            errors: 0,
        };
        let at = |code| Finding::at(code, record).of_batch(*batch);
        if start_span >= end_span {
            findings.push(
                at(Code::BatchTooShort).values(&"2 spans or more", &format!("{start_span} to {end_span}")),
            );
        }
        audit.post(credits, evidence, &at, findings);
        audit.check_reach(evidence, last, &at, findings);
        if audit.unchecked.is_none() {
            if audit.schedule(credits, evidence, &at, findings).is_none() {
                audit.unchecked = Some("its spans have more than 2^64 - 1 blocks".into());
                return Some(audit);
            }
            audit.sign(evidence);
            audit.compare(evidence, &at, findings);
        }
        Some(audit)
    }

    /// Takes what the batch says.
    fn post(
        &mut self,
        credits: &[Credit],
        evidence: &Evidence<'_>,
        at: &impl Fn(Code) -> Finding,
        findings: &mut Vec<Finding>,
    ) {
        let mut seen = BTreeSet::new();
        for Credit { signer, blocks } in credits {
            let sequencer = evidence.pool.creditable(signer);
            let about = |code| Finding { sequencer, ..at(code) };
            if !seen.insert(*signer) {
                findings.push(about(Code::RepeatedSigner).values(&"1 entry", &format!("{signer:#x}")));
            }
            if *blocks == 0 {
                findings.push(about(Code::ZeroCountEntry).found_address(signer));
            }
            // That nobody can be credited for it is the contract's own check, which stops the audit.
            let Some(id) = sequencer else { continue };
            let share = self.sequencers.entry(id).or_default();
            let before = share.posted.unwrap_or(0);
            if let Some(posted) = before.checked_add(*blocks) {
                share.posted = Some(posted);
            } else {
                findings.push(about(Code::PostedBlocks).found(&format!("{before} and {blocks}")));
                self.unchecked = Some(format!("it credits {signer} with more than 2^64 - 1 blocks"));
            }
        }
    }

    /// Whether the log has all the blocks that the batch pays.
    fn check_reach(
        &mut self,
        evidence: &Evidence<'_>,
        last: Option<L2Block>,
        at: &impl Fn(Code) -> Finding,
        findings: &mut Vec<Finding>,
    ) {
        let missing = evidence.spans.last().is_none_or(|span| span.id < self.end_span);
        let is_over = last.is_some_and(|last| last < evidence.cut);
        // While a span is the last announced, a recommit that the log does not have yet could extend it.
        let is_fixed =
            evidence.reaches_cut || evidence.final_spans.last().is_some_and(|span| span.id > self.end_span);
        if !missing && is_over && is_fixed {
            return;
        }
        let end =
            last.filter(|_| !missing).map_or("not announced".into(), |end| format!("ends at block {end}"));
        if evidence.reaches_cut {
            let finding = at(Code::UnfinishedSpanPaid).of_span(self.end_span);
            let expected = format!("over before block {}", evidence.cut);
            findings.push(finding.values(&expected, &end));
        } else {
            let head = evidence.cut.previous().unwrap_or_default();
            self.unchecked = Some(format!(
                "the log's L2 blocks end at {head}, before the batch was paid, and span {} {end}",
                self.end_span
            ));
        }
    }

    /// Counts by schedule, and notes whose blocks are paid otherwise than the spans say. `None` if there are
    /// more than can be counted.
    fn schedule(
        &mut self,
        credits: &[Credit],
        evidence: &Evidence<'_>,
        at: &impl Fn(Code) -> Finding,
        findings: &mut Vec<Finding>,
    ) -> Option<()> {
        let ScheduledBlocks { payable, unpayable } = ScheduledBlocks::of(evidence.spans, evidence.signers)?;
        let payable = payable.into_iter().map(|(id, blocks)| (Some(id), blocks, 0));
        let gone = unpayable.into_iter().map(|((id, _), blocks)| (id, blocks, blocks));
        // Emptied spans give nobody anything.
        for (id, blocks, unpayable) in payable.chain(gone).filter(|(_, blocks, _)| *blocks > 0) {
            let Some(id) = id else { continue };
            let share = self.sequencers.entry(id).or_default();
            share.scheduled = share.scheduled.checked_add(blocks)?;
            share.unpayable = share.unpayable.checked_add(unpayable)?;
        }
        let mut rotated: BTreeMap<Address, SequencerId> = BTreeMap::new();
        for span in evidence.spans.iter().filter(|span| span.start <= span.end) {
            let at = |code| at(code).of_span(span.id).blocks(span.start..=span.end);
            match evidence.signers.payee(&span.signer) {
                Payee::Unknown => findings.push(at(Code::UnknownScheduled).found_address(&span.signer)),
                Payee::Gone(id) => {
                    findings.push(at(Code::UnpayableBlocks).of(id).values(&span.blocks()?, &0));
                }
                Payee::Sequencer(id) if evidence.present_signer(id) != Some(span.signer) => {
                    rotated.insert(span.signer, id);
                }
                Payee::Sequencer(_) => {}
            }
        }
        for (signer, sequencer) in &rotated {
            let finding = at(Code::RotatedSigner).of(*sequencer).found_address(signer);
            let present = evidence.present_signer(*sequencer).map(|signer| format!("{signer:#x}"));
            findings.push(Finding { expected: present, ..finding });
        }
        let credits = credits.iter().map(|credit| (credit.signer, credit.blocks));
        let differences = CheckDifference::all(evidence.spans, credits)?;
        for sequencer in rotated.into_values().collect::<BTreeSet<_>>() {
            let present = evidence.present_signer(sequencer);
            let differs = differences.iter().find(|differs| Some(differs.signer) == present);
            let Some(CheckDifference { wanted, entry: Some(posted), .. }) = differs else { continue };
            let own = wanted.unwrap_or_default();
            if *posted > own {
                findings.push(at(Code::CreditedForReplaced).of(sequencer).values(&own, posted));
            }
        }
        Some(())
    }

    /// Counts the blocks of the batch by who signed them.
    fn sign(&mut self, evidence: &Evidence<'_>) {
        let is_final = |span: &Span| {
            let index = evidence.final_spans.binary_search_by_key(&span.id, |other| other.id);
            index.ok().and_then(|index| evidence.final_spans.get(index)) == Some(span)
        };
        let end = evidence.spans.iter().map(|span| span.end).max();
        let is_known = end.is_none_or(|end| evidence.production.last.is_some_and(|last| end <= last));
        if !is_known || !evidence.spans.iter().all(is_final) {
            return;
        }
        for share in self.sequencers.values_mut() {
            share.signed = Some(0);
        }
        for span in evidence.spans {
            for (by, blocks) in evidence.production.signed(span.id) {
                let producer = by.unwrap_or(span.signer);
                let Some(sequencer) = evidence.signers.sequencer_of(&producer) else { continue };
                let share = self.sequencers.entry(sequencer).or_default();
                let signed = share.signed.unwrap_or(0).checked_add(blocks);
                share.signed = Some(signed.expect("all blocks of the log together fit"));
            }
        }
    }

    fn compare(
        &mut self,
        evidence: &Evidence<'_>,
        at: &impl Fn(Code) -> Finding,
        findings: &mut Vec<Finding>,
    ) {
        for (sequencer, share) in &self.sequencers {
            let scheduled = share.scheduled.checked_sub(share.unpayable);
            let state = evidence.pool.sequencers.get(sequencer);
            let is_gone = state.is_none_or(|state| state.status == Status::Unlocked);
            let (expected, other) = match evidence.rule {
                CountRule::Scheduled => (scheduled, share.signed),
                // Who is gone can't be paid for what it signed either.
                CountRule::Signed if is_gone => (Some(0), scheduled),
                CountRule::Signed => (share.signed, scheduled),
            };
            let Some(expected) = expected else {
                self.unchecked = Some("the log does not tell who signed its blocks".into());
                return;
            };
            let code = match share.posted {
                Some(posted) if posted == expected => continue,
                None if expected == 0 => continue,
                Some(_) => Code::PostedBlocks,
                None => Code::SignerLeftOut,
            };
            let finding = at(code).of(*sequencer).values(&expected, &share.posted.unwrap_or(0));
            findings.push(Finding { other_count: other, ..finding });
        }
    }
}
