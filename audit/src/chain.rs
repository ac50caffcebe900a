//! The audit of a log: every claim of the chain, in the chain's order.

use crate::batch::{BatchAudit, CountRule, Evidence};
use crate::blocks::{FINDINGS_MAX, Production};
use crate::code::{Code, Severity};
use crate::finding::Finding;
use crate::money::Totals;
use crate::schedule::{Schedule, Wanted};
use crate::{event, transaction};
use alloy_primitives::Address;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use tally_engine::{BatchId, L1Block, L1Record, L2Block, Policy, PoolEvent, PoolState, SignerBook, UnixTime};
use tally_eventlog::{LogError, LogView};
use tally_replay::{ReplayError, Stop, first_blocks_at};

/// How batches are counted, and which of them are reported.
#[derive(Clone, Copy, Debug)]
pub struct AuditOptions {
    /// How the blocks of a batch are counted.
    pub rule: CountRule,
    /// The first batch to report on, or `None` for the first there is.
    pub from_batch: Option<BatchId>,
    /// The last, or `None` for the last there is, and for what came after it.
    pub to_batch: Option<BatchId>,
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainAudit {
    /// In the order of L1, then of L2.
    pub findings: Vec<Finding>,
    /// The batches, in order.
    pub batches: Vec<BatchAudit>,
    /// The first and the last batch that the log has, whichever were asked for; `None` if it has none.
    pub paid: Option<RangeInclusive<BatchId>>,
    /// The pool's money after the last event.
    pub totals: Totals,
    /// The last L1 block of the log.
    pub l1_block: Option<L1Block>,
    /// The last L2 block whose producer is settled.
    pub l2_block: Option<L2Block>,
    /// What kept it from going on to the end.
    pub stopped: Option<String>,
    /// Which blocks were not looked at although more is known of them; `None` if there are none.
    pub unsettled: Option<String>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was checked, and nothing is wrong.
    Verified,
    /// At least one finding is an error.
    Different,
    /// Nothing was found wrong, but not everything could be checked.
    Unverified,
}

/// Why there is no audit.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log cannot be read or folded.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A sum does not work out.
    #[error("L1 block {block}: {error}")]
    Amount {
        /// The L1 block whose sum it is.
        block: L1Block,
        /// The operation and both values.
        error: tally_engine::AmountError,
    },
}

impl From<LogError> for AuditError {
    fn from(error: LogError) -> Self {
        Self::Replay(error.into())
    }
}

impl ChainAudit {
    /// How many findings are that severe.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.code.severity() == severity).count()
    }

    /// What came of it.
    pub fn verdict(&self) -> Verdict {
        if self.count(Severity::Error) > 0 {
            Verdict::Different
        } else if self.stopped.is_some()
            || self.unsettled.is_some()
            || self.batches.iter().any(|batch| batch.unchecked.is_some())
        {
            Verdict::Unverified
        } else {
            Verdict::Verified
        }
    }
}

/// Checks what the chain claims in `log`.
///
/// # Errors
///
/// [`AuditError`] if the log cannot be read. What is wrong with the chain is a [`Finding`].
pub fn audit_chain<L: LogView>(log: &L, options: AuditOptions) -> Result<ChainAudit, AuditError> {
    let records = log.l1_records()?;
    let wanted = wanted(log, &records)?;
    let schedule = Schedule::read(log, &wanted)?;
    let production = if schedule.is_stopped {
        Production::default()
    } else {
        Production::of(log, &schedule.spans, &SignerBook::from_records(&records))?
    };
    let reached = log.reach().l2.map(|head| head.block);
    let has_transfers = records.iter().any(|record| matches!(record.event, PoolEvent::MetisTransfer { .. }));
    let mut audit = AuditRun {
        rule: options.rule,
        escrow: log.identity().locking_info,
        schedule: &schedule,
        wanted: &wanted,
        production: &production,
        reached,
        cap: Policy::built_in("guide").expect("it is built in").cap(),
        pool: PoolState::new(&log.identity().genesis),
        signers: SignerBook::new(),
        allowed: BTreeSet::new(),
        totals: Totals::default(),
        findings: Vec::new(),
        batches: Vec::new(),
        stopped: None,
    };
    if has_transfers {
        audit.totals.escrow = Some(tally_engine::Wei::ZERO);
    } else if !records.is_empty() {
        audit.findings.push(Finding::new(Code::NoTransfers));
    }
    audit.run(&records)?;
    let AuditRun { findings, batches, totals, stopped, pool, .. } = audit;
    let on_l2 = || "a span event does not fit those before it".to_owned();
    let stopped = stopped.or_else(|| schedule.is_stopped.then(on_l2));
    let paid = batches.first().zip(batches.last()).map(|(first, last)| first.batch..=last.batch);
    let mut audit = ChainAudit {
        findings,
        batches,
        paid,
        totals,
        l1_block: log.reach().l1.map(|head| head.block),
        l2_block: production.last,
        stopped,
        unsettled: None,
    };
    let on_l2 = schedule.findings.iter().chain(&production.findings).cloned();
    let periods = &audit.batches;
    let on_l2: Vec<Finding> = on_l2.map(|finding| in_period(finding, periods, &schedule, &pool)).collect();
    audit.findings.extend(on_l2);
    audit.select(options);
    audit.unsettled = unsettled(&production, &schedule, &audit.batches);
    Ok(audit)
}

/// At the head of a log it is usual that L1, or the announcement of a span, is yet to come. It is not where a
/// batch has paid for later blocks, or where later spans are announced.
fn unsettled(production: &Production, schedule: &Schedule, batches: &[BatchAudit]) -> Option<String> {
    if production.is_full {
        return Some(format!("there are more than {FINDINGS_MAX} findings on L2"));
    }
    let stop = production.stop?;
    let next = stop.next_block()?;
    let paid = batches.iter().filter_map(|batch| Some(*batch.l2_blocks.as_ref()?.end())).max();
    let announced = matches!(stop, Stop::Unsettled { .. })
        .then(|| schedule.spans.as_slice().iter().map(|span| span.start).max())
        .flatten();
    let known = paid.into_iter().chain(announced).max().filter(|known| next <= *known)?;
    Some(format!("blocks from {next} on, of which some up to {known} are paid or announced: {stop}"))
}

/// The batches' spans, and where in L2 each was paid.
fn wanted<L: LogView>(log: &L, records: &[L1Record]) -> Result<Vec<Wanted>, ReplayError> {
    let mut batches = Vec::new();
    let mut instants = Vec::new();
    for record in records {
        if let PoolEvent::DistributeReward { start_span, end_span, .. } = record.event {
            batches.push((start_span, end_span));
            // Timestamps are whole seconds: what was made at the batch's own counts.
            instants.push(UnixTime(record.timestamp.0.saturating_add(1)));
        }
    }
    let cuts = first_blocks_at(log, &instants)?;
    let cut = |index: usize| cuts.get(index).map_or(L2Block(0), |boundary| boundary.first_block);
    let wanted = |(index, (first, last))| Wanted { first, last, cut: cut(index) };
    Ok(batches.into_iter().enumerate().map(wanted).collect())
}

/// Tells in which batch's time something on L2 falls: that which pays its first block.
fn in_period(finding: Finding, batches: &[BatchAudit], schedule: &Schedule, pool: &PoolState) -> Finding {
    let block = finding.l2_blocks.as_ref().map(|blocks| *blocks.start());
    let span = finding.span.or_else(|| {
        let after =
            schedule.spans.as_slice().partition_point(|span| block.is_some_and(|block| span.start <= block));
        schedule.spans.as_slice().get(after.checked_sub(1)?).map(|span| span.id)
    });
    let paid = span.and_then(|span| batches.iter().find(|batch| span <= batch.end_span));
    let period = paid.map(|batch| batch.batch).or_else(|| pool.batch.id.next());
    Finding { period, ..finding }
}

struct AuditRun<'a> {
    rule: CountRule,
    escrow: Address,
    schedule: &'a Schedule,
    wanted: &'a [Wanted],
    production: &'a Production,
    reached: Option<L2Block>,
    cap: tally_engine::Wei,
    pool: PoolState,
    signers: SignerBook,
    allowed: BTreeSet<Address>,
    totals: Totals,
    findings: Vec<Finding>,
    batches: Vec<BatchAudit>,
    stopped: Option<String>,
}

impl AuditRun<'_> {
    fn run(&mut self, records: &[L1Record]) -> Result<(), AuditError> {
        let mut last: Option<&L1Record> = None;
        let same = |left: &L1Record, right: &L1Record| {
            (left.block, left.transaction_hash) == (right.block, right.transaction_hash)
        };
        let mut is_balanced = true;
        for group in records.chunk_by(same) {
            let (known, period) = (self.findings.len(), self.pool.batch.id.next());
            for record in group {
                if let Some(last) = last.replace(record)
                    && !follows(last, record)
                {
                    let place =
                        |record: &L1Record| format!("block {}, log {}", record.block, record.log_index);
                    let finding = Finding::at(Code::RecordOrder, record);
                    self.findings.push(finding.values(&format!("after {}", place(last)), &place(record)));
                    self.stopped = Some(format!("an event of L1 block {} is out of order", record.block));
                }
            }
            let refs: Vec<&L1Record> = group.iter().collect();
            let block = group.first().map_or(L1Block(0), |record| record.block);
            let amount = |error| AuditError::Amount { block, error };
            if self.stopped.is_none() {
                transaction::check(&refs, &mut self.findings);
                self.totals.take(&refs, self.escrow, &self.pool, &mut self.findings).map_err(amount)?;
                self.apply(group);
            }
            if self.stopped.is_some() {
                self.date(known, period);
                return Ok(());
            }
            let balance = self.totals.balance(&self.pool).map_err(amount)?;
            // Once is enough: a gap stays.
            if is_balanced && let Some(record) = group.first() {
                is_balanced = balance.is_empty();
                self.findings.extend(balance.into_iter().map(|finding| Finding {
                    l1_block: Some(record.block),
                    transaction: Some(record.transaction_hash),
                    ..finding
                }));
            }
            self.date(known, period);
        }
        Ok(())
    }

    /// Puts what was found since into a batch's time.
    fn date(&mut self, known: usize, period: Option<BatchId>) {
        for finding in self.findings.iter_mut().skip(known) {
            finding.period = finding.batch.or(period);
        }
    }

    fn apply(&mut self, group: &[L1Record]) {
        for record in group {
            event::check(record, &self.pool, &mut self.allowed, self.cap, &mut self.findings);
            self.check_batch(record);
            self.signers.apply(record);
            match self.pool.apply(record) {
                Ok(discrepancies) => {
                    let found = discrepancies.iter().map(|it| event::of_discrepancy(record, it));
                    self.findings.extend(found);
                }
                Err(error) => {
                    self.findings.push(event::of_fault(record, &error.fault));
                    self.stopped = Some(error.to_string());
                    return;
                }
            }
        }
    }

    fn check_batch(&mut self, record: &L1Record) {
        let index = self.batches.len();
        let (Some(spans), Some(wanted)) = (self.schedule.then.get(index), self.wanted.get(index)) else {
            return;
        };
        let evidence = Evidence {
            rule: self.rule,
            pool: &self.pool,
            signers: &self.signers,
            spans,
            final_spans: self.schedule.spans.as_slice(),
            production: self.production,
            cut: wanted.cut,
            reaches_cut: !self.schedule.is_stopped
                && self.reached.is_some_and(|reached| wanted.cut <= reached),
        };
        self.batches.extend(BatchAudit::of(record, &evidence, &mut self.findings));
    }
}

fn follows(last: &L1Record, next: &L1Record) -> bool {
    let place = |record: &L1Record| (record.block, record.log_index);
    let is_same_block = last.block == next.block;
    place(last) < place(next)
        && last.timestamp <= next.timestamp
        && is_same_block == (last.block_hash == next.block_hash)
        && is_same_block == (last.timestamp == next.timestamp)
}

impl ChainAudit {
    /// Keeps what is asked for, and counts the errors of each batch.
    fn select(&mut self, options: AuditOptions) {
        let is_asked = |batch: BatchId| {
            options.from_batch.is_none_or(|from| from <= batch)
                && options.to_batch.is_none_or(|to| batch <= to)
        };
        self.findings.retain(|finding| finding.period.is_none_or(is_asked));
        self.batches.retain(|batch| is_asked(batch.batch));
        for batch in &mut self.batches {
            let is_its = |finding: &&Finding| {
                finding.batch == Some(batch.batch) && finding.code.severity() == Severity::Error
            };
            batch.errors = self.findings.iter().filter(is_its).count();
        }
    }
}
