//! What the pool has to send next: the batch, the rate, and distributions.

use crate::ledger::operators;
use crate::shape::{count, list};
use crate::{
    Address, Amount, CreditRule, Fraction, Hash, Head, Horizon, Log, NoProofReason, OperatorsRate, Policy,
    Rate, SignedAmount, Stopped, Uncreditable, WithheldReason,
};
use alloy_primitives::B256;
use tally_claims::{BatchEntry, ClosedEpoch, Leaf, PaidRate, RateHistory, RoundedWei, UnpayableBlocks};
use tally_engine::{AmountError, PoolState, SequencerId, Wei};

shapes! {
    /// The batch that can be paid next, and the call that pays it.
    pub struct NextBatch from next: &tally_claims::NextBatch {
        /// The number of the batch.
        batch: u64 = next.batch.0,
        /// The first span of the batch: that after the last one paid.
        start_span: u64 = next.start_span.0,
        /// The last span of the batch.
        end_span: u64 = next.end_span.0,
        /// The first block of the first span.
        first_l2_block: u64 = next.first_block.0,
        /// The last block of the last span.
        last_l2_block: u64 = next.last_block.0,
        /// How many blocks are paid.
        blocks: u64 = next.blocks,
        /// What each block earns, in wei.
        reward_per_block_wei: Amount = next.reward_per_block.into(),
        /// What all blocks earn, in wei.
        total_wei: Amount = next.total.into(),
        /// Whom it credits for the blocks of a span: `span_signer`, the span's own signer, or `present_signer`, the present
        /// signer of the same sequencer.
        credit: CreditRule = next.credit.code().into(),
        /// The sequencers that are paid, by id.
        entries: Vec<BatchCredit> = list(&next.entries, Into::into),
        /// The blocks that the contract can pay to nobody, by sequencer and signer.
        unpayable: Vec<Unpayable> = list(&next.unpayable, Into::into),
        /// The signers of finished spans that the contract cannot credit, in the order of their first spans: the batch ends
        /// before the first of these. Empty under `present_signer`, which asks for none.
        blocking: Vec<BlockingSigner> = list(&next.blocking, Into::into),
        /// The entries that are not what the published check of Themis wants, by address; empty if it would sign the batch.
        check_differences: Vec<CheckDifference> = list(&next.check_differences, Into::into),
        /// The L1 block since which the pool is paused; `null` unless it is.
        paused_since_l1_block: Option<u64> = next.paused_since.map(|block| block.0),
        /// The call of `batchSubmitRewards`, which the MPC address sends.
        call: Call = (&next.call).into(),
    }

    /// The next batch, as the command says it: as of the last L1 block in the log.
    pub struct NextBatchOfLog {
        /// The log that it is of.
        log: Log,
        /// The fields of the batch itself.
        #[serde(flatten)]
        next: NextBatch,
        /// The L1 block after which the contracts were asked; `null` if no endpoint was given.
        asked_at: Option<Head>,
        /// What the operators wait for before they send a batch, each with whether it is so.
        checks: Vec<BatchCheck>,
        /// Whether all of that is so; `null` if none of it is otherwise, and not all was asked.
        is_ready: Option<bool>,
    }

    /// A check of a batch: something that the operators wait for before they send it.
    pub struct BatchCheck {
        /// `published_check`: Themis would sign it by the log's spans. `log_adds_up`: every event of the log states
        /// what the events before it add up to. `depth`: the log's L2 head is far enough past its last block.
        /// `interval`: the last batch was paid long enough ago. `contract_state`: the contracts hold what the log says.
        /// `not_paused`: the pool is not paused. `payer_balance`: the payer has its METIS. `payer_allowance`: the escrow may
        /// take that. `mpc_balance`: the MPC address has the ETH to send it. `call`: the call succeeds, sent by the MPC
        /// address.
        check: String,
        /// The result of the check: `passed`, `failed` or `not_asked`.
        state: String,
        /// The least that passes, as text: in blocks, seconds or wei; `null` where nothing is counted, or nothing was asked.
        wanted: Option<String>,
        /// What there is instead, as text: in the same units, or in words; `null` where there is nothing to tell.
        found: Option<String>,
    }

    /// A signer of finished spans that the contract cannot credit: no batch with these spans passes both checks.
    pub struct BlockingSigner from blocking: &tally_claims::BlockingSigner {
        /// The signer that the spans name.
        signer: Address = blocking.signer.into(),
        /// The sequencer that had this signer; `null` if none ever had.
        sequencer: Option<u64> = blocking.why.sequencer().map(|sequencer| sequencer.0),
        /// `signer_replaced`: the sequencer has another signer now. `sequencer_gone`: it has taken its stake out.
        /// `unknown_signer`: no sequencer has had this signer so far.
        why: Uncreditable = blocking.why.code().into(),
        /// The signer that the sequencer has instead; `null` if there is none.
        present_signer: Option<Address> = blocking.why.present_signer().map(Into::into),
        /// The finished spans that name it and are not paid, in order.
        spans: Vec<u64> = list(&blocking.spans, |span| span.0),
        /// How many blocks these spans give.
        blocks: u64 = blocking.blocks,
    }

    /// An address whose entry in a batch is not the one that the published check of Themis wants.
    pub struct CheckDifference from difference: &tally_engine::CheckDifference {
        /// The address of the entry.
        signer: Address = difference.signer.into(),
        /// How many blocks its entry has to have; `null` if there may be no such entry.
        wanted_blocks: Option<u64> = difference.wanted,
        /// How many blocks its entry has; `null` if there is no such entry.
        entry_blocks: Option<u64> = difference.entry,
    }

    /// An entry of a batch: a sequencer that is to be paid.
    pub struct BatchCredit from entry: &BatchEntry {
        /// The present signer of the sequencer, under which the contract credits it.
        signer: Address = entry.signer.into(),
        /// The id of the sequencer.
        sequencer: u64 = entry.sequencer.0,
        /// How many of its blocks are paid.
        blocks: u64 = entry.blocks,
        /// What these blocks earn, in wei.
        reward_wei: Amount = entry.reward.into(),
    }

    /// Blocks that the contract can pay to nobody.
    pub struct Unpayable from blocks: &UnpayableBlocks {
        /// The signer that the spans of these blocks name.
        signer: Address = blocks.signer.into(),
        /// The sequencer that had this signer; `null` if none ever had.
        sequencer: Option<u64> = blocks.why.sequencer().map(|sequencer| sequencer.0),
        /// How many blocks the batch leaves out.
        blocks: u64 = blocks.blocks,
        /// `unknown_signer`: no sequencer ever had this signer. `sequencer_gone`: it has taken its stake out.
        why: Uncreditable = blocks.why.code().into(),
    }

    /// A call that somebody has to send to a contract.
    pub struct Call from call: &tally_claims::PreparedCall {
        /// The id of the chain.
        chain_id: u64 = call.chain_id,
        /// The address of the contract.
        contract: Address = call.contract.into(),
        /// The address that has to send it; `null` for the owner of the contract, if the log does not tell who that is.
        sender: Option<Address> = call.sender.map(Into::into),
        /// The name of the function.
        function: String = call.function.into(),
        /// The input of the transaction, as `0x` and hexadecimal digits.
        #[schema(pattern = "^0x([0-9a-f]{2})*$")]
        calldata: String = call.calldata.to_string(),
    }

    /// What the reward per block has to be from the end of the last closed epoch on.
    pub struct NextRate try_from next: &tally_claims::NextRate {
        /// The last epoch that is over. Unless `rate` is by another, its sums set the rate.
        closed_epoch: Closed = (&next.closed).into(),
        /// The target for the mining reward rate of the epoch after it.
        target_mrr: Fraction = next.target.into(),
        /// What sets the reward of that epoch's blocks.
        rate: Rate = (&next.policy, next.rate).try_into()?,
        /// What the operators enter into their formula; `null` unless that sets the rate.
        operators: Option<OperatorsRate> = operators(next.rate),
        /// What a block of that epoch has to earn, exact and rounded down, in wei.
        reward_per_block_wei: Amount = next.reward.into(),
        /// The contract's reward per block after the last L1 block that counts, in wei.
        on_chain_reward_per_block_wei: Amount = next.on_chain.into(),
        /// How much more than that is proposed, in wei.
        difference_wei: SignedAmount = next.difference.into(),
        /// The call of `updateBlockReward`; `null` if the proposed reward is in force already.
        call: Option<Call> = next.call.as_ref().map(Into::into),
    }

    /// The next rate with the history of the rate, as the command says it.
    pub struct NextRateOfLog try_from (log, next): (Log, &tally_claims::NextRate) {
        /// The policy that sets the rate.
        policy: Policy = (&next.policy).into(),
        /// The log that it is of.
        log: Log = log,
        /// The last block that is folded.
        horizon: Horizon = next.horizon.into(),
        /// Why no block after the horizon is folded.
        stopped: Stopped = next.stop.into(),
        /// The fields of the rate itself.
        #[serde(flatten)]
        next: NextRate = next.try_into()?,
        /// The reward per block as it was rounded; `null` without `--decimals`.
        rounded: Option<Rounded> = next.rounded.map(Into::into),
        /// Every epoch with what its blocks earned by the policy and by the contract, in order.
        history: Vec<EpochRates> = history(next)?,
    }

    /// An epoch that is over, and the sums that set the rate after it.
    pub struct Closed from closed: &ClosedEpoch {
        /// The number of the epoch, from 0.
        epoch: u64 = closed.epoch.0,
        /// When the epoch began, in Unix seconds.
        start: u64 = closed.start.0,
        /// The first second of the epoch after it, in Unix seconds.
        end: u64 = closed.end.0,
        /// `Q`: the capped stake of all sequencers over the epoch, in wei·s.
        stake_seconds: Amount = closed.stake_seconds.into(),
        /// `N`: how many blocks of the epoch were rewarded.
        blocks: u64 = closed.blocks,
        /// How many blocks a year would have at that pace, rounded down.
        blocks_a_year: u64 = closed.blocks_a_year,
        /// The mining reward rate that the pool reached, rounded down to 18 decimals; `null` without stake.
        realised_mrr: Option<Fraction> = closed.realised_mrr.map(Fraction::realised),
    }

    /// A reward per block that was rounded to decimals of METIS, to the nearest and ties up.
    pub struct Rounded from rounded: RoundedWei {
        /// How many decimals of METIS it has at most.
        decimals: u8 = rounded.decimals,
        /// The rounded reward per block, in wei.
        reward_per_block_wei: Amount = rounded.amount.into(),
    }

    /// An epoch, with what its blocks earned by the policy and by the contract.
    pub struct EpochRates try_from
        (policy, epoch): (&tally_engine::Policy, &RateHistory)
    {
        /// The number of the epoch, from 0.
        epoch: u64 = epoch.epoch.0,
        /// When the epoch begins, in Unix seconds.
        start: u64 = epoch.start.0,
        /// Up to where the sums reach, in Unix seconds: the next epoch, or the timestamp of the horizon.
        until: u64 = epoch.until.0,
        /// Whether the epoch is over: a block of a later epoch is folded.
        is_closed: bool = epoch.is_closed,
        /// How many blocks of the epoch were rewarded.
        blocks: u64 = epoch.blocks,
        /// The target for the mining reward rate that is in force when the epoch begins.
        target_mrr: Fraction = epoch.target.into(),
        /// What sets the reward of the epoch's blocks by the policy.
        rate: Rate = (policy, epoch.rate).try_into()?,
        /// The mining reward rate that the pool reached by the policy, rounded down to 18 decimals; `null` without stake.
        realised_mrr: Option<Fraction> = epoch.realised_mrr.map(Fraction::realised),
        /// The contract's reward per block when the epoch begins, in wei.
        on_chain_reward_per_block_wei: Amount = epoch.on_chain.into(),
        /// How the contract's reward per block changed within the epoch, in order.
        on_chain_changes: Vec<OnChainRate> = list(&epoch.changes, Into::into),
        /// The mining reward rate that the pool reached by what the contract pays, rounded down to 18 decimals; `null` while
        /// the epoch is open by schedule, and without stake.
        paid_mrr: Option<Fraction> = epoch.paid_mrr.map(Fraction::realised),
    }

    /// A change of the contract's reward per block.
    pub struct OnChainRate from change: &PaidRate {
        /// The number of the L1 block.
        l1_block: u64 = change.block.0,
        /// The timestamp of the L1 block, in Unix seconds.
        timestamp: u64 = change.time.0,
        /// The reward per block from then on, in wei.
        reward_per_block_wei: Amount = change.reward_per_block.into(),
    }

    /// What a block has to earn so that a given stake earns a given rate at a given pace.
    pub struct RewardPerBlock {
        /// `exact`: one division, rounded down. `operators`: the formula of the pool's operators, which rounds down three
        /// times.
        formula: String,
        /// The L1 block after which the stake is all that is locked; `null` if the stake was given.
        l1_block: Option<u64>,
        /// The stake that the reward is computed from, in wei.
        stake_wei: Amount,
        /// The seconds from one block to the next, as a decimal number.
        block_secs: String,
        /// The mining reward rate that is aimed at.
        mrr: Fraction,
        /// What a block has to earn, rounded down, in wei.
        reward_per_block_wei: Amount,
        /// The reward per block as it was rounded; `null` without `--decimals`.
        rounded: Option<Rounded>,
    }

    /// A distribution: the Merkle tree by which a policy can be paid.
    pub struct Distribution from
        (log, made, present): (Log, &tally_claims::Distribution, &PoolState)
    {
        /// The policy by which rewards are computed.
        policy: Policy = (&made.policy).into(),
        /// The log that it is of.
        log: Log = log,
        /// The distribution in short.
        #[serde(flatten)]
        head: DistributionHead = (&made.head).into(),
        /// The leaves of the tree, by id of the sequencer.
        leaves: Vec<DistributionLeaf> = list(&made.leaves, |leaf| (leaf, present).into()),
        /// The sequencers that cannot be paid by the tree, by id.
        withheld: Vec<Withheld> = list(&made.withheld, |withheld| (withheld, present).into()),
    }

    /// A distribution in short: its epoch, its root and its sums. It is the same for ever.
    pub struct DistributionHead from head: &tally_claims::DistributionHead {
        /// The last epoch that counts.
        epoch: u64 = head.epoch.0,
        /// When that epoch ended, in Unix seconds: the first second of the next. Recipients are those of the L1 events
        /// before it.
        epoch_end: u64 = head.end.0,
        /// The L1 block of the last event before that end; `null` if there is none. The recipients are those that the
        /// contract had after this block.
        l1_block: Option<u64> = head.l1_block.map(|block| block.0),
        /// The root of the tree; `null` where nobody can claim anything.
        root: Option<Hash> = head.root.map(Into::into),
        /// How many leaves the tree has.
        leaf_count: u64 = count(head.leaves),
        /// How many sequencers are owed something and have no leaf.
        withheld_count: u64 = count(head.withheld),
        /// What all leaves have together, in wei.
        leaves_wei: Amount = head.total_leaves.into(),
        /// What is withheld from all sequencers together, in wei.
        withheld_wei: Amount = head.total_withheld.into(),
        /// What the policy has accrued up to the end of the epoch, in wei: leaves and withheld.
        total_wei: Amount = head.total.into(),
    }

    /// A leaf of a distribution: what a sequencer's recipient can claim by it.
    pub struct DistributionLeaf from (leaf, present): (&Leaf, &PoolState) {
        /// The id of the sequencer.
        sequencer: u64 = leaf.sequencer.0,
        /// The address on L2 that can claim: the recipient as of the distribution's L1 block. The address of the same digits
        /// on L1 may be another's.
        recipient: Address = leaf.recipient.into(),
        /// What is owed since the beginning, claimed or not, in wei.
        cumulative_wei: Amount = leaf.cumulative.into(),
        /// The recipient by what is final now, which is another one if it was changed since; `null` for none.
        present_recipient: Option<Address> = recipient_in(present, leaf.sequencer),
    }

    /// A leaf of a distribution with the proof by which it is claimed.
    pub struct ProvenLeaf from
        (leaf, proof, present): (&Leaf, Vec<B256>, &PoolState)
    {
        /// The fields of the leaf itself.
        #[serde(flatten)]
        leaf: DistributionLeaf = (leaf, present).into(),
        /// The proof of the leaf (sequencer, recipient, cumulative amount), from the leaf up.
        proof: Vec<Hash> = list(proof, Into::into),
    }

    /// A sequencer that is owed something and has no leaf.
    pub struct Withheld from (withheld, present): (&tally_claims::Withheld, &PoolState) {
        /// The id of the sequencer.
        sequencer: u64 = withheld.sequencer.0,
        /// What is owed since the beginning, in wei.
        cumulative_wei: Amount = withheld.cumulative.into(),
        /// Why it has no leaf: `no_recipient`.
        reason: WithheldReason = withheld.reason.code().into(),
        /// The recipient by what is final now: it gets a leaf in the next distribution; `null` for none.
        present_recipient: Option<Address> = recipient_in(present, withheld.sequencer),
    }

    /// A sequencer's part of a distribution, with the proof by which it is claimed.
    pub struct DistributionPart from
        (made, id): (&tally_claims::Distribution, SequencerId)
    {
        /// The last epoch that counts.
        epoch: u64 = made.head.epoch.0,
        /// When that epoch ended, in Unix seconds: the first second of the next.
        epoch_end: u64 = made.head.end.0,
        /// The L1 block of the last event before that end; `null` if there is none.
        l1_block: Option<u64> = made.head.l1_block.map(|block| block.0),
        /// The root of the tree; `null` where nobody can claim anything.
        root: Option<Hash> = made.head.root.map(Into::into),
        /// The address on L2 that can claim: the recipient as of that L1 block; `null` where there is no leaf.
        recipient: Option<Address> = leaf(made, id).map(|leaf| leaf.recipient.into()),
        /// What is owed since the beginning, claimed or not, in wei.
        cumulative_wei: Amount = part(made, id).0.into(),
        /// Why it cannot be claimed: `no_recipient`, or `nothing` where nothing is owed; else `null`.
        withheld_reason: Option<NoProofReason> = part(made, id).1.map(Into::into),
        /// The proof of the leaf (sequencer, recipient, cumulative amount), from the leaf up; `null` where there is none.
        proof: Option<Vec<Hash>> = proof(made, id),
    }
}

fn history(next: &tally_claims::NextRate) -> Result<Vec<EpochRates>, AmountError> {
    next.history.iter().map(|epoch| (&next.policy, epoch).try_into()).collect()
}

/// Who gets the rewards of a sequencer by a state of the contracts.
fn recipient_in(pool: &PoolState, id: SequencerId) -> Option<Address> {
    let recipient = pool.sequencers.get(&id)?.reward_recipient;
    Some(recipient).filter(|recipient| !recipient.is_zero()).map(Into::into)
}

fn leaf(made: &tally_claims::Distribution, id: SequencerId) -> Option<&Leaf> {
    made.leaves.iter().find(|leaf| leaf.sequencer == id)
}

/// What a distribution owes to a sequencer, and why it has no leaf, if it has none.
fn part(made: &tally_claims::Distribution, id: SequencerId) -> (Wei, Option<&'static str>) {
    let withheld = made.withheld.iter().find(|withheld| withheld.sequencer == id);
    match (leaf(made, id), withheld) {
        (Some(leaf), _) => (leaf.cumulative, None),
        (None, Some(withheld)) => (withheld.cumulative, Some(withheld.reason.code())),
        (None, None) => (Wei::ZERO, Some("nothing")),
    }
}

fn proof(made: &tally_claims::Distribution, id: SequencerId) -> Option<Vec<Hash>> {
    let (_, proof) = made.proofs().find(|(leaf, _)| leaf.sequencer == id)?;
    Some(list(proof, Into::into))
}
