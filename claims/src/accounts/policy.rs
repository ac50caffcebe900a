//! What a policy has sequencers earn.

use super::cut::Until;
use super::movement::failed;
use crate::epochs::epoch_end;
use crate::error::ClaimsError;
use std::collections::BTreeMap;
use tally_engine::{Allocation, Earned, Horizon, Ledger, Policy, SequencerId, Wei};
use tally_replay::{Replayed, Stop};

/// A policy's accounts of all sequencers.
#[derive(Clone, Debug)]
pub struct PolicyAccounts {
    /// The policy whose accounts they are.
    pub policy: Policy,
    /// The last block that counts, or `None` if none does.
    pub horizon: Option<Horizon>,
    /// Why it is the last; `None` if no block was asked for.
    pub stop: Option<Stop>,
    /// How many epochs are closed: from 0 on, nothing of theirs changes any more.
    pub closed_epochs: u64,
    /// By id, every sequencer that had locked or earned.
    pub sequencers: BTreeMap<SequencerId, PolicyAccount>,
    /// The sums over all of them.
    pub totals: PolicyAccount,
}

/// What a policy has a sequencer earn, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyAccount {
    /// The blocks that count and what they earned.
    pub accrued: Earned,
    /// What of it lies in closed epochs: what a cumulative distribution may pay. `None` under `on-chain`, where the
    /// contract pays.
    pub claimable: Option<Wei>,
    /// Under `on-chain`: what of it no batch has paid yet, else `None`. The rest is credited by schedule.
    pub pending: Option<Earned>,
}

impl PolicyAccount {
    fn nothing(is_on_chain: bool) -> Self {
        Self {
            accrued: Earned::default(),
            claimable: (!is_on_chain).then_some(Wei::ZERO),
            pending: is_on_chain.then(Earned::default),
        }
    }
}

impl PolicyAccounts {
    /// What `policy` gives before any block.
    pub(crate) fn nothing(policy: &Policy) -> Self {
        Self {
            policy: policy.clone(),
            horizon: None,
            stop: None,
            closed_epochs: 0,
            sequencers: BTreeMap::new(),
            totals: PolicyAccount::nothing(policy.allocation() == Allocation::OnChain),
        }
    }

    /// What a policy gives by a replay that went up to `until`.
    ///
    /// # Errors
    ///
    /// [`ClaimsError`] if a sum does not fit, or the ledger's parts do not add up to its totals.
    pub fn new(replayed: &Replayed, until: Until) -> Result<Self, ClaimsError> {
        let Replayed { policy, ledger, stop } = replayed;
        let is_on_chain = policy.allocation() == Allocation::OnChain;
        let closed_epochs = closed_epochs(replayed, until)?;
        let mut sequencers = BTreeMap::new();
        let mut totals = PolicyAccount::nothing(is_on_chain);
        for (id, total) in &ledger.sequencers {
            let account = PolicyAccount {
                accrued: total.earned,
                claimable: if is_on_chain { None } else { Some(claimable(ledger, *id, closed_epochs)?) },
                pending: if is_on_chain { Some(pending(ledger, *id, total.earned)?) } else { None },
            };
            totals = sum(&totals, &account, *id)?;
            sequencers.insert(*id, account);
        }
        let check = |what, expected: Wei, found| {
            ClaimsError::check_balance(what, format_args!("policy {}", policy.name()), expected, found)
        };
        check("the total accrued", ledger.total, totals.accrued.reward)?;
        if let Some(pending) = totals.pending {
            check("the pending reward", ledger.pending.reward, pending.reward)?;
        }
        let (policy, horizon) = (policy.clone(), ledger.horizon);
        Ok(Self { policy, horizon, stop: Some(*stop), closed_epochs, sequencers, totals })
    }

    /// The account of a sequencer; of nothing if the policy knows none.
    pub fn of(&self, sequencer: SequencerId) -> PolicyAccount {
        let is_on_chain = self.policy.allocation() == Allocation::OnChain;
        self.sequencers.get(&sequencer).copied().unwrap_or_else(|| PolicyAccount::nothing(is_on_chain))
    }
}

/// How many epochs are closed: those that a block or, where no earlier block can follow, the time asked for lies
/// after. The ledger lists the epochs up to that of its last block.
pub(crate) fn closed_epochs(replayed: &Replayed, until: Until) -> Result<u64, ClaimsError> {
    let Some((last, before)) = replayed.ledger.epochs.split_last() else {
        return Ok(0);
    };
    let before = u64::try_from(before.len()).expect("it is in memory");
    let end = epoch_end(&replayed.policy, last)?;
    // The block after the last is in the log and later than that time.
    let is_over = replayed.stop == Stop::AsAsked && until.time().is_some_and(|time| time >= end);
    Ok(if is_over { before.saturating_add(1) } else { before })
}

/// What a sequencer earned in the first `closed` epochs.
pub(crate) fn claimable(ledger: &Ledger, id: SequencerId, closed: u64) -> Result<Wei, ClaimsError> {
    let closed = ledger.epochs.iter().filter(|epoch| epoch.epoch.0 < closed);
    let rows = closed.flat_map(|epoch| epoch.rows.iter().filter(|row| row.sequencer == id));
    let mut sum = Wei::ZERO;
    for row in rows {
        sum = sum.checked_add(row.earned.reward).map_err(failed("the rewards of closed epochs", id))?;
    }
    Ok(sum)
}

/// What of the `earned` no batch has paid yet.
fn pending(ledger: &Ledger, id: SequencerId, earned: Earned) -> Result<Earned, ClaimsError> {
    let mut left = earned;
    for paid in ledger.batches.iter().filter_map(|batch| batch.rows.get(&id)) {
        left.reward =
            left.reward.checked_sub(paid.reward).map_err(failed("accrued less paid rewards", id))?;
        left.blocks = left.blocks.checked_sub(paid.blocks).ok_or_else(|| ClaimsError::Unbalanced {
            what: "the blocks of batches",
            whose: format!("sequencer {id}"),
            expected: left.blocks.to_string(),
            found: paid.blocks.to_string(),
        })?;
    }
    Ok(left)
}

fn sum(
    totals: &PolicyAccount,
    account: &PolicyAccount,
    id: SequencerId,
) -> Result<PolicyAccount, ClaimsError> {
    let wei = |left: Wei, right: Wei| left.checked_add(right).map_err(failed("the sum up to that", id));
    let earned = |left: Earned, right: Earned| {
        let blocks = left.blocks.checked_add(right.blocks).expect("there are no more blocks than numbers");
        Ok::<_, ClaimsError>(Earned { blocks, reward: wei(left.reward, right.reward)? })
    };
    Ok(PolicyAccount {
        accrued: earned(totals.accrued, account.accrued)?,
        claimable: totals
            .claimable
            .zip(account.claimable)
            .map(|(left, right)| wei(left, right))
            .transpose()?,
        pending: totals.pending.zip(account.pending).map(|(left, right)| earned(left, right)).transpose()?,
    })
}
