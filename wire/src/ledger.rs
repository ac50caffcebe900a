//! The ledger: epochs with their rates, sequencers with their sums, and single blocks.

use crate::shape::list;
use crate::{Address, Amount, Fraction, Hash, Horizon, Log, Policy, RateSource, Stopped, UnrewardedReason};
use tally_engine::{
    AmountError, BatchLedger, EpochLedger, Mrr, SequencerId, SequencerTotal, UnrewardedBlocks, flat_reward,
};
use tally_replay::{Outcome, Replayed};

shapes! {
    /// What a replay of a log under one policy gives.
    pub struct Replay try_from (log, replayed): (&Log, &Replayed) {
        /// The policy by which rewards are computed.
        policy: Policy = (&replayed.policy).into(),
        /// The log that was replayed.
        log: Log = log.clone(),
        /// The last block that is folded; `null` if there is none.
        horizon: Option<Horizon> = replayed.ledger.horizon.map(Into::into),
        /// Why no block after the horizon is folded.
        stopped: Stopped = replayed.stop.into(),
        /// When epoch 0 begins, in Unix seconds; `null` while no sequencer has locked by the horizon (under `on-chain`:
        /// while no block up to there can be paid).
        genesis: Option<u64> = replayed.ledger.genesis.map(|genesis| genesis.0),
        /// The epochs up to the horizon, in order.
        epochs: Vec<EpochWithRows> = epochs(replayed)?,
        /// Every sequencer that had locked by the horizon or earned, by id.
        sequencers: Vec<SequencerSum> = list(&replayed.ledger.sequencers, Into::into),
        /// The blocks that earned nothing.
        unrewarded: Unrewarded = replayed.ledger.unrewarded.into(),
        /// What all sequencers earned together, in wei.
        total_wei: Amount = replayed.ledger.total.into(),
        /// The ledger root: the digest of the whole ledger.
        ledger_root: Hash = replayed.ledger.root.into(),
        /// Under `on-chain`: the paid batches that blocks up to the horizon belong to, in order. Else empty.
        batches: Vec<Batch> = list(&replayed.ledger.batches, Into::into),
        /// Under `on-chain`: the blocks that no batch has paid yet and what they are worth, which are part of the sums.
        pending: Earned = replayed.ledger.pending.into(),
    }

    /// An epoch with its own sums. Those of the last epoch reach up to the horizon.
    pub struct Epoch try_from (replayed, epoch): (&Replayed, &EpochLedger) {
        /// The number of the epoch, from 0.
        epoch: u64 = epoch.epoch.0,
        /// When the epoch begins, in Unix seconds.
        start: u64 = epoch.start.0,
        /// Whether the epoch is over: a block of a later epoch is folded.
        is_closed: bool = replayed.ledger.epochs.last().is_some_and(|last| last.epoch > epoch.epoch),
        /// `Q`: the capped stake of all sequencers over the epoch, in wei·s.
        stake_seconds: Amount = epoch.stake_seconds.into(),
        /// `N`: how many blocks of the epoch were rewarded.
        blocks: u64 = epoch.earned.blocks,
        /// `W`: the capped stake of the producer of each rewarded block, added up, in wei·blocks.
        stake_blocks: Amount = epoch.stake_blocks.into(),
        /// What the rewarded blocks earned together, in wei.
        reward_wei: Amount = epoch.earned.reward.into(),
        /// What sets the reward of the epoch's blocks.
        rate: Rate = (&replayed.policy, epoch.rate).try_into()?,
        /// What the operators enter into their formula; `null` unless that sets the rate.
        operators: Option<OperatorsRate> = operators(epoch.rate),
        /// The target for the mining reward rate that is in force when the epoch begins.
        target_mrr: Fraction = epoch.target.into(),
        /// The mining reward rate that the pool reached (yearly rewards over capped stake), rounded down to 18 decimals;
        /// `null` without stake.
        realised_mrr: Option<Fraction> = epoch.realised_mrr()?.map(Fraction::realised),
        /// The digest of the epoch. The first that differs is where two ledgers part.
        digest: Hash = epoch.digest.into(),
    }

    /// An epoch with what each sequencer earned in it.
    pub struct EpochWithRows {
        /// The fields of the epoch itself.
        #[serde(flatten)]
        epoch: Epoch,
        /// The sequencers with rewarded blocks, by id.
        rows: Vec<Row>,
    }

    /// What sets the reward of the blocks of an epoch.
    pub struct Rate try_from
        (policy, rate): (&tally_engine::Policy, tally_engine::Rate)
    {
        /// `initial`: the policy's initial reward. `window`: the stake and the blocks of an earlier epoch. `chain`: the
        /// reward per block of the contract. `operators`: the formula of the pool's operators. `fixed`: a reward per block
        /// that the policy fixes.
        from: RateSource = match rate {
            tally_engine::Rate::Initial => "initial",
            tally_engine::Rate::FromWindow(_) => "window",
            tally_engine::Rate::OnChain => "chain",
            tally_engine::Rate::Operators(_) => "operators",
            tally_engine::Rate::Fixed(_) => "fixed",
        }.into(),
        /// The number of the earlier epoch; `null` unless `from` is `window`.
        window_epoch: Option<u64> = window(rate).map(|window| window.epoch.0),
        /// The target that the rate was set with; `null` unless `from` is `window` or `operators`.
        mrr: Option<Fraction> = window(rate)
            .map(|window| window.target)
            .or_else(|| entered(rate).map(|entered| Mrr::from_percent(entered.percent)))
            .map(Into::into),
        /// What every block of the epoch earns, in wei; `null` unless all earn the same, as under `flat`.
        reward_per_block_wei: Option<Amount> = flat_reward(policy, rate)?.map(Into::into),
    }

    /// What the operators enter into their formula.
    pub struct OperatorsRate from entered: tally_engine::OperatorsRate {
        /// What was locked when the epoch began, not capped and with the stakes of sequencers that were leaving, in wei.
        total_locked_wei: Amount = entered.total_locked.into(),
        /// The percentage of it that a year of rewards is to be.
        percent: u64 = entered.percent,
        /// The seconds from one block to the next.
        block_secs: u64 = entered.block_secs,
    }

    /// A sequencer in an epoch: a row of the ledger.
    pub struct Row try_from row: &tally_engine::Row {
        /// The id of the sequencer.
        sequencer: u64 = row.sequencer.0,
        /// How many of its blocks were rewarded.
        blocks: u64 = row.earned.blocks,
        /// What these blocks earned, in wei.
        reward_wei: Amount = row.earned.reward.into(),
        /// Its capped stake over the epoch, in wei·s.
        stake_seconds: Amount = row.stake_seconds.into(),
        /// The mining reward rate that it reached (yearly rewards over capped stake), rounded down to 18 decimals; `null`
        /// without stake.
        realised_mrr: Option<Fraction> = row.realised_mrr()?.map(Fraction::realised),
    }

    /// A sequencer with its sums over the whole replay.
    pub struct SequencerSum from (id, total): (&SequencerId, &SequencerTotal) {
        /// The id of the sequencer.
        sequencer: u64 = id.0,
        /// The address that signed its blocks at the horizon; `null` if it locked only later.
        signer: Option<Address> = total.signer.map(Into::into),
        /// How many of its blocks were rewarded.
        blocks: u64 = total.earned.blocks,
        /// What these blocks earned, in wei.
        reward_wei: Amount = total.earned.reward.into(),
    }

    /// How many blocks earned nothing, by the first reason that holds.
    pub struct Unrewarded from blocks: UnrewardedBlocks {
        /// Blocks before epoch 0 (under `on-chain` also those of span 0, which the contract never pays).
        before_genesis: u64 = blocks.before_genesis,
        /// Blocks that nobody signed, from before the first span.
        no_producer: u64 = blocks.no_producer,
        /// Blocks by a signer that no sequencer had introduced by then.
        unknown_signer: u64 = blocks.unknown_signer,
        /// Blocks by a sequencer that was not active any more.
        after_unlock: u64 = blocks.after_unlock,
    }

    /// A number of blocks and what they earned.
    pub struct Earned from earned: tally_engine::Earned {
        /// How many blocks were rewarded.
        blocks: u64 = earned.blocks,
        /// What they earned together, in wei.
        reward_wei: Amount = earned.reward.into(),
    }

    /// A sequencer, a number of its blocks and what they earned.
    pub struct SequencerEarned from (id, earned): (&SequencerId, &tally_engine::Earned) {
        /// The id of the sequencer.
        sequencer: u64 = id.0,
        /// How many blocks were rewarded.
        blocks: u64 = earned.blocks,
        /// What they earned together, in wei.
        reward_wei: Amount = earned.reward.into(),
    }

    /// A batch that the contract paid, as the ledger counts it.
    pub struct Batch from batch: &BatchLedger {
        /// The number of the batch.
        batch: u64 = batch.batch.0,
        /// What each block of the batch earned, in wei.
        reward_per_block_wei: Amount = batch.reward_per_block.into(),
        /// What each sequencer earned by the batch, by id.
        rows: Vec<SequencerEarned> = list(&batch.rows, Into::into),
    }

    /// A block entry: one L2 block of the ledger by block.
    pub struct BlockEntry from entry: &tally_replay::BlockEntry {
        /// The number of the block.
        l2_block: u64 = entry.block.0,
        /// The timestamp of the block, in Unix seconds.
        timestamp: u64 = entry.timestamp.0,
        /// The epoch that it is in; `null` before epoch 0.
        epoch: Option<u64> = entry.epoch.map(|epoch| epoch.0),
        /// The id of the span that covers it, or did when it was made; `null` if none did.
        span: Option<u64> = entry.span.map(|span| span.0),
        /// The address that signed it; `null` if nobody did.
        signer: Option<Address> = entry.signer.map(Into::into),
        /// The address that made it by the attribution of the policy; `null` if that is not known.
        producer: Option<Address> = entry.producer.map(Into::into),
        /// The id of the sequencer that the producer stands for; `null` if it stands for none (yet).
        sequencer: Option<u64> = entry.sequencer.map(|sequencer| sequencer.0),
        /// The capped stake of the sequencer at that time, in wei; `null` if the block earned nothing.
        effective_stake_wei: Option<Amount> = entry.rewarded().map(|rewarded| rewarded.effective.into()),
        /// What the block earned, in wei; `null` if it earned nothing.
        reward_wei: Option<Amount> = entry.rewarded().map(|rewarded| rewarded.reward.into()),
        /// What the sequencer has earned up to this block, with it, in wei; `null` if the block earned nothing.
        running_total_wei: Option<Amount> = entry.rewarded().map(|rewarded| rewarded.running_total.into()),
        /// Under `on-chain`: the number of the batch that paid it; else, and while it is pending, `null`.
        batch: Option<u64> = entry.rewarded().and_then(|rewarded| rewarded.batch).map(|batch| batch.0),
        /// Why it earned nothing: `before_genesis`, `no_producer`, `unknown_signer` or `after_unlock`; `null` if it earned.
        unrewarded: Option<UnrewardedReason> = match &entry.outcome {
            Outcome::Rewarded(_) => None,
            Outcome::Unrewarded(why) => Some(why.code().into()),
        },
    }

    /// The ledger by block of a whole replay.
    pub struct LedgerHead from (log, replayed): (Log, &Replayed) {
        /// The policy by which rewards are computed.
        policy: Policy = (&replayed.policy).into(),
        /// The log that was replayed.
        log: Log = log,
        /// The last block that is folded; `null` if there is none.
        horizon: Option<Horizon> = replayed.ledger.horizon.map(Into::into),
        /// Why no block after the horizon is folded.
        stopped: Stopped = replayed.stop.into(),
        /// The ledger root: the digest of the whole ledger, whatever is shown of it.
        ledger_root: Hash = replayed.ledger.root.into(),
    }

    /// Blocks of the ledger. Each block is written as one line when it is known; if the exit status is not 0, the output is
    /// incomplete.
    pub struct LedgerShow {
        /// The ledger that the blocks belong to.
        #[serde(flatten)]
        head: LedgerHead,
        /// The blocks that were asked for, in order.
        blocks: Vec<BlockEntry>,
    }
}

fn epochs(replayed: &Replayed) -> Result<Vec<EpochWithRows>, AmountError> {
    let epochs = replayed.ledger.epochs.iter();
    epochs
        .map(|epoch| Ok(EpochWithRows { epoch: (replayed, epoch).try_into()?, rows: rows(epoch)? }))
        .collect()
}

/// The rows of an epoch, by the ids of their sequencers.
///
/// # Errors
///
/// [`AmountError`] if a rate that was reached does not fit into 256 bits.
pub fn rows(epoch: &EpochLedger) -> Result<Vec<Row>, AmountError> {
    epoch.rows.iter().map(TryInto::try_into).collect()
}

/// The window that a rate was set by, if it was set by one.
pub(crate) fn window(rate: tally_engine::Rate) -> Option<tally_engine::Window> {
    match rate {
        tally_engine::Rate::FromWindow(window) => Some(window),
        tally_engine::Rate::Initial
        | tally_engine::Rate::OnChain
        | tally_engine::Rate::Operators(_)
        | tally_engine::Rate::Fixed(_) => None,
    }
}

/// What was entered into the operators' formula, if the rate was set by it.
pub(crate) fn operators(rate: tally_engine::Rate) -> Option<OperatorsRate> {
    entered(rate).map(Into::into)
}

/// The same, as the engine has it.
fn entered(rate: tally_engine::Rate) -> Option<tally_engine::OperatorsRate> {
    match rate {
        tally_engine::Rate::Operators(entered) => Some(entered),
        tally_engine::Rate::Initial
        | tally_engine::Rate::FromWindow(_)
        | tally_engine::Rate::OnChain
        | tally_engine::Rate::Fixed(_) => None,
    }
}
