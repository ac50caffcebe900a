//! Accounts: what is owed to each sequencer, and what moved.

use crate::shape::list;
use crate::{Address, Amount, Hash, Horizon, Log, NotClaimable, Policy, SequencerStatus, SignedAmount};
use tally_claims::{AccountLine, ChainAccount, ChainTotals, MovementKind, StatementEntry};
use tally_engine::{SequencerId, Status};

/// The name that the contract gives a status.
pub const fn status_name(status: Status) -> &'static str {
    match status {
        Status::Inactive => "Inactive",
        Status::Active => "Active",
        Status::Unlocked => "Unlocked",
    }
}

shapes! {
    /// Sums of what the contracts owe, after the last L1 block that counts.
    pub struct ContractSums from sums: &ChainTotals {
        /// The stake that is locked, in wei.
        stake_wei: Amount = sums.stake.into(),
        /// The rewards that batches credited since the beginning, in wei.
        credited_wei: Amount = sums.credited.into(),
        /// The rewards that were paid out to L2 since the beginning, in wei.
        claimed_wei: Amount = sums.claimed.into(),
        /// The rewards that were moved into the stake since the beginning, in wei.
        relocked_wei: Amount = sums.relocked.into(),
        /// What is left of the rewards: credited less claimed and relocked, in wei.
        unclaimed_wei: Amount = sums.unclaimed.into(),
        /// What of the unclaimed rewards the owner can have paid out now, in wei.
        claimable_wei: Amount = sums.claimable.into(),
    }

    /// An account with the contracts: what they owe to a sequencer.
    pub struct ContractAccount from account: &ChainAccount {
        /// The sums of the account.
        #[serde(flatten)]
        sums: ContractSums = (&account.sums).into(),
        /// Why nothing is claimable: `gone`, `leaving`, `no_recipient`, `paused` or `nothing_unclaimed`; else `null`.
        not_claimable: Option<NotClaimable> = account.not_claimable.map(|why| why.code().into()),
        /// The exit of the sequencer; `null` if it has not begun one.
        exit: Option<Exit> = account.exit.map(Into::into),
    }

    /// An exit that a sequencer has begun.
    pub struct Exit from exit: tally_claims::Exit {
        /// When the exit began, in Unix seconds.
        since: u64 = exit.since.0,
        /// From when on the stake can be taken out, in Unix seconds.
        stake_free_at: u64 = exit.stake_free_at.0,
        /// The seconds from the beginning of the exit until the stake is free.
        delay_secs: u64 = exit.delay_secs,
    }

    /// An account under a policy: what the policy has a sequencer earn.
    pub struct PolicyAccount from account: &tally_claims::PolicyAccount {
        /// How many blocks were rewarded up to the horizon.
        blocks: u64 = account.accrued.blocks,
        /// What these blocks earned, in wei.
        accrued_wei: Amount = account.accrued.reward.into(),
        /// What of that lies in closed epochs, in wei; `null` under `on-chain`.
        claimable_wei: Option<Amount> = account.claimable.map(Into::into),
        /// Under `on-chain`: how many of the blocks no batch has paid yet; else `null`.
        pending_blocks: Option<u64> = account.pending.map(|pending| pending.blocks),
        /// Under `on-chain`: what these are worth at the present reward per block, in wei; else `null`.
        pending_wei: Option<Amount> = account.pending.map(|pending| pending.reward.into()),
    }

    /// What is owed to sequencers, by the contracts and under policies.
    pub struct Accounts from
        (log, found, only): (Log, &tally_claims::Accounts, Option<SequencerId>)
    {
        /// The log that the accounts are of.
        log: Log = log,
        /// The last L1 block that counts; `null` if there is none.
        l1_block: Option<u64> = found.as_of.l1_block.map(|block| block.0),
        /// The last second that counts, in Unix seconds; `null` for everything in the log, or if nothing happened yet.
        time: Option<u64> = found.as_of.until.time().map(|time| time.0),
        /// What the contracts owe, by id of the sequencer.
        sequencers: Vec<SequencerAccount> = list(shown(found, only), |id| (id, &found.chain.sequencers[&id]).into()),
        /// The sums over all sequencers; `null` if only one was asked for.
        totals: Option<ContractSums> = only.is_none().then(|| (&found.chain.totals).into()),
        /// What each policy has the sequencers earn.
        policies: Vec<PolicyAccounts> =
            list(&found.policies, |accounts| (accounts, &shown(found, only)[..], only).into()),
    }

    /// A sequencer and what the contracts owe to it.
    pub struct SequencerAccount from (id, account): (SequencerId, &ChainAccount) {
        /// The id of the sequencer.
        sequencer: u64 = id.0,
        /// `Active`, `Inactive` (it has begun its exit) or `Unlocked` (it has taken its stake out).
        status: SequencerStatus = status_name(account.status).into(),
        /// Its account with the contracts.
        #[serde(flatten)]
        account: ContractAccount = account.into(),
        /// The address on L2 that gets its rewards; `null` while none is named.
        recipient: Option<Address> = account.recipient.map(Into::into),
    }

    /// What a policy has the sequencers earn.
    pub struct PolicyAccounts from
        (accounts, ids, only): (&tally_claims::PolicyAccounts, &[SequencerId], Option<SequencerId>)
    {
        /// The policy by which rewards are computed.
        policy: Policy = (&accounts.policy).into(),
        /// The last block that counts; `null` if there is none.
        horizon: Option<Horizon> = accounts.horizon.map(Into::into),
        /// How many epochs of the policy are closed.
        closed_epochs: u64 = accounts.closed_epochs,
        /// What each sequencer earns, by id.
        sequencers: Vec<SequencerPolicyAccount> =
            list(ids, |id| SequencerPolicyAccount { sequencer: id.0, account: (&accounts.of(*id)).into() }),
        /// The sums over all sequencers; `null` if only one was asked for.
        totals: Option<PolicyAccount> = only.is_none().then(|| (&accounts.totals).into()),
    }

    /// A sequencer and what a policy has it earn.
    pub struct SequencerPolicyAccount {
        /// The id of the sequencer.
        sequencer: u64,
        /// Its account under the policy.
        #[serde(flatten)]
        account: PolicyAccount,
    }

    /// What a statement is of, and the balances that it begins and ends with.
    pub struct StatementHead from statement: &tally_claims::Statement {
        /// The id of the sequencer.
        sequencer: u64 = statement.sequencer.0,
        /// The first second, in Unix seconds; `null` for the beginning of the log.
        from: Option<u64> = statement.range.from.map(|from| from.0),
        /// The second after the last, in Unix seconds; `null` for everything in the log.
        to: Option<u64> = statement.range.to.map(|to| to.0),
        /// The last L2 block that counts; `null` without a policy, or if there is none.
        horizon: Option<Horizon> = statement.horizon.map(Into::into),
        /// The accounts that anything moved on, with their balances.
        accounts: Vec<Account> = list(&statement.accounts, Into::into),
    }

    /// A statement: everything that moved on the accounts of a sequencer, in double entry.
    pub struct Statement from (log, statement): (Log, &tally_claims::Statement) {
        /// The log that the statement is of.
        log: Log = log,
        /// The policy whose rewards are in it; `null` if only the contracts are.
        policy: Option<Policy> = statement.policy.as_ref().map(Into::into),
        /// What the statement is of.
        #[serde(flatten)]
        head: StatementHead = statement.into(),
        /// The movements, in the order in which they happened.
        movements: Vec<Movement> = list(&statement.entries, Into::into),
    }

    /// An account over the time of a statement. Balances are credits less debits since the beginning of the log.
    pub struct Account from line: &AccountLine {
        /// `stake:ID`, `unclaimed:ID`, `accrued:ID`, `owner:ADDRESS`, `recipient:ADDRESS` (an address on L2), `rewards` or `policy`.
        account: String = line.account.to_string(),
        /// The balance before the first movement, in wei.
        opening_wei: SignedAmount = line.opening.into(),
        /// What left the account, in wei.
        debits_wei: Amount = line.debits.into(),
        /// What entered the account, in wei.
        credits_wei: Amount = line.credits.into(),
        /// The balance after the last movement, in wei.
        closing_wei: SignedAmount = line.closing.into(),
    }

    /// A movement: an amount that leaves one account and enters another.
    pub struct Movement from entry: &StatementEntry {
        /// When it moved, in Unix seconds.
        time: u64 = entry.movement.time.0,
        /// The number of the L1 block of the event; `null` for what a policy gives.
        l1_block: Option<u64> = entry.movement.place.map(|place| place.block.0),
        /// The hash of the event's L1 transaction; `null` for what a policy gives.
        transaction: Option<Hash> = entry.movement.place.map(|place| place.transaction_hash.into()),
        /// The index of the event among the logs of its block; `null` for what a policy gives.
        log_index: Option<u64> = entry.movement.place.map(|place| place.log_index),
        /// `locked`, `relocked`, `relocked_reward`, `withdrawn`, `credited`, `claimed`, `unlocked`, `accrued` or `revalued`.
        kind: crate::MovementKind = entry.movement.kind.code().into(),
        /// The number of the batch, for a credit; else `null`.
        batch: Option<u64> = Details::from(entry.movement.kind).batch,
        /// The number of the epoch, for what a policy gives; else `null`.
        epoch: Option<u64> = Details::from(entry.movement.kind).epoch,
        /// How many blocks earned it; `null` where no blocks did.
        blocks: Option<u64> = Details::from(entry.movement.kind).blocks,
        /// What each of these blocks earned, in wei, for a credit; else `null`.
        reward_per_block_wei: Option<Amount> = Details::from(entry.movement.kind).reward_per_block_wei,
        /// The amount that moved, in wei.
        amount_wei: Amount = entry.movement.amount.into(),
        /// The account that it left.
        debit: String = entry.movement.debit.to_string(),
        /// The account that it entered.
        credit: String = entry.movement.credit.to_string(),
        /// The stake of the sequencer after it, in wei.
        stake_wei: Amount = entry.stake.into(),
        /// The unclaimed rewards of the sequencer after it, in wei.
        unclaimed_wei: Amount = entry.unclaimed.into(),
        /// What the policy has had the sequencer earn after it, in wei; `null` without a policy.
        accrued_wei: Option<Amount> = entry.accrued.map(Into::into),
    }
}

/// The sequencers that were asked for.
fn shown(found: &tally_claims::Accounts, only: Option<SequencerId>) -> Vec<SequencerId> {
    found.chain.sequencers.keys().copied().filter(|id| only.is_none_or(|only| only == *id)).collect()
}

/// What some kinds of movement have beside an amount.
#[derive(Default)]
struct Details {
    batch: Option<u64>,
    epoch: Option<u64>,
    blocks: Option<u64>,
    reward_per_block_wei: Option<Amount>,
}

impl From<MovementKind> for Details {
    fn from(kind: MovementKind) -> Self {
        match kind {
            MovementKind::Credited { batch, blocks, reward_per_block } => Self {
                batch: Some(batch.0),
                epoch: None,
                blocks: Some(blocks),
                reward_per_block_wei: Some(reward_per_block.into()),
            },
            MovementKind::Accrued { epoch, blocks } => {
                Self { epoch: Some(epoch.0), blocks: Some(blocks), ..Self::default() }
            }
            MovementKind::Revalued { epoch } => Self { epoch: Some(epoch.0), ..Self::default() },
            MovementKind::Locked
            | MovementKind::Relocked
            | MovementKind::RelockedReward
            | MovementKind::Withdrawn
            | MovementKind::Claimed
            | MovementKind::Unlocked => Self::default(),
        }
    }
}
