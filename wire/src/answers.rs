//! The server's answers: each names the state that it is of.

use crate::shape::{count, list};
use crate::{
    Accounts, Address, At, Base, BlockEntry, BlockExplanation, ChainAudit, ChainHead, Combination,
    ContractAccount, ContractSums, Contracts, CreditedRow, CurrentBatch, DistributionHead, DistributionPart,
    Epoch, EpochRates, Finding, Horizon, MemberCall, Movement, NextBatch, NextRate, NumberedFact,
    PolicyAccount, ProvenLeaf, Row, SequencerWithAccounts, StatementHead, StatusCounts, Withheld,
};
use crate::{Amount, Hash};
use tally_engine::PoolState;

shapes! {
    /// How far the log, the chains and the feed of each policy are.
    pub struct StatusAnswer {
        /// The version of the engine.
        engine_version: String,
        /// The chain id of L1.
        l1_chain_id: u64,
        /// The chain id of L2.
        l2_chain_id: u64,
        /// The contracts whose events the log has: with the chain ids, they tell its pool from any other.
        contracts: Contracts,
        /// Whether the answers are up to date: what `/readyz` says.
        is_ready: bool,
        /// Why the answers are not up to date; `null` if they are.
        not_ready: Option<String>,
        /// How the chains are followed; `null` if they are not.
        ingest: Option<Ingesting>,
        /// The state of the log for each policy that is served; the first is the default one.
        policies: Vec<PolicyStatus>,
    }

    /// How far the ledger and the feed of a policy are.
    pub struct PolicyStatus {
        /// The state that answers under the policy are of.
        at: At,
    }

    /// How far the ingest follows the chains.
    pub struct Ingesting {
        /// Whether it is at work; else it failed, and is tried again.
        is_running: bool,
        /// The newest L1 block that an endpoint told of; `null` before the first.
        l1_chain_head: Option<ChainHead>,
        /// The newest L2 block that an endpoint told of; `null` before the first.
        l2_chain_head: Option<ChainHead>,
        /// How far the log is behind that on L1, in seconds between the timestamps of the blocks; `null` if not known.
        l1_lag_secs: Option<u64>,
        /// How far the log is behind that on L2, in seconds between the timestamps of the blocks; `null` if not known.
        l2_lag_secs: Option<u64>,
        /// How many times a reorg took blocks out of the log since the start.
        rollbacks: u64,
    }

    /// The pool as a whole: its contracts after the last L1 block of the log, and what the policy makes of it.
    pub struct PoolAnswer {
        /// The state that the answer is of.
        at: At,
        /// Whether the pool is paused, so that nothing can be claimed.
        is_paused: bool,
        /// How many sequencers there are of each status.
        statuses: StatusCounts,
        /// The least stake that can be locked, in wei.
        min_lock_wei: Amount,
        /// The greatest stake that can be locked, in wei.
        max_lock_wei: Amount,
        /// What of a stake counts at most by the policy, in wei; `null` if all of it counts.
        cap_wei: Option<Amount>,
        /// The stakes of the active sequencers, each up to the cap, in wei: what the policy aims its target at.
        counted_stake_wei: Amount,
        /// How many seconds an exit takes.
        exit_delay_secs: u64,
        /// The reward per block that the contract pays, in wei.
        reward_per_block_wei: Amount,
        /// The last batch that was paid, as the contract keeps it.
        last_batch: CurrentBatch,
        /// What the contracts owe to all sequencers together.
        contract: ContractSums,
        /// What the policy has all sequencers earn.
        policy: PolicyAccount,
    }

    /// A page of sequencers, and what is owed to them.
    pub struct SequencersAnswer {
        /// The state that the answer is of.
        at: At,
        /// The sequencers, in the order of their ids.
        sequencers: Vec<SequencerWithAccounts>,
        /// Where the next page begins: give it as `cursor`. `null` after the last.
        next: Option<String>,
    }

    /// One sequencer, and what is owed to it.
    pub struct SequencerAnswer {
        /// The state that the answer is of.
        at: At,
        /// The sequencer that was asked for.
        sequencer: SequencerWithAccounts,
    }

    /// What a sequencer earned in each epoch.
    pub struct SequencerEpochsAnswer {
        /// The state that the answer is of.
        at: At,
        /// The id of the sequencer.
        sequencer: u64,
        /// The epochs, in order, also those in which it earned nothing.
        epochs: Vec<SequencerEpoch>,
        /// Where the next page begins: give it as `cursor`. `null` after the last.
        next: Option<String>,
    }

    /// What a sequencer earned in an epoch.
    pub struct SequencerEpoch {
        /// The number of the epoch, from 0.
        epoch: u64,
        /// When the epoch begins, in Unix seconds.
        start: u64,
        /// Whether it is over and nothing of it can change any more; never under `on-chain`.
        is_final: bool,
        /// How many of its blocks were rewarded in the epoch.
        blocks: u64,
        /// What these blocks earned, in wei.
        reward_wei: Amount,
        /// What it has earned in this epoch and all before it, in wei.
        cumulative_wei: Amount,
    }

    /// One fact of the feed.
    pub struct FactAnswer {
        /// The state that the answer is of.
        at: At,
        /// The fact that was asked for, where it was told last.
        fact: NumberedFact,
    }

    /// One batch that was paid.
    pub struct BatchAnswer {
        /// The state that the answer is of.
        at: At,
        /// The batch that was asked for.
        batch: PaidBatch,
    }

    /// What a sequencer can claim, by what is final.
    pub struct ClaimAnswer {
        /// The state that the answer is of.
        at: At,
        /// The id of the sequencer.
        sequencer: u64,
        /// The address on L2 that gets its rewards by what is final now; `null` while none is named. A distribution that was
        /// frozen before it was named is claimed by the recipient of `distribution`.
        recipient: Option<Address>,
        /// What the contracts owe, up to the last final L1 block.
        contract: ContractAccount,
        /// What the distribution that was asked for owes, or else that of the last settled epoch. It is `null` where there is
        /// none: under `on-chain`, where the contract pays, and before an epoch is settled.
        distribution: Option<DistributionPart>,
    }

    /// A page of the distributions.
    pub struct DistributionsAnswer {
        /// The state that the answer is of.
        at: At,
        /// The distributions, by epoch.
        distributions: Vec<DistributionHead>,
        /// Where the next page begins: give it as `cursor`. `null` after the last.
        next: Option<String>,
    }

    /// A distribution, and what of it nobody can claim.
    pub struct DistributionAnswer from
        (at, made, present): (At, &tally_claims::Distribution, &PoolState)
    {
        /// The state that the answer is of.
        at: At = at,
        /// The distribution in short.
        #[serde(flatten)]
        head: DistributionHead = (&made.head).into(),
        /// The sequencers that are owed something and have no leaf, by id.
        withheld: Vec<Withheld> = list(&made.withheld, |withheld| (withheld, present).into()),
    }

    /// A page of the leaves of a distribution.
    pub struct LeavesAnswer {
        /// The state that the answer is of.
        at: At,
        /// The last epoch that counts.
        epoch: u64,
        /// The root of the tree; `null` where nobody can claim anything.
        root: Option<Hash>,
        /// The leaves, by id of the sequencer.
        leaves: Vec<ProvenLeaf>,
        /// Where the next page begins: give it as `cursor`. `null` after the last.
        next: Option<String>,
    }

    /// A statement, with a page of what moved.
    pub struct StatementAnswer from
        (at, statement, page): (At, &tally_claims::Statement, PageOf<'_>)
    {
        /// The state that the answer is of.
        at: At = at,
        /// What the statement is of.
        #[serde(flatten)]
        head: StatementHead = statement.into(),
        /// A page of what moved, in order.
        movements: Vec<Movement> = list(page.of(&statement.entries), Into::into),
        /// Where the next page begins: give it as `cursor`. `null` after the last.
        next: Option<String> = page.next(&statement.entries),
    }

    /// The accounts of sequencers as they were at some time.
    pub struct AccountsAnswer {
        /// The state that the answer is of.
        at: At,
        /// The accounts, as `tally accounts --format json` gives them.
        #[serde(flatten)]
        accounts: Accounts,
    }

    /// A call that a member of the pool can make.
    pub struct MemberCallAnswer {
        /// The state that the answer is of; the call is judged after the last L1 block of its log.
        at: At,
        /// The call, with its conditions and its data.
        call: MemberCall,
    }

    /// A page of the blocks of a sequencer.
    pub struct LedgerAnswer {
        /// The state that the answer is of.
        at: At,
        /// The id of the sequencer.
        sequencer: u64,
        /// The first L2 block that was looked at for this page.
        from: u64,
        /// The last L2 block that was looked at for this page.
        to: u64,
        /// The sequencer's blocks among them, rewarded or not.
        blocks: Vec<ServedBlock>,
        /// Where the next page begins: give it as `cursor`. `null` after the last.
        next: Option<String>,
    }

    /// A page of the blocks of the ledger.
    pub struct BlocksAnswer {
        /// The state that the answer is of.
        at: At,
        /// The first L2 block of the page.
        from: u64,
        /// The last L2 block of the page.
        to: u64,
        /// The blocks, in order.
        blocks: Vec<ServedBlock>,
        /// Where the next page begins: give it as `cursor`. `null` after the last.
        next: Option<String>,
    }

    /// A block of the ledger, and whether it is final.
    pub struct ServedBlock {
        /// The fields of the block itself.
        #[serde(flatten)]
        block: BlockEntry,
        /// Whether what it earned cannot change any more. (A signed block may still come to lie in a span that is announced
        /// late.)
        is_final: bool,
    }

    /// A page of the epochs of a policy.
    pub struct EpochsAnswer {
        /// The state that the answer is of.
        at: At,
        /// The epochs of the page, in order.
        epochs: Vec<ServedEpoch>,
        /// Where the next page begins: give it as `cursor`. `null` after the last.
        next: Option<String>,
    }

    /// One epoch, with what each sequencer earned.
    pub struct EpochAnswer {
        /// The state that the answer is of.
        at: At,
        /// The fields of the epoch itself.
        epoch: ServedEpoch,
        /// The sequencers with rewarded blocks, by id.
        rows: Vec<Row>,
    }

    /// An epoch, and whether it is final.
    pub struct ServedEpoch {
        /// The fields of the epoch itself.
        #[serde(flatten)]
        epoch: Epoch,
        /// Whether it is over and nothing of it can change any more; never under `on-chain`, where batches settle what blocks
        /// earn.
        is_final: bool,
    }

    /// A block, and why it earned what it did.
    pub struct BlockAnswer {
        /// The state that the answer is of.
        at: At,
        /// Whether what the block earned cannot change any more.
        is_final: bool,
        /// Everything that decides what the block earned.
        #[serde(flatten)]
        explanation: BlockExplanation,
    }

    /// A page of the batches that were paid.
    pub struct BatchesAnswer {
        /// The state that the answer is of.
        at: At,
        /// The batches of the page, in order.
        batches: Vec<PaidBatch>,
        /// Where the next page begins: give it as `cursor`. `null` after the last.
        next: Option<String>,
    }

    /// A batch that was paid.
    pub struct PaidBatch {
        /// The number of the batch.
        batch: u64,
        /// The first span of the batch.
        start_span: u64,
        /// The last span of the batch.
        end_span: u64,
        /// The L1 block in which it was paid.
        l1_block: u64,
        /// The timestamp of that block, in Unix seconds.
        timestamp: u64,
        /// The hash of the L1 transaction that paid it.
        transaction: Hash,
        /// What each block earned, in wei.
        reward_per_block_wei: Amount,
        /// What the event says it paid, in wei.
        amount_wei: Amount,
        /// The sequencers that were credited, by id.
        rows: Vec<CreditedRow>,
        /// Whether no reorg can take it back.
        is_final: bool,
    }

    /// The batch that can be paid next, by what is final.
    pub struct NextBatchAnswer {
        /// The state that the answer is of.
        at: At,
        /// The fields of the batch itself.
        #[serde(flatten)]
        next: NextBatch,
    }

    /// The next rate by the policy of `at`, by what is final.
    pub struct NextRateAnswer {
        /// The state that the answer is of.
        at: At,
        /// The fields of the rate itself.
        #[serde(flatten)]
        next: NextRate,
    }

    /// The reward per block by the policy of `at` and on chain, epoch by epoch, by what is final.
    pub struct RatesAnswer {
        /// The state that the answer is of.
        at: At,
        /// The last block that is folded and final, up to which the epochs reach.
        horizon: Horizon,
        /// A page of the epochs, in order.
        rates: Vec<EpochRates>,
        /// Where the next page begins: give it as `cursor`. `null` after the last.
        next: Option<String>,
    }

    /// What the policy of `at` would have paid with another target, cap or allocation.
    pub struct WhatIfAnswer {
        /// The state that the answer is of.
        at: At,
        /// The policy that it starts from, and what it pays.
        base: Base,
        /// What is otherwise, and what it would have paid.
        combination: Combination,
    }

    /// The audit of everything in the log, and a page of its findings.
    pub struct AuditAnswer from
        (at, audit, rule, page):
        (At, &tally_audit::ChainAudit, tally_audit::CountRule, PageOf<'_>)
    {
        /// The state that the answer is of.
        at: At = at,
        /// The verdict of the audit, with its counts and totals.
        #[serde(flatten)]
        audit: ChainAudit = (audit, rule).into(),
        /// How many batches were audited.
        audited_batches: u64 = count(audit.batches.len()),
        /// A page of what was found, in the order of L1, then of L2: errors, warnings and notes alike.
        findings: Vec<Finding> = list(page.of(&audit.findings), Into::into),
        /// Where the next page begins: give it as `cursor`. `null` after the last.
        next: Option<String> = page.next(&audit.findings),
    }
}

/// A page of a list that is asked for, and the state that the list is of.
#[derive(Clone, Copy, Debug)]
pub struct PageOf<'a> {
    /// The place of its first entry, from 0.
    pub position: u64,
    /// How many entries it has at most.
    pub limit: usize,
    /// What tells the state from others, as 16 hexadecimal digits.
    pub state: &'a str,
}

impl PageOf<'_> {
    /// The entries of the page.
    fn of<'l, T>(&self, entries: &'l [T]) -> &'l [T] {
        let start = usize::try_from(self.position).ok();
        let rest = start.and_then(|start| entries.get(start..)).unwrap_or_default();
        rest.get(..self.limit).unwrap_or(rest)
    }

    /// Where the page after it begins, if there is one.
    fn next<T>(&self, entries: &[T]) -> Option<String> {
        let end = self.position.saturating_add(count(self.of(entries).len()));
        (end < count(entries.len())).then(|| next_cursor(end, self.state))
    }
}

/// Where a page begins, as the `next` of the page before it says: at which place, in the list of which state.
pub fn next_cursor(position: u64, state: &str) -> String {
    format!("{position}-{state}")
}
