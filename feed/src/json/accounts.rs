//! What a sequencer can claim, and its statement of account.

use super::sequencers::ContractAccount;
use super::{AddressJson, Amount, At, BlockPlace, HashJson, SignedAmount};
use serde::Serialize;
use tally_claims::{AccountLine, MovementKind, Statement, StatementEntry};
use utoipa::ToSchema;

/// What a sequencer can claim, by what is final.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClaimAnswer {
    pub(crate) at: At,
    pub(crate) sequencer: u64,
    /// Who gets its rewards on L2.
    pub(crate) recipient: Option<AddressJson>,
    /// What the contracts owe, up to the last final L1 block.
    pub(crate) contract: ContractAccount,
    /// What the policy's distribution at the end of its last settled epoch owes; `null` where there is none: under
    /// `on-chain`, where the contract pays, before an epoch is settled, and while nobody has named a recipient.
    pub(crate) distribution: Option<DistributionJson>,
}

/// A sequencer's part of a distribution.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DistributionJson {
    /// The last epoch that counts.
    pub(crate) epoch: u64,
    /// When it ended.
    pub(crate) end: u64,
    /// What is owed since the beginning, claimed or not.
    pub(crate) cumulative_wei: Amount,
    /// Why it cannot be claimed: `no_recipient`; or `nothing`, where nothing is owed.
    pub(crate) withheld: Option<&'static str>,
    /// The root of the Merkle tree.
    pub(crate) merkle_root: HashJson,
    /// The proof of the leaf (sequencer, recipient, cumulative amount); `null` where it cannot be claimed.
    pub(crate) merkle_proof: Option<Vec<HashJson>>,
}

/// What moved on a sequencer's accounts: double entry.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatementAnswer {
    pub(crate) at: At,
    pub(crate) sequencer: u64,
    /// Its first second; `null` for the beginning of the log.
    pub(crate) from: Option<u64>,
    /// The second after its last; `null` for everything in the log.
    pub(crate) to: Option<u64>,
    /// The last L2 block that counts.
    pub(crate) horizon: Option<BlockPlace>,
    pub(crate) accounts: Vec<AccountJson>,
    /// A page of what moved, in order.
    pub(crate) movements: Vec<MovementJson>,
    /// Where the next page begins: give it as `cursor`. `null` after the last.
    pub(crate) next: Option<u64>,
}

/// An account over the time of the statement.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountJson {
    /// `stake:ID`, `unclaimed:ID`, `accrued:ID`, `owner:ADDRESS`, `recipient:ADDRESS`, `rewards` or `policy`.
    account: String,
    opening_wei: SignedAmount,
    /// What left it.
    debits_wei: Amount,
    /// What entered it.
    credits_wei: Amount,
    closing_wei: SignedAmount,
}

impl From<&AccountLine> for AccountJson {
    fn from(line: &AccountLine) -> Self {
        Self {
            account: line.account.to_string(),
            opening_wei: line.opening.into(),
            debits_wei: line.debits.into(),
            credits_wei: line.credits.into(),
            closing_wei: line.closing.into(),
        }
    }
}

/// An amount that moved from one account to another.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MovementJson {
    time: u64,
    /// The event; `null` for what a policy gives.
    l1_block: Option<u64>,
    transaction: Option<HashJson>,
    log_index: Option<u64>,
    /// `locked`, `relocked`, `relocked_reward`, `withdrawn`, `credited`, `claimed`, `unlocked`, `accrued` or `revalued`.
    kind: &'static str,
    /// Of a credit.
    batch: Option<u64>,
    /// Of an accrual or revaluation.
    epoch: Option<u64>,
    blocks: Option<u64>,
    reward_per_block_wei: Option<Amount>,
    amount_wei: Amount,
    /// Which account it left.
    debit: String,
    /// Which account it entered.
    credit: String,
    /// What the sequencer's own accounts hold after it.
    stake_wei: Amount,
    unclaimed_wei: Amount,
    accrued_wei: Option<Amount>,
}

impl From<&StatementEntry> for MovementJson {
    fn from(entry: &StatementEntry) -> Self {
        let movement = &entry.movement;
        let (mut batch_of, mut epoch_of, mut blocks_of, mut each) = (None, None, None, None);
        match movement.kind {
            MovementKind::Credited { batch, blocks, reward_per_block } => {
                (batch_of, blocks_of, each) = (Some(batch.0), Some(blocks), Some(reward_per_block));
            }
            MovementKind::Accrued { epoch, blocks } => {
                (epoch_of, blocks_of) = (Some(epoch.0), Some(blocks));
            }
            MovementKind::Revalued { epoch } => epoch_of = Some(epoch.0),
            MovementKind::Locked
            | MovementKind::Relocked
            | MovementKind::RelockedReward
            | MovementKind::Withdrawn
            | MovementKind::Claimed
            | MovementKind::Unlocked => {}
        }
        Self {
            time: movement.time.0,
            l1_block: movement.place.map(|place| place.block.0),
            transaction: movement.place.map(|place| place.transaction_hash.into()),
            log_index: movement.place.map(|place| place.log_index),
            kind: movement.kind.code(),
            batch: batch_of,
            epoch: epoch_of,
            blocks: blocks_of,
            reward_per_block_wei: each.map(Into::into),
            amount_wei: movement.amount.into(),
            debit: movement.debit.to_string(),
            credit: movement.credit.to_string(),
            stake_wei: entry.stake.into(),
            unclaimed_wei: entry.unclaimed.into(),
            accrued_wei: entry.accrued.map(Into::into),
        }
    }
}

impl StatementAnswer {
    /// The movements from number `cursor` on, `limit` at most.
    pub(crate) fn new(at: At, statement: &Statement, cursor: u64, limit: usize) -> Self {
        let skipped = usize::try_from(cursor).unwrap_or(usize::MAX);
        let page: Vec<MovementJson> =
            statement.entries.iter().skip(skipped).take(limit).map(Into::into).collect();
        let end = cursor.saturating_add(u64::try_from(page.len()).unwrap_or(u64::MAX));
        let is_last = usize::try_from(end).is_ok_and(|end| end >= statement.entries.len());
        Self {
            at,
            sequencer: statement.sequencer.0,
            from: statement.range.from.map(|from| from.0),
            to: statement.range.to.map(|to| to.0),
            horizon: statement.horizon.map(Into::into),
            accounts: statement.accounts.iter().map(Into::into).collect(),
            movements: page,
            next: (!is_last).then_some(end),
        }
    }
}
