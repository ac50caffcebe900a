//! Everything that the owner of a sequencer asks first.

use crate::accounts::{ChainAccount, Cut, MovementKind, PolicyAccount, StatementRange, accounts, statement};
use crate::error::ClaimsError;
use crate::member::{MemberAction, MemberBasis, MemberCall, Sending, member_call};
use crate::sequencers::{SequencerFacts, sequencers};
use tally_engine::{Earned, EpochIndex, Policy, SequencerId, Status, UnixTime, Wei};
use tally_eventlog::{L1Head, LogView};
use tally_replay::{BlockLedger, EpochExplanation, RateReason, Replayed, explain_epoch};

/// A sequencer, as its owner asks about it: what is real first, which is what the contract has, and then what a policy says.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The id of the sequencer.
    pub id: SequencerId,
    /// The log's last L1 block, after which it is so.
    pub as_of: L1Head,
    /// The sequencer that it is about.
    pub facts: SequencerFacts,
    /// What the contract owes it.
    pub account: ChainAccount,
    /// How its stake lies between what the contract takes and what counts.
    pub stake: StakeRoom,
    /// The epoch that runs, and what the contract credited in it; `None` before epoch 0.
    pub running: Option<RunningEpoch>,
    /// Blocks that no batch has paid yet, with what they come to at the present reward per block.
    pub unpaid: Earned,
    /// The policy by whose epochs this is told.
    pub policy: Policy,
    /// What that policy has it earn, whether or not the contract pays it.
    pub under_policy: PolicyAccount,
    /// Its way out: `unlock`, or `finish` where the exit has begun; `None` if it is gone.
    pub way_out: Option<MemberCall>,
    /// Why its rate is what it is, in the epoch asked for; `None` if there is none yet.
    pub rate: Option<(EpochExplanation, RateReason)>,
}

/// How a stake lies between the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StakeRoom {
    /// The least that the contract lets be locked.
    pub min: Wei,
    /// The greatest that the contract lets be locked.
    pub max: Wei,
    /// What of a stake counts at most, by the policy; `None` if all of it counts.
    pub cap: Option<Wei>,
    /// How much can be taken out and leave the least.
    pub above_min: Wei,
    /// How much more can be locked.
    pub below_max: Wei,
    /// How much more would count.
    pub below_cap: Wei,
    /// How much is locked and does not count.
    pub above_cap: Wei,
}

/// The epoch that runs, by the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningEpoch {
    /// The index of the epoch.
    pub epoch: EpochIndex,
    /// When the epoch began.
    pub start: UnixTime,
    /// What batches credited since then.
    pub credited: Wei,
}

/// The overview of a sequencer, by the log and by `replayed`, a replay of that very log. The rate is explained of `epoch`, for
/// `None` of the last that is over.
///
/// # Errors
///
/// [`ClaimsError`] if there is no such sequencer, or the log cannot be read or folded.
pub fn overview<L: LogView>(
    log: &L,
    id: SequencerId,
    replayed: &Replayed,
    epoch: Option<EpochIndex>,
    threads: Option<usize>,
) -> Result<Overview, ClaimsError> {
    let basis = MemberBasis::of(log)?;
    let state = basis.sequencer(id)?;
    let facts = sequencers(log)?.remove(&id);
    let on_chain = Policy::built_in("locking-pool").expect("it is built in");
    let policies = [replayed.policy.clone(), on_chain];
    let all = accounts(log, Cut::End, &policies, threads)?;
    let (facts, account) =
        facts.zip(all.chain.sequencers.get(&id).copied()).ok_or_else(|| basis.unknown(id))?;
    let of_policy = |index: usize| all.policies.get(index).map(|accounts| accounts.of(id));
    let nothing = || PolicyAccount { accrued: Earned::default(), claimable: None, pending: None };
    let running = replayed.ledger.epochs.last().map(|epoch| -> Result<RunningEpoch, ClaimsError> {
        let range = StatementRange { from: Some(epoch.start), to: None };
        let mut credited = Wei::ZERO;
        for entry in statement(log, id, None, range, threads)?.entries {
            if let MovementKind::Credited { .. } = entry.movement.kind {
                let sum = credited.checked_add(entry.movement.amount);
                credited = sum.map_err(ClaimsError::amount("what was credited in the epoch that runs"))?;
            }
        }
        Ok(RunningEpoch { epoch: epoch.epoch, start: epoch.start, credited })
    });
    let action = match state.status {
        Status::Active => Some(MemberAction::Unlock { sequencer: id }),
        Status::Inactive => Some(MemberAction::Finish { sequencer: id }),
        Status::Unlocked => None,
    };
    let way_out = action.map(|action| member_call(&basis, action, Sending::default())).transpose()?;
    let (min, max, cap) = (basis.pool.min_lock, basis.pool.max_lock, replayed.policy.cap());
    // How far one is above the other, and nothing if it is not.
    let over = |one: Wei, other: Wei| {
        one.checked_sub(other.min(one)).map_err(ClaimsError::amount("the room of a stake"))
    };
    let room = StakeRoom {
        min,
        max,
        cap: Some(cap).filter(|cap| *cap != Policy::NO_CAP),
        above_min: over(state.amount, min)?,
        below_max: over(max, state.amount)?,
        below_cap: over(cap.min(max), state.amount)?,
        above_cap: over(state.amount, cap)?,
    };
    Ok(Overview {
        id,
        as_of: basis.head,
        stake: room,
        running: running.transpose()?,
        unpaid: of_policy(1).and_then(|account| account.pending).unwrap_or_default(),
        policy: replayed.policy.clone(),
        under_policy: of_policy(0).unwrap_or_else(nothing),
        rate: reason(log, id, replayed, epoch)?,
        facts,
        account,
        way_out,
    })
}

fn reason<L: LogView>(
    log: &L,
    id: SequencerId,
    replayed: &Replayed,
    epoch: Option<EpochIndex>,
) -> Result<Option<(EpochExplanation, RateReason)>, ClaimsError> {
    let last_closed = replayed.ledger.epochs.iter().rev().nth(1).or(replayed.ledger.epochs.last());
    let Some(epoch) = epoch.or(last_closed.map(|epoch| epoch.epoch)) else {
        return Ok(None);
    };
    let ledger = BlockLedger::new(log, replayed)?;
    let Some(explained) = explain_epoch(&ledger, id, epoch)? else {
        return Ok(None);
    };
    let reason = RateReason::of(&explained, replayed.policy.allocation());
    let reason = reason.map_err(ClaimsError::amount("the rate that it reached"))?;
    Ok(Some((explained, reason)))
}
