//! The shapes of what audits find.

use crate::shape::{count, list};
use crate::{Amount, AuditVerdict, Hash, Horizon, Log, Policy};
use std::fmt;
use std::ops::RangeInclusive;
use tally_audit::{BlockDifference, CountRule, Severity, Totals, Verdict};
use tally_engine::{L2Block, SequencerId};
use tally_replay::Receipt;

shapes! {
    /// The verdict of an audit of the chain, with its counts and totals.
    pub struct ChainAudit from (audit, rule): (&tally_audit::ChainAudit, CountRule) {
        /// `verified`: everything was checked, and nothing is wrong. `different`: something is wrong. `unverified`: nothing
        /// was found wrong, but not everything could be checked.
        verdict: AuditVerdict = verdict(audit).into(),
        /// How the blocks of a batch were counted: `scheduled` or `signed`.
        count_rule: crate::CountRule = rule_name(rule).into(),
        /// The last L1 block that was checked; `null` if there is none.
        l1_block: Option<u64> = audit.l1_block.map(|block| block.0),
        /// The last L2 block that was checked, whose producer is settled; `null` if there is none.
        l2_block: Option<u64> = audit.l2_block.map(|block| block.0),
        /// What kept the audit from going on to the end; `null` if nothing did.
        stopped: Option<String> = audit.stopped.clone(),
        /// Which blocks were not looked at, although a batch pays them or later spans are announced, and why; else `null`.
        unsettled: Option<String> = audit.unsettled.clone(),
        /// How many findings of severity `error` there are.
        errors: u64 = count(audit.count(Severity::Error)),
        /// How many findings of severity `warning` there are.
        warnings: u64 = count(audit.count(Severity::Warning)),
        /// How many findings of severity `note` there are.
        notes: u64 = count(audit.count(Severity::Note)),
        /// The money of the pool after the last event.
        totals: AuditTotals = (&audit.totals).into(),
    }

    /// The report of an audit of the chain, as the command writes it.
    /// The verdict is of all that was audited, whichever findings and batches are shown.
    pub struct ChainAuditReport from
        (log, head, shown): (Log, ChainAudit, &tally_audit::ChainAudit)
    {
        /// The log that was audited.
        log: Log = log,
        /// The verdict of the audit, with its counts and totals.
        #[serde(flatten)]
        audit: ChainAudit = head,
        /// Everything that was found, or what of it was asked for, in the order of L1, then of L2.
        findings: Vec<Finding> = list(&shown.findings, Into::into),
        /// The batches that were audited, in order.
        batches: Vec<BatchAudit> = list(&shown.batches, Into::into),
    }

    /// The money of the pool after the last event.
    pub struct AuditTotals from totals: &Totals {
        /// The rewards that batches distributed, in wei.
        distributed_wei: Amount = totals.distributed.into(),
        /// The rewards that were paid out to L2, in wei.
        liquidated_wei: Amount = totals.liquidated.into(),
        /// The rewards that were moved into stakes, in wei.
        relocked_wei: Amount = totals.relocked.into(),
        /// The rewards that are still unclaimed, in wei.
        open_wei: Amount = totals.open.into(),
        /// The stakes that are locked, in wei.
        locked_wei: Amount = totals.locked.into(),
        /// The METIS that was given to the escrow by other ways, in wei.
        donated_wei: Amount = totals.donated.into(),
        /// The METIS that the escrow holds, in wei; `null` if the log has no transfers.
        escrow_wei: Option<Amount> = totals.escrow.map(Into::into),
    }

    /// A finding: something that an audit of the chain found.
    pub struct Finding from finding: &tally_audit::Finding {
        /// A word for what it is, which stays the same (`docs/audit.md`).
        code: String = finding.code.as_str().into(),
        /// How serious it is: `error`, `warning` or `note`.
        severity: crate::Severity = finding.code.severity().as_str().into(),
        /// The number of the batch that it is about; else `null`.
        batch: Option<u64> = finding.batch.map(|batch| batch.0),
        /// The id of the sequencer that it is about; else `null`.
        sequencer: Option<u64> = finding.sequencer.map(|sequencer| sequencer.0),
        /// The id of the span that it is about; else `null`.
        span: Option<u64> = finding.span.map(|span| span.0),
        /// The number of the L1 block where it was found; else `null`.
        l1_block: Option<u64> = finding.l1_block.map(|block| block.0),
        /// The hash of the L1 transaction where it was found; else `null`.
        transaction: Option<Hash> = finding.transaction.map(Into::into),
        /// The hash of the L2 transaction of an event of spans; else `null`.
        l2_transaction: Option<Hash> = finding.l2_transaction.map(Into::into),
        /// The first and the last L2 block that it is about; else `null`.
        #[schema(min_items = 2, max_items = 2)]
        l2_blocks: Option<Vec<u64>> = finding.l2_blocks.as_ref().map(ends),
        /// The name that the contract gives the value; `null` if there is none.
        field: Option<String> = finding.field.map(Into::into),
        /// What the value should be: wei, Unix seconds, blocks or an address, as text; `null` if there is nothing to compare.
        expected: Option<String> = finding.expected.clone(),
        /// What the value is, as text; `null` if there is nothing to compare.
        found: Option<String> = finding.found.clone(),
        /// How many blocks the other rule counts, for counts of blocks; else `null`.
        other_count: Option<u64> = finding.other_count,
    }

    /// A batch that was audited.
    pub struct BatchAudit from batch: &tally_audit::BatchAudit {
        /// The number of the batch.
        batch: u64 = batch.batch.0,
        /// The L1 block in which it was paid.
        l1_block: u64 = batch.l1_block.0,
        /// The hash of the L1 transaction that paid it.
        transaction: Hash = batch.transaction.into(),
        /// The first span of the batch.
        start_span: u64 = batch.start_span.0,
        /// The last span of the batch.
        end_span: u64 = batch.end_span.0,
        /// The first and the last L2 block of its spans; `null` if that is not known.
        #[schema(min_items = 2, max_items = 2)]
        l2_blocks: Option<Vec<u64>> = batch.l2_blocks.as_ref().map(ends),
        /// What each block earned, in wei.
        reward_per_block_wei: Amount = batch.reward_per_block.into(),
        /// What the event says it paid, in wei.
        amount_wei: Amount = batch.amount.into(),
        /// How many findings of severity `error` are about it.
        errors: u64 = count(batch.errors),
        /// Why its blocks could not be counted; `null` if they were.
        unchecked: Option<String> = batch.unchecked.clone(),
        /// The sequencers with blocks in it, by id.
        sequencers: Vec<BatchShare> = list(&batch.sequencers, Into::into),
    }

    /// A sequencer's blocks in a batch, counted in several ways.
    pub struct BatchShare from (id, share): (&SequencerId, &tally_audit::BatchShare) {
        /// The id of the sequencer.
        sequencer: u64 = id.0,
        /// How many blocks the batch credits; `null` if it does not name the sequencer.
        posted_blocks: Option<u64> = share.posted,
        /// How many blocks the spans give to its signers.
        scheduled_blocks: u64 = share.scheduled,
        /// How many blocks its signers made; `null` if that is not known.
        signed_blocks: Option<u64> = share.signed,
        /// How many of the blocks could not be paid to anybody when the batch was paid.
        unpayable_blocks: u64 = share.unpayable,
    }

    /// What a comparison of the contracts' own state with the log's gives.
    pub struct LiveAudit {
        /// The L1 block after which the states were compared.
        l1_block: u64,
        /// Whether anything differs: `equal` or `different`; `not_compared` if the sample is equal and no endpoint gave the
        /// contracts' state.
        verdict: String,
        /// Each field that differs, by path.
        differences: Vec<StateDifference>,
        /// How a sample of the log's blocks compares with the chains; `null` if none was asked for.
        sample: Option<BlockSample>,
    }

    /// A sample of blocks, compared with those of the chains.
    pub struct BlockSample {
        /// The seed by which the blocks were drawn. With the same seed the same blocks are drawn again.
        seed: u64,
        /// How many L1 blocks were compared.
        l1_blocks: u64,
        /// How many L2 blocks were compared.
        l2_blocks: u64,
        /// Everything in which a block differs.
        differences: Vec<SampledDifference>,
    }

    /// What a chain has otherwise than the log.
    pub struct SampledDifference from difference: &BlockDifference {
        /// The chain: `L1` or `L2`.
        chain: String = difference.chain.name().into(),
        /// The number of the block.
        block: u64 = difference.block,
        /// What differs: `hash`, `timestamp` or `signer`.
        field: String = difference.field.into(),
        /// What the chain has, as text.
        found: String = difference.found.clone(),
        /// What the log has, as text.
        log: String = difference.log.clone(),
    }

    /// A field in which the contracts' own state and the log's differ.
    pub struct StateDifference {
        /// The path of the field, as in `tally state`.
        field: String,
        /// What the contract has there; `null` if it has nothing.
        contract: serde_json::Value,
        /// What the log gives; `null` if it gives nothing.
        log: serde_json::Value,
    }

    /// What the replay of a bundle gives, against the receipt in it.
    pub struct BundleAudit {
        /// Whether anything differs: `equal` or `different`.
        verdict: String,
        /// The digest of the bundle's bytes.
        bundle_digest: Hash,
        /// The digest of the receipt's bytes.
        receipt_digest: Hash,
        /// The versions of the engines, which need not be equal.
        engine_version: EngineVersions,
        /// The policy of the receipt.
        policy: Policy,
        /// The last block that is folded by the receipt; `null` if there is none.
        horizon: Option<Horizon>,
        /// What all sequencers earned together by the receipt, in wei.
        total_wei: Amount,
        /// The ledger root of the receipt.
        ledger_root: Hash,
        /// The fields of the receipt that differ, each once.
        fields: Vec<String>,
        /// Where the receipt and the replay part; `null` if no epoch differs.
        first_difference: Option<FirstDifference>,
        /// The fields that differ, by path. Of the epochs only the first that differs is told, and of its rows the first.
        differences: Vec<BundleDifference>,
    }

    /// The versions of the engine that made a receipt and of the one that replayed it.
    pub struct EngineVersions {
        /// The version of the engine that made the receipt.
        receipt: String,
        /// The version of the engine that replayed.
        replay: String,
    }

    /// The first place in which two ledgers differ.
    pub struct FirstDifference {
        /// The first epoch that differs.
        epoch: Option<u64>,
        /// The first sequencer in it whose row differs; `null` if no row does.
        sequencer: Option<u64>,
        /// The first of its blocks that earned something else; `null` unless two bundles are compared and one did.
        l2_block: Option<u64>,
    }

    /// A field in which a receipt and the replay of its bundle differ.
    pub struct BundleDifference {
        /// The path of the field, with the entries of lists by what they are known by: `epochs.3.rows.2.reward_wei` is in
        /// the row of sequencer 2.
        field: String,
        /// What the receipt has there; `null` if it has nothing.
        receipt: serde_json::Value,
        /// What the replay gives; `null` if it gives nothing.
        replay: serde_json::Value,
    }

    /// What a comparison of two receipts or bundles gives.
    pub struct ReceiptComparison {
        /// Whether anything differs: `equal` or `different`.
        verdict: String,
        /// The first of the two results.
        a: ComparedResult,
        /// The second of the two results.
        b: ComparedResult,
        /// The fields of the receipts that differ, each once.
        fields: Vec<String>,
        /// Where the two part; `null` if no epoch differs.
        first_difference: Option<FirstDifference>,
        /// The fields that differ, by path. Of the epochs only the first that differs is told, and of its rows the first.
        differences: Vec<ComparedDifference>,
        /// What differs and makes no difference to the result: who made it, how far the logs reach, and up to where they were
        /// asked to be folded.
        circumstances: Vec<ComparedDifference>,
    }

    /// One of two results that are compared.
    pub struct ComparedResult from
        (file, kind, receipt): (&str, &str, &Receipt)
    {
        /// The path of the file.
        file: String = file.into(),
        /// What the file is: `receipt` or `bundle`.
        kind: String = kind.into(),
        /// The digest of the receipt's bytes.
        receipt_digest: Hash = receipt.digest().into(),
        /// The policy of the receipt.
        policy: Policy = (&receipt.policy).into(),
        /// The last block that is folded by the receipt; `null` if there is none.
        horizon: Option<Horizon> = receipt.horizon.map(Into::into),
        /// What all sequencers earned together by the receipt, in wei.
        total_wei: Amount = receipt.total_wei.into(),
        /// The ledger root of the receipt.
        ledger_root: Hash = receipt.ledger_root.into(),
    }

    /// A field in which two receipts differ.
    pub struct ComparedDifference {
        /// The path of the field, with the entries of lists by what they are known by.
        field: String,
        /// What the first receipt has there; `null` if it has nothing.
        a: serde_json::Value,
        /// What the second receipt has there; `null` if it has nothing.
        b: serde_json::Value,
    }
}

impl Finding {
    /// What the finding means, in a few words.
    pub fn meaning(&self) -> &'static str {
        let codes = tally_audit::Code::ALL;
        codes.iter().find(|code| code.as_str() == self.code).map_or("", |code| code.meaning())
    }
}

fn verdict(audit: &tally_audit::ChainAudit) -> &'static str {
    match audit.verdict() {
        Verdict::Verified => "verified",
        Verdict::Different => "different",
        Verdict::Unverified => "unverified",
    }
}

/// The name of a rule by which the blocks of a batch are counted.
const fn rule_name(rule: CountRule) -> &'static str {
    match rule {
        CountRule::Scheduled => "scheduled",
        CountRule::Signed => "signed",
    }
}

/// The first and the last block of a range.
fn ends(blocks: &RangeInclusive<L2Block>) -> Vec<u64> {
    vec![blocks.start().0, blocks.end().0]
}

impl fmt::Display for StateDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, contract, log } = self;
        write!(f, "{field}: the contract has {contract}, the log gives {log}")
    }
}
