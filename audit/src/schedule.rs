//! What the sequencer set said: the spans at the end, and those of each batch as they were when it was paid.

use crate::code::Code;
use crate::finding::Finding;
use tally_engine::{L2Block, Span, SpanEvent, SpanId, SpanRecord, Spans};
use tally_eventlog::{EventCursor, LogView};
use tally_replay::ReplayError;

/// The spans of a batch, and up to where the contract's events count for it.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) first: SpanId,
    pub(crate) last: SpanId,
    /// The first L2 block made after the batch was paid.
    pub(crate) cut: L2Block,
}

/// The spans, and what is odd about them.
#[derive(Default)]
pub(crate) struct Schedule {
    /// As the contract holds them at the end.
    pub(crate) spans: Spans,
    /// For each batch, as the contract held them then; those not announced are missing.
    pub(crate) then: Vec<Vec<Span>>,
    pub(crate) findings: Vec<Finding>,
    /// Whether an event did not fit, so that those after it were not read.
    pub(crate) is_stopped: bool,
}

impl Schedule {
    /// Reads all span events. The batches are in order, and so are their cuts.
    pub(crate) fn read<L: LogView>(log: &L, wanted: &[Wanted]) -> Result<Self, ReplayError> {
        let mut schedule = Self::default();
        let mut last: Option<(L2Block, u64)> = None;
        log.for_each_span_record::<ReplayError>(&mut EventCursor::default(), |record| {
            if schedule.is_stopped {
                return Ok(());
            }
            schedule.keep(wanted, record.block);
            let place = (record.block, record.log_index);
            if last.is_some_and(|last| place <= last) {
                schedule
                    .stop(Finding::at_span(Code::RecordOrder, &record).values(&"a later one", &record.block));
                return Ok(());
            }
            last = Some(place);
            schedule.notice(&record);
            if let Err(error) = schedule.spans.apply(&record) {
                let mut finding = Finding::at_span(Code::ImpossibleRecord, &record).found(&error.fault);
                finding.span = record.event.span();
                finding.l2_blocks = Some(record.block..=record.block);
                schedule.stop(finding);
            }
            Ok(())
        })?;
        while schedule.then.len() < wanted.len() {
            schedule.keep_next(wanted);
        }
        Ok(schedule)
    }

    fn stop(&mut self, finding: Finding) {
        self.findings.push(finding);
        self.is_stopped = true;
    }

    /// Keeps the spans of every batch that was paid before block `block`.
    fn keep(&mut self, wanted: &[Wanted], block: L2Block) {
        while wanted.get(self.then.len()).is_some_and(|wanted| wanted.cut <= block) {
            self.keep_next(wanted);
        }
    }

    fn keep_next(&mut self, wanted: &[Wanted]) {
        let spans = wanted.get(self.then.len()).map_or(&[][..], |wanted| {
            let all = self.spans.as_slice();
            let first = all.partition_point(|span| span.id < wanted.first);
            let end = all.partition_point(|span| span.id <= wanted.last);
            all.get(first..end).unwrap_or_default()
        });
        self.then.push(spans.to_vec());
    }

    /// Notes what is odd about an event that is about to be applied.
    fn notice(&mut self, record: &SpanRecord) {
        let last = self.spans.as_slice().last();
        let before = |block: L2Block| block.previous();
        match record.event {
            SpanEvent::NewEpoch { span, start, end, .. } if start < record.block => {
                if let Some(made) = before(record.block) {
                    let finding = Finding::at_span(Code::LateCommit, record).of_span(span);
                    let finding = finding.blocks(start..=made.min(end)).field("announced in L2 block");
                    self.findings.push(finding.values(&format!("{start} or before"), &record.block));
                }
            }
            SpanEvent::ReCommitEpoch { old_span, current_span, start, .. } => {
                let Some(last) = last.filter(|last| last.id == current_span) else { return };
                if old_span == current_span {
                    let gap = last.end.next().zip(before(start)).filter(|(first, end)| first <= end);
                    if let Some((first, end)) = gap {
                        let finding = Finding::at_span(Code::SpanExtended, record).of_span(old_span);
                        self.findings
                            .push(finding.blocks(first..=end).field("endBlock").values(&last.end, &end));
                    }
                } else if let Some(made) = before(record.block.min(start)).map(|made| made.min(last.end))
                    && last.start <= made
                {
                    let finding = Finding::at_span(Code::LateRecommit, record).of_span(current_span);
                    self.findings.push(finding.blocks(last.start..=made));
                }
            }
            SpanEvent::NewEpoch { .. }
            | SpanEvent::EpochUpdated { .. }
            | SpanEvent::MpcAddressUpdated { .. } => {}
        }
    }
}
